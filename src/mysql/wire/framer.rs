//! Cuts one direction's byte stream into packets, however the bytes arrive.

use crate::mysql::wire::packet::{MAX_PACKET_PAYLOAD, PacketHeader};

const HEADER: usize = PacketHeader::LENGTH;

/// How much of a packet's payload the caller wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Up to this many bytes from the front.
    UpTo(usize),
    /// A row is only counted; what may end the rows (first byte 0xfe or 0xff) is kept up to this many bytes.
    RowEnds(usize),
    /// Up to this many bytes of a packet that begins an exchange (sequence id 0), nothing of what continues one.
    Requests(usize),
}

impl Keep {
    /// How much of a packet of this sequence id that lies there whole.
    fn of_whole(self, sequence: u8) -> usize {
        match self {
            Self::UpTo(limit) | Self::RowEnds(limit) => limit,
            Self::Requests(limit) => {
                if sequence == 0 {
                    limit
                } else {
                    0
                }
            }
        }
    }
}

/// One logical packet: physical packets of 0xffffff bytes and their continuation joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The front of the payload, as much as [`Keep`] asked for.
    pub payload: &'a [u8],
    /// The payload's true length in bytes.
    pub length: u64,
    /// Sequence id of the first physical packet.
    pub sequence: u8,
    /// The sequence id after that of the last one.
    pub next_sequence: u8,
    /// When the header's first byte came, in the caller's clock.
    pub started_ns: u64,
}

/// The packet under way when its bytes came in more than one piece.
#[derive(Debug, Default)]
struct Partial {
    header: [u8; HEADER],
    header_length: usize,
    /// Payload bytes of the current physical packet still to come.
    missing: usize,
    /// Whether the current physical packet is a full one, so that another belongs to it.
    continued: bool,
    /// Set by the first physical packet's header.
    sequence: Option<u8>,
    length: u64,
    started_ns: u64,
    /// How many bytes to collect; known with the payload's first byte.
    limit: Option<usize>,
    kept: Vec<u8>,
}

/// Packet framing of one direction. Memory follows the bytes that came, never a length that was announced.
///
/// ```
/// use mysql_interceptor::mysql::wire::{Framer, Keep};
/// let mut framer = Framer::default();
/// let mut input: &[u8] = &[1, 0, 0, 0, 0x0e, 2, 0, 0];
/// let packet = framer.next(&mut input, Keep::UpTo(64), 0).unwrap();
/// assert_eq!((packet.sequence, packet.payload), (0, &[0x0e][..]));
/// assert!(framer.next(&mut input, Keep::UpTo(64), 0).is_none()); // half a header is kept for the next call
/// assert!(input.is_empty());
/// ```
#[derive(Debug, Default)]
pub struct Framer {
    partial: Partial,
    under_way: bool,
    delivered: bool,
}

impl Framer {
    /// Whether a packet has begun and is not complete.
    pub fn is_mid_packet(&self) -> bool {
        self.under_way
    }

    /// What has been collected of the packet under way, and when it began.
    pub fn partial(&self) -> Option<(&[u8], u64)> {
        (self.under_way && !self.delivered).then_some((&self.partial.kept, self.partial.started_ns))
    }

    /// Some bytes of the packet under way will not come: what was collected of it stays its front, and its length is what it says. Nothing
    /// changes, and false comes back, if the packet's first byte was not seen or there are more bytes than are missing of it.
    pub fn skip(&mut self, count: u64) -> bool {
        let partial = &mut self.partial;
        let is_known = self.under_way && !self.delivered && partial.header_length == HEADER && partial.limit.is_some();
        match usize::try_from(count) {
            Ok(count) if is_known && count <= partial.missing => {
                partial.missing -= count;
                partial.limit = Some(partial.kept.len());
                true
            }
            _ => false,
        }
    }

    /// Bytes of memory in use, for tests.
    #[cfg(any(test, fuzzing))]
    pub fn kept_bytes(&self) -> usize {
        self.partial.kept.capacity()
    }

