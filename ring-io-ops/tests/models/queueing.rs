//! Those who push against the driver, which takes and sleeps.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize as Uncounted;
use std::sync::atomic::Ordering::Relaxed;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::thread;

use crate::check;
use crate::queue::{Link, Linked, Pushed, Queue};

struct Item {
    link: Link<Item>,
    value: UnsafeCell<u32>,
}

// SAFETY: the link is a field.
unsafe impl Linked for Item {
    fn link(&self) -> &Link<Self> {
        &self.link
    }
}

// SAFETY: what the models check.
unsafe impl Send for Item {}
// SAFETY: as above.
unsafe impl Sync for Item {}

fn item(value: u32) -> Arc<Item> {
    Arc::new(Item {
        link: Link::new(),
        value: UnsafeCell::new(value),
    })
}

fn push(queue: &Queue<Item>, value: u32) -> Pushed<Item> {
    // SAFETY: a new item.
    unsafe { queue.push(item(value)) }
}

fn values(items: &[Arc<Item>]) -> Vec<u32> {
    let value = |item: &Arc<Item>| {
        // SAFETY: the taker's; the checker fails the test if the pusher's write is not before.
        item.value.with(|value| unsafe { *value })
    };
    items.iter().map(value).collect()
}

#[test]
fn two_pushers_race_take_and_nothing_is_lost_or_reordered() {
    check(3, || {
        let queue = Arc::new(Queue::new());
        let pusher = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                push(&queue, 1);
                push(&queue, 2);
            }
        });
        let other = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                push(&queue, 10);
            }
        });
        let mut taken = Vec::new();
        queue.take(&mut taken);
        pusher.join().unwrap();
        other.join().unwrap();
        queue.take(&mut taken);
        let mut values = values(&taken);
        let first = values.iter().position(|&value| value == 1);
        assert!(first < values.iter().position(|&value| value == 2));
        values.sort_unstable();
        assert_eq!(values, [1, 2, 10]);
    });
}

#[test]
fn pushes_race_a_driver_that_falls_asleep_and_one_of_them_wakes_it() {
    static SLEPT: Uncounted = Uncounted::new(0);
    check(3, || {
        let queue = Arc::new(Queue::new());
        let rings = Arc::new(AtomicUsize::new(0));
        let pushers: Vec<_> = (0..2)
            .map(|value| {
                let (queue, rings) = (Arc::clone(&queue), Arc::clone(&rings));
                thread::spawn(move || {
                    if matches!(push(&queue, value), Pushed::Asleep) {
                        rings.fetch_add(1, SeqCst);
                    }
                })
            })
            .collect();
        let mut taken = Vec::new();
        queue.take(&mut taken);
        let sleeps = queue.fall_asleep();
        for pusher in pushers {
            pusher.join().unwrap();
        }
        let missed = 2 - taken.len();
        if sleeps {
            SLEPT.fetch_add(1, Relaxed);
            assert_eq!(
                rings.load(SeqCst),
                missed.min(1),
                "one of those that came later"
            );
        } else {
            assert_eq!(rings.load(SeqCst), 0);
            assert!(missed > 0, "it may sleep when there is nothing");
        }
        queue.take(&mut taken);
        assert_eq!(taken.len(), 2);
    });
    assert!(SLEPT.load(Relaxed) > 0, "never seen: a sleep");
}

#[test]
fn a_push_races_close_and_the_item_is_with_one_of_the_two() {
    check(3, || {
        let queue = Arc::new(Queue::new());
        let pusher = thread::spawn({
            let queue = Arc::clone(&queue);
            move || matches!(push(&queue, 1), Pushed::Closed(_))
        });
        let mut taken = Vec::new();
        queue.close(&mut taken);
        let refused = pusher.join().unwrap();
        assert_eq!(refused, taken.is_empty());
    });
}

#[test]
fn interrupts_race_a_push_and_one_of_them_wakes_the_driver() {
    check(3, || {
        let queue = Arc::new(Queue::new());
        assert!(queue.fall_asleep());
        let pusher = thread::spawn({
            let queue = Arc::clone(&queue);
            move || usize::from(matches!(push(&queue, 1), Pushed::Asleep))
        });
        let interrupted = usize::from(queue.interrupt());
        assert_eq!(pusher.join().unwrap() + interrupted, 1);
        let mut taken = Vec::new();
        queue.take(&mut taken);
        assert_eq!(values(&taken), [1]);
    });
}
