//! The bytes of a header and of a record's header.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::segment::error::Failure;

const MAGIC: [u8; 8] = *b"MYSQLSEG";
/// Files of another version are refused.
const VERSION: u32 = 1;
/// Bytes of a file's header.
pub(crate) const HEADER: usize = 24;
/// Bytes of a record's header.
pub(crate) const RECORD_HEADER: usize = 8;

/// The beginning of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    key: u64,
}

impl Header {
    pub(crate) fn random() -> Self {
        Self { key: RandomState::new().build_hasher().finish() }
    }

    pub(crate) fn bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let fields = MAGIC.into_iter().chain(VERSION.to_le_bytes()).chain(self.key.to_le_bytes());
        bytes.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
        let (fields, checksum) = bytes.split_at_mut(HEADER - 4);
        checksum.copy_from_slice(&crc32fast::hash(fields).to_le_bytes());
        bytes
    }

    /// Whether these first bytes of a file are those of one that was being made when the process or the machine went down.
    pub(crate) fn is_unfinished(start: &[u8]) -> bool {
        let is_ours = start.iter().zip(MAGIC).all(|(byte, magic)| *byte == magic);
        start.iter().all(|byte| *byte == 0) || (is_ours && start.len() < HEADER)
    }

    /// Reads the first bytes of a file that has records.
    pub(crate) fn read(start: &[u8]) -> Result<Self, Failure> {
        let (Some((magic, rest)), true) = (start.split_first_chunk::<8>(), start.len() == HEADER) else {
            return Err(Failure::Foreign);
        };
        let (Some((version, rest)), true) = (rest.split_first_chunk(), *magic == MAGIC) else {
            return Err(Failure::Foreign);
        };
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(Failure::Version { found: version, known: VERSION });
        }
        let header = Self { key: rest.first_chunk().map_or(0, |key| u64::from_le_bytes(*key)) };
        if header.bytes() == *start { Ok(header) } else { Err(Failure::Damaged { offset: 0 }) }
    }
}

/// What stands before a record's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) length: u32,
    checksum: u32,
}

impl RecordHeader {
    /// That of a record at `offset`, whose bytes are given in parts.
    pub(crate) fn new(header: Header, offset: u64, length: u32, parts: &[&[u8]]) -> Self {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&header.key.to_le_bytes());
        checksum.update(&offset.to_le_bytes());
        checksum.update(&length.to_le_bytes());
        parts.iter().for_each(|part| checksum.update(part));
        let checksum = checksum.finalize();
        // Zeros are room for a record, and none themselves.
        Self { length, checksum: if length == 0 { checksum.max(1) } else { checksum } }
    }

    pub(crate) fn read(bytes: [u8; RECORD_HEADER]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        Self { length: u32::from_le_bytes([a, b, c, d]), checksum: u32::from_le_bytes([e, f, g, h]) }
    }

    pub(crate) fn bytes(self) -> [u8; RECORD_HEADER] {
        let mut bytes = [0; RECORD_HEADER];
        let (length, checksum) = bytes.split_at_mut(4);
        length.copy_from_slice(&self.length.to_le_bytes());
        checksum.copy_from_slice(&self.checksum.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Once in four thousand million places zeros would have the right checksum.
    #[test]
    fn zeros_are_no_record_whatever_the_key() {
        let offset = 4096_u64;
        let checksum = |key: u64| {
            let bytes = [&key.to_le_bytes()[..], &offset.to_le_bytes(), &0_u32.to_le_bytes()].concat();
            crc32fast::hash(&bytes)
        };
        // The checksum is linear in the key's bits: those that make it zero, by elimination.
        let none = checksum(0);
        let mut basis: Vec<(u32, u64)> = Vec::new();
        let reduce = |basis: &[(u32, u64)], start: (u32, u64)| {
            basis.iter().fold(
                start,
                |(value, key), (other, of)| {
                    if value ^ other < value { (value ^ other, key ^ of) } else { (value, key) }
                },
            )
        };
        for bit in 0..64 {
            let reduced = reduce(&basis, (checksum(1 << bit) ^ none, 1 << bit));
            if reduced.0 != 0 {
                basis.push(reduced);
                basis.sort_unstable_by(|one, other| other.cmp(one));
            }
        }
        let (left, key) = reduce(&basis, (none, 0));
        assert_eq!((left, checksum(key)), (0, 0));
        let zeros = RecordHeader::read([0; RECORD_HEADER]);
        assert_ne!(RecordHeader::new(Header { key }, offset, 0, &[]), zeros);
    }
}
