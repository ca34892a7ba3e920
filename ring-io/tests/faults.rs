//! Where no ring can be made: the message that the user reads, word for word.

mod support;

use std::io;

use ring_io::{Denial, Limit, Ring, SetupError, SetupFlags, capabilities, is_available};
use support::isolated::{become_nobody, isolated, isolated_check, set_soft_limit};
use support::seccomp::without_call;
use support::skip;

/// Asserts the message, shows it, and asserts that `io::Error` keeps its number.
fn assert_says(error: &SetupError, errno: i32, message: &str) {
    println!("{error}");
    assert_eq!(error.to_string(), message);
    assert_eq!(format!("{error:?}"), message, "as a `main` prints it");
    assert_eq!(error.errno().raw(), errno);
    assert_eq!(io::Error::from(error.clone()).raw_os_error(), Some(errno));
}

/// What the machine says of `io_uring`, which the message of a denial quotes.
fn sysctl() -> String {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[test]
fn a_seccomp_filter_that_denies_the_setup_is_named() {
    if sysctl() != "0" {
        return skip("the sysctl kernel.io_uring_disabled is not 0, so the message is another");
    }
    let error = without_call(libc::SYS_io_uring_setup, libc::EPERM, || {
        Ring::new(8).expect_err("the call is denied")
    });
    assert_eq!(error, SetupError::Denied(Denial::Filter));
    assert_says(
        &error,
        libc::EPERM,
        "io_uring_setup is denied (EPERM): the sysctl kernel.io_uring_disabled does not forbid it, so a seccomp filter or a security module does; in a container, allow io_uring_setup, io_uring_enter and io_uring_register in its seccomp profile",
    );
}

#[test]
fn a_seccomp_filter_that_hides_the_setup_is_named() {
    let error = without_call(libc::SYS_io_uring_setup, libc::ENOSYS, || {
        Ring::new(8).expect_err("the call is hidden")
    });
    assert_eq!(error, SetupError::Missing);
    assert_says(
        &error,
        libc::ENOSYS,
        "io_uring_setup does not exist here (ENOSYS): the kernel is older than Linux 5.1 or built without CONFIG_IO_URING, or a seccomp filter hides the call; use a newer kernel, or allow io_uring_setup, io_uring_enter and io_uring_register in the filter",
    );
}

#[test]
fn memory_that_may_not_be_locked_is_counted() {
    let said = isolated("memory_that_may_not_be_locked_is_counted", || {
        set_soft_limit(libc::RLIMIT_MEMLOCK, 64 << 10);
        if !become_nobody() {
            return "not root".to_owned();
        }
        let error = Ring::new(4096).expect_err("more than 64 KiB");
        assert!(matches!(
            error,
            SetupError::Memory {
                limit: Limit::Finite(65_536),
                ..
            }
        ));
        assert_eq!(
            io::Error::from(error.clone()).raw_os_error(),
            Some(libc::ENOMEM)
        );
        // As the message says, a smaller one fits.
        drop(Ring::new(8).expect("a small ring"));
        error.to_string()
    });
    if said == "not root" {
        return skip("only root can become somebody whose memory is limited");
    }
    println!("{said}");
    // 4096 entries of 64 bytes; 8192 of 16 bytes and a page for what goes with them.
    assert_eq!(
        said,
        "not enough memory for the ring (ENOMEM): it needs about 413696 bytes, RLIMIT_MEMLOCK is 65536, and rings that were just closed may still count; make a smaller ring, raise the limit (ulimit -l), or run with CAP_IPC_LOCK"
    );
}

#[test]
fn the_limit_of_open_files_is_named() {
    let said = isolated("the_limit_of_open_files_is_named", || {
        // Standard input, output and error are open, and perhaps more.
        set_soft_limit(libc::RLIMIT_NOFILE, 3);
        let error = Ring::new(8).expect_err("no descriptor is left");
        assert_eq!(
            error,
            SetupError::OpenFiles {
                limit: Limit::Finite(3)
            }
        );
        assert_eq!(
            io::Error::from(error.clone()).raw_os_error(),
            Some(libc::EMFILE)
        );
        error
    });
    println!("{said}");
    assert_eq!(
        said,
        "no descriptor is left for the ring (EMFILE): RLIMIT_NOFILE is 3; close files, or raise the limit (ulimit -n)"
    );
}

#[test]
fn sizes_that_are_not_possible_are_named() {
    let says = |queues: &str| {
        format!(
            "a ring of {queues} is not possible (EINVAL): a submission queue holds 1 to 32768, a completion queue at least as many and at most 65536; choose sizes in these ranges, or ask for clamp"
        )
    };
    for entries in [0, 32_769, 65_537, u32::MAX] {
        let error = Ring::new(entries).expect_err("not possible");
        assert_eq!(error, SetupError::Size { sq: entries, cq: 0 });
        assert_says(
            &error,
            libc::EINVAL,
            &says(&format!("{entries} submission entries")),
        );
    }
    for (sq, cq) in [(8, 0), (8, 4), (8, 65_537)] {
        let error = Ring::builder(sq)
            .cq_entries(cq)
            .build()
            .expect_err("not possible");
        assert_eq!(error, SetupError::Size { sq, cq });
        assert_says(
            &error,
            libc::EINVAL,
            &says(&format!(
                "{sq} submission entries and {cq} completion entries"
            )),
        );
    }
    // Not even cut down.
    for builder in [
        Ring::builder(0).clamp(),
        Ring::builder(8).cq_entries(0).clamp(),
    ] {
        assert!(matches!(builder.build(), Err(SetupError::Size { .. })));
    }
    // At the limits.
    drop(
        Ring::builder(32_768)
            .cq_entries(65_536)
            .build()
            .expect("the largest"),
    );
    drop(
        Ring::builder(5)
            .cq_entries(5)
            .build()
            .expect("both rounded up"),
    );
}

#[test]
fn a_value_that_a_flag_takes_is_named_as_a_possible_cause() {
    let error = Ring::builder(1)
        .sqpoll(std::time::Duration::ZERO)
        .sqpoll_cpu(9999)
        .build()
        .expect_err("there is no such CPU");
    assert_says(
        &error,
        libc::EINVAL,
        "the kernel refuses these setup flags together, or a value that one of them takes (EINVAL): IORING_SETUP_SQPOLL, IORING_SETUP_SQ_AFF; see io_uring_setup(2)",
    );
}

#[test]
fn flags_that_do_not_go_together_are_named() {
    let error = Ring::builder(8)
        .taskrun_flag()
        .build()
        .expect_err("a flag without its base");
    assert_eq!(
        error,
        SetupError::Needs {
            flag: SetupFlags::TASKRUN_FLAG,
            one_of: SetupFlags::COOP_TASKRUN | SetupFlags::DEFER_TASKRUN,
        }
    );
    assert_says(
        &error,
        libc::EINVAL,
        "IORING_SETUP_TASKRUN_FLAG needs IORING_SETUP_COOP_TASKRUN or IORING_SETUP_DEFER_TASKRUN beside it (EINVAL); add that, or leave the first out",
    );
    let error = Ring::builder(8)
        .defer_taskrun()
        .sqpoll(std::time::Duration::ZERO)
        .build()
        .expect_err("the poller runs no task work");
    assert_says(
        &error,
        libc::EINVAL,
        "IORING_SETUP_SQPOLL does not go together with IORING_SETUP_DEFER_TASKRUN (EINVAL); leave one of them out",
    );
    let error = Ring::builder(8)
        .sqpoll_cpu(0)
        .build()
        .expect_err("nobody polls");
    assert_eq!(
        error,
        SetupError::Needs {
            flag: SetupFlags::SQ_AFF,
            one_of: SetupFlags::SQPOLL,
        }
    );
    let error = Ring::builder(8)
        .sqpoll(std::time::Duration::ZERO)
        .coop_taskrun()
        .taskrun_flag()
        .build()
        .expect_err("the poller has task work of its own");
    assert_eq!(
        error,
        SetupError::Excludes {
            flag: SetupFlags::SQPOLL,
            others: SetupFlags::COOP_TASKRUN | SetupFlags::TASKRUN_FLAG,
        }
    );
}

#[test]
fn any_other_number_keeps_its_meaning() {
    let error = without_call(libc::SYS_io_uring_setup, libc::EFAULT, || {
        Ring::new(8).expect_err("the call fails")
    });
    assert_says(
        &error,
        libc::EFAULT,
        "io_uring_setup failed: Bad address (os error 14)",
    );
    let error = without_call(libc::SYS_io_uring_setup, libc::ENFILE, || {
        Ring::new(8).expect_err("the call fails")
    });
    assert_says(
        &error,
        libc::ENFILE,
        "no file is left for the ring on the whole system (ENFILE); see the sysctl fs.file-max",
    );
}

#[test]
fn capabilities_say_why_there_are_none_and_ask_again() {
    isolated_check("capabilities_say_why_there_are_none_and_ask_again", || {
        // Nobody has asked before in this process.
        without_call(libc::SYS_io_uring_setup, libc::ENOSYS, || {
            assert_eq!(capabilities(), Err(SetupError::Missing));
            assert!(!is_available());
        });
        let kernel = capabilities().expect("another thread may");
        // From now on it is known, also where no ring can be made.
        without_call(libc::SYS_io_uring_setup, libc::ENOSYS, || {
            assert_eq!(capabilities(), Ok(kernel));
            assert!(is_available());
        });
    });
}
