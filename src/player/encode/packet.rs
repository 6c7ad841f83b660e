//! A packet under way to the target, in a buffer that is used again.

use crate::mysql::wire::{MAX_PACKET_PAYLOAD, PacketHeader, write_packet};

/// A buffer that has grown beyond this for one command gives its memory back.
const KEPT_BYTES: usize = 256 << 10;

/// The next packet's bytes.
#[derive(Debug, Default)]
pub(crate) struct PacketBuffer {
    bytes: Vec<u8>,
}

impl PacketBuffer {
    /// Begins a packet: its payload is appended to what is returned, which holds the header's place.
    pub(crate) fn begin(&mut self) -> &mut Vec<u8> {
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
        self.bytes.extend_from_slice(&[0; PacketHeader::LENGTH]);
        &mut self.bytes
    }

    /// The packet, with its header: several, if its payload is too long for one.
    pub(crate) fn finish(&mut self, sequence: u8) -> &[u8] {
        let payload = self.bytes.get(PacketHeader::LENGTH..).unwrap_or_default();
        if payload.len() >= MAX_PACKET_PAYLOAD {
            let mut whole = Vec::new();
            write_packet(&mut whole, payload, sequence);
            self.bytes = whole;
        } else {
            // Below 2^24, as was just seen.
            let [a, b, c, _] = (payload.len() as u32).to_le_bytes();
            if let Some(header) = self.bytes.first_chunk_mut() {
                *header = [a, b, c, sequence];
            }
        }
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_any_length() {
        let mut buffer = PacketBuffer::default();
        for length in [0, 5, MAX_PACKET_PAYLOAD - 1, MAX_PACKET_PAYLOAD, MAX_PACKET_PAYLOAD + 3, 2] {
            let payload = vec![7; length];
            buffer.begin().extend_from_slice(&payload);
            let mut expected = Vec::new();
            write_packet(&mut expected, &payload, 3);
            assert!(buffer.finish(3) == expected, "{length}");
        }
        assert!(buffer.bytes.capacity() <= KEPT_BYTES, "one long packet is not kept for ever");
    }
}
