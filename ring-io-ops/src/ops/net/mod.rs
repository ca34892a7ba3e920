//! Sockets: making them, connecting them, and moving bytes through them.
//!
//! | file | operations |
//! | --- | --- |
//! | `socket` | [`Socket`], [`Shutdown`] |
//! | `connect` | [`Bind`], [`Listen`], [`Connect`] |
//! | `accept` | [`Accept`], [`AcceptMulti`] |
//! | `send` | [`Send`], [`SendBundle`] |
//! | `recv` | [`Recv`], [`RecvMulti`] |
//! | `message` | [`SendMsg`], [`RecvMsg`], [`RecvMsgMulti`] |
//! | `zero_copy` | [`SendZc`], [`SendMsgZc`], [`ReportUsage`] |
//! | `recv_zc` | [`RecvZc`] |
//!
//! `flags` has the flags that several of them take, and `received` what all
//! receives have in their completions.

mod accept;
mod connect;
mod flags;
mod message;
mod received;
mod recv;
mod recv_zc;
mod send;
mod socket;
mod zero_copy;

pub use accept::{Accept, AcceptFlags, AcceptMulti, Accepted};
pub use connect::{Bind, Connect, Listen};
pub use flags::{MsgFlags, RecvSendFlags, SocketFlags};
pub use message::{RecvMsg, RecvMsgMulti, SendMsg};
pub use received::{MultiReceived, Received};
pub use recv::{Recv, RecvMulti};
pub use recv_zc::{RecvZc, RecvZcOutcome, ZeroCopyPlace};
pub use send::{Send, SendBundle, Sent};
pub use socket::{Shutdown, Socket};
pub use zero_copy::{ReportUsage, SendMsgZc, SendZc, SendZcOutcome};
