//! What Unix connections have, and others have not.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;

use super::StreamSocket;
use crate::proactor::buffer::{IoBuf, IoBufMut};
use crate::proactor::handle::{AsHandle, Handle, Start};
use crate::proactor::net::address::UnixAddress;
use crate::proactor::net::family::Unix;
use crate::proactor::net::message::{RecvMessage, SendMessage};
use crate::proactor::net::pieces::One;

impl<H: Handle<Fd = OwnedFd>> StreamSocket<H, Unix> {
    /// Takes over a connection of the standard library.
    ///
    /// # Errors
    ///
    /// It could not be made blocking, as the ring wants it.
    pub fn from_std(
        proactor: &impl AsHandle<Handle = H>,
        stream: StdUnixStream,
    ) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        Ok(Self::from_fd(proactor, stream.into()))
    }

    /// The connection for the standard library.
    ///
    /// It gets a descriptor of its own, a duplicate, so that nothing that was started here ever acts on it.
    ///
    /// # Errors
    ///
    /// As [`OwnedFd::try_clone`]; the connection is closed then.
    pub fn into_std(self) -> io::Result<StdUnixStream> {
        self.socket.into_owned().map(Into::into)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// As [`StdUnixStream::local_addr`].
    pub fn local_addr(&self) -> io::Result<UnixAddress> {
        self.socket
            .with_std(StdUnixStream::local_addr)
            .map(Into::into)
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// As [`StdUnixStream::peer_addr`].
    pub fn peer_addr(&self) -> io::Result<UnixAddress> {
        self.socket
            .with_std(StdUnixStream::peer_addr)
            .map(Into::into)
    }
}

impl<H: Handle> StreamSocket<H, Unix> {
    /// Sends descriptors with some bytes, at least one. The kernel sends duplicates; these are closed when it has.
    ///
    /// At most 253 at once: `EINVAL` otherwise. What else goes with a message is sent with
    /// [`send_message`](Self::send_message).
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Sockets};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     let (one, other) = proactor.unix_pair()?;
    ///     one.send_fds("a file", vec![tempfile::tempfile()?.into()]).await?;
    ///     let (_, text, fds) = other.recv_fds(Vec::with_capacity(64)).await?;
    ///     assert_eq!((text.as_slice(), fds.len()), (b"a file".as_slice(), 1));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_fds<B>(&self, buffer: B, fds: Vec<OwnedFd>) -> H::Op<'_>
    where
        B: IoBuf,
        H: Start<SendMessage<One<B>>>,
    {
        let message = SendMessage::new(self.socket.target(), One(buffer));
        self.handle().start(message.with_descriptors(fds))
    }

    /// Receives bytes and the descriptors that were sent with them.
    ///
    /// The output is how many bytes were received, the buffer, and the descriptors.
    pub fn recv_fds<B>(&self, buffer: B) -> H::Op<'_>
    where
        B: IoBufMut,
        H: Start<RecvMessage<One<B>, Vec<OwnedFd>>>,
    {
        self.handle()
            .start(RecvMessage::new(self.socket.target(), One(buffer)))
    }
}
