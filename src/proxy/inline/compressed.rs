//! The compressed protocol: a frame whose content changes is packed again, with its number, so that server and client count alike.

use std::io::Write;

use crate::mysql::wire::{Algorithm, Decompressor, MAX_PACKET_PAYLOAD, write_frame};

use super::packets::{Annotating, Packets};

/// Compressed length (3 bytes), number (1), length before compression (3).
const HEADER: usize = 7;

/// The frames of one client.
#[derive(Debug)]
pub(super) struct Frames {
    algorithm: Algorithm,
    decompressor: Decompressor,
    /// The frame under way.
    frame: Vec<u8>,
    packets: Packets,
}

impl Frames {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, decompressor: Decompressor::new(algorithm), frame: Vec::new(), packets: Packets::default() }
    }

    /// Appends to `out` what is to be sent for `bytes`. False if a frame is not understood: then everything is to pass, this one has.
    pub(super) fn feed(&mut self, mut bytes: &[u8], with: &mut Annotating<'_>, out: &mut Vec<u8>) -> bool {
        while !bytes.is_empty() {
            let wanted = match self.frame.first_chunk::<HEADER>() {
                Some(&[a, b, c, ..]) => HEADER + u32::from_le_bytes([a, b, c, 0]) as usize,
                None => HEADER,
            };
            let (more, rest) = bytes.split_at((wanted - self.frame.len()).min(bytes.len()));
            self.frame.extend_from_slice(more);
            bytes = rest;
            let is_whole = self.frame.len() == wanted && (wanted > HEADER || self.frame.starts_with(&[0, 0, 0]));
            if !is_whole {
                continue;
            }
            let is_understood = self.whole(with, out);
            self.frame.clear();
            // One large frame must not be paid for by the session's whole life.
            if self.frame.capacity() > 256 * 1024 {
                self.frame = Vec::new();
            }
            if !is_understood {
                out.extend_from_slice(bytes);
                return false;
            }
        }
        true
    }

    /// What was kept goes on as it is.
    pub(super) fn give_back(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.frame);
    }

    /// A frame is there.
    fn whole(&mut self, with: &mut Annotating<'_>, out: &mut Vec<u8>) -> bool {
        let content = match self.decompressor.next(&mut self.frame.as_slice()) {
            Ok(content) => content.unwrap_or_default(),
            Err(_) => {
                out.extend_from_slice(&self.frame);
                return false;
            }
        };
        with.room = MAX_PACKET_PAYLOAD.saturating_sub(content.len());
        let mut changed = Vec::with_capacity(content.len() + 256);
        self.packets.feed(content, with, &mut changed);
        // A frame's content ends where it did: what continues in the next one is not kept for it.
        let left_out = self.packets.is_undecided();
        self.packets.give_back(&mut changed);
        with.left_out += u64::from(left_out);
        if changed == content {
            out.extend_from_slice(&self.frame);
            return true;
        }
        let [number, packed @ ..] = [self.frame[3], self.frame[4], self.frame[5], self.frame[6]];
        if packed != [0; 3]
            && let Some(packed) = pack(self.algorithm, &changed)
            && packed.len() < changed.len()
        {
            write_frame(out, &packed, number, changed.len());
        } else {
            write_frame(out, &changed, number, 0);
        }
        true
    }
}

/// Packs a frame's content, with the levels that clients have by default.
fn pack(algorithm: Algorithm, content: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        Algorithm::Zlib => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(content).ok()?;
            encoder.finish().ok()
        }
        Algorithm::Zstd => zstd::bulk::compress(content, 3).ok(),
    }
}
