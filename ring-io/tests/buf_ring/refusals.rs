use ring_io::{BufRing, BufRingError, Cqe, TakeError, sys};

use crate::support::isolated::{become_nobody, isolated, set_soft_limit};
use crate::support::{pipe, skip, write};
use crate::{GROUP, available, data, in_both_memories, parts, pool, read, run};

/// A completion as the kernel would write it.
fn forged(id: u16, result: i32) -> Cqe {
    let flags = sys::IORING_CQE_F_BUFFER | u32::from(id) << sys::IORING_CQE_BUFFER_SHIFT;
    Cqe::new(0, result, flags)
}

#[test]
fn a_group_has_one_pool_at_a_time() {
    in_both_memories(GROUP, 4, 64, |builder| {
        let (_sq, _cq, registrar) = parts();
        let pool = pool!(registrar, builder);
        let error = registrar.buffer_ring(builder).expect_err("it is taken");
        assert_eq!(error, BufRingError::GroupTaken { group: GROUP });
        assert_eq!(available(&pool), 4);
        let other = registrar
            .buffer_ring(BufRing::builder(u16::MAX, 4, 64))
            .expect("another group");
        assert_eq!((other.group(), available(&other)), (u16::MAX, 4));
        drop(pool);
        let again = registrar.buffer_ring(builder).expect("it is free again");
        assert_eq!(available(&again), 4);
    });
}

#[test]
fn kernel_memory_is_for_groups_below_2048() {
    let (_sq, _cq, registrar) = parts();
    let builder = |group| BufRing::builder(group, 4, 64).kernel_memory(true);
    let pool = pool!(registrar, builder(2047));
    assert_eq!(available(&pool), 4);
    for group in [2048, u16::MAX] {
        let error = registrar
            .buffer_ring(builder(group))
            .expect_err("out of reach");
        assert_eq!(error, BufRingError::KernelMemoryGroup { group });
    }
}

#[test]
fn a_pool_has_a_power_of_two_of_buffers() {
    let (_sq, _cq, registrar) = parts();
    for entries in [0, 3, 100, 32_769, u16::MAX] {
        let error = registrar
            .buffer_ring(BufRing::builder(GROUP, entries, 64))
            .expect_err("no power of two");
        assert_eq!(error, BufRingError::Entries { entries });
    }
    let pool = pool!(registrar, BufRing::builder(GROUP, 32_768, 1));
    assert_eq!(available(&pool), 32_768);
}

#[test]
fn buffers_have_bytes_and_no_more_than_a_completion_can_tell() {
    let (_sq, _cq, registrar) = parts();
    for size in [0, 1 << 31, u32::MAX] {
        let error = registrar
            .buffer_ring(BufRing::builder(GROUP, 1, size))
            .expect_err("out of range");
        assert_eq!(error, BufRingError::BufferSize { size });
    }
}

#[test]
fn a_minimum_is_for_incremental_pools_and_within_a_buffer() {
    let (_sq, _cq, registrar) = parts();
    let builder = BufRing::builder(GROUP, 1, 64);
    for (builder, min_left) in [
        (builder.min_left(1), 1),
        (builder.incremental(true).min_left(65), 65),
    ] {
        let error = registrar.buffer_ring(builder).expect_err("out of place");
        assert_eq!(error, BufRingError::MinLeft { min_left });
    }
}

#[test]
fn a_pool_larger_than_the_address_space_is_refused() {
    let (_sq, _cq, registrar) = parts();
    let error = registrar
        .buffer_ring(BufRing::builder(GROUP, 32_768, i32::MAX as u32))
        .map(drop);
    // 64 TiB: more than most machines overcommit, and than 32-bit ones can name.
    match error {
        Ok(())
        | Err(
            BufRingError::Memory { .. }
            | BufRingError::BufferSize { .. }
            | BufRingError::Unsupported,
        ) => {}
        Err(other) => panic!("{other}"),
    }
    // Whatever came of it, the group is free.
    let pool = pool!(registrar, BufRing::builder(GROUP, 1, 64));
    assert_eq!(available(&pool), 1);
}

