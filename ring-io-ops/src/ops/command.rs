//! Commands that a file's own driver, file system or protocol defines.

use ring_io::{Cqe, Errno, Sqe, sys};

use crate::address::Address;
use crate::operation::{Operation, pushable};
use crate::target::Target;

/// Hands a command to whatever is behind a file.
///
/// `IORING_OP_URING_CMD`, Linux 5.19. See `io_uring_prep_uring_cmd(3)`.
///
/// # Kernel access
///
/// What the command says.
///
/// # Result
///
/// What the command says.
///
/// # Errors
///
/// - `EBADF`: the target is not open.
/// - `EOPNOTSUPP`: what is behind it knows no commands, or not this one.
/// - Whatever the command says.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, Target, UringCmd, ring::Errno, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(UringCmd::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// // SAFETY: ordinary files know no such command, so there is none that could act.
/// unsafe { sq.push(UringCmd::new(Target::of(&file), u32::MAX)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert!(UringCmd::read(&cqe).is_err());
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_URING_CMD", "io_uring_prep_uring_cmd"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct UringCmd {
    target: Target,
    command: u32,
    addr: u64,
    len: u32,
    payload: [u64; 2],
    buf_index: u16,
    flags: u32,
}

impl UringCmd {
    /// The command with this number, without operands.
    #[inline(always)]
    pub const fn new(target: Target, command: u32) -> Self {
        Self {
            target,
            command,
            addr: 0,
            len: 0,
            payload: [0; 2],
            buf_index: 0,
            flags: 0,
        }
    }

    /// The field `addr`, an address or what the command keeps in its place; `0` unless given.
    #[inline(always)]
    pub const fn addr(mut self, addr: u64) -> Self {
        self.addr = addr;
        self
    }

    /// The field `len`; `0` unless given.
    #[inline(always)]
    pub const fn len(mut self, len: u32) -> Self {
        self.len = len;
        self
    }

    /// The command's own 16 bytes; zeros unless given.
    #[doc(alias = "cmd")]
    #[inline(always)]
    pub const fn payload(mut self, payload: [u64; 2]) -> Self {
        self.payload = payload;
        self
    }

    /// Works on the registered buffer with this index. `IORING_URING_CMD_FIXED`, Linux 6.1.
    #[doc(alias = "IORING_URING_CMD_FIXED")]
    #[inline(always)]
    pub const fn buf_index(mut self, buf_index: u16) -> Self {
        self.buf_index = buf_index;
        self.flags = sys::IORING_URING_CMD_FIXED;
        self
    }
}

impl Operation for UringCmd {
    const OPCODE: u8 = sys::IORING_OP_URING_CMD as u8;
    type Output = u32;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_off(command_field(self.command))
            .set_addr(self.addr)
            .set_len(self.len)
            .set_op_flags(self.flags)
            .set_buf_index(self.buf_index)
            .set_addr3(self.payload[0])
            .set_pad2(self.payload[1]);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<u32, Errno> {
        cqe.result()
    }
}

/// The command's number lies in the first four of the eight bytes, padding behind it.
#[inline(always)]
const fn command_field(command: u32) -> u64 {
    let [a, b, c, d] = command.to_ne_bytes();
    u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0])
}

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

/// Tells a block device that a range of it holds nothing any more.
///
/// `IORING_OP_URING_CMD` with `BLOCK_URING_CMD_DISCARD`, Linux 6.12. See `io_uring_prep_cmd_discard(3)`.
///
/// # Kernel access
///
/// No memory; the range's content is lost.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `EBADF`: the target is not open, or not for writing.
/// - `EINVAL`: the range is empty, not aligned to the device's blocks, or beyond its end.
/// - `EOPNOTSUPP`: the target is no block device, or one that cannot discard.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{BlockDiscard, Operation, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(BlockDiscard::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// // SAFETY: this is no block device, so nothing is lost.
/// unsafe { sq.push(BlockDiscard::new(Target::of(&file), 0, 4096)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert!(BlockDiscard::read(&cqe).is_err());
/// # Ok(())
/// # }
/// ```
#[doc(alias("io_uring_prep_cmd_discard", "BLOCK_URING_CMD_DISCARD"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct BlockDiscard {
    target: Target,
    offset: u64,
    len: u64,
}

impl BlockDiscard {
    /// Discards the `len` bytes from `offset` on.
    #[inline(always)]
    pub const fn new(target: Target, offset: u64, len: u64) -> Self {
        Self {
            target,
            offset,
            len,
        }
    }
}

impl Operation for BlockDiscard {
    const OPCODE: u8 = sys::IORING_OP_URING_CMD as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_off(command_field(sys::BLOCK_URING_CMD_DISCARD))
            .set_addr(self.offset)
            .set_addr3(self.len);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

/// Empties all zones of a zoned block device.
///
/// `IORING_OP_URING_CMD` with `BLOCK_URING_CMD_ZONE_RESET_ALL`, newer than Linux 6.18.
/// See `io_uring_prep_cmd_discard(3)` for its neighbour.
///
/// # Kernel access
///
/// No memory; the content of the whole device is lost.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `EBADF`: the target is not open.
/// - `EOPNOTSUPP`, `EINVAL`, `ENOTTY`: the target is no zoned block device, or the
///   kernel does not know the command.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, Target, ZoneResetAll, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(ZoneResetAll::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// // SAFETY: this is no block device, so nothing is lost.
/// unsafe { sq.push(ZoneResetAll::new(Target::of(&file))) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert!(ZoneResetAll::read(&cqe).is_err());
/// # Ok(())
/// # }
/// ```
#[doc(alias("io_uring_prep_cmd_zone_reset_all", "BLOCK_URING_CMD_ZONE_RESET_ALL"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct ZoneResetAll {
    target: Target,
}

impl ZoneResetAll {
    /// Empties all zones of the target.
    #[inline(always)]
    pub const fn new(target: Target) -> Self {
        Self { target }
    }
}

impl Operation for ZoneResetAll {
    const OPCODE: u8 = sys::IORING_OP_URING_CMD as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_off(command_field(sys::BLOCK_URING_CMD_ZONE_RESET_ALL));
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

pushable!(
    UringCmd,
    SocketQueue,
    GetSockOpt,
    SetSockOpt,
    BlockDiscard,
    ZoneResetAll
);
