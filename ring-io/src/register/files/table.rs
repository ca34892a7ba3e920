//! A table of files whose slots have owners.

use std::fmt;
use std::mem;
use std::os::fd::AsFd;

use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::errno::Errno;
use crate::mode::{AnyThread, ThreadMode};
use crate::process::Owner;
use crate::register::{FileEntry, RegisterError, Registrar};

/// A ring's table of registered files, some slots of it for the program to fill and some for the kernel.
///
/// A [`FileSlot`] owns one slot, as an [`OwnedFd`](std::os::fd::OwnedFd) owns a descriptor: when it is dropped,
/// the slot is emptied, and the file is closed once no request uses it. The table and its slots keep to their
/// ring by a lifetime, or keep the ring alive, as their registrar does. It is the ring's one table: leave the
/// registrar's own operations on files alone while it lives.
///
/// Slots come in two kinds. The first `own` ones are handed out by [`reserve`](Self::reserve) and
/// [`insert`](Self::insert). The `allocated` ones behind them are the kernel's, for requests that open or
/// accept into a slot of its choice (`IORING_FILE_INDEX_ALLOC`); [`adopt`](Self::adopt) makes an owner of what
/// such a request answers.
///
/// When the table and all its slots are dropped, the table is unregistered.
///
/// # The kernel outside of its slots
///
/// Kernels (6.18 is one) search for a free slot from the one that was filled or emptied last, even if that is
/// not one of theirs. Owners put that right with a second call whenever they change a slot. A *request* that
/// opens into or closes one of the program's own slots is not seen here: after it, a request that leaves the
/// choice to the kernel may be given one of these. [`adopt`](Self::adopt) takes that as it is; but adopt before
/// the next [`reserve`](Self::reserve) or [`insert`](Self::insert), or call
/// [`Registrar::set_file_alloc_range`]. Tables with slots of one kind only have no such trouble.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// # const IORING_OP_READ: u8 = 22;
/// use ring_io::{Ring, Sqe, SqeFlags};
///
/// let mut ring = Ring::new(8)?;
/// let (mut sq, mut cq, registrar) = ring.split();
/// let table = registrar.file_table(4, 0)?;
/// let zeros = table.insert(&std::fs::File::open("/dev/zero")?)?;
///
/// let mut bytes = [1_u8; 16];
/// let mut read = Sqe::new();
/// read.set_opcode(IORING_OP_READ)
///     .insert_flags(SqeFlags::FIXED_FILE)
///     .set_fd(zeros.index() as i32)
///     .set_addr(bytes.as_mut_ptr() as u64)
///     .set_len(16);
/// // SAFETY: the bytes stay until the read is reaped, below.
/// unsafe { sq.push(read) }?;
/// sq.submit_and_wait(1)?;
/// assert_eq!(cq.pop().expect("the wait saw it").result(), Ok(16));
/// assert_eq!(bytes, [0; 16]);
/// # Ok(())
/// # }
/// ```
///
/// A slot does not outlive its ring:
///
/// ```compile_fail,E0597
/// let slot;
/// {
///     let mut ring = ring_io::Ring::new(8).unwrap();
///     slot = ring.registrar().file_table(4, 0).unwrap().reserve();
/// }
/// drop(slot);
/// ```
pub struct FileTable<'r, M: ThreadMode = AnyThread> {
    shared: Arc<Shared<'r, M>>,
}

/// What a table and its slots own together.
///
/// # Invariants
///
/// 1. An index below `own` is either once in `free`, or it has been handed out.
struct Shared<'r, M: ThreadMode> {
    registrar: Registrar<'r, M>,
    own: u32,
    allocated: u32,
    free: Mutex<Vec<u32>>,
    /// The process that registered the table. A child of `fork(2)` must leave it alone.
    process: Owner,
}

impl<M: ThreadMode> Shared<'_, M> {
    fn free(&self) -> MutexGuard<'_, Vec<u32>> {
        // Nothing that panics happens under the lock, so the list is whole.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces what is in one slot.
    fn set(&self, index: u32, entry: FileEntry<'_>) -> Result<(), RegisterError> {
        self.registrar.update_files(index, &[entry])?;
        self.keep_kernel_to_its_slots()
    }

    /// Every change of a slot makes the kernel's search for a free one begin there, outside of its range as
    /// well (seen on 6.18). Setting the range makes it begin where it should.
    fn keep_kernel_to_its_slots(&self) -> Result<(), RegisterError> {
        if self.allocated == 0 {
            // No request leaves the choice to the kernel.
            return Ok(());
        }
        self.registrar
            .set_file_alloc_range(self.own, self.allocated)
    }

    /// Empties a slot and, if it is one of the program's own, makes it available.
    fn give_back(&self, index: u32) -> Result<(), RegisterError> {
        // A slot that could not be emptied is not handed out again.
        self.set(index, FileEntry::EMPTY)?;
        if index < self.own {
            self.free().push(index);
        }
        Ok(())
    }
}

impl<M: ThreadMode> Drop for Shared<'_, M> {
    fn drop(&mut self) {
        if self.process.is_here() {
            // If somebody has unregistered it already, there is nothing to do.
            let _ = self.registrar.unregister_files();
        }
    }
}

