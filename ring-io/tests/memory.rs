//! Rings in memory that the program brings, and rings without a descriptor.

mod support;

use std::ffi::c_void;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};

use ring_io::{
    AdoptError, AnyThread, CompletionEntry, Cqe, Errno, Features, OneThread, RegisterError,
    RegisteredOnly, Ring, RingBuilder, RingMemory, RingMemoryError, SetupError, SetupFlags, Sqe,
    SubmissionEntry, ThreadMode,
};
use support::isolated::isolated_check;
use support::{
    drained, is_send_and_sync, over_entry_sizes, pipe, read, register_empty_slots, skip,
};

over_entry_sizes!(
    a_ring_works_in_memory_of_the_program,
    a_ring_without_a_descriptor_works,
);

/// Whether the kernel takes memory for a ring; if not, the test is skipped.
fn has_no_mmap() -> bool {
    let known = ring_io::capabilities().expect("io_uring").setup_flags();
    let has = known.contains(SetupFlags::NO_MMAP | SetupFlags::REGISTERED_FD_ONLY);
    if !has {
        skip("memory of the program needs Linux 6.5");
    }
    has
}

/// Full queues there and back, until the counters have gone around a few times.
fn work<S: SubmissionEntry, C: CompletionEntry, M: ThreadMode>(ring: &mut Ring<S, C, M>) {
    let (mut sq, mut cq, _) = ring.split();
    let n = sq.capacity();
    for round in 0..5 {
        let tags: Vec<_> = (0..u64::from(n)).map(|i| 1_000 * round + i).collect();
        for &tag in &tags {
            sq.push_nop(tag).expect("room");
        }
        assert_eq!(sq.submit_and_wait(n).expect("a submit").count(), n);
        assert_eq!(drained(&mut cq), tags);
    }
}

/// How many mappings this process has.
fn mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("procfs");
    maps.lines().count()
}

fn memory_for<S: SubmissionEntry, C: CompletionEntry, M: ThreadMode>(
    builder: &RingBuilder<S, C, M>,
) -> RingMemory {
    RingMemory::new(builder.memory_size().expect("a possible size")).expect("memory")
}

fn a_ring_works_in_memory_of_the_program<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    if !has_no_mmap() {
        return;
    }
    for entries in [1, 8, 64, 256, 4096] {
        let builder = builder(entries);
        let memory = memory_for(&builder);
        let mut ring = builder.memory(memory).build().expect("a ring");
        assert!(ring.setup_flags().contains(SetupFlags::NO_MMAP));
        assert_eq!(
            (ring.sq_entries(), ring.cq_entries()),
            (entries, 2 * entries)
        );
        work(&mut ring);
    }
}

fn a_ring_without_a_descriptor_works<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    if !has_no_mmap() {
        return;
    }
    let builder = builder(8);
    let memory = memory_for(&builder);
    let mut ring = builder.registered_fd_only(memory).build().expect("a ring");
    work(&mut ring);
    register_empty_slots(&ring.registrar(), 2).expect("a table");
    ring.registrar().unregister_files().expect("a table");
}

#[test]
fn the_memory_of_the_program_goes_with_the_ring() {
    if !has_no_mmap() {
        return;
    }
    isolated_check("the_memory_of_the_program_goes_with_the_ring", || {
        let make = || {
            let builder = Ring::builder(64).defer_taskrun();
            let memory = memory_for(&builder);
            builder.memory(memory).build().expect("a ring")
        };
        work(&mut make());
        let before = mappings();
        for _ in 0..50 {
            drop(make());
            // C unmaps it too.
            let mut raw = make().into_raw();
            // SAFETY: nobody uses the ring after this.
            unsafe { ring_io_sys::io_uring_queue_exit(&raw mut raw) };
        }
        assert!(
            mappings() <= before + 2,
            "{} mappings, {before} before",
            mappings()
        );
    });
}

#[test]
fn a_ring_in_memory_of_the_program_can_be_dropped_while_reads_are_in_flight() {
    if !has_no_mmap() {
        return;
    }
    let (reader, writer) = pipe();
    for _ in 0..20 {
        let builder = Ring::builder(4);
        let memory = memory_for(&builder);
        let mut ring = builder.memory(memory).build().expect("a ring");
        for i in 0..4 {
            // Leaked, because the kernel may write to it after the ring is gone.
            let buffer = Box::leak(Box::new([0; 64]));
            // SAFETY: the buffer is never freed nor touched, and the pipe outlives the ring.
            unsafe { ring.sq().push(read(&reader, buffer, u64::MAX, i)) }.expect("room");
        }
        assert_eq!(ring.sq().submit().expect("a submit").count(), 4);
        // The completions that the kernel still posts go to pages that it holds itself.
        drop(ring);
    }
    drop(writer);
}

