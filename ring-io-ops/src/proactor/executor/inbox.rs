//! Wakes that come from other threads: a list per executor, and a bell that ends its wait.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use super::waker::TaskId;
use crate::proactor::trace::Event;

/// What ends an executor's wait; whether it rang. Once it has, it is not rung again until the list is taken.
pub(crate) type Bell = Box<dyn FnMut() -> bool + Send>;

/// The kernel may be out of memory for a ring; so long after that it is asked again.
const AGAIN: Duration = Duration::from_millis(1);

/// How often a thread asks again that does so in place of another, which could not be had.
const TRIES: u32 = 100;

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
    /// A thread tries until the bell rings.
    helped: bool,
}

impl List {
    /// Rings the bell if somebody has to hear it; `false` when that did not succeed.
    fn ring(&mut self) -> bool {
        if !self.rung
            && !self.woken.is_empty()
            && let Some(bell) = &mut self.bell
        {
            self.rung = bell();
            return self.rung;
        }
        true
    }
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

    fn push(self: Arc<Self>, id: TaskId) {
        let mut list = self.list();
        list.woken.push(id);
        // Under the lock, so that what the bell names is not closed meanwhile.
        if !list.ring() && !list.helped {
            list.helped = true;
            drop(list);
            self.ring_later();
        }
    }

    /// The owner may sleep without end and nobody else wake it: tries until the bell rings, on a thread for that. Who
    /// wakes must not be kept waiting, and may be the owner.
    #[cold]
    fn ring_later(self: Arc<Self>) {
        Event::WakeRefused.tell();
        let inbox = Arc::clone(&self);
        let helper = thread::Builder::new()
            .name("ring-io bell".to_owned())
            .spawn(move || while !inbox.try_again() {});
        if helper.is_err() {
            // Better late than never; and the next wake tries anew.
            let rang = (0..TRIES).any(|_| self.try_again());
            if !rang {
                self.list().helped = false;
            }
        }
    }

    /// Waits a little and rings; whether there is no more need to.
    fn try_again(&self) -> bool {
        thread::sleep(AGAIN);
        let mut list = self.list();
        let done = list.ring();
        list.helped = !done;
        done
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_bell_that_did_not_ring_is_rung_again() {
        let (number, inbox) = open().expect("a number");
        let (rang, heard) = mpsc::channel();
        let mut refusals = 3;
        inbox.set_bell(Some(Box::new(move || {
            if refusals > 0 {
                refusals -= 1;
                return false;
            }
            rang.send(()).is_ok()
        })));
        let id = TaskId::new(0, 0, number);
        wake(id);
        heard.recv().expect("nobody else wakes the owner");
        // It was heard, and the list was not taken: no need to ring again.
        wake(id);
        assert!(heard.try_recv().is_err());
        assert_eq!(inbox.take(), [id, id]);
        wake(id);
        heard.recv().expect("a wake behind those that were taken");
        inbox.set_bell(None);
        close(number);
    }

    #[cfg(feature = "tracing")]
    #[test]
    fn a_wake_that_is_refused_is_told_once() {
        let (number, inbox) = open().expect("a number");
        let (rang, heard) = mpsc::channel();
        let mut refusals = 3;
        inbox.set_bell(Some(Box::new(move || {
            refusals -= 1;
            refusals < 0 && rang.send(()).is_ok()
        })));
        let collector = crate::proactor::tests::collector::Collector::default();
        collector.hears(|| wake(TaskId::new(0, 0, number)));
        heard.recv().expect("it is rung until it is heard");
        let told = collector.all();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0]
                .field("message")
                .starts_with("kernel refuses to wake")
        );
        assert_eq!(
            (told[0].target, told[0].level),
            ("ring_io::driver", tracing::Level::WARN)
        );
        inbox.set_bell(None);
        close(number);
    }

    #[test]
    fn nobody_tries_to_ring_when_the_list_was_taken() {
        let (number, inbox) = open().expect("a number");
        let (tried, heard) = mpsc::channel();
        inbox.set_bell(Some(Box::new(move || {
            // Fails when nobody listens any more.
            let _ = tried.send(());
            false
        })));
        wake(TaskId::new(0, 0, number));
        heard.recv().expect("the first try");
        assert_eq!(inbox.take().len(), 1);
        // The one who tries holds a reference until it gives up.
        while Arc::strong_count(&inbox) > 2 {
            thread::yield_now();
        }
        assert!(!inbox.list().helped);
        inbox.set_bell(None);
        close(number);
    }
}
