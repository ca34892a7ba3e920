//! Where the kernel's workers run, and how many there may be.

mod support;

use std::ffi::CString;
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::thread;

use ring_io::{CpuSet, MaxWorkers, RegisterError, Ring, Sqe, SqeFlags, sys};
use support::isolated::isolated_check;
use support::skip;
use tempfile::TempDir;

/// The CPUs that this thread may use.
fn allowed() -> CpuSet {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: sched_getaffinity(2) writes at most as much as it is told.
    let result =
        unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr()) };
    assert_eq!(result, 0);
    // SAFETY: zeroed, then written.
    unsafe { set.assume_init() }.into()
}

/// The CPUs of each worker of this thread, as `/proc` lists them.
fn cpus_of_workers() -> Vec<String> {
    // SAFETY: gettid(2) takes nothing.
    let name = format!("iou-wrk-{}", unsafe { libc::gettid() });
    let tasks = fs::read_dir("/proc/self/task").expect("procfs");
    tasks
        .filter_map(|task| {
            let task = task.ok()?.path();
            // A task may be gone by now.
            let comm = fs::read_to_string(task.join("comm")).ok()?;
            let status = fs::read_to_string(task.join("status")).ok()?;
            let cpus = status
                .lines()
                .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
            (comm.trim() == name).then(|| cpus.trim().to_owned())
        })
        .collect()
}

/// Keeps one worker busy: it opens a FIFO that nobody writes to. (A read from a pipe would not do: the worker
/// leaves that waiting, and is free.)
struct Busy {
    path: CString,
    _directory: TempDir,
}

impl Busy {
    fn start(ring: &mut Ring) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("fifo");
        let path = CString::new(path.as_os_str().as_bytes()).expect("no zero within");
        // SAFETY: mkfifo(3) reads a string.
        assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
        let mut sqe = Sqe::new();
        sqe.set_opcode(sys::IORING_OP_OPENAT as u8)
            .set_fd(libc::AT_FDCWD)
            .set_addr(path.as_ptr() as u64)
            .set_op_flags((libc::O_RDONLY | libc::O_CLOEXEC) as u32)
            .insert_flags(SqeFlags::ASYNC);
        // SAFETY: `end` reaps the request before the path goes.
        unsafe { ring.sq().push(sqe) }.expect("room");
        assert_eq!(ring.sq().submit().expect("a submit").count(), 1);
        Self {
            path,
            _directory: directory,
        }
    }

    /// Opens the other end, so that the worker's open returns.
    fn end(self, ring: &mut Ring) {
        // SAFETY: open(2) reads a string.
        let writer = unsafe { libc::open(self.path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
        assert!(writer >= 0, "open: {}", std::io::Error::last_os_error());
        assert_eq!(ring.cq().wait(1), Ok(1));
        let reader = ring.cq().pop().expect("the wait saw it").raw_result();
        assert!(reader >= 0, "{reader}");
        // SAFETY: both were just opened for us.
        drop(unsafe { (OwnedFd::from_raw_fd(reader), OwnedFd::from_raw_fd(writer)) });
    }
}

/// Where a worker of this thread may run.
fn cpus_of_a_worker(ring: &mut Ring) -> String {
    let busy = Busy::start(ring);
    // The worker takes its name when it first runs.
    let cpus = loop {
        match cpus_of_workers().pop() {
            Some(cpus) => break cpus,
            None => thread::yield_now(),
        }
    };
    busy.end(ring);
    cpus
}

#[test]
fn workers_run_where_they_are_told() {
    // A thread of its own: the setting belongs to the thread.
    for cpu in allowed().iter() {
        let cpus = thread::spawn(move || {
            let mut ring = Ring::new(4).expect("a ring");
            ring.registrar()
                .register_worker_cpus(&CpuSet::from_iter([cpu]))
                .expect("an allowed one");
            cpus_of_a_worker(&mut ring)
        });
        assert_eq!(cpus.join().expect("the thread"), cpu.to_string());
    }
}

#[test]
fn unregistered_workers_run_where_their_thread_may() {
    let before = thread::spawn(|| cpus_of_a_worker(&mut Ring::new(4).expect("a ring")));
    let after = thread::spawn(|| {
        let mut ring = Ring::new(4).expect("a ring");
        let first = allowed().iter().next().expect("a CPU");
        let registrar = ring.registrar();
        registrar
            .register_worker_cpus(&CpuSet::from_iter([first]))
            .expect("an allowed one");
        registrar
            .unregister_worker_cpus()
            .expect("there are workers");
        registrar
            .unregister_worker_cpus()
            .expect("no error without a registration");
        cpus_of_a_worker(&mut ring)
    });
    assert_eq!(
        after.join().expect("the thread"),
        before.join().expect("the thread")
    );
}

// What the kernel compares with is the thread's cpuset, not what the thread has bound itself to.
#[test]
fn a_cpu_of_this_machine_that_the_thread_may_not_use_is_refused_by_name() {
    let possible = fs::read_to_string("/sys/devices/system/cpu/possible").expect("sysfs");
    let cpus: CpuSet = (0..=last_cpu(&possible)).collect();
    if cpus == allowed() {
        return skip("this thread may use every CPU of the machine");
    }
    let mut ring = Ring::new(4).expect("a ring");
    let error = ring
        .registrar()
        .register_worker_cpus(&cpus)
        .expect_err("not allowed");
    assert_eq!(error, RegisterError::WorkerCpus);
    assert_eq!(error.errno().raw(), libc::EINVAL);
}

#[test]
fn cpus_that_the_machine_lacks_are_ignored() {
    let possible = fs::read_to_string("/sys/devices/system/cpu/possible").expect("sysfs");
    let first = allowed().iter().next().expect("a CPU");
    let beyond = last_cpu(&possible).next_multiple_of(64).max(64)..CpuSet::CPUS_MAX;
    let cpus = thread::spawn(move || {
        let mut ring = Ring::new(4).expect("a ring");
        ring.registrar()
            .register_worker_cpus(&beyond.chain([first]).collect())
            .expect("an allowed one");
        cpus_of_a_worker(&mut ring)
    });
    assert_eq!(cpus.join().expect("the thread"), first.to_string());
}

/// The last of a list as sysfs writes it: `0-3`, or `0`.
fn last_cpu(list: &str) -> usize {
    let last = list.trim().rsplit(['-', ',']).next().expect("a list");
    last.parse().expect("a number")
}

#[test]
fn a_thread_that_has_used_no_ring_has_no_workers_to_bind() {
    let mut ring = Ring::new(4).expect("a ring");
    let registrar = ring.registrar();
    thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(
                registrar.register_worker_cpus(&allowed()),
                Err(RegisterError::WorkerCpus)
            );
            assert_eq!(
                registrar.unregister_worker_cpus(),
                Err(RegisterError::WorkerCpus)
            );
            assert_eq!(
                registrar.register_max_workers(MaxWorkers::default()),
                Ok(MaxWorkers::default())
            );
        });
    });
}

