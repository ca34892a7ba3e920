//! The shared ring.

use std::ops::Range;
use std::thread::JoinHandle;
use std::time::Duration;

use ring_io::Cqe;
use ring_io::concurrent::{Ring, RingError, Submitter};

use super::super::nop::nop;
use super::{CACHE, CQ_ENTRIES, Contestant, ENTRIES, Seen, Worker, cpu};
use crate::meter;
use crate::row::Skip;

/// How it is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whichever thread comes first enters for all; batches are pushed as such.
    Plain,
    /// The same, but entries are pushed one by one, out of each thread's own cache, and slots are given back lazily.
    Cached,
    /// One more thread enters for all.
    Owned,
    /// The kernel's thread takes what was pushed.
    Polled,
}

pub struct Ours {
    ring: Ring,
    kind: Kind,
    owner: Option<JoinHandle<Result<(), RingError>>>,
}

impl Ours {
    pub fn new(kind: Kind) -> Result<Self, Skip> {
        let builder = Ring::builder(ENTRIES).cq_entries(CQ_ENTRIES);
        let (ring, mut owner) = match kind {
            Kind::Plain => (builder.build().map_err(Skip::because)?, None),
            Kind::Cached => (builder.lazy_release().build().map_err(Skip::because)?, None),
            Kind::Owned => {
                let (ring, owner) = builder.build_owned().map_err(Skip::because)?;
                (ring, Some(owner))
            }
            Kind::Polled => {
                // Asleep soon after a turn: the next one is somebody else's.
                let builder = builder.sqpoll(Duration::from_millis(2));
                (builder.build().map_err(Skip::because)?, None)
            }
        };
        let owner = owner.take().map(|mut owner| {
            std::thread::spawn(move || {
                // Not where the first thread is.
                meter::pin(cpu(1));
                owner.run()
            })
        });
        Ok(Self { ring, kind, owner })
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take() {
            self.ring.stop_owner();
            owner.join().expect("no panic").expect("a live ring");
        }
    }
}

impl Contestant for Ours {
    type Worker<'a> = Thread;

    fn worker(&self, _place: usize) -> Thread {
        let is_cached = self.kind == Kind::Cached;
        Thread {
            submitter: if is_cached {
                self.ring.submitter_with_cache(CACHE)
            } else {
                self.ring.submitter()
            },
            one_by_one: is_cached,
            reaped: [Cqe::default(); 32],
        }
    }
}

pub struct Thread {
    submitter: Submitter,
    one_by_one: bool,
    reaped: [Cqe; 32],
}

impl Worker for Thread {
    #[inline(always)]
    fn push(&mut self, numbers: Range<u64>) -> u64 {
        let count = numbers.end - numbers.start;
        if self.one_by_one || count == 1 {
            let pushes = numbers.map(|number| self.submitter.push_nop(number));
            pushes.take_while(Result::is_ok).count() as u64
        } else {
            // SAFETY: a NOP asks for nothing.
            let result = unsafe {
                self.submitter
                    .push_batch(count as u32, |place| nop(numbers.start + u64::from(place)))
            };
            if result.is_ok() { count } else { 0 }
        }
    }

    #[inline(always)]
    fn submit(&mut self) {
        self.submitter.submit().expect("a live ring");
    }

    fn make_room(&mut self) {
        let end = self.submitter.wait_for_space(1, None);
        assert!(end.expect("a live ring"), "without an end, there is room");
    }

    #[inline(always)]
    fn reap(&mut self, seen: &mut Seen) {
        loop {
            let ring = self.submitter.ring();
            let count = ring.reap(&mut self.reaped).expect("a live ring");
            for cqe in &self.reaped[..count] {
                seen.note(cqe.user_data());
            }
            if count < self.reaped.len() {
                break;
            }
        }
    }
}
