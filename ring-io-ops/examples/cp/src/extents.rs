//! The data between the holes of a file.

use std::fs::File;
use std::io;
use std::ops::Range;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// Walks over the runs of bytes of a file that are not holes, in order.
///
/// It moves the file's own position until it has come to the end.
#[derive(Debug)]
pub(crate) struct Extents<'a> {
    file: &'a File,
    /// What was not walked over yet.
    rest: Range<u64>,
    keep_holes: bool,
}

impl<'a> Extents<'a> {
    /// The runs within the first `size` bytes; one run over all of them unless `keep_holes`.
    pub(crate) fn new(file: &'a File, size: u64, keep_holes: bool) -> Self {
        Self {
            file,
            rest: 0..size,
            keep_holes,
        }
    }

    fn next_run(&self) -> Result<Range<u64>, Errno> {
        let Range { start, end } = self.rest;
        if !self.keep_holes {
            return Ok(start..end);
        }
        let data = match seek(self.file, SeekFrom::Data(start)) {
            Ok(data) => data.min(end),
            // Nothing but a hole is left.
            Err(Errno::NXIO) => end,
            // The file system cannot tell: everything is data then.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(start..end),
            Err(error) => return Err(error),
        };
        let hole = match seek(self.file, SeekFrom::Hole(data)) {
            Ok(hole) => hole.min(end),
            // The file has become shorter. Reading finds out where it ends now.
            Err(Errno::NXIO) => end,
            Err(error) => return Err(error),
        };
        Ok(data..hole)
    }
}

impl Iterator for Extents<'_> {
    type Item = io::Result<Range<u64>>;

    fn next(&mut self) -> Option<Self::Item> {
        // No look beyond the end: it would move the position again, which is others' by then.
        if self.rest.is_empty() {
            return None;
        }
        let found = self.next_run();
        self.rest.start = found.as_ref().map_or(self.rest.end, |run| run.end);
        match found {
            Ok(run) if run.is_empty() => None,
            other => Some(other.map_err(io::Error::from)),
        }
    }
}
