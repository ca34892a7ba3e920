//! Submission queue entries: 64 or 128 bytes that tell the kernel what to do.
//!
//! This module knows where the fields lie and nothing of what an operation
//! makes of them: operations are `ring-io-ops`'s business. The one operation it
//! can spell is the cleared entry, which the kernel reads as "do nothing".

use std::fmt;
use std::ops::{Deref, DerefMut};

use bitflags::bitflags;
use ring_io_sys as sys;

bitflags! {
    /// `IOSQE_*`: how the kernel treats one submission.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SqeFlags: u8 {
        /// `IOSQE_FIXED_FILE`, Linux 5.1: `fd` is a slot of the registered files, not a descriptor.
        const FIXED_FILE = 1 << sys::IOSQE_FIXED_FILE_BIT;
        /// `IOSQE_IO_DRAIN`, Linux 5.2: starts when everything submitted earlier has completed.
        const IO_DRAIN = 1 << sys::IOSQE_IO_DRAIN_BIT;
        /// `IOSQE_IO_LINK`, Linux 5.3: the next entry waits for this one to succeed.
        const IO_LINK = 1 << sys::IOSQE_IO_LINK_BIT;
        /// `IOSQE_IO_HARDLINK`, Linux 5.5: the next entry waits for this one to end, however it ends.
        const IO_HARDLINK = 1 << sys::IOSQE_IO_HARDLINK_BIT;
        /// `IOSQE_ASYNC`, Linux 5.6: goes to a kernel worker at once, without a first try in place.
        const ASYNC = 1 << sys::IOSQE_ASYNC_BIT;
        /// `IOSQE_BUFFER_SELECT`, Linux 5.7: the kernel takes a provided buffer of the group named in `buf_group`.
        const BUFFER_SELECT = 1 << sys::IOSQE_BUFFER_SELECT_BIT;
        /// `IOSQE_CQE_SKIP_SUCCESS`, Linux 5.17: no completion unless the operation fails.
        const CQE_SKIP_SUCCESS = 1 << sys::IOSQE_CQE_SKIP_SUCCESS_BIT;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// One submission: the 64 bytes that `io_uring_enter(2)` documents as `struct io_uring_sqe`.
///
/// Several fields of the kernel's struct share their bytes. Each place has one
/// name here, and the others are search aliases: `addr2` lies in [`off`](Self::off),
/// `splice_off_in` in [`addr`](Self::addr), all the `*_flags` words in
/// [`op_flags`](Self::op_flags), `buf_group` in [`buf_index`](Self::buf_index), and so on.
///
/// Filling an entry is safe; handing it to the kernel is not, because the kernel
/// follows the addresses in it: see [`SubmissionQueue::push`](crate::SubmissionQueue::push).
///
/// # Examples
///
/// ```
/// use ring_io::{Sqe, SqeFlags};
///
/// let mut sqe = Sqe::new();
/// sqe.set_user_data(7).insert_flags(SqeFlags::IO_LINK);
/// assert_eq!(sqe.user_data(), 7);
/// assert_eq!(sqe.flags(), SqeFlags::IO_LINK);
/// ```
#[doc(alias = "io_uring_sqe")]
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[must_use = "an entry does nothing until it is pushed"]
pub struct Sqe {
    // `opcode`, `flags` and the two bytes of `ioprio`, as they lie in memory. One word, because the compiler
    // does not join the stores of three fields: measured, 12.5 instructions an entry in a batch, not 15.5.
    head: u32,
    fd: i32,
    off: u64,
    addr: u64,
    len: u32,
    op_flags: u32,
    user_data: u64,
    buf_index: u16,
    personality: u16,
    file_index: u32,
    addr3: u64,
    pad2: u64,
}

/// Writes a getter and a chainable setter for a field.
macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident, $set:ident: $type:ty;)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        pub const fn $field(&self) -> $type {
            self.$field
        }

        #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
        #[inline(always)]
        pub const fn $set(&mut self, $field: $type) -> &mut Self {
            self.$field = $field;
            self
        }
    )*};
}

// `len` is the kernel's name of a field, not a length of the entry.
#[allow(clippy::len_without_is_empty)]
impl Sqe {
    /// A cleared entry: every byte zero. The kernel reads it as "do nothing" (`IORING_OP_NOP`).
    #[doc(alias = "io_uring_initialize_sqe")]
    #[inline(always)]
    pub const fn new() -> Self {
        Self {
            head: 0,
            fd: 0,
            off: 0,
            addr: 0,
            len: 0,
            op_flags: 0,
            user_data: 0,
            buf_index: 0,
            personality: 0,
            file_index: 0,
            addr3: 0,
            pad2: 0,
        }
    }

