//! What the tests of registered files and buffers share: a ring taken apart, and what tells a slot's content.

use std::ffi::CStr;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use ring_io::{
    CompletionQueue, Cqe, FileSlot, FileTable, Registrar, Ring, Sqe, SqeFlags, SubmissionQueue, sys,
};

use super::{nop, pipe, read};

/// The parts of one ring.
pub(crate) type Queues<'r> = (SubmissionQueue<'r>, CompletionQueue<'r>, Registrar<'r>);

pub(crate) fn file_with(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("room on the disk");
    file
}

/// Submits one entry and reaps its completion.
///
/// # Safety
///
/// As for a push, until the call returns.
pub(crate) unsafe fn run(queues: &mut Queues<'_>, sqe: Sqe) -> Cqe {
    let (sq, cq, _) = queues;
    // SAFETY: the caller vouches for the entry.
    unsafe { sq.push(sqe) }.expect("room");
    assert_eq!(sq.submit_and_wait(1).expect("a submit").count(), 1);
    cq.pop().expect("the wait saw it")
}

/// A read of the file in a slot, from where it stands.
pub(crate) fn read_entry(slot: u32, buffer: &mut [u8], user_data: u64) -> Sqe {
    let mut sqe = read(&slot.cast_signed(), buffer, u64::MAX, user_data);
    sqe.insert_flags(SqeFlags::FIXED_FILE);
    sqe
}

/// What a slot's file begins with, or the kernel's negative number.
pub(crate) fn begins_with(queues: &mut Queues<'_>, slot: u32) -> Result<Vec<u8>, i32> {
    let mut buffer = [0; 8];
    let mut sqe = read_entry(slot, &mut buffer, 1);
    sqe.set_off(0);
    // SAFETY: the buffer outlives the call.
    let result = unsafe { run(queues, sqe) }.raw_result();
    if result < 0 {
        return Err(result);
    }
    Ok(buffer[..result as usize].to_vec())
}

/// What a read of an empty slot ends with.
pub(crate) const EBADF: Result<Vec<u8>, i32> = Err(-libc::EBADF);

/// Opens a file into a slot that the kernel chooses: the slot, or the kernel's negative number.
pub(crate) fn open_somewhere(queues: &mut Queues<'_>) -> Result<u32, i32> {
    const PATH: &CStr = c"/dev/zero";
    let mut sqe = nop(1);
    sqe.set_opcode(sys::IORING_OP_OPENAT as u8)
        .set_fd(libc::AT_FDCWD)
        .set_addr(PATH.as_ptr() as u64)
        .set_op_flags(libc::O_RDONLY as u32)
        .set_file_index(sys::IORING_FILE_INDEX_ALLOC);
    // SAFETY: the path is constant.
    let result = unsafe { run(queues, sqe) }.raw_result();
    u32::try_from(result).map_err(|_| result)
}

/// A file that no table takes: a ring.
pub(crate) fn ring_as_file() -> Ring {
    Ring::new(1).expect("a ring")
}

/// A slot with the writing end of a pipe, and the reading end.
pub(crate) fn with_writer<'r>(table: &FileTable<'r>) -> (FileSlot<'r>, OwnedFd) {
    let (reader, writer) = pipe();
    let slot = table.insert(&writer).expect("a slot");
    (slot, reader)
}

/// Whether nobody has the writing end of a pipe any more. It may not have been written to.
pub(crate) fn is_hung_up(reader: &OwnedFd) -> bool {
    let mut poll = libc::pollfd {
        fd: reader.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: poll(2) works on one pollfd.
    assert!(unsafe { libc::poll(&raw mut poll, 1, 0) } >= 0);
    poll.revents & libc::POLLHUP != 0
}

pub(crate) fn iovec(buffer: &mut [u8]) -> libc::iovec {
    libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    }
}

/// What leaves a slot of the table of buffers empty.
pub(crate) const NOTHING: libc::iovec = libc::iovec {
    iov_base: ptr::null_mut(),
    iov_len: 0,
};

/// A read of `len` bytes into a registered buffer, at `offset` of the file.
pub(crate) fn read_fixed(
    file: &impl AsRawFd,
    index: u16,
    address: *mut u8,
    len: u32,
    offset: u64,
) -> Sqe {
    let mut sqe = nop(1);
    sqe.set_opcode(sys::IORING_OP_READ_FIXED as u8)
        .set_fd(file.as_raw_fd())
        .set_addr(address as u64)
        .set_len(len)
        .set_off(offset)
        .set_buf_index(index);
    sqe
}

/// What a read into a registered buffer ends with, as the kernel says it.
pub(crate) fn result_of_read_into(queues: &mut Queues<'_>, index: u16, buffer: &mut [u8]) -> i32 {
    let file = file_with(b"registered");
    let len = buffer.len() as u32;
    // SAFETY: the buffer outlives the call.
    unsafe {
        run(
            queues,
            read_fixed(&file, index, buffer.as_mut_ptr(), len, 0),
        )
    }
    .raw_result()
}

/// Runs `body` in a child that is a copy of this process, where it ends well.
///
/// `body` may not panic, and has this thread only: the others do not exist there.
pub(crate) fn in_a_child(body: impl FnOnce()) {
    // SAFETY: the child touches what this thread owns and ends without running anything of the harness.
    let status = unsafe {
        let child = libc::fork();
        assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
        if child == 0 {
            body();
            libc::_exit(0);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        status
    };
    assert_eq!(status, 0);
}
