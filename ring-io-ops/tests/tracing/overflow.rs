//! More completions at once than the queue has room for.

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;

use futures_executor::block_on;
use ring_io_ops::proactor::{
    Completion, LocalProactor, MultishotOperation, OpError, OpStream, Proactor,
};
use ring_io_ops::ring::Sqe;
use ring_io_ops::{AcceptMulti, Fd, Operation as _};
use tempfile::TempDir;
use tracing::Level;

use super::collector::Collector;

/// With a capacity of 1 the queue holds 64 completions.
const CONNECTIONS: usize = 120;

/// Takes connections, and says of itself that it takes one at a time.
struct Accepts(Arc<UnixListener>);

// SAFETY: the entry lends nothing.
unsafe impl MultishotOperation for Accepts {
    type Item = Result<OwnedFd, OpError>;
    const CREDIT: u32 = 1;

    fn entry(&mut self) -> Sqe {
        AcceptMulti::new(Fd(self.0.as_raw_fd())).to_sqe()
    }

    fn goes_on(&self, last: &Completion) -> bool {
        last.result.is_ok()
    }

    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        // SAFETY: the kernel made the descriptor for this completion, which is read once.
        let owned = |fd: u32| unsafe { OwnedFd::from_raw_fd(fd as i32) };
        completion.result.map(owned)
    }
}

/// A listener with connections that wait, all of which the kernel takes when it is asked once.
fn crowd() -> (TempDir, Vec<UnixStream>, Accepts) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a listener");
    let clients = (0..CONNECTIONS)
        .map(|_| UnixStream::connect(&path).expect("a connection"))
        .collect();
    (folder, clients, Accepts(Arc::new(listener)))
}

async fn take_all(accepts: &mut impl OpStream<Item = Result<OwnedFd, OpError>>) {
    for _ in 0..CONNECTIONS {
        accepts
            .next()
            .await
            .expect("an item")
            .expect("a connection");
    }
}

#[track_caller]
fn assert_told(collector: &Collector, overflows: u64) {
    let mut told = collector.of("ring_io::ring");
    told.retain(|told| told.level == Level::WARN);
    assert!(overflows > 0);
    assert_eq!(told.len() as u64, overflows, "{told:?}");
    for one in told {
        let message = "completion queue overflowed, and is flushed";
        assert_eq!(one.field("message"), message);
    }
}

#[test]
fn an_overflow_of_the_completion_queue_is_a_warning() {
    let collector = Collector::default();
    let proactor = LocalProactor::builder().in_flight(1).build();
    let proactor = proactor.expect("a proactor");
    let (_folder, _clients, accepts) = crowd();
    let mut accepts = proactor.start_multishot(accepts).unread_max(1000);
    collector.hears(|| proactor.block_on(take_all(&mut accepts)));
    assert_told(&collector, proactor.counters().overflows);
}

#[test]
fn an_overflow_is_told_on_the_drivers_thread() {
    let collector = Collector::default();
    let in_thread = collector.clone();
    let proactor = Proactor::builder()
        .in_flight(1)
        .on_thread_start(move || in_thread.stays())
        .build()
        .expect("a proactor");
    let (_folder, _clients, accepts) = crowd();
    let mut accepts = proactor.start_multishot(accepts).unread_max(1000);
    block_on(take_all(&mut accepts));
    drop(accepts);
    // The counters are as of the driver's last sleep; when it has ended they are whole.
    let other = proactor.clone();
    assert_eq!(
        proactor.shutdown(std::time::Duration::from_secs(10)),
        Ok(())
    );
    assert_told(&collector, other.counters().overflows);
}
