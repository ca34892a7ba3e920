//! The operations, one file per family.
//!
//! | family | operations |
//! | --- | --- |
//! | nothing | [`Nop`] |
//! | bytes of a file | [`Read`], [`Readv`], [`ReadFixed`], [`Write`], [`Writev`], [`WriteFixed`] |
//! | open files | [`Fsync`], [`Close`] |
//! | paths | [`OpenAt`], [`Statx`] |
//! | sockets | [`Socket`], [`Bind`], [`Listen`], [`Connect`], [`Shutdown`], [`Accept`], [`AcceptMulti`] |
//! | bytes of a socket | [`Send`], [`SendBundle`], [`SendZc`], [`Recv`], [`RecvMulti`], [`RecvZc`] |
//! | messages | [`SendMsg`], [`SendMsgZc`], [`RecvMsg`], [`RecvMsgMulti`] |
//! | time | [`Timeout`], [`TimeoutRemove`], [`TimeoutUpdate`], [`LinkTimeout`] |
//! | other requests | [`AsyncCancel`], [`AsyncCancelAll`] |
//!
//! # How long memory is lent
//!
//! Every operation says what the kernel reads and writes, and until when:
//!
//! - *until submission*: until a submit call has taken the entry; on a ring
//!   whose queue the kernel polls (`SQPOLL`), until the kernel's thread has taken it.
//!   The kernel has copied such operands by then (`IORING_FEAT_SUBMIT_STABLE`,
//!   Linux 5.5; before, they are lent until completion).
//! - *until completion*: until the request's last completion, the one without
//!   [`more`](ring_io::Cqe::more), has been reaped. Neither a cancellation nor a
//!   timeout gives the memory back: only the completion does.
//!
//! Descriptors and slots are numbers: they have to stay what they are until the
//! entry is taken.

mod cancel;
mod file;
mod net;
mod nop;
mod path;
mod rw;
mod timeout;

pub use cancel::{AsyncCancel, AsyncCancelAll, CancelMatch, CancelOutcome};
pub use file::{Close, Fsync, FsyncFlags};
pub use net::{
    Accept, AcceptFlags, AcceptMulti, Accepted, Bind, Connect, Listen, MsgFlags, MultiReceived,
    Received, Recv, RecvMsg, RecvMsgMulti, RecvMulti, RecvSendFlags, RecvZc, RecvZcOutcome,
    ReportUsage, Send, SendBundle, SendMsg, SendMsgZc, SendZc, SendZcOutcome, Sent, Shutdown,
    Socket, SocketFlags, ZeroCopyPlace,
};
pub use nop::Nop;
pub use path::{OpenAt, OpenFlags, Statx, StatxFlags, StatxMask};
pub use rw::{Read, ReadFixed, Readv, RwFlags, Write, WriteFixed, Writev};
pub use timeout::{
    LinkTimeout, LinkTimeoutOutcome, Timeout, TimeoutFlags, TimeoutOutcome, TimeoutRemove,
    TimeoutUpdate, TimeoutUpdateOutcome,
};
