//! Rings for the C rows.

use std::ptr::NonNull;

use ring_io_sys as sys;

unsafe extern "C" {
    fn c_ring(entries: u32, flags: u32, registered: i32) -> *mut sys::io_uring;
    fn c_ring_free(ring: *mut sys::io_uring);
}

/// A ring of liburing's, made by C and used by C.
pub struct Ring(NonNull<sys::io_uring>);

impl Ring {
    /// With its descriptor registered for this thread, if asked.
    pub fn new(entries: u32, flags: u32, registered: bool) -> Self {
        // SAFETY: plain numbers; C ends the process where it fails.
        let ring = unsafe { c_ring(entries, flags, i32::from(registered)) };
        Self(NonNull::new(ring).expect("C has made a ring"))
    }

    pub fn as_ptr(&self) -> *mut sys::io_uring {
        self.0.as_ptr()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: made by `c_ring`, and nobody uses it any more.
        unsafe { c_ring_free(self.as_ptr()) };
    }
}
