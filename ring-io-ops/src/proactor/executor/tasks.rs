//! The tasks of one executor, and the queue of those that are ready.

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::Context;

use super::waker::TaskId;

/// A task's future; its result goes to the join handle.
pub(super) type Task = Pin<Box<dyn Future<Output = ()>>>;

const NONE: u32 = u32::MAX;

/// The place of the future that [`block_on`](crate::proactor::LocalProactor::block_on) was given. It lies on the
/// caller's stack, not here.
pub(super) const MAIN: u32 = 0;

/// In place of the task that is polled: no task's number, as no place is so high.
const IDLE: TaskId = TaskId::new(NONE, u16::MAX, u16::MAX);

struct Entry {
    /// Owned: made by `Box::into_raw`. A pointer, not a box, because the task stays here while it is polled: taking it
    /// out and putting it back costs ten instructions a poll.
    task: Option<NonNull<dyn Future<Output = ()>>>,
    /// The number of the task that is here, or of the one that will be.
    id: TaskId,
    /// The next in the queue of the ready, or the next free place.
    next: u32,
    /// In the queue of the ready: however often it is woken, it is polled once.
    queued: bool,
}

impl Entry {
    const fn new(id: TaskId) -> Self {
        Self {
            task: None,
            id,
            next: NONE,
            queued: false,
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
/// 2. `first`, `last`, and the `next` of entries in the queue, are `NONE` or the place of an entry. The table never
///    shrinks.
/// 3. The task of an entry is a pinned box's, and is polled by [`poll`](Self::poll) only, once at a time; while it is
///    polled, `running` is its number, and it is not dropped.
pub(crate) struct Tasks {
    table: UnsafeCell<Table>,
    /// The task that is polled now; [`IDLE`] where none is.
    running: Cell<TaskId>,
    /// It is to be dropped when that is over.
    aborted: Cell<bool>,
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
            running: Cell::new(IDLE),
            aborted: Cell::new(false),
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
        // SAFETY: it stays where it is, and nothing but `poll` sees it, pinned again.
        let task = unsafe { Box::into_raw(Pin::into_inner_unchecked(task)) };
        entry.task = NonNull::new(task);
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
            // SAFETY: the place of an entry (2).
            unsafe { table.entries.get_unchecked_mut(last as usize) }.next = id.index();
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

    /// Takes the first of the ready off the queue.
    #[inline(always)]
    pub(super) fn next(&self) -> Option<Ready> {
        let table = self.table();
        let index = table.first;
        if index == NONE {
            return None;
        }
        // SAFETY: the place of an entry (2).
        let entry = unsafe { table.entries.get_unchecked_mut(index as usize) };
        table.first = entry.next;
        entry.queued = false;
        Some(Ready {
            id: entry.id,
            task: entry.task,
        })
    }

    /// Polls a task that [`next`](Self::next) gave; `true` when it is over, and to be dropped with
    /// [`end`](Self::end).
    ///
    /// # Safety
    ///
    /// `task` is that of the entry `id`, which nothing has changed since it was taken off the queue.
    #[inline(always)]
    pub(super) unsafe fn poll(
        &self,
        id: TaskId,
        mut task: NonNull<dyn Future<Output = ()>>,
        context: &mut Context<'_>,
    ) -> bool {
        self.running.set(id);
        let unwinding = Unwinding(self, id);
        // SAFETY: it is there, pinned, and polled by nobody else (3).
        let poll = unsafe { Pin::new_unchecked(task.as_mut()) }.poll(context);
        std::mem::forget(unwinding);
        self.running.set(IDLE);
        // Set back where the task ends.
        poll.is_ready() || self.aborted.get()
    }

    /// Takes a task out that is over, to be dropped, and gives its place back.
    pub(super) fn end(&self, id: TaskId) -> Option<Task> {
        // While one is polled, what is ended is another, and the one may have been aborted.
        if self.running.get() == IDLE {
            self.aborted.set(false);
        }
        let table = self.table();
        let entry = &mut table.entries[id.index() as usize];
        let task = entry.task.take()?;
        // Woken in its last poll, it stands in the queue: the place is given back when its turn comes.
        entry.id = id.next();
        table.live -= 1;
        if !entry.queued {
            entry.next = table.free;
            table.free = id.index();
        }
        // SAFETY: made by `Box::into_raw` of a pinned box, and taken once.
        Some(unsafe { Pin::new_unchecked(Box::from_raw(task.as_ptr())) })
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

    /// Takes a task out, to be dropped. One that is being polled is over when that is.
    pub(super) fn abort(&self, id: TaskId) -> Option<Task> {
        if self.running.get() == id {
            self.aborted.set(true);
            return None;
        }
        let is_here = self
            .table()
            .entries
            .get(id.index() as usize)
            .is_some_and(|entry| entry.id == id);
        if is_here { self.end(id) } else { None }
    }

    /// Takes the next task out, from `place` on, that is not being polled, to be dropped.
    pub(super) fn end_next(&self, place: &mut usize) -> Option<Task> {
        let running = self.running.get();
        let entries = &self.table().entries;
        let next = entries
            .get(*place..)?
            .iter()
            .position(|entry| entry.task.is_some() && entry.id != running)?;
        *place += next;
        let id = entries[*place].id;
        self.end(id)
    }
}

/// Ends a task whose poll panics: the waker of its join handle did.
struct Unwinding<'t>(&'t Tasks, TaskId);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        self.0.running.set(IDLE);
        drop(self.0.end(self.1));
    }
}

/// A task whose turn it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub(super) id: TaskId,
    /// Not there for the main future, and where the task has ended meanwhile.
    pub(super) task: Option<NonNull<dyn Future<Output = ()>>>,
}

impl Drop for Tasks {
    fn drop(&mut self) {
        let mut place = 0;
        while let Some(task) = self.end_next(&mut place) {
            drop(task);
        }
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
