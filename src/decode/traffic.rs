//! Made-up traffic for tests: what two sides say, as the segments of a connection, in the order in which they were sent.

use std::net::SocketAddr;

use super::packet::Segment;
use crate::fuzzing::mutations::Random;
use crate::session::Side;

/// A segment that owns its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) from: Side,
    pub(super) sequence: u32,
    pub(super) acknowledged: Option<u32>,
    pub(super) is_syn: bool,
    pub(super) is_fin: bool,
    pub(super) payload: Vec<u8>,
    /// How many bytes of it the capture has cut off.
    pub(super) cut: u32,
}

impl Sent {
    pub(super) fn segment(&self) -> Segment<'_> {
        let (client, server) = ends();
        let (from, to) = if self.from == Side::Client { (client, server) } else { (server, client) };
        Segment {
            from,
            to,
            sequence: self.sequence,
            acknowledged: self.acknowledged,
            is_syn: self.is_syn,
            is_fin: self.is_fin,
            is_reset: false,
            payload: &self.payload,
            length: self.payload.len() as u32 + self.cut,
        }
    }
}

/// The client's address and the server's.
pub(super) fn ends() -> (SocketAddr, SocketAddr) {
    (SocketAddr::from(([10, 0, 0, 1], 40_000)), SocketAddr::from(([10, 0, 0, 2], 3306)))
}

/// What was said, piece after piece, as segments of at most `largest` bytes, with acknowledgments now and then, and the handshake
/// around it. The sequence numbers begin just before they wrap.
pub(super) fn segments(said: &[(Side, Vec<u8>)], largest: usize, random: &mut Random) -> Vec<Sent> {
    let mut next = [u32::MAX - 50, u32::MAX - 3000];
    let mut sent = Vec::new();
    let index = |side| usize::from(side == Side::Server);
    let mut send = |from: Side, payload: &[u8], is_syn: bool, is_fin: bool, has_ack: bool, next: &mut [u32; 2]| {
        let segment = Sent {
            from,
            sequence: next[index(from)],
            acknowledged: has_ack.then_some(next[1 - index(from)]),
            is_syn,
            is_fin,
            payload: payload.to_vec(),
            cut: 0,
        };
        next[index(from)] =
            next[index(from)].wrapping_add(payload.len() as u32 + u32::from(is_syn) + u32::from(is_fin));
        sent.push(segment);
    };
    send(Side::Client, b"", true, false, false, &mut next);
    send(Side::Server, b"", true, false, true, &mut next);
    send(Side::Client, b"", false, false, true, &mut next);
    for (from, bytes) in said {
        for piece in bytes.chunks(largest.max(1)) {
            send(*from, piece, false, false, true, &mut next);
            if random.below(3) == 0 {
                let to = if *from == Side::Client { Side::Server } else { Side::Client };
                send(to, b"", false, false, true, &mut next);
            }
        }
    }
    send(Side::Client, b"", false, true, true, &mut next);
    send(Side::Server, b"", false, true, true, &mut next);
    send(Side::Client, b"", false, false, true, &mut next);
    sent
}

/// The same segments in another order within `window` places, some twice, some twice with other borders.
pub(super) fn disturbed(sent: &[Sent], window: usize, random: &mut Random) -> Vec<Sent> {
    let mut placed: Vec<(usize, usize, Sent)> = Vec::new();
    for (index, segment) in sent.iter().enumerate() {
        placed.push((index + random.below(window + 1), placed.len(), segment.clone()));
        if random.below(6) == 0 {
            placed.push((index + random.below(2 * window + 1), placed.len(), segment.clone()));
        }
        // A part of it again, as retransmissions are cut differently.
        if random.below(6) == 0 && segment.payload.len() > 2 {
            let from = random.below(segment.payload.len() - 1);
            let mut part = segment.clone();
            part.sequence = part.sequence.wrapping_add(from as u32);
            part.payload.drain(..from);
            part.is_fin = false;
            placed.push((index + random.below(2 * window + 1), placed.len(), part));
        }
    }
    placed.sort_by_key(|(place, arrival, _)| (*place, *arrival));
    placed.into_iter().map(|(_, _, segment)| segment).collect()
}

/// Without some of those that carry bytes.
pub(super) fn lossy(sent: Vec<Sent>, one_in: usize, random: &mut Random) -> Vec<Sent> {
    sent.into_iter().filter(|segment| segment.payload.is_empty() || random.below(one_in) != 0).collect()
}
