//! What comes with the bytes of a message.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring_io::ControlMessages;

use super::address::{Address as _, Name};
use super::control::Credentials;
use super::socket_error::SocketError;

/// What came with the bytes of a message: who sent it, and control messages.
///
/// Descriptors that came are owned by it, and closed with it if nobody takes them.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::{LocalProactor, Sockets};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let proactor = LocalProactor::new()?;
/// proactor.block_on(async {
///     let (one, other) = proactor.unix_pair()?;
///     one.send_fds("two", vec![tempfile::tempfile()?.into(), tempfile::tempfile()?.into()]).await?;
///     // Room for a header and one word, into which two numbers fit.
///     let (_, bytes, mut arrived) = other.recv_message(vec![0; 16], 24).await?;
///     assert_eq!(bytes, b"two");
///     assert!(!arrived.is_truncated && !arrived.is_control_truncated);
///     assert_eq!(arrived.take_descriptors().len(), 2);
///     std::io::Result::Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Arrived<A> {
    /// Who sent it, where the socket tells: for datagrams, not for connections. Out of the queue of errors: to whom it was
    /// sent.
    pub from: Option<A>,
    /// The control messages, in their order.
    pub control: Vec<ControlMessage>,
    /// The message was longer than the buffer, and has lost its end (`MSG_TRUNC`).
    pub is_truncated: bool,
    /// There was more than the room for control messages, and what did not fit is lost (`MSG_CTRUNC`). Descriptors
    /// among it are closed.
    pub is_control_truncated: bool,
}

impl<A> Arrived<A> {
    /// The descriptors that came. The second time there are none.
    pub fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        let mut taken = Vec::new();
        for message in &mut self.control {
            if let ControlMessage::Descriptors(fds) = message {
                taken.append(fds);
            }
        }
        taken
    }

    /// What the socket's queue of errors told, where it was asked.
    pub fn error(&self) -> Option<&SocketError> {
        self.control.iter().find_map(|message| match message {
            ControlMessage::Error(error) => Some(error),
            _ => None,
        })
    }
}

/// One control message that came. See `cmsg(3)`.
///
/// Most come only when the socket was asked for them, by a [`SocketOption`](super::SocketOption).
#[derive(Debug)]
#[non_exhaustive]
pub enum ControlMessage {
    /// `SCM_RIGHTS`: descriptors, which `exec` closes.
    Descriptors(Vec<OwnedFd>),
    /// `SCM_CREDENTIALS`: who sent it, over a Unix socket.
    /// [`PASS_CREDENTIALS`](super::SocketOption::PASS_CREDENTIALS) asks for it.
    Credentials(Credentials),
    /// `SCM_PIDFD`, Linux 6.5: a descriptor of the process that sent it.
    /// [`PASS_PIDFD`](super::SocketOption::PASS_PIDFD) asks for it.
    Pidfd(OwnedFd),
    /// `SCM_TIMESTAMP`, `SCM_TIMESTAMPNS`: when the kernel had it.
    /// [`TIMESTAMPS`](super::SocketOption::TIMESTAMPS) asks for it.
    Timestamp(SystemTime),
    /// `SCM_TIMESTAMPING`: when the kernel had it, and when the network card had it, by the card's own clock.
    /// [`Timestamping`](super::Timestamping) asks for it.
    Timestamps {
        /// By the kernel.
        software: Option<SystemTime>,
        /// By the card, since its clock's beginning.
        hardware: Option<Duration>,
    },
    /// `IP_PKTINFO`: how an IPv4 datagram came. [`PACKET_INFO_V4`](super::SocketOption::PACKET_INFO_V4) asks for it.
    PacketInfoV4 {
        /// The number of the interface that it came by.
        interface: u32,
        /// The address of this machine that an answer would come from.
        local: Ipv4Addr,
        /// The address that it was sent to.
        destination: Ipv4Addr,
    },
    /// `IPV6_PKTINFO`: how an IPv6 datagram came. [`PACKET_INFO_V6`](super::SocketOption::PACKET_INFO_V6) asks for it.
    PacketInfoV6 {
        /// The number of the interface that it came by.
        interface: u32,
        /// The address that it was sent to.
        destination: Ipv6Addr,
    },
    /// `IP_TTL`, `IPV6_HOPLIMIT`: how many routers it might still have passed.
    /// [`RECV_HOP_LIMIT_V4`](super::SocketOption::RECV_HOP_LIMIT_V4) and its sibling ask for it.
    HopLimit(u8),
    /// `IP_TOS`, `IPV6_TCLASS`: its traffic class, with the bits of congestion notification.
    /// [`RECV_TRAFFIC_CLASS_V4`](super::SocketOption::RECV_TRAFFIC_CLASS_V4) and its sibling ask for it.
    TrafficClass(u8),
    /// `UDP_GRO`, Linux 5.0: the bytes are several datagrams of so many bytes each, the last of which may be shorter.
    /// [`GATHER_SEGMENTS`](super::SocketOption::GATHER_SEGMENTS) asks for it.
    SegmentSize(u16),
    /// `SO_RXQ_OVFL`: how many datagrams the socket has dropped so far.
    /// [`COUNT_DROPPED`](super::SocketOption::COUNT_DROPPED) asks for it.
    Dropped(u32),
    /// `IP_ORIGDSTADDR`, `IPV6_ORIGDSTADDR`: where it was sent before the kernel redirected it.
    OriginalDestination(SocketAddr),
    /// `IP_RECVERR`, `IPV6_RECVERR`: why something that was sent did not arrive, or when it left, with what is taken out of
    /// the queue of errors. [`QUEUE_ERRORS_V4`](super::SocketOption::QUEUE_ERRORS_V4), its sibling, and
    /// [`Timestamping`](super::Timestamping) ask for it.
    Error(SocketError),
    /// Any other.
    Other {
        /// `cmsg_level`: the protocol that it is from.
        level: i32,
        /// `cmsg_type`: what it is, by that protocol's numbers.
        kind: i32,
        /// The bytes behind its header.
        data: Vec<u8>,
    },
}

