//! A report, as `report.json` has it (docs/report.md).
//!
//! It holds whatever is needed to add it to another one: counts, histograms, intervals. What follows from them is there too, for readers,
//! and is worked out again whenever they change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::class::DifferenceClass;
use super::histogram::Histogram;
use super::lateness::LatenessTotals;
use super::series::Series;

/// The version of the form that this program writes, and the newest that it reads.
pub(crate) const VERSION: u32 = 1;

/// What two executions of the same commands differ in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The form's version.
    pub(crate) version: u32,
    /// The program's version.
    pub(crate) program: String,
    /// What is compared.
    #[serde(flatten)]
    pub(crate) facts: Facts,
    /// Recorded sessions.
    pub(crate) sessions: u64,
    /// Commands of which both executions are known.
    pub(crate) statements: u64,
    /// Those that do not differ at all.
    pub(crate) equal: u64,
    /// Commands that could not be compared, by reason.
    pub(crate) not_compared: BTreeMap<String, u64>,
    /// Commands that were not done again, by reason.
    pub(crate) skipped: BTreeMap<String, u64>,
    /// What else there is to know before the figures are trusted.
    pub(crate) notes: Vec<String>,
    /// By class, how many commands differ.
    pub(crate) classes: BTreeMap<DifferenceClass, ClassTotal>,
    /// How long commands took that went equally well in both.
    pub(crate) latency: Pair<Histogram>,
    /// How long all commands took together, in nanoseconds, also those that differ.
    pub(crate) time_ns: Pair<u64>,
    /// Over the time of the run.
    pub(crate) series: Series,
    /// When commands began, by the schedule; `None` where there was none.
    pub(crate) lateness: Option<LatenessTotals>,
    /// By pattern, the largest impact first.
    pub(crate) digests: Vec<DigestTotals>,
    /// Patterns that came when there were already as many as a report holds: together.
    pub(crate) other_digests: Option<OtherDigests>,
    /// The distinct differences, by class, the largest impact first.
    pub(crate) differences: Vec<Difference>,
    /// Differences that came when there were already as many as a report holds, by class.
    pub(crate) other_differences: BTreeMap<DifferenceClass, u64>,
    /// Latencies of the run whose differences count as noise.
    pub(crate) baseline: Option<Baseline>,
}

/// What is compared, and how.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// What made the report: `replay`, `compare`, `mirror`.
    pub(crate) made_by: String,
    /// What was recorded.
    pub(crate) expected: Side,
    /// What went again.
    pub(crate) observed: Side,
    /// By which factor a command must be slower or faster to differ.
    pub(crate) time_factor: f64,
    /// By how much at least, in nanoseconds.
    pub(crate) time_floor_ns: u64,
}

/// One of the two executions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Side {
    /// What it is called: a folder, a server's address.
    pub(crate) name: String,
    /// The server's version.
    pub(crate) server_version: Option<String>,
    /// When it began, in milliseconds since 1970-01-01 UTC.
    pub(crate) started_epoch_ms: Option<u64>,
    /// How long it took.
    pub(crate) duration_ns: Option<u64>,
}

/// Something of both executions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Pair<T> {
    /// As it was recorded.
    pub(crate) expected: T,
    /// As it went again.
    pub(crate) observed: T,
}

/// How many commands differ in one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct ClassTotal {
    /// All of them.
    pub(crate) count: u64,
    /// Those that the baseline has as well.
    pub(crate) noise: u64,
}

impl ClassTotal {
    /// How many there are that the baseline does not explain.
    pub(crate) fn excess(&self) -> u64 {
        self.count.saturating_sub(self.noise)
    }
}

/// Commands that differ only in their values and spelling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DigestTotals {
    /// The digest (docs/digest.md).
    pub(crate) digest: String,
    /// The text it stands for; its front where it is long.
    pub(crate) pattern: String,
    /// What the statement is.
    pub(crate) kind: String,
    /// Executions.
    pub(crate) count: u64,
    /// Those answered by an error.
    pub(crate) errors: Pair<u64>,
    /// By class, how many differ.
    pub(crate) classes: BTreeMap<DifferenceClass, u64>,
    /// How long executions took that went equally well in both.
    pub(crate) latency: Pair<Histogram>,
    /// How long they took in the run that is the noise floor.
    pub(crate) baseline: Option<Histogram>,
    /// Why answers may differ by nature.
    pub(crate) nature: Vec<String>,
    /// The time that it takes more (or, negative, less), by the recorded time of all commands.
    pub(crate) impact: f64,
    /// One of its texts.
    pub(crate) sample: String,
    /// Whether the sample is only the front of the text.
    pub(crate) sample_is_cut: bool,
    /// Its plans.
    pub(crate) explain: Option<Pair<Explained>>,
}

/// A server's plan for a statement.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Explained {
    /// As the server has it, a line each.
    pub(crate) plan: String,
    /// Why there is none.
    pub(crate) error: Option<String>,
}

/// Patterns that are not told apart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct OtherDigests {
    /// Executions.
    pub(crate) count: u64,
    /// Those answered by an error.
    pub(crate) errors: Pair<u64>,
    /// How long they took.
    pub(crate) latency: Pair<Histogram>,
}

/// Executions that differ in the same way: a line of `diffs.ndjson`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Difference {
    /// The class.
    pub(crate) class: DifferenceClass,
    /// Of which pattern; `None` for a session's failure.
    pub(crate) digest: Option<String>,
    /// What was there, in general.
    pub(crate) expected: String,
    /// What is there instead, in general.
    pub(crate) observed: String,
    /// How many executions.
    pub(crate) count: u64,
    /// How many of them the baseline explains.
    pub(crate) noise: u64,
    /// The time concerned: how long the executions took when they were recorded; of the class `time`, by how much that changed.
    pub(crate) time_ns: u64,
    /// The same as a share of the recorded time of all commands.
    pub(crate) impact: f64,
    /// The first of them.
    pub(crate) example: Example,
}

impl Difference {
    /// How many executions there are that the baseline does not explain.
    pub(crate) fn excess(&self) -> u64 {
        self.count.saturating_sub(self.noise)
    }
}

/// One execution that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Example {
    /// The session's id.
    pub(crate) session: String,
    /// The command's number in it.
    pub(crate) number: u64,
    /// Its text; its front where it is long.
    pub(crate) sql: String,
    /// Whether that is only the front.
    pub(crate) sql_is_cut: bool,
    /// The recorded outcome.
    pub(crate) expected: String,
    /// The outcome of the other execution.
    pub(crate) observed: String,
}

/// What is known of the run that is the noise floor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Baseline {
    /// What it is called.
    pub(crate) name: String,
    /// Its commands.
    pub(crate) statements: u64,
    /// How long they took in it.
    pub(crate) latency: Histogram,
}
