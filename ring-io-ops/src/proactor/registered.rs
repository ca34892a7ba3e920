//! Registered files: slots of the ring's table in place of descriptors.
//!
//! The kernel chooses the slots, in requests that register, open, connect and accept, so that nothing is counted here. It
//! does so when it takes a request, and a slot is emptied by a request too: behind every entry that names it, so none
//! acts on whatever is in the slot next.

use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::time::Instant;

use ring_io::{BufRingError, Sqe};

use super::chain::ChainLinks;
use super::error::OpError;
use super::handle::{Handle, Start, StartMultishot};
use super::links::{LinkOp, StartChain};
use super::net::Provide;
use super::open_file::{OwnedSlot, of_table, sealed::OpenFile as _};
use super::owned::{Completion, MultishotOperation, OwnedOperation};
use crate::{FilesUpdate, FixedFdInstall, Operation};

/// A handle of a proactor whose files and sockets are registered: each is a slot of the proactor's table, and no
/// descriptor of the process.
///
/// An operation on a slot does not look a descriptor up, nor count a reference to its file: that costs the kernel less. What
/// is in a slot is out of reach for the rest of the process, and for programs that it starts.
///
/// [`LocalHandle::registered_files`](super::LocalHandle::registered_files) and
/// [`Proactor::registered_files`](super::Proactor::registered_files) give the handle, when the builder was told how many slots
/// the table has. Everything that is made through it is registered: [`Files::open`](super::Files::open) and
/// [`Sockets::tcp_connect`](super::Sockets::tcp_connect) put what they open into a slot at once, and a listener in a slot
/// accepts into slots. What is open already is moved with [`File::register`](super::File::register) and the like, and back
/// with [`File::unregister`](super::File::unregister). Linux 5.19; back, Linux 6.8.
///
/// A `File<Registered<H>>` has the methods of a [`File`](super::File) but for those that need a descriptor: `AsFd`,
/// `into_std`, [`metadata`](super::File::metadata), the addresses of sockets. Dropped, it gives its slot back, behind
/// everything that was started on it. Forgotten, it keeps the slot until the ring is gone.
///
/// # Errors
///
/// With every slot taken, what would fill one ends with [`OpError::TableFull`]. A listener then loses the connection that
/// it has accepted.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::{Files, LocalProactor, OpError, OpenOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let proactor = LocalProactor::builder().registered_files(2).build()?;
/// let buffers = proactor.registered_buffers(1, 4096)?;
/// let table = proactor.registered_files()?;
/// proactor.block_on(async {
///     // Into a slot at once,
///     let program = table.open("/proc/self/exe", OpenOptions::new().read(true)).await?;
///     let buffer = buffers.take().expect("the one");
///     let (n, buffer) = program.read_fixed_at(buffer, 0).await?;
///     assert_eq!((n, &buffer[..4]), (4096, b"\x7fELF".as_slice()));
///
///     // or what is open already.
///     let zeros = proactor.open("/dev/zero", OpenOptions::new().read(true)).await?;
///     let zeros = zeros.register().await?;
///     zeros.read_exact_at(vec![1; 64], 0).await?;
///
///     // There are two slots. What found none is as it was.
///     let nothing = proactor.open("/dev/null", OpenOptions::new().write(true)).await?;
///     let failed = nothing.register().await.unwrap_err();
///     assert_eq!(failed.error, OpError::TableFull);
///     failed.value.write_all_at(b"some bytes".as_slice(), 0).await?;
///
/// #   use ring_io_ops::Operation;
/// #   let install = ring_io_ops::FixedFdInstall::OPCODE;
/// #   if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(install)) { return Ok(()) }
///     // And back.
///     let program = program.unregister().await?;
///     assert!(program.metadata().await?.is_file());
///     std::io::Result::Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[doc(alias("IOSQE_FIXED_FILE", "direct descriptor", "fixed file"))]
pub struct Registered<H> {
    handle: H,
}

impl<H> Registered<H> {
    /// The proactor has a table.
    pub(super) const fn new(handle: H) -> Self {
        Self { handle }
    }

    /// The handle for what is not registered.
    #[inline(always)]
    pub const fn handle(&self) -> &H {
        &self.handle
    }
}

/// A proactor that may have a table of registered files. Sealed, as [`Handle`] is.
pub trait RegisterFiles: Handle<Fd = OwnedFd> {
    /// The handle whose files and sockets are registered.
    ///
    /// # Errors
    ///
    /// [`OpError::NoTable`]: the proactor was built without a table.
    fn registered_files(&self) -> Result<Registered<Self>, OpError>;

    /// Empties a slot behind every operation on it that was started.
    #[doc(hidden)]
    fn close_slot(&self, slot: OwnedSlot);
}

impl<H: RegisterFiles> Handle for Registered<H> {
    type Sleep = H::Sleep;
    type Fd = OwnedSlot;

    fn sleep_until(&self, at: Instant) -> H::Sleep {
        self.handle.sleep_until(at)
    }

    fn close(&self, slot: OwnedSlot) {
        self.handle.close_slot(slot);
    }
}

impl<T: OwnedOperation, H: RegisterFiles + Start<T>> Start<T> for Registered<H> {
    type Op<'h> = H::Op<'h>;

    #[inline(always)]
    fn start(&self, operation: T) -> H::Op<'_> {
        self.handle.start(operation)
    }
}

impl<T: MultishotOperation, H: RegisterFiles + StartMultishot<T>> StartMultishot<T>
    for Registered<H>
{
    type Multishot<'h> = H::Multishot<'h>;

    fn start_multishot(&self, operation: T) -> H::Multishot<'_> {
        self.handle.start_multishot(operation)
    }
}

