//! What is known of a recording as a whole.

use serde::{Deserialize, Serialize};

use super::model::SessionId;

/// What a recording says of itself; it stands in each of its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingAbout {
    /// The random number in the upper 32 bits of its sessions' ids.
    pub recorder: u32,
    /// The version of the program that made it.
    pub program: String,
    /// What it was made from.
    pub source: RecordingSource,
    /// When it began, in milliseconds since 1970-01-01 UTC: what the monotonic clock of its records counts from.
    pub started_ms: u64,
    /// When this run of the recorder began, by the same clock, if it goes on in the folder of an earlier one. Each run has a random number of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_ms: Option<u64>,
    /// The address of the server that answered.
    pub server: Option<String>,
    /// That server's version.
    pub server_version: Option<String>,
    /// The server's executed GTID set when the recording began, if it was asked.
    pub gtid_set: Option<String>,
    /// Whether texts and values were redacted.
    pub redacted: bool,
    /// What the source does not have. What it has only here and there is not named.
    pub lacks: Vec<Lack>,
}

impl RecordingAbout {
    /// That of a recording of this program that begins now.
    pub fn new(source: RecordingSource, recorder: u32, started_ms: u64) -> Self {
        Self {
            recorder,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            source,
            started_ms,
            resumed_ms: None,
            server: None,
            server_version: None,
            gtid_set: None,
            redacted: false,
            lacks: Vec::new(),
        }
    }

    /// The id of this recording's session with this number.
    pub fn session(&self, number: u32) -> SessionId {
        SessionId(u64::from(self.recorder) << 32 | u64::from(number))
    }
}

/// What a recording was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RecordingSource {
    /// Clients' sessions through our proxy.
    Proxy,
    /// Captured packets.
    Packets,
    /// A slow query log.
    SlowLog,
    /// A general query log.
    GeneralLog,
    /// Our own messages.
    Messages,
    /// A replay: the outcomes are the target's.
    Replay,
    /// Several recordings.
    Merged,
}

/// What a source does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Lack {
    /// The values of prepared statements' parameters.
    Parameters,
    /// Outcomes: affected rows, errors, numbers of rows.
    Outcomes,
    /// Checksums of results.
    Checksums,
    /// How long statements took.
    Durations,
    /// Times of less than a second.
    FineTimes,
    /// Which statements belong to one session, for certain.
    Sessions,
    /// All statements: some were left out, by a threshold or by sampling.
    Statements,
    /// Commands that are no statements.
    Commands,
    /// The types of parameters: all are bound as strings.
    ParameterTypes,
    /// Which statements are the clients' own: those that triggers and stored functions ran look the same, and are done twice.
    StoredPrograms,
    /// Who was logged in, from where, and with which character set.
    SessionFacts,
}
