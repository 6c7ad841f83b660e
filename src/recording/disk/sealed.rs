//! Encrypted files.
//!
//! ```text
//!   header   magic (8 bytes) | version (4) | id of the key (8) | the file's own key, encrypted with that (60)
//!   chunk    length of the content (4; its highest bit is set in the last chunk of a file) | content, encrypted | tag (16)
//! ```
//!
//! What the chunks hold, one after the other, is the file that there would be without encryption. Numbers are little-endian. Every file
//! has a random key of its own. The cipher is AES-256-GCM; a chunk's nonce is its number, and the length is authenticated with it: chunks
//! that are missing, moved or doubled are noticed, and a file whose last chunk is gone is one that was not finished.

use ring::aead::{Aad, LessSafeKey, Nonce};

use super::error::Failure;
use super::key::{KEY, KEY_ID, Key, WRAPPED, aead, fill};

const MAGIC: [u8; 8] = *b"MYSQLREC";
const VERSION: u32 = 1;
/// Bytes of the header before the wrapped key, which it is authenticated with.
const OPEN_HEADER: usize = 8 + 4 + KEY_ID;
/// Bytes of the header.
pub(super) const HEADER: usize = OPEN_HEADER + WRAPPED;
/// Bytes of a chunk's length.
pub(super) const LENGTH: usize = 4;
pub(super) const TAG: usize = 16;
/// A chunk holds at most this.
pub(super) const MAX_CHUNK: usize = 1 << 20;
/// Marks the last chunk.
const LAST: u32 = 1 << 31;

/// The cipher of one file.
pub(super) struct Cipher {
    key: LessSafeKey,
}

/// What stands before a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkHead {
    pub(super) length: usize,
    pub(super) is_last: bool,
}

impl ChunkHead {
    pub(super) fn read(bytes: [u8; LENGTH]) -> Result<Self, Failure> {
        let word = u32::from_le_bytes(bytes);
        let length = usize::try_from(word & !LAST).unwrap_or(usize::MAX);
        if length > MAX_CHUNK {
            return Err(Failure::damaged("a chunk of an impossible length"));
        }
        Ok(Self { length, is_last: word & LAST != 0 })
    }

    fn bytes(self) -> Result<[u8; LENGTH], Failure> {
        let length = u32::try_from(self.length).map_err(Failure::invalid)?;
        Ok((length | if self.is_last { LAST } else { 0 }).to_le_bytes())
    }
}

/// Whether these first bytes of a file are those of an encrypted one.
pub(super) fn is_sealed(start: &[u8]) -> bool {
    start.starts_with(&MAGIC)
}

impl Cipher {
    /// That of a new file, with its header.
    pub(super) fn create(key: &Key) -> Result<(Self, Vec<u8>), Failure> {
        let mut file_key = [0; KEY];
        fill(&mut file_key)?;
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&key.id());
        let wrapped = key.wrap(&file_key, &header)?;
        header.extend_from_slice(&wrapped);
        Ok((Self { key: aead(&file_key)? }, header))
    }

    /// That of the file with this header.
    pub(super) fn open(key: &Key, header: &[u8; HEADER]) -> Result<Self, Failure> {
        let damaged = || Failure::damaged("its header");
        let (open, wrapped) = header.split_at_checked(OPEN_HEADER).ok_or_else(damaged)?;
        let rest = open.strip_prefix(&MAGIC).ok_or(Failure::Foreign)?;
        let (version, id) = rest.split_first_chunk().ok_or_else(damaged)?;
        let version = u32::from_le_bytes(*version);
        if version > VERSION {
            return Err(Failure::Version { found: version, known: VERSION });
        }
        if *id != key.id() {
            return Err(Failure::WrongKey);
        }
        let wrapped = wrapped.first_chunk::<WRAPPED>().ok_or_else(damaged)?;
        Ok(Self { key: aead(&key.unwrap_key(wrapped, open)?)? })
    }

    /// Appends the chunk with this number.
    pub(super) fn seal(&self, number: u64, content: &[u8], is_last: bool, out: &mut Vec<u8>) -> Result<(), Failure> {
        let head = ChunkHead { length: content.len(), is_last }.bytes()?;
        let mut sealed = content.to_vec();
        self.key
            .seal_in_place_append_tag(nonce(number), Aad::from(head), &mut sealed)
            .map_err(|_| Failure::invalid("a chunk could not be encrypted"))?;
        out.extend_from_slice(&head);
        out.extend_from_slice(&sealed);
        Ok(())
    }

    /// Decrypts the chunk with this number: its content and tag.
    pub(super) fn unseal(&self, number: u64, head: ChunkHead, mut sealed: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let plain = self
            .key
            .open_in_place(nonce(number), Aad::from(head.bytes()?), &mut sealed)
            .map_err(|_| Failure::damaged("a chunk is not what was written"))?;
        let length = plain.len();
        sealed.truncate(length);
        Ok(sealed)
    }
}

/// The number of the chunk: the key is the file's own, so none is used twice.
fn nonce(number: u64) -> Nonce {
    let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
    Nonce::assume_unique_for_key([a, b, c, d, e, f, g, h, 0, 0, 0, 0])
}
