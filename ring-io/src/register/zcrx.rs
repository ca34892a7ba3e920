//! Zero-copy receive: queues of network interfaces that put what they receive into the program's memory.
//!
//! Registration and control only. The refill queue's memory is described by what a registration answers with;
//! who uses it works on it directly.

use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use ring_io_sys as sys;

use crate::mode::ThreadMode;
use crate::register::{RegisterError, Registrar};

/// A queue of a network interface, and how to receive from it.
#[doc(alias = "io_uring_zcrx_ifq_reg")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a description registers nothing"]
pub struct ZcrxQueue {
    interface: u32,
    queue: u32,
    refill_entries: u32,
    buffer_size: u32,
    flags: u32,
}

impl ZcrxQueue {
    /// The queue number `queue` of the interface with index `interface` (`if_nametoindex(3)`), and a refill queue
    /// of at least `refill_entries`.
    pub const fn new(interface: u32, queue: u32, refill_entries: u32) -> Self {
        Self {
            interface,
            queue,
            refill_entries,
            buffer_size: 0,
            flags: 0,
        }
    }

    /// No interface: all data is copied, and the refill queue wants
    /// [`flush_zcrx_refill`](Registrar::flush_zcrx_refill). Newer than Linux 6.18.
    #[doc(alias = "ZCRX_REG_NODEV")]
    pub const fn without_interface(refill_entries: u32) -> Self {
        let mut queue = Self::new(0, 0, refill_entries);
        queue.flags = sys::ZCRX_REG_NODEV;
        queue
    }

    /// Asks for buffers of this many bytes, instead of a page. Newer than Linux 6.18, where the kernel has the
    /// feature `ZCRX_FEATURE_RX_PAGE_SIZE`, and the interface too.
    #[doc(alias("rx_buf_len", "ZCRX_FEATURE_RX_PAGE_SIZE"))]
    pub const fn buffer_size(mut self, bytes: u32) -> Self {
        self.buffer_size = bytes;
        self
    }
}

/// The memory that is received into.
#[doc(alias = "io_uring_zcrx_area_reg")]
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ZcrxArea<'fd> {
    /// Whole pages of this process.
    Memory {
        /// Where they begin.
        start: *mut u8,
        /// How many bytes.
        length: usize,
    },
    /// `IORING_ZCRX_AREA_DMABUF`, Linux 6.16: memory of a device.
    DmaBuf {
        /// Its descriptor.
        buffer: BorrowedFd<'fd>,
        /// How many bytes into it to begin.
        offset: u64,
        /// How many bytes.
        length: u64,
    },
}

impl ZcrxArea<'_> {
    fn argument(&self) -> sys::io_uring_zcrx_area_reg {
        // SAFETY: integers only; the kernel wants the padding zero.
        let mut area: sys::io_uring_zcrx_area_reg = unsafe { mem::zeroed() };
        match *self {
            Self::Memory { start, length } => {
                area.addr = start as u64;
                area.len = length as u64;
            }
            Self::DmaBuf {
                buffer,
                offset,
                length,
            } => {
                area.addr = offset;
                area.len = length;
                area.flags = sys::IORING_ZCRX_AREA_DMABUF;
                area.dmabuf_fd = buffer.as_raw_fd() as u32;
            }
        }
        area
    }
}

/// The memory of the refill queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ZcrxRegion {
    /// The kernel's: to be mapped from the ring's descriptor at [`ZcrxRegistration::mmap_offset`].
    Kernel {
        /// How many bytes, whole pages.
        length: usize,
    },
    /// Whole pages of this process.
    Memory {
        /// Where they begin.
        start: *mut u8,
        /// How many bytes.
        length: usize,
    },
}

impl ZcrxRegion {
    fn argument(self) -> sys::io_uring_region_desc {
        // SAFETY: integers only; the kernel wants the padding zero.
        let mut region: sys::io_uring_region_desc = unsafe { mem::zeroed() };
        match self {
            Self::Kernel { length } => region.size = length as u64,
            Self::Memory { start, length } => {
                region.user_addr = start as u64;
                region.size = length as u64;
                region.flags = sys::IORING_MEM_REGION_TYPE_USER;
            }
        }
        region
    }
}

