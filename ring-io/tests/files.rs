//! The table of registered files: sparse, updated, tagged, and with a range for the kernel to choose from.

mod support;

use std::fs::File;
use std::io;

use ring_io::{FileEntry, RegisterError, Ring};
use support::isolated::{isolated, set_soft_limit};
use support::registered::*;
use support::{drained, pipe, write};

#[test]
fn sparse_slots_are_empty_until_they_are_filled() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    queues.2.register_files_sparse(3).expect("a table");
    assert_eq!(begins_with(&mut queues, 1), EBADF);
    let file = file_with(b"one");
    queues
        .2
        .update_files(1, &[FileEntry::of(&file)])
        .expect("slot 1");
    drop(file);
    assert_eq!(begins_with(&mut queues, 0), EBADF);
    assert_eq!(begins_with(&mut queues, 1), Ok(b"one".to_vec()));
    assert_eq!(begins_with(&mut queues, 2), EBADF);
    assert_eq!(
        queues.2.register_files_sparse(3),
        Err(RegisterError::AlreadyRegistered)
    );
}

#[test]
fn a_sparse_table_of_no_slots_is_refused() {
    let mut ring = Ring::new(4).expect("a ring");
    let registrar = ring.registrar();
    assert_eq!(
        registrar.register_files_sparse(0),
        Err(RegisterError::Empty)
    );
    assert_eq!(
        registrar.file_table(0, 0).map(drop),
        Err(RegisterError::Empty)
    );
    assert_eq!(
        registrar.register_files_tagged(&[], &[]),
        Err(RegisterError::Empty)
    );
    assert_eq!(
        registrar.register_files::<File>(&[]),
        Err(RegisterError::Empty)
    );
    assert_eq!(
        registrar.unregister_files(),
        Err(RegisterError::NotRegistered)
    );
}

#[test]
fn more_slots_than_the_limit_allows_are_refused() {
    let said = isolated("more_slots_than_the_limit_allows_are_refused", || {
        let mut ring = Ring::new(4).expect("a ring");
        set_soft_limit(libc::RLIMIT_NOFILE, 16);
        let registrar = ring.registrar();
        let error = registrar
            .register_files_sparse(17)
            .expect_err("one too many");
        assert_eq!(registrar.file_table(16, 1).map(drop), Err(error.clone()));
        assert_eq!(
            registrar.register_files_tagged(&[FileEntry::EMPTY; 17], &[0; 17]),
            Err(error.clone())
        );
        assert_eq!(
            registrar.file_table(u32::MAX, 1).map(drop),
            Err(RegisterError::TooMany { count: usize::MAX })
        );
        registrar
            .register_files_sparse(16)
            .expect("as many as may be");
        error
    });
    assert_eq!(
        said,
        "too many files to register: 17 were asked for and RLIMIT_NOFILE is 16; register fewer, or raise the limit (ulimit -n)"
    );
}

#[test]
fn an_update_replaces_empties_and_keeps_slots() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    let files = [
        file_with(b"a"),
        file_with(b"b"),
        file_with(b"c"),
        file_with(b"d"),
    ];
    queues.2.register_files(&files).expect("a table");
    let other = file_with(b"other");
    queues
        .2
        .update_files(
            1,
            &[FileEntry::EMPTY, FileEntry::KEEP, FileEntry::of(&other)],
        )
        .expect("three slots");
    assert_eq!(begins_with(&mut queues, 0), Ok(b"a".to_vec()));
    assert_eq!(begins_with(&mut queues, 1), EBADF);
    assert_eq!(begins_with(&mut queues, 2), Ok(b"c".to_vec()));
    assert_eq!(begins_with(&mut queues, 3), Ok(b"other".to_vec()));
}

