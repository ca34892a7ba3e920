//! Telling a socket who it is and who it talks to.

use ring_io::{Cqe, Errno, Sqe, sys};

use crate::address::Address;
use crate::operation::{Operation, pushable};
use crate::target::Target;

/// Gives a socket its own address.
///
/// `IORING_OP_BIND`, Linux 6.11. See `io_uring_prep_bind(3)`, `bind(2)`.
///
/// # Kernel access
///
/// Reads `len` bytes at `address` until submission.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `EADDRINUSE`: another socket has the address.
/// - `EADDRNOTAVAIL`: this machine does not have it.
/// - `EACCES`: the port takes a privilege.
/// - `EINVAL`: the socket has an address already, or the length is not that of one.
/// - `EBADF`, `ENOTSOCK`: the target is not open, or no socket.
/// - `EFAULT`: the address is not readable.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Bind, Operation, Socket, Target, ToDescriptor, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities()?.supports(Bind::OPCODE) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_safe(Socket::new(libc::AF_INET, libc::SOCK_DGRAM, 0))?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// // SAFETY: the completion is that of the request above, and is read only here.
/// let socket = unsafe { Socket::<ToDescriptor>::read(&cqe)?.into_owned_fd() };
///
/// let address = libc::sockaddr_in {
///     sin_family: libc::AF_INET as u16,
///     sin_port: 0, // any
///     sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
///     sin_zero: [0; 8],
/// };
/// let len = size_of_val(&address) as u32;
/// // SAFETY: `socket` and `address` outlive the submission below.
/// unsafe { sq.push(Bind::new(Target::of(&socket), (&raw const address).cast(), len)) }?;
/// sq.submit_and_wait(1)?;
/// Bind::read(&cq.pop().expect("the wait saw a completion"))?;
/// let socket = std::net::UdpSocket::from(socket);
/// assert!(socket.local_addr()?.ip().is_loopback());
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_BIND", "io_uring_prep_bind"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Bind {
    target: Target,
    address: Address,
    len: libc::socklen_t,
}

/// Connects a socket to a peer.
///
/// `IORING_OP_CONNECT`, Linux 5.5. See `io_uring_prep_connect(3)`, `connect(2)`.
///
/// # Kernel access
///
/// Reads `len` bytes at `address` until submission.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `ECONNREFUSED`: nobody listens there.
/// - `ETIMEDOUT`, `ENETUNREACH`, `EHOSTUNREACH`: no answer, or no way.
/// - `EISCONN`: the socket is connected already; `EALREADY`: it is about to be.
/// - `EADDRNOTAVAIL`: no port is free.
/// - `EAFNOSUPPORT`: the address is of another domain.
/// - `ENOENT`: the socket's file is missing, for `AF_UNIX`.
/// - `EINPROGRESS`, `EAGAIN`: it would have to wait, and the socket does not.
/// - `EBADF`, `ENOTSOCK`: the target is not open, or no socket.
/// - `EFAULT`: the address is not readable.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Connect, Operation, Socket, Target, ToDescriptor, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities()?.supports(Socket::<ToDescriptor>::OPCODE) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_safe(Socket::new(libc::AF_INET, libc::SOCK_STREAM, 0))?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// // SAFETY: the completion is that of the request above, and is read only here.
/// let socket = unsafe { Socket::<ToDescriptor>::read(&cqe)?.into_owned_fd() };
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let address = libc::sockaddr_in {
///     sin_family: libc::AF_INET as u16,
///     sin_port: listener.local_addr()?.port().to_be(),
///     sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
///     sin_zero: [0; 8],
/// };
/// let len = size_of_val(&address) as u32;
/// // SAFETY: `socket` and `address` outlive the submission below.
/// unsafe { sq.push(Connect::new(Target::of(&socket), (&raw const address).cast(), len)) }?;
/// sq.submit_and_wait(1)?;
/// Connect::read(&cq.pop().expect("the wait saw a completion"))?;
/// let stream = std::net::TcpStream::from(socket);
/// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_CONNECT", "io_uring_prep_connect"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Connect {
    target: Target,
    address: Address,
    len: libc::socklen_t,
}

/// Writes what the two operations share that hand an address over.
macro_rules! takes_address {
    ($($operation:ident, $opcode:ident, $doc:literal;)+) => {$(
        impl $operation {
            #[doc = $doc]
            #[inline(always)]
            pub const fn new(target: Target, address: *const libc::sockaddr, len: libc::socklen_t) -> Self {
                Self {
                    target,
                    address: Address::new(address),
                    len,
                }
            }
        }

        impl Operation for $operation {
            const OPCODE: u8 = sys::$opcode as u8;
            type Output = ();

            #[inline(always)]
            fn write(&self, sqe: &mut Sqe) {
                self.target.write(sqe);
                sqe.set_addr(self.address.to_u64())
                    .set_off(u64::from(self.len));
            }

            #[inline(always)]
            fn read(cqe: &Cqe) -> Result<(), Errno> {
                cqe.result().map(drop)
            }
        }
    )+};
}

takes_address! {
    Bind, IORING_OP_BIND, "Binds the socket to the `len` bytes of address at `address`.";
    Connect, IORING_OP_CONNECT, "Connects the socket to the `len` bytes of address at `address`.";
}

/// Lets a socket take connections.
///
/// `IORING_OP_LISTEN`, Linux 6.11. See `io_uring_prep_listen(3)`, `listen(2)`.
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
/// - `EADDRINUSE`: another socket listens there.
/// - `EOPNOTSUPP`: such sockets do not listen.
/// - `EINVAL`: the socket is connected, or, for `AF_UNIX`, has no address.
/// - `EBADF`, `ENOTSOCK`: the target is not open, or no socket.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Listen, Operation, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities()?.supports(Listen::OPCODE) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// // It listens already; this only makes room for more that wait.
/// let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
/// // SAFETY: `socket` is open until the end.
/// unsafe { sq.push(Listen::new(Target::of(&socket), 4096)) }?;
/// sq.submit_and_wait(1)?;
/// Listen::read(&cq.pop().expect("the wait saw a completion"))?;
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_LISTEN", "io_uring_prep_listen"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Listen {
    target: Target,
    backlog: i32,
}

impl Listen {
    /// Listens, and lets up to `backlog` connections wait to be accepted, or as many as the system allows.
    #[inline(always)]
    pub const fn new(target: Target, backlog: i32) -> Self {
        Self { target, backlog }
    }
}

impl Operation for Listen {
    const OPCODE: u8 = sys::IORING_OP_LISTEN as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_len(self.backlog as u32);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

pushable!(Bind, Connect, Listen);
