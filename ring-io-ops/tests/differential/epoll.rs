use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{EpollCtl, EpollWait};
use ring_io_sys as sys;

use crate::oracle::{address, common, compare, config, descriptor, fd_and_flags, target, word32};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn epoll_ctl_writes_what_prep_epoll_ctl_writes(
        common in common(), epoll in descriptor(), fd in descriptor(), event in address::<libc::epoll_event>(),
    ) {
        for (ctl, op, event) in [
            (EpollCtl::add(epoll, fd, event), libc::EPOLL_CTL_ADD, event),
            (EpollCtl::modify(epoll, fd, event), libc::EPOLL_CTL_MOD, event),
            (EpollCtl::delete(epoll, fd), libc::EPOLL_CTL_DEL, std::ptr::null_mut()),
        ] {
            compare(ctl, SqeFlags::empty(), &common, |sqe| {
                // SAFETY: `sqe` is an entry.
                unsafe { sys::io_uring_prep_epoll_ctl(sqe, epoll, fd, op, event.cast()) };
            })?;
        }
    }

    // No flags are defined for the last argument yet: the kernel wants zero.
    #[test]
    fn epoll_wait_writes_what_prep_epoll_wait_writes(
        common in common(), target in target(), events in address::<libc::epoll_event>(), count in word32(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(EpollWait::new(target, events, count), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_epoll_wait(sqe, fd, events.cast(), count as i32, 0) };
        })?;
    }
}
