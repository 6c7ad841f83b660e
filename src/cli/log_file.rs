//! A log in a file, which may be renamed while it is written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::files::FileMode;

/// How often to look whether the file still has its name: logrotate renames it and tells nobody.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    look_interval: Duration,
    looked: Instant,
}

impl LogFile {
    /// Opens the file to append to it; creates it if it is missing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = append_to(path)?;
        Ok(Self { path: path.to_owned(), file, look_interval: LOOK_INTERVAL, looked: Instant::now() })
    }

    /// Appends a line to the file that has the name now.
    pub(super) fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.looked.elapsed() >= self.look_interval {
            self.looked = Instant::now();
            // Where a new one cannot be made, the old one is better than none.
            if !self.has_its_name()
                && let Ok(file) = append_to(&self.path)
            {
                self.file = file;
            }
        }
        self.file.write_all(line)
    }

    fn has_its_name(&self) -> bool {
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        match (fs::metadata(&self.path), self.file.metadata()) {
            (Ok(named), Ok(open)) => identity(named) == identity(open),
            _ => false,
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    FileMode::default().open_or_create(path, OpenOptions::new().append(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_renamed_is_followed_by_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, rotated) = (folder.path().join("log"), folder.path().join("log.1"));
        let mut log = LogFile::open(&path).unwrap();
        log.look_interval = Duration::ZERO;
        log.write_line(b"one\n").unwrap();
        fs::rename(&path, &rotated).unwrap();
        log.write_line(b"two\n").unwrap();
        log.write_line(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(&rotated).unwrap(), "one\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\nthree\n");
        drop(log);
        LogFile::open(&path).unwrap().write_line(b"four\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\nthree\nfour\n");
    }
}
