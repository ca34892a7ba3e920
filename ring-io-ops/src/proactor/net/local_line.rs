//! Sends of a [`LocalHandle`](crate::proactor::LocalHandle) that nobody waits for.

use std::cell::Cell;
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::outgoing::{Ended, Line, SendOff, failure};
use super::transfer::SendFrom;
use crate::proactor::buffer::IoBuf;
use crate::proactor::engine::{Abandoned, Key, Listener, Told};
use crate::proactor::error::OpError;
use crate::proactor::executor::waker;
use crate::proactor::local::{Inner, LocalHandle, Owned};
use crate::proactor::owned::OwnedOperation as _;
use crate::{MsgFlags, Target};

/// The line of a [`LocalHandle`]: one send after the other, whose ends its engine tells.
pub struct LocalLine<'h, B: IoBuf> {
    send: Rc<Send<B>>,
    handle: &'h LocalHandle,
    target: Target,
}

/// What is known of the send that goes on by itself. The proactor has a count of it meanwhile.
///
/// # Invariants
///
/// 1. It begins with the listener, which is that of `B`.
/// 2. If `state` is `Sending`, `buffer` is what the kernel reads, and is not touched.
#[repr(C)]
struct Send<B: IoBuf> {
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

impl<B: IoBuf> Send<B> {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            listener: Listener {
                ended: |listener, result| {
                    // SAFETY: that of a send of this type (1), whose count comes with it.
                    let send = unsafe { Rc::from_raw(listener.as_ptr().cast::<Self>()) };
                    send.end(result);
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

    /// Begins one, after which [`end`](Self::end) is called; gives the buffer back where others have their turn before.
    #[inline(always)]
    fn begin(self: &Rc<Self>, inner: &Inner, target: Target, buffer: B) -> Result<(), B> {
        let len = buffer.bytes_init();
        let mut send = SendFrom::new(target, buffer, MsgFlags::WAITALL);
        let sqe = send.entry();
        let listener = Rc::into_raw(Rc::clone(self)).cast_mut().cast();
        // SAFETY: not null. The listener lives by its new count, which the functions take back (1). What the entry lends lies
        // behind the buffer, which is here from now on until the end is told, or it is handed over in the line's drop.
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
            _ => State::Failed(failure(result)),
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

impl<B: IoBuf> SendOff<B> for LocalHandle {
    type Line<'h> = LocalLine<'h, B>;

    #[inline(always)]
    fn line(&self, target: Target) -> LocalLine<'_, B> {
        LocalLine {
            send: Send::new(),
            handle: self,
            target,
        }
    }
}

impl<B: IoBuf> Line<B> for LocalLine<'_, B> {
    #[inline(always)]
    fn is_free(&mut self) -> bool {
        matches!(self.send.state.get(), State::Sent)
    }

    #[inline(always)]
    fn send_off(&mut self, buffer: B) -> Result<(), B> {
        self.send.begin(self.handle.inner(), self.target, buffer)
    }

    fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<Ended<B>> {
        let send = &*self.send;
        match send.state.get() {
            State::Sending(_) => {
                drop(send.waiting.replace(Some(waker::clone(context.waker()))));
                return Poll::Pending;
            }
            State::Short(sent) => {
                if let Some(buffer) = send.buffer.take() {
                    send.state.set(State::Sent);
                    return Poll::Ready(Ended::Short(buffer, sent));
                }
            }
            State::Failed(error) => {
                send.state.set(State::Sent);
                return Poll::Ready(Ended::Failed(error));
            }
            State::Sent => {}
        }
        Poll::Ready(Ended::Sent)
    }
}

impl<B: IoBuf> Drop for LocalLine<'_, B> {
    fn drop(&mut self) {
        let State::Sending(key) = self.send.state.get() else {
            return;
        };
        let inner = self.handle.inner();
        let Some(abandoned) = inner.with(|engine, tasks| engine.abandon_sent_off(key, tasks))
        else {
            // It has ended, and is told soon.
            return;
        };
        // The engine tells of it no more. It releases it when this is settled.
        self.send.state.set(State::Sent);
        let buffer = self.send.buffer.take();
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

impl<B: IoBuf> fmt::Debug for LocalLine<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalLine")
            .field("target", &self.target)
            .field("state", &self.send.state.get())
            .finish_non_exhaustive()
    }
}
