use std::ptr;

use ring_io_ops::ring::{Cqe, CqeFlags};
use ring_io_ops::{
    CancelOutcome, LinkTimeout, LinkTimeoutOutcome, Nop, Operation, Read, Target, Timeout,
    TimeoutFlags, TimeoutOutcome, TimeoutRemove, TimeoutUpdate, TimeoutUpdateOutcome, Timespec,
};

use crate::support::{UNMAPPED, failed, of, ring_for, run, run_all, skip, start};

/// So long that a test that waits for it is seen to hang.
static HOUR: Timespec = Timespec::new(3600, 0);
/// So short that waiting for it costs nothing.
static MOMENT: Timespec = Timespec::new(0, 1_000_000);
/// The same two in nanoseconds.
const HOUR_NS: u64 = 3_600_000_000_000;
const MOMENT_NS: u64 = 1_000_000;
/// The start of every clock, which is past.
static PAST: Timespec = Timespec::new(0, 0);

#[test]
fn timeout_expires() {
    let Some(mut ring) = ring_for::<Timeout>() else {
        return;
    };
    let cqe = run(&mut ring, Timeout::new(&raw const MOMENT));
    assert_eq!(Timeout::read(&cqe), Ok(TimeoutOutcome::Expired));
}

#[test]
fn timeout_at_a_past_time_expires_at_once_by_every_clock() {
    let Some(mut ring) = ring_for::<Timeout>() else {
        return;
    };
    for clock in [
        TimeoutFlags::empty(),
        TimeoutFlags::BOOTTIME,
        TimeoutFlags::REALTIME,
    ] {
        let timeout = Timeout::new(&raw const PAST).flags(TimeoutFlags::ABS | clock);
        let cqe = run(&mut ring, timeout);
        assert_eq!(Timeout::read(&cqe), Ok(TimeoutOutcome::Expired));
    }
}

// An hour after the epoch is long past by the wall clock, and a relative hour is not.
#[test]
fn the_clock_and_the_kind_of_time_are_told_apart() {
    let Some(mut ring) = ring_for::<Timeout>() else {
        return;
    };
    let flags = TimeoutFlags::ABS | TimeoutFlags::REALTIME;
    let cqe = run(&mut ring, Timeout::new(&raw const HOUR).flags(flags));
    assert_eq!(Timeout::read(&cqe), Ok(TimeoutOutcome::Expired));
    let relative = Timeout::new(&raw const HOUR).flags(TimeoutFlags::REALTIME);
    start(&mut ring, relative.user_data(1));
    let cqes = run_all(&mut ring, &[TimeoutRemove::new(1).into()], 2);
    assert_eq!(Timeout::read(&of(&cqes, 1)), Ok(TimeoutOutcome::Cancelled));
}

#[test]
fn timeout_completes_when_enough_others_have() {
    let Some(mut ring) = ring_for::<Timeout>() else {
        return;
    };
    let timeout = Timeout::new(&raw const HOUR).count(2).user_data(1);
    let [nop, nop2] = [2, 3].map(|user_data| Nop::new().user_data(user_data).into());
    let cqes = run_all(&mut ring, &[timeout.into(), nop, nop2], 3);
    assert_eq!(Timeout::read(&of(&cqes, 1)), Ok(TimeoutOutcome::Completed));
}

#[test]
fn removed_timeout_is_cancelled() {
    let Some(mut ring) = ring_for::<TimeoutRemove>() else {
        return;
    };
    start(&mut ring, Timeout::new(&raw const HOUR).user_data(1));
    let cqes = run_all(&mut ring, &[TimeoutRemove::new(1).user_data(2).into()], 2);
    assert_eq!(Timeout::read(&of(&cqes, 1)), Ok(TimeoutOutcome::Cancelled));
    assert_eq!(
        TimeoutRemove::read(&of(&cqes, 2)),
        Ok(CancelOutcome::Cancelled)
    );
}

#[test]
fn removing_no_timeout_finds_nothing() {
    let Some(mut ring) = ring_for::<TimeoutRemove>() else {
        return;
    };
    let cqe = run(&mut ring, TimeoutRemove::new(1));
    assert_eq!(TimeoutRemove::read(&cqe), Ok(CancelOutcome::NotFound));
}

#[test]
fn multishot_timeout_expires_as_often_as_asked() {
    let Some(mut ring) = ring_for::<Timeout>() else {
        return;
    };
    let timeout = Timeout::new(&raw const MOMENT).flags(TimeoutFlags::MULTISHOT);
    let cqes = run_all(&mut ring, &[timeout.count(3).into()], 3);
    for cqe in &cqes {
        assert_eq!(Timeout::read(cqe), Ok(TimeoutOutcome::Expired));
    }
    let more: Vec<bool> = cqes.iter().map(Cqe::more).collect();
    assert_eq!(more, [true, true, false]);
}

