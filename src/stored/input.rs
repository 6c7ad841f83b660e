//! A file's bytes, whatever it is compressed with.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

const BUFFER: usize = 256 * 1024;
/// How long reading from standard input may wait.
const PATIENCE: Duration = Duration::from_millis(100);

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file, plain or compressed with gzip or zstd: its first bytes tell.
    File(PathBuf),
    /// Standard input, which may be compressed as well.
    Standard,
}

impl Input {
    /// What to call it.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Standard => "standard input".to_owned(),
        }
    }

    pub(crate) fn open(&self) -> io::Result<Box<dyn BufRead + Send>> {
        match self {
            Self::File(path) => decompressed(File::open(path)?),
            Self::Standard => decompressed(io::stdin()),
        }
    }
}

/// The bytes of a file as they were before it was compressed, if it was.
pub(super) fn decompressed(raw: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut reader = BufReader::with_capacity(BUFFER, raw);
    let front = loop {
        match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            front => break front?,
        }
    };
    Ok(if front.starts_with(&[0x1f, 0x8b]) {
        Box::new(BufReader::with_capacity(BUFFER, flate2::bufread::MultiGzDecoder::new(reader)))
    } else if front.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(BufReader::with_capacity(BUFFER, zstd::Decoder::with_buffer(reader)?))
    } else {
        Box::new(reader)
    })
}

/// Counts what is read.
pub(super) struct Counted<R> {
    pub(super) inner: R,
    pub(super) count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(out)?;
        self.count.fetch_add(bytes as u64, Relaxed);
        Ok(bytes)
    }
}

/// Standard input, read by a thread of its own: who reads it can stop waiting, which is `WouldBlock`.
pub(super) struct Patient {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    at: usize,
}

impl Patient {
    pub(super) fn standard_input() -> io::Result<Self> {
        let (sender, chunks) = sync_channel(2);
        let read = move || {
            let mut input = io::stdin().lock();
            loop {
                let mut chunk = vec![0; BUFFER];
                let read = match input.read(&mut chunk) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read,
                };
                let is_end = !matches!(read, Ok(bytes) if bytes > 0);
                let sent = sender.send(read.map(|bytes| {
                    chunk.truncate(bytes);
                    chunk
                }));
                if is_end || sent.is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("stdin".to_owned()).spawn(read)?;
        Ok(Self { chunks, chunk: Vec::new(), at: 0 })
    }
}

impl Read for Patient {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() {
            self.at = 0;
            self.chunk = match self.chunks.recv_timeout(PATIENCE) {
                Ok(chunk) => chunk?,
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::WouldBlock.into()),
                // It has said that this is the end.
                Err(RecvTimeoutError::Disconnected) => Vec::new(),
            };
        }
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        let bytes = rest.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..bytes), rest.get(..bytes)) {
            to.copy_from_slice(from);
        }
        self.at += bytes;
        Ok(bytes)
    }
}

/// An error, and the file in which it happened.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {name}: {source}")]
pub struct InputError {
    /// The file.
    pub name: String,
    /// Why.
    pub source: io::Error,
}
