//! What is refused before anything is touched, and in which words.

use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::program::{self, Folder, assert_refused, run, told};
use crate::seccomp::without_call;
use crate::skip::skip;

fn name(path: &Path) -> std::path::Display<'_> {
    path.display()
}

#[test]
fn wrong_usage_ends_with_one_and_help_with_zero() {
    for arguments in [
        &[][..],
        &["one"],
        &["one", "two", "three"],
        &["--no-such", "one", "two"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(told(&output).contains("Usage: cp"), "{}", told(&output));
    }
    assert!(run(["--help"]).status.success());
}

#[test]
fn a_missing_source_is_named() {
    let folder = Folder::new();
    let (source, target) = (folder.path("source"), folder.path("target"));
    let message = format!(
        "cp: cannot stat '{}': No such file or directory",
        name(&source)
    );
    assert_refused(&run([&source, &target]), &message);
    assert!(!target.exists());
}

#[test]
fn a_directory_is_no_source() {
    let folder = Folder::new();
    let (source, target) = (folder.path("source"), folder.path("target"));
    fs::create_dir(&source).expect("a directory");
    let message = format!(
        "cp: -r not specified; omitting directory '{}'",
        name(&source)
    );
    assert_refused(&run([&source, &target]), &message);
    assert!(!target.exists());
}

#[test]
fn a_file_is_not_copied_onto_itself_under_any_name() {
    let folder = Folder::new();
    let source = folder.file("source", b"text");
    let (hard, soft) = (folder.path("hard"), folder.path("soft"));
    fs::hard_link(&source, &hard).expect("a hard link");
    symlink(&source, &soft).expect("a symbolic link");
    let itself = folder.path("./source");
    for target in [&source, &itself, &hard, &soft] {
        let message = format!(
            "cp: '{}' and '{}' are the same file",
            name(&source),
            name(target)
        );
        assert_refused(&run([&source, target]), &message);
        assert_eq!(fs::read(&source).expect("the source"), b"text");
    }
}

#[test]
fn a_target_in_a_missing_directory_cannot_be_created() {
    let folder = Folder::new();
    let source = folder.file("source", b"text");
    let target = folder.path("no/target");
    let message = format!(
        "cp: cannot create regular file '{}': No such file or directory",
        name(&target)
    );
    assert_refused(&run([&source, &target]), &message);
}

#[test]
fn a_directory_in_the_place_of_the_target_is_not_replaced() {
    let folder = Folder::new();
    let source = folder.file("source", b"text");
    let directory = folder.path("directory");
    fs::create_dir_all(directory.join("source")).expect("directories");
    let message = format!(
        "cp: cannot overwrite directory '{}' with non-directory",
        name(&directory.join("source"))
    );
    assert_refused(&run([&source, &directory]), &message);
}

#[test]
fn a_symbolic_link_that_leads_nowhere_is_no_target() {
    let folder = Folder::new();
    let source = folder.file("source", b"text");
    let target = folder.path("target");
    symlink(folder.path("nowhere"), &target).expect("a symbolic link");
    let message = format!(
        "cp: not writing through dangling symlink '{}'",
        name(&target)
    );
    assert_refused(&run([&source, &target]), &message);
    assert!(!folder.path("nowhere").exists());
}

#[test]
fn a_pipe_is_no_target_and_is_not_waited_for() {
    let folder = Folder::new();
    let source = folder.file("source", b"text");
    let target = folder.path("target");
    mknodat(CWD, &target, FileType::Fifo, Mode::RWXU, 0).expect("a fifo");
    let message = format!(
        "cp: cannot write to '{}': pipes and sockets have no offsets",
        name(&target)
    );
    assert_refused(&run([&source, &target]), &message);
}

#[test]
fn files_without_permission_are_named() {
    const NOBODY: u32 = 65534;
    if !rustix::process::geteuid().is_root() {
        return skip("becoming another user needs root");
    }
    let folder = Folder::new();
    // Otherwise that user could not come as far as the files.
    let root = folder.path("");
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).expect("a mode");
    let source = folder.file("source", b"text");
    let secret = folder.file("secret", b"text");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("a mode");
    let (target, open) = (folder.path("target"), folder.path("open"));
    fs::create_dir(&open).expect("a directory");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("a mode");

    // The program may lie where that user cannot come; the open file is no path to walk.
    let example = fs::File::open(program::path()).expect("the example");
    let program = format!("/proc/self/fd/{}", example.as_raw_fd());
    let as_nobody = |source: &Path, target: &Path| {
        Command::new(&program)
            .args([source, target])
            .uid(NOBODY)
            .output()
            .expect("cp starts")
    };
    let message = format!(
        "cp: cannot open '{}' for reading: Permission denied",
        name(&secret)
    );
    assert_refused(&as_nobody(&secret, &target), &message);
    for target in [&target, &secret] {
        let message = format!(
            "cp: cannot create regular file '{}': Permission denied",
            name(target)
        );
        assert_refused(&as_nobody(&source, target), &message);
    }
    assert_eq!(fs::read(&secret).expect("the file"), b"text");
}

#[test]
fn where_io_uring_is_denied_the_message_says_why_and_nothing_is_touched() {
    let folder = Folder::new();
    let source = folder.file("source", b"text");
    let (target, existing) = (folder.path("target"), folder.file("existing", b"old"));
    for (errno, words) in [
        (
            libc::EPERM,
            "cp: cannot copy without io_uring: io_uring_setup is denied (EPERM): ",
        ),
        (
            libc::ENOSYS,
            "cp: cannot copy without io_uring: io_uring_setup does not exist here (ENOSYS): ",
        ),
    ] {
        for target in [&target, &existing] {
            // A process that is started has the filter of the thread that starts it.
            let output = without_call(libc::SYS_io_uring_setup, errno, || run([&source, target]));
            let told = told(&output);
            assert!(told.starts_with(words), "{told}");
            assert!(told.contains("seccomp"), "{told}");
            assert_eq!(output.status.code(), Some(1));
        }
    }
    assert!(!target.exists());
    assert_eq!(fs::read(&existing).expect("the file"), b"old");
}
