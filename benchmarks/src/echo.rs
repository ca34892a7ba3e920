//! Servers that send back what comes: one per library, for the rows and for the trials.
//!
//! Each serves on the thread that runs its body, and only within it. Who asks is another process, or another thread:
//! [`load`](crate::load).

use std::future::{Future, poll_fn};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use ring_io_ops::proactor::net;
use ring_io_ops::proactor::{Batching, Counters, LocalPool, LocalProactor, OpError, Sockets as _};

use crate::row::{Body, Done, Prepared, Skip};

/// The least that a server reads at once.
const BUFFER_LEN: u32 = 4096;

/// What the policy that gathers gathers: so many messages, for so many microseconds at most. C waits for as many
/// completions.
pub const GATHER: u32 = 16;
pub const GATHER_US: u32 = 20;

/// Where a server listens. Its answers go at once, as those who ask expect of a server: the connections have that from
/// here.
pub fn listen() -> Result<(TcpListener, SocketAddr), Skip> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(Skip::because)?;
    let yes: i32 = 1;
    // SAFETY: the number is read during the call, and of that size.
    let set = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NODELAY,
            (&raw const yes).cast(),
            size_of_val(&yes) as u32,
        )
    };
    assert_eq!(set, 0, "TCP takes it");
    let address = listener.local_addr().map_err(Skip::because)?;
    Ok((listener, address))
}

/// Makes a server for that many connections. Its iterations are messages.
pub type Server = fn(TcpListener, u32) -> Prepared;

/// By the names that the rows have for them.
pub const SERVERS: &[(&str, Server)] = &[
    ("C", |listener, connections| {
        c::serve(listener, connections, 1, 0)
    }),
    ("C, gathering", |listener, connections| {
        c::serve(listener, connections, GATHER, GATHER_US)
    }),
    ("ring-io", |listener, connections| {
        Ok(RingIo::new(listener, connections, Batching::default())?.into_body())
    }),
    ("ring-io, gathering", |listener, connections| {
        Ok(RingIo::new(listener, connections, gathering())?.into_body())
    }),
    #[cfg(feature = "peers")]
    ("tokio", peers::tokio),
    #[cfg(feature = "peers")]
    ("monoio", peers::monoio),
];

/// The variants of a row about them: each server, by what prepares it for a point.
macro_rules! servers {
    ($prepare:path) => {
        $crate::echo::servers!($prepare, "C", "C, gathering", "ring-io", "ring-io, gathering"; "tokio", "monoio")
    };
    ($prepare:path, $($ours:literal),*; $($peer:literal),*) => {
        &[
            $($crate::row::Variant { name: $ours, prepare: |point| $prepare($ours, point) },)*
            $(
                #[cfg(feature = "peers")]
                $crate::row::Variant { name: $peer, prepare: |point| $prepare($peer, point) },
            )*
        ]
    };
}
pub(crate) use servers;

/// The server of that name.
pub fn server(name: &str) -> Server {
    SERVERS
        .iter()
        .find(|(known, _)| *known == name)
        .unwrap_or_else(|| panic!("no server is called {name}"))
        .1
}

pub fn gathering() -> Batching {
    Batching::default().gather(GATHER, Duration::from_micros(GATHER_US.into()))
}

/// A buffer for every connection, some that are on their way back, and room for who asks faster than is answered.
fn buffers(connections: u32) -> u16 {
    (connections + connections / 2)
        .next_power_of_two()
        .max(1024) as u16
}

/// How many messages were sent back, and who waits for them.
#[derive(Default)]
struct Tally {
    // Relaxed, all of them: one thread counts and waits.
    done: AtomicU64,
    awaited: AtomicU64,
    waker: Mutex<Option<Waker>>,
}

impl Tally {
    #[inline(always)]
    fn add(&self) {
        // No read-modify-write: nobody else adds, and C's server pays for none.
        let done = self.done.load(Relaxed) + 1;
        self.done.store(done, Relaxed);
        if done == self.awaited.load(Relaxed) {
            let waker = self.waker.lock().expect("nobody panics with it").take();
            waker.into_iter().for_each(Waker::wake);
        }
    }

    fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    fn more(&self, messages: u64) -> impl Future<Output = ()> {
        let awaited = self.done() + messages;
        self.awaited.store(awaited, Relaxed);
        poll_fn(move |context| {
            *self.waker.lock().expect("nobody panics with it") = Some(context.waker().clone());
            if self.done() >= awaited {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
    }
}

/// The server of this library.
pub struct RingIo {
    proactor: LocalProactor,
    tally: Arc<Tally>,
}

impl RingIo {
    pub fn new(listener: TcpListener, connections: u32, batching: Batching) -> Result<Self, Skip> {
        // A receive and a send for each connection, and those that are accepted meanwhile.
        let proactor = LocalProactor::builder()
            .in_flight(2 * connections + 64)
            .batching(batching)
            .build()
            .map_err(Skip::because)?;
        let pool = proactor
            .provided_buffers(buffers(connections), BUFFER_LEN)
            .map_err(Skip::because)?;
        let listener = net::TcpListener::from_std(&*proactor, listener).map_err(Skip::because)?;
        let tally = Arc::new(Tally::default());
        let (handle, counted) = ((*proactor).clone(), Arc::clone(&tally));
        drop(proactor.spawn(async move {
            let mut incoming = listener.accept_multi();
            while let Some(connection) = incoming.next().await {
                let connection = connection.expect("a connection");
                // It ends when the other side does.
                drop(handle.spawn(echo(connection, pool.clone(), Arc::clone(&counted))));
            }
        }));
        Ok(Self { proactor, tally })
    }

    pub fn run(&self, messages: u64) -> u64 {
        let before = self.tally.done();
        self.proactor.block_on(self.tally.more(messages));
        self.tally.done() - before
    }

    pub fn counters(&self) -> Counters {
        self.proactor.counters()
    }

    fn into_body(self) -> Body {
        Box::new(move |messages| Done::of(self.run(messages)))
    }
}

async fn echo(
    connection: net::TcpStream<ring_io_ops::proactor::LocalHandle>,
    pool: LocalPool,
    tally: Arc<Tally>,
) -> Result<(), OpError> {
    let mut incoming = connection.recv_multi(&pool);
    let mut outgoing = connection.outgoing();
    while let Some(buffer) = incoming.data().await? {
        outgoing.feed(buffer).await.map_err(|failed| failed.error)?;
        tally.add();
    }
    Ok(())
}

pub mod c {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd as _;

    use ring_io_sys as sys;

    use super::buffers;
    use crate::c::Ring;
    use crate::row::{Done, Prepared};

    /// `struct c_echo`, which only C looks into.
    #[repr(C)]
    struct Echo([u8; 0]);

    unsafe extern "C" {
        fn c_echo(
            ring: *mut sys::io_uring,
            listener: i32,
            buffer_count: u32,
            wait_for: u32,
            min_wait_us: u32,
        ) -> *mut Echo;
        fn c_echo_run(echo: *mut Echo, messages: u64) -> u64;
        fn c_echo_calls(echo: *const Echo) -> u64;
    }

    /// The server in C.
    pub struct Server {
        ring: Ring,
        _listener: TcpListener,
        echo: *mut Echo,
    }

    impl Server {
        /// With the ring that the proactor makes for itself.
        pub fn new(
            listener: TcpListener,
            connections: u32,
            wait_for: u32,
            min_wait_us: u32,
        ) -> Self {
            let flags = sys::IORING_SETUP_SINGLE_ISSUER
                | sys::IORING_SETUP_DEFER_TASKRUN
                | sys::IORING_SETUP_NO_SQARRAY;
            let entries = (2 * connections + 64).next_power_of_two();
            let ring = Ring::new(entries.min(16_384), flags, true);
            // SAFETY: the ring and the listener live as long as this value, and C keeps what it allocates.
            let echo = unsafe {
                c_echo(
                    ring.as_ptr(),
                    listener.as_raw_fd(),
                    buffers(connections).into(),
                    wait_for,
                    min_wait_us,
                )
            };
            Self {
                ring,
                _listener: listener,
                echo,
            }
        }

        pub fn run(&self, messages: u64) -> u64 {
            let _alive = &self.ring;
            // SAFETY: as above.
            unsafe { c_echo_run(self.echo, messages) }
        }

        /// How many system calls it has made that submitted or waited.
        pub fn calls(&self) -> u64 {
            // SAFETY: as above.
            unsafe { c_echo_calls(self.echo) }
        }
    }

    pub fn serve(
        listener: TcpListener,
        connections: u32,
        wait_for: u32,
        min_wait_us: u32,
    ) -> Prepared {
        let server = Server::new(listener, connections, wait_for, min_wait_us);
        Ok(Box::new(move |messages| Done::of(server.run(messages))))
    }
}

#[cfg(feature = "peers")]
mod peers {
    use std::net::TcpListener;
    use std::sync::Arc;

    use super::{BUFFER_LEN, Tally};
    use crate::row::{Done, Prepared, Skip};

    pub fn tokio(listener: TcpListener, _: u32) -> Prepared {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        listener.set_nonblocking(true).map_err(Skip::because)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(Skip::because)?;
        let tally = Arc::new(Tally::default());
        let counted = Arc::clone(&tally);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            loop {
                let (mut connection, _) = listener.accept().await.expect("a connection");
                let tally = Arc::clone(&counted);
                tokio::spawn(async move {
                    let mut buffer = vec![0; BUFFER_LEN as usize];
                    while let Ok(count @ 1..) = connection.read(&mut buffer).await {
                        if connection.write_all(&buffer[..count]).await.is_err() {
                            break;
                        }
                        tally.add();
                    }
                });
            }
        });
        Ok(Box::new(move |messages| {
            let before = tally.done();
            runtime.block_on(tally.more(messages));
            Done::of(tally.done() - before)
        }))
    }

    pub fn monoio(listener: TcpListener, connections: u32) -> Prepared {
        let mut runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new()
            .with_entries((2 * connections + 64).next_power_of_two().min(16_384))
            .build()
            .map_err(Skip::because)?;
        let tally = Arc::new(Tally::default());
        let counted = Arc::clone(&tally);
        let mut listener = Some(listener);
        Ok(Box::new(move |messages| {
            let before = tally.done();
            runtime.block_on(async {
                if let Some(listener) = listener.take() {
                    let counted = Arc::clone(&counted);
                    monoio::spawn(async move {
                        let listener =
                            monoio::net::TcpListener::from_std(listener).expect("a listener");
                        loop {
                            let (connection, _) = listener.accept().await.expect("a connection");
                            monoio::spawn(echo(connection, Arc::clone(&counted)));
                        }
                    });
                }
                tally.more(messages).await;
            });
            Done::of(tally.done() - before)
        }))
    }

    async fn echo(mut connection: monoio::net::TcpStream, tally: Arc<Tally>) {
        use monoio::io::{AsyncReadRent as _, AsyncWriteRentExt as _};

        let mut buffer = Vec::with_capacity(BUFFER_LEN as usize);
        loop {
            let (count, filled) = connection.read(buffer).await;
            if !matches!(count, Ok(1..)) {
                return;
            }
            let (sent, back) = connection.write_all(filled).await;
            if sent.is_err() {
                return;
            }
            tally.add();
            buffer = back;
        }
    }
}
