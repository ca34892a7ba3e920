//! Those who ask an echo server: as fast as it answers, or at a fixed rate.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ring_io::{Ring, SubmissionQueue};
use ring_io_ops::{Operation as _, Recv, Send, Target};

use crate::row::Skip;

/// The processor of whoever runs in another process.
pub const PROCESSOR: usize = 0;

/// Bytes in a message.
pub const MESSAGE: usize = 64;

/// This program once more, in a role of its own; killed with the value.
pub struct Helper(Child);

impl Helper {
    /// Asks `address` over so many connections until it is killed, or for so many messages on each.
    pub fn load(address: SocketAddr, connections: u32, messages: u64) -> Result<Self, Skip> {
        let words = [
            "load".to_owned(),
            address.to_string(),
            connections.to_string(),
            messages.to_string(),
        ];
        Self::start(&words, Stdio::inherit()).map_err(Skip::because)
    }

    /// Serves so many connections, with the server of that name; and where.
    pub fn serve(server: &str, connections: u32) -> Result<(Self, SocketAddr), Skip> {
        let words = [
            "serve".to_owned(),
            connections.to_string(),
            server.to_owned(),
        ];
        let serve = || {
            let mut helper = Self::start(&words, Stdio::piped())?;
            let mut line = String::new();
            let output = helper.0.stdout.take().expect("it is a pipe");
            BufReader::new(output).read_line(&mut line)?;
            let address = line.trim().parse();
            Ok((helper, address.map_err(|_| io::Error::other(line))?))
        };
        serve().map_err(|error: io::Error| Skip::because(format!("no server: {error}")))
    }

    fn start(words: &[String], output: Stdio) -> io::Result<Self> {
        let own = std::env::current_exe()?;
        let child = Command::new(own).args(words).stdout(output).spawn()?;
        Ok(Self(child))
    }

    /// Waits until it has ended well.
    pub fn join(mut self) {
        let status = self.0.wait().expect("our own child");
        assert!(status.success(), "the other side fails: {status}");
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // One that has ended is no child any more.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ends with whoever has started this process.
pub fn end_with_parent() {
    // SAFETY: plain numbers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Lets the process have as many descriptors as it may.
pub fn many_descriptors() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the structure is filled, changed, and read.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
}

/// One side of a connection, with one message in flight.
struct Asking {
    stream: TcpStream,
    question: [u8; MESSAGE],
    answer: [u8; MESSAGE],
    asked: u64,
}

impl Asking {
    /// Pushes the next message, which is unlike all others, and the receive of its answer.
    fn ask(&mut self, nth: usize, sq: &mut SubmissionQueue<'_>) {
        self.asked += 1;
        self.question[..8].copy_from_slice(&self.asked.to_le_bytes());
        self.question[8..16].copy_from_slice(&nth.to_le_bytes());
        let target = Target::of(&self.stream);
        let send = Send::new(target, self.question.as_ptr(), MESSAGE as u32);
        let recv = Recv::new(target, self.answer.as_mut_ptr(), MESSAGE as u32);
        // SAFETY: the connections outlive the ring's loop, stay where they are, and each has one message in flight.
        unsafe {
            sq.push(send.user_data(nth as u64 * 2)).expect("room");
            sq.push(recv.user_data(nth as u64 * 2 + 1)).expect("room");
        }
    }

    fn check(&self) {
        assert_eq!(self.answer, self.question, "the answer is the question");
    }
}

/// Asks over so many connections at once, and so often over each. Every answer is compared with its question.
pub fn closed(address: SocketAddr, connections: u32, messages: u64) {
    const ENTRIES: u32 = 1024;
    let mut all: Box<[Asking]> = (0..connections)
        .map(|_| Asking {
            stream: TcpStream::connect(address).expect("a connection"),
            question: [0; MESSAGE],
            answer: [0; MESSAGE],
            asked: 0,
        })
        .collect();
    let mut ring = Ring::builder(ENTRIES)
        .cq_entries((4 * connections).next_power_of_two().max(2 * ENTRIES))
        .build()
        .expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    let mut pushed = 0;
    let mut make_room = |sq: &mut SubmissionQueue<'_>| {
        pushed += 2;
        if pushed % u64::from(ENTRIES) == 0 {
            sq.submit().expect("a submit");
        }
    };
    for (nth, asking) in all.iter_mut().enumerate() {
        asking.ask(nth, &mut sq);
        make_room(&mut sq);
    }
    let mut live = connections;
    while live > 0 {
        sq.submit_and_wait(1).expect("a submit");
        for cqe in cq.drain() {
            assert_eq!(cqe.raw_result(), MESSAGE as i32, "a whole message");
            let (nth, is_answer) = (cqe.user_data() / 2, cqe.user_data() % 2 == 1);
            if !is_answer {
                continue;
            }
            let asking = &mut all[nth as usize];
            asking.check();
            if asking.asked == messages {
                live -= 1;
            } else {
                asking.ask(nth as usize, &mut sq);
                make_room(&mut sq);
            }
        }
    }
}

/// Connections that ask at a fixed rate, whether or not the answers keep up.
pub struct Paced {
    streams: Vec<TcpStream>,
    epoll: i32,
}

impl Paced {
    pub fn connect(address: SocketAddr, connections: u32) -> io::Result<Self> {
        // SAFETY: a plain number.
        let epoll = unsafe { libc::epoll_create1(0) };
        let mut streams = Vec::new();
        for nth in 0..connections {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut event = libc::epoll_event {
                events: libc::EPOLLIN as u32,
                u64: u64::from(nth),
            };
            // SAFETY: the event is read during the call.
            let added = unsafe {
                libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, stream.as_raw_fd(), &mut event)
            };
            assert_eq!(added, 0, "epoll takes a socket");
            streams.push(stream);
        }
        Ok(Self { streams, epoll })
    }

