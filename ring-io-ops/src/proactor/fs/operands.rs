//! What operations on files lend besides buffers: paths, names, lists of buffers.

use std::ffi::{CString, OsStr, c_char};
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use crate::proactor::buffer::{IoBuf, IoBufMut};
use crate::proactor::error::OpError;

/// A path or a name on the heap, with the zero byte that the kernel wants behind it.
///
/// One that has such a byte in it is kept as none, and refused when its operation is started.
pub(crate) struct Name(Option<CString>);

impl Name {
    pub(crate) fn new(name: impl AsRef<OsStr>) -> Self {
        Self(CString::new(name.as_ref().as_bytes()).ok())
    }

    pub(crate) fn as_ptr(&self) -> *const c_char {
        // An empty name is never submitted in place of one that is refused, but would do no harm.
        self.0.as_ref().map_or(c"".as_ptr(), |name| name.as_ptr())
    }

    pub(crate) const fn refusal(&self) -> Option<OpError> {
        if self.0.is_none() {
            Some(OpError::ZeroByte)
        } else {
            None
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The kernel refuses more buffers than this in one request.
pub(crate) const BUFFERS_MAX: usize = 1024;

/// Where some buffers lie.
///
/// # Invariants
///
/// 1. The list is read by the kernel only; its addresses are not followed here.
#[derive(Default)]
pub(crate) struct Places(Box<[libc::iovec]>);

// SAFETY: addresses that nobody follows here (1) belong to no thread.
unsafe impl Send for Places {}
// SAFETY: as above.
unsafe impl Sync for Places {}

impl Places {
    /// The initialised bytes of each buffer, for the kernel to read.
    pub(crate) fn to_read<B: IoBuf>(buffers: &[B]) -> Self {
        Self::collect(
            buffers
                .iter()
                .map(|buffer| (buffer.bytes_ptr().cast_mut(), buffer.bytes_init())),
        )
    }

    /// The capacity of each buffer, for the kernel to write to.
    pub(crate) fn to_fill<B: IoBufMut>(buffers: &mut [B]) -> Self {
        Self::collect(
            buffers
                .iter_mut()
                .map(|buffer| (buffer.bytes_mut_ptr(), buffer.bytes_capacity())),
        )
    }

    fn collect(places: impl Iterator<Item = (*mut u8, usize)>) -> Self {
        Self(
            places
                .map(|(start, len)| libc::iovec {
                    iov_base: start.cast(),
                    iov_len: len,
                })
                .collect(),
        )
    }

    pub(crate) const fn as_ptr(&self) -> *const libc::iovec {
        self.0.as_ptr()
    }

    pub(crate) const fn count(&self) -> u32 {
        self.0.len() as u32
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places")
            .field("count", &self.count())
            .finish()
    }
}
