//! The file that lines are appended to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::deliver::batch::Batch;
use crate::deliver::error::SinkError;
use crate::files::FileMode;

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file, or nothing yet.
    Regular,
    /// A named pipe.
    Pipe,
    /// `/dev/stdout`, `/dev/null` and their like: never rotated, cut or renamed, even when standard output is a file.
    Special,
}

impl Kind {
    pub(crate) fn of(path: &Path) -> Self {
        if path.starts_with("/dev/") || path.starts_with("/proc/") {
            return Self::Special;
        }
        match fs::metadata(path).map(|metadata| metadata.file_type()) {
            Ok(kind) if kind.is_fifo() => Self::Pipe,
            Ok(kind) if !kind.is_file() && !kind.is_dir() => Self::Special,
            Ok(_) | Err(_) => Self::Regular,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Output {
    file: File,
    kind: Kind,
    size: u64,
    born: SystemTime,
    /// Bytes of the next message that are in the file already and could not be taken back.
    partial: usize,
}

impl Output {
    pub(crate) fn open(path: &Path, kind: Kind, mode: FileMode) -> Result<Self, SinkError> {
        let open_failed = |source| SinkError::io("open", path, source);
        let file = match (kind, path.to_str()) {
            // Opening them by name fails when they are sockets.
            (Kind::Special, Some("/dev/stdout")) => {
                File::from(io::stdout().as_fd().try_clone_to_owned().map_err(open_failed)?)
            }
            (Kind::Special, Some("/dev/stderr")) => {
                File::from(io::stderr().as_fd().try_clone_to_owned().map_err(open_failed)?)
            }
            (Kind::Special | Kind::Pipe, _) => OpenOptions::new().append(true).open(path).map_err(open_failed)?,
            // Read access is for the look at the last line.
            (Kind::Regular, _) => {
                mode.open_or_create(path, OpenOptions::new().read(true).append(true)).map_err(open_failed)?
            }
        };
        let mut output = Self { file, kind, size: 0, born: SystemTime::now(), partial: 0 };
        if kind == Kind::Regular {
            output.repair(path).map_err(|source| SinkError::io("repair", path, source))?;
        }
        Ok(output)
    }

    /// Cuts off what a crash left of a last line.
    fn repair(&mut self, path: &Path) -> io::Result<()> {
        let metadata = self.file.metadata()?;
        self.size = metadata.len();
        if self.size > 0 {
            self.born = metadata.created().or_else(|_| metadata.modified()).unwrap_or_else(|_| SystemTime::now());
        }
        let whole = end_of_last_line(&mut self.file, self.size)?;
        if whole < self.size {
            tracing::warn!(file = %path.display(), bytes = self.size - whole, "cut off a torn last line");
            self.file.set_len(whole)?;
            self.size = whole;
        }
        Ok(())
    }

    /// Appends `count` messages from `from` on with one write; returns how many whole ones are in the file, and the error
    /// that was in the way of the others.
    pub(crate) fn append(&mut self, batch: &Batch, from: usize, count: usize) -> (usize, Option<io::Error>) {
        let lines = batch.lines(from..from.saturating_add(count));
        let mut written = self.partial.min(lines.len());
        let mut failure = None;
        while let Some(rest) = lines.get(written..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => {
                    failure = Some(io::ErrorKind::WriteZero.into());
                    break;
                }
                Ok(bytes) => {
                    written += bytes;
                    self.size += bytes as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let taken = batch.messages_within(from, written).min(count);
        self.partial = written - batch.lines(from..from + taken).len().min(written);
        if self.partial > 0 && self.kind == Kind::Regular {
            self.take_back_partial();
        }
        (taken, failure)
    }

    /// Removes the beginning of a line; if that fails too, the next append completes the line.
    fn take_back_partial(&mut self) {
        // Not `size`, which somebody else may have changed.
        let Ok(metadata) = self.file.metadata() else {
            return;
        };
        let whole = metadata.len().saturating_sub(self.partial as u64);
        if self.file.set_len(whole).is_ok() {
            self.size = whole;
            self.partial = 0;
        }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// How many bytes may be added before the file has more than `limit`.
    pub(crate) fn room(&self, limit: u64) -> u64 {
        limit.saturating_sub(self.size)
    }

    /// Where the next message begins: after the last whole one.
    pub(crate) fn end(&self) -> u64 {
        self.size.saturating_sub(self.partial as u64)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.size == 0
    }

    pub(crate) fn age(&self) -> Duration {
        SystemTime::now().duration_since(self.born).unwrap_or_default()
    }

    /// Whether this is still the file under `path`.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        let (Ok(open), Ok(named)) = (self.file.metadata(), fs::metadata(path)) else {
            return false;
        };
        (open.dev(), open.ino()) == (named.dev(), named.ino())
    }

    /// Learns of a truncation by somebody else.
    pub(crate) fn refresh_size(&mut self) {
        if let Ok(metadata) = self.file.metadata() {
            self.size = metadata.len();
        }
    }
}

/// The offset after the last newline.
fn end_of_last_line(file: &mut File, size: u64) -> io::Result<u64> {
    const CHUNK: u64 = 64 * 1024;
    let mut end = size;
    let mut chunk = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(CHUNK);
        file.seek(SeekFrom::Start(start))?;
        chunk.clear();
        Read::by_ref(file).take(end - start).read_to_end(&mut chunk)?;
        if let Some(newline) = memchr::memrchr(b'\n', &chunk) {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
