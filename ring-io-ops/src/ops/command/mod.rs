//! Commands that a file's own driver, file system or protocol defines.
//!
//! | file | operations |
//! | --- | --- |
//! | `any` | [`UringCmd`] |
//! | `wide` | [`UringCmd80`], [`UringCmd128`] |
//! | `socket` | [`SocketQueue`], [`GetSockOpt`], [`SetSockOpt`], [`GetSockName`] |
//! | `timestamp` | [`TxTimestamp`] |
//! | `block` | [`BlockDiscard`], [`ZoneResetAll`] |

mod any;
mod block;
mod socket;
mod timestamp;
mod wide;

use ring_io::{Sqe, sys};

use crate::target::Target;

pub use any::UringCmd;
pub use block::{BlockDiscard, ZoneResetAll};
pub use socket::{GetSockName, GetSockOpt, SetSockOpt, SocketQueue};
pub use timestamp::{TxStamp, TxStampKind, TxTimestamp};
pub use wide::{UringCmd80, UringCmd128};

/// What commands of any kind have before their own bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Command {
    target: Target,
    number: u32,
    addr: u64,
    len: u32,
    buf_index: u16,
    flags: u32,
}

impl Command {
    #[inline(always)]
    const fn new(target: Target, number: u32) -> Self {
        Self {
            target,
            number,
            addr: 0,
            len: 0,
            buf_index: 0,
            flags: 0,
        }
    }

    #[inline(always)]
    const fn fixed(&mut self, buf_index: u16) {
        self.buf_index = buf_index;
        self.flags = sys::IORING_URING_CMD_FIXED;
    }

    #[inline(always)]
    const fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_off(command_field(self.number))
            .set_addr(self.addr)
            .set_len(self.len)
            .set_op_flags(self.flags)
            .set_buf_index(self.buf_index);
    }
}

/// Writes the setters that commands of any kind have.
macro_rules! command_setters {
    () => {
        /// The field `addr`, an address or what the command keeps in its place; `0` unless given.
        #[inline(always)]
        pub const fn addr(mut self, addr: u64) -> Self {
            self.command.addr = addr;
            self
        }

        /// The field `len`; `0` unless given.
        #[inline(always)]
        pub const fn len(mut self, len: u32) -> Self {
            self.command.len = len;
            self
        }

        /// Works on the registered buffer with this index. `IORING_URING_CMD_FIXED`, Linux 6.1.
        #[doc(alias = "IORING_URING_CMD_FIXED")]
        #[inline(always)]
        pub const fn buf_index(mut self, buf_index: u16) -> Self {
            self.command.fixed(buf_index);
            self
        }
    };
}

use command_setters;

/// The command's number lies in the first four of the eight bytes, padding behind it.
#[inline(always)]
const fn command_field(command: u32) -> u64 {
    let [a, b, c, d] = command.to_ne_bytes();
    u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0])
}
