//! The files that rows read and write, in a folder beside the builds.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

use crate::random::Random;
use crate::row::Skip;

/// `target/benchmarks/data` where `cargo xtask bench` starts this program.
pub fn folder() -> io::Result<PathBuf> {
    let folder = PathBuf::from("target/benchmarks/data");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A file of that size without holes, in the page cache; made once and kept.
pub fn source(mebibytes: u32) -> Result<PathBuf, Skip> {
    let make = || {
        let path = folder()?.join(format!("source-{mebibytes}"));
        let size = u64::from(mebibytes) << 20;
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() == size) {
            let mut file = File::open(&path)?;
            let mut buffer = vec![0; 1 << 20];
            while file.read(&mut buffer)? > 0 {}
        } else {
            let mut random = Random::new();
            let mut file = File::create(&path)?;
            for _ in 0..mebibytes {
                let words = (0..1 << 17).map(|_| random.below(1 << 40).to_le_bytes());
                file.write_all(words.collect::<Vec<_>>().as_flattened())?;
            }
            file.sync_all()?;
        }
        Ok(path)
    };
    make().map_err(|error: io::Error| Skip::because(format!("no file of {mebibytes} MiB: {error}")))
}
