//! Sends of a [`Proactor`] that nobody waits for.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use ring_io::Sqe;

use super::Proactor;
use super::driver::Driver;
use super::flight::{Flight, Message, NEW, Next};
use super::op::Granted;
use super::queue::Link;
use super::shared::Shared;
use super::sync::UnsafeCell;
use crate::proactor::buffer::IoBuf;
use crate::proactor::error::OpError;
use crate::proactor::net::SendFrom;
use crate::proactor::net::outgoing::{Ended, Line, SendOff, failure};
use crate::proactor::owned::{Completion, OwnedOperation as _};
use crate::{MsgFlags, Target};

/// The line of a [`Proactor`]: one send after the other, each of which is the same allocation.
///
/// # Invariants
///
/// 1. This value alone pushes the node: to begin a send when none is going on, or in its drop.
pub struct SharedLine<'h, B: IoBuf + Send> {
    shared: &'h Arc<Shared>,
    node: Arc<Node<B>>,
    target: Target,
}

/// What the line, the queue and the driver share.
///
/// # Invariants
///
/// 1. While `state.progress` is `Armed`, `buffer` is what the kernel reads, and is not touched. Otherwise it is touched
///    under the lock.
struct Node<B> {
    link: Link<dyn Message>,
    key: AtomicU64,
    state: Mutex<State>,
    buffer: UnsafeCell<Option<B>>,
}

// SAFETY: everything but the buffer is `Send` and `Sync`; the buffer is touched under a lock (1), and is `Send`.
unsafe impl<B: Send> Send for Node<B> {}
// SAFETY: as above.
unsafe impl<B: Send> Sync for Node<B> {}

struct State {
    progress: Progress,
    entry: Sqe,
    /// How many bytes the buffer has.
    len: usize,
    /// Who waits for the end.
    waiting: Option<Waker>,
    /// The node is in the queue.
    is_queued: bool,
    /// An end is asked for, and the driver does not know.
    is_cancelled: bool,
    /// The line is dropped.
    is_gone: bool,
}

/// How the last send stands. Where it is over, its buffer may be there yet: whoever comes first drops it, the driver or
/// the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Sent,
    /// The driver has it, or will take it from the queue.
    Armed,
    /// So many bytes were sent of the buffer, which is there.
    Short(usize),
    /// And nobody knows yet.
    Failed(OpError),
}

impl<B> Node<B> {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Exchanges the buffer, by who has the lock, of a send that is over or was not begun.
    fn replace(&self, state: &State, buffer: Option<B>) -> Option<B> {
        debug_assert!(state.progress != Progress::Armed, "it is the kernel's");
        // SAFETY: the state is that of this node, whose lock is held; it is not armed (1).
        self.buffer
            .with_mut(|own| unsafe { std::mem::replace(&mut *own, buffer) })
    }
}

// SAFETY: the link is a field.
unsafe impl<B: IoBuf + Send> Message for Node<B> {
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

impl<B: IoBuf + Send> Flight for Node<B> {
    fn key(&self) -> &AtomicU64 {
        &self.key
    }

    fn credit(&self) -> u32 {
        1
    }

    fn entry(&self) -> Sqe {
        self.state().entry
    }

    unsafe fn complete(&self, completion: Completion) -> Next {
        let mut state = self.state();
        state.progress = match completion.result {
            Ok(n) if n as usize == state.len => Progress::Sent,
            Ok(0) => Progress::Failed(failure(0)),
            Ok(n) => Progress::Short(n as usize),
            Err(error) => Progress::Failed(error),
        };
        Next {
            wake: state.waiting.take(),
            clean_up: true,
            is_orphan: state.is_gone,
            pause: false,
        }
    }

    /// Drops the buffer, unless some of it is to be sent yet. The line may have begun the next send meanwhile.
    fn clean_up(&self) {
        let state = self.state();
        let buffer = match state.progress {
            Progress::Armed => None,
            Progress::Short(_) if !state.is_gone => None,
            _ => self.replace(&state, None),
        };
        drop(state);
        drop(buffer);
    }
}

impl<B: IoBuf + Send> SendOff<B> for Proactor {
    type Line<'h> = SharedLine<'h, B>;