    /// Takes the next packet from the front of `input`, or takes all of `input` and returns `None` if the packet is not complete.
    ///
    /// `keep` must be the same from a packet's first byte to its last.
    #[inline]
    pub fn next<'p, 'i: 'p>(&'p mut self, input: &mut &'i [u8], keep: Keep, now_ns: u64) -> Option<Packet<'p>> {
        if self.delivered {
            self.reset();
        }
        if !self.under_way {
            // The usual case: the whole packet lies in the input and nothing is copied.
            let (header, tail) = match input.split_first_chunk::<HEADER>() {
                Some(split) => split,
                None if input.is_empty() => return None,
                None => return self.next_in_pieces(input, keep, now_ns),
            };
            let PacketHeader { length, sequence } = PacketHeader::parse(*header);
            if length < MAX_PACKET_PAYLOAD
                && let Some((payload, rest)) = tail.split_at_checked(length)
            {
                *input = rest;
                // The limit is a promise about what is seen, so it holds here too, though nothing is copied.
                let payload = payload.get(..keep.of_whole(sequence)).unwrap_or(payload);
                let next_sequence = sequence.wrapping_add(1);
                return Some(Packet { payload, length: length as u64, sequence, next_sequence, started_ns: now_ns });
            }
        }
        self.next_in_pieces(input, keep, now_ns)
    }

    fn reset(&mut self) {
        self.delivered = false;
        self.under_way = false;
        let mut kept = std::mem::take(&mut self.partial.kept);
        kept.clear();
        // One huge packet must not be paid for by the session's whole life.
        if kept.capacity() > 64 * 1024 {
            kept = Vec::new();
        }
        self.partial = Partial { kept, ..Partial::default() };
    }