#[test]
fn entries_that_may_not_be_locked_are_named_with_the_limit() {
    const LIMIT: libc::rlim_t = 256 << 10;
    const SKIP: &str = "skip";
    let answer = isolated(
        "refusals::entries_that_may_not_be_locked_are_named_with_the_limit",
        || {
            set_soft_limit(libc::RLIMIT_MEMLOCK, LIMIT);
            if !become_nobody() {
                return SKIP.to_owned();
            }
            let (_sq, _cq, registrar) = parts();
            // 16 bytes for each buffer: twice the limit.
            let error = registrar
                .buffer_ring(BufRing::builder(GROUP, 32_768, 1))
                .expect_err("beyond the limit");
            assert_eq!(error.errno().raw(), libc::ENOMEM);
            error.to_string()
        },
    );
    if answer == SKIP {
        return skip("only root can give up the right to lock memory");
    }
    assert!(answer.contains("524288 bytes"), "{answer}");
    assert!(answer.contains("RLIMIT_MEMLOCK is 262144"), "{answer}");
}

#[test]
fn a_completion_is_taken_once() {
    let (mut sq, mut cq, registrar) = parts();
    let pool = pool!(registrar, BufRing::builder(GROUP, 2, 64));
    let (reader, writer) = pipe();
    write(&writer, b"once");
    let cqe = run(&mut sq, &mut cq, read(&reader));
    let buffer = data(&pool, &cqe);
    // SAFETY: for the second time, but while the buffer is lent, which is noticed.
    let error = unsafe { pool.take(&cqe) }.expect_err("taken");
    assert_eq!(error, TakeError::NotWithKernel { id: buffer.id() });
    // SAFETY: as above.
    let error = unsafe { pool.take_bundle(&cqe) }.expect_err("taken");
    assert_eq!(error, TakeError::NotWithKernel { id: buffer.id() });
    assert_eq!(*buffer, *b"once");
    drop(buffer);
    assert_eq!((available(&pool), pool.in_flight()), (2, Ok(0)));
}

#[test]
fn a_forged_completion_is_an_error_and_changes_nothing() {
    let (mut sq, mut cq, registrar) = parts();
    for incremental in [false, true] {
        let pool = pool!(
            registrar,
            BufRing::builder(GROUP, 2, 64).incremental(incremental)
        );
        for (cqe, expected) in [
            (forged(2, 1), TakeError::UnknownBuffer { id: 2 }),
            (
                forged(u16::MAX, -libc::EIO),
                TakeError::UnknownBuffer { id: u16::MAX },
            ),
            (
                forged(1, 65),
                TakeError::TooLong {
                    length: 65,
                    rest: 64,
                },
            ),
            (
                forged(0, i32::MAX),
                TakeError::TooLong {
                    length: i32::MAX as u32,
                    rest: 64,
                },
            ),
        ] {
            // SAFETY: nothing is lent, which is the claim.
            let error = unsafe { pool.take(&cqe) }.expect_err("forged");
            assert_eq!(error, expected);
        }
        for (cqe, rest) in [(forged(0, 129), 128), (forged(1, 65), 64)] {
            // SAFETY: as above.
            let error = unsafe { pool.take_bundle(&cqe) }.expect_err("forged");
            let length = cqe.result().expect("no error");
            assert_eq!(error, TakeError::TooLong { length, rest });
        }
        assert_eq!((available(&pool), pool.in_flight()), (2, Ok(0)));
        let (reader, writer) = pipe();
        write(&writer, b"real");
        let cqe = run(&mut sq, &mut cq, read(&reader));
        assert_eq!(*data(&pool, &cqe), *b"real");
    }
}

#[test]
fn errors_keep_the_kernels_numbers() {
    assert_eq!(
        BufRingError::GroupTaken { group: 1 }.errno().raw(),
        libc::EEXIST
    );
    assert_eq!(
        std::io::Error::from(BufRingError::Unsupported).raw_os_error(),
        Some(libc::EINVAL)
    );
    let failed = TakeError::Failed(ring_io::Errno::from_raw(libc::ECONNRESET));
    assert_eq!(
        std::io::Error::from(failed).raw_os_error(),
        Some(libc::ECONNRESET)
    );
    assert_eq!(
        std::io::Error::from(TakeError::UnknownBuffer { id: 1 }).kind(),
        std::io::ErrorKind::InvalidInput
    );
}
