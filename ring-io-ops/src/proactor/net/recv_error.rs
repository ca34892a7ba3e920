//! Taking entries out of a socket's queue of errors.
//!
//! A receive from that queue does not wait for an entry: the kernel lets it look again when data has come, and gives up
//! when data stays. So the entry is waited for by itself, and then taken.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ring_io::{Errno, Sqe};

use super::address::Address;
use super::arrived::Arrived;
use super::message::RecvMessage;
use super::pieces::One;
use crate::proactor::buffer::IoBufMut;
use crate::proactor::error::{Failed, OpError};
use crate::proactor::handle::{OpFuture, Start, Timeout};
use crate::proactor::owned::{Completion, OwnedOperation};
use crate::{Operation, PollAdd, PollEvents, Target};

/// Waits until a socket's queue of errors has an entry.
///
/// `IORING_OP_POLL_ADD`, Linux 5.1. See `poll(2)`.
#[derive(Debug)]
pub struct WaitError {
    target: Target,
}

// SAFETY: the entry lends nothing.
unsafe impl OwnedOperation for WaitError {
    type Output = Result<(), OpError>;

    fn entry(&mut self) -> Sqe {
        PollAdd::new(self.target, PollEvents::ERR).to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        if PollEvents::from_bits_retain(completion.result?).contains(PollEvents::ERR) {
            Ok(())
        } else {
            // The peer has ended the connection, of which every poll tells at once: to wait on would be to spin.
            Err(OpError::Kernel(Errno::from_raw(libc::EAGAIN)))
        }
    }
}

/// What takes the entry that is there.
type Take<B, A> = RecvMessage<One<B>, Arrived<A>>;

type OpOf<'h, H, T> = <H as Start<T>>::Op<'h>;

/// Takes an entry out of a socket's queue of errors.
/// [`DatagramSocket::recv_error`](super::DatagramSocket::recv_error) and
/// [`StreamSocket::recv_error`](super::StreamSocket::recv_error) make one.
#[must_use = "an operation does nothing until it is awaited"]
pub struct RecvError<'h, H, B, A>
where
    B: IoBufMut,
    A: Address,
    H: Start<WaitError> + Start<Take<B, A>>,
{
    handle: &'h H,
    state: State<'h, H, B, A>,
    ending: Ending,
}

enum State<'h, H, B, A>
where
    B: IoBufMut,
    A: Address,
    H: Start<WaitError> + Start<Take<B, A>> + 'h,
{
    Waiting(OpOf<'h, H, WaitError>, Option<Take<B, A>>),
    Taking(OpOf<'h, H, Take<B, A>>),
    Over,
}

/// What was asked for while it waits; it holds for what comes behind too.
#[derive(Clone, Copy, Debug)]
enum Ending {
    No,
    Cancelled,
    Expired,
}

// Both operations can be moved, and the message is not lent before it is one of them.
impl<H, B, A> Unpin for RecvError<'_, H, B, A>
where
    B: IoBufMut,
    A: Address,
    H: Start<WaitError> + Start<Take<B, A>>,
{
}

impl<'h, H, B, A> RecvError<'h, H, B, A>
where
    B: IoBufMut,
    A: Address,
    H: Start<WaitError> + Start<Take<B, A>>,
{
    pub(super) fn new(handle: &'h H, target: Target, buffer: B, control_room: usize) -> Self {
        let message = RecvMessage::new(target, One(buffer))
            .with_control_room(control_room)
            .of_errors();
        Self {
            handle,
            state: State::Waiting(handle.start(WaitError { target }), Some(message)),
            ending: Ending::No,
        }
    }

    /// See [`OpFuture::timeout`].
    pub fn timeout(self, duration: Duration) -> Timeout<Self> {
        OpFuture::timeout(self, duration)
    }

    /// See [`OpFuture::deadline`].
    pub fn deadline(self, at: Instant) -> Timeout<Self> {
        OpFuture::deadline(self, at)
    }

    fn take(&mut self, message: Take<B, A>) {
        let mut take = self.handle.start(message);
        // Before its first poll: it ends there.
        match self.ending {
            Ending::No => {}
            Ending::Cancelled => take.cancel(),
            Ending::Expired => take.expire(),
        }
        self.state = State::Taking(take);
    }
}

impl<H, B, A> Future for RecvError<'_, H, B, A>
where
    B: IoBufMut,
    A: Address,
    H: Start<WaitError> + Start<Take<B, A>>,
{
    type Output = Result<(usize, B, Arrived<A>), Failed<B>>;

    /// # Panics
    ///
    /// When it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Waiting(wait, message) => {
                    let waited = ready!(Pin::new(wait).poll(context));
                    let Some(message) = message.take() else {
                        unreachable!("there until it is waited for");
                    };
                    match waited {
                        Ok(()) => this.take(message),
                        Err(error) => {
                            this.state = State::Over;
                            let value = message.into_buffer();
                            return Poll::Ready(Err(Failed { error, value }));
                        }
                    }
                }
                State::Taking(take) => {
                    let taken = ready!(Pin::new(take).poll(context));
                    this.state = State::Over;
                    return Poll::Ready(taken);
                }
                State::Over => panic!("an operation was polled after it was ready"),
            }
        }
    }
}

impl<H, B, A> OpFuture for RecvError<'_, H, B, A>
where
    B: IoBufMut,
    A: Address,
    H: Start<WaitError> + Start<Take<B, A>>,
{
    type Sleep = H::Sleep;

    fn cancel(&mut self) {
        self.ending = Ending::Cancelled;
        match &mut self.state {
            State::Waiting(wait, _) => wait.cancel(),
            State::Taking(take) => take.cancel(),
            State::Over => {}
        }
    }

    fn expire(&mut self) {
        self.ending = Ending::Expired;
        match &mut self.state {
            State::Waiting(wait, _) => wait.expire(),
            State::Taking(take) => take.expire(),
            State::Over => {}
        }
    }

    fn sleep_until(&self, at: Instant) -> H::Sleep {
        self.handle.sleep_until(at)
    }
}

impl<H, B, A> fmt::Debug for RecvError<'_, H, B, A>
where
    B: IoBufMut,
    A: Address,
    H: Start<WaitError> + Start<Take<B, A>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Waiting(..) => "waiting",
            State::Taking(_) => "taking",
            State::Over => "over",
        };
        f.debug_struct("RecvError")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