    #[cold]
    fn next_in_pieces<'p, 'i: 'p>(&'p mut self, input: &mut &'i [u8], keep: Keep, now_ns: u64) -> Option<Packet<'p>> {
        let partial = &mut self.partial;
        if !self.under_way {
            self.under_way = true;
            partial.started_ns = now_ns;
        }
        loop {
            if partial.header_length < HEADER {
                let take = (HEADER - partial.header_length).min(input.len());
                let (head, rest) = input.split_at(take);
                partial.header[partial.header_length..][..take].copy_from_slice(head);
                partial.header_length += take;
                *input = rest;
                if partial.header_length < HEADER {
                    return None;
                }
                let header = PacketHeader::parse(partial.header);
                partial.missing = header.length;
                partial.continued = header.is_continued();
                partial.sequence.get_or_insert(header.sequence);
                partial.length += partial.missing as u64;
            }
            let (head, rest) = input.split_at(partial.missing.min(input.len()));
            *input = rest;
            partial.missing -= head.len();
            if let Some(&first) = head.first() {
                let (continued, sequence) = (partial.continued, partial.sequence.unwrap_or(0));
                let limit = *partial.limit.get_or_insert_with(|| match keep {
                    Keep::RowEnds(limit) if first >= 0xfe && !continued => limit,
                    // The first byte alone, so that the caller can tell a row from an end.
                    Keep::RowEnds(_) => 1,
                    Keep::UpTo(_) | Keep::Requests(_) => keep.of_whole(sequence),
                });
                let room = limit.saturating_sub(partial.kept.len());
                partial.kept.extend_from_slice(&head[..room.min(head.len())]);
            }
            if partial.missing > 0 {
                return None;
            }
            partial.header_length = 0;
            if partial.continued {
                continue;
            }
            self.delivered = true;
            return Some(Packet {
                payload: &partial.kept,
                length: partial.length,
                sequence: partial.sequence.unwrap_or(0),
                next_sequence: partial.header[HEADER - 1].wrapping_add(1),
                started_ns: partial.started_ns,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = (payload.len() as u32).to_le_bytes()[..3].to_vec();
        bytes.push(sequence);
        bytes.extend_from_slice(payload);
        bytes
    }

    fn all(framer: &mut Framer, mut input: &[u8], keep: Keep) -> Vec<(u8, Vec<u8>, u64)> {
        let mut packets = Vec::new();
        while let Some(packet) = framer.next(&mut input, keep, 7) {
            packets.push((packet.sequence, packet.payload.to_vec(), packet.length));
        }
        assert!(input.is_empty());
        packets
    }

    #[test]
    fn every_cut_gives_the_same_packets() {
        let stream = [packet(0, b"select 1"), packet(1, b""), packet(255, &[0xfe; 300])].concat();
        let whole = all(&mut Framer::default(), &stream, Keep::UpTo(1000));
        assert_eq!(whole.len(), 3);
        for cut in 0..stream.len() {
            let mut framer = Framer::default();
            let mut packets = all(&mut framer, &stream[..cut], Keep::UpTo(1000));
            packets.extend(all(&mut framer, &stream[cut..], Keep::UpTo(1000)));
            assert_eq!(packets, whole, "cut at {cut}");
        }
        let mut framer = Framer::default();
        let single: Vec<_> = stream.chunks(1).flat_map(|byte| all(&mut framer, byte, Keep::UpTo(1000))).collect();
        assert_eq!(single, whole);
    }

    #[test]
    fn a_payload_of_exactly_16_mib_less_one_ends_with_an_empty_packet() {
        let full = vec![b'x'; MAX_PACKET_PAYLOAD];
        let stream = [packet(3, &full), packet(4, b""), packet(0, b"next")].concat();
        let packets = all(&mut Framer::default(), &stream, Keep::UpTo(10));
        assert_eq!(packets[0], (3, b"xxxxxxxxxx".to_vec(), MAX_PACKET_PAYLOAD as u64));
        assert_eq!(packets[1], (0, b"next".to_vec(), 4));
    }

    #[test]
    fn continued_packets_are_joined() {
        let full = vec![b'x'; MAX_PACKET_PAYLOAD];
        let stream = [packet(0, &full), packet(1, &full), packet(2, b"tail")].concat();
        let packets = all(&mut Framer::default(), &stream, Keep::UpTo(usize::MAX));
        assert_eq!(packets.len(), 1);
        assert_eq!(packets[0].2, 2 * MAX_PACKET_PAYLOAD as u64 + 4);
        assert!(packets[0].1.ends_with(b"xtail"));
    }

    #[test]
    fn rows_in_pieces_keep_one_byte_and_ends_all() {
        let stream = [packet(1, &[3; 50]), packet(2, &[0xff; 40])].concat();
        let mut framer = Framer::default();
        let mut packets = all(&mut framer, &stream[..20], Keep::RowEnds(1000));
        packets.extend(all(&mut framer, &stream[20..60], Keep::RowEnds(1000)));
        packets.extend(all(&mut framer, &stream[60..], Keep::RowEnds(1000)));
        assert_eq!(packets, [(1, vec![3], 50), (2, vec![0xff; 40], 40)]);
    }

    #[test]
    fn bytes_that_will_not_come_end_what_is_collected() {
        let stream = [packet(0, b"\x03SELECT 'abcdef'"), packet(1, b"next")].concat();
        let mut framer = Framer::default();
        assert!(!framer.skip(1));
        assert!(all(&mut framer, &stream[..10], Keep::UpTo(100)).is_empty());
        assert!(!framer.skip(11) && framer.skip(3));
        let packets = all(&mut framer, &stream[13..], Keep::UpTo(100));
        assert_eq!(packets, [(0, b"\x03SELEC".to_vec(), 16), (1, b"next".to_vec(), 4)]);
        // All that is missing: the packet is complete without another byte.
        assert!(all(&mut framer, &stream[..10], Keep::UpTo(100)).is_empty());
        assert!(framer.skip(10));
        assert_eq!(all(&mut framer, &[], Keep::UpTo(100)), [(0, b"\x03SELEC".to_vec(), 16)]);
    }

    #[test]
    fn an_announced_length_allocates_nothing() {
        let mut framer = Framer::default();
        let mut input: &[u8] = &[0xfe, 0xff, 0xff, 0, 1, 2, 3];
        assert!(framer.next(&mut input, Keep::UpTo(usize::MAX), 0).is_none());
        assert!(framer.partial.kept.capacity() < 1024);
        assert_eq!(framer.partial(), Some((&[1, 2, 3][..], 0)));
    }
}
