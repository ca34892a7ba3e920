//! Which process this is, told apart from the children of `fork(2)`.
//!
//! The number of a process will not do: two processes that are each the first of
//! their own namespace have the same one, and numbers come round again.

use std::process;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{SystemTime, UNIX_EPOCH};

/// Whose something is: the process that made it, and none of its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(u64);

/// A word in a page that is empty in a child (`MADV_WIPEONFORK`, Linux 4.14).
struct Token(&'static AtomicU64);

impl Token {
    /// `None` where the kernel has no memory for the page, or does not know the advice.
    fn new() -> Option<Self> {
        const LENGTH: usize = size_of::<AtomicU64>();
        // SAFETY: a new mapping, which nobody else has a pointer to; the kernel rounds up to whole pages.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                LENGTH,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return None;
        }
        // SAFETY: the page is ours. The length is that of one page at least.
        if unsafe { libc::madvise(page, LENGTH, libc::MADV_WIPEONFORK) } != 0 {
            // SAFETY: as above.
            unsafe { libc::munmap(page, LENGTH) };
            return None;
        }
        let word = NonNull::new(page.cast::<AtomicU64>())?;
        // SAFETY: zeroed, aligned to a page, and never unmapped.
        Some(Self(unsafe { word.as_ref() }))
    }
}

impl Owner {
    /// The process that runs this.
    pub(crate) fn this() -> Self {
        static TOKEN: OnceLock<Option<Token>> = OnceLock::new();
        let Some(Token(token)) = TOKEN.get_or_init(Token::new) else {
            return Self(u64::from(process::id()));
        };
        // Relaxed, here and below: the word tells nothing of other memory.
        let value = token.load(Relaxed);
        if value != 0 {
            return Self(value);
        }
        // The first call in this process. The time keeps it apart from its parent and from those that had the number.
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_nanos() as u64);
        let fresh = (time ^ (u64::from(process::id()) << 40)) | 1;
        match token.compare_exchange(0, fresh, Relaxed, Relaxed) {
            Ok(_) => Self(fresh),
            Err(other) => Self(other),
        }
    }

    /// Whether the process that runs this is the one.
    pub(crate) fn is_here(self) -> bool {
        self == Self::this()
    }
}

#[cfg(test)]
mod tests {
    use super::Owner;

    #[test]
    fn a_child_is_not_its_parent() {
        let owner = Owner::this();
        assert!(owner.is_here());
        // SAFETY: the child calls nothing but this module's functions, which allocate nothing once the token is there.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "fork");
        if child == 0 {
            let code = i32::from(owner.is_here()) | i32::from(!Owner::this().is_here()) << 1;
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(code) };
        }
        let mut status = 0;
        // SAFETY: the status is ours.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(libc::WEXITSTATUS(status), 0);
        assert!(owner.is_here());
    }
}
