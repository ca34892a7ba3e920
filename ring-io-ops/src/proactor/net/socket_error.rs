//! What a socket's queue of errors tells.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ring_io::Errno;

use super::address::{Address as _, Name};

/// One entry of a socket's queue of errors, which `recv_error` of sockets takes out: why something that was sent did not
/// arrive, or when it left.
///
/// # Examples
///
/// Nobody listens there, and a socket that is not connected learns whom that is about:
///
/// ```
/// use ring_io_ops::proactor::net::ErrorOrigin;
/// use ring_io_ops::proactor::{LocalProactor, SocketOption, Sockets};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// # let kernel = ring_io_ops::ring::capabilities()?;
/// # if !kernel.supports(ring_io_ops::ring::sys::IORING_OP_LISTEN as u8) { return Ok(()) }
/// let proactor = LocalProactor::new()?;
/// proactor.block_on(async {
///     let socket = proactor.udp_bind("127.0.0.1:0")?;
///     socket.set_option(SocketOption::QUEUE_ERRORS_V4, true).await?;
///     let nobody = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
///     socket.send_to("hello?", &nobody).await?;
///
///     let (n, bytes, arrived) = socket.recv_error(vec![0; 64], 256).await?;
///     assert_eq!((&bytes[..n], arrived.from), (b"hello?".as_slice(), Some(nobody)));
///     let error = arrived.error().expect("that is why it came");
///     assert_eq!(error.errno.map(|errno| errno.raw()), Some(libc::ECONNREFUSED));
///     assert!(matches!(error.origin, ErrorOrigin::Icmp { kind: 3, code: 3, .. }));
///     std::io::Result::Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
#[doc(alias("sock_extended_err", "MSG_ERRQUEUE"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketError {
    /// What a send or receive would have failed with; none where nothing is wrong. Times come with `ENOMSG`.
    pub errno: Option<Errno>,
    /// Who says so, and what.
    pub origin: ErrorOrigin,
}

/// Who put an entry into a socket's queue of errors. See `ip(7)`, `SO_TIMESTAMPING` in the kernel's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorOrigin {
    /// `SO_EE_ORIGIN_LOCAL`: this machine. With `EMSGSIZE`, `info` is how long a packet may be.
    Local {
        /// `ee_info`.
        info: u32,
    },
    /// `SO_EE_ORIGIN_ICMP`: somebody on the way answered to an IPv4 packet. See `icmp(7)`.
    Icmp {
        /// The message's type.
        kind: u8,
        /// The message's code.
        code: u8,
        /// How long a packet may be, where that is what it tells.
        info: u32,
        /// Who answered.
        offender: Option<IpAddr>,
    },
    /// `SO_EE_ORIGIN_ICMP6`: the same for an IPv6 packet.
    Icmp6 {
        /// The message's type.
        kind: u8,
        /// The message's code.
        code: u8,
        /// How long a packet may be, where that is what it tells.
        info: u32,
        /// Who answered.
        offender: Option<IpAddr>,
    },
    /// `SO_EE_ORIGIN_TIMESTAMPING`: something that was sent got so far. When, says the
    /// [`Timestamps`](super::ControlMessage::Timestamps) beside it. [`Timestamping`](super::Timestamping) asks for it.
    Timestamp {
        /// How far.
        passed: Passed,
        /// With [`Timestamping::ID`](super::Timestamping::ID) which one it was: so many datagrams were sent before, or, on
        /// a connection, bytes before its last.
        id: u32,
    },
    /// `SO_EE_ORIGIN_ZEROCOPY`: sends of a system call with `MSG_ZEROCOPY` are over, and their buffers may be written to
    /// again. Those of this crate tell by themselves, and not here.
    ZeroCopy {
        /// The number of the first send.
        first: u32,
        /// The number of the last send.
        last: u32,
        /// They were copied all the same.
        is_copied: bool,
    },
    /// `SO_EE_ORIGIN_TXTIME`: a datagram was dropped that was to leave [at a time](super::Control::transmit_at).
    TransmitTime {
        /// The time, by the clock that the socket has chosen.
        at: Duration,
        /// The time was over; otherwise it was no time that the network card could keep.
        is_missed: bool,
    },
    /// Any other.
    Other {
        /// `ee_origin`.
        origin: u8,
        /// `ee_type`.
        kind: u8,
        /// `ee_code`.
        code: u8,
        /// `ee_info`.
        info: u32,
        /// `ee_data`.
        data: u32,
    },
}

