//! Addresses of sockets: as Rust has them, and as the kernel does.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::mem::{offset_of, size_of};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net as unix;
use std::path::Path;

mod sealed {
    pub trait Sealed {}
    impl Sealed for std::net::SocketAddr {}
    impl Sealed for super::UnixAddress {}
}

/// An address of a socket: [`SocketAddr`] or [`UnixAddress`].
pub trait Address: Clone + fmt::Debug + Unpin + sealed::Sealed + 'static {
    /// Bytes of the longest one.
    #[doc(hidden)]
    const LEN_MAX: libc::socklen_t;

    /// The domain of a socket that can have this address.
    #[doc(hidden)]
    fn domain(&self) -> i32;

    /// As the kernel reads it.
    #[doc(hidden)]
    fn to_name(&self) -> Name;

    /// As the kernel has written it; `None` for an address of another family.
    #[doc(hidden)]
    fn from_name(name: &Name) -> Option<Self>;
}

/// The address of a Unix socket.
///
/// An address of the standard library turns into one, and one into that.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::UnixAddress;
/// use std::os::unix::net::SocketAddr;
///
/// # fn main() -> std::io::Result<()> {
/// let address = UnixAddress::of_path("/run/socket")?;
/// assert_eq!(address, SocketAddr::from_pathname("/run/socket")?.into());
///
/// let hidden = UnixAddress::of_abstract_name("name")?;
/// let listener = std::os::unix::net::UnixListener::bind_addr(&SocketAddr::try_from(&hidden)?)?;
/// assert_eq!(hidden, listener.local_addr()?.into());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UnixAddress(Unix);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Unix {
    Unnamed,
    Path(OsString),
    Abstract(Vec<u8>),
}

/// How many bytes a path can have, the zero behind it not counted.
const PATH_MAX: usize = size_of::<libc::sockaddr_un>() - PATH_AT - 1;
const PATH_AT: usize = offset_of!(libc::sockaddr_un, sun_path);

impl UnixAddress {
    /// The address of a socket that has none.
    pub const UNNAMED: Self = Self(Unix::Unnamed);

    /// The address that is a path.
    ///
    /// # Errors
    ///
    /// As [`unix::SocketAddr::from_pathname`]: the path is longer than 107 bytes, or has a zero byte in it.
    pub fn of_path(path: impl AsRef<Path>) -> std::io::Result<Self> {
        unix::SocketAddr::from_pathname(path).map(Self::from)
    }

    /// The address in the kernel's own space of names, which no file system shows.
    ///
    /// # Errors
    ///
    /// As `from_abstract_name` of the standard library: the name is longer than 107 bytes.
    pub fn of_abstract_name(name: impl AsRef<[u8]>) -> std::io::Result<Self> {
        unix::SocketAddr::from_abstract_name(name).map(Self::from)
    }

    /// The path, if it is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::UnixAddress;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let path = UnixAddress::of_path("/run/service")?;
    /// let name = UnixAddress::of_abstract_name("service")?;
    /// assert_eq!(path.path(), Some("/run/service".as_ref()));
    /// assert_eq!(name.abstract_name(), Some(b"service".as_slice()));
    /// assert_eq!((path.abstract_name(), name.path()), (None, None));
    /// # Ok(())
    /// # }
    /// ```
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Unix::Path(path) => Some(Path::new(path)),
            _ => None,
        }
    }

    /// The abstract name, if it is one.
    pub fn abstract_name(&self) -> Option<&[u8]> {
        match &self.0 {
            Unix::Abstract(name) => Some(name),
            _ => None,
        }
    }
}

impl From<unix::SocketAddr> for UnixAddress {
    fn from(address: unix::SocketAddr) -> Self {
        if let Some(path) = address.as_pathname() {
            Self(Unix::Path(path.into()))
        } else if let Some(name) = address.as_abstract_name() {
            Self(Unix::Abstract(name.to_vec()))
        } else {
            Self::UNNAMED
        }
    }
}

/// Fails for what no socket can be bound to: a path of 108 bytes, which a peer may have.
impl TryFrom<&UnixAddress> for unix::SocketAddr {
    type Error = std::io::Error;