    fields! {
        /// `fd`: the descriptor, or the slot when [`SqeFlags::FIXED_FILE`] is set.
        fd, set_fd: i32;
        /// `off`: an offset in bytes, a second address, or a command.
        #[doc(alias("addr2", "cmd_op", "futex_val"))]
        off, set_off: u64;
        /// `addr`: an address in this process, or what the operation keeps in its place.
        #[doc(alias("splice_off_in", "level", "optname"))]
        addr, set_addr: u64;
        /// `len`: a size in bytes, or a number of things.
        len, set_len: u32;
        /// The word of flags that each operation defines for itself.
        #[doc(alias(
            "rw_flags", "fsync_flags", "poll_events", "poll32_events", "sync_range_flags", "msg_flags",
            "timeout_flags", "accept_flags", "cancel_flags", "open_flags", "statx_flags", "fadvise_advice",
            "splice_flags", "rename_flags", "unlink_flags", "hardlink_flags", "xattr_flags",
            "msg_ring_flags", "uring_cmd_flags", "waitid_flags", "futex_flags", "install_fd_flags",
            "nop_flags", "pipe_flags"
        ))]
        op_flags, set_op_flags: u32;
        /// `user_data`: copied into every completion of this request.
        #[doc(alias = "io_uring_sqe_set_data64")]
        user_data, set_user_data: u64;
        /// `buf_index`: a registered buffer's index, or a group of provided buffers.
        #[doc(alias("buf_group", "io_uring_sqe_set_buf_group"))]
        buf_index, set_buf_index: u16;
        /// `personality`: the registered credentials to act under, `0` for the submitter's own. Linux 5.6.
        personality, set_personality: u16;
        /// `file_index`: a slot of the registered files plus one, or what the operation keeps in its place.
        #[doc(alias("splice_fd_in", "optlen", "zcrx_ifq_idx", "addr_len", "write_stream"))]
        file_index, set_file_index: u32;
        /// `addr3`: a third address, Linux 5.19.
        #[doc(alias("optval", "attr_ptr"))]
        addr3, set_addr3: u64;
        /// The last eight bytes: zero, or the mask of attribute types.
        #[doc(alias("attr_type_mask", "__pad2"))]
        pad2, set_pad2: u64;
    }

    /// `opcode`: the operation, one of `IORING_OP_*`.
    #[inline(always)]
    pub const fn opcode(&self) -> u8 {
        self.head.to_ne_bytes()[0]
    }

    /// Sets [`opcode`](Self::opcode).
    #[inline(always)]
    pub const fn set_opcode(&mut self, opcode: u8) -> &mut Self {
        let [_, flags, p, q] = self.head.to_ne_bytes();
        self.head = u32::from_ne_bytes([opcode, flags, p, q]);
        self
    }

    /// `flags`: how the kernel treats this submission.
    #[inline(always)]
    pub const fn flags(&self) -> SqeFlags {
        SqeFlags::from_bits_retain(self.head.to_ne_bytes()[1])
    }

    /// Sets [`flags`](Self::flags), dropping what was set.
    #[doc(alias = "io_uring_sqe_set_flags")]
    #[inline(always)]
    pub const fn set_flags(&mut self, flags: SqeFlags) -> &mut Self {
        let [opcode, _, p, q] = self.head.to_ne_bytes();
        self.head = u32::from_ne_bytes([opcode, flags.bits(), p, q]);
        self
    }

    /// Adds to [`flags`](Self::flags), keeping what was set.
    #[inline(always)]
    pub const fn insert_flags(&mut self, flags: SqeFlags) -> &mut Self {
        self.head |= u32::from_ne_bytes([0, flags.bits(), 0, 0]);
        self
    }

    /// `ioprio`: the request's I/O priority, or flags of socket operations and multishot modes.
    #[inline(always)]
    pub const fn ioprio(&self) -> u16 {
        let [_, _, p, q] = self.head.to_ne_bytes();
        u16::from_ne_bytes([p, q])
    }

    /// Sets [`ioprio`](Self::ioprio).
    #[inline(always)]
    pub const fn set_ioprio(&mut self, ioprio: u16) -> &mut Self {
        let [opcode, flags, _, _] = self.head.to_ne_bytes();
        let [p, q] = ioprio.to_ne_bytes();
        self.head = u32::from_ne_bytes([opcode, flags, p, q]);
        self
    }
}

