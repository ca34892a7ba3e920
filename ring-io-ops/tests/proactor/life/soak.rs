//! Futures dropped at random, and everything back at the start. `RING_IO_SOAK` says how many; 20,000 by default.

use std::collections::VecDeque;
use std::io::{PipeWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use ring_io_ops::proactor::{LocalProactor, Multishot, Op, Timeout};

use super::{Accepts, AcceptsMany, Live, Reads, Sends, alive, listener, pipe, poll};

/// As random as is needed, and the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n) as usize
    }
}

enum Running<'p> {
    Read(Op<'p, Reads>),
    Late(Timeout<Op<'p, Reads>>),
    Accept(Op<'p, Accepts>),
    Accepts(Multishot<'p, AcceptsMany>),
    Send(Multishot<'p, Sends>),
}

impl Running<'_> {
    fn is_over(&mut self) -> bool {
        match self {
            Self::Read(op) => poll(op).is_ready(),
            Self::Late(op) => poll(op).is_ready(),
            Self::Accept(op) => poll(op).is_ready(),
            Self::Accepts(op) => matches!(poll(&mut Box::pin(op.next())), Poll::Ready(None)),
            Self::Send(op) => matches!(poll(&mut Box::pin(op.next())), Poll::Ready(None)),
        }
    }

    fn cancel(&mut self) {
        match self {
            Self::Read(op) => op.cancel(),
            Self::Accept(op) => op.cancel(),
            Self::Accepts(op) => op.cancel(),
            Self::Send(op) => op.cancel(),
            Self::Late(_) => {}
        }
    }
}

/// How many sockets have this path: those of the test, whatever other tests do meanwhile.
fn open_sockets(path: &Path) -> usize {
    let path = path.to_str().expect("a path");
    std::fs::read_to_string("/proc/self/net/unix")
        .expect("the list of sockets")
        .lines()
        .filter(|line| line.ends_with(path))
        .count()
}

/// What the futures read from, and who writes to it.
struct World {
    file: Rc<OwnedFd>,
    reader: Rc<OwnedFd>,
    writer: PipeWriter,
    listener: Rc<OwnedFd>,
    path: PathBuf,
    clients: VecDeque<UnixStream>,
    ours: Rc<OwnedFd>,
    theirs: TcpStream,
    live: Live,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&[7; 4096]).expect("its bytes");
        let (reader, writer) = pipe();
        let (folder, path, listener) = listener();
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let ours = TcpStream::connect(tcp.local_addr().expect("an address")).expect("a stream");
        let (theirs, _) = tcp.accept().expect("the other end");
        theirs.set_nonblocking(true).expect("not to wait");
        Self {
            file: Rc::new(file.into()),
            reader,
            writer,
            listener,
            path,
            clients: VecDeque::new(),
            ours: Rc::new(ours.into()),
            theirs,
            live: Live::default(),
            _folder: folder,
        }
    }

    fn start<'p>(&self, dice: &mut Dice, proactor: &'p LocalProactor) -> Running<'p> {
        let offset = dice.below(4096) as u64;
        match dice.below(12) {
            0..=4 => Running::Read(proactor.start(Reads::at(&self.file, offset, &self.live))),
            5 | 6 => Running::Read(proactor.start(Reads::next(&self.reader, &self.live))),
            7 => Running::Late(
                proactor
                    .start(Reads::next(&self.reader, &self.live))
                    .timeout(Duration::from_micros(offset % 50)),
            ),
            8 => Running::Accept(proactor.start(Accepts(Rc::clone(&self.listener)))),
            9 => Running::Accepts(
                proactor
                    .start_multishot(AcceptsMany(Rc::clone(&self.listener)))
                    .unread_max(2),
            ),
            _ => Running::Send(proactor.start_multishot(Sends {
                to: Rc::clone(&self.ours),
                buffer: super::Buffer::new(100, &self.live),
            })),
        }
    }

    fn goes_on(&mut self, dice: &mut Dice, proactor: &LocalProactor) {
        self.writer.write_all(&[0; 64]).expect("bytes");
        if dice.below(8) == 0 {
            self.clients
                .push_back(UnixStream::connect(&self.path).expect("a connection"));
        }
        if self.clients.len() > 20 {
            self.clients.pop_front();
        }
        // Neither what was sent nor what was written and nobody read may pile up.
        let mut sink = vec![0; 65536];
        while matches!(self.theirs.read(&mut sink), Ok(n) if n > 0) {}
        let read = proactor.start(Reads::next(&self.reader, &self.live));
        let _ = proactor.block_on(read.timeout(Duration::from_millis(1)));
        // Connections that nobody took would fill the listener.
        let accept = proactor.start(Accepts(Rc::clone(&self.listener)));
        let _ = proactor.block_on(accept.timeout(Duration::ZERO));
    }
}

#[test]
fn futures_dropped_at_random_leave_nothing_behind() {
    let futures: u64 = std::env::var("RING_IO_SOAK")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(20_000);
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut world = World::new();
    let proactor = LocalProactor::builder()
        .in_flight(24)
        .build()
        .expect("a proactor");
    let handle = (*proactor).clone();
    let mut running = Vec::new();
    let mut started = 0;
    while started < futures {
        let nth = dice.below(running.len().max(1) as u64);
        match dice.below(16) {
            0..=5 => {
                started += 1;
                running.push(world.start(&mut dice, &proactor));
            }
            6..=10 if !running.is_empty() => {
                if running[nth].is_over() {
                    running.swap_remove(nth);
                }
            }
            11 | 12 if !running.is_empty() => drop(running.swap_remove(nth)),
            13 if !running.is_empty() => running[nth].cancel(),
            14 => world.goes_on(&mut dice, &proactor),
            _ => proactor.park(Some(Duration::ZERO)),
        }
        if running.len() > 64 {
            drop(running.swap_remove(nth));
        }
    }
    drop(running);
    let counters = proactor.counters();
    assert!(counters.orphans > 0 && counters.cancels > 0 && counters.credit_waits > 0);
    while proactor.in_flight() > 0 {
        proactor.park(Some(Duration::from_secs(5)));
    }
    assert_eq!(alive(&world.live), 0, "buffers");
    assert_eq!(proactor.shutdown(Duration::from_secs(5)), Ok(()));
    assert_eq!(handle.in_flight(), 0, "credit");
    // Connections that nobody took wait in the listener, and go with it.
    drop((world.clients, world.listener));
    assert_eq!(open_sockets(&world.path), 0, "sockets");
    println!("{futures} futures: {counters:?}");
}
