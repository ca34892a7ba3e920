//! Rings whose every submit starts at the first slot.

mod support;

use std::time::Duration;

use ring_io::{Ring, SetupError, SetupFlags, Wait, WaitEnd};
use support::{drained, unknown_operation};

#[test]
fn every_submit_takes_what_was_pushed_since_the_last() {
    let mut ring = match Ring::builder(4).build_rewind() {
        Ok(ring) => ring,
        Err(error) => return support::skip(error),
    };
    assert!(ring.setup_flags().contains(SetupFlags::SQ_REWIND));
    let (mut sq, mut cq, _) = ring.split();
    for i in 0..1000 {
        let numbers: Vec<_> = (4 * i..4 * i + 1 + i % 4).collect();
        for &number in &numbers {
            sq.push_nop(number).expect("room");
        }
        let n = numbers.len() as u32;
        let submitted = if i % 2 == 0 {
            sq.submit()
        } else {
            sq.submit_and_wait(n)
        }
        .expect("a submit");
        assert_eq!((submitted.count(), submitted.left()), (n, 0));
        assert_eq!(drained(&mut cq), numbers);
        assert_eq!(sq.submit().expect("a submit").count(), 0);
    }
}

#[test]
fn what_comes_behind_a_refused_entry_is_submitted_next() {
    let mut ring = match Ring::builder(4).build_rewind() {
        Ok(ring) => ring,
        Err(error) => return support::skip(error),
    };
    let (mut sq, mut cq, _) = ring.split();
    sq.push_nop(1).expect("room");
    // SAFETY: the kernel refuses the entry.
    unsafe { sq.push(unknown_operation(2)) }.expect("room");
    sq.push_nop(3).expect("room");
    let submitted = sq.submit_and_wait(3).expect("a submit");
    assert_eq!((submitted.count(), submitted.left()), (2, 1));
    assert_eq!(sq.prepared(), 1);
    assert_eq!(sq.submit().expect("a submit").count(), 1);
    assert_eq!(drained(&mut cq), [1, 2, 3]);
}

#[test]
fn waits_with_a_time_take_entries_once() {
    let mut ring = match Ring::builder(4).build_rewind() {
        Ok(ring) => ring,
        Err(error) => return support::skip(error),
    };
    let (mut sq, mut cq, _) = ring.split();
    for i in 0..20 {
        sq.push_nop(i).expect("room");
        let wait = Wait::for_n(2).timeout(Duration::from_millis(1));
        let (submitted, waited) = sq.submit_and_wait_with(&wait).expect("a submit");
        assert_eq!((submitted.count(), waited.ready()), (1, 1));
        assert_eq!(waited.end(), WaitEnd::TimeOver);
        assert!(sq.is_empty());
        assert_eq!(drained(&mut cq), [i]);
    }
}

#[test]
fn halves_that_were_given_away_work_on_two_threads() {
    let ring = match Ring::builder(4).build_rewind() {
        Ok(ring) => ring,
        Err(error) => return support::skip(error),
    };
    let (mut sq, mut cq, _) = ring.into_split();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for i in 0..1000 {
                while sq.push_nop(i).is_err() {
                    sq.wait_for_space().expect("a submit");
                }
            }
            sq.submit().expect("a submit");
        });
        for i in 0..1000 {
            cq.wait(1).expect("a wait");
            assert_eq!(cq.pop().expect("a completion").user_data(), i);
        }
    });
}

#[test]
fn a_kernel_without_it_is_named() {
    let known = ring_io::capabilities().expect("a ring").setup_flags();
    match Ring::builder(4).build_rewind() {
        Ok(_) => assert!(known.contains(SetupFlags::SQ_REWIND)),
        Err(error) => assert_eq!(error, SetupError::UnknownFlags(SetupFlags::SQ_REWIND)),
    }
}

#[test]
fn the_polling_thread_has_no_use_for_it() {
    let error = Ring::builder(4)
        .sqpoll(Duration::from_millis(1))
        .build_rewind()
        .expect_err("the kernel refuses both at once");
    assert!(
        matches!(
            error,
            SetupError::UnknownFlags(_) | SetupError::Combination(_)
        ),
        "{error}"
    );
}
