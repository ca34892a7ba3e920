//! Moving over from the crate `io-uring`: where each of its names is here.
//!
//! The shapes are alike: a value per request, with what is required in `new` and
//! the rest as setters. What is done everywhere:
//!
//! | there | here |
//! | --- | --- |
//! | `use io_uring::opcode` | `use ring_io_ops::ops as opcode`, and the trait [`Operation`](crate::Operation) for the setters |
//! | `Read::new(…).build().user_data(7)` | `Read::new(…)`[`.user_data(7)`](crate::Operation::user_data); nothing is built |
//! | `[squeue::Entry; n]`, of several kinds | [`.to_sqe()`](crate::Request::to_sqe) of each, or a [`Chain`](crate::Chain) |
//! | `.build().flags(Flags::IO_LINK)` | [`.link()`](crate::Operation::link), and one for each flag; several at once by [`.sqe_flags(…)`](crate::Operation::sqe_flags) |
//! | `Read::CODE` | [`Read::OPCODE`](crate::Operation::OPCODE) |
//! | `cqe.result()`, an `i32` | [`cqe.raw_result()`](crate::ring::Cqe::raw_result) is that number, negative for errors |
//! | `cqe.result() < 0` | better: [`Read::read(&cqe)`](crate::Operation::read), or [`cqe.result()`](crate::ring::Cqe::result), which is a `Result` too |
//! | `types::Fd(fd)`, `types::Fixed(slot)` | [`Fd`](crate::Fd), [`Fixed`](crate::Fixed), and [`Target::of`](crate::Target::of) an open file |
//! | `types::Fd(folder)` of an operation on a path | the number itself, or [`CWD`](crate::CWD): there are no slots for folders |
//! | `*mut c_void`, `*const c_void` | `*mut u8`, `*const u8`: what is lent is bytes |
//! | an `i32` or `u32` of flags | a type of its own, of bits; [`from_bits_retain`](bitflags::Flags::from_bits_retain) takes any |
//! | `.ioprio(…)` of a send or receive | `.recv_send_flags(…)`, of [`RecvSendFlags`](crate::RecvSendFlags) |
//! | `.file_index(Some(slot))` | `.into_slot(n)`, `.into_free_slot()`; the result is then a slot, by its type |
//! | `.buf_group(group)` | see the row of the operation |
//! | `unsafe { queue.push(&entry) }` | the same for what lends memory; [`push_safe`](crate::ring::SubmissionQueue::push_safe) for what does not |
//!
//! A default that differs: reads and writes without an offset are at the file's own
//! position here, at byte 0 there. Say `.offset(0)` where byte 0 is meant. The rows
//! name the other such defaults.
//!
//! # Operations
//!
//! | `opcode::` | here | what else differs |
//! | --- | --- | --- |
//! | `Nop` | [`Nop`](crate::Nop) | |
//! | `Readv` | [`Readv`](crate::Readv) | without an offset: the file's position; `.buf_group()` is [`ReadvSelect`](crate::ReadvSelect) |
//! | `Writev` | [`Writev`](crate::Writev) | as `Readv` |
//! | `Fsync` | [`Fsync`](crate::Fsync) | `.offset()` and `.len()` are one [`range`](crate::Fsync::range) |
//! | `ReadFixed` | [`ReadFixed`](crate::ReadFixed) | as `Readv` |
//! | `WriteFixed` | [`WriteFixed`](crate::WriteFixed) | as `Readv` |
//! | `PollAdd` | [`PollAdd`](crate::PollAdd) | `.multi(true)` is [`multishot`](crate::PollAdd::multishot) |
//! | `PollRemove` | [`PollRemove`](crate::PollRemove) | |
//! | `SyncFileRange` | [`SyncFileRange`](crate::SyncFileRange) | flags in `new`; length and offset are one [`range`](crate::SyncFileRange::range) |
//! | `SendMsg` | [`SendMsg`](crate::SendMsg) | |
//! | `RecvMsg` | [`RecvMsg`](crate::RecvMsg) | `.buf_group()` is [`select`](crate::RecvMsg::select), which sets the flag too |
//! | `RecvMsgMulti` | [`RecvMsgMulti`](crate::RecvMsgMulti) | |
//! | `Timeout` | [`Timeout`](crate::Timeout) | an expired one is not an error: [`TimeoutOutcome`](crate::TimeoutOutcome) |
//! | `TimeoutRemove` | [`TimeoutRemove`](crate::TimeoutRemove) | |
//! | `TimeoutUpdate` | [`TimeoutUpdate`](crate::TimeoutUpdate) | |
//! | `Accept` | [`Accept`](crate::Accept) | the peer's address by [`address`](crate::Accept::address) |
//! | `SetSockOpt` | [`SetSockOpt`](crate::SetSockOpt) | |
//! | `AsyncCancel` | [`AsyncCancel`](crate::AsyncCancel) | takes [`CancelMatch::user_data`](crate::CancelMatch::user_data) |
//! | `LinkTimeout` | [`LinkTimeout`](crate::LinkTimeout) | |
//! | `Connect` | [`Connect`](crate::Connect) | |
//! | `Fallocate` | [`Fallocate`](crate::Fallocate) | the offset in `new`, before the length |
//! | `OpenAt` | [`OpenAt`](crate::OpenAt) | flags in `new` |
//! | `Close` | [`Close`](crate::Close) | |
//! | `FilesUpdate` | [`FilesUpdate`](crate::FilesUpdate) | the first slot in `new`, before the descriptors |
//! | `Statx` | [`Statx`](crate::Statx) | `libc::statx`; without a mask: the basic fields, not none |
//! | `Read` | [`Read`](crate::Read) | as `Readv`; `.buf_group()` is [`ReadSelect`](crate::ReadSelect) |
//! | `Write` | [`Write`](crate::Write) | as `Readv` |
//! | `Fadvise` | [`Fadvise`](crate::Fadvise) | offset and length are one [`range`](crate::Fadvise::range), the whole file without |
//! | `Madvise` | [`Madvise`](crate::Madvise) | |
//! | `Send` | [`Send`](crate::Send) | `.dest_addr()` and `.dest_addr_len()` are one [`dest`](crate::Send::dest) |
//! | `Recv` | [`Recv`](crate::Recv) | `.buf_group()` is [`Recv::select`](crate::Recv::select) in place of `new` |
//! | `RecvMulti` | [`RecvMulti`](crate::RecvMulti) | |
//! | `OpenAt2` | [`OpenAt2`](crate::OpenAt2) | |
//! | `EpollCtl` | [`EpollCtl`](crate::EpollCtl) | [`add`](crate::EpollCtl::add), [`modify`](crate::EpollCtl::modify), [`delete`](crate::EpollCtl::delete) in place of a number |
//! | `Splice` | [`Splice`](crate::Splice) | offsets are setters: [`input_offset`](crate::Splice::input_offset), [`output_offset`](crate::Splice::output_offset) |
//! | `ProvideBuffers` | [`ProvideBuffers`](crate::ProvideBuffers) | the length is a `u32`, and so is the count |
//! | `RemoveBuffers` | [`RemoveBuffers`](crate::RemoveBuffers) | the group before the count |
//! | `Tee` | [`Tee`](crate::Tee) | |
//! | `Shutdown` | [`Shutdown`](crate::Shutdown) | takes [`std::net::Shutdown`] |
//! | `RenameAt` | [`RenameAt`](crate::RenameAt) | |
//! | `UnlinkAt` | [`UnlinkAt`](crate::UnlinkAt) | |
//! | `MkDirAt` | [`MkDirAt`](crate::MkDirAt) | without a mode: `0o777`, not `0` |
//! | `SymlinkAt` | [`SymlinkAt`](crate::SymlinkAt) | the target before the folder |
//! | `LinkAt` | [`LinkAt`](crate::LinkAt) | |
//! | `GetXattr` | [`Getxattr`](crate::Getxattr) | the path first |
//! | `SetXattr` | [`Setxattr`](crate::Setxattr) | the path first |
//! | `FGetXattr` | [`Fgetxattr`](crate::Fgetxattr) | |
//! | `FSetXattr` | [`Fsetxattr`](crate::Fsetxattr) | |
//! | `MsgRingData` | [`MsgRing`](crate::MsgRing) | user data before result; flags by [`cqe_flags`](crate::MsgRing::cqe_flags) |
//! | `AsyncCancel2` | [`AsyncCancel`](crate::AsyncCancel), [`AsyncCancelAll`](crate::AsyncCancelAll) | the second is `CancelBuilder::all`, and its result a count |
//! | `UringCmd16` | [`UringCmd`](crate::UringCmd) | the bytes by [`payload`](crate::UringCmd::payload), as two numbers |
//! | `UringCmd80` | [`UringCmd80`](crate::UringCmd80) | its bytes by [`payload`](crate::UringCmd80::payload), as ten numbers |
//! | `Socket` | [`Socket`](crate::Socket) | |
//! | `AcceptMulti` | [`AcceptMulti`](crate::AcceptMulti) | `.allocate_file_index(true)` is [`into_free_slot`](crate::AcceptMulti::into_free_slot) |
//! | `MsgRingSendFd` | [`MsgRingFd`](crate::MsgRingFd) | user data, then the slots; [`ToSlot`](crate::ToSlot) or [`ToFreeSlot`](crate::ToFreeSlot) |
//! | `SendZc` | [`SendZc`](crate::SendZc) | `.zc_flags()` is [`recv_send_flags`](crate::SendZc::recv_send_flags) |
//! | `SendMsgZc` | [`SendMsgZc`](crate::SendMsgZc) | |
//! | `ReadMulti` | [`ReadMultishot`](crate::ReadMultishot) | no length: the kernel refuses one |
//! | `FutexWait` | [`FutexWait`](crate::FutexWait) | [`mask`](crate::FutexWait::mask) and [`kind`](crate::FutexWait::kind) are setters |
//! | `FutexWake` | [`FutexWake`](crate::FutexWake) | as `FutexWait` |
//! | `FutexWaitV` | [`FutexWaitv`](crate::FutexWaitv) | |
//! | `WaitId` | [`WaitId`](crate::WaitId) | kind and number are one [`WaitFor`](crate::WaitFor); the place of the answer in `new` |
//! | `FixedFdInstall` | [`FixedFdInstall`](crate::FixedFdInstall) | takes the slot's number; the flag is [`keep_on_exec`](crate::FixedFdInstall::keep_on_exec) |
//! | `Ftruncate` | [`Ftruncate`](crate::Ftruncate) | |
//! | `SendBundle` | [`SendBundle`](crate::SendBundle) | |
//! | `RecvBundle` | [`Recv::bundle`](crate::Recv::bundle) | takes a length, `0` for what is there |
//! | `RecvMultiBundle` | [`RecvMulti::bundle`](crate::RecvMulti::bundle) | |
//! | `Bind` | [`Bind`](crate::Bind) | |
//! | `Listen` | [`Listen`](crate::Listen) | |
//! | `RecvZc` | [`RecvZc`](crate::RecvZc) | the interface queue in `new`, the length a setter |
//! | `EpollWait` | [`EpollWait`](crate::EpollWait) | `libc::epoll_event` |
//! | `ReadvFixed` | [`ReadvFixed`](crate::ReadvFixed) | as `Readv` |
//! | `WritevFixed` | [`WritevFixed`](crate::WritevFixed) | as `Readv` |
//! | `Pipe` | [`Pipe`](crate::Pipe) | takes a pointer to an array of two |
//!
//! # Rings, queues, types
//!
//! | there | here |
//! | --- | --- |
//! | `IoUring` | [`Ring`](crate::ring::Ring) |
//! | `IoUring::new`, `IoUring::builder` | [`Ring::new`](crate::ring::Ring::new), [`Ring::builder`](crate::ring::Ring::builder), which takes the number of entries |
//! | `Builder`, its `setup_*` | [`RingBuilder`](crate::ring::RingBuilder), without `setup_` but for those below; `dontfork` is the default |
//! | `setup_cqsize`, `setup_attach_wq` | [`cq_entries`](crate::ring::RingBuilder::cq_entries), [`share_workers_with`](crate::ring::RingBuilder::share_workers_with) an open ring |
//! | `setup_r_disabled` | [`build_disabled`](crate::ring::RingBuilder::build_disabled) in place of `build` |
//! | `setup_sqpoll(milliseconds)` | [`sqpoll`](crate::ring::RingBuilder::sqpoll) of a `Duration` |
//! | `setup_single_issuer`, `setup_defer_taskrun` | the same; the ring is of another type then, [`Ring<Sqe, Cqe, OneThread>`](crate::ring::OneThread), which stays on its thread |
//! | `IoUring<Entry128, Entry32>` | [`sqe128`](crate::ring::RingBuilder::sqe128), [`cqe32`](crate::ring::RingBuilder::cqe32) of the builder |
//! | `IoUring::from_fd` | [`Ring::from_fd`](crate::ring::Ring::from_fd) |
//! | `split`, `submission`, `completion`, `submitter` | [`split`](crate::ring::Ring::split), [`sq`](crate::ring::Ring::sq), [`cq`](crate::ring::Ring::cq), [`registrar`](crate::ring::Ring::registrar) |
//! | `submission_shared`, `completion_shared` | [`into_split`](crate::ring::Ring::into_split), for a producer and a consumer |
//! | `params()`, `Parameters`, its `is_setup_*`, `is_feature_*` | [`features`](crate::ring::Ring::features), [`setup_flags`](crate::ring::Ring::setup_flags), [`sq_entries`](crate::ring::Ring::sq_entries), [`cq_entries`](crate::ring::Ring::cq_entries) |
//! | `squeue::SubmissionQueue` | [`SubmissionQueue`](crate::ring::SubmissionQueue), which submits as well |
//! | `squeue::Entry`, `squeue::Entry128` | [`Sqe`](crate::ring::Sqe), [`Sqe128`](crate::ring::Sqe128) |
//! | `squeue::EntryMarker` | [`SubmissionEntry`](crate::ring::SubmissionEntry) |
//! | `squeue::Flags` | [`SqeFlags`](crate::ring::SqeFlags) |
//! | `squeue::PushError` | [`QueueFull`](crate::ring::QueueFull), which hands the entry back |
//! | `push_multiple` | [`push_slice`](crate::ring::SubmissionQueue::push_slice), [`push_batch`](crate::ring::SubmissionQueue::push_batch) |
//! | `SubmissionQueue::sync` | [`publish`](crate::ring::SubmissionQueue::publish) |
//! | `SubmissionQueue::len`, `cq_overflow`, `taskrun` | [`prepared`](crate::ring::SubmissionQueue::prepared); of the completion queue [`has_overflow`](crate::ring::CompletionQueue::has_overflow), [`needs_flush`](crate::ring::CompletionQueue::needs_flush) |
//! | `need_wakeup` | [`needs_wakeup`](crate::ring::SubmissionQueue::needs_wakeup) |
//! | `cqueue::CompletionQueue` | [`CompletionQueue`](crate::ring::CompletionQueue); to iterate, [`drain`](crate::ring::CompletionQueue::drain) |
//! | `cqueue::Entry`, `cqueue::Entry32` | [`Cqe`](crate::ring::Cqe), [`Cqe32`](crate::ring::Cqe32) |
//! | `cqueue::EntryMarker` | [`CompletionEntry`](crate::ring::CompletionEntry) |
//! | `CompletionQueue::sync` | nothing: a look at an empty queue loads the tail |
//! | `CompletionQueue::len`, `overflow` | [`ready`](crate::ring::CompletionQueue::ready), [`lost`](crate::ring::CompletionQueue::lost) |
//! | `eventfd_disabled`, `disable_eventfd`, `enable_eventfd` | [`is_eventfd_enabled`](crate::ring::CompletionQueue::is_eventfd_enabled), [`set_eventfd_enabled`](crate::ring::CompletionQueue::set_eventfd_enabled) |
//! | `Entry32::big_cqe` | [`extra`](crate::ring::Cqe32::extra) |
//! | `CompletionQueue::fill` | [`pop_batch`](crate::ring::CompletionQueue::pop_batch) |
//! | `cqueue::more`, `notif`, `buffer_select`, `buffer_more`, `sock_nonempty` | [`more`](crate::ring::Cqe::more), [`notif`](crate::ring::Cqe::notif), [`buffer_id`](crate::ring::Cqe::buffer_id), [`buf_more`](crate::ring::Cqe::buf_more), [`sock_nonempty`](crate::ring::Cqe::sock_nonempty) of the entry |
//! | `submit`, `submit_and_wait` of `IoUring` and `Submitter` | `ring.sq()`[`.submit()`](crate::ring::SubmissionQueue::submit), [`.submit_and_wait(n)`](crate::ring::SubmissionQueue::submit_and_wait), which a signal does not end |
//! | `Submitter::submit_with_args`, `types::SubmitArgs` | [`submit_and_wait_with`](crate::ring::SubmissionQueue::submit_and_wait_with), [`Wait`](crate::ring::Wait) |
//! | `Submitter::squeue_wait` | [`wait_for_space`](crate::ring::SubmissionQueue::wait_for_space) |
//! | `Submitter::enter` | [`enter_raw`](crate::ring::SubmissionQueue::enter_raw) |
//! | `Submitter::register_*` | [`Registrar`](crate::ring::Registrar), mostly by the same names |
//! | `register_files` of numbers | [`register_files`](crate::ring::Registrar::register_files) of open files; [`register_files_raw`](crate::ring::Registrar::register_files_raw), for numbers and `-1` |
//! | `register_files_update` | [`update_files`](crate::ring::Registrar::update_files); `-1` is [`FileEntry::EMPTY`](crate::ring::FileEntry::EMPTY); all or an error, not a count |
//! | `register_buffers2`, `register_buffers_update` | [`register_buffers_tagged`](crate::ring::Registrar::register_buffers_tagged), [`update_buffers_tagged`](crate::ring::Registrar::update_buffers_tagged) |
//! | `register_buffers_clone`, `register_buffers_clone_offset` | [`clone_buffers`](crate::ring::Registrar::clone_buffers) with a [`BufferClone`](crate::ring::BufferClone) |
//! | `register_buf_ring`, `types::BufRingEntry` | [`buffer_ring`](crate::ring::Registrar::buffer_ring), which owns the memory; [`RawBufRing`](crate::ring::RawBufRing) |
//! | `register_enable_rings`, `register_restrictions` | [`DisabledRing::enable`](crate::ring::DisabledRing::enable), [`DisabledRing::restrict`](crate::ring::DisabledRing::restrict) |
//! | `register_iowq_aff`, `register_iowq_max_workers` | [`register_worker_cpus`](crate::ring::Registrar::register_worker_cpus), [`register_max_workers`](crate::ring::Registrar::register_max_workers) |
//! | `register_sync_cancel`, `types::CancelBuilder` there | [`cancel`](crate::ring::Registrar::cancel), [`SyncCancel`](crate::ring::SyncCancel) |
//! | `register_ifq` | [`register_zcrx`](crate::ring::Registrar::register_zcrx) |
//! | `register_personality` | [`register_personality`](crate::ring::Registrar::register_personality); the number is its [`id`](crate::ring::Personality::id) |
//! | `register_probe`, `Probe`, its `is_supported` | [`probe`](crate::ring::Registrar::probe), [`Probe`](crate::ring::Probe), [`supports`](crate::ring::Probe::supports); without a ring, [`capabilities`](crate::ring::capabilities) |
//! | `types::CancelBuilder` | [`CancelMatch`](crate::CancelMatch) |
//! | `types::DestinationSlot` | [`ToSlot`](crate::ToSlot), [`ToFreeSlot`](crate::ToFreeSlot) |
//! | `types::Timespec::new().sec(s).nsec(n)` | [`Timespec::new(s, n)`](crate::Timespec::new), or from a `Duration` |
//! | `types::OpenHow` | [`OpenHow`](crate::OpenHow), flags in `new` |
//! | `types::FutexWaitV` | [`FutexWaiter`](crate::FutexWaiter) |
//! | `types::RecvMsgOut` | [`RecvMsgOut`](crate::ring::RecvMsgOut) |
//! | `types::FsyncFlags`, `types::TimeoutFlags` | [`FsyncFlags`](crate::FsyncFlags), [`TimeoutFlags`](crate::TimeoutFlags) |
//! | `types::Napi`, `types::NapiTracking` | [`Napi`](crate::ring::Napi), [`NapiTracking`](crate::ring::NapiTracking) |
