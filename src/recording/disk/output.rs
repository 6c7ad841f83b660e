//! A file that is written: as it is, or encrypted.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::error::{Failure, RecordingError};
use super::key::Key;
use super::message::Encoded;
use super::sealed::{Cipher, LENGTH, MAX_CHUNK, TAG};
use crate::files::{self, FileMode};

/// What is written, append by append. What an append has taken survives the end of the process.
pub(super) struct Output {
    path: PathBuf,
    file: File,
    written: u64,
    #[cfg(test)]
    limit: u64,
    seal: Option<Seal>,
}

struct Seal {
    cipher: Cipher,
    /// The number of the next chunk.
    next: u64,
}

impl Output {
    /// Makes the file, which must not be there yet.
    pub(super) fn create(path: &Path, key: Option<&Key>) -> Result<Self, RecordingError> {
        let options = File::options().write(true).create_new(true).to_owned();
        let file = FileMode::PRIVATE
            .open_or_create(path, &options)
            .map_err(|source| Failure::io("make the file")(source).at(path))?;
        let mut output = Self {
            path: path.to_owned(),
            file,
            written: 0,
            #[cfg(test)]
            limit: u64::MAX,
            seal: None,
        };
        if let Some(key) = key {
            let (cipher, header) = Cipher::create(key).map_err(|failure| failure.at(path))?;
            output.write(&header)?;
            output.seal = Some(Seal { cipher, next: 0 });
        }
        Ok(output)
    }

    /// The file takes no more bytes than this: the disk is full then.
    #[cfg(test)]
    pub(super) fn limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Appends messages.
    pub(super) fn append(&mut self, messages: &[Encoded]) -> Result<(), RecordingError> {
        let parts = messages.iter().flat_map(|message| [&message.head[..], &message.body]);
        if self.seal.is_none() {
            return parts.into_iter().try_for_each(|part| self.write(part));
        }
        let mut chunk = Vec::new();
        for mut part in parts {
            while !part.is_empty() {
                let (now, later) = part.split_at(part.len().min(MAX_CHUNK - chunk.len()));
                chunk.extend_from_slice(now);
                part = later;
                if chunk.len() == MAX_CHUNK {
                    self.write_chunk(&chunk, false)?;
                    chunk.clear();
                }
            }
        }
        if chunk.is_empty() { Ok(()) } else { self.write_chunk(&chunk, false) }
    }

    /// Writes a chunk, encrypted where the file is.
    fn write_chunk(&mut self, content: &[u8], is_last: bool) -> Result<(), RecordingError> {
        let Some(seal) = &mut self.seal else { return self.write(content) };
        let mut sealed = Vec::with_capacity(content.len() + LENGTH + TAG);
        seal.cipher.seal(seal.next, content, is_last, &mut sealed).map_err(|failure| failure.at(&self.path))?;
        seal.next += 1;
        self.write(&sealed)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), RecordingError> {
        #[cfg(test)]
        if self.written + bytes.len() as u64 > self.limit {
            let room = usize::try_from(self.limit - self.written).unwrap();
            self.file.write_all(&bytes[..room]).unwrap();
            return Err(Failure::io("write")(std::io::ErrorKind::StorageFull.into()).at(&self.path));
        }
        self.file.write_all(bytes).map_err(|source| Failure::io("write")(source).at(&self.path))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// How many bytes are in the file.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Appends the end. The file is on disk when this returns.
    pub(super) fn finish(mut self, end: &[u8]) -> Result<u64, RecordingError> {
        self.write_chunk(end, true)?;
        files::sync(&self.file).map_err(|source| Failure::io("write")(source).at(&self.path))?;
        Ok(self.written)
    }
}
