//! What works with both proactors, with the one of one thread.

#[path = "../chain.rs"]
mod chain;
#[path = "../events.rs"]
mod events;
#[path = "../fs.rs"]
mod fs;
#[path = "../links.rs"]
mod links;
#[path = "../net/mod.rs"]
mod net;
#[path = "../path.rs"]
mod path;
#[path = "../pipe.rs"]
mod pipe;
#[path = "../registered.rs"]
mod registered;
#[path = "../registered_files.rs"]
mod registered_files;

pub(crate) use std::rc::Rc;

pub(crate) use ring_io_ops::proactor::{
    LocalHandle as Handle, LocalPool as Pool, LocalProactor as Runner,
};

pub(crate) use crate::skip::skip;
