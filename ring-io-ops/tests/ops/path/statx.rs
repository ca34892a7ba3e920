use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::ptr;

use ring_io_ops::ring::Ring;
use ring_io_ops::{CWD, Operation, Statx, StatxFlags, StatxMask};

use super::{c_path, folder};
use crate::support::{UNMAPPED, failed, file_with, ring_for, run};

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
