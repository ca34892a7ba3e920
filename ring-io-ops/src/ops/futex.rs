//! Waiting for words in memory, and waking those that wait.

use bitflags::bitflags;
use ring_io::{Cqe, Errno, Sqe, sys};

use crate::address::Address;
use crate::operation::{Operation, pushable};

bitflags! {
    /// `FUTEX2_*`: what kind of word a futex is. See `futex(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FutexFlags: u32 {
        /// `FUTEX2_SIZE_U32`, Linux 6.7: 32 bits, the only size so far.
        const SIZE_U32 = libc::FUTEX2_SIZE_U32 as u32;
        /// `FUTEX2_NUMA`, Linux 6.16: a word behind it names the memory node.
        const NUMA = libc::FUTEX2_NUMA as u32;
        /// `FUTEX2_PRIVATE`, Linux 6.7: no other process uses it, which is faster.
        const PRIVATE = libc::FUTEX2_PRIVATE as u32;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// How a [`FutexWait`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FutexOutcome {
    /// It was woken.
    Woken,
    /// The word had another value when the wait began. `EAGAIN`.
    Changed,
}

/// Waits for a wake, unless a word has changed.
///
/// `IORING_OP_FUTEX_WAIT`, Linux 6.7. See `io_uring_prep_futex_wait(3)`, `futex(2)`.
///
/// # Kernel access
///
/// Reads `*futex` until completion.
///
/// # Result
///
/// A [`FutexOutcome`]: a word that has changed is not an error, but breaks a chain.
///
/// # Errors
///
/// - `EINVAL`: the mask is zero, the address is not aligned, or the kind is unknown.
/// - `EFAULT`: `futex` is not readable.
/// - `ECANCELED`: cancelled.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::AtomicU32;
///
/// use ring_io_ops::{FutexOutcome, FutexWait, Operation, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(FutexWait::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let word = AtomicU32::new(1);
/// // SAFETY: `word` outlives the wait below, which ends with the completion.
/// unsafe { sq.push(FutexWait::new(word.as_ptr(), 0)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(FutexWait::read(&cqe)?, FutexOutcome::Changed);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_FUTEX_WAIT", "io_uring_prep_futex_wait"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct FutexWait {
    futex: Address,
    value: u64,
    mask: u64,
    kind: FutexFlags,
}

impl FutexWait {
    /// Waits as long as `*futex` has this value, a private word of 32 bits unless
    /// [`kind`](Self::kind) says otherwise.
    #[inline(always)]
    pub const fn new(futex: *const u32, value: u64) -> Self {
        Self {
            futex: Address::new(futex),
            value,
            mask: ANY,
            kind: DEFAULT_KIND,
        }
    }

    /// Which wakes count: those whose mask has a bit of this one; all unless given.
    #[inline(always)]
    pub const fn mask(mut self, mask: u64) -> Self {
        self.mask = mask;
        self
    }

    /// What kind of word it is; 32 bits of this process unless given.
    #[inline(always)]
    pub const fn kind(mut self, kind: FutexFlags) -> Self {
        self.kind = kind;
        self
    }
}

/// The mask that every other matches; one with more bits than the word is refused.
const ANY: u64 = 0xFFFF_FFFF;

const DEFAULT_KIND: FutexFlags = FutexFlags::SIZE_U32.union(FutexFlags::PRIVATE);

impl Operation for FutexWait {
    const OPCODE: u8 = sys::IORING_OP_FUTEX_WAIT as u8;
    type Output = FutexOutcome;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(self.kind.bits() as i32)
            .set_off(self.value)
            .set_addr(self.futex.to_u64())
            .set_addr3(self.mask);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<FutexOutcome, Errno> {
        match cqe.result() {
            Ok(_) => Ok(FutexOutcome::Woken),
            Err(errno) if errno.raw() == libc::EAGAIN => Ok(FutexOutcome::Changed),
            Err(errno) => Err(errno),
        }
    }
}

/// Wakes those that wait for a word.
///
/// `IORING_OP_FUTEX_WAKE`, Linux 6.7. See `io_uring_prep_futex_wake(3)`, `futex(2)`.
///
/// # Kernel access
///
/// Looks up the address `futex` until completion, and touches nothing there.
///
/// # Result
///
/// How many were woken.
///
/// # Errors
///
/// - `EINVAL`: the mask is zero, the address is not aligned, or the kind is unknown.
/// - `EFAULT`: `futex` is not mapped, where the kind makes that matter.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::AtomicU32;
///
/// use ring_io_ops::{FutexWake, Operation, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(FutexWake::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let word = AtomicU32::new(1);
/// // SAFETY: `word` outlives the wait below, which ends with the completion.
/// unsafe { sq.push(FutexWake::new(word.as_ptr(), 1)) }?;
/// sq.submit_and_wait(1)?;
/// assert_eq!(FutexWake::read(&cq.pop().expect("the wait saw a completion"))?, 0);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_FUTEX_WAKE", "io_uring_prep_futex_wake"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct FutexWake {
    futex: Address,
    count: u64,
    mask: u64,
    kind: FutexFlags,
}

