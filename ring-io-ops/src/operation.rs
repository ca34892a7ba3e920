//! What an operation is, and the request made of it.
//!
//! An [`Operation`] knows the fields that are its own; a [`Request`] adds those
//! that every entry has. Both are values: nothing happens until a queue takes them.

use ring_io::{Cqe, Errno, Prepare, SafeToPush, Sqe, SqeFlags, SubmissionEntry};

/// One kind of request: how it is written into an entry, and how its completion is read.
///
/// The setters that come with it turn an operation into a [`Request`], which has
/// them again, so that they can be chained.
///
/// # A program's own operations
///
/// An operation that is newer than this crate takes a dozen lines, and has then all that
/// the others have: the setters, results of its own type, a place in a [`Chain`](crate::Chain).
/// The one difference is that it is pushed as its [`request`](Self::request), which every setter
/// makes of it too.
///
/// Where a type of its own is not worth it, [`Raw`](crate::Raw) takes the fields as they are.
///
/// # Examples
///
/// ```
/// use std::os::fd::AsRawFd;
///
/// use ring_io_ops::Operation;
/// use ring_io_ops::ring::{Cqe, Errno, Ring, Sqe};
///
/// /// Makes a file as long as `len`, as if this crate had no `Ftruncate`.
/// #[derive(Clone, Copy, Debug)]
/// struct Truncate {
///     fd: i32,
///     len: u64,
/// }
///
/// impl Operation for Truncate {
///     const OPCODE: u8 = 55;
///     type Output = ();
///
///     fn write(&self, sqe: &mut Sqe) {
///         sqe.set_fd(self.fd).set_off(self.len);
///     }
///
///     fn read(cqe: &Cqe) -> Result<(), Errno> {
///         cqe.result().map(drop)
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(Truncate::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// let truncate = Truncate { fd: file.as_raw_fd(), len: 4096 };
/// // SAFETY: the entry names no memory, and the file is this program's.
/// unsafe { sq.push(truncate.user_data(9)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!((cqe.user_data(), Truncate::read(&cqe)), (9, Ok(())));
/// assert_eq!(file.metadata()?.len(), 4096);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no operation of 64 bytes",
    note = "one of 128 bytes, a `WideOperation`, takes a ring built with `sqe128()`, or `push_wide` on one built with `sqe_mixed()`; it has no place in a chain"
)]
pub trait Operation: Sized {
    /// The operation's number, one of `IORING_OP_*`.
    const OPCODE: u8;

    /// What a completion without an error says.
    type Output;

    /// Writes the fields that are the operation's own.
    ///
    /// `sqe` arrives cleared, with [`OPCODE`](Self::OPCODE) set; fields that are
    /// not written stay zero. `user_data` and `personality` are the request's
    /// business, and so are the flags except those that belong to an operand,
    /// such as [`SqeFlags::FIXED_FILE`].
    fn write(&self, sqe: &mut Sqe);

    /// Reads a completion of this operation.
    ///
    /// Nothing ties a completion to its operation but the program's own
    /// `user_data`, so this is a question about two numbers: it takes no
    /// ownership, and may be asked twice.
    ///
    /// # Errors
    ///
    /// The error number that the operation ended with, unless the operation
    /// counts it among its outcomes.
    fn read(cqe: &Cqe) -> Result<Self::Output, Errno>;

    /// The whole entry.
    #[inline(always)]
    fn to_sqe(&self) -> Sqe {
        let mut sqe = Sqe::new();
        sqe.set_opcode(Self::OPCODE);
        self.write(&mut sqe);
        sqe
    }

    /// The request with every common field at its default.
    #[inline(always)]
    fn request(self) -> Request<Self> {
        Request::new(self)
    }

    /// See [`Request::user_data`].
    #[inline(always)]
    fn user_data(self, user_data: u64) -> Request<Self> {
        self.request().user_data(user_data)
    }

    /// See [`Request::link`].
    #[inline(always)]
    fn link(self) -> Request<Self> {
        self.request().link()
    }

    /// See [`Request::hard_link`].
    #[inline(always)]
    fn hard_link(self) -> Request<Self> {
        self.request().hard_link()
    }

    /// See [`Request::drain`].
    #[inline(always)]
    fn drain(self) -> Request<Self> {
        self.request().drain()
    }

    /// See [`Request::force_async`].
    #[inline(always)]
    fn force_async(self) -> Request<Self> {
        self.request().force_async()
    }

    /// See [`Request::skip_success`].
    #[inline(always)]
    fn skip_success(self) -> Request<Self> {
        self.request().skip_success()
    }

    /// See [`Request::personality`].
    #[inline(always)]
    fn personality(self, personality: u16) -> Request<Self> {
        self.request().personality(personality)
    }

    /// See [`Request::sqe_flags`].
    #[inline(always)]
    fn sqe_flags(self, flags: SqeFlags) -> Request<Self> {
        self.request().sqe_flags(flags)
    }
}

/// An operation that lends nothing to the kernel, so that pushing it is safe.
///
/// It lets a [`Request`] be pushed by
/// [`push_safe`](ring_io::SubmissionQueue::push_safe).
///
/// # Safety
///
/// Whatever safe code does with a value of this type, the entry that
/// [`Operation::write`] makes of it keeps what [`SafeToPush`] promises, also with
/// any user data, flags and personality that a request adds.
#[diagnostic::on_unimplemented(
    message = "pushing `{Self}` may be unsafe",
    note = "use `push`, and see to it that what its documentation says is lent lives as long as it has to",
    note = "a chain with a timeout frees the time by the completions that it is shown, so it is pushed with `push`, too"
)]
pub unsafe trait SafeOperation: Operation {}

