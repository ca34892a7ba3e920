use std::net::Shutdown;

use ring_io_ops::proactor::{IoBuf as _, Received, Sockets as _};
use ring_io_ops::ring::{BufRingError, sys};

use super::{PATIENCE, pair, proactor_for, run, settle, start};

use super::super::{Pool, Runner};

/// Runs a test with a pool of four buffers of eight bytes, and looks whether all of them are there again at the end.
fn with_pool(test: impl AsyncFnOnce(&Runner, &Pool)) {
    // As old as multishot receives.
    let Some(proactor) = proactor_for(sys::IORING_OP_SEND_ZC) else {
        return;
    };
    let pool = proactor.provided_buffers(4, 8).expect("a pool");
    run(&proactor, async |proactor| {
        test(proactor, &pool).await;
        settle(proactor).await;
        assert_all_back(proactor, &pool).await;
    });
}

/// Fills every buffer of the pool at once.
async fn assert_all_back(proactor: &Runner, pool: &Pool) {
    use ring_io_ops::proactor::net::Pool as _;
    let (here, there) = pair(proactor).await;
    let entries = usize::from(pool.entries());
    let bytes = entries * pool.buffer_size() as usize;
    here.send_all(vec![1; bytes]).await.expect("a send");
    let mut incoming = there.recv_multi(pool);
    let mut held = Vec::new();
    while held.len() < entries {
        match incoming
            .next()
            .await
            .expect("it goes on")
            .expect("it works")
        {
            Received::Data(buffer) => held.push(buffer),
            other => panic!("{other:?} when {} of {entries} were there", held.len()),
        }
    }
}

#[test]
fn what_comes_lies_in_buffers_until_the_end() {
    with_pool(async |proactor, pool| {
        let (here, there) = pair(proactor).await;
        let mut incoming = there.recv_multi(pool);
        for n in 0..50_u8 {
            here.send_all(vec![n; 5]).await.expect("a send");
            let received = incoming.next().await.expect("it goes on").expect("bytes");
            assert_eq!(*received.data().expect("bytes"), [n; 5]);
        }
        here.shutdown(Shutdown::Write).await.expect("a shutdown");
        let end = incoming.next().await.expect("the end").expect("no error");
        assert!(matches!(end, Received::End), "{end:?}");
        assert!(incoming.next().await.is_none());
        assert!(incoming.next().await.is_none());
    });
}

#[test]
fn a_buffer_can_be_written_to_and_sent_as_it_is() {
    with_pool(async |proactor, pool| {
        let (here, there) = pair(proactor).await;
        here.send_all(b"shout".as_slice()).await.expect("a send");
        let mut incoming = there.recv_multi(pool);
        let received = incoming.next().await.expect("it goes on").expect("bytes");
        let mut buffer = received.data().expect("bytes");
        buffer.make_ascii_uppercase();
        let buffer = there.send_all(buffer).await.expect("a send");
        let (_, slice) = there.send(buffer.slice(1..3)).await.expect("a send");
        assert_eq!(slice.into_inner().as_ref(), b"SHOUT");
        let (_, back) = here
            .recv_full(Vec::with_capacity(7))
            .await
            .expect("a receive");
        assert_eq!(back, b"SHOUTHO");
    });
}

#[test]
fn a_starved_receive_says_so_and_goes_on_when_a_buffer_has_gone_back() {
    with_pool(async |proactor, pool| {
        let (here, there) = pair(proactor).await;
        here.send_all((0..40).collect::<Vec<u8>>())
            .await
            .expect("a send");
        let mut incoming = there.recv_multi(pool);
        let mut held = Vec::new();
        loop {
            match incoming
                .next()
                .await
                .expect("it goes on")
                .expect("it works")
            {
                Received::Data(buffer) => held.push(buffer),
                Received::Starved => break,
                Received::End => panic!("it has not ended"),
            }
        }
        assert_eq!(held.len(), 4);
        // It waits as long as nothing goes back, and does not spin.
        let enters = proactor.counters().enters;
        start(std::pin::pin!(incoming.next())).await;
        proactor.sleep(std::time::Duration::from_millis(5)).await;
        assert!(proactor.counters().enters < enters + 5);

        // Given back by another task, while this one waits.
        let first = held.remove(0);
        assert_eq!(*first, *(0..8).collect::<Vec<u8>>());
        drop(proactor.spawn(async move { drop(first) }));
        let received = incoming.next().await.expect("it goes on").expect("bytes");
        assert_eq!(
            *received.data().expect("bytes"),
            *(32..40).collect::<Vec<u8>>()
        );
        for (buffer, begin) in held.iter().zip([8_u8, 16, 24]) {
            assert_eq!(**buffer, *(begin..begin + 8).collect::<Vec<u8>>());
        }
    });
}

