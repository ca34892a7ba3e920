//! `cargo xtask bindgen`: rewrites `ring-io-sys/src/bindings.rs`, or checks it.

use anyhow::Result;

/// What to do with the generated text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Write the committed file.
    Write,
    /// Compare with the committed file.
    Check,
}

/// Starts xtask once more, with bindgen compiled in: nobody else pays for it.
#[cfg(not(feature = "bindgen"))]
pub(crate) fn run(mode: Mode) -> Result<()> {
    use anyhow::Context as _;

    let mut command = std::process::Command::new(env!("CARGO"));
    command.current_dir(crate::workspace::root());
    command.args([
        "run",
        "--quiet",
        "--package",
        "xtask",
        "--features",
        "bindgen",
        "--",
        "bindgen",
    ]);
    if mode == Mode::Check {
        command.arg("--check");
    }
    let status = command.status().context("cannot start cargo")?;
    // The inner run has said what is wrong.
    if !status.success() {
        std::process::exit(status.code().unwrap_or(1));
    }
    Ok(())
}

#[cfg(feature = "bindgen")]
pub(crate) use generate::run;

#[cfg(feature = "bindgen")]
mod generate {
    use std::fs;
    use std::path::Path;

    use anyhow::{Context as _, Result, bail};

    use super::Mode;
    use crate::{vendor, workspace};

    /// Where the generated text lies, relative to the workspace.
    const FILE: &str = "ring-io-sys/src/bindings.rs";

    /// Generates the bindings and writes or compares them.
    pub(crate) fn run(mode: Mode) -> Result<()> {
        vendor::run()?;
        let root = workspace::root();
        let text = generate(&root)?;
        let file = root.join(FILE);
        match mode {
            Mode::Write => fs::write(&file, text).with_context(|| format!("cannot write {FILE}")),
            Mode::Check => {
                let committed =
                    fs::read_to_string(&file).with_context(|| format!("cannot read {FILE}"))?;
                if committed != text {
                    bail!("{FILE} is stale; run `cargo xtask bindgen` and commit what it writes");
                }
                println!("{FILE} is what the headers say");
                Ok(())
            }
        }
    }

    /// All options of bindgen stand here and nowhere else.
    fn generate(root: &Path) -> Result<String> {
        let sys = root.join("ring-io-sys");
        let include = |folder: &str| format!("-I{}", sys.join(folder).display());
        let bindings = bindgen::Builder::default()
            .header(sys.join("liburing/src/include/liburing.h").display().to_string())
            .clang_args([
                include("include"),
                include("liburing/src/include"),
                "-D_GNU_SOURCE".into(),
                "-D_FILE_OFFSET_BITS=64".into(),
                // The inline functions have a symbol in ffi.c; empty, the macro makes them ordinary declarations.
                "-DIOURINGINLINE=".into(),
            ])
            .allowlist_function("_*io_uring_.*")
            .allowlist_type("_*io_uring_.*|_*io_.*|zcrx_.*|__kernel_timespec")
            .allowlist_var("_*IORING_.*|_*IO_URING_.*|IOSQE_.*|IOU_.*|IO_WQ_.*|LIBURING_.*|SOCKET_URING_OP_.*|BLOCK_URING_CMD_.*|_*ZCRX_.*|SPLICE_F_FD_IN_FIXED|IORING_.*")
            .use_core()
            .ctypes_prefix("libc")
            .prepend_enum_name(false)
            .default_enum_style(bindgen::EnumVariation::Consts)
            .layout_tests(true)
            .merge_extern_blocks(true)
            .sort_semantically(true)
            .generate()
            .context("bindgen failed")?;
        Ok(bindings.to_string())
    }
}
