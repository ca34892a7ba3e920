//! Making sockets, and giving them an address.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use ring_io::Sqe;

use super::address::{Address, Name};
use super::family::Family;
use super::stream::StreamSocket;
use crate::proactor::descriptor::Descriptor;
use crate::proactor::error::OpError;
use crate::proactor::handle::{Handle, OpFuture, Start, Timeout};
use crate::proactor::open_file::sealed::OpenFile as _;
use crate::proactor::owned::{Completion, OwnedOperation};
use crate::{Bind, Connect, Listen, Operation, Shutdown, Socket, Target};

/// Makes a socket. `IORING_OP_SOCKET`, Linux 5.19. See `socket(2)`.
#[derive(Debug)]
pub struct OpenSocket<H> {
    domain: i32,
    kind: i32,
    handle: H,
}

impl<H: Handle> OpenSocket<H> {
    pub(super) const fn new(domain: i32, kind: i32, handle: H) -> Self {
        Self {
            domain,
            kind,
            handle,
        }
    }
}

// SAFETY: the entry lends nothing.
unsafe impl<H: Handle> OwnedOperation for OpenSocket<H> {
    type Output = Result<H::Fd, OpError>;

    fn entry(&mut self) -> Sqe {
        let socket = Socket::new(self.domain, self.kind, 0).flags(H::Fd::SOCKET);
        H::Fd::made_by(socket.to_sqe())
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        // SAFETY: the entry is made by it, and the caller reads the completion once.
        unsafe { H::Fd::made(completion) }
    }

    unsafe fn abandon(self, completion: Completion) {
        // SAFETY: as above.
        if let Ok(fd) = unsafe { H::Fd::made(completion) } {
            fd.discard(&self.handle);
        }
    }
}

/// Gives a socket its address. `IORING_OP_BIND`, Linux 6.11. See `bind(2)`.
#[derive(Debug)]
pub struct BindSocket {
    target: Target,
    name: Box<Name>,
}

impl BindSocket {
    pub(super) fn new(target: Target, address: &impl Address) -> Self {
        Self {
            target,
            name: Box::new(address.to_name()),
        }
    }
}

// SAFETY: the entry lends the address, which lies in a box.
unsafe impl OwnedOperation for BindSocket {
    type Output = Result<(), OpError>;

    fn entry(&mut self) -> Sqe {
        Bind::new(
            self.target,
            (&raw const self.name.storage).cast(),
            self.name.len,
        )
        .to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        completion.result.map(drop)
    }
}

/// Lets a socket take connections. `IORING_OP_LISTEN`, Linux 6.11. See `listen(2)`.
#[derive(Debug)]
pub struct ListenOn {
    target: Target,
    backlog: i32,
}

impl ListenOn {
    pub(super) const fn new(target: Target, backlog: i32) -> Self {
        Self { target, backlog }
    }
}

// SAFETY: the entry lends nothing.
unsafe impl OwnedOperation for ListenOn {
    type Output = Result<(), OpError>;

    fn entry(&mut self) -> Sqe {
        Listen::new(self.target, self.backlog).to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        completion.result.map(drop)
    }
}

/// Ends one or both directions of a connection. `IORING_OP_SHUTDOWN`, Linux 5.11. See `shutdown(2)`.
#[derive(Debug)]
pub struct ShutDown {
    target: Target,
    how: std::net::Shutdown,
}

impl ShutDown {
    pub(super) const fn new(target: Target, how: std::net::Shutdown) -> Self {
        Self { target, how }
    }
}

// SAFETY: the entry lends nothing.
unsafe impl OwnedOperation for ShutDown {
    type Output = Result<(), OpError>;

    fn entry(&mut self) -> Sqe {
        Shutdown::new(self.target, self.how).to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        completion.result.map(drop)
    }
}

/// Connects a socket that it owns. `IORING_OP_CONNECT`, Linux 5.5. See `connect(2)`.
#[derive(Debug)]
pub struct ConnectSocket<H: Handle> {
    socket: Descriptor<H>,
    name: Box<Name>,
}

// SAFETY: the entry lends the address, which lies in a box. The socket is closed when the operation is over, or was never
// pushed.
unsafe impl<H: Handle> OwnedOperation for ConnectSocket<H> {
    type Output = Result<H::Fd, OpError>;

