//! The files of a log.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

const BUFFER: usize = 256 * 1024;

/// What is read, one file after the other.
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

    fn open(&self) -> io::Result<Box<dyn BufRead + Send>> {
        let raw: Box<dyn Read + Send> = match self {
            Self::File(path) => Box::new(File::open(path)?),
            Self::Standard => Box::new(io::stdin()),
        };
        let mut reader = BufReader::with_capacity(BUFFER, raw);
        let front = reader.fill_buf()?;
        Ok(if front.starts_with(&[0x1f, 0x8b]) {
            Box::new(BufReader::with_capacity(BUFFER, flate2::bufread::MultiGzDecoder::new(reader)))
        } else if front.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Box::new(BufReader::with_capacity(BUFFER, zstd::Decoder::with_buffer(reader)?))
        } else {
            Box::new(reader)
        })
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

/// The bytes of several inputs, one after the other.
pub(super) struct Chain {
    rest: VecDeque<Input>,
    open: Option<(String, Box<dyn BufRead + Send>)>,
    /// Bytes to be read again, and how many of them were.
    again: (Vec<u8>, usize),
}

impl Chain {
    pub(super) fn new(inputs: Vec<Input>) -> Self {
        Self { rest: inputs.into(), open: None, again: (Vec::new(), 0) }
    }

    #[cfg(test)]
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        let open: Box<dyn BufRead + Send> = Box::new(io::Cursor::new(bytes.to_vec()));
        Self { rest: VecDeque::new(), open: Some(("test".to_owned(), open)), again: (Vec::new(), 0) }
    }

    /// Bytes that have not been used; none at the end of the last file. A file's last line need not end.
    pub(super) fn fill(&mut self) -> Result<&[u8], InputError> {
        if self.again.1 < self.again.0.len() {
            return Ok(self.again.0.get(self.again.1..).unwrap_or_default());
        }
        loop {
            let is_done = match &mut self.open {
                None => true,
                Some((name, reader)) => match reader.fill_buf() {
                    Ok(bytes) => bytes.is_empty(),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(source) => return Err(InputError { name: name.clone(), source }),
                },
            };
            if !is_done {
                break;
            }
            let Some(next) = self.rest.pop_front() else { return Ok(&[]) };
            let opened = next.open().map_err(|source| InputError { name: next.name(), source })?;
            self.open = Some((next.name(), opened));
        }
        match &mut self.open {
            Some((name, reader)) => reader.fill_buf().map_err(|source| InputError { name: name.clone(), source }),
            None => Ok(&[]),
        }
    }

    pub(super) fn consume(&mut self, bytes: usize) {
        if self.again.1 < self.again.0.len() {
            self.again.1 += bytes;
        } else if let Some((_, reader)) = &mut self.open {
            reader.consume(bytes);
        }
    }

    /// Has bytes read once more, before all others.
    pub(super) fn put_back(&mut self, mut bytes: Vec<u8>) {
        bytes.extend_from_slice(self.again.0.get(self.again.1..).unwrap_or_default());
        self.again = (bytes, 0);
    }
}