#[test]
fn an_update_outside_of_the_table_is_refused_whole() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    let file = file_with(b"in");
    let entries = [FileEntry::of(&file); 2];
    assert_eq!(
        queues.2.update_files(0, &entries),
        Err(RegisterError::NotRegistered)
    );
    assert_eq!(
        queues.2.update_files_tagged(0, &entries, &[1, 2]),
        Err(RegisterError::NotRegistered)
    );
    queues.2.register_files_sparse(4).expect("a table");
    for offset in [3, 4, u32::MAX - 1, u32::MAX] {
        let refused = Err(RegisterError::OutsideTable { offset, count: 2 });
        assert_eq!(queues.2.update_files(offset, &entries), refused);
        assert_eq!(
            queues.2.update_files_tagged(offset, &entries, &[1, 2]),
            refused
        );
    }
    assert_eq!(begins_with(&mut queues, 3), EBADF);
    queues.2.update_files(2, &entries).expect("they fit");
    assert_eq!(queues.2.update_files(0, &[]), Err(RegisterError::Empty));
}

#[test]
fn an_update_that_stops_half_way_says_where_and_why() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    queues.2.register_files_sparse(3).expect("a table");
    let (file, refused) = (file_with(b"in"), ring_as_file());
    let entries = [
        FileEntry::of(&file),
        FileEntry::of(&refused),
        FileEntry::of(&file),
    ];
    let error = queues.2.update_files(0, &entries).expect_err("a ring");
    assert_eq!(
        error.to_string(),
        "1 slots were replaced, the next one was not: Bad file descriptor (os error 9)"
    );
    assert!(
        matches!(error, RegisterError::Incomplete { done: 1, cause } if cause.raw() == libc::EBADF)
    );
    assert_eq!(begins_with(&mut queues, 0), Ok(b"in".to_vec()));
    assert_eq!(begins_with(&mut queues, 1), EBADF);
    assert_eq!(begins_with(&mut queues, 2), EBADF);
    assert_eq!(
        queues.2.update_files_tagged(0, &entries, &[0, 0, 0]),
        Err(error)
    );
}

#[test]
fn a_tag_is_posted_when_its_file_has_left_the_table() {
    let mut ring = Ring::new(8).expect("a ring");
    let (mut sq, mut cq, registrar) = ring.split();
    let file = file_with(b"tagged");
    let entries = [FileEntry::of(&file), FileEntry::of(&file), FileEntry::EMPTY];
    registrar
        .register_files_tagged(&entries, &[10, 0, 0])
        .expect("a table");
    assert_eq!(drained(&mut cq), []);

    // Replaced: slot 0 and its tag. The file without a tag leaves in silence.
    registrar
        .update_files_tagged(0, &[FileEntry::of(&file), FileEntry::EMPTY], &[11, 0])
        .expect("two slots");
    sq.submit().expect("a look");
    let cqe = cq.pop().expect("a tag");
    assert_eq!((cqe.user_data(), cqe.raw_result()), (10, 0));
    assert!(cqe.flags().is_empty());
    assert_eq!(drained(&mut cq), []);

    // Kept, then emptied without a new tag.
    registrar
        .update_files(0, &[FileEntry::KEEP])
        .expect("one slot");
    assert_eq!(drained(&mut cq), []);
    registrar
        .update_files_tagged(1, &[FileEntry::of(&file), FileEntry::of(&file)], &[12, 13])
        .expect("two slots");
    registrar
        .update_files(0, &[FileEntry::EMPTY])
        .expect("one slot");
    assert_eq!(drained(&mut cq), [11]);

    registrar.unregister_files().expect("it is there");
    let mut tags = drained(&mut cq);
    tags.sort_unstable();
    assert_eq!(tags, [12, 13]);
}

#[test]
fn a_tag_waits_for_the_requests_that_use_its_file() {
    let mut ring = Ring::new(8).expect("a ring");
    let (mut sq, mut cq, registrar) = ring.split();
    let (reader, writer) = pipe();
    registrar
        .register_files_tagged(&[FileEntry::of(&reader)], &[99])
        .expect("a table");
    let mut buffer = [0; 4];
    // SAFETY: the read is reaped below, before the buffer goes.
    unsafe { sq.push(read_entry(0, &mut buffer, 1)) }.expect("room");
    sq.submit().expect("a submit");
    registrar
        .update_files(0, &[FileEntry::EMPTY])
        .expect("one slot");
    cq.flush().expect("a look");
    assert_eq!(drained(&mut cq), []);
    write(&writer, b"ring");
    cq.wait(2).expect("a read and a tag");
    let mut seen = drained(&mut cq);
    seen.sort_unstable();
    assert_eq!(seen, [1, 99]);
    assert_eq!(&buffer, b"ring");
}

