//! The release is written in several places; they agree.

use std::fs;

use ring_io_sys as sys;

use crate::compiler;

#[test]
fn package_bindings_and_source_name_one_release() {
    let (_, package) = env!("CARGO_PKG_VERSION")
        .split_once("+liburing.")
        .expect("the version carries liburing's");
    let bindings = format!(
        "{}.{}",
        sys::IO_URING_VERSION_MAJOR,
        sys::IO_URING_VERSION_MINOR
    );
    assert_eq!(bindings, package);

    // The first line names the release that bindgen read.
    let text = fs::read_to_string(compiler::package("src/bindings.rs")).unwrap();
    let first = text.lines().next().unwrap();
    assert!(
        first.contains(&format!("liburing {package};")),
        "{first}: change the line in xtask/src/bindgen.rs and run `cargo xtask bindgen`"
    );

    // `Version: 2.15`, from which liburing's Makefile takes its own.
    let spec = fs::read_to_string(compiler::package("liburing/liburing.spec")).unwrap();
    let source = spec
        .lines()
        .find_map(|line| line.strip_prefix("Version:"))
        .unwrap();
    assert_eq!(source.trim(), package);
}

#[cfg(feature = "vendored")]
#[test]
fn linked_library_is_the_release_of_the_bindings() {
    // SAFETY: `io_uring_major_version(3)` and its kin take no pointers and touch no state.
    let (linked, newer, same) = unsafe {
        (
            (sys::io_uring_major_version(), sys::io_uring_minor_version()),
            sys::io_uring_check_version(2, 16),
            sys::io_uring_check_version(2, 15),
        )
    };
    assert_eq!(linked, (2, 15));
    assert_eq!(
        linked,
        (
            sys::IO_URING_VERSION_MAJOR as i32,
            sys::IO_URING_VERSION_MINOR as i32
        )
    );
    assert_eq!((newer, same), (true, false));
}

#[cfg(all(feature = "system", not(feature = "vendored")))]
#[test]
fn functions_come_from_the_systems_library() {
    // SAFETY: `io_uring_major_version(3)` and its kin take no pointers and touch no state.
    let too_old = unsafe { sys::io_uring_check_version(2, 15) };
    assert!(!too_old, "the build script refuses what is older");
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    assert!(maps.contains("liburing-ffi.so"), "{maps}");
}
