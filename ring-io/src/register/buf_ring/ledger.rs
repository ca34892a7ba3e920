//! Who has which buffer, and which bytes of it: numbers only, no memory.
//!
//! The kernel consumes buffers in the order in which they were given to it. It may report them in any other
//! order, so nothing here depends on where in the ring an entry lies: each buffer remembers which one was
//! given after it, and that is how a bundle is followed.

use std::cell::Cell;

use super::error::TakeError;

/// One account for each buffer of a pool.
///
/// # Invariants
///
/// 1. Of a buffer that `with_kernel` is set for, the kernel touches bytes from `consumed` on and no others;
///    of any other buffer, none.
/// 2. Pieces lent at the same time do not overlap: each begins where the last one of its buffer has ended.
/// 3. A buffer is given to the kernel only when it has let go of it and no piece is lent.
#[derive(Debug)]
pub(super) struct Ledger {
    accounts: Box<[Cell<Account>]>,
    /// Bytes of each buffer.
    size: u32,
    /// How many buffers were given to the kernel, ever; those that came back and were given again count again.
    given: Cell<u64>,
    /// How many of them the kernel has reported the end of.
    returned: Cell<u64>,
    /// The buffer that was given last.
    last: Cell<u16>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    /// The value of `given` before this buffer was given.
    position: u64,
    /// Pieces that are lent now. Those that were forgotten count for ever, and completions of no bytes bring any
    /// number of them: a count that wraps would give a buffer away under the pieces that still live.
    pieces: u64,
    /// Bytes that were lent since then.
    consumed: u32,
    /// Where the kernel's last piece began, noted when another buffer's entry took the place of this one's.
    last_begin: u32,
    /// The buffer that was given after this one.
    next: u16,
    with_kernel: bool,
}

impl Ledger {
    /// For `count` buffers that are not with the kernel yet.
    pub(super) fn new(count: u16, size: u32) -> Self {
        Self {
            accounts: vec![Cell::default(); usize::from(count)].into(),
            size,
            given: Cell::new(0),
            returned: Cell::new(0),
            last: Cell::new(0),
        }
    }

    pub(super) fn count(&self) -> u16 {
        // Made from one.
        self.accounts.len() as u16
    }

    pub(super) const fn size(&self) -> u32 {
        self.size
    }

    /// How many buffers were given, ever.
    #[cfg(test)]
    fn given(&self) -> u64 {
        self.given.get()
    }

    /// How many of the given ones have come back, ever.
    pub(super) fn returned(&self) -> u64 {
        self.returned.get()
    }

    /// Notes that a buffer goes to the kernel that was [lent whole](Self::lend_whole), or never was with it. Of its account
    /// there is nothing else to be set back.
    #[inline(always)]
    pub(super) fn give_whole(&self, id: u16) {
        let account = &self.accounts[usize::from(id)];
        debug_assert!(
            !account.get().with_kernel && account.get().pieces == 0 && account.get().consumed == 0,
            "not lent whole"
        );
        let last = &self.accounts[usize::from(self.last.replace(id))];
        last.set(Account {
            next: id,
            ..last.get()
        });
        let position = self.given.replace(self.given.get() + 1);
        account.set(Account {
            position,
            with_kernel: true,
            ..account.get()
        });
    }

    /// Notes that a buffer goes to the kernel.
    pub(super) fn give(&self, id: u16) {
        debug_assert!(
            !self.account(id).with_kernel,
            "given twice without coming back"
        );
        debug_assert!(self.account(id).pieces == 0, "given while a piece is lent");
        let last = &self.accounts[usize::from(self.last.replace(id))];
        last.set(Account {
            next: id,
            ..last.get()
        });
        let position = self.given.replace(self.given.get() + 1);
        self.accounts[usize::from(id)].set(Account {
            position,
            with_kernel: true,
            ..Account::default()
        });
    }

    /// How many bytes of a buffer the kernel has left.
    ///
    /// # Errors
    ///
    /// [`TakeError`]: it has none.
    fn rest(&self, id: u16) -> Result<u32, TakeError> {
        let account = self
            .accounts
            .get(usize::from(id))
            .ok_or(TakeError::UnknownBuffer { id })?
            .get();
        if account.with_kernel {
            Ok(self.size - account.consumed)
        } else {
            Err(TakeError::NotWithKernel { id })
        }
    }

    /// Whether the kernel has `length` bytes left in this one buffer.
    ///
    /// # Errors
    ///
    /// [`TakeError`]: it has not.
    pub(super) fn check(&self, id: u16, length: u32) -> Result<(), TakeError> {
        let rest = self.rest(id)?;
        if length > rest {
            return Err(TakeError::TooLong { length, rest });
        }
        Ok(())
    }

