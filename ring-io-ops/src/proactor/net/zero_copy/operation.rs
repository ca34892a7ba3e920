//! The requests, what they own, and what their completions say.

use ring_io::{CqeFlags, Sqe};

use crate::proactor::buffer::{FixedBuf, IoBuf};
use crate::proactor::error::OpError;
use crate::proactor::net::address::{Address, Name};
use crate::proactor::net::family::Family;
use crate::proactor::net::message::{Letter, Message};
use crate::proactor::net::pieces::{One, Pieces};
use crate::proactor::net::transfer::clamped;
use crate::proactor::owned::{Completion, MultishotOperation};
use crate::{MsgFlags, Operation, SendMsgZc, SendZc, Target};

mod sealed {
    pub trait Sealed {}
    impl<B> Sealed for super::SendNoCopy<B> {}
    impl<P> Sealed for super::SendMessageNoCopy<P> {}
}

/// A send without a copy: [`SendNoCopy`] or [`SendMessageNoCopy`].
pub trait NoCopy: MultishotOperation<Item = NoCopyProgress<Self::Given>> + sealed::Sealed {
    /// What the caller gave, and gets back.
    type Given;
}

/// Sends out of an owned buffer without copying it. [`StreamSocket::send_zc`](crate::proactor::net::StreamSocket::send_zc),
/// [`DatagramSocket::send_zc`](crate::proactor::net::DatagramSocket::send_zc) and their kin make one.
///
/// `IORING_OP_SEND_ZC`, Linux 6.0. See `io_uring_prep_send_zc(3)`. A registered buffer goes as `IORING_RECVSEND_FIXED_BUF`.
#[derive(Debug)]
pub struct SendNoCopy<B> {
    target: Target,
    /// Whom to, if it is not the peer.
    to: Option<Box<Name>>,
    /// Gone with the last completion.
    buffer: Option<B>,
    /// The number that it is registered under.
    index: Option<u16>,
}

impl<B: IoBuf> SendNoCopy<B> {
    pub(super) const fn new(target: Target, buffer: B) -> Self {
        Self {
            target,
            to: None,
            buffer: Some(buffer),
            index: None,
        }
    }

    /// Out of the buffer as one that the kernel knows.
    pub(super) fn fixed(target: Target, buffer: B) -> Self
    where
        B: FixedBuf,
    {
        let index = Some(buffer.buf_index());
        Self {
            index,
            ..Self::new(target, buffer)
        }
    }

    pub(super) fn to(mut self, address: &impl Address) -> Self {
        self.to = Some(Box::new(address.to_name()));
        self
    }
}

/// Sends a message without copying its bytes.
/// [`StreamSocket::send_message_zc`](crate::proactor::net::StreamSocket::send_message_zc) and
/// [`DatagramSocket::send_message_zc`](crate::proactor::net::DatagramSocket::send_message_zc) make one.
///
/// `IORING_OP_SENDMSG_ZC`, Linux 6.1. See `io_uring_prep_sendmsg_zc(3)`.
#[derive(Debug)]
pub struct SendMessageNoCopy<P> {
    target: Target,
    /// Gone with the last completion.
    letter: Option<Letter<P>>,
    /// The number that its bytes are registered under.
    index: Option<u16>,
}

impl<P: Pieces> SendMessageNoCopy<P> {
    pub(super) fn new<F: Family>(target: Target, message: Message<P, F>) -> Self {
        Self {
            target,
            letter: Some(Letter::of(message)),
            index: None,
        }
    }
}

impl<B: FixedBuf> SendMessageNoCopy<One<B>> {
    /// Its bytes lie in a buffer that the kernel knows.
    pub(super) fn fixed<F: Family>(target: Target, message: Message<One<B>, F>) -> Self {
        let index = Some(message.pieces.0.buf_index());
        Self {
            index,
            ..Self::new(target, message)
        }
    }
}

/// What a completion of a [`SendNoCopy`] or a [`SendMessageNoCopy`] says.
#[derive(Debug)]
pub struct NoCopyProgress<G> {
    /// How many bytes were sent; none in the notification that the network is done.
    pub(super) count: Option<Result<usize, OpError>>,
    /// With the last completion, what was given.
    pub(super) given: Option<G>,
}

impl<G> NoCopyProgress<G> {
    /// `take` is asked with the last completion.
    fn read(completion: Completion, take: impl FnOnce() -> Option<G>) -> Self {
        let is_notification = completion.flags.contains(CqeFlags::NOTIF);
        Self {
            count: (!is_notification).then(|| completion.result.map(|n| n as usize)),
            given: if completion.flags.contains(CqeFlags::MORE) {
                None
            } else {
                take()
            },
        }
    }
}

// SAFETY: the entry lends the buffer's bytes and the address, which stay where they are when it moves, and are given up
// with the last completion only. One completion or two.
unsafe impl<B: IoBuf> MultishotOperation for SendNoCopy<B> {
    type Item = NoCopyProgress<B>;

    const CREDIT: u32 = 2;

    fn entry(&mut self) -> Sqe {
        let (start, len) = match &self.buffer {
            Some(buffer) => (buffer.bytes_ptr(), buffer.bytes_init()),
            None => (std::ptr::null(), 0),
        };
        let mut send = SendZc::new(self.target, start, clamped(len)).flags(MsgFlags::NOSIGNAL);
        if let Some(name) = &self.to {
            // Shorter than the room for any address.
            send = send.dest((&raw const name.storage).cast(), name.len as u16);
        }
        if let Some(index) = self.index {
            send = send.buf_index(index);
        }
        send.to_sqe()
    }

    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        NoCopyProgress::read(completion, || self.buffer.take())
    }
}

impl<B: IoBuf> NoCopy for SendNoCopy<B> {
    type Given = B;
}

// SAFETY: the entry lends the letter's envelope, which lies in a box, what that owns on the heap, and the buffers' bytes.
// They are given up with the last completion only. One completion or two.
unsafe impl<P: Pieces> MultishotOperation for SendMessageNoCopy<P> {
    type Item = NoCopyProgress<P::Given>;

    const CREDIT: u32 = 2;

    fn entry(&mut self) -> Sqe {
        let header = self
            .letter
            .as_mut()
            .map_or(std::ptr::null(), Letter::header);
        let mut send = SendMsgZc::new(self.target, header).flags(MsgFlags::NOSIGNAL);
        if let Some(index) = self.index {
            send = send.buf_index(index);
        }
        send.to_sqe()
    }

    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        NoCopyProgress::read(completion, || self.letter.take().map(Letter::give_back))
    }
}

impl<P: Pieces> NoCopy for SendMessageNoCopy<P> {
    type Given = P::Given;
}
