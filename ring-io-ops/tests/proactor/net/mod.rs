//! Sockets.

mod accept;
#[cfg(feature = "futures-io")]
mod buffered;
mod control;
mod datagram;
mod deadline;
mod errors;
mod message;
mod message_multi;
mod option;
mod outgoing;
mod pool;
mod stream;
mod zero_copy;
mod zero_copy_fixed;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ring_io_ops::proactor::{Sockets as _, TcpStream};

use super::skip;

use super::{Handle, Runner};

/// After so long something is not late but lost, and the test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);

type Stream = TcpStream<Handle>;

/// A proactor for a test of an operation, or a skip that has been noted.
fn proactor_for(opcode: u32) -> Option<Runner> {
    match ring_io_ops::ring::capabilities() {
        Err(why) => skip(why),
        Ok(kernel) if !kernel.supports(opcode as u8) => {
            skip(format_args!("this kernel has no operation {opcode}"));
        }
        Ok(_) => return Some(Runner::new().expect("a proactor")),
    }
    None
}

/// Runs a test that uses nothing newer than sockets themselves.
fn with_sockets(test: impl AsyncFnOnce(&Runner)) {
    if let Some(proactor) = proactor_for(ring_io_ops::ring::sys::IORING_OP_SOCKET) {
        run(&proactor, test);
    }
}

/// Runs a test, and looks whether everything came back that it took.
fn run(proactor: &Runner, test: impl AsyncFnOnce(&Runner)) {
    proactor.block_on(async {
        let mut late = pin!(proactor.sleep(PATIENCE));
        let mut test = pin!(test(proactor));
        poll_fn(|context| {
            assert!(late.as_mut().poll(context).is_pending(), "it hangs");
            test.as_mut().poll(context)
        })
        .await;
        settle(proactor).await;
    });
    assert_eq!(proactor.in_flight(), 0);
}

/// Waits until nothing is in flight any more.
async fn settle(proactor: &Handle) {
    while proactor.in_flight() > 0 {
        proactor.sleep(Duration::from_millis(1)).await;
    }
}

/// Two ends of a TCP connection.
async fn pair(proactor: &Handle) -> (Stream, Stream) {
    let listener = proactor.tcp_listen("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("its address");
    let here = proactor.tcp_connect(address).await.expect("a connection");
    let (there, peer) = listener.accept().await.expect("its other end");
    assert_eq!(peer, here.local_addr().expect("an address"));
    (here, there)
}

/// Polls a future once; it is not to be ready.
async fn start(mut future: impl Future + Unpin) {
    poll_fn(|context| {
        let polled = std::pin::Pin::new(&mut future).poll(context);
        assert!(polled.is_pending(), "it is ready at once");
        Poll::Ready(())
    })
    .await;
}
