//! An ordinary ring behind a lock, and an ordinary ring for each thread.

use std::marker::PhantomData;
use std::ops::{DerefMut, Range};
use std::sync::{Mutex, MutexGuard};

use ring_io::Ring;

use super::{Contestant, Seen, Worker, ring};

/// A kind of lock.
pub trait Lock: Send + Sync + 'static {
    type Mutex: Sync;

    fn new(ring: Ring) -> Self::Mutex;
    fn lock(mutex: &Self::Mutex) -> impl DerefMut<Target = Ring>;
}

pub struct Std;

impl Lock for Std {
    type Mutex = Mutex<Ring>;

    fn new(ring: Ring) -> Self::Mutex {
        Mutex::new(ring)
    }

    #[inline(always)]
    fn lock(mutex: &Self::Mutex) -> impl DerefMut<Target = Ring> {
        mutex.lock().expect("no panic")
    }
}

pub struct ParkingLot;

impl Lock for ParkingLot {
    type Mutex = parking_lot::Mutex<Ring>;

    fn new(ring: Ring) -> Self::Mutex {
        parking_lot::Mutex::new(ring)
    }

    #[inline(always)]
    fn lock(mutex: &Self::Mutex) -> impl DerefMut<Target = Ring> {
        mutex.lock()
    }
}

/// One ring, one lock.
pub struct Locked<L: Lock> {
    ring: L::Mutex,
    /// How many entries are pushed each time the lock is taken.
    a_lock: u64,
    _lock: PhantomData<L>,
}

impl<L: Lock> Locked<L> {
    pub fn new(a_lock: u64) -> Self {
        Self {
            ring: L::new(ring()),
            a_lock,
            _lock: PhantomData,
        }
    }
}

impl<L: Lock> Contestant for Locked<L> {
    type Worker<'a> = &'a Self;

    fn worker(&self, _place: usize) -> &Self {
        self
    }
}

impl<L: Lock> Worker for &Locked<L> {
    #[inline(always)]
    fn push(&mut self, mut numbers: Range<u64>) -> u64 {
        let mut pushed = 0;
        while !numbers.is_empty() {
            let end = numbers.end.min(numbers.start + self.a_lock);
            pushed += push(&mut L::lock(&self.ring), numbers.start..end);
            numbers.start = end;
        }
        pushed
    }

    #[inline(always)]
    fn submit(&mut self) {
        L::lock(&self.ring).sq().submit().expect("a submit");
    }

    #[inline(always)]
    fn round(&mut self, mut numbers: Range<u64>, seen: &mut Seen) -> u64 {
        let mut pushed = 0;
        // The last lock is the one under which is submitted and reaped, too.
        while numbers.end - numbers.start > self.a_lock {
            let mut ring = L::lock(&self.ring);
            let end = numbers.start + self.a_lock;
            pushed += push(&mut ring, numbers.start..end);
            numbers.start = end;
        }
        let mut ring = L::lock(&self.ring);
        pushed += push(&mut ring, numbers);
        ring.sq().submit().expect("a submit");
        reap(&mut ring, seen);
        pushed
    }

    #[inline(always)]
    fn reap(&mut self, seen: &mut Seen) {
        reap(&mut L::lock(&self.ring), seen);
    }
}

/// A ring for each thread.
pub struct Own(Vec<Mutex<Ring>>);

impl Own {
    pub fn new(threads: u32) -> Self {
        Self((0..threads).map(|_| Mutex::new(ring())).collect())
    }
}

impl Contestant for Own {
    type Worker<'a> = MutexGuard<'a, Ring>;

    /// Takes the lock for good: it only lends the ring to the thread.
    fn worker(&self, place: usize) -> MutexGuard<'_, Ring> {
        self.0[place].lock().expect("no panic")
    }
}

impl Worker for MutexGuard<'_, Ring> {
    #[inline(always)]
    fn push(&mut self, numbers: Range<u64>) -> u64 {
        push(self, numbers)
    }

    #[inline(always)]
    fn submit(&mut self) {
        self.sq().submit().expect("a submit");
    }

    #[inline(always)]
    fn reap(&mut self, seen: &mut Seen) {
        reap(self, seen);
    }
}

#[inline(always)]
fn push(ring: &mut Ring, numbers: Range<u64>) -> u64 {
    let mut sq = ring.sq();
    let pushes = numbers.map(|number| sq.push_nop(number));
    pushes.take_while(Result::is_ok).count() as u64
}

#[inline(always)]
fn reap(ring: &mut Ring, seen: &mut Seen) {
    for cqe in ring.cq().drain() {
        seen.note(cqe.user_data());
    }
}
