//! One ring for many threads, without a lock: any thread pushes, any thread submits for all, any thread reaps.
//!
//! # When to take it
//!
//! **One [`ring_io::Ring`](crate::Ring) per thread is faster** wherever work can be split between threads: it shares no
//! cache line. Where each request costs a system call of its own, a mutex around one ring is not much slower than
//! this, either. Take a shared ring where
//!
//! - threads have to share what is registered with one ring, or its limits,
//! - any thread has to be able to reap what another has submitted, or
//! - nobody may wait for a thread that the scheduler has stopped, or hold a lock while user code runs: a thread may keep
//!   a free entry as long as it likes, and delays nobody.
//!
//! What saves most at small batches is that submits combine: one thread is in the kernel, and takes along what the
//! others push meanwhile.
//!
//! # Who owns a request
//!
//! The kernel ties each request to the thread that entered with it, and ends it with `ECANCELED` when that thread is
//! gone; with combined submits this is rarely the thread that pushed. So a ring is one of three kinds, which
//! [`Submitter`] explains: threads that stay until all is done, one [`Owner`] that enters for all, or a polling kernel
//! thread.
//!
//! ```
//! use ring_io::Cqe;
//! use ring_io::concurrent::Ring;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # if !ring_io::is_available() { return Ok(()) }
//! let ring = Ring::builder(256).build()?; // Clone + Send + Sync
//! let submitter = ring.submitter(); // each thread has its own
//! submitter.push_nop(42)?; // lock-free, waits for nobody
//! submitter.submit()?; // one thread enters for all
//! let mut batch = [Cqe::default(); 16];
//! let count = submitter.wait(&mut batch, None)?; // any thread gets any completion
//! assert_eq!(batch[..count][0].user_data(), 42);
//! # Ok(())
//! # }
//! ```
//!
//! Requests are pushed by [`push`](Submitter::push) and [`push_safe`](Submitter::push_safe), filled in place by
//! [`pop_sqe`](Submitter::pop_sqe), and pushed as chains by [`push_batch`](Submitter::push_batch). When none is free,
//! [`wait_for_space`](Submitter::wait_for_space).
//!
//! # A pool of workers
//!
//! A completion comes to whichever thread takes it, not to the one that pushed. So let `user_data` lead to all that a request
//! needs, such as a place in a table that every worker sees: that place, and the memory it lends to the kernel, belongs
//! to who pushes, then to the kernel, then to who reaps. A wait has no end of its own: to let workers go, push one
//! request for each that says so, and let each wait with room for one.
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
//!
//! use ring_io::Cqe;
//! use ring_io::concurrent::{Ring, RingError, Submitter};
//!
//! const WORKERS: u64 = 4;
//! const JOBS: u64 = 100;
//! /// Tells one worker to go.
//! const GO: u64 = u64::MAX;
//!
//! fn push(submitter: &Submitter, user_data: u64) -> Result<(), RingError> {
//!     while submitter.push_nop(user_data).is_err() {
//!         submitter.wait_for_space(1, None)?;
//!     }
//!     submitter.submit()?;
//!     Ok(())
//! }
//!
//! fn work(ring: &Ring, started: &AtomicU64, done: &AtomicU64) -> Result<(), RingError> {
//!     let submitter = ring.submitter();
//!     push(&submitter, started.fetch_add(1, Relaxed))?;
//!     let mut one = [Cqe::default()];
//!     loop {
//!         submitter.wait(&mut one, None)?;
//!         if one[0].user_data() == GO {
//!             return Ok(());
//!         }
//!         // Here is job number `user_data`, done.
//!         if done.fetch_add(1, Relaxed) + 1 == JOBS {
//!             for _ in 0..WORKERS {
//!                 push(&submitter, GO)?;
//!             }
//!         }
//!         let next = started.fetch_add(1, Relaxed);
//!         if next < JOBS {
//!             push(&submitter, next)?;
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # if !ring_io::is_available() { return Ok(()) }
//! let ring = Ring::new(64)?;
//! let (started, done) = (AtomicU64::new(0), AtomicU64::new(0));
//! std::thread::scope(|scope| {
//!     let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(|| work(&ring, &started, &done))).collect();
//!     workers.into_iter().try_for_each(|worker| worker.join().expect("no panic"))
//! })?;
//! assert_eq!(done.load(Relaxed), JOBS);
//! # Ok(())
//! # }
//! ```
//!
//! # Progress
//!
//! As a whole this is not lock-free: the kernel takes a lock of its own in each system call. What each step promises:
//!
//! | step | promise | a thread that stalls in it | a thread that ends in it |
//! | --- | --- | --- | --- |
//! | [`pop_sqe`](Submitter::pop_sqe), [`pop_batch`](Submitter::pop_batch) | lock-free | delays nobody | nothing is lost |
//! | to hold an entry | | takes it away from the others | it is free again; lost if the guard was forgotten |
//! | to drop an entry unfilled | takes a lock for a few steps | delays who does the same | not possible |
//! | [`push`](SqeGuard::push) | wait-free | holds back the publication of later pushes | not possible: no code of others runs in it |
//! | [`submit`](Submitter::submit) | wait-free for who delegates; who enters stays as long as others ask | all submission waits | not possible |
//! | [`reap`](Ring::reap), the claim | lock-free | delays nobody | its completions are lost, as everywhere |
//! | [`reap`](Ring::reap), giving slots back | lock-free | delays nobody: others do it for it | nothing is lost |
//! | [`reap`](Ring::reap) after an overflow | one thread enters the kernel | others see an empty queue | not possible |
//! | [`wait`](Ring::wait) | blocks | the leader's stall delays those who sleep | not possible |
//! | [`wait_for_space`](Submitter::wait_for_space) | blocks | delays nobody | not possible |
//! | to drop a [`Submitter`] | blocks, if it entered; in a panic for a second at most | delays nobody | what it entered is cancelled |
//!
//! A thread "ends" here by a panic or a return; `pthread_cancel(3)`, a signal handler that does not return, and the use of
//! a ring in a signal handler are not allowed.
//!
//! # The algorithm, and why it is right
//!
//! All positions are 64 bits wide, count from the ring's start, and never wrap; the kernel's counters are their low halves.
//! `N` is the number of submission entries. Names of orderings are those of the table in the file `order.rs`.
//!
//! The array of indices that the kernel reads is the list of free entries, too: popping takes an index from where the
//! kernel has been, pushing puts it where the kernel will be. A push draws a ticket, writes its indices, and then
//! stamps the slot in which it starts with its end. Who submits scans the stamps and moves the kernel's tail over
//! whole batches.
//!
//! ## Invariants
//!
//! 1. `head <= kernel's head <= kernel's tail = published <= tail <= head + N`.
//! 2. Of the positions, `[head, kernel's head)` hold free indices, `[kernel's head, kernel's tail)` the kernel's,
//!    `[kernel's tail, tail)` those being pushed; `[tail, head + N)` are holes, one for each entry in a thread's hands. Each
//!    index is in one of the four, once.
//! 3. The stores to one word of the array, and to one stamp, are ordered by happens-before, in the order of positions.
//! 4. One thread at a time is the publisher: from raising the count of requests from zero to lowering it to zero. It
//!    alone stores the kernel's tail, which never runs backwards and ends where a ready batch ends. (A tail that ran
//!    backwards would make the kernel run old entries again: measured.)
//! 5. A batch becomes visible to the kernel whole, or not at all.
//!
//! ## Argument
//!
//! - *An index is popped once.* A pop succeeds only by moving `head` from the value at which its loads began
//!   (`SqPopClaim`), and no value comes twice. The index at position `r` was stored by the pusher with ticket `r`, and is seen
//!   through the chain pusher, `SqPushStamp` and `SqPublishStampLoad`, publisher, `SqPublishKernelTail`, kernel,
//!   `SqPopKernelHeadLoad`, popper. A later store to the same slot is not seen:
//! - *A slot is read before it is written again.* Let a pusher store at position `t`. Tickets form a chain
//!   (`SqPushTicket`), so the pops of all pushers up to it came before its store: `t - H + 1` different pops from the first
//!   ticket `H` on, all at `H - N` or later, so one of them at `t - N` or later. Pops form a chain too (`SqPopClaim`): the
//!   pop at `t - N` came before that one, and its loads with it. Both chains are needed, and so is the release in
//!   `SqPopClaim`, though only a machine that moves a load behind a later store shows it.
//! - *Invariant 3*: that later pop saw a kernel's head beyond `t - N` (`SqPopKernelHeadLoad`), so the store of position
//!   `t - N` happened before.
//! - *Bytes of an entry*: the kernel's reads are over before the next holder writes, by `SqPopKernelHeadLoad`; the
//!   writes come before the kernel's next reads by the chain above.
//! - *Invariants 4 and 5*: `published` and the kernel's tail are touched between `SqPublishRequest`, which found zero, and
//!   `SqPublishFinish`, which leaves zero: one chain of read-modify-writes. The scan moves over stamps that were
//!   acquired, and a stamp from an earlier round is no larger than the position.
//! - *No push is forgotten.* A thread stamps, then raises the count. If it found zero, it scans itself. If not, the
//!   publisher's next `SqPublishFinish` sees the count, acquires the stamp, and scans again. If the scan stops earlier, at a
//!   ticket without a stamp, then that ticket's thread has not come to its own submit yet, and that scan goes over
//!   both. So **every thread that pushes has to submit afterwards**; dropping a submitter does.
//! - *No submit is stranded.* What the kernel refuses for now is told to the publisher, which owes another submit. A thread that
//!   waits through its [`Submitter`] does not rely on that: as long as something is left, it tries again every
//!   millisecond, leader or follower.
//! - *What was taken, was read.* [`submit_consumed`](Submitter::submit_consumed) compares the kernel's head
//!   (`SqTakenKernelHeadLoad`) with the position of the push. The tickets (`SqTakenTicketLoad`) only say which multiple of
//!   2^32 belongs to that head.
//! - *The polling thread is woken.* Store of the tail, `SqWakeFence`, load of the flag here; store of the flag, full
//!   barrier, load of the tail there: one side sees the other's store. Each publisher looks that finds entries which were
//!   not taken, so a wake-up that was refused is made up for by the next submit.
//! - *An owner sleeps over no push, and stops over none.* It announces its sleep, then looks whether it was told to stop,
//!   then submits once more: see `duty.rs`. A push whose call came before the announcement is seen by it (`EventPrepare`,
//!   `EventProbe`), and one that came before the order to stop too (`OwnerTell`, `OwnerLook`).
//! - *Who waits for quiet misses no request.* A publisher counts (`QuietEnteredStore`) before it enters, and the
//!   kernel's release of a completion comes after. Who counts completions acquires that, from the kernel
//!   (`CqClaimKernelTailLoad`) or from who has claimed them (`CqClaimHeadLoad`), and loads the publishers' count after
//!   (`QuietEnteredLoad`).
//! - *A completion is got once, and whole.* A reaper copies, then moves its head (`CqClaim`) from the value at which it
//!   began. While nobody has moved it, nobody has given these slots back, so the kernel did not write to them. The
//!   copies are loads of atomic words in the widths of the kernel's stores; one that loses the race is discarded.
//! - *The kernel writes to a slot only after it was copied*: copy, `CqClaim`, `CqHelpHeadLoad`, `CqHelpMove`, the kernel's
//!   load of the head, on which its store depends. The head moves forwards only: the move succeeds from the value that it
//!   was compared with (`CqHelpKernelHeadLoad`, `CqHelpMoveFail`), and to a larger one.
//! - *Nobody sleeps for ever.* See `wait.rs`: a sleeper announces itself by a read-modify-write, and a waker looks by
//!   one, on the same word; whichever comes second sees what the other did before (`EventPrepare`, `EventProbe`). A key
//!   that is too new brings the waker's stores along (`EventBump`, `EventKeyLoad`), and who leaves has acquired what its
//!   waker did (`EventLeave`). Who leaves a wait and has led, or slept, wakes another if the lead is free or completions
//!   are there. So as long as somebody sleeps, somebody leads or is on the way; and the leader is in the kernel, which
//!   wakes it for each completion. The end of a ring is told to all sleepers, and looked at after the announcement, too
//!   (`DeadNote`, `DeadLook`); the leader learns of it when the kernel lets it go. Who sleeps until the kernel has taken
//!   entries is found without a read-modify-write of the waker's: it asks for a publication behind its announcement. If
//!   that finds a publisher, the publisher acquires the announcement as it settles the request (`SqPublishRequest`,
//!   `SqPublishFinish`), and looks after that (`EventGlance`); if not, the sleeper is the publisher itself.
//!
//! ## Where each step takes effect
//!
//! A pop, at the claim; an empty one, at the load of the kernel's head. What a thread
//! [keeps](Ring::submitter_with_cache) was popped, and is not pushed, until it is pushed as one batch. A push, at the ticket, as to order, and at
//! the store of the kernel's tail that covers it, as to visibility. A reaping, at the claim; an empty one, at the load of the
//! kernel's tail.
//!
//! ## Where it is not exact
//!
//! The kernel's own completion head has 32 bits. A thread that stalls while it gives slots back, between its load and its
//! compare-and-swap, for exactly a multiple of 2^32 completions, moves it wrongly. The word that a thread sleeps on has 32
//! bits, too: one that stalls between its last look and its sleep for exactly a multiple of 2^32 wake-ups sleeps through
//! them. Everything else is exact at any length of stall.
//!
//! # How it is verified
//!
//! `cargo xtask verify` runs these, and fails if a line of the table below has no explanation:
//!
//! - *loom* runs the protocol's own code, with a kernel that is a value, in every order of steps that two or three threads
//!   can have, up to a bound on involuntary switches. The counters start just below 2^32.
//! - *Litmus tests* ask the memory model of C++20 for one outcome each that the argument above forbids. They also allow
//!   load buffering, a load that is satisfied after a store that follows it, which loom never shows.
//! - *Spin* explores models of the combining submit and of leader and followers state by state, and has to find the fault
//!   in each of a dozen broken variants.
//! - The *thread sanitizer* watches real threads, and has to see the races of six weakened orderings; the *address
//!   sanitizer* watches the tests on real rings.
//!
//! Each line takes one ordering of `order.rs` and makes it weaker. The fourth column names a loom test that fails then;
//! a dash means that none does, since what goes wrong needs an execution that loom does not explore. The fifth names the
//! fact that no longer holds, by a litmus test; `(load buffering)` marks those that only such machines show which
//! move a load behind a store. An ordering that is relaxed has no line: it cannot be weaker, and the source says there why it
//! needs nothing. A line that neither column explains would need a written argument why it is harmless.
//!
#![doc = include_str!("../../verification/table.md")]

mod completion;
mod duty;
mod order;
#[doc(hidden)]
pub mod protocol;
#[cfg(any(test, loom, ring_io_mutate))]
#[doc(hidden)]
pub mod sim;
#[cfg(all(test, not(loom)))]
mod stress;
mod submission;
#[doc(hidden)]
pub mod sync;
mod wait;

// The model checker has its own atomics, which cannot lie in the kernel's memory.
#[cfg(not(loom))]
mod builder;
#[cfg(not(loom))]
mod cache;
#[cfg(not(loom))]
mod entry;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod futex;
#[cfg(not(loom))]
mod owner;
#[cfg(not(loom))]
mod pool;
#[cfg(not(loom))]
mod ring;
#[cfg(not(loom))]
mod shared;
#[cfg(not(loom))]
mod slots;
#[cfg(not(loom))]
mod submitter;
#[cfg(not(loom))]
mod until;

#[cfg(not(loom))]
pub use self::{
    builder::Builder,
    entry::{Batch, SqeGuard},
    error::{BuildError, RingError},
    owner::Owner,
    ring::Ring,
    shared::Outcome,
    slots::{SharedCompletion, SharedSubmission},
    submitter::Submitter,
};
