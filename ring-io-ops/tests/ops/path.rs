use std::ffi::{CString, c_char};
use std::fs::{self, File};
use std::io::Read as _;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::ptr;

use ring_io_ops::ring::{Cqe, Ring};
use ring_io_ops::{
    CWD, Fixed, OpenAt, OpenFlags, Operation, Read, Statx, StatxFlags, StatxMask, ToDescriptor,
    ToFreeSlot, ToSlot,
};

use crate::support::{CLOSED, UNMAPPED, failed, file_with, ring_for, run};

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path without zero bytes")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("the temporary folder takes a folder")
}

fn opened(cqe: &Cqe) -> File {
    let fd = OpenAt::<ToDescriptor>::read(cqe).expect("the file opens");
    // SAFETY: the completion is that of a request to open, and each is taken once.
    File::from(unsafe { fd.into_owned_fd() })
}

/// A ring with three slots, of which the first and the last are taken.
fn ring_with_slots() -> Option<Ring> {
    let mut ring = ring_for::<OpenAt>()?;
    let file = file_with(b"old");
    let slots = [file.as_raw_fd(), -1, file.as_raw_fd()];
    // SAFETY: the file is open, and -1 names none.
    unsafe { ring.registrar().register_files_raw(&slots) }.expect("files can be registered");
    Some(ring)
}

fn read_slot(ring: &mut Ring, slot: u32) -> [u8; 3] {
    let mut buf = [0; 3];
    let cqe = run(ring, Read::new(Fixed(slot), buf.as_mut_ptr(), 3).offset(0));
    assert_eq!(Read::read(&cqe), Ok(3));
    buf
}

#[test]
fn open_gives_a_descriptor_of_the_file() {
    let Some(mut ring) = ring_for::<OpenAt>() else {
        return;
    };
    let folder = folder();
    let path = folder.path().join("file");
    fs::write(&path, "text").expect("the folder takes a file");
    let path = c_path(&path);
    let open = OpenAt::new(CWD, path.as_ptr(), OpenFlags::RDONLY | OpenFlags::CLOEXEC);
    let mut text = String::new();
    opened(&run(&mut ring, open))
        .read_to_string(&mut text)
        .expect("the file can be read");
    assert_eq!(text, "text");
}

#[test]
fn open_starts_at_the_directory_and_makes_the_file_with_its_mode() {
    let Some(mut ring) = ring_for::<OpenAt>() else {
        return;
    };
    let folder = folder();
    let dir = File::open(folder.path()).expect("a folder opens");
    let flags = OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::EXCL | OpenFlags::CLOEXEC;
    let open = OpenAt::new(dir.as_raw_fd(), c"new".as_ptr(), flags).mode(0o400);
    let file = opened(&run(&mut ring, open));
    let made = file.metadata().expect("metadata");
    assert_eq!(made.permissions().mode() & 0o777, 0o400);
    let named = fs::metadata(folder.path().join("new")).expect("the file is there");
    assert_eq!(made.ino(), named.ino());
    // Once more, and it is there already.
    let again = OpenAt::<ToDescriptor>::read(&run(&mut ring, open));
    assert_eq!(again, failed(libc::EEXIST));
}

#[test]
fn open_of_a_missing_file_completes_with_enoent() {
    let Some(mut ring) = ring_for::<OpenAt>() else {
        return;
    };
    let open = OpenAt::new(CWD, c"/no/such/file".as_ptr(), OpenFlags::RDONLY);
    let cqe = run(&mut ring, open);
    assert_eq!(OpenAt::<ToDescriptor>::read(&cqe), failed(libc::ENOENT));
}

#[test]
fn open_below_what_is_no_directory_completes_with_enotdir_or_ebadf() {
    let Some(mut ring) = ring_for::<OpenAt>() else {
        return;
    };
    let file = file_with(b"");
    let open = OpenAt::new(file.as_raw_fd(), c"name".as_ptr(), OpenFlags::RDONLY);
    let cqe = run(&mut ring, open);
    assert_eq!(OpenAt::<ToDescriptor>::read(&cqe), failed(libc::ENOTDIR));
    let ring_io_ops::Fd(closed) = CLOSED else {
        unreachable!("it is a descriptor")
    };
    let open = OpenAt::new(closed, c"name".as_ptr(), OpenFlags::RDONLY);
    let cqe = run(&mut ring, open);
    assert_eq!(OpenAt::<ToDescriptor>::read(&cqe), failed(libc::EBADF));
}