/// Not among the C library's names.
const SCM_PIDFD: i32 = 4;

/// The control messages that the kernel has written.
///
/// # Safety
///
/// The descriptors that they name were made for this message, and this is the only time that they are read.
pub(super) unsafe fn read_control(bytes: &[u8]) -> Vec<ControlMessage> {
    ControlMessages::new(bytes)
        .map(|message| {
            let (level, kind, data) = (message.level, message.kind, message.data);
            match (level, kind) {
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                    let (numbers, _) = data.as_chunks();
                    let own = |&number| {
                        // SAFETY: the caller vouches for it.
                        unsafe { OwnedFd::from_raw_fd(RawFd::from_ne_bytes(number)) }
                    };
                    ControlMessage::Descriptors(numbers.iter().map(own).collect())
                }
                (libc::SOL_SOCKET, SCM_PIDFD) => match word(data, 0) {
                    // It may be an error's number instead.
                    Some(fd) if fd >= 0 => {
                        // SAFETY: the caller vouches for it.
                        ControlMessage::Pidfd(unsafe { OwnedFd::from_raw_fd(fd) })
                    }
                    _ => other(level, kind, data),
                },
                _ => read_plain(level, kind, data).unwrap_or_else(|| other(level, kind, data)),
            }
        })
        .collect()
}

fn other(level: i32, kind: i32, data: &[u8]) -> ControlMessage {
    ControlMessage::Other {
        level,
        kind,
        data: data.to_vec(),
    }
}

