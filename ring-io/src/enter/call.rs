//! The system call itself.

use std::ffi::c_void;

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
    {
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
}