#[test]
fn open_of_an_unmapped_path_completes_with_efault() {
    let Some(mut ring) = ring_for::<OpenAt>() else {
        return;
    };
    let nowhere = ptr::without_provenance::<c_char>(UNMAPPED);
    let cqe = run(&mut ring, OpenAt::new(CWD, nowhere, OpenFlags::RDONLY));
    assert_eq!(OpenAt::<ToDescriptor>::read(&cqe), failed(libc::EFAULT));
}

#[test]
fn open_into_a_slot_replaces_what_was_there() {
    let Some(mut ring) = ring_with_slots() else {
        return;
    };
    let folder = folder();
    let path = folder.path().join("file");
    fs::write(&path, "new").expect("the folder takes a file");
    let path = c_path(&path);
    let open = OpenAt::new(CWD, path.as_ptr(), OpenFlags::RDONLY);
    for slot in [1, 2] {
        let cqe = run(&mut ring, open.into_slot(slot));
        assert_eq!(OpenAt::<ToSlot>::read(&cqe), Ok(()));
        assert_eq!(&read_slot(&mut ring, slot), b"new");
    }
    assert_eq!(&read_slot(&mut ring, 0), b"old");
}

#[test]
fn open_into_a_free_slot_says_which_until_none_is_left() {
    let Some(mut ring) = ring_with_slots() else {
        return;
    };
    let open = OpenAt::new(CWD, c"/dev/zero".as_ptr(), OpenFlags::RDONLY).into_free_slot();
    let slot = OpenAt::<ToFreeSlot>::read(&run(&mut ring, open)).expect("one slot is free");
    assert_eq!(slot, 1);
    assert_eq!(read_slot(&mut ring, slot), [0; 3]);
    let cqe = run(&mut ring, open);
    assert_eq!(OpenAt::<ToFreeSlot>::read(&cqe), failed(libc::ENFILE));
}

#[test]
fn open_into_an_impossible_slot_completes_with_einval() {
    let Some(mut ring) = ring_with_slots() else {
        return;
    };
    let open = OpenAt::new(CWD, c"/dev/zero".as_ptr(), OpenFlags::RDONLY);
    for slot in [3, u32::MAX - 2, u32::MAX - 1, u32::MAX] {
        let cqe = run(&mut ring, open.into_slot(slot));
        assert_eq!(OpenAt::<ToSlot>::read(&cqe), failed(libc::EINVAL));
    }
    let cloexec = OpenAt::new(CWD, c"/dev/zero".as_ptr(), OpenFlags::CLOEXEC);
    let cqe = run(&mut ring, cloexec.into_slot(0));
    assert_eq!(OpenAt::<ToSlot>::read(&cqe), failed(libc::EINVAL));
    // The free slot is still free.
    let cqe = run(&mut ring, open.into_free_slot());
    assert_eq!(OpenAt::<ToFreeSlot>::read(&cqe), Ok(1));
}

#[test]
fn open_into_a_slot_without_registered_files_completes_with_enxio() {
    let Some(mut ring) = ring_for::<OpenAt>() else {
        return;
    };
    let open = OpenAt::new(CWD, c"/dev/zero".as_ptr(), OpenFlags::RDONLY);
    let cqe = run(&mut ring, open.into_slot(0));
    assert_eq!(OpenAt::<ToSlot>::read(&cqe), failed(libc::ENXIO));
}

fn statx(
    ring: &mut Ring,
    statx: impl FnOnce(*mut libc::statx) -> Statx,
) -> Result<libc::statx, ring_io_ops::ring::Errno> {
    let mut buf = MaybeUninit::<libc::statx>::zeroed();
    let cqe = run(ring, statx(buf.as_mut_ptr()));
    // SAFETY: all zeros is a valid `statx`, and so is what the kernel writes.
    Statx::read(&cqe).map(|()| unsafe { buf.assume_init() })
}

