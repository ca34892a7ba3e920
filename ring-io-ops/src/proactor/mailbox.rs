//! Messages between proactors, on one thread or on two.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

/// A mailbox for at most `capacity` messages that were not taken, and the way to it.
///
/// The messages lie in memory. When the mailbox's reader sleeps in its proactor, a send from another thread wakes it by a
/// ring message, the kernel's cheapest way from ring to ring. That message says nothing but "look": one that carried user
/// data of the sender's choice could pass for the completion of somebody's operation, and so there is none.
///
/// # Panics
///
/// When `capacity` is zero.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::{LocalProactor, mailbox};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let (sender, mut mailbox) = mailbox(16);
/// let thread = std::thread::spawn(move || {
///     for i in 1..=3 {
///         sender.try_send(i).expect("there is room");
///     }
/// });
/// let proactor = LocalProactor::new()?;
/// let sum = proactor.block_on(async {
///     let mut sum = 0;
///     while let Some(i) = mailbox.receive().await {
///         sum += i;
///     }
///     sum
/// });
/// thread.join().expect("the thread");
/// assert_eq!(sum, 6);
/// # Ok(())
/// # }
/// ```
pub fn mailbox<T>(capacity: usize) -> (Sender<T>, Mailbox<T>) {
    assert!(capacity > 0, "a mailbox has room for a message");
    let shared = Arc::new(Shared {
        capacity,
        state: Mutex::new(State {
            messages: VecDeque::new(),
            senders: 1,
            is_closed: false,
            reader: None,
        }),
    });
    let sender = Sender {
        shared: Arc::clone(&shared),
    };
    (sender, Mailbox { shared })
}

struct Shared<T> {
    capacity: usize,
    state: Mutex<State<T>>,
}

struct State<T> {
    messages: VecDeque<T>,
    senders: usize,
    /// The mailbox is gone.
    is_closed: bool,
    reader: Option<Waker>,
}

impl<T> Shared<T> {
    /// No code of the user's runs under the lock: wakers and messages are called and dropped outside.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to a [`Mailbox`]. [`mailbox`] makes both; clones lead to the same.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// Why a message could not be sent; it comes back.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError<T> {
    /// There are as many messages as the mailbox has room for. Send again when some were taken.
    #[error("the mailbox is full; send again when messages were taken")]
    Full(T),
    /// The mailbox was dropped.
    #[error("the mailbox was dropped")]
    Closed(T),
}

impl<T> SendError<T> {
    /// The message.
    pub fn into_message(self) -> T {
        match self {
            Self::Full(message) | Self::Closed(message) => message,
        }
    }
}

// It asks nothing of `T`, so that `?` works with every message.
impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full",
            Self::Closed(_) => "Closed",
        })
    }
}

impl<T> Sender<T> {
    /// Puts a message into the mailbox, and wakes its reader. Never waits.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the message.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{SendError, mailbox};
    ///
    /// let (sender, mut mailbox) = mailbox(1);
    /// sender.try_send("first").expect("there is room for one");
    /// let full = sender.try_send("second").unwrap_err();
    /// assert_eq!(full, SendError::Full("second"));
    /// assert_eq!(mailbox.try_receive(), Some("first"));
    /// sender.try_send(full.into_message()).expect("there is room again");
    /// ```
    pub fn try_send(&self, message: T) -> Result<(), SendError<T>> {
        let mut state = self.shared.lock();
        if state.is_closed {
            return Err(SendError::Closed(message));
        }
        if state.messages.len() >= self.shared.capacity {
            return Err(SendError::Full(message));
        }
        state.messages.push_back(message);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.lock().senders += 1;
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.senders -= 1;
        let reader = if state.senders == 0 {
            state.reader.take()
        } else {
            None
        };
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// Messages from other tasks and threads, in the order in which they came. [`mailbox`] makes one.
pub struct Mailbox<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Mailbox<T> {
    /// Waits for the next message; `None` when there is none and every sender is gone.
    pub fn receive(&mut self) -> impl Future<Output = Option<T>> + '_ {
        std::future::poll_fn(|context| self.poll_receive(context))
    }

    /// The next message if there is one.
    pub fn try_receive(&mut self) -> Option<T> {
        self.shared.lock().messages.pop_front()
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        // Before the lock: cloning a waker may be anybody's code, as dropping one may.
        let waker = context.waker().clone();
        let mut state = self.shared.lock();
        if let Some(message) = state.messages.pop_front() {
            drop(state);
            return Poll::Ready(Some(message));
        }
        if state.senders == 0 {
            drop(state);
            return Poll::Ready(None);
        }
        let old = state.reader.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

/// The messages, until every sender is gone.
impl<T> Stream for Mailbox<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.get_mut().poll_receive(context)
    }
}

impl<T> Drop for Mailbox<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_closed = true;
        let unread = (std::mem::take(&mut state.messages), state.reader.take());
        drop(state);
        drop(unread);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("capacity", &self.shared.capacity)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Mailbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox")
            .field("capacity", &self.shared.capacity)
            .finish_non_exhaustive()
    }
}