#[test]
fn memory_that_is_given_to_a_ring_is_kept_from_children_unless_asked_otherwise() {
    if !has_no_mmap() {
        return;
    }
    isolated_check(
        "memory_that_is_given_to_a_ring_is_kept_from_children_unless_asked_otherwise",
        || {
            let before = support::mappings_kept_from_children();
            let builder = || Ring::builder(8);
            let memory = || memory_for(&builder());
            let ring = builder().memory(memory()).build().expect("a ring");
            assert_eq!(support::mappings_kept_from_children(), before + 1);
            drop(ring);
            let builder = builder().inherit_on_fork().memory(memory());
            let _ring = builder.build().expect("a ring");
            assert_eq!(support::mappings_kept_from_children(), before);
        },
    );
}

#[test]
fn two_rings_share_memory_that_is_lent() {
    if !has_no_mmap() {
        return;
    }
    let bytes = Ring::builder(32).memory_size().expect("a size") as usize;
    // SAFETY: a fresh mapping.
    let start = unsafe {
        libc::mmap(
            ptr::null_mut(),
            2 * bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    let first = NonNull::new(start).expect("a mapping");
    // SAFETY: within the mapping.
    let second = unsafe { NonNull::new_unchecked(start.byte_add(bytes)) };
    let ring = |start: NonNull<c_void>| {
        // SAFETY: each part is for one ring, and mapped until both are dropped.
        unsafe { Ring::builder(32).memory_raw(start, bytes) }
            .build()
            .expect("a ring")
    };
    let (mut one, mut two) = (ring(first), ring(second));
    for _ in 0..10 {
        work(&mut one);
        work(&mut two);
    }
    drop(one);
    work(&mut two);
    drop(two);
    // SAFETY: the rings are gone, and they left the memory to us.
    assert_eq!(unsafe { libc::munmap(start, 2 * bytes) }, 0);
}

// The kernel writes to a ring's pages after the ring is gone. The next ring at the same place is safe from that once
// the place has other pages.
#[test]
fn a_place_serves_ring_after_ring_if_it_is_mapped_anew() {
    if !has_no_mmap() {
        return;
    }
    let bytes = Ring::builder(8).memory_size().expect("a size") as usize;
    let map = |place: *mut c_void, fixed: i32| {
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | fixed;
        // SAFETY: a fresh mapping, or one in the place of an earlier one of this test.
        let start = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(place, bytes, protection, flags, -1, 0)
        };
        assert_ne!(start, libc::MAP_FAILED);
        start
    };
    let start = map(ptr::null_mut(), 0);
    for _ in 0..1_000 {
        let place = NonNull::new(map(start, libc::MAP_FIXED)).expect("the same place");
        // SAFETY: these pages are for this ring alone, and stay mapped until it is dropped.
        let builder = unsafe { Ring::builder(8).memory_raw(place, bytes) };
        work(&mut builder.build().expect("a ring"));
    }
    // SAFETY: the rings are gone.
    assert_eq!(unsafe { libc::munmap(start, bytes) }, 0);
}

#[test]
fn memory_that_nobody_may_write_is_refused_and_left_alone() {
    if !has_no_mmap() {
        return;
    }
    let bytes = Ring::builder(8).memory_size().expect("a size") as usize;
    // SAFETY: a fresh mapping.
    let start = unsafe {
        let (protection, flags) = (libc::PROT_READ, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0)
    };
    let place = NonNull::new(start).expect("a mapping");
    // SAFETY: the kernel refuses, and then nobody uses the memory.
    let error = unsafe { Ring::builder(8).memory_raw(place, bytes) }.build();
    let expected = SetupError::Other(Errno::from_raw(libc::EFAULT));
    assert_eq!(error.expect_err("read-only"), expected);
    // SAFETY: the mapping is ours.
    assert_eq!(unsafe { libc::munmap(start, bytes) }, 0);
}

#[test]
fn a_ring_without_a_descriptor_needs_a_place_in_the_table() {
    if !has_no_mmap() {
        return;
    }
    isolated_check(
        "a_ring_without_a_descriptor_needs_a_place_in_the_table",
        || {
            let make = || {
                let builder = Ring::builder(1);
                let memory = memory_for(&builder);
                builder.registered_fd_only(memory).build()
            };
            let before = (support::open_descriptors(), mappings());
            let mut rings: Vec<_> = (0..16).map(|_| make().expect("a place")).collect();
            for _ in 0..3 {
                let expected = SetupError::Other(Errno::from_raw(libc::EBUSY));
                assert_eq!(make().expect_err("no place"), expected);
            }
            rings.pop();
            rings.push(make().expect("a place"));
            drop(rings);
            let after = (support::open_descriptors(), mappings());
            assert_eq!(after.0, before.0);
            assert!(after.1 <= before.1 + 2, "{after:?}, {before:?} before");
        },
    );
}

#[test]
fn memory_that_does_not_do_is_refused_by_name() {
    let small = RingMemory::new(1).expect("memory");
    let given = small.size();
    let error = Ring::builder(256).memory(small).build();
    let needed = Ring::builder(256).memory_size().expect("a size");
    assert_eq!(
        error.expect_err("too small"),
        SetupError::RingMemory { needed, given }
    );
    let memory = RingMemory::new(1).expect("memory");
    let error = Ring::builder(0).memory(memory).build();
    assert_eq!(
        error.expect_err("no entries"),
        SetupError::Size { sq: 0, cq: 0 }
    );
    let mut bytes = vec![0_u64; 4096];
    // Never at the start of a page.
    let odd = 1 - ((bytes.as_ptr() as usize / 8) & 1);
    let middle = NonNull::from(&mut bytes[odd]).cast();
    // SAFETY: the vector lives longer than what is refused.
    let error = unsafe { Ring::builder(8).memory_raw(middle, 8 * 4000) }.build();
    assert_eq!(error.expect_err("askew"), SetupError::UnalignedMemory);
    assert_eq!(
        RingMemory::new(u64::MAX).expect_err("too much"),
        RingMemoryError::TooLarge { bytes: u64::MAX }
    );
}

#[test]
fn rings_without_a_descriptor_take_none_and_leave_their_place_in_the_table() {
    if !has_no_mmap() {
        return;
    }
    isolated_check(
        "rings_without_a_descriptor_take_none_and_leave_their_place_in_the_table",
        || {
            let before = support::open_descriptors();
            // The table has 16 places.
            for _ in 0..40 {
                let builder = Ring::builder(8).defer_taskrun();
                let memory = memory_for(&builder);
                let mut ring = builder.registered_fd_only(memory).build().expect("a ring");
                work(&mut ring);
                assert_eq!(support::open_descriptors(), before);
            }
        },
    );
}

#[test]
fn a_ring_without_a_descriptor_stays_one_whatever_is_asked_after() {
    type Bare = Ring<Sqe, Cqe, RegisteredOnly>;
    assert_eq!(is_send_and_sync!(Bare), (false, false));
    if !has_no_mmap() {
        return;
    }
    let builder = Ring::builder(8);
    let memory = memory_for(&builder);
    let builder = builder.registered_fd_only(memory).single_issuer();
    let ring: Bare = builder.defer_taskrun().build().expect("a ring");
    let ring: Bare = ring.into_one_thread();
    let raw = ring.into_raw();
    assert_eq!(raw.ring_fd, -1);
    // SAFETY: the rings are live and ours.
    unsafe {
        let error =
            Ring::<Sqe, Cqe, OneThread>::from_raw(raw).expect_err("a type with a descriptor");
        assert_eq!(error, AdoptError::NoDescriptor);
        let error = Ring::<Sqe, Cqe, AnyThread>::from_raw(raw).expect_err("a type for any thread");
        let bound = SetupFlags::SINGLE_ISSUER | SetupFlags::DEFER_TASKRUN;
        assert_eq!(error, AdoptError::BoundToThread(bound));
        work(&mut Bare::from_raw(raw).expect("its type"));
    }
}

#[test]
fn a_registered_ring_works_after_its_descriptor_is_closed() {
    if !ring_io::capabilities()
        .expect("io_uring")
        .features()
        .contains(Features::REG_REG_RING)
    {
        return skip("registration through a registered descriptor needs Linux 6.3");
    }
    isolated_check(
        "a_registered_ring_works_after_its_descriptor_is_closed",
        || {
            let before = support::open_descriptors();
            for _ in 0..40 {
                let ring = Ring::builder(8).defer_taskrun().build().expect("a ring");
                let fd = ring.as_raw_fd();
                let refused = ring.close_ring_fd().expect_err("it is not registered");
                assert_eq!(refused.error, RegisterError::NotRegistered);
                let mut ring = refused.ring;
                assert_eq!(ring.as_raw_fd(), fd);
                work(&mut ring);

                ring.register_ring_fd()
                    .expect("a place in the thread's table");
                let mut ring = ring.close_ring_fd().expect("it is registered");
                assert_eq!(support::open_descriptors(), before);
                work(&mut ring);
                register_empty_slots(&ring.registrar(), 2).expect("a table");
            }
        },
    );
}
