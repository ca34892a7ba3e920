//! Sockets.
//!
//! | to | there is |
//! | --- | --- |
//! | listen, connect, bind, make pairs and pools of buffers | [`Sockets`] |
//! | accept, as they come | [`Listener::accept_multi`] |
//! | send and receive on a connection | [`StreamSocket`] |
//! | receive as it comes, into buffers that the kernel chooses | [`StreamSocket::recv_multi`], [`Received`] |
//! | send while the task goes on | [`StreamSocket::outgoing`] |
//! | send without a copy | [`StreamSocket::send_zc_fixed`] |
//! | send and receive datagrams | [`DatagramSocket`] |
//! | send control messages, and descriptors | [`Message`], [`Control`] |
//! | read those that came | [`Arrived`], [`ControlMessage`] |
//! | learn what became of what was sent | [`DatagramSocket::recv_error`], [`SocketError`] |
//! | set options | [`SocketOption`] |
//!
//! Each socket is generic over its proactor and its [`Family`]. The other structs are operations, each with what it owns:
//! methods of the sockets make them, and code that is generic over its proactor names them in its bounds.
//!
//! No system call is made here: what does not go through the ring is done by the standard library.

mod accept;
mod address;
mod arrived;
#[cfg(feature = "futures-io")]
mod buffered;
mod control;
mod datagram;
mod envelope;
mod family;
mod listener;
mod local_line;
mod local_pool;
mod message;
mod open;
mod option;
pub(super) mod outgoing;
mod pieces;
mod pool;
mod recv_error;
mod recv_from_multi;
mod recv_message_multi;
mod recv_multi;
mod send_all;
mod shared_pool;
mod socket_error;
mod sockets;
mod stream;
mod transfer;
mod zero_copy;

pub use accept::{AcceptMany, AcceptOne};
pub use address::{Address, UnixAddress};
pub use arrived::{Arrived, ControlMessage};
#[cfg(feature = "futures-io")]
pub use buffered::Buffered;
pub use control::{Control, Credentials};
pub use datagram::{DatagramSocket, UdpSocket, UnixDatagram};
pub use family::{Family, Inet, Unix};
pub use listener::{Incoming, Listener, TcpListener, UnixListener};
pub use local_pool::{LocalBuffer, LocalBundle, LocalPool};
pub use message::{Extra, Message, RecvMessage, SendMessage, Sender};
pub use open::{BindSocket, ConnectSocket, Connecting, ListenOn, OpenSocket, ShutDown};
pub use option::{GetOption, OptionValue, SetOption, SocketOption, Timestamping};
pub use outgoing::{Outgoing, SendOff};
pub use pieces::{One, Pieces, PiecesMut};
pub use pool::{Pool, Provide};
pub use recv_error::{RecvError, WaitError};
pub use recv_from_multi::{Datagram, RecvFromMany};
pub use recv_message_multi::{Delivery, RecvMessages};
pub use recv_multi::{Received, Receiving, RecvBundles, RecvMany};
pub use send_all::SendAll;
pub use shared_pool::{SharedBuffer, SharedBundle, SharedPool};
pub use socket_error::{ErrorOrigin, Passed, SocketError};
pub use sockets::Sockets;
pub use stream::{StreamSocket, TcpStream, UnixStream};
pub use transfer::{RecvInto, SendFrom};
pub use zero_copy::{
    NoCopy, NoCopyProgress, Released, SendMessageNoCopy, SendNoCopy, SendingNoCopy,
};
