//! Pushing: entries wait in one order until there is room, and closes until nothing names their descriptor.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ring_io::Sqe;

use super::{CANCEL, CLOSE, Driver, PART, Pending};
use crate::proactor::engine::{OWN_MAX, RUNG};
use crate::proactor::error::OpError;
use crate::proactor::open_file::named;
use crate::proactor::owned::Completion;
use crate::proactor::shared::flight::{ChainFlight, Flight, links_of};
use crate::proactor::trace::Event;
use crate::{AsyncCancel, AsyncCancelAll, CancelMatch, Operation, Target};

impl Driver {
    /// Pushes as much as is handed to the kernel at a time, if there is room; whether that was a part, and there is more.
    pub(super) fn push_part(&mut self) -> bool {
        if self.is_deaf {
            // The kernel may take nothing before what completed is reaped: then it is tried again behind that.
            self.submit();
            self.listen_to_pipe();
        }
        if !self.held.is_empty() {
            self.release_held();
        }
        if self.cancel_at.is_some() {
            self.cancel_all();
        }
        let most = if self.at_once { PART } else { u32::MAX };
        while let Some(pending) = self.next_pending() {
            if self.port.prepared() >= most {
                self.pending.push_front(pending);
                return true;
            }
            if let Err(pending) = self.push(pending) {
                self.pending.push_front(pending);
                if self.port.prepared() == 0 {
                    // There is no room for an entry of the driver's own before others have completed.
                    return false;
                }
                let before = self.port.prepared();
                self.submit();
                if self.port.prepared() == before {
                    return false;
                }
            }
        }
        false
    }

    /// Closes what nothing names any more.
    #[cold]
    pub(super) fn release_held(&mut self) {
        self.forget_late();
        for closing in std::mem::take(&mut self.held) {
            self.close(closing);
        }
    }

    /// Whether an entry that is in flight names this, and may look it up yet.
    pub(super) fn is_late(&mut self, target: Target) -> bool {
        if self.late.is_empty() {
            return false;
        }
        self.forget_late();
        self.late.iter().any(|(_, late)| *late == target)
    }

    /// Forgets the late entries that are over.
    pub(super) fn forget_late(&mut self) {
        let table = &mut self.table;
        self.late.retain(|&(key, _)| table.get(key).is_some());
    }

    pub(super) fn push(&mut self, pending: Pending) -> Result<(), Pending> {
        let sqe = match pending {
            Pending::Start(flight) => return self.push_flight(flight),
            Pending::Chain(chain) => return self.push_chain(chain),
            Pending::Close(closing) if self.is_late(closing.target()) => {
                self.closes -= 1;
                self.held.push(closing);
                return Ok(());
            }
            _ if self.reserved >= OWN_MAX => return Err(pending),
            Pending::Cancel(key) => {
                if self.table.get(key).is_none() {
                    return Ok(());
                }
                self.events.note(Event::Cancel { user_data: key });
                AsyncCancel::new(CancelMatch::user_data(key)).to_sqe()
            }
            Pending::CancelAll => AsyncCancelAll::any().to_sqe(),
            Pending::Close(ref closing) => closing.entry(),
        };
        let user_data = match pending {
            Pending::Close(_) => CLOSE,
            _ => CANCEL,
        };
        // SAFETY: such an entry names no memory, and the descriptor that it may close is the driver's.
        if !unsafe { self.push_internal(sqe, user_data) } {
            return Err(pending);
        }
        if let Pending::Close(closing) = pending {
            // The kernel's from now on.
            closing.leave_open();
        }
        Ok(())
    }

    pub(super) fn push_flight(&mut self, flight: Arc<dyn Flight>) -> Result<(), Pending> {
        let mut sqe = flight.entry();
        if flight.closes() && named(&sqe).is_some_and(|target| self.is_late(target)) {
            self.end(flight, Completion::failed(OpError::Busy));
            return Ok(());
        }
        let late = flight.late();
        let (user_data, flight) = self.table.insert(flight);
        sqe.set_user_data(user_data);
        // SAFETY: what the entry lends lives until the operation, which is in the table (1), has ended.
        if unsafe { self.port.push(sqe) } {
            flight.key().store(user_data, Relaxed);
            self.note_late(user_data, late);
            self.submit_if_many();
            Ok(())
        } else {
            let flight = self.table.remove(user_data).expect("put there above");
            Err(Pending::Start(flight))
        }
    }

    /// Pushes all links of a chain, or none.
    pub(super) fn push_chain(&mut self, chain: Arc<dyn ChainFlight>) -> Result<(), Pending> {
        let links: Vec<_> = links_of(&chain).collect();
        let table = &mut self.table;
        let entries: Vec<_> = links
            .iter()
            .map(|link| {
                let mut sqe = link.entry();
                let (user_data, _) = table.insert(Arc::clone(link));
                sqe.set_user_data(user_data);
                sqe
            })
            .collect();
        // SAFETY: what the entries lend lives until the chain, whose links are in the table (1), has ended.
        if !unsafe { self.port.push_together(&entries) } {
            for sqe in &entries {
                self.table.remove(sqe.user_data());
            }
            return Err(Pending::Chain(chain));
        }
        for (link, sqe) in links.iter().zip(&entries) {
            link.key().store(sqe.user_data(), Relaxed);
            self.note_late(sqe.user_data(), link.late());
        }
        // Not before all of them are there: a chain that is cut by a submit is two.
        self.submit_if_many();
        Ok(())
    }

    /// Notes what an entry names which was pushed, if the kernel looks it up later.
    fn note_late(&mut self, user_data: u64, late: Option<Target>) {
        if let Some(target) = late {
            if self.late.len() == self.late.capacity() {
                // Most are over, in general; otherwise the list grows.
                self.forget_late();
            }
            self.late.push((user_data, target));
        }
    }

    pub(super) fn submit_if_many(&mut self) {
        if self.port.prepared() >= self.batching.submit_at {
            self.submit();
        }
    }

    /// # Safety
    ///
    /// What the entry lends is never freed.
    unsafe fn push_internal(&mut self, mut sqe: Sqe, user_data: u64) -> bool {
        sqe.set_user_data(user_data);
        // SAFETY: the caller vouches for the entry.
        let pushed = unsafe { self.port.push(sqe) };
        self.reserved += u32::from(pushed);
        pushed
    }

    /// Where the bell is a pipe there is always a read on it while the driver sleeps.
    pub(super) fn listen_to_pipe(&mut self) {
        let Some(pipe) = &self.pipe else { return };
        let mut sqe = pipe.entry();
        sqe.set_user_data(RUNG);
        // SAFETY: the pipe's byte is never freed.
        self.is_deaf = !unsafe { self.port.push(sqe) };
    }
}
