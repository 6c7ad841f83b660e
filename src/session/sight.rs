//! How a session gets out of sight: why, and what a proxy that audits can still do about it.

use std::fmt;

use crate::mysql::wire::Malformed;

/// Why a session's statements cannot be seen any more, or never could.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SightLoss {
    /// A packet contradicts the protocol as it is known here.
    Protocol,
    /// A compressed frame could not be unpacked.
    Compression,
    /// More was sent ahead of the server's answers than is kept.
    Backlog,
    /// Bytes are missing, and where the next packet begins is not known.
    Gap,
    /// The session was not seen from its beginning, and what passes does not show how to read it.
    MidSession,
    /// The observer panicked, which is a bug.
    Panic,
    /// TLS that is passed through, as the operator chose.
    Passthrough,
    /// A replication stream, which holds no statements.
    Replication,
    /// CLONE, which is a protocol of its own.
    Clone,
    /// The bytes never were a session: a scanner, TLS to a plain port, another protocol.
    NoSession,
}

impl SightLoss {
    /// Whether statements were to be seen and are not: neither as intended nor because there were none.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Protocol | Self::Compression | Self::Backlog | Self::Gap | Self::MidSession | Self::Panic)
    }

    /// Whether statements may follow that nobody sees.
    pub fn hides_statements(self) -> bool {
        self != Self::NoSession
    }
}

/// One side of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who sends the requests.
    Client,
    /// Who answers.
    Server,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

/// The end of what can be seen of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfSight {
    /// Why.
    pub loss: SightLoss,
    /// What was not understood, or what goes on instead of statements.
    pub what: &'static str,
    /// Whose bytes it was in.
    pub from: Side,
    /// Bytes of that direction before the read in question.
    pub offset: u64,
    /// The sequence id that the client expects of the server's next packet, if all that the server said (with `from` the server:
    /// *before the read in question*) was whole packets: there an ERR packet can be put in. `None` inside a packet, or where packets are compressed.
    pub error_sequence: Option<u8>,
}

impl OutOfSight {
    /// The `errorMessage` of the one message that says so. It does not depend on how the bytes were cut.
    pub fn message(&self) -> String {
        let what = Described { end: self, with_offset: false };
        format!("observation lost: {what}; what this connection runs from here on is not seen")
    }
}

impl OutOfSight {
    /// That message's `errorMessage` where the session is looked at again from a later request on.
    pub(crate) fn interruption(&self) -> String {
        let what = Described { end: self, with_offset: false };
        format!("observation lost: {what}; what this connection runs before its next message is not seen")
    }
}

impl fmt::Display for OutOfSight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Described { end: self, with_offset: true }.fmt(f)
    }
}

struct Described<'a> {
    end: &'a OutOfSight,
    with_offset: bool,
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OutOfSight { loss, what, from, offset, .. } = self.end;
        match loss {
            SightLoss::Protocol | SightLoss::Compression => write!(f, "malformed {what}, {from} stream")?,
            _ => f.write_str(what)?,
        }
        if self.with_offset && loss.is_failure() && *loss != SightLoss::Panic {
            write!(f, ", at or after byte {offset}")?;
        }
        Ok(())
    }
}

/// Why the observer cannot go on, where it notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) loss: SightLoss,
    pub(super) what: &'static str,
}

impl From<Malformed> for Trouble {
    fn from(Malformed(what): Malformed) -> Self {
        Self { loss: SightLoss::Protocol, what }
    }
}
