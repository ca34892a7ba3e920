//! The comparisons: one file each. A new row is a new file, and a line in [`ALL`].

mod cp;
mod echo;
mod entries;
mod growth;
mod latency;
mod nop;
pub mod proactor_read;
pub mod proactor_shared;
mod queue;
mod read;
mod shared;
mod timers;

use crate::row::Row;

pub const ALL: &[&Row] = &[
    &nop::PLAIN,
    &nop::ALL_FLAGS,
    &queue::FILL,
    &queue::FILL_OPAQUE,
    &queue::REAP,
    &queue::PEEK,
    &read::CACHED,
    &read::DIRECT,
    &shared::ONE,
    &shared::EIGHT,
    &shared::FULL,
    &shared::ALONE,
    &proactor_read::ROW,
    #[cfg(feature = "peers")]
    &proactor_shared::WALL,
    #[cfg(feature = "peers")]
    &proactor_shared::CPU,
    &proactor_shared::SPINNING,
    &echo::ECHO,
    &latency::HALF_LOAD,
    &latency::ALONE,
    &entries::READS,
    &entries::ECHO,
    &cp::ROW,
    &timers::ROW,
    &growth::IN_FLIGHT,
    &growth::DESCRIPTORS,
    &growth::RING_SIZE,
    &growth::THREADS,
    &timers::ARMED,
];
