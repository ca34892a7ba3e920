//! Commands of sockets: what is in their queues, their options and their names.

use ring_io::{Cqe, Errno, Sqe, sys};

use super::command_field;
use crate::address::Address;
use crate::operation::{Operation, pushable};
use crate::target::Target;

/// Level and name of an option lie side by side where other operations have an address.
#[inline(always)]
const fn option_field(level: u32, name: u32) -> u64 {
    let (level, name) = (level as u64, name as u64);
    if cfg!(target_endian = "big") {
        level << 32 | name
    } else {
        name << 32 | level
    }
}

/// Asks a socket how many bytes there are to be read, or to be sent.
///
/// `IORING_OP_URING_CMD` with `SOCKET_URING_OP_SIOCINQ` or `SOCKET_URING_OP_SIOCOUTQ`,
/// Linux 6.7. See `io_uring_prep_cmd_sock(3)`, `tcp(7)`.
///
/// # Kernel access
///
/// None, if the target is a socket. Pushing is unsafe because other files take the
/// same number for other commands.
///
/// # Result
///
/// Bytes; for a datagram socket those of the next datagram.
///
/// # Errors
///
/// - `EBADF`: the target is not open.
/// - `EOPNOTSUPP`: the target, or its protocol, does not know the command.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, SocketQueue, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(SocketQueue::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// // SAFETY: the target is a socket, and outlives the wait below.
/// unsafe { sq.push(SocketQueue::unread(Target::of(&socket))) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// # if cqe.raw_result() == -libc::EOPNOTSUPP { return Ok(()) }
/// assert_eq!(SocketQueue::read(&cqe)?, 0);
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "io_uring_prep_cmd_sock",
    "SOCKET_URING_OP_SIOCINQ",
    "SOCKET_URING_OP_SIOCOUTQ"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct SocketQueue {
    target: Target,
    command: u32,
}

impl SocketQueue {
    /// What has arrived and was not read. `SIOCINQ`.
    #[inline(always)]
    pub const fn unread(target: Target) -> Self {
        Self {
            target,
            command: sys::SOCKET_URING_OP_SIOCINQ,
        }
    }

    /// What was written and has not been sent or acknowledged. `SIOCOUTQ`.
    #[inline(always)]
    pub const fn unsent(target: Target) -> Self {
        Self {
            target,
            command: sys::SOCKET_URING_OP_SIOCOUTQ,
        }
    }
}

impl Operation for SocketQueue {
    const OPCODE: u8 = sys::IORING_OP_URING_CMD as u8;
    type Output = u32;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_off(command_field(self.command));
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<u32, Errno> {
        cqe.result()
    }
}

/// Reads an option of a socket.
///
/// `IORING_OP_URING_CMD` with `SOCKET_URING_OP_GETSOCKOPT`, Linux 6.7. See
/// `io_uring_prep_cmd_sock(3)`, `getsockopt(2)`.
///
/// # Kernel access
///
/// Writes to `value[..len]` until completion.
///
/// # Result
///
/// The value's length in bytes.
///
/// # Errors
///
/// - `EBADF`: the target is not open.
/// - `EOPNOTSUPP`: the target is no socket, or the level is not `SOL_SOCKET`,
///   the only one that the kernel takes here.
/// - `ENOPROTOOPT`: the option is unknown.
/// - `EINVAL`, `EFAULT`: the length is wrong, or `value` is not writable.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{GetSockOpt, Operation, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(GetSockOpt::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// let mut kind = [0; 4];
/// let (level, name) = (libc::SOL_SOCKET as u32, libc::SO_TYPE as u32);
/// // SAFETY: `socket` and `kind` outlive the wait below, which ends with the completion.
/// unsafe { sq.push(GetSockOpt::new(Target::of(&socket), level, name, kind.as_mut_ptr(), 4)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// # if cqe.raw_result() == -libc::EOPNOTSUPP { return Ok(()) }
/// assert_eq!(GetSockOpt::read(&cqe)?, 4);
/// assert_eq!(i32::from_ne_bytes(kind), libc::SOCK_DGRAM);
/// # Ok(())
/// # }
/// ```
#[doc(alias("io_uring_prep_cmd_sock", "SOCKET_URING_OP_GETSOCKOPT"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct GetSockOpt {
    target: Target,
    option: u64,
    value: Address,
    len: u32,
}

impl GetSockOpt {
    /// Reads the option `name` of `level` into `value[..len]`.
    #[inline(always)]
    pub const fn new(target: Target, level: u32, name: u32, value: *mut u8, len: u32) -> Self {
        Self {
            target,
            option: option_field(level, name),
            value: Address::new(value),
            len,
        }
    }
}

impl Operation for GetSockOpt {
    const OPCODE: u8 = sys::IORING_OP_URING_CMD as u8;
    type Output = u32;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_off(command_field(sys::SOCKET_URING_OP_GETSOCKOPT))
            .set_addr(self.option)
            .set_file_index(self.len)
            .set_addr3(self.value.to_u64());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<u32, Errno> {
        cqe.result()
    }
}

