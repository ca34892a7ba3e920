//! What a read or write can carry besides its bytes.

use bitflags::bitflags;
use ring_io::sys;

use crate::address::Address;

bitflags! {
    /// `IO_INTEGRITY_CHK_*`: which parts of the protection information the device checks.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ProtectionFlags: u16 {
        /// `IO_INTEGRITY_CHK_GUARD`, Linux 6.14: the checksum of each block.
        const GUARD = 1 << 0;
        /// `IO_INTEGRITY_CHK_REFTAG`, Linux 6.14: the number of each block, counted from the seed.
        const REFTAG = 1 << 1;
        /// `IO_INTEGRITY_CHK_APPTAG`, Linux 6.14: the program's own tag.
        const APPTAG = 1 << 2;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// Protection information of a read or write: what a disk with room for it keeps with each block.
///
/// `struct io_uring_attr_pi`, Linux 6.14. For direct access to block devices that keep it.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Fd, Operation, ProtectionFlags, ProtectionInfo, Write};
///
/// let (block, mut checksums) = ([0_u8; 4096], [0_u8; 8]);
/// let information = ProtectionInfo::new(checksums.as_mut_ptr(), 8).flags(ProtectionFlags::GUARD);
/// let write = Write::new(Fd(3), block.as_ptr(), 4096).offset(0).protection(&raw const information);
/// assert_eq!(write.to_sqe().pad2(), 1);
/// ```
#[doc(alias("io_uring_attr_pi", "IORING_RW_ATTR_FLAG_PI"))]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "protection information does nothing until a request carries it"]
pub struct ProtectionInfo {
    flags: ProtectionFlags,
    app_tag: u16,
    len: u32,
    addr: u64,
    seed: u64,
    reserved: u64,
}

impl ProtectionInfo {
    /// The information lies in, or comes to, `buf[..len]`: as many bytes as the device has for the blocks.
    #[inline(always)]
    pub fn new(buf: *mut u8, len: u32) -> Self {
        Self {
            flags: ProtectionFlags::empty(),
            app_tag: 0,
            len,
            addr: Address::new(buf).to_u64(),
            seed: 0,
            reserved: 0,
        }
    }

    /// What the device checks; nothing unless given.
    #[inline(always)]
    pub const fn flags(mut self, flags: ProtectionFlags) -> Self {
        self.flags = flags;
        self
    }

    /// The tag that [`ProtectionFlags::APPTAG`] compares; `0` unless given.
    #[inline(always)]
    pub const fn app_tag(mut self, app_tag: u16) -> Self {
        self.app_tag = app_tag;
        self
    }

    /// The number of the first block, by which the others are counted; `0` unless given.
    #[inline(always)]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

const _: () = {
    use std::mem::{align_of, offset_of, size_of};
    type Raw = sys::io_uring_attr_pi;
    assert!(size_of::<ProtectionInfo>() == size_of::<Raw>());
    assert!(align_of::<ProtectionInfo>() == align_of::<Raw>());
    assert!(offset_of!(ProtectionInfo, flags) == offset_of!(Raw, flags));
    assert!(offset_of!(ProtectionInfo, app_tag) == offset_of!(Raw, app_tag));
    assert!(offset_of!(ProtectionInfo, len) == offset_of!(Raw, len));
    assert!(offset_of!(ProtectionInfo, addr) == offset_of!(Raw, addr));
    assert!(offset_of!(ProtectionInfo, seed) == offset_of!(Raw, seed));
    assert!(offset_of!(ProtectionInfo, reserved) == offset_of!(Raw, rsvd));
};
