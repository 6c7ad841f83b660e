//! Packets as they are sent: a header of length and sequence id in front of each payload.

/// The payload length of a packet that is continued by the next one.
pub const MAX_PACKET_PAYLOAD: usize = 0xff_ffff;

/// A physical packet's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketHeader {
    /// The payload's length in bytes, up to [`MAX_PACKET_PAYLOAD`].
    pub length: usize,
    /// Which packet of an exchange it is.
    pub sequence: u8,
}

impl PacketHeader {
    /// Its length in bytes.
    pub const LENGTH: usize = 4;

    /// Reads it.
    #[inline]
    pub const fn parse([a, b, c, sequence]: [u8; Self::LENGTH]) -> Self {
        Self { length: u32::from_le_bytes([a, b, c, 0]) as usize, sequence }
    }

    /// Whether the next packet belongs to this one.
    pub const fn is_continued(self) -> bool {
        self.length == MAX_PACKET_PAYLOAD
    }
}

/// Appends a payload of any length as packets; returns the sequence id after the last one.
///
/// ```
/// use mysql_interceptor::mysql::wire::write_packet;
/// let mut out = Vec::new();
/// assert_eq!(write_packet(&mut out, b"\x0e", 0), 1);
/// assert_eq!(out, b"\x01\0\0\0\x0e");
/// ```
pub fn write_packet(out: &mut Vec<u8>, payload: &[u8], mut sequence: u8) -> u8 {
    out.reserve(payload.len() + PacketHeader::LENGTH);
    let mut rest = payload;
    loop {
        let (now, later) = rest.split_at(rest.len().min(MAX_PACKET_PAYLOAD));
        let [a, b, c, _] = (now.len() as u32).to_le_bytes();
        out.extend_from_slice(&[a, b, c, sequence]);
        out.extend_from_slice(now);
        sequence = sequence.wrapping_add(1);
        rest = later;
        // One that fills its packet is followed by another, if need be by an empty one.
        if now.len() < MAX_PACKET_PAYLOAD {
            return sequence;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::wire::framer::{Framer, Keep};

    #[test]
    fn what_is_written_is_read_again() {
        let full = MAX_PACKET_PAYLOAD;
        for (length, packets) in [(0, 1), (5, 1), (full - 1, 1), (full, 2), (full + 7, 2)] {
            let payload = vec![7; length];
            let mut out = Vec::new();
            assert_eq!(write_packet(&mut out, &payload, 255), packets - 1);
            assert_eq!(out.len(), length + usize::from(packets) * PacketHeader::LENGTH);
            let mut framer = Framer::default();
            let mut input = &out[..];
            let packet = framer.next(&mut input, Keep::UpTo(usize::MAX), 0).unwrap();
            assert!(packet.payload == payload && packet.sequence == 255);
            assert!(input.is_empty());
        }
    }
}