#[test]
fn expiry_breaks_a_chain_unless_it_counts_as_success() {
    let Some(mut ring) = ring_for::<Timeout>() else {
        return;
    };
    let timeout = Timeout::new(&raw const MOMENT);
    let next = Nop::new().user_data(2);
    let cqes = run_all(&mut ring, &[timeout.link().into(), next.into()], 2);
    assert_eq!(Nop::read(&of(&cqes, 2)), failed(libc::ECANCELED));

    let timeout = timeout.flags(TimeoutFlags::ETIME_SUCCESS);
    let cqes = run_all(&mut ring, &[timeout.link().into(), next.into()], 2);
    assert_eq!(Timeout::read(&of(&cqes, 0)), Ok(TimeoutOutcome::Expired));
    assert_eq!(Nop::read(&of(&cqes, 2)), Ok(0));
}

#[test]
fn impossible_times_complete_with_einval() {
    let Some(mut ring) = ring_for::<Timeout>() else {
        return;
    };
    for negative in [Timespec::new(-1, 0), Timespec::new(0, -1)] {
        let cqe = run(&mut ring, Timeout::new(&raw const negative));
        assert_eq!(Timeout::read(&cqe), failed(libc::EINVAL));
        let cqe = run(&mut ring, TimeoutUpdate::new(1, &raw const negative));
        assert_eq!(TimeoutUpdate::read(&cqe), failed(libc::EINVAL));
    }
    let clocks = TimeoutFlags::BOOTTIME | TimeoutFlags::REALTIME;
    let cqe = run(&mut ring, Timeout::new(&raw const HOUR).flags(clocks));
    assert_eq!(Timeout::read(&cqe), failed(libc::EINVAL));
}

#[test]
fn unmapped_times_complete_with_efault() {
    let Some(mut ring) = ring_for::<Timeout>() else {
        return;
    };
    let nowhere = ptr::without_provenance(UNMAPPED);
    let cqe = run(&mut ring, Timeout::new(nowhere));
    assert_eq!(Timeout::read(&cqe), failed(libc::EFAULT));
    let cqe = run(&mut ring, TimeoutUpdate::new(1, nowhere));
    assert_eq!(TimeoutUpdate::read(&cqe), failed(libc::EFAULT));
}

#[test]
fn updated_timeout_expires_at_its_new_time() {
    let Some(mut ring) = ring_for::<TimeoutUpdate>() else {
        return;
    };
    start(&mut ring, Timeout::new(&raw const HOUR).user_data(1));
    let update = TimeoutUpdate::new(1, &raw const MOMENT).user_data(2);
    let cqes = run_all(&mut ring, &[update.into()], 2);
    assert_eq!(
        TimeoutUpdate::read(&of(&cqes, 2)),
        Ok(TimeoutUpdateOutcome::Updated)
    );
    assert_eq!(Timeout::read(&of(&cqes, 1)), Ok(TimeoutOutcome::Expired));
}

#[test]
fn update_can_set_a_point_in_time() {
    let Some(mut ring) = ring_for::<TimeoutUpdate>() else {
        return;
    };
    start(&mut ring, Timeout::new(&raw const HOUR).user_data(1));
    let update = TimeoutUpdate::new(1, &raw const PAST).flags(TimeoutFlags::ABS);
    let cqes = run_all(&mut ring, &[update.user_data(2).into()], 2);
    assert_eq!(Timeout::read(&of(&cqes, 1)), Ok(TimeoutOutcome::Expired));
}

#[test]
fn updating_no_timeout_finds_nothing() {
    let Some(mut ring) = ring_for::<TimeoutUpdate>() else {
        return;
    };
    let cqe = run(&mut ring, TimeoutUpdate::new(1, &raw const MOMENT));
    assert_eq!(
        TimeoutUpdate::read(&cqe),
        Ok(TimeoutUpdateOutcome::NotFound)
    );
}

#[test]
fn link_timeout_cancels_its_read_and_both_complete() {
    let Some(mut ring) = ring_for::<LinkTimeout>() else {
        return;
    };
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let mut buf = [0; 1];
    let read = Read::new(Target::of(&reader), buf.as_mut_ptr(), 1);
    let timeout = LinkTimeout::new(&raw const MOMENT).user_data(2);
    let cqes = run_all(
        &mut ring,
        &[read.link().user_data(1).into(), timeout.into()],
        2,
    );
    assert_eq!(Read::read(&of(&cqes, 1)), failed(libc::ECANCELED));
    assert_eq!(
        LinkTimeout::read(&of(&cqes, 2)),
        Ok(LinkTimeoutOutcome::Expired)
    );
}

