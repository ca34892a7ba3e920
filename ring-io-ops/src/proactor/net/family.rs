//! Families of sockets, as types.

use std::fmt;
use std::net::SocketAddr;

use super::address::{Address, UnixAddress};

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Inet {}
    impl Sealed for super::Unix {}
}

/// A family of sockets: [`Inet`] or [`Unix`].
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::net::{Family, SendFrom, StreamSocket};
/// use ring_io_ops::proactor::{LocalProactor, Sockets, Start};
///
/// /// Over any connection of any proactor.
/// async fn greet<H, F>(connection: &StreamSocket<H, F>) -> std::io::Result<()>
/// where
///     H: Start<SendFrom<&'static str>>,
///     F: Family,
/// {
///     connection.send_all("hello").await?;
///     Ok(())
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let proactor = LocalProactor::new()?;
/// proactor.block_on(async {
///     let (one, other) = proactor.unix_pair()?;
///     greet(&one).await?;
///     assert_eq!(other.recv(vec![0; 64]).await?.1, b"hello");
///     std::io::Result::Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
pub trait Family: fmt::Debug + Unpin + sealed::Sealed + 'static {
    /// What its sockets are addressed by.
    type Address: Address;
}

/// The Internet's: TCP and UDP, with IPv4 and IPv6.
#[derive(Debug)]
pub enum Inet {}

/// Sockets of this machine.
#[derive(Debug)]
pub enum Unix {}

impl Family for Inet {
    type Address = SocketAddr;
}

impl Family for Unix {
    type Address = UnixAddress;
}
