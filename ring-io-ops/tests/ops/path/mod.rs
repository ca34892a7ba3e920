//! Files named by their paths.

mod name;
mod open;
mod statx;

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path without zero bytes")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("the temporary folder takes a folder")
}
