//! A frame's way to a TCP segment: link, IPv4 or IPv6, TCP.

use std::net::SocketAddr;

use etherparse::{IpNumber, LaxIpSlice, LenSource, TcpSlice};

use super::capture::{Frame, LinkType};
use super::fragments::Fragments;

/// A TCP segment, as it was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) sequence: u32,
    pub(crate) acknowledged: Option<u32>,
    pub(crate) is_syn: bool,
    pub(crate) is_fin: bool,
    pub(crate) is_reset: bool,
    pub(crate) payload: &'a [u8],
    /// How many bytes of payload were sent; more than `payload` has where the capture has cut the packet.
    pub(crate) length: u32,
}

/// Why a frame is no segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSegment {
    /// It has something else than IP.
    NotIp,
    /// It has something else than TCP.
    NotTcp,
    /// It is a part of a packet that IP has cut, and not the last one of it that was missing.
    Fragment,
    /// Its headers are cut off, or contradict themselves.
    Malformed,
    /// What such an interface puts in front is not known here.
    UnknownLink(LinkType),
}

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// 802.1Q, 802.1ad (QinQ), and what was in use before it.
const ETHERTYPES_VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const ETHERTYPE_MPLS: u16 = 0x8847;
const ETHERTYPE_PPPOE: u16 = 0x8864;

/// Finds the segment in a frame.
pub(crate) fn segment<'a>(frame: &Frame<'a>, fragments: &'a mut Fragments) -> Result<Segment<'a>, NoSegment> {
    let packet = ip_packet(frame.link, frame.data)?;
    // What the capture has cut off was at the end.
    let cut = frame.length.saturating_sub(frame.data.len());
    let (ip, _) = LaxIpSlice::from_slice(packet).map_err(|_| NoSegment::Malformed)?;
    let payload = ip.payload();
    if payload.ip_number != IpNumber::TCP {
        return Err(NoSegment::NotTcp);
    }
    // The length in the header is right unless the packet is cut, or a network card was to fill it in.
    let missing = if payload.len_source == LenSource::Slice { cut } else { 0 };
    let content = match payload.fragmented {
        false => payload.payload,
        // What is cut off belongs in the middle.
        true if missing > 0 => return Err(NoSegment::Fragment),
        true => fragments.add(&ip, frame.time_ns.unwrap_or(0)).ok_or(NoSegment::Fragment)?,
    };
    let tcp = TcpSlice::from_slice(content).map_err(|_| NoSegment::Malformed)?;
    let length = tcp.payload().len().saturating_add(missing);
    Ok(Segment {
        from: SocketAddr::new(ip.source_addr(), tcp.source_port()),
        to: SocketAddr::new(ip.destination_addr(), tcp.destination_port()),
        sequence: tcp.sequence_number(),
        acknowledged: tcp.ack().then(|| tcp.acknowledgment_number()),
        is_syn: tcp.syn(),
        is_fin: tcp.fin(),
        is_reset: tcp.rst(),
        payload: tcp.payload(),
        length: u32::try_from(length).map_err(|_| NoSegment::Malformed)?,
    })
}

/// The packet after what the link puts in front of it.
fn ip_packet(link: LinkType, data: &[u8]) -> Result<&[u8], NoSegment> {
    match link.0 {
        // Ethernet: two addresses.
        1 => by_ether_type(data.get(12..)),
        // Linux "cooked", as of `tcpdump -i any`.
        113 => by_ether_type(data.get(14..)),
        // Its second version: the type comes first.
        276 => match (u16_at(data, 0)?, data.get(20..)) {
            (ETHERTYPE_IPV4 | ETHERTYPE_IPV6, Some(packet)) => Ok(packet),
            (kind, Some(rest)) if ETHERTYPES_VLAN.contains(&kind) => by_ether_type(rest.get(2..)),
            (_, Some(_)) => Err(NoSegment::NotIp),
            (_, None) => Err(NoSegment::Malformed),
        },
        // BSD loopback: the address family in the capturing host's byte order, or (LOOP) in the network's.
        0 | 108 => {
            let family = data.first_chunk::<4>().ok_or(NoSegment::Malformed)?;
            match u32::from_le_bytes(*family).min(u32::from_be_bytes(*family)) {
                2 | 10 | 24 | 28 | 30 => data.get(4..).ok_or(NoSegment::Malformed),
                _ => Err(NoSegment::NotIp),
            }
        }
        // Nothing in front. 12 and 14 are what some systems wrote for it.
        12 | 14 | 101 | 228 | 229 => match data.first().map(|first| first >> 4) {
            Some(4 | 6) => Ok(data),
            Some(_) => Err(NoSegment::NotIp),
            None => Err(NoSegment::Malformed),
        },
        _ => Err(NoSegment::UnknownLink(link)),
    }
}

/// What begins with an EtherType, VLAN tags included.
fn by_ether_type(rest: Option<&[u8]>) -> Result<&[u8], NoSegment> {
    let mut rest = rest.ok_or(NoSegment::Malformed)?;
    for _ in 0..MOST_TAGS {
        let kind = u16_at(rest, 0)?;
        let after = rest.get(2..).ok_or(NoSegment::Malformed)?;
        match kind {
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => return Ok(after),
            kind if ETHERTYPES_VLAN.contains(&kind) => rest = after.get(2..).ok_or(NoSegment::Malformed)?,
            ETHERTYPE_MPLS => return mpls(after),
            ETHERTYPE_PPPOE => return pppoe(after),
            _ => return Err(NoSegment::NotIp),
        }
    }
    Err(NoSegment::NotIp)
}

/// No frame has more tags in a row.
const MOST_TAGS: usize = 8;

/// After a stack of labels: the last one is marked.
fn mpls(mut rest: &[u8]) -> Result<&[u8], NoSegment> {
    for _ in 0..MOST_TAGS {
        let (label, after) = rest.split_first_chunk::<4>().ok_or(NoSegment::Malformed)?;
        rest = after;
        if label[2] & 1 == 1 {
            return match rest.first().map(|first| first >> 4) {
                Some(4 | 6) => Ok(rest),
                _ => Err(NoSegment::NotIp),
            };
        }
    }
    Err(NoSegment::NotIp)
}

fn pppoe(rest: &[u8]) -> Result<&[u8], NoSegment> {
    match u16_at(rest, 6)? {
        0x0021 | 0x0057 => rest.get(8..).ok_or(NoSegment::Malformed),
        _ => Err(NoSegment::NotIp),
    }
}

fn u16_at(data: &[u8], at: usize) -> Result<u16, NoSegment> {
    let bytes = data.get(at..).and_then(|rest| rest.first_chunk::<2>()).ok_or(NoSegment::Malformed)?;
    Ok(u16::from_be_bytes(*bytes))
}
