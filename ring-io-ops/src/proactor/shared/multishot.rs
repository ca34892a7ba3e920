//! One operation with many completions as a stream.

use std::collections::VecDeque;
use std::fmt;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use futures_core::Stream;
use ring_io::{CqeFlags, Errno, Sqe};

use super::driver::Driver;
use super::flight::{Flight, Message, NEW, Next};
use super::gate::{Admission, Ticket};
use super::op::Granted;
use super::queue::Link;
use super::shared::Shared;
use super::sleep::Sleep;
use super::sync::UnsafeCell;
use crate::proactor::error::OpError;
use crate::proactor::next::{self, OpStream};
use crate::proactor::owned::{Completion, MultishotOperation};
use crate::proactor::panics::Panics;

/// An operation with many completions, as a stream of what they bring.
///
/// Nothing is asked of the kernel before the first poll. Dropped, it is cancelled, and what it still brings is cleaned
/// up. When too many completions were brought that nobody took, it is stopped, and armed anew when they were taken.
///
/// # Invariants
///
/// 1. The node's operation is initialised, and this value's, until this value is dropped. Then it is the driver's if
///    the node is armed, and is dropped otherwise.
#[must_use = "an operation does nothing until it is polled"]
pub struct Multishot<'p, T: MultishotOperation + Send> {
    shared: &'p Arc<Shared>,
    node: Arc<Node<T>>,
    phase: Phase,
    credit: u32,
    unread_max: u32,
    /// It is not armed anew.
    cancelled: bool,
}

enum Phase {
    New,
    /// Waits until others have completed.
    Waiting(Ticket),
    Started,
    Over,
}

/// What the stream, the queue and the driver share of one operation.
///
/// # Invariants
///
/// 1. `operation` is initialised until `state.owner` is `Nobody`, and touched by the side that it says.
struct Node<T> {
    link: Link<dyn Message>,
    key: AtomicU64,
    state: Mutex<State>,
    operation: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: everything but the operation is `Send` and `Sync`; the operation is touched by one side at a time (1), which
// changes under the lock, and is `Send`.
unsafe impl<T: Send> Send for Node<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Node<T> {}

struct State {
    unread: VecDeque<Completion>,
    waker: Option<Waker>,
    entry: Sqe,
    credit: u32,
    unread_max: u32,
    progress: Progress,
    owner: Side,
    /// The node is in the queue, or whoever set this is about to push it.
    is_queued: bool,
    /// An end is asked for, and the driver does not know.
    is_cancelled: bool,
    /// The kernel was asked to stop because too many are unread.
    is_paused: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Not begun, or over: then the last that is unread was the operation's last.
    Over,
    /// The driver has the operation, or will take it from the queue.
    Armed,
    /// It was stopped because too many were unread: it goes on when they were taken.
    Stopped,
}

/// Who may touch the operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Stream,
    Driver,
    /// It is dropped.
    Nobody,
}

impl<T> Node<T> {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held but the allocator.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// SAFETY: the link is a field.
unsafe impl<T: MultishotOperation + Send> Message for Node<T> {
    fn link(&self) -> &Link<dyn Message> {
        &self.link
    }

    fn deliver(self: Arc<Self>, driver: &mut Driver) {
        let mut state = self.state();
        state.is_queued = false;
        let is_cancelled = std::mem::take(&mut state.is_cancelled);
        let is_armed = state.progress == Progress::Armed;
        drop(state);
        if is_armed {
            driver.deliver(self, is_cancelled);
        } else {
            driver.discard(self);
        }
    }
}

impl<T: MultishotOperation + Send> Flight for Node<T> {
    fn key(&self) -> &AtomicU64 {
        &self.key
    }

    fn credit(&self) -> u32 {
        self.state().credit
    }

    fn entry(&self) -> Sqe {
        self.state().entry
    }