// `head` is shown as the three fields that it holds.
#[allow(clippy::missing_fields_in_debug)]
impl fmt::Debug for Sqe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqe")
            .field("opcode", &self.opcode())
            .field("flags", &self.flags())
            .field("ioprio", &self.ioprio())
            .field("fd", &self.fd)
            .field("off", &self.off)
            .field("addr", &self.addr)
            .field("len", &self.len)
            .field("op_flags", &self.op_flags)
            .field("user_data", &self.user_data)
            .field("buf_index", &self.buf_index)
            .field("personality", &self.personality)
            .field("file_index", &self.file_index)
            .field("addr3", &self.addr3)
            .field("pad2", &self.pad2)
            .finish()
    }
}

/// A submission of 128 bytes, on rings made with [`sqe128`](crate::RingBuilder::sqe128). Linux 5.19.
///
/// It reads and is filled as an [`Sqe`]. The bytes from 48 on belong to
/// the command of `IORING_OP_URING_CMD`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "an entry does nothing until it is pushed"]
pub struct Sqe128 {
    sqe: Sqe,
    extra: [u64; 8],
}

impl Sqe128 {
    /// A cleared entry: every byte zero. The kernel reads it as "do nothing".
    #[inline(always)]
    pub const fn new() -> Self {
        Self {
            sqe: Sqe::new(),
            extra: [0; 8],
        }
    }

    /// The second half, behind the ordinary entry.
    #[inline(always)]
    pub const fn extra(&self) -> &[u64; 8] {
        &self.extra
    }

    /// The second half, to be filled.
    #[inline(always)]
    pub const fn extra_mut(&mut self) -> &mut [u64; 8] {
        &mut self.extra
    }
}

impl From<Sqe> for Sqe128 {
    #[inline(always)]
    fn from(sqe: Sqe) -> Self {
        Self { sqe, extra: [0; 8] }
    }
}

impl Deref for Sqe128 {
    type Target = Sqe;

    #[inline(always)]
    fn deref(&self) -> &Sqe {
        &self.sqe
    }
}

impl DerefMut for Sqe128 {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Sqe {
        &mut self.sqe
    }
}

pub(crate) mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Sqe {}
    impl Sealed for super::Sqe128 {}
}

/// What lies in a slot of a submission queue: [`Sqe`], [`Sqe128`], or [`MixedSqe`](crate::MixedSqe), of which an
/// entry may take two.
pub trait SubmissionEntry: Copy + Send + Sync + From<Sqe> + sealed::Sealed + 'static {
    /// The setup flags that make the kernel read entries of this size.
    const SETUP_FLAGS: u32;

    /// The part that both sizes have.
    fn sqe(&self) -> &Sqe;

    /// The part that both sizes have, to be filled.
    fn sqe_mut(&mut self) -> &mut Sqe;
}

impl SubmissionEntry for Sqe {
    const SETUP_FLAGS: u32 = 0;

    #[inline(always)]
    fn sqe(&self) -> &Sqe {
        self
    }

    #[inline(always)]
    fn sqe_mut(&mut self) -> &mut Sqe {
        self
    }
}

impl SubmissionEntry for Sqe128 {
    const SETUP_FLAGS: u32 = sys::IORING_SETUP_SQE128;

    #[inline(always)]
    fn sqe(&self) -> &Sqe {
        &self.sqe
    }

    #[inline(always)]
    fn sqe_mut(&mut self) -> &mut Sqe {
        &mut self.sqe
    }
}

/// Something that can be written into a submission entry of type `S`.
///
/// The raw entries are, and so are the typed requests of `ring-io-ops`; a
/// program's own request types may be. This is all that a queue knows of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no request for a ring of entries of type `{S}`",
    label = "does not fit an entry of type `{S}`",
    note = "a request of 128 bytes takes a ring built with `sqe128()`, or `push_wide` on one built with `sqe_mixed()`",
    note = "a chain is not pushed but pushes itself: `chain.push(&mut queue)`",
    note = "an operation of your own is pushed as the request that `request()` and every setter make of it"
)]
pub trait Prepare<S> {
    /// The whole entry, every byte of it: nothing of an earlier request shines through.
    fn prepare(&self) -> S;
}

