//! Memory that the kernel knows: the driver's thread registers it, which the kernel takes from no other.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use ring_io::{RegisterError, sys};

use super::driver::Driver;
use super::flight::Message;
use super::queue::Link;
use super::shared::Shared;

/// Zeroed memory that is freed with the value.
///
/// # Invariants
///
/// 1. `start` is what the allocator gave for `layout`, whose size is not zero.
#[derive(Debug)]
pub(crate) struct Memory {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the memory belongs to the process, and the value says nothing of what is in it.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// `None` for nothing, and for more than there are addresses.
    pub(crate) fn zeroed(bytes: usize, align: usize) -> Option<Self> {
        let layout = Layout::from_size_align(bytes, align).ok()?;
        if bytes == 0 {
            return None;
        }
        // SAFETY: the size is not zero.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) });
        let start = start.unwrap_or_else(|| handle_alloc_error(layout));
        Some(Self { start, layout })
    }

    pub(crate) const fn start(&self) -> NonNull<u8> {
        self.start
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the allocator's, and freed once (1).
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

/// The largest page that a kernel has which runs this: the entries begin on one.
pub(crate) const PAGE_MAX: usize = 65536;

/// What is to be registered, over the memory that comes with it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// So many zeroed entries at the start of a page, for a ring of provided buffers. Everything that they will lead the
    /// kernel to lies in the buffers.
    Ring { entries: u16 },
    /// So many buffers of so many bytes, one behind the other.
    Buffers { count: u16, len: usize },
}

/// Memory that the kernel knows.
///
/// # Invariants
///
/// 1. What is `kept` stays allocated until the driver has unregistered it, or its ring is gone.
#[derive(Debug)]
pub(crate) struct Registered {
    /// The number of a ring of provided buffers; otherwise zero.
    pub(crate) group: u16,
    what: What,
    shared: Arc<Shared>,
    /// Gone with the drop.
    kept: Option<Kept>,
}

/// What the kernel may use as long as it knows the number.
#[derive(Debug)]
struct Kept {
    /// Of a ring of provided buffers.
    entries: Option<Memory>,
    buffers: Memory,
}

impl Registered {
    /// Has it registered, and blocks until the driver has done it.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: the kernel refused it, or the proactor is shut down, `ESHUTDOWN`.
    ///
    /// # Panics
    ///
    /// On the driver's own thread, which cannot wait for itself.
    pub(crate) fn new(
        shared: &Arc<Shared>,
        what: What,
        entries: Option<Memory>,
        buffers: Memory,
    ) -> Result<Self, RegisterError> {
        assert!(
            !shared.is_driver(),
            "a pool of buffers is made on another thread than the driver's, which would wait for itself"
        );
        let closed = || RegisterError::Other(ring_io::Errno::from_raw(libc::ESHUTDOWN));
        let (answer, group) = mpsc::sync_channel(1);
        let message = Arc::new(Register {
            link: Link::new(),
            what,
            work: Mutex::new(Some(Work {
                kept: Kept { entries, buffers },
                answer,
            })),
        });
        // SAFETY: nobody else has the message.
        let pushed = unsafe { shared.push(message) };
        pushed.map_err(|_| closed())?;
        let (group, kept) = group.recv().map_err(|mpsc::RecvError| closed())??;
        Ok(Self {
            group,
            what,
            shared: Arc::clone(shared),
            kept: Some(kept),
        })
    }

