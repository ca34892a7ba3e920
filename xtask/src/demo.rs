//! `cargo xtask demo`: the example `cp` copies a real file, beside `std::fs::copy`.
//!
//! Both copy the same file, in turns, from the page cache to a new file on the
//! same file system; nothing waits for the disk. The sums of every copy that
//! `cp` makes are compared with the source's.

use std::ffi::CString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha256};

use crate::{interrupt, kernel, vendor, workspace};

const MIB: u64 = 1 << 20;
/// How often each side copies; the best time counts.
const ROUNDS: usize = 5;
/// One in so many mebibytes of the source is a hole.
const HOLE_EVERY: u64 = 8;
/// The source ends in the middle of a block, as most files do.
const TAIL: u64 = 1234;
/// Minima closer than this are called equal.
const NOISE: f64 = 0.03;

/// Copies a file of `size` mebibytes and prints what it took.
pub(crate) fn run(size: u32) -> Result<()> {
    kernel::require_io_uring()?;
    vendor::run()?;
    let cp = build_cp()?;

    let target = workspace::metadata()?.target_directory.into_std_path_buf();
    require_space(&target, u64::from(size) * MIB)?;
    interrupt::listen();
    let folder = tempfile::Builder::new()
        .prefix("demo-")
        .tempdir_in(&target)
        .with_context(|| format!("cannot make a folder in {}", target.display()))?;
    let outcome = compare(&cp, size, folder.path());
    let removed = folder.close().context("cannot remove the demo's files");
    // What went wrong first is the news.
    outcome.and(removed)
}

/// Builds the example that the demonstration is about.
fn build_cp() -> Result<PathBuf> {
    let mut command =
        workspace::cargo(["build", "--release", "--package", "cp", "--example", "cp"]);
    workspace::executable(&mut command, "cp")
}

/// Makes the file, copies it by both means in turns, and prints the outcome.
fn compare(cp: &Path, size: u32, folder: &Path) -> Result<()> {
    let source = folder.join("source");
    let copy = folder.join("copy");
    println!("\nmaking a file of {size} MiB, random but for some holes");
    make_source(&source, size)?;
    let expected = sum_of(&source)?;
    println!("{}", described("source", &source)?);

    // The first copy is the one to look at: with its progress bar, checked, not timed.
    let mut command = Command::new(cp);
    command.arg(&source).arg(&copy);
    println!("$ cp {} {}", source.display(), copy.display());
    let status = command.status().context("cannot start the example `cp`")?;
    ensure!(status.success(), "`cp` ended with {status}");
    println!("{}", described("copy", &copy)?);
    require_sum(&copy, &expected)?;
    println!("sha256   {} (both)", hexadecimal(&expected));

    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    println!("\nround    ring-io's cp   std::fs::copy");
    for round in 0..ROUNDS {
        // Whoever goes second finds the machine as the first left it; so they take turns at that too.
        for ring_io in [round % 2 == 0, round % 2 != 0] {
            interrupt::check()?;
            fs::remove_file(&copy).context("cannot remove the copy of the round before")?;
            if ring_io {
                ours.push(timed(|| copy_quietly(cp, &source, &copy))?);
            } else {
                theirs.push(timed(|| Ok(fs::copy(&source, &copy).map(drop)?))?);
            }
            require_sum(&copy, &expected)?;
        }
        println!(
            "{:5}   {}   {}",
            round + 1,
            rate(size, ours[round]),
            rate(size, theirs[round])
        );
    }
    let best = |times: &[Duration]| times.iter().min().copied().unwrap_or_default();
    let (ours, theirs) = (best(&ours), best(&theirs));
    println!(" best   {}   {}", rate(size, ours), rate(size, theirs));
    println!("\n{}", verdict(ours, theirs));
    println!("(page cache to page cache; the time of cp includes the start of its process)");
    Ok(())
}

/// Who was faster, and by how much.
fn verdict(ours: Duration, theirs: Duration) -> String {
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    let who = if ratio < 1.0 - NOISE {
        "ring-io's cp was faster"
    } else if ratio > 1.0 + NOISE {
        "std::fs::copy was faster"
    } else {
        "both were equally fast"
    };
    format!("{who}: the best copy by ring-io took {ratio:.2} of the time of std::fs::copy's best")
}

/// Random bytes, so that no layer can make it cheaper than it is, with holes, which a copy should keep.
fn make_source(path: &Path, size: u32) -> Result<()> {
    let mut random = File::open("/dev/urandom").context("cannot open /dev/urandom")?;
    let mut file = File::create(path).context("cannot make the source file")?;
    let mut block = vec![0; MIB as usize];
    for index in 0..u64::from(size) {
        interrupt::check()?;
        if index % HOLE_EVERY == HOLE_EVERY - 1 {
            file.seek(SeekFrom::Current(MIB as i64))?;
        } else {
            random
                .read_exact(&mut block)
                .context("cannot read /dev/urandom")?;
            file.write_all(&block)
                .context("cannot write the source file")?;
        }
    }
    file.write_all(&block[..TAIL as usize])
        .context("cannot write the source file")?;
    // Otherwise the kernel writes it back while the rounds are timed.
    file.sync_all()
        .context("cannot write the source file to disk")
}

