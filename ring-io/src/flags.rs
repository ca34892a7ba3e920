//! What a ring is made with, and what the kernel says it can do.

use bitflags::bitflags;
use ring_io_sys as sys;

bitflags! {
    /// `IORING_SETUP_*`: how a ring is made. See `io_uring_setup(2)`.
    ///
    /// The builder's methods set most of them, together with the values that some of them need.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SetupFlags: u32 {
        /// `IORING_SETUP_IOPOLL`, Linux 5.1: completions are found by polling the device.
        const IOPOLL = sys::IORING_SETUP_IOPOLL;
        /// `IORING_SETUP_SQPOLL`, Linux 5.1 (unprivileged 5.11): a kernel thread takes submissions.
        const SQPOLL = sys::IORING_SETUP_SQPOLL;
        /// `IORING_SETUP_SQ_AFF`, Linux 5.1: that thread stays on one CPU.
        const SQ_AFF = sys::IORING_SETUP_SQ_AFF;
        /// `IORING_SETUP_CQSIZE`, Linux 5.5: the completion queue's size is given.
        const CQSIZE = sys::IORING_SETUP_CQSIZE;
        /// `IORING_SETUP_CLAMP`, Linux 5.6: sizes beyond the kernel's limit are cut down to it.
        const CLAMP = sys::IORING_SETUP_CLAMP;
        /// `IORING_SETUP_ATTACH_WQ`, Linux 5.6: kernel workers are shared with another ring.
        const ATTACH_WQ = sys::IORING_SETUP_ATTACH_WQ;
        /// `IORING_SETUP_R_DISABLED`, Linux 5.10: the ring starts disabled.
        const R_DISABLED = sys::IORING_SETUP_R_DISABLED;
        /// `IORING_SETUP_SUBMIT_ALL`, Linux 5.18: a refused entry does not stop a submit.
        const SUBMIT_ALL = sys::IORING_SETUP_SUBMIT_ALL;
        /// `IORING_SETUP_COOP_TASKRUN`, Linux 5.19: task work does not interrupt the submitter.
        const COOP_TASKRUN = sys::IORING_SETUP_COOP_TASKRUN;
        /// `IORING_SETUP_TASKRUN_FLAG`, Linux 5.19: pending task work shows in memory.
        const TASKRUN_FLAG = sys::IORING_SETUP_TASKRUN_FLAG;
        /// `IORING_SETUP_SQE128`, Linux 5.19: submissions of 128 bytes.
        const SQE128 = sys::IORING_SETUP_SQE128;
        /// `IORING_SETUP_CQE32`, Linux 5.19: completions of 32 bytes.
        const CQE32 = sys::IORING_SETUP_CQE32;
        /// `IORING_SETUP_SINGLE_ISSUER`, Linux 6.0: one thread submits.
        const SINGLE_ISSUER = sys::IORING_SETUP_SINGLE_ISSUER;
        /// `IORING_SETUP_DEFER_TASKRUN`, Linux 6.1: task work runs when that thread asks for events.
        const DEFER_TASKRUN = sys::IORING_SETUP_DEFER_TASKRUN;
        /// `IORING_SETUP_NO_MMAP`, Linux 6.5: the program brings the queues' memory.
        const NO_MMAP = sys::IORING_SETUP_NO_MMAP;
        /// `IORING_SETUP_REGISTERED_FD_ONLY`, Linux 6.5: the ring has a registered descriptor and no other.
        const REGISTERED_FD_ONLY = sys::IORING_SETUP_REGISTERED_FD_ONLY;
        /// `IORING_SETUP_NO_SQARRAY`, Linux 6.6: no array of indices in the submission queue. Set unasked where the kernel has it.
        const NO_SQARRAY = sys::IORING_SETUP_NO_SQARRAY;
        /// `IORING_SETUP_HYBRID_IOPOLL`, Linux 6.13: sleeps a while before it polls.
        const HYBRID_IOPOLL = sys::IORING_SETUP_HYBRID_IOPOLL;
        /// `IORING_SETUP_CQE_MIXED`, Linux 6.18: completions of 16 and 32 bytes in one queue.
        const CQE_MIXED = sys::IORING_SETUP_CQE_MIXED;
        /// `IORING_SETUP_SQE_MIXED`, Linux 6.19: submissions of 64 and 128 bytes in one queue.
        const SQE_MIXED = sys::IORING_SETUP_SQE_MIXED;
        /// `IORING_SETUP_SQ_REWIND`, Linux 7.0: every submit starts at slot 0.
        const SQ_REWIND = sys::IORING_SETUP_SQ_REWIND;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

bitflags! {
    /// `IORING_FEAT_*`: what the kernel that made a ring can do. See `io_uring_setup(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Features: u32 {
        /// `IORING_FEAT_SINGLE_MMAP`, Linux 5.4: both queues lie in one mapping.
        const SINGLE_MMAP = sys::IORING_FEAT_SINGLE_MMAP;
        /// `IORING_FEAT_NODROP`, Linux 5.5: completions beyond a full queue are kept.
        const NODROP = sys::IORING_FEAT_NODROP;
        /// `IORING_FEAT_SUBMIT_STABLE`, Linux 5.5: what only describes a request may go after the submit.
        const SUBMIT_STABLE = sys::IORING_FEAT_SUBMIT_STABLE;
        /// `IORING_FEAT_RW_CUR_POS`, Linux 5.6: reads and writes at the file's own position.
        const RW_CUR_POS = sys::IORING_FEAT_RW_CUR_POS;
        /// `IORING_FEAT_CUR_PERSONALITY`, Linux 5.6: requests act under the submitter's credentials.
        const CUR_PERSONALITY = sys::IORING_FEAT_CUR_PERSONALITY;
        /// `IORING_FEAT_FAST_POLL`, Linux 5.7: waiting for readiness takes no worker.
        const FAST_POLL = sys::IORING_FEAT_FAST_POLL;
        /// `IORING_FEAT_POLL_32BITS`, Linux 5.9: all 32 bits of poll events.
        const POLL_32BITS = sys::IORING_FEAT_POLL_32BITS;
        /// `IORING_FEAT_SQPOLL_NONFIXED`, Linux 5.11: `SQPOLL` takes plain descriptors.
        const SQPOLL_NONFIXED = sys::IORING_FEAT_SQPOLL_NONFIXED;
        /// `IORING_FEAT_EXT_ARG`, Linux 5.11: a wait takes a timeout.
        const EXT_ARG = sys::IORING_FEAT_EXT_ARG;
        /// `IORING_FEAT_NATIVE_WORKERS`, Linux 5.12: workers are threads of the process.
        const NATIVE_WORKERS = sys::IORING_FEAT_NATIVE_WORKERS;
        /// `IORING_FEAT_RSRC_TAGS`, Linux 5.13: tags on registered buffers and files.
        const RSRC_TAGS = sys::IORING_FEAT_RSRC_TAGS;
        /// `IORING_FEAT_CQE_SKIP`, Linux 5.17: no completion on success, if asked.
        const CQE_SKIP = sys::IORING_FEAT_CQE_SKIP;
        /// `IORING_FEAT_LINKED_FILE`, Linux 5.17: a linked request may use a file that the one before it opens.
        const LINKED_FILE = sys::IORING_FEAT_LINKED_FILE;
        /// `IORING_FEAT_REG_REG_RING`, Linux 6.3: registration through a registered ring descriptor.
        const REG_REG_RING = sys::IORING_FEAT_REG_REG_RING;
        /// `IORING_FEAT_RECVSEND_BUNDLE`, Linux 6.10: bundles of buffers in sends and receives.
        const RECVSEND_BUNDLE = sys::IORING_FEAT_RECVSEND_BUNDLE;
        /// `IORING_FEAT_MIN_TIMEOUT`, Linux 6.12: a wait takes a minimum time.
        const MIN_TIMEOUT = sys::IORING_FEAT_MIN_TIMEOUT;
        /// `IORING_FEAT_RW_ATTR`, Linux 6.13: attributes of reads and writes.
        const RW_ATTR = sys::IORING_FEAT_RW_ATTR;
        /// `IORING_FEAT_NO_IOWAIT`, Linux 6.15: a wait that does not count as waiting for I/O.
        const NO_IOWAIT = sys::IORING_FEAT_NO_IOWAIT;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}
