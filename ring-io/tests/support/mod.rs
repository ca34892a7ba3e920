//! What several test programs need: entries, rings of all sizes, and the processes and threads in which
//! something is forbidden.

// Every test program compiles all of this and uses a part.
#![allow(dead_code, unused_macros, unused_imports)]

pub(crate) mod isolated;
pub(crate) mod registered;
pub(crate) mod seccomp;
pub(crate) mod signals;
mod skip;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use ring_io::{CompletionEntry, CompletionQueue, RegisterError, Registrar, Sqe, ThreadMode, sys};

pub(crate) use skip::skip;

/// Makes a test of each named function, for each pair of entry sizes. A function takes what starts a
/// builder: `fn fact<S: SubmissionEntry, C: CompletionEntry>(builder: impl Fn(u32) -> RingBuilder<S, C>)`.
macro_rules! over_entry_sizes {
    ($($fact:ident),* $(,)?) => {
        over_entry_sizes!(@ sqe64_cqe16, |n| ring_io::Ring::builder(n), $($fact),*);
        over_entry_sizes!(@ sqe128_cqe16, |n| ring_io::Ring::builder(n).sqe128(), $($fact),*);
        over_entry_sizes!(@ sqe64_cqe32, |n| ring_io::Ring::builder(n).cqe32(), $($fact),*);
        over_entry_sizes!(@ sqe128_cqe32, |n| ring_io::Ring::builder(n).sqe128().cqe32(), $($fact),*);
    };
    (@ $sizes:ident, $builder:expr, $($fact:ident),*) => {
        mod $sizes {
            $(
                #[test]
                fn $fact() {
                    if let Err(error) = $builder(1).build() {
                        return crate::support::skip(error);
                    }
                    super::$fact($builder);
                }
            )*
        }
    };
}
pub(crate) use over_entry_sizes;

/// Whether values of a type may move to other threads, and be used from several.
macro_rules! is_send_and_sync {
    ($type:ty) => {{
        // An inherent constant wins over a trait's, and exists only where its bound holds.
        struct Probe<T>(std::marker::PhantomData<T>);
        #[allow(dead_code)]
        trait Otherwise {
            const SEND: bool = false;
            const SYNC: bool = false;
        }
        impl<T> Otherwise for Probe<T> {}
        #[allow(dead_code)]
        impl<T: Send> Probe<T> {
            const SEND: bool = true;
        }
        #[allow(dead_code)]
        impl<T: Sync> Probe<T> {
            const SYNC: bool = true;
        }
        (Probe::<$type>::SEND, Probe::<$type>::SYNC)
    }};
}
pub(crate) use is_send_and_sync;

/// An entry that asks for nothing.
pub(crate) fn nop(user_data: u64) -> Sqe {
    let mut sqe = Sqe::new();
    sqe.set_user_data(user_data);
    sqe
}

/// An entry with an operation that no kernel knows.
pub(crate) fn unknown_operation(user_data: u64) -> Sqe {
    let mut sqe = nop(user_data);
    sqe.set_opcode(255);
    sqe
}

/// A read into `buffer`, at `offset` (`u64::MAX` for the file's own position).
pub(crate) fn read(fd: &impl AsRawFd, buffer: &mut [u8], offset: u64, user_data: u64) -> Sqe {
    let mut sqe = nop(user_data);
    sqe.set_opcode(sys::IORING_OP_READ as u8)
        .set_fd(fd.as_raw_fd())
        .set_addr(buffer.as_mut_ptr() as u64)
        .set_len(buffer.len() as u32)
        .set_off(offset);
    sqe
}

/// A timeout; `time` stays where it is until the entry is submitted.
pub(crate) fn timeout(time: &sys::__kernel_timespec, user_data: u64) -> Sqe {
    let mut sqe = nop(user_data);
    sqe.set_opcode(sys::IORING_OP_TIMEOUT as u8)
        .set_fd(-1)
        .set_addr(std::ptr::from_ref(time) as u64)
        .set_len(1);
    sqe
}

/// The `user_data` of all completions that can be reaped now.
pub(crate) fn drained<C: CompletionEntry, M: ThreadMode>(
    cq: &mut CompletionQueue<'_, C, M>,
) -> Vec<u64> {
    cq.drain().map(|cqe| cqe.cqe().user_data()).collect()
}

/// Registers a table of `n` slots that are all empty.
pub(crate) fn register_empty_slots<M: ThreadMode>(
    registrar: &Registrar<'_, M>,
    n: usize,
) -> Result<(), RegisterError> {
    // SAFETY: no descriptor is named.
    unsafe { registrar.register_files_raw(&vec![-1; n]) }
}

/// A pipe: what is written to the second is read from the first.
pub(crate) fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: pipe2(2) writes two descriptors.
    let result = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(result, 0, "pipe2: {}", io::Error::last_os_error());
    // SAFETY: they were just made for us.
    unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) }
}

/// Writes all of `bytes` to a pipe that has room for them.
pub(crate) fn write(fd: &impl AsRawFd, bytes: &[u8]) {
    // SAFETY: the slice is as long as it says.
    let result = unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    assert_eq!(result, bytes.len() as isize);
}

/// How many descriptors the process has open, the one for the look not counted.
pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("procfs").count() - 1
}

/// How many mappings of rings the process has.
pub(crate) fn ring_mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps")
        .expect("procfs")
        .lines()
        .filter(|line| line.contains("[io_uring]"))
        .count()
}

/// How many mappings a child of `fork(2)` would not inherit.
pub(crate) fn mappings_kept_from_children() -> usize {
    std::fs::read_to_string("/proc/self/smaps")
        .expect("procfs")
        .lines()
        // "Do not copy on fork", `proc_pid_smaps(5)`.
        .filter(|line| line.starts_with("VmFlags:") && line.split(' ').any(|flag| flag == "dc"))
        .count()
}
