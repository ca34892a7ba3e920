use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{Fd, Fixed, Nop, Nop128, Target};
use ring_io_sys as sys;

use crate::oracle::{common, compare, compare_wide, config, target, word64};

/// The variants; what is absent is not called.
#[derive(Clone, Debug)]
struct Variants {
    result: Option<i32>,
    target: Option<Target>,
    buf_index: Option<u16>,
    extra: Option<[u64; 2]>,
    task_work: bool,
}

fn variants() -> impl Strategy<Value = Variants> {
    (
        prop::option::of(any::<i32>()),
        prop::option::of(target()),
        prop::option::of(any::<u16>()),
        prop::option::of((word64(), word64())),
        any::<bool>(),
    )
        .prop_map(|(result, target, buf_index, extra, task_work)| Variants {
            result,
            target,
            buf_index,
            extra: extra.map(|(first, second)| [first, second]),
            task_work,
        })
}

impl Variants {
    fn nop(&self) -> Nop {
        let mut nop = Nop::new();
        if let Some(result) = self.result {
            nop = nop.inject_result(result);
        }
        if let Some(target) = self.target {
            nop = nop.target(target);
        }
        if let Some(buf_index) = self.buf_index {
            nop = nop.buf_index(buf_index);
        }
        if let Some(extra) = self.extra {
            nop = nop.cqe32(extra);
        }
        if self.task_work {
            nop = nop.task_work();
        }
        nop
    }

    /// Fills the fields by name: liburing has no functions for them.
    ///
    /// # Safety
    ///
    /// `sqe` points to an entry.
    unsafe fn write(&self, sqe: *mut sys::io_uring_sqe) {
        let mut flags = 0;
        // SAFETY: the caller's promise.
        unsafe {
            if let Some(result) = self.result {
                flags |= sys::IORING_NOP_INJECT_RESULT;
                (*sqe).len = result as u32;
            }
            match self.target {
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
            if let Some(buf_index) = self.buf_index {
                flags |= sys::IORING_NOP_FIXED_BUFFER;
                (*sqe).__bindgen_anon_4.buf_index = buf_index;
            }
            if let Some([first, second]) = self.extra {
                flags |= sys::IORING_NOP_CQE32;
                (*sqe).__bindgen_anon_1.off = first;
                (*sqe).__bindgen_anon_2.addr = second;
            }
            if self.task_work {
                flags |= sys::IORING_NOP_TW;
            }
            (*sqe).__bindgen_anon_3.nop_flags = flags;
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nop_writes_what_prep_nop_writes(common in common()) {
        compare(Nop::new(), SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_nop(sqe) };
        })?;
    }

    #[test]
    fn nop_variants_write_the_named_fields(common in common(), variants in variants()) {
        compare(variants.nop(), SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_nop(sqe);
                variants.write(sqe);
            }
        })?;
    }

    #[test]
    fn nop128_writes_what_prep_nop128_and_the_fields_write(common in common(), variants in variants()) {
        compare_wide(Nop128::new(), SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_nop128(sqe) };
        })?;
        compare_wide(Nop128::of(variants.nop()), SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_nop128(sqe);
                variants.write(sqe);
            }
        })?;
    }
}