    pub(crate) fn is_of(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    fn kept(&self) -> &Kept {
        self.kept.as_ref().expect("kept until the drop")
    }

    /// Of a ring of provided buffers.
    pub(crate) fn entries(&self) -> NonNull<u8> {
        let entries = self.kept().entries.as_ref();
        entries.expect("a ring has entries").start()
    }

    pub(crate) fn buffers(&self) -> NonNull<u8> {
        self.kept().buffers.start()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let message = Arc::new(Unregister {
            link: Link::new(),
            group: self.group,
            what: self.what,
            kept: Mutex::new(self.kept.take()),
        });
        // Refused by a driver that is gone, and its ring with it: then the memory is freed here. What the driver left with
        // the kernel has kept this value.
        // SAFETY: nobody else has the message.
        let _ = unsafe { self.shared.push(message) };
    }
}

type Answer = Result<(u16, Kept), RegisterError>;

struct Work {
    kept: Kept,
    answer: mpsc::SyncSender<Answer>,
}

struct Register {
    link: Link<dyn Message>,
    what: What,
    work: Mutex<Option<Work>>,
}

// SAFETY: the link is a field.
unsafe impl Message for Register {
    fn link(&self) -> &Link<dyn Message> {
        &self.link
    }

    fn deliver(self: Arc<Self>, driver: &mut Driver) {
        let work = self
            .work
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(Work { kept, answer }) = work else {
            return;
        };
        let group = match (self.what, &kept.entries) {
            // SAFETY: zeroed, page-aligned, as many, and kept until the number is unregistered.
            (What::Ring { entries }, Some(memory)) => unsafe {
                driver.register_entries(memory.start(), entries)
            },
            (What::Buffers { count, len }, _) => {
                // SAFETY: so many bytes, and kept until they are unregistered.
                let registered =
                    unsafe { driver.register_buffers(kept.buffers.start(), count, len) };
                registered.map(|()| 0)
            }
            (What::Ring { .. }, None) => Err(RegisterError::Empty),
        };
        // Whoever asks waits for it.
        let _ = answer.send(group.map(|group| (group, kept)));
    }
}

struct Unregister {
    link: Link<dyn Message>,
    what: What,
    group: u16,
    kept: Mutex<Option<Kept>>,
}

// SAFETY: the link is a field.
unsafe impl Message for Unregister {
    fn link(&self) -> &Link<dyn Message> {
        &self.link
    }

    fn deliver(self: Arc<Self>, driver: &mut Driver) {
        let kept = self
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let registrar = driver.port().registrar();
        let unregistered = match self.what {
            // SAFETY: the group is one that `register_entries` made.
            What::Ring { .. } => unsafe { registrar.unregister_buf_ring_raw(self.group) },
            What::Buffers { .. } => registrar.unregister_buffers(),
        };
        if unregistered.is_err() {
            // Whatever the reason, the kernel may go on.
            std::mem::forget(kept);
        }
    }
}

impl Driver {
    /// Registers entries under a number that none has.
    ///
    /// # Safety
    ///
    /// They are `count`, zeroed, at the start of a page, and stay until the number is unregistered.
    unsafe fn register_entries(
        &mut self,
        entries: NonNull<u8>,
        count: u16,
    ) -> Result<u16, RegisterError> {
        let first = self.next_group;
        loop {
            let group = self.next_group;
            self.next_group = group.wrapping_add(1);
            let registration = sys::io_uring_buf_reg {
                ring_addr: entries.as_ptr() as u64,
                ring_entries: count.into(),
                bgid: group,
                flags: 0,
                min_left: 0,
                resv: [0; 5],
            };
            // SAFETY: the caller vouches for the entries; what they will lead to is kept as long.
            match unsafe { self.port().registrar().register_buf_ring_raw(&registration) } {
                // Numbers come round after 2^16 pools.
                Err(RegisterError::Exists) if self.next_group != first => {}
                other => return other.map(|()| group),
            }
        }
    }

    /// # Safety
    ///
    /// The `count` buffers of `len` bytes at `start` stay until they are unregistered.
    unsafe fn register_buffers(
        &self,
        start: NonNull<u8>,
        count: u16,
        len: usize,
    ) -> Result<(), RegisterError> {
        let buffers: Vec<_> = (0..usize::from(count))
            .map(|index| libc::iovec {
                // SAFETY: within the memory.
                iov_base: unsafe { start.add(index * len) }.as_ptr().cast(),
                iov_len: len,
            })
            .collect();
        // SAFETY: the caller vouches for them; an entry that names one owns it.
        unsafe { self.port().registrar().register_buffers(&buffers) }
    }
}
