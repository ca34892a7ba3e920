//! The start and the end of a socket.

use std::net;

use ring_io::{Cqe, Errno, Prepare, SafeToPush, Sqe, SubmissionEntry, sys};

use super::flags::SocketFlags;
use crate::destination::{Destination, ToDescriptor, ToFreeSlot, ToSlot};
use crate::operation::{Operation, SafeOperation, pushable};
use crate::target::Target;

/// Makes a socket.
///
/// `IORING_OP_SOCKET`, Linux 5.19. See `io_uring_prep_socket(3)`, `socket(2)`.
///
/// The type parameter says where the socket goes: to a descriptor of the process
/// ([`ToDescriptor`]), or, without one, to the ring's registered files
/// ([`ToSlot`], [`ToFreeSlot`]).
///
/// # Kernel access
///
/// None: it can be pushed safely, unless it goes to a chosen slot, because what was in that is closed.
///
/// # Result
///
/// - [`ToDescriptor`]: a [`NewFd`](crate::NewFd), which becomes an `OwnedFd` in a step of its own.
/// - [`ToSlot`]: nothing but success.
/// - [`ToFreeSlot`]: the slot.
///
/// # Errors
///
/// - `EAFNOSUPPORT`, `EPROTONOSUPPORT`, `ESOCKTNOSUPPORT`: no such domain, protocol or kind, or not together.
/// - `EINVAL`: [`SocketFlags::CLOEXEC`] was given with a slot, or the slot lies
///   beyond the registered files.
/// - `EMFILE`: the process has as many descriptors as it may; `ENFILE`: the system has, or no slot is free.
/// - `ENXIO`: a slot was asked for and the ring has no registered files.
/// - `EPERM`, `EACCES`: raw and packet sockets take a privilege.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, Socket, SocketFlags, ToDescriptor, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities()?.supports(Socket::<ToDescriptor>::OPCODE) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_safe(Socket::new(libc::AF_INET, libc::SOCK_DGRAM, 0).flags(SocketFlags::CLOEXEC))?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// // SAFETY: the completion is that of the request above, and is read only here.
/// let fd = unsafe { Socket::<ToDescriptor>::read(&cqe)?.into_owned_fd() };
/// let socket = std::net::UdpSocket::from(fd);
/// # drop(socket);
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_SOCKET",
    "io_uring_prep_socket",
    "io_uring_prep_socket_direct",
    "io_uring_prep_socket_direct_alloc"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Socket<D = ToDescriptor> {
    domain: i32,
    kind: i32,
    protocol: i32,
    reserved: u32,
    destination: D,
}

impl Socket {
    /// Makes a socket of a domain (`AF_*`), a kind (`SOCK_*`, with its flags) and a protocol,
    /// `0` being the usual one of the two.
    #[inline(always)]
    pub const fn new(domain: i32, kind: i32, protocol: i32) -> Self {
        Self {
            domain,
            kind,
            protocol,
            reserved: 0,
            destination: ToDescriptor,
        }
    }
}

impl<D: Copy> Socket<D> {
    /// Adds to the flags that the kind has brought.
    #[inline(always)]
    pub const fn flags(mut self, flags: SocketFlags) -> Self {
        self.kind |= flags.bits() as i32;
        self
    }

    /// The last argument of `io_uring_prep_socket(3)`; `0` unless given. It has no meaning yet, and
    /// the kernel refuses all else with `EINVAL`.
    #[inline(always)]
    pub const fn reserved(mut self, reserved: u32) -> Self {
        self.reserved = reserved;
        self
    }

    /// Puts the socket into this slot of the registered files, closing what was there.
    #[doc(alias = "file_index")]
    #[inline(always)]
    pub const fn into_slot(self, slot: u32) -> Socket<ToSlot> {
        self.to(ToSlot(slot))
    }

    /// Puts the socket into a free slot of the registered files.
    #[doc(alias("file_index", "IORING_FILE_INDEX_ALLOC"))]
    #[inline(always)]
    pub const fn into_free_slot(self) -> Socket<ToFreeSlot> {
        self.to(ToFreeSlot)
    }

    const fn to<E>(self, destination: E) -> Socket<E> {
        Socket {
            domain: self.domain,
            kind: self.kind,
            protocol: self.protocol,
            reserved: self.reserved,
            destination,
        }
    }
}

impl<D: Destination> Operation for Socket<D> {
    const OPCODE: u8 = sys::IORING_OP_SOCKET as u8;
    type Output = D::Made;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(self.domain)
            .set_off(i64::from(self.kind) as u64)
            .set_len(self.protocol as u32)
            .set_op_flags(self.reserved)
            .set_file_index(self.destination.file_index());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<D::Made, Errno> {
        cqe.result().map(D::made)
    }
}

impl<D: Destination, S: SubmissionEntry> Prepare<S> for Socket<D> {
    #[inline(always)]
    fn prepare(&self) -> S {
        S::from(self.to_sqe())
    }
}

impl<D: Destination> From<Socket<D>> for Sqe {
    #[inline(always)]
    fn from(operation: Socket<D>) -> Self {
        operation.to_sqe()
    }
}

// SAFETY: the entry names no memory and no file; a new descriptor closes none.
unsafe impl SafeOperation for Socket<ToDescriptor> {}
// SAFETY: as above; the entry is the operation's own.
unsafe impl SafeToPush for Socket<ToDescriptor> {}
// SAFETY: the entry names no memory and no file; only a slot that was free is filled.
unsafe impl SafeOperation for Socket<ToFreeSlot> {}
// SAFETY: as above; the entry is the operation's own.
unsafe impl SafeToPush for Socket<ToFreeSlot> {}

/// Ends a connection, in one direction or both, whoever else has the socket open.
///
/// `IORING_OP_SHUTDOWN`, Linux 5.11. See `io_uring_prep_shutdown(3)`, `shutdown(2)`.
///
/// # Kernel access
///
/// No memory. It changes the socket, so pushing it is unsafe: the target has to stay what it is
/// until submission.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `ENOTCONN`: the socket is not connected.
/// - `EBADF`, `ENOTSOCK`: the target is not open, or no socket.
///
/// # Examples
///
/// ```
/// use std::io::Read as _;
/// use std::net;
///
/// use ring_io_ops::{Operation, Shutdown, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities()?.supports(Shutdown::OPCODE) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
/// // SAFETY: `ours` is open until the end.
/// unsafe { sq.push(Shutdown::new(Target::of(&ours), net::Shutdown::Write)) }?;
/// sq.submit_and_wait(1)?;
/// Shutdown::read(&cq.pop().expect("the wait saw a completion"))?;
/// assert_eq!(theirs.read(&mut [0; 8])?, 0);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_SHUTDOWN", "io_uring_prep_shutdown"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Shutdown {
    target: Target,
    how: net::Shutdown,
}

impl Shutdown {
    /// Ends what the socket receives, sends, or both.
    #[inline(always)]
    pub const fn new(target: Target, how: net::Shutdown) -> Self {
        Self { target, how }
    }
}

impl Operation for Shutdown {
    const OPCODE: u8 = sys::IORING_OP_SHUTDOWN as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        let how = match self.how {
            net::Shutdown::Read => libc::SHUT_RD,
            net::Shutdown::Write => libc::SHUT_WR,
            net::Shutdown::Both => libc::SHUT_RDWR,
        };
        sqe.set_len(how as u32);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

pushable!(Shutdown);
