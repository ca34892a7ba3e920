//! Requests about a file that is named by its path.

mod name;
mod open;
mod statx;

pub use name::{
    LinkAt, LinkFlags, MkDirAt, RenameAt, RenameFlags, SymlinkAt, UnlinkAt, UnlinkFlags,
};
pub use open::{OpenAt, OpenAt2, OpenFlags, OpenHow, ResolveFlags};
pub use statx::{Statx, StatxFlags, StatxMask};
