//! Registered files: a table of the ring's own, whose slots requests name instead of descriptors.
//!
//! Here are the operations on the table. [`FileTable`](crate::FileTable) owns one and hands out its slots.

mod entry;
mod table;

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::ptr;

use ring_io_sys as sys;

use crate::mode::ThreadMode;
use crate::register::resources::{count_of, update_all};
use crate::register::{RegisterError, Registrar};

pub use entry::FileEntry;
pub use table::{FileSlot, FileTable};

impl<M: ThreadMode> Registrar<'_, M> {
    /// Registers files; requests then name them by their place in the list, with
    /// [`SqeFlags::FIXED_FILE`](crate::SqeFlags::FIXED_FILE). Linux 5.1.
    ///
    /// The ring holds references of its own: the descriptors may be closed afterwards. The process's limits
    /// stay as they are, unlike with liburing's function of this name. See `io_uring_register_files(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: files are registered already, there are none or more than `RLIMIT_NOFILE` allows, or one
    /// of them is a ring, which cannot be registered (`EBADF`).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let mut ring = ring_io::Ring::new(8)?;
    /// let zeros = std::fs::File::open("/dev/zero")?;
    /// ring.registrar().register_files(&[zeros])?;
    /// ring.registrar().unregister_files()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "io_uring_register_files")]
    pub fn register_files<F: AsFd>(&self, files: &[F]) -> Result<(), RegisterError> {
        let descriptors: Vec<RawFd> = files.iter().map(|file| file.as_fd().as_raw_fd()).collect();
        // SAFETY: each descriptor is lent for this call.
        unsafe { self.register_files_raw(&descriptors) }
    }

    /// Registers descriptors by their numbers; `-1` leaves a slot empty (Linux 5.5).
    ///
    /// # Errors
    ///
    /// As [`register_files`](Self::register_files), and `EBADF` when one is not open.
    ///
    /// # Safety
    ///
    /// Each number is `-1` or a descriptor that the caller may use now, as `std::os::fd` has it.
    pub unsafe fn register_files_raw(&self, files: &[RawFd]) -> Result<(), RegisterError> {
        // SAFETY: the operation takes an array of descriptors and keeps references of its own.
        unsafe { self.register_slice(sys::IORING_REGISTER_FILES, files) }
            .map(drop)
            .map_err(|error| error.of_table(files.len()).of_files(files.len()))
    }

    /// Registers files with a tag each; a tag of 0 is none. Linux 5.13.
    ///
    /// When the kernel is done with a file that has a tag, it posts a completion: see
    /// [`update_files_tagged`](Self::update_files_tagged). A slot may be [`FileEntry::EMPTY`], but not
    /// [`FileEntry::KEEP`]. See `io_uring_register_files_tags(3)`.
    ///
    /// # Errors
    ///
    /// As [`register_files`](Self::register_files), [`RegisterError::NoTags`] and
    /// [`RegisterError::TagOfNothing`].
    ///
    /// # Panics
    ///
    /// If there are not as many tags as files.
    #[doc(alias = "io_uring_register_files_tags")]
    pub fn register_files_tagged(
        &self,
        files: &[FileEntry<'_>],
        tags: &[u64],
    ) -> Result<(), RegisterError> {
        self.check_tags(files, tags, |file| file.is_nothing())?;
        // SAFETY: the operation takes an array of descriptors, which an entry is; each is lent for this call.
        unsafe { self.register_tagged(sys::IORING_REGISTER_FILES2, files, tags) }
            .map_err(|error| error.of_files(files.len()))
    }

    /// Makes a table of `count` empty slots, to be filled by [`update_files`](Self::update_files), or by
    /// requests that open or accept into them. Linux 5.19.
    ///
    /// A request that names an empty slot ends with `EBADF`. See `io_uring_register_files_sparse(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: files are registered already, `count` is 0 or more than `RLIMIT_NOFILE` allows, or
    /// `EINVAL` on an older kernel.
    #[doc(alias = "io_uring_register_files_sparse")]
    pub fn register_files_sparse(&self, count: u32) -> Result<(), RegisterError> {
        self.register_sparse(sys::IORING_REGISTER_FILES2, count)
            .map_err(|error| error.of_files(count as usize))
    }

    /// Replaces the files from slot `offset` on, full or empty, all of them or up to one that is refused.
    /// Linux 5.5.
    ///
    /// Requests in flight keep the file that they began with. An entry that was pushed but not submitted has
    /// not begun: it will act on what is in its slot then. See `io_uring_register_files_update(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: no table is there, the slots are not all within it, or a file is a ring (`EBADF`).
    /// [`RegisterError::Incomplete`] if only the first ones were replaced.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::FileEntry;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let mut ring = ring_io::Ring::new(8)?;
    /// let registrar = ring.registrar();
    /// let (zeros, nothing) = (std::fs::File::open("/dev/zero")?, std::fs::File::open("/dev/null")?);
    /// registrar.register_files(&[&zeros, &zeros, &zeros])?;
    /// // Slot 0 becomes empty, slot 1 stays, slot 2 gets another file.
    /// registrar.update_files(0, &[FileEntry::EMPTY, FileEntry::KEEP, FileEntry::of(&nothing)])?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "io_uring_register_files_update")]
    pub fn update_files(&self, offset: u32, files: &[FileEntry<'_>]) -> Result<(), RegisterError> {
        update_all(offset, count_of(files)?, |done| {
            let rest = &files[done as usize..];
            let update = sys::io_uring_rsrc_update {
                offset: offset + done,
                resv: 0,
                data: rest.as_ptr() as u64,
            };
            // SAFETY: the operation takes one such structure, the number of descriptors behind its address, and
            // keeps references of its own; each descriptor is lent for this call.
            unsafe {
                self.register_raw(
                    sys::IORING_REGISTER_FILES_UPDATE,
                    ptr::from_ref(&update).cast(),
                    rest.len() as u32,
                )
            }
        })
    }

    /// [`update_files`](Self::update_files) with a tag for each file; a tag of 0 is none. Linux 5.13.
    ///
    /// A tag belongs to the file that comes with it. When that file has left its slot (replaced, emptied or
    /// unregistered) *and* the last request that uses it is done, the kernel posts a completion with the tag as
    /// `user_data`, the result 0 and no flags. It takes a place in the completion queue as any other. When the
    /// ring is torn down no tag is posted. See `io_uring_register_files_update_tag(3)`.
    ///
    /// # Errors
    ///
    /// As [`update_files`](Self::update_files), [`RegisterError::NoTags`] and [`RegisterError::TagOfNothing`].
    ///
    /// # Panics
    ///
    /// If there are not as many tags as files.
    #[doc(alias = "io_uring_register_files_update_tag")]
    pub fn update_files_tagged(
        &self,
        offset: u32,
        files: &[FileEntry<'_>],
        tags: &[u64],
    ) -> Result<(), RegisterError> {
        self.check_tags(files, tags, |file| file.is_nothing())?;
        // SAFETY: as in `register_files_tagged`.
        unsafe {
            self.update_slots(
                sys::IORING_REGISTER_FILES_UPDATE2,
                offset,
                files,
                Some(tags),
            )
        }
    }

    /// Keeps the kernel to `count` slots from `offset` on when a request leaves the choice of a slot to it
    /// (`IORING_FILE_INDEX_ALLOC`). Without this it chooses among all. Linux 6.0.
    ///
    /// With a `count` of 0 every such request ends with `ENFILE`. Requests that name their slot are not kept to
    /// anything. See `io_uring_register_file_alloc_range(3)`.
    ///
    /// Kernels (6.18 is one) search from the slot that was filled or emptied last, wherever that is, so a slot
    /// outside of the range may be chosen after one was updated there. Setting the range again puts that right.
    ///
    /// # Errors
    ///
    /// [`RegisterError::OutsideTable`]: the slots are not all within the table, or there is none.
    #[doc(alias = "io_uring_register_file_alloc_range")]
    pub fn set_file_alloc_range(&self, offset: u32, count: u32) -> Result<(), RegisterError> {
        let range = sys::io_uring_file_index_range {
            off: offset,
            len: count,
            resv: 0,
        };
        // SAFETY: the operation takes one such structure and the number 0, and keeps nothing of it.
        unsafe {
            self.register_raw(
                sys::IORING_REGISTER_FILE_ALLOC_RANGE,
                ptr::from_ref(&range).cast(),
                0,
            )
        }
        .map(drop)
        .map_err(|errno| RegisterError::from_errno(errno).of_update(offset, count))
    }

    /// Unregisters all files. Those that requests still use stay open until these are done. Linux 5.1.
    ///
    /// # Errors
    ///
    /// [`RegisterError::NotRegistered`].
    #[doc(alias = "io_uring_unregister_files")]
    pub fn unregister_files(&self) -> Result<(), RegisterError> {
        // SAFETY: the operation takes no argument.
        unsafe { self.register_raw(sys::IORING_UNREGISTER_FILES, ptr::null(), 0) }
            .map(drop)
            .map_err(RegisterError::from_errno)
    }
}
