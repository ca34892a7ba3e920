use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{Fd, Fixed, Nop};
use ring_io_sys as sys;

use crate::oracle::{common, compare, config, target};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nop_writes_what_prep_nop_writes(common in common()) {
        compare(Nop::new(), SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_nop(sqe) };
        })?;
    }

    // liburing has no functions for these: C fills the fields by name.
    #[test]
    fn nop_setters_write_the_named_fields(
        common in common(),
        result in prop::option::of(any::<i32>()),
        target in prop::option::of(target()),
        buf_index in prop::option::of(any::<u16>()),
    ) {
        let mut nop = Nop::new();
        if let Some(result) = result {
            nop = nop.inject_result(result);
        }
        if let Some(target) = target {
            nop = nop.target(target);
        }
        if let Some(buf_index) = buf_index {
            nop = nop.buf_index(buf_index);
        }
        compare(nop, SqeFlags::empty(), &common, |sqe| {
            let mut flags = 0;
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_nop(sqe);
                if let Some(result) = result {
                    flags |= sys::IORING_NOP_INJECT_RESULT;
                    (*sqe).len = result as u32;
                }
                match target {
                    Some(Fd(fd)) => {
                        flags |= sys::IORING_NOP_FILE;
                        (*sqe).fd = fd;
                    }
                    Some(Fixed(slot)) => {
                        flags |= sys::IORING_NOP_FILE | sys::IORING_NOP_FIXED_FILE;
                        (*sqe).fd = slot as i32;
                    }
                    None => {}
                }
                if let Some(buf_index) = buf_index {
                    flags |= sys::IORING_NOP_FIXED_BUFFER;
                    (*sqe).__bindgen_anon_4.buf_index = buf_index;
                }
                (*sqe).__bindgen_anon_3.nop_flags = flags;
            }
        })?;
    }
}
