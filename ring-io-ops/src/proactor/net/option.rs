//! Options of sockets, through the ring.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use bitflags::bitflags;
use ring_io::Sqe;

use crate::proactor::error::OpError;
use crate::proactor::owned::{Completion, OwnedOperation};
use crate::{GetSockOpt, Operation, SetSockOpt, Target};

/// An option of a socket, with the type of its value. See `socket(7)`, `tcp(7)`, `ip(7)`, `ipv6(7)`.
///
/// Sockets set it with [`set_option`](super::StreamSocket::set_option), and tell it with
/// [`option`](super::StreamSocket::option). What is not here is set by a system call: sockets give their descriptor by
/// [`AsFd`](std::os::fd::AsFd).
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::{LocalProactor, SocketOption, Sockets};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// # let kernel = ring_io_ops::ring::capabilities()?;
/// # if !kernel.supports(ring_io_ops::ring::sys::IORING_OP_LISTEN as u8) { return Ok(()) }
/// let proactor = LocalProactor::new()?;
/// proactor.block_on(async {
///     let listener = proactor.tcp_listen("127.0.0.1:0")?;
///     let stream = proactor.tcp_connect(listener.local_addr()?).await?;
///     stream.set_option(SocketOption::KEEP_ALIVE, true).await?;
///     stream.set_option(SocketOption::KEEP_ALIVE_IDLE, Duration::from_secs(60)).await?;
///     assert!(stream.option(SocketOption::KEEP_ALIVE).await?);
///     std::io::Result::Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
pub struct SocketOption<T> {
    level: i32,
    name: i32,
    value: PhantomData<fn(T) -> T>,
}

/// A value of a [`SocketOption`]: `bool`, `u32`, a [`Duration`] in whole seconds, or [`Timestamping`].
pub trait OptionValue: sealed::Sealed + 'static {
    /// As the kernel has it.
    #[doc(hidden)]
    fn to_raw(self) -> i32;

    /// The other way round.
    #[doc(hidden)]
    fn from_raw(raw: i32) -> Self;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for bool {}
    impl Sealed for u32 {}
    impl Sealed for std::time::Duration {}
    impl Sealed for super::Timestamping {}
}

impl OptionValue for bool {
    fn to_raw(self) -> i32 {
        self.into()
    }

    fn from_raw(raw: i32) -> Self {
        raw != 0
    }
}

impl OptionValue for u32 {
    fn to_raw(self) -> i32 {
        i32::try_from(self).unwrap_or(i32::MAX)
    }

    fn from_raw(raw: i32) -> Self {
        raw as Self
    }
}

impl OptionValue for Duration {
    fn to_raw(self) -> i32 {
        i32::try_from(self.as_secs()).unwrap_or(i32::MAX)
    }

    fn from_raw(raw: i32) -> Self {
        Self::from_secs(raw.unsigned_abs().into())
    }
}

impl OptionValue for Timestamping {
    fn to_raw(self) -> i32 {
        self.bits() as i32
    }

    fn from_raw(raw: i32) -> Self {
        Self::from_bits_retain(raw as u32)
    }
}