impl<'h, H: RegisterFiles, O: LinkOp<'h, H>> LinkOp<'h, Registered<H>> for O {
    type Operation = O::Operation;

    fn into_operation(self, handle: &'h Registered<H>) -> O::Operation {
        self.into_operation(handle.handle())
    }
}

impl<L: ChainLinks, H: RegisterFiles + StartChain<L>> StartChain<L> for Registered<H> {
    type Chain<'h> = H::Chain<'h>;

    fn start_chain(&self, links: L, always: u32) -> H::Chain<'_> {
        self.handle.start_chain(links, always)
    }
}

impl<H: RegisterFiles + Provide> Provide for Registered<H> {
    type Pool = H::Pool;

    fn provide(&self, entries: u16, size: u32) -> Result<H::Pool, BufRingError> {
        self.handle.provide(entries, size)
    }

    #[inline(always)]
    fn has_provided(&self, pool: &H::Pool) -> bool {
        self.handle.has_provided(pool)
    }
}

/// Puts a file into a slot. The method `register` of files and sockets makes one.
///
/// `IORING_OP_FILES_UPDATE` with a slot of the kernel's choice, Linux 5.19.
#[derive(Debug)]
pub struct RegisterFd<H: RegisterFiles> {
    /// The kernel puts the number of the slot in place of the descriptor's.
    number: Box<RawFd>,
    handle: Registered<H>,
}

impl<H: RegisterFiles> RegisterFd<H> {
    pub(super) fn new(fd: &OwnedFd, handle: Registered<H>) -> Self {
        Self {
            number: Box::new(fd.as_raw_fd()),
            handle,
        }
    }
}

// SAFETY: the entry lends the number, which lies in a box.
unsafe impl<H: RegisterFiles> OwnedOperation for RegisterFd<H> {
    type Output = Result<OwnedSlot, OpError>;

    fn entry(&mut self) -> Sqe {
        FilesUpdate::into_free_slots(&raw mut *self.number, 1).to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        // A result of one: the number was replaced. There is no other but errors.
        match completion.result {
            Ok(_) => Ok(OwnedSlot::of_number(*self.number as u32)),
            Err(error) => Err(of_table(error)),
        }
    }

    unsafe fn abandon(self, completion: Completion) {
        let handle = self.handle.clone();
        // SAFETY: as the caller vouches for.
        if let Ok(slot) = unsafe { self.finish(completion) } {
            handle.close(slot);
        }
    }
}

/// Makes a descriptor of a file in a slot. The method `unregister` of files and sockets makes one.
///
/// `IORING_OP_FIXED_FD_INSTALL`, Linux 6.8.
#[derive(Debug)]
pub struct InstallFd {
    slot: u32,
}

impl InstallFd {
    pub(super) fn new(slot: &OwnedSlot) -> Self {
        Self {
            slot: slot.number(),
        }
    }
}

// SAFETY: the entry lends nothing.
unsafe impl OwnedOperation for InstallFd {
    type Output = Result<OwnedFd, OpError>;

    fn entry(&mut self) -> Sqe {
        FixedFdInstall::new(self.slot).to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        // SAFETY: the kernel made the descriptor for this operation, whose completion is read once.
        unsafe { OwnedFd::made(completion) }
    }
}

/// Gives a resource the methods `register` and `unregister`. It has a `from_descriptor`, and the descriptor is the field.
macro_rules! registers {
    ($resource:ident $(<$family:ident>)?; $field:ident) => {
        impl<H: $crate::proactor::RegisterFiles $(, $family: Family)?> $resource<H $(, $family)?> {
            /// Moves it into a slot of the proactor's table of [registered](crate::proactor::Registered) files, which the
            /// kernel chooses. The descriptor is closed behind everything that was started on it. Linux 5.19.
            ///
            /// # Errors
            ///
            /// It comes back as it was, with
            ///
            /// - [`OpError::NoTable`](crate::proactor::OpError::NoTable): the proactor was built without a table.
            /// - [`OpError::TableFull`](crate::proactor::OpError::TableFull): every slot is taken.
            /// - What else the kernel refuses: `EBADF` for the descriptor of a ring.
            #[doc(alias("IORING_OP_FILES_UPDATE", "io_uring_register_files_update"))]
            pub async fn register(
                self,
            ) -> Result<
                $resource<$crate::proactor::Registered<H> $(, $family)?>,
                $crate::proactor::Failed<Self>,
            >
            where
                H: $crate::proactor::Start<$crate::proactor::RegisterFd<H>>,
            {
                match self.$field.register().await {
                    Ok(descriptor) => Ok($resource::from_descriptor(descriptor)),
                    Err(failed) => Err(failed.map($resource::from_descriptor)),
                }
            }
        }

        impl<H: $crate::proactor::RegisterFiles $(, $family: Family)?>
            $resource<$crate::proactor::Registered<H> $(, $family)?>
        {
            /// Gives it a descriptor of the process again. The slot is emptied behind everything that was started on it.
            /// Linux 6.8.
            ///
            /// # Errors
            ///
            /// It comes back as it was, with what the kernel refuses: `EMFILE` when too many descriptors are open,
            /// `EINVAL` from a kernel that cannot.
            #[doc(alias = "IORING_OP_FIXED_FD_INSTALL")]
            pub async fn unregister(
                self,
            ) -> Result<$resource<H $(, $family)?>, $crate::proactor::Failed<Self>>
            where
                H: $crate::proactor::Start<$crate::proactor::InstallFd>,
            {
                match self.$field.unregister().await {
                    Ok(descriptor) => Ok($resource::from_descriptor(descriptor)),
                    Err(failed) => Err(failed.map($resource::from_descriptor)),
                }
            }
        }
    };
}
pub(super) use registers;
