use std::ffi::CStr;
use std::os::unix::ffi::OsStrExt as _;
use std::ptr;

use ring_io_ops::ring::Ring;
use ring_io_ops::{Fgetxattr, Fsetxattr, Getxattr, Operation, Setxattr, Target, XattrFlags};

use crate::support::{CLOSED, UNMAPPED, failed, file_with, ring_for, run, skip, with_both_targets};

const NAME: &CStr = c"user.ring-io";

/// A ring, if the kernel has the operations and the temporary folder takes attributes.
fn ring() -> Option<Ring> {
    let mut ring = ring_for::<Fsetxattr>()?;
    let file = file_with(b"");
    let set = Fsetxattr::new(Target::of(&file), NAME.as_ptr(), b"-".as_ptr(), 1);
    if Fsetxattr::read(&run(&mut ring, set)) == failed(libc::EOPNOTSUPP) {
        skip("the temporary folder's file system has no attributes");
        return None;
    }
    Some(ring)
}

#[test]
fn attribute_of_an_open_file_reads_as_it_was_set() {
    let Some(mut ring) = ring() else { return };
    let file = file_with(b"");
    with_both_targets(&mut ring, &file, |ring, target| {
        let set = Fsetxattr::new(target, NAME.as_ptr(), b"value".as_ptr(), 5);
        assert_eq!(Fsetxattr::read(&run(ring, set)), Ok(()));
        let mut value = [b'-'; 8];
        let get = Fgetxattr::new(target, NAME.as_ptr(), value.as_mut_ptr(), 8);
        assert_eq!(Fgetxattr::read(&run(ring, get)), Ok(5));
        assert_eq!(&value, b"value---");
        // With no room the length is what to ask for, with too little it is an error.
        let get = Fgetxattr::new(target, NAME.as_ptr(), value.as_mut_ptr(), 0);
        assert_eq!(Fgetxattr::read(&run(ring, get)), Ok(5));
        let get = Fgetxattr::new(target, NAME.as_ptr(), value.as_mut_ptr(), 4);
        assert_eq!(Fgetxattr::read(&run(ring, get)), failed(libc::ERANGE));
        let get = Fgetxattr::new(target, c"user.none".as_ptr(), value.as_mut_ptr(), 8);
        assert_eq!(Fgetxattr::read(&run(ring, get)), failed(libc::ENODATA));
    });
}

#[test]
fn attribute_of_a_path_reads_as_it_was_set() {
    let Some(mut ring) = ring() else { return };
    let file = tempfile::NamedTempFile::new().expect("the temporary folder takes a file");
    let path = std::ffi::CString::new(file.path().as_os_str().as_bytes()).expect("no zero byte");
    let set = Setxattr::new(path.as_ptr(), NAME.as_ptr(), b"value".as_ptr(), 5);
    assert_eq!(Setxattr::read(&run(&mut ring, set)), Ok(()));
    let mut value = [b'-'; 8];
    let get = Getxattr::new(path.as_ptr(), NAME.as_ptr(), value.as_mut_ptr(), 8);
    assert_eq!(Getxattr::read(&run(&mut ring, get)), Ok(5));
    assert_eq!(&value, b"value---");
    let missing = c"/no/such/file".as_ptr();
    let set = Setxattr::new(missing, NAME.as_ptr(), b"value".as_ptr(), 5);
    assert_eq!(Setxattr::read(&run(&mut ring, set)), failed(libc::ENOENT));
    let get = Getxattr::new(missing, NAME.as_ptr(), value.as_mut_ptr(), 8);
    assert_eq!(Getxattr::read(&run(&mut ring, get)), failed(libc::ENOENT));
}

#[test]
fn attribute_is_made_or_replaced_only_as_the_flags_say() {
    let Some(mut ring) = ring() else { return };
    let file = tempfile::NamedTempFile::new().expect("the temporary folder takes a file");
    let path = std::ffi::CString::new(file.path().as_os_str().as_bytes()).expect("no zero byte");
    let by_target = Fsetxattr::new(Target::of(&file), NAME.as_ptr(), b"value".as_ptr(), 5);
    let by_path = Setxattr::new(path.as_ptr(), NAME.as_ptr(), b"value".as_ptr(), 5);
    let (create, replace) = (XattrFlags::CREATE, XattrFlags::REPLACE);
    let cqe = run(&mut ring, by_path.flags(replace));
    assert_eq!(Setxattr::read(&cqe), failed(libc::ENODATA));
    let cqe = run(&mut ring, by_target.flags(create));
    assert_eq!(Fsetxattr::read(&cqe), Ok(()));
    let cqe = run(&mut ring, by_path.flags(create));
    assert_eq!(Setxattr::read(&cqe), failed(libc::EEXIST));
    let cqe = run(&mut ring, by_target.flags(replace));
    assert_eq!(Fsetxattr::read(&cqe), Ok(()));
}

#[test]
fn attribute_operations_fail_on_closed_files_and_unmapped_memory() {
    let Some(mut ring) = ring() else { return };
    let file = file_with(b"");
    let nowhere = ptr::without_provenance_mut(UNMAPPED);
    let target = Target::of(&file);
    let set = Fsetxattr::new(target, NAME.as_ptr(), nowhere, 5);
    assert_eq!(Fsetxattr::read(&run(&mut ring, set)), failed(libc::EFAULT));
    let get = Fgetxattr::new(target, nowhere.cast(), nowhere, 5);
    assert_eq!(Fgetxattr::read(&run(&mut ring, get)), failed(libc::EFAULT));
    let mut value = [0; 1];
    let get = Fgetxattr::new(CLOSED, NAME.as_ptr(), value.as_mut_ptr(), 1);
    assert_eq!(Fgetxattr::read(&run(&mut ring, get)), failed(libc::EBADF));
    let set = Fsetxattr::new(CLOSED, NAME.as_ptr(), value.as_ptr(), 1);
    assert_eq!(Fsetxattr::read(&run(&mut ring, set)), failed(libc::EBADF));
}
