//! Timers as most programs use them: armed as a limit, and cancelled because the thing came in time.
//!
//! The rings ask the kernel for each; tokio and the other runtimes keep theirs in user space.

use ring_io::Ring;
use ring_io_ops::{Operation as _, Timeout, TimeoutRemove, Timespec};

use crate::row::{Done, Prepared, Row, Variant};

/// Two entries and two completions for each of a batch.
const ENTRIES: u32 = 256;
const SECONDS: u32 = 10;

pub const ROW: Row = Row {
    name: "timers",
    question: "What does it cost to arm a timer and to cancel it before it expires?",
    axis: "batch",
    points: &[1, 32, 128],
    counted: &[1, 32],
    variants: &[
        Variant {
            name: "C",
            prepare: c::prepare,
        },
        Variant {
            name: "ring-io",
            prepare,
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "io-uring",
            prepare: io_uring::prepare,
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "tokio",
            prepare: runtimes::tokio,
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "compio",
            prepare: runtimes::compio,
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "monoio",
            prepare: runtimes::monoio,
        },
    ],
    ..Row::DEFAULT
};

pub const ARMED: Row = Row {
    name: "growth-timers",
    question: "What does it cost to arm a timer and to cancel it (in batches of 32) while that many others are armed?",
    axis: "others armed",
    points: &[1, 32, 1024, 32_768],
    variants: &[
        Variant {
            name: "C",
            prepare: |others| c::beside(BATCH, others),
        },
        Variant {
            name: "ring-io",
            prepare: |others| beside(BATCH, others),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "io-uring",
            prepare: |others| io_uring::beside(BATCH, others),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "tokio",
            prepare: |others| runtimes::tokio_beside(BATCH, others),
        },
    ],
    note: "The kernel keeps the timers of a ring in a list, and looks through it for the one that is to be cancelled; \
           tokio keeps its own in a wheel.",
    grows: true,
    ..Row::DEFAULT
};

const BATCH: u32 = 32;
/// The others outlast what is measured.
const LONG_SECONDS: u32 = 3600;
/// The others' number, which no timer that is cancelled has.
const OTHERS: u64 = u64::MAX;

fn prepare(batch: u32) -> Prepared {
    beside(batch, 0)
}

/// With so many others armed.
fn beside(batch: u32, others: u32) -> Prepared {
    let mut ring = Ring::new(ENTRIES).expect("a ring");
    let time = Timespec::new(i64::from(LONG_SECONDS), 0);
    for _ in 0..others {
        // SAFETY: the time is read at submission, on the next line.
        unsafe { ring.sq().push(Timeout::new(&time).user_data(OTHERS)) }.expect("room");
        ring.sq().submit().expect("a submit");
    }
    Ok(Box::new(move |iterations| {
        measured(&mut ring, batch, iterations);
        Done::of(iterations * u64::from(batch))
    }))
}

#[inline(never)]
fn measured(ring: &mut Ring, batch: u32, iterations: u64) {
    let time = Timespec::new(i64::from(SECONDS), 0);
    let (mut sq, mut cq, _) = ring.split();
    for _ in 0..iterations {
        for i in 0..batch {
            // SAFETY: the time is read at submission, below.
            unsafe { sq.push(Timeout::new(&time).user_data(u64::from(i))) }.expect("room");
        }
        for i in 0..batch {
            let remove = TimeoutRemove::new(u64::from(i)).user_data(u64::from(batch));
            sq.push_safe(remove).expect("room");
        }
        let submitted = sq.submit_and_wait(2 * batch).expect("a submit");
        assert_eq!(submitted.count(), 2 * batch);
        let mut seen = 0;
        for cqe in cq.drain() {
            let result = cqe.raw_result();
            assert!(result == 0 || result == -libc::ECANCELED);
            seen += 1;
        }
        assert_eq!(seen, 2 * batch);
    }
}

mod c {
    use ring_io_sys as sys;

    use super::{Done, ENTRIES, LONG_SECONDS, OTHERS, Prepared};
    use crate::c::Ring;

    unsafe extern "C" {
        fn c_timers_arm(ring: *mut sys::io_uring, count: u32, seconds: i64, user_data: u64);
        fn c_timers(ring: *mut sys::io_uring, batch: u32, iterations: u64);
    }

    pub fn prepare(batch: u32) -> Prepared {
        beside(batch, 0)
    }

    pub fn beside(batch: u32, others: u32) -> Prepared {
        let ring = Ring::new(ENTRIES, 0, false);
        // SAFETY: the ring is live.
        unsafe { c_timers_arm(ring.as_ptr(), others, LONG_SECONDS.into(), OTHERS) };
        Ok(Box::new(move |iterations| {
            // SAFETY: the ring is live, idle, and has room for two entries of each of the batch.
            unsafe { c_timers(ring.as_ptr(), batch, iterations) };
            Done::of(iterations * u64::from(batch))
        }))
    }
}