fn copy_quietly(cp: &Path, source: &Path, copy: &Path) -> Result<()> {
    let mut command = Command::new(cp);
    let output = command
        .arg(source)
        .arg(copy)
        .output()
        .context("cannot start the example `cp`")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "`cp` ended with {}: {}",
        output.status,
        errors.trim()
    );
    Ok(())
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

/// Bytes of the file's length per second, holes included.
fn rate(size: u32, time: Duration) -> String {
    format!("{:8.0} MiB/s", f64::from(size) / time.as_secs_f64())
}

/// Length and blocks of a file: holes are where they differ.
fn described(name: &str, path: &Path) -> Result<String> {
    let metadata = fs::metadata(path).with_context(|| format!("cannot look at the {name}"))?;
    // `st_blocks` counts 512 bytes whatever the file system's block is.
    let blocks = metadata.blocks() * 512;
    Ok(format!(
        "{name:8} {} bytes long, {} MiB on disk",
        metadata.len(),
        blocks / MIB
    ))
}

type Sum = [u8; 32];

fn sum_of(path: &Path) -> Result<Sum> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut block = vec![0; MIB as usize];
    let mut sum = Sha256::new();
    loop {
        match file
            .read(&mut block)
            .with_context(|| format!("cannot read {}", path.display()))?
        {
            0 => return Ok(sum.finalize().into()),
            length => sum.update(&block[..length]),
        }
    }
}

fn require_sum(copy: &Path, expected: &Sum) -> Result<()> {
    let found = sum_of(copy)?;
    ensure!(
        found == *expected,
        "the copy differs from its source: sha256 is {}, expected {}",
        hexadecimal(&found),
        hexadecimal(expected)
    );
    Ok(())
}

fn hexadecimal(sum: &Sum) -> String {
    let mut text = String::with_capacity(2 * sum.len());
    for byte in sum {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Fails unless the source and one copy of it fit into `folder`.
fn require_space(folder: &Path, size: u64) -> Result<()> {
    // The last few mebibytes of a file system are nobody's.
    let needed = 2 * size + 64 * MIB;
    let free = free_space(folder)?;
    ensure!(
        free >= needed,
        "the demo needs {} MiB free in {}, and {} MiB are; \
         ask for a smaller file with `--size MiB`, or set CARGO_TARGET_DIR to a roomier place",
        needed / MIB,
        folder.display(),
        free / MIB
    );
    Ok(())
}

fn free_space(folder: &Path) -> Result<u64> {
    let path = CString::new(folder.as_os_str().as_bytes())
        .context("the target folder's name has a NUL")?;
    let mut status = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: `path` ends in NUL, and `statvfs(3)` writes one `struct statvfs` to the pointer.
    if unsafe { libc::statvfs(path.as_ptr(), status.as_mut_ptr()) } != 0 {
        return Err(std::io::Error::last_os_error())
            .with_context(|| format!("cannot ask how much is free in {}", folder.display()));
    }
    // SAFETY: Zeroed above, and every field is a number.
    let status = unsafe { status.assume_init() };
    Ok(status.f_bavail.saturating_mul(status.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_has_holes_and_a_ragged_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("source");
        make_source(&path, HOLE_EVERY as u32).expect("the file is made");
        let bytes = fs::read(&path).expect("the file is read");
        assert_eq!(bytes.len() as u64, HOLE_EVERY * MIB + TAIL);
        let hole = (HOLE_EVERY - 1) * MIB;
        assert!(
            bytes[hole as usize..][..MIB as usize]
                .iter()
                .all(|byte| *byte == 0)
        );
        assert!(bytes[..MIB as usize].iter().any(|byte| *byte != 0));
    }

    #[test]
    fn one_changed_byte_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("copy");
        fs::write(&path, b"same").expect("a file");
        let expected = sum_of(&path).expect("a sum");
        require_sum(&path, &expected).expect("nothing changed");
        fs::write(&path, b"sane").expect("a file");
        let error = require_sum(&path, &expected).expect_err("a byte changed");
        assert!(
            error
                .to_string()
                .starts_with("the copy differs from its source"),
            "{error}"
        );
    }

    #[test]
    fn too_little_space_is_an_error_that_says_how_much_is_needed() {
        let error = require_space(Path::new("/"), 1 << 60).expect_err("no disk is that large");
        assert!(
            error
                .to_string()
                .contains("the demo needs 2199023255616 MiB free in /"),
            "{error}"
        );
    }

    #[test]
    fn the_verdict_names_the_faster_one() {
        let verdict =
            |ours, theirs| verdict(Duration::from_millis(ours), Duration::from_millis(theirs));
        assert!(verdict(80, 100).starts_with("ring-io's cp was faster"));
        assert!(verdict(102, 100).starts_with("both were equally fast"));
        assert!(verdict(150, 100).starts_with("std::fs::copy was faster"));
        assert!(verdict(150, 100).contains("took 1.50 of the time"));
    }
}
