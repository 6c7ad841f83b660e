//! What was found, and what that means.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::audit::event::SpoolFullness;
use crate::audit::hash::Instance;

/// What kind of thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Kind {
    /// A message is not what was sent.
    Edited,
    /// A message that the sink had is not there.
    Removed,
    /// Messages have changed places.
    Swapped,
    /// The same number twice, with different content.
    Conflict,
    /// A line that nobody wrote who writes markers.
    Added,
    /// A record of the marker stream is not what was written.
    MarkerEdited,
    /// A record of the marker stream is not there.
    MarkerMissing,
    /// A signed record has no signature, though others have.
    Unsigned,
    /// No signature is of the key.
    WrongKey,
    /// A file is not what its manifest says.
    Manifest,
    /// Messages were lost before they were delivered, for the reason that is named.
    Dropped,
    /// Rows are missing between two runs.
    Gap,
    /// A session went on out of sight.
    SightLost,
    /// Events were lost because the sink took none for too long.
    EventsLost,
    /// Messages that no marker covers.
    Unproven,
    /// Messages that retention has removed.
    Expired,
}

impl Kind {
    /// Whether somebody has tampered with what was delivered, or it was damaged.
    pub(crate) fn is_damage(self) -> bool {
        !matches!(self, Self::Dropped | Self::Gap | Self::SightLost | Self::EventsLost | Self::Unproven | Self::Expired)
    }
}

/// Messages of a session, without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Span {
    pub(crate) instance: Instance,
    pub(crate) session: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Span {
    fn messages(&self) -> u64 {
        self.last.saturating_sub(self.first) + 1
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instance {} session {} ", self.instance, self.session)?;
        match self.first == self.last {
            true => write!(f, "message {}", self.first),
            false => write!(f, "messages {}-{}", self.first, self.last),
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    /// Which messages, if it is about messages.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) span: Option<Span>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) text: String,
}

impl Finding {
    pub(crate) fn new(kind: Kind, text: String) -> Self {
        Self { kind, span: None, text }
    }

    pub(crate) fn of(kind: Kind, span: Span, text: &str) -> Self {
        Self { kind, span: Some(span), text: text.to_owned() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<14} ", self.kind.to_string())?;
        match (&self.span, self.text.as_str()) {
            (None, text) => f.write_str(text),
            (Some(span), "") => span.fmt(f),
            (Some(span), text) => write!(f, "{span}: {text}"),
        }
    }
}

/// The verdict on one sink.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) source: String,
    /// Whether everything that was to be delivered is there, proven.
    pub(crate) complete: bool,
    pub(crate) instances: u64,
    pub(crate) sessions: u64,
    pub(crate) denied: u64,
    /// Runs of readers of binlogs.
    pub(crate) streams: u64,
    /// Of these, those that go on just where the run before has ended.
    pub(crate) seamless: u64,
    /// Those that begin before that: rows are there again.
    pub(crate) overlapping: u64,
    pub(crate) markers: u64,
    /// Whether signatures were verified.
    pub(crate) signatures: bool,
    /// Messages that are there, each once.
    pub(crate) messages: u64,
    /// Of these, messages that markers cover.
    pub(crate) proven: u64,
    /// Messages that are there again, the same.
    pub(crate) redelivered: u64,
    /// Messages of rows that an earlier run has delivered, too, the same.
    pub(crate) read_again: u64,
    /// Messages that say nothing of instance and session.
    pub(crate) unaudited: u64,
    /// Messages that were lost before they were delivered, by reason.
    pub(crate) dropped: BTreeMap<String, u64>,
    pub(crate) expired: u64,
    pub(crate) unproven: u64,
    /// When the spool was full: what waited, was dropped and was refused then. Nothing is missing for that which is not found otherwise.
    pub(crate) spool_full: Vec<FullSpool>,
    pub(crate) findings: Vec<Finding>,
}

/// A time at which an instance's spool was full.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FullSpool {
    pub(crate) instance: Instance,
    /// When it had room again, in milliseconds since 1970; `None`: that is not known, it may have been killed or stopped before.
    pub(crate) until: Option<u64>,
    #[serde(flatten)]
    pub(crate) fullness: SpoolFullness,
}

