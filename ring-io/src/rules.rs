//! Which setup flags go together, as `io_uring_setup(2)` and the kernel's checks have it.
//!
//! Only looked at after the kernel has refused: a newer kernel may allow more.

use crate::error::SetupError;
use crate::flags::SetupFlags;

/// Each flag with those of which it needs one.
const NEEDS: &[(SetupFlags, SetupFlags)] = &[
    (SetupFlags::SQ_AFF, SetupFlags::SQPOLL),
    (
        SetupFlags::TASKRUN_FLAG,
        SetupFlags::COOP_TASKRUN.union(SetupFlags::DEFER_TASKRUN),
    ),
    (SetupFlags::DEFER_TASKRUN, SetupFlags::SINGLE_ISSUER),
    (SetupFlags::REGISTERED_FD_ONLY, SetupFlags::NO_MMAP),
    (SetupFlags::HYBRID_IOPOLL, SetupFlags::IOPOLL),
    (SetupFlags::SQ_REWIND, SetupFlags::NO_SQARRAY),
];

/// Each flag with those that it does not go with.
const EXCLUDES: &[(SetupFlags, SetupFlags)] = &[
    (
        SetupFlags::SQPOLL,
        SetupFlags::COOP_TASKRUN
            .union(SetupFlags::TASKRUN_FLAG)
            .union(SetupFlags::DEFER_TASKRUN)
            .union(SetupFlags::SQ_REWIND),
    ),
    (SetupFlags::CQE32, SetupFlags::CQE_MIXED),
    (SetupFlags::SQE128, SetupFlags::SQE_MIXED),
];

/// The first rule that `flags` break, as an error.
pub(crate) fn broken(flags: SetupFlags) -> Option<SetupError> {
    let missing = NEEDS
        .iter()
        .find(|(flag, one_of)| flags.contains(*flag) && !flags.intersects(*one_of))
        .map(|&(flag, one_of)| SetupError::Needs { flag, one_of });
    missing.or_else(|| {
        EXCLUDES
            .iter()
            .find(|(flag, others)| flags.contains(*flag) && flags.intersects(*others))
            .map(|&(flag, others)| SetupError::Excludes {
                flag,
                others: others & flags,
            })
    })
}
