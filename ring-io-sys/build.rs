//! Compiles the vendored liburing and links it statically.
use std::path::Path;
const SOURCES: &[&str] = &[
    "setup.c",
    "queue.c",
    "register.c",
    "syscall.c",
    "version.c",
    "ffi.c",
];
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "vendored")]
    {
        let source = Path::new("liburing/src");
        if !source.join("setup.c").is_file() {
            println!("cargo::error=the source of liburing is missing; run `cargo xtask vendor`");
            return;
        }
        let mut build = cc::Build::new();
        build
            .include("include")
            .include(source.join("include"))
            .define("_GNU_SOURCE", None)
            .define("_FILE_OFFSET_BITS", "64")
            .define("LIBURING_INTERNAL_UNUSED", None);
        for file in SOURCES {
            build.file(source.join(file));
        }
        build.compile("uring");
    }
}