/// Sets an option of a socket.
///
/// `IORING_OP_URING_CMD` with `SOCKET_URING_OP_SETSOCKOPT`, Linux 6.7. See
/// `io_uring_prep_cmd_sock(3)`, `setsockopt(2)`.
///
/// # Kernel access
///
/// Reads `value[..len]` until completion.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `EBADF`: the target is not open.
/// - `EOPNOTSUPP`: the target is no socket, or has no such level.
/// - `ENOPROTOOPT`: the option is unknown.
/// - `EINVAL`, `EFAULT`: the length or the value is wrong, or `value` is not readable.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, SetSockOpt, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(SetSockOpt::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// let on = 1_i32.to_ne_bytes();
/// let (level, name) = (libc::SOL_SOCKET as u32, libc::SO_BROADCAST as u32);
/// // SAFETY: `socket` and `on` outlive the wait below, which ends with the completion.
/// unsafe { sq.push(SetSockOpt::new(Target::of(&socket), level, name, on.as_ptr(), 4)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// # if cqe.raw_result() == -libc::EOPNOTSUPP { return Ok(()) }
/// SetSockOpt::read(&cqe)?;
/// assert!(socket.broadcast()?);
/// # Ok(())
/// # }
/// ```
#[doc(alias("io_uring_prep_cmd_sock", "SOCKET_URING_OP_SETSOCKOPT"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct SetSockOpt {
    target: Target,
    option: u64,
    value: Address,
    len: u32,
}

impl SetSockOpt {
    /// Sets the option `name` of `level` to `value[..len]`.
    #[inline(always)]
    pub const fn new(target: Target, level: u32, name: u32, value: *const u8, len: u32) -> Self {
        Self {
            target,
            option: option_field(level, name),
            value: Address::new(value),
            len,
        }
    }
}

impl Operation for SetSockOpt {
    const OPCODE: u8 = sys::IORING_OP_URING_CMD as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_off(command_field(sys::SOCKET_URING_OP_SETSOCKOPT))
            .set_addr(self.option)
            .set_file_index(self.len)
            .set_addr3(self.value.to_u64());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

/// Asks a socket for an address: its own, or its peer's.
///
/// `IORING_OP_URING_CMD` with `SOCKET_URING_OP_GETSOCKNAME`, Linux 6.19. See
/// `io_uring_prep_cmd_getsockname(3)`, `getsockname(2)`, `getpeername(2)`.
///
/// # Kernel access
///
/// Until completion, reads and writes `*len`, and writes as many bytes to `address` as `*len` says.
///
/// # Result
///
/// Nothing but success; `*len` is then the address's whole length, even where not all of it fitted.
///
/// # Errors
///
/// - `ENOTCONN`: the socket has no peer.
/// - `EOPNOTSUPP`: the target is no socket, or this kernel does not know the command.
/// - `EINVAL`, `EFAULT`: `*len` is negative as a signed number, or the memory is not writable.
/// - `EBADF`: the target is not open.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{GetSockName, Operation, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(GetSockName::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// // SAFETY: zeros are an address of no family.
/// let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
/// let mut len = size_of_val(&address) as libc::socklen_t;
/// let request = GetSockName::own(Target::of(&socket), (&raw mut address).cast(), &raw mut len);
/// // SAFETY: `socket`, `address` and `len` outlive the wait below, which ends with the completion.
/// unsafe { sq.push(request) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// # if cqe.raw_result() == -libc::EOPNOTSUPP { return Ok(()) }
/// GetSockName::read(&cqe)?;
/// assert_eq!(u16::from_be(address.sin_port), socket.local_addr()?.port());
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "io_uring_prep_cmd_getsockname",
    "SOCKET_URING_OP_GETSOCKNAME",
    "getpeername"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct GetSockName {
    target: Target,
    address: Address,
    len: Address,
    peer: bool,
}

impl GetSockName {
    /// The address that the socket is bound to.
    #[inline(always)]
    pub const fn own(
        target: Target,
        address: *mut libc::sockaddr,
        len: *mut libc::socklen_t,
    ) -> Self {
        Self {
            target,
            address: Address::new(address),
            len: Address::new(len),
            peer: false,
        }
    }

    /// The address that the socket is connected to.
    #[inline(always)]
    pub const fn peer(
        target: Target,
        address: *mut libc::sockaddr,
        len: *mut libc::socklen_t,
    ) -> Self {
        let mut name = Self::own(target, address, len);
        name.peer = true;
        name
    }
}

impl Operation for GetSockName {
    const OPCODE: u8 = sys::IORING_OP_URING_CMD as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_off(command_field(sys::SOCKET_URING_OP_GETSOCKNAME))
            .set_addr(self.address.to_u64())
            .set_file_index(u32::from(self.peer))
            .set_addr3(self.len.to_u64());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

pushable!(SocketQueue, GetSockOpt, SetSockOpt, GetSockName);
