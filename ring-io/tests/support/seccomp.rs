//! Threads for which one system call fails with a number of the test's choice.

use std::thread;

/// Runs `body` on a thread where `call` (`libc::SYS_*`) always ends with `errno`.
///
/// The filter binds that thread alone, and ends with it.
pub(crate) fn without_call<T: Send>(
    call: libc::c_long,
    errno: i32,
    body: impl FnOnce() -> T + Send,
) -> T {
    thread::scope(|scope| {
        scope
            .spawn(|| {
                refuse(call, errno);
                body()
            })
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Runs `body` on a thread where `io_uring_enter(2)` ends with `errno` whenever one of `flags` is set.
// Other programs include this file too, and use a part.
#[allow(dead_code)]
pub(crate) fn without_enter_flags<T: Send>(
    flags: u32,
    errno: i32,
    body: impl FnOnce() -> T + Send,
) -> T {
    // The flags are the fourth argument, the low half of the word at 16 + 3 * 8 of `struct seccomp_data`.
    let offset = 40 + if cfg!(target_endian = "big") { 4 } else { 0 };
    let if_call = |equal, other| {
        let call = libc::SYS_io_uring_enter as u32;
        step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            equal,
            other,
            call,
        )
    };
    thread::scope(|scope| {
        scope
            .spawn(|| {
                filter(&mut [
                    step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
                    if_call(0, 3),
                    step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset),
                    step(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0, 1, flags),
                    refusal(errno),
                    step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
                ]);
                body()
            })
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Refuses the call on this thread, for ever.
pub(crate) fn refuse(call: libc::c_long, errno: i32) {
    filter(&mut [
        // The call's number is the first word of `struct seccomp_data`.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            call as u32,
        ),
        refusal(errno),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]);
}

const fn step(code: u32, jump_true: u8, jump_false: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt: jump_true,
        jf: jump_false,
        k,
    }
}

const fn refusal(errno: i32) -> libc::sock_filter {
    step(
        libc::BPF_RET | libc::BPF_K,
        0,
        0,
        libc::SECCOMP_RET_ERRNO | errno as u32,
    )
}

/// Binds this thread to the filter.
fn filter(steps: &mut [libc::sock_filter]) {
    let program = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: both calls concern this thread only; the program is copied by the kernel.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let result = libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        );
        assert_eq!(result, 0, "seccomp: {}", std::io::Error::last_os_error());
    }
}
