//! What an operator wants to know: the events of the feature `tracing`. Without it, nothing of this is compiled in.
//!
//! A subscriber is somebody's code, which may use the proactor and may panic. So an event that comes up where the engine
//! or the driver is in the middle of something is noted, and told when that is over; and a panic goes no further.
//!
//! An operation that goes well has no event. Whether anybody listens is asked of one number of the process.
#![cfg_attr(
    not(feature = "tracing"),
    allow(dead_code, reason = "the events exist, and nobody tells of them")
)]

use std::os::fd::RawFd;

use ring_io::SetupFlags;

/// One event, with what it tells.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    RingSetUp {
        fd: RawFd,
        flags: SetupFlags,
        sq_entries: u32,
        cq_entries: u32,
        registered_fd: bool,
    },
    DriverStarted {
        in_flight: u32,
    },
    DriverEnded {
        left: u32,
    },
    ShutDown {
        left: u32,
    },
    Overflow,
    CreditWait {
        needed: u32,
        capacity: u32,
    },
    Cancel {
        user_data: u64,
    },
    CancelAll,
    Orphan {
        user_data: u64,
    },
    WakeRefused,
    WakeHeard {
        refusals: u64,
    },
}

#[cfg(feature = "tracing")]
mod on {
    use tracing::level_filters::LevelFilter;
    use tracing::{debug, info, warn};

    use super::Event;
    use crate::proactor::panics::contain;

    const RING: &str = "ring_io::ring";
    const DRIVER: &str = "ring_io::driver";
    const CREDIT: &str = "ring_io::credit";
    const CANCEL: &str = "ring_io::cancel";
    const SHUTDOWN: &str = "ring_io::shutdown";

    impl Event {
        const fn level(self) -> LevelFilter {
            match self {
                Self::Overflow | Self::WakeRefused | Self::WakeHeard { .. } => LevelFilter::WARN,
                Self::ShutDown { left } | Self::DriverEnded { left } if left != 0 => {
                    LevelFilter::WARN
                }
                Self::ShutDown { .. } => LevelFilter::INFO,
                _ => LevelFilter::DEBUG,
            }
        }

        /// Whether somebody may listen: a look at a number, which calls nobody.
        #[inline]
        fn is_heard(self) -> bool {
            self.level() <= LevelFilter::current()
        }

        /// Tells of it now. Not where the engine is borrowed or a lock is held.
        #[inline]
        pub(crate) fn tell(self) {
            if self.is_heard() {
                self.tell_rare();
            }
        }

        #[cold]
        fn tell_rare(self) {
            contain(|| self.send());
        }

        fn send(self) {
            match self {
                Self::RingSetUp {
                    fd,
                    flags,
                    sq_entries,
                    cq_entries,
                    registered_fd,
                } => {
                    debug!(target: RING, fd, ?flags, sq_entries, cq_entries, registered_fd, "ring is set up");
                }
                Self::Overflow => {
                    warn!(target: RING, "completion queue overflowed, and is flushed");
                }
                Self::DriverStarted { in_flight } => {
                    debug!(target: DRIVER, in_flight, "driver starts");
                }
                Self::DriverEnded { left: 0 } => debug!(target: DRIVER, left = 0, "driver ends"),
                Self::DriverEnded { left } => {
                    warn!(target: DRIVER, left, "driver ends with work in flight");
                }
                Self::WakeRefused => {
                    warn!(target: DRIVER, "kernel refuses to wake, and is asked again until it does");
                }
                Self::WakeHeard { refusals } => {
                    warn!(target: DRIVER, refusals, "wake that was refused is heard");
                }
                Self::CreditWait { needed, capacity } => {
                    debug!(target: CREDIT, needed, capacity, "operation waits for its turn");
                }
                Self::Cancel { user_data } => {
                    debug!(target: CANCEL, user_data, "cancel is asked for");
                }
                Self::CancelAll => debug!(target: CANCEL, "cancel of everything is asked for"),
                Self::Orphan { user_data } => {
                    debug!(target: CANCEL, user_data, "operation was dropped in flight");
                }
                Self::ShutDown { left: 0 } => {
                    info!(target: SHUTDOWN, left = 0, "everything has ended");
                }
                Self::ShutDown { left } => {
                    warn!(target: SHUTDOWN, left, "completions have not come, and what they use is leaked");
                }
            }
        }
    }

    /// Events to tell of when nothing of the proactor's is borrowed.
    #[derive(Debug, Default)]
    pub(crate) struct Events(Vec<Event>);

    impl Events {
        /// Whether it has to be told: somebody may listen.
        #[inline]
        pub(crate) fn note(&mut self, event: Event) -> bool {
            let is_heard = event.is_heard();
            if is_heard {
                self.0.push(event);
            }
            is_heard
        }

        pub(crate) fn tell(self) {
            self.0.into_iter().for_each(Event::tell);
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use super::Event;

    impl Event {
        #[inline(always)]
        #[expect(clippy::unused_self, reason = "as the feature has it")]
        pub(crate) const fn tell(self) {}
    }

    /// No events. With a field, so that it is made as the other one is.
    #[derive(Debug, Default)]
    pub(crate) struct Events(());

    impl Events {
        #[inline(always)]
        #[expect(clippy::unused_self, reason = "as the feature has it")]
        pub(crate) const fn note(&mut self, _: Event) -> bool {
            false
        }

        #[inline(always)]
        #[expect(clippy::unused_self, reason = "as the feature has it")]
        pub(crate) const fn tell(self) {}
    }
}

#[cfg(not(feature = "tracing"))]
pub(crate) use off::Events;
#[cfg(feature = "tracing")]
pub(crate) use on::Events;
