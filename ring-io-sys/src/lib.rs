//! Raw bindings to liburing 2.15: every type, constant and function, the inline ones too.
//!
//! This crate is for those who bind C by hand: who write a runtime of their own
//! or port a program that uses liburing. It holds no policy and checks nothing.
//! For queues that Rust checks take `ring-io`, for typed requests `ring-io-ops`;
//! both re-export this crate.
//!
//! Names are C's, and so is the documentation: liburing's manual pages, section 3.
//! Functions return a negated `errno` where they fail, and never set `errno` on
//! x86-64, `aarch64` and RISC-V; on other targets they clobber it.
//! What the header cannot tell bindgen, or what the kernel has and the header
//! lacks, is written by hand, with its source: [`IORING_NOP_TW`],
//! [`io_uring_prep_recv_zc`] and their neighbours.
//!
//! # Features
//!
//! | feature | what is linked | what it needs |
//! | --- | --- | --- |
//! | `vendored` (default) | liburing 2.15 from the source in the package, statically | a C compiler, the kernel's headers |
//! | `system` | the system's `liburing-ffi`, 2.15 or newer | `pkg-config` |
//! | neither | nothing: types and constants only, no functions | – |
//!
//! Features only add up, so that one crate of a build cannot undo what another
//! one needs: with both, `vendored` wins. Who wants the system's library builds
//! with `default-features = false, features = ["system"]` throughout. The nine
//! functions that the shared library does not export are Rust there.
//!
//! # Building
//!
//! No libclang, no `configure`, no network. musl has no kernel headers of its
//! own (`linux/swab.h` and others): they come with `linux-headers` (Alpine) or
//! `linux-libc-dev` (Debian), whose folders `CFLAGS` has to name when the musl
//! compiler does not search them.
//!
//! A build script of a crate that depends on this one finds the headers: with
//! `vendored`, `DEP_URING_INCLUDE` is the folder that holds `liburing.h`, and
//! `DEP_URING_ROOT` the one that holds that folder and the library. With
//! `system`, both are pkg-config's answers, and absent where it gives none.
//!
//! # Examples
//!
//! One request there and back:
//!
//! ```
//! # #[cfg(any(feature = "vendored", feature = "system"))]
//! # {
//! use std::mem::MaybeUninit;
//! use std::ptr;
//!
//! use ring_io_sys::*;
//!
//! let mut ring = MaybeUninit::<io_uring>::zeroed();
//! let ring = ring.as_mut_ptr();
//!
//! // SAFETY: `io_uring_queue_init(3)` initialises the ring, which stays where it is until
//! // `io_uring_queue_exit(3)`. A new ring has a free entry, and the one completion waited for
//! // is there when `io_uring_submit_and_wait(3)` has returned the number of entries.
//! unsafe {
//!     assert_eq!(io_uring_queue_init(8, ring, 0), 0);
//!
//!     let sqe = io_uring_get_sqe(ring);
//!     io_uring_prep_nop(sqe);
//!     io_uring_sqe_set_data64(sqe, 42);
//!     assert_eq!(io_uring_submit_and_wait(ring, 1), 1);
//!
//!     let mut cqe = ptr::null_mut();
//!     assert_eq!(io_uring_wait_cqe(ring, &mut cqe), 0);
//!     assert_eq!(((*cqe).user_data, (*cqe).res), (42, 0));
//!     io_uring_cqe_seen(ring, cqe);
//!
//!     io_uring_queue_exit(ring);
//! }
//! # }
//! ```

#![no_std]
#![allow(non_camel_case_types, reason = "types keep the name they have in C")]

mod additions;

// bindgen writes this file; the tests compare it with C.
#[rustfmt::skip]
#[allow(missing_docs, reason = "liburing's manual pages say what a name means; its sentences do not belong here")]
#[allow(missing_debug_implementations, reason = "unions and flexible arrays cannot show what they hold")]
#[allow(improper_ctypes, reason = "`libc::open_how` is C's struct; it is non-exhaustive because the kernel may append to it")]
#[allow(clippy::undocumented_unsafe_blocks, clippy::missing_safety_doc, reason = "bindgen's accessors of flexible arrays")]
#[allow(clippy::pedantic, reason = "the text is not for reading")]
#[cfg_attr(
    all(feature = "system", not(feature = "vendored")),
    allow(dead_code, unreachable_pub, reason = "`unexported` stands before nine of the declarations")
)]
mod bindings;

// The system's library alone: the vendored one exports everything.
#[cfg(all(feature = "system", not(feature = "vendored")))]
mod unexported;

pub use additions::*;
pub use bindings::*;
pub use libc;
// Named, so that they stand before the declarations of the same names.
#[cfg(all(feature = "system", not(feature = "vendored")))]
pub use unexported::{
    __io_uring_prep_uring_cmd, _io_uring_get_sqe, io_uring_buf_ring_head, io_uring_cqe_shift,
    io_uring_cqe_shift_from_flags, io_uring_initialize_sqe, io_uring_load_sq_head,
    io_uring_sqe_shift, io_uring_sqe_shift_from_flags,
};
