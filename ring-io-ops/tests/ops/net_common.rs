//! What the tests of sockets share: pairs of them, addresses, and provided buffers.

use std::mem::{offset_of, size_of};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::ptr;

use ring_io_ops::ring::{Ring, sys};
use ring_io_ops::{Fixed, Target};

/// A connection over the loopback device.
pub(crate) fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = listener();
    let client = TcpStream::connect(listener.local_addr().expect("an address"));
    let (server, _) = listener.accept().expect("the connection is there");
    (client.expect("somebody listens"), server)
}

/// A socket that listens on the loopback device, on any port.
pub(crate) fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free")
}

/// An address as the kernel has it.
pub(crate) fn raw_address(address: SocketAddr) -> libc::sockaddr_in {
    let SocketAddr::V4(address) = address else {
        panic!("{address} is not of IPv4")
    };
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(address.ip().octets()),
        },
        sin_zero: [0; 8],
    }
}

/// The length of such an address.
pub(crate) const ADDRESS_LEN: libc::socklen_t = size_of::<libc::sockaddr_in>() as libc::socklen_t;

pub(crate) fn iovec(buf: &mut [u8]) -> libc::iovec {
    libc::iovec {
        iov_base: buf.as_mut_ptr().cast(),
        iov_len: buf.len(),
    }
}

/// A message of these buffers, without address and control data.
pub(crate) fn message(iovecs: &mut [libc::iovec]) -> libc::msghdr {
    // SAFETY: zeros are a message of nothing.
    let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
    msg.msg_iov = iovecs.as_mut_ptr();
    msg.msg_iovlen = iovecs.len() as _;
    msg
}

/// The socket as a descriptor, and as the only slot of the registered files.
pub(crate) fn both_targets(ring: &mut Ring, socket: &impl AsFd) -> [Target; 2] {
    ring.registrar()
        .register_files(&[socket.as_fd()])
        .expect("a socket can be registered");
    [Target::of(socket), Fixed(0)]
}

/// Registers a table of empty slots.
pub(crate) fn empty_slots(ring: &mut Ring, count: usize) {
    // SAFETY: nothing is registered that could be closed.
    unsafe { ring.registrar().register_files_raw(&vec![-1; count]) }
        .expect("empty slots can be registered");
}

/// Provided buffers of one group, numbered from zero; never freed, so that no test can free them too early.
pub(crate) struct Buffers(Vec<(*mut u8, usize)>);

/// How many buffers a test's ring of them can hold.
const ENTRIES: usize = 8;

/// The memory that the kernel reads the ring of buffers from.
#[repr(C, align(4096))]
struct Entries([sys::io_uring_buf; ENTRIES]);

impl Buffers {
    /// Provides buffers with these contents, in this order, through a ring of buffers.
    pub(crate) fn provide(ring: &mut Ring, group: u16, contents: &[&[u8]]) -> Self {
        assert!(contents.len() <= ENTRIES);
        let buffers: Vec<(*mut u8, usize)> = contents
            .iter()
            .map(|content| (content.to_vec().leak().as_mut_ptr(), content.len()))
            .collect();
        let empty = sys::io_uring_buf {
            addr: 0,
            len: 0,
            bid: 0,
            resv: 0,
        };
        let entries = Box::leak(Box::new(Entries([empty; ENTRIES])));
        for (id, &(address, len)) in buffers.iter().enumerate() {
            entries.0[id] = sys::io_uring_buf {
                addr: address.expose_provenance() as u64,
                len: len as u32,
                bid: id as u16,
                resv: 0,
            };
        }
        // The tail lies in the first entry's spare bytes. The kernel does not know of the ring yet.
        const { assert!(offset_of!(sys::io_uring_buf, resv) == 14) };
        entries.0[0].resv = buffers.len() as u16;
        // SAFETY: zeros are an argument that asks for nothing.
        let mut argument: sys::io_uring_buf_reg = unsafe { std::mem::zeroed() };
        argument.ring_addr = ptr::from_mut(entries).expose_provenance() as u64;
        argument.ring_entries = ENTRIES as u32;
        argument.bgid = group;
        // SAFETY: the argument is what the operation takes, and what it names is never freed.
        unsafe {
            ring.registrar().register_raw(
                sys::IORING_REGISTER_PBUF_RING,
                (&raw const argument).cast(),
                1,
            )
        }
        .expect("a ring of buffers can be registered");
        Self(buffers)
    }

    /// What is in a buffer that is back from the kernel.
    pub(crate) fn content(&self, id: Option<u16>) -> Vec<u8> {
        let (address, len) = self.0[usize::from(id.expect("a buffer was chosen"))];
        // SAFETY: the memory is never freed, and the buffer is back.
        unsafe { std::slice::from_raw_parts(address, len) }.to_vec()
    }
}
