use std::io::Write as _;
use std::mem::MaybeUninit;
use std::process::{Child, Command, Stdio};

use ring_io_ops::{Operation, WaitFlags, WaitFor, WaitId};

use crate::support::{failed, ring_for, run, run_all, start};

/// A child that ends with the number that it reads.
fn child() -> Child {
    let mut command = Command::new("sh");
    let command = command.args(["-c", "read code; exit $code"]);
    command.stdin(Stdio::piped()).spawn().expect("a shell")
}

fn end(child: &mut Child) {
    let mut input = child.stdin.take().expect("it is a pipe");
    input.write_all(b"7\n").expect("the child reads");
}

#[test]
fn waitid_says_how_the_child_ended_and_reaps_it() {
    let Some(mut ring) = ring_for::<WaitId>() else {
        return;
    };
    let mut child = child();
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let wait = WaitId::new(
        WaitFor::Process(child.id()),
        WaitFlags::EXITED,
        info.as_mut_ptr(),
    );
    start(&mut ring, wait);
    end(&mut child);
    let cqe = run_all(&mut ring, &[], 1)[0];
    assert_eq!(WaitId::read(&cqe), Ok(()));
    // SAFETY: all zeros is a valid value, and so is what the kernel wrote about a child.
    let (pid, status) = unsafe {
        let info = info.assume_init();
        (info.si_pid(), info.si_status())
    };
    assert_eq!((pid as u32, status), (child.id(), 7));
    let cqe = run(&mut ring, wait);
    assert_eq!(WaitId::read(&cqe), failed(libc::ECHILD));
}

#[test]
fn waitid_without_waiting_finds_nothing_or_leaves_the_child() {
    let Some(mut ring) = ring_for::<WaitId>() else {
        return;
    };
    let mut child = child();
    let who = WaitFor::Process(child.id());
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = WaitFlags::EXITED | WaitFlags::NOHANG;
    let cqe = run(&mut ring, WaitId::new(who, flags, info.as_mut_ptr()));
    assert_eq!(WaitId::read(&cqe), Ok(()));
    // SAFETY: all zeros is a valid value, and so is what the kernel wrote.
    assert_eq!(unsafe { info.assume_init().si_pid() }, 0);
    end(&mut child);
    let flags = WaitFlags::EXITED | WaitFlags::NOWAIT;
    let cqe = run(&mut ring, WaitId::new(who, flags, std::ptr::null_mut()));
    assert_eq!(WaitId::read(&cqe), Ok(()));
    assert_eq!(child.wait().expect("the child is there").code(), Some(7));
}

#[test]
fn waitid_refuses_no_flags_and_closed_descriptors() {
    let Some(mut ring) = ring_for::<WaitId>() else {
        return;
    };
    for (who, flags, errno) in [
        (WaitFor::Any, WaitFlags::empty(), libc::EINVAL),
        (
            WaitFor::Descriptor(i32::MAX),
            WaitFlags::EXITED,
            libc::EBADF,
        ),
        (
            WaitFor::Group(i32::MAX as u32),
            WaitFlags::EXITED,
            libc::ECHILD,
        ),
    ] {
        let cqe = run(&mut ring, WaitId::new(who, flags, std::ptr::null_mut()));
        assert_eq!(WaitId::read(&cqe), failed(errno), "{who:?}");
    }
}
