//! Commands of block devices, beyond those in `command`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use ring_io_ops::{BlockDiscard, Operation, Target, ZoneResetAll};

use crate::loop_device::loop_device;
use crate::support::{failed, ring_for, run, skip};

const BLOCK: usize = 4096;

#[test]
fn discard_through_a_descriptor_for_reading_completes_with_ebadf() {
    let Some(mut ring) = ring_for::<BlockDiscard>() else {
        return;
    };
    let Some(device) = loop_device(1 << 20, 0) else {
        return;
    };
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&device));
    let reader = File::open(path).expect("who made the device may open it");
    let cqe = run(
        &mut ring,
        BlockDiscard::new(Target::of(&reader), 0, BLOCK as u64),
    );
    if BlockDiscard::read(&cqe) == failed(libc::EOPNOTSUPP) {
        return skip("BLOCK_URING_CMD_DISCARD needs Linux 6.12, and a temporary folder with holes");
    }
    assert_eq!(BlockDiscard::read(&cqe), failed(libc::EBADF));
}

#[test]
fn device_without_zones_has_none_to_reset() {
    let Some(mut ring) = ring_for::<ZoneResetAll>() else {
        return;
    };
    let Some(device) = loop_device(1 << 20, 0) else {
        return;
    };
    let cqe = run(&mut ring, ZoneResetAll::new(Target::of(&device)));
    // Kernels before the command refuse it as one that they do not know.
    let outcome = ZoneResetAll::read(&cqe);
    let expected = [failed(libc::EOPNOTSUPP), failed(libc::EINVAL)];
    assert!(expected.contains(&outcome), "{outcome:?}");
}

/// A zoned device whose content is nobody's: one of the module `null_blk`.
fn zoned_device() -> Option<PathBuf> {
    let devices = fs::read_dir("/sys/block").ok()?;
    let mut names = devices.filter_map(|device| device.ok()?.file_name().into_string().ok());
    let name = names.find(|name| {
        let zones = Path::new("/sys/block").join(name).join("queue/zoned");
        let zoned = fs::read_to_string(zones).is_ok_and(|zoned| zoned.trim() != "none");
        name.starts_with("nullb") && zoned
    });
    Some(Path::new("/dev").join(name?))
}

#[test]
fn zones_are_empty_after_the_reset() {
    let Some(mut ring) = ring_for::<ZoneResetAll>() else {
        return;
    };
    let Some(path) = zoned_device() else {
        return skip("the reset of zones needs a zoned device: null_blk with zoned=1");
    };
    let file = File::options().read(true).write(true).open(path);
    let file = file.expect("the device opens");
    let cqe = run(&mut ring, ZoneResetAll::new(Target::of(&file)));
    if ZoneResetAll::read(&cqe) == failed(libc::EINVAL) {
        return skip("BLOCK_URING_CMD_ZONE_RESET_ALL is newer than this kernel");
    }
    assert_eq!(ZoneResetAll::read(&cqe), Ok(()));
    // The first zone is written from its start again, which only an empty one allows.
    file.write_all_at(&[1; BLOCK], 0)
        .expect("an empty zone takes a write at its start");
}
