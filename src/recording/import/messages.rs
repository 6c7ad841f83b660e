//! Our own messages (`SqlLogMessage`, `docs/message.md`) become records of sessions.
//!
//! A message has values of parameters as strings, and no statement ids: each of its prepared statements is prepared here when its text comes
//! for the first time, and all values are bound as strings. Messages of a transaction are published at its end, failed statements at once: the
//! session's own count puts them in order again.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;

use lru::LruCache;
use serde::Deserialize;

use super::counts::{Counts, Skipped};
use super::outcomes::{Told, param, results};
use super::sessions::{Track, Zero, init_db};
use crate::mysql::charset::bytes_of_text;
use crate::mysql::sql::{Lexis, SessionSetting, StatementKind, StatementSummary, variables_set};
use crate::mysql::wire::{CapabilityFlags, Command, StatusFlags};
use crate::recording::{
    Event, Lack, Record, RecordedCommand, RecordingAbout, RecordingSource, SessionBegin, SessionClose, SessionId,
    SessionSettings,
};
use crate::stored::Message;

/// Sessions that are open at a time: messages do not say when a session ends.
const OPEN_SESSIONS: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");
/// Statements that a session has prepared at a time.
const PREPARED: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");
/// Messages of a session that wait for the end of its transaction, and their bytes.
const WAITING: usize = 100_000;
const WAITING_BYTES: usize = 64 << 20;
const OBSERVATION_LOST: u32 = 1 << 20;

/// The fields that matter here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    timestamp: u64,
    #[serde(borrow)]
    server_host: Option<Cow<'a, str>>,
    #[serde(borrow)]
    server_version: Option<Cow<'a, str>>,
    user: Option<String>,
    client: Option<String>,
    db_name: Option<String>,
    stmt_db_name: Option<String>,
    connection_id: Option<u32>,
    execution_count: Option<u64>,
    server_flags: Option<u16>,
    client_flags: Option<u64>,
    i_flags: u32,
    #[serde(rename = "serverTZ")]
    server_tz: Option<String>,
    isolation_lvl: Option<u8>,
    duration_ns: Option<u64>,
    update_count: Option<u64>,
    sql: Option<String>,
    query_params: Option<Vec<Option<String>>>,
    error_message: Option<String>,
}

/// A message that waits for its turn.
struct Waiting {
    fields: Owned,
    is_cut: bool,
    bytes: usize,
}

/// The fields that outlive the message's bytes.
struct Owned {
    timestamp: u64,
    database: Option<String>,
    is_lost: bool,
    duration_ns: Option<u64>,
    sql: Option<String>,
    params: Option<Vec<Option<String>>>,
    told: Told,
}

struct Open {
    track: Track,
    /// What its first record will be.
    begin: SessionBegin,
    has_begun: bool,
    database: Option<String>,
    /// By the session's count.
    waiting: BTreeMap<u64, Waiting>,
    waiting_bytes: usize,
    /// The count of the last message that was used.
    used: u64,
    last_seq: u64,
    last_timestamp: u64,
    prepared: LruCache<String, u32>,
    next_statement: u32,
}

/// Makes records of messages.
pub struct MessageImport {
    recorder: u32,
    next_session: u32,
    start_ns: Option<u64>,
    server: Option<String>,
    server_version: Option<String>,
    open: LruCache<(String, u32), Open>,
    counts: Counts,
}

impl MessageImport {
    /// `recorder`: the random number in the upper half of the sessions' ids.
    pub fn new(recorder: u32) -> Self {
        Self {
            recorder,
            next_session: 0,
            start_ns: None,
            server: None,
            server_version: None,
            open: LruCache::new(OPEN_SESSIONS),
            counts: Counts::default(),
        }
    }

    /// When the recording begins, in milliseconds since 1970: the earliest of the messages. Without, the first one that is added is it.
    pub fn starting_at(&mut self, epoch_ms: u64) {
        self.start_ns.get_or_insert_with(|| epoch_ms.saturating_mul(1_000_000));
    }

    /// The time of a message; `None` if it is not one of ours.
    pub fn timestamp(message: Message<'_>) -> Option<u64> {
        serde_json::from_slice::<Fields<'_>>(message.json).ok().map(|fields| fields.timestamp)
    }

    /// What the recording says of itself.
    pub fn about(&self) -> RecordingAbout {
        let started_ms = self.start_ns.unwrap_or(0) / 1_000_000;
        RecordingAbout {
            server: self.server.clone(),
            server_version: self.server_version.clone(),
            lacks: vec![Lack::ParameterTypes, Lack::Checksums, Lack::Statements, Lack::Commands, Lack::Sessions],
            ..RecordingAbout::new(RecordingSource::Messages, self.recorder, started_ms)
        }
    }

