//! Operations whose entry takes 128 bytes.
//!
//! They are a kind of their own, so that none of them can be pushed on a ring whose
//! entries have 64: there the kernel would take the second half for the next request.

use ring_io::{Cqe, Errno, Prepare, SafeToPush, Sqe128, SqeFlags};

use crate::operation::Request;

/// Writes the setters that turn an operation into a request.
macro_rules! forwarded {
    ($($setter:ident($($argument:ident: $type:ty)?);)*) => {$(
        #[doc = concat!("See [`Request::", stringify!($setter), "`].")]
        #[inline(always)]
        fn $setter(self $(, $argument: $type)?) -> Request<Wide<Self>> {
            self.request().$setter($($argument)?)
        }
    )*};
}

/// One kind of request that needs an entry of 128 bytes.
///
/// As [`Operation`](crate::Operation), for rings made with [`sqe128`](ring_io::RingBuilder::sqe128); those
/// whose opcode itself says so can also be pushed with
/// [`push_wide`](ring_io::SubmissionQueue::push_wide) on rings made with
/// [`sqe_mixed`](ring_io::RingBuilder::sqe_mixed).
///
/// # Examples
///
/// An operation that this crate does not know:
///
/// ```
/// use ring_io_ops::WideOperation;
/// use ring_io_ops::ring::{Cqe, Errno, Sqe128};
///
/// /// Hands its last eight bytes over.
/// struct Parcel {
///     content: u64,
/// }
///
/// impl WideOperation for Parcel {
///     const OPCODE: u8 = 70;
///     type Output = ();
///
///     fn write(&self, sqe: &mut Sqe128) {
///         sqe.set_fd(-1);
///         sqe.extra_mut()[7] = self.content;
///     }
///
///     fn read(cqe: &Cqe) -> Result<(), Errno> {
///         cqe.result().map(drop)
///     }
/// }
///
/// let sqe = Parcel { content: 5 }.user_data(9).link().to_sqe128();
/// assert_eq!((sqe.opcode(), sqe.user_data(), sqe.extra()[7]), (70, 9, 5));
/// ```
///
/// It does not fit a ring of ordinary entries:
///
/// ```compile_fail,E0277
/// # fn f(mut ring: ring_io_ops::ring::Ring) {
/// use ring_io_ops::{Nop128, WideOperation};
/// ring.split().0.push_safe(Nop128::new().user_data(1));
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no operation of 128 bytes",
    note = "one of 64 bytes, an `Operation`, is pushed with `push` on rings of any entries"
)]
pub trait WideOperation: Sized {
    /// The operation's number, one of `IORING_OP_*`.
    const OPCODE: u8;

    /// What a completion without an error says.
    type Output;

    /// Writes the fields that are the operation's own, in both halves.
    ///
    /// `sqe` arrives cleared, with [`OPCODE`](Self::OPCODE) set; what is said of
    /// [`Operation::write`](crate::Operation::write) holds here too.
    fn write(&self, sqe: &mut Sqe128);

    /// Reads a completion of this operation. See [`Operation::read`](crate::Operation::read).
    ///
    /// # Errors
    ///
    /// The error number that the operation ended with, unless the operation
    /// counts it among its outcomes.
    fn read(cqe: &Cqe) -> Result<Self::Output, Errno>;

    /// The whole entry.
    #[inline(always)]
    fn to_sqe128(&self) -> Sqe128 {
        let mut sqe = Sqe128::new();
        sqe.set_opcode(Self::OPCODE);
        self.write(&mut sqe);
        sqe
    }

    /// The request with every common field at its default.
    #[inline(always)]
    fn request(self) -> Request<Wide<Self>> {
        Request::new(Wide(self))
    }

    forwarded! {
        user_data(user_data: u64);
        link();
        hard_link();
        drain();
        force_async();
        skip_success();
        personality(personality: u16);
        sqe_flags(flags: SqeFlags);
    }
}

/// A [`WideOperation`] as the inside of a [`Request`], by which the request is as wide as it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Wide<O>(pub O);

/// A [`WideOperation`] that lends nothing to the kernel, so that pushing it is safe.
///
/// # Safety
///
/// Whatever safe code does with a value of this type, the entry that
/// [`WideOperation::write`] makes of it keeps what [`SafeToPush`] promises, also with
/// any user data, flags and personality that a request adds.
#[diagnostic::on_unimplemented(
    message = "pushing `{Self}` may be unsafe",
    note = "use `push` or `push_wide`, and see to it that what its documentation says is lent lives as long as it has to"
)]
pub unsafe trait SafeWideOperation: WideOperation {}

impl<O: WideOperation> Request<Wide<O>> {
    /// The whole entry.
    #[inline(always)]
    pub fn to_sqe128(&self) -> Sqe128 {
        let mut sqe = self.operation().0.to_sqe128();
        self.write_common(&mut sqe);
        sqe
    }
}

impl<O: WideOperation> Prepare<Sqe128> for Request<Wide<O>> {
    #[inline(always)]
    fn prepare(&self) -> Sqe128 {
        self.to_sqe128()
    }
}

impl<O: WideOperation> From<Request<Wide<O>>> for Sqe128 {
    #[inline(always)]
    fn from(request: Request<Wide<O>>) -> Self {
        request.to_sqe128()
    }
}

// SAFETY: the entry is the operation's with the common fields added, and that is
// what `SafeWideOperation` promises of.
unsafe impl<O: SafeWideOperation> SafeToPush for Request<Wide<O>> {}

/// Lets wide operations be pushed as they are, with every common field at its default.
///
/// The rules of coherence allow no blanket implementation of a foreign trait.
macro_rules! pushable_wide {
    ($($operation:ty),+ $(,)?) => {$(
        impl ring_io::Prepare<ring_io::Sqe128> for $operation {
            #[inline(always)]
            fn prepare(&self) -> ring_io::Sqe128 {
                $crate::WideOperation::to_sqe128(self)
            }
        }

        impl From<$operation> for ring_io::Sqe128 {
            #[inline(always)]
            fn from(operation: $operation) -> Self {
                $crate::WideOperation::to_sqe128(&operation)
            }
        }
    )+};
}

pub(crate) use pushable_wide;
