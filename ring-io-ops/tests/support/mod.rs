//! What the tests on the real kernel share.

#[path = "../../../ring-io/tests/support/skip.rs"]
mod skip;

mod outcomes;

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::time::Duration;

use ring_io_ops::ring::{self, Cqe, Errno, Prepare, Ring, Sqe, Wait};
use ring_io_ops::{Fd, Fixed, Operation, Target};

pub(crate) use outcomes::{LOG as OUTCOME_LOG, note};
pub(crate) use skip::skip;

/// A number that no process has open: it lies beyond every limit.
pub(crate) const CLOSED: Target = Fd(i32::MAX);

/// An address that no process has mapped.
pub(crate) const UNMAPPED: usize = 8;

/// After so long a completion is not late but lost, and the test fails instead of hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A ring for tests of the operation `O`, or a skip that has been noted.
pub(crate) fn ring_for<O: Operation>() -> Option<Ring> {
    match ring::capabilities() {
        Err(why) => skip(why),
        Ok(kernel) if !kernel.supports(O::OPCODE) => {
            skip(format_args!("this kernel has no operation {}", O::OPCODE));
        }
        Ok(_) => return Some(Ring::new(16).expect("a ring could be made before")),
    }
    None
}

/// Pushes requests together, submits them, and waits until `count` completions are there.
///
/// It can be called without `unsafe` for the tests' legibility, and for no other reason: the
/// operands are locals of the test, and outlive its ring's last completion.
pub(crate) fn run_all(ring: &mut Ring, requests: &[Sqe], count: usize) -> Vec<Cqe> {
    let (mut sq, mut cq, _) = ring.split();
    for request in requests {
        // SAFETY: see above.
        unsafe { sq.push(request) }.expect("a test's requests fit the queue");
        outcomes::pushed(request);
    }
    let submitted = sq.submit().expect("the kernel takes entries");
    assert_eq!(submitted.left(), 0);
    let waited = cq.wait_with(&Wait::for_n(count as u32).timeout(PATIENCE));
    assert!(
        waited.expect("waiting works").is_enough(),
        "{count} completions were due and did not come"
    );
    let cqes = cq.drain().inspect(outcomes::completed).collect::<Vec<_>>();
    assert_eq!(cqes.len(), count, "more completions than were due");
    cqes
}

/// Runs one request to its only completion.
pub(crate) fn run(ring: &mut Ring, request: impl Prepare<Sqe>) -> Cqe {
    run_all(ring, &[request.prepare()], 1)[0]
}

/// Pushes and submits a request that is not going to complete by itself.
pub(crate) fn start(ring: &mut Ring, request: impl Prepare<Sqe>) {
    assert_eq!(run_all(ring, &[request.prepare()], 0), []);
}

/// Runs the test once with the file's descriptor and once with a slot of registered files.
pub(crate) fn with_both_targets(
    ring: &mut Ring,
    file: &File,
    mut test: impl FnMut(&mut Ring, Target),
) {
    test(ring, Target::of(file));
    ring.registrar()
        .register_files(&[file])
        .expect("files can be registered");
    test(ring, Fixed(0));
    ring.registrar()
        .unregister_files()
        .expect("files are registered");
}

/// The one completion that carries this user data.
pub(crate) fn of(cqes: &[Cqe], user_data: u64) -> Cqe {
    let mut found = cqes.iter().filter(|cqe| cqe.user_data() == user_data);
    let cqe = found.next().expect("a completion with this user data");
    assert_eq!(found.next(), None, "two completions with one user data");
    *cqe
}

/// An error number as the result of a decoded completion.
pub(crate) fn failed<T>(errno: i32) -> Result<T, Errno> {
    Err(Errno::from_raw(errno))
}

/// A file with this content, at its start, and gone when it is closed.
pub(crate) fn file_with(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("the temporary folder takes a file");
    file.write_all(content).expect("the file takes its content");
    file.rewind().expect("a file can be rewound");
    file
}