#[test]
fn statx_says_what_the_standard_library_says() {
    let Some(mut ring) = ring_for::<Statx>() else {
        return;
    };
    let folder = folder();
    let path = folder.path().join("file");
    fs::write(&path, "text").expect("the folder takes a file");
    let told = fs::metadata(&path).expect("metadata");
    let path = c_path(&path);
    let mask = StatxMask::BASIC_STATS | StatxMask::BTIME;
    let stat = statx(&mut ring, |buf| {
        Statx::new(CWD, path.as_ptr(), buf).mask(mask)
    });
    let stat = stat.expect("the file is there");

    assert!(StatxMask::from_bits_retain(stat.stx_mask).contains(StatxMask::BASIC_STATS));
    assert_eq!(u32::from(stat.stx_mode), told.mode());
    assert_eq!(stat.stx_size, told.size());
    assert_eq!(stat.stx_ino, told.ino());
    assert_eq!(u64::from(stat.stx_nlink), told.nlink());
    assert_eq!((stat.stx_uid, stat.stx_gid), (told.uid(), told.gid()));
    assert_eq!(stat.stx_blocks, told.blocks());
    assert_eq!(u64::from(stat.stx_blksize), told.blksize());
    assert_eq!(stat.stx_mtime.tv_sec, told.mtime());
    assert_eq!(i64::from(stat.stx_mtime.tv_nsec), told.mtime_nsec());
    assert_eq!(stat.stx_ctime.tv_sec, told.ctime());
}

#[test]
fn statx_of_an_empty_path_is_about_the_descriptor() {
    let Some(mut ring) = ring_for::<Statx>() else {
        return;
    };
    let file = file_with(b"12345");
    let about = |buf| Statx::new(file.as_raw_fd(), c"".as_ptr(), buf);
    let stat = statx(&mut ring, |buf| about(buf).flags(StatxFlags::EMPTY_PATH));
    assert_eq!(stat.expect("the file is open").stx_size, 5);
    // Without the flag an empty path names nothing.
    let refused = statx(&mut ring, about).map(|stat| stat.stx_size);
    assert_eq!(refused, failed(libc::ENOENT));
}

#[test]
fn statx_follows_a_link_unless_told_otherwise() {
    let Some(mut ring) = ring_for::<Statx>() else {
        return;
    };
    let folder = folder();
    let path = folder.path().join("link");
    symlink("/dev", &path).expect("the folder takes a link");
    let path = c_path(&path);
    let about = |buf| Statx::new(CWD, path.as_ptr(), buf).mask(StatxMask::TYPE);
    let kind = |stat: libc::statx| u32::from(stat.stx_mode) & libc::S_IFMT;
    let followed = statx(&mut ring, about).expect("the link's target is there");
    assert_eq!(kind(followed), libc::S_IFDIR);
    let itself = statx(&mut ring, |buf| {
        about(buf).flags(StatxFlags::SYMLINK_NOFOLLOW)
    });
    assert_eq!(kind(itself.expect("the link is there")), libc::S_IFLNK);
}

#[test]
fn statx_of_a_missing_file_completes_with_enoent() {
    let Some(mut ring) = ring_for::<Statx>() else {
        return;
    };
    let path = c"/no/such/file".as_ptr();
    let stat = statx(&mut ring, |buf| Statx::new(CWD, path, buf)).map(|stat| stat.stx_size);
    assert_eq!(stat, failed(libc::ENOENT));
}

#[test]
fn statx_into_unmapped_memory_completes_with_efault() {
    let Some(mut ring) = ring_for::<Statx>() else {
        return;
    };
    let nowhere = ptr::without_provenance_mut(UNMAPPED);
    let cqe = run(&mut ring, Statx::new(CWD, c"/".as_ptr(), nowhere));
    assert_eq!(Statx::read(&cqe), failed(libc::EFAULT));
}
