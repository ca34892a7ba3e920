//! Registered files: the table, what moves in and out of it, and when a slot is free again.

use std::fs;
use std::future::{Future, poll_fn};
use std::io::{Read as _, Write as _};
use std::net::TcpStream as StdTcpStream;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ring_io_ops::proactor::{
    BuildError, File, Files as _, OpError, OpenOptions, Received, Registered, Sockets as _,
    TcpListener,
};
use ring_io_ops::{FixedFdInstall, Operation as _};

use super::{Handle, Runner, skip};

const READ: OpenOptions = OpenOptions::new().read(true);

/// A proactor with a table of so many slots, or a skip that has been noted.
fn proactor_with(slots: u32) -> Option<(Runner, Registered<Handle>)> {
    match Runner::builder().registered_files(slots).build() {
        Ok(proactor) => {
            let table = proactor.registered_files().expect("it has a table");
            Some((proactor, table))
        }
        Err(why @ BuildError::Files(_)) => {
            skip(why);
            None
        }
        Err(other) => panic!("{other}"),
    }
}

/// One slot, and a kernel that makes descriptors of what is in a slot.
fn proactor_that_gives_back() -> Option<(Runner, Registered<Handle>)> {
    let one = proactor_with(1)?;
    let kernel = ring_io_ops::ring::capabilities().expect("there is a ring");
    if kernel.supports(FixedFdInstall::OPCODE) {
        return Some(one);
    }
    skip("IORING_OP_FIXED_FD_INSTALL needs Linux 6.8");
    None
}

fn poll_once<F: Future + ?Sized>(future: &mut Pin<&mut F>) -> Poll<F::Output> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

fn temporary() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    fs::write(&path, b"content").expect("a file");
    (folder, path)
}

/// Whether the process has a descriptor of the file.
fn is_open(path: &Path) -> bool {
    let path = path.canonicalize().expect("a path");
    fs::read_dir("/proc/self/fd")
        .expect("the list of descriptors")
        .flatten()
        .any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == path))
}

/// Registers the file as soon as a slot is free.
async fn register_when_free(proactor: &Runner, mut file: File<Handle>) -> File<Registered<Handle>> {
    loop {
        let failed = match file.register().await {
            Ok(registered) => return registered,
            Err(failed) => failed,
        };
        assert_eq!(failed.error, OpError::TableFull);
        file = failed.value;
        proactor.sleep(Duration::from_millis(1)).await;
    }
}

/// Opens a file into the table as soon as a slot is free.
async fn open_when_free(
    proactor: &Runner,
    table: &Registered<Handle>,
    path: &Path,
    options: OpenOptions,
) -> File<Registered<Handle>> {
    loop {
        match table.open(path, options).await {
            Err(OpError::TableFull) => proactor.sleep(Duration::from_millis(1)).await,
            opened => return opened.expect("the slot is free"),
        }
    }
}

#[test]
fn a_registered_file_does_what_a_file_does_and_is_no_descriptor() {
    let Some((proactor, _)) = proactor_with(2) else {
        return;
    };
    let (_folder, path) = temporary();
    proactor.block_on(async {
        let options = OpenOptions::new().read(true).write(true);
        let file = proactor.open(&path, options).await.expect("a file");
        let file = file.register().await.expect("a slot");
        // Behind the close of the descriptor.
        let (n, read) = file.read_at(vec![0; 64], 0).await.expect("a read");
        assert_eq!((n, read.as_slice()), (7, b"content".as_slice()));
        assert!(!is_open(&path));
        file.write_all_at(b"CON".as_slice(), 0)
            .await
            .expect("a write");
        let parts = vec![b"1".to_vec(), b"2".to_vec()];
        file.write_vectored_at(parts, 7).await.expect("a write");
        file.sync_all().await.expect("it reaches the device");
        let read = file
            .read_exact_at(vec![0; 9], 0)
            .await
            .expect("all that is there");
        assert_eq!(read, b"CONtent12");
        let pool = proactor.registered_buffers(1, 4096).expect("a pool");
        let buffer = pool.take().expect("the one");
        let (n, buffer) = file.read_fixed_at(buffer, 0).await.expect("a read");
        assert_eq!(&buffer[..n], b"CONtent12");
        file.close().await.expect("a close");
    });
}

#[test]
fn a_file_that_is_opened_into_the_table_never_has_a_descriptor() {
    let Some((proactor, table)) = proactor_with(1) else {
        return;
    };
    let (_folder, path) = temporary();
    proactor.block_on(async {
        let file = table.open(&path, READ).await.expect("a slot");
        assert!(!is_open(&path));
        let (n, _) = file.read_at(vec![0; 64], 0).await.expect("a read");
        assert_eq!(n, 7);
        let full = table.open(&path, READ).await.expect_err("one slot");
        assert_eq!(full, OpError::TableFull);
        file.close().await.expect("a close");
        table.open(&path, READ).await.expect("the slot is free");
    });
}

