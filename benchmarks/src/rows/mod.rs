//! The comparisons: one file each. A new row is a new file, and a line in [`ALL`].

mod nop;
mod queue;

use crate::row::Row;

pub const ALL: &[&Row] = &[
    &nop::PLAIN,
    &nop::ALL_FLAGS,
    &queue::FILL,
    &queue::FILL_OPAQUE,
    &queue::REAP,
    &queue::PEEK,
];