    /// Whether the kernel has `length` bytes left in this buffer and those that were given after it.
    ///
    /// # Errors
    ///
    /// [`TakeError`]: it has not.
    pub(super) fn check_bundle(&self, id: u16, length: u32) -> Result<(), TakeError> {
        let mut rest = self.rest(id)?;
        let mut account = self.account(id);
        while length > rest {
            let next = self.account(account.next);
            // The last one given has no successor yet, and a successor that came back and was given again is
            // none any more.
            if next.position != account.position + 1 || !next.with_kernel {
                break;
            }
            rest = rest.saturating_add(self.size - next.consumed);
            account = next;
        }
        if length > rest {
            return Err(TakeError::TooLong { length, rest });
        }
        Ok(())
    }

    /// The piece of a bundle of `left` bytes that lies in this buffer: where it begins, and its length.
    pub(super) fn piece(&self, id: u16, left: u32) -> (u32, u32) {
        let offset = self.account(id).consumed;
        (offset, left.min(self.size - offset))
    }

    /// Notes that the next `length` bytes of a buffer are lent, which [`check`](Self::check) has found to be
    /// there; `kept` says that the kernel goes on with what is behind them.
    pub(super) fn lend(&self, id: u16, length: u32, kept: bool) {
        let mut account = self.account(id);
        debug_assert!(account.with_kernel && length <= self.size - account.consumed);
        account.consumed += length;
        account.pieces += 1;
        account.with_kernel = kept;
        self.accounts[usize::from(id)].set(account);
        if !kept {
            self.returned.set(self.returned.get() + 1);
        }
    }

    /// Notes that the whole of a buffer is lent, for `length` bytes of it; `false` and nothing noted when the kernel does
    /// not have it, there is none of that number, or it has fewer bytes.
    ///
    /// For pools whose buffers are all lent in this way: whoever has one gives it, and no pieces are counted.
    #[inline(always)]
    pub(super) fn lend_whole(&self, id: u16, length: u32) -> bool {
        if let Some(cell) = self.accounts.get(usize::from(id))
            && let mut account = cell.get()
            && account.with_kernel
            && length <= self.size
        {
            account.with_kernel = false;
            cell.set(account);
            self.returned.set(self.returned.get() + 1);
            return true;
        }
        false
    }

    /// Notes that a piece is lent no more, and answers whether the buffer can be given to the kernel.
    pub(super) fn end(&self, id: u16) -> bool {
        let mut account = self.account(id);
        debug_assert!(account.pieces > 0);
        account.pieces -= 1;
        self.accounts[usize::from(id)].set(account);
        account.pieces == 0 && !account.with_kernel
    }

    /// The buffer that was given after this one.
    pub(super) fn next(&self, id: u16) -> u16 {
        self.account(id).next
    }

    /// Where in the ring a buffer's entry is, unless another one has taken its place since.
    pub(super) fn slot(&self, id: u16) -> Option<u16> {
        let position = self.account(id).position;
        // The count of entries is a power of two, so the low bits of the position are its place.
        (self.given.get() - position <= u64::from(self.count())).then_some(position as u16)
    }

    /// Notes where the kernel's last piece of buffer `id` began, if it is its entry that the next buffer given takes
    /// the place of, and nobody has told of that piece yet.
    pub(super) fn note_last_begin(&self, id: u16, begin: impl FnOnce() -> u32) {
        let replaced = self.given.get().checked_sub(self.count().into());
        let account = self.account(id);
        if account.with_kernel && replaced == Some(account.position) {
            self.accounts[usize::from(id)].set(Account {
                last_begin: begin(),
                ..account
            });
        }
    }

    /// What was [noted](Self::note_last_begin), for a buffer without a [slot](Self::slot).
    pub(super) fn last_begin(&self, id: u16) -> u32 {
        self.account(id).last_begin
    }