impl fmt::Display for FullSpool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SpoolFullness { policy, since, held, dropped, refused } = &self.fullness;
        write!(f, "{:<14} instance {} from {}", "spool_full", self.instance, time(*since))?;
        match self.until {
            Some(until) => write!(f, " to {}", time(until))?,
            None => f.write_str(", with no record of its end")?,
        }
        write!(
            f,
            ": {held} requests waited, {dropped} messages dropped, {refused} requests refused (--spool-full={policy})"
        )
    }
}

fn time(epoch_ms: u64) -> jiff::Timestamp {
    let time = i64::try_from(epoch_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.unwrap_or(jiff::Timestamp::MAX)
}

impl Report {
    pub(super) fn new(source: String, findings: Vec<Finding>, unaudited: u64, signatures: bool) -> Self {
        let mut report = Self {
            source,
            complete: true,
            instances: 0,
            sessions: 0,
            denied: 0,
            streams: 0,
            seamless: 0,
            overlapping: 0,
            markers: 0,
            signatures,
            messages: 0,
            proven: 0,
            redelivered: 0,
            read_again: 0,
            unaudited,
            dropped: BTreeMap::new(),
            expired: 0,
            unproven: 0,
            spool_full: Vec::new(),
            findings: Vec::new(),
        };
        findings.into_iter().for_each(|finding| report.add(finding));
        if unaudited > 0 {
            let text = format!("{unaudited} messages say nothing of instance and session: written without --markers");
            report.add(Finding::new(Kind::Unproven, text));
        }
        report
    }

    /// Adds what was found.
    pub(super) fn add(&mut self, finding: Finding) {
        let messages = finding.span.as_ref().map_or(0, Span::messages);
        match finding.kind {
            Kind::Dropped => *self.dropped.entry(finding.text.clone()).or_default() += messages,
            Kind::Expired => self.expired += messages,
            Kind::Unproven => self.unproven += messages,
            _ => {}
        }
        self.complete &= finding.kind == Kind::Expired;
        self.findings.push(finding);
    }

    /// The spool of an instance became full, or had room again.
    pub(super) fn spool_full(&mut self, instance: Instance, fullness: &SpoolFullness, until: Option<u64>) {
        let told = FullSpool { instance, until, fullness: fullness.clone() };
        let known = self.spool_full.iter_mut().rev().find(|known| {
            known.instance == instance && known.fullness.since == fullness.since && known.until.is_none()
        });
        match known {
            Some(known) => *known = told,
            None => self.spool_full.push(told),
        }
    }

    /// Whether nothing is wrong or lost but what no marker covers yet.
    pub(crate) fn is_complete_so_far(&self) -> bool {
        self.findings.iter().all(|finding| matches!(finding.kind, Kind::Expired | Kind::Unproven))
    }

    /// Whether something is not as it was delivered.
    pub(super) fn is_damaged(&self) -> bool {
        self.findings.iter().any(|finding| finding.kind.is_damage())
    }

    /// In one line.
    pub(crate) fn summary(&self) -> String {
        let verdict = match (self.complete, self.is_complete_so_far()) {
            (true, _) => "complete",
            (false, true) => "complete so far, with messages that are not proven",
            (false, false) if self.is_damaged() => "NOT AS IT WAS DELIVERED",
            (false, false) => "incomplete",
        };
        let whose = match self.streams {
            0 => format!("{} sessions", self.sessions),
            streams => format!("{streams} runs"),
        };
        let mut text = format!(
            "{}: {verdict}: {} messages of {whose}, {} proven by {} markers of {} instances",
            self.source, self.messages, self.proven, self.markers, self.instances
        );
        for (count, what) in [
            (self.redelivered, "redelivered"),
            (self.read_again, "read again by a later run"),
            (self.dropped.values().sum(), "dropped"),
            (self.expired, "expired"),
            (self.unproven + self.unaudited, "unproven"),
            (self.denied, "logins denied"),
        ] {
            if count > 0 {
                text.push_str(&format!("; {count} {what}"));
            }
        }
        if !self.signatures {
            text.push_str("; signatures not verified (--key)");
        }
        text
    }
}
