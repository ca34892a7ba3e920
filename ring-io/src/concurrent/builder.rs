//! How a shared ring is described and made.

use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use super::error::BuildError;
use super::owner::Owner;
use super::ring::Ring;
use super::shared::{Mode, Options, Shared};
use super::slots::{SharedCompletion, SharedSubmission};
use crate::builder::RingBuilder;
use crate::capabilities;
use crate::cqe::{Cqe, Cqe32};
use crate::flags::{Features, SetupFlags};
use crate::mixed_cq::MixedCqe;
use crate::sqe::{Sqe, Sqe128};

/// What the kernel has to promise: entries may be used anew once taken, completions are not dropped, and waits have a
/// time.
const NEEDED: Features = Features::SUBMIT_STABLE
    .union(Features::NODROP)
    .union(Features::EXT_ARG);

/// Describes a shared ring; made by [`Ring::builder`].
///
/// It has the options of [`RingBuilder`](crate::RingBuilder) that threads can share, and not the others:
/// `single_issuer` and `defer_taskrun` bind the ring to one thread; `no_sqarray` and `build_rewind` take away the
/// array that the protocol needs; `sqe_mixed` wants slots side by side; `coop_taskrun` would let completions wait for
/// whichever thread happened to submit; `iopoll` needs a thread that polls; `inherit_on_fork` would give a child
/// half of the ring's state; a registered descriptor is known to one thread.
#[derive(Debug)]
#[must_use = "a description makes no ring until `build` is called"]
pub struct Builder<S: SharedSubmission = Sqe, C: SharedCompletion = Cqe> {
    ring: RingBuilder<S, C>,
    options: Options,
    is_polled: bool,
}

impl Builder {
    pub(super) fn new(entries: u32) -> Self {
        Self {
            ring: RingBuilder::new(entries),
            options: Options::default(),
            is_polled: false,
        }
    }
}

impl<S: SharedSubmission, C: SharedCompletion> Builder<S, C> {
    fn with<S2: SharedSubmission, C2: SharedCompletion>(
        self,
        change: impl FnOnce(RingBuilder<S, C>) -> RingBuilder<S2, C2>,
    ) -> Builder<S2, C2> {
        Builder {
            ring: change(self.ring),
            options: self.options,
            is_polled: self.is_polled,
        }
    }

    /// As [`RingBuilder::sqe128`](crate::RingBuilder::sqe128). Linux 5.19.
    pub fn sqe128(self) -> Builder<Sqe128, C> {
        self.with(RingBuilder::sqe128)
    }

    /// As [`RingBuilder::cqe32`](crate::RingBuilder::cqe32). Linux 5.19.
    pub fn cqe32(self) -> Builder<S, Cqe32> {
        self.with(RingBuilder::cqe32)
    }

    /// As [`RingBuilder::cqe_mixed`](crate::RingBuilder::cqe_mixed). Linux 6.18.
    ///
    /// Such a queue must not overflow: see [`MixedCqe`](crate::MixedCqe).
    pub fn cqe_mixed(mut self) -> Builder<S, MixedCqe> {
        self.options.is_exact = true;
        self.with(RingBuilder::cqe_mixed)
    }

    /// The completion queue's size, rounded up to a power of two; at least the submission queue's.
    /// Default: twice the submission queue's.
    ///
    /// Make it as large as the number of requests in flight: each flush of an overflow takes the kernel's lock.
    pub fn cq_entries(self, entries: u32) -> Self {
        self.with(|ring| ring.cq_entries(entries))
    }

    /// As [`RingBuilder::clamp`](crate::RingBuilder::clamp). Linux 5.6.
    pub fn clamp(self) -> Self {
        self.with(RingBuilder::clamp)
    }

    /// A kernel thread takes submissions, and sleeps after `idle` without any. Linux 5.11.
    ///
    /// No thread of the program owns what it submits then, and none has to live on.
    pub fn sqpoll(mut self, idle: Duration) -> Self {
        self.is_polled = true;
        self.with(|ring| ring.sqpoll(idle))
    }

    /// That kernel thread stays on this CPU. With [`sqpoll`](Self::sqpoll).
    pub fn sqpoll_cpu(self, cpu: u32) -> Self {
        self.with(|ring| ring.sqpoll_cpu(cpu))
    }

    /// As [`RingBuilder::share_workers_with`](crate::RingBuilder::share_workers_with). Linux 5.6.
    ///
    /// A polling thread that several rings share takes a limited number of entries from each at a time, and may
    /// cut a chain there.
    pub fn share_workers_with(self, other: &impl AsFd) -> Self {
        self.with(|ring| ring.share_workers_with(other))
    }

    /// Slots of the completion queue are given back a quarter of the queue at a time.
    ///
    /// Without this they are given back eight at a time (a sixteenth of a small queue, and each one on rings
    /// with [`cqe_mixed`](Self::cqe_mixed)), when a reaping finds nothing, and each at once as soon as somebody
    /// has asked for the ring's descriptor. With this that makes no difference, so a thread that polls the
    /// descriptor has to call [`Ring::release`] before. Waits and flushes give back everything by themselves.
    pub fn lazy_release(mut self) -> Self {
        self.options.is_lazy = true;
        self
    }

    /// Makes a ring that is submitted to by its [`Submitter`](super::Submitter)s, or with
    /// [`sqpoll`](Self::sqpoll) by the kernel's thread.
    ///
    /// # Errors
    ///
    /// [`BuildError`], which names the cause.
    pub fn build(self) -> Result<Ring<S, C>, BuildError> {
        let mode = if self.is_polled {
            Mode::Polled
        } else {
            Mode::Submitters
        };
        self.make(mode)
    }

    /// Makes a ring whose submissions are all entered by the thread that runs the [`Owner`]; other threads push, and
    /// their submits wake it.
    ///
    /// With [`sqpoll`](Self::sqpoll) there is nothing for an owner to do.
    ///
    /// # Errors
    ///
    /// [`BuildError`], which names the cause.
    // Two handles with the ring's own parameters: a name for the pair would say less.
    #[allow(clippy::type_complexity)]
    pub fn build_owned(self) -> Result<(Ring<S, C>, Owner<S, C>), BuildError> {
        let mode = if self.is_polled {
            Mode::Polled
        } else {
            Mode::Owned
        };
        let ring = self.make(mode)?;
        let owner = Owner::new(&ring);
        Ok((ring, owner))
    }

    fn make(self, mode: Mode) -> Result<Ring<S, C>, BuildError> {
        // Without this, an entry that the kernel refuses ends the call behind it, and cuts the chain that it is in.
        let ring = if capabilities::known_setup_flags().contains(SetupFlags::SUBMIT_ALL) {
            self.ring.submit_all()
        } else {
            self.ring
        };
        let core = ring.make_with_array()?;
        let missing = NEEDED & !Features::from_bits_retain(core.features());
        if !missing.is_empty() {
            return Err(BuildError::MissingFeatures(missing));
        }
        let options = Options {
            spins: thread::available_parallelism().is_ok_and(|count| count.get() > 1),
            ..self.options
        };
        // SAFETY: the ring was just made with entries of these types, and nobody else has it.
        let shared = unsafe { Shared::new(core, mode, options) };
        Ok(Ring::new_from(shared))
    }
}
