//! How far the future of an operation, or of a chain, has come.

use std::task::Waker;

use super::gate::{Admission, Ticket};
use super::shared::Shared;

pub(super) enum Phase {
    New,
    /// Waits until others have completed.
    Waiting(Ticket),
    /// Before it was pushed.
    Cancelled,
    Started,
    Over,
}

impl Phase {
    /// Asks for credit for what has not started, and keeps its place among those that wait.
    #[inline]
    pub(super) fn admit(&mut self, shared: &Shared, n: u32, waker: &Waker) -> Admission {
        let mut ticket = match std::mem::replace(self, Self::New) {
            Self::Waiting(ticket) => Some(ticket),
            _ => None,
        };
        let admission = shared.admit(&mut ticket, n, waker);
        if let Some(ticket) = ticket {
            *self = Self::Waiting(ticket);
        }
        admission
    }

    /// Keeps from its start what has not started. Whether it has: then the driver has to be asked.
    pub(super) fn cancel(&mut self, shared: &Shared) -> bool {
        match self {
            Self::New | Self::Waiting(_) => {
                // Who is granted the place is woken by somebody's code, which may panic: the phase is right by then.
                if let Self::Waiting(ticket) = std::mem::replace(self, Self::Cancelled) {
                    shared.leave(&ticket);
                }
                false
            }
            Self::Started => true,
            Self::Cancelled | Self::Over => false,
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Waiting(_) => "waiting",
            Self::Cancelled => "cancelled",
            Self::Started => "started",
            Self::Over => "over",
        }
    }
}
