//! The cold paths in Rust: three system calls, `mmap(2)` and no C.
//!
//! Fills the same `struct io_uring` as liburing does, private flags included, so
//! that C code which is handed the ring finds what it expects.

use std::ffi::c_void;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::{mem, ptr};

use ring_io_sys as sys;

use crate::errno::Errno;
use crate::memory::RingSize;

/// # Safety
///
/// `ring` and `params` are initialised and valid for reads and writes; the pointers in `params` are as
/// `io_uring_setup(2)` wants them; `memory` is whole pages that nothing else uses while the ring lives.
pub(crate) unsafe fn init(
    entries: u32,
    ring: *mut sys::io_uring,
    params: *mut sys::io_uring_params,
    memory: Option<(*mut c_void, usize)>,
) -> Result<(), Errno> {
    // SAFETY: the caller vouches for both pointers.
    let (ring, params) = unsafe { (&mut *ring, &mut *params) };
    let asked = *params;
    params.flags |= sys::IORING_SETUP_NO_SQARRAY;
    let fd = match setup(entries, params, memory) {
        // The array of indices is left out where the kernel can do without, unless that was asked for.
        Err(errno)
            if errno.raw() == libc::EINVAL && asked.flags & sys::IORING_SETUP_NO_SQARRAY == 0 =>
        {
            *params = asked;
            setup(entries, params, memory)?
        }
        other => other?,
    };
    // The kernel answers with a number that is not a descriptor, but a place in the thread's table.
    let registered_only = params.flags & sys::IORING_SETUP_REGISTERED_FD_ONLY != 0;
    // Closed when something fails below.
    //
    // SAFETY: the kernel has just made this descriptor for us.
    let owned = (!registered_only).then(|| unsafe { OwnedFd::from_raw_fd(fd) });

    match memory {
        // SAFETY: the ring was just made with these parameters.
        None => unsafe { map(fd, params, ring)? },
        Some((start, _)) => {
            // SAFETY: integers and pointers, for which zero is a value.
            *ring = unsafe { mem::zeroed() };
            ring.int_flags |= sys::INT_FLAG_APP_MEM;
            ring.sq.sqes = start.cast();
            ring.sq.ring_ptr = params.cq_off.user_addr as usize as *mut c_void;
            ring.cq.ring_ptr = ring.sq.ring_ptr;
            point_into(ring, params);
        }
    }
    if params.flags & sys::IORING_SETUP_NO_SQARRAY == 0 {
        // Place `i` of the queue is entry `i`, for ever.
        for index in 0..ring.sq.ring_entries {
            // SAFETY: the array has one index for each entry, and the kernel reads none before the tail moves.
            unsafe { ring.sq.array.add(index as usize).write(index) };
        }
    }
    ring.flags = params.flags;
    ring.features = params.features;
    if params.flags & (sys::IORING_SETUP_IOPOLL | sys::IORING_SETUP_SQPOLL)
        == sys::IORING_SETUP_IOPOLL
    {
        // Only a look into the kernel finds completions.
        ring.int_flags |= sys::INT_FLAG_CQ_ENTER;
    }
    ring.enter_ring_fd = fd;
    ring.ring_fd = owned.map_or(-1, IntoRawFd::into_raw_fd);
    if registered_only {
        ring.int_flags |= sys::INT_FLAG_REG_RING | sys::INT_FLAG_REG_REG_RING;
    }
    Ok(())
}

/// # Safety
///
/// `fd` is a ring, `params` is what the kernel said of it, and `ring` is valid for writes.
pub(crate) unsafe fn map(
    fd: RawFd,
    params: *mut sys::io_uring_params,
    ring: *mut sys::io_uring,
) -> Result<(), Errno> {
    // SAFETY: the caller vouches for both pointers.
    let (ring, params) = unsafe { (&mut *ring, &*params) };
    let queues = Queues::map(fd, params)?;
    // SAFETY: integers and pointers, for which zero is a value.
    *ring = unsafe { mem::zeroed() };
    queues.enter_into(ring);
    point_into(ring, params);
    ring.flags = params.flags;
    ring.features = params.features;
    ring.ring_fd = fd;
    ring.enter_ring_fd = fd;
    Ok(())
}

/// # Safety
///
/// `ring` was filled by [`init`] and is not used after.
pub(crate) unsafe fn exit(ring: *mut sys::io_uring) {
    // SAFETY: the ring is live, so these are its mappings and its descriptor, and nobody uses them after.
    // Where a length is zero, or the memory is the program's, there is nothing to unmap.
    unsafe {
        if (*ring).int_flags & sys::INT_FLAG_APP_MEM == 0 {
            unmap((*ring).sq.sqes.cast(), (*ring).sq.sqes_sz as usize);
            unmap((*ring).sq.ring_ptr, (*ring).sq.ring_sz);
            if (*ring).cq.ring_ptr != (*ring).sq.ring_ptr {
                unmap((*ring).cq.ring_ptr, (*ring).cq.ring_sz);
            }
        }
        if (*ring).int_flags & sys::INT_FLAG_REG_RING != 0 {
            // The place in the thread's table would otherwise be taken until the thread ends. On failure it is.
            let _ = unregister_ring_fd(ring);
        }
        // None is left where only the registered one ever existed, or the other was closed.
        if (*ring).ring_fd >= 0 {
            drop(OwnedFd::from_raw_fd((*ring).ring_fd));
        }
    }
}

