use std::io::{Write as _, pipe};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::ptr;

use ring_io_ops::{EpollCtl, EpollWait, Operation, Target};

use crate::support::{CLOSED, UNMAPPED, failed, file_with, ring_for, run, run_all, start};

fn epoll() -> OwnedFd {
    // SAFETY: the call takes no pointers.
    let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    assert!(fd >= 0, "an epoll instance can be made");
    // SAFETY: the descriptor is new, and nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn event(data: u64) -> libc::epoll_event {
    libc::epoll_event {
        events: libc::EPOLLIN as u32,
        u64: data,
    }
}

#[test]
fn epoll_ctl_adds_changes_and_removes_each_once() {
    let Some(mut ring) = ring_for::<EpollCtl>() else {
        return;
    };
    let (reader, _writer) = pipe().expect("a pipe");
    let instance = epoll();
    let (epoll, fd, event) = (instance.as_raw_fd(), reader.as_raw_fd(), event(7));
    let add = EpollCtl::add(epoll, fd, &raw const event);
    let modify = EpollCtl::modify(epoll, fd, &raw const event);
    let delete = EpollCtl::delete(epoll, fd);
    for (request, result) in [
        (modify, failed(libc::ENOENT)),
        (add, Ok(())),
        (add, failed(libc::EEXIST)),
        (modify, Ok(())),
        (delete, Ok(())),
        (delete, failed(libc::ENOENT)),
    ] {
        assert_eq!(
            EpollCtl::read(&run(&mut ring, request)),
            result,
            "{request:?}"
        );
    }
    let file = file_with(b"");
    let request = EpollCtl::add(epoll, file.as_raw_fd(), &raw const event);
    assert_eq!(
        EpollCtl::read(&run(&mut ring, request)),
        failed(libc::EPERM)
    );
    let nowhere = ptr::without_provenance(UNMAPPED);
    let request = EpollCtl::add(epoll, fd, nowhere);
    assert_eq!(
        EpollCtl::read(&run(&mut ring, request)),
        failed(libc::EFAULT)
    );
}

#[test]
fn epoll_wait_takes_events_when_they_come() {
    let Some(mut ring) = ring_for::<EpollWait>() else {
        return;
    };
    let (reader, mut writer) = pipe().expect("a pipe");
    let instance = epoll();
    let wanted = event(7);
    let add = EpollCtl::add(instance.as_raw_fd(), reader.as_raw_fd(), &raw const wanted);
    assert_eq!(EpollCtl::read(&run(&mut ring, add)), Ok(()));
    let mut events = [event(0); 2];
    let wait = EpollWait::new(Target::of(&instance), events.as_mut_ptr(), 2);
    start(&mut ring, wait);
    writer.write_all(b"-").expect("the pipe takes a byte");
    let cqe = run_all(&mut ring, &[], 1)[0];
    assert_eq!(EpollWait::read(&cqe), Ok(1));
    let libc::epoll_event {
        events: kinds,
        u64: data,
    } = events[0];
    assert_eq!((kinds, data), (libc::EPOLLIN as u32, 7));
}

#[test]
fn epoll_wait_on_something_else_fails() {
    let Some(mut ring) = ring_for::<EpollWait>() else {
        return;
    };
    let (reader, _writer) = pipe().expect("a pipe");
    let instance = epoll();
    let mut events = [event(0)];
    for (target, count, errno) in [
        (Target::of(&reader), 1, libc::EINVAL),
        (Target::of(&instance), 0, libc::EINVAL),
        (CLOSED, 1, libc::EBADF),
    ] {
        let cqe = run(
            &mut ring,
            EpollWait::new(target, events.as_mut_ptr(), count),
        );
        assert_eq!(EpollWait::read(&cqe), failed(errno));
    }
}
