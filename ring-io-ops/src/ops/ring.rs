//! Requests about rings: messages between them, their registered files, their provided buffers.

use std::os::fd::RawFd;

use ring_io::{Cqe, Errno, Prepare, SafeToPush, Sqe, SqeFlags, SubmissionEntry, sys};

use crate::address::Address;
use crate::destination::{Destination, NewFd, ToDescriptor, ToFreeSlot, ToSlot};
use crate::operation::{Operation, SafeOperation, pushable};
use crate::target::Target;

/// Posts a completion to another ring.
///
/// `IORING_OP_MSG_RING`, Linux 5.18. See `io_uring_prep_msg_ring(3)`,
/// `io_uring_prep_msg_ring_cqe_flags(3)`.
///
/// # Kernel access
///
/// No memory. Pushing is unsafe because whoever reaps the other ring believes its
/// completions: one that looks like a request's last gives its memory back. So
/// the user data has to be one that is meant for such messages there.
///
/// # Result
///
/// Nothing but success: the completion is in the other ring.
///
/// # Errors
///
/// - `EBADFD`: the target is no ring, or one that is not enabled yet.
/// - `EBADF`: the target is not open.
/// - `EOVERFLOW`: the other ring's completion queue is full.
/// - `EINVAL`: the request has a personality, or the kernel does not know flags of completions.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{MsgRing, Operation, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(MsgRing::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let mut other = Ring::new(2)?;
/// // SAFETY: the other ring's completions are read below, and only there.
/// unsafe { sq.push(MsgRing::new(Target::of(&other), 42, 7)) }?;
/// sq.submit_and_wait(1)?;
/// MsgRing::read(&cq.pop().expect("the wait saw a completion"))?;
/// let (_, mut cq, _) = other.split();
/// let cqe = cq.pop().expect("the message arrived");
/// assert_eq!((cqe.user_data(), cqe.result()?), (42, 7));
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_MSG_RING",
    "IORING_MSG_DATA",
    "io_uring_prep_msg_ring",
    "io_uring_prep_msg_ring_cqe_flags"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct MsgRing {
    ring: Target,
    user_data: u64,
    result: i32,
    cqe_flags: u32,
    flags: u32,
}

impl MsgRing {
    /// Posts a completion with this user data and this result, as the kernel would
    /// write it: a count, or a negated error number.
    #[inline(always)]
    pub const fn new(ring: Target, user_data: u64, result: i32) -> Self {
        Self {
            ring,
            user_data,
            result,
            cqe_flags: 0,
            flags: 0,
        }
    }

    /// The completion's flags as the kernel would write them; none unless given.
    /// `IORING_MSG_RING_FLAGS_PASS`, Linux 6.3.
    #[doc(alias = "IORING_MSG_RING_FLAGS_PASS")]
    #[inline(always)]
    pub const fn cqe_flags(mut self, raw_flags: u32) -> Self {
        self.cqe_flags = raw_flags;
        self.flags = sys::IORING_MSG_RING_FLAGS_PASS;
        self
    }
}

