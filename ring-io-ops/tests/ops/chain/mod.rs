//! Chains on the real kernel: what runs, what is cancelled, and who owns what.

mod pushing;
mod timeouts;

use std::rc::Rc;

use ring_io_ops::ring::{Cqe, CqeFlags, Errno, Ring, Sqe, Wait};
use ring_io_ops::{
    CWD, Chain, Close, Fixed, Links, Nop, OpenAt, OpenFlags, Operation, Raw, Read, Target,
};

use crate::support::{CLOSED, PATIENCE, failed, file_with, ring_for};

/// Pushes a chain, runs it to its end, and says what the links came to and in which order they completed.
///
/// It can be called without `unsafe` for the tests' legibility, and for no other reason: the
/// operands are locals of the test, and outlive the chain.
fn run<L: Links>(ring: &mut Ring, chain: Chain<L>) -> (L::Results, Vec<u32>) {
    let (mut sq, mut cq, _) = ring.split();
    // SAFETY: see above; the ring's completions are the only ones that there are.
    let mut chain = unsafe { chain.push(&mut sq) }.expect("a test's chain fits the queue");
    let submitted = sq.submit().expect("the kernel takes entries");
    assert_eq!(submitted.left(), 0);
    let mut order = Vec::new();
    while !chain.is_over() {
        let waited = cq.wait_with(&Wait::for_one().timeout(PATIENCE));
        assert!(
            waited.expect("waiting works").is_enough(),
            "the chain does not end: {chain:?}"
        );
        for cqe in cq.drain() {
            order.extend(chain.place(&cqe));
            assert!(chain.reap(&cqe), "a completion too many: {cqe:?}");
        }
    }
    (chain.results().expect("the chain is over"), order)
}

/// A request that fails.
fn failing() -> Read {
    Read::new(CLOSED, std::ptr::null_mut(), 0)
}

#[test]
fn a_file_is_opened_into_a_slot_read_and_closed() {
    let Some(mut ring) = ring_for::<OpenAt>() else {
        return;
    };
    ring.registrar()
        .register_files_sparse(1)
        .expect("slots can be registered");
    let mut buf = [0; 64];
    let chain =
        Chain::new(OpenAt::new(CWD, c"/proc/self/comm".as_ptr(), OpenFlags::empty()).into_slot(0))
            .link(Read::new(Fixed(0), buf.as_mut_ptr(), 64).offset(0))
            .hard_link(Close::new(Fixed(0)));
    let ((opened, read, closed), order) = run(&mut ring, chain);
    assert_eq!((opened, closed, order), (Ok(()), Ok(()), vec![0, 1, 2]));
    let read = read.expect("the file is readable");
    assert!(read > 0 && buf[read - 1] == b'\n');
    // The slot is free again.
    let (again, _) = run(&mut ring, Chain::new(Close::new(Fixed(0))));
    assert_eq!(again.0, failed(libc::EBADF));
}

#[test]
fn failure_cancels_all_that_follows_also_behind_a_later_hard_link() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let chain = Chain::new(Nop::new())
        .link(failing())
        .link(Nop::new())
        .hard_link(Nop::new());
    let (results, order) = run(&mut ring, chain);
    let cancelled = failed(libc::ECANCELED);
    assert_eq!(results, (Ok(0), failed(libc::EBADF), cancelled, cancelled));
    assert_eq!(order, [0, 1, 2, 3]);
}

#[test]
fn failure_directly_before_a_hard_link_cancels_nothing() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let chain = Chain::new(failing()).hard_link(Nop::new()).link(Nop::new());
    let (results, _) = run(&mut ring, chain);
    assert_eq!(results, (failed(libc::EBADF), Ok(0), Ok(0)));
}

#[test]
fn a_short_read_breaks_a_link_and_not_a_hard_link() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let file = file_with(b"text");
    let mut buf = [0; 8];
    let read = Read::new(Target::of(&file), buf.as_mut_ptr(), 8).offset(0);
    let (soft, _) = run(&mut ring, Chain::new(read).link(Nop::new()));
    assert_eq!(soft, (Ok(4), failed(libc::ECANCELED)));
    let (hard, _) = run(&mut ring, Chain::new(read).hard_link(Nop::new()));
    assert_eq!(hard, (Ok(4), Ok(0)));
}

/// The number of no operation.
type Unknown = Raw<255>;

