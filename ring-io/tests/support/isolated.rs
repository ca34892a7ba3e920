//! Tests that change their whole process, or count what the process has: each runs in one of its own.

use std::env;
use std::fmt::Display;
use std::io::Write as _;
use std::process::Command;

/// Set for the process that runs one test alone.
const ALONE: &str = "RING_IO_TEST_ALONE";
/// Between these stands the answer, among what the harness prints.
const MARK: &str = "\u{1}answer\u{1}";

/// Runs `body` in a process of its own and answers with what it returned, as text.
///
/// `test` is the full name of the calling test. The process is this program again, told to run that test
/// only; the call that finds itself there runs the body and never returns.
pub(crate) fn isolated<T: Display>(test: &str, body: impl FnOnce() -> T) -> String {
    if env::var_os(ALONE).is_some() {
        print!("{MARK}{}{MARK}", body());
        std::io::stdout().flush().expect("somebody listens");
        // Not back into the harness, which might need what the body has given up. And not through Rust's own exit, which
        // unmaps the main thread's signal stack: a change of user has all threads run a handler there, and the main one may
        // not have come back from it.
        //
        // SAFETY: no other thread of ours runs.
        unsafe { libc::exit(0) };
    }
    let output = Command::new(env::current_exe().expect("the path of this program"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ALONE, "1")
        .output()
        .expect("this program starts again");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let mut parts = stdout.split(MARK);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(answer), Some(_)) if output.status.success() => answer.to_owned(),
        _ => panic!(
            "{test}, alone: {}\n{stdout}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

/// [`isolated`] for a body that asserts by itself.
pub(crate) fn isolated_check(test: &str, body: impl FnOnce()) {
    let answer = isolated(test, || {
        body();
        "well"
    });
    assert_eq!(answer, "well");
}

// The C libraries disagree about the type of a resource's name.
#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

/// Sets a soft limit of this process.
pub(crate) fn set_soft_limit(resource: Resource, value: libc::rlim_t) {
    let mut limit = limits(resource);
    limit.rlim_cur = value;
    // SAFETY: setrlimit(2) reads one rlimit.
    let result = unsafe { libc::setrlimit(resource, &raw const limit) };
    assert_eq!(result, 0, "setrlimit: {}", std::io::Error::last_os_error());
}

/// Both limits of this process.
pub(crate) fn limits(resource: Resource) -> libc::rlimit {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: getrlimit(2) writes one rlimit.
    let result = unsafe { libc::getrlimit(resource, &raw mut limit) };
    assert_eq!(result, 0);
    limit
}

/// Gives all privileges up, for good. Answers whether there were any to give up.
pub(crate) fn become_nobody() -> bool {
    const NOBODY: u32 = 65_534;
    // SAFETY: these take numbers only; the process is this test's alone.
    unsafe {
        if libc::geteuid() != 0 {
            return false;
        }
        assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
        assert_eq!(libc::setresgid(NOBODY, NOBODY, NOBODY), 0);
        assert_eq!(libc::setresuid(NOBODY, NOBODY, NOBODY), 0);
    }
    true
}