impl Operation for MsgRing {
    const OPCODE: u8 = sys::IORING_OP_MSG_RING as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.ring.write(sqe);
        sqe.set_off(self.user_data)
            .set_addr(u64::from(sys::IORING_MSG_DATA))
            .set_len(self.result as u32)
            .set_op_flags(self.flags)
            .set_file_index(self.cqe_flags);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

/// Copies a registered file to another ring's registered files.
///
/// `IORING_OP_MSG_RING` with `IORING_MSG_SEND_FD`, Linux 6.0. See `io_uring_prep_msg_ring_fd(3)`.
///
/// The type parameter says where the file goes: [`ToSlot`] or [`ToFreeSlot`].
///
/// # Kernel access
///
/// No memory. A file that was in the slot is closed. Pushing is unsafe for that
/// reason, and for the one that [`MsgRing`] gives.
///
/// # Result
///
/// - [`ToSlot`]: nothing but success.
/// - [`ToFreeSlot`]: the slot.
///
/// The other ring gets a completion with the same result, unless
/// [`skip_message`](Self::skip_message) is given.
///
/// # Errors
///
/// - `EBADF`: this ring has no such file, or the target is not open.
/// - `EBADFD`: the target is no ring, or one that is not enabled yet.
/// - `EINVAL`: the target is this ring itself, the slot lies beyond the other
///   ring's files, or the request has a personality.
/// - `ENXIO`: the other ring has no registered files.
/// - `ENFILE`: no slot is free there.
/// - `EOVERFLOW`: the other ring's completion queue is full; the file was copied.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{MsgRingFd, Operation, Target, ToFreeSlot, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let opcode = MsgRingFd::<ToFreeSlot>::OPCODE;
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(opcode)) { return Ok(()) }
/// let (mut ring, other) = (Ring::new(2)?, Ring::new(2)?);
/// let (mut sq, mut cq, _) = ring.split();
/// // SAFETY: nobody else uses the other ring.
/// unsafe { sq.push(MsgRingFd::new(Target::of(&other), 42, 0, ToFreeSlot)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// // This ring has no registered files.
/// assert!(MsgRingFd::<ToFreeSlot>::read(&cqe).is_err());
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_MSG_RING",
    "IORING_MSG_SEND_FD",
    "io_uring_prep_msg_ring_fd",
    "io_uring_prep_msg_ring_fd_alloc"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct MsgRingFd<D> {
    ring: Target,
    user_data: u64,
    source: u32,
    destination: D,
    flags: u32,
}

/// The places of another ring that take a file: [`ToSlot`], [`ToFreeSlot`].
pub trait SlotDestination: Destination {}
impl SlotDestination for ToSlot {}
impl SlotDestination for ToFreeSlot {}

impl<D: SlotDestination> MsgRingFd<D> {
    /// Copies the file in this ring's slot `source`; the completion that the other
    /// ring gets carries this user data.
    #[inline(always)]
    pub const fn new(ring: Target, user_data: u64, source: u32, destination: D) -> Self {
        Self {
            ring,
            user_data,
            source,
            destination,
            flags: 0,
        }
    }

    /// Posts no completion to the other ring. `IORING_MSG_RING_CQE_SKIP`, Linux 6.0.
    #[doc(alias = "IORING_MSG_RING_CQE_SKIP")]
    #[inline(always)]
    pub const fn skip_message(mut self) -> Self {
        self.flags = sys::IORING_MSG_RING_CQE_SKIP;
        self
    }
}

impl<D: SlotDestination> Operation for MsgRingFd<D> {
    const OPCODE: u8 = sys::IORING_OP_MSG_RING as u8;
    type Output = D::Made;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.ring.write(sqe);
        sqe.set_off(self.user_data)
            .set_addr(u64::from(sys::IORING_MSG_SEND_FD))
            .set_addr3(u64::from(self.source))
            .set_op_flags(self.flags)
            .set_file_index(self.destination.file_index());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<D::Made, Errno> {
        cqe.result().map(D::made)
    }
}

impl<D: SlotDestination, S: SubmissionEntry> Prepare<S> for MsgRingFd<D> {
    #[inline(always)]
    fn prepare(&self) -> S {
        S::from(self.to_sqe())
    }
}

impl<D: SlotDestination> From<MsgRingFd<D>> for Sqe {
    #[inline(always)]
    fn from(operation: MsgRingFd<D>) -> Self {
        operation.to_sqe()
    }
}

/// Puts descriptors into the ring's registered files.
///
/// `IORING_OP_FILES_UPDATE`, Linux 5.6. See `io_uring_prep_files_update(3)`.
///
/// # Kernel access
///
/// Reads `fds[..count]` until completion, and for [free slots](Self::into_free_slots)
/// writes to it too. Files that were in the slots are closed.
///
/// # Result
///
/// How many were put in. If one cannot be, those before it count; the error is
/// reported when it is the first.
///
/// # Errors
///
/// - `ENXIO`: the ring has no registered files.
/// - `EINVAL`: the slots lie beyond them, or `count` is zero.
/// - `EBADF`: a descriptor is not open, or is this ring's own.
/// - `ENFILE`: no slot is free.
/// - `EFAULT`: `fds` is not accessible.
///
/// # Examples
///
/// ```
/// use std::os::fd::AsRawFd;
///
/// use ring_io_ops::{FilesUpdate, Operation, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, registrar) = ring.split();
/// let file = std::fs::File::open("/dev/null")?;
/// registrar.register_files(&[&file])?;
/// let fds = [file.as_raw_fd()];
/// // SAFETY: `fds` outlives the wait below, and no request uses the slot.
/// unsafe { sq.push(FilesUpdate::new(0, fds.as_ptr(), 1)) }?;
/// sq.submit_and_wait(1)?;
/// assert_eq!(FilesUpdate::read(&cq.pop().expect("the wait saw a completion"))?, 1);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_FILES_UPDATE", "io_uring_prep_files_update"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct FilesUpdate {
    fds: Address,
    count: u32,
    offset: u64,
}