/// An operation together with the fields that every entry has.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Fd, Fsync, Operation};
///
/// let sqe = Fsync::new(Fd(3)).user_data(7).link().to_sqe();
/// assert_eq!((sqe.fd(), sqe.user_data()), (3, 7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a request does nothing until it is pushed"]
pub struct Request<O> {
    operation: O,
    user_data: u64,
    flags: SqeFlags,
    personality: u16,
}

impl<O> Request<O> {
    /// Wraps an operation: no user data, no flags, the submitter's own credentials.
    #[inline(always)]
    pub const fn new(operation: O) -> Self {
        Self {
            operation,
            user_data: 0,
            flags: SqeFlags::empty(),
            personality: 0,
        }
    }

    /// The operation inside.
    pub const fn operation(&self) -> &O {
        &self.operation
    }

    /// The value that every completion of this request carries; `0` unless given.
    #[doc(alias("io_uring_sqe_set_data", "io_uring_sqe_set_data64"))]
    #[inline(always)]
    pub const fn user_data(mut self, user_data: u64) -> Self {
        self.user_data = user_data;
        self
    }

    /// The next entry starts when this one has succeeded, and is cancelled if it
    /// fails or is short. `IOSQE_IO_LINK`, Linux 5.3.
    ///
    /// The chain that this makes has to reach the kernel in one submission, or it
    /// loses its order: [`Chain`](crate::Chain) sees to that.
    #[doc(alias = "IOSQE_IO_LINK")]
    #[inline(always)]
    pub const fn link(self) -> Self {
        self.sqe_flags(SqeFlags::IO_LINK)
    }

    /// The next entry starts when this one has ended, however it ended.
    /// `IOSQE_IO_HARDLINK`, Linux 5.5.
    #[doc(alias = "IOSQE_IO_HARDLINK")]
    #[inline(always)]
    pub const fn hard_link(self) -> Self {
        self.sqe_flags(SqeFlags::IO_HARDLINK)
    }

    /// Starts when everything submitted earlier has completed, and holds back
    /// what is submitted later. `IOSQE_IO_DRAIN`, Linux 5.2.
    #[doc(alias = "IOSQE_IO_DRAIN")]
    #[inline(always)]
    pub const fn drain(self) -> Self {
        self.sqe_flags(SqeFlags::IO_DRAIN)
    }

    /// Goes to a kernel worker at once, without a first try in place.
    /// `IOSQE_ASYNC`, Linux 5.6.
    #[doc(alias = "IOSQE_ASYNC")]
    #[inline(always)]
    pub const fn force_async(self) -> Self {
        self.sqe_flags(SqeFlags::ASYNC)
    }

    /// Posts no completion unless the operation fails.
    /// `IOSQE_CQE_SKIP_SUCCESS`, Linux 5.17.
    ///
    /// Memory lent by such a request comes back when something else proves that
    /// it has ended, for example the completion of a request linked behind it.
    #[doc(alias = "IOSQE_CQE_SKIP_SUCCESS")]
    #[inline(always)]
    pub const fn skip_success(self) -> Self {
        self.sqe_flags(SqeFlags::CQE_SKIP_SUCCESS)
    }

    /// Acts under the registered credentials with this number; `0`, the default,
    /// are the submitter's own. Linux 5.6.
    #[inline(always)]
    pub const fn personality(mut self, personality: u16) -> Self {
        self.personality = personality;
        self
    }

    /// Adds flags to those already set.
    #[doc(alias = "io_uring_sqe_set_flags")]
    #[inline(always)]
    pub const fn sqe_flags(mut self, flags: SqeFlags) -> Self {
        self.flags = self.flags.union(flags);
        self
    }

    /// Adds the fields that every entry has to those of the operation.
    #[inline(always)]
    pub(crate) const fn write_common(&self, sqe: &mut Sqe) {
        // Added, not set: the operation may have marked its operand, as a registered file does.
        sqe.insert_flags(self.flags)
            .set_user_data(self.user_data)
            .set_personality(self.personality);
    }
}

impl<O: Operation> Request<O> {
    /// The whole entry.
    #[inline(always)]
    pub fn to_sqe(&self) -> Sqe {
        let mut sqe = self.operation.to_sqe();
        self.write_common(&mut sqe);
        sqe
    }
}

impl<O: Operation> From<O> for Request<O> {
    #[inline(always)]
    fn from(operation: O) -> Self {
        Self::new(operation)
    }
}

impl<O: Operation> From<Request<O>> for Sqe {
    #[inline(always)]
    fn from(request: Request<O>) -> Self {
        request.to_sqe()
    }
}

impl<O: Operation, S: SubmissionEntry> Prepare<S> for Request<O> {
    #[inline(always)]
    fn prepare(&self) -> S {
        S::from(self.to_sqe())
    }
}

// SAFETY: the entry is the operation's with the common fields added, and that is
// what `SafeOperation` promises of.
unsafe impl<O: SafeOperation> SafeToPush for Request<O> {}

/// Lets operations be pushed as they are, with every common field at its default.
///
/// The rules of coherence allow no blanket implementation of a foreign trait.
macro_rules! pushable {
    ($($operation:ty),+ $(,)?) => {$(
        impl<S: ring_io::SubmissionEntry> ring_io::Prepare<S> for $operation {
            #[inline(always)]
            fn prepare(&self) -> S {
                S::from($crate::Operation::to_sqe(self))
            }
        }

        impl From<$operation> for ring_io::Sqe {
            #[inline(always)]
            fn from(operation: $operation) -> Self {
                $crate::Operation::to_sqe(&operation)
            }
        }
    )+};
}

pub(crate) use pushable;