bitflags! {
    /// `SOF_TIMESTAMPING_*`, the value of [`SocketOption::TIMESTAMPING`]: which times the kernel takes, and which of them
    /// it tells. See `Documentation/networking/timestamping` of the kernel.
    ///
    /// Those of what came are told with its message, as [`Timestamps`](super::ControlMessage::Timestamps). Those of what was
    /// sent go into the queue of errors, out of which `recv_error` takes them.
    ///
    /// # Examples
    ///
    /// When did it leave?
    ///
    /// ```
    /// use ring_io_ops::proactor::net::{ControlMessage, ErrorOrigin, Passed, Timestamping};
    /// use ring_io_ops::proactor::{LocalProactor, SocketOption, Sockets};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let kernel = ring_io_ops::ring::capabilities()?;
    /// # if !kernel.supports(ring_io_ops::ring::sys::IORING_OP_LISTEN as u8) { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     let socket = proactor.udp_bind("127.0.0.1:0")?;
    ///     let when = Timestamping::TX_SOFTWARE | Timestamping::SOFTWARE | Timestamping::ID | Timestamping::TIMES_ONLY;
    ///     socket.set_option(SocketOption::TIMESTAMPING, when).await?;
    ///     socket.send_to("the first", &socket.local_addr()?).await?;
    ///
    ///     let (_, _, arrived) = socket.recv_error(Vec::new(), 256).await?;
    ///     let error = arrived.error().expect("that is what it tells");
    ///     assert_eq!(error.origin, ErrorOrigin::Timestamp { passed: Passed::Sent, id: 0 });
    ///     for message in arrived.control {
    ///         if let ControlMessage::Timestamps { software: Some(at), .. } = message {
    ///             println!("it left at {at:?}");
    ///         }
    ///     }
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Timestamping: u32 {
        /// `SOF_TIMESTAMPING_TX_HARDWARE`: takes it when the network card sends something.
        const TX_HARDWARE = libc::SOF_TIMESTAMPING_TX_HARDWARE;
        /// `SOF_TIMESTAMPING_TX_SOFTWARE`: takes it when something is given to the network card.
        const TX_SOFTWARE = libc::SOF_TIMESTAMPING_TX_SOFTWARE;
        /// `SOF_TIMESTAMPING_RX_HARDWARE`: takes it when the network card receives something.
        const RX_HARDWARE = libc::SOF_TIMESTAMPING_RX_HARDWARE;
        /// `SOF_TIMESTAMPING_RX_SOFTWARE`: takes it when the kernel gets something from the network card.
        const RX_SOFTWARE = libc::SOF_TIMESTAMPING_RX_SOFTWARE;
        /// `SOF_TIMESTAMPING_SOFTWARE`: tells the times that the kernel has taken.
        const SOFTWARE = libc::SOF_TIMESTAMPING_SOFTWARE;
        /// `SOF_TIMESTAMPING_RAW_HARDWARE`: tells the times that the network card has taken.
        const RAW_HARDWARE = libc::SOF_TIMESTAMPING_RAW_HARDWARE;
        /// `SOF_TIMESTAMPING_OPT_ID`, Linux 3.17: what was sent has a number.
        const ID = libc::SOF_TIMESTAMPING_OPT_ID;
        /// `SOF_TIMESTAMPING_TX_SCHED`, Linux 3.17: takes it before the packet scheduler has something.
        const TX_SCHEDULED = libc::SOF_TIMESTAMPING_TX_SCHED;
        /// `SOF_TIMESTAMPING_TX_ACK`, Linux 3.17: takes it when the peer of a connection has acknowledged something.
        const TX_ACKNOWLEDGED = libc::SOF_TIMESTAMPING_TX_ACK;
        /// `SOF_TIMESTAMPING_OPT_TSONLY`, Linux 4.0: what was sent does not come back with its time.
        const TIMES_ONLY = libc::SOF_TIMESTAMPING_OPT_TSONLY;

        // Bits newer than these pass through untouched.
        const _ = !0;
    }
}

impl<T> SocketOption<T> {
    const fn new(level: i32, name: i32) -> Self {
        Self {
            level,
            name,
            value: PhantomData,
        }
    }
}

impl SocketOption<bool> {
    /// `SO_REUSEADDR`: the address may be one that another socket had a moment ago.
    pub const REUSE_ADDRESS: Self = Self::new(libc::SOL_SOCKET, libc::SO_REUSEADDR);
    /// `SO_REUSEPORT`: several sockets share an address, and the kernel spreads what comes.
    pub const REUSE_PORT: Self = Self::new(libc::SOL_SOCKET, libc::SO_REUSEPORT);
    /// `SO_KEEPALIVE`: asks an idle peer now and then whether it lives.
    pub const KEEP_ALIVE: Self = Self::new(libc::SOL_SOCKET, libc::SO_KEEPALIVE);
    /// `SO_BROADCAST`: datagrams may go to everybody.
    pub const BROADCAST: Self = Self::new(libc::SOL_SOCKET, libc::SO_BROADCAST);
    /// `TCP_NODELAY`: small segments are sent at once.
    pub const NO_DELAY: Self = Self::new(libc::IPPROTO_TCP, libc::TCP_NODELAY);
    /// `TCP_QUICKACK`: acknowledges at once, until the kernel decides otherwise.
    pub const QUICK_ACK: Self = Self::new(libc::IPPROTO_TCP, libc::TCP_QUICKACK);
    /// `IPV6_V6ONLY`: no IPv4 through this socket.
    pub const IPV6_ONLY: Self = Self::new(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY);

