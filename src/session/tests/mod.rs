//! Whole sessions in memory with a fake clock: what client and server say, and the statements that must come out.

mod charsets;
mod chunks;
mod commands;
mod gaps;
mod limits;
mod listening;
mod prepared;
mod probe;
mod queries;
mod rows_of_inserts;

use super::{
    BatchPart, EndReason, Now, Observer, ObserverConfig, Phase, SessionEnd, SessionListener, Side, SightLoss, Statement,
};
use crate::mysql::wire::CapabilityFlags;

/// Who sends, and what.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    Client(Vec<u8>),
    Server(Vec<u8>),
}

/// A statement as the tests compare it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    pub(crate) sql: Option<String>,
    pub(crate) params: Option<Vec<Option<String>>>,
    pub(crate) count: u64,
    pub(crate) info: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) database: Option<String>,
    pub(crate) duration_ns: u64,
    pub(crate) execution_count: u64,
    pub(crate) earlier: bool,
    pub(crate) truncated: bool,
    pub(crate) observation_lost: bool,
}

/// Builds a conversation packet by packet.
pub(crate) struct Script {
    pub(crate) said: Vec<Said>,
    sequence: u8,
    pub(crate) capabilities: u64,
}

pub(crate) const CLASSIC: u64 = CapabilityFlags::PROTOCOL_41.bits()
    | CapabilityFlags::SECURE_CONNECTION.bits()
    | CapabilityFlags::PLUGIN_AUTH.bits()
    | CapabilityFlags::CONNECT_WITH_DB.bits()
    | CapabilityFlags::MULTI_STATEMENTS.bits()
    | CapabilityFlags::LONG_PASSWORD.bits();

pub(crate) const MODERN: u64 = CLASSIC | CapabilityFlags::DEPRECATE_EOF.bits() | CapabilityFlags::SESSION_TRACK.bits();

pub(crate) const AUTOCOMMIT: u16 = 2;
pub(crate) const MORE: u16 = 8;

fn framed(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_le_bytes()[..3].to_vec();
    bytes.push(sequence);
    bytes.extend_from_slice(payload);
    bytes
}

impl Script {
    /// A session of user `app` in database `shop`, authenticated, with these capabilities.
    pub(crate) fn new(capabilities: u64) -> Self {
        let mut script = Self { said: Vec::new(), sequence: 0, capabilities };
        let [lower0, lower1, upper0, upper1, ..] = (capabilities as u32).to_le_bytes();
        let mut greeting = b"\x0a9.7.4\0\x08\0\0\x0012345678\0".to_vec();
        greeting.extend([lower0, lower1, 0xff, 2, 0, upper0, upper1, 21]);
        greeting.extend([0; 6]);
        greeting.extend(((capabilities >> 32) as u32).to_le_bytes());
        greeting.extend(b"abcdefghijkl\0caching_sha2_password\0");
        script.server(&greeting);
        let mut response = (capabilities as u32).to_le_bytes().to_vec();
        response.extend([0, 0, 0, 1, 45]);
        response.extend([0; 19]);
        response.extend(((capabilities >> 32) as u32).to_le_bytes());
        response.extend(b"app\0\x03\x01\x02\x03shop\0caching_sha2_password\0");
        script.client(&response);
        // Full authentication: more data, the client's secret, and data of the plugin's own.
        script.server(&[1, 4]);
        script.client(b"secret\0");
        script.ok(0, "", AUTOCOMMIT);
        script
    }

    /// A request: begins a new sequence.
    pub(crate) fn request(&mut self, payload: &[u8]) -> &mut Self {
        self.sequence = 0;
        self.client(payload)
    }

    pub(crate) fn query(&mut self, sql: &str) -> &mut Self {
        self.request(&[b"\x03", sql.as_bytes()].concat())
    }

    pub(crate) fn client(&mut self, payload: &[u8]) -> &mut Self {
        self.said.push(Said::Client(framed(self.sequence, payload)));
        self.sequence = self.sequence.wrapping_add(1);
        self
    }

    pub(crate) fn server(&mut self, payload: &[u8]) -> &mut Self {
        self.said.push(Said::Server(framed(self.sequence, payload)));
        self.sequence = self.sequence.wrapping_add(1);
        self
    }

    fn has(&self, flag: CapabilityFlags) -> bool {
        self.capabilities & flag.bits() != 0
    }

    fn ok_packet(&self, header: u8, affected: u8, info: &str, status: u16) -> Vec<u8> {
        let mut payload = vec![header, affected, 0];
        payload.extend(status.to_le_bytes());
        payload.extend([0, 0]);
        if self.has(CapabilityFlags::SESSION_TRACK) || !info.is_empty() {
            payload.push(info.len() as u8);
            payload.extend(info.as_bytes());
        }
        payload
    }

    pub(crate) fn ok(&mut self, affected: u8, info: &str, status: u16) -> &mut Self {
        let payload = self.ok_packet(0, affected, info, status);
        self.server(&payload)
    }

    pub(crate) fn err(&mut self, code: u16, text: &str) -> &mut Self {
        let payload = [&[0xff][..], &code.to_le_bytes(), b"#42000", text.as_bytes()].concat();
        self.server(&payload)
    }

    pub(crate) fn eof(&mut self, status: u16) -> &mut Self {
        let [low, high] = status.to_le_bytes();
        self.server(&[0xfe, 0, 0, low, high])
    }

    /// What ends rows in this session's dialect.
    pub(crate) fn rows_end(&mut self, status: u16) -> &mut Self {
        if self.has(CapabilityFlags::DEPRECATE_EOF) {
            let payload = self.ok_packet(0xfe, 0, "", status);
            self.server(&payload)
        } else {
            self.eof(status)
        }
    }

