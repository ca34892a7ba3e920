//! Making rings: sizes, flags, threads, and what dropping one leaves behind.

mod support;

use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use ring_io::{
    AnyThread, CompletionEntry, CompletionQueue, Cqe, Cqe32, Errno, Features, OneThread, Registrar,
    Ring, RingBuilder, SetupError, SetupFlags, Sqe, Sqe128, SubmissionEntry, SubmissionQueue,
};
use support::isolated::isolated_check;
use support::{drained, is_send_and_sync, over_entry_sizes, pipe, register_empty_slots, skip};

over_entry_sizes!(
    a_ring_can_be_made_and_dropped,
    entries_are_rounded_up_to_a_power_of_two,
    the_completion_queue_has_the_size_asked_for,
    entries_have_the_size_the_kernel_uses,
);

// The seed project's `t01_setup`.
fn a_ring_can_be_made_and_dropped<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let ring = builder(32).build().expect("a ring");
    assert!(ring.as_raw_fd() >= 0);
    assert_eq!(ring.as_fd().as_raw_fd(), ring.as_raw_fd());
    assert_eq!((ring.sq_entries(), ring.cq_entries()), (32, 64));
    assert!(ring.features().contains(Features::NODROP));
}

fn entries_are_rounded_up_to_a_power_of_two<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    for (asked, got) in [(1, 1), (3, 4), (4, 4), (5, 8)] {
        let mut ring = builder(asked).build().expect("a ring");
        assert_eq!((ring.sq_entries(), ring.cq_entries()), (got, 2 * got));
        assert_eq!(ring.sq().capacity(), got);
        assert_eq!(ring.cq().capacity(), 2 * got);
    }
}

fn the_completion_queue_has_the_size_asked_for<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let ring = builder(4).cq_entries(33).build().expect("a ring");
    assert_eq!((ring.sq_entries(), ring.cq_entries()), (4, 64));
    assert!(ring.setup_flags().contains(SetupFlags::CQSIZE));
}

// Entries of the wrong size would make the kernel read half of one as the next.
fn entries_have_the_size_the_kernel_uses<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(8).build().expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    for i in 0..8 {
        sq.push_nop(100 + i).expect("room");
    }
    assert_eq!(sq.submit_and_wait(8).expect("a submit").count(), 8);
    assert_eq!(drained(&mut cq), (100..108).collect::<Vec<_>>());
}

#[test]
fn no_index_array_is_used_where_the_kernel_can_do_without() {
    let ring = Ring::new(4).expect("a ring");
    let known = ring_io::capabilities().expect("io_uring").setup_flags();
    assert_eq!(
        ring.setup_flags().contains(SetupFlags::NO_SQARRAY),
        known.contains(SetupFlags::NO_SQARRAY)
    );
}

#[test]
fn clamp_cuts_sizes_down_to_the_limit() {
    let ring = Ring::builder(1 << 20).clamp().build().expect("a ring");
    assert_eq!((ring.sq_entries(), ring.cq_entries()), (32_768, 65_536));
}

#[test]
fn flags_of_the_builder_reach_the_kernel() {
    let flags = |ring: Result<Ring, SetupError>| ring.expect("a ring").setup_flags();
    let base = flags(Ring::builder(4).build());
    let added = |ring| flags(ring) - base;
    assert_eq!(added(Ring::builder(4).clamp().build()), SetupFlags::CLAMP);
    assert_eq!(
        added(Ring::builder(4).submit_all().build()),
        SetupFlags::SUBMIT_ALL
    );
    assert_eq!(
        added(Ring::builder(4).coop_taskrun().taskrun_flag().build()),
        SetupFlags::COOP_TASKRUN | SetupFlags::TASKRUN_FLAG
    );
    assert_eq!(
        added(
            Ring::builder(4)
                .sqpoll(Duration::ZERO)
                .sqpoll_cpu(0)
                .build()
        ),
        SetupFlags::SQPOLL | SetupFlags::SQ_AFF
    );
    assert_eq!(added(Ring::builder(4).iopoll().build()), SetupFlags::IOPOLL);
    let known = ring_io::capabilities().expect("io_uring").setup_flags();
    if known.contains(SetupFlags::HYBRID_IOPOLL) {
        assert_eq!(
            added(Ring::builder(4).hybrid_iopoll().build()),
            SetupFlags::IOPOLL | SetupFlags::HYBRID_IOPOLL
        );
    }
    let insisting = Ring::builder(4).no_sqarray().build();
    if known.contains(SetupFlags::NO_SQARRAY) {
        assert!(flags(insisting).contains(SetupFlags::NO_SQARRAY));
    } else {
        assert_eq!(
            insisting.expect_err("an old kernel"),
            SetupError::UnknownFlags(SetupFlags::NO_SQARRAY)
        );
    }
    let one_thread = Ring::builder(4).single_issuer().build().expect("a ring");
    assert_eq!(one_thread.setup_flags() - base, SetupFlags::SINGLE_ISSUER);
    let deferred = Ring::builder(4).defer_taskrun().build().expect("a ring");
    assert_eq!(
        deferred.setup_flags() - base,
        SetupFlags::SINGLE_ISSUER | SetupFlags::DEFER_TASKRUN
    );
    let wide = Ring::builder(4).sqe128().cqe32().build().expect("a ring");
    assert_eq!(
        wide.setup_flags() - base,
        SetupFlags::SQE128 | SetupFlags::CQE32
    );
}

