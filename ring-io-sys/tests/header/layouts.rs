//! Every struct has the size, the alignment and the offsets it has in C.

use std::fmt::Write as _;
use std::mem::{offset_of, size_of};

use ring_io_sys::libc;

use crate::table::STRUCTS;
use crate::{Struct, assert_same_names, compiler};

/// Lists types of `libc` that functions of the crate take, in C's notation, with the fields that both sides name.
macro_rules! from_libc {
    ($($name:ident $c:literal { $($field:ident),* })*) => {
        &[$(Struct {
            name: $c,
            size: size_of::<libc::$name>(),
            align: align_of::<libc::$name>(),
            fields: &[$((stringify!($field), offset_of!(libc::$name, $field), None)),*],
        }),*]
    };
}

const FROM_LIBC: &[Struct] = from_libc! {
    cmsghdr "struct cmsghdr" { cmsg_len, cmsg_level, cmsg_type }
    cpu_set_t "cpu_set_t" {}
    epoll_event "struct epoll_event" { events }
    futex_waitv "struct futex_waitv" { val, uaddr, flags }
    id_t "id_t" {}
    idtype_t "idtype_t" {}
    iovec "struct iovec" { iov_base, iov_len }
    mode_t "mode_t" {}
    msghdr "struct msghdr" { msg_name, msg_namelen, msg_iov, msg_iovlen, msg_control, msg_controllen, msg_flags }
    open_how "struct open_how" { flags, mode, resolve }
    siginfo_t "siginfo_t" { si_signo, si_errno, si_code }
    sigset_t "sigset_t" {}
    sockaddr "struct sockaddr" { sa_family, sa_data }
    socklen_t "socklen_t" {}
    statx "struct statx" { stx_mask, stx_blksize, stx_attributes, stx_nlink, stx_size, stx_mtime, stx_rdev_major, stx_dev_minor }
};

#[test]
fn every_struct_of_the_crate_is_laid_out_as_in_c() {
    assert_same_layout("#include <liburing.h>", STRUCTS, "struct ");
}

#[test]
fn types_of_the_c_library_are_laid_out_as_in_c() {
    let includes = "#include <liburing.h>\n#include <sys/epoll.h>\n#include <linux/futex.h>";
    assert_same_layout(includes, FROM_LIBC, "");
}

#[test]
fn every_struct_of_the_headers_is_in_the_crate() {
    let text = compiler::preprocessed();
    let mut in_c: Vec<_> = text
        .split("struct ")
        .skip(1)
        .filter_map(|item| item.split_once('{'))
        .map(|(head, _)| head.trim().to_owned())
        .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_'))
        .collect();
    // From linux/time_types.h; part of the interface all the same.
    in_c.push("__kernel_timespec".to_owned());
    let in_rust: Vec<_> = STRUCTS.iter().map(|item| item.name.to_owned()).collect();
    assert_same_names("structs", &in_c, &in_rust);
}

#[test]
fn every_type_that_comes_from_libc_is_compared() {
    let text = std::fs::read_to_string(compiler::package("src/bindings.rs")).unwrap();
    let (_, list) = text.split_once("use libc::{").unwrap();
    let (list, _) = list.split_once('}').unwrap();
    let imported: Vec<_> = list
        .split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    let compared: Vec<_> = FROM_LIBC
        .iter()
        .map(|item| item.name.trim_start_matches("struct ").to_owned())
        .collect();
    assert_same_names("types of libc", &imported, &compared);
}

#[track_caller]
fn assert_same_layout(includes: &str, structs: &[Struct], keyword: &str) {
    let mut body = String::new();
    let mut in_rust = String::new();
    for Struct {
        name,
        size,
        align,
        fields,
    } in structs
    {
        let c = format!("{keyword}{name}");
        writeln!(
            body,
            r#"printf("{name} %zu %zu\n", sizeof({c}), _Alignof({c}));"#
        )
        .unwrap();
        writeln!(in_rust, "{name} {size} {align}").unwrap();
        for (field, offset, size) in *fields {
            write!(
                body,
                r#"printf("{name}.{field} %zu", offsetof({c}, {field}));"#
            )
            .unwrap();
            write!(in_rust, "{name}.{field} {offset}").unwrap();
            if let Some(size) = size {
                write!(body, r#"printf(" %zu", sizeof((({c} *)0)->{field}));"#).unwrap();
                write!(in_rust, " {size}").unwrap();
            }
            writeln!(body, r#"puts("");"#).unwrap();
            in_rust.push('\n');
        }
    }
    let in_c = compiler::run(includes, &body);
    for (c, rust) in in_c.lines().zip(in_rust.lines()) {
        assert_eq!(
            c, rust,
            "left is C: offset and size of a field, size and alignment of a struct"
        );
    }
    assert_eq!(in_c.lines().count(), in_rust.lines().count());
}