    /// The buffers that are with the kernel, and how much of each is consumed.
    pub(super) fn with_kernel(&self) -> impl Iterator<Item = (u16, u32)> + '_ {
        self.accounts
            .iter()
            .zip(0..)
            .filter(|(account, _)| account.get().with_kernel)
            .map(|(account, id)| (id, account.get().consumed))
    }

    fn account(&self, id: u16) -> Account {
        self.accounts[usize::from(id)].get()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::Ledger;
    use crate::register::buf_ring::TakeError;

    /// The kernel's side: buffers in the order they were given, with what is left of the first.
    struct Kernel {
        queue: VecDeque<u16>,
        consumed: u32,
        size: u32,
        incremental: bool,
    }

    impl Kernel {
        /// Consumes up to `length` bytes, of one buffer or of several: what the completion says.
        fn consume(&mut self, length: u32, bundle: bool) -> Option<(u16, u32, bool)> {
            let id = *self.queue.front()?;
            let there = if bundle {
                self.size * self.queue.len() as u32 - self.consumed
            } else {
                self.size - self.consumed
            };
            let length = length.min(there);
            let mut left = length;
            loop {
                let rest = self.size - self.consumed;
                if self.incremental && left < rest {
                    self.consumed += left;
                    return Some((id, length, true));
                }
                left -= left.min(rest);
                self.queue.pop_front();
                self.consumed = 0;
                if left == 0 {
                    return Some((id, length, false));
                }
            }
        }
    }

    #[test]
    fn pieces_that_were_forgotten_never_give_a_buffer_back() {
        let ledger = Ledger::new(1, 16);
        ledger.give(0);
        // As after that many completions of no bytes, whose pieces were forgotten.
        ledger.accounts[0].set(super::Account {
            pieces: u32::MAX.into(),
            ..ledger.account(0)
        });
        ledger.lend(0, 8, true);
        ledger.lend(0, 8, false);
        assert!(!ledger.end(0), "a piece lives");
        assert!(!ledger.end(0), "the others were forgotten");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Receive { length: u32, bundle: bool },
        Report { which: usize },
        Drop { which: usize },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..40_u32, any::<bool>())
                .prop_map(|(length, bundle)| Step::Receive { length, bundle }),
            any::<usize>().prop_map(|which| Step::Report { which }),
            any::<usize>().prop_map(|which| Step::Drop { which }),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn pieces_never_overlap_and_the_kernel_never_has_more_than_all(
            steps in steps(),
            incremental: bool,
            order in 0..4_u32,
        ) {
            const SIZE: u32 = 16;
            let count = 1_u16 << order;
            let ledger = Ledger::new(count, SIZE);
            let mut kernel =
                Kernel { queue: VecDeque::new(), consumed: 0, size: SIZE, incremental };
            for id in 0..count {
                ledger.give(id);
                kernel.queue.push_back(id);
            }
            let mut unread: VecDeque<(u16, u32, bool)> = VecDeque::new();
            let mut lent: Vec<(u16, u32, u32)> = Vec::new();
            for step in steps {
                match step {
                    Step::Receive { length, bundle } => unread.extend(kernel.consume(length, bundle)),
                    Step::Report { which } => {
                        if unread.is_empty() {
                            continue;
                        }
                        // Pieces of one buffer are read in their order; whole buffers in any.
                        let which = if incremental { 0 } else { which % unread.len() };
                        let (first, length, more) = unread.remove(which).expect("in range");
                        prop_assert_eq!(ledger.check_bundle(first, length), Ok(()));
                        let (mut id, mut left) = (first, length);
                        loop {
                            let (offset, piece) = ledger.piece(id, left);
                            left -= piece;
                            let next = ledger.next(id);
                            ledger.lend(id, piece, more && left == 0);
                            for &(other, start, bytes) in &lent {
                                prop_assert!(
                                    other != id || offset >= start + bytes,
                                    "two pieces over the same bytes"
                                );
                            }
                            lent.push((id, offset, piece));
                            if left == 0 {
                                break;
                            }
                            id = next;
                        }
                    }
                    Step::Drop { which } => {
                        if lent.is_empty() {
                            continue;
                        }
                        let which = which % lent.len();
                        let (id, ..) = lent.swap_remove(which);
                        if ledger.end(id) {
                            prop_assert!(!kernel.queue.contains(&id), "given twice");
                            ledger.give(id);
                            kernel.queue.push_back(id);
                        }
                    }
                }
                prop_assert!(kernel.queue.len() <= usize::from(count));
                for &(id, ..) in &lent {
                    prop_assert!(!kernel.queue.iter().skip(1).any(|&held| held == id));
                }
                let picked = ledger.given() - kernel.queue.len() as u64;
                prop_assert!(ledger.returned() <= picked);
                if unread.is_empty() {
                    prop_assert_eq!(ledger.returned(), picked);
                }
            }
        }

        #[test]
        fn whatever_a_completion_says_is_answered(ids: Vec<(u16, u32, bool)>) {
            let ledger = Ledger::new(4, 16);
            (0..4).for_each(|id| ledger.give(id));
            for (id, length, bundle) in ids {
                let (id, length) = (id % 6, length % 80);
                let result = if bundle {
                    ledger.check_bundle(id, length)
                } else {
                    ledger.check(id, length)
                };
                match result {
                    Ok(()) => {
                        // Those given after it, and itself.
                        let buffers = if bundle { 4 - u32::from(id) } else { 1 };
                        prop_assert!(length <= 16 * buffers);
                    }
                    Err(TakeError::UnknownBuffer { id }) => prop_assert!(id >= 4),
                    Err(error) => {
                        prop_assert!(matches!(error, TakeError::TooLong { .. }), "{}", error);
                    }
                }
            }
        }
    }
}
