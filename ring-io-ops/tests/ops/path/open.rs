use std::ffi::c_char;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::ptr;

use ring_io_ops::ring::{Cqe, Ring};
use ring_io_ops::{
    CWD, Fixed, OpenAt, OpenAt2, OpenFlags, OpenHow, Operation, Read, ResolveFlags, ToDescriptor,
    ToFreeSlot, ToSlot,
};

use super::{c_path, folder};
use crate::support::{CLOSED, UNMAPPED, failed, file_with, ring_for, run};

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

#[test]
fn open_confined_to_its_directory_opens_what_lies_beneath() {
    let Some(mut ring) = ring_for::<OpenAt2>() else {
        return;
    };
    let folder = folder();
    let dir = File::open(folder.path()).expect("a folder opens");
    let flags = OpenFlags::RDWR | OpenFlags::CREAT | OpenFlags::CLOEXEC;
    let how = OpenHow::new(flags)
        .mode(0o600)
        .resolve(ResolveFlags::BENEATH);
    let open = OpenAt2::new(dir.as_raw_fd(), c"new".as_ptr(), &raw const how);
    let cqe = run(&mut ring, open);
    let fd = OpenAt2::<ToDescriptor>::read(&cqe).expect("the file opens");
    // SAFETY: the completion is that of a request to open, and is taken once.
    let file = File::from(unsafe { fd.into_owned_fd() });
    let made = file.metadata().expect("metadata");
    assert_eq!(made.permissions().mode() & 0o777, 0o600);
    let named = fs::metadata(folder.path().join("new")).expect("the file is there");
    assert_eq!(made.ino(), named.ino());
}

#[test]
fn open_confined_to_its_directory_fails_outside_it() {
    let Some(mut ring) = ring_for::<OpenAt2>() else {
        return;
    };
    let folder = folder();
    symlink("/dev/null", folder.path().join("link")).expect("the folder takes a link");
    let dir = File::open(folder.path()).expect("a folder opens");
    for (resolve, errno) in [
        (ResolveFlags::BENEATH, libc::EXDEV),
        (ResolveFlags::NO_SYMLINKS, libc::ELOOP),
        (ResolveFlags::IN_ROOT, libc::ENOENT),
    ] {
        let how = OpenHow::new(OpenFlags::RDONLY).resolve(resolve);
        let open = OpenAt2::new(dir.as_raw_fd(), c"link".as_ptr(), &raw const how);
        let cqe = run(&mut ring, open);
        assert_eq!(OpenAt2::<ToDescriptor>::read(&cqe), failed(errno));
    }
}

#[test]
fn open_with_permissions_for_no_new_file_completes_with_einval() {
    let Some(mut ring) = ring_for::<OpenAt2>() else {
        return;
    };
    let how = OpenHow::new(OpenFlags::RDONLY).mode(0o600);
    let open = OpenAt2::new(CWD, c"/dev/zero".as_ptr(), &raw const how);
    let cqe = run(&mut ring, open);
    assert_eq!(OpenAt2::<ToDescriptor>::read(&cqe), failed(libc::EINVAL));
}

#[test]
fn open_as_described_goes_into_slots() {
    let Some(mut ring) = ring_with_slots() else {
        return;
    };
    let how = OpenHow::new(OpenFlags::RDONLY);
    let open = OpenAt2::new(CWD, c"/dev/zero".as_ptr(), &raw const how);
    let cqe = run(&mut ring, open.into_slot(2));
    assert_eq!(OpenAt2::<ToSlot>::read(&cqe), Ok(()));
    assert_eq!(read_slot(&mut ring, 2), [0; 3]);
    let cqe = run(&mut ring, open.into_free_slot());
    assert_eq!(OpenAt2::<ToFreeSlot>::read(&cqe), Ok(1));
    let cqe = run(&mut ring, open.into_free_slot());
    assert_eq!(OpenAt2::<ToFreeSlot>::read(&cqe), failed(libc::ENFILE));
}
