//! Credentials that a ring keeps.

mod support;

use std::ffi::CString;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ring_io::{RegisterError, Ring, Sqe, sys};
use support::isolated::{become_nobody, isolated};
use support::{nop, skip};

fn result_of(ring: &mut Ring, sqe: Sqe) -> i32 {
    // SAFETY: what the entries of this file name outlives the call.
    unsafe { ring.sq().push(sqe) }.expect("room");
    assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
    ring.cq().pop().expect("the wait saw it").raw_result()
}

/// Opens the file for reading, under the personality; zero or a negated error number.
fn open(ring: &mut Ring, path: &Path, personality: u16) -> i32 {
    let path = CString::new(path.as_os_str().as_bytes()).expect("no zero within");
    let mut sqe = Sqe::new();
    sqe.set_opcode(sys::IORING_OP_OPENAT as u8)
        .set_fd(libc::AT_FDCWD)
        .set_addr(path.as_ptr() as u64)
        .set_op_flags((libc::O_RDONLY | libc::O_CLOEXEC) as u32)
        .set_personality(personality);
    let result = result_of(ring, sqe);
    if result < 0 {
        return result;
    }
    // SAFETY: the kernel has just opened it for us.
    drop(unsafe { OwnedFd::from_raw_fd(result) });
    0
}

#[test]
fn a_request_acts_under_the_credentials_it_names() {
    let said = isolated("a_request_acts_under_the_credentials_it_names", || {
        // What `become_nobody` keeps private to root lies where everybody may look it up.
        let file = tempfile::NamedTempFile::new_in("/tmp").expect("a file");
        file.as_file()
            .set_permissions(PermissionsExt::from_mode(0o600))
            .expect("our file");
        let mut ring = Ring::new(4).expect("a ring");
        let root = ring.registrar().register_personality().expect("Linux 5.6");
        if !become_nobody() {
            return "not root".to_owned();
        }
        let nobody = ring.registrar().register_personality().expect("Linux 5.6");
        let results = [0, root.id(), nobody.id()].map(|id| open(&mut ring, file.path(), id));
        // Nobody may remove it; root's credentials do.
        let path = CString::new(file.path().as_os_str().as_bytes()).expect("no zero within");
        let mut unlink = Sqe::new();
        unlink
            .set_opcode(sys::IORING_OP_UNLINKAT as u8)
            .set_fd(libc::AT_FDCWD)
            .set_addr(path.as_ptr() as u64)
            .set_personality(root.id());
        format!("{results:?} {}", result_of(&mut ring, unlink))
    });
    if said == "not root" {
        return skip("only root can become somebody with fewer rights");
    }
    let (refused, allowed) = (-libc::EACCES, 0);
    assert_eq!(said, format!("[{refused}, {allowed}, {refused}] 0"));
}

#[test]
fn each_registration_has_a_number_of_its_own() {
    let mut ring = Ring::new(4).expect("a ring");
    let first = ring.registrar().register_personality().expect("Linux 5.6");
    let second = ring.registrar().register_personality().expect("Linux 5.6");
    assert_ne!(first, second);
    for personality in [first, second] {
        assert_ne!(personality.id(), 0);
        let mut sqe = nop(1);
        sqe.set_personality(personality.id());
        assert_eq!(result_of(&mut ring, sqe), 0);
    }
}

#[test]
fn a_personality_is_unregistered_once() {
    let mut ring = Ring::new(4).expect("a ring");
    let personality = ring.registrar().register_personality().expect("Linux 5.6");
    let id = personality.id();
    ring.registrar()
        .unregister_personality(personality)
        .expect("it is there");
    let error = ring
        .registrar()
        .unregister_personality(personality)
        .expect_err("it is gone");
    assert_eq!(error, RegisterError::UnknownPersonality { id });
    assert_eq!(error.errno().raw(), libc::EINVAL);
    assert_eq!(
        error.to_string(),
        format!("the ring has no personality {id}; it was unregistered, or is another ring's")
    );
    let mut sqe = nop(1);
    sqe.set_personality(id);
    assert_eq!(result_of(&mut ring, sqe), -libc::EINVAL);
}

#[test]
fn a_ring_does_not_know_another_rings_personality() {
    let mut first = Ring::new(4).expect("a ring");
    let mut second = Ring::new(4).expect("a ring");
    let personality = first.registrar().register_personality().expect("Linux 5.6");
    assert_eq!(
        second.registrar().unregister_personality(personality),
        Err(RegisterError::UnknownPersonality {
            id: personality.id()
        })
    );
}

#[test]
fn a_ring_has_as_many_personalities_as_there_are_numbers() {
    let mut ring = Ring::new(4).expect("a ring");
    let registrar = ring.registrar();
    let mut last = None;
    for _ in 0..u16::MAX {
        last = Some(registrar.register_personality().expect("there are numbers"));
    }
    let error = registrar.register_personality().expect_err("one too many");
    assert_eq!(error, RegisterError::TooManyPersonalities);
    assert_eq!(error.errno().raw(), libc::EBUSY);
    let last = last.expect("a personality");
    registrar.unregister_personality(last).expect("it is there");
    assert_eq!(registrar.register_personality(), Ok(last));
}
