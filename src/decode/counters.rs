//! What is counted, and the summary that says so.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::packet::NoSegment;

/// Sessions of one kind that are named in the log; further ones are only counted.
const MOST_NAMED: u64 = 20;

/// What became of frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FrameCounters {
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) not_ip: u64,
    pub(crate) not_tcp: u64,
    /// Parts of packets that IP has cut, but for the last one of each that is whole.
    pub(crate) fragments: u64,
    /// Packets that were put together of such parts.
    pub(crate) joined: u64,
    pub(crate) malformed: u64,
    pub(crate) unknown_links: u64,
}

impl FrameCounters {
    pub(super) fn note(&mut self, no_segment: NoSegment) {
        let counter = match no_segment {
            NoSegment::NotIp => &mut self.not_ip,
            NoSegment::NotTcp => &mut self.not_tcp,
            NoSegment::Fragment => &mut self.fragments,
            NoSegment::Malformed => &mut self.malformed,
            NoSegment::UnknownLink(_) => &mut self.unknown_links,
        };
        *counter += 1;
    }
}

/// Why a session, or a part of it, could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unread {
    /// TLS.
    Encrypted,
    /// It is compressed, and the login that says how was not captured.
    Compressed,
    /// Nothing in it could be understood from the middle.
    NotUnderstood,
    /// It broke off where bytes are missing, and goes on at a later request.
    Gap,
    /// It contradicts the protocol.
    Malformed,
    /// A replication stream or CLONE.
    Stream,
    /// It is none of MySQL's.
    NoSession,
}

impl Unread {
    const ALL: [Self; 7] = [
        Self::Encrypted,
        Self::Compressed,
        Self::NotUnderstood,
        Self::Gap,
        Self::Malformed,
        Self::Stream,
        Self::NoSession,
    ];

    const fn text(self) -> &'static str {
        match self {
            Self::Encrypted => "the session is encrypted (TLS): its statements cannot be seen",
            Self::Compressed => {
                "the session is compressed, and its login was not captured: its statements cannot be seen"
            }
            Self::NotUnderstood => "no statement of the session could be understood",
            Self::Gap => {
                "bytes of the session are missing from the capture: statements are missed up to its next request"
            }
            Self::Malformed => "the session is not understood any more: statements are missed up to its next request",
            Self::Stream => "the session goes on as a stream without statements (replication, CLONE)",
            Self::NoSession => "the connection is no session of MySQL's protocol",
        }
    }
}

/// Sessions, and those that could not be read.
#[derive(Debug, Default)]
pub(crate) struct SessionCounters {
    /// Sessions of which statements were seen.
    pub(crate) read: u64,
    /// Of these, such as were not seen from their beginning.
    pub(crate) from_the_middle: u64,
    /// Times that a session was taken up again, after something was missing.
    pub(crate) resumed: u64,
    /// Sessions without a statement.
    pub(crate) empty: u64,
    unread: BTreeMap<Unread, u64>,
}

impl SessionCounters {
    /// Counts a session that cannot be read, and names it.
    pub(super) fn note(&mut self, why: Unread, client: SocketAddr, server: SocketAddr, detail: &str) {
        let count = self.unread.entry(why).or_default();
        *count += 1;
        let text = why.text();
        match *count {
            // Anything may use other ports.
            _ if why == Unread::NoSession => tracing::debug!(%client, %server, detail, "{text}"),
            ..=MOST_NAMED => tracing::warn!(%client, %server, detail, "{text}"),
            count if count == MOST_NAMED + 1 => {
                tracing::warn!("there are more than {MOST_NAMED} such sessions; further ones are only counted: {text}");
            }
            _ => {}
        }
    }

    /// How many of this kind.
    pub(crate) fn unread(&self, why: Unread) -> u64 {
        self.unread.get(&why).copied().unwrap_or(0)
    }

    /// Whether any were not read that hold statements.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Unread::ALL.into_iter().map(|why| (why.text(), self.unread(why))).filter(|(_, count)| *count > 0)
    }
}
