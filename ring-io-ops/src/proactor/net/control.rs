//! Control messages that are sent.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

/// What is sent beside the bytes of a [`Message`](super::Message): descriptors, the address to send from, how the bytes
/// are cut into datagrams, and the like. See `cmsg(3)`.
///
/// Each method adds a control message. What the socket does not know it ignores or refuses with `EINVAL`, as the manual
/// page of its protocol says.
///
/// # Examples
///
/// A file goes to another process:
///
/// ```
/// use ring_io_ops::proactor::net::{Control, Message};
/// use ring_io_ops::proactor::{LocalProactor, Sockets};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let proactor = LocalProactor::new()?;
/// proactor.block_on(async {
///     let (one, other) = proactor.unix_pair()?;
///     let control = Control::new().descriptors([tempfile::tempfile()?.into()]);
///     one.send_message(Message::new(b"a file".as_slice()).control(control)).await?;
///
///     let (n, buffer, mut arrived) = other.recv_message(Vec::with_capacity(64), 256).await?;
///     assert_eq!((n, buffer.as_slice()), (6, b"a file".as_slice()));
///     assert_eq!(arrived.take_descriptors().len(), 1);
///     std::io::Result::Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
///
/// A server that has many addresses answers from the one that it was asked at:
///
/// ```
/// use ring_io_ops::proactor::net::{Control, ControlMessage, Message};
/// use ring_io_ops::proactor::{LocalProactor, SocketOption, Sockets};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// # let kernel = ring_io_ops::ring::capabilities()?;
/// # if !kernel.supports(ring_io_ops::ring::sys::IORING_OP_LISTEN as u8) { return Ok(()) }
/// let proactor = LocalProactor::new()?;
/// proactor.block_on(async {
///     let (client, server) = (proactor.udp_bind("127.0.0.1:0")?, proactor.udp_bind("0.0.0.0:0")?);
///     server.set_option(SocketOption::PACKET_INFO_V4, true).await?;
///     let asked = (std::net::Ipv4Addr::new(127, 0, 0, 7), server.local_addr()?.port()).into();
///     client.send_to("who?", &asked).await?;
///
///     let (_, _, arrived) = server.recv_message(vec![0; 64], 256).await?;
///     let mut answer = Message::new("me").to(arrived.from.expect("datagrams have senders"));
///     for message in arrived.control {
///         if let ControlMessage::PacketInfoV4 { local, .. } = message {
///             answer = answer.control(Control::new().source_v4(local, 0));
///         }
///     }
///     server.send_message(answer).await?;
///     let (_, _, from) = client.recv_from(vec![0; 64]).await?;
///     assert_eq!(from, asked);
///     std::io::Result::Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
#[must_use = "it does nothing until it is sent with a message"]
pub struct Control {
    bytes: Vec<u8>,
    /// Those that the bytes name, which stay open until they are sent.
    fds: Vec<OwnedFd>,
}

/// Who a process is, for its peer on a Unix socket. See `unix(7)`, `credentials(7)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// The process.
    pub process: u32,
    /// Its user.
    pub user: u32,
    /// Its group.
    pub group: u32,
}

