//! Changes to what folders hold.

use std::path::Path;

use ring_io::Sqe;

use super::operands::Name;
use crate::proactor::error::OpError;
use crate::proactor::owned::{Completion, OwnedOperation};
use crate::{
    CWD, LinkAt, MkDirAt, Operation, RenameAt, RenameFlags, SymlinkAt, UnlinkAt, UnlinkFlags,
};

/// A change to what folders hold, named by paths. The methods of [`Files`](super::Files) make them.
///
/// `IORING_OP_RENAMEAT`, `IORING_OP_UNLINKAT` (Linux 5.11), `IORING_OP_MKDIRAT`, `IORING_OP_LINKAT`,
/// `IORING_OP_SYMLINKAT` (Linux 5.15).
#[derive(Debug)]
pub struct ChangePath {
    change: Change,
    path: Name,
    /// The second path, of those that have one; empty otherwise.
    other: Name,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Rename(RenameFlags),
    Unlink(UnlinkFlags),
    MakeDir(u32),
    HardLink,
    Symlink,
}

impl ChangePath {
    pub(super) fn rename(from: &Path, to: &Path, flags: RenameFlags) -> Self {
        Self::two(Change::Rename(flags), from, to)
    }

    pub(super) fn unlink(path: &Path, flags: UnlinkFlags) -> Self {
        Self::two(Change::Unlink(flags), path, Path::new(""))
    }

    pub(super) fn make_dir(path: &Path, mode: u32) -> Self {
        Self::two(Change::MakeDir(mode), path, Path::new(""))
    }

    pub(super) fn hard_link(original: &Path, link: &Path) -> Self {
        Self::two(Change::HardLink, original, link)
    }

    pub(super) fn symlink(original: &Path, link: &Path) -> Self {
        Self::two(Change::Symlink, original, link)
    }

    fn two(change: Change, path: &Path, other: &Path) -> Self {
        Self {
            change,
            path: Name::new(path),
            other: Name::new(other),
        }
    }
}

// SAFETY: the entry lends the paths, which lie on the heap.
unsafe impl OwnedOperation for ChangePath {
    type Output = Result<(), OpError>;

    fn refusal(&self) -> Option<OpError> {
        self.path.refusal().or_else(|| self.other.refusal())
    }

    fn entry(&mut self) -> Sqe {
        let (path, other) = (self.path.as_ptr(), self.other.as_ptr());
        match self.change {
            Change::Rename(flags) => RenameAt::new(CWD, path, CWD, other).flags(flags).to_sqe(),
            Change::Unlink(flags) => UnlinkAt::new(CWD, path).flags(flags).to_sqe(),
            Change::MakeDir(mode) => MkDirAt::new(CWD, path).mode(mode).to_sqe(),
            Change::HardLink => LinkAt::new(CWD, path, CWD, other).to_sqe(),
            Change::Symlink => SymlinkAt::new(path, CWD, other).to_sqe(),
        }
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        completion.result.map(drop)
    }
}