#[test]
fn a_file_that_finds_no_slot_or_no_table_comes_back_as_it_was() {
    let (_folder, path) = temporary();
    let without = Runner::new().expect("a proactor");
    assert_eq!(without.registered_files().err(), Some(OpError::NoTable));
    without.block_on(async {
        let file = without.open(&path, READ).await.expect("a file");
        let failed = file.register().await.expect_err("there is no table");
        assert_eq!(failed.error, OpError::NoTable);
        assert_eq!(failed.errno().raw(), libc::ENXIO);
        failed.value.read_at(vec![0], 0).await.expect("a read");
    });
    let Some((proactor, _)) = proactor_with(1) else {
        return;
    };
    proactor.block_on(async {
        let first = proactor.open(&path, READ).await.expect("a file");
        let first = first.register().await.expect("the slot");
        let other = proactor.open(&path, READ).await.expect("a file");
        let failed = other.register().await.expect_err("there is one slot");
        assert_eq!(failed.error, OpError::TableFull);
        let (n, _) = failed.value.read_at(vec![0; 9], 0).await.expect("a read");
        assert_eq!(n, 7);
        // The slot is emptied behind what was started, and before what is started next.
        drop(first);
        failed.value.register().await.expect("the slot is free");
    });
}

#[test]
fn a_write_that_is_forgotten_never_lands_in_whatever_gets_its_slot_next() {
    let Some((proactor, table)) = proactor_with(1) else {
        return;
    };
    let (folder, path) = temporary();
    let other = folder.path().join("other");
    proactor.block_on(async {
        let options = OpenOptions::new().write(true).create(true);
        let file = table.open(&path, options).await.expect("a slot");
        // Pushed and not submitted; nobody can wait for it or take it back.
        let mut write = Box::pin(file.write_at(b"written".as_slice(), 0));
        assert!(poll_once(&mut write.as_mut()).is_pending());
        std::mem::forget(write);
        drop(file);
        // All of that in one submission with this, which gets the same slot.
        let other = table.open(&other, options).await.expect("the slot is free");
        other.sync_all().await.expect("a sync");
    });
    assert_eq!(fs::read(&path).expect("the first"), b"written");
    assert_eq!(fs::read(&other).expect("the second"), b"");
}

#[test]
fn a_slot_that_a_link_names_is_not_emptied_before_the_link_has_ended() {
    let Some((proactor, table)) = proactor_with(1) else {
        return;
    };
    let (folder, path) = temporary();
    let other = folder.path().join("other");
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let reader = File::from_fd(&proactor, reader.into());
    proactor.block_on(async {
        let options = OpenOptions::new().write(true).create(true);
        let file = table.open(&path, options).await.expect("a slot");
        let read = reader.read(vec![0_u8]);
        let mut chain = Box::pin(read.link(file.write_at(b"written".as_slice(), 0)));
        assert!(poll_once(&mut chain.as_mut()).is_pending());
        std::mem::forget(chain);
        drop(file);
        proactor.submit_now();
        // The kernel looks the slot up when the read has ended.
        let full = table.open(&other, options).await.expect_err("it is kept");
        assert_eq!(full, OpError::TableFull);
        writer.write_all(&[1]).expect("a byte");
        let other = open_when_free(&proactor, &table, &other, options).await;
        other.sync_all().await.expect("a sync");
    });
    assert_eq!(fs::read(&path).expect("the first"), b"written");
    assert_eq!(fs::read(&other).expect("the second"), b"");
}