/// What the kernel answers when a queue is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ZcrxRegistration {
    /// What requests name the queue by, in `zcrx_ifq_idx`, and the control operations too.
    pub id: u32,
    /// How many entries the refill queue has, a power of two.
    pub refill_entries: u32,
    /// Where in the region the refill queue's head lies, in bytes: a `u32` that the kernel stores.
    pub head_offset: u32,
    /// Where in the region its tail lies, in bytes: a `u32` that the program stores.
    pub tail_offset: u32,
    /// Where in the region its entries lie, in bytes: each a `struct io_uring_zcrx_rqe`.
    pub entries_offset: u32,
    /// What marks the area in the offset of a refill entry.
    pub area_token: u64,
    /// Where a region of the kernel is mapped from the ring's descriptor.
    pub mmap_offset: u64,
}

impl<M: ThreadMode> Registrar<'_, M> {
    /// Lets a queue of a network interface receive into `area`, for the requests of this ring. Linux 6.15.
    ///
    /// The ring wants [`defer_taskrun`](crate::RingBuilder::defer_taskrun) and completions of 32 bytes, the
    /// interface a driver that can, and the caller `CAP_NET_ADMIN`. There is no unregistering: all ends with the
    /// ring. See `io_uring_register_ifq(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError::Other`], among others with
    ///
    /// - `EPERM`: without `CAP_NET_ADMIN`;
    /// - `ENODEV`: there is no such interface;
    /// - `EOPNOTSUPP`: its driver cannot do it;
    /// - `EINVAL`: a ring of another kind, no entries, memory that is not whole pages, an older kernel.
    ///
    /// # Safety
    ///
    /// Until the ring is gone and its last request has ended, also when other rings have imported the queue:
    ///
    /// - memory of this process in `area` and `region` stays mapped where it is;
    /// - the program touches the area only where a completion said that data lies, until it has given that
    ///   back in the refill queue.
    #[doc(alias = "io_uring_register_ifq")]
    pub unsafe fn register_zcrx(
        &self,
        queue: ZcrxQueue,
        area: &ZcrxArea<'_>,
        region: ZcrxRegion,
    ) -> Result<ZcrxRegistration, RegisterError> {
        let (mut area, mut region) = (area.argument(), region.argument());
        let mut argument = empty();
        argument.if_idx = queue.interface;
        argument.if_rxq = queue.queue;
        argument.rq_entries = queue.refill_entries;
        argument.flags = queue.flags;
        argument.rx_buf_len = queue.buffer_size;
        argument.area_ptr = &raw mut area as u64;
        argument.region_ptr = &raw mut region as u64;
        // SAFETY: the operation reads and writes the three arguments; the caller vouches for the memory behind.
        unsafe { self.register_raw(sys::IORING_REGISTER_ZCRX_IFQ, (&raw mut argument).cast(), 1) }
            .map_err(RegisterError::from_errno)?;
        Ok(ZcrxRegistration {
            id: argument.zcrx_id,
            refill_entries: argument.rq_entries,
            head_offset: argument.offsets.head,
            tail_offset: argument.offsets.tail,
            entries_offset: argument.offsets.rqes,
            area_token: area.rq_area_token,
            mmap_offset: region.mmap_offset,
        })
    }

    /// Shares a queue that another ring has registered, and answers with its number here. Newer than Linux 6.18.
    ///
    /// # Errors
    ///
    /// [`RegisterError::Other`]: `EBADF` when the descriptor is not of an exported queue, `EINVAL` on an older
    /// kernel or a ring of another kind.
    #[doc(alias = "ZCRX_REG_IMPORT")]
    pub fn import_zcrx<F: AsFd>(&self, exported: &F) -> Result<u32, RegisterError> {
        let mut argument = empty();
        argument.flags = sys::ZCRX_REG_IMPORT;
        argument.if_idx = exported.as_fd().as_raw_fd() as u32;
        // SAFETY: the operation reads and writes one such argument, and the descriptor is lent for the call. What
        // the queue receives into was vouched for when it was registered.
        unsafe { self.register_raw(sys::IORING_REGISTER_ZCRX_IFQ, (&raw mut argument).cast(), 1) }
            .map(|_| argument.zcrx_id)
            .map_err(RegisterError::from_errno)
    }

    /// Makes a descriptor that other rings can [import](Self::import_zcrx) the queue by. Newer than Linux 6.18.
    ///
    /// # Errors
    ///
    /// [`RegisterError::Other`]: `EINVAL` on an older kernel; an unknown queue is refused with a number that the
    /// kernel chooses.
    #[doc(alias = "ZCRX_CTRL_EXPORT")]
    pub fn export_zcrx(&self, id: u32) -> Result<OwnedFd, RegisterError> {
        let answer = self.zcrx_control(sys::ZCRX_CTRL_EXPORT, id)?;
        // SAFETY: this member is the operation's answer, a descriptor that the kernel has just made for us.
        unsafe {
            let fd = answer.__bindgen_anon_1.zc_export.zcrx_fd;
            Ok(OwnedFd::from_raw_fd(fd as i32))
        }
    }

    /// Takes what lies in the refill queue at once, instead of when memory is short. Newer than Linux 6.18.
    ///
    /// # Errors
    ///
    /// As [`export_zcrx`](Self::export_zcrx).
    #[doc(alias("io_uring_register_zcrx_ctrl", "ZCRX_CTRL_FLUSH_RQ"))]
    pub fn flush_zcrx_refill(&self, id: u32) -> Result<(), RegisterError> {
        self.zcrx_control(sys::ZCRX_CTRL_FLUSH_RQ, id).map(drop)
    }

    fn zcrx_control(&self, operation: u32, id: u32) -> Result<sys::zcrx_ctrl, RegisterError> {
        // SAFETY: integers only; the kernel wants the padding zero.
        let mut argument: sys::zcrx_ctrl = unsafe { mem::zeroed() };
        argument.zcrx_id = id;
        argument.op = operation;
        // SAFETY: the operation reads and writes one such argument.
        unsafe {
            self.register_raw(
                sys::IORING_REGISTER_ZCRX_CTRL,
                (&raw mut argument).cast(),
                0,
            )
        }
        .map_err(RegisterError::from_errno)?;
        Ok(argument)
    }
}