#[test]
fn a_tag_without_a_file_is_refused_and_nothing_changes() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    let file = file_with(b"in");
    let entries = [FileEntry::of(&file), FileEntry::EMPTY];
    let refused = Err(RegisterError::TagOfNothing { index: 1 });
    assert_eq!(queues.2.register_files_tagged(&entries, &[1, 2]), refused);
    queues
        .2
        .register_files_sparse(2)
        .expect("no table was made");
    for nothing in [FileEntry::EMPTY, FileEntry::KEEP] {
        assert_eq!(
            queues
                .2
                .update_files_tagged(0, &[FileEntry::of(&file), nothing], &[1, 2]),
            refused
        );
    }
    assert_eq!(begins_with(&mut queues, 0), EBADF);
}

#[test]
#[should_panic(expected = "one tag for each item")]
fn fewer_tags_than_files_are_a_mistake_of_the_program() {
    let mut ring = Ring::new(4).expect("a ring");
    let _ = ring
        .registrar()
        .register_files_tagged(&[FileEntry::EMPTY; 2], &[0]);
}

#[test]
fn a_table_cannot_be_registered_with_a_slot_to_keep() {
    let mut ring = Ring::new(4).expect("a ring");
    let error = ring
        .registrar()
        .register_files_tagged(&[FileEntry::KEEP], &[0])
        .expect_err("there is nothing to keep");
    assert_eq!(error.errno().raw(), libc::EBADF);
}

#[test]
fn the_kernel_chooses_slots_of_its_range_only() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    assert_eq!(
        queues.2.set_file_alloc_range(0, 1),
        Err(RegisterError::OutsideTable {
            offset: 0,
            count: 1
        })
    );
    queues.2.register_files_sparse(8).expect("a table");
    queues.2.set_file_alloc_range(3, 2).expect("a range");
    assert_eq!(open_somewhere(&mut queues), Ok(3));
    assert_eq!(open_somewhere(&mut queues), Ok(4));
    assert_eq!(open_somewhere(&mut queues), Err(-libc::ENFILE));
    queues.2.set_file_alloc_range(0, 0).expect("no range");
    assert_eq!(open_somewhere(&mut queues), Err(-libc::ENFILE));
    queues.2.set_file_alloc_range(0, 8).expect("all");
    assert_eq!(open_somewhere(&mut queues), Ok(0));
    for (offset, count) in [(8, 1), (7, 2), (u32::MAX, 2)] {
        assert_eq!(
            queues.2.set_file_alloc_range(offset, count),
            Err(RegisterError::OutsideTable { offset, count })
        );
    }
}

#[test]
fn errors_of_tables_say_what_to_do_and_keep_their_number() {
    let cases = [
        (
            RegisterError::Empty,
            libc::EINVAL,
            "there is nothing to register",
        ),
        (
            RegisterError::OutsideTable {
                offset: 3,
                count: 2,
            },
            libc::EINVAL,
            "the 2 slots from 3 on are not all within the registered table, or this kernel is too old to change them",
        ),
        (
            RegisterError::TagOfNothing { index: 4 },
            libc::EINVAL,
            "item 4 has a tag, but brings nothing that could carry it; make the tag 0",
        ),
        (
            RegisterError::NoTags,
            libc::EINVAL,
            "this kernel knows no tags of registered buffers and files; register without",
        ),
        (
            RegisterError::OutOfMemory { needed: 4096 },
            libc::ENOMEM,
            "4096 bytes of memory for the registration could not be mapped",
        ),
    ];
    for (error, errno, message) in cases {
        assert_eq!(error.to_string(), message);
        assert_eq!(error.errno().raw(), errno);
        assert_eq!(io::Error::from(error).raw_os_error(), Some(errno));
    }
}
