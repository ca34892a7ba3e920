//! Making pipes, and moving bytes through them without a buffer of the program's.

use std::os::fd::RawFd;

use bitflags::bitflags;
use ring_io::{Cqe, Errno, Prepare, Sqe, SubmissionEntry, sys};

use crate::address::Address;
use crate::destination::{Destination, ToDescriptor, ToFreeSlot, ToSlot};
use crate::operation::{Operation, pushable};
use crate::target::Target;

bitflags! {
    /// `SPLICE_F_*`: how [`Splice`] and [`Tee`] move bytes. See `splice(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SpliceFlags: u32 {
        /// `SPLICE_F_MOVE`, Linux 2.6.17: a hint to move pages instead of copying; without effect since Linux 2.6.21.
        const MOVE = libc::SPLICE_F_MOVE;
        /// `SPLICE_F_NONBLOCK`, Linux 2.6.17: fails with `EAGAIN` instead of waiting for a pipe.
        const NONBLOCK = libc::SPLICE_F_NONBLOCK;
        /// `SPLICE_F_MORE`, Linux 2.6.17: more follows soon, which a socket waits for.
        const MORE = libc::SPLICE_F_MORE;
        /// `SPLICE_F_GIFT`, Linux 2.6.17: unused here; it belongs to `vmsplice(2)`.
        const GIFT = libc::SPLICE_F_GIFT;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// Writes the input where both operations have it. The entry's own flag for slots
/// is about the output, so the input has one among the flags of the operation.
#[inline(always)]
fn write_input(input: Target, flags: SpliceFlags, sqe: &mut Sqe) {
    let (number, flags) = match input {
        Target::Fd(fd) => (fd as u32, flags.bits() & !sys::SPLICE_F_FD_IN_FIXED),
        Target::Fixed(slot) => (slot, flags.bits() | sys::SPLICE_F_FD_IN_FIXED),
    };
    sqe.set_file_index(number).set_op_flags(flags);
}

/// The offset that means the file's own position, and the only one that a pipe takes.
const CURRENT_POSITION: u64 = u64::MAX;

/// Moves bytes between two files, one of them a pipe.
///
/// `IORING_OP_SPLICE`, Linux 5.7. See `io_uring_prep_splice(3)`, `splice(2)`.
///
/// # Kernel access
///
/// No memory; bytes leave the input and reach the output until completion.
///
/// # Result
///
/// Bytes moved; `0` when the input has ended. Fewer than asked for is not an
/// error, but breaks a chain.
///
/// # Errors
///
/// - `EBADF`: a target is not open, or not for its direction.
/// - `EINVAL`: neither is a pipe, a flag is unknown, or the output is open for appending.
/// - `ESPIPE`: an offset was given for a pipe.
/// - `EAGAIN`: it would have to wait, and [`SpliceFlags::NONBLOCK`] forbids that.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, Splice, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = std::fs::File::open("/dev/zero")?;
/// let (_reader, writer) = std::io::pipe()?;
/// // SAFETY: the files outlive the wait below, and nothing else depends on the pipe.
/// unsafe { sq.push(Splice::new(Target::of(&file), Target::of(&writer), 16)) }?;
/// sq.submit_and_wait(1)?;
/// assert_eq!(Splice::read(&cq.pop().expect("the wait saw a completion"))?, 16);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_SPLICE", "io_uring_prep_splice", "SPLICE_F_FD_IN_FIXED"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Splice {
    input: Target,
    output: Target,
    len: u32,
    input_offset: u64,
    output_offset: u64,
    flags: SpliceFlags,
}

impl Splice {
    /// Moves up to `len` bytes, at the files' own positions unless offsets are given.
    #[inline(always)]
    pub const fn new(input: Target, output: Target, len: u32) -> Self {
        Self {
            input,
            output,
            len,
            input_offset: CURRENT_POSITION,
            output_offset: CURRENT_POSITION,
            flags: SpliceFlags::empty(),
        }
    }

    /// The position in bytes at which the input is read; its own unless given, and for a pipe.
    #[doc(alias = "splice_off_in")]
    #[inline(always)]
    pub const fn input_offset(mut self, offset: u64) -> Self {
        self.input_offset = offset;
        self
    }