impl<'r, M: ThreadMode> Registrar<'r, M> {
    /// Makes a table of empty slots: `own` for the program, and `allocated` behind them for the kernel.
    /// Linux 6.0 (5.19 without the latter).
    ///
    /// Without slots for the kernel no request may leave the choice to it: it would choose the program's.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: files are registered already, there are no slots or more than `RLIMIT_NOFILE` allows, or
    /// `EINVAL` on an older kernel.
    #[doc(alias("io_uring_register_files_sparse", "io_uring_register_file_alloc_range"))]
    pub fn file_table(&self, own: u32, allocated: u32) -> Result<FileTable<'r, M>, RegisterError> {
        let count = own
            .checked_add(allocated)
            .ok_or(RegisterError::TooMany { count: usize::MAX })?;
        self.register_files_sparse(count)?;
        let table = FileTable {
            shared: Arc::new(Shared {
                registrar: self.duplicate(),
                own,
                allocated,
                // The last is handed out first.
                free: Mutex::new((0..own).rev().collect()),
                process: Owner::this(),
            }),
        };
        // On failure the drop unregisters what is there.
        table.shared.keep_kernel_to_its_slots()?;
        Ok(table)
    }
}

impl<'r, M: ThreadMode> FileTable<'r, M> {
    /// Hands out an empty slot of the program's own, to be filled by [`FileSlot::install`] or by a request that
    /// names it. `None` if there is none left.
    pub fn reserve(&self) -> Option<FileSlot<'r, M>> {
        let index = self.shared.free().pop()?;
        Some(self.slot(index))
    }

    /// Puts a file into a slot of the program's own.
    ///
    /// The ring holds a reference of its own: the descriptor may be closed afterwards.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: all slots are in use (`ENFILE`), or the file is a ring (`EBADF`).
    pub fn insert(&self, file: &impl AsFd) -> Result<FileSlot<'r, M>, RegisterError> {
        let slot = self
            .reserve()
            .ok_or(RegisterError::Other(Errno::from_raw(libc::ENFILE)))?;
        slot.install(file)?;
        Ok(slot)
    }

    /// Becomes the owner of a slot that has none: one that the kernel chose for a request, whose result it is,
    /// or one of [`FileSlot::into_index`].
    ///
    /// # Errors
    ///
    /// [`RegisterError::OutsideTable`]: the table has no such slot.
    ///
    /// # Safety
    ///
    /// The slot is the caller's: nobody else has adopted it since it was filled, and nobody else will close it
    /// or put another file there.
    pub unsafe fn adopt(&self, index: u32) -> Result<FileSlot<'r, M>, RegisterError> {
        if index >= self.count() {
            return Err(RegisterError::OutsideTable {
                offset: index,
                count: 1,
            });
        }
        if index < self.shared.own {
            // The kernel may have strayed here while one of these slots was being changed.
            self.shared.free().retain(|&free| free != index);
        }
        Ok(self.slot(index))
    }

    /// How many slots the table has, of both kinds.
    pub fn count(&self) -> u32 {
        self.shared.own + self.shared.allocated
    }

    /// How many of the program's own slots nobody has.
    pub fn available(&self) -> u32 {
        // No more than `own`.
        self.shared.free().len() as u32
    }

    fn slot(&self, index: u32) -> FileSlot<'r, M> {
        FileSlot {
            shared: Arc::clone(&self.shared),
            index,
        }
    }
}

impl<M: ThreadMode> fmt::Debug for FileTable<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTable")
            .field("own", &self.shared.own)
            .field("allocated", &self.shared.allocated)
            .field("available", &self.available())
            .finish_non_exhaustive()
    }
}

/// One slot of a [`FileTable`], and the file in it if there is one.
///
/// Dropping it empties the slot, by a call of the kernel. Requests in flight keep the file and complete; an
/// entry that was pushed but not submitted would act on whoever has the slot next, so submit first, as before
/// closing a descriptor.
#[must_use = "dropping it empties the slot"]
pub struct FileSlot<'r, M: ThreadMode = AnyThread> {
    shared: Arc<Shared<'r, M>>,
    index: u32,
}

impl<M: ThreadMode> FileSlot<'_, M> {
    /// The slot's number: `fd` of an entry with [`SqeFlags::FIXED_FILE`](crate::SqeFlags::FIXED_FILE), and
    /// `file_index` less one of an entry that opens into the slot.
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// Puts a file into the slot, instead of what is there.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: the file is a ring (`EBADF`); the slot then is what it was.
    pub fn install(&self, file: &impl AsFd) -> Result<(), RegisterError> {
        self.shared.set(self.index, FileEntry::of(file))
    }

    /// Empties the slot and keeps it.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: as the registrar's updates.
    pub fn clear(&self) -> Result<(), RegisterError> {
        self.shared.set(self.index, FileEntry::EMPTY)
    }

    /// Empties the slot and gives it back, as a drop does, and says if that failed.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: as the registrar's updates. The slot is not handed out again then.
    pub fn close(self) -> Result<(), RegisterError> {
        let (shared, index) = self.into_parts();
        shared.give_back(index)
    }

    /// Gives the slot up without emptying it, for a request that will: one that closes the slot.
    ///
    /// [`FileTable::adopt`] makes an owner of it again.
    pub fn into_index(self) -> u32 {
        self.into_parts().1
    }
}

impl<'r, M: ThreadMode> FileSlot<'r, M> {
    /// Takes the slot apart without its drop.
    fn into_parts(self) -> (Arc<Shared<'r, M>>, u32) {
        let this = mem::ManuallyDrop::new(self);
        // SAFETY: the value is not dropped and not used again, so this is the share's only owner.
        (unsafe { ptr::read(&raw const this.shared) }, this.index)
    }
}

impl<M: ThreadMode> Drop for FileSlot<'_, M> {
    fn drop(&mut self) {
        if self.shared.process.is_here() {
            // There is nobody to tell. The slot stays full, and unused, until the table goes.
            let _ = self.shared.give_back(self.index);
        }
    }
}

impl<M: ThreadMode> fmt::Debug for FileSlot<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSlot")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
