//! What a marker stream tells.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::hash::{Hash, Instance};

/// One thing that a marker stream tells. In JSON `event` says which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A process has begun to write to the sink.
    InstanceStarted(Started),
    /// A client has logged in.
    SessionOpened(Opened),
    /// The server has refused a login.
    SessionDenied(Denied),
    /// A session goes on as another user.
    UserChanged(UserChanged),
    /// What a session runs is not seen from here on.
    SightLost(SightLost),
    /// A session has ended.
    SessionClosed(Closed),
    /// The spool is full; at an orderly end, that it still is, and what that has meant.
    SpoolFull(SpoolFullness),
    /// The spool has room again.
    SpoolHasRoom(SpoolFullness),
    /// A binlog is read from here on.
    StreamOpened(StreamOpened),
    /// Messages of another topic are numbered from here on.
    TopicOpened(TopicOpened),
    /// No more of a binlog is read.
    StreamClosed(StreamClosed),
    /// What the sink has acknowledged since the marker before.
    Marker(Marker),
    /// A file is finished.
    FileFinished(Manifest),
    /// The process has stopped in order: nothing more comes from it.
    InstanceStopped(Totals),
}

/// A process has begun to write to the sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// Its name and start, as the record header `proxy` has them.
    pub proxy: String,
    /// The program's version.
    pub version: String,
    /// The sink.
    pub sink: String,
    /// From one marker to the next, in milliseconds.
    pub markers_ms: u64,
    /// The public key that verifies its signatures; `None`: it does not sign.
    pub public_key: Option<String>,
}

/// A client has logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// The session's number within the instance, from 1.
    pub session: u64,
    /// The server's connection id, the key of its messages in Kafka.
    pub connection_id: Option<u32>,
    /// The user, as given in the login.
    pub user: Option<String>,
    /// The database given in the login.
    pub database: Option<String>,
    /// The client's address and port.
    pub address: String,
    /// What the client's library says of itself.
    pub attributes: BTreeMap<String, String>,
    /// Of the client's connection; `None` without TLS.
    pub tls: Option<TlsFacts>,
}

/// What is known of a client's TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsFacts {
    /// The protocol, for example `TLSv1_3`.
    pub version: Option<String>,
    /// The cipher suite, for example `TLS13_AES_256_GCM_SHA384`.
    pub cipher: Option<String>,
    /// The host name that the client asked for.
    pub server_name: Option<String>,
    /// The client's certificate; `None` if it showed none.
    pub certificate: Option<Certificate>,
}

/// A client's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// SHA-256 of it (DER).
    pub sha256: Hash,
}

/// The server has refused a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Denied {
    /// Whom, and with what facts. The session of a refused COM_CHANGE_USER may go on.
    #[serde(flatten)]
    pub login: Opened,
    /// The server's error number.
    pub code: u16,
    /// Its text.
    pub message: String,
}

/// A session goes on as another user (COM_CHANGE_USER).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserChanged {
    /// The session.
    pub session: u64,
    /// The user now.
    pub user: Option<String>,
    /// The database now.
    pub database: Option<String>,
}

/// What a session runs is not seen from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SightLost {
    /// The session.
    pub session: u64,
    /// The client's address and port.
    pub address: String,
    /// Messages of the session before that, and the one that says so.
    pub messages: u64,
    /// Why.
    pub reason: String,
}

/// A session has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Closed {
    /// The session.
    pub session: u64,
    /// Statements that were seen, whether they became messages or not.
    pub statements: u64,
    /// Messages that were made of them: the number of the last one. Transactions that are prepared (XA) may add to them later.
    pub messages: u64,
}

/// A time at which the spool was full, and what that has meant so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpoolFullness {
    /// What is done when it is full: `block`, `drop` or `error`.
    pub policy: String,
    /// When it became full, in milliseconds since 1970.
    pub since: u64,
    /// Clients' requests that had to wait.
    pub held: u64,
    /// Messages that were dropped.
    pub dropped: u64,
    /// Clients' requests that were answered with an error.
    pub refused: u64,
}

/// A position in a binlog, between two transactions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamPosition {
    /// The server whose file it is (`@@server_uuid`; MariaDB: `server-id-N`); `None`: files are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The binlog file; empty where only the GTIDs are known.
    pub file: String,
    /// The offset of the next event in it.
    pub offset: u64,
    /// All transactions that were executed up to there, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtid_set: Option<String>,
}

impl fmt::Display for StreamPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.gtid_set {
            Some(gtids) if self.file.is_empty() => f.write_str(gtids),
            _ => write!(f, "{}:{}", self.file, self.offset),
        }
    }
}

/// A binlog is read from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamOpened {
    /// Why there.
    pub begins: Begins,
    /// What comes after it is read.
    pub position: StreamPosition,
}

/// Why a binlog is read from somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begins {
    /// It was asked for, or nothing else was known.
    Asked,
    /// An earlier run has saved a checkpoint there: no later than the last position that its markers have.
    Checkpoint,
    /// An earlier run has committed it together with its messages: its markers may not have got so far.
    Committed,
    /// The same run goes on where it was, over another connection or with another server.
    Again,
    /// What comes before it is not there any more.
    Purged,
}

/// Messages of another topic are numbered from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicOpened {
    /// What stands for it in its messages' names.
    pub session: u64,
    /// The topic.
    pub topic: String,
}

/// No more of a binlog is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamClosed {
    /// What comes before it was read.
    pub position: StreamPosition,
}

/// What the sink has acknowledged since the marker before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// The number of the marker, from 1. One with many sessions is several records of the same number.
    pub marker: u64,
    /// Of a binlog: everything before this position is delivered, or lost as the markers say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<StreamPosition>,
    /// Sessions of which something was delivered or lost since.
    pub sessions: Vec<SessionClaims>,
    /// Since the start of the instance.
    pub totals: Totals,
}

/// Of one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionClaims {
    /// Whose session it is; `None`: that of the instance that writes the marker. Another's messages come from its spool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Instance>,
    /// The session.
    pub session: u64,
    /// What was delivered, in order.
    pub delivered: Vec<Claim>,
    /// What was lost, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Lost>,
}

/// Messages without a gap that the sink has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The number of the first.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
    /// The hash of the last, which depends on all of them.
    pub head: Hash,
}

/// Messages without a gap that the sink will never have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lost {
    /// The number of the first.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
    /// Why, as counters have it: `queue_full`.
    pub reason: String,
}

/// Counts since the start of an instance, of one sink.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Statements that were seen; those of open sessions are added 64 at a time.
    pub statements: u64,
    /// Of a binlog: row images that were read and are messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Messages that the sink has.
    pub delivered: u64,
    /// Messages that it does not have, by reason.
    pub lost: BTreeMap<String, u64>,
    /// Sessions whose login the server took.
    pub opened: u64,
    /// Logins that it refused.
    pub denied: u64,
    /// Sessions that have ended.
    pub closed: u64,
    /// Times that a session was lost sight of.
    pub sight_lost: u64,
    /// Events that are not in the stream, because the sink did not take them for too long.
    pub events_lost: u64,
}

/// A file, or the part of it that the instance has written, is finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The name that the file has from here on, without its folder.
    pub file: String,
    /// Where the instance's part begins.
    pub from: u64,
    /// Where it ends.
    pub to: u64,
    /// Messages of the instance in it.
    pub messages: u64,
    /// SHA-256 of their hashes, in order.
    pub sha256: Hash,
}
