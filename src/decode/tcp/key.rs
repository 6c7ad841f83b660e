//! Which connection a segment belongs to.

use std::net::SocketAddr;

use crate::decode::packet::Segment;

/// Both ends, the smaller one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(SocketAddr, SocketAddr);

impl Key {
    pub(super) fn of(segment: &Segment<'_>) -> Self {
        let (a, b) = (segment.from, segment.to);
        if a <= b { Self(a, b) } else { Self(b, a) }
    }
}
