//! Flags that several operations on sockets take.

use bitflags::bitflags;
use ring_io::sys;

bitflags! {
    /// `MSG_*`: how one send or receive differs from the socket's ways. See `send(2)`, `recv(2)`.
    ///
    /// Sends never raise `SIGPIPE`: the kernel adds [`NOSIGNAL`](Self::NOSIGNAL) by itself.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct MsgFlags: u32 {
        /// `MSG_OOB`, Linux 5.3: the urgent byte.
        const OOB = libc::MSG_OOB as u32;
        /// `MSG_PEEK`, Linux 5.3: what is received stays in the socket.
        const PEEK = libc::MSG_PEEK as u32;
        /// `MSG_DONTROUTE`, Linux 5.3: only to hosts on networks that are attached.
        const DONTROUTE = libc::MSG_DONTROUTE as u32;
        /// `MSG_CTRUNC`, Linux 5.3: said of a received message: its control data did not fit.
        const CTRUNC = libc::MSG_CTRUNC as u32;
        /// `MSG_TRUNC`, Linux 5.3: counts a datagram's whole length, though it did not fit; said of a
        /// received message: it did not fit.
        const TRUNC = libc::MSG_TRUNC as u32;
        /// `MSG_DONTWAIT`, Linux 5.3: fails with `EAGAIN` instead of waiting.
        const DONTWAIT = libc::MSG_DONTWAIT as u32;
        /// `MSG_EOR`, Linux 5.3: the end of a record.
        const EOR = libc::MSG_EOR as u32;
        /// `MSG_WAITALL`, Linux 5.3; for sends and for retries 5.19: goes on until all bytes are there,
        /// and a short count breaks a chain.
        const WAITALL = libc::MSG_WAITALL as u32;
        /// `MSG_CONFIRM`, Linux 5.3: the peer has answered, its link address need not be asked for again.
        const CONFIRM = libc::MSG_CONFIRM as u32;
        /// `MSG_ERRQUEUE`, Linux 5.3: receives from the socket's queue of errors.
        const ERRQUEUE = libc::MSG_ERRQUEUE as u32;
        /// `MSG_NOSIGNAL`, Linux 5.3: no `SIGPIPE`; sends of a ring have it always.
        const NOSIGNAL = libc::MSG_NOSIGNAL as u32;
        /// `MSG_MORE`, Linux 5.3: more follows, so the packet may wait for it.
        const MORE = libc::MSG_MORE as u32;
        /// `MSG_FASTOPEN`, Linux 5.3: connects, and sends with the first packet.
        const FASTOPEN = libc::MSG_FASTOPEN as u32;
        /// `MSG_CMSG_CLOEXEC`, Linux 5.3: `exec` closes the descriptors that are received.
        const CMSG_CLOEXEC = libc::MSG_CMSG_CLOEXEC as u32;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

bitflags! {
    /// `IORING_RECVSEND_*` and its neighbours: how the ring carries out a send or a receive.
    ///
    /// Those that change what an operation takes or what its completions mean have a constructor or
    /// a type of their own, which is named with them; the kernel refuses with `EINVAL` what an
    /// operation does not know.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RecvSendFlags: u16 {
        /// `IORING_RECVSEND_POLL_FIRST`, Linux 5.19: waits for the socket to be ready before the first
        /// try, for a socket that is known not to be.
        const POLL_FIRST = sys::IORING_RECVSEND_POLL_FIRST as u16;
        /// `IORING_RECV_MULTISHOT`, Linux 6.0: receives again and again. See [`RecvMulti`](crate::RecvMulti).
        const RECV_MULTISHOT = sys::IORING_RECV_MULTISHOT as u16;
        /// `IORING_RECVSEND_FIXED_BUF`, Linux 6.0: sends from a registered buffer. See
        /// [`SendZc::buf_index`](crate::SendZc::buf_index).
        const FIXED_BUF = sys::IORING_RECVSEND_FIXED_BUF as u16;
        /// `IORING_SEND_ZC_REPORT_USAGE`, Linux 6.2: the notification says whether bytes were copied after
        /// all. See [`ReportUsage`](crate::ReportUsage).
        const ZC_REPORT_USAGE = sys::IORING_SEND_ZC_REPORT_USAGE as u16;
        /// `IORING_RECVSEND_BUNDLE`, Linux 6.10: several provided buffers at once. See
        /// [`SendBundle`](crate::SendBundle), [`Recv::bundle`](crate::Recv::bundle).
        const BUNDLE = sys::IORING_RECVSEND_BUNDLE as u16;
        /// `IORING_SEND_VECTORIZED`, Linux 6.17: the address is that of an array of buffers. See
        /// [`Send::vectored`](crate::Send::vectored).
        const SEND_VECTORIZED = sys::IORING_SEND_VECTORIZED as u16;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// Writes the setters of both kinds of flags, for a struct that has them or, at `$inner`, a part that does.
macro_rules! flag_setters {
    ($($inner:ident)?) => {
        /// How this request differs from the socket's ways; none unless given.
        #[doc(alias = "msg_flags")]
        #[inline(always)]
        pub const fn flags(mut self, flags: $crate::MsgFlags) -> Self {
            self.$($inner.)?flags = flags;
            self
        }

        /// How the ring carries the request out, besides what the operation itself says; none unless given.
        #[doc(alias("ioprio", "zc_flags"))]
        #[inline(always)]
        pub const fn recv_send_flags(mut self, flags: $crate::RecvSendFlags) -> Self {
            self.$($inner.)?ring_flags = flags;
            self
        }
    };
}

pub(super) use flag_setters;

bitflags! {
    /// `SOCK_*`: what a new descriptor is like. See `accept4(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SocketFlags: u32 {
        /// `SOCK_CLOEXEC`, Linux 5.5: `exec` closes the descriptor. Slots never survive it, and refuse the flag.
        const CLOEXEC = libc::SOCK_CLOEXEC as u32;
        /// `SOCK_NONBLOCK`, Linux 5.5: requests and calls on the socket fail with `EAGAIN` instead of waiting.
        const NONBLOCK = libc::SOCK_NONBLOCK as u32;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}
