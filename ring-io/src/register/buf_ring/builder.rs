//! What a pool is made with.

use ring_io_sys as sys;

use super::error::BufRingError;

/// Describes a pool of provided buffers; [`BufRing::builder`](super::BufRing::builder) starts one and
/// [`Registrar::buffer_ring`](crate::Registrar::buffer_ring) makes it.
#[derive(Clone, Copy, Debug)]
#[must_use = "a description does nothing until the pool is made"]
pub struct BufRingBuilder {
    pub(super) group: u16,
    pub(super) entries: u16,
    pub(super) buffer_size: u32,
    pub(super) incremental: bool,
    pub(super) min_left: u32,
    pub(super) kernel_memory: bool,
}

impl BufRingBuilder {
    pub(super) const fn new(group: u16, entries: u16, buffer_size: u32) -> Self {
        Self {
            group,
            entries,
            buffer_size,
            incremental: false,
            min_left: 0,
            kernel_memory: false,
        }
    }

    /// Lets the kernel consume each buffer piece by piece, one completion after the other, instead of giving
    /// a whole buffer to each. Off by default. Linux 6.12.
    ///
    /// Fewer and larger buffers then serve small and large messages alike. See
    /// [`BufRing`](super::BufRing#incremental-consumption) for what it asks of requests.
    #[doc(alias = "IOU_PBUF_RING_INC")]
    pub const fn incremental(mut self, incremental: bool) -> Self {
        self.incremental = incremental;
        self
    }

    /// How many bytes an incremental buffer must have left for the kernel to go on with it; with fewer it
    /// begins the next one. Any number by default. Newer than Linux 6.12; a kernel without it refuses.
    #[doc(alias = "io_uring_buf_reg")]
    pub const fn min_left(mut self, bytes: u32) -> Self {
        self.min_left = bytes;
        self
    }

    /// Has the kernel allocate the ring of entries, 16 bytes for each buffer, instead of pinning pages of the
    /// process. The buffers themselves are the process's either way. Off by default. Linux 6.4.
    ///
    /// Needs a group below 2,048, and a ring with a descriptor of its own.
    #[doc(alias = "IOU_PBUF_RING_MMAP")]
    pub const fn kernel_memory(mut self, kernel_memory: bool) -> Self {
        self.kernel_memory = kernel_memory;
        self
    }

    /// Checks what the kernel would refuse without saying why, and answers with the bytes of all buffers.
    pub(super) fn check(&self) -> Result<usize, BufRingError> {
        let &Self {
            group,
            entries,
            buffer_size: size,
            min_left,
            ..
        } = self;
        if !entries.is_power_of_two() {
            return Err(BufRingError::Entries { entries });
        }
        // A completion's result is an `i32`.
        if size == 0 || size > i32::MAX as u32 {
            return Err(BufRingError::BufferSize { size });
        }
        if min_left > 0 && (!self.incremental || min_left > size) {
            return Err(BufRingError::MinLeft { min_left });
        }
        // The offset holds the group in the bits between the kind of mapping and the page. (Measured on Linux
        // 6.18: the registration succeeds, and the mapping fails.)
        let groups = (!sys::IORING_OFF_MMAP_MASK as u32) >> sys::IORING_OFF_PBUF_SHIFT;
        if self.kernel_memory && u32::from(group) > groups {
            return Err(BufRingError::KernelMemoryGroup { group });
        }
        usize::from(entries)
            .checked_mul(size as usize)
            .filter(|&bytes| isize::try_from(bytes).is_ok())
            .ok_or(BufRingError::BufferSize { size })
    }
}
