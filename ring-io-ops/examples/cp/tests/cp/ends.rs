//! Copies that end in the middle: no space, signals.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Folder, assert_copied, assert_refused, assert_same, bytes, cp, run, told};
use crate::skip::skip;

/// What a pipe of the kernel's default size holds, and much more than that.
const MUCH: usize = 1 << 20;

/// A file system of one MiB, unmounted when dropped.
struct Small {
    root: PathBuf,
    _folder: Folder,
}

impl Small {
    fn mount() -> Result<Self, rustix::io::Errno> {
        let folder = Folder::new();
        let root = folder.path("");
        mount(
            "ring-io-test",
            &root,
            "tmpfs",
            MountFlags::empty(),
            c"size=1m",
        )?;
        Ok(Self {
            root,
            _folder: folder,
        })
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        unmount(&self.root, UnmountFlags::DETACH).expect("nothing else unmounts it");
    }
}

#[test]
fn a_new_target_that_does_not_fit_is_removed() {
    let small = match Small::mount() {
        Ok(small) => small,
        Err(error) => return skip(format!("mounting a small file system: {error}")),
    };
    let folder = Folder::new();
    let source = folder.file("source", &bytes(3 << 20));
    let target = small.root.join("target");
    let message = format!(
        "cp: error writing '{0}': No space left on device\ncp: removed the partial '{0}'",
        target.display()
    );
    assert_refused(&run([&source, &target]), &message);
    assert!(!target.exists());
}

#[test]
fn a_write_that_was_cut_short_is_gone_on_with() {
    let small = match Small::mount() {
        Ok(small) => small,
        Err(error) => return skip(format!("mounting a small file system: {error}")),
    };
    // Half a chunk fits: the kernel takes that half, and says that there is no space when asked again.
    fs::write(small.root.join("filler"), bytes((1 << 20) - (64 << 10))).expect("a file");
    let folder = Folder::new();
    let source = folder.file("source", &bytes(128 << 10));
    let target = small.root.join("target");
    let output = run([&source, &target]);
    assert!(
        told(&output).contains("No space left on device"),
        "{}",
        told(&output)
    );
    assert!(!target.exists());
}

#[test]
fn an_existing_target_that_does_not_fit_stays_incomplete() {
    let small = match Small::mount() {
        Ok(small) => small,
        Err(error) => return skip(format!("mounting a small file system: {error}")),
    };
    let folder = Folder::new();
    let source = folder.file("source", &bytes(3 << 20));
    let target = small.root.join("target");
    fs::write(&target, "old").expect("a file");
    let message = format!(
        "cp: error writing '{0}': No space left on device\ncp: '{0}' was there before and stays, incomplete",
        target.display()
    );
    assert_refused(&run([&source, &target]), &message);
    assert!(target.exists());
}

#[test]
fn a_full_device_is_named_and_stays() {
    let folder = Folder::new();
    let source = folder.file("source", &bytes(MUCH));
    let message = "cp: error writing '/dev/full': No space left on device";
    assert_refused(&run([&source, Path::new("/dev/full")]), message);
    assert!(Path::new("/dev/full").exists());
}

/// A copy from a pipe that has read something, has not seen the end, and cannot go on.
struct Halfway {
    child: Child,
    /// The copy waits for more as long as this is open.
    writer: File,
    target: PathBuf,
    folder: Folder,
}

impl Halfway {
    fn start(existing: bool) -> Self {
        let folder = Folder::new();
        let (source, target) = (folder.path("source"), folder.path("target"));
        mknodat(CWD, &source, FileType::Fifo, Mode::RWXU, 0).expect("a fifo");
        if existing {
            fs::write(&target, "old").expect("a file");
        }
        let child = cp([&source, &target])
            .stderr(Stdio::piped())
            .spawn()
            .expect("cp starts");
        // Both return only because the copy reads.
        let mut writer = OpenOptions::new()
            .write(true)
            .open(&source)
            .expect("the fifo");
        writer.write_all(&bytes(MUCH)).expect("the copy reads");
        Self {
            child,
            writer,
            target,
            folder,
        }
    }

    fn kill(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the copy runs");
    }
}

#[test]
fn a_signal_in_the_middle_removes_a_new_target_and_is_what_the_program_dies_of() {
    for (signal, name) in [(Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM")] {
        let halfway = Halfway::start(false);
        assert!(halfway.target.exists());
        halfway.kill(signal);
        let Halfway {
            child,
            writer,
            target,
            folder: _folder,
        } = halfway;
        let output = child.wait_with_output().expect("cp ends");
        assert_eq!(
            told(&output),
            format!(
                "cp: interrupted by {name}\ncp: removed the partial '{}'\n",
                target.display()
            )
        );
        assert_eq!(output.status.signal(), Some(signal.as_raw()));
        assert!(!target.exists());
        drop(writer);
    }
}

#[test]
fn a_signal_in_the_middle_leaves_an_existing_target_and_says_so() {
    let halfway = Halfway::start(true);
    halfway.kill(Signal::INT);
    let Halfway {
        child,
        writer,
        target,
        folder: _folder,
    } = halfway;
    let output = child.wait_with_output().expect("cp ends");
    assert_eq!(
        told(&output),
        format!(
            "cp: interrupted by SIGINT\ncp: '{}' was there before and stays, incomplete\n",
            target.display()
        )
    );
    assert_eq!(output.status.signal(), Some(Signal::INT.as_raw()));
    assert!(target.exists());
    drop(writer);
}

#[test]
fn a_killed_copy_lets_go_of_its_files_and_can_be_repeated() {
    let halfway = Halfway::start(false);
    halfway.kill(Signal::KILL);
    let Halfway {
        child,
        mut writer,
        target,
        folder,
    } = halfway;
    let output = child.wait_with_output().expect("cp ends");
    assert_eq!(output.status.signal(), Some(Signal::KILL.as_raw()));
    // Ends because the kernel lets go of the reading end, which the pending read had a hold on.
    let error = writer.write_all(&bytes(MUCH)).expect_err("nobody reads");
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);

    let source = folder.file("again", &bytes(3));
    assert_copied(&run([&source, &target]));
    assert_same(&source, &target);
}
