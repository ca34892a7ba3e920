use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::Duration;

use ring_io_ops::PollEvents;
use ring_io_ops::proactor::{Events as _, SocketOption, Sockets as _};
use ring_io_ops::ring::sys;

use super::{pair, proactor_for, run, with_sockets};

#[test]
fn options_are_set_and_asked_for_through_the_ring() {
    // Newer than what is used.
    let Some(proactor) = proactor_for(sys::IORING_OP_LISTEN) else {
        return;
    };
    run(&proactor, async |proactor| {
        let (here, _there) = pair(proactor).await;
        assert!(!here.nodelay().expect("an answer"));
        here.set_option(SocketOption::NO_DELAY, true)
            .await
            .expect("an option");
        assert!(here.nodelay().expect("an answer"));
        assert!(
            !here
                .option(SocketOption::KEEP_ALIVE)
                .await
                .expect("an answer")
        );
        here.set_option(SocketOption::KEEP_ALIVE, true)
            .await
            .expect("an option");
        here.set_option(SocketOption::KEEP_ALIVE_IDLE, Duration::from_secs(7))
            .await
            .expect("an option");
        assert!(
            here.option(SocketOption::KEEP_ALIVE)
                .await
                .expect("an answer")
        );
        here.set_option(SocketOption::RECV_BUFFER, 8192)
            .await
            .expect("an option");
        let doubled = here
            .option(SocketOption::RECV_BUFFER)
            .await
            .expect("an answer");
        assert_eq!(doubled, 16_384);
        let udp = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let error = udp
            .set_option(SocketOption::NO_DELAY, true)
            .await
            .expect_err("not one of UDP");
        assert_eq!(error.errno().raw(), libc::ENOPROTOOPT);
    });
}

#[test]
fn two_listeners_share_a_port_that_was_asked_for_so() {
    let Some(proactor) = proactor_for(sys::IORING_OP_LISTEN) else {
        return;
    };
    run(&proactor, async |proactor| {
        let address = "127.0.0.1:0".parse().expect("an address");
        let options = [SocketOption::REUSE_PORT];
        let first = proactor
            .tcp_listen_with(address, 16, &options)
            .await
            .expect("a listener");
        let address = first.local_addr().expect("its address");
        let _second = proactor
            .tcp_listen_with(address, 16, &options)
            .await
            .expect("a second one");
        let error = proactor
            .tcp_listen_with(address, 16, &[])
            .await
            .expect_err("the port is taken");
        assert_eq!(error.errno().raw(), libc::EADDRINUSE);
        assert!(
            first
                .option(SocketOption::REUSE_PORT)
                .await
                .expect("an answer")
        );
    });
}

#[test]
fn a_connection_has_the_hop_limit_that_it_was_given() {
    with_sockets(async |proactor| {
        let (here, there) = pair(proactor).await;
        for hops in [1, 9, 255] {
            here.set_ttl(hops).expect("an option");
            assert_eq!(here.ttl().expect("an answer"), hops);
        }
        assert_eq!(there.ttl().expect("an answer"), 64, "the other end's own");
        for hops in [0, 256] {
            let error = here.set_ttl(hops).expect_err("no hop limit");
            assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
        }
        assert_eq!(here.ttl().expect("an answer"), 255);
    });
}

#[test]
fn the_error_of_a_connection_is_told_once() {
    with_sockets(async |proactor| {
        let (here, there) = pair(proactor).await;
        assert!(here.take_error().expect("an answer").is_none());
        // Closed so, it breaks off.
        let linger = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        // SAFETY: the value is as long as it says.
        let set = unsafe {
            libc::setsockopt(
                there.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                (&raw const linger).cast(),
                size_of_val(&linger) as u32,
            )
        };
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
        there.close().await.expect("a close");
        let fd = here.as_fd().try_clone_to_owned().expect("a duplicate");
        proactor
            .ready(fd, PollEvents::ERR)
            .await
            .expect("it is broken off");
        let error = here.take_error().expect("an answer").expect("an error");
        assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET));
        assert!(here.take_error().expect("an answer").is_none());
        // And a receive is not told again.
        assert_eq!(here.recv(vec![1]).await.expect("the end").0, 0);
    });
}
