//! Children of `fork(2)`: they do not inherit the queues, and cannot harm their parent's ring.

mod support;

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use ring_io::Ring;
use support::drained;

/// Runs `body` in a child that is a copy of this process, and says how it ended.
///
/// `body` may not panic, and has this thread only: the others do not exist there.
fn forked(body: impl FnOnce()) -> ExitStatus {
    // SAFETY: the child touches what this thread owns, allocates nothing that another thread's lock could
    // guard, and ends without running anything of the harness.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        body();
        // SAFETY: ends the process.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: waits for our child and writes its status.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    ExitStatus::from_raw(status)
}

fn assert_works(ring: &mut Ring) {
    for i in 0..20 {
        ring.sq().push_nop(i).expect("room");
        assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
        assert_eq!(drained(&mut ring.cq()), [i]);
    }
}

#[test]
fn a_child_that_pushes_is_killed_and_the_parent_goes_on() {
    let mut ring = Ring::new(4).expect("a ring");
    let status = forked(|| {
        let _ = ring.sq().push_nop(66);
    });
    assert_eq!(status.signal(), Some(libc::SIGSEGV));
    assert_works(&mut ring);
}

#[test]
fn a_child_that_looks_for_completions_is_killed_and_the_parent_goes_on() {
    let mut ring = Ring::new(4).expect("a ring");
    let status = forked(|| {
        let _ = ring.cq().pop();
    });
    assert_eq!(status.signal(), Some(libc::SIGSEGV));
    assert_works(&mut ring);
}

#[test]
fn a_child_that_drops_the_ring_harms_nobody() {
    let mut ring = Some(Ring::new(4).expect("a ring"));
    // What the child takes is its copy.
    let status = forked(|| drop(ring.take()));
    assert!(status.success(), "{status}");
    assert_works(ring.as_mut().expect("the parent still has it"));
}

// Where the ring was mapped there is a hole in the child, and the next mapping may fill it.
#[test]
fn a_child_that_drops_the_ring_keeps_its_own_memory() {
    let mut ring = Some(Ring::new(4).expect("a ring"));
    // SAFETY: the ring is live.
    let place = unsafe {
        (*ring.as_mut().expect("it is there").as_raw_ptr())
            .sq
            .ring_ptr
    };
    let status = forked(|| {
        // SAFETY: a fresh mapping, where the child has none.
        let own = unsafe {
            libc::mmap(
                place,
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
                -1,
                0,
            )
        };
        if own != place {
            // SAFETY: ends the process.
            unsafe { libc::_exit(2) };
        }
        drop(ring.take());
        // SAFETY: the page is this child's own.
        unsafe { own.cast::<u8>().write_volatile(1) };
    });
    assert!(status.success(), "{status}");
    assert_works(ring.as_mut().expect("the parent still has it"));
}

#[test]
fn a_child_inherits_the_queues_if_the_ring_is_built_so() {
    let mut ring = Ring::builder(4).inherit_on_fork().build().expect("a ring");
    ring.sq().push_nop(1).expect("room");
    assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
    let status = forked(|| {
        let code = i32::from(ring.cq().peek().is_none_or(|cqe| cqe.user_data() != 1));
        // SAFETY: ends the process.
        unsafe { libc::_exit(code) };
    });
    assert!(status.success(), "{status}");
    assert_eq!(drained(&mut ring.cq()), [1]);
    assert_works(&mut ring);
}
