//! Tables of resources: what registered buffers and registered files have in common.
//!
//! Both are tables with a fixed number of slots, full or empty, that may be replaced one by one, and whose
//! slots may carry a tag. The structures are the same, only the operations differ.

use std::marker::PhantomData;
use std::ptr;

use ring_io_sys as sys;

use crate::errno::Errno;
use crate::flags::Features;
use crate::mode::ThreadMode;
use crate::register::{RegisterError, Registrar};

impl<M: ThreadMode> Registrar<'_, M> {
    /// Another registrar of the same ring, for an owner that registers now and unregisters when it is dropped.
    pub(super) fn duplicate(&self) -> Self {
        Registrar {
            // A share of the ring, or the same borrow of it: it lives as long (1).
            core: self.core,
            owner: self.owner.clone(),
            _borrow: PhantomData,
        }
    }

    /// Makes a table of `count` empty slots: `IORING_REGISTER_FILES2` or `_BUFFERS2`.
    pub(super) fn register_sparse(&self, opcode: u32, count: u32) -> Result<(), RegisterError> {
        let table = sys::io_uring_rsrc_register {
            nr: count,
            flags: sys::IORING_RSRC_REGISTER_SPARSE,
            resv2: 0,
            data: 0,
            tags: 0,
        };
        // SAFETY: both operations take this structure and its size; it names no memory.
        unsafe {
            self.register_raw(
                opcode,
                ptr::from_ref(&table).cast(),
                size_of_val(&table) as u32,
            )
        }
        .map(drop)
        .map_err(|errno| RegisterError::from_errno(errno).of_table(count as usize))
    }

    /// Makes a table of tagged items: `IORING_REGISTER_FILES2` or `_BUFFERS2`.
    ///
    /// # Safety
    ///
    /// As for [`register_raw`](Registrar::register_raw); the operation takes an array of `T` behind the
    /// structure's address.
    ///
    /// # Panics
    ///
    /// If there are not as many tags as items.
    pub(super) unsafe fn register_tagged<T>(
        &self,
        opcode: u32,
        items: &[T],
        tags: &[u64],
    ) -> Result<(), RegisterError> {
        assert_eq!(items.len(), tags.len(), "one tag for each item");
        let table = sys::io_uring_rsrc_register {
            nr: count_of(items)?,
            flags: 0,
            resv2: 0,
            data: items.as_ptr() as u64,
            tags: tags.as_ptr() as u64,
        };
        // SAFETY: the structure is what both operations take, the arrays are as long as it says, and the
        // caller vouches for what the items name.
        unsafe {
            self.register_raw(
                opcode,
                ptr::from_ref(&table).cast(),
                size_of_val(&table) as u32,
            )
        }
        .map(drop)
        .map_err(|errno| RegisterError::from_errno(errno).of_table(items.len()))
    }

    /// Replaces the slots from `offset` on: `IORING_REGISTER_FILES_UPDATE2` or `_BUFFERS_UPDATE`.
    ///
    /// # Safety
    ///
    /// As for [`register_tagged`](Self::register_tagged).
    ///
    /// # Panics
    ///
    /// If there are tags, but not as many as items.
    pub(super) unsafe fn update_slots<T>(
        &self,
        opcode: u32,
        offset: u32,
        items: &[T],
        tags: Option<&[u64]>,
    ) -> Result<(), RegisterError> {
        if let Some(tags) = tags {
            assert_eq!(items.len(), tags.len(), "one tag for each item");
        }
        update_all(offset, count_of(items)?, |done| {
            let rest = &items[done as usize..];
            let update = sys::io_uring_rsrc_update2 {
                offset: offset + done,
                resv: 0,
                data: rest.as_ptr() as u64,
                tags: tags.map_or(0, |tags| tags[done as usize..].as_ptr() as u64),
                nr: rest.len() as u32,
                resv2: 0,
            };
            // SAFETY: as in `register_tagged`.
            unsafe {
                self.register_raw(
                    opcode,
                    ptr::from_ref(&update).cast(),
                    size_of_val(&update) as u32,
                )
            }
        })
    }

    /// Finds what would be an `EINVAL` without a reason: a kernel without tags, and a tag of nothing.
    ///
    /// # Panics
    ///
    /// If there are not as many tags as items.
    pub(super) fn check_tags<T>(
        &self,
        items: &[T],
        tags: &[u64],
        is_nothing: impl Fn(&T) -> bool,
    ) -> Result<(), RegisterError> {
        assert_eq!(items.len(), tags.len(), "one tag for each item");
        // SAFETY: the ring is live (1).
        let features = unsafe { self.core.as_ref() }.features();
        if !Features::from_bits_retain(features).contains(Features::RSRC_TAGS) {
            return Err(RegisterError::NoTags);
        }
        items
            .iter()
            .zip(tags)
            .position(|(item, &tag)| tag != 0 && is_nothing(item))
            .map_or(Ok(()), |index| Err(RegisterError::TagOfNothing { index }))
    }
}

