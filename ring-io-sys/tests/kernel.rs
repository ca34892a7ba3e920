//! The functions work on the running kernel, and so do the additions that no header vouches for.
#![cfg(any(feature = "vendored", feature = "system"))]

#[path = "../../ring-io/tests/support/skip.rs"]
mod skip;
// With the vendored library both are at hand: what C has, and what stands in for it with the system's.
#[cfg(feature = "vendored")]
#[allow(unreachable_pub, reason = "public in the crate")]
#[path = "../src/unexported.rs"]
mod unexported;

use std::mem::{MaybeUninit, offset_of, zeroed};
use std::{fs, ptr};

use ring_io_sys::libc::{EBADF, EFAULT, EINVAL};
use ring_io_sys::*;
use skip::skip;

/// A ring that C has set up and takes down.
struct Ring(Box<io_uring>);

impl Ring {
    fn new() -> Self {
        Self::with_flags(0)
    }

    fn with_flags(flags: u32) -> Self {
        // SAFETY: all-zero bytes are a `struct io_uring`: null pointers and numbers.
        let mut ring: Box<io_uring> = Box::new(unsafe { zeroed() });
        // SAFETY: the ring stays in its box until `io_uring_queue_exit(3)` in drop.
        let result = unsafe { io_uring_queue_init(8, &raw mut *ring, flags) };
        assert_eq!(result, 0, "io_uring_queue_init");
        Self(ring)
    }

    /// Submits the entry that `prepare` fills and returns the result and the `user_data` of its completion.
    fn complete(&mut self, prepare: impl FnOnce(&mut io_uring_sqe)) -> (i32, u64) {
        let ring = &raw mut *self.0;
        let mut cqe = ptr::null_mut();
        // SAFETY: the ring is set up, and empty: it has an entry to give. What the tests prepare
        // holds no pointer. The completion is read before it is given back.
        unsafe {
            prepare(io_uring_get_sqe(ring).as_mut().expect("the ring is empty"));
            assert_eq!(io_uring_submit_and_wait(ring, 1), 1);
            assert_eq!(io_uring_wait_cqe(ring, &raw mut cqe), 0);
            let completion = ((*cqe).res, (*cqe).user_data);
            io_uring_cqe_seen(ring, cqe);
            completion
        }
    }

    /// The result of a no-op with these flags, on a descriptor and a buffer that do not exist.
    fn nop(&mut self, flags: u32) -> i32 {
        self.complete(|sqe| {
            // SAFETY: the entry is the ring's.
            unsafe { io_uring_prep_nop(sqe) };
            sqe.fd = -1;
            sqe.__bindgen_anon_4.buf_index = u16::MAX;
            sqe.__bindgen_anon_3.nop_flags = flags;
        })
        .0
    }

