//! Chains in code that serves both proactors.

use std::os::fd::OwnedFd;
use std::time::Duration;

use ring_io_ops::proactor::{
    File, Handle as _, LinkDeadline, Plain, ReadAt, Start, StartChain, WriteAt,
};
use ring_io_ops::{Fsync, LinkTimeoutOutcome};

use super::{Handle, Runner};

fn file<H: ring_io_ops::proactor::Handle<Fd = OwnedFd>>(handle: &H) -> File<H> {
    File::from_std(handle, tempfile::tempfile().expect("a temporary file"))
}

type Bytes = Box<[u8; 4]>;

/// Writes, waits until that lies on the device, and reads, whatever came of the sync.
async fn there_and_back<H>(file: &File<H>, bytes: Vec<u8>) -> Bytes
where
    H: Start<WriteAt<Vec<u8>>> + Start<Plain<Fsync>> + Start<ReadAt<Bytes>>,
    H: StartChain<(WriteAt<Vec<u8>>, Plain<Fsync>, ReadAt<Bytes>, LinkDeadline)>,
{
    let (written, synced, read, limit) = file
        .handle()
        .chain(file.write_at(bytes, 0))
        .link(file.sync_data())
        .link_always(file.read_at(Box::new([0; 4]), 0))
        .link_timeout(Duration::from_secs(60))
        .await;
    assert_eq!(written.expect("a write").0, 4);
    synced.expect("a sync");
    assert_ne!(limit.expect("a timeout"), LinkTimeoutOutcome::Expired);
    read.expect("a read").1
}

#[test]
fn code_for_both_proactors_links_operations() {
    let proactor = Runner::new().expect("a proactor");
    let file = file::<Handle>(&proactor);
    let read = proactor.block_on(there_and_back(&file, vec![1, 2, 3, 4]));
    assert_eq!(*read, [1, 2, 3, 4]);
    assert_eq!(proactor.in_flight(), 0);
}

/// Two writes, of which the first cannot succeed.
async fn behind_a_failure<H>(file: &File<H>, always: bool) -> (bool, bool)
where
    H: Start<WriteAt<&'static str>>,
    H: StartChain<(WriteAt<&'static str>, WriteAt<&'static str>)>,
{
    // No file has such an offset.
    let first = file.handle().chain(file.write_at("x", 1 << 63));
    let second = file.write_at("y", 0);
    let (first, second) = if always {
        first.link_always(second).await
    } else {
        first.link(second).await
    };
    (first.is_ok(), second.is_ok())
}

#[test]
fn a_link_runs_behind_a_failure_if_it_follows_always() {
    let proactor = Runner::new().expect("a proactor");
    let file = file::<Handle>(&proactor);
    let chains = async {
        (
            behind_a_failure(&file, false).await,
            behind_a_failure(&file, true).await,
        )
    };
    let (linked, always) = proactor.block_on(chains);
    assert_eq!((linked, always), ((false, false), (false, true)));
}

#[test]
#[should_panic(expected = "a chain has links of one proactor")]
fn a_link_of_another_proactor_is_refused() {
    let (one, other) = (
        Runner::new().expect("a proactor"),
        Runner::new().expect("a proactor"),
    );
    let handle: &Handle = &one;
    let (file, others) = (file::<Handle>(&one), file::<Handle>(&other));
    let _ = handle.chain(file.sync_data()).link(others.sync_data());
}