/// One that names no descriptor; `None` if it is not known, or too short.
fn read_plain(level: i32, kind: i32, data: &[u8]) -> Option<ControlMessage> {
    Some(match (level, kind) {
        (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => ControlMessage::Credentials(Credentials {
            process: word(data, 0)? as u32,
            user: word(data, 4)? as u32,
            group: word(data, 8)? as u32,
        }),
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMP) => {
            ControlMessage::Timestamp(moment(data, 0, 1000)?)
        }
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => ControlMessage::Timestamp(moment(data, 0, 1)?),
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => {
            // The second of the three has no meaning any more.
            let (software, hardware) = (moment(data, 0, 1)?, moment(data, 32, 1)?);
            ControlMessage::Timestamps {
                software: (software != UNIX_EPOCH).then_some(software),
                hardware: hardware
                    .duration_since(UNIX_EPOCH)
                    .ok()
                    .filter(|time| !time.is_zero()),
            }
        }
        (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => ControlMessage::Dropped(word(data, 0)? as u32),
        (libc::SOL_IP, libc::IP_PKTINFO) => ControlMessage::PacketInfoV4 {
            interface: word(data, 0)? as u32,
            local: Ipv4Addr::from(array(data, 4)?),
            destination: Ipv4Addr::from(array(data, 8)?),
        },
        (libc::SOL_IPV6, libc::IPV6_PKTINFO) => ControlMessage::PacketInfoV6 {
            interface: word(data, 16)? as u32,
            destination: Ipv6Addr::from(array::<16>(data, 0)?),
        },
        (libc::SOL_IP, libc::IP_TTL) | (libc::SOL_IPV6, libc::IPV6_HOPLIMIT) => {
            ControlMessage::HopLimit(word(data, 0)? as u8)
        }
        // The only one of a single byte.
        (libc::SOL_IP, libc::IP_TOS) => ControlMessage::TrafficClass(*data.first()?),
        (libc::SOL_IPV6, libc::IPV6_TCLASS) => ControlMessage::TrafficClass(word(data, 0)? as u8),
        (libc::SOL_UDP, libc::UDP_GRO) => ControlMessage::SegmentSize(word(data, 0)? as u16),
        (libc::SOL_IP, libc::IP_ORIGDSTADDR) | (libc::SOL_IPV6, libc::IPV6_ORIGDSTADDR) => {
            ControlMessage::OriginalDestination(SocketAddr::from_name(&Name::from_bytes(data))?)
        }
        (libc::SOL_IP, libc::IP_RECVERR) | (libc::SOL_IPV6, libc::IPV6_RECVERR) => {
            ControlMessage::Error(SocketError::read(data)?)
        }
        _ => return None,
    })
}

fn array<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..)?.first_chunk().copied()
}

fn word(data: &[u8], at: usize) -> Option<i32> {
    array(data, at).map(i32::from_ne_bytes)
}

/// Seconds, and parts of them that are `unit` nanoseconds each.
fn moment(data: &[u8], at: usize, unit: u64) -> Option<SystemTime> {
    let seconds = i64::from_ne_bytes(array(data, at)?);
    let parts = u64::from_ne_bytes(array(data, at + 8)?);
    let parts = Duration::from_nanos(parts.checked_mul(unit)?);
    let seconds_away = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        UNIX_EPOCH.checked_sub(seconds_away)?.checked_add(parts)
    } else {
        UNIX_EPOCH.checked_add(seconds_away)?.checked_add(parts)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_that_is_too_short_for_its_kind_is_another_one() {
        for (level, kind) in [
            (libc::SOL_SOCKET, SCM_PIDFD),
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS),
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING),
            (libc::SOL_IPV6, libc::IPV6_PKTINFO),
            (libc::SOL_UDP, libc::UDP_GRO),
        ] {
            assert!(read_plain(level, kind, &[1]).is_none(), "{level} {kind}");
        }
    }

    #[test]
    fn times_before_the_epoch_are_times() {
        let mut data = (-1_i64).to_ne_bytes().to_vec();
        data.extend(250_000_u64.to_ne_bytes());
        let Some(ControlMessage::Timestamp(at)) =
            read_plain(libc::SOL_SOCKET, libc::SCM_TIMESTAMP, &data)
        else {
            panic!("no time")
        };
        assert_eq!(
            UNIX_EPOCH.duration_since(at).expect("it is before"),
            Duration::from_millis(750)
        );
    }

    proptest! {
        // Descriptors are left out: any number may be somebody's.
        #[test]
        fn any_bytes_can_be_read(level in 0..50_i32, kind in 0..110_i32, data in any::<Vec<u8>>()) {
            let _ = read_plain(level, kind, &data);
        }
    }
}