/// How many items there are, if the kernel can count them.
pub(super) fn count_of<T>(items: &[T]) -> Result<u32, RegisterError> {
    u32::try_from(items.len()).map_err(|_| RegisterError::TooMany { count: items.len() })
}

/// Calls `update`, which is told how many slots are done, until all `count` are.
///
/// The kernel stops at the first slot that it cannot fill, and then answers with the number of those before
/// it and not with the reason. The second call begins at that slot, so it brings the reason.
pub(super) fn update_all(
    offset: u32,
    count: u32,
    mut update: impl FnMut(u32) -> Result<u32, Errno>,
) -> Result<(), RegisterError> {
    if count == 0 {
        return Err(RegisterError::Empty);
    }
    if offset.checked_add(count).is_none() {
        return Err(RegisterError::OutsideTable { offset, count });
    }
    let mut done = 0;
    while done < count {
        // An answer of "none, and nothing is wrong" does not exist; it must not loop for ever if it does.
        let result = update(done).and_then(|updated| match updated {
            0 => Err(Errno::from_raw(libc::EIO)),
            updated => Ok(updated),
        });
        match result {
            Ok(updated) => done += updated,
            Err(errno) if done == 0 => {
                return Err(RegisterError::from_errno(errno).of_update(offset, count));
            }
            Err(cause) => return Err(RegisterError::Incomplete { done, cause }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::update_all;
    use crate::errno::Errno;
    use crate::register::RegisterError;

    #[test]
    fn an_update_that_stops_half_way_is_asked_again_for_the_reason() {
        let mut calls = Vec::new();
        let result = update_all(5, 4, |done| {
            calls.push(done);
            match done {
                0 => Ok(3),
                _ => Err(Errno::from_raw(libc::EBADF)),
            }
        });
        assert_eq!(
            result,
            Err(RegisterError::Incomplete {
                done: 3,
                cause: Errno::from_raw(libc::EBADF)
            })
        );
        assert_eq!(calls, [0, 3]);
    }

    #[test]
    fn an_update_that_goes_on_after_a_pause_is_whole() {
        assert_eq!(update_all(0, 3, |_| Ok(1)), Ok(()));
    }

    #[test]
    fn an_answer_of_nothing_does_not_loop() {
        let result = update_all(0, 3, |_| Ok(0));
        assert_eq!(
            result.expect_err("no progress").errno(),
            Errno::from_raw(libc::EIO)
        );
    }

    #[test]
    fn slots_beyond_the_last_number_are_outside_of_every_table() {
        let result = update_all(u32::MAX, 1, |_| unreachable!("nothing to ask"));
        assert_eq!(
            result,
            Err(RegisterError::OutsideTable {
                offset: u32::MAX,
                count: 1
            })
        );
    }
}
