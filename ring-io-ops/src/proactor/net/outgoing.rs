//! Sending on, without waiting for each send's end.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::ptr::NonNull;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use ring_io::Errno;

use super::send_all::SendAll;
use super::transfer::SendFrom;
use crate::proactor::buffer::IoBuf;
use crate::proactor::engine::{Abandoned, Key, Listener, Told};
use crate::proactor::error::{Failed, OpError};
use crate::proactor::executor::waker;
use crate::proactor::local::{Inner, LocalHandle, Owned};
use crate::proactor::owned::OwnedOperation as _;
use crate::{MsgFlags, Target};

/// What a connection sends, one buffer behind the other, while its task goes on.
/// [`StreamSocket::outgoing`](super::StreamSocket::outgoing) makes one.
///
/// A buffer that is [fed](Self::feed) is on its way when that is ready. It is dropped as soon as it is sent, also while the
/// task waits for something else, and the task is not woken for that; so a buffer of a pool goes back at once. An error
/// shows with the next feed, or with [`flush`](Self::flush).
///
/// Dropped, it cancels what is not sent yet: flush it before.
///
/// Before Linux 5.19 a send may end before its buffer does; what is left is then sent with the next feed or the flush.
#[must_use = "nothing is sent that is not fed"]
pub struct Outgoing<'s, B: IoBuf> {
    line: Rc<Line<B>>,
    handle: &'s LocalHandle,
    target: Target,
    /// Sends what is left of a buffer.
    rest: Option<SendAll<'s, LocalHandle, B>>,
}

/// What is known of the send that goes on by itself. The proactor has a count of it meanwhile.
///
/// # Invariants
///
/// 1. It begins with the listener, which is that of `B`.
/// 2. If `state` is `Sending`, `buffer` is what the kernel reads, and is not touched.
#[repr(C)]
struct Line<B: IoBuf> {
    listener: Listener,
    buffer: Cell<Option<B>>,
    /// How many bytes it has.
    len: Cell<usize>,
    state: Cell<State>,
    /// Who waits for the end.
    waiting: Cell<Option<Waker>>,
}

/// How the last send stands.
#[derive(Clone, Copy, Debug)]
enum State {
    Sent,
    Sending(Key),
    /// So many bytes of the buffer were sent.
    Short(usize),
    /// And nobody knows yet.
    Failed(OpError),
}

impl<B: IoBuf> Line<B> {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            listener: Listener {
                ended: |listener, result| {
                    // SAFETY: that of a line of this type (1), whose count comes with it.
                    let line = unsafe { Rc::from_raw(listener.as_ptr().cast::<Self>()) };
                    line.end(result);
                },
                // SAFETY: as above.
                release: |listener| unsafe {
                    drop(Rc::from_raw(listener.as_ptr().cast::<Self>()));
                },
            },
            buffer: Cell::new(None),
            len: Cell::new(0),
            state: Cell::new(State::Sent),
            waiting: Cell::new(None),
        })
    }

    /// Lets a buffer be sent, after which [`end`](Self::end) is called; answers with it where others have their turn before.
    #[inline(always)]
    fn send_off(self: &Rc<Self>, inner: &Inner, target: Target, buffer: B) -> Result<(), B> {
        let len = buffer.bytes_init();
        let mut send = SendFrom::new(target, buffer, MsgFlags::WAITALL);
        let sqe = send.entry();
        let listener = Rc::into_raw(Rc::clone(self)).cast_mut().cast();
        // SAFETY: not null. The line lives by its new count, which the functions take back (1). What the entry lends lies
        // behind the buffer, which the line has from here on until it is told, or it is handed over in the drop below.
        let sent = inner.with(|engine, _| unsafe {
            engine.send_off(Told::new(NonNull::new_unchecked(listener)), sqe)
        });
        let buffer = send.into_buffer();
        let Some((key, wakes)) = sent else {
            return Err(buffer);
        };
        self.state.set(State::Sending(key));
        self.len.set(len);
        // There is none, and it need not be looked for.
        std::mem::forget(self.buffer.replace(Some(buffer)));
        if wakes {
            inner.settle();
        }
        Ok(())
    }

    /// The send has ended.
    #[inline(always)]
    fn end(&self, result: i32) {
        if result < 0 || self.len.get() != result as usize {
            return self.end_early(result);
        }
        self.state.set(State::Sent);
        drop(self.buffer.take());
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }

    #[cold]
    #[inline(never)]
    fn end_early(&self, result: i32) {
        let state = match result {
            1.. => State::Short(result as usize),
            // No kernel is known to do so, and asking again would have no end.
            0 => State::Failed(OpError::Kernel(Errno::from_raw(libc::EIO))),
            errno => State::Failed(OpError::Kernel(Errno::from_raw(-errno))),
        };
        self.state.set(state);
        if let State::Failed(_) = state {
            drop(self.buffer.take());
        }
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }
}