impl FutexWake {
    /// Wakes up to `count` of those that wait for `*futex`, a private word of 32 bits
    /// unless [`kind`](Self::kind) says otherwise.
    #[inline(always)]
    pub const fn new(futex: *const u32, count: u64) -> Self {
        Self {
            futex: Address::new(futex),
            count,
            mask: ANY,
            kind: DEFAULT_KIND,
        }
    }

    /// Whom to wake: those whose mask has a bit of this one; all unless given.
    #[inline(always)]
    pub const fn mask(mut self, mask: u64) -> Self {
        self.mask = mask;
        self
    }

    /// What kind of word it is; 32 bits of this process unless given.
    #[inline(always)]
    pub const fn kind(mut self, kind: FutexFlags) -> Self {
        self.kind = kind;
        self
    }
}

impl Operation for FutexWake {
    const OPCODE: u8 = sys::IORING_OP_FUTEX_WAKE as u8;
    type Output = u32;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(self.kind.bits() as i32)
            .set_off(self.count)
            .set_addr(self.futex.to_u64())
            .set_addr3(self.mask);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<u32, Errno> {
        cqe.result()
    }
}

/// One word that [`FutexWaitv`] waits for, as `struct futex_waitv` has it.
#[doc(alias = "futex_waitv")]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FutexWaiter {
    value: u64,
    futex: u64,
    kind: u32,
    reserved: u32,
}

impl FutexWaiter {
    /// Waits as long as `*futex`, a private word of 32 bits, has this value.
    #[inline]
    pub fn new(futex: *const u32, value: u64) -> Self {
        Self {
            value,
            futex: futex.expose_provenance() as u64,
            kind: DEFAULT_KIND.bits(),
            reserved: 0,
        }
    }

    /// What kind of word it is; 32 bits of this process unless given.
    #[inline]
    #[must_use]
    pub const fn kind(mut self, kind: FutexFlags) -> Self {
        self.kind = kind.bits();
        self
    }
}

const _: () = {
    use std::mem::{align_of, offset_of, size_of};
    type Raw = libc::futex_waitv;
    assert!(size_of::<FutexWaiter>() == size_of::<Raw>());
    assert!(align_of::<FutexWaiter>() == align_of::<Raw>());
    assert!(offset_of!(FutexWaiter, value) == offset_of!(Raw, val));
    assert!(offset_of!(FutexWaiter, futex) == offset_of!(Raw, uaddr));
    assert!(offset_of!(FutexWaiter, kind) == offset_of!(Raw, flags));
};

/// How a [`FutexWaitv`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FutexWaitvOutcome {
    /// The waiter with this index was woken, and maybe others.
    Woken(u32),
    /// One of the words had another value when the wait began. `EAGAIN`.
    Changed,
}

/// Waits for a wake of one of several words, unless one of them has changed.
///
/// `IORING_OP_FUTEX_WAITV`, Linux 6.7. See `io_uring_prep_futex_waitv(3)`, `futex_waitv(2)`.
///
/// # Kernel access
///
/// Reads `waiters[..count]` until submission, and the words they name until completion.
///
/// # Result
///
/// A [`FutexWaitvOutcome`]: a word that has changed is not an error, but breaks a chain.
///
/// # Errors
///
/// - `EINVAL`: `count` is zero or beyond 128, a word is not aligned, or its kind is unknown.
/// - `EFAULT`: `waiters`, or a word, is not readable.
/// - `ECANCELED`: cancelled.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::AtomicU32;
///
/// use ring_io_ops::{FutexWaiter, FutexWaitv, FutexWaitvOutcome, Operation, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(FutexWaitv::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let words = [AtomicU32::new(0), AtomicU32::new(1)];
/// let waiters = [0, 1].map(|at: usize| FutexWaiter::new(words[at].as_ptr(), 0));
/// // SAFETY: `words` and `waiters` outlive the wait below, which ends with the completion.
/// unsafe { sq.push(FutexWaitv::new(waiters.as_ptr(), 2)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(FutexWaitv::read(&cqe)?, FutexWaitvOutcome::Changed);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_FUTEX_WAITV", "io_uring_prep_futex_waitv"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct FutexWaitv {
    waiters: Address,
    count: u32,
}

impl FutexWaitv {
    /// Waits for `waiters[..count]`.
    #[inline(always)]
    pub const fn new(waiters: *const FutexWaiter, count: u32) -> Self {
        Self {
            waiters: Address::new(waiters),
            count,
        }
    }
}

impl Operation for FutexWaitv {
    const OPCODE: u8 = sys::IORING_OP_FUTEX_WAITV as u8;
    type Output = FutexWaitvOutcome;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_addr(self.waiters.to_u64()).set_len(self.count);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<FutexWaitvOutcome, Errno> {
        match cqe.result() {
            Ok(index) => Ok(FutexWaitvOutcome::Woken(index)),
            Err(errno) if errno.raw() == libc::EAGAIN => Ok(FutexWaitvOutcome::Changed),
            Err(errno) => Err(errno),
        }
    }
}

pushable!(FutexWait, FutexWake, FutexWaitv);
