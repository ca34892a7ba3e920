//! Every builder writes the same bytes as liburing's function for the same request.
//!
//! Both sides start from an entry full of random bytes, so that a field that one
//! of them forgets shows. C clears its own with `io_uring_initialize_sqe`, runs
//! the prep function, then the setters; what has no function is assigned by the
//! name of the field. `user_data` is compared apart, because C leaves it alone
//! until it is set.

mod advice;
mod cancel;
mod chain;
mod command;
mod epoll;
mod extent;
mod file;
mod futex;
mod net_message;
mod net_socket;
mod net_transfer;
mod nop;
mod oracle;
mod path;
mod pipe;
mod poll;
mod process;
mod ring;
mod rw;
mod timeout;
mod xattr;