    /// Calls `io_uring_register_napi(3)`.
    fn register_napi(&mut self, napi: &mut io_uring_napi_static) -> i32 {
        // SAFETY: the struct is the one the kernel knows, with its later fields named.
        unsafe { io_uring_register_napi(&raw mut *self.0, ptr::from_mut(napi).cast()) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the ring was set up by `io_uring_queue_init(3)` and is not used after.
        unsafe { io_uring_queue_exit(&raw mut *self.0) };
    }
}

#[test]
fn nop_goes_there_and_back_through_the_c_functions() {
    let mut ring = Ring::new();
    for user_data in [1, 42, u64::MAX - 1] {
        let completion = ring.complete(|sqe| {
            // SAFETY: the entry is the ring's.
            unsafe {
                io_uring_prep_nop(sqe);
                io_uring_sqe_set_data64(sqe, user_data);
            }
        });
        assert_eq!(completion, (0, user_data));
    }
    // SAFETY: the ring is set up.
    assert_eq!(unsafe { io_uring_cq_ready(&raw const *ring.0) }, 0);
}

#[test]
fn nop_flags_that_the_header_lacks_look_up_files_and_buffers() {
    let mut ring = Ring::new();
    if ring.nop(IORING_NOP_FIXED_BUFFER) == -EINVAL {
        return skip("IORING_NOP_FILE and its kin need Linux 6.13");
    }
    assert_eq!(
        ring.nop(0),
        0,
        "without flags the descriptor is not looked up"
    );
    assert_eq!(ring.nop(IORING_NOP_FILE), -EBADF);
    assert_eq!(ring.nop(IORING_NOP_FILE | IORING_NOP_FIXED_FILE), -EBADF);
    assert_eq!(ring.nop(IORING_NOP_FIXED_BUFFER), -EFAULT);
    assert_eq!(ring.nop(1 << 31), -EINVAL, "the kernel tells unknown flags");
}

#[test]
fn nop_completes_through_task_work_when_asked() {
    let mut ring = Ring::new();
    match ring.nop(IORING_NOP_TW) {
        0 => {}
        result if result == -EINVAL => skip("IORING_NOP_TW needs Linux 6.17"),
        result => panic!("unexpected result {result}"),
    }
}

#[test]
fn napi_ids_are_tracked_as_told() {
    let mut ring = Ring::new();
    let request = |opcode: io_uring_napi_op, op_param| io_uring_napi_static {
        busy_poll_to: 10,
        prefer_busy_poll: 0,
        opcode: opcode as u8,
        pad: [0; 2],
        op_param,
        resv: 0,
    };
    let result = ring.register_napi(&mut request(
        IO_URING_NAPI_REGISTER_OP,
        IO_URING_NAPI_TRACKING_STATIC,
    ));
    if result == -EINVAL {
        return skip("static tracking of NAPI ids needs Linux 6.13 with CONFIG_NET_RX_BUSY_POLL");
    }
    assert_eq!(result, 0);
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", ring.0.ring_fd)).unwrap();
    assert!(info.contains("napi tracking:\tstatic"), "{info}");

    // Ids begin above the number of processors; nobody asks whether a device has this one.
    let id = 1 << 20;
    assert_eq!(
        ring.register_napi(&mut request(IO_URING_NAPI_STATIC_ADD_ID, id)),
        0
    );
    assert_ne!(
        ring.register_napi(&mut request(IO_URING_NAPI_STATIC_ADD_ID, id)),
        0,
        "the id is known now"
    );
    assert_eq!(
        ring.register_napi(&mut request(IO_URING_NAPI_STATIC_DEL_ID, id)),
        0
    );
    assert_ne!(
        ring.register_napi(&mut request(IO_URING_NAPI_STATIC_DEL_ID, id)),
        0,
        "the id is gone"
    );

    let mut previous = request(IO_URING_NAPI_REGISTER_OP, IO_URING_NAPI_TRACKING_DYNAMIC);
    assert_eq!(ring.register_napi(&mut previous), 0);
    assert_eq!(
        previous.op_param, IO_URING_NAPI_TRACKING_STATIC,
        "the kernel reports what was set before"
    );
}

#[test]
fn added_prep_functions_write_what_the_ones_of_c_would() {
    let mut ours = dirty();
    let mut theirs = dirty();
    // SAFETY: both are entries in memory of this test.
    unsafe {
        io_uring_prep_recv_zc(&raw mut ours, 7, 4096, 3);
        io_uring_prep_rw(
            IORING_OP_RECV_ZC as i32,
            &raw mut theirs,
            7,
            ptr::null(),
            4096,
            0,
        );
    }
    theirs.ioprio |= IORING_RECV_MULTISHOT as u16;
    theirs.__bindgen_anon_5.zcrx_ifq_idx = 3;
    assert_eq!(bytes(&ours), bytes(&theirs));

    let mut ours = dirty();
    let mut theirs = dirty();
    // SAFETY: as above.
    unsafe {
        io_uring_prep_cmd_zone_reset_all(&raw mut ours, 7);
        io_uring_prep_uring_cmd(&raw mut theirs, BLOCK_URING_CMD_ZONE_RESET_ALL as i32, 7);
    }
    assert_eq!(bytes(&ours), bytes(&theirs));
}

#[test]
fn write_stream_is_the_first_byte_of_its_union() {
    let mut sqe = dirty();
    // SAFETY: the entry is in memory of this test.
    unsafe { io_uring_sqe_set_write_stream(&raw mut sqe, 5) };
    let at = offset_of!(io_uring_sqe, __bindgen_anon_5.splice_fd_in);
    assert_eq!(bytes(&sqe)[at..at + 4], [5, 0, 0, 0]);
}

#[cfg(feature = "vendored")]
#[allow(clippy::used_underscore_items, reason = "C's names")]
#[test]
fn functions_that_are_rust_with_the_systems_library_do_what_c_does() {
    for flags in [
        0,
        IORING_SETUP_CQE32,
        IORING_SETUP_SQE128,
        IORING_SETUP_SQE128 | IORING_SETUP_CQE32,
    ] {
        let mut c = Ring::with_flags(flags);
        let mut rust = Ring::with_flags(flags);
        let (in_c, in_rust) = (&raw mut *c.0, &raw mut *rust.0);
        // SAFETY: both rings are set up, and this thread alone uses them.
        unsafe {
            assert_eq!(
                io_uring_cqe_shift(in_c),
                unexported::io_uring_cqe_shift(in_rust)
            );
            assert_eq!(
                io_uring_sqe_shift(in_c),
                unexported::io_uring_sqe_shift(in_rust)
            );
            assert_eq!(
                io_uring_cqe_shift_from_flags(flags),
                unexported::io_uring_cqe_shift_from_flags(flags)
            );
            assert_eq!(
                io_uring_sqe_shift_from_flags(flags),
                unexported::io_uring_sqe_shift_from_flags(flags)
            );

            // Eight entries, full, and free again after a submission.
            for submitted in [0, 8] {
                for _ in 0..8 {
                    let (from_c, from_rust) = (
                        _io_uring_get_sqe(in_c),
                        unexported::_io_uring_get_sqe(in_rust),
                    );
                    assert_eq!(place(in_c, from_c), place(in_rust, from_rust));
                    io_uring_prep_nop(from_c);
                    io_uring_prep_nop(from_rust);
                }
                assert!(_io_uring_get_sqe(in_c).is_null());
                assert!(unexported::_io_uring_get_sqe(in_rust).is_null());
                for ring in [in_c, in_rust] {
                    assert_eq!(io_uring_load_sq_head(ring), submitted);
                    assert_eq!(unexported::io_uring_load_sq_head(ring), submitted);
                    assert_eq!(io_uring_submit(ring), 8);
                }
            }
        }
    }
}

/// How far an entry lies from the first one.
#[cfg(feature = "vendored")]
unsafe fn place(ring: *const io_uring, sqe: *const io_uring_sqe) -> usize {
    assert!(!sqe.is_null());
    // SAFETY: the caller's ring is set up.
    sqe.addr() - unsafe { (*ring).sq.sqes.addr() }
}

#[cfg(feature = "vendored")]
#[test]
fn entries_that_rust_initialises_are_the_ones_c_does() {
    let mut in_c = DIRTY;
    let mut in_rust = DIRTY;
    // SAFETY: the bytes are aligned as an entry, and every pattern of them is one.
    unsafe {
        io_uring_initialize_sqe((&raw mut in_c).cast());
        unexported::io_uring_initialize_sqe((&raw mut in_rust).cast());
        assert_eq!(in_c, in_rust);
        __io_uring_prep_uring_cmd((&raw mut in_c).cast(), 46, 0x1234_5678, 9);
        unexported::__io_uring_prep_uring_cmd((&raw mut in_rust).cast(), 46, 0x1234_5678, 9);
    }
    assert_eq!(in_c, in_rust);
    assert_ne!(in_c, DIRTY);
}

#[cfg(feature = "vendored")]
#[test]
fn head_of_a_buffer_ring_is_read_as_c_reads_it() {
    let mut ring = Ring::new();
    let ring = &raw mut *ring.0;
    let mut error = 0;
    let (mut in_c, mut in_rust) = (u16::MAX, u16::MAX);
    // SAFETY: the ring is set up; the buffer ring is freed by C, which allocated it.
    unsafe {
        let buffers = io_uring_setup_buf_ring(ring, 4, 7, 0, &raw mut error);
        assert!(!buffers.is_null(), "{error}");
        for registered in [false, true] {
            if registered {
                assert_eq!(io_uring_register_ring_fd(ring), 1);
            }
            assert_eq!(io_uring_buf_ring_head(ring, 7, &raw mut in_c), 0);
            assert_eq!(
                unexported::io_uring_buf_ring_head(ring, 7, &raw mut in_rust),
                0
            );
            assert_eq!((in_c, in_rust), (0, 0));
            let unknown = io_uring_buf_ring_head(ring, 8, &raw mut in_c);
            assert!(unknown < 0);
            assert_eq!(
                unexported::io_uring_buf_ring_head(ring, 8, &raw mut in_rust),
                unknown
            );
        }
        assert_eq!(io_uring_free_buf_ring(ring, buffers, 4, 7), 0);
    }
}

/// The bytes of an entry that was used before.
#[cfg(feature = "vendored")]
const DIRTY: [u64; 8] = [0xa5a5_a5a5_a5a5_a5a5; 8];

/// An entry as `io_uring_get_sqe(3)` hands it out, with an old request still in it.
fn dirty() -> io_uring_sqe {
    let mut sqe = MaybeUninit::<io_uring_sqe>::uninit();
    // SAFETY: all bit patterns are an entry; `io_uring_initialize_sqe` writes numbers into it.
    unsafe {
        sqe.as_mut_ptr().write_bytes(0xa5, 1);
        io_uring_initialize_sqe(sqe.as_mut_ptr());
        sqe.assume_init()
    }
}

fn bytes(sqe: &io_uring_sqe) -> [u8; size_of::<io_uring_sqe>()] {
    // SAFETY: an entry is made of numbers, without padding, and `dirty` wrote every byte.
    unsafe {
        ptr::from_ref(sqe)
            .cast::<[u8; size_of::<io_uring_sqe>()]>()
            .read()
    }
}
