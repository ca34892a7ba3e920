//! A table of files whose slots have owners.

mod support;

use std::hint;
use std::thread;

use ring_io::{FileEntry, FileSlot, FileTable, OneThread, RegisterError, Ring};
use support::isolated::isolated_check;
use support::registered::*;
use support::seccomp::without_call;
use support::{drained, is_send_and_sync, open_descriptors, pipe, write};

#[test]
fn a_dropped_slot_is_emptied_and_its_file_closed() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    let table = queues.2.file_table(2, 0).expect("a table");
    let (slot, reader) = with_writer(&table);
    let index = slot.index();
    assert!(!is_hung_up(&reader));
    drop(slot);
    assert_eq!(begins_with(&mut queues, index), EBADF);
    assert!(is_hung_up(&reader));

    let (slot, reader) = with_writer(&table);
    slot.clear().expect("it is there");
    assert!(is_hung_up(&reader));
    assert_eq!(table.available(), 1);
    let file = file_with(b"next");
    slot.install(&file).expect("it is empty");
    assert_eq!(begins_with(&mut queues, slot.index()), Ok(b"next".to_vec()));
    slot.close().expect("it is there");
    assert_eq!(table.available(), 2);
    assert_eq!(begins_with(&mut queues, index), EBADF);
}

#[test]
fn a_slot_dropped_under_a_read_lets_the_read_complete() {
    let mut ring = Ring::new(4).expect("a ring");
    let (mut sq, mut cq, registrar) = ring.split();
    let table = registrar.file_table(1, 0).expect("a table");
    let (reader, writer) = pipe();
    let slot = table.insert(&reader).expect("a slot");
    drop(reader);
    let mut buffer = [0; 4];
    // SAFETY: the read is reaped below, before the buffer goes.
    unsafe { sq.push(read_entry(slot.index(), &mut buffer, 1)) }.expect("room");
    sq.submit().expect("a submit");
    drop(slot);
    drop(table);
    assert_eq!(drained(&mut cq), []);
    write(&writer, b"ring");
    cq.wait(1).expect("the read");
    assert_eq!(cq.pop().expect("the wait saw it").result(), Ok(4));
    assert_eq!(&buffer, b"ring");
}

#[test]
fn slots_are_handed_out_until_there_are_none_and_again_when_dropped() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    let table = queues.2.file_table(3, 2).expect("a table");
    assert_eq!((table.count(), table.available()), (5, 3));
    let file = file_with(b"in");
    let mut slots: Vec<_> = (0..3)
        .map(|_| table.insert(&file).expect("a slot"))
        .collect();
    let mut indices: Vec<_> = slots.iter().map(FileSlot::index).collect();
    assert_eq!(indices, [0, 1, 2]);
    assert!(table.reserve().is_none());
    let error = table.insert(&file).expect_err("none is left");
    assert_eq!(error.errno().raw(), libc::ENFILE);
    drop(slots.remove(1));
    slots.push(table.reserve().expect("one is back"));
    indices = slots.iter().map(FileSlot::index).collect();
    assert_eq!(indices, [0, 2, 1]);
    assert_eq!(begins_with(&mut queues, 1), EBADF);
    assert_eq!(begins_with(&mut queues, 2), Ok(b"in".to_vec()));
}

#[test]
fn a_file_that_is_refused_leaves_its_slot_available() {
    let mut ring = Ring::new(4).expect("a ring");
    let registrar = ring.registrar();
    let table = registrar.file_table(1, 0).expect("a table");
    let error = table.insert(&ring_as_file()).expect_err("a ring");
    assert_eq!(error.errno().raw(), libc::EBADF);
    assert_eq!(table.available(), 1);
}

#[test]
fn a_slot_that_the_kernel_chose_can_be_adopted() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    let table = queues.2.file_table(2, 2).expect("a table");
    let index = open_somewhere(&mut queues).expect("a slot");
    assert_eq!(index, 2);
    // SAFETY: the slot was opened for us.
    let slot = unsafe { table.adopt(index) }.expect("it exists");
    assert_eq!(begins_with(&mut queues, index), Ok(vec![0; 8]));
    drop(slot);
    assert_eq!(begins_with(&mut queues, index), EBADF);
    // It is the kernel's again, and not handed out.
    assert_eq!(table.available(), 2);

    for index in [4, u32::MAX] {
        // SAFETY: no such slot.
        let refused = unsafe { table.adopt(index) }.map(drop);
        let outside = RegisterError::OutsideTable {
            offset: index,
            count: 1,
        };
        assert_eq!(refused, Err(outside));
    }
}

// The kernel begins its search where a slot was last filled or emptied; the table sets it right.
#[test]
fn changes_of_own_slots_do_not_lead_the_kernel_out_of_its_range() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    let table = queues.2.file_table(4, 2).expect("a table");
    let file = file_with(b"own");
    let slots: Vec<_> = (0..4)
        .map(|_| table.insert(&file).expect("a slot"))
        .collect();
    drop(slots);
    assert_eq!(open_somewhere(&mut queues), Ok(4));
    let slot = table.insert(&file).expect("a slot");
    slot.clear().expect("it is there");
    assert_eq!(open_somewhere(&mut queues), Ok(5));
    slot.close().expect("it is there");
    assert_eq!(open_somewhere(&mut queues), Err(-libc::ENFILE));
}

