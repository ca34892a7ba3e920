use std::os::unix::fs::FileExt as _;

use ring_io_ops::ring::{Ring, sys};
use ring_io_ops::{Operation, Pipe, ProtectionFlags, ProtectionInfo, Read, Target, Write, Writev};

use crate::loop_device::loop_device;
use crate::net_common::iovec;
use crate::support::{UNMAPPED, failed, file_with, ring_for, run, skip};

/// What direct access wants of memory.
#[repr(align(4096))]
struct Block([u8; 4096]);

/// A ring whose kernel knows attributes, by a flag of its own.
fn ring_with_attributes() -> Option<Ring> {
    let ring = ring_for::<Write>()?;
    if ring.features().bits() & sys::IORING_FEAT_RW_ATTR == 0 {
        skip("attributes of reads and writes need Linux 6.14");
        return None;
    }
    Some(ring)
}

#[test]
fn block_device_refuses_streams_that_it_does_not_have() {
    // It came with write streams, in Linux 6.16.
    let Some(mut ring) = ring_for::<Pipe>() else {
        return;
    };
    let Some(device) = loop_device(1 << 20, libc::O_DIRECT) else {
        return;
    };
    let (target, mut block) = (Target::of(&device), Block([7; 4096]));
    let write = Write::new(target, block.0.as_ptr(), 4096).offset(4096);
    let cqe = run(&mut ring, write.write_stream(1));
    assert_eq!(Write::read(&cqe), failed(libc::EINVAL));
    let iovecs = [iovec(&mut block.0)];
    let writev = Writev::new(target, iovecs.as_ptr(), 1).offset(4096);
    let cqe = run(&mut ring, writev.write_stream(u8::MAX));
    assert_eq!(Writev::read(&cqe), failed(libc::EINVAL));
    // No stream is always there.
    assert_eq!(
        Write::read(&run(&mut ring, write.write_stream(0))),
        Ok(4096)
    );
    let mut back = Block([0; 4096]);
    device
        .read_exact_at(&mut back.0, 4096)
        .expect("it is a block");
    assert!(back.0 == block.0, "the block was written");
}

#[test]
fn device_with_streams_takes_them() {
    skip("streams of writes need a disk with placement of its own, such as one of NVMe");
}

#[test]
fn files_that_keep_no_protection_information_refuse_it() {
    let Some(mut ring) = ring_with_attributes() else {
        return;
    };
    let mut tags = [0_u8; 64];
    let information = ProtectionInfo::new(tags.as_mut_ptr(), 64)
        .flags(ProtectionFlags::GUARD | ProtectionFlags::REFTAG)
        .app_tag(3)
        .seed(8);
    let (file, mut block) = (file_with(&[1; 4096]), Block([7; 4096]));
    let mut targets = vec![Target::of(&file)];
    let device = loop_device(1 << 20, libc::O_DIRECT);
    targets.extend(device.iter().map(Target::of));
    for target in targets {
        let read = Read::new(target, block.0.as_mut_ptr(), 4096).offset(0);
        let cqe = run(&mut ring, read.protection(&raw const information));
        assert_eq!(Read::read(&cqe), failed(libc::EINVAL));
        let write = Write::new(target, block.0.as_ptr(), 4096).offset(0);
        let cqe = run(&mut ring, write.protection(&raw const information));
        assert_eq!(Write::read(&cqe), failed(libc::EINVAL));
        // The same without it.
        assert_eq!(Read::read(&run(&mut ring, read)), Ok(4096));
    }
}

#[test]
fn protection_information_that_cannot_be_read_completes_with_efault() {
    let Some(mut ring) = ring_with_attributes() else {
        return;
    };
    let (file, block) = (file_with(&[1; 4096]), Block([7; 4096]));
    let nowhere = std::ptr::without_provenance(UNMAPPED);
    let write = Write::new(Target::of(&file), block.0.as_ptr(), 4096).protection(nowhere);
    assert_eq!(Write::read(&run(&mut ring, write)), failed(libc::EFAULT));
}

#[test]
fn disk_with_protection_information_keeps_it() {
    skip("protection information needs a disk that keeps it, such as one of NVMe with metadata");
}
