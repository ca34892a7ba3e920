//! Whole or not at all, on every queue.

use ring_io_ops::ring::{self, Cqe, Ring, SetupFlags};
use ring_io_ops::{Chain, ChainRefused, Nop, Operation as _};

use super::failing;
use crate::support::{failed, ring_for, skip};

/// Three that do nothing.
fn three() -> Chain<(Nop, Nop, Nop)> {
    Chain::new(Nop::new()).link(Nop::new()).link(Nop::new())
}

/// A ring of so many entries, if there can be one.
fn ring_of(entries: u32) -> Option<Ring> {
    ring_for::<Nop>().map(|_| Ring::new(entries).expect("a ring"))
}

#[test]
fn a_full_queue_gives_the_chain_back_and_has_nothing_of_it() {
    let Some(mut ring) = ring_of(4) else { return };
    let (mut sq, mut cq, _) = ring.split();
    sq.push_nop(10).expect("the queue is empty");
    sq.push_nop(11).expect("it has room");
    let refused = three().user_data(20).push_safe(&mut sq);
    let refused = refused.expect_err("there is room for two");
    assert_eq!(
        refused.to_string(),
        "submission queue has no room for 3 entries; submit, then push again"
    );
    assert!(matches!(refused, ChainRefused::Full(_)));
    assert_eq!(sq.prepared(), 2);
    sq.submit_and_wait(2).expect("the kernel takes entries");
    assert_eq!(
        cq.drain().map(|cqe| cqe.user_data()).collect::<Vec<_>>(),
        [10, 11]
    );
    let chain = refused.into_chain().push_safe(&mut sq);
    let mut chain = chain.expect("the queue is empty");
    sq.submit_and_wait(3).expect("the kernel takes entries");
    assert!(cq.drain().all(|cqe| chain.reap(&cqe)));
    assert_eq!(chain.results(), Some((Ok(0), Ok(0), Ok(0))));
}

#[test]
fn a_chain_longer_than_the_queue_is_told_apart_from_a_full_queue() {
    let Some(mut ring) = ring_of(2) else { return };
    let refused = three().push_safe(&mut ring.sq()).expect_err("two fit");
    assert!(matches!(refused, ChainRefused::TooLong { capacity: 2, .. }));
    assert_eq!(
        refused.to_string(),
        "a chain of 3 entries never fits a queue of 2; make the ring larger"
    );
    assert_eq!(ring.sq().prepared(), 0);
}

#[test]
fn a_link_without_a_completion_is_refused() {
    let Some(mut ring) = ring_of(4) else { return };
    let chain = Chain::new(Nop::new()).link(Nop::new().skip_success());
    let refused = chain.push_safe(&mut ring.sq()).expect_err("it is silent");
    assert!(matches!(refused, ChainRefused::Silent { index: 1, .. }));
    let error = std::io::Error::from(refused);
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("leave out `skip_success`"));
    assert_eq!(ring.sq().prepared(), 0);
}

#[test]
fn a_chain_goes_across_the_wrap_of_the_queue() {
    let Some(mut ring) = ring_of(4) else { return };
    let (mut sq, mut cq, _) = ring.split();
    for start in 1..=4 {
        // From each slot of the queue in turn.
        sq.push_nop(100).expect("the queue is empty");
        let chain = Chain::new(Nop::new()).link(failing()).link(Nop::new());
        // SAFETY: nothing is lent; the completions are of this ring.
        let mut chain = unsafe { chain.push(&mut sq) }.expect("it has room");
        sq.submit_and_wait(4).expect("the kernel takes entries");
        let others = cq.drain().filter(|cqe| !chain.reap(cqe)).count();
        let (first, second, third) = chain.results().expect("the chain is over");
        assert_eq!((others, first), (1, Ok(0)), "round {start}");
        assert_eq!(
            (second, third),
            (failed(libc::EBADF), failed(libc::ECANCELED))
        );
        // One further each time.
        sq.push_nop(100).expect("the queue is empty");
        sq.submit_and_wait(1).expect("the kernel takes entries");
        assert_eq!(cq.drain().count(), 1);
    }
}

/// Runs a chain that breaks at its first link on two halves, which have no type in common.
macro_rules! assert_chain_breaks {
    ($sq:expr, $cq:expr) => {{
        // SAFETY: nothing is lent; the completions are of this ring.
        let chain = unsafe { Chain::new(failing()).link(Nop::new()).push(&mut $sq) };
        let mut chain = chain.expect("the queue is empty");
        $sq.submit_and_wait(2).expect("the kernel takes entries");
        assert!($cq.drain().all(|cqe| chain.reap(&cqe)));
        let broken = (failed(libc::EBADF), failed(libc::ECANCELED));
        assert_eq!(chain.results(), Some(broken));
    }};
}

#[test]
fn owned_halves_take_chains() {
    let Some(ring) = ring_of(4) else { return };
    let (mut sq, mut cq, _) = ring.into_split();
    assert_chain_breaks!(sq, cq);
}

#[test]
fn queues_of_large_entries_take_chains() {
    let Some(_) = ring_for::<Nop>() else { return };
    let kernel = ring::capabilities().expect("a ring could be made");
    if !kernel.setup_flags().contains(SetupFlags::SQE128) {
        return skip("submission entries of 128 bytes need Linux 5.19");
    }
    let mut ring = Ring::builder(4).sqe128().build().expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    assert_chain_breaks!(sq, cq);
}

#[test]
fn queues_that_start_anew_take_chains() {
    let Some(_) = ring_for::<Nop>() else { return };
    let Ok(mut ring) = Ring::builder(4).build_rewind() else {
        return skip("a queue that starts anew with every submit needs Linux 7.0");
    };
    let (mut sq, mut cq, _) = ring.split();
    assert_chain_breaks!(sq, cq);
}

#[test]
fn a_chain_ends_with_its_last_link() {
    let Some(mut ring) = ring_of(4) else { return };
    let (mut sq, mut cq, _) = ring.split();
    // What the request brings of link flags does not count.
    //
    // SAFETY: nothing is lent; the completions are of this ring.
    let chain = unsafe { Chain::new(failing().link()).push(&mut sq) };
    let mut chain = chain.expect("the queue is empty");
    sq.push_nop(9).expect("it has room");
    sq.submit_and_wait(2).expect("the kernel takes entries");
    let behind: Vec<Cqe> = cq.drain().filter(|cqe| !chain.reap(cqe)).collect();
    assert_eq!(behind, [Cqe::new(9, 0, 0)]);
}
