//! The operations, one file per family.
//!
//! | family | operations |
//! | --- | --- |
//! | nothing | [`Nop`], [`Nop128`] |
//! | bytes of a file | [`Read`], [`Readv`], [`ReadFixed`], [`Write`], [`Writev`], [`WriteFixed`] |
//! | several pieces of a registered buffer | [`ReadvFixed`], [`WritevFixed`] |
//! | bytes into provided buffers | [`ReadSelect`], [`ReadvSelect`] |
//! | bytes as they come | [`ReadMultishot`] |
//! | open files | [`Fsync`], [`Close`] |
//! | a file's extent | [`Fallocate`], [`Ftruncate`], [`SyncFileRange`] |
//! | advice | [`Fadvise`], [`Madvise`] |
//! | extended attributes | [`Fgetxattr`], [`Getxattr`], [`Fsetxattr`], [`Setxattr`] |
//! | paths | [`OpenAt`], [`OpenAt2`], [`Statx`], [`RenameAt`], [`UnlinkAt`], [`MkDirAt`], [`SymlinkAt`], [`LinkAt`] |
//! | sockets | [`Socket`], [`Bind`], [`Listen`], [`Connect`], [`Shutdown`], [`Accept`], [`AcceptMulti`] |
//! | bytes of a socket | [`Send`], [`SendBundle`], [`SendZc`], [`Recv`], [`RecvMulti`], [`RecvZc`] |
//! | messages | [`SendMsg`], [`SendMsgZc`], [`RecvMsg`], [`RecvMsgMulti`] |
//! | pipes | [`Splice`], [`Tee`], [`Pipe`] |
//! | readiness | [`PollAdd`], [`PollRemove`], [`PollUpdate`], [`EpollCtl`], [`EpollWait`] |
//! | processes | [`FutexWait`], [`FutexWake`], [`FutexWaitv`], [`WaitId`] |
//! | rings | [`MsgRing`], [`MsgRingFd`], [`FilesUpdate`], [`FixedFdInstall`], [`ProvideBuffers`], [`RemoveBuffers`] |
//! | commands | [`UringCmd`], [`UringCmd80`], [`UringCmd128`], [`BlockDiscard`], [`ZoneResetAll`] |
//! | commands of sockets | [`SocketQueue`], [`GetSockOpt`], [`SetSockOpt`], [`GetSockName`], [`TxTimestamp`] |
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

mod advice;
mod cancel;
mod command;
mod epoll;
mod extent;
mod file;
mod futex;
mod net;
mod nop;
mod path;
mod pipe;
mod poll;
mod process;
mod ring;
mod rw;
mod rw_attributes;
mod rw_fixed;
mod rw_multishot;
mod rw_select;
mod timeout;
mod xattr;

pub use advice::{Fadvise, FileAdvice, Madvise, MemoryAdvice};
pub use cancel::{AsyncCancel, AsyncCancelAll, CancelMatch, CancelOutcome};
pub use command::{
    BlockDiscard, GetSockName, GetSockOpt, SetSockOpt, SocketQueue, TxStamp, TxStampKind,
    TxTimestamp, UringCmd, UringCmd80, UringCmd128, ZoneResetAll,
};
pub use epoll::{EpollCtl, EpollWait};
pub use extent::{Fallocate, FallocateFlags, Ftruncate, SyncFileRange, SyncFileRangeFlags};
pub use file::{Close, Fsync, FsyncFlags};
pub use futex::{
    FutexFlags, FutexOutcome, FutexWait, FutexWaiter, FutexWaitv, FutexWaitvOutcome, FutexWake,
};
pub use net::{
    Accept, AcceptFlags, AcceptMulti, Accepted, Bind, Connect, Listen, MsgFlags, MultiReceived,
    Received, Recv, RecvMsg, RecvMsgMulti, RecvMulti, RecvSendFlags, RecvZc, RecvZcOutcome,
    ReportUsage, Send, SendBundle, SendMsg, SendMsgZc, SendZc, SendZcOutcome, Sent, Shutdown,
    Socket, SocketFlags, ZeroCopyPlace,
};
pub use nop::{Nop, Nop128};
pub use path::{
    LinkAt, LinkFlags, MkDirAt, OpenAt, OpenAt2, OpenFlags, OpenHow, RenameAt, RenameFlags,
    ResolveFlags, Statx, StatxFlags, StatxMask, SymlinkAt, UnlinkAt, UnlinkFlags,
};
pub use pipe::{Pipe, PipeFlags, Splice, SpliceFlags, Tee};
pub use poll::{PollAdd, PollChange, PollEvents, PollReady, PollRemove, PollUpdate};
pub use process::{WaitFlags, WaitFor, WaitId};
pub use ring::{
    FilesUpdate, FixedFdInstall, MsgRing, MsgRingFd, ProvideBuffers, RemoveBuffers, SlotDestination,
};
pub use rw::{Read, ReadFixed, Readv, RwFlags, Write, WriteFixed, Writev};
pub use rw_attributes::{ProtectionFlags, ProtectionInfo};
pub use rw_fixed::{ReadvFixed, WritevFixed};
pub use rw_multishot::ReadMultishot;
pub use rw_select::{ReadSelect, ReadvSelect, SelectedRead};
pub use timeout::{
    LinkTimeout, LinkTimeoutOutcome, Timeout, TimeoutFlags, TimeoutOutcome, TimeoutRemove,
    TimeoutUpdate, TimeoutUpdateOutcome,
};
pub use xattr::{Fgetxattr, Fsetxattr, Getxattr, Setxattr, XattrFlags};
