//! The tasks of one executor, and the queue of those that are ready.

use std::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::waker::TaskId;

/// A task's future; its result goes to the join handle.
pub(super) type Task = Pin<Box<dyn Future<Output = ()>>>;

const NONE: u32 = u32::MAX;

/// The place of the future that [`block_on`](crate::proactor::LocalProactor::block_on) was given. It lies on the
/// caller's stack, not here.
pub(super) const MAIN: u32 = 0;

struct Entry {
    /// Not here while it is polled.
    task: Option<Task>,
    /// The number of the task that is here, or of the one that will be.
    id: TaskId,
    /// The next in the queue of the ready, or the next free place.
    next: u32,
    /// In the queue of the ready: however often it is woken, it is polled once.
    queued: bool,
    /// To be dropped when its poll is over.
    aborted: bool,
}

impl Entry {
    const fn new(id: TaskId) -> Self {
        Self {
            task: None,
            id,
            next: NONE,
            queued: false,
            aborted: false,
        }
    }
}

struct Table {
    entries: Vec<Entry>,
    free: u32,
    first: u32,
    last: u32,
    live: usize,
}

/// # Invariants
///
/// 1. The table is touched only within the methods below, none of which calls anything of a task or a waker while it
///    has a reference to the table. The value is not `Sync`, so no two of them run at once.
pub(crate) struct Tasks {
    table: UnsafeCell<Table>,
    executor: u16,
}

impl Tasks {
    pub(super) fn new(executor: u16) -> Self {
        let main = Entry::new(TaskId::new(MAIN, 0, executor));
        Self {
            table: UnsafeCell::new(Table {
                entries: vec![main],
                free: NONE,
                first: NONE,
                last: NONE,
                live: 0,
            }),
            executor,
        }
    }

    #[inline(always)]
    pub(super) const fn executor(&self) -> u16 {
        self.executor
    }

    // The reference must be gone before anything else is called.
    #[allow(clippy::mut_from_ref)]
    #[inline(always)]
    fn table(&self) -> &mut Table {
        // SAFETY: each use below ends before another begins (1).
        unsafe { &mut *self.table.get() }
    }

    /// Adds a task, which is ready.
    pub(super) fn add(&self, task: Task) -> TaskId {
        let table = self.table();
        if table.free == NONE {
            let index = u32::try_from(table.entries.len()).expect("fewer than 2^32 tasks");
            let id = TaskId::new(index, 0, self.executor);
            table.entries.push(Entry::new(id));
            table.free = index;
        }
        let index = table.free;
        let entry = &mut table.entries[index as usize];
        table.free = entry.next;
        table.live += 1;
        entry.task = Some(task);
        let id = entry.id;
        self.wake(id);
        id
    }

    /// A number that no task has.
    pub(super) const fn nobody(&self) -> TaskId {
        TaskId::new(NONE, 0, self.executor)
    }

    /// How many tasks have not ended.
    pub(super) fn live(&self) -> usize {
        self.table().live
    }

    /// Puts a task into the queue of the ready, unless it is there; `false` when there is no such task.
    #[inline(always)]
    pub(crate) fn wake(&self, id: TaskId) -> bool {
        let table = self.table();
        let Some(entry) = table.entries.get_mut(id.index() as usize) else {
            return false;
        };
        // The executor is a part of the number, so this asks for that too.
        if entry.id != id {
            return false;
        }
        if entry.queued {
            return true;
        }
        entry.queued = true;
        entry.next = NONE;
        let last = std::mem::replace(&mut table.last, id.index());
        if table.first == NONE {
            table.first = id.index();
        } else {
            table.entries[last as usize].next = id.index();
        }
        true
    }

    #[inline(always)]
    pub(super) fn is_idle(&self) -> bool {
        self.table().first == NONE
    }

    /// The last of the ready.
    #[inline(always)]
    pub(super) fn last_ready(&self) -> u32 {
        self.table().last
    }

    /// Takes the first of the ready: its number, and the task unless it is the main one.
    #[inline(always)]
    pub(super) fn next(&self) -> Option<(TaskId, Option<Task>)> {
        let table = self.table();
        let index = table.first;
        if index == NONE {
            return None;
        }
        let entry = &mut table.entries[index as usize];
        table.first = entry.next;
        entry.queued = false;
        Some((entry.id, entry.task.take()))
    }

    /// Puts a task back that was polled and goes on; answers with it if it was aborted meanwhile.
    #[inline(always)]
    pub(super) fn put_back(&self, id: TaskId, task: Task) -> Option<Task> {
        let entry = &mut self.table().entries[id.index() as usize];
        debug_assert!(entry.task.is_none(), "a task lies in the place of another");
        if entry.aborted {
            return Some(task);
        }
        // Not assigned: there is nothing to drop.
        std::mem::forget(entry.task.replace(task));
        None
    }

    /// Gives the place of a task back that ended.
    pub(super) fn end(&self, id: TaskId) {
        let table = self.table();
        let entry = &mut table.entries[id.index() as usize];
        // Woken in its last poll, it stands in the queue: the place is given back when its turn comes.
        entry.id = id.next();
        entry.aborted = false;
        table.live -= 1;
        if !entry.queued {
            entry.next = table.free;
            table.free = id.index();
        }
    }

    /// Gives a place back that stood in the queue when its task ended.
    pub(super) fn release(&self, id: TaskId) {
        let table = self.table();
        let entry = &mut table.entries[id.index() as usize];
        entry.next = table.free;
        table.free = id.index();
    }

    /// The number of the main future.
    pub(super) const fn main(&self) -> TaskId {
        TaskId::new(MAIN, 0, self.executor)
    }

    /// Takes a task out, to drop it. One that is being polled is marked, so that [`put_back`](Self::put_back) refuses it.
    pub(super) fn abort(&self, id: TaskId) -> Option<Task> {
        let entry = self.table().entries.get_mut(id.index() as usize)?;
        if entry.id != id {
            return None;
        }
        let task = entry.task.take();
        entry.aborted = task.is_none();
        task
    }

    /// Takes any task that is left, to drop it.
    pub(super) fn take_any(&self) -> Option<(TaskId, Task)> {
        let table = self.table();
        table
            .entries
            .iter_mut()
            .find_map(|entry| Some((entry.id, entry.task.take()?)))
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks")
            .field("executor", &self.executor)
            .field("live", &self.live())
            .finish_non_exhaustive()
    }
}
