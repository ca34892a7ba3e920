//! Completion queue entries: what the kernel writes when a request has an outcome.

use std::fmt;
use std::ops::Deref;

use bitflags::{bitflags, parser};
use ring_io_sys as sys;

use crate::errno::Errno;
use crate::walk::Walk;

bitflags! {
    /// `IORING_CQE_F_*`: what a completion says besides its result.
    ///
    /// The upper 16 bits belong to the operation. With [`BUFFER`](Self::BUFFER) they are the number of a
    /// buffer, which [`Cqe::buffer_id`] reads: then [`TSTAMP_HW`](Self::TSTAMP_HW), which lies there too, means nothing.
    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    pub struct CqeFlags: u32 {
        /// `IORING_CQE_F_BUFFER`, Linux 5.7: the upper 16 bits name the provided buffer that was used.
        const BUFFER = sys::IORING_CQE_F_BUFFER;
        /// `IORING_CQE_F_MORE`, Linux 5.13: the request is still active and more completions follow.
        const MORE = sys::IORING_CQE_F_MORE;
        /// `IORING_CQE_F_SOCK_NONEMPTY`, Linux 5.19: the socket had more to read after this receive.
        const SOCK_NONEMPTY = sys::IORING_CQE_F_SOCK_NONEMPTY;
        /// `IORING_CQE_F_NOTIF`, Linux 6.0: a zero-copy send has let go of its buffer.
        const NOTIF = sys::IORING_CQE_F_NOTIF;
        /// `IORING_CQE_F_BUF_MORE`, Linux 6.12: the buffer was consumed in part and stays with the kernel.
        const BUF_MORE = sys::IORING_CQE_F_BUF_MORE;
        /// `IORING_CQE_F_SKIP`, Linux 6.18: a filler before the wrap of a ring of mixed entry sizes; ignore it.
        const SKIP = sys::IORING_CQE_F_SKIP;
        /// `IORING_CQE_F_32`, Linux 6.18: a 32-byte entry in a ring of mixed entry sizes.
        const ENTRY_32 = sys::IORING_CQE_F_32;
        /// `IORING_CQE_F_TSTAMP_HW`, Linux 6.17: the transmit time stamp comes from the device, not from the kernel.
        ///
        /// Only in completions of `SOCKET_URING_OP_TX_TIMESTAMP`, which use no buffer: elsewhere this is the lowest bit
        /// of a buffer's number.
        const TSTAMP_HW = sys::IORING_CQE_F_TSTAMP_HW;

        // Bits newer than these bindings, and the buffer's number, pass through untouched.
        const _ = !0;
    }
}

impl fmt::Debug for CqeFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (names, number) = if self.contains(Self::BUFFER) {
            let number = self.bits() >> sys::IORING_CQE_BUFFER_SHIFT;
            let low = self.bits() & ((1 << sys::IORING_CQE_BUFFER_SHIFT) - 1);
            (Self::from_bits_retain(low), Some(number))
        } else {
            (*self, None)
        };
        f.write_str("CqeFlags(")?;
        parser::to_writer(&names, &mut *f)?;
        if let Some(number) = number {
            write!(f, " | buffer {number}")?;
        }
        f.write_str(")")
    }
}

/// One completion: the 16 bytes that `io_uring_enter(2)` documents as `struct io_uring_cqe`.
///
/// A value of this type is a copy and stays valid after its slot went back to the kernel.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// let mut ring = ring_io::Ring::new(4)?;
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_nop(42)?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!((cqe.user_data(), cqe.result()?), (42, 0));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "io_uring_cqe")]
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cqe {
    user_data: u64,
    res: i32,
    flags: u32,
}

impl Cqe {
    /// Makes a completion out of its parts, for tests and for programs that simulate a ring.
    pub const fn new(user_data: u64, raw_result: i32, raw_flags: u32) -> Self {
        Self {
            user_data,
            res: raw_result,
            flags: raw_flags,
        }
    }