impl FilesUpdate {
    /// Puts `fds[..count]` into the slots from `slot` on.
    ///
    /// `-1` empties a slot, `IORING_REGISTER_FILES_SKIP` leaves it as it is.
    #[doc(alias = "IORING_REGISTER_FILES_SKIP")]
    #[inline(always)]
    pub const fn new(slot: u32, fds: *const RawFd, count: u32) -> Self {
        // The topmost number would ask for any free slot. No table reaches the one below it.
        let offset = if slot == sys::IORING_FILE_INDEX_ALLOC {
            slot - 1
        } else {
            slot
        };
        Self {
            fds: Address::new(fds),
            count,
            offset: offset as u64,
        }
    }

    /// Puts `fds[..count]` into free slots, whose numbers replace the descriptors. Linux 5.19.
    #[doc(alias = "IORING_FILE_INDEX_ALLOC")]
    #[inline(always)]
    pub const fn into_free_slots(fds: *mut RawFd, count: u32) -> Self {
        Self {
            fds: Address::new(fds),
            count,
            // The kernel looks at the lower half, and the C library sign-extends.
            offset: u64::MAX,
        }
    }
}

impl Operation for FilesUpdate {
    const OPCODE: u8 = sys::IORING_OP_FILES_UPDATE as u8;
    type Output = u32;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(-1)
            .set_off(self.offset)
            .set_addr(self.fds.to_u64())
            .set_len(self.count);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<u32, Errno> {
        cqe.result()
    }
}

/// Makes a descriptor of a registered file.
///
/// `IORING_OP_FIXED_FD_INSTALL`, Linux 6.8. See `io_uring_prep_fixed_fd_install(3)`.
///
/// # Kernel access
///
/// None: it can be pushed safely.
///
/// # Result
///
/// A [`NewFd`], which becomes an `OwnedFd` in a step of its own.
///
/// # Errors
///
/// - `EBADF`: the slot is empty, or there are no registered files.
/// - `EMFILE`: the process has too many descriptors.
/// - `EPERM`: the request has a personality.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{FixedFdInstall, Operation, ring::Errno, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(FixedFdInstall::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_safe(FixedFdInstall::new(0))?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(FixedFdInstall::read(&cqe), Err(Errno::from_raw(libc::EBADF)));
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_FIXED_FD_INSTALL", "io_uring_prep_fixed_fd_install"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct FixedFdInstall {
    slot: u32,
    flags: u32,
}

impl FixedFdInstall {
    /// Makes a descriptor of the file in `slot`; `exec` closes it.
    #[inline(always)]
    pub const fn new(slot: u32) -> Self {
        Self { slot, flags: 0 }
    }

    /// The descriptor stays open when the process calls `exec`. `IORING_FIXED_FD_NO_CLOEXEC`, Linux 6.8.
    #[doc(alias = "IORING_FIXED_FD_NO_CLOEXEC")]
    #[inline(always)]
    pub const fn keep_on_exec(mut self) -> Self {
        self.flags = sys::IORING_FIXED_FD_NO_CLOEXEC;
        self
    }
}

impl Operation for FixedFdInstall {
    const OPCODE: u8 = sys::IORING_OP_FIXED_FD_INSTALL as u8;
    type Output = NewFd;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(self.slot as i32)
            .insert_flags(SqeFlags::FIXED_FILE)
            .set_op_flags(self.flags);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<NewFd, Errno> {
        cqe.result().map(ToDescriptor::made)
    }
}