#[cfg(feature = "peers")]
mod io_uring {
    use io_uring::{IoUring, opcode, types};

    use super::{Done, ENTRIES, LONG_SECONDS, OTHERS, Prepared, SECONDS};
    use crate::row::Skip;

    pub fn prepare(batch: u32) -> Prepared {
        beside(batch, 0)
    }

    pub fn beside(batch: u32, others: u32) -> Prepared {
        let mut ring = IoUring::new(ENTRIES).map_err(Skip::because)?;
        let time = types::Timespec::new().sec(u64::from(LONG_SECONDS));
        for _ in 0..others {
            let entry = opcode::Timeout::new(&time).build().user_data(OTHERS);
            // SAFETY: the time is read at submission, on the next line.
            unsafe { ring.submission().push(&entry) }.expect("room");
            ring.submit().map_err(Skip::because)?;
        }
        Ok(Box::new(move |iterations| {
            measured(&mut ring, batch, iterations);
            Done::of(iterations * u64::from(batch))
        }))
    }

    #[inline(never)]
    fn measured(ring: &mut IoUring, batch: u32, iterations: u64) {
        let time = types::Timespec::new().sec(u64::from(SECONDS));
        let (submitter, mut sq, mut cq) = ring.split();
        for _ in 0..iterations {
            for i in 0..batch {
                let entry = opcode::Timeout::new(&time).build().user_data(u64::from(i));
                // SAFETY: the time is read at submission, below.
                unsafe { sq.push(&entry) }.expect("room");
            }
            for i in 0..batch {
                let entry = opcode::TimeoutRemove::new(u64::from(i))
                    .build()
                    .user_data(u64::from(batch));
                // SAFETY: it lends nothing.
                unsafe { sq.push(&entry) }.expect("room");
            }
            sq.sync();
            let both = 2 * batch as usize;
            assert_eq!(submitter.submit_and_wait(both).expect("a submit"), both);
            sq.sync();
            cq.sync();
            let mut seen = 0;
            for cqe in &mut cq {
                let result = cqe.result();
                assert!(result == 0 || result == -libc::ECANCELED);
                seen += 1;
            }
            assert_eq!(seen, both);
        }
    }
}

#[cfg(feature = "peers")]
mod runtimes {
    use std::future::{Future, poll_fn};
    use std::pin::Pin;
    use std::task::Poll;
    use std::time::Duration;

    use super::{Done, LONG_SECONDS, Prepared, SECONDS};
    use crate::row::Skip;

    /// Arms as many as a batch, by polling each once, and drops them.
    async fn arm_and_drop<S: Future>(sleep: fn(Duration) -> S, batch: u32, iterations: u64) {
        let mut armed: Vec<Pin<Box<S>>> = Vec::with_capacity(batch as usize);
        for _ in 0..iterations {
            for _ in 0..batch {
                armed.push(Box::pin(sleep(Duration::from_secs(SECONDS.into()))));
            }
            poll_fn(|context| {
                for sleep in &mut armed {
                    assert!(sleep.as_mut().poll(context).is_pending());
                }
                Poll::Ready(())
            })
            .await;
            armed.clear();
        }
    }

    /// Arms so many, for as long as what it answers lives.
    async fn arm<S: Future>(sleep: fn(Duration) -> S, count: u32) -> Vec<Pin<Box<S>>> {
        let long = Duration::from_secs(LONG_SECONDS.into());
        let mut armed: Vec<_> = (0..count).map(|_| Box::pin(sleep(long))).collect();
        poll_fn(|context| {
            for sleep in &mut armed {
                assert!(sleep.as_mut().poll(context).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        armed
    }

    pub fn tokio(batch: u32) -> Prepared {
        tokio_beside(batch, 0)
    }

    pub fn tokio_beside(batch: u32, others: u32) -> Prepared {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(Skip::because)?;
        let armed = runtime.block_on(arm(tokio::time::sleep, others));
        Ok(Box::new(move |iterations| {
            let _armed = &armed;
            runtime.block_on(arm_and_drop(tokio::time::sleep, batch, iterations));
            Done::of(iterations * u64::from(batch))
        }))
    }

    pub fn compio(batch: u32) -> Prepared {
        let runtime = compio::runtime::Runtime::new().map_err(Skip::because)?;
        Ok(Box::new(move |iterations| {
            runtime.block_on(arm_and_drop(compio::time::sleep, batch, iterations));
            Done::of(iterations * u64::from(batch))
        }))
    }

    pub fn monoio(batch: u32) -> Prepared {
        let mut runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new()
            .enable_timer()
            .build()
            .map_err(Skip::because)?;
        Ok(Box::new(move |iterations| {
            runtime.block_on(arm_and_drop(monoio::time::sleep, batch, iterations));
            Done::of(iterations * u64::from(batch))
        }))
    }
}
