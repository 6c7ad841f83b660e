//! The compressed protocol's frames, unwrapped for the observer. What is forwarded stays as it came.

use std::io::Read;

use crate::mysql::wire::{CapabilityFlags, Malformed};

/// How a session compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// zlib, `CLIENT_COMPRESS`.
    Zlib,
    /// zstd, `CLIENT_ZSTD_COMPRESSION_ALGORITHM`.
    Zstd,
}

impl Algorithm {
    /// The algorithm that the capabilities in force stand for; zlib wins if both are set (`sql/auth/sql_authentication.cc`).
    pub fn negotiated(in_force: CapabilityFlags) -> Option<Self> {
        if in_force.contains(CapabilityFlags::COMPRESS) {
            Some(Self::Zlib)
        } else if in_force.contains(CapabilityFlags::ZSTD_COMPRESSION_ALGORITHM) {
            Some(Self::Zstd)
        } else {
            None
        }
    }
}

/// Compressed length (3 bytes), sequence id (1), length before compression (3; 0: stored as it is).
const HEADER: usize = 7;

/// Appends a frame with this content; `plain_length`: its length before compression, 0 for what is stored as it is. The content must be shorter
/// than 16 MiB.
pub fn write_frame(out: &mut Vec<u8>, content: &[u8], sequence: u8, plain_length: usize) {
    let [a, b, c, _] = (content.len() as u32).to_le_bytes();
    let [d, e, f, _] = (plain_length as u32).to_le_bytes();
    out.extend_from_slice(&[a, b, c, sequence, d, e, f]);
    out.extend_from_slice(content);
}

/// Unwraps one direction's frames. Holds at most one frame (16 MiB) and its content.
#[derive(Debug)]
pub struct Decompressor {
    algorithm: Algorithm,
    frame: Vec<u8>,
    plain: Vec<u8>,
}

impl Decompressor {
    /// One direction's decompressor, for bytes from the first after authentication.
    pub fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, frame: Vec::new(), plain: Vec::new() }
    }

    /// What its frames are packed with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Bytes of memory in use, for tests.
    #[cfg(any(test, fuzzing))]
    pub fn kept_bytes(&self) -> usize {
        self.frame.capacity() + self.plain.capacity()
    }

    /// Takes bytes from the front of `input`; returns the next frame's content, or `None` when all of `input` is used up.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<&[u8]>, Malformed> {
        // One large frame must not be paid for by the session's whole life.
        if self.plain.capacity() > 256 * 1024 {
            self.plain = Vec::new();
        }
        loop {
            let wanted = match self.frame.first_chunk::<HEADER>() {
                Some(&[a, b, c, ..]) => HEADER + u32::from_le_bytes([a, b, c, 0]) as usize,
                None => HEADER,
            };
            let (head, rest) = input.split_at((wanted - self.frame.len()).min(input.len()));
            self.frame.extend_from_slice(head);
            *input = rest;
            if self.frame.len() < wanted {
                return Ok(None);
            }
            if wanted > HEADER {
                break;
            }
            if self.frame.starts_with(&[0, 0, 0]) {
                self.frame.clear();
                if input.is_empty() {
                    return Ok(None);
                }
            }
        }
        let plain_length = match self.frame.get(4..HEADER) {
            Some(&[a, b, c]) => u32::from_le_bytes([a, b, c, 0]) as usize,
            _ => return Err(Malformed("compressed frame")),
        };
        let content = self.frame.get(HEADER..).unwrap_or_default();
        self.plain.clear();
        if plain_length == 0 {
            self.plain.extend_from_slice(content);
        } else {
            // One byte more than announced is read, so that a frame that holds more is noticed.
            let limit = plain_length as u64 + 1;
            let read = match self.algorithm {
                Algorithm::Zlib => flate2::read::ZlibDecoder::new(content).take(limit).read_to_end(&mut self.plain),
                Algorithm::Zstd => zstd::stream::read::Decoder::new(content)
                    .and_then(|decoder| decoder.take(limit).read_to_end(&mut self.plain)),
            };
            if read.is_err() || self.plain.len() != plain_length {
                return Err(Malformed("compressed frame"));
            }
        }
        self.frame.clear();
        if self.frame.capacity() > 256 * 1024 {
            self.frame = Vec::new();
        }
        Ok(Some(&self.plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn frame(content: &[u8], plain_length: usize) -> Vec<u8> {
        let mut bytes = (content.len() as u32).to_le_bytes()[..3].to_vec();
        bytes.push(0);
        bytes.extend(&(plain_length as u32).to_le_bytes()[..3]);
        bytes.extend(content);
        bytes
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn unwrap_all(decompressor: &mut Decompressor, mut input: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        while let Some(piece) = decompressor.next(&mut input).unwrap() {
            plain.extend_from_slice(piece);
        }
        plain
    }

    #[test]
    fn stored_and_compressed_frames_at_every_cut() {
        let long = vec![b'y'; 5000];
        let stream = [frame(b"stored", 0), frame(&zlib(&long), long.len()), frame(b"end", 0)].concat();
        let expected = [&b"stored"[..], &long, b"end"].concat();
        for cut in 0..stream.len() {
            let mut decompressor = Decompressor::new(Algorithm::Zlib);
            let mut plain = unwrap_all(&mut decompressor, &stream[..cut]);
            plain.extend(unwrap_all(&mut decompressor, &stream[cut..]));
            assert_eq!(plain, expected, "cut at {cut}");
        }
    }

    #[test]
    fn zstd_frames() {
        let long = vec![b'z'; 5000];
        let stream = frame(&zstd::encode_all(&long[..], 3).unwrap(), long.len());
        assert_eq!(unwrap_all(&mut Decompressor::new(Algorithm::Zstd), &stream), long);
    }

    #[test]
    fn a_frame_that_lies_about_its_content_is_an_error() {
        for announced in [10, 4999, 5001] {
            let stream = frame(&zlib(&[b'y'; 5000]), announced);
            assert!(Decompressor::new(Algorithm::Zlib).next(&mut &stream[..]).is_err());
        }
        let stream = frame(b"garbage", 100);
        assert!(Decompressor::new(Algorithm::Zlib).next(&mut &stream[..]).is_err());
        assert!(Decompressor::new(Algorithm::Zstd).next(&mut &stream[..]).is_err());
    }
}
