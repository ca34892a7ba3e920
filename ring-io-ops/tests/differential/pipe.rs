use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{Fd, Fixed, Pipe, PipeFlags, Splice, SpliceFlags, Target, Tee};
use ring_io_sys as sys;

use crate::oracle::{address, common, compare, config, fd_and_flags, slot, target, word32, word64};

/// What C is given for the input: the number, and all flags, which say what the number is.
fn input_in_c(input: Target, flags: Option<u32>) -> (i32, u32) {
    let flags = flags.unwrap_or(0);
    match input {
        Fd(fd) => (fd, flags & !sys::SPLICE_F_FD_IN_FIXED),
        Fixed(slot) => (slot as i32, flags | sys::SPLICE_F_FD_IN_FIXED),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn splice_writes_what_prep_splice_writes(
        common in common(), input in target(), output in target(), len in word32(),
        offsets in (prop::option::of(word64()), prop::option::of(word64())), splice in prop::option::of(word32()),
    ) {
        let mut operation = Splice::new(input, output, len);
        if let Some(offset) = offsets.0 {
            operation = operation.input_offset(offset);
        }
        if let Some(offset) = offsets.1 {
            operation = operation.output_offset(offset);
        }
        if let Some(flags) = splice {
            operation = operation.flags(SpliceFlags::from_bits_retain(flags));
        }
        let (fd_in, splice) = input_in_c(input, splice);
        let (fd_out, flags) = fd_and_flags(output);
        compare(operation, flags, &common, |sqe| {
            let (off_in, off_out) = (offsets.0.map_or(-1, |at| at as i64), offsets.1.map_or(-1, |at| at as i64));
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_splice(sqe, fd_in, off_in, fd_out, off_out, len, splice) };
        })?;
    }

    #[test]
    fn tee_writes_what_prep_tee_writes(
        common in common(), input in target(), output in target(), len in word32(), tee in prop::option::of(word32()),
    ) {
        let mut operation = Tee::new(input, output, len);
        if let Some(flags) = tee {
            operation = operation.flags(SpliceFlags::from_bits_retain(flags));
        }
        let (fd_in, tee) = input_in_c(input, tee);
        let (fd_out, flags) = fd_and_flags(output);
        compare(operation, flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_tee(sqe, fd_in, fd_out, len, tee) };
        })?;
    }

    #[test]
    fn pipe_writes_what_prep_pipe_and_pipe_direct_write(
        common in common(), ends in address::<[i32; 2]>(), flags in prop::option::of(word32()), slot in slot(),
    ) {
        let mut pipe = Pipe::new(ends);
        if let Some(flags) = flags {
            pipe = pipe.flags(PipeFlags::from_bits_retain(flags));
        }
        let (none, ends, flags) = (SqeFlags::empty(), ends.cast::<i32>(), flags.unwrap_or(0) as i32);
        compare(pipe, none, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_pipe(sqe, ends, flags) };
        })?;
        compare(pipe.into_slots(slot), none, &common, |sqe| {
            // SAFETY: as above.
            unsafe { sys::io_uring_prep_pipe_direct(sqe, ends, flags, slot) };
        })?;
        compare(pipe.into_free_slots(), none, &common, |sqe| {
            // SAFETY: as above.
            unsafe { sys::io_uring_prep_pipe_direct(sqe, ends, flags, sys::IORING_FILE_INDEX_ALLOC) };
        })?;
    }
}