    /// The position in bytes at which the output is written; its own unless given, and for a pipe.
    #[inline(always)]
    pub const fn output_offset(mut self, offset: u64) -> Self {
        self.output_offset = offset;
        self
    }

    /// How to move the bytes; none unless given.
    #[inline(always)]
    pub const fn flags(mut self, flags: SpliceFlags) -> Self {
        self.flags = flags;
        self
    }
}

impl Operation for Splice {
    const OPCODE: u8 = sys::IORING_OP_SPLICE as u8;
    type Output = usize;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.output.write(sqe);
        write_input(self.input, self.flags, sqe);
        sqe.set_off(self.output_offset)
            .set_addr(self.input_offset)
            .set_len(self.len);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<usize, Errno> {
        cqe.result().map(|count| count as usize)
    }
}

/// Copies bytes from one pipe to another; they stay in the first.
///
/// `IORING_OP_TEE`, Linux 5.8. See `io_uring_prep_tee(3)`, `tee(2)`.
///
/// # Kernel access
///
/// No memory; bytes reach the output until completion.
///
/// # Result
///
/// Bytes copied; `0` when the input has ended. Fewer than asked for is not an
/// error, but breaks a chain.
///
/// # Errors
///
/// - `EBADF`: a target is not open, or not for its direction.
/// - `EINVAL`: one of them is no pipe, both are the same one, or a flag is unknown.
/// - `EAGAIN`: it would have to wait, and [`SpliceFlags::NONBLOCK`] forbids that.
///
/// # Examples
///
/// ```
/// use std::io::Write as _;
///
/// use ring_io_ops::{Operation, Target, Tee, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let (input, mut source) = std::io::pipe()?;
/// let (_reader, output) = std::io::pipe()?;
/// source.write_all(b"text")?;
/// // SAFETY: the pipes outlive the wait below, and nothing else depends on them.
/// unsafe { sq.push(Tee::new(Target::of(&input), Target::of(&output), 4)) }?;
/// sq.submit_and_wait(1)?;
/// assert_eq!(Tee::read(&cq.pop().expect("the wait saw a completion"))?, 4);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_TEE", "io_uring_prep_tee", "SPLICE_F_FD_IN_FIXED"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Tee {
    input: Target,
    output: Target,
    len: u32,
    flags: SpliceFlags,
}

impl Tee {
    /// Copies up to `len` bytes.
    #[inline(always)]
    pub const fn new(input: Target, output: Target, len: u32) -> Self {
        Self {
            input,
            output,
            len,
            flags: SpliceFlags::empty(),
        }
    }

    /// How to copy the bytes; none unless given.
    #[inline(always)]
    pub const fn flags(mut self, flags: SpliceFlags) -> Self {
        self.flags = flags;
        self
    }
}

impl Operation for Tee {
    const OPCODE: u8 = sys::IORING_OP_TEE as u8;
    type Output = usize;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.output.write(sqe);
        write_input(self.input, self.flags, sqe);
        sqe.set_len(self.len);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<usize, Errno> {
        cqe.result().map(|count| count as usize)
    }
}

pushable!(Splice, Tee);