#[test]
fn a_set_holds_what_was_put_in() {
    let mut set = CpuSet::new();
    assert!(set.is_empty());
    set.extend([5, 0, CpuSet::CPUS_MAX - 1]);
    assert_eq!(set.iter().collect::<Vec<_>>(), [0, 5, CpuSet::CPUS_MAX - 1]);
    assert_eq!(
        format!("{set:?}"),
        format!("{{0, 5, {}}}", CpuSet::CPUS_MAX - 1)
    );
    assert!(!set.contains(CpuSet::CPUS_MAX) && !set.contains(usize::MAX));
    set.remove(5);
    set.remove(usize::MAX);
    assert!(!set.contains(5) && set.contains(0));
    assert!(!set.is_empty() && CpuSet::default().is_empty());
}

#[test]
#[should_panic(expected = "a set of CPUs has no place for number 1024")]
fn a_set_refuses_a_number_beyond_its_end() {
    CpuSet::new().insert(CpuSet::CPUS_MAX);
}

#[test]
fn limits_are_answered_with_what_was_before() {
    thread::spawn(|| {
        let mut ring = Ring::new(4).expect("a ring");
        let registrar = ring.registrar();
        let set = |bounded, unbounded| {
            registrar
                .register_max_workers(MaxWorkers { bounded, unbounded })
                .expect("Linux 5.15")
        };
        let start = set(3, 0);
        assert!(start.bounded > 0 && start.unbounded > 0, "{start:?}");
        let MaxWorkers { unbounded, .. } = start;
        assert_eq!(
            set(0, 2),
            MaxWorkers {
                bounded: 3,
                unbounded
            }
        );
        assert_eq!(
            set(0, 0),
            MaxWorkers {
                bounded: 3,
                unbounded: 2
            }
        );
        assert_eq!(
            set(0, 0),
            MaxWorkers {
                bounded: 3,
                unbounded: 2
            }
        );
    })
    .join()
    .expect("the thread");
}

#[test]
fn a_limit_beyond_the_kernels_numbers_is_refused() {
    let mut ring = Ring::new(4).expect("a ring");
    for (bounded, unbounded) in [(u32::MAX, 0), (0, 1 << 31)] {
        let error = ring
            .registrar()
            .register_max_workers(MaxWorkers { bounded, unbounded })
            .expect_err("too many");
        assert_eq!(error.errno().raw(), libc::EINVAL);
    }
}

#[test]
fn no_more_workers_than_the_limit_are_made() {
    isolated_check("no_more_workers_than_the_limit_are_made", || {
        let tasks = || fs::read_dir("/proc/self/task").expect("procfs").count();
        let mut ring = Ring::new(4).expect("a ring");
        let before = tasks();
        ring.registrar()
            .register_max_workers(MaxWorkers {
                bounded: 1,
                unbounded: 0,
            })
            .expect("Linux 5.15");
        let busy = [(); 3].map(|()| Busy::start(&mut ring));
        assert_eq!(tasks(), before + 1);
        // In their order: one that has no worker yet would wait for one.
        for request in busy {
            request.end(&mut ring);
        }
    });
}
