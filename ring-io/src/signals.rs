//! Sets of signals, as the kernel keeps them.

use std::ffi::c_ulong;
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr;

/// How many signals the kernel has: 64, but for one family of processors.
const COUNT: i32 = if cfg!(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6"
)) {
    128
} else {
    64
};
const BITS: i32 = c_ulong::BITS.cast_signed();
const WORDS: usize = (COUNT / BITS) as usize;

/// A set of signals: those that are blocked while a wait lasts.
///
/// The C library's sets convert into it. [`of_thread`](Self::of_thread) is the usual start.
///
/// # Examples
///
/// ```
/// use ring_io::SignalSet;
///
/// let mask = SignalSet::of_thread().with(libc::SIGTERM).without(libc::SIGUSR1);
/// assert!(mask.contains(libc::SIGTERM) && !mask.contains(libc::SIGUSR1));
/// ```
#[doc(alias = "sigset_t")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalSet {
    /// The kernel's own layout: signal `n` is bit `n - 1`, counted over all words.
    words: [c_ulong; WORDS],
}

// The C library's set begins with the kernel's and is followed by room that nobody uses.
const _: () = assert!(size_of::<SignalSet>() <= size_of::<libc::sigset_t>());

impl SignalSet {
    /// No signal.
    #[doc(alias = "sigemptyset")]
    pub const fn empty() -> Self {
        Self { words: [0; WORDS] }
    }

    /// All signals. The kernel takes no notice of `SIGKILL` and `SIGSTOP`, which cannot be blocked.
    #[doc(alias = "sigfillset")]
    pub const fn all() -> Self {
        Self {
            words: [c_ulong::MAX; WORDS],
        }
    }

    /// The signals that are blocked on the calling thread now.
    #[doc(alias = "pthread_sigmask")]
    pub fn of_thread() -> Self {
        let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: pthread_sigmask(3) with no new set writes the present one, and has no other reason to fail
        // than a first argument that it does not know. All zero is a set, too.
        unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), set.as_mut_ptr());
            Self::from(set.assume_init())
        }
    }

    /// The same set with `signal` in it.
    ///
    /// # Panics
    ///
    /// When the kernel has no such signal.
    #[doc(alias = "sigaddset")]
    #[must_use = "the set that it is called on stays as it is"]
    pub const fn with(mut self, signal: i32) -> Self {
        let (word, bit) = Self::place(signal);
        self.words[word] |= bit;
        self
    }

    /// The same set without `signal`.
    ///
    /// # Panics
    ///
    /// When the kernel has no such signal.
    #[doc(alias = "sigdelset")]
    #[must_use = "the set that it is called on stays as it is"]
    pub const fn without(mut self, signal: i32) -> Self {
        let (word, bit) = Self::place(signal);
        self.words[word] &= !bit;
        self
    }

    /// Whether `signal` is in the set.
    ///
    /// # Panics
    ///
    /// When the kernel has no such signal.
    #[doc(alias = "sigismember")]
    pub const fn contains(&self, signal: i32) -> bool {
        let (word, bit) = Self::place(signal);
        self.words[word] & bit != 0
    }

    const fn place(signal: i32) -> (usize, c_ulong) {
        assert!(signal >= 1 && signal <= COUNT, "no such signal");
        let index = signal - 1;
        ((index / BITS) as usize, 1 << (index % BITS))
    }
}

impl From<libc::sigset_t> for SignalSet {
    fn from(set: libc::sigset_t) -> Self {
        // SAFETY: the C library's set is an array of words that begins with the kernel's, whose size was
        // compared above; a copy of bytes asks for no alignment.
        unsafe { ptr::from_ref(&set).cast::<Self>().read_unaligned() }
    }
}

impl fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries((1..=COUNT).filter(|&signal| self.contains(signal)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{COUNT, SignalSet};

    #[test]
    fn a_set_of_the_c_library_has_the_same_signals() {
        for signal in [libc::SIGHUP, libc::SIGUSR1, libc::SIGSYS, libc::SIGRTMAX()] {
            // SAFETY: sigemptyset(3) makes the set, sigaddset(3) adds a signal that exists.
            let set = unsafe {
                let mut set = std::mem::zeroed();
                libc::sigemptyset(&raw mut set);
                libc::sigaddset(&raw mut set, signal);
                set
            };
            assert_eq!(SignalSet::from(set), SignalSet::empty().with(signal));
        }
    }

    #[test]
    fn every_signal_is_in_the_full_set_and_can_be_taken_out() {
        for signal in 1..=COUNT {
            assert!(SignalSet::all().contains(signal));
            assert!(!SignalSet::all().without(signal).contains(signal));
            assert_eq!(
                format!("{:?}", SignalSet::empty().with(signal)),
                format!("{{{signal}}}")
            );
        }
    }

    #[test]
    #[should_panic = "no such signal"]
    fn signal_zero_does_not_exist() {
        let _ = SignalSet::empty().with(0);
    }
}
