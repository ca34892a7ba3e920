//! Multishot `recvmsg`: what the parser makes of any bytes, of what C makes of them, and of what the
//! kernel writes.

mod support;

use std::ffi::c_void;
use std::io;
use std::mem::{self, size_of};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use proptest::collection::vec;
use proptest::prelude::*;
use ring_io::{CqeFlags, Malformed, RecvMsgOut, Ring, SqeFlags, sys};
use support::nop;

const HEADER: usize = size_of::<sys::io_uring_recvmsg_out>();
const WORD: usize = size_of::<usize>();
const CONTROL_HEADER: usize = size_of::<libc::cmsghdr>();

/// A message on the wire: the four words of its header, then everything else.
fn message(header: [u32; 4], rest: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = header.into_iter().flat_map(u32::to_ne_bytes).collect();
    bytes.extend(rest);
    bytes
}

/// A control message, padded to whole words.
fn control(length: usize, level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(length.to_ne_bytes());
    bytes.extend(level.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(WORD), 0xee);
    bytes
}

#[test]
fn parts_lie_where_the_rooms_end() {
    let data = control(CONTROL_HEADER + 3, 7, 8, b"abc");
    let mut rest = b"name????".to_vec();
    rest.extend(&data);
    rest.extend(b"########payload");
    let bytes = message([4, data.len() as u32, 7, 0], &rest);
    let out = RecvMsgOut::parse(&bytes, 8, data.len() + 8).expect("a message");
    assert_eq!((out.name(), out.is_name_truncated()), (&b"name"[..], false));
    assert_eq!(out.control(), data);
    let messages: Vec<_> = out.control_messages().collect();
    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].level, messages[0].kind), (7, 8));
    assert_eq!(messages[0].data, b"abc");
    assert_eq!((out.payload(), out.payload_length()), (&b"payload"[..], 7));
    assert!(!out.is_payload_truncated() && !out.is_control_truncated());
}

#[test]
fn a_buffer_that_ends_before_the_payload_is_malformed() {
    let bytes = message([4, 4, 0, 0], &[0; 8]);
    assert!(
        RecvMsgOut::parse(&bytes, 4, 4)
            .expect("no payload")
            .payload()
            .is_empty()
    );
    for length in 0..bytes.len() {
        let error = RecvMsgOut::parse(&bytes[..length], 4, 4).expect_err("too short");
        assert_eq!((error.length, error.needed), (length, HEADER + 8));
    }
    let error: Malformed = RecvMsgOut::parse(&bytes, usize::MAX, usize::MAX).expect_err("absurd");
    assert_eq!(error.needed, usize::MAX);
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidData);
}

#[test]
fn each_truncation_is_told_apart() {
    let truncations = |header: [u32; 4]| {
        let bytes = message(header, &[0; 24]);
        let out = RecvMsgOut::parse(&bytes, 8, 8).expect("a message");
        (
            out.is_name_truncated(),
            out.is_control_truncated(),
            out.is_payload_truncated(),
        )
    };
    assert_eq!(truncations([8, 8, 8, 0]), (false, false, false));
    assert_eq!(truncations([9, 8, 8, 0]), (true, false, false));
    assert_eq!(truncations([8, 9, 8, 0]), (false, true, false));
    assert_eq!(truncations([8, 8, 9, 0]), (false, false, true));
    assert_eq!(
        truncations([0, 0, 0, libc::MSG_CTRUNC as u32]),
        (false, true, false)
    );
    assert_eq!(
        truncations([0, 0, 0, libc::MSG_TRUNC as u32]),
        (false, false, true)
    );
}

#[test]
fn control_messages_end_before_the_first_broken_one() {
    let whole = control(CONTROL_HEADER + 4, 1, 2, b"data");
    for length in [
        0,
        CONTROL_HEADER - 1,
        CONTROL_HEADER + 9,
        usize::MAX,
        usize::MAX - 6,
    ] {
        let mut bytes = whole.clone();
        bytes.extend(control(length, 1, 2, b"12345678"));
        let bytes = message([0, bytes.len() as u32, 0, 0], &bytes);
        let out = RecvMsgOut::parse(&bytes, 0, bytes.len() - HEADER).expect("a message");
        let mut messages = out.control_messages();
        assert_eq!(messages.next().expect("a whole one").data, b"data");
        assert_eq!((messages.next(), messages.next()), (None, None), "{length}");
    }
}