    unsafe fn complete(&self, completion: Completion) -> Next {
        let mut state = self.state();
        let is_last = !completion.flags.contains(CqeFlags::MORE);
        let is_cancelled =
            completion.result == Err(OpError::Kernel(Errno::from_raw(libc::ECANCELED)));
        if is_last && is_cancelled && state.is_paused {
            state.progress = Progress::Stopped;
        } else {
            state.unread.push_back(completion);
            if is_last {
                state.progress = Progress::Over;
            }
        }
        let too_many = !is_last && state.unread.len() >= state.unread_max as usize;
        let is_gone = state.owner == Side::Driver;
        let pause = too_many && !state.is_paused && !is_gone;
        state.is_paused |= pause;
        Next {
            wake: state.waker.take(),
            clean_up: is_gone,
            is_orphan: is_gone,
            pause,
        }
    }

    fn clean_up(&self) {
        let mut state = self.state();
        let unread = std::mem::take(&mut state.unread);
        let drops = state.progress != Progress::Armed && state.owner == Side::Driver;
        if drops {
            state.owner = Side::Nobody;
        }
        drop(state);
        let mut panics = Panics::default();
        self.operation.with_mut(|operation| {
            for completion in unread {
                // SAFETY: the stream is gone, so the operation is the driver's (1); it is not dropped, as there are
                // completions. Each is taken once.
                panics.catch(|| unsafe { (*operation).assume_init_mut().abandon(completion) });
            }
            if drops {
                // SAFETY: as above; the kernel has ended it, and it is dropped once.
                panics.catch(|| unsafe { (*operation).assume_init_drop() });
            }
        });
        panics.resume();
    }
}

// As for `Op`.
impl<T: MultishotOperation + Send> Unpin for Multishot<'_, T> {}

impl<'p, T: MultishotOperation + Send> Multishot<'p, T> {
    pub(super) fn new(shared: &'p Arc<Shared>, operation: T) -> Self {
        let state = State {
            unread: VecDeque::new(),
            waker: None,
            entry: Sqe::new(),
            credit: 0,
            unread_max: 0,
            progress: Progress::Over,
            owner: Side::Stream,
            is_queued: false,
            is_cancelled: false,
            is_paused: false,
        };
        let node = Node {
            link: Link::new(),
            key: AtomicU64::new(NEW),
            state: Mutex::new(state),
            operation: UnsafeCell::new(MaybeUninit::new(operation)),
        };
        Self {
            shared,
            node: Arc::new(node),
            phase: Phase::New,
            credit: T::CREDIT,
            unread_max: 64,
            cancelled: false,
        }
    }

    /// How much of the proactor's capacity the operation takes: how many completions it is expected to bring between
    /// two waits. By default [`T::CREDIT`](MultishotOperation::CREDIT); `0` is taken as one. To be given before the first
    /// poll. More than the whole capacity, and the stream's one item is [`OpError::TooLarge`].
    pub const fn credit(mut self, completions: u32) -> Self {
        self.credit = if completions == 0 { 1 } else { completions };
        self
    }

    /// Stops the operation when so many completions were brought that nobody took; 64 by default, and `0` is taken as one.
    /// To be given before the first poll.
    pub const fn unread_max(mut self, completions: u32) -> Self {
        self.unread_max = if completions == 0 { 1 } else { completions };
        self
    }

