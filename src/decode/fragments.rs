//! Packets that IP has cut, put together again. Sans-IO, and bounded: packets of which a part is missing are forgotten, the oldest first.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use etherparse::defrag::IpDefragBuf;
use etherparse::{IpFragOffset, IpNumber, Ipv6ExtensionSlice, LaxIpSlice, TcpSlice};
use lru::LruCache;

/// Packets that wait for parts; each has up to 64 KiB.
const WAITING: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");
/// How long a packet waits: RFC 8200, 4.5. Its number is used again later.
const PATIENCE_NS: u64 = 60_000_000_000;

/// Which packet a part belongs to: RFC 791, 3.2, and RFC 8200, 4.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    from: IpAddr,
    to: IpAddr,
    identification: u32,
    protocol: IpNumber,
}

#[derive(Debug)]
struct Waiting {
    since_ns: u64,
    parts: IpDefragBuf,
}

/// A part, by its header.
struct Part {
    identification: u32,
    offset: IpFragOffset,
    more_follow: bool,
}

/// Parts of packets that wait for the others.
#[derive(Debug)]
pub(crate) struct Fragments {
    waiting: LruCache<Key, Waiting>,
    /// The last packet that was whole.
    whole: Vec<u8>,
    /// How many were.
    pub(crate) joined: u64,
}

impl Default for Fragments {
    fn default() -> Self {
        Self { waiting: LruCache::new(WAITING), whole: Vec::new(), joined: 0 }
    }
}

impl Fragments {
    /// Takes a part; returns what IP carries if the packet is whole now.
    ///
    /// A number may be used again before a lost part's packet is forgotten: only a packet whose TCP checksum is right is one. (Network cards,
    /// which fill in checksums after the capture, get no packets that are to be cut.)
    pub(crate) fn add(&mut self, ip: &LaxIpSlice<'_>, time_ns: u64) -> Option<&[u8]> {
        let Part { identification, offset, more_follow } = part(ip)?;
        let payload = ip.payload();
        let key =
            Key { from: ip.source_addr(), to: ip.destination_addr(), identification, protocol: payload.ip_number };
        let is_stale = |waiting: &Waiting| time_ns.saturating_sub(waiting.since_ns) > PATIENCE_NS;
        if self.waiting.peek(&key).is_some_and(is_stale) {
            self.waiting.pop(&key);
        }
        let begin = || Waiting { since_ns: time_ns, parts: IpDefragBuf::new(key.protocol, Vec::new(), Vec::new()) };
        let waiting = self.waiting.get_or_insert_mut(key, begin);
        let added = waiting.parts.add(offset, more_follow, payload.payload);
        if added.is_ok() && !waiting.parts.is_complete() {
            return None;
        }
        let waiting = self.waiting.pop(&key)?;
        added.ok()?;
        self.whole = waiting.parts.take_bufs().0;
        let is_right = has_right_checksum(key.from, key.to, &self.whole);
        self.joined += u64::from(is_right);
        is_right.then_some(self.whole.as_slice())
    }
}

fn part(ip: &LaxIpSlice<'_>) -> Option<Part> {
    match ip {
        LaxIpSlice::Ipv4(ip) => {
            let header = ip.header();
            Some(Part {
                identification: u32::from(header.identification()),
                offset: header.fragments_offset(),
                more_follow: header.more_fragments(),
            })
        }
        LaxIpSlice::Ipv6(ip) => ip.extensions().clone().into_iter().find_map(|extension| match extension {
            Ipv6ExtensionSlice::Fragment(header) => Some(Part {
                identification: header.identification(),
                offset: header.fragment_offset(),
                more_follow: header.more_fragments(),
            }),
            _ => None,
        }),
    }
}

fn has_right_checksum(from: IpAddr, to: IpAddr, packet: &[u8]) -> bool {
    let Ok(tcp) = TcpSlice::from_slice(packet) else { return false };
    let right = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => tcp.calc_checksum_ipv4(from.octets(), to.octets()).ok(),
        (IpAddr::V6(from), IpAddr::V6(to)) => tcp.calc_checksum_ipv6(from.octets(), to.octets()).ok(),
        _ => None,
    };
    right == Some(tcp.checksum())
}
