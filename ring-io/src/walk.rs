//! One walk over completed slots: how [`CompletionQueue`](crate::CompletionQueue) reads, whatever its entries are.

use std::ptr::NonNull;

/// The slots of a queue from its head up to a tail, read one after the other.
///
/// Where it is counts in bytes, so that nothing is left to shift for an address, and is masked where a slot is read: from
/// turn to turn of a loop over completions goes one addition. To mask what goes on to the next turn saves a copy, which
/// is one instruction of six, and costs a cycle in three.
///
/// # Invariants
///
/// 1. `start` points at slots of type `T`, a power of two of them; `mask` is the offset in bytes of the last one, and
///    `offset`, masked, that of any.
/// 2. The next `left` slots from `offset`, from the last one on to the first, are written, and nobody writes to them
///    while `self` is used.
#[derive(Debug)]
pub struct Walk<T> {
    start: NonNull<T>,
    mask: usize,
    offset: usize,
    left: u32,
}

impl<T: Copy> Walk<T> {
    /// # Safety
    ///
    /// - `start` and `mask` are what the first invariant says, and the size of `T` is a power of two.
    /// - The slots from `head` up to `tail` were written by the kernel, or as the kernel does, and nobody writes
    ///   to them while the walk is used.
    #[inline(always)]
    pub(crate) unsafe fn new(start: NonNull<T>, mask: usize, head: u32, tail: u32) -> Self {
        const { assert!(size_of::<T>().is_power_of_two()) };
        Self {
            start,
            mask,
            offset: (head as usize).wrapping_mul(size_of::<T>()),
            left: tail.wrapping_sub(head),
        }
    }

    /// How many slots were not read yet.
    #[inline(always)]
    pub(crate) const fn left(&self) -> u32 {
        self.left
    }

    /// A copy of the next slot.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<T> {
        if self.left == 0 {
            return None;
        }
        // SAFETY: the offset, masked, is that of a slot (1), which was written (2).
        let slot = unsafe { self.start.byte_add(self.offset & self.mask).read() };
        self.offset = self.offset.wrapping_add(size_of::<T>());
        self.left -= 1;
        Some(slot)
    }
}

/// Keeps LLVM from unrolling the loop around it, by an instruction that is none.
///
/// It would take the completions four at a time, and what is left over in a second loop. Where the loop does next to
/// nothing with each, that saves 1.3 instructions of 20 at 32 a call, and costs nine of 80 at one a call, where
/// there is nothing to share them.
#[inline(always)]
pub(crate) fn keep_rolled() {
    #[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
    // SAFETY: there is no instruction.
    unsafe {
        std::arch::asm!("", options(nomem, nostack, preserves_flags));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_sees_each_slot_up_to_the_tail_from_any_head() {
        let mut slots = [[0u32, 10], [1, 11], [2, 12], [3, 13]];
        let mask = 3 * size_of::<[u32; 2]>();
        let start = NonNull::new(slots.as_mut_ptr()).expect("slots");
        for head in (0..9).map(|i: u32| i.wrapping_sub(5)) {
            for n in 0..=4 {
                let tail = head.wrapping_add(n);
                // SAFETY: four slots, all written.
                let mut walk = unsafe { Walk::new(start, mask, head, tail) };
                for i in 0..n {
                    let place = head.wrapping_add(i) % 4;
                    assert_eq!(walk.left(), n - i);
                    assert_eq!(walk.next(), Some([place, place + 10]), "{head}");
                }
                assert_eq!((walk.left(), walk.next(), walk.left()), (0, None, 0));
            }
        }
    }
}