    fn try_from(address: &UnixAddress) -> std::io::Result<Self> {
        match &address.0 {
            Unix::Unnamed => Self::from_pathname(""),
            Unix::Path(path) => Self::from_pathname(path),
            Unix::Abstract(name) => Self::from_abstract_name(name),
        }
    }
}

impl fmt::Debug for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Unix::Unnamed => f.write_str("unnamed"),
            Unix::Path(path) => path.fmt(f),
            Unix::Abstract(name) => write!(f, "@{:?}", OsStr::from_bytes(name)),
        }
    }
}

/// An address in the kernel's form.
///
/// # Invariants
///
/// 1. The first `len` bytes of `storage` are an address that was written by this module, or `len` is what the kernel
///    said and may be more than it wrote. All bytes of `storage` are initialised.
#[derive(Clone, Copy)]
pub struct Name {
    pub(super) storage: libc::sockaddr_storage,
    pub(super) len: libc::socklen_t,
}

impl Name {
    /// Room for an address that the kernel writes.
    pub(super) const fn room() -> Self {
        Self {
            // SAFETY: numbers only, for which zero is a value.
            storage: unsafe { std::mem::zeroed() },
            len: size_of::<libc::sockaddr_storage>() as u32,
        }
    }

    fn of<T: Copy>(address: &T, len: usize) -> Self {
        const { assert!(size_of::<T>() <= size_of::<libc::sockaddr_storage>()) }
        let mut name = Self::room();
        // SAFETY: it fits, and is at most as much aligned; both are numbers without padding that matters.
        unsafe {
            std::ptr::copy_nonoverlapping(
                std::ptr::from_ref(address).cast::<u8>(),
                (&raw mut name.storage).cast::<u8>(),
                len.min(size_of::<T>()),
            );
        }
        name.len = len as u32;
        name
    }

