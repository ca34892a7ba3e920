//! Wakes that come from other threads: a list per executor, and a bell that ends its wait.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock};

use super::waker::TaskId;

/// What ends an executor's wait: rung at most once until the list is taken.
pub(crate) type Bell = Box<dyn FnMut() + Send>;

/// The wakes of one executor that came from elsewhere.
pub(crate) struct Inbox {
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    woken: Vec<TaskId>,
    /// Gone when the executor is.
    bell: Option<Bell>,
    rung: bool,
}

impl Inbox {
    fn list(&self) -> MutexGuard<'_, List> {
        // Nothing panics while it is held but the allocator.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to ring from now on; `None` before whatever the bell names is gone.
    pub(crate) fn set_bell(&self, bell: Option<Bell>) {
        let old = std::mem::replace(&mut self.list().bell, bell);
        drop(old);
    }

    /// Takes what came, and lets the bell be rung again.
    pub(super) fn take(&self) -> Vec<TaskId> {
        let mut list = self.list();
        list.rung = false;
        std::mem::take(&mut list.woken)
    }

    fn push(&self, id: TaskId) {
        let mut list = self.list();
        let list = &mut *list;
        list.woken.push(id);
        if !list.rung
            && let Some(bell) = &mut list.bell
        {
            // Under the lock, so that what the bell names is not closed meanwhile.
            bell();
            list.rung = true;
        }
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

/// All executors of the process that are alive.
static INBOXES: LazyLock<RwLock<HashMap<u16, Arc<Inbox>>>> = LazyLock::new(RwLock::default);

/// An inbox under a number that nobody else has; `None` when all are taken.
pub(super) fn open() -> Option<(u16, Arc<Inbox>)> {
    let mut inboxes = INBOXES.write().unwrap_or_else(PoisonError::into_inner);
    // Not the lowest free one: a late waker of an executor that is gone should find nobody, if it can be had.
    let start = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let number = (0..=u16::MAX)
        .map(|i| start.wrapping_add(i))
        .find(|number| !inboxes.contains_key(number))?;
    let inbox = Arc::new(Inbox {
        list: Mutex::default(),
    });
    inboxes.insert(number, Arc::clone(&inbox));
    Some((number, inbox))
}

/// Where the search for a free number begins. Relaxed: only the number is wanted.
static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);

/// Gives a number back.
pub(super) fn close(number: u16) {
    INBOXES
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&number);
}

/// Wakes a task of an executor that does not run on this thread now.
#[cold]
#[inline(never)]
pub(super) fn wake(id: TaskId) {
    let inbox = INBOXES
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&id.executor())
        .cloned();
    if let Some(inbox) = inbox {
        inbox.push(id);
    }
}