/// Bytes that may be control messages: whole ones, and some whose length is anything.
fn controls() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        6 => Just(None),
        1 => (0usize..48).prop_map(Some),
        1 => any::<usize>().prop_map(Some),
    ];
    let one = (length, any::<i32>(), any::<i32>(), vec(any::<u8>(), 0..20)).prop_map(
        |(length, level, kind, data)| {
            control(
                length.unwrap_or(CONTROL_HEADER + data.len()),
                level,
                kind,
                &data,
            )
        },
    );
    // The room may end in the midst of one.
    (vec(one, 0..5), 0usize..12).prop_map(|(all, cut)| {
        let mut bytes = all.concat();
        bytes.truncate(bytes.len().saturating_sub(cut));
        bytes
    })
}

fn is_within(part: &[u8], whole: &[u8]) -> bool {
    part.is_empty()
        || (whole.as_ptr_range().contains(&part.as_ptr())
            && part.as_ptr_range().end <= whole.as_ptr_range().end)
}

/// Looks at everything, and asserts that it lies within the buffer.
fn assert_stays_within(bytes: &[u8], name_len: usize, control_len: usize) {
    let Ok(out) = RecvMsgOut::parse(bytes, name_len, control_len) else {
        return;
    };
    for part in [out.name(), out.control(), out.payload()] {
        assert!(is_within(part, bytes));
    }
    assert!(out.name().len() <= name_len && out.control().len() <= control_len);
    assert_eq!(
        out.payload().len(),
        bytes.len() - HEADER - name_len - control_len
    );
    let mut size = 0;
    for message in out.control_messages() {
        assert!(is_within(message.data, out.control()));
        size += CONTROL_HEADER + message.data.len();
    }
    assert!(size <= out.control().len());
    let _ = format!("{out:?}");
}

#[test]
fn no_bytes_make_the_parser_panic_or_leave_the_buffer() {
    let length = || prop_oneof![0usize..64, any::<usize>()];
    let word = || prop_oneof![0u32..64, any::<u32>()];
    proptest!(config(), |(
        header in [word(), word(), word(), word()],
        rest in prop_oneof![vec(any::<u8>(), 0..160), controls()],
        keep in 0usize..200,
        name_len in length(),
        control_len in length(),
    )| {
        let bytes = message(header, &rest);
        assert_stays_within(&bytes[..keep.min(bytes.len())], name_len, control_len);
        assert_stays_within(&bytes, name_len, control_len);
        // Nothing has to be aligned.
        assert_stays_within(&bytes[1..], name_len, control_len);
    });
}

/// What liburing makes of a message: payload, and control messages as offset and length.
struct AsC {
    name: usize,
    payload: (usize, usize),
    controls: Vec<(usize, usize)>,
}

/// Asks C. Its functions trust the header and every length that they follow, so they are called only as long
/// as what they read is inside.
fn ask_c(bytes: &[u8], name_len: usize, control_len: usize, control_length: usize) -> Option<AsC> {
    assert_eq!(bytes.as_ptr() as usize % WORD, 0);
    // SAFETY: integers and pointers, for which zero is a value.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_namelen = name_len as libc::socklen_t;
    header.msg_controllen = control_len as _;
    let header = (&raw mut header).cast();
    let start = bytes.as_ptr() as usize;
    let length = bytes.len() as i32;
    // SAFETY: the buffer is as long as it says, and C only reads it.
    unsafe {
        let out = sys::io_uring_recvmsg_validate(bytes.as_ptr().cast_mut().cast(), length, header);
        if out.is_null() {
            return None;
        }
        let payload = sys::io_uring_recvmsg_payload(out, header) as usize - start;
        let payload_length = sys::io_uring_recvmsg_payload_length(out, length, header) as usize;
        let mut controls = Vec::new();
        let mut message = sys::io_uring_recvmsg_cmsg_firsthdr(out, header);
        let end = HEADER + name_len + control_length;
        while !message.is_null() {
            let offset = message as usize - start;
            let size = (*message.cast::<libc::cmsghdr>()).cmsg_len as usize;
            if !(CONTROL_HEADER..=end - offset).contains(&size) {
                break;
            }
            controls.push((offset, size));
            message = sys::io_uring_recvmsg_cmsg_nexthdr(out, header, message);
        }
        Some(AsC {
            name: sys::io_uring_recvmsg_name(out) as usize - start,
            payload: (payload, payload_length),
            controls,
        })
    }
}

