//! Registered buffers.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use ring_io_ops::proactor::{File, IoBuf};

use super::{Handle, Runner};

fn file(proactor: &Runner) -> File<Handle> {
    File::from_std(proactor, tempfile::tempfile().expect("a temporary file"))
}

#[test]
fn registered_buffers_are_written_from_and_read_into_whole_and_in_parts() {
    let proactor = Runner::new().expect("a proactor");
    let pool = proactor.registered_buffers(2, 4096).expect("a pool");
    let file = file(&proactor);
    proactor.block_on(async {
        let mut buffer = pool.take().expect("one of two");
        buffer.fill(7);
        let (n, _) = file.write_fixed_at(buffer, 0).await.expect("a write");
        assert_eq!((n, pool.available()), (4096, 2));
        let mut part = pool.take().expect("one of two");
        part.fill(0);
        let (n, part) = file
            .read_fixed_at(part.slice(100..200), 0)
            .await
            .expect("a read");
        let whole = part.into_inner();
        assert_eq!(
            (n, whole[99], whole[100], whole[199], whole[200]),
            (100, 0, 7, 7, 0)
        );
    });
}

#[test]
fn a_buffer_that_another_proactor_registered_comes_back_with_efault() {
    let [one, other] = [(); 2].map(|()| Runner::new().expect("a proactor"));
    let pool = one.registered_buffers(1, 4096).expect("a pool");
    let _others = other.registered_buffers(1, 4096).expect("a pool");
    let file = file(&other);
    let buffer = pool.take().expect("the one");
    let failed = other
        .block_on(file.write_fixed_at(buffer, 0))
        .expect_err("a stranger's");
    assert_eq!(
        (failed.errno().raw(), failed.value.len()),
        (libc::EFAULT, 4096)
    );
}

#[test]
fn there_is_one_pool_at_a_time_and_another_after_it() {
    let proactor = Runner::new().expect("a proactor");
    let pool = proactor.registered_buffers(1, 4096).expect("a pool");
    assert!(proactor.registered_buffers(1, 4096).is_err());
    drop(pool);
    let pool = proactor.registered_buffers(1, 4096).expect("another pool");
    drop(proactor);
    assert_eq!(pool.take().expect("the one").len(), 4096);
}

#[test]
fn a_buffer_of_a_read_that_was_dropped_in_flight_goes_back_to_the_pool() {
    let proactor = Runner::new().expect("a proactor");
    let pool = proactor.registered_buffers(1, 4096).expect("a pool");
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let reader = File::from_fd(&proactor, reader.into());
    {
        let mut read = pin!(reader.read_fixed_at(pool.take().expect("the one"), u64::MAX));
        assert!(
            read.as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        proactor.submit_now();
    }
    proactor.block_on(async {
        while pool.available() == 0 {
            proactor.sleep(Duration::from_millis(1)).await;
        }
    });
}