/// Gives buffers to a group, from which requests take them.
///
/// `IORING_OP_PROVIDE_BUFFERS`, Linux 5.7. See `io_uring_prep_provide_buffers(3)`.
///
/// A ring of buffers does the same without a request for each return.
///
/// # Kernel access
///
/// All `count` times `len` bytes from `addr` on belong to the kernel, which
/// writes to them for requests of this ring, each buffer until a completion hands
/// it to the program or until it is removed.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `EINVAL`: `len` is zero, the buffers' numbers exceed 16 bits, or the group is
///   a ring of buffers.
/// - `E2BIG`: `count` is zero or beyond 65,536.
/// - `EOVERFLOW`: the buffers do not fit the address space; `EFAULT`: they are not accessible.
/// - `ENOMEM`: the kernel has no memory for them.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, ProvideBuffers, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let mut memory = vec![0_u8; 64];
/// // SAFETY: no request takes buffers of the group while `memory` lives.
/// unsafe { sq.push(ProvideBuffers::new(memory.as_mut_ptr(), 16, 4, 7, 0)) }?;
/// sq.submit_and_wait(1)?;
/// ProvideBuffers::read(&cq.pop().expect("the wait saw a completion"))?;
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_PROVIDE_BUFFERS", "io_uring_prep_provide_buffers"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct ProvideBuffers {
    addr: Address,
    len: u32,
    count: u32,
    group: u16,
    first_id: u16,
}

impl ProvideBuffers {
    /// Gives `count` buffers of `len` bytes each, one behind the other, to `group`;
    /// they are numbered from `first_id` on.
    #[inline(always)]
    pub const fn new(addr: *mut u8, len: u32, count: u32, group: u16, first_id: u16) -> Self {
        Self {
            addr: Address::new(addr),
            len,
            count,
            group,
            first_id,
        }
    }
}

impl Operation for ProvideBuffers {
    const OPCODE: u8 = sys::IORING_OP_PROVIDE_BUFFERS as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(self.count as i32)
            .set_off(u64::from(self.first_id))
            .set_addr(self.addr.to_u64())
            .set_len(self.len)
            .set_buf_index(self.group);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

/// Takes buffers back from a group.
///
/// `IORING_OP_REMOVE_BUFFERS`, Linux 5.7. See `io_uring_prep_remove_buffers(3)`.
///
/// # Kernel access
///
/// None: it can be pushed safely.
///
/// # Result
///
/// How many were taken back, the group's next ones.
///
/// # Errors
///
/// - `ENOENT`: there is no such group.
/// - `EINVAL`: `count` is zero or beyond 65,536, or the group is a ring of buffers.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, RemoveBuffers, ring::Errno, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_safe(RemoveBuffers::new(7, 1))?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(RemoveBuffers::read(&cqe), Err(Errno::from_raw(libc::ENOENT)));
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_REMOVE_BUFFERS", "io_uring_prep_remove_buffers"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct RemoveBuffers {
    group: u16,
    count: u32,
}

impl RemoveBuffers {
    /// Takes up to `count` buffers back from `group`.
    #[inline(always)]
    pub const fn new(group: u16, count: u32) -> Self {
        Self { group, count }
    }
}

impl Operation for RemoveBuffers {
    const OPCODE: u8 = sys::IORING_OP_REMOVE_BUFFERS as u8;
    type Output = u32;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(self.count as i32).set_buf_index(self.group);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<u32, Errno> {
        cqe.result()
    }
}

pushable!(
    MsgRing,
    FilesUpdate,
    FixedFdInstall,
    ProvideBuffers,
    RemoveBuffers
);

// SAFETY: the entry names no memory, and closes and changes no file: it adds a descriptor.
unsafe impl SafeOperation for FixedFdInstall {}
// SAFETY: as above; the entry is the operation's own.
unsafe impl SafeToPush for FixedFdInstall {}
// SAFETY: the entry lends nothing, and closes and changes no file: it gives memory back.
unsafe impl SafeOperation for RemoveBuffers {}
// SAFETY: as above; the entry is the operation's own.
unsafe impl SafeToPush for RemoveBuffers {}