#[test]
fn link_timeout_is_disarmed_when_its_request_ends_first() {
    let Some(mut ring) = ring_for::<LinkTimeout>() else {
        return;
    };
    let timeout = LinkTimeout::new(&raw const HOUR).user_data(2);
    let cqes = run_all(&mut ring, &[Nop::new().link().into(), timeout.into()], 2);
    assert_eq!(Nop::read(&of(&cqes, 0)), Ok(0));
    assert_eq!(
        LinkTimeout::read(&of(&cqes, 2)),
        Ok(LinkTimeoutOutcome::Disarmed)
    );
}

#[test]
fn link_timeout_behind_nothing_completes_with_einval() {
    let Some(mut ring) = ring_for::<LinkTimeout>() else {
        return;
    };
    let cqe = run(&mut ring, LinkTimeout::new(&raw const HOUR));
    assert_eq!(LinkTimeout::read(&cqe), failed(libc::EINVAL));
}

#[test]
fn updated_link_timeout_expires_at_its_new_time() {
    let Some(mut ring) = ring_for::<LinkTimeout>() else {
        return;
    };
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let mut buf = [0; 1];
    let read = Read::new(Target::of(&reader), buf.as_mut_ptr(), 1).link();
    let timeout = LinkTimeout::new(&raw const HOUR).user_data(2);
    let pair = [read.user_data(1).into(), timeout.into()];
    assert_eq!(run_all(&mut ring, &pair, 0), []);
    let update = TimeoutUpdate::new(2, &raw const MOMENT).flags(TimeoutFlags::LINK_UPDATE);
    let cqes = run_all(&mut ring, &[update.user_data(3).into()], 3);
    assert_eq!(
        TimeoutUpdate::read(&of(&cqes, 3)),
        Ok(TimeoutUpdateOutcome::Updated)
    );
    assert_eq!(
        LinkTimeout::read(&of(&cqes, 2)),
        Ok(LinkTimeoutOutcome::Expired)
    );
    assert_eq!(Read::read(&of(&cqes, 1)), failed(libc::ECANCELED));
}

#[test]
fn every_outcome_of_a_timeout_is_read() {
    let cqe = |errno: i32| Cqe::new(0, -errno, CqeFlags::empty().bits());
    assert_eq!(
        Timeout::read(&cqe(libc::ETIME)),
        Ok(TimeoutOutcome::Expired)
    );
    assert_eq!(Timeout::read(&cqe(libc::EFAULT)), failed(libc::EFAULT));
    assert_eq!(
        TimeoutUpdate::read(&cqe(libc::EALREADY)),
        Ok(TimeoutUpdateOutcome::AlreadyExpiring)
    );
    for (errno, outcome) in [
        (libc::ETIME, LinkTimeoutOutcome::Expired),
        (libc::ECANCELED, LinkTimeoutOutcome::Disarmed),
        (libc::ENOENT, LinkTimeoutOutcome::NotFound),
        (libc::EALREADY, LinkTimeoutOutcome::AlreadyRunning),
    ] {
        assert_eq!(LinkTimeout::read(&cqe(errno)), Ok(outcome));
    }
}

#[test]
fn time_in_the_entry_itself_expires() {
    let Some(mut ring) = ring_for::<Timeout>() else {
        return;
    };
    let cqe = run(&mut ring, Timeout::after_ns(MOMENT_NS));
    if Timeout::read(&cqe) == failed(libc::EINVAL) {
        let update = TimeoutUpdate::after_ns(1, MOMENT_NS);
        assert_eq!(
            TimeoutUpdate::read(&run(&mut ring, update)),
            failed(libc::EINVAL)
        );
        return skip("IORING_TIMEOUT_IMMEDIATE_ARG needs Linux 7.1");
    }
    assert_eq!(Timeout::read(&cqe), Ok(TimeoutOutcome::Expired));

    start(&mut ring, Timeout::after_ns(HOUR_NS).user_data(1));
    let update = TimeoutUpdate::after_ns(1, MOMENT_NS).user_data(2);
    let cqes = run_all(&mut ring, &[update.into()], 2);
    let updated = TimeoutUpdate::read(&of(&cqes, 2));
    assert_eq!(updated, Ok(TimeoutUpdateOutcome::Updated));
    assert_eq!(Timeout::read(&of(&cqes, 1)), Ok(TimeoutOutcome::Expired));

    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let mut buf = [0];
    let read = Read::new(Target::of(&reader), buf.as_mut_ptr(), 1);
    let requests = [
        read.user_data(1).link().into(),
        LinkTimeout::after_ns(MOMENT_NS).user_data(2).into(),
    ];
    let cqes = run_all(&mut ring, &requests, 2);
    let ended = LinkTimeout::read(&of(&cqes, 2));
    assert_eq!(ended, Ok(LinkTimeoutOutcome::Expired));
}
