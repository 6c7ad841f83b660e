//! A file that is read: as it is, or encrypted. Either way its content has offsets.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::error::Failure;
use super::key::Key;
use super::sealed::{self, ChunkHead, Cipher};

/// What can be read of a file.
pub(super) struct Input {
    file: File,
    /// How many bytes its content has.
    length: u64,
    /// How many bytes of the file follow of which nothing can be made, and whether it ends before its end.
    torn: Option<u64>,
    seal: Option<Seal>,
}

struct Seal {
    cipher: Cipher,
    chunks: Vec<Chunk>,
    /// The chunk that was read last, decrypted.
    current: Option<(usize, Vec<u8>)>,
}

#[derive(Clone, Copy)]
struct Chunk {
    /// Where its content begins: in the file, and in what the chunks hold together.
    at: u64,
    offset: u64,
    head: ChunkHead,
}

impl Input {
    pub(super) fn open(path: &Path, key: Option<&Key>) -> Result<Self, Failure> {
        let file = File::open(path).map_err(Failure::io("open the file"))?;
        let size = file.metadata().map_err(Failure::io("read"))?.len();
        let mut header = [0; sealed::HEADER];
        let length = read_up_to(&file, &mut header, 0)?;
        let start = header.get(..length).unwrap_or_default();
        match (sealed::is_sealed(start), key) {
            (true, None) => Err(Failure::KeyNeeded),
            // The encryption of files that are cut within their headers cannot be told.
            (false, Some(_)) if length >= 8 => Err(Failure::NotEncrypted),
            (true, Some(_)) if length < sealed::HEADER => Ok(Self { file, length: 0, torn: Some(size), seal: None }),
            (true, Some(key)) => Self::sealed(file, size, Cipher::open(key, &header)?),
            (false, _) => Ok(Self { file, length: size, torn: None, seal: None }),
        }
    }

    /// Finds the chunks.
    fn sealed(file: File, size: u64, cipher: Cipher) -> Result<Self, Failure> {
        let mut chunks = Vec::new();
        let (mut at, mut offset, mut is_finished) = (sealed::HEADER as u64, 0, false);
        while !is_finished {
            let mut length = [0; sealed::LENGTH];
            if read_up_to(&file, &mut length, at)? < sealed::LENGTH {
                break;
            }
            let head = ChunkHead::read(length)?;
            let content = at + sealed::LENGTH as u64;
            let end = content + (head.length + sealed::TAG) as u64;
            if end > size {
                break;
            }
            chunks.push(Chunk { at: content, offset, head });
            offset += head.length as u64;
            is_finished = head.is_last;
            at = end;
        }
        if is_finished && at != size {
            return Err(Failure::damaged("something follows its end"));
        }
        let torn = (!is_finished).then_some(size - at);
        Ok(Self { file, length: offset, torn, seal: Some(Seal { cipher, chunks, current: None }) })
    }

    /// Whether it is encrypted.
    pub(super) fn is_sealed(&self) -> bool {
        self.seal.is_some()
    }

    /// How many bytes can be read.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// If it is encrypted and ends before its end: how many bytes are left over.
    pub(super) fn torn(&self) -> Option<u64> {
        self.torn
    }

    /// Reads that many bytes. Fewer than there are must be asked for.
    pub(super) fn read(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, Failure> {
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.length);
        end.ok_or_else(|| Failure::damaged("it is shorter than it was"))?;
        let mut bytes = vec![0; length];
        match &mut self.seal {
            None => self.file.read_exact_at(&mut bytes, offset).map_err(Failure::io("read"))?,
            Some(seal) => seal.read(&self.file, offset, &mut bytes)?,
        }
        Ok(bytes)
    }
}

impl Seal {
    fn read(&mut self, file: &File, mut offset: u64, mut into: &mut [u8]) -> Result<(), Failure> {
        while !into.is_empty() {
            let index = self.chunks.partition_point(|chunk| chunk.offset <= offset).saturating_sub(1);
            let start = self.chunks.get(index).map_or(0, |chunk| chunk.offset);
            let content = self.chunk(file, index)?;
            let skip = usize::try_from(offset - start).unwrap_or(usize::MAX);
            let part = content.get(skip..).unwrap_or_default();
            let part = part.get(..into.len()).unwrap_or(part);
            if part.is_empty() {
                return Err(Failure::damaged("it is shorter than it was"));
            }
            let (filled, rest) = into.split_at_mut(part.len());
            filled.copy_from_slice(part);
            offset += part.len() as u64;
            into = rest;
        }
        Ok(())
    }

    fn chunk(&mut self, file: &File, index: usize) -> Result<&[u8], Failure> {
        let chunk = *self.chunks.get(index).ok_or_else(|| Failure::damaged("it is shorter than it was"))?;
        let known = self.current.take().filter(|(known, _)| *known == index);
        let content = match known {
            Some((_, content)) => content,
            None => {
                let mut sealed = vec![0; chunk.head.length + sealed::TAG];
                file.read_exact_at(&mut sealed, chunk.at).map_err(Failure::io("read"))?;
                self.cipher.unseal(index as u64, chunk.head, sealed)?
            }
        };
        Ok(&self.current.insert((index, content)).1)
    }
}

/// Reads until the buffer is full or the file ends.
fn read_up_to(file: &File, buffer: &mut [u8], at: u64) -> Result<usize, Failure> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::io("read")(error)),
        }
    }
    Ok(filled)
}