    /// Of bytes that the kernel has written.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let mut name = Self::room();
        let len = bytes.len().min(size_of::<libc::sockaddr_storage>());
        // SAFETY: both have so many bytes.
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                (&raw mut name.storage).cast::<u8>(),
                len,
            );
        }
        name.len = len as u32;
        name
    }

    fn family(&self) -> i32 {
        i32::from(self.storage.ss_family)
    }

    /// # Safety
    ///
    /// `T` is a type of numbers only.
    unsafe fn as_ref<T: Copy>(&self) -> &T {
        const { assert!(size_of::<T>() <= size_of::<libc::sockaddr_storage>()) }
        const { assert!(align_of::<T>() <= align_of::<libc::sockaddr_storage>()) }
        // SAFETY: initialised (1), large enough and aligned; any bytes are a value, as the caller vouches for.
        unsafe { &*(&raw const self.storage).cast() }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Name")
            .field("family", &self.storage.ss_family)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl Address for SocketAddr {
    const LEN_MAX: libc::socklen_t = size_of::<libc::sockaddr_in6>() as u32;

    fn domain(&self) -> i32 {
        match self {
            Self::V4(_) => libc::AF_INET,
            Self::V6(_) => libc::AF_INET6,
        }
    }

    fn to_name(&self) -> Name {
        match self {
            Self::V4(address) => {
                let raw = libc::sockaddr_in {
                    sin_family: libc::AF_INET as u16,
                    sin_port: address.port().to_be(),
                    sin_addr: libc::in_addr {
                        s_addr: u32::from(*address.ip()).to_be(),
                    },
                    sin_zero: [0; 8],
                };
                Name::of(&raw, size_of_val(&raw))
            }
            Self::V6(address) => {
                let raw = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as u16,
                    sin6_port: address.port().to_be(),
                    // As the standard library has it: the bytes as they are.
                    sin6_flowinfo: address.flowinfo(),
                    sin6_addr: libc::in6_addr {
                        s6_addr: address.ip().octets(),
                    },
                    sin6_scope_id: address.scope_id(),
                };
                Name::of(&raw, size_of_val(&raw))
            }
        }
    }

    fn from_name(name: &Name) -> Option<Self> {
        match name.family() {
            libc::AF_INET => {
                // SAFETY: numbers only.
                let raw: &libc::sockaddr_in = unsafe { name.as_ref() };
                let ip = Ipv4Addr::from(u32::from_be(raw.sin_addr.s_addr));
                Some(SocketAddrV4::new(ip, u16::from_be(raw.sin_port)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: numbers only.
                let raw: &libc::sockaddr_in6 = unsafe { name.as_ref() };
                let address = SocketAddrV6::new(
                    Ipv6Addr::from(raw.sin6_addr.s6_addr),
                    u16::from_be(raw.sin6_port),
                    raw.sin6_flowinfo,
                    raw.sin6_scope_id,
                );
                Some(address.into())
            }
            _ => None,
        }
    }
}

impl Address for UnixAddress {
    const LEN_MAX: libc::socklen_t = size_of::<libc::sockaddr_un>() as u32;

    fn domain(&self) -> i32 {
        libc::AF_UNIX
    }

    fn to_name(&self) -> Name {
        let mut raw = libc::sockaddr_un {
            sun_family: libc::AF_UNIX as u16,
            sun_path: [0; PATH_MAX + 1],
        };
        let (at, bytes, len) = match &self.0 {
            Unix::Unnamed => (0, [].as_slice(), 0),
            // The zero behind a path is one of its bytes.
            Unix::Path(path) => (0, path.as_bytes(), path.len() + 1),
            Unix::Abstract(name) => (1, name.as_slice(), name.len() + 1),
        };
        // Whoever made the address has checked that it fits.
        for (to, from) in raw.sun_path[at..].iter_mut().zip(bytes) {
            *to = *from as libc::c_char;
        }
        Name::of(&raw, PATH_AT + len)
    }

    fn from_name(name: &Name) -> Option<Self> {
        let len = (name.len as usize).min(size_of::<libc::sockaddr_un>());
        // A datagram of a socket without an address comes without a family too.
        if len <= PATH_AT {
            return Some(Self::UNNAMED);
        }
        if name.family() != libc::AF_UNIX {
            return None;
        }
        // SAFETY: numbers only.
        let raw: &libc::sockaddr_un = unsafe { name.as_ref() };
        let bytes: Vec<u8> = raw.sun_path[..len - PATH_AT]
            .iter()
            .map(|&byte| byte as u8)
            .collect();
        if let Some((0, name)) = bytes.split_first() {
            return Some(Self(Unix::Abstract(name.to_vec())));
        }
        let end = bytes.iter().position(|&byte| byte == 0);
        let path = &bytes[..end.unwrap_or(bytes.len())];
        Some(Self(Unix::Path(OsString::from_vec(path.to_vec()))))
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, UnixAddress};
    use std::net::SocketAddr;
    use std::os::unix::net::SocketAddr as SocketAddrUnix;

    fn there_and_back<A: Address + PartialEq>(address: &A) {
        assert_eq!(A::from_name(&address.to_name()).as_ref(), Some(address));
    }

    #[test]
    fn addresses_come_back_as_they_went() {
        for address in ["1.2.3.4:5", "[::1]:65535", "[fe80::1%3]:80"] {
            there_and_back::<SocketAddr>(&address.parse().expect("an address"));
        }
        for path in ["a", "/run/socket", &"p".repeat(107)] {
            there_and_back(&UnixAddress::of_path(path).expect("a path"));
        }
        for name in [&b""[..], b"name", b"with\0zero", &[7; 107]] {
            there_and_back(&UnixAddress::of_abstract_name(name).expect("a name"));
        }
        there_and_back(&UnixAddress::UNNAMED);
    }

    #[test]
    fn the_standard_library_has_the_same_addresses() {
        for address in [
            UnixAddress::UNNAMED,
            UnixAddress::of_path("a").expect("a path"),
            UnixAddress::of_abstract_name(b"with\0zero").expect("a name"),
        ] {
            let std = SocketAddrUnix::try_from(&address).expect("it can be bound");
            assert_eq!(UnixAddress::from(std), address);
        }
    }

    #[test]
    fn an_address_of_another_family_is_none() {
        let inet: SocketAddr = "1.2.3.4:5".parse().expect("an address");
        assert_eq!(UnixAddress::from_name(&inet.to_name()), None);
        let path = UnixAddress::of_path("a").expect("a path");
        assert_eq!(SocketAddr::from_name(&path.to_name()), None);
    }
}
