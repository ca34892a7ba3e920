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