bitflags! {
    /// `O_*`: what kind of pipe [`Pipe`] makes. See `pipe2(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct PipeFlags: u32 {
        /// `O_CLOEXEC`, Linux 2.6.27: `exec` closes the descriptors. Slots never survive it, and refuse the flag.
        const CLOEXEC = libc::O_CLOEXEC as u32;
        /// `O_NONBLOCK`, Linux 2.6.27: its ends do not wait for what is not ready.
        const NONBLOCK = libc::O_NONBLOCK as u32;
        /// `O_DIRECT`, Linux 3.4: each write is a packet that one read takes.
        const DIRECT = libc::O_DIRECT as u32;
        /// `O_NOTIFICATION_PIPE`, Linux 5.8: the kernel's notices come out of it.
        #[doc(alias = "O_NOTIFICATION_PIPE")]
        const NOTIFICATION = libc::O_EXCL as u32;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// Makes a pipe.
///
/// `IORING_OP_PIPE`, Linux 6.16. See `io_uring_prep_pipe(3)`, `pipe2(2)`.
///
/// The type parameter says where its ends go: to descriptors of the process
/// ([`ToDescriptor`]), or, without any, to the ring's registered files
/// ([`ToSlot`], [`ToFreeSlot`]).
///
/// # Kernel access
///
/// Writes to `*ends` until completion. Files that were in the slots are closed.
///
/// # Result
///
/// Nothing but success. `*ends` holds the end to read from, then the end to write to:
///
/// - [`ToDescriptor`]: two descriptors, which nobody owns yet.
/// - [`ToSlot`], [`ToFreeSlot`]: the two slots.
///
/// # Errors
///
/// - `EINVAL`: a flag is unknown, [`PipeFlags::CLOEXEC`] was given with slots, or a
///   slot lies beyond the registered files.
/// - `EMFILE`: the process has too many descriptors.
/// - `ENXIO`: slots were asked for and the ring has no registered files.
/// - `ENFILE`: fewer than two slots are free.
/// - `EFAULT`: `ends` is not writable.
///
/// # Examples
///
/// ```
/// use std::os::fd::{FromRawFd, OwnedFd};
///
/// use ring_io_ops::{Operation, Pipe, PipeFlags, ToDescriptor, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let opcode = Pipe::<ToDescriptor>::OPCODE;
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(opcode)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let mut ends = [-1; 2];
/// // SAFETY: `ends` outlives the wait below, which ends with the completion.
/// unsafe { sq.push(Pipe::new(&raw mut ends).flags(PipeFlags::CLOEXEC)) }?;
/// sq.submit_and_wait(1)?;
/// Pipe::<ToDescriptor>::read(&cq.pop().expect("the wait saw a completion"))?;
/// // SAFETY: the kernel has just opened both, and nothing else owns them.
/// let [reader, writer] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_PIPE", "io_uring_prep_pipe", "io_uring_prep_pipe_direct"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Pipe<D = ToDescriptor> {
    ends: Address,
    flags: PipeFlags,
    destination: D,
}

impl Pipe {
    /// Makes a pipe whose ends the kernel writes to `*ends`.
    #[inline(always)]
    pub const fn new(ends: *mut [RawFd; 2]) -> Self {
        Self {
            ends: Address::new(ends),
            flags: PipeFlags::empty(),
            destination: ToDescriptor,
        }
    }
}

impl<D: Copy> Pipe<D> {
    /// What kind of pipe; an ordinary one unless given.
    #[inline(always)]
    pub const fn flags(mut self, flags: PipeFlags) -> Self {
        self.flags = flags;
        self
    }

    /// Puts the end to read from into this slot of the registered files and the end
    /// to write to into the next one, closing what was there.
    #[doc(alias = "file_index")]
    #[inline(always)]
    pub const fn into_slots(self, slot: u32) -> Pipe<ToSlot> {
        self.to(ToSlot(slot))
    }

    /// Puts the ends into free slots of the registered files.
    #[doc(alias("file_index", "IORING_FILE_INDEX_ALLOC"))]
    #[inline(always)]
    pub const fn into_free_slots(self) -> Pipe<ToFreeSlot> {
        self.to(ToFreeSlot)
    }

    const fn to<E>(self, destination: E) -> Pipe<E> {
        Pipe {
            ends: self.ends,
            flags: self.flags,
            destination,
        }
    }
}

impl<D: Destination> Operation for Pipe<D> {
    const OPCODE: u8 = sys::IORING_OP_PIPE as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_addr(self.ends.to_u64())
            .set_op_flags(self.flags.bits())
            .set_file_index(self.destination.file_index());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

impl<D: Destination, S: SubmissionEntry> Prepare<S> for Pipe<D> {
    #[inline(always)]
    fn prepare(&self) -> S {
        S::from(self.to_sqe())
    }
}

impl<D: Destination> From<Pipe<D>> for Sqe {
    #[inline(always)]
    fn from(operation: Pipe<D>) -> Self {
        operation.to_sqe()
    }
}