impl Control {
    /// None yet.
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            fds: Vec::new(),
        }
    }

    /// `SCM_RIGHTS`: descriptors, over a Unix socket and with one byte at least. The kernel sends duplicates; these are
    /// closed when it has, or could not.
    ///
    /// At most 253 in a message: `EINVAL` otherwise. Those of several calls are sent together.
    pub fn descriptors(mut self, fds: impl IntoIterator<Item = OwnedFd>) -> Self {
        self.fds.extend(fds);
        self
    }

    /// `SCM_CREDENTIALS`: who sends, over a Unix socket. What is not true takes privilege: `EPERM` otherwise.
    pub fn credentials(self, who: Credentials) -> Self {
        let Credentials {
            process,
            user,
            group,
        } = who;
        let words = [process, user, group].map(u32::to_ne_bytes);
        self.put(
            libc::SOL_SOCKET,
            libc::SCM_CREDENTIALS,
            words.as_flattened(),
        )
    }

    /// `UDP_SEGMENT`, Linux 4.18: the bytes are cut into datagrams of so many, the last of which may be shorter. The
    /// network card does it, where it can. See `udp(7)`.
    pub fn segment_size(self, bytes: u16) -> Self {
        self.put(libc::SOL_UDP, libc::UDP_SEGMENT, &bytes.to_ne_bytes())
    }

    /// `IP_PKTINFO`: the address that an IPv4 datagram comes from, and the number of the interface that it leaves by; 0
    /// where the kernel is to choose. See `ip(7)`.
    pub fn source_v4(self, source: Ipv4Addr, interface: u32) -> Self {
        let words = [
            interface.to_ne_bytes(),
            source.octets(),
            // Where it goes says the message.
            [0; 4],
        ];
        self.put(libc::SOL_IP, libc::IP_PKTINFO, words.as_flattened())
    }

    /// `IPV6_PKTINFO`: the same for IPv6. See `ipv6(7)`.
    pub fn source_v6(self, source: Ipv6Addr, interface: u32) -> Self {
        let mut info = [0; 20];
        info[..16].copy_from_slice(&source.octets());
        info[16..].copy_from_slice(&interface.to_ne_bytes());
        self.put(libc::SOL_IPV6, libc::IPV6_PKTINFO, &info)
    }

    /// `IP_TTL`: how many routers an IPv4 datagram may pass. 0 is refused.
    pub fn hop_limit_v4(self, hops: u8) -> Self {
        self.put_int(libc::SOL_IP, libc::IP_TTL, hops.into())
    }

    /// `IPV6_HOPLIMIT`: how many routers an IPv6 datagram may pass.
    pub fn hop_limit_v6(self, hops: u8) -> Self {
        self.put_int(libc::SOL_IPV6, libc::IPV6_HOPLIMIT, hops.into())
    }

    /// `IP_TOS`: the traffic class of an IPv4 datagram, with the bits of congestion notification.
    pub fn traffic_class_v4(self, class: u8) -> Self {
        self.put_int(libc::SOL_IP, libc::IP_TOS, class.into())
    }

    /// `IPV6_TCLASS`: the traffic class of an IPv6 datagram, with the bits of congestion notification.
    pub fn traffic_class_v6(self, class: u8) -> Self {
        self.put_int(libc::SOL_IPV6, libc::IPV6_TCLASS, class.into())
    }

    /// `SCM_TXTIME`, Linux 4.19: when the datagram is to leave, by the clock that the socket's option `SO_TXTIME` has
    /// chosen; in whole nanoseconds. A socket without that option refuses it.
    pub fn transmit_at(self, clock: Duration) -> Self {
        let nanoseconds = u64::try_from(clock.as_nanos()).unwrap_or(u64::MAX);
        self.put(
            libc::SOL_SOCKET,
            libc::SCM_TXTIME,
            &nanoseconds.to_ne_bytes(),
        )
    }

    /// Any other one: `cmsg_level`, `cmsg_type`, and the bytes behind the header.
    ///
    /// # Safety
    ///
    /// The kernel does nothing because of it that safe code could not do: the bytes name no memory, and no descriptor that
    /// is not the caller's to use and open until the send is over.
    pub unsafe fn other(self, level: i32, kind: i32, data: &[u8]) -> Self {
        self.put(level, kind, data)
    }

    fn put_int(self, level: i32, kind: i32, value: i32) -> Self {
        self.put(level, kind, &value.to_ne_bytes())
    }

    fn put(mut self, level: i32, kind: i32, data: &[u8]) -> Self {
        write(&mut self.bytes, level, kind, data);
        self
    }

    /// As the kernel reads it.
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        into.clear();
        into.extend_from_slice(&self.bytes);
        if !self.fds.is_empty() {
            let numbers: Vec<_> = self
                .fds
                .iter()
                .map(|fd| fd.as_raw_fd().to_ne_bytes())
                .collect();
            let numbers = numbers.as_flattened();
            write(into, libc::SOL_SOCKET, libc::SCM_RIGHTS, numbers);
        }
    }
}

/// Appends one control message: the length with the header, as a word, the protocol, the kind, the data, and what is
/// missing to a whole word.
fn write(bytes: &mut Vec<u8>, level: i32, kind: i32, data: &[u8]) {
    const HEADER: usize = size_of::<usize>() + 2 * size_of::<i32>();
    bytes.extend((HEADER + data.len()).to_ne_bytes());
    bytes.extend(level.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(size_of::<usize>()), 0);
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("bytes", &self.bytes.len())
            .field("descriptors", &self.fds)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::time::Duration;

    use proptest::prelude::*;
    use ring_io::ControlMessages;

    use super::Control;

    #[test]
    fn each_message_begins_at_a_whole_word_and_is_as_the_c_library_says() {
        let control = Control::new()
            .segment_size(1200)
            .source_v4(Ipv4Addr::LOCALHOST, 1)
            .source_v6(Ipv6Addr::LOCALHOST, 2)
            .hop_limit_v4(3);
        let mut bytes = Vec::new();
        control.encode(&mut bytes);
        // SAFETY: a computation.
        let space = |data| unsafe { libc::CMSG_SPACE(data) } as usize;
        assert_eq!(bytes.len(), space(2) + space(12) + space(20) + space(4));
        let read: Vec<_> = ControlMessages::new(&bytes)
            .map(|message| (message.level, message.kind, message.data.len()))
            .collect();
        assert_eq!(
            read,
            [
                (libc::SOL_UDP, libc::UDP_SEGMENT, 2),
                (libc::SOL_IP, libc::IP_PKTINFO, 12),
                (libc::SOL_IPV6, libc::IPV6_PKTINFO, 20),
                (libc::SOL_IP, libc::IP_TTL, 4),
            ]
        );
    }

    #[test]
    fn a_time_to_leave_is_a_word_of_nanoseconds() {
        let time = |at| {
            let mut bytes = Vec::new();
            Control::new().transmit_at(at).encode(&mut bytes);
            let message = ControlMessages::new(&bytes).next().expect("a message");
            assert_eq!(
                (message.level, message.kind),
                (libc::SOL_SOCKET, libc::SCM_TXTIME)
            );
            u64::from_ne_bytes(message.data.try_into().expect("a word"))
        };
        assert_eq!(time(Duration::new(3, 5)), 3_000_000_005);
        assert_eq!(time(Duration::ZERO), 0);
        // The last that there is.
        assert_eq!(time(Duration::MAX), u64::MAX);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(messages in prop::collection::vec(any::<(i32, i32, Vec<u8>)>(), 0..5)) {
            let mut control = Control::new();
            for (level, kind, data) in &messages {
                // SAFETY: it is not sent.
                control = unsafe { control.other(*level, *kind, data) };
            }
            let mut bytes = Vec::new();
            control.encode(&mut bytes);
            let read: Vec<_> = ControlMessages::new(&bytes)
                .map(|message| (message.level, message.kind, message.data.to_vec()))
                .collect();
            prop_assert_eq!(read, messages);
        }
    }
}
