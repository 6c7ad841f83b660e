//! Compresses rotated files and removes the oldest, in the background.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Instant;

use crate::deliver::config::Compression;
use crate::deliver::error::SinkError;
use crate::deliver::ndjson::rotated::RotatedName;
use crate::files::{self, FileMode};

/// zstd's own default.
const LEVEL: i32 = 3;

/// A handle on the background thread; when it is dropped, the thread does what it was told to and ends.
#[derive(Debug)]
pub(crate) struct Janitor {
    work: Sender<()>,
    /// Hangs up when the thread has ended.
    end: Receiver<Infallible>,
}

impl Janitor {
    /// Starts the thread, which first looks for what an earlier run left.
    pub(crate) fn start(path: PathBuf, compress: Compression, keep: usize) -> Result<Self, SinkError> {
        let (work, rounds) = mpsc::channel();
        let (alive, end) = mpsc::channel();
        let janitor = Self { work, end };
        janitor.wake();
        let name = "ndjson-janitor";
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                run(&path, compress, keep, &rounds);
                drop(alive);
            })
            .map_err(|source| SinkError::Thread { name: name.to_owned(), source })?;
        Ok(janitor)
    }

    /// Tells the thread that a file was rotated.
    pub(crate) fn wake(&self) {
        // The thread ends only after this handle.
        let _ = self.work.send(());
    }

    /// Waits until all rotated files are as they should be. False if they were not before `deadline`.
    pub(crate) fn finish(self, deadline: Instant) -> bool {
        let Self { work, end } = self;
        drop(work);
        let left = deadline.saturating_duration_since(Instant::now());
        matches!(end.recv_timeout(left), Err(RecvTimeoutError::Disconnected))
    }
}

fn run(path: &Path, compress: Compression, keep: usize, rounds: &Receiver<()>) {
    while rounds.recv().is_ok() {
        // One round is enough for all that was rotated until now.
        while rounds.try_recv().is_ok() {}
        round(path, compress, keep);
    }
}

/// Brings the rotated files of `path` into the wanted state, whatever state they are in.
pub(crate) fn round(path: &Path, compress: Compression, keep: usize) {
    let mut names = RotatedName::all(path);
    if keep > 0 && names.len() > keep {
        for old in names.drain(..names.len() - keep) {
            for file in [old.plain(path), old.compressed(path), old.unfinished(path), old.sidecar(path)] {
                remove(&file);
            }
        }
    }
    if compress == Compression::Zstd {
        for name in names {
            if let Err(error) = compress_one(&name, path) {
                tracing::error!(file = %name.plain(path).display(), %error, "cannot compress the rotated file; it stays as it is");
            }
        }
    }
}

/// The compressed file gets its name only when it is whole and on the disk, and only then the original goes.
fn compress_one(name: &RotatedName, path: &Path) -> io::Result<()> {
    let (plain, compressed, unfinished) = (name.plain(path), name.compressed(path), name.unfinished(path));
    if compressed.exists() {
        // A crash came between the renaming and the removal, if the original is still there.
        remove(&plain);
        return Ok(());
    }
    let result = (|| {
        let target = FileMode::default().create_instead_of(&plain, &unfinished)?;
        zstd::stream::copy_encode(File::open(&plain)?, &target, LEVEL)?;
        target.sync_all()?;
        fs::rename(&unfinished, &compressed)?;
        files::sync_folder_of(&compressed)
    })();
    match result {
        Ok(()) => remove(&plain),
        Err(_) => remove(&unfinished),
    }
    result
}

fn remove(file: &Path) {
    match fs::remove_file(file) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::error!(file = %file.display(), %error, "cannot remove"),
    }
}
