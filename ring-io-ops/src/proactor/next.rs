//! The next item of a stream, with a deadline if wanted.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;

use super::error::Elapsed;
use super::handle::moment_after;

/// An operation with many completions as a stream, of whichever proactor.
///
/// The streams have these methods by themselves; code that is generic over its [`Handle`](super::Handle) imports the trait.
pub trait OpStream: Stream + Unpin {
    /// What waits for a deadline.
    type Sleep: Future<Output = ()> + Unpin;

    /// Asks for the operation to be ended. What it has brought, and its end, still come.
    fn cancel(&mut self);

    /// Waits until `at`, by the same proactor.
    fn sleep_until(&self, at: Instant) -> Self::Sleep;

    /// The next item; `None` when there will be no more.
    fn next(&mut self) -> Next<'_, Self>
    where
        Self: Sized,
    {
        Next { stream: self }
    }
}

/// The next item of a stream: [`OpStream::next`]. `None` when there will be no more.
///
/// Dropped, it takes nothing from the stream.
///
/// # Examples
///
/// A connection with which nothing has happened for a while is told so, and goes on:
///
/// ```
/// use ring_io_ops::proactor::{LocalProactor, Received, Sockets};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let proactor = LocalProactor::new()?;
/// let pool = proactor.provided_buffers(16, 2048)?;
/// proactor.block_on(async {
///     let (one, other) = proactor.unix_pair()?;
///     let mut incoming = other.recv_multi(&pool);
///     assert!(incoming.next().timeout(Duration::from_millis(1)).await.is_err());
///     one.send_all(b"hello".as_slice()).await?;
///     match incoming.next().timeout(Duration::from_secs(60)).await? {
///         Some(Ok(Received::Data(bytes))) => assert_eq!(*bytes, *b"hello"),
///         other => panic!("{other:?}"),
///     }
///     std::io::Result::Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a future does nothing until it is awaited"]
pub struct Next<'s, S> {
    stream: &'s mut S,
}

impl<'s, S: OpStream> Next<'s, S> {
    #[inline(always)]
    pub(super) const fn of(stream: &'s mut S) -> Self {
        Self { stream }
    }

    /// Waits for `duration` at most. The stream goes on in any case, and what comes later is its next item.
    pub fn timeout(self, duration: Duration) -> NextTimeout<'s, S> {
        self.deadline(moment_after(duration))
    }

    /// The same with a moment.
    pub const fn deadline(self, at: Instant) -> NextTimeout<'s, S> {
        NextTimeout {
            stream: self.stream,
            at,
            sleep: None,
        }
    }
}

impl<S: OpStream> Future for Next<'_, S> {
    type Output = Option<S::Item>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut *self.get_mut().stream).poll_next(context)
    }
}

/// The next item of a stream, if it comes in time. [`Next::timeout`] makes one.
///
/// An item that is there is taken, also when the deadline has passed. With the error [`Elapsed`], and when it is dropped,
/// nothing was taken from the stream, which goes on.
#[must_use = "a future does nothing until it is awaited"]
pub struct NextTimeout<'s, S: OpStream> {
    stream: &'s mut S,
    at: Instant,
    /// Begun when there is something to wait for.
    sleep: Option<S::Sleep>,
}

impl<S: OpStream> Future for NextTimeout<'_, S> {
    type Output = Result<Option<S::Item>, Elapsed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        // The item first: what came in time came, even if nobody looked in time.
        if let Poll::Ready(item) = Pin::new(&mut *this.stream).poll_next(context) {
            return Poll::Ready(Ok(item));
        }
        let sleep = match &mut this.sleep {
            Some(sleep) => sleep,
            none => none.insert(this.stream.sleep_until(this.at)),
        };
        ready!(Pin::new(sleep).poll(context));
        Poll::Ready(Err(Elapsed(())))
    }
}

impl<S> fmt::Debug for Next<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}

impl<S: OpStream> fmt::Debug for NextTimeout<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextTimeout")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};
    use std::task::Waker;

    use super::*;

    /// Says at each poll what the script says; every deadline has passed.
    struct Script(Vec<Poll<Option<u32>>>);

    impl Stream for Script {
        type Item = u32;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u32>> {
            self.0.remove(0)
        }
    }

    impl OpStream for Script {
        type Sleep = Ready<()>;

        fn cancel(&mut self) {}

        fn sleep_until(&self, _: Instant) -> Ready<()> {
            ready(())
        }
    }

    fn poll<F: Future + Unpin>(mut future: F) -> Poll<F::Output> {
        Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn an_item_that_comes_while_the_deadline_passes_is_the_next() {
        let mut stream = Script(vec![Poll::Pending, Poll::Ready(Some(7)), Poll::Ready(None)]);
        let now = Instant::now();
        assert_eq!(
            poll(stream.next().deadline(now)),
            Poll::Ready(Err(Elapsed(())))
        );
        assert_eq!(poll(stream.next()), Poll::Ready(Some(7)));
        assert_eq!(poll(stream.next().deadline(now)), Poll::Ready(Ok(None)));
    }

    #[test]
    fn an_item_that_is_there_comes_before_the_deadline_is_looked_at() {
        let mut stream = Script(vec![Poll::Ready(Some(7))]);
        let late = stream.next().timeout(Duration::ZERO);
        assert_eq!(poll(late), Poll::Ready(Ok(Some(7))));
    }
}