#[test]
fn the_parser_finds_what_liburing_finds() {
    proptest!(config(), |(
        name in vec(any::<u8>(), 0..5),
        control in controls(),
        spare in 0usize..9,
        payload in vec(any::<u8>(), 0..40),
        keep in prop_oneof![3 => Just(usize::MAX), 1 => 0usize..200],
    )| {
        // Whole words, since C reads control messages in place.
        let name: Vec<u8> = name.into_iter().flat_map(|byte| [byte; WORD]).collect();
        let control_length = control.len();
        let control_len = control_length + spare;
        let mut rest = name.clone();
        rest.extend(&control);
        rest.resize(rest.len() + spare, 0);
        rest.extend(&payload);
        let bytes = message([name.len() as u32, control_length as u32, payload.len() as u32, 0], &rest);
        let bytes = &bytes[..keep.min(bytes.len())];
        let mut aligned = vec![0u64; bytes.len().div_ceil(8)];
        // SAFETY: the words are as many bytes, or a few more.
        let copy = unsafe {
            std::slice::from_raw_parts_mut(aligned.as_mut_ptr().cast::<u8>(), bytes.len())
        };
        copy.copy_from_slice(bytes);

        let ours = RecvMsgOut::parse(copy, name.len(), control_len);
        let theirs = ask_c(copy, name.len(), control_len, control_length);
        prop_assert_eq!(ours.is_ok(), theirs.is_some());
        if let (Ok(ours), Some(theirs)) = (ours, theirs) {
            let offset = |part: &[u8]| part.as_ptr() as usize - copy.as_ptr() as usize;
            prop_assert_eq!((offset(ours.name()), ours.name()), (theirs.name, &name[..]));
            prop_assert_eq!((offset(ours.payload()), ours.payload().len()), theirs.payload);
            let mut controls: Vec<_> = ours
                .control_messages()
                .map(|message| (offset(message.data) - CONTROL_HEADER, message.data.len() + CONTROL_HEADER))
                .collect();
            // C leaves out a second or later one at the very end that lacks its padding.
            if controls.len() == theirs.controls.len() + 1 {
                let (offset, size) = controls.pop().expect("one more");
                let end = HEADER + name.len() + control_length;
                prop_assert!(offset + size <= end && offset + size.next_multiple_of(WORD) > end);
            }
            prop_assert_eq!(controls, theirs.controls);
        }
    });
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

const GROUP: u16 = 3;
const BUFFERS: usize = 8;
const BUFFER_SIZE: usize = 256;
const NAME_LEN: usize = size_of::<libc::sockaddr_in>();
const CONTROL_LEN: usize = 128;

/// A socket that receives by a multishot `recvmsg` into provided buffers.
struct Receiver {
    ring: Ring,
    socket: UdpSocket,
    memory: Box<[[u8; BUFFER_SIZE]; BUFFERS]>,
    // Read by the kernel until the request is submitted.
    header: Box<libc::msghdr>,
    /// How many bytes it leaves for name and control messages.
    rooms: usize,
}

impl Receiver {
    /// None, with a skip, where the kernel has no multishot receives: those came with Linux 6.0, as `SEND_ZC` did.
    fn new() -> Option<Self> {
        let capabilities = ring_io::capabilities().expect("a ring");
        if !capabilities.supports(sys::IORING_OP_SEND_ZC as u8) {
            support::skip("multishot recvmsg needs Linux 6.0");
            return None;
        }
        // SAFETY: integers and pointers, for which zero is a value.
        let header = unsafe { mem::zeroed() };
        Some(Self {
            ring: Ring::new(8).expect("a ring"),
            socket: UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket"),
            memory: Box::new([[0; BUFFER_SIZE]; BUFFERS]),
            header: Box::new(header),
            rooms: 0,
        })
    }

    fn set(&self, level: i32, option: i32) {
        let on = 1i32;
        // SAFETY: the option takes an integer.
        let result = unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                level,
                option,
                (&raw const on).cast::<c_void>(),
                size_of::<i32>() as libc::socklen_t,
            )
        };
        assert_eq!(result, 0, "setsockopt: {}", io::Error::last_os_error());
    }

    /// Provides the buffers and starts to receive.
    fn start(&mut self, name_len: usize, control_len: usize, message_flags: i32) {
        self.header.msg_namelen = name_len as libc::socklen_t;
        self.header.msg_controllen = control_len as _;
        self.rooms = name_len + control_len;
        let mut provide = nop(1);
        provide
            .set_opcode(sys::IORING_OP_PROVIDE_BUFFERS as u8)
            .set_fd(BUFFERS as i32)
            .set_addr(self.memory.as_mut_ptr() as u64)
            .set_len(BUFFER_SIZE as u32)
            .set_buf_index(GROUP);
        let mut receive = nop(2);
        receive
            .set_opcode(sys::IORING_OP_RECVMSG as u8)
            .set_flags(SqeFlags::BUFFER_SELECT)
            .set_ioprio(sys::IORING_RECV_MULTISHOT as u16)
            .set_fd(self.socket.as_raw_fd())
            .set_addr(&raw const *self.header as u64)
            .set_len(1)
            .set_op_flags(message_flags as u32)
            .set_buf_index(GROUP);
        let (mut sq, mut cq, _) = self.ring.split();
        // SAFETY: the buffers live as long as the receiver, which takes the ring down first, and nothing is sent behind
        // the last message that is read.
        unsafe {
            sq.push(provide).expect("room");
            sq.push(receive).expect("room");
        }
        sq.submit_and_wait(1).expect("a submit");
        let cqe = cq.pop().expect("the buffers are provided");
        assert_eq!((cqe.user_data(), cqe.raw_result()), (1, 0));
    }

    /// The next message's bytes; none when the buffers are used up.
    fn next(&mut self) -> Option<&[u8]> {
        let mut cq = self.ring.cq();
        cq.wait(1).expect("a wait");
        let cqe = cq.pop().expect("the wait saw a completion");
        assert_eq!(cqe.user_data(), 2);
        let length = match cqe.result() {
            Ok(length) => length as usize,
            Err(errno) if errno.raw() == libc::ENOBUFS => return None,
            Err(errno) => panic!("recvmsg: {errno}"),
        };
        assert!(cqe.flags().contains(CqeFlags::BUFFER));
        let buffer = &self.memory[usize::from(cqe.buffer_id().expect("a buffer"))];
        let bytes = &buffer[..length];
        // An empty message ends the request: the kernel takes it for the end of a stream.
        assert_eq!(cqe.more(), length > HEADER + self.rooms, "{cqe:?}");
        Some(bytes)
    }

    fn sender(&self) -> UdpSocket {
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let to = self.socket.local_addr().expect("an address");
        sender.connect(to).expect("a peer");
        sender
    }
}

