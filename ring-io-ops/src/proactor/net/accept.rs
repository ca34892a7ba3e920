//! Taking connections.

use std::fmt;
use std::marker::PhantomData;

use ring_io::{Errno, Sqe};

use super::address::{Address as _, Name};
use super::family::Family;
use super::stream::StreamSocket;
use crate::proactor::descriptor::Descriptor;
use crate::proactor::error::OpError;
use crate::proactor::handle::Handle;
use crate::proactor::open_file::sealed::OpenFile as _;
use crate::proactor::owned::{Completion, MultishotOperation, OwnedOperation};
use crate::{Accept, AcceptMulti, Operation, Target};

/// Takes a connection. [`Listener::accept`](super::Listener::accept) makes one.
///
/// `IORING_OP_ACCEPT`, Linux 5.5. See `accept(2)`.
pub struct AcceptOne<H, F> {
    target: Target,
    handle: H,
    peer: Box<Name>,
    family: PhantomData<F>,
}

impl<H: Handle, F: Family> AcceptOne<H, F> {
    pub(super) fn new(target: Target, handle: H) -> Self {
        Self {
            target,
            handle,
            peer: Box::new(Name::room()),
            family: PhantomData,
        }
    }
}

// SAFETY: the entry lends the room for an address, which lies in a box.
unsafe impl<H: Handle, F: Family> OwnedOperation for AcceptOne<H, F> {
    type Output = Result<(StreamSocket<H, F>, F::Address), OpError>;

    fn entry(&mut self) -> Sqe {
        let accept = Accept::new(self.target)
            .address((&raw mut self.peer.storage).cast(), &raw mut self.peer.len)
            .flags(H::Fd::SOCKET);
        H::Fd::made_by(accept.to_sqe())
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        // SAFETY: the entry is made by it, and the caller reads the completion once.
        let fd = unsafe { H::Fd::made(completion) }?;
        let stream = StreamSocket::from_descriptor(Descriptor::new(self.handle, fd));
        let peer = F::Address::from_name(&self.peer)
            .ok_or(OpError::Kernel(Errno::from_raw(libc::EAFNOSUPPORT)))?;
        Ok((stream, peer))
    }
}

/// Takes connections as they come. [`Listener::accept_multi`](super::Listener::accept_multi) makes one.
///
/// `IORING_ACCEPT_MULTISHOT`, Linux 5.19. See `accept(2)`.
pub struct AcceptMany<H, F> {
    target: Target,
    handle: H,
    family: PhantomData<F>,
}

impl<H: Handle, F: Family> AcceptMany<H, F> {
    pub(super) const fn new(target: Target, handle: H) -> Self {
        Self {
            target,
            handle,
            family: PhantomData,
        }
    }
}

// SAFETY: the entry lends nothing.
unsafe impl<H: Handle, F: Family> MultishotOperation for AcceptMany<H, F> {
    type Item = Result<StreamSocket<H, F>, OpError>;

    fn entry(&mut self) -> Sqe {
        let accept = AcceptMulti::new(self.target).flags(H::Fd::SOCKET);
        H::Fd::made_by(accept.to_sqe())
    }

    fn goes_on(&self, last: &Completion) -> bool {
        match last.result {
            // The kernel has stopped for reasons of its own, such as a full completion queue.
            Ok(_) => true,
            // These concern one connection, or pass.
            Err(OpError::Kernel(errno)) => matches!(
                errno.raw(),
                libc::ECONNABORTED | libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM
            ),
            Err(_) => false,
        }
    }

    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        // SAFETY: the entry is made by it, and the caller reads the completion once.
        let fd = unsafe { H::Fd::made(completion) }?;
        Ok(StreamSocket::from_descriptor(Descriptor::new(
            self.handle.clone(),
            fd,
        )))
    }

    unsafe fn abandon(&mut self, completion: Completion) {
        // SAFETY: as above.
        if let Ok(fd) = unsafe { H::Fd::made(completion) } {
            fd.discard(&self.handle);
        }
    }
}

impl<H: Handle, F> fmt::Debug for AcceptOne<H, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AcceptOne").field(&self.target).finish()
    }
}

impl<H: Handle, F> fmt::Debug for AcceptMany<H, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AcceptMany").field(&self.target).finish()
    }
}
