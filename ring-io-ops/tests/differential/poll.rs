use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{PollAdd, PollEvents, PollRemove, PollUpdate};
use ring_io_sys as sys;

use crate::oracle::{common, compare, config, fd_and_flags, target, word32, word64};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn poll_add_writes_what_prep_poll_add_and_poll_multishot_write(
        common in common(), target in target(), events in word32(), multishot in any::<bool>(), level in any::<bool>(),
    ) {
        let mut poll = PollAdd::new(target, PollEvents::from_bits_retain(events));
        if multishot {
            poll = poll.multishot();
        }
        if level {
            poll = poll.level_triggered();
        }
        let (fd, flags) = fd_and_flags(target);
        compare(poll, flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                if multishot {
                    sys::io_uring_prep_poll_multishot(sqe, fd, events);
                } else {
                    sys::io_uring_prep_poll_add(sqe, fd, events);
                }
                // There is no function for this mode.
                if level {
                    (*sqe).len |= sys::IORING_POLL_ADD_LEVEL;
                }
            }
        })?;
    }

    #[test]
    fn poll_remove_writes_what_prep_poll_remove_writes(common in common(), user_data in word64()) {
        compare(PollRemove::new(user_data), SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_poll_remove(sqe, user_data) };
        })?;
    }

    #[test]
    fn poll_update_writes_what_prep_poll_update_writes(
        common in common(), user_data in word64(), events in prop::option::of(word32()),
        new_user_data in prop::option::of(word64()),
    ) {
        let mut update = PollUpdate::new(user_data);
        let mut changes = 0;
        if let Some(events) = events {
            update = update.events(PollEvents::from_bits_retain(events));
            changes |= sys::IORING_POLL_UPDATE_EVENTS;
        }
        if let Some(new) = new_user_data {
            update = update.new_user_data(new);
            changes |= sys::IORING_POLL_UPDATE_USER_DATA;
        }
        compare(update, SqeFlags::empty(), &common, |sqe| {
            let (new, events) = (new_user_data.unwrap_or(0), events.unwrap_or(0));
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_poll_update(sqe, user_data, new, events, changes) };
        })?;
    }
}
