//! What is counted of each digest.

use std::collections::HashMap;

use crate::inspect::facts::Facts;
use crate::mysql::sql::{Digest, StatementKind};
use crate::report::Histogram;
use crate::stored::{Fields, Text};

/// As many digests as are told apart; what comes beyond is counted together.
const MOST_DIGESTS: usize = 100_000;
/// So much of an example's text is kept, in bytes.
const EXAMPLE_BYTES: usize = 16 << 10;

/// Whose statements are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Group {
    Digest(Digest),
    /// The message has neither a text nor a digest.
    NoText,
    /// There were too many digests.
    Others,
}

/// What is known of a digest's statements.
#[derive(Debug, Clone, Default)]
pub(super) struct Stat {
    pub(super) kind: StatementKind,
    pub(super) count: u64,
    pub(super) errors: u64,
    pub(super) rows: u64,
    /// Of those that have one: of a batch only the last message does.
    pub(super) durations: Histogram,
    /// When the first and the last began, in milliseconds since 1970.
    pub(super) first_ms: u64,
    pub(super) last_ms: u64,
    pub(super) example: Example,
}

/// The statement that took longest.
#[derive(Debug, Clone, Default)]
pub(super) struct Example {
    pub(super) sql: String,
    pub(super) is_cut: bool,
    pub(super) timestamp: u64,
    pub(super) duration_ns: u64,
    pub(super) user: Option<String>,
    pub(super) client: Option<String>,
    pub(super) database: Option<String>,
    pub(super) connection_id: Option<u64>,
    pub(super) error: Option<String>,
}

/// All digests' statements.
#[derive(Debug, Default)]
pub(super) struct Stats {
    places: HashMap<Group, usize>,
    stats: Vec<(Group, Stat)>,
    /// Of all of them together.
    pub(super) sum: Sum,
}

/// What is known of all statements.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) count: u64,
    pub(super) duration_ns: u64,
    /// When the first and the last began.
    pub(super) window_ms: Option<(u64, u64)>,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.duration_ns = self.duration_ns.saturating_add(other.duration_ns);
        self.window_ms = match (self.window_ms, other.window_ms) {
            (Some((first, last)), Some((from, to))) => Some((first.min(from), last.max(to))),
            (one, other) => one.or(other),
        };
    }
}

impl Example {
    fn of(fields: &Fields<'_>, duration_ns: u64) -> Self {
        let owned = |text: Option<Text<'_>>| text.map(|text| text.decode().into_owned());
        let mut sql = owned(fields.sql).unwrap_or_default();
        let is_cut = sql.len() > EXAMPLE_BYTES;
        let end = (0..=EXAMPLE_BYTES.min(sql.len())).rev().find(|end| sql.is_char_boundary(*end)).unwrap_or(0);
        sql.truncate(end);
        sql.shrink_to_fit();
        Self {
            sql,
            is_cut,
            timestamp: fields.timestamp.unwrap_or(0),
            duration_ns,
            user: owned(fields.user),
            client: owned(fields.client),
            database: owned(fields.stmt_db_name).or_else(|| owned(fields.db_name)),
            connection_id: fields.connection_id,
            error: owned(fields.error_message),
        }
    }
}

impl Example {
    /// Whether a statement that took so long and began then is the better one: of equals the first, whichever thread has seen it.
    fn gives_way_to(&self, duration_ns: u64, timestamp: u64) -> bool {
        (duration_ns, self.timestamp) > (self.duration_ns, timestamp)
    }
}

impl Stat {
    fn add(&mut self, fields: &Fields<'_>) {
        let began = fields.timestamp.unwrap_or(0);
        let duration_ns = fields.duration_ns.unwrap_or(0);
        if self.count == 0 || self.example.gives_way_to(duration_ns, began) {
            self.example = Example::of(fields, duration_ns);
        }
        self.first_ms = if self.count == 0 { began } else { self.first_ms.min(began) };
        self.last_ms = self.last_ms.max(began);
        self.count += 1;
        self.errors += u64::from(fields.error_message.is_some());
        self.rows = self.rows.saturating_add(fields.update_count.unwrap_or(0));
        if let Some(duration_ns) = fields.duration_ns {
            self.durations.record(duration_ns);
        }
    }

    fn merge(&mut self, other: Self) {
        if self.count == 0 {
            *self = other;
            return;
        }
        if self.example.gives_way_to(other.example.duration_ns, other.example.timestamp) {
            self.example = other.example;
        }
        self.first_ms = self.first_ms.min(other.first_ms);
        self.last_ms = self.last_ms.max(other.last_ms);
        self.count += other.count;
        self.errors += other.errors;
        self.rows = self.rows.saturating_add(other.rows);
        self.durations.merge(&other.durations);
    }
}

impl Stats {
    /// Counts a statement.
    pub(super) fn add(&mut self, fields: &Fields<'_>, facts: Option<Facts>) {
        let group = facts.map_or(Group::NoText, |facts| Group::Digest(facts.digest));
        let stat = self.stat(group, facts.map(|facts| facts.kind).unwrap_or_default());
        stat.add(fields);
        let began = fields.timestamp.unwrap_or(0);
        let duration_ns = fields.duration_ns.unwrap_or(0);
        self.sum.add(Sum { count: 1, duration_ns, window_ms: Some((began, began)) });
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.sum.add(other.sum);
        for (group, stat) in other.stats {
            self.stat(group, stat.kind).merge(stat);
        }
    }

    fn stat(&mut self, group: Group, kind: StatementKind) -> &mut Stat {
        let is_full = self.stats.len() >= MOST_DIGESTS;
        let group = if is_full && !self.places.contains_key(&group) { Group::Others } else { group };
        let next = self.stats.len();
        let place = *self.places.entry(group).or_insert(next);
        if place == next {
            self.stats.push((group, Stat { kind, ..Stat::default() }));
        }
        // It is there: it was just looked up or pushed.
        #[expect(clippy::indexing_slicing, reason = "the place of what is there")]
        &mut self.stats[place].1
    }

    pub(super) fn all(&self) -> &[(Group, Stat)] {
        &self.stats
    }
}
