//! What stands for an open file: a descriptor of the process, or a slot of the ring's table of registered files.

use std::fmt;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use ring_io::{Sqe, SqeFlags};

use super::error::OpError;
use super::handle::Handle;
use super::owned::Completion;
use crate::{Close, Destination as _, OpenFlags, Operation, SocketFlags, Target, ToFreeSlot};

/// What stands for an open file: [`OwnedFd`] for most handles of a proactor, [`OwnedSlot`] for
/// [`Registered`](super::Registered) ones. There are these two: the trait is sealed.
pub trait OpenFile: sealed::OpenFile {}

impl OpenFile for OwnedFd {}
impl OpenFile for OwnedSlot {}

pub(super) mod sealed {
    use super::{Closing, Completion, Handle, OpError, OpenFlags, SocketFlags, Sqe, Target};

    pub trait OpenFile: std::fmt::Debug + Sized + 'static {
        /// What a path is opened with besides.
        const OPEN: OpenFlags;
        /// What a socket is made with besides.
        const SOCKET: SocketFlags;

        fn target(&self) -> Target;

        /// Has a request that makes a file make one of these.
        fn made_by(sqe: Sqe) -> Sqe;

        /// What such a request has made.
        ///
        /// # Safety
        ///
        /// The completion is one of a request that [`made_by`](Self::made_by) has seen, and is read once.
        unsafe fn made(completion: Completion) -> Result<Self, OpError>;

        fn into_closing(self) -> Closing;

        /// Closes one that nothing was started on, which so need not be closed in order where it closes itself.
        fn discard(self, handle: &impl Handle<Fd = Self>);
    }
}

impl sealed::OpenFile for OwnedFd {
    const OPEN: OpenFlags = OpenFlags::CLOEXEC;
    const SOCKET: SocketFlags = SocketFlags::CLOEXEC;

    #[inline(always)]
    fn target(&self) -> Target {
        Target::Fd(self.as_raw_fd())
    }

    fn made_by(sqe: Sqe) -> Sqe {
        sqe
    }

    unsafe fn made(completion: Completion) -> Result<Self, OpError> {
        // SAFETY: the kernel opened it for the request, and the caller reads the completion once.
        completion
            .result
            .map(|fd| unsafe { Self::from_raw_fd(fd as RawFd) })
    }

    fn into_closing(self) -> Closing {
        Closing::Fd(self)
    }

    fn discard(self, _: &impl Handle<Fd = Self>) {}
}

/// A slot of a proactor's table of registered files, with the file that is in it.
///
/// It is what [`OwnedFd`] is to a descriptor, but for its drop, which does nothing: the resource that it belongs to empties
/// the slot.
pub struct OwnedSlot(u32);

impl OwnedSlot {
    /// The slot is this value's alone, and full.
    pub(super) const fn of_number(slot: u32) -> Self {
        Self(slot)
    }

    pub(super) const fn number(&self) -> u32 {
        self.0
    }
}

impl sealed::OpenFile for OwnedSlot {
    // A slot is no descriptor that a new program could inherit, and the kernel refuses the flag.
    const OPEN: OpenFlags = OpenFlags::empty();
    const SOCKET: SocketFlags = SocketFlags::empty();

    #[inline(always)]
    fn target(&self) -> Target {
        Target::Fixed(self.0)
    }

    fn made_by(mut sqe: Sqe) -> Sqe {
        sqe.set_file_index(ToFreeSlot.file_index());
        sqe
    }

    unsafe fn made(completion: Completion) -> Result<Self, OpError> {
        match completion.result {
            Ok(slot) => Ok(Self(slot)),
            Err(error) => Err(of_table(error)),
        }
    }

    fn into_closing(self) -> Closing {
        Closing::Slot(self.0)
    }

    fn discard(self, handle: &impl Handle<Fd = Self>) {
        handle.close(self);
    }
}

/// What the kernel's refusal to fill a slot means.
pub(super) fn of_table(error: OpError) -> OpError {
    match error {
        OpError::Kernel(errno) if errno.raw() == libc::ENFILE => OpError::TableFull,
        other => other,
    }
}

impl fmt::Debug for OwnedSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedSlot").field(&self.0).finish()
    }
}

/// What is to be closed when nothing names it any more.
#[derive(Debug)]
pub enum Closing {
    Fd(OwnedFd),
    /// A slot with a file in it that belongs to nobody else.
    Slot(u32),
}

impl Closing {
    pub(crate) fn target(&self) -> Target {
        match self {
            Self::Fd(fd) => Target::Fd(fd.as_raw_fd()),
            &Self::Slot(slot) => Target::Fixed(slot),
        }
    }

    /// The entry that closes it, without user data.
    pub(crate) fn entry(&self) -> Sqe {
        Close::new(self.target()).to_sqe()
    }

    /// Leaves it open: it is the kernel's to close, or stays as it is.
    pub(crate) fn leave_open(self) {
        if let Self::Fd(fd) = self {
            let _ = fd.into_raw_fd();
        }
    }
}

/// What an entry acts on: what must not be closed before the kernel has looked it up.
pub(crate) fn named(sqe: &Sqe) -> Option<Target> {
    if sqe.flags().contains(SqeFlags::FIXED_FILE) {
        return Some(Target::Fixed(sqe.fd() as u32));
    }
    if sqe.opcode() == Close::OPCODE
        && let Some(slot) = sqe.file_index().checked_sub(1)
    {
        return Some(Target::Fixed(slot));
    }
    // None, or the folder that paths begin at.
    (sqe.fd() >= 0).then(|| Target::Fd(sqe.fd()))
}

#[cfg(test)]
mod tests {
    use super::named;
    use crate::{CWD, Close, Fd, Fixed, Fsync, OpenAt, OpenFlags, Operation};

    #[test]
    fn an_entry_names_a_descriptor_a_slot_or_nothing() {
        assert_eq!(named(&Fsync::new(Fd(3)).to_sqe()), Some(Fd(3)));
        assert_eq!(named(&Fsync::new(Fixed(3)).to_sqe()), Some(Fixed(3)));
        assert_eq!(named(&Close::new(Fd(3)).to_sqe()), Some(Fd(3)));
        assert_eq!(named(&Close::new(Fixed(0)).to_sqe()), Some(Fixed(0)));
        let open = OpenAt::new(CWD, c"".as_ptr(), OpenFlags::RDONLY);
        assert_eq!(named(&open.to_sqe()), None);
    }
}