/// How far something got that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Passed {
    /// `SCM_TSTAMP_SND`: it left, to the network card, or from there.
    Sent,
    /// `SCM_TSTAMP_SCHED`: the packet scheduler has it.
    Scheduled,
    /// `SCM_TSTAMP_ACK`: the peer has acknowledged it.
    Acknowledged,
    /// Any other.
    Other(u32),
}

// Not among the names of each C library.
const ORIGIN_LOCAL: u8 = 1;
const ORIGIN_ICMP: u8 = 2;
const ORIGIN_ICMP6: u8 = 3;
const ORIGIN_TIMESTAMPING: u8 = 4;
const ORIGIN_ZEROCOPY: u8 = 5;
const ORIGIN_TXTIME: u8 = 6;
/// `SO_EE_CODE_ZEROCOPY_COPIED`
const COPIED: u8 = 1;
/// `SO_EE_CODE_TXTIME_MISSED`
const MISSED: u8 = 2;

impl SocketError {
    /// A `struct sock_extended_err`, and behind it the address of who has answered; `None` if it is too short.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let bytes = data.get(at..)?.first_chunk()?;
            Some(u32::from_ne_bytes(*bytes))
        };
        let (errno, info, value) = (word(0)?, word(8)?, word(12)?);
        let &[origin, kind, code, _] = data.get(4..)?.first_chunk()?;
        let offender = || {
            let address = SocketAddr::from_name(&Name::from_bytes(data.get(16..)?));
            address.map(|address| address.ip())
        };
        let origin = match origin {
            ORIGIN_LOCAL => ErrorOrigin::Local { info },
            ORIGIN_ICMP => ErrorOrigin::Icmp {
                kind,
                code,
                info,
                offender: offender(),
            },
            ORIGIN_ICMP6 => ErrorOrigin::Icmp6 {
                kind,
                code,
                info,
                offender: offender(),
            },
            ORIGIN_TIMESTAMPING => ErrorOrigin::Timestamp {
                passed: match info {
                    0 => Passed::Sent,
                    1 => Passed::Scheduled,
                    2 => Passed::Acknowledged,
                    other => Passed::Other(other),
                },
                id: value,
            },
            ORIGIN_ZEROCOPY => ErrorOrigin::ZeroCopy {
                first: info,
                last: value,
                is_copied: code & COPIED != 0,
            },
            ORIGIN_TXTIME => ErrorOrigin::TransmitTime {
                at: Duration::from_nanos((u64::from(value) << 32) | u64::from(info)),
                is_missed: code == MISSED,
            },
            origin => ErrorOrigin::Other {
                origin,
                kind,
                code,
                info,
                data: value,
            },
        };
        let errno = (errno != 0).then(|| Errno::from_raw(errno as i32));
        Some(Self { errno, origin })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(errno: u32, what: [u8; 4], info: u32, data: u32) -> Vec<u8> {
        let mut bytes = errno.to_ne_bytes().to_vec();
        bytes.extend(what);
        bytes.extend(info.to_ne_bytes());
        bytes.extend(data.to_ne_bytes());
        bytes
    }

    #[test]
    fn what_no_test_can_provoke_is_read_too() {
        let origin = |bytes: &[u8]| SocketError::read(bytes).expect("an entry").origin;
        assert_eq!(
            SocketError::read(&entry(90, [1, 0, 0, 0], 1400, 0)),
            Some(SocketError {
                errno: Some(Errno::from_raw(90)),
                origin: ErrorOrigin::Local { info: 1400 },
            })
        );
        assert_eq!(
            origin(&entry(0, [5, 0, 0, 0], 3, 9)),
            ErrorOrigin::ZeroCopy {
                first: 3,
                last: 9,
                is_copied: false
            }
        );
        assert_eq!(
            origin(&entry(125, [6, 0, 2, 0], 7, 1)),
            ErrorOrigin::TransmitTime {
                at: Duration::from_nanos((1 << 32) + 7),
                is_missed: true
            }
        );
        assert_eq!(
            origin(&entry(5, [77, 1, 2, 0], 3, 4)),
            ErrorOrigin::Other {
                origin: 77,
                kind: 1,
                code: 2,
                info: 3,
                data: 4
            }
        );
    }

    #[test]
    fn an_answer_of_nobody_has_no_offender() {
        let mut bytes = entry(111, [2, 3, 3, 0], 0, 0);
        for more in [0, 2, 16] {
            bytes.resize(16 + more, 0);
            assert_eq!(
                SocketError::read(&bytes).expect("an entry").origin,
                ErrorOrigin::Icmp {
                    kind: 3,
                    code: 3,
                    info: 0,
                    offender: None
                }
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(data in any::<Vec<u8>>()) {
            prop_assert_eq!(SocketError::read(&data).is_some(), data.len() >= 16);
        }
    }
}
