//! Every macro and enumerator of the headers is in the crate, with its value.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use ring_io_sys as sys;

use crate::table::CONSTANTS;
use crate::{assert_same_names, compiler};

/// Macros of the headers that are no constants.
const NO_CONSTANTS: &[(&str, &str)] = &[
    ("IOURINGINLINE", "how the header declares a function"),
    ("_LOCAL_INLINE", "how the header declares a function"),
    ("LIBURING_NOEXCEPT", "empty in C"),
    (
        "LIBURING_HAVE_DATA64",
        "empty; says that functions exist, which they do",
    ),
    ("__maybe_unused", "an attribute"),
    (
        "UAPI_LINUX_IO_URING_H_SKIP_LINUX_TIME_TYPES_H",
        "steers the includes",
    ),
    ("LIB_URING_H", "an include guard"),
    ("LIBURING_BARRIER_H", "an include guard"),
    ("LIBURING_COMPAT_H", "an include guard"),
    ("LIBURING_SANITIZE_H", "an include guard"),
    ("LIBURING_VERSION_H", "an include guard"),
    ("LINUX_IO_URING_H", "an include guard"),
    ("LINUX_IO_URING_BPF_FILTER_H", "an include guard"),
    ("LINUX_IO_URING_QUERY_H", "an include guard"),
    ("__NR_io_uring_setup", "`libc::SYS_io_uring_setup`"),
    ("__NR_io_uring_enter", "`libc::SYS_io_uring_enter`"),
    ("__NR_io_uring_register", "`libc::SYS_io_uring_register`"),
    ("IO_URING_READ_ONCE", "Rust has atomics"),
    ("IO_URING_WRITE_ONCE", "Rust has atomics"),
    ("io_uring_smp_load_acquire", "Rust has atomics"),
    ("io_uring_smp_store_release", "Rust has atomics"),
    ("io_uring_smp_mb", "Rust has fences"),
    (
        "io_uring_for_each_cqe",
        "a loop; `io_uring_cqe_iter_init` and `_next` are its parts",
    ),
    ("uring_likely", "a hint to the C compiler"),
    ("uring_unlikely", "a hint to the C compiler"),
    ("IO_URING_CHECK_VERSION", "a function of the crate"),
];

/// The constants of the headers that are written by hand in `additions.rs`.
const BY_HAND: &[(&str, i128)] = &[
    (
        "IORING_FILE_INDEX_ALLOC",
        sys::IORING_FILE_INDEX_ALLOC as i128,
    ),
    ("IORING_ZCRX_AREA_MASK", sys::IORING_ZCRX_AREA_MASK as i128),
    (
        "LIBURING_UDATA_TIMEOUT",
        sys::LIBURING_UDATA_TIMEOUT as i128,
    ),
    (
        "BLOCK_URING_CMD_DISCARD",
        sys::BLOCK_URING_CMD_DISCARD as i128,
    ),
];

/// Those of liburing's private header `int_flags.h`.
const PRIVATE: &[(&str, i128)] = &[
    ("INT_FLAGS_MASK", sys::INT_FLAGS_MASK as i128),
    ("INT_FLAG_REG_RING", sys::INT_FLAG_REG_RING as i128),
    ("INT_FLAG_NO_IOWAIT", sys::INT_FLAG_NO_IOWAIT as i128),
    ("INT_FLAG_REG_REG_RING", sys::INT_FLAG_REG_REG_RING as i128),
    ("INT_FLAG_APP_MEM", sys::INT_FLAG_APP_MEM as i128),
    ("INT_FLAG_CQ_ENTER", sys::INT_FLAG_CQ_ENTER as i128),
];

#[test]
fn every_constant_of_the_headers_is_in_the_crate() {
    let mut in_c: BTreeSet<_> = enumerators(&compiler::preprocessed()).into_iter().collect();
    for file in compiler::header_files() {
        in_c.extend(macros(&fs::read_to_string(file).unwrap()));
    }
    for (name, reason) in NO_CONSTANTS {
        assert!(
            in_c.remove(*name),
            "{name} ({reason}) is no longer in the headers: take it off the list"
        );
    }
    let in_c: Vec<_> = in_c.into_iter().collect();
    let in_rust: Vec<_> = CONSTANTS
        .iter()
        .chain(BY_HAND)
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_same_names("constants", &in_c, &in_rust);
}

#[test]
fn every_private_flag_of_the_library_is_in_the_crate() {
    let text = fs::read_to_string(compiler::package("liburing/src/int_flags.h")).unwrap();
    let mut in_c = enumerators(&text);
    in_c.extend(
        macros(&text)
            .into_iter()
            .filter(|name| name != "LIBURING_INT_FLAGS"),
    );
    let in_rust: Vec<_> = PRIVATE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_same_names("flags of int_flags.h", &in_c, &in_rust);
}

#[test]
fn every_constant_has_the_value_it_has_in_c() {
    let constants: Vec<_> = [CONSTANTS, BY_HAND, PRIVATE].concat();
    let mut body = String::new();
    for (name, _) in &constants {
        // Twice, because a negative number is not told from a large one by its bits.
        writeln!(
            body,
            r#"printf("{name} %d %llu\n", ({name}) < 0, (unsigned long long)({name}));"#
        )
        .unwrap();
    }
    let in_c = compiler::run("#include <liburing.h>\n#include \"int_flags.h\"", &body);
    let in_rust = constants
        .iter()
        .fold(String::new(), |mut text, (name, value)| {
            writeln!(text, "{name} {} {}", i32::from(*value < 0), *value as u64).unwrap();
            text
        });
    for (c, rust) in in_c.lines().zip(in_rust.lines()) {
        assert_eq!(c, rust, "left is C");
    }
    assert_eq!(in_c.lines().count(), constants.len());
}

#[test]
fn version_macro_compares_as_in_c() {
    for (major, minor) in [(1, 99), (2, 14), (2, 15), (2, 16), (3, 0)] {
        let body = format!(r#"printf("%d", IO_URING_CHECK_VERSION({major}, {minor}));"#);
        let in_c = compiler::run("#include <liburing.h>", &body);
        assert_eq!(
            in_c == "1",
            sys::IO_URING_CHECK_VERSION(major, minor),
            "{major}.{minor}"
        );
    }
}

/// Names that the text defines.
fn macros(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in text.lines() {
        let directive = line.trim_start().strip_prefix('#').map(str::trim_start);
        if let Some(definition) = directive.and_then(|text| text.strip_prefix("define")) {
            let name = definition
                .trim_start()
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next();
            names.extend(name.map(ToOwned::to_owned));
        }
    }
    names
}

/// Names of the values of all enums in the text.
fn enumerators(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for item in text.split("enum").skip(1) {
        // `enum name {` begins one; `enum name field;` does not.
        let Some((head, rest)) = item.split_once('{') else {
            continue;
        };
        if !head
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c.is_whitespace())
        {
            continue;
        }
        let list = rest.split('}').next().unwrap_or_default();
        for value in list.split(',') {
            let name = value.split('=').next().unwrap_or_default().trim();
            if !name.is_empty() {
                names.push(name.to_owned());
            }
        }
    }
    names
}