    /// The next item; `None` when there will be no more. [`Next::timeout`](next::Next::timeout) bounds the wait for it.
    #[expect(
        clippy::should_implement_trait,
        reason = "streams everywhere name it so"
    )]
    #[inline(always)]
    pub fn next(&mut self) -> next::Next<'_, Self> {
        next::Next::of(self)
    }

    /// Ends the operation. What it has brought, and its end, still come; it is not armed anew.
    pub fn cancel(&mut self) {
        self.cancelled = true;
        match std::mem::replace(&mut self.phase, Phase::New) {
            Phase::New => {}
            Phase::Waiting(ticket) => self.shared.leave(&ticket),
            Phase::Started => {
                self.phase = Phase::Started;
                self.tell_cancelled(self.node.state());
            }
            Phase::Over => self.phase = Phase::Over,
        }
    }

    /// Lets the driver cancel what it has.
    fn tell_cancelled(&self, mut state: MutexGuard<'_, State>) {
        if state.progress != Progress::Armed {
            return;
        }
        state.is_cancelled = true;
        let is_queued = std::mem::replace(&mut state.is_queued, true);
        // A driver that is woken may call a subscriber, and wants the lock itself.
        drop(state);
        if !is_queued {
            // A driver that is gone has ended the operation, or leaked it.
            // SAFETY: it was not queued, and whoever finds the mark set above does not push it.
            let _ = unsafe { self.shared.push(Arc::clone(&self.node) as Arc<dyn Message>) };
        }
    }

    /// Runs `f` on the operation.
    fn with_operation<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: initialised, and ours (1).
        self.node
            .operation
            .with_mut(|operation| f(unsafe { (*operation).assume_init_mut() }))
    }

    fn poll_item(&mut self, context: &Context<'_>) -> Poll<Option<T::Item>> {
        loop {
            match self.phase {
                Phase::Over => return Poll::Ready(None),
                Phase::New if self.cancelled => {
                    self.phase = Phase::Over;
                    return Poll::Ready(Some(self.item(Completion::cancelled())));
                }
                Phase::New | Phase::Waiting(_) => return self.enter(context),
                Phase::Started => {}
            }
            // Cloned and dropped without the lock: both are somebody's code.
            let waker = context.waker().clone();
            let mut state = self.node.state();
            if let Some(completion) = state.unread.pop_front() {
                let is_last = state.progress == Progress::Over && state.unread.is_empty();
                drop(state);
                if is_last {
                    let goes_on = !self.cancelled
                        && self.with_operation(|operation| operation.goes_on(&completion));
                    self.phase = if goes_on { Phase::New } else { Phase::Over };
                }
                return Poll::Ready(Some(self.item(completion)));
            }
            if state.progress == Progress::Armed {
                let old = state.waker.replace(waker);
                drop(state);
                drop(old);
                return Poll::Pending;
            }
            // It was stopped because too many were unread, and all were taken.
            drop(state);
            self.phase = Phase::New;
        }
    }

    fn item(&mut self, completion: Completion) -> T::Item {
        // SAFETY: one of the operation's completions, taken once, or one that says that there is none.
        self.with_operation(|operation| unsafe { operation.item(completion) })
    }

    fn enter(&mut self, context: &Context<'_>) -> Poll<Option<T::Item>> {
        let phase = std::mem::replace(&mut self.phase, Phase::New);
        let mut ticket = match phase {
            Phase::Waiting(ticket) => Some(ticket),
            _ => None,
        };
        let admission = self.shared.admit(&mut ticket, self.credit, context.waker());
        if let Some(ticket) = ticket {
            self.phase = Phase::Waiting(ticket);
        }
        match admission {
            Admission::Granted => self.launch(context.waker()),
            Admission::Waits => Poll::Pending,
            Admission::Closed => self.refuse(OpError::Closed),
            Admission::TooLarge => self.refuse(OpError::TooLarge {
                needed: self.credit,
                capacity: self.shared.gate.capacity(),
            }),
        }
    }

    fn launch(&mut self, waker: &Waker) -> Poll<Option<T::Item>> {
        let credit = Granted {
            shared: self.shared,
            n: self.credit,
        };
        // Both are somebody's code, and may panic: the credit comes back.
        let waker = waker.clone();
        let entry = self.with_operation(MultishotOperation::entry);
        let mut state = self.node.state();
        let old = state.waker.replace(waker);
        (state.entry, state.credit, state.unread_max) = (entry, self.credit, self.unread_max);
        state.progress = Progress::Armed;
        (state.is_cancelled, state.is_paused) = (false, false);
        // A request to cancel what has ended may still be on its way, and then brings the node.
        let is_queued = std::mem::replace(&mut state.is_queued, true);
        // As in `tell_cancelled`.
        drop(state);
        if !is_queued {
            // SAFETY: as there.
            let pushed = unsafe { self.shared.push(Arc::clone(&self.node) as Arc<dyn Message>) };
            if pushed.is_err() {
                self.node.state().progress = Progress::Over;
                drop(old);
                return self.refuse(OpError::Closed);
            }
        }
        credit.spend();
        self.phase = Phase::Started;
        drop(old);
        Poll::Pending
    }

    fn refuse(&mut self, error: OpError) -> Poll<Option<T::Item>> {
        self.phase = Phase::Over;
        Poll::Ready(Some(self.item(Completion::failed(error))))
    }
}

