//! Taking connections from a socket that listens: one, or one after the other.

use std::ptr;

use bitflags::bitflags;
use ring_io::{Cqe, Errno, Prepare, Sqe, SubmissionEntry, sys};

use super::flags::SocketFlags;
use crate::address::Address;
use crate::destination::{Destination, ToDescriptor, ToFreeSlot, ToSlot};
use crate::operation::Operation;
use crate::target::Target;

bitflags! {
    /// `IORING_ACCEPT_*`: how the ring carries out an accept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct AcceptFlags: u16 {
        /// `IORING_ACCEPT_MULTISHOT`, Linux 5.19: one connection after the other. [`AcceptMulti`] sets it.
        const MULTISHOT = sys::IORING_ACCEPT_MULTISHOT as u16;
        /// `IORING_ACCEPT_DONTWAIT`, Linux 6.10: fails with `EAGAIN` if no connection is there.
        const DONTWAIT = sys::IORING_ACCEPT_DONTWAIT as u16;
        /// `IORING_ACCEPT_POLL_FIRST`, Linux 6.10: waits for a connection before the first try, where
        /// none is known to be there.
        const POLL_FIRST = sys::IORING_ACCEPT_POLL_FIRST as u16;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// What both operations have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taking<D> {
    target: Target,
    address: Address,
    len: Address,
    flags: SocketFlags,
    accept_flags: AcceptFlags,
    destination: D,
}

impl Taking<ToDescriptor> {
    #[inline(always)]
    const fn new(target: Target) -> Self {
        Self {
            target,
            address: Address::new::<()>(ptr::null()),
            len: Address::new::<()>(ptr::null()),
            flags: SocketFlags::empty(),
            accept_flags: AcceptFlags::empty(),
            destination: ToDescriptor,
        }
    }
}

impl<D: Copy> Taking<D> {
    const fn to<E>(self, destination: E) -> Taking<E> {
        Taking {
            target: self.target,
            address: self.address,
            len: self.len,
            flags: self.flags,
            accept_flags: self.accept_flags,
            destination,
        }
    }
}

impl<D: Destination> Taking<D> {
    #[inline(always)]
    fn write(&self, sqe: &mut Sqe, flags: AcceptFlags) {
        self.target.write(sqe);
        sqe.set_ioprio((self.accept_flags | flags).bits())
            .set_addr(self.address.to_u64())
            .set_off(self.len.to_u64())
            .set_op_flags(self.flags.bits())
            .set_file_index(self.destination.file_index());
    }
}

/// Writes the setters that both operations have.
macro_rules! accept_setters {
    () => {
        /// Where the peer's address goes, and where its length: that of the room on the way in,
        /// that of the address on the way out, also if it did not fit. Nowhere unless given.
        #[inline(always)]
        pub const fn address(
            mut self,
            address: *mut libc::sockaddr,
            len: *mut libc::socklen_t,
        ) -> Self {
            self.taking.address = Address::new(address);
            self.taking.len = Address::new(len);
            self
        }

        /// What the new descriptor is like; open across `exec`, and waiting, unless given.
        #[inline(always)]
        pub const fn flags(mut self, flags: SocketFlags) -> Self {
            self.taking.flags = flags;
            self
        }

        /// How the ring carries the request out; none unless given.
        #[doc(alias = "ioprio")]
        #[inline(always)]
        pub const fn accept_flags(mut self, flags: AcceptFlags) -> Self {
            self.taking.accept_flags = flags;
            self
        }
    };
}

