//! What a chain of owned operations is made of, for whichever proactor.

use std::mem::MaybeUninit;
use std::ptr;
use std::time::Duration;

use ring_io::{Sqe, SqeFlags};

use super::error::OpError;
use super::owned::{Completion, OwnedOperation};
use crate::{LinkTimeout, LinkTimeoutOutcome, Operation, Timespec};

mod sealed {
    pub trait Sealed {}
}

/// What takes over the links of a chain whose future is gone.
pub(crate) trait TakeLinks {
    /// Takes the link at `place`, which the kernel may still use.
    fn take<T: OwnedOperation>(&mut self, place: usize, operation: MaybeUninit<T>);
}

/// The operations of a chain, in their order: a tuple of up to twelve [`OwnedOperation`]s.
// The hidden items take crate-private types, and only this crate implements the trait.
#[allow(private_interfaces, private_bounds)]
pub trait ChainLinks: sealed::Sealed + 'static {
    /// What the links come to: for each its output, in a tuple.
    type Outputs;

    /// How many there are.
    const LEN: usize;

    #[doc(hidden)]
    fn refusal(&self) -> Option<OpError>;

    /// Their entries, without flags that link them.
    #[doc(hidden)]
    fn entries(&mut self) -> Vec<Sqe>;

    /// # Safety
    ///
    /// As for [`OwnedOperation::finish`], for each.
    #[doc(hidden)]
    unsafe fn finish(self, completions: &[Completion]) -> Self::Outputs;

    /// # Safety
    ///
    /// `links` are initialised, and not used again.
    #[doc(hidden)]
    unsafe fn hand_over(links: &MaybeUninit<Self>, to: &mut impl TakeLinks)
    where
        Self: Sized;
}

/// Links that can have one more behind them: all but those that are twelve already.
#[diagnostic::on_unimplemented(
    message = "a chain of twelve links takes no further one",
    label = "one link too many"
)]
pub trait AppendLink<T: OwnedOperation>: ChainLinks {
    /// The links with the one more.
    type Longer: ChainLinks;

    #[doc(hidden)]
    fn append(self, next: T) -> Self::Longer;
}

/// Implements [`ChainLinks`] for one length.
macro_rules! links {
    ($len:literal: $($link:ident $place:tt),+) => {
        impl<$($link: OwnedOperation),+> sealed::Sealed for ($($link,)+) {}

        #[allow(private_interfaces, private_bounds)]
        impl<$($link: OwnedOperation),+> ChainLinks for ($($link,)+) {
            type Outputs = ($($link::Output,)+);
            const LEN: usize = $len;

            fn refusal(&self) -> Option<OpError> {
                None$(.or_else(|| self.$place.refusal()))+
            }

            fn entries(&mut self) -> Vec<Sqe> {
                vec![$(self.$place.entry()),+]
            }

            unsafe fn finish(self, completions: &[Completion]) -> Self::Outputs {
                // SAFETY: the caller vouches for each.
                unsafe { ($(self.$place.finish(completions[$place]),)+) }
            }

            unsafe fn hand_over(links: &MaybeUninit<Self>, to: &mut impl TakeLinks) {
                let links = links.as_ptr();
                // SAFETY: initialised, and not used again, as the caller says. Each is moved as memory that may not be
                // initialised, so that nothing is said about what it points at.
                unsafe {
                    $(to.take($place, ptr::read((&raw const (*links).$place).cast::<MaybeUninit<$link>>()));)+
                }
            }
        }
    };
}

/// Implements [`AppendLink`] for one length.
macro_rules! append {
    ($($link:ident $place:tt),+) => {
        impl<$($link: OwnedOperation,)+ Next: OwnedOperation> AppendLink<Next> for ($($link,)+) {
            type Longer = ($($link,)+ Next);

            fn append(self, next: Next) -> Self::Longer {
                ($(self.$place,)+ next)
            }
        }
    };
}

links!(1: A 0);
links!(2: A 0, B 1);
links!(3: A 0, B 1, C 2);
links!(4: A 0, B 1, C 2, D 3);
links!(5: A 0, B 1, C 2, D 3, E 4);
links!(6: A 0, B 1, C 2, D 3, E 4, F 5);
links!(7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
links!(8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
links!(9: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
links!(10: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
links!(11: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
links!(12: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);

append!(A 0);
append!(A 0, B 1);
append!(A 0, B 1, C 2);
append!(A 0, B 1, C 2, D 3);
append!(A 0, B 1, C 2, D 3, E 4);
append!(A 0, B 1, C 2, D 3, E 4, F 5);
append!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
append!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
append!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
append!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
append!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);

/// The entries of some links, each linked to the next; `always` has a bit for each link behind which the chain goes on
/// whatever came of it.
pub(crate) fn linked(links: &mut impl ChainLinks, always: u32) -> Vec<Sqe> {
    let mut entries = links.entries();
    let last = entries.len() - 1;
    for (place, sqe) in entries[..last].iter_mut().enumerate() {
        sqe.insert_flags(if always & (1 << place) == 0 {
            SqeFlags::IO_LINK
        } else {
            SqeFlags::IO_HARDLINK
        });
    }
    entries
}

/// A timeout of the link before it. [`Op::link_timeout`](super::Op::link_timeout) makes one.
///
/// `IORING_OP_LINK_TIMEOUT`, Linux 5.5.
///
/// # Result
///
/// A [`LinkTimeoutOutcome`]: whether it cancelled the link or was disarmed by its end.
#[derive(Debug)]
pub struct LinkDeadline {
    time: Box<Timespec>,
}

impl LinkDeadline {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            time: Box::new(limit.into()),
        }
    }
}

// SAFETY: the entry lends the time, which lies on the heap.
unsafe impl OwnedOperation for LinkDeadline {
    type Output = Result<LinkTimeoutOutcome, OpError>;

    fn entry(&mut self) -> Sqe {
        LinkTimeout::new(&raw const *self.time).to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        match completion.result {
            // What is an error to the kernel is an outcome here.
            Ok(_) | Err(OpError::Kernel(_)) => {
                LinkTimeout::read(&completion.to_cqe()).map_err(OpError::Kernel)
            }
            Err(error) => Err(error),
        }
    }
}
