//! Compiles the vendored liburing and links it statically, or finds the system's.
//! Bindings are committed; `cargo xtask bindgen` rewrites them.

use std::env;

/// Why a build cannot go on: one line that says what to do.
type Refusal = String;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Err(refusal) = run() {
        println!("cargo::error={}", refusal.replace('\n', " "));
    }
}

fn run() -> Result<(), Refusal> {
    require_linux_target()?;
    // Features add up over a whole build: whoever asked for `vendored` gets it.
    #[cfg(feature = "vendored")]
    vendored::link()?;
    #[cfg(all(feature = "system", not(feature = "vendored")))]
    system::link()?;
    // With neither there are types and constants only, and nothing to link.
    Ok(())
}

fn require_linux_target() -> Result<(), Refusal> {
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => Ok(()),
        _ => Err(format!(
            "io_uring is an interface of Linux; the target is {}",
            env::var("TARGET").unwrap_or_default()
        )),
    }
}

#[cfg(feature = "vendored")]
mod vendored {
    use std::path::{Path, PathBuf};
    use std::{env, fs, io};

    use super::Refusal;

    /// In a checkout a link to `vendor/liburing/src`, in a package the folder itself.
    const LIBURING: &str = "liburing/src";

    /// What liburing's `configure` would write.
    const CONFIGURED: &str = "include";

    /// `ffi.c` gives liburing's inline functions a symbol.
    const SOURCES: &[&str] = &[
        "setup.c",
        "queue.c",
        "register.c",
        "syscall.c",
        "version.c",
        "ffi.c",
    ];

    pub(super) fn link() -> Result<(), Refusal> {
        let source = require_source()?;
        let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?);
        let include = collect_headers(&source, &out)?;
        compile(&source, &include)?;
        // Dependents see DEP_URING_INCLUDE and DEP_URING_ROOT.
        println!("cargo::metadata=include={}", include.display());
        println!("cargo::metadata=root={}", out.display());
        Ok(())
    }

    fn require_source() -> Result<PathBuf, Refusal> {
        println!("cargo::rerun-if-changed={LIBURING}");
        let source = PathBuf::from(LIBURING);
        if SOURCES.iter().all(|file| source.join(file).is_file()) {
            Ok(source)
        } else {
            Err("the source of liburing is missing; run `cargo xtask vendor`".to_owned())
        }
    }

    /// Puts liburing's headers and ours into one folder, for liburing itself and for dependents.
    fn collect_headers(source: &Path, out: &Path) -> Result<PathBuf, Refusal> {
        println!("cargo::rerun-if-changed={CONFIGURED}");
        let include = out.join("include");
        let copy = || {
            // A header that another release had must not stay.
            if include.exists() {
                fs::remove_dir_all(&include)?;
            }
            copy_folder(&source.join("include"), &include)?;
            copy_folder(Path::new(CONFIGURED), &include)
        };
        match copy() {
            Ok(()) => Ok(include),
            Err(error) => Err(format!(
                "cannot copy liburing's headers to {}: {error}",
                include.display()
            )),
        }
    }

    fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy_folder(&entry.path(), &target)?;
            } else {
                fs::copy(entry.path(), target)?;
            }
        }
        Ok(())
    }

    fn compile(source: &Path, include: &Path) -> Result<(), Refusal> {
        cc::Build::new()
            .files(SOURCES.iter().map(|file| source.join(file)))
            .include(include)
            .define("_GNU_SOURCE", None)
            // File offsets have 64 bits on every target, as in the bindings.
            .define("_FILE_OFFSET_BITS", "64")
            // Neither LIBURING_INTERNAL, which would define `io_uring_get_sqe` twice,
            // nor CONFIG_NOLIBC: with the C library it works on every target.
            .try_compile("uring")
            .map_err(|error| format!("liburing cannot be compiled: {error}"))
    }
}

#[cfg(all(feature = "system", not(feature = "vendored")))]
mod system {
    use super::Refusal;

    /// The library that holds the inline functions too.
    const LIBRARY: &str = "liburing-ffi";

    pub(super) fn link() -> Result<(), Refusal> {
        let required = bindings_version();
        let advice = "install it, set PKG_CONFIG_PATH, or use the feature `vendored`";
        let library = pkg_config::probe_library(LIBRARY).map_err(|error| {
            let reason = match error {
                pkg_config::Error::Command { cause, .. } => {
                    format!("pkg-config cannot be run: {cause}")
                }
                pkg_config::Error::CrossCompilation => {
                    "pkg-config is not set up for cross-compilation".to_owned()
                }
                _ => "pkg-config does not find it".to_owned(),
            };
            format!(
                "the feature `system` needs {LIBRARY} {required} or newer, and {reason}; {advice}"
            )
        })?;
        if numbers(&library.version) < numbers(required) {
            return Err(format!(
                "the feature `system` needs {LIBRARY} {required} or newer, and pkg-config finds {}; {advice}",
                library.version
            ));
        }
        // Dependents see DEP_URING_INCLUDE and DEP_URING_ROOT, where the .pc file tells.
        for (key, variable) in [("include", "includedir"), ("root", "prefix")] {
            if let Ok(value) = pkg_config::get_variable(LIBRARY, variable) {
                println!("cargo::metadata={key}={value}");
            }
        }
        Ok(())
    }

    /// The release that the bindings were made from: the end of the package's version.
    fn bindings_version() -> &'static str {
        env!("CARGO_PKG_VERSION")
            .rsplit_once("liburing.")
            .map_or("", |(_, version)| version)
    }

    /// A version as numbers, which compare as versions do.
    fn numbers(version: &str) -> Vec<u32> {
        version
            .split('.')
            .map(|part| {
                part.chars()
                    .take_while(char::is_ascii_digit)
                    .collect::<String>()
            })
            .map(|digits| digits.parse().unwrap_or(0))
            .collect()
    }
}