    /// What was imported so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Takes another message.
    pub fn add(&mut self, message: Message<'_>, out: &mut VecDeque<Record>) {
        let Ok(fields) = serde_json::from_slice::<Fields<'_>>(message.json) else {
            return self.counts.skip(Skipped::NotAMessage);
        };
        self.server = self.server.take().or_else(|| fields.server_host.as_deref().map(str::to_owned));
        self.server_version =
            self.server_version.take().or_else(|| fields.server_version.as_deref().map(str::to_owned));
        let zero = self.zero(fields.timestamp);
        self.counts.clamped += u64::from(fields.timestamp.saturating_mul(1_000_000) < zero.start_ns);
        // Without a number no session can be told from another.
        let Some(connection) = fields.connection_id else { return self.counts.skip(Skipped::NoContent) };
        let place = message.proxy.or(fields.server_host.as_deref()).unwrap_or_default().to_owned();
        let key = (place, connection);
        match self.open.get_mut(&key).map(|open| open.relation(&message, &fields)) {
            Some(Relation::Repeated) => return self.counts.skip(Skipped::Repeated),
            Some(Relation::Same) => {}
            Some(Relation::New) | None => {
                if let Some(mut old) = self.open.pop(&key) {
                    old.close(zero, SessionClose::Closed, &mut self.counts, out);
                }
                let open = self.begin(&message, &fields);
                if let Some((_, mut idle)) = self.open.push(key.clone(), open) {
                    idle.close(zero, SessionClose::Closed, &mut self.counts, out);
                }
            }
        }
        if let Some(open) = self.open.get_mut(&key) {
            open.add(message, fields, zero, &mut self.counts, out);
        }
    }

    /// Ends all sessions.
    pub fn finish(&mut self, out: &mut VecDeque<Record>) {
        let zero = self.zero(0);
        while let Some((_, mut open)) = self.open.pop_lru() {
            open.close(zero, SessionClose::RecordingEnded, &mut self.counts, out);
        }
    }

    fn zero(&mut self, timestamp: u64) -> Zero {
        Zero { start_ns: *self.start_ns.get_or_insert_with(|| timestamp.saturating_mul(1_000_000)) }
    }

    fn begin(&mut self, message: &Message<'_>, fields: &Fields<'_>) -> Open {
        let id = SessionId(u64::from(self.recorder) << 32 | u64::from(self.next_session));
        self.next_session = self.next_session.wrapping_add(1);
        self.counts.sessions += 1;
        let began_before = message.seq.or(fields.execution_count).is_some_and(|first| first > 1);
        self.counts.began_before += u64::from(began_before);
        let isolation = match fields.isolation_lvl {
            Some(1) => Some("READ UNCOMMITTED"),
            Some(2) => Some("READ COMMITTED"),
            Some(4) => Some("REPEATABLE READ"),
            Some(8) => Some("SERIALIZABLE"),
            _ => None,
        };
        let begin = SessionBegin {
            began_before,
            client: fields.client.clone(),
            connection_id: fields.connection_id,
            server_version: fields.server_version.as_deref().map(str::to_owned),
            user: fields.user.clone(),
            database: fields.db_name.clone(),
            capabilities: fields.client_flags.map(CapabilityFlags::from_bits_truncate),
            settings: SessionSettings {
                // Whatever texts were sent in, messages have them in this.
                client_charset: Some("utf8mb4".to_owned()),
                time_zone: fields.server_tz.clone(),
                isolation: isolation.map(str::to_owned),
                ..SessionSettings::default()
            },
            ..SessionBegin::default()
        };
        Open {
            track: Track::new(id),
            database: begin.database.clone(),
            begin,
            has_begun: false,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            used: 0,
            last_seq: 0,
            last_timestamp: 0,
            prepared: LruCache::new(PREPARED),
            next_statement: 1,
        }
    }
}

/// How a message is related to the session that its connection's number is known for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Same,
    /// Its number was given again.
    New,
    Repeated,
}

impl Open {
    fn relation(&self, message: &Message<'_>, fields: &Fields<'_>) -> Relation {
        let is_later = fields.timestamp > self.last_timestamp;
        match message.seq {
            Some(seq) if seq > self.last_seq => Relation::Same,
            Some(1) if is_later => Relation::New,
            Some(_) => Relation::Repeated,
            None => {
                let count = fields.execution_count.unwrap_or(u64::MAX);
                if count > self.used && !self.waiting.contains_key(&count) {
                    Relation::Same
                } else if is_later && count <= self.used {
                    Relation::New
                } else {
                    Relation::Repeated
                }
            }
        }
    }

    fn add(
        &mut self,
        message: Message<'_>,
        fields: Fields<'_>,
        zero: Zero,
        counts: &mut Counts,
        out: &mut VecDeque<Record>,
    ) {
        self.last_seq = message.seq.unwrap_or(self.last_seq);
        self.last_timestamp = self.last_timestamp.max(fields.timestamp);
        let flags = fields.server_flags.map(StatusFlags::from_bits_retain);
        let is_in_transaction = flags.is_some_and(|flags| flags.contains(StatusFlags::IN_TRANS));
        let owned = Owned {
            timestamp: fields.timestamp,
            database: fields.stmt_db_name,
            is_lost: fields.i_flags & OBSERVATION_LOST != 0,
            duration_ns: fields.duration_ns,
            sql: fields.sql,
            params: fields.query_params,
            told: Told { error: fields.error_message, update_count: fields.update_count, status: fields.server_flags },
        };
        let count = fields.execution_count.unwrap_or(self.used + 1);
        let bytes = message.json.len();
        self.waiting_bytes += bytes;
        self.waiting.insert(count, Waiting { fields: owned, is_cut: message.is_cut, bytes });
        let is_full = self.waiting.len() > WAITING || self.waiting_bytes > WAITING_BYTES;
        if !is_in_transaction || is_full {
            self.use_waiting(zero, counts, out);
        }
    }

