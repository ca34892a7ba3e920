//! Cloned buffers: one ring's registered buffers entered into another ring's table.

use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use ring_io_sys as sys;

use crate::mode::ThreadMode;
use crate::register::{RegisterError, Registrar};

/// Which buffers of which ring to clone, and where to.
///
/// All of them, to the same slots of a ring that has none, unless told otherwise.
///
/// # Examples
///
/// ```
/// use ring_io::{BufferClone, Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// let (mut first, mut second) = (Ring::new(8)?, Ring::new(8)?);
/// let (_, _, registrar) = first.split();
/// let pool = registrar.buffer_pool(16, 4096)?;
/// second
///     .registrar()
///     .clone_buffers(&BufferClone::of_ring(&registrar).range(0, 8))?;
/// # drop(pool);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "it only describes what `Registrar::clone_buffers` does"]
pub struct BufferClone<'s> {
    source: u32,
    flags: u32,
    /// The first slot in the source and how many; `None` for all.
    range: Option<(u32, u32)>,
    to: u32,
    // The source may be a place in this thread's table of rings, so the value stays on this thread.
    _source: PhantomData<(&'s (), *const ())>,
}

impl<'s> BufferClone<'s> {
    /// Clones from the ring of a registrar.
    ///
    /// The source is named by its descriptor, which every thread understands; only a ring that has given
    /// its descriptor up is named by its place in this thread's table of rings.
    pub fn of_ring<M: ThreadMode>(source: &'s Registrar<'_, M>) -> Self {
        // SAFETY: the source is live, as its registrar is.
        let core = unsafe { source.core.as_ref() };
        if core.ring_fd() < 0 {
            Self::of(core.enter_fd() as u32, sys::IORING_REGISTER_SRC_REGISTERED)
        } else {
            Self::of(core.ring_fd() as u32, 0)
        }
    }

    /// Clones from a ring that is known by its descriptor, such as one on another thread.
    pub fn of_descriptor(source: &'s impl AsFd) -> Self {
        Self::of(source.as_fd().as_raw_fd() as u32, 0)
    }

    const fn of(source: u32, flags: u32) -> Self {
        Self {
            source,
            flags,
            range: None,
            to: 0,
            _source: PhantomData,
        }
    }

    /// Clones `count` buffers from slot `offset` of the source on. Linux 6.13.
    pub const fn range(mut self, offset: u32, count: u32) -> Self {
        self.range = Some((offset, count));
        self
    }

    /// Enters them from slot `offset` of the destination on; 0 unless given. Linux 6.13.
    ///
    /// The destination's table grows as far as needed.
    pub const fn to(mut self, offset: u32) -> Self {
        self.to = offset;
        self
    }

    /// Allows the destination to have a table: the slots that are cloned to are replaced, the others stay.
    /// Linux 6.13.
    #[doc(alias = "IORING_REGISTER_DST_REPLACE")]
    pub const fn replace(mut self) -> Self {
        self.flags |= sys::IORING_REGISTER_DST_REPLACE;
        self
    }
}

impl<M: ThreadMode> Registrar<'_, M> {
    /// Enters registered buffers of another ring into this ring's table, without pinning them again. Linux 6.12.
    ///
    /// Both rings then name the same memory. It stays pinned until both have let go of it; tags stay with the
    /// source. See `io_uring_clone_buffers(3)`.
    ///
    /// Cloning is safe, as it lends no memory by itself: whoever pushes a request that names a buffer, on
    /// whichever ring, vouches for its memory.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]:
    ///
    /// - [`AlreadyRegistered`](RegisterError::AlreadyRegistered): this ring has a table, and
    ///   [`replace`](BufferClone::replace) was not asked for,
    /// - [`NotRegistered`](RegisterError::NotRegistered): the source has none,
    /// - [`Empty`](RegisterError::Empty): a range of no buffers,
    /// - `EOVERFLOW` or `EINVAL`: the range is not within the source's table; or the rings belong to different
    ///   users; or the kernel is older,
    /// - `EOPNOTSUPP`: the descriptor is no ring.
    #[doc(alias(
        "io_uring_clone_buffers",
        "io_uring_clone_buffers_offset",
        "__io_uring_clone_buffers",
        "__io_uring_clone_buffers_offset"
    ))]
    pub fn clone_buffers(&self, clone: &BufferClone<'_>) -> Result<(), RegisterError> {
        let (src_off, nr) = match clone.range {
            // The kernel would take it for all of them.
            Some((_, 0)) => return Err(RegisterError::Empty),
            Some(range) => range,
            None => (0, 0),
        };
        let argument = sys::io_uring_clone_buffers {
            src_fd: clone.source,
            flags: clone.flags,
            src_off,
            dst_off: clone.to,
            nr,
            pad: [0; 3],
        };
        // SAFETY: the operation takes one such structure and reads it. It names a ring, and no memory.
        unsafe {
            self.register_raw(
                sys::IORING_REGISTER_CLONE_BUFFERS,
                ptr::from_ref(&argument).cast(),
                1,
            )
        }
        .map(drop)
        .map_err(RegisterError::from_errno)
    }
}