/// The address in a `sockaddr_in`.
fn address(name: &[u8]) -> SocketAddrV4 {
    let family = u16::from_ne_bytes([name[0], name[1]]);
    assert_eq!(i32::from(family), libc::AF_INET);
    SocketAddrV4::new(
        Ipv4Addr::new(name[4], name[5], name[6], name[7]),
        u16::from_be_bytes([name[2], name[3]]),
    )
}

#[test]
fn messages_come_with_their_sender_and_payload() {
    let Some(mut receiver) = Receiver::new() else {
        return;
    };
    receiver.start(NAME_LEN, 0, 0);
    let sender = receiver.sender();
    let from = sender.local_addr().expect("an address");
    for size in [5, 1, 100] {
        let sent: Vec<u8> = (0..size).collect();
        sender.send(&sent).expect("a send");
        let bytes = receiver.next().expect("a message");
        let out = RecvMsgOut::parse(bytes, NAME_LEN, 0).expect("a message");
        assert_eq!(std::net::SocketAddr::V4(address(out.name())), from);
        assert_eq!(out.payload(), sent);
        assert_eq!((out.payload_length(), out.flags()), (u32::from(size), 0));
        assert_eq!(out.control_messages().next(), None);
        assert!(!out.is_name_truncated() && !out.is_payload_truncated());
    }
}

