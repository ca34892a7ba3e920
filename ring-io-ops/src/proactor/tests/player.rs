//! A kernel that is played: it completes what it was given when, in which order and with what a test says.
//!
//! The real kernel gets a "do nothing" in place of each entry, so that queues, system calls and their counts are real.
//! Its completion says that the entry has arrived, and is held back until the test lets it, or another, go.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use ring_io::{Cqe, CqeFlags, EnterError, Sqe};

use crate::proactor::engine::{Key, faults::Faults};
use crate::{AsyncCancel, AsyncCancelAll, CancelMatch, Operation};

/// One operation that has arrived and has not ended.
#[derive(Clone, Copy, Debug)]
struct Held {
    user_data: u64,
    cancelled: bool,
}

#[derive(Debug, Default)]
struct Script {
    /// Pushed and not arrived, as far as the test may decide of their end.
    pushed: Vec<u64>,
    /// Targets of cancel requests that are pushed and not arrived, in their order.
    cancels: VecDeque<Whom>,
    held: Vec<Held>,
    /// What the next reap brings.
    due: Vec<Cqe>,
    refusals: VecDeque<EnterError>,
    /// The submission queue looks full.
    is_full: bool,
    /// Whoever is cancelled ends at once.
    heeds: bool,
}

/// The player, and the test's hand in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Player(Rc<RefCell<Script>>);

impl Player {
    /// How many operations wait to be ended.
    pub(super) fn held(&self) -> usize {
        self.0.borrow().held.len()
    }

    /// Ends one of the operations that have arrived, with this result, or `ECANCELED` where that was asked for.
    pub(super) fn end(&self, nth: usize, result: i32) {
        let mut script = self.0.borrow_mut();
        let held = script.held.remove(nth);
        let result = if held.cancelled {
            -libc::ECANCELED
        } else {
            result
        };
        script.due.push(Cqe::new(held.user_data, result, 0));
    }

    /// Ends it in this way, whether somebody asked for its cancellation or not.
    pub(super) fn end_regardless(&self, nth: usize, result: i32) {
        self.0.borrow_mut().held[nth].cancelled = false;
        self.end(nth, result);
    }

    /// Ends all, the last first.
    pub(super) fn end_all(&self) {
        for nth in (0..self.held()).rev() {
            self.end(nth, 0);
        }
    }

    /// Lets one of them bring a completion and go on.
    pub(super) fn bring(&self, nth: usize, result: i32) {
        let mut script = self.0.borrow_mut();
        let user_data = script.held[nth].user_data;
        script
            .due
            .push(Cqe::new(user_data, result, CqeFlags::MORE.bits()));
    }

    /// From now on whoever is cancelled ends at once.
    pub(super) fn end_when_cancelled(&self) {
        self.0.borrow_mut().heeds = true;
    }

    /// Whether the cancellation of this one was asked for.
    pub(super) fn is_cancelled(&self, nth: usize) -> bool {
        self.0.borrow().held[nth].cancelled
    }

    /// The next time that the kernel is entered it answers with this.
    pub(super) fn refuse(&self, error: EnterError) {
        self.0.borrow_mut().refusals.push_back(error);
    }

    /// Lets the submission queue look full, or not any more.
    pub(super) fn fill(&self, is_full: bool) {
        self.0.borrow_mut().is_full = is_full;
    }

    /// A completion that nobody asked for.
    pub(super) fn forge(&self, cqe: Cqe) {
        self.0.borrow_mut().due.push(cqe);
    }

    /// Turns around what the next reap brings. Where one operation has more than one completion there, the order of
    /// those stays as it is: no kernel changes it.
    pub(super) fn reverse(&self) {
        let mut script = self.0.borrow_mut();
        let mut whose: Vec<u64> = script.due.iter().map(Cqe::user_data).collect();
        whose.dedup();
        script.due.sort_by_key(|cqe| {
            let first = whose.iter().position(|&one| one == cqe.user_data());
            std::cmp::Reverse(first)
        });
    }

    /// Whether this one may bring more than one completion.
    pub(super) fn is_stream(&self, nth: usize) -> bool {
        Key::from_user_data(self.0.borrow().held[nth].user_data).is_multishot()
    }
}

/// Whom a cancel request is for.
#[derive(Clone, Copy, Debug)]
enum Whom {
    One(u64),
    Everybody,
}

/// Whether an entry asks for a cancellation, and of whom.
fn cancel_target(sqe: &Sqe) -> Option<Whom> {
    let one = AsyncCancel::new(CancelMatch::user_data(0)).to_sqe();
    let any = AsyncCancelAll::any().to_sqe();
    if sqe.opcode() != one.opcode() {
        return None;
    }
    Some(if sqe.op_flags() == any.op_flags() {
        Whom::Everybody
    } else {
        Whom::One(sqe.addr())
    })
}

impl Faults for Player {
    fn push(&mut self, sqe: Sqe) -> Sqe {
        let mut script = self.0.borrow_mut();
        if let Some(target) = cancel_target(&sqe) {
            script.cancels.push_back(target);
        } else if sqe.opcode() == Sqe::new().opcode() {
            script.pushed.push(sqe.user_data());
        } else {
            // A close: the descriptor is a real one.
            return sqe;
        }
        let mut nop = Sqe::new();
        nop.set_user_data(sqe.user_data());
        nop
    }

    fn is_full(&mut self) -> bool {
        self.0.borrow().is_full
    }

    fn enter(&mut self) -> Option<EnterError> {
        self.0.borrow_mut().refusals.pop_front()
    }

    fn reap(&mut self, completions: &mut Vec<Cqe>) {
        let mut script = self.0.borrow_mut();
        let arrived = std::mem::take(completions);
        for cqe in arrived {
            let user_data = cqe.user_data();
            if let Some(nth) = script.pushed.iter().position(|&pushed| pushed == user_data) {
                script.pushed.swap_remove(nth);
                script.held.push(Held {
                    user_data,
                    cancelled: false,
                });
                continue;
            }
            if u64::from(user_data as u32) == crate::proactor::engine::CANCEL
                && let Some(target) = script.cancels.pop_front()
            {
                for held in &mut script.held {
                    held.cancelled |= match target {
                        Whom::One(user_data) => user_data == held.user_data,
                        Whom::Everybody => true,
                    };
                }
            }
            completions.push(cqe);
        }
        if script.heeds {
            let Script { held, due, .. } = &mut *script;
            held.retain(|held| {
                if held.cancelled {
                    due.push(Cqe::new(held.user_data, -libc::ECANCELED, 0));
                }
                !held.cancelled
            });
        }
        completions.append(&mut script.due);
    }
}