#[test]
fn a_slot_that_was_given_up_stays_full_and_can_be_adopted() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    let table = queues.2.file_table(2, 0).expect("a table");
    let index = table
        .insert(&file_with(b"mine"))
        .expect("a slot")
        .into_index();
    assert_eq!(table.available(), 1);
    assert_eq!(begins_with(&mut queues, index), Ok(b"mine".to_vec()));
    // SAFETY: it was given up above.
    let slot = unsafe { table.adopt(index) }.expect("it exists");
    drop(slot);
    assert_eq!(table.available(), 2);
    assert_eq!(begins_with(&mut queues, index), EBADF);

    // One that the kernel strayed to is not handed out any more.
    //
    // SAFETY: nobody has it.
    let strayed = unsafe { table.adopt(1) }.expect("it exists");
    assert_eq!(table.available(), 1);
    assert_eq!(table.reserve().expect("the other").index(), 0);
    drop(strayed);
    assert_eq!(table.available(), 2);
}

#[test]
fn a_table_is_unregistered_with_the_last_of_its_slots() {
    let mut ring = Ring::new(4).expect("a ring");
    let registrar = ring.registrar();
    let table = registrar.file_table(2, 0).expect("a table");
    assert_eq!(
        registrar.file_table(2, 0).map(drop),
        Err(RegisterError::AlreadyRegistered)
    );
    let (slot, reader) = with_writer(&table);
    drop(table);
    assert!(!is_hung_up(&reader));
    assert_eq!(
        registrar.register_files_sparse(1),
        Err(RegisterError::AlreadyRegistered)
    );
    drop(slot);
    assert!(is_hung_up(&reader));
    registrar.register_files_sparse(1).expect("it is gone");
}

#[test]
fn a_slot_keeps_a_ring_alive_that_was_given_away() {
    isolated_check("a_slot_keeps_a_ring_alive_that_was_given_away", || {
        let before = open_descriptors();
        let (_, _, registrar) = Ring::new(4).expect("a ring").into_split();
        let table = registrar.file_table(2, 0).expect("a table");
        let (slot, reader) = with_writer(&table);
        drop((table, registrar));
        assert_eq!(open_descriptors(), before + 2);
        assert!(!is_hung_up(&reader));
        drop(slot);
        assert!(is_hung_up(&reader));
        assert_eq!(open_descriptors(), before + 1);
    });
}

#[test]
fn a_slot_that_cannot_be_emptied_is_not_handed_out_again() {
    let mut ring = Ring::new(4).expect("a ring");
    let registrar = ring.registrar();
    let table = registrar.file_table(2, 0).expect("a table");
    let file = file_with(b"in");
    let (first, second) = (
        table.insert(&file).expect("a slot"),
        table.insert(&file).expect("a slot"),
    );
    let error = without_call(libc::SYS_io_uring_register, libc::EPERM, move || {
        drop(first);
        second.close().expect_err("the call is denied")
    });
    assert_eq!(error.errno().raw(), libc::EPERM);
    assert_eq!(table.available(), 0);
}

#[test]
fn a_child_that_drops_a_slot_leaves_the_parents_alone() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    let table = queues.2.file_table(1, 0).expect("a table");
    let slot = table.insert(&file_with(b"kept")).expect("a slot");
    let index = slot.index();
    let mut owners = Some((table, slot));
    in_a_child(|| drop(owners.take()));
    assert_eq!(begins_with(&mut queues, index), Ok(b"kept".to_vec()));
    drop(owners);
    assert_eq!(begins_with(&mut queues, index), EBADF);
}

#[test]
fn slots_go_where_their_ring_may_go() {
    assert_eq!(is_send_and_sync!(FileTable<'static>), (true, true));
    assert_eq!(is_send_and_sync!(FileSlot<'static>), (true, true));
    assert_eq!(
        is_send_and_sync!(FileTable<'static, OneThread>),
        (false, false)
    );
    assert_eq!(
        is_send_and_sync!(FileSlot<'static, OneThread>),
        (false, false)
    );
}

#[test]
fn slots_work_on_a_ring_that_defers_its_work() {
    let mut ring = match Ring::builder(4).single_issuer().defer_taskrun().build() {
        Err(error) => return support::skip(error),
        Ok(ring) => ring,
    };
    let (_sq, mut cq, registrar) = ring.split();
    let table = registrar.file_table(1, 1).expect("a table");
    let file = file_with(b"in");
    drop(table.insert(&file).expect("a slot"));
    drop(table);
    registrar
        .register_files_tagged(&[FileEntry::of(&file)], &[7])
        .expect("a table");
    registrar.unregister_files().expect("it is there");
    cq.flush().expect("a look");
    assert_eq!(drained(&mut cq), [7]);
}

// A slot is emptied before it is available again: otherwise its next owner's file would be taken away.
#[test]
fn threads_that_share_a_table_never_have_the_same_slot() {
    let mut ring = Ring::new(4).expect("a ring");
    let registrar = ring.registrar();
    let table = registrar.file_table(1, 0).expect("a table");
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..1500 {
                    let (reader, writer) = pipe();
                    // Whoever waits takes the slot the moment it is available.
                    let slot = loop {
                        match table.insert(&writer) {
                            Ok(slot) => break slot,
                            Err(_) => hint::spin_loop(),
                        }
                    };
                    drop(writer);
                    thread::yield_now();
                    assert!(!is_hung_up(&reader), "somebody emptied this slot");
                    drop(slot);
                    assert!(is_hung_up(&reader), "somebody has this file");
                }
            });
        }
    });
    assert_eq!(table.available(), 1);
}
