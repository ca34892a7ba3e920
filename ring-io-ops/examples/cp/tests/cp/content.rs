//! What arrives: bytes, holes, size, mode.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

use crate::pieces::Pieces;
use crate::program::{self, Folder, assert_copied, assert_same, bytes, run};
use crate::skip::skip;

const CHUNK: usize = 128 << 10;

#[test]
fn bytes_arrive_whatever_the_size() {
    for len in [
        0,
        1,
        CHUNK - 1,
        CHUNK,
        CHUNK + 1,
        8 * CHUNK,
        9 * CHUNK + 7,
        200 * CHUNK + 1,
    ] {
        let folder = Folder::new();
        let source = folder.file("source", &bytes(len));
        let target = folder.path("target");
        assert_copied(&run([&source, &target]));
        assert_same(&source, &target);
    }
}

#[test]
fn a_synced_copy_is_the_same_copy() {
    let folder = Folder::new();
    let source = folder.file("source", &bytes(3 * CHUNK));
    let target = folder.path("target");
    assert_copied(&run([
        "--fsync".as_ref(),
        source.as_os_str(),
        target.as_os_str(),
    ]));
    assert_same(&source, &target);
}

#[test]
fn an_existing_target_is_replaced_whole_and_keeps_its_mode() {
    let folder = Folder::new();
    let source = folder.file("source", &bytes(10));
    let target = folder.file("target", &bytes(3 * CHUNK));
    fs::set_permissions(&target, Permissions::from_mode(0o604)).expect("a mode");
    assert_copied(&run([&source, &target]));
    assert_same(&source, &target);
    assert_eq!(mode(&target), 0o604);
}

#[test]
fn a_target_that_is_a_directory_gets_the_source_under_its_name() {
    let folder = Folder::new();
    let source = folder.file("source", b"text");
    let directory = folder.path("directory");
    fs::create_dir(&directory).expect("a directory");
    assert_copied(&run([&source, &directory]));
    assert_same(&source, &directory.join("source"));
}