impl<'s, B: IoBuf> Outgoing<'s, B> {
    pub(super) fn new(handle: &'s LocalHandle, target: Target) -> Self {
        Self {
            line: Line::new(),
            handle,
            target,
            rest: None,
        }
    }

    /// Sends a buffer behind those that were fed before. It is ready when they are sent and this one is on its way; where
    /// the proactor has no room for another operation, when this one is sent.
    ///
    /// With an error, which is that of the buffer before where that could not be sent, this one comes back. Dropped before
    /// it is ready, the buffer is dropped too, or sent before what is fed next.
    pub fn feed(&mut self, buffer: B) -> impl Future<Output = Result<(), Failed<B>>> {
        let mut buffer = Some(buffer);
        poll_fn(move |context| {
            // The usual way; the other one begins the same, and has its turn where this comes to nothing.
            if let State::Sent = self.line.state.get()
                && self.rest.is_none()
                && let Some(value) = buffer.take()
            {
                let inner = self.handle.inner();
                match self.line.send_off(inner, self.target, value) {
                    Ok(()) => return Poll::Ready(Ok(())),
                    Err(value) => self.send_in_turn(value, 0),
                }
            }
            match self.poll_fed(&mut buffer, context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => match buffer.take() {
                    Some(value) => Poll::Ready(Err(Failed { error, value })),
                    None => unreachable!("a buffer fails, or one before it"),
                },
            }
        })
    }

    /// The long way. With an error, `buffer` is the one that comes back.
    // Its answer fits into registers, and so does not send that of the short way through memory.
    #[cold]
    #[inline(never)]
    fn poll_fed(
        &mut self,
        buffer: &mut Option<B>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), OpError>> {
        loop {
            if let Err((error, unsent)) = ready!(self.poll_sent(context)) {
                if buffer.is_none() {
                    *buffer = unsent;
                }
                return Poll::Ready(Err(error));
            }
            let Some(value) = buffer.take() else {
                return Poll::Ready(Ok(()));
            };
            let inner = self.handle.inner();
            match self.line.send_off(inner, self.target, value) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(value) => self.send_in_turn(value, 0),
            }
        }
    }

    /// Waits until everything is sent that was fed.
    ///
    /// # Errors
    ///
    /// That of a buffer that could not be sent, once.
    pub fn flush(&mut self) -> impl Future<Output = Result<(), OpError>> {
        poll_fn(|context| {
            self.poll_sent(context)
                .map_err(|(error, unsent)| drop_behind(unsent, error))
        })
    }

    /// Whether everything is sent; or why not, once, and the buffer if it is there.
    fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<Result<(), (OpError, Option<B>)>> {
        if let State::Short(sent) = self.line.state.get()
            && let Some(buffer) = self.line.buffer.take()
        {
            self.send_in_turn(buffer, sent);
        }
        let line = &*self.line;
        if let Some(rest) = &mut self.rest {
            let result = ready!(Pin::new(rest).poll(context));
            self.rest = None;
            return Poll::Ready(match result {
                Ok(_sent) => Ok(()),
                Err(Failed { error, value }) => Err((error, Some(value))),
            });
        }
        match line.state.get() {
            State::Sending(_) => {
                drop(line.waiting.replace(Some(waker::clone(context.waker()))));
                Poll::Pending
            }
            State::Failed(error) => {
                line.state.set(State::Sent);
                Poll::Ready(Err((error, None)))
            }
            State::Sent | State::Short(_) => Poll::Ready(Ok(())),
        }
    }

    /// Sends what is left of a buffer, by whoever polls.
    fn send_in_turn(&mut self, buffer: B, sent: usize) {
        self.line.state.set(State::Sent);
        self.rest = Some(SendAll::behind(self.handle, self.target, buffer, sent));
    }
}

fn drop_behind<B>(unsent: Option<B>, error: OpError) -> OpError {
    drop(unsent);
    error
}

impl<B: IoBuf> Drop for Outgoing<'_, B> {
    fn drop(&mut self) {
        let State::Sending(key) = self.line.state.get() else {
            return;
        };
        let inner = self.handle.inner();
        let Some(abandoned) = inner.with(|engine, tasks| engine.abandon_sent_off(key, tasks))
        else {
            // It has ended, and the line is told soon.
            return;
        };
        // The engine has the line no more. It releases it when this is settled.
        self.line.state.set(State::Sent);
        let buffer = self.line.buffer.take();
        if let Abandoned::InFlight(id) = abandoned
            && let Some(buffer) = buffer
        {
            let send = SendFrom::new(self.target, buffer, MsgFlags::empty());
            let orphan = Box::new(Owned(MaybeUninit::new(send)));
            inner.with(|engine, _| engine.adopt(id, orphan));
        }
        inner.settle();
    }
}

impl<B: IoBuf> fmt::Debug for Outgoing<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("state", &self.line.state.get())
            .finish_non_exhaustive()
    }
}
