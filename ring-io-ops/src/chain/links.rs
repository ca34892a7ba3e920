//! The operations of a chain, as a tuple type.

use ring_io::{Cqe, Errno, Sqe};

use crate::operation::{Operation, Request, SafeOperation};

mod sealed {
    pub trait Sealed {}
}

/// The operations of a [`Chain`](crate::Chain), in their order: a tuple of up to twelve [`Operation`]s.
pub trait Links: sealed::Sealed {
    /// What the links came to: for each a `Result` of its operation's output.
    type Results;

    /// How many links there are.
    const LEN: usize;

    #[doc(hidden)]
    type Requests;

    /// The first completion of each link.
    #[doc(hidden)]
    type Seen: AsRef<[Option<Cqe>]> + AsMut<[Option<Cqe>]>;

    #[doc(hidden)]
    const NOTHING_SEEN: Self::Seen;

    #[doc(hidden)]
    fn entry(requests: &Self::Requests, index: u32) -> Sqe;

    /// None while a link has not completed.
    #[doc(hidden)]
    fn results(seen: &Self::Seen) -> Option<Self::Results>;
}

/// Links that can have one more behind them: all but those that are twelve already.
#[diagnostic::on_unimplemented(
    message = "a chain of twelve links takes no further one",
    label = "one link too many"
)]
pub trait Append<O: Operation>: Links {
    /// The links with the one more.
    type Longer: Links;

    #[doc(hidden)]
    fn append(requests: Self::Requests, next: Request<O>) -> <Self::Longer as Links>::Requests;
}

/// Links of which none lends anything to the kernel, not even the time of a
/// [`timeout`](crate::Chain::timeout), which the handle frees by what it is shown.
pub trait SafeLinks: Links {}

/// Implements [`Links`] for one length.
macro_rules! links {
    ($len:literal: $($operation:ident $index:tt),+) => {
        impl<$($operation: Operation),+> sealed::Sealed for ($($operation,)+) {}

        impl<$($operation: Operation),+> Links for ($($operation,)+) {
            type Results = ($(Result<$operation::Output, Errno>,)+);
            const LEN: usize = $len;
            type Requests = ($(Request<$operation>,)+);
            type Seen = [Option<Cqe>; $len];
            const NOTHING_SEEN: Self::Seen = [None; $len];

            #[inline]
            fn entry(requests: &Self::Requests, index: u32) -> Sqe {
                match index {
                    $($index => requests.$index.to_sqe(),)+
                    _ => panic!("a chain of {} links has none at {index}", $len),
                }
            }

            fn results(seen: &Self::Seen) -> Option<Self::Results> {
                Some(($($operation::read(seen[$index].as_ref()?),)+))
            }
        }

        impl<$($operation: SafeOperation),+> SafeLinks for ($($operation,)+) {}
    };
}

/// Implements [`Append`] for one length.
macro_rules! append {
    ($($operation:ident $index:tt),+) => {
        impl<$($operation: Operation,)+ Next: Operation> Append<Next> for ($($operation,)+) {
            type Longer = ($($operation,)+ Next);

            #[inline]
            fn append(
                requests: Self::Requests,
                next: Request<Next>,
            ) -> <Self::Longer as Links>::Requests {
                ($(requests.$index,)+ next)
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
links!(12: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, M 11);

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