    // What `recv_message` tells: see `ControlMessage`.

    /// `SO_PASSCRED`: messages of a Unix socket come with [who sent them](super::ControlMessage::Credentials).
    pub const PASS_CREDENTIALS: Self = Self::new(libc::SOL_SOCKET, libc::SO_PASSCRED);
    /// `SO_PASSPIDFD`, Linux 6.5: messages of a Unix socket come with [a descriptor of the process that sent
    /// them](super::ControlMessage::Pidfd).
    pub const PASS_PIDFD: Self = Self::new(libc::SOL_SOCKET, libc::SO_PASSPIDFD);
    /// `SO_TIMESTAMPNS`: messages come with [the time when the kernel had them](super::ControlMessage::Timestamp).
    pub const TIMESTAMPS: Self = Self::new(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS);
    /// `SO_RXQ_OVFL`: datagrams come with [how many were dropped](super::ControlMessage::Dropped), if some were.
    pub const COUNT_DROPPED: Self = Self::new(libc::SOL_SOCKET, libc::SO_RXQ_OVFL);
    /// `IP_PKTINFO`: datagrams come with [where they were sent](super::ControlMessage::PacketInfoV4).
    pub const PACKET_INFO_V4: Self = Self::new(libc::SOL_IP, libc::IP_PKTINFO);
    /// `IPV6_RECVPKTINFO`: datagrams come with [where they were sent](super::ControlMessage::PacketInfoV6).
    pub const PACKET_INFO_V6: Self = Self::new(libc::SOL_IPV6, libc::IPV6_RECVPKTINFO);
    /// `IP_RECVTTL`: datagrams come with [their hop limit](super::ControlMessage::HopLimit).
    pub const RECV_HOP_LIMIT_V4: Self = Self::new(libc::SOL_IP, libc::IP_RECVTTL);
    /// `IPV6_RECVHOPLIMIT`: datagrams come with [their hop limit](super::ControlMessage::HopLimit).
    pub const RECV_HOP_LIMIT_V6: Self = Self::new(libc::SOL_IPV6, libc::IPV6_RECVHOPLIMIT);
    /// `IP_RECVTOS`: datagrams come with [their traffic class](super::ControlMessage::TrafficClass).
    pub const RECV_TRAFFIC_CLASS_V4: Self = Self::new(libc::SOL_IP, libc::IP_RECVTOS);
    /// `IPV6_RECVTCLASS`: datagrams come with [their traffic class](super::ControlMessage::TrafficClass).
    pub const RECV_TRAFFIC_CLASS_V6: Self = Self::new(libc::SOL_IPV6, libc::IPV6_RECVTCLASS);
    /// `IP_RECVORIGDSTADDR`: datagrams come with [where they were sent before they were
    /// redirected](super::ControlMessage::OriginalDestination).
    pub const RECV_ORIGINAL_DESTINATION_V4: Self =
        Self::new(libc::SOL_IP, libc::IP_RECVORIGDSTADDR);
    /// `IP_RECVERR`: errors of what was sent over IPv4 go into the socket's queue of errors, each with [what it is
    /// about](super::SocketError). A send or receive fails for them all the same.
    pub const QUEUE_ERRORS_V4: Self = Self::new(libc::SOL_IP, libc::IP_RECVERR);
    /// `IPV6_RECVERR`: the same for IPv6.
    pub const QUEUE_ERRORS_V6: Self = Self::new(libc::SOL_IPV6, libc::IPV6_RECVERR);
    /// `UDP_GRO`, Linux 5.0: datagrams that came together are received together, with [the length of
    /// each](super::ControlMessage::SegmentSize).
    pub const GATHER_SEGMENTS: Self = Self::new(libc::SOL_UDP, libc::UDP_GRO);
}

