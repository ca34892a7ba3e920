//! Operations that own what they lend.

use ring_io::{Cqe, CqeFlags, Errno, Sqe};

use super::error::OpError;

/// An operation together with everything it lends to the kernel, and the reading of its completion.
///
/// The proactor owns the value from the push until the terminal completion, wherever the future is by then. That is
/// what makes the rest of this module safe: an address in the entry stays valid because what it points at belongs to
/// the value.
///
/// # Safety
///
/// - Every address in the entry that [`entry`](Self::entry) makes stays valid, and nobody else touches what the kernel
///   writes, as long as the value is neither used nor dropped, **also when it is moved**: what it lends lies behind a
///   pointer (the heap, `'static` memory), not in the value itself.
/// - The entry lets the kernel do nothing else that safe code could not do by itself.
/// - The entry carries neither [`SqeFlags::CQE_SKIP_SUCCESS`](ring_io::SqeFlags::CQE_SKIP_SUCCESS) nor a link, and
///   brings exactly one completion.
pub unsafe trait OwnedOperation: Sized + 'static {
    /// What the operation comes to: the result, and what was lent.
    type Output;

    /// Whether the kernel looks the entry's descriptor up later than when it takes the entry, and the value does not own
    /// that descriptor: so of requests that always go to a worker thread, such as `fsync`. A close then waits for the
    /// completion.
    const LATE: bool = false;

    /// Whether it closes the entry's descriptor. It is then refused, as busy, while an entry that is [late](Self::LATE)
    /// names the same.
    #[doc(hidden)]
    const CLOSES: bool = false;

    /// Why the operation cannot be asked of the kernel, if something is wrong with what it was given.
    ///
    /// It then ends with this error and never makes an entry. Asked once, at the first poll.
    #[inline(always)]
    fn refusal(&self) -> Option<OpError> {
        None
    }

    /// The entry, without user data. Called right before the push, and again where that has to be repeated.
    fn entry(&mut self) -> Sqe;

    /// Reads the completion.
    ///
    /// # Safety
    ///
    /// `completion` is that of the entry that this value made, and is read once; or the value made none, or the
    /// kernel never took it, and `completion` is an error.
    unsafe fn finish(self, completion: Completion) -> Self::Output;

    /// Cleans up behind a completion that nobody will read: closes a descriptor that it brought, gives a buffer back.
    ///
    /// # Safety
    ///
    /// As for [`finish`](Self::finish).
    unsafe fn abandon(self, completion: Completion) {
        // SAFETY: the caller vouches for the same. An output owns what it brought.
        drop(unsafe { self.finish(completion) });
    }
}

/// An operation that brings many completions, or one result and later a notification.
///
/// # Safety
///
/// As for [`OwnedOperation`], but for the number of completions: all but the last carry
/// [`CqeFlags::MORE`].
pub unsafe trait MultishotOperation: Sized + 'static {
    /// What one completion comes to.
    type Item;

    /// How much of the proactor's capacity the operation takes unless the caller says otherwise: how many completions it
    /// is expected to bring between two waits.
    const CREDIT: u32 = 4;

    /// As [`OwnedOperation::entry`]. Called again when the operation is armed anew.
    fn entry(&mut self) -> Sqe;

    /// Whether the operation is armed anew behind this completion, which was the last: then the stream goes on.
    ///
    /// The kernel ends a multishot operation for reasons of its own, too, such as a full completion queue. By default it
    /// is not.
    fn goes_on(&self, last: &Completion) -> bool {
        let _ = last;
        false
    }

    /// Reads one completion.
    ///
    /// # Safety
    ///
    /// `completion` is one of the entry that this value made, and is read once; or the kernel never took the entry, or
    /// the value made none, and `completion` is an error.
    unsafe fn item(&mut self, completion: Completion) -> Self::Item;

    /// Cleans up behind a completion that nobody will read.
    ///
    /// # Safety
    ///
    /// As for [`item`](Self::item).
    unsafe fn abandon(&mut self, completion: Completion) {
        // SAFETY: the caller vouches for the same. An item owns what it brought.
        drop(unsafe { self.item(completion) });
    }
}

/// How an operation ended: what its completion said, or why it never reached the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    /// The kernel's result, or the error.
    pub result: Result<u32, OpError>,
    /// The flags of the completion; empty where there was none.
    pub flags: CqeFlags,
}

impl Completion {
    /// The completion of an operation that never reached the kernel.
    pub const fn failed(error: OpError) -> Self {
        Self {
            result: Err(error),
            flags: CqeFlags::empty(),
        }
    }

    /// The completion of an operation that was cancelled before it reached the kernel.
    pub(crate) const fn cancelled() -> Self {
        Self::failed(OpError::Kernel(Errno::from_raw(libc::ECANCELED)))
    }

    /// The same for an operation that was cancelled because of its deadline: if that ended it, it was late.
    pub(crate) const fn late(mut self) -> Self {
        if let Err(OpError::Kernel(errno)) = self.result
            && matches!(errno.raw(), libc::ECANCELED | libc::EINTR)
        {
            self.result = Err(OpError::TimedOut);
        }
        self
    }

    /// The completion of an operation that succeeded.
    #[inline(always)]
    pub(crate) const fn success(value: u32, flags: u32) -> Self {
        Self {
            result: Ok(value),
            flags: CqeFlags::from_bits_retain(flags),
        }
    }

    /// As the kernel wrote it.
    #[inline(always)]
    pub(crate) const fn from_kernel(result: i32, flags: u32) -> Self {
        let result = if result < 0 {
            Err(OpError::Kernel(Errno::from_raw(negated(result))))
        } else {
            Ok(result as u32)
        };
        Self {
            result,
            flags: CqeFlags::from_bits_retain(flags),
        }
    }

    /// The number of the buffer that the kernel chose from a group, if it chose one.
    pub const fn buffer_id(&self) -> Option<u16> {
        if self.flags.contains(CqeFlags::BUFFER) {
            Some((self.flags.bits() >> 16) as u16)
        } else {
            None
        }
    }

    /// The same as an entry of a completion queue, for the decoders of [`Operation`](crate::Operation).
    pub fn to_cqe(&self) -> Cqe {
        let result = match self.result {
            Ok(value) => value as i32,
            Err(error) => -error.errno().raw(),
        };
        Cqe::new(0, result, self.flags.bits())
    }
}

/// The number of an error. A call, so that the way of what succeeds is one of its own.
#[cold]
#[inline(never)]
const fn negated(result: i32) -> i32 {
    -result
}
