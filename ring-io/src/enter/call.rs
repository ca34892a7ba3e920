//! The system call itself.

use std::ffi::c_void;

#[cfg(any(
    test,
    not(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_pointer_width = "64"
    ))
))]
use crate::errno::Errno;

/// `io_uring_enter(2)`: a count, or a negated error number.
///
/// The call itself is written out where we know how: at one entry a call the C library's wrapper
/// costs 15 instructions more and liburing's 6, of about 80 in all. It is the same with both backends.
///
/// # Safety
///
/// `argument` is null, or what `flags` says it is, `size` bytes of it, until the call returns.
#[inline(always)]
pub(super) unsafe fn enter(
    fd: i32,
    to_submit: u32,
    min_complete: u32,
    flags: u32,
    argument: *const c_void,
    size: usize,
) -> i32 {
    #[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
    {
        let result: i64;
        // SAFETY: the kernel's calling convention on x86-64: rcx and r11 are overwritten, and memory
        // may be. The entries that it reads were lent by whoever pushed them.
        unsafe {
            std::arch::asm!(
                "syscall",
                inlateout("rax") libc::SYS_io_uring_enter => result,
                in("rdi") fd,
                in("rsi") to_submit,
                in("rdx") min_complete,
                in("r10") flags,
                in("r8") argument,
                in("r9") size,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        result as i32
    }
    #[cfg(all(target_arch = "aarch64", target_pointer_width = "64"))]
    {
        let result: i64;
        // SAFETY: the kernel's calling convention on AArch64: x0 carries the result, the rest is kept.
        unsafe {
            std::arch::asm!(
                "svc 0",
                in("x8") libc::SYS_io_uring_enter,
                inlateout("x0") i64::from(fd) => result,
                in("x1") u64::from(to_submit),
                in("x2") u64::from(min_complete),
                in("x3") u64::from(flags),
                in("x4") argument,
                in("x5") size,
                options(nostack),
            );
        }
        result as i32
    }
    #[cfg(not(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_pointer_width = "64"
    )))]
    // SAFETY: the caller's promise.
    unsafe {
        enter_by_wrapper(fd, to_submit, min_complete, flags, argument, size)
    }
}

/// The call without an argument, for the paths where each instruction counts.
///
/// The kernel looks at the size of an argument only if there is one, and always did. So on x86-64,
/// where few registers outlive the call, `kept` goes in its place, a value that the caller needs behind the call: the
/// register need not be cleared, and holds it. One instruction of 80 at one entry a call, two of 87 in a read.
#[inline(always)]
pub(super) fn enter_plain(
    fd: i32,
    to_submit: u32,
    min_complete: u32,
    flags: u32,
    kept: u32,
) -> i32 {
    #[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
    {
        let result: i64;
        // SAFETY: the kernel's calling convention on x86-64: rcx and r11 are overwritten, and memory
        // may be. The entries that it reads were lent by whoever pushed them.
        unsafe {
            std::arch::asm!(
                "syscall",
                inlateout("rax") libc::SYS_io_uring_enter => result,
                in("rdi") fd,
                in("rsi") to_submit,
                in("rdx") min_complete,
                in("r10") flags,
                // A whole register: the upper half of one that is given 32 bits may hold anything, and of this one the
                // kernel takes all 64 for an address. Of `kept` it takes nothing, of the others the lower half.
                in("r8") 0_u64,
                in("r9") kept,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        result as i32
    }
    #[cfg(not(all(target_arch = "x86_64", target_pointer_width = "64")))]
    {
        let _ = kept;
        // SAFETY: no argument is passed.
        unsafe { enter(fd, to_submit, min_complete, flags, std::ptr::null(), 0) }
    }
}

/// The same through the C library, for the processors whose call is not written out above.
///
/// # Safety
///
/// As [`enter`].
#[cfg(any(
    test,
    not(all(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_pointer_width = "64"
    ))
))]
unsafe fn enter_by_wrapper(
    fd: i32,
    to_submit: u32,
    min_complete: u32,
    flags: u32,
    argument: *const c_void,
    size: usize,
) -> i32 {
    // SAFETY: the arguments are those of io_uring_enter(2).
    let result = unsafe {
        libc::syscall(
            libc::SYS_io_uring_enter,
            fd,
            to_submit,
            min_complete,
            flags,
            argument,
            size,
        )
    };
    if result < 0 {
        -Errno::last().raw()
    } else {
        result as i32
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::ptr;

    use ring_io_sys as sys;

    use super::{enter, enter_by_wrapper, enter_plain};
    use crate::ring::Ring;

    // The second one is compiled on this machine for this test's sake only.
    #[test]
    fn both_ways_into_the_kernel_answer_alike() {
        let mut ring = Ring::new(4).expect("a ring");
        let fd = ring.as_raw_fd();
        for call in [enter, enter_by_wrapper] {
            let mut sq = ring.sq();
            sq.push_nop(1).expect("room");
            sq.publish();
            drop(sq);
            // SAFETY: no argument is passed.
            unsafe {
                let wait = sys::IORING_ENTER_GETEVENTS;
                assert_eq!(call(fd, 1, 1, wait, ptr::null(), 0), 1);
                assert_eq!(call(-1, 0, 0, 0, ptr::null(), 0), -libc::EBADF);
                // Waits with a time, of which the kernel reads an address that is none.
                let timed = wait | sys::IORING_ENTER_EXT_ARG;
                let size = size_of::<sys::io_uring_getevents_arg>();
                assert_eq!(call(fd, 0, 9, timed, ptr::null(), size), -libc::EFAULT);
                assert_eq!(call(fd, 0, 9, timed, ptr::null(), size + 1), -libc::EINVAL);
            }
            assert_eq!(ring.cq().drain().count(), 1);
        }
    }

    #[test]
    fn the_kernel_ignores_the_size_of_an_argument_that_is_not_there() {
        let mut ring = Ring::new(4).expect("a ring");
        for kept in [0, 1, 8, 64, u32::MAX] {
            let mut sq = ring.sq();
            sq.push_nop(1).expect("room");
            sq.publish();
            drop(sq);
            let wait = sys::IORING_ENTER_GETEVENTS;
            assert_eq!(enter_plain(ring.as_raw_fd(), 1, 1, wait, kept), 1);
            assert_eq!(enter_plain(ring.as_raw_fd(), 0, 0, 0, kept), 0);
            assert_eq!(ring.cq().drain().count(), 1);
        }
    }
}