    fn use_waiting(&mut self, zero: Zero, counts: &mut Counts, out: &mut VecDeque<Record>) {
        while let Some((count, waiting)) = self.waiting.pop_first() {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(waiting.bytes);
            self.used = self.used.max(count);
            self.statement(waiting.fields, waiting.is_cut, zero, counts, out);
        }
    }

    fn close(&mut self, zero: Zero, close: SessionClose, counts: &mut Counts, out: &mut VecDeque<Record>) {
        self.use_waiting(zero, counts, out);
        if self.has_begun {
            out.push_back(self.track.end(zero, close));
        }
    }

    fn statement(&mut self, fields: Owned, is_cut: bool, zero: Zero, counts: &mut Counts, out: &mut VecDeque<Record>) {
        let now = zero.now(fields.timestamp.saturating_mul(1_000_000));
        if !self.has_begun {
            self.has_begun = true;
            out.push_back(self.track.record(zero, now, 0, Event::Begin(Box::new(self.begin.clone()))));
        }
        if fields.is_lost {
            let reason = fields.told.error.unwrap_or_else(|| "the proxy lost sight of the session".to_owned());
            out.push_back(self.track.record(zero, now, 0, Event::Lost(reason)));
            // What comes after it, if anything does, begins again.
            self.has_begun = false;
            self.begin.began_before = true;
            self.begin.database.clone_from(&self.database);
            self.prepared.clear();
            return;
        }
        let Some(sql) = fields.sql.clone() else { return counts.skip(Skipped::NoContent) };
        let mut put = |track: &mut Track, command: RecordedCommand| {
            counts.commands += 1;
            counts.unplayable += u64::from(command.truncated || command.undecodable);
            let duration_ns = command.duration_ns.unwrap_or(0);
            out.push_back(track.record(zero, now, duration_ns, Event::Command(Box::new(command))));
        };
        let kind = StatementSummary::of_text(sql.as_bytes(), Lexis::default(), &|_| None).kind;
        if let Some(database) = &fields.database
            && self.database.as_ref() != Some(database)
        {
            if kind != StatementKind::Use {
                put(&mut self.track, init_db(database));
            }
            self.database = Some(database.clone());
        }
        let text = bytes_of_text(&sql);
        let changes_charset = variables_set(&text, Lexis::default())
            .iter()
            .any(|setting| matches!(setting, SessionSetting::ClientCharset(_)));
        let results = results(kind, &text, &fields.told);
        let text: std::sync::Arc<[u8]> = text.into();
        let truncated = is_cut || sql.ends_with("...");
        let command = match fields.params {
            None => RecordedCommand { sql: Some(text), truncated, ..RecordedCommand::new(Command::Query) },
            Some(values) => {
                let statement = self.prepare(&sql, &text, truncated, &mut put);
                let params: Vec<_> = values.into_iter().map(param).collect();
                let undecodable = params.iter().any(Option::is_none);
                RecordedCommand {
                    sql: Some(text),
                    truncated,
                    statement: Some(statement),
                    params: params.into_iter().flatten().collect(),
                    undecodable,
                    ..RecordedCommand::new(Command::StmtExecute)
                }
            }
        };
        put(&mut self.track, RecordedCommand { duration_ns: fields.duration_ns, results, ..command });
        if changes_charset {
            // The texts that follow are still in this one; literals are read in the character set that the session asked for.
            let sql: &[u8] = b"SET character_set_client = utf8mb4";
            put(&mut self.track, RecordedCommand { sql: Some(sql.into()), ..RecordedCommand::new(Command::Query) });
        }
    }

    /// The id of the statement with this text, which is prepared if it is not yet.
    fn prepare(
        &mut self,
        sql: &str,
        text: &std::sync::Arc<[u8]>,
        truncated: bool,
        put: &mut impl FnMut(&mut Track, RecordedCommand),
    ) -> u32 {
        if let Some(id) = self.prepared.get(sql) {
            return *id;
        }
        let id = self.next_statement;
        self.next_statement = self.next_statement.wrapping_add(1).max(1);
        if let Some((_, old)) = self.prepared.push(sql.to_owned(), id) {
            put(&mut self.track, RecordedCommand { statement: Some(old), ..RecordedCommand::new(Command::StmtClose) });
        }
        let prepare = RecordedCommand {
            sql: Some(text.clone()),
            truncated,
            statement: Some(id),
            ..RecordedCommand::new(Command::StmtPrepare)
        };
        put(&mut self.track, prepare);
        id
    }
}