#[test]
fn a_slot_that_a_worker_is_asked_for_is_not_emptied_before_that_is_over() {
    let Some((proactor, table)) = proactor_with(1) else {
        return;
    };
    let (folder, path) = temporary();
    let other = folder.path().join("other");
    proactor.block_on(async {
        let options = OpenOptions::new().write(true).create(true);
        for _ in 0..50 {
            let file = table.open(&path, options).await.expect("a slot");
            let mut cut = Box::pin(file.allocate(0, 4096, ring_io_ops::FallocateFlags::empty()));
            assert!(poll_once(&mut cut.as_mut()).is_pending());
            std::mem::forget(cut);
            drop(file);
            drop(open_when_free(&proactor, &table, &other, options).await);
            assert_eq!(fs::metadata(&path).expect("the first").len(), 4096);
            assert_eq!(fs::metadata(&other).expect("the second").len(), 0);
            fs::write(&path, b"").expect("it is cut");
            // Until its slot is free again.
            proactor.sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn a_registration_that_is_dropped_gives_its_slot_back() {
    let Some((proactor, _)) = proactor_with(1) else {
        return;
    };
    let (_folder, path) = temporary();
    proactor.block_on(async {
        for submitted in [false, true] {
            let file = proactor.open(&path, READ).await.expect("a file");
            {
                let mut register = pin!(file.register());
                assert!(poll_once(&mut register).is_pending());
                if submitted {
                    proactor.submit_now();
                }
            }
            let file = proactor.open(&path, READ).await.expect("a file");
            let file = register_when_free(&proactor, file).await;
            file.close().await.expect("a close");
        }
    });
    assert!(!is_open(&path));
}

#[test]
fn an_open_into_the_table_that_is_dropped_gives_its_slot_back() {
    let Some((proactor, table)) = proactor_with(1) else {
        return;
    };
    let (_folder, path) = temporary();
    proactor.block_on(async {
        {
            let mut open = pin!(table.open(&path, READ));
            assert!(poll_once(&mut open).is_pending());
            proactor.submit_now();
        }
        let file = proactor.open(&path, READ).await.expect("a file");
        register_when_free(&proactor, file).await;
    });
}

#[test]
fn a_file_gets_a_descriptor_again_and_its_slot_is_free() {
    let Some((proactor, table)) = proactor_that_gives_back() else {
        return;
    };
    let (_folder, path) = temporary();
    proactor.block_on(async {
        let file = table.open(&path, READ).await.expect("the slot");
        let file = file.unregister().await.expect("a descriptor");
        assert!(is_open(&path));
        assert_eq!(file.metadata().await.expect("a file").len(), 7);
        let _other = table.open(&path, READ).await.expect("the slot is free");
        let mut content = String::new();
        let mut file = file.into_std().expect("a file");
        file.read_to_string(&mut content).expect("a read");
        assert_eq!(content, "content");
    });
}

#[test]
fn a_descriptor_that_nobody_waited_for_is_closed() {
    let Some((proactor, table)) = proactor_that_gives_back() else {
        return;
    };
    let (_folder, path) = temporary();
    proactor.block_on(async {
        let file = table.open(&path, READ).await.expect("the slot");
        {
            let mut unregister = pin!(file.unregister());
            assert!(poll_once(&mut unregister).is_pending());
            proactor.submit_now();
        }
        let file = proactor.open("/dev/null", READ).await.expect("a file");
        register_when_free(&proactor, file).await;
    });
    assert!(!is_open(&path));
}

#[test]
fn a_file_that_outlives_its_proactor_is_closed_all_the_same() {
    let Some((proactor, _)) = proactor_with(2) else {
        return;
    };
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let writer = File::from_fd(&proactor, OwnedFd::from(writer));
    let writer = proactor.block_on(writer.register()).expect("a slot");
    let left = proactor.shutdown(Duration::from_secs(20));
    assert_eq!(left, Ok(()));
    let Err(failed) = smol::block_on(async { writer.write(b"late".as_slice()).await }) else {
        panic!("nothing runs it");
    };
    assert_eq!(failed.error, OpError::Closed);
    drop(writer);
    let mut read = Vec::new();
    reader.read_to_end(&mut read).expect("the pipe's end");
    assert_eq!(read, b"");
}

#[test]
fn a_shutdown_ends_what_is_in_flight_on_slots() {
    let Some((proactor, _)) = proactor_with(64) else {
        return;
    };
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let reader = File::from_fd(&proactor, OwnedFd::from(reader));
    let reader = proactor.block_on(reader.register()).expect("a slot");
    let mut reads: Vec<_> = (0..32)
        .map(|_| Box::pin(reader.read(vec![0; 64])))
        .collect();
    for read in &mut reads {
        assert!(poll_once(&mut read.as_mut()).is_pending());
    }
    proactor.submit_now();
    let left = proactor.shutdown(Duration::from_secs(20));
    assert_eq!(left, Ok(()));
    for read in reads {
        let failed = smol::block_on(read).expect_err("it was cancelled");
        assert_eq!(failed.errno().raw(), libc::ECANCELED);
    }
}

#[test]
fn more_slots_than_the_process_may_open_are_refused_by_the_builder() {
    let Some(_) = proactor_with(1) else { return };
    let Err(error) = Runner::builder().registered_files(u32::MAX).build() else {
        panic!("they are too many");
    };
    assert!(matches!(error, BuildError::Files(_)), "{error}");
    let message = error.to_string();
    assert!(message.contains("registered files"), "{message}");
}

/// A listener in a slot, its address, and a client's connection to it.
async fn listener(proactor: &Runner) -> (TcpListener<Registered<Handle>>, std::net::SocketAddr) {
    let listener = proactor.tcp_listen("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("its address");
    (listener.register().await.expect("a slot"), address)
}

#[test]
fn a_listener_in_a_slot_accepts_into_slots() {
    let Some((proactor, table)) = proactor_with(4) else {
        return;
    };
    proactor.block_on(async {
        let (listener, address) = listener(&proactor).await;
        let client = table.tcp_connect(address).await.expect("a connection");
        let (server, _) = listener.accept().await.expect("a connection");
        client.send_all(b"there".as_slice()).await.expect("a send");
        let (n, there) = server.recv(vec![0; 64]).await.expect("a message");
        assert_eq!((n, there.as_slice()), (5, b"there".as_slice()));

        let pool = table.provided_buffers(4, 64).expect("a pool");
        let mut incoming = client.recv_multi(&pool);
        server.send_all(b"back".as_slice()).await.expect("a send");
        let Some(Ok(Received::Data(back))) = incoming.next().await else {
            panic!("a message");
        };
        assert_eq!(&*back, b"back");
        drop(server);
        assert!(matches!(
            incoming.next().await,
            Some(Ok(Received::End)) | None
        ));
    });
}

#[test]
fn a_listener_loses_the_connection_that_finds_no_slot_and_goes_on() {
    let Some((proactor, _)) = proactor_with(2) else {
        return;
    };
    proactor.block_on(async {
        let (listener, address) = listener(&proactor).await;
        let mut incoming = listener.accept_multi();
        let _first = StdTcpStream::connect(address).expect("a connection");
        let taken = incoming.next().await.expect("it goes on").expect("a slot");
        let mut second = StdTcpStream::connect(address).expect("a connection");
        let full = incoming
            .next()
            .await
            .expect("it goes on")
            .expect_err("full");
        assert_eq!(full, OpError::TableFull);
        assert_eq!(second.read(&mut [0]).unwrap_or(0), 0, "it is closed");
        drop(taken);
        let mut third = StdTcpStream::connect(address).expect("a connection");
        let there = loop {
            match incoming.next().await.expect("it goes on") {
                Ok(there) => break there,
                Err(error) => {
                    assert_eq!(error, OpError::TableFull);
                    third = StdTcpStream::connect(address).expect("a connection");
                }
            }
        };
        there.send_all(vec![7_u8]).await.expect("a send");
        let mut byte = [0];
        third.read_exact(&mut byte).expect("a byte");
        assert_eq!(byte, [7]);
    });
}

#[test]
fn connections_that_nobody_took_give_their_slots_back() {
    let Some((proactor, _)) = proactor_with(2) else {
        return;
    };
    proactor.block_on(async {
        let (listener, address) = listener(&proactor).await;
        {
            let mut incoming = listener.accept_multi();
            let mut next = pin!(incoming.next());
            assert!(poll_once(&mut next).is_pending());
            proactor.submit_now();
            let reaped = proactor.counters().reaped;
            let _client = StdTcpStream::connect(address).expect("a connection");
            // Until it is accepted, and nobody has taken it.
            while proactor.counters().reaped == reaped {
                proactor.sleep(Duration::from_millis(1)).await;
            }
        }
        let file = proactor.open("/dev/null", READ).await.expect("a file");
        register_when_free(&proactor, file).await;
    });
}

#[test]
fn a_connect_that_fails_or_is_dropped_gives_its_slot_back() {
    let Some((proactor, table)) = proactor_with(1) else {
        return;
    };
    proactor.block_on(async {
        let nobody = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
            listener.local_addr().expect("its address")
        };
        let refused = table.tcp_connect(nobody).await.expect_err("nobody listens");
        assert_eq!(refused.errno().raw(), libc::ECONNREFUSED);
        let file = proactor.open("/dev/null", READ).await.expect("a file");
        let file = register_when_free(&proactor, file).await;
        drop(file);

        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        {
            let mut connect = pin!(table.tcp_connect(address));
            poll_fn(|context| {
                let _ = connect.as_mut().poll(context);
                Poll::Ready(())
            })
            .await;
            proactor.submit_now();
        }
        let file = proactor.open("/dev/null", READ).await.expect("a file");
        register_when_free(&proactor, file).await;
    });
}

#[test]
fn a_ring_is_not_registered_and_comes_back() {
    let Some((proactor, _)) = proactor_with(1) else {
        return;
    };
    let ring = ring_io_ops::ring::Ring::new(1).expect("a ring");
    // SAFETY: the ring's own descriptor is duplicated while it is open.
    let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(ring.as_raw_fd()) };
    let file = File::from_fd(&proactor, fd.try_clone_to_owned().expect("a duplicate"));
    let failed = proactor.block_on(file.register()).expect_err("a ring");
    assert_eq!(failed.errno().raw(), libc::EBADF);
}
