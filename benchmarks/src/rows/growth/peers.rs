//! The same by the crates whose interface is a ring: the two have one family of names, and so one macro is for both.

/// A module with what the rows ask of that crate. Its completions tell their numbers by `$user_data` and `$result`.
macro_rules! peer {
    ($name:ident, $user_data:ident, $result:ident) => {
        pub mod $name {
            use std::hint::black_box;
            use std::os::fd::AsRawFd as _;

            use ::$name::{IoUring, opcode, types};

            use crate::row::{Body, Done, Prepared, Skip};
            use crate::rows::growth::{
                BATCH, ENTRIES, empty_files, never_readable, step, threads, with,
            };

            pub fn in_flight(count: u32) -> Prepared {
                let mut ring: IoUring = IoUring::new(ENTRIES).map_err(Skip::because)?;
                let file = never_readable()?;
                let poll = opcode::PollAdd::new(types::Fd(file.as_raw_fd()), libc::POLLIN as u32);
                let poll = poll.build();
                for _ in 0..count {
                    // SAFETY: it lends nothing; the file outlives the ring.
                    if unsafe { ring.submission().push(&poll) }.is_err() {
                        ring.submit().map_err(Skip::because)?;
                        // SAFETY: as above.
                        unsafe { ring.submission().push(&poll) }.expect("room after a submit");
                    }
                }
                ring.submit().map_err(Skip::because)?;
                Ok(with(file, nops(ring, BATCH)))
            }

            pub fn descriptors(count: u32) -> Prepared {
                let files = empty_files(count)?;
                let mut ring: IoUring = IoUring::new(ENTRIES).map_err(Skip::because)?;
                let numbers: Vec<i32> = files.iter().map(|file| file.as_raw_fd()).collect();
                ring.submitter()
                    .register_files(&numbers)
                    .map_err(Skip::because)?;
                Ok(Box::new(move |iterations| {
                    read_files(&mut ring, count, iterations);
                    Done::of(iterations * u64::from(BATCH))
                }))
            }

            pub fn ring_size(entries: u32) -> Prepared {
                let ring = IoUring::new(entries).map_err(Skip::because)?;
                Ok(nops(ring, 2))
            }

            pub fn on_threads(count: u32) -> Prepared {
                Ok(threads(count, || {
                    nops(IoUring::new(ENTRIES).expect("a ring"), BATCH)
                }))
            }

            /// For a ring that is no smaller than the batch.
            fn nops(mut ring: IoUring, batch: u32) -> Body {
                Box::new(move |iterations| {
                    black_box(push_nops(&mut ring, batch, iterations));
                    Done::of(iterations * u64::from(batch))
                })
            }

            #[inline(never)]
            fn push_nops(ring: &mut IoUring, batch: u32, iterations: u64) -> u64 {
                let (submitter, mut sq, mut cq) = ring.split();
                let mut sum = 0;
                for _ in 0..iterations {
                    for i in 0..batch {
                        let entry = opcode::Nop::new().build().user_data(u64::from(i));
                        // SAFETY: it asks for nothing.
                        unsafe { sq.push(&entry) }.expect("room");
                    }
                    sq.sync();
                    let count = submitter.submit_and_wait(batch as usize).expect("a submit");
                    assert!(count == batch as usize);
                    cq.sync();
                    let mut seen = 0;
                    for cqe in &mut cq {
                        sum += cqe.$user_data();
                        seen += 1;
                    }
                    assert!(seen == batch);
                    // The queue learns what the kernel took.
                    sq.sync();
                }
                sum
            }

            #[inline(never)]
            fn read_files(ring: &mut IoUring, files: u32, iterations: u64) {
                let mut buffer = [0u8; 8];
                let (step, mut file) = (step(files), 0);
                let (submitter, mut sq, mut cq) = ring.split();
                for _ in 0..iterations {
                    for _ in 0..BATCH {
                        file += step;
                        while file >= files {
                            file -= files;
                        }
                        let read = opcode::Read::new(types::Fixed(file), buffer.as_mut_ptr(), 8);
                        // SAFETY: the buffer is there until the reads have completed, below.
                        unsafe { sq.push(&read.build()) }.expect("room");
                    }
                    sq.sync();
                    let count = submitter.submit_and_wait(BATCH as usize).expect("a submit");
                    assert_eq!(count, BATCH as usize);
                    cq.sync();
                    let mut seen = 0;
                    for cqe in &mut cq {
                        assert_eq!(cqe.$result(), 0, "the end of the file");
                        seen += 1;
                    }
                    assert_eq!(seen, BATCH);
                    sq.sync();
                }
            }
        }
    };
}

peer!(io_uring, user_data, result);
peer!(rustix_uring, user_data_u64, raw_result);
