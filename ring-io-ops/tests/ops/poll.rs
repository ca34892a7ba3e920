use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};

use ring_io_ops::ring::{Cqe, Ring};
use ring_io_ops::{
    AsyncCancel, CancelMatch, Fixed, Operation, PollAdd, PollChange, PollEvents, PollReady,
    PollRemove, PollUpdate, Target,
};

use crate::support::{CLOSED, failed, of, ring_for, run, run_all, start};

fn ready(events: PollEvents, more: bool) -> PollReady {
    PollReady { events, more }
}

/// A pipe that holds nothing, and a request for what can be read from it.
fn silence() -> (PipeReader, PipeWriter, PollAdd) {
    let (reader, writer) = pipe().expect("a pipe");
    let poll = PollAdd::new(Target::of(&reader), PollEvents::IN);
    (reader, writer, poll)
}

/// The next `count` completions.
fn reap(ring: &mut Ring, count: usize) -> Vec<Cqe> {
    run_all(ring, &[], count)
}

#[test]
fn poll_completes_when_the_file_becomes_ready() {
    let Some(mut ring) = ring_for::<PollAdd>() else {
        return;
    };
    let (_reader, mut writer, poll) = silence();
    start(&mut ring, poll.user_data(1));
    writer.write_all(b"-").expect("the pipe takes a byte");
    let cqe = reap(&mut ring, 1)[0];
    assert_eq!(PollAdd::read(&cqe), Ok(ready(PollEvents::IN, false)));
    // It is ready already.
    assert_eq!(
        PollAdd::read(&run(&mut ring, poll)),
        Ok(ready(PollEvents::IN, false))
    );
}

#[test]
fn poll_reports_hanging_up_unasked() {
    let Some(mut ring) = ring_for::<PollAdd>() else {
        return;
    };
    let (_reader, writer, poll) = silence();
    start(&mut ring, poll);
    drop(writer);
    let cqe = reap(&mut ring, 1)[0];
    assert_eq!(PollAdd::read(&cqe), Ok(ready(PollEvents::HUP, false)));
}

#[test]
fn poll_of_a_closed_descriptor_or_empty_slot_completes_with_ebadf() {
    let Some(mut ring) = ring_for::<PollAdd>() else {
        return;
    };
    for target in [CLOSED, Fixed(0)] {
        let cqe = run(&mut ring, PollAdd::new(target, PollEvents::IN));
        assert_eq!(PollAdd::read(&cqe), failed(libc::EBADF));
    }
}

#[test]
fn poll_multishot_completes_each_time_until_cancelled() {
    let Some(mut ring) = ring_for::<PollAdd>() else {
        return;
    };
    let (mut reader, mut writer, poll) = silence();
    start(&mut ring, poll.multishot().user_data(1));
    for _ in 0..3 {
        writer.write_all(b"-").expect("the pipe takes a byte");
        let cqe = reap(&mut ring, 1)[0];
        assert_eq!(PollAdd::read(&cqe), Ok(ready(PollEvents::IN, true)));
        reader.read_exact(&mut [0]).expect("the byte is there");
    }
    let cancel = AsyncCancel::new(CancelMatch::user_data(1)).user_data(2);
    let cqes = run_all(&mut ring, &[cancel.into()], 2);
    let last = of(&cqes, 1);
    assert_eq!(
        (PollAdd::read(&last), last.more()),
        (failed(libc::ECANCELED), false)
    );
}

// The kernel's header has the mode, and Linux 6.18 still refuses it: either answer is right.
#[test]
fn poll_level_triggered_completes_or_is_refused() {
    let Some(mut ring) = ring_for::<PollAdd>() else {
        return;
    };
    let (_reader, mut writer, poll) = silence();
    writer.write_all(b"-").expect("the pipe takes a byte");
    let cqe = run(&mut ring, poll.level_triggered());
    let read = PollAdd::read(&cqe);
    assert!(
        read == Ok(ready(PollEvents::IN, false)) || read == failed(libc::EINVAL),
        "{read:?}"
    );
    let cqe = run(&mut ring, poll.level_triggered().multishot());
    assert_eq!(PollAdd::read(&cqe), failed(libc::EINVAL));
}

#[test]
fn poll_remove_ends_the_wait() {
    let Some(mut ring) = ring_for::<PollRemove>() else {
        return;
    };
    let (_reader, _writer, poll) = silence();
    start(&mut ring, poll.user_data(1));
    let cqe = run(&mut ring, PollRemove::new(2));
    assert_eq!(PollRemove::read(&cqe), Ok(PollChange::NotFound));
    let cqes = run_all(&mut ring, &[PollRemove::new(1).user_data(2).into()], 2);
    assert_eq!(PollRemove::read(&of(&cqes, 2)), Ok(PollChange::Done));
    assert_eq!(PollAdd::read(&of(&cqes, 1)), failed(libc::ECANCELED));
}

#[test]
fn poll_update_changes_the_events_and_the_user_data() {
    let Some(mut ring) = ring_for::<PollUpdate>() else {
        return;
    };
    let (mut reader, mut writer, _) = silence();
    let poll = PollAdd::new(Target::of(&reader), PollEvents::PRI);
    start(&mut ring, poll.multishot().user_data(1));
    let update = PollUpdate::new(1).events(PollEvents::IN).new_user_data(2);
    let cqe = run(&mut ring, update.user_data(3));
    assert_eq!(PollUpdate::read(&cqe), Ok(PollChange::Done));
    // Still one that completes again and again.
    for _ in 0..2 {
        writer.write_all(b"-").expect("the pipe takes a byte");
        let cqe = of(&reap(&mut ring, 1), 2);
        assert_eq!(PollAdd::read(&cqe), Ok(ready(PollEvents::IN, true)));
        reader.read_exact(&mut [0]).expect("the byte is there");
    }
    let cqe = run(&mut ring, update);
    assert_eq!(PollUpdate::read(&cqe), Ok(PollChange::NotFound));
}

#[test]
fn every_outcome_of_a_change_is_read() {
    let read = |result| PollRemove::read(&Cqe::new(0, result, 0));
    assert_eq!(read(0), Ok(PollChange::Done));
    assert_eq!(read(-libc::ENOENT), Ok(PollChange::NotFound));
    assert_eq!(read(-libc::EALREADY), Ok(PollChange::Completing));
    assert_eq!(read(-libc::EINVAL), failed(libc::EINVAL));
}