#[test]
fn an_entry_that_the_kernel_refuses_keeps_the_whole_chain_from_running() {
    let Some(mut ring) = ring_for::<Nop>() else {
        return;
    };
    let chain = Chain::new(Nop::new())
        .hard_link(Unknown::new(|_| ()))
        .hard_link(Nop::new());
    let (results, _) = run(&mut ring, chain);
    let cancelled = failed(libc::ECANCELED);
    assert_eq!(results, (cancelled, failed(libc::EINVAL), cancelled));
}

#[test]
fn twelve_links_run_one_after_the_other() {
    let Some(mut ring) = ring_for::<Nop>() else {
        return;
    };
    let nop = Nop::new;
    let chain = Chain::new(nop()).link(nop()).link(nop()).link(nop());
    let chain = chain.link(nop()).link(nop()).link(nop()).link(nop());
    let chain = chain.link(nop()).link(nop()).link(nop()).link(failing());
    let (results, order) = run(&mut ring, chain);
    assert_eq!((results.10, results.11), (Ok(0), failed(libc::EBADF)));
    assert_eq!(order, (0..12).collect::<Vec<_>>());
}

#[test]
fn completions_of_other_requests_are_not_the_chains() {
    let Some(mut ring) = ring_for::<Nop>() else {
        return;
    };
    let (mut sq, mut cq, _) = ring.split();
    let chain = Chain::new(Nop::new()).link(Nop::new()).user_data(u64::MAX);
    let mut chain = chain.push_safe(&mut sq).expect("the queue is empty");
    sq.push_safe(Nop::new().user_data(1)).expect("it has room");
    sq.submit_and_wait(3).expect("the kernel takes entries");
    let (ours, theirs): (Vec<Cqe>, Vec<Cqe>) = cq.drain().partition(|cqe| chain.reap(cqe));
    // The numbers go on at zero.
    assert_eq!(ours.iter().map(Cqe::user_data).sum::<u64>(), u64::MAX);
    assert_eq!(theirs.len(), 1);
    assert!(chain.is_over());
    assert!(!chain.reap(&ours[0]), "this link has completed");
}

#[test]
fn a_link_with_several_completions_is_over_with_the_last_and_its_result_is_the_first() {
    let Some(mut ring) = ring_for::<Nop>() else {
        return;
    };
    let chain = Chain::new(Nop::new()).push_safe(&mut ring.sq());
    let mut chain = chain.expect("the queue is empty");
    assert_eq!(chain.results(), None);
    let more = CqeFlags::MORE.bits();
    assert!(chain.reap(&Cqe::new(0, 5, more)));
    assert_eq!((chain.results(), chain.is_over()), (Some((Ok(5),)), false));
    assert!(chain.reap(&Cqe::new(0, 6, 0)));
    assert_eq!((chain.results(), chain.is_over()), (Some((Ok(5),)), true));
}

/// An operation that owns something.
struct Owner {
    _thing: Rc<()>,
}

impl Operation for Owner {
    const OPCODE: u8 = Nop::OPCODE;
    type Output = u32;

    fn write(&self, _: &mut Sqe) {}

    fn read(cqe: &Cqe) -> Result<u32, Errno> {
        cqe.result()
    }
}

#[test]
fn what_a_chain_owns_is_dropped_when_it_is_over_and_leaked_before() {
    let Some(mut ring) = ring_for::<Nop>() else {
        return;
    };
    let thing = Rc::new(());
    let owners = || Rc::strong_count(&thing) - 1;
    let owner = || Owner {
        _thing: Rc::clone(&thing),
    };
    drop(Chain::new(owner()).link(owner()));
    assert_eq!(owners(), 0, "it was not pushed");

    let (results, _) = run(&mut ring, Chain::new(owner()).link(owner()));
    assert_eq!(results, (Ok(0), Ok(0)));
    assert_eq!(owners(), 0, "it is over");

    let (mut sq, mut cq, _) = ring.split();
    let chain = Chain::new(owner()).link(owner());
    // SAFETY: the entries name no memory; the completions are of this ring.
    let mut chain = unsafe { chain.push(&mut sq) }.expect("the queue is empty");
    sq.submit_and_wait(2).expect("the kernel takes entries");
    assert!(chain.reap(&cq.pop().expect("the first of two")));
    drop(chain);
    assert_eq!(owners(), 2, "it was not over");
}
