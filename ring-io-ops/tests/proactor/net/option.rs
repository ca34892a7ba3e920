use std::time::Duration;

use ring_io_ops::proactor::{SocketOption, Sockets as _};
use ring_io_ops::ring::sys;

use super::{pair, proactor_for, run};

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
