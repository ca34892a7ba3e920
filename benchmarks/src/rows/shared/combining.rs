//! Locks around the two queues, and no lock around the system call: the shared ring's way to submit without its queues.
//!
//! This is the honest baseline. What the shared ring gains over one lock for all is mostly that submits
//! combine; what it gains over this is what its queues are worth.

use std::ops::Range;
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

use ring_io::{CompletionQueue, SubmissionQueue};

use super::{Contestant, Seen, Worker, ring};

pub struct Combining {
    sq: Mutex<SubmissionQueue<'static>>,
    cq: Mutex<CompletionQueue<'static>>,
    fd: RawFd,
    /// How many entries were published, modulo 2^32. Stored under the queue's lock.
    published: AtomicU32,
    /// How many the kernel has taken. Stored by the thread that submits.
    taken: AtomicU32,
    /// How many submits were asked for and not looked after. Who raises it from zero submits for all.
    requests: AtomicU32,
}

impl Combining {
    pub fn new() -> Self {
        let ring = ring();
        let fd = ring.as_raw_fd();
        let (sq, cq, _) = ring.into_split();
        Self {
            sq: Mutex::new(sq),
            cq: Mutex::new(cq),
            fd,
            published: AtomicU32::new(0),
            taken: AtomicU32::new(0),
            requests: AtomicU32::new(0),
        }
    }

    #[inline(always)]
    fn push(&self, numbers: Range<u64>) -> u64 {
        let mut sq = self.sq.lock().expect("no panic");
        let pushes = numbers.map(|number| sq.push_nop(number));
        let pushed = pushes.take_while(Result::is_ok).count() as u64;
        sq.publish();
        // Release: pairs with who submits.
        self.published.fetch_add(pushed as u32, Release);
        pushed
    }

    #[inline(always)]
    fn submit(&self) {
        // AcqRel: passes `taken` on from one submitting thread to the next, and brings it what was published.
        if self.requests.fetch_add(1, AcqRel) != 0 {
            return;
        }
        let mut served = 1;
        loop {
            self.enter();
            // AcqRel: as above.
            let asked = self.requests.fetch_sub(served, AcqRel);
            if asked == served {
                return;
            }
            served = asked - served;
        }
    }

    #[inline(always)]
    fn enter(&self) {
        // Acquire, both: pair with the stores below and in a push.
        let taken = self.taken.load(Acquire);
        let pending = self.published.load(Acquire).wrapping_sub(taken);
        if pending != 0 {
            // SAFETY: the ring is open, and a NOP asks for nothing.
            let count = unsafe { enter(self.fd, pending) };
            assert!(count == pending as i32, "the kernel takes everything");
            // Release: pairs with the load above.
            self.taken.store(taken.wrapping_add(pending), Release);
        }
    }
}

/// `io_uring_enter(2)` without anything to wait for, written out as in ring-io: a function around it costs what
/// the return from it costs, which is mispredicted.
///
/// # Safety
///
/// The kernel may do what the entries ask for.
#[inline(always)]
unsafe fn enter(fd: RawFd, count: u32) -> i32 {
    #[cfg(target_arch = "x86_64")]
    {
        let result: i64;
        // SAFETY: the kernel's calling convention; no argument is passed.
        unsafe {
            std::arch::asm!(
                "syscall",
                inlateout("rax") libc::SYS_io_uring_enter => result,
                in("rdi") fd,
                in("rsi") count,
                in("rdx") 0,
                in("r10") 0,
                in("r8") 0,
                in("r9") 0,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        result as i32
    }
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: the caller's promise; no argument is passed.
    unsafe {
        ring_io_sys::io_uring_enter(fd as u32, count, 0, 0, std::ptr::null_mut())
    }
}

impl Contestant for Combining {
    type Worker<'a> = &'a Self;

    fn worker(&self, _place: usize) -> &Self {
        self
    }
}

impl Worker for &Combining {
    #[inline(always)]
    fn round(&mut self, numbers: Range<u64>, seen: &mut Seen) -> u64 {
        let pushed = Combining::push(self, numbers);
        if pushed != 0 {
            Combining::submit(self);
        }
        self.reap(seen);
        pushed
    }

    #[inline(always)]
    fn push(&mut self, numbers: Range<u64>) -> u64 {
        Combining::push(self, numbers)
    }

    #[inline(always)]
    fn submit(&mut self) {
        Combining::submit(self);
    }

    #[inline(always)]
    fn reap(&mut self, seen: &mut Seen) {
        for cqe in self.cq.lock().expect("no panic").drain() {
            seen.note(cqe.user_data());
        }
    }
}
