//! The driver's way to its ring: push, submit, wait, reap.
//!
//! Everything the engine asks of the kernel passes here, so a test that wants a kernel which refuses, shortens or
//! reorders puts itself between.

use std::time::Duration;

use ring_io::{
    BufRing, BufRingError, CompletionQueue, Cqe, EnterError, OneThread, Readiness, RegisterError,
    Registrar, Ring, SetupError, Sqe, SubmissionQueue, Submitted, Wait,
};

use crate::proactor::trace::Event;

/// What a ring for the engine is made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortSettings {
    /// Entries of the submission queue.
    pub(crate) sq_entries: u32,
    /// Entries of the completion queue.
    pub(crate) cq_entries: u32,
}

/// One ring, its halves kept for the whole life.
#[derive(Debug)]
pub(crate) struct Port {
    sq: SubmissionQueue<'static, Sqe, OneThread>,
    cq: CompletionQueue<'static, Cqe, OneThread>,
    registrar: Registrar<'static, OneThread>,
    /// The number that the next group of provided buffers gets.
    next_group: u16,
    fd: std::os::fd::RawFd,
    #[cfg(test)]
    pub(crate) faults: Option<Box<dyn super::faults::Faults>>,
}

impl Port {
    /// The best ring that this kernel has for one thread: `SINGLE_ISSUER`, `DEFER_TASKRUN`, `NO_SQARRAY` and a
    /// registered descriptor where it knows them.
    pub(crate) fn new(settings: PortSettings) -> Result<Self, SetupError> {
        let sized = || {
            Ring::builder(settings.sq_entries)
                .cq_entries(settings.cq_entries)
                .clamp()
        };
        // Each flag is tried, not derived from a version: a filter may refuse what the kernel knows.
        let mut ring = match sized()
            .submit_all()
            .single_issuer()
            .defer_taskrun()
            .taskrun_flag()
            .no_sqarray()
            .build()
        {
            Err(SetupError::UnknownFlags(_)) => match sized()
                .submit_all()
                .single_issuer()
                .defer_taskrun()
                .taskrun_flag()
                .build()
            {
                Err(SetupError::UnknownFlags(_)) => sized().build()?.into_one_thread(),
                other => other?,
            },
            other => other?,
        };
        // A kernel or a filter that refuses this costs a table lookup per call, nothing else.
        let registered_fd = ring.register_ring_fd().is_ok();
        let fd = std::os::fd::AsRawFd::as_raw_fd(&ring);
        let flags = ring.setup_flags();
        let (sq, cq, registrar) = ring.into_split();
        Event::RingSetUp {
            fd,
            flags,
            sq_entries: sq.capacity(),
            cq_entries: cq.capacity(),
            registered_fd,
        }
        .tell();
        Ok(Self {
            sq,
            cq,
            registrar,
            next_group: 0,
            fd,
            #[cfg(test)]
            faults: None,
        })
    }

    /// The ring's descriptor: readable when completions wait.
    pub(crate) const fn raw_fd(&self) -> std::os::fd::RawFd {
        self.fd
    }

