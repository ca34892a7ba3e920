use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;

use ring_io_ops::proactor::Sockets as _;

use super::{pair, settle, start, with_sockets};

#[test]
fn several_buffers_are_sent_and_filled_in_order() {
    with_sockets(async |proactor| {
        let (here, there) = pair(proactor).await;
        let buffers = vec![b"ab".to_vec(), Vec::new(), b"cdef".to_vec()];
        let (n, buffers) = here.send_vectored(buffers).await.expect("a send");
        assert_eq!((n, buffers.len()), (6, 3));
        let rooms = vec![Vec::with_capacity(4), vec![9; 8]];
        let capacity = rooms[0].capacity();
        let (n, rooms) = there.recv_vectored(rooms).await.expect("a receive");
        assert_eq!(n, 6);
        assert_eq!(rooms[0].len(), capacity.min(6));
        assert_eq!(rooms.concat(), b"abcdef");
    });
}

#[test]
fn more_buffers_than_the_kernel_takes_come_back() {
    with_sockets(async |proactor| {
        let (here, _there) = pair(proactor).await;
        let failed = here
            .send_vectored(vec![vec![1_u8]; 1025])
            .await
            .expect_err("too many");
        assert_eq!(
            (failed.errno().raw(), failed.value.len()),
            (libc::EMSGSIZE, 1025)
        );
    });
}

fn file_with(bytes: &[u8]) -> OwnedFd {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("its bytes");
    file.rewind().expect("its start");
    file.into()
}

#[test]
fn descriptors_go_to_the_other_end() {
    with_sockets(async |proactor| {
        let (here, there) = proactor.unix_pair().expect("a pair");
        let fds = vec![file_with(b"first"), file_with(b"second")];
        let (n, _) = here.send_fds(b"two".to_vec(), fds).await.expect("a send");
        assert_eq!(n, 3);
        let (n, buffer, fds) = there
            .recv_fds(Vec::with_capacity(16))
            .await
            .expect("a receive");
        assert_eq!((n, buffer.as_slice(), fds.len()), (3, b"two".as_slice(), 2));
        for (fd, expected) in fds.into_iter().zip(["first", "second"]) {
            let mut text = String::new();
            std::fs::File::from(fd)
                .read_to_string(&mut text)
                .expect("a file");
            assert_eq!(text, expected);
        }
        // A message without any.
        here.send_all(b"none".as_slice()).await.expect("a send");
        let (_, buffer, fds) = there.recv_fds(vec![0; 9]).await.expect("a receive");
        assert_eq!((buffer.as_slice(), fds.len()), (b"none".as_slice(), 0));
    });
}

#[test]
fn descriptors_that_nobody_took_are_closed() {
    with_sockets(async |proactor| {
        let (here, there) = proactor.unix_pair().expect("a pair");
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        // Received by an operation whose future is gone.
        {
            let mut recv = there.recv_fds(Vec::with_capacity(16));
            start(&mut recv).await;
            proactor.submit_now();
            here.send_fds(b"x".to_vec(), vec![writer.into()])
                .await
                .expect("a send");
            proactor.submit_now();
        }
        settle(proactor).await;
        // Nobody has the writing end, so the reading one sees the end, and does not wait.
        assert_eq!(reader.read(&mut [0; 4]).expect("a read"), 0);
    });
}

#[test]
fn more_descriptors_than_the_kernel_takes_give_the_buffer_back() {
    with_sockets(async |proactor| {
        let (here, _there) = proactor.unix_pair().expect("a pair");
        let fd = file_with(b"");
        let fds = (0..254)
            .map(|_| fd.try_clone().expect("a duplicate"))
            .collect();
        let failed = here
            .send_fds(b"x".to_vec(), fds)
            .await
            .expect_err("too many");
        assert_eq!(
            (failed.errno().raw(), failed.value),
            (libc::EINVAL, b"x".to_vec())
        );
    });
}