/// Takes one connection.
///
/// `IORING_OP_ACCEPT`, Linux 5.5. See `io_uring_prep_accept(3)`, `accept4(2)`.
///
/// The type parameter says where the connected socket goes: to a descriptor of the
/// process ([`ToDescriptor`]), or, without one, to the ring's registered files
/// ([`ToSlot`], [`ToFreeSlot`]).
///
/// # Kernel access
///
/// With [`address`](Self::address): reads and writes the length, and writes to the address, until completion.
/// A file that was in the slot is closed, and the connection leaves the listening
/// socket, so pushing it is unsafe in any case.
///
/// # Result
///
/// - [`ToDescriptor`]: a [`NewFd`](crate::NewFd), which becomes an `OwnedFd` in a step of its own.
/// - [`ToSlot`]: nothing but success.
/// - [`ToFreeSlot`]: the slot.
///
/// [`Cqe::sock_nonempty`] says that more connections wait, Linux 6.10.
///
/// # Errors
///
/// - `EINVAL`: the socket does not listen; or [`SocketFlags::CLOEXEC`] was given
///   with a slot; or the slot lies beyond the registered files.
/// - `EBADF`, `ENOTSOCK`: the target is not open, or no socket.
/// - `EMFILE`: the process has as many descriptors as it may; `ENFILE`: the system has.
/// - `ENFILE`, `ENXIO`: no slot is free, or the ring has no registered files; seen when a connection has
///   come, which is lost then.
/// - `EAGAIN`: it would have to wait, and the socket or [`AcceptFlags::DONTWAIT`] forbids that.
/// - `ECONNABORTED`: the peer has given up.
/// - `ECANCELED`: cancelled before a connection came.
/// - `EFAULT`: the address or its length is not writable; the connection is lost.
///
/// # Examples
///
/// ```
/// use std::net::{TcpListener, TcpStream};
///
/// use ring_io_ops::{Accept, Operation, Target, ToDescriptor, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let client = TcpStream::connect(listener.local_addr()?)?;
/// // SAFETY: `listener` outlives the wait below, and no address is asked for.
/// unsafe { sq.push(Accept::new(Target::of(&listener))) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// // SAFETY: the completion is that of the request above, and is read only here.
/// let fd = unsafe { Accept::<ToDescriptor>::read(&cqe)?.into_owned_fd() };
/// assert_eq!(TcpStream::from(fd).peer_addr()?, client.local_addr()?);
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_ACCEPT",
    "io_uring_prep_accept",
    "io_uring_prep_accept_direct"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Accept<D = ToDescriptor> {
    taking: Taking<D>,
}

impl Accept {
    /// Takes a connection from the socket, which listens.
    #[inline(always)]
    pub const fn new(target: Target) -> Self {
        Self {
            taking: Taking::new(target),
        }
    }
}

impl<D: Copy> Accept<D> {
    accept_setters!();

    /// Puts the connected socket into this slot of the registered files, closing what was there. Linux 5.15.
    #[doc(alias = "file_index")]
    #[inline(always)]
    pub const fn into_slot(self, slot: u32) -> Accept<ToSlot> {
        Accept {
            taking: self.taking.to(ToSlot(slot)),
        }
    }

    /// Puts the connected socket into a free slot of the registered files. Linux 5.19.
    #[doc(alias("file_index", "IORING_FILE_INDEX_ALLOC"))]
    #[inline(always)]
    pub const fn into_free_slot(self) -> Accept<ToFreeSlot> {
        Accept {
            taking: self.taking.to(ToFreeSlot),
        }
    }
}

impl<D: Destination> Operation for Accept<D> {
    const OPCODE: u8 = sys::IORING_OP_ACCEPT as u8;
    type Output = D::Made;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.taking.write(sqe, AcceptFlags::empty());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<D::Made, Errno> {
        cqe.result().map(D::made)
    }
}

/// One connection of an [`AcceptMulti`].
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted<M> {
    /// The connected socket: a [`NewFd`](crate::NewFd), or the number of a slot.
    pub socket: M,
    /// Whether more completions follow; if not, this was the last, and a new request has to be made.
    pub more: bool,
    /// Whether more connections wait already. Linux 6.10.
    pub sock_nonempty: bool,
}