    /// The value that the request carried: it says whose completion this is.
    #[doc(alias("io_uring_cqe_get_data", "io_uring_cqe_get_data64"))]
    #[inline(always)]
    pub const fn user_data(&self) -> u64 {
        self.user_data
    }

    /// The request's result, or its error.
    ///
    /// What a count means depends on the operation: bytes, a descriptor, a slot.
    ///
    /// # Errors
    ///
    /// The error number that the operation ended with.
    #[inline(always)]
    pub const fn result(&self) -> Result<u32, Errno> {
        Errno::check(self.res)
    }

    /// `res` as the kernel wrote it: a count, or a negated error number.
    #[inline(always)]
    pub const fn raw_result(&self) -> i32 {
        self.res
    }

    /// Whether the operation ended with an error.
    #[inline(always)]
    pub const fn is_err(&self) -> bool {
        self.res < 0
    }

    /// What the completion says besides its result.
    #[inline(always)]
    pub const fn flags(&self) -> CqeFlags {
        CqeFlags::from_bits_retain(self.flags)
    }

    /// `flags` as the kernel wrote them.
    #[inline(always)]
    pub const fn raw_flags(&self) -> u32 {
        self.flags
    }

    /// Whether more completions of the same request follow. Linux 5.13.
    ///
    /// Without it this completion is the request's last: what was lent to the
    /// kernel comes back now.
    #[inline(always)]
    pub const fn more(&self) -> bool {
        self.flags & sys::IORING_CQE_F_MORE != 0
    }

    /// Whether this says that a zero-copy send has let go of its memory, rather than how the send ended. Linux 6.0.
    #[inline(always)]
    pub const fn notif(&self) -> bool {
        self.flags & sys::IORING_CQE_F_NOTIF != 0
    }

    /// Whether the socket had more to read after this receive. Linux 5.19.
    #[inline(always)]
    pub const fn sock_nonempty(&self) -> bool {
        self.flags & sys::IORING_CQE_F_SOCK_NONEMPTY != 0
    }

    /// Whether the kernel keeps the rest of the provided buffer for later completions. Linux 6.12.
    ///
    /// Only with buffers that are consumed piece by piece; without it the whole buffer comes back now.
    #[inline(always)]
    pub const fn buf_more(&self) -> bool {
        self.flags & sys::IORING_CQE_F_BUF_MORE != 0
    }

    /// The provided buffer that the kernel chose, if it chose one. Linux 5.7.
    #[inline(always)]
    pub const fn buffer_id(&self) -> Option<u16> {
        if self.flags & sys::IORING_CQE_F_BUFFER == 0 {
            None
        } else {
            Some((self.flags >> sys::IORING_CQE_BUFFER_SHIFT) as u16)
        }
    }
}

/// A completion of 32 bytes, on rings made with [`cqe32`](crate::RingBuilder::cqe32). Linux 5.19.
///
/// It reads as a [`Cqe`], with 16 bytes more that some operations fill.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cqe32 {
    cqe: Cqe,
    extra: [u64; 2],
}

impl Cqe32 {
    /// Makes a completion out of its parts, for tests and for programs that simulate a ring.
    pub const fn new(cqe: Cqe, extra: [u64; 2]) -> Self {
        Self { cqe, extra }
    }

    /// The 16 bytes behind the ordinary entry; the operation defines what they mean.
    #[doc(alias = "big_cqe")]
    #[inline(always)]
    pub const fn extra(&self) -> [u64; 2] {
        self.extra
    }
}

impl Deref for Cqe32 {
    type Target = Cqe;

    #[inline(always)]
    fn deref(&self) -> &Cqe {
        &self.cqe
    }
}

pub(crate) mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Cqe {}
    impl Sealed for super::Cqe32 {}
}

