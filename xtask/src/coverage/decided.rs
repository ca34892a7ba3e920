//! Names that no item of ours covers, each with the reason.
//!
//! A `*` at the end stands for any rest; the first that fits counts. A reason
//! that begins with "not yet" is work that is left.

/// Name and reason.
pub(super) const DECIDED: &[(&str, &str)] = &[
    // Internals of the header, and what Rust has other means for.
    ("__io_uring_get_cqe", "an internal of the header"),
    ("__io_uring_peek_cqe", "an internal of the header"),
    ("__io_uring_sqring_wait", "an internal of the header"),
    ("__io_uring_prep_uring_cmd", "an internal of the header"),
    ("_io_uring_get_sqe", "an internal of the header"),
    ("io_uring_load_sq_head", "an internal of the header"),
    (
        "io_uring_prep_rw",
        "the setters of an entry, and the trait Operation, spell any request",
    ),
    ("io_uring_cqe_shift*", "the entries' sizes are types"),
    ("io_uring_sqe_shift*", "the entries' sizes are types"),
    ("io_uring_free_probe", "what is owned frees itself"),
    (
        "io_uring_major_version",
        "the version of the C library, which need not be there",
    ),
    (
        "io_uring_minor_version",
        "the version of the C library, which need not be there",
    ),
    (
        "io_uring_check_version",
        "the version of the C library, which need not be there",
    ),
    (
        "IO_URING_VERSION_*",
        "the version of the C library, which need not be there",
    ),
    (
        "io_uring_register_wait_reg",
        "the C library refuses it always; regions replaced it",
    ),
    (
        "LIBURING_UDATA_TIMEOUT",
        "the C library marks timeouts of its own with it; ours are not requests",
    ),
    ("io_uring_buf_ring_mask", "an internal of buffer rings"),
    ("IORING_OP_LAST", "the end of a list"),
    ("IORING_REGISTER_LAST", "the end of a list"),
    ("IORING_RESTRICTION_LAST", "the end of a list"),
    ("IORING_TIMEOUT_CLOCK_MASK", "two flags that exist alone"),
    ("IORING_TIMEOUT_UPDATE_MASK", "two flags that exist alone"),
    ("IORING_URING_CMD_MASK", "flags that exist alone"),
    (
        "IORING_TIMESTAMP_HW_SHIFT",
        "the place of a flag that exists as one",
    ),
];
