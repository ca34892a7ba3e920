use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{Fadvise, FileAdvice, Madvise, MemoryAdvice};
use ring_io_sys as sys;

use crate::oracle::{address, common, compare, config, fd_and_flags, target, word32, word64};

/// A length that may fit the short field.
fn len() -> impl Strategy<Value = u64> {
    prop_oneof![word64(), word32().prop_map(u64::from)]
}

proptest! {
    #![proptest_config(config())]

    // A length that fits 32 bits goes where all kernels look for it, as the older function has it.
    #[test]
    fn fadvise_writes_what_prep_fadvise_and_fadvise64_write(
        common in common(), target in target(), advice in word32(), range in prop::option::of((word64(), len())),
    ) {
        let mut fadvise = Fadvise::new(target, FileAdvice(advice));
        if let Some((offset, len)) = range {
            fadvise = fadvise.range(offset, len);
        }
        let (offset, len) = range.unwrap_or((0, 0));
        let (fd, flags) = fd_and_flags(target);
        compare(fadvise, flags, &common, |sqe| {
            let advice = advice as i32;
            // SAFETY: `sqe` is an entry.
            unsafe {
                match u32::try_from(len) {
                    Ok(len) => sys::io_uring_prep_fadvise(sqe, fd, offset, len, advice),
                    Err(_) => sys::io_uring_prep_fadvise64(sqe, fd, offset, len as i64, advice),
                }
            }
        })?;
    }

    #[test]
    fn madvise_writes_what_prep_madvise_and_madvise64_write(
        common in common(), addr in address::<u8>(), len in len(), advice in word32(),
    ) {
        compare(Madvise::new(addr, len, MemoryAdvice(advice)), SqeFlags::empty(), &common, |sqe| {
            let (addr, advice) = (addr.cast(), advice as i32);
            // SAFETY: `sqe` is an entry.
            unsafe {
                match u32::try_from(len) {
                    Ok(len) => sys::io_uring_prep_madvise(sqe, addr, len, advice),
                    Err(_) => sys::io_uring_prep_madvise64(sqe, addr, len as i64, advice),
                }
            }
        })?;
    }
}