#[test]
fn single_issuer_rings_work_on_their_thread() {
    let mut ring = Ring::builder(4).single_issuer().build().expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    sq.push_nop(1).expect("room");
    assert_eq!(sq.submit_and_wait(1).expect("a submit").count(), 1);
    assert_eq!(drained(&mut cq), [1]);
}

#[test]
fn rings_for_one_thread_cannot_leave_it_and_others_can() {
    type Bound = Ring<Sqe, Cqe, OneThread>;
    type Sq<M> = SubmissionQueue<'static, Sqe, M>;
    type Cq<M> = CompletionQueue<'static, Cqe, M>;
    assert_eq!(is_send_and_sync!(Ring), (true, true));
    assert_eq!(is_send_and_sync!(Ring<Sqe128, Cqe32>), (true, true));
    assert_eq!(is_send_and_sync!(Bound), (false, false));

    assert!(is_send_and_sync!(SubmissionQueue<'static>).0);
    assert!(is_send_and_sync!(CompletionQueue<'static>).0);
    assert_eq!(is_send_and_sync!(Registrar<'static>), (true, true));
    assert_eq!(is_send_and_sync!(Sq<AnyThread>), (true, true));
    assert_eq!(is_send_and_sync!(Cq<AnyThread>), (true, true));
    assert_eq!(is_send_and_sync!(Sq<OneThread>), (false, false));
    assert_eq!(is_send_and_sync!(Cq<OneThread>), (false, false));
    assert_eq!(
        is_send_and_sync!(Registrar<'static, OneThread>),
        (false, false)
    );
}

#[test]
fn workers_can_be_shared_with_another_ring() {
    let first = Ring::builder(4)
        .sqpoll(Duration::ZERO)
        .build()
        .expect("a ring");
    let mut second = Ring::builder(4)
        .sqpoll(Duration::ZERO)
        .share_workers_with(&first)
        .build()
        .expect("a ring");
    // The polling thread that both share outlives the ring that it was made for.
    drop(first);
    second.sq().push_nop(5).expect("room");
    assert_eq!(second.sq().submit_and_wait(1).expect("a submit").left(), 0);
    assert_eq!(drained(&mut second.cq()), [5]);
}

#[test]
fn sharing_workers_with_what_is_no_ring_is_refused() {
    let (reader, _writer) = pipe();
    let error = Ring::builder(4)
        .share_workers_with(&reader)
        .build()
        .expect_err("a pipe has no workers");
    assert_eq!(error.errno().raw(), libc::EINVAL);
}

// The kernel's numbers as the table with `SetupError` has them.
#[test]
fn a_ring_whose_workers_were_to_be_shared_and_that_is_gone_is_refused() {
    let other = Ring::new(4).expect("a ring");
    let builder = Ring::builder(4).share_workers_with(&other);
    isolated_check(
        "a_ring_whose_workers_were_to_be_shared_and_that_is_gone_is_refused",
        || {
            drop(other);
            let error = builder.build().expect_err("its number is free");
            let expected =
                [libc::ENXIO, libc::EBADF].map(|n| SetupError::Other(Errno::from_raw(n)));
            assert!(expected.contains(&error), "{error}");
        },
    );
}

#[test]
fn a_thousand_rings_leave_no_descriptor_and_no_mapping() {
    isolated_check(
        "a_thousand_rings_leave_no_descriptor_and_no_mapping",
        || {
            let before = (support::open_descriptors(), support::ring_mappings());
            for _ in 0..1_000 {
                let mut ring = Ring::new(4).expect("a ring");
                ring.sq().push_nop(1).expect("room");
                assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
            }
            assert_eq!(
                (support::open_descriptors(), support::ring_mappings()),
                before
            );
        },
    );
}

#[test]
fn a_ring_that_cannot_be_made_leaves_no_descriptor_and_no_mapping() {
    isolated_check(
        "a_ring_that_cannot_be_made_leaves_no_descriptor_and_no_mapping",
        || {
            let before = (support::open_descriptors(), support::ring_mappings());
            assert!(Ring::new(0).is_err());
            // The kernel makes this one, and then its memory cannot be mapped.
            support::seccomp::without_call(libc::SYS_mmap, libc::ENOMEM, || {
                assert!(Ring::new(4).is_err());
            });
            // And here it cannot be kept from children.
            let error = support::seccomp::without_call(libc::SYS_madvise, libc::EACCES, || {
                Ring::new(4).expect_err("madvise is refused")
            });
            assert_eq!(error.errno().raw(), libc::EACCES);
            assert_eq!(
                (support::open_descriptors(), support::ring_mappings()),
                before
            );
        },
    );
}

#[test]
fn a_ring_can_be_dropped_while_reads_are_in_flight() {
    let (reader, writer) = pipe();
    for _ in 0..20 {
        let mut ring = Ring::new(4).expect("a ring");
        for i in 0..4 {
            // Leaked, because the kernel may write to it after the ring is gone.
            let buffer = Box::leak(Box::new([0; 64]));
            // SAFETY: the buffer is never freed nor touched, and the pipe outlives the ring.
            unsafe { ring.sq().push(support::read(&reader, buffer, u64::MAX, i)) }.expect("room");
        }
        assert_eq!(ring.sq().submit().expect("a submit").count(), 4);
        assert!(ring.cq().is_empty(), "nothing was written to the pipe");
        drop(ring);
    }
    drop(writer);
}

#[test]
fn a_registered_ring_descriptor_serves_submits_and_registration() {
    let mut ring = Ring::new(4).expect("a ring").into_one_thread();
    match ring.register_ring_fd() {
        Err(error) if error.errno().raw() == libc::EINVAL => {
            return skip("registered ring descriptors need Linux 5.18");
        }
        other => other.expect("a place in the thread's table"),
    }
    assert_eq!(
        ring.register_ring_fd()
            .expect_err("it is there already")
            .errno()
            .raw(),
        libc::EEXIST
    );
    register_empty_slots(&ring.registrar(), 1).expect("a table");
    ring.sq().push_nop(1).expect("room");
    assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
    ring.registrar().unregister_files().expect("a table");

    ring.unregister_ring_fd().expect("it is there");
    assert_eq!(
        ring.unregister_ring_fd()
            .expect_err("it is gone")
            .errno()
            .raw(),
        libc::EINVAL
    );
    ring.sq().push_nop(2).expect("room");
    assert_eq!(ring.sq().submit_and_wait(2).expect("a submit").count(), 1);
    assert_eq!(drained(&mut ring.cq()), [1, 2]);
}

#[test]
fn rings_dropped_while_registered_leave_their_place_in_the_table() {
    // A thread of its own has a table of its own.
    std::thread::spawn(|| {
        // The table has 16 places.
        for round in 0..100 {
            let mut ring = Ring::builder(4).defer_taskrun().build().expect("a ring");
            ring.register_ring_fd()
                .unwrap_or_else(|error| panic!("round {round}: {error}"));
            ring.sq().push_nop(round).expect("room");
            assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
            assert_eq!(drained(&mut ring.cq()), [round]);
        }
    })
    .join()
    .expect("no panic");
}

#[test]
fn the_table_of_registered_rings_has_sixteen_places() {
    std::thread::spawn(|| {
        let mut rings = Vec::new();
        let refused = loop {
            let mut ring = Ring::new(1).expect("a ring").into_one_thread();
            match ring.register_ring_fd() {
                Ok(()) => rings.push(ring),
                Err(error) => break (ring, error),
            }
        };
        assert_eq!(rings.len(), 16);
        let (mut ring, error) = refused;
        assert_eq!(error.errno().raw(), libc::EBUSY);
        // The refusal changed nothing: the ring works as before.
        ring.sq().push_nop(1).expect("room");
        assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
        // Any place that becomes free can be taken.
        rings.swap_remove(7);
        ring.register_ring_fd().expect("a place");
        ring.sq().push_nop(2).expect("room");
        assert_eq!(ring.sq().submit_and_wait(2).expect("a submit").count(), 1);
    })
    .join()
    .expect("no panic");
}
