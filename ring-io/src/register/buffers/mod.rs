//! Registered buffers: memory that the kernel has pinned and mapped once for many requests.
//!
//! Here are the operations on the ring's one table of buffers, for memory that somebody else owns.
//! [`BufferPool`](crate::BufferPool) owns its memory. [`BufferClone`](crate::BufferClone) says how a table is
//! shared by several rings.

mod clone;
mod pool;

use ring_io_sys as sys;

use crate::mode::ThreadMode;
use crate::register::{RegisterError, Registrar};

pub use clone::BufferClone;
pub use pool::{BufferPool, RegisteredBuffer};

/// How many slots the kernel lets a table have.
const SLOTS_MAX: u32 = 1 << 14;

/// What leaves a slot empty.
const NOTHING: libc::iovec = libc::iovec {
    iov_base: std::ptr::null_mut(),
    iov_len: 0,
};

impl<M: ThreadMode> Registrar<'_, M> {
    /// Registers buffers; requests then name them by their place in the list. Linux 5.1.
    ///
    /// At most 16,384 buffers of at most 1 GiB each. The memory counts against `RLIMIT_MEMLOCK` of an
    /// unprivileged user. A null address with length 0 leaves a slot empty (Linux 5.13). See
    /// `io_uring_register_buffers(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: buffers are registered already, there are none or too many, memory may not be locked,
    /// or `EFAULT` when a buffer is not mapped or not anonymous or file memory that can be pinned.
    ///
    /// # Safety
    ///
    /// Until they are unregistered and every request that uses them is reaped (or, at the latest, the
    /// ring is gone and its last request has ended):
    ///
    /// - every buffer stays mapped where it is, and
    /// - is not touched while a request that names it is in flight, where that request writes.
    #[doc(alias = "io_uring_register_buffers")]
    pub unsafe fn register_buffers(&self, buffers: &[libc::iovec]) -> Result<(), RegisterError> {
        // SAFETY: the operation takes an array of iovec; the caller vouches for the memory behind it.
        unsafe { self.register_slice(sys::IORING_REGISTER_BUFFERS, buffers) }
            .map(drop)
            .map_err(|error| error.of_table(buffers.len()).of_memory(bytes_of(buffers)))
    }

    /// Registers buffers with a tag each; a tag of 0 is none. Linux 5.13.
    ///
    /// When the kernel is done with a buffer that has a tag, it posts a completion: see
    /// [`update_buffers_tagged`](Self::update_buffers_tagged). See `io_uring_register_buffers_tags(3)`.
    ///
    /// # Errors
    ///
    /// As [`register_buffers`](Self::register_buffers), [`RegisterError::NoTags`] and
    /// [`RegisterError::TagOfNothing`].
    ///
    /// # Panics
    ///
    /// If there are not as many tags as buffers.
    ///
    /// # Safety
    ///
    /// As for [`register_buffers`](Self::register_buffers).
    #[doc(alias = "io_uring_register_buffers_tags")]
    pub unsafe fn register_buffers_tagged(
        &self,
        buffers: &[libc::iovec],
        tags: &[u64],
    ) -> Result<(), RegisterError> {
        self.check_tags(buffers, tags, |buffer| buffer.iov_base.is_null())?;
        // SAFETY: the operation takes an array of iovec; the caller vouches for the memory behind it.
        unsafe { self.register_tagged(sys::IORING_REGISTER_BUFFERS2, buffers, tags) }
            .map_err(|error| error.of_memory(bytes_of(buffers)))
    }

    /// Makes a table of `count` empty slots, to be filled by [`update_buffers`](Self::update_buffers) or by
    /// [`clone_buffers`](Self::clone_buffers). Linux 5.19.
    ///
    /// A request that names an empty slot ends with `EFAULT`. See `io_uring_register_buffers_sparse(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: buffers are registered already, `count` is 0 or more than 16,384, or `EINVAL` on an
    /// older kernel.
    #[doc(alias = "io_uring_register_buffers_sparse")]
    pub fn register_buffers_sparse(&self, count: u32) -> Result<(), RegisterError> {
        self.register_sparse(sys::IORING_REGISTER_BUFFERS2, count)
    }

    /// Replaces the buffers from slot `offset` on, full or empty, all of them or up to one that is refused.
    /// Linux 5.13.
    ///
    /// Requests in flight keep the buffer that they began with; it stays pinned until they are done. A null
    /// address with length 0 empties a slot. See `io_uring_register_buffers_update_tag(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: no table is there, the slots are not all within it, memory may not be locked, or
    /// `EFAULT` as in [`register_buffers`](Self::register_buffers). [`RegisterError::Incomplete`] if only the
    /// first ones were replaced.
    ///
    /// # Safety
    ///
    /// As for [`register_buffers`](Self::register_buffers).
    #[doc(alias = "io_uring_register_buffers_update")]
    pub unsafe fn update_buffers(
        &self,
        offset: u32,
        buffers: &[libc::iovec],
    ) -> Result<(), RegisterError> {
        // SAFETY: the operation takes an array of iovec; the caller vouches for the memory behind it.
        unsafe { self.update_slots(sys::IORING_REGISTER_BUFFERS_UPDATE, offset, buffers, None) }
            .map_err(|error| error.of_memory(bytes_of(buffers)))
    }

    /// [`update_buffers`](Self::update_buffers) with a tag for each buffer; a tag of 0 is none. Linux 5.13.
    ///
    /// A tag belongs to the buffer that comes with it. When that buffer has left its slot (replaced, emptied or
    /// unregistered) *and* the last request that uses it is done, the kernel posts a completion with the tag as
    /// `user_data`, the result 0 and no flags: the memory may be used for something else. It takes a place in
    /// the completion queue as any other. When the ring is torn down no tag is posted.
    ///
    /// # Errors
    ///
    /// As [`update_buffers`](Self::update_buffers), [`RegisterError::NoTags`] and
    /// [`RegisterError::TagOfNothing`].
    ///
    /// # Panics
    ///
    /// If there are not as many tags as buffers.
    ///
    /// # Safety
    ///
    /// As for [`register_buffers`](Self::register_buffers).
    #[doc(alias = "io_uring_register_buffers_update_tag")]
    pub unsafe fn update_buffers_tagged(
        &self,
        offset: u32,
        buffers: &[libc::iovec],
        tags: &[u64],
    ) -> Result<(), RegisterError> {
        self.check_tags(buffers, tags, |buffer| buffer.iov_base.is_null())?;
        // SAFETY: the operation takes an array of iovec; the caller vouches for the memory behind it.
        unsafe {
            self.update_slots(
                sys::IORING_REGISTER_BUFFERS_UPDATE,
                offset,
                buffers,
                Some(tags),
            )
        }
        .map_err(|error| error.of_memory(bytes_of(buffers)))
    }

    /// Empties `count` slots from `offset` on. What requests still use stays pinned until these are done.
    /// Linux 5.13.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: no table is there, or the slots are not all within it.
    pub fn clear_buffers(&self, offset: u32, count: u32) -> Result<(), RegisterError> {
        // The list that the kernel wants would be 64 GiB for the largest number.
        if count > SLOTS_MAX {
            return Err(RegisterError::OutsideTable { offset, count });
        }
        let nothing = vec![NOTHING; count as usize];
        // SAFETY: no memory is named.
        unsafe { self.update_buffers(offset, &nothing) }
    }

    /// Unregisters all buffers. Those that requests still use stay pinned until these are done. Linux 5.1.
    ///
    /// # Errors
    ///
    /// [`RegisterError::NotRegistered`].
    #[doc(alias = "io_uring_unregister_buffers")]
    pub fn unregister_buffers(&self) -> Result<(), RegisterError> {
        // SAFETY: the operation takes no argument.
        unsafe { self.register_raw(sys::IORING_UNREGISTER_BUFFERS, std::ptr::null(), 0) }
            .map(drop)
            .map_err(RegisterError::from_errno)
    }
}

/// How much memory the buffers are, for an error that says so.
fn bytes_of(buffers: &[libc::iovec]) -> usize {
    buffers
        .iter()
        .map(|buffer| buffer.iov_len)
        .fold(0, usize::saturating_add)
}
