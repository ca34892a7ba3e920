//! Compares the crate with the C headers it stands for, as this machine's C compiler reads them.
//!
//! `table.rs` lists what `bindings.rs` holds; both are written by one run of
//! `cargo xtask bindgen`. The other side is asked from C, each time.

mod compiler;
mod constants;
mod functions;
mod layouts;
#[rustfmt::skip]
#[allow(clippy::pedantic, clippy::borrow_as_ptr, reason = "generated")]
mod table;
mod version;

/// A struct of the bindings, as Rust lays it out.
struct Struct {
    name: &'static str,
    size: usize,
    align: usize,
    /// Name in C, offset, and size unless the field is an array without an end.
    fields: &'static [(&'static str, usize, Option<usize>)],
}

/// Fails with the names that only one of two lists has.
#[track_caller]
fn assert_same_names(what: &str, in_c: &[String], in_rust: &[String]) {
    let without = |list: &[String], other: &[String]| {
        list.iter()
            .filter(|name| !other.contains(name))
            .cloned()
            .collect::<Vec<_>>()
    };
    let missing = without(in_c, in_rust);
    let unknown = without(in_rust, in_c);
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "{what}: only in C {missing:?}, only in Rust {unknown:?}; run `cargo xtask bindgen`"
    );
}