    fn entry(&mut self) -> Sqe {
        Connect::new(
            self.socket.target(),
            (&raw const self.name.storage).cast(),
            self.name.len,
        )
        .to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        completion.result.map(|_| self.socket.into_parts().1)
    }

    unsafe fn abandon(self, _: Completion) {
        // The socket closes with the value, connected or not.
    }
}

/// A connection that is being made: the socket first, then the connect.
/// [`Sockets::tcp_connect`](super::Sockets::tcp_connect) and
/// [`unix_connect`](super::Sockets::unix_connect) make one.
///
/// With a [`timeout`](OpFuture::timeout), or [cancelled](OpFuture::cancel), it closes the socket and ends with an error.
#[must_use = "an operation does nothing until it is awaited"]
pub struct Connecting<'h, H, F>
where
    H: Start<OpenSocket<H>> + Start<ConnectSocket<H>>,
    F: Family,
{
    handle: &'h H,
    address: F::Address,
    step: Step<'h, H>,
    ending: Ending,
}

/// What was asked for while the connection was being made; it holds for the second step too.
#[derive(Clone, Copy)]
enum Ending {
    No,
    Cancelled,
    Expired,
}

enum Step<'h, H>
where
    H: Start<OpenSocket<H>> + Start<ConnectSocket<H>> + 'h,
{
    Open(<H as Start<OpenSocket<H>>>::Op<'h>),
    Connect(<H as Start<ConnectSocket<H>>>::Op<'h>),
}

impl<'h, H, F> Connecting<'h, H, F>
where
    H: Start<OpenSocket<H>> + Start<ConnectSocket<H>>,
    F: Family,
{
    pub(super) fn new(handle: &'h H, address: F::Address) -> Self {
        let open = OpenSocket::new(address.domain(), libc::SOCK_STREAM, handle.clone());
        Self {
            handle,
            address,
            step: Step::Open(handle.start(open)),
            ending: Ending::No,
        }
    }

    /// See [`OpFuture::timeout`].
    pub fn timeout(self, duration: Duration) -> Timeout<Self> {
        OpFuture::timeout(self, duration)
    }

    /// See [`OpFuture::deadline`].
    pub fn deadline(self, at: Instant) -> Timeout<Self> {
        OpFuture::deadline(self, at)
    }
}

impl<H, F> Future for Connecting<'_, H, F>
where
    H: Start<OpenSocket<H>> + Start<ConnectSocket<H>>,
    F: Family,
{
    type Output = Result<StreamSocket<H, F>, OpError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match &mut this.step {
                Step::Open(open) => match Pin::new(open).poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok(fd)) => {
                        let mut connect = this.handle.start(ConnectSocket {
                            socket: Descriptor::new(this.handle.clone(), fd),
                            name: Box::new(this.address.to_name()),
                        });
                        // It then ends at its first poll.
                        match this.ending {
                            Ending::No => {}
                            Ending::Cancelled => connect.cancel(),
                            Ending::Expired => connect.expire(),
                        }
                        this.step = Step::Connect(connect);
                    }
                },
                Step::Connect(connect) => {
                    return Pin::new(connect).poll(context).map_ok(|fd| {
                        StreamSocket::from_descriptor(Descriptor::new(this.handle.clone(), fd))
                    });
                }
            }
        }
    }
}

impl<H, F> OpFuture for Connecting<'_, H, F>
where
    H: Start<OpenSocket<H>> + Start<ConnectSocket<H>>,
    F: Family,
{
    type Sleep = H::Sleep;

    fn cancel(&mut self) {
        self.ending = Ending::Cancelled;
        match &mut self.step {
            Step::Open(open) => open.cancel(),
            Step::Connect(connect) => connect.cancel(),
        }
    }

    fn expire(&mut self) {
        self.ending = Ending::Expired;
        match &mut self.step {
            Step::Open(open) => open.expire(),
            Step::Connect(connect) => connect.expire(),
        }
    }

    fn sleep_until(&self, at: Instant) -> Self::Sleep {
        Handle::sleep_until(self.handle, at)
    }
}

impl<H, F> fmt::Debug for Connecting<'_, H, F>
where
    H: Start<OpenSocket<H>> + Start<ConnectSocket<H>>,
    F: Family,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
