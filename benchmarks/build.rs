//! Compiles the C rows against liburing's headers, as a C program that cares would be.

use std::env;

/// One file per row that has a C variant.
const ROWS: &[&str] = &["nop", "queue", "read", "timers", "growth", "echo"];

fn main() {
    let include = env::var("DEP_URING_INCLUDE").expect("ring-io-sys says where the headers are");
    println!("cargo::rerun-if-changed=c");
    cc::Build::new()
        .files(ROWS.iter().map(|row| format!("c/{row}.c")))
        .file("c/ring.c")
        .include(include)
        .include("c")
        .define("_GNU_SOURCE", None)
        .opt_level(3)
        .warnings(true)
        .compile("rows");
}
