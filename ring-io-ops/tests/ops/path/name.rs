use std::fs::{self, File};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use ring_io_ops::ring::Ring;
use ring_io_ops::{
    CWD, LinkAt, LinkFlags, MkDirAt, Operation, RenameAt, RenameFlags, SymlinkAt, UnlinkAt,
    UnlinkFlags,
};
use tempfile::TempDir;

use super::{c_path, folder};
use crate::support::{failed, ring_for, run};

/// A folder, open, that holds `one` and `two`, files with their names for content.
struct Folder {
    folder: TempDir,
    open: File,
}

impl Folder {
    fn new() -> Self {
        let folder = folder();
        for name in ["one", "two"] {
            fs::write(folder.path().join(name), name).expect("the folder takes a file");
        }
        let open = File::open(folder.path()).expect("a folder opens");
        Self { folder, open }
    }

    fn fd(&self) -> RawFd {
        self.open.as_raw_fd()
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn content(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path().join(name)).ok()
    }
}

fn rename(ring: &mut Ring, request: RenameAt) -> Result<(), ring_io_ops::ring::Errno> {
    RenameAt::read(&run(ring, request))
}

#[test]
fn rename_replaces_the_file_of_that_name() {
    let Some(mut ring) = ring_for::<RenameAt>() else {
        return;
    };
    let at = Folder::new();
    // One place by descriptor, the other by its whole path.
    let two = c_path(&at.path().join("two"));
    let request = RenameAt::new(at.fd(), c"one".as_ptr(), CWD, two.as_ptr());
    assert_eq!(rename(&mut ring, request), Ok(()));
    assert_eq!(
        (at.content("one"), at.content("two")),
        (None, Some("one".into()))
    );
    assert_eq!(rename(&mut ring, request), failed(libc::ENOENT));
}

#[test]
fn rename_with_flags_spares_or_swaps_the_file_of_that_name() {
    let Some(mut ring) = ring_for::<RenameAt>() else {
        return;
    };
    let at = Folder::new();
    let request = RenameAt::new(at.fd(), c"one".as_ptr(), at.fd(), c"two".as_ptr());
    let spared = rename(&mut ring, request.flags(RenameFlags::NOREPLACE));
    assert_eq!(spared, failed(libc::EEXIST));
    assert_eq!(at.content("two"), Some("two".into()));
    let swapped = rename(&mut ring, request.flags(RenameFlags::EXCHANGE));
    assert_eq!(swapped, Ok(()));
    assert_eq!(at.content("two"), Some("one".into()));
    assert_eq!(at.content("one"), Some("two".into()));
}

#[test]
fn unlink_removes_the_name_once() {
    let Some(mut ring) = ring_for::<UnlinkAt>() else {
        return;
    };
    let at = Folder::new();
    let request = UnlinkAt::new(at.fd(), c"one".as_ptr());
    assert_eq!(UnlinkAt::read(&run(&mut ring, request)), Ok(()));
    assert_eq!(at.content("one"), None);
    assert_eq!(
        UnlinkAt::read(&run(&mut ring, request)),
        failed(libc::ENOENT)
    );
}

#[test]
fn unlink_removes_directories_only_when_told_to_and_empty() {
    let Some(mut ring) = ring_for::<UnlinkAt>() else {
        return;
    };
    let at = Folder::new();
    let full = at.path().join("full");
    fs::create_dir_all(full.join("empty")).expect("the folder takes a folder");
    let cases = [
        (c"full/empty", UnlinkFlags::empty(), failed(libc::EISDIR)),
        (c"one", UnlinkFlags::REMOVEDIR, failed(libc::ENOTDIR)),
        (c"full", UnlinkFlags::REMOVEDIR, failed(libc::ENOTEMPTY)),
        (c"full/empty", UnlinkFlags::REMOVEDIR, Ok(())),
        (c"full", UnlinkFlags::REMOVEDIR, Ok(())),
    ];
    for (path, flags, result) in cases {
        let request = UnlinkAt::new(at.fd(), path.as_ptr()).flags(flags);
        assert_eq!(UnlinkAt::read(&run(&mut ring, request)), result, "{path:?}");
    }
    assert!(!full.exists());
}

#[test]
fn mkdir_makes_a_directory_with_its_mode_once() {
    let Some(mut ring) = ring_for::<MkDirAt>() else {
        return;
    };
    let at = Folder::new();
    let request = MkDirAt::new(at.fd(), c"new".as_ptr()).mode(0o500);
    assert_eq!(MkDirAt::read(&run(&mut ring, request)), Ok(()));
    let made = fs::metadata(at.path().join("new")).expect("the directory is there");
    assert!(made.is_dir());
    assert_eq!(made.permissions().mode() & 0o777, 0o500);
    assert_eq!(
        MkDirAt::read(&run(&mut ring, request)),
        failed(libc::EEXIST)
    );
}

#[test]
fn symlink_says_its_target() {
    let Some(mut ring) = ring_for::<SymlinkAt>() else {
        return;
    };
    let at = Folder::new();
    let request = SymlinkAt::new(c"no/such/file".as_ptr(), at.fd(), c"new".as_ptr());
    assert_eq!(SymlinkAt::read(&run(&mut ring, request)), Ok(()));
    let target = fs::read_link(at.path().join("new")).expect("the link is there");
    assert_eq!(target, Path::new("no/such/file"));
    assert_eq!(
        SymlinkAt::read(&run(&mut ring, request)),
        failed(libc::EEXIST)
    );
}

#[test]
fn link_names_the_same_file() {
    let Some(mut ring) = ring_for::<LinkAt>() else {
        return;
    };
    let at = Folder::new();
    let request = LinkAt::new(at.fd(), c"one".as_ptr(), at.fd(), c"new".as_ptr());
    assert_eq!(LinkAt::read(&run(&mut ring, request)), Ok(()));
    let number = |name| {
        fs::metadata(at.path().join(name))
            .expect("it is there")
            .ino()
    };
    assert_eq!(number("one"), number("new"));
    assert_eq!(LinkAt::read(&run(&mut ring, request)), failed(libc::EEXIST));
}

#[test]
fn link_follows_a_symbolic_link_only_when_told_to() {
    let Some(mut ring) = ring_for::<LinkAt>() else {
        return;
    };
    let at = Folder::new();
    std::os::unix::fs::symlink("one", at.path().join("link")).expect("the folder takes a link");
    for (new, flags, followed) in [
        (c"first", LinkFlags::empty(), false),
        (c"second", LinkFlags::SYMLINK_FOLLOW, true),
    ] {
        let request = LinkAt::new(at.fd(), c"link".as_ptr(), at.fd(), new.as_ptr()).flags(flags);
        assert_eq!(LinkAt::read(&run(&mut ring, request)), Ok(()));
        let path = at.path().join(new.to_str().expect("letters"));
        let made = fs::symlink_metadata(path).expect("it is there");
        assert_eq!(made.is_file(), followed);
    }
}
