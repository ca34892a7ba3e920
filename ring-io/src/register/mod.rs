//! Registration: what the kernel keeps for a ring beyond single requests.

mod bpf;
mod buf_ring;
mod buffers;
mod cancel;
mod clock;
mod error;
mod eventfd;
mod files;
mod message;
mod napi;
mod personality;
mod probe;
mod query;
mod region;
mod resources;
mod restrictions;
pub(crate) mod ringless;
mod workers;
mod zcrx;

use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::backend;
use crate::core::Core;
use crate::errno::Errno;
use crate::mode::{AnyThread, ThreadMode};

pub use bpf::{BpfFilter, BpfFilterError, BpfFilterFlags, register_task_bpf_filter};
pub use buf_ring::{
    BufRing, BufRingBuilder, BufRingError, Bundle, Hold, OwnedProvidedBuffer, ProvidedBuffer,
    RawBufRing, RawProvidedBuffer, TakeError, Taken,
};
pub use buffers::{BufferClone, BufferPool, RegisteredBuffer};
pub use cancel::{SyncCancel, SyncCancelError};
pub use error::RegisterError;
pub use files::{FileEntry, FileSlot, FileTable};
pub use message::{Message, MessageError, send_message};
pub use napi::{Napi, NapiTracking};
pub use personality::Personality;
pub use probe::Probe;
pub use query::{
    EnterFlags, QueryError, QueryOpcodes, QueryScq, QueryZcrx, query_opcodes, query_scq, query_zcrx,
};
pub use region::{RegisteredWait, WaitRegion};
pub use restrictions::Restrictions;
pub use workers::{CpuSet, MaxWorkers};
pub use zcrx::{ZcrxArea, ZcrxQueue, ZcrxRegion, ZcrxRegistration};

/// The right to register things with one ring.
///
/// All methods take `&self`: the kernel has a lock of its own. They may be called while requests are in
/// flight; the kernel keeps what those use until they are done.
///
/// # Invariants
///
/// 1. `core` is a live ring; `'r` or `owner` keeps it alive.
pub struct Registrar<'r, M: ThreadMode = AnyThread> {
    core: NonNull<Core>,
    owner: Option<Arc<Core>>,
    _borrow: PhantomData<(&'r Core, M)>,
}

// SAFETY: registration works from any thread, but for rings that the kernel binds to one; those have
// `M = OneThread`, which is not `Send`.
unsafe impl<M: ThreadMode + Send> Send for Registrar<'_, M> {}
// SAFETY: as above; the kernel serialises the calls.
unsafe impl<M: ThreadMode + Send> Sync for Registrar<'_, M> {}

impl<M: ThreadMode> Registrar<'_, M> {
    /// # Safety
    ///
    /// `core` lives for the registrar's lifetime, or as long as `owner`, which then is the same ring.
    #[inline(always)]
    pub(crate) unsafe fn new(core: &Core, owner: Option<Arc<Core>>) -> Self {
        Self {
            core: NonNull::from(core),
            owner,
            _borrow: PhantomData,
        }
    }

    /// Calls `io_uring_register(2)` with an operation that this crate may not know.
    ///
    /// # Errors
    ///
    /// The kernel's number.
    ///
    /// # Safety
    ///
    /// - `arg` and `nr` are what the manual page asks for with `opcode`, and what the kernel keeps of them
    ///   stays valid as long as it says.
    /// - The operation does not change the ring's memory or descriptors: resizing and registering the
    ///   ring's own descriptor are methods of [`Ring`](crate::Ring).
    #[doc(alias = "io_uring_register")]
    pub unsafe fn register_raw(
        &self,
        opcode: u32,
        arg: *const c_void,
        nr: u32,
    ) -> Result<u32, Errno> {
        // SAFETY: the ring is live (1); the caller vouches for the arguments.
        unsafe { backend::register(self.core.as_ref().as_ptr(), opcode, arg, nr) }
    }

    /// [`register_raw`](Self::register_raw) with a slice as argument.
    ///
    /// # Safety
    ///
    /// As there, and `opcode` takes an array of `T`.
    unsafe fn register_slice<T>(&self, opcode: u32, items: &[T]) -> Result<u32, RegisterError> {
        let nr = u32::try_from(items.len())
            .map_err(|_| RegisterError::TooMany { count: items.len() })?;
        // SAFETY: the slice is as long as it says; the caller vouches for what is in it.
        unsafe { self.register_raw(opcode, items.as_ptr().cast(), nr) }
            .map_err(RegisterError::from_errno)
    }
}

impl<M: ThreadMode> fmt::Debug for Registrar<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registrar")
            .field("owned", &self.owner.is_some())
            .finish_non_exhaustive()
    }
}