/// # Safety
///
/// `ring` is a live ring; `arg` and `nr` are what `io_uring_register(2)` asks for with `opcode`.
pub(crate) unsafe fn register(
    ring: *const sys::io_uring,
    opcode: u32,
    arg: *const c_void,
    nr: u32,
) -> Result<u32, Errno> {
    // SAFETY: the ring is live, so its descriptors are; the caller vouches for the rest.
    let result = unsafe {
        let (fd, opcode) = super::register_target(ring, opcode);
        libc::syscall(libc::SYS_io_uring_register, fd, opcode, arg, nr)
    };
    checked(result)
}

/// # Safety
///
/// `ring` is a live ring that nothing else uses meanwhile, and stays on this thread until it is unregistered.
pub(crate) unsafe fn register_ring_fd(ring: *mut sys::io_uring) -> Result<(), Errno> {
    // SAFETY: the caller is alone with the ring.
    let ring = unsafe { &mut *ring };
    if ring.int_flags & sys::INT_FLAG_REG_RING != 0 {
        return Err(Errno::from_raw(libc::EEXIST));
    }
    let mut update = sys::io_uring_rsrc_update {
        // Any free place of the table; the kernel writes which.
        offset: u32::MAX,
        resv: 0,
        data: ring.ring_fd as u64,
    };
    // SAFETY: the operation takes one update and writes into it.
    let count = unsafe {
        register(
            ring,
            sys::IORING_REGISTER_RING_FDS,
            (&raw mut update).cast(),
            1,
        )?
    };
    if count == 1 {
        ring.enter_ring_fd = update.offset as i32;
        ring.int_flags |= sys::INT_FLAG_REG_RING;
        if ring.features & sys::IORING_FEAT_REG_REG_RING != 0 {
            ring.int_flags |= sys::INT_FLAG_REG_REG_RING;
        }
    }
    Ok(())
}

/// # Safety
///
/// As [`register_ring_fd`], on the thread that called it.
pub(crate) unsafe fn unregister_ring_fd(ring: *mut sys::io_uring) -> Result<(), Errno> {
    // SAFETY: the caller is alone with the ring.
    let ring = unsafe { &mut *ring };
    if ring.int_flags & sys::INT_FLAG_REG_RING == 0 {
        return Err(Errno::from_raw(libc::EINVAL));
    }
    let mut update = sys::io_uring_rsrc_update {
        offset: ring.enter_ring_fd as u32,
        resv: 0,
        data: 0,
    };
    // SAFETY: the operation takes one update.
    let count = unsafe {
        register(
            ring,
            sys::IORING_UNREGISTER_RING_FDS,
            (&raw mut update).cast(),
            1,
        )?
    };
    if count == 1 {
        ring.enter_ring_fd = ring.ring_fd;
        ring.int_flags &= !(sys::INT_FLAG_REG_RING | sys::INT_FLAG_REG_REG_RING);
    }
    Ok(())
}

/// Asks the kernel for a ring: a descriptor, or a place in the thread's table of registered ones.
fn setup(
    entries: u32,
    params: &mut sys::io_uring_params,
    memory: Option<(*mut c_void, usize)>,
) -> Result<i32, Errno> {
    if let Some((start, length)) = memory {
        let size = RingSize::new(entries, params)?;
        if size.total() > length as u64 {
            return Err(Errno::from_raw(libc::ENOMEM));
        }
        params.flags |= sys::IORING_SETUP_NO_MMAP;
        params.sq_off.user_addr = start as u64;
        params.cq_off.user_addr = start as u64 + size.entries;
    }
    // SAFETY: the parameters are valid for writes.
    let result = unsafe { libc::syscall(libc::SYS_io_uring_setup, entries, ptr::from_mut(params)) };
    checked(result).map(|fd| fd as i32)
}

fn checked(result: libc::c_long) -> Result<u32, Errno> {
    if result < 0 {
        Err(Errno::last())
    } else {
        Ok(result as u32)
    }
}

/// One mapping of the ring's descriptor, unmapped when it is dropped.
struct Mapping {
    start: *mut c_void,
    length: usize,
}

