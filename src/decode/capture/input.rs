//! Where a capture is read from: a file or standard input, packed or not, in a thread of its own.
//!
//! A thread, because a read of a pipe waits as long as its writer likes: what has come is delivered meanwhile, and a stop is heard.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// How much is read at once.
const CHUNK: usize = 256 << 10;
/// How many chunks are read ahead.
const AHEAD: usize = 8;

/// Why there is nothing to read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("cannot open {}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot read {name}: {source}")]
    Read { name: String, source: io::Error },
    #[error("cannot start the thread that reads: {0}")]
    Thread(io::Error),
}

/// A capture that is being read.
#[derive(Debug)]
pub(crate) struct Input {
    name: String,
    chunks: Receiver<io::Result<Vec<u8>>>,
}

/// What a read has brought.
#[derive(Debug)]
pub(crate) enum Read {
    Bytes(Vec<u8>),
    /// Nothing has come for a while.
    Nothing,
    End,
}

impl Input {
    /// Opens a file; `-` is standard input.
    pub(crate) fn open(path: &Path) -> Result<Self, InputError> {
        if path == Path::new("-") {
            return Self::read_from("standard input".to_owned(), || Box::new(io::stdin().lock()));
        }
        let opened = |source| InputError::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(opened)?;
        if file.metadata().map_err(opened)?.is_dir() {
            return Err(opened(io::ErrorKind::IsADirectory.into()));
        }
        Self::read_from(path.display().to_string(), move || Box::new(BufReader::with_capacity(CHUNK, file)))
    }

    fn read_from(name: String, source: impl FnOnce() -> Box<dyn BufRead> + Send + 'static) -> Result<Self, InputError> {
        let (sender, chunks) = sync_channel(AHEAD);
        let read = move || {
            if let Err(error) = unpacked(source()).and_then(|mut source| copy(&mut source, &sender)) {
                // Nobody may be listening any more.
                let _ = sender.send(Err(error));
            }
        };
        thread::Builder::new().name("reader".to_owned()).spawn(read).map_err(InputError::Thread)?;
        Ok(Self { name, chunks })
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The next bytes; waits for them at most for `patience`.
    pub(crate) fn read(&self, patience: Duration) -> Result<Read, InputError> {
        match self.chunks.recv_timeout(patience) {
            Ok(Ok(bytes)) => Ok(Read::Bytes(bytes)),
            Ok(Err(source)) => Err(InputError::Read { name: self.name.clone(), source }),
            Err(RecvTimeoutError::Timeout) => Ok(Read::Nothing),
            Err(RecvTimeoutError::Disconnected) => Ok(Read::End),
        }
    }
}

/// Unpacks what begins as gzip or zstd does.
fn unpacked(mut source: Box<dyn BufRead>) -> io::Result<Box<dyn io::Read>> {
    let front = source.fill_buf()?;
    Ok(match front {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::stream::read::Decoder::with_buffer(source)?),
        _ => Box::new(source),
    })
}

/// Passes on what is read as it comes, until nobody listens.
fn copy(source: &mut dyn io::Read, to: &SyncSender<io::Result<Vec<u8>>>) -> io::Result<()> {
    loop {
        let mut chunk = vec![0; CHUNK];
        let count = match source.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        chunk.truncate(count);
        if to.send(Ok(chunk)).is_err() {
            return Ok(());
        }
    }
}