impl<T: MultishotOperation + Send> Stream for Multishot<'_, T> {
    type Item = T::Item;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T::Item>> {
        self.get_mut().poll_item(context)
    }
}

impl<T: MultishotOperation + Send> OpStream for Multishot<'_, T> {
    type Sleep = Sleep;

    fn cancel(&mut self) {
        Multishot::cancel(self);
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep::new(Arc::clone(self.shared), at)
    }
}

impl<T: MultishotOperation + Send> Drop for Multishot<'_, T> {
    fn drop(&mut self) {
        // What the operation owns is cleaned up and dropped also where somebody's code panics.
        let mut panics = Panics::default();
        if let Phase::Waiting(ticket) = &self.phase {
            panics.catch(|| self.shared.leave(ticket));
        }
        let mut state = self.node.state();
        let waker = state.waker.take();
        if state.progress == Progress::Armed {
            state.owner = Side::Driver;
            self.tell_cancelled(state);
            drop(waker);
            return;
        }
        let unread = std::mem::take(&mut state.unread);
        state.owner = Side::Nobody;
        drop(state);
        panics.catch(|| drop(waker));
        self.node.operation.with_mut(|operation| {
            for completion in unread {
                // SAFETY: initialised, and ours (1): it is not armed. Each completion is taken once.
                panics.catch(|| unsafe { (*operation).assume_init_mut().abandon(completion) });
            }
            // SAFETY: as above; nobody touches it any more.
            panics.catch(|| unsafe { (*operation).assume_init_drop() });
        });
        panics.resume();
    }
}

impl<T: MultishotOperation + Send> fmt::Debug for Multishot<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multishot")
            .field("credit", &self.credit)
            .field("unread_max", &self.unread_max)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    struct Nothing;

    // SAFETY: the entry lends nothing.
    unsafe impl MultishotOperation for Nothing {
        type Item = ();

        fn entry(&mut self) -> Sqe {
            Sqe::new()
        }

        unsafe fn item(&mut self, _: Completion) {}
    }

    #[test]
    fn the_driver_is_woken_without_the_lock() {
        let rung = Arc::new(AtomicUsize::new(0));
        let watched = Arc::new(OnceLock::<Arc<Node<Nothing>>>::new());
        let bell = {
            let (rung, watched) = (Arc::clone(&rung), Arc::clone(&watched));
            move || {
                let node = watched.get().expect("it is set below");
                assert!(node.state.try_lock().is_ok(), "the driver wants the lock");
                rung.fetch_add(1, Relaxed);
                true
            }
        };
        let shared = Arc::new(Shared::new(8, Box::new(bell)));
        let mut stream = Multishot::new(&shared, Nothing);
        let _ = watched.set(Arc::clone(&stream.node));
        let fall_asleep = || {
            shared.queue.take(&mut Vec::new());
            watched.get().expect("set above").state().is_queued = false;
            assert!(shared.queue.fall_asleep());
        };
        fall_asleep();
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut stream).poll_next(&mut context).is_pending());
        fall_asleep();
        stream.cancel();
        fall_asleep();
        drop(stream);
        assert_eq!(rung.load(Relaxed), 3);
        shared.queue.close(&mut Vec::new());
    }
}
