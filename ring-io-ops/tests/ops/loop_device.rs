//! A block device of a test's own: a file behind the loop driver.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;

use crate::support::skip;

// `linux/loop.h`.
const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// `struct loop_config` up to the flags, and the rest of it as zeros.
#[repr(C)]
struct Config {
    fd: u32,
    block_size: u32,
    numbers: [u64; 5],
    more_numbers: [u32; 3],
    flags: u32,
    rest: [u64; 22 + 8],
}

const _: () = assert!(size_of::<Config>() == 8 + 232 + 64);

/// How often somebody else may take the free device first.
const ATTEMPTS: usize = 16;

/// A device of `len` bytes opened with these flags, which the last close takes down; or a skip that has been noted.
pub(crate) fn loop_device(len: u64, flags: i32) -> Option<File> {
    let both = || File::options().read(true).write(true).clone();
    let Ok(control) = both().open("/dev/loop-control") else {
        skip("/dev/loop-control cannot be opened");
        return None;
    };
    let file = tempfile::tempfile().expect("the temporary folder takes a file");
    file.set_len(len).expect("a file can grow");
    let config = Config {
        fd: file.as_raw_fd() as u32,
        block_size: 0,
        numbers: [0; 5],
        more_numbers: [0; 3],
        flags: LO_FLAGS_AUTOCLEAR,
        rest: [0; 30],
    };
    for _ in 0..ATTEMPTS {
        // SAFETY: the call takes no argument.
        let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
        let Ok(device) = both()
            .custom_flags(flags)
            .open(format!("/dev/loop{number}"))
        else {
            continue;
        };
        // SAFETY: the call reads the struct, which is as it wants it.
        if unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) } == 0 {
            return Some(device);
        }
    }
    skip("no loop device can be had");
    None
}
