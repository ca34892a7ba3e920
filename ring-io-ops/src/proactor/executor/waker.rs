//! Wakers of the executor: a task's number, no reference count, no allocation.
//!
//! Such a waker names the executor too, so it works on every thread. On the executor's own thread, while it runs, waking
//! is a few stores; elsewhere the number goes through the executor's [`Inbox`](super::inbox::Inbox). A waker that
//! outlives its task wakes whoever has the number by then, or nobody: a wake too many is always allowed.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::inbox;
use super::tasks::Tasks;

/// The number of a task: its place, its generation, its executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskId(u64);

// The number is a waker's data pointer.
const _: () = assert!(
    size_of::<usize>() == 8,
    "the feature `proactor` needs a target with 64-bit pointers"
);

impl TaskId {
    #[inline(always)]
    pub(super) const fn new(index: u32, generation: u16, executor: u16) -> Self {
        Self(index as u64 | (generation as u64) << 32 | (executor as u64) << 48)
    }

    #[inline(always)]
    pub(super) const fn index(self) -> u32 {
        self.0 as u32
    }

    /// The number of the next task in the same place.
    pub(super) const fn next(self) -> Self {
        let generation = ((self.0 >> 32) as u16).wrapping_add(1);
        Self::new(self.index(), generation, self.executor())
    }

    #[inline(always)]
    pub(super) const fn executor(self) -> u16 {
        (self.0 >> 48) as u16
    }

    #[inline(always)]
    fn from_data(data: *const ()) -> Self {
        Self(data.addr() as u64)
    }

    #[inline(always)]
    fn to_data(self) -> *const () {
        ptr::without_provenance(self.0 as usize)
    }

    /// A waker of this task. Dropping it does nothing.
    #[inline(always)]
    pub(crate) fn waker(self) -> Waker {
        // SAFETY: the table's functions take the data for a number, and are safe on every thread.
        unsafe { Waker::new(self.to_data(), &VTABLE) }
    }

    /// The task behind a waker, if it is one of ours.
    #[inline(always)]
    pub(crate) fn of(waker: &Waker) -> Option<Self> {
        ptr::eq(waker.vtable(), &raw const VTABLE).then(|| Self::from_data(waker.data()))
    }
}

/// The same as `waker.clone()`, without the call where the waker is one of ours.
#[inline(always)]
pub(crate) fn clone(waker: &Waker) -> Waker {
    match TaskId::of(waker) {
        Some(id) => id.waker(),
        None => waker.clone(),
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(
    |data| RawWaker::new(data, &VTABLE),
    |data| wake(TaskId::from_data(data)),
    |data| wake(TaskId::from_data(data)),
    |_| (),
);

thread_local! {
    /// The tasks of the executor that runs on this thread now.
    static CURRENT: Cell<*const Tasks> = const { Cell::new(ptr::null()) };
}

/// Makes an executor the one that runs on this thread, until the value is dropped.
#[derive(Debug)]
pub(crate) struct Entered<'e>(PhantomData<&'e Tasks>);

impl<'e> Entered<'e> {
    /// # Panics
    ///
    /// When an executor runs on this thread already.
    ///
    /// # Safety
    ///
    /// The value is dropped, not leaked. (On this thread: `Tasks` is not `Sync`, so a reference to it stays here.)
    pub(super) unsafe fn new(tasks: &'e Tasks) -> Self {
        CURRENT.with(|current| {
            assert!(
                current.get().is_null(),
                "`block_on` within `block_on`: this thread runs an executor already; await the future, or spawn it"
            );
            current.set(tasks);
        });
        Self(PhantomData)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(ptr::null()));
    }
}

#[inline]
fn wake(id: TaskId) {
    // A thread that is ending has no current executor any more.
    let current = CURRENT.try_with(Cell::get).unwrap_or(ptr::null());
    // SAFETY: not null while an executor runs on this thread, and then it lives, as `Entered` demands.
    let Some(tasks) = (unsafe { current.as_ref() }) else {
        return inbox::wake(id);
    };
    if tasks.executor() == id.executor() {
        tasks.wake(id);
    } else {
        inbox::wake(id);
    }
}