    pub(crate) fn definitions(&mut self, count: usize) -> &mut Self {
        for _ in 0..count {
            self.server(b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0");
        }
        if count > 0 && !self.has(CapabilityFlags::DEPRECATE_EOF) {
            self.eof(AUTOCOMMIT);
        }
        self
    }

    /// A text result set of one column.
    pub(crate) fn rows(&mut self, rows: &[&str], status: u16) -> &mut Self {
        self.server(&[1]).definitions(1);
        for row in rows {
            let payload = [&[row.len() as u8][..], row.as_bytes()].concat();
            self.server(&payload);
        }
        self.rows_end(status)
    }
}

/// Plays a script; each packet comes 1 µs after the one before.
pub(crate) struct Player {
    pub(crate) observer: Observer,
    pub(crate) seen: Vec<Seen>,
    now: Now,
}

impl Player {
    pub(crate) fn new() -> Self {
        Self::with(ObserverConfig::default())
    }

    pub(crate) fn with(config: ObserverConfig) -> Self {
        Self { observer: Observer::new(config), seen: Vec::new(), now: Now { monotonic_ns: 0, epoch_ms: 1_000 } }
    }

    pub(crate) fn hear(&mut self, from_client: bool, bytes: &[u8]) {
        let mut seen = All(&mut self.seen);
        if from_client {
            self.observer.client_bytes(bytes, self.now, &mut seen);
        } else {
            self.observer.server_bytes(bytes, self.now, &mut seen);
        }
    }

    /// Bytes of this many are missing.
    pub(crate) fn gap(&mut self, from: Side, bytes: Option<u64>) {
        self.observer.gap(from, bytes, self.now, &mut All(&mut self.seen));
    }

    /// Plays `said` with each packet cut into pieces of `chunk` bytes.
    pub(crate) fn play(&mut self, said: &[Said], chunk: usize) {
        for one in said {
            self.now.monotonic_ns += 1_000;
            let (from_client, bytes) = match one {
                Said::Client(bytes) => (true, bytes),
                Said::Server(bytes) => (false, bytes),
            };
            for piece in bytes.chunks(chunk) {
                self.hear(from_client, piece);
            }
        }
    }

    pub(crate) fn close(&mut self) {
        self.observer.close(self.now, &mut All(&mut self.seen));
    }
}

/// Statements, and the loss of sight.
struct All<'a>(&'a mut Vec<Seen>);

impl SessionListener for All<'_> {
    fn statement(&mut self, statement: &Statement<'_>) {
        self.0.push(Seen::of(statement));
    }

    fn end(&mut self, end: &SessionEnd<'_>) {
        if let EndReason::OutOfSight(reason) = &end.reason
            && reason.loss.hides_statements()
        {
            self.0.push(Seen {
                error: Some(reason.message()),
                database: end.session.current_database.clone(),
                execution_count: end.session.execution_count,
                observation_lost: true,
                ..Seen::default()
            });
        }
    }
}

impl Seen {
    fn of(statement: &Statement<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            sql: statement.sql.map(text),
            params: (!statement.params.is_none())
                .then(|| statement.params.to_strings().unwrap_or_else(|_| vec![Some("undecodable".into())])),
            count: statement.outcome.update_count(),
            info: statement.outcome.info().map(text),
            error: statement.outcome.error().map(|error| error.to_string()),
            database: statement.session.current_database.clone(),
            duration_ns: statement.duration_ns,
            execution_count: statement.session.execution_count,
            earlier: statement.batch_part == BatchPart::Earlier,
            truncated: statement.truncated,
            observation_lost: false,
        }
    }

    /// The usual expectation: a text that went well.
    pub(crate) fn sql(sql: &str, count: u64, info: Option<&str>) -> Self {
        Self {
            sql: Some(sql.into()),
            count,
            info: info.map(Into::into),
            database: Some("shop".into()),
            ..Self::default()
        }
    }

    pub(crate) fn params(self, params: &[&str]) -> Self {
        Self { params: Some(params.iter().map(|param| Some((*param).into())).collect()), ..self }
    }

    pub(crate) fn failed(sql: &str, error: &str) -> Self {
        Self { error: Some(error.into()), ..Self::sql(sql, 0, None) }
    }
}

/// Plays a script whole; durations and counts are blanked, for they have tests of their own.
pub(crate) fn statements(script: &Script) -> Vec<Seen> {
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    assert_eq!(player.observer.out_of_sight(), None);
    assert!(!player.observer.is_busy());
    player.seen.into_iter().map(|seen| Seen { duration_ns: 0, execution_count: 0, ..seen }).collect()
}

#[test]
fn the_login_tells_who_and_where() {
    let mut player = Player::new();
    player.play(&Script::new(MODERN).said, usize::MAX);
    let facts = player.observer.facts();
    assert_eq!(player.observer.phase(), Phase::Command);
    assert_eq!(facts.server_version.as_deref(), Some("9.7.4"));
    assert_eq!((facts.user.as_deref(), facts.login_database.as_deref()), (Some("app"), Some("shop")));
    assert_eq!(facts.connection_id, Some(8));
    assert_eq!(facts.capabilities.map(|flags| u64::from(flags.mysql_bits())), Some(MODERN));
}

#[test]
fn authentication_data_is_never_kept() {
    let mut player = Player::new();
    player.play(&Script::new(MODERN).said, 3);
    assert!(!format!("{:?}", player.observer).contains("secret"));
}