    fn line(&self, target: Target) -> SharedLine<'_, B> {
        SharedLine::new(self.shared(), target)
    }
}

impl<'h, B: IoBuf + Send> SharedLine<'h, B> {
    pub(super) fn new(shared: &'h Arc<Shared>, target: Target) -> Self {
        let state = State {
            progress: Progress::Sent,
            entry: Sqe::new(),
            len: 0,
            waiting: None,
            is_queued: false,
            is_cancelled: false,
            is_gone: false,
        };
        Self {
            shared,
            node: Arc::new(Node {
                link: Link::new(),
                key: AtomicU64::new(NEW),
                state: Mutex::new(state),
                buffer: UnsafeCell::new(None),
            }),
            target,
        }
    }
}

impl<B: IoBuf + Send> Line<B> for SharedLine<'_, B> {
    fn is_free(&mut self) -> bool {
        let state = self.node.state();
        if state.progress != Progress::Sent {
            return false;
        }
        let sent = self.node.replace(&state, None);
        drop(state);
        drop(sent);
        true
    }

    fn send_off(&mut self, buffer: B) -> Result<(), B> {
        if !self.shared.gate.try_enter(1) {
            return Err(buffer);
        }
        let credit = Granted {
            shared: self.shared,
            n: 1,
        };
        let len = buffer.bytes_init();
        let mut send = SendFrom::new(self.target, buffer, MsgFlags::WAITALL);
        let entry = send.entry();
        let mut state = self.node.state();
        debug_assert!(!state.is_queued, "what has ended was taken from the queue");
        let before = self.node.replace(&state, Some(send.into_buffer()));
        (state.entry, state.len) = (entry, len);
        state.progress = Progress::Armed;
        state.is_queued = true;
        drop(state);
        debug_assert!(before.is_none(), "the line is free");
        // SAFETY: it was not queued, and nobody else pushes it (1).
        let pushed = unsafe { self.shared.push(Arc::clone(&self.node) as Arc<dyn Message>) };
        if pushed.is_err() {
            let mut state = self.node.state();
            state.progress = Progress::Sent;
            state.is_queued = false;
            return match self.node.replace(&state, None) {
                Some(buffer) => Err(buffer),
                None => unreachable!("put there above"),
            };
        }
        credit.spend();
        Ok(())
    }

    fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<Ended<B>> {
        // Cloned and dropped without the lock: both are somebody's code.
        let waker = context.waker().clone();
        let mut state = self.node.state();
        if state.progress == Progress::Armed {
            let old = state.waiting.replace(waker);
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        let progress = std::mem::replace(&mut state.progress, Progress::Sent);
        let buffer = self.node.replace(&state, None);
        drop(state);
        Poll::Ready(match (progress, buffer) {
            (Progress::Failed(error), _) => Ended::Failed(error),
            (Progress::Short(sent), Some(buffer)) => Ended::Short(buffer, sent),
            _ => Ended::Sent,
        })
    }
}

impl<B: IoBuf + Send> Drop for SharedLine<'_, B> {
    fn drop(&mut self) {
        let mut state = self.node.state();
        state.is_gone = true;
        let waiting = state.waiting.take();
        if state.progress != Progress::Armed {
            let buffer = self.node.replace(&state, None);
            drop(state);
            drop((waiting, buffer));
            return;
        }
        state.is_cancelled = true;
        let is_queued = std::mem::replace(&mut state.is_queued, true);
        drop(state);
        drop(waiting);
        if !is_queued {
            // A driver that is gone has ended the send, or leaked it.
            // SAFETY: it was not queued, and nobody else pushes it (1).
            let _ = unsafe { self.shared.push(Arc::clone(&self.node) as Arc<dyn Message>) };
        }
    }
}

impl<B: IoBuf + Send> fmt::Debug for SharedLine<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedLine")
            .field("target", &self.target)
            .field("progress", &self.node.state().progress)
            .finish_non_exhaustive()
    }
}
