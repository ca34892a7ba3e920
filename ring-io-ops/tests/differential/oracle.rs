//! The comparison itself, and the values that are tried.

use std::mem::{MaybeUninit, offset_of, size_of};
use std::ptr;

use proptest::prelude::*;
use ring_io_ops::ring::{Prepare, Sqe, Sqe128, SqeFlags};
use ring_io_ops::{Fd, Fixed, Operation, Request, Target, Wide, WideOperation};
use ring_io_sys as sys;

pub(crate) const SIZE: usize = size_of::<sys::io_uring_sqe>();

/// Says how many rounds each comparison has, where the default is not wanted.
const ROUNDS: &str = "RING_IO_DIFFERENTIAL_ROUNDS";

/// Rounds of each comparison: more than 100,000 over all of them, unless `RING_IO_DIFFERENTIAL_ROUNDS` is set.
pub(crate) fn config() -> ProptestConfig {
    let rounds = match std::env::var(ROUNDS) {
        Ok(rounds) => rounds
            .parse()
            .unwrap_or_else(|_| panic!("{ROUNDS} is not a number: {rounds}")),
        Err(_) => 1536,
    };
    ProptestConfig {
        cases: rounds,
        // A failure prints its arguments; a file of them would never be read again.
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The fields that every request has, and the bytes that lay in the entry before.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    dirt: [u8; SIZE],
    user_data: u64,
    personality: u16,
    setters: u8,
    flags: SqeFlags,
}

pub(crate) fn common() -> impl Strategy<Value = Common> {
    (
        any::<u64>(),
        word64(),
        any::<u16>(),
        any::<u8>(),
        any::<u8>(),
    )
        .prop_map(|(seed, user_data, personality, setters, flags)| Common {
            dirt: dirt(seed),
            user_data,
            personality,
            setters,
            flags: SqeFlags::from_bits_retain(flags),
        })
}

/// Sixty-four bytes out of one number: generating each by itself takes most of the test's time.
pub(crate) fn dirt(seed: u64) -> [u8; SIZE] {
    let mut state = seed;
    std::array::from_fn(|_| {
        // The multiplier and increment of Knuth's MMIX; the upper bits are the good ones.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
}

impl Common {
    /// Whether a random bit is set.
    fn chosen(&self, bit: u8) -> bool {
        self.setters & (1 << bit) != 0
    }

    /// Calls the setters that the random bits ask for, and says which flags they stand for.
    fn apply<O>(&self, mut request: Request<O>) -> (Request<O>, SqeFlags) {
        let mut flags = SqeFlags::empty();
        if self.chosen(0) {
            request = request.link();
            flags |= SqeFlags::IO_LINK;
        }
        if self.chosen(1) {
            request = request.hard_link();
            flags |= SqeFlags::IO_HARDLINK;
        }
        if self.chosen(2) {
            request = request.drain();
            flags |= SqeFlags::IO_DRAIN;
        }
        if self.chosen(3) {
            request = request.force_async();
            flags |= SqeFlags::ASYNC;
        }
        if self.chosen(4) {
            request = request.skip_success();
            flags |= SqeFlags::CQE_SKIP_SUCCESS;
        }
        if self.chosen(5) {
            request = request.sqe_flags(self.flags);
            flags |= self.flags;
        }
        let request = request
            .personality(self.personality)
            .user_data(self.user_data);
        (request, flags)
    }
}

/// Compares an operation, bare and as a request with all common fields, on both
/// entry sizes, with what `prep` makes of an entry in C.
///
/// `operand_flags` are those that the operand brings, as a slot does.
pub(crate) fn compare<O>(
    operation: O,
    operand_flags: SqeFlags,
    common: &Common,
    prep: impl Fn(*mut sys::io_uring_sqe),
) -> Result<(), TestCaseError>
where
    O: Operation + Copy + Prepare<Sqe> + Prepare<Sqe128>,
{
    let bare = in_c(&common.dirt, |sqe| {
        prep(sqe);
        // SAFETY: `sqe` is an entry of `in_c`'s own.
        unsafe { sys::io_uring_sqe_set_flags(sqe, u32::from(operand_flags.bits())) };
    });
    let ours = in_rust::<Sqe>(&common.dirt, &operation);
    prop_assert_eq!(ours.user_data(), 0);
    prop_assert_eq!(without_user_data(bytes(&ours)), without_user_data(bare));
    check_big(&common.dirt, &operation, &ours)?;
    prop_assert_eq!(operation.to_sqe(), ours);

    let (request, flags) = common.apply(operation.request());
    let whole = in_c(&common.dirt, |sqe| {
        prep(sqe);
        // SAFETY: as above.
        unsafe {
            sys::io_uring_sqe_set_flags(sqe, u32::from((operand_flags | flags).bits()));
            match usize::try_from(common.user_data) {
                // Where an address is as wide as the field, C's two setters mean the same.
                Ok(address) if common.chosen(6) => {
                    sys::io_uring_sqe_set_data(sqe, ptr::without_provenance_mut(address));
                }
                _ => sys::io_uring_sqe_set_data64(sqe, common.user_data),
            }
            (*sqe).personality = common.personality;
        }
    });
    let ours = in_rust::<Sqe>(&common.dirt, &request);
    prop_assert_eq!(ours.user_data(), common.user_data);
    prop_assert_eq!(bytes(&ours), whole);
    check_big(&common.dirt, &request, &ours)?;
    prop_assert_eq!(Sqe::from(request), ours);
    Ok(())
}

/// The entry of 128 bytes is the ordinary one, then zeros.
fn check_big(
    dirt: &[u8; SIZE],
    request: &impl Prepare<Sqe128>,
    small: &Sqe,
) -> Result<(), TestCaseError> {
    let big = in_rust::<Sqe128>(dirt, request);
    prop_assert_eq!(&*big, small);
    prop_assert_eq!(big.extra(), &[0; 8]);
    Ok(())
}

/// As [`compare`], of an operation whose entries have 128 bytes: `prep` fills both halves.
pub(crate) fn compare_wide<O>(
    operation: O,
    operand_flags: SqeFlags,
    common: &Common,
    prep: impl Fn(*mut sys::io_uring_sqe),
) -> Result<(), TestCaseError>
where
    O: WideOperation + Copy + Prepare<Sqe128>,
    Sqe128: From<Request<Wide<O>>>,
{
    let bare = in_c_wide(&common.dirt, |sqe| {
        prep(sqe);
        // SAFETY: `sqe` is an entry of `in_c_wide`'s own.
        unsafe { sys::io_uring_sqe_set_flags(sqe, u32::from(operand_flags.bits())) };
    });
    let ours = in_rust::<Sqe128>(&common.dirt, &operation);
    prop_assert_eq!(ours.user_data(), 0);
    let (head, tail) = halves(&ours);
    prop_assert_eq!(without_user_data(head), without_user_data(bare.0));
    prop_assert_eq!(tail, bare.1);
    prop_assert_eq!(operation.to_sqe128(), ours);

    let (request, flags) = common.apply(operation.request());
    let whole = in_c_wide(&common.dirt, |sqe| {
        prep(sqe);
        // SAFETY: as above.
        unsafe {
            sys::io_uring_sqe_set_flags(sqe, u32::from((operand_flags | flags).bits()));
            sys::io_uring_sqe_set_data64(sqe, common.user_data);
            (*sqe).personality = common.personality;
        }
    });
    let ours = in_rust::<Sqe128>(&common.dirt, &request);
    prop_assert_eq!(halves(&ours), whole);
    prop_assert_eq!(Sqe128::from(request), ours);
    Ok(())
}

/// As [`in_c`], of a large entry: liburing knows nothing of its second half, which C clears by hand.
fn in_c_wide(dirt: &[u8; SIZE], prep: impl Fn(*mut sys::io_uring_sqe)) -> ([u8; SIZE], [u8; SIZE]) {
    let mut entry = MaybeUninit::<[sys::io_uring_sqe; 2]>::uninit();
    let head = entry.as_mut_ptr().cast::<sys::io_uring_sqe>();
    // SAFETY: each half is as large as the bytes, which are written before C
    // looks at them; C leaves every byte initialised.
    unsafe {
        head.cast::<[u8; SIZE]>().write(*dirt);
        sys::io_uring_initialize_sqe(head);
        head.add(1).cast::<[u8; SIZE]>().write([0; SIZE]);
        prep(head);
        (
            head.cast::<[u8; SIZE]>().read(),
            head.add(1).cast::<[u8; SIZE]>().read(),
        )
    }
}

fn halves(sqe: &Sqe128) -> ([u8; SIZE], [u8; SIZE]) {
    // SAFETY: an entry has 128 bytes, none of them padding.
    let [head, tail] = unsafe { ptr::from_ref(sqe).cast::<[[u8; SIZE]; 2]>().read() };
    (head, tail)
}

/// What `prep` leaves of a dirty entry, after liburing has cleared it.
pub(crate) fn in_c(dirt: &[u8; SIZE], prep: impl Fn(*mut sys::io_uring_sqe)) -> [u8; SIZE] {
    let mut entry = MaybeUninit::<sys::io_uring_sqe>::uninit();
    // SAFETY: the entry is as large as the bytes, which are written before C
    // looks at them; C leaves every byte initialised.
    unsafe {
        ptr::copy_nonoverlapping(dirt.as_ptr(), entry.as_mut_ptr().cast(), SIZE);
        sys::io_uring_initialize_sqe(entry.as_mut_ptr());
        prep(entry.as_mut_ptr());
        entry.as_ptr().cast::<[u8; SIZE]>().read()
    }
}

/// What a request leaves of a dirty slot of a queue.
fn in_rust<S: Copy>(dirt: &[u8; SIZE], request: &impl Prepare<S>) -> S {
    let mut slot = MaybeUninit::<S>::uninit();
    for at in 0..size_of::<S>() / SIZE {
        // SAFETY: the slot is a whole number of times as large as the bytes.
        unsafe { slot.as_mut_ptr().cast::<[u8; SIZE]>().add(at).write(*dirt) };
    }
    *slot.write(request.prepare())
}

pub(crate) fn bytes(sqe: &Sqe) -> [u8; SIZE] {
    // SAFETY: an entry has 64 bytes, none of them padding.
    unsafe { ptr::from_ref(sqe).cast::<[u8; SIZE]>().read() }
}

fn without_user_data(mut entry: [u8; SIZE]) -> [u8; SIZE] {
    let at = offset_of!(sys::io_uring_sqe, user_data);
    entry[at..at + 8].fill(0);
    entry
}

/// Any number, and those at the edges more often than luck would have it.
pub(crate) fn word64() -> impl Strategy<Value = u64> {
    let edges = vec![
        0,
        1,
        u64::from(u32::MAX),
        1 << 32,
        i64::MAX as u64,
        u64::MAX - 1,
        u64::MAX,
    ];
    prop_oneof![prop::sample::select(edges), any::<u64>()]
}

/// As [`word64`], of 32 bits.
pub(crate) fn word32() -> impl Strategy<Value = u32> {
    let edges = vec![
        0,
        1,
        0x7FFF_F000,
        i32::MAX as u32,
        1 << 31,
        u32::MAX - 1,
        u32::MAX,
    ];
    prop_oneof![prop::sample::select(edges), any::<u32>()]
}

/// Any descriptor, the impossible ones included.
pub(crate) fn descriptor() -> impl Strategy<Value = i32> {
    prop_oneof![Just(libc::AT_FDCWD), word32().prop_map(|word| word as i32)]
}

/// A descriptor or a slot.
pub(crate) fn target() -> impl Strategy<Value = Target> {
    prop_oneof![descriptor().prop_map(Fd), word32().prop_map(Fixed)]
}

/// Any slot that C does not turn into something else: at the top of the range its
/// offset by one yields "any free slot", then "no slot".
pub(crate) fn slot() -> impl Strategy<Value = u32> {
    word32().prop_map(|slot| slot.min(u32::MAX - 2))
}

/// The number and the flag that C is given for a target.
pub(crate) fn fd_and_flags(target: Target) -> (i32, SqeFlags) {
    match target {
        Fd(fd) => (fd, SqeFlags::empty()),
        Fixed(slot) => (slot as i32, SqeFlags::FIXED_FILE),
    }
}

/// An address that nobody follows.
pub(crate) fn address<T>() -> impl Strategy<Value = *mut T> {
    word64().prop_map(|word| ptr::without_provenance_mut(word as usize))
}