#[test]
fn control_messages_come_one_by_one() {
    let Some(mut receiver) = Receiver::new() else {
        return;
    };
    receiver.set(libc::IPPROTO_IP, libc::IP_PKTINFO);
    receiver.set(libc::SOL_SOCKET, libc::SO_TIMESTAMP);
    receiver.start(NAME_LEN, CONTROL_LEN, 0);
    receiver.sender().send(b"hello").expect("a send");
    let bytes = receiver.next().expect("a message");
    let out = RecvMsgOut::parse(bytes, NAME_LEN, CONTROL_LEN).expect("a message");
    assert_eq!(out.payload(), b"hello");
    assert!(!out.is_control_truncated());
    let mut seen: Vec<_> = out
        .control_messages()
        .map(|message| (message.level, message.kind, message.data.len()))
        .collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            (
                libc::IPPROTO_IP,
                libc::IP_PKTINFO,
                size_of::<libc::in_pktinfo>()
            ),
            (
                libc::SOL_SOCKET,
                libc::SCM_TIMESTAMP,
                size_of::<libc::timeval>()
            ),
        ]
    );
    let info = out
        .control_messages()
        .find(|message| message.level == libc::IPPROTO_IP)
        .expect("it was seen");
    // `ipi_addr` is its last field: where the message was sent to.
    assert_eq!(info.data[8..12], Ipv4Addr::LOCALHOST.octets());
}

#[test]
fn control_messages_without_room_are_reported() {
    let Some(mut receiver) = Receiver::new() else {
        return;
    };
    receiver.set(libc::IPPROTO_IP, libc::IP_PKTINFO);
    receiver.set(libc::SOL_SOCKET, libc::SO_TIMESTAMP);
    // Room for the first, and for the header of the second and four bytes of it.
    let room =
        (CONTROL_HEADER + size_of::<libc::timeval>()).next_multiple_of(WORD) + CONTROL_HEADER + 4;
    receiver.start(NAME_LEN, room, 0);
    receiver.sender().send(b"hello").expect("a send");
    let bytes = receiver.next().expect("a message");
    let out = RecvMsgOut::parse(bytes, NAME_LEN, room).expect("a message");
    assert!(out.is_control_truncated());
    assert_eq!(out.payload(), b"hello");
    let sizes: Vec<_> = out
        .control_messages()
        .map(|message| message.data.len())
        .collect();
    assert_eq!(sizes, [size_of::<libc::timeval>(), 4]);
}

#[test]
fn names_and_payloads_without_room_are_reported() {
    let Some(mut receiver) = Receiver::new() else {
        return;
    };
    receiver.start(4, 0, 0);
    let sent = [7; BUFFER_SIZE];
    receiver.sender().send(&sent).expect("a send");
    let bytes = receiver.next().expect("a message");
    let out = RecvMsgOut::parse(bytes, 4, 0).expect("a message");
    assert!(out.is_name_truncated() && out.name().len() == 4);
    assert!(out.is_payload_truncated());
    assert_eq!(out.payload(), [7; BUFFER_SIZE - HEADER - 4]);
}

#[test]
fn the_whole_length_of_a_truncated_payload_is_told_on_request() {
    let Some(mut receiver) = Receiver::new() else {
        return;
    };
    receiver.start(NAME_LEN, 0, libc::MSG_TRUNC);
    receiver
        .sender()
        .send(&[7; 2 * BUFFER_SIZE])
        .expect("a send");
    let bytes = receiver.next().expect("a message");
    let out = RecvMsgOut::parse(bytes, NAME_LEN, 0).expect("a message");
    assert_eq!(out.payload_length() as usize, 2 * BUFFER_SIZE);
    assert!(out.is_payload_truncated());
    assert_eq!(out.payload().len(), BUFFER_SIZE - HEADER - NAME_LEN);
}

#[test]
fn a_request_ends_when_its_buffers_do() {
    let Some(mut receiver) = Receiver::new() else {
        return;
    };
    receiver.start(NAME_LEN, 0, 0);
    let sender = receiver.sender();
    for i in 0..=BUFFERS as u8 {
        sender.send(&[i]).expect("a send");
    }
    for i in 0..BUFFERS as u8 {
        let bytes = receiver.next().expect("a message");
        let out = RecvMsgOut::parse(bytes, NAME_LEN, 0).expect("a message");
        assert_eq!(out.payload(), [i]);
    }
    assert_eq!(receiver.next(), None);
}

#[test]
fn an_empty_message_is_the_last() {
    let Some(mut receiver) = Receiver::new() else {
        return;
    };
    receiver.start(NAME_LEN, 0, 0);
    receiver.sender().send(&[]).expect("a send");
    let bytes = receiver.next().expect("a message");
    let out = RecvMsgOut::parse(bytes, NAME_LEN, 0).expect("a message");
    assert_eq!((out.name().len(), out.payload()), (NAME_LEN, &[][..]));
}