#[test]
fn a_new_target_has_the_permissions_of_the_source_that_the_mask_allows() {
    let folder = Folder::new();
    let source = folder.file("source", b"text");
    for (given, kept) in [(0o777, 0o750), (0o444, 0o440), (0o4755, 0o750)] {
        fs::set_permissions(&source, Permissions::from_mode(given)).expect("a mode");
        let target = folder.path(&format!("{given:o}"));
        let status = Command::new("sh")
            .args(["-c", r#"umask 027; exec "$0" "$@""#])
            .args([&program::path(), &source, &target])
            .status()
            .expect("a shell");
        assert!(status.success());
        assert_eq!(mode(&target), kept, "of {given:o}");
    }
}

#[test]
fn holes_stay_holes() {
    const MIB: u64 = 1 << 20;
    let folder = Folder::new();
    // In front, between, at the end, and nothing else at all.
    for (name, size, data) in [
        ("front", 4 * MIB, &[4 * MIB - 4096][..]),
        ("between", 8 * MIB, &[0, 3 * MIB + 512, 8 * MIB - 100]),
        ("end", 4 * MIB, &[0]),
        ("all", 4 * MIB, &[]),
    ] {
        let source = folder.path(name);
        let file = File::create(&source).expect("a file");
        for offset in data {
            file.write_all_at(&[1; 100], *offset).expect("a write");
        }
        file.set_len(size).expect("a size");
        // Until then a file system may not have decided on its blocks.
        file.sync_all().expect("a sync");
        let blocks = file.metadata().expect("metadata").blocks();
        if blocks * 512 >= size {
            return skip("the file system of the temporary directory has no holes");
        }

        let target = folder.path("target");
        assert_copied(&run([
            "--fsync".as_ref(),
            source.as_os_str(),
            target.as_os_str(),
        ]));
        assert_same(&source, &target);
        let copied = fs::metadata(&target).expect("metadata").blocks();
        // Some for what a file system needs to find them.
        assert!(copied <= blocks + 64, "{name}: {copied} blocks of {blocks}");
        fs::remove_file(&target).expect("the target");
    }
}

#[test]
fn a_file_that_does_not_know_its_size_is_read_to_its_end() {
    let folder = Folder::new();
    let target = folder.path("target");
    let source = Path::new("/proc/self/limits");
    assert_eq!(fs::metadata(source).expect("metadata").len(), 0);
    assert_copied(&run([source, &target]));
    let text = fs::read_to_string(&target).expect("text");
    assert!(text.contains("Max open files"), "{text}");
}

#[test]
fn a_file_that_is_shorter_than_it_says_is_copied_to_its_end() {
    let source = Path::new("/sys/kernel/mm/transparent_hugepage/enabled");
    let Ok(metadata) = fs::metadata(source) else {
        return skip("no file of sysfs is known to be here");
    };
    let folder = Folder::new();
    let target = folder.path("target");
    assert!(metadata.len() > fs::read(source).expect("text").len() as u64);
    assert_copied(&run([source, &target]));
    assert_same(source, &target);
}

#[test]
fn a_pipe_is_read_to_its_end() {
    let folder = Folder::new();
    let target = folder.path("target");
    let content = bytes(5 * CHUNK + 3);
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let mut cp = program::cp(["/dev/stdin".as_ref(), target.as_os_str()]);
    let child = cp.stdin(reader).spawn().expect("cp starts");
    // It keeps a copy of the pipe's reading end.
    drop(cp);
    writer.write_all(&content).expect("the copy reads");
    drop(writer);
    assert_copied(&child.wait_with_output().expect("cp ends"));
    assert_eq!(fs::read(&target).expect("the target"), content);
}

#[test]
fn a_file_that_grows_is_handed_out_to_its_new_end() {
    let folder = Folder::new();
    let path = folder.file("source", b"0123456789");
    let mut file = File::open(&path).expect("the file");
    let mut pieces = Pieces::new(&file, 10, true);

    let first = pieces.next(8).expect("no error").expect("a piece");
    let second = pieces.next(8).expect("no error").expect("a piece");
    assert_eq!((first.offset, first.len, first.is_tail), (0, 8, false));
    assert_eq!((second.offset, second.len, second.is_tail), (8, 2, false));
    let mut writer = OpenOptions::new()
        .append(true)
        .open(&path)
        .expect("the file");
    writer.write_all(b"abc").expect("a write");

    let tail = pieces.next(8).expect("no error").expect("a piece");
    assert_eq!((tail.offset, tail.is_tail), (10, true));
    assert_eq!((&file).stream_position().expect("a position"), 10);
    // One at a time.
    assert!(pieces.next(8).expect("no error").is_none());
    pieces.was_read(first, 8);
    pieces.was_read(second, 2);
    pieces.was_read(tail, 3);
    let end = pieces.next(8).expect("no error").expect("a piece");
    assert_eq!((end.offset, end.is_tail), (13, true));
    assert_eq!(pieces.was_read(end, 0), None);
    assert!(pieces.next(8).expect("no error").is_none());
    assert_eq!((pieces.end(), pieces.position()), (13, 13));

    let mut rest = String::new();
    file.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "abc", "looking for more holes has moved the position");
}

#[test]
fn what_a_short_read_leaves_is_handed_out_anew() {
    let folder = Folder::new();
    let file = File::open(folder.file("source", &[1; 30])).expect("the file");
    let mut pieces = Pieces::new(&file, 30, true);
    let piece = pieces.next(20).expect("no error").expect("a piece");
    let read = pieces.was_read(piece, 5).expect("something was read");
    assert_eq!((read.offset, read.len), (0, 5));
    let rest = pieces.next(20).expect("no error").expect("a piece");
    assert_eq!((rest.offset, rest.len, rest.is_tail), (5, 15, false));
    let other = pieces.next(20).expect("no error").expect("a piece");
    assert_eq!((other.offset, other.len), (20, 10));
}

#[test]
fn a_file_that_shrinks_ends_where_the_first_piece_finds_nothing() {
    let folder = Folder::new();
    let file = File::open(folder.file("source", &[1; 30])).expect("the file");
    let mut pieces = Pieces::new(&file, 30, true);
    let mut next = || pieces.next(10).expect("no error").expect("a piece");
    let [first, second, third] = [next(), next(), next()];
    pieces.was_read(third, 0);
    pieces.was_read(first, 10);
    pieces.was_read(second, 0);
    assert!(pieces.next(10).expect("no error").is_none());
    assert_eq!(pieces.end(), 10);
}

#[test]
fn a_terminal_is_shown_the_progress() {
    let folder = Folder::new();
    let source = folder.file("source", &bytes(8 * CHUNK));
    let target = folder.path("target");
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    unlockpt(&terminal).expect("it can be unlocked");
    let name = ptsname(&terminal, Vec::new()).expect("it has a name");
    let theirs = File::options()
        .write(true)
        .open(name.to_str().expect("a name of ASCII"))
        .expect("their side");

    let mut cp = program::cp([&source, &target]);
    let mut child = cp
        .env("TERM", "xterm")
        .stderr(theirs)
        .spawn()
        .expect("cp starts");
    // It keeps their side open.
    drop(cp);
    let mut shown = Vec::new();
    // Ends with an error: that is how a terminal says that nobody has the other side open.
    let _ = File::from(terminal).read_to_end(&mut shown);
    assert!(child.wait().expect("cp ends").success());
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains("/1.00 MiB"), "{shown:?}");
    assert_same(&source, &target);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("metadata").mode() & 0o7777
}
