//! The two files of a copy: how they are opened, and what becomes of a target that stays partial.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};

/// What of a file's mode is kept: the permissions, but nothing that runs as another user.
const PERMISSIONS: u32 = 0o777;

/// The file to copy.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: File,
    path: PathBuf,
    metadata: Metadata,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let name = path.display();
        // Asked before opening: a directory can be opened, and only reading it fails.
        let metadata = fs::metadata(path).with_context(|| format!("cannot stat '{name}'"))?;
        ensure!(
            !metadata.is_dir(),
            "-r not specified; omitting directory '{name}'"
        );
        let file = File::open(path).with_context(|| format!("cannot open '{name}' for reading"))?;
        let metadata = file
            .metadata()
            .with_context(|| format!("cannot stat '{name}'"))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            metadata,
        })
    }

    /// How long the file says it is: `0` also for what cannot know, such as pipes and `/proc`.
    pub(crate) fn size(&self) -> u64 {
        if self.metadata.is_file() {
            self.metadata.len()
        } else {
            0
        }
    }

    pub(crate) fn error(&self) -> String {
        format!("error reading '{}'", self.path.display())
    }
}

/// The copy.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) file: File,
    path: PathBuf,
    /// It can have holes and be cut, unlike a device.
    pub(crate) is_regular: bool,
    /// It was not there before.
    is_new: bool,
}

impl Target {
    /// Creates the file at `path`, in it if it is a directory, or empties the one that is there.
    pub(crate) fn open(path: &Path, source: &Source) -> Result<Self> {
        let path = match source.path.file_name() {
            Some(name) if path.is_dir() => path.join(name),
            _ => path.to_owned(),
        };
        let name = path.display();
        let cannot_create = || format!("cannot create regular file '{name}'");
        match fs::metadata(&path) {
            Ok(there) => {
                ensure!(
                    !there.is_dir(),
                    "cannot overwrite directory '{name}' with non-directory"
                );
                let kind = there.file_type();
                ensure!(
                    !kind.is_fifo() && !kind.is_socket(),
                    "cannot write to '{name}': pipes and sockets have no offsets"
                );
                let file = OpenOptions::new()
                    .write(true)
                    .open(&path)
                    .with_context(cannot_create)?;
                // Of what is open now, whatever the name has meant before.
                let metadata = file
                    .metadata()
                    .with_context(|| format!("cannot stat '{name}'"))?;
                // Under whatever names: emptying the target would empty the source.
                ensure!(
                    (metadata.dev(), metadata.ino())
                        != (source.metadata.dev(), source.metadata.ino()),
                    "'{}' and '{name}' are the same file",
                    source.path.display()
                );
                let is_regular = metadata.is_file();
                if is_regular {
                    file.set_len(0).with_context(cannot_create)?;
                }
                Ok(Self {
                    file,
                    path,
                    is_regular,
                    is_new: false,
                })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let created = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(source.metadata.mode() & PERMISSIONS)
                    .open(&path);
                match created {
                    Ok(file) => Ok(Self {
                        file,
                        path,
                        is_regular: true,
                        is_new: true,
                    }),
                    // There is something that leads nowhere.
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                        bail!("not writing through dangling symlink '{name}'")
                    }
                    Err(error) => Err(anyhow!(error).context(cannot_create())),
                }
            }
            Err(error) => Err(anyhow!(error).context(format!("cannot stat '{name}'"))),
        }
    }

    pub(crate) fn error(&self) -> String {
        format!("error writing '{}'", self.path.display())
    }

    /// Removes the file if this run has created it; one that was there before stays, as far as it was written.
    pub(crate) fn discard(self) {
        let name = self.path.display();
        if !self.is_regular {
            return;
        }
        if !self.is_new {
            eprintln!("cp: '{name}' was there before and stays, incomplete");
            return;
        }
        match fs::remove_file(&self.path) {
            Ok(()) => eprintln!("cp: removed the partial '{name}'"),
            Err(error) => eprintln!("cp: cannot remove the partial '{name}': {error}"),
        }
    }
}
