//! Halves that were given away: on threads of their own, and as owners of the ring.

mod support;

use std::thread;

use ring_io::{CompletionEntry, EnterError, Ring, RingBuilder, SubmissionEntry};
use support::isolated::isolated_check;
use support::{drained, open_descriptors, over_entry_sizes, register_empty_slots, ring_mappings};

over_entry_sizes!(
    halves_on_two_threads_complete_everything_once,
    every_part_works_after_the_others_are_gone,
);

fn halves_on_two_threads_complete_everything_once<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    const COUNT: u64 = 250_000;
    let (mut sq, mut cq, _) = builder(64).build().expect("a ring").into_split();
    let producer = thread::spawn(move || {
        for i in 0..COUNT {
            while sq.push_nop(i).is_err() {
                assert_eq!(sq.submit()?.left(), 0);
            }
        }
        assert_eq!(sq.submit()?.left(), 0);
        Ok::<_, EnterError>(())
    });
    // Each once and in order, since NOPs complete as they are submitted.
    let mut expected = 0;
    while expected < COUNT {
        cq.wait(1).expect("a wait");
        for cqe in cq.drain() {
            assert_eq!(cqe.cqe().user_data(), expected);
            expected += 1;
        }
    }
    producer.join().expect("no panic").expect("every submit");
    assert!(cq.is_empty() && !cq.has_overflow());
    assert_eq!(cq.lost(), 0);
}

// On a queue so small that both sides are at its ends all the time.
#[test]
fn a_million_entries_go_through_a_small_ring_once_each() {
    const COUNT: u64 = 1_000_000;
    let mut ring = Ring::builder(2).cq_entries(2).build().expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    let mut seen = vec![0u8; COUNT as usize];
    thread::scope(|scope| {
        scope.spawn(move || {
            for i in 0..COUNT {
                while sq.push_nop(i).is_err() {
                    assert_eq!(sq.submit().expect("a submit").left(), 0);
                }
            }
            assert_eq!(sq.submit().expect("a submit").left(), 0);
        });
        for _ in 0..COUNT {
            cq.wait(1).expect("a wait");
            let cqe = cq.pop().expect("the wait saw it");
            seen[cqe.user_data() as usize] += 1;
        }
    });
    assert!(seen.iter().all(|&times| times == 1));
}

fn every_part_works_after_the_others_are_gone<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let (mut sq, cq, registrar) = builder(4).build().expect("a ring").into_split();
    drop((cq, registrar));
    sq.push_nop(1).expect("room");
    assert_eq!(sq.submit_and_wait(1).expect("a submit").count(), 1);

    let (mut sq, mut cq, registrar) = builder(4).build().expect("a ring").into_split();
    sq.push_nop(1).expect("room");
    assert_eq!(sq.submit().expect("a submit").count(), 1);
    drop((sq, registrar));
    assert_eq!(cq.wait(1), Ok(1));
    assert_eq!(drained(&mut cq), [1]);

    let (sq, cq, registrar) = builder(4).build().expect("a ring").into_split();
    drop((sq, cq));
    register_empty_slots(&registrar, 1).expect("a table");
    registrar.unregister_files().expect("it is there");
}

#[test]
fn the_ring_lives_until_its_last_part_is_dropped() {
    isolated_check("the_ring_lives_until_its_last_part_is_dropped", || {
        let before = (open_descriptors(), ring_mappings());
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let (sq, cq, registrar) = Ring::new(4).expect("a ring").into_split();
            let during = (open_descriptors(), ring_mappings());
            assert_eq!(during.0, before.0 + 1);
            assert!(during.1 > before.1);
            let (mut sq, mut cq, mut registrar) = (Some(sq), Some(cq), Some(registrar));
            for (place, part) in order.into_iter().enumerate() {
                assert_eq!((open_descriptors(), ring_mappings()), during);
                match part {
                    0 => drop(sq.take()),
                    1 => drop(cq.take()),
                    _ => drop(registrar.take()),
                }
                if place < 2 {
                    assert_eq!((open_descriptors(), ring_mappings()), during);
                }
            }
            assert_eq!((open_descriptors(), ring_mappings()), before, "{order:?}");
        }
    });
}

#[test]
fn the_last_part_may_be_dropped_on_any_thread() {
    isolated_check("the_last_part_may_be_dropped_on_any_thread", || {
        let before = (open_descriptors(), ring_mappings());
        for _ in 0..100 {
            let (sq, cq, registrar) = Ring::new(4).expect("a ring").into_split();
            let threads = [
                thread::spawn(move || drop(sq)),
                thread::spawn(move || drop(cq)),
                thread::spawn(move || drop(registrar)),
            ];
            for thread in threads {
                thread.join().expect("no panic");
            }
        }
        assert_eq!((open_descriptors(), ring_mappings()), before);
    });
}

#[test]
fn files_can_be_registered_while_both_queues_work() {
    let (mut sq, mut cq, registrar) = Ring::new(8).expect("a ring").into_split();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..200 {
                register_empty_slots(&registrar, 1).expect("a table");
                registrar.unregister_files().expect("it is there");
            }
        });
        scope.spawn(|| {
            for i in 0..10_000 {
                while sq.push_nop(i).is_err() {
                    assert_eq!(sq.submit().expect("a submit").left(), 0);
                }
            }
            assert_eq!(sq.submit().expect("a submit").left(), 0);
        });
        for i in 0..10_000 {
            cq.wait(1).expect("a wait");
            assert_eq!(cq.pop().expect("the wait saw it").user_data(), i);
        }
    });
}

#[test]
fn parts_say_what_they_are() {
    let mut ring = Ring::new(4).expect("a ring");
    assert!(format!("{ring:?}").starts_with("Ring { fd: "));
    let (mut sq, cq, registrar) = ring.split();
    sq.push_nop(1).expect("room");
    assert_eq!(
        format!("{sq:?} {cq:?} {registrar:?}"),
        "SubmissionQueue { capacity: 4, prepared: 1, unpublished: 1, owned: false, .. } \
         CompletionQueue { capacity: 8, ready: 0, has_overflow: false, owned: false, .. } \
         Registrar { owned: false, .. }"
    );
    let (sq, cq, registrar) = Ring::new(4).expect("a ring").into_split();
    assert_eq!(
        format!("{sq:?} {cq:?} {registrar:?}"),
        "SubmissionQueue { capacity: 4, prepared: 0, unpublished: 0, owned: true, .. } \
         CompletionQueue { capacity: 8, ready: 0, has_overflow: false, owned: true, .. } \
         Registrar { owned: true, .. }"
    );
}