impl<S: SubmissionEntry> Prepare<S> for Sqe {
    #[inline(always)]
    fn prepare(&self) -> S {
        S::from(*self)
    }
}

impl Prepare<Self> for Sqe128 {
    #[inline(always)]
    fn prepare(&self) -> Self {
        *self
    }
}

impl<S, P: Prepare<S> + ?Sized> Prepare<S> for &P {
    #[inline(always)]
    fn prepare(&self) -> S {
        (**self).prepare()
    }
}

/// A request that lends nothing to the kernel, so that pushing it is safe.
///
/// See [`SubmissionQueue::push_safe`](crate::SubmissionQueue::push_safe).
///
/// # Why no request that reads or receives is one
///
/// A request that selects from a [`BufRing`](crate::BufRing) lends no memory of the caller's: the pool owns its
/// buffers for as long as the kernel may write to them, and rather leaks than frees them early. It is not safe to
/// push all the same:
///
/// - What it takes out of a file, nobody else gets. Its file is a number, which keeps nothing open: when the entry
///   is submitted, the number may name a file of another part of the program, which may rely on having it to itself
///   (I/O safety, see [`std::os::fd`]). Where that passes addresses to itself through a pipe, for example, they are
///   garbage once a few bytes of them are missing. No borrow ends that late, so the caller has to vouch for the file.
/// - Where a piece lies in a buffer that is consumed piece by piece, the pool finds by adding up. A request of a wrong
///   kind makes the sum wrong for all others, so [`BufRing::take`](crate::BufRing::take) has its caller vouch for
///   every request that selects from the group; nobody could, if they were pushed without a word.
///
/// # Safety
///
/// Whatever safe code does with a value of this type, the entry that
/// [`Prepare::prepare`] makes of it
///
/// - lets the kernel read or write no memory of the process, by whatever route: an address, a registered or
///   a provided buffer,
/// - closes or replaces no descriptor and no registered slot,
/// - changes no file, and takes nothing out of one: no bytes, no connection that waits. A number that has come to
///   name another file before the entry is submitted then does no more harm than that this file is looked at, or
///   flushed, and
/// - is not, as an [`Sqe`], of an operation that the kernel takes 128 bytes for
///   (see [`MixedSqe`](crate::MixedSqe)).
#[diagnostic::on_unimplemented(
    message = "pushing `{Self}` may be unsafe",
    note = "use `push`, and see to it that what the entry names lives as long as it has to",
    note = "an operation of your own that lends nothing implements `SafeOperation`, and is pushed as its `request()`"
)]
pub unsafe trait SafeToPush {}

// SAFETY: the referenced value makes the entry, and it promises the same.
unsafe impl<P: SafeToPush + ?Sized> SafeToPush for &P {}

const _: () = {
    use std::mem::{align_of, offset_of, size_of};
    type Raw = sys::io_uring_sqe;
    assert!(size_of::<Sqe>() == 64);
    assert!(size_of::<Sqe>() == size_of::<Raw>());
    assert!(align_of::<Sqe>() == align_of::<Raw>());
    assert!(offset_of!(Sqe, head) == offset_of!(Raw, opcode));
    assert!(offset_of!(Raw, flags) == 1);
    assert!(offset_of!(Raw, ioprio) == 2);
    assert!(offset_of!(Sqe, fd) == offset_of!(Raw, fd));
    assert!(offset_of!(Sqe, off) == offset_of!(Raw, __bindgen_anon_1));
    assert!(offset_of!(Sqe, addr) == offset_of!(Raw, __bindgen_anon_2));
    assert!(offset_of!(Sqe, len) == offset_of!(Raw, len));
    assert!(offset_of!(Sqe, op_flags) == offset_of!(Raw, __bindgen_anon_3));
    assert!(offset_of!(Sqe, user_data) == offset_of!(Raw, user_data));
    assert!(offset_of!(Sqe, buf_index) == offset_of!(Raw, __bindgen_anon_4));
    assert!(offset_of!(Sqe, personality) == offset_of!(Raw, personality));
    assert!(offset_of!(Sqe, file_index) == offset_of!(Raw, __bindgen_anon_5));
    assert!(offset_of!(Sqe, addr3) == offset_of!(Raw, __bindgen_anon_6));
    assert!(offset_of!(Sqe, pad2) == 56);
    assert!(size_of::<Sqe128>() == 128);
    assert!(offset_of!(Sqe128, extra) == 64);
};