    /// Asks so often, over all connections at once and over each as fast as it is answered. Answers how long a message
    /// took on average: this side and the server are no faster together. At least one for each connection.
    pub fn rush(&mut self, messages: u64) -> Duration {
        let (mut left, mut unasked) = (messages, messages);
        let start = Instant::now();
        for nth in 0..self.streams.len() {
            self.send(nth);
            unasked -= 1;
        }
        let mut partial = vec![0; self.streams.len()];
        while left > 0 {
            self.receive(-1, |this, nth, read| {
                partial[nth] += read;
                if partial[nth] < MESSAGE {
                    return;
                }
                partial[nth] -= MESSAGE;
                left -= 1;
                if unasked > 0 {
                    unasked -= 1;
                    this.send(nth);
                }
            });
        }
        start.elapsed() / messages as u32
    }

    /// Asks so often, when the last one was answered, over one connection after the other. Answers how long each took.
    pub fn one_by_one(&mut self, messages: u64) -> Vec<Duration> {
        let mut taken = Vec::with_capacity(messages as usize);
        for message in 0..messages {
            let start = Instant::now();
            self.send((message % self.streams.len() as u64) as usize);
            let mut missing = MESSAGE;
            while missing > 0 {
                // Looks without sleeping: a sleep of this side is not what is asked about.
                self.receive(0, |_, _, read| missing -= read);
            }
            taken.push(start.elapsed());
        }
        taken
    }

    fn send(&mut self, nth: usize) {
        let written = self.streams[nth].write(&[0; MESSAGE]);
        assert_eq!(written.expect("a write"), MESSAGE, "room for a message");
    }

    /// Reads from every connection that has something, and tells how much of which; waits for so many milliseconds.
    fn receive(&mut self, timeout: i32, mut each: impl FnMut(&mut Self, usize, usize)) {
        let mut bytes = [0; 4096];
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
        // SAFETY: the events are valid for so many.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll,
                events.as_mut_ptr(),
                events.len() as i32,
                timeout,
            )
        };
        for event in &events[..count.max(0) as usize] {
            let nth = event.u64 as usize;
            let read = self.streams[nth].read(&mut bytes).expect("a read");
            assert_ne!(read, 0, "the server stays");
            each(self, nth, read);
        }
    }

    /// Asks so often, once every `interval`, over one connection after the other. Answers how long each answer took,
    /// from the moment the question was due.
    pub fn ask(&mut self, messages: u64, interval: Duration) -> Vec<Duration> {
        let connections = self.streams.len();
        let mut due_of: Vec<VecDeque<Duration>> = vec![VecDeque::new(); connections];
        let mut partial = vec![0; connections];
        let mut taken = Vec::with_capacity(messages as usize);
        let (mut asked, mut due) = (0, Duration::ZERO);
        let start = Instant::now();
        while (taken.len() as u64) < messages {
            while asked < messages && due <= start.elapsed() {
                let nth = (asked % connections as u64) as usize;
                self.send(nth);
                due_of[nth].push_back(due);
                asked += 1;
                due += interval;
            }
            self.receive(0, |_, nth, read| {
                let now = start.elapsed();
                partial[nth] += read;
                while partial[nth] >= MESSAGE {
                    partial[nth] -= MESSAGE;
                    let due = due_of[nth].pop_front().expect("an answer to a question");
                    taken.push(now.saturating_sub(due));
                }
            });
        }
        taken
    }
}

impl Drop for Paced {
    fn drop(&mut self) {
        // SAFETY: our own descriptor, used no more.
        unsafe { libc::close(self.epoll) };
    }
}