    /// What is registered with the ring.
    pub(crate) const fn registrar(&self) -> &Registrar<'static, OneThread> {
        &self.registrar
    }

    /// A table of so many empty slots for files, out of which the kernel chooses; none is no table.
    pub(crate) fn register_files(&self, slots: u32) -> Result<(), RegisterError> {
        if slots == 0 {
            return Ok(());
        }
        self.registrar.register_files_sparse(slots)
    }

    /// A pool of buffers, under a number that none has, for requests of this ring to select from.
    pub(crate) fn buffer_ring(
        &mut self,
        entries: u16,
        size: u32,
    ) -> Result<BufRing<'static, OneThread>, BufRingError> {
        let first = self.next_group;
        loop {
            let group = self.next_group;
            self.next_group = group.wrapping_add(1);
            match self
                .registrar
                .buffer_ring(BufRing::builder(group, entries, size))
            {
                // Numbers come round after 2^16 pools.
                Err(BufRingError::GroupTaken { .. }) if self.next_group != first => {}
                other => return other,
            }
        }
    }

    /// A descriptor that becomes readable when completions come. There is one.
    pub(crate) fn readiness(&self) -> std::io::Result<Readiness> {
        self.registrar.register_readiness()
    }

    pub(crate) const fn cq_entries(&self) -> u32 {
        self.cq.capacity()
    }

    /// Where the next entry goes, for [`rewrite`](Self::rewrite).
    #[inline(always)]
    pub(crate) const fn position(&self) -> u32 {
        self.sq.position()
    }

    /// How many entries the kernel has not taken.
    #[inline(always)]
    pub(crate) fn prepared(&self) -> u32 {
        self.sq.prepared()
    }

    /// Pushes an entry; `false` when the queue is full.
    ///
    /// # Safety
    ///
    /// As for [`SubmissionQueue::push`].
    #[inline(always)]
    pub(crate) unsafe fn push(&mut self, sqe: Sqe) -> bool {
        #[cfg(test)]
        let sqe = match &mut self.faults {
            Some(faults) => {
                if faults.is_full() || self.sq.is_full() {
                    return false;
                }
                faults.push(sqe)
            }
            None => sqe,
        };
        // SAFETY: the caller vouches for the entry.
        unsafe { self.sq.push(sqe) }.is_ok()
    }

    /// Pushes entries side by side, which the kernel sees together; none of them, and `false`, when there is no room for
    /// all.
    ///
    /// # Safety
    ///
    /// As for [`SubmissionQueue::push`], for each.
    pub(crate) unsafe fn push_together(&mut self, entries: &[Sqe]) -> bool {
        let n = entries.len() as u32;
        if self.sq.capacity() - self.sq.prepared() < n {
            return false;
        }
        // SAFETY: the caller vouches for the entries. The kernel has taken all but those that are prepared, so there is
        // room for each.
        entries.iter().all(|&sqe| unsafe { self.push(sqe) })
    }

    /// Turns an entry that the kernel has not seen into one that does nothing and completes.
    pub(crate) fn take_back(&mut self, position: u32, user_data: u64) -> bool {
        let mut ours = false;
        // SAFETY: the entry keeps its link to the next, and lends nothing any more.
        unsafe {
            self.sq.rewrite(position, |sqe| {
                // Positions repeat after 2^32 pushes; user data does not while its operation is in flight.
                if sqe.user_data() == user_data {
                    ours = true;
                    let links =
                        sqe.flags() & (ring_io::SqeFlags::IO_LINK | ring_io::SqeFlags::IO_HARDLINK);
                    *sqe = Sqe::new();
                    sqe.set_flags(links).set_user_data(user_data);
                }
            });
        }
        ours
    }

    /// Hands the kernel what was pushed. Fewer than all may be taken: see [`prepared`](Self::prepared).
    pub(crate) fn submit(&mut self) -> Result<u32, EnterError> {
        #[cfg(test)]
        if let Some(error) = self.faults.as_mut().and_then(|faults| faults.enter()) {
            return Err(error);
        }
        self.sq.submit().map(Submitted::count)
    }

    /// The same, and waits for `wait_for` completions without end.
    #[inline(always)]
    pub(crate) fn submit_and_wait(&mut self, wait_for: u32) -> Result<u32, EnterError> {
        #[cfg(test)]
        if let Some(error) = self.faults.as_mut().and_then(|faults| faults.enter()) {
            return Err(error);
        }
        self.sq.submit_and_wait(wait_for).map(Submitted::count)
    }

    /// The same, for a time, and with less after a shorter one.
    pub(crate) fn submit_and_wait_with(&mut self, wait: &Wait) -> Result<u32, EnterError> {
        #[cfg(test)]
        if let Some(error) = self.faults.as_mut().and_then(|faults| faults.enter()) {
            return Err(error);
        }
        self.sq
            .submit_and_wait_with(wait)
            .map(|(submitted, _)| submitted.count())
    }

    /// Whether the kernel holds completions back until it is entered.
    #[inline(always)]
    pub(crate) fn needs_flush(&self) -> bool {
        self.cq.needs_flush()
    }

    pub(crate) fn has_overflow(&self) -> bool {
        self.cq.has_overflow()
    }

    /// Brings what [`needs_flush`](Self::needs_flush) told of, as far as the queue has room.
    pub(crate) fn flush(&mut self) -> Result<(), EnterError> {
        self.cq.flush()
    }

    /// Waits for a completion, for `limit` at most, and submits nothing.
    pub(crate) fn pause(&mut self, limit: Duration) {
        // Whatever comes of it, the caller looks at the queue.
        let _ = self.cq.wait_with(&wait_of(1, Duration::ZERO, Some(limit)));
    }

    /// Whether completions can be reaped without a system call.
    #[inline(always)]
    pub(crate) fn is_ready(&self) -> bool {
        !self.cq.is_empty()
    }

    /// Hands `each` every completion that is there, and gives their places back; answers how many.
    #[inline(always)]
    pub(crate) fn reap(&mut self, each: impl FnMut(Cqe)) -> u32 {
        let arrived = self.arrived();
        let n = arrived.len() as u32;
        arrived.for_each(each);
        n
    }

    /// Takes every completion that is there; their places are given back when the iterator is dropped.
    // By the iterator, not over the slices: those cost 12 instructions more for a single completion, and save one for each
    // of many.
    #[cfg(not(test))]
    #[inline(always)]
    pub(crate) fn arrived(&mut self) -> impl ExactSizeIterator<Item = Cqe> + '_ {
        self.cq.drain()
    }

    #[cfg(test)]
    pub(crate) fn arrived(&mut self) -> impl ExactSizeIterator<Item = Cqe> + '_ {
        let mut all = self.cq.drain().collect();
        if let Some(faults) = &mut self.faults {
            faults.reap(&mut all);
        }
        all.into_iter()
    }
}

/// A wait for `min` completions that is content with one after `min_wait`, and ends after `limit`.
pub(crate) const fn wait_of(min: u32, min_wait: Duration, limit: Option<Duration>) -> Wait {
    let mut wait = Wait::for_n(min);
    if !min_wait.is_zero() {
        wait = wait.min_wait(min_wait);
    }
    if let Some(limit) = limit {
        wait = wait.timeout(limit);
    }
    wait
}