/// What the completions of a queue are: [`Cqe`], [`Cqe32`], or both of them in one queue,
/// [`MixedCqe`](crate::MixedCqe).
pub trait CompletionEntry: Copy + Send + Sync + sealed::Sealed + 'static {
    /// The setup flags that make the kernel write such entries.
    const SETUP_FLAGS: u32;

    /// One place of the queue. An entry takes one of them, or more where entries differ in size.
    type Slot: Copy + Send + Sync + 'static;

    /// The part that all sizes have.
    fn cqe(&self) -> &Cqe;

    /// The next entry of a walk over slots; none, when none is left.
    #[doc(hidden)]
    fn take(slots: &mut Walk<Self::Slot>) -> Option<Self>;

    /// How many entries `slots` slots hold: at least, and at most.
    #[doc(hidden)]
    fn entries_in(slots: usize) -> (usize, Option<usize>);
}

/// The entry types of which each takes one slot: [`Cqe`] and [`Cqe32`]. Their slots can be looked at in place.
pub trait FixedCompletionEntry: CompletionEntry<Slot = Self> {}

macro_rules! fixed {
    ($($entry:ty, $flags:expr, |$this:ident| $cqe:expr;)*) => {$(
        impl CompletionEntry for $entry {
            const SETUP_FLAGS: u32 = $flags;

            type Slot = Self;

            #[inline(always)]
            fn cqe(&self) -> &Cqe {
                let $this = self;
                $cqe
            }

            #[inline(always)]
            fn take(slots: &mut Walk<Self>) -> Option<Self> {
                slots.next()
            }

            #[inline(always)]
            fn entries_in(slots: usize) -> (usize, Option<usize>) {
                (slots, Some(slots))
            }
        }

        impl FixedCompletionEntry for $entry {}
    )*};
}

fixed! {
    Cqe, 0, |entry| entry;
    Cqe32, sys::IORING_SETUP_CQE32, |entry| &entry.cqe;
}

const _: () = {
    use std::mem::{align_of, offset_of, size_of};
    assert!(size_of::<Cqe>() == 16);
    assert!(align_of::<Cqe>() == align_of::<sys::io_uring_cqe>());
    assert!(offset_of!(Cqe, user_data) == offset_of!(sys::io_uring_cqe, user_data));
    assert!(offset_of!(Cqe, res) == offset_of!(sys::io_uring_cqe, res));
    assert!(offset_of!(Cqe, flags) == offset_of!(sys::io_uring_cqe, flags));
    assert!(size_of::<Cqe32>() == 32);
    assert!(offset_of!(Cqe32, extra) == offset_of!(sys::io_uring_cqe, big_cqe));
};

#[cfg(test)]
mod tests {
    use super::{Cqe, CqeFlags};

    #[test]
    fn getters_read_one_flag_each() {
        for (flag, expected) in [
            (CqeFlags::MORE, [true, false, false, false]),
            (CqeFlags::NOTIF, [false, true, false, false]),
            (CqeFlags::SOCK_NONEMPTY, [false, false, true, false]),
            (CqeFlags::BUF_MORE, [false, false, false, true]),
            (CqeFlags::SKIP | CqeFlags::ENTRY_32, [false; 4]),
        ] {
            let cqe = Cqe::new(0, 0, flag.bits());
            let seen = [cqe.more(), cqe.notif(), cqe.sock_nonempty(), cqe.buf_more()];
            assert_eq!(seen, expected, "{flag:?}");
            assert_eq!((cqe.flags(), cqe.buffer_id()), (flag, None));
        }
    }

    #[test]
    fn the_upper_bits_are_a_buffer_or_flags_and_never_both() {
        let flags =
            CqeFlags::from_bits_retain((3 << 16) | (CqeFlags::BUFFER | CqeFlags::MORE).bits());
        assert_eq!(Cqe::new(0, 0, flags.bits()).buffer_id(), Some(3));
        assert_eq!(format!("{flags:?}"), "CqeFlags(BUFFER | MORE | buffer 3)");
        assert_eq!(
            format!("{:?}", CqeFlags::TSTAMP_HW | CqeFlags::ENTRY_32),
            "CqeFlags(ENTRY_32 | TSTAMP_HW)"
        );
        assert_eq!(format!("{:?}", CqeFlags::empty()), "CqeFlags()");
    }
}
