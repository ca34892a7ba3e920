//! The entries of a chain, against liburing's prep functions and its setter of flags.

use std::ptr;

use proptest::prelude::*;
use ring_io_ops::ring::{Sqe, SqeFlags};
use ring_io_ops::{
    Append, Chain, Close, Fixed, Fsync, Links, Operation, Raw, Read, TimeoutFlags, Timespec,
};
use ring_io_ops::{Fd, Request};
use ring_io_sys as sys;

use crate::oracle::{SIZE, fd_and_flags};
use crate::oracle::{address, bytes, config, dirt, in_c, target, word32, word64};

/// What each request brings that a chain keeps, and what it replaces.
#[derive(Clone, Copy, Debug)]
struct Own {
    flags: SqeFlags,
    user_data: u64,
    personality: u16,
}

fn own() -> impl Strategy<Value = Own> {
    (any::<u8>(), any::<u64>(), any::<u16>()).prop_map(|(flags, user_data, personality)| Own {
        flags: SqeFlags::from_bits_retain(flags),
        user_data,
        personality,
    })
}

impl Own {
    fn of<O: Operation>(self, operation: O) -> Request<O> {
        let request = operation.sqe_flags(self.flags).user_data(self.user_data);
        request.personality(self.personality)
    }
}

/// What stands between a link and the next.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Soft,
    Hard,
}

impl Kind {
    fn flag(self) -> u32 {
        match self {
            Self::Soft => 1 << sys::IOSQE_IO_LINK_BIT,
            Self::Hard => 1 << sys::IOSQE_IO_HARDLINK_BIT,
        }
    }

    fn append<L: Append<O>, O: Operation>(
        self,
        chain: Chain<L>,
        next: Request<O>,
    ) -> Chain<L::Longer> {
        match self {
            Self::Soft => chain.link(next),
            Self::Hard => chain.hard_link(next),
        }
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Soft), Just(Kind::Hard)]
}

/// What C makes of a link: prep, the flags, the user data.
fn expected(
    dirt: &[u8; SIZE],
    own: Own,
    flags: u32,
    user_data: u64,
    prep: impl Fn(*mut sys::io_uring_sqe),
) -> [u8; SIZE] {
    let links = SqeFlags::IO_LINK | SqeFlags::IO_HARDLINK;
    in_c(dirt, |sqe| {
        prep(sqe);
        // SAFETY: `sqe` is an entry of `in_c`'s own.
        unsafe {
            sys::io_uring_sqe_set_flags(sqe, u32::from((own.flags - links).bits()) | flags);
            sys::io_uring_sqe_set_data64(sqe, user_data);
            (*sqe).personality = own.personality;
        }
    })
}

fn entry<L: Links>(chain: &Chain<L>, index: u32) -> [u8; SIZE] {
    bytes(&chain.entry(index))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_chain_writes_what_prep_functions_and_set_flags_write(
        seed in any::<u64>(), owns in [own(), own(), own()], kinds in [kind(), kind()], first in word64(),
        target in target(), buf in address::<u8>(), len in word32(), offset in word64(), slot in 0..1_u32 << 20,
    ) {
        let dirt = dirt(seed);
        let chain = Chain::new(owns[0].of(Read::new(target, buf, len).offset(offset)));
        let chain = kinds[0].append(chain, owns[1].of(Fsync::new(target)));
        let chain = kinds[1].append(chain, owns[2].of(Close::new(Fixed(slot)))).user_data(first);
        let (fd, operand) = fd_and_flags(target);
        let operand = u32::from(operand.bits());
        // SAFETY: `sqe` is an entry, here and below.
        prop_assert_eq!(entry(&chain, 0), expected(&dirt, owns[0], operand | kinds[0].flag(), first, |sqe| unsafe {
            sys::io_uring_prep_read(sqe, fd, buf.cast(), len, offset);
        }));
        // SAFETY: as above.
        prop_assert_eq!(entry(&chain, 1), expected(&dirt, owns[1], operand | kinds[1].flag(), first.wrapping_add(1), |sqe| unsafe {
            sys::io_uring_prep_fsync(sqe, fd, 0);
        }));
        // SAFETY: as above.
        prop_assert_eq!(entry(&chain, 2), expected(&dirt, owns[2], 0, first.wrapping_add(2), |sqe| unsafe {
            sys::io_uring_prep_close_direct(sqe, slot);
        }));
    }

    // Behind a timeout, the flag of the request that it limits decides about the next one.
    #[test]
    fn a_timeout_in_a_chain_writes_what_prep_link_timeout_writes(
        seed in any::<u64>(), owns in [own(), own()], kind in kind(), first in word64(),
        descriptor in any::<i32>(), sec in any::<i64>(), flags in prop::option::of(word32()),
    ) {
        let dirt = dirt(seed);
        let time = Timespec::new(sec, sec >> 1);
        let timeout_flags = TimeoutFlags::from_bits_retain(flags.unwrap_or(0));
        let chain = Chain::new(owns[0].of(Fsync::new(Fd(descriptor)))).timeout_with(time, timeout_flags);
        let chain = kind.append(chain, owns[1].of(Fsync::new(Fd(descriptor)))).user_data(first);
        let address = chain.entry(1).addr();
        let at = ptr::with_exposed_provenance::<sys::__kernel_timespec>(address as usize);
        // SAFETY: the chain lives and owns its time.
        let (tv_sec, tv_nsec) = unsafe { ((*at).tv_sec, (*at).tv_nsec) };
        prop_assert_eq!((tv_sec, tv_nsec), (sec, sec >> 1));
        for (index, flag) in [(0, kind.flag()), (2, 0)] {
            let own = owns[index as usize / 2];
            // SAFETY: `sqe` is an entry.
            prop_assert_eq!(entry(&chain, index), expected(&dirt, own, flag, first.wrapping_add(u64::from(index)), |sqe| unsafe {
                sys::io_uring_prep_fsync(sqe, descriptor, 0);
            }));
        }
        let nothing = Own { flags: SqeFlags::empty(), user_data: 0, personality: 0 };
        // SAFETY: `sqe` is an entry.
        prop_assert_eq!(entry(&chain, 1), expected(&dirt, nothing, kind.flag(), first.wrapping_add(1), |sqe| unsafe {
            sys::io_uring_prep_link_timeout(sqe, at.cast_mut(), flags.unwrap_or(0));
        }));
    }

    // liburing's own base of all prep functions.
    #[test]
    fn a_raw_request_writes_what_prep_rw_writes(
        seed in any::<u64>(), own in own(), target in target(), buf in address::<u8>(), len in word32(), offset in word64(),
    ) {
        let (fd, operand) = fd_and_flags(target);
        let raw = Raw::<70>::new(|sqe| {
            target.write(sqe);
            sqe.set_addr(buf.expose_provenance() as u64).set_len(len).set_off(offset);
        });
        let flags = u32::from((operand | own.flags).bits());
        // SAFETY: `sqe` is an entry.
        prop_assert_eq!(bytes(&Sqe::from(own.of(raw))), expected(&dirt(seed), own, flags, own.user_data, |sqe| unsafe {
            sys::io_uring_prep_rw(70, sqe, fd, buf.cast(), len, offset);
        }));
    }
}