impl Mapping {
    fn new(fd: RawFd, offset: u64, length: usize) -> Result<Self, Errno> {
        // SAFETY: a fresh shared mapping, at a place that the kernel chooses.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                fd,
                // The three offsets that the kernel defines fit in 32 bits.
                offset as libc::off_t,
            )
        };
        if start == libc::MAP_FAILED {
            Err(Errno::last())
        } else {
            Ok(Self { start, length })
        }
    }

    /// Gives the mapping to whoever unmaps it later.
    fn release(self) -> (*mut c_void, usize) {
        let parts = (self.start, self.length);
        mem::forget(self);
        parts
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this value owns the mapping.
        unsafe { unmap(self.start, self.length) };
    }
}

/// # Safety
///
/// The pages were mapped for a ring, and nobody uses them any more; or `length` is zero.
unsafe fn unmap(start: *mut c_void, length: usize) {
    // SAFETY: the caller vouches for the pages. Whole mappings that exist cannot fail to go, and a length of
    // zero is refused.
    unsafe { libc::munmap(start, length) };
}

/// The mappings of a ring that is being made.
struct Queues {
    sq: Mapping,
    /// `None` where one mapping holds both queues.
    cq: Option<Mapping>,
    entries: Mapping,
}

impl Queues {
    fn map(fd: RawFd, params: &sys::io_uring_params) -> Result<Self, Errno> {
        let sqe_size = 64 << u32::from(params.flags & sys::IORING_SETUP_SQE128 != 0);
        let cqe_size = 16 << u32::from(params.flags & sys::IORING_SETUP_CQE32 != 0);
        let mut sq_length =
            params.sq_off.array as usize + params.sq_entries as usize * size_of::<u32>();
        let cq_length = params.cq_off.cqes as usize + params.cq_entries as usize * cqe_size;
        let single = params.features & sys::IORING_FEAT_SINGLE_MMAP != 0;
        if single {
            sq_length = sq_length.max(cq_length);
        }
        Ok(Self {
            sq: Mapping::new(fd, sys::IORING_OFF_SQ_RING, sq_length)?,
            cq: if single {
                None
            } else {
                Some(Mapping::new(fd, sys::IORING_OFF_CQ_RING, cq_length)?)
            },
            entries: Mapping::new(
                fd,
                sys::IORING_OFF_SQES,
                params.sq_entries as usize * sqe_size,
            )?,
        })
    }

    /// Writes the mappings to where C keeps them.
    fn enter_into(self, ring: &mut sys::io_uring) {
        let (sq, cq) = (&mut ring.sq, &mut ring.cq);
        (sq.ring_ptr, sq.ring_sz) = self.sq.release();
        (cq.ring_ptr, cq.ring_sz) = self.cq.map_or((sq.ring_ptr, sq.ring_sz), Mapping::release);
        let (entries, length) = self.entries.release();
        sq.sqes = entries.cast();
        sq.sqes_sz = length as u32;
    }
}

/// Writes the pointers into a ring's memory to where C keeps them.
fn point_into(ring: &mut sys::io_uring, params: &sys::io_uring_params) {
    let (sq, cq) = (&mut ring.sq, &mut ring.cq);
    // SAFETY: the kernel placed each word, aligned, within the memory that it sized itself.
    let word =
        |base: *mut c_void, offset: u32| unsafe { base.byte_add(offset as usize).cast::<u32>() };
    sq.khead = word(sq.ring_ptr, params.sq_off.head);
    sq.ktail = word(sq.ring_ptr, params.sq_off.tail);
    sq.kring_mask = word(sq.ring_ptr, params.sq_off.ring_mask);
    sq.kring_entries = word(sq.ring_ptr, params.sq_off.ring_entries);
    sq.kflags = word(sq.ring_ptr, params.sq_off.flags);
    sq.kdropped = word(sq.ring_ptr, params.sq_off.dropped);
    if params.flags & sys::IORING_SETUP_NO_SQARRAY == 0 {
        sq.array = word(sq.ring_ptr, params.sq_off.array);
    }
    cq.khead = word(cq.ring_ptr, params.cq_off.head);
    cq.ktail = word(cq.ring_ptr, params.cq_off.tail);
    cq.kring_mask = word(cq.ring_ptr, params.cq_off.ring_mask);
    cq.kring_entries = word(cq.ring_ptr, params.cq_off.ring_entries);
    cq.koverflow = word(cq.ring_ptr, params.cq_off.overflow);
    cq.cqes = word(cq.ring_ptr, params.cq_off.cqes).cast();
    if params.cq_off.flags != 0 {
        cq.kflags = word(cq.ring_ptr, params.cq_off.flags);
    }
    // SAFETY: the kernel has written these four constants before it returned from the setup.
    unsafe {
        sq.ring_mask = *sq.kring_mask;
        sq.ring_entries = *sq.kring_entries;
        cq.ring_mask = *cq.kring_mask;
        cq.ring_entries = *cq.kring_entries;
    }
}