/// An argument that says nothing yet.
fn empty() -> sys::io_uring_zcrx_ifq_reg {
    // SAFETY: integers only; the kernel wants what is not used zero.
    unsafe { mem::zeroed() }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::ptr;

    use super::{ZcrxArea, ZcrxRegion};

    #[test]
    fn memory_is_described_by_its_address_and_a_device_by_its_descriptor() {
        let start = ptr::without_provenance_mut(0x1_0000);
        let area = ZcrxArea::Memory {
            start,
            length: 8192,
        }
        .argument();
        assert_eq!((area.addr, area.len, area.flags), (0x1_0000, 8192, 0));
        let stdin = std::io::stdin();
        let area = ZcrxArea::DmaBuf {
            buffer: stdin.as_fd(),
            offset: 4096,
            length: 8192,
        }
        .argument();
        assert_eq!((area.addr, area.len, area.flags), (4096, 8192, 1));
        assert_eq!(area.dmabuf_fd, 0);

        let region = ZcrxRegion::Memory {
            start,
            length: 4096,
        }
        .argument();
        assert_eq!(
            (region.user_addr, region.size, region.flags),
            (0x1_0000, 4096, 1)
        );
        let region = ZcrxRegion::Kernel { length: 4096 }.argument();
        assert_eq!((region.user_addr, region.size, region.flags), (0, 4096, 0));
    }
}
