//! The long commands on a machine that forbids io_uring: they end at once and say why.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};

/// Makes `io_uring_setup` fail with `errno` in the calling thread and all that it starts.
fn deny_io_uring_setup(errno: u32) -> io::Result<()> {
    const fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
        libc::sock_filter {
            code: code as u16,
            jt,
            jf,
            k,
        }
    }
    let mut filter = [
        // The number of the system call is the first word of `struct seccomp_data`.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            libc::SYS_io_uring_setup as u32,
        ),
        instruction(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | errno,
        ),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: `PR_SET_NO_NEW_PRIVS` takes four numbers, the last three zero.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The kernel copies `program` and the `len` instructions behind it, both alive here.
    if unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    } != 0
    {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Runs `cargo xtask COMMAND` where io_uring fails with `errno`.
fn xtask(command: &str, errno: i32) -> Output {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.arg(command);
    // If it went on all the same, it must not start this very test anew.
    xtask.env("CARGO", "/bin/false");
    // SAFETY: The closure makes system calls on its own stack: nothing that is forbidden after `fork(2)`.
    unsafe { xtask.pre_exec(move || deny_io_uring_setup(errno as u32)) };
    xtask.output().expect("xtask starts")
}

#[track_caller]
fn assert_says(output: &Output, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        output.stdout.is_empty(),
        "it went on: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    for word in words {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
}

#[test]
fn a_forbidden_call_is_explained_before_any_step() {
    for command in ["test", "demo", "ci"] {
        let words = [
            "error: io_uring does not work here",
            "Operation not permitted",
            "a seccomp filter is active",
        ];
        assert_says(&xtask(command, libc::EPERM), &words);
    }
}

#[test]
fn a_missing_call_is_explained_before_any_step() {
    for command in ["test", "demo", "ci"] {
        let words = [
            "error: io_uring does not work here",
            "Function not implemented",
            "older than 5.1",
            "seccomp",
        ];
        assert_says(&xtask(command, libc::ENOSYS), &words);
    }
}
