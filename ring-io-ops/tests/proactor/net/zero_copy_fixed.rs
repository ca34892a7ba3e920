//! Sends out of registered buffers without a copy.

use ring_io_ops::proactor::net::{Control, Message};
use ring_io_ops::proactor::{IoBuf as _, Sockets as _};
use ring_io_ops::ring::sys;

use super::{pair, proactor_for, run, settle, start};

use super::super::Runner;

fn with_zero_copy(test: impl AsyncFnOnce(&Runner)) {
    if let Some(proactor) = proactor_for(sys::IORING_OP_SEND_ZC) {
        run(&proactor, test);
    }
}

#[test]
fn registered_buffers_are_sent_whole_and_in_parts_and_come_back() {
    with_zero_copy(async |proactor| {
        let pool = proactor.registered_buffers(2, 30_000).expect("a pool");
        let (here, there) = pair(proactor).await;
        let mut buffer = pool.take().expect("one of two");
        for (n, byte) in buffer.iter_mut().enumerate() {
            *byte = n as u8;
        }
        let expected = buffer.to_vec();
        let (n, released) = here.send_zc_fixed(buffer).await.expect("a send");
        assert_eq!(n, 30_000);
        let (_, received) = there.recv_full(vec![0; n]).await.expect("a receive");
        assert_eq!(received, expected);
        let part = released.await.slice(1000..1500);
        let (n, released) = here.send_zc_fixed(part).await.expect("a send");
        assert_eq!(n, 500);
        let (_, received) = there.recv_full(vec![0; n]).await.expect("a receive");
        assert_eq!(received, expected[1000..1500]);
        assert_eq!(pool.available(), 1);
        drop(released.await);
        assert_eq!(pool.available(), 2);
    });
}

#[test]
fn a_registered_buffer_is_in_its_pool_again_when_the_network_is_done_with_it() {
    with_zero_copy(async |proactor| {
        let pool = proactor.registered_buffers(1, 50_000).expect("a pool");
        let (here, there) = pair(proactor).await;
        let buffer = pool.take().expect("the one");
        let (n, released) = here.send_zc_fixed(buffer).await.expect("a send");
        // The kernel tells of the end of each send that went well.
        assert!(!released.is_ready());
        drop(released);
        assert_eq!(pool.available(), 0, "the kernel may send it yet");
        there.recv_full(vec![1; n]).await.expect("a receive");
        settle(proactor).await;
        assert_eq!(pool.available(), 1);
        // Never polled; polled and perhaps not submitted; submitted.
        drop(here.send_zc_fixed(pool.take().expect("the one")));
        assert_eq!(pool.available(), 1);
        for submit in [false, true] {
            let mut sending = here.send_zc_fixed(pool.take().expect("the one"));
            start(&mut sending).await;
            if submit {
                proactor.submit_now();
            }
            drop(sending);
            settle(proactor).await;
            assert_eq!(pool.available(), 1);
        }
    });
}

#[test]
fn a_registered_buffer_that_cannot_be_sent_comes_back() {
    with_zero_copy(async |proactor| {
        let pool = proactor.registered_buffers(1, 4096).expect("a pool");
        let (here, _there) = pair(proactor).await;
        here.shutdown(std::net::Shutdown::Write)
            .await
            .expect("a shutdown");
        let mut buffer = pool.take().expect("the one");
        buffer.fill(3);
        let failed = here.send_zc_fixed(buffer).await.expect_err("nobody sends");
        assert_eq!((failed.errno().raw(), failed.value[4095]), (libc::EPIPE, 3));
    });
}

#[test]
fn a_buffer_that_is_registered_with_another_proactor_is_refused() {
    with_zero_copy(async |proactor| {
        let other = Runner::new().expect("a proactor");
        let others = other.registered_buffers(2, 4096).expect("a pool");
        let (here, _there) = pair(proactor).await;
        // Without a pool of its own, and with one whose buffers lie elsewhere.
        for own in [false, true] {
            let _pool = own.then(|| proactor.registered_buffers(2, 4096).expect("a pool"));
            let buffer = others.take().expect("one of two");
            let failed = here.send_zc_fixed(buffer).await.expect_err("a stranger's");
            assert_eq!(failed.errno().raw(), libc::EFAULT);
        }
        assert_eq!(others.available(), 2);
    });
}

#[test]
fn datagrams_are_sent_out_of_registered_buffers() {
    with_zero_copy(async |proactor| {
        let pool = proactor.registered_buffers(1, 1000).expect("a pool");
        let one = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let other = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let there = other.local_addr().expect("an address");
        let mut buffer = pool.take().expect("the one");
        buffer.fill(5);
        let (n, released) = one.send_zc_fixed_to(buffer, &there).await.expect("a send");
        assert_eq!(n, 1000);
        let (_, received) = other.recv(vec![0; 2000]).await.expect("a datagram");
        assert_eq!(received, [5; 1000]);
        one.connect(there).expect("connected");
        let (n, released) = one
            .send_zc_fixed(released.await.slice(..10))
            .await
            .expect("a send");
        assert_eq!(n, 10);
        let (_, received) = other.recv(vec![0; 2000]).await.expect("a datagram");
        assert_eq!(received, [5; 10]);
        drop(released.await);
        assert_eq!(pool.available(), 1);
    });
}

#[test]
fn messages_are_sent_out_of_registered_buffers() {
    // As old.
    let Some(proactor) = proactor_for(sys::IORING_OP_READV_FIXED) else {
        return;
    };
    run(&proactor, async |proactor| {
        let pool = proactor.registered_buffers(2, 6000).expect("a pool");
        let one = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let other = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        // Not the first, whose number is also that of none.
        let first = pool.take().expect("one of two");
        let mut buffer = pool.take().expect("the other");
        buffer.fill(5);
        let message = Message::new(buffer)
            .to(other.local_addr().expect("an address"))
            .control(Control::new().segment_size(2000));
        let (n, released) = one.send_message_zc_fixed(message).await.expect("a send");
        assert_eq!(n, 6000);
        for _ in 0..3 {
            let (_, received) = other.recv(vec![0; 9000]).await.expect("a datagram");
            assert_eq!(received, [5; 2000]);
        }
        assert_eq!(pool.available(), 0);
        drop((first, released.await));
        assert_eq!(pool.available(), 2);
        // A connection, and a stranger's.
        let (here, there) = pair(proactor).await;
        let message = Message::new(pool.take().expect("one").slice(..100));
        let (n, released) = here.send_message_zc_fixed(message).await.expect("a send");
        assert_eq!(there.recv(vec![0; n]).await.expect("bytes").0, 100);
        drop(released.await);
        let strange = Runner::new().expect("a proactor");
        let strangers = strange.registered_buffers(1, 100).expect("a pool");
        let message = Message::new(strangers.take().expect("the one"));
        let failed = here
            .send_message_zc_fixed(message)
            .await
            .expect_err("a stranger's");
        assert_eq!(failed.errno().raw(), libc::EFAULT);
    });
}
