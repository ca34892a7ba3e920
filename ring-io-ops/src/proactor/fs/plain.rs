//! Operations on a file that lend nothing.

use ring_io::Sqe;

use crate::Operation;
use crate::proactor::error::OpError;
use crate::proactor::owned::{Completion, OwnedOperation};

/// An operation that lends no memory, such as [`Fsync`](crate::Fsync). The methods of [`File`](super::File) make them.
///
/// Its outcome is what the operation's completion says, without anything to give back.
#[derive(Debug)]
pub struct Plain<O>(O);

impl<O: Operation> Plain<O> {
    /// The operation names no memory, and its descriptor outlives it.
    pub(crate) const fn of(operation: O) -> Self {
        Self(operation)
    }
}

// SAFETY: the entry names no memory.
unsafe impl<O: Operation + 'static> OwnedOperation for Plain<O> {
    type Output = Result<O::Output, OpError>;
    const LATE: bool = true;

    fn entry(&mut self) -> Sqe {
        self.0.to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        match completion.result {
            // What is an error to the kernel may be an outcome of the operation.
            Ok(_) | Err(OpError::Kernel(_)) => {
                O::read(&completion.to_cqe()).map_err(OpError::Kernel)
            }
            Err(error) => Err(error),
        }
    }
}