impl SocketOption<u32> {
    /// `SO_RCVBUF`: bytes that may wait to be received. The kernel doubles what it is told.
    pub const RECV_BUFFER: Self = Self::new(libc::SOL_SOCKET, libc::SO_RCVBUF);
    /// `SO_SNDBUF`: bytes that may wait to be sent. The kernel doubles what it is told.
    pub const SEND_BUFFER: Self = Self::new(libc::SOL_SOCKET, libc::SO_SNDBUF);
    /// `SO_BUSY_POLL`: microseconds that a receive asks the network card before it waits.
    pub const BUSY_POLL_US: Self = Self::new(libc::SOL_SOCKET, libc::SO_BUSY_POLL);
    /// `SO_INCOMING_CPU`: the CPU that the socket's packets come by.
    pub const INCOMING_CPU: Self = Self::new(libc::SOL_SOCKET, libc::SO_INCOMING_CPU);
    /// `UDP_SEGMENT`, Linux 4.18: what is sent is cut into datagrams of so many bytes; 0 for none. See
    /// [`Control::segment_size`](super::Control::segment_size) for single ones.
    pub const SEGMENT_SIZE: Self = Self::new(libc::SOL_UDP, libc::UDP_SEGMENT);
    /// `TCP_KEEPCNT`: how many questions without an answer end the connection.
    pub const KEEP_ALIVE_COUNT: Self = Self::new(libc::IPPROTO_TCP, libc::TCP_KEEPCNT);
    /// `TCP_USER_TIMEOUT`: milliseconds that sent bytes may wait for their acknowledgement.
    pub const USER_TIMEOUT_MS: Self = Self::new(libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT);
}

impl SocketOption<Timestamping> {
    /// `SO_TIMESTAMPING`: when something came, or left, is told: see [`Timestamping`].
    pub const TIMESTAMPING: Self = Self::new(libc::SOL_SOCKET, libc::SO_TIMESTAMPING);
}

impl SocketOption<Duration> {
    /// `TCP_KEEPIDLE`: how long a connection is idle before its peer is asked.
    pub const KEEP_ALIVE_IDLE: Self = Self::new(libc::IPPROTO_TCP, libc::TCP_KEEPIDLE);
    /// `TCP_KEEPINTVL`: how long between two questions.
    pub const KEEP_ALIVE_INTERVAL: Self = Self::new(libc::IPPROTO_TCP, libc::TCP_KEEPINTVL);
}

// Whatever `T` is.
impl<T> Clone for SocketOption<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SocketOption<T> {}

impl<T> fmt::Debug for SocketOption<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketOption")
            .field("level", &self.level)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Sets an option. `SOCKET_URING_OP_SETSOCKOPT`, Linux 6.7. See `setsockopt(2)`.
#[derive(Debug)]
pub struct SetOption {
    target: Target,
    level: i32,
    name: i32,
    value: Box<i32>,
}

impl SetOption {
    pub(super) fn new<T: OptionValue>(target: Target, option: SocketOption<T>, value: T) -> Self {
        Self {
            target,
            level: option.level,
            name: option.name,
            value: Box::new(value.to_raw()),
        }
    }
}

const LEN: u32 = size_of::<i32>() as u32;

// SAFETY: the entry lends the value, which lies in a box.
unsafe impl OwnedOperation for SetOption {
    type Output = Result<(), OpError>;

    fn entry(&mut self) -> Sqe {
        let value = (&raw const *self.value).cast();
        SetSockOpt::new(self.target, self.level as u32, self.name as u32, value, LEN).to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        completion.result.map(drop)
    }
}

/// Asks for an option. `SOCKET_URING_OP_GETSOCKOPT`, Linux 6.7. See `getsockopt(2)`.
#[derive(Debug)]
pub struct GetOption<T> {
    target: Target,
    option: SocketOption<T>,
    value: Box<i32>,
}

impl<T: OptionValue> GetOption<T> {
    pub(super) fn new(target: Target, option: SocketOption<T>) -> Self {
        Self {
            target,
            option,
            value: Box::new(0),
        }
    }
}

// SAFETY: the entry lends the room for the value, which lies in a box.
unsafe impl<T: OptionValue> OwnedOperation for GetOption<T> {
    type Output = Result<T, OpError>;

    fn entry(&mut self) -> Sqe {
        let value = (&raw mut *self.value).cast();
        let (level, name) = (self.option.level as u32, self.option.name as u32);
        GetSockOpt::new(self.target, level, name, value, LEN).to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        completion.result.map(|_| T::from_raw(*self.value))
    }
}