/// Takes one connection after the other, each with a completion.
///
/// `IORING_OP_ACCEPT` with `IORING_ACCEPT_MULTISHOT`, Linux 5.19. See `io_uring_prep_multishot_accept(3)`.
///
/// The type parameter says where the connected sockets go: to descriptors of the
/// process ([`ToDescriptor`]), or to free slots of the registered files
/// ([`ToFreeSlot`]). One chosen slot could not hold them.
///
/// # Kernel access
///
/// With [`address`](Self::address): reads and writes the length, and writes to the address, until the last
/// completion. Each connection overwrites what the one before has left, so the
/// address is of use only where each connection is seen to before the next can come.
///
/// # Result
///
/// An [`Accepted`], which says whether more follow.
///
/// # Errors
///
/// Those of [`Accept`]. An error is always the last completion. So is success
/// without [`more`](Accepted::more), as when the completion queue has overflown.
///
/// # Examples
///
/// ```
/// use std::net::{TcpListener, TcpStream};
///
/// use ring_io_ops::{AcceptMulti, AsyncCancel, CancelMatch, Operation, Target, ToDescriptor, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities()?.supports(ring_io_ops::Socket::<ToDescriptor>::OPCODE) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// // SAFETY: `listener` outlives the waits below, and no address is asked for.
/// unsafe { sq.push(AcceptMulti::new(Target::of(&listener)).user_data(7)) }?;
/// for _ in 0..3 {
///     let client = TcpStream::connect(listener.local_addr()?)?;
///     sq.submit_and_wait(1)?;
///     let cqe = cq.pop().expect("the wait saw a completion");
///     let accepted = AcceptMulti::<ToDescriptor>::read(&cqe)?;
///     assert!(accepted.more);
///     // SAFETY: the completion is that of the request above, and is read only here.
///     let stream = TcpStream::from(unsafe { accepted.socket.into_owned_fd() });
///     assert_eq!(stream.peer_addr()?, client.local_addr()?);
/// }
/// sq.push_safe(AsyncCancel::new(CancelMatch::user_data(7)))?;
/// sq.submit_and_wait(2)?;
/// let last = cq.drain().find(|cqe| cqe.user_data() == 7).expect("the cancelled request completes");
/// assert!(!last.more());
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_ACCEPT",
    "IORING_ACCEPT_MULTISHOT",
    "io_uring_prep_multishot_accept",
    "io_uring_prep_multishot_accept_direct"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct AcceptMulti<D = ToDescriptor> {
    taking: Taking<D>,
}

impl AcceptMulti {
    /// Takes connections from the socket, which listens.
    #[inline(always)]
    pub const fn new(target: Target) -> Self {
        Self {
            taking: Taking::new(target),
        }
    }
}

impl<D: Copy> AcceptMulti<D> {
    accept_setters!();

    /// Puts each connected socket into a free slot of the registered files.
    #[doc(alias("file_index", "IORING_FILE_INDEX_ALLOC"))]
    #[inline(always)]
    pub const fn into_free_slot(self) -> AcceptMulti<ToFreeSlot> {
        AcceptMulti {
            taking: self.taking.to(ToFreeSlot),
        }
    }
}

impl<D: Destination> Operation for AcceptMulti<D> {
    const OPCODE: u8 = sys::IORING_OP_ACCEPT as u8;
    type Output = Accepted<D::Made>;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.taking.write(sqe, AcceptFlags::MULTISHOT);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<Accepted<D::Made>, Errno> {
        cqe.result().map(|result| Accepted {
            socket: D::made(result),
            more: cqe.more(),
            sock_nonempty: cqe.sock_nonempty(),
        })
    }
}

/// Lets an operation with a destination be pushed as it is.
macro_rules! pushable_to {
    ($($operation:ident),+) => {$(
        impl<D: Destination, S: SubmissionEntry> Prepare<S> for $operation<D> {
            #[inline(always)]
            fn prepare(&self) -> S {
                S::from(self.to_sqe())
            }
        }

        impl<D: Destination> From<$operation<D>> for Sqe {
            #[inline(always)]
            fn from(operation: $operation<D>) -> Self {
                operation.to_sqe()
            }
        }
    )+};
}

pushable_to!(Accept, AcceptMulti);
