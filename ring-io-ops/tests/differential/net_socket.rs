use std::{net, ptr};

use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{
    Accept, AcceptFlags, AcceptMulti, Bind, Connect, Listen, Shutdown, Socket, SocketFlags,
};
use ring_io_sys as sys;

use crate::oracle::{address, common, compare, config, fd_and_flags, slot, target, word32};

/// The setters that both kinds of accept have; what is absent is left at its default.
#[derive(Clone, Debug)]
struct Setters {
    address: Option<(*mut libc::sockaddr, *mut libc::socklen_t)>,
    flags: Option<u32>,
    accept_flags: Option<u16>,
}

fn setters() -> impl Strategy<Value = Setters> {
    (
        prop::option::of((address(), address())),
        prop::option::of(word32()),
        prop::option::of(any::<u16>()),
    )
        .prop_map(|(address, flags, accept_flags)| Setters {
            address,
            flags,
            accept_flags,
        })
}

macro_rules! apply {
    ($operation:expr, $setters:expr) => {{
        let mut operation = $operation;
        if let Some((address, len)) = $setters.address {
            operation = operation.address(address, len);
        }
        if let Some(flags) = $setters.flags {
            operation = operation.flags(SocketFlags::from_bits_retain(flags));
        }
        if let Some(flags) = $setters.accept_flags {
            operation = operation.accept_flags(AcceptFlags::from_bits_retain(flags));
        }
        operation
    }};
}

impl Setters {
    fn address_in_c(&self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        let nowhere = (ptr::null_mut(), ptr::null_mut());
        self.address.unwrap_or(nowhere)
    }

    fn flags_in_c(&self) -> i32 {
        self.flags.unwrap_or(0) as i32
    }

    /// Adds the flags that no prep function takes.
    ///
    /// # Safety
    ///
    /// `sqe` points to an entry.
    unsafe fn write_rest(&self, sqe: *mut sys::io_uring_sqe) {
        // SAFETY: the caller's promise.
        unsafe { (*sqe).ioprio |= self.accept_flags.unwrap_or(0) };
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn socket_writes_what_prep_socket_writes(
        common in common(), domain in word32(), kind in word32(), protocol in word32(),
        flags in prop::option::of(word32()), reserved in prop::option::of(word32()), slot in slot(),
    ) {
        let (domain, kind, protocol) = (domain as i32, kind as i32, protocol as i32);
        let mut socket = Socket::new(domain, kind, protocol);
        if let Some(flags) = flags {
            socket = socket.flags(SocketFlags::from_bits_retain(flags));
        }
        if let Some(reserved) = reserved {
            socket = socket.reserved(reserved);
        }
        let kind = kind | flags.unwrap_or(0) as i32;
        let reserved = reserved.unwrap_or(0);
        compare(socket, SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_socket(sqe, domain, kind, protocol, reserved) };
        })?;
        compare(socket.into_slot(slot), SqeFlags::empty(), &common, |sqe| {
            // SAFETY: as above.
            unsafe { sys::io_uring_prep_socket_direct(sqe, domain, kind, protocol, slot, reserved) };
        })?;
        // The last word on the destination counts.
        compare(socket.into_slot(slot).into_free_slot(), SqeFlags::empty(), &common, |sqe| {
            // SAFETY: as above.
            unsafe { sys::io_uring_prep_socket_direct_alloc(sqe, domain, kind, protocol, reserved) };
        })?;
        compare(socket.into_free_slot(), SqeFlags::empty(), &common, |sqe| {
            let any = sys::IORING_FILE_INDEX_ALLOC;
            // SAFETY: as above.
            unsafe { sys::io_uring_prep_socket_direct(sqe, domain, kind, protocol, any, reserved) };
        })?;
    }

    #[test]
    fn bind_writes_what_prep_bind_writes(
        common in common(), target in target(), at in address::<libc::sockaddr>(), len in word32(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(Bind::new(target, at, len), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_bind(sqe, fd, at, len) };
        })?;
    }

    #[test]
    fn connect_writes_what_prep_connect_writes(
        common in common(), target in target(), at in address::<libc::sockaddr>(), len in word32(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(Connect::new(target, at, len), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_connect(sqe, fd, at, len) };
        })?;
    }

    #[test]
    fn listen_writes_what_prep_listen_writes(
        common in common(), target in target(), backlog in word32(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(Listen::new(target, backlog as i32), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_listen(sqe, fd, backlog as i32) };
        })?;
    }

    #[test]
    fn shutdown_writes_what_prep_shutdown_writes(common in common(), target in target()) {
        let (fd, flags) = fd_and_flags(target);
        for (how, in_c) in [
            (net::Shutdown::Read, libc::SHUT_RD),
            (net::Shutdown::Write, libc::SHUT_WR),
            (net::Shutdown::Both, libc::SHUT_RDWR),
        ] {
            compare(Shutdown::new(target, how), flags, &common, |sqe| {
                // SAFETY: `sqe` is an entry.
                unsafe { sys::io_uring_prep_shutdown(sqe, fd, in_c) };
            })?;
        }
    }

    #[test]
    fn accept_writes_what_prep_accept_writes(
        common in common(), target in target(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        let (at, len) = set.address_in_c();
        compare(apply!(Accept::new(target), set), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_accept(sqe, fd, at, len, set.flags_in_c());
                set.write_rest(sqe);
            }
        })?;
    }

    #[test]
    fn accept_into_a_slot_writes_what_prep_accept_direct_writes(
        common in common(), target in target(), set in setters(), slot in slot(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        let (at, len) = set.address_in_c();
        compare(apply!(Accept::new(target), set).into_slot(slot), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_accept_direct(sqe, fd, at, len, set.flags_in_c(), slot);
                set.write_rest(sqe);
            }
        })?;
        compare(apply!(Accept::new(target).into_free_slot(), set), flags, &common, |sqe| {
            let any = sys::IORING_FILE_INDEX_ALLOC;
            // SAFETY: as above.
            unsafe {
                sys::io_uring_prep_accept_direct(sqe, fd, at, len, set.flags_in_c(), any);
                set.write_rest(sqe);
            }
        })?;
    }

    #[test]
    fn accept_multi_writes_what_prep_multishot_accept_writes(
        common in common(), target in target(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        let (at, len) = set.address_in_c();
        compare(apply!(AcceptMulti::new(target), set), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_multishot_accept(sqe, fd, at, len, set.flags_in_c());
                set.write_rest(sqe);
            }
        })?;
        compare(apply!(AcceptMulti::new(target), set).into_free_slot(), flags, &common, |sqe| {
            // SAFETY: as above.
            unsafe {
                sys::io_uring_prep_multishot_accept_direct(sqe, fd, at, len, set.flags_in_c());
                set.write_rest(sqe);
            }
        })?;
    }
}