#[test]
fn buffers_that_nobody_took_go_back_with_the_stream() {
    with_pool(async |proactor, pool| {
        let (here, there) = pair(proactor).await;
        // Several rounds, so that a leak of one buffer shows.
        for _ in 0..8 {
            let mut incoming = there.recv_multi(pool);
            start(std::pin::pin!(incoming.next())).await;
            proactor.submit_now();
            here.send_all(vec![1; 16]).await.expect("a send");
            proactor.submit_now();
            drop(incoming);
            settle(proactor).await;
            // Not all of it was received by the stream that is gone.
            while there
                .recv(Vec::with_capacity(64))
                .timeout(std::time::Duration::from_millis(1))
                .await
                .is_ok()
            {}
        }
    });
}

#[test]
fn a_buffer_outlives_its_stream_its_connection_and_its_pool() {
    with_pool(async |proactor, pool| {
        let kept = {
            let (here, there) = pair(proactor).await;
            here.send_all(b"kept".as_slice()).await.expect("a send");
            let mut incoming = there.recv_multi(pool);
            let received = incoming.next().await.expect("it goes on").expect("bytes");
            received.data().expect("bytes")
        };
        assert_eq!(*kept, *b"kept");
        drop(kept);
    });
    let Some(proactor) = proactor_for(sys::IORING_OP_SEND_ZC) else {
        return;
    };
    let kept = proactor.block_on(async {
        let pool = proactor.provided_buffers(1, 16).expect("a pool");
        let (here, there) = pair(&proactor).await;
        here.send_all(b"kept".as_slice()).await.expect("a send");
        let mut incoming = there.recv_multi(&pool);
        let received = incoming.next().await.expect("it goes on").expect("bytes");
        received.data().expect("bytes")
    });
    assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
    assert_eq!(*kept, *b"kept");
}

#[test]
fn a_reset_is_an_error_and_the_end() {
    with_pool(async |proactor, pool| {
        let (here, there) = pair(proactor).await;
        here.send_all(b"unread".as_slice()).await.expect("a send");
        there.peek(vec![0; 1]).await.expect("it has come");
        let mut incoming = here.recv_multi(pool);
        start(std::pin::pin!(incoming.next())).await;
        there.close().await.expect("a close");
        let error = incoming
            .next()
            .await
            .expect("an item")
            .expect_err("a reset");
        assert_eq!(error.errno().raw(), libc::ECONNRESET);
        assert!(incoming.next().await.is_none());
    });
}

#[test]
fn a_bundle_brings_several_buffers_in_one_completion() {
    // As old as bundles, but for one version.
    let Some(proactor) = proactor_for(sys::IORING_OP_LISTEN) else {
        return;
    };
    let pool = proactor.provided_buffers(4, 8).expect("a pool");
    run(&proactor, async |proactor| {
        let (here, there) = pair(proactor).await;
        let mut several = false;
        for round in 0..10_u8 {
            let bytes: Vec<u8> = (round..round + 20).collect();
            here.send_all(bytes.clone()).await.expect("a send");
            let mut incoming = there.recv_bundle_multi(&pool);
            let mut seen = 0;
            // The kernel decides how much it brings at once.
            while seen < bytes.len() {
                let received = incoming.next().await.expect("it goes on").expect("bytes");
                let mut bundle = received.data().expect("bytes");
                let all = bundle.bytes_left();
                several |= all > 8;
                let first = bundle.next().expect("a buffer");
                assert_eq!(*first, bytes[seen..seen + all.min(8)]);
                assert_eq!(bundle.bytes_left(), all - first.len());
                // In every other round the rest goes back without having been seen.
                if round % 2 == 0 {
                    let rest: Vec<u8> = bundle.flat_map(|buffer| buffer.to_vec()).collect();
                    assert_eq!(rest, bytes[seen + first.len()..seen + all]);
                }
                seen += all;
            }
        }
        assert!(several, "no completion brought more than one buffer");
        here.shutdown(Shutdown::Write).await.expect("a shutdown");
        let mut incoming = there.recv_bundle_multi(&pool);
        let end = incoming.next().await.expect("the end").expect("no error");
        assert!(matches!(end, Received::End), "{end:?}");
        assert!(incoming.next().await.is_none());
        settle(proactor).await;
        assert_all_back(proactor, &pool).await;
    });
}

#[test]
#[should_panic(expected = "the pool belongs to another proactor")]
fn a_pool_of_another_proactor_is_refused() {
    let one = Runner::new().expect("a proactor");
    let other = Runner::new().expect("a proactor");
    let pool = other.provided_buffers(4, 8).expect("a pool");
    let (here, _there) = one.unix_pair().expect("a pair");
    let _ = here.recv_multi(&pool);
}

#[test]
fn pools_have_numbers_of_their_own_and_sizes_that_the_kernel_takes() {
    let Some(proactor) = proactor_for(sys::IORING_OP_SEND_ZC) else {
        return;
    };
    let pools: Vec<_> = (0..5)
        .map(|_| proactor.provided_buffers(2, 64).expect("a pool"))
        .collect();
    assert_eq!(pools.len(), 5);
    assert!(matches!(
        proactor.provided_buffers(3, 64),
        Err(BufRingError::Entries { entries: 3 })
    ));
}
