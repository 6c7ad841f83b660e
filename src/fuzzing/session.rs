//! A session: what client and server say, whole and in pieces, and the messages that come of it.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::io::Write;
use std::sync::Arc;

use super::assert_json;
use crate::message::{CapturePolicy, MessageOptions, MessageWriter};
use crate::mysql::wire::{Algorithm, CapabilityFlags};
use crate::rules::redaction::Redactor;
use crate::session::{
    Columns, EndReason, Gap, Interest, LoginAnswer, Now, Observer, ObserverConfig, Phase, Row, SentCommand, SessionEnd,
    SessionListener, SessionResult, Statement,
};

/// In front of the records: this bit set in a byte of choices, and after that byte the cuts' seed. A capture has neither.
const HAS_CHOICES: u8 = 0x80;
/// Choices: how the session begins (3 bits, see [`begin`]), and whether statements are cut at few bytes.
const SHORT_STATEMENTS: u8 = 8;

/// A record's first byte: the letters that `integration/harness/capture.py` writes, `C` and `S`, or in lower case for a payload that
/// gets its header here, which a mutation would have to guess.
const BY_SERVER: u8 = b'S' & !b'C';
const IS_PAYLOAD: u8 = b'c' & !b'C';
/// Such a payload's packet is not the first of its exchange.
const CONTINUES: u8 = 4;

/// More plain text than this is not unwrapped: a few kilobytes may stand for gigabytes, which takes only time.
const MOST_PLAIN: usize = 64 << 20;
/// Statements whose messages are written; a bulk execution has one for each of its parameter sets.
const MOST_MESSAGES: u64 = 1_000;

/// Memory for each byte that came: buffers double as they grow, and a bit of a NULL bitmap becomes a parameter's type (2 bytes).
const MOST_KEPT_PER_BYTE: usize = 4 + 16;
const KEPT_FROM_THE_START: usize = 64 << 10;

/// What one side said at one time.
struct Said {
    by_server: bool,
    bytes: Vec<u8>,
    /// How many bytes they are, or stand for.
    plain: usize,
}

/// A conversation as captures hold it (`tests/captured`): who spoke, the length in 4 bytes, the bytes; with choices in front or not.
///
/// In however many pieces the bytes come, the messages and what is known of the session must be the same, and memory must follow what came,
/// not what was announced.
pub fn session(data: &[u8]) {
    hear(data);
}

/// The same, and what was heard.
pub(super) fn hear(data: &[u8]) -> Heard {
    let (choices, seed, records) = match data {
        [choices, seed, records @ ..] if choices & HAS_CHOICES != 0 => (*choices, *seed, records),
        _ => (0, data.len() as u8, data),
    };
    let mut said = begin(choices);
    let packs = match choices & 7 {
        4 => Some(Algorithm::Zlib),
        5 => Some(Algorithm::Zstd),
        _ => None,
    };
    let mut plain = 0;
    for mut record in records_of(records) {
        if let Some(algorithm) = packs {
            record.bytes = packed(&record.bytes, algorithm);
        } else if choices & 7 > 5 {
            record.plain += announced(&record.bytes);
            plain += record.plain;
            if plain > MOST_PLAIN {
                break;
            }
        }
        said.push(record);
    }
    let max_statement_bytes = if choices & SHORT_STATEMENTS != 0 { 100 } else { 16 << 10 };
    // All that can be told of, or what the proxy asks for.
    let interest = if seed & 1 == 1 { Interest::all() } else { Interest::default() };
    let config = ObserverConfig { max_statement_bytes, interest };
    let whole = Heard::of(&said, config, |bytes| bytes.len());
    let mut state = u64::from(seed) + 1;
    let pieces = Heard::of(&said, config, |_| {
        // Pieces of 1 to 16 bytes, and now and then a long one, which is the usual case.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = (state >> 33) as usize;
        if number.is_multiple_of(8) { 1 + number % 2_000 } else { 1 + number % 16 }
    });
    assert!(whole == pieces, "in pieces it is something else:\n{whole:#?}\n{pieces:#?}");
    whole
}

fn records_of(mut data: &[u8]) -> Vec<Said> {
    let mut records = Vec::new();
    while let Some((&[who, a, b, c, d], rest)) = data.split_first_chunk::<5>() {
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let (bytes, rest) = rest.split_at(rest.len().min(length));
        data = rest;
        let by_server = who & BY_SERVER != 0;
        let bytes = if who & IS_PAYLOAD != 0 { framed(u8::from(who & CONTINUES != 0), bytes) } else { bytes.to_vec() };
        records.push(Said { by_server, plain: bytes.len(), bytes });
    }
    records
}

fn framed(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = u32::try_from(payload.len()).unwrap_or_default().to_le_bytes();
    [&[a, b, c, sequence], payload].concat()
}

/// A frame of the compressed protocol.
fn packed(plain: &[u8], algorithm: Algorithm) -> Vec<u8> {
    let content = match algorithm {
        Algorithm::Zlib => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(plain).and_then(|()| encoder.finish()).unwrap()
        }
        Algorithm::Zstd => zstd::bulk::compress(plain, 1).unwrap(),
    };
    let [a, b, c, _] = u32::try_from(plain.len()).unwrap_or_default().to_le_bytes();
    [&framed(0, &content)[..4], &[a, b, c], &content].concat()
}

/// How much plain text frames announce, if these bytes are whole frames.
fn announced(mut bytes: &[u8]) -> usize {
    let mut sum = 0;
    while let Some((&[a, b, c, _, d, e, f], rest)) = bytes.split_first_chunk::<7>() {
        sum += u32::from_le_bytes([d, e, f, 0]) as usize;
        bytes = rest.get(u32::from_le_bytes([a, b, c, 0]) as usize..).unwrap_or_default();
    }
    sum
}

/// A login, if the choices have one: 0 none; 1 classic, 2 modern, 3 with all that MariaDB adds; 4, 6 zlib; 5, 7 zstd (4 and 5: the
/// records are packed here; 6 and 7: they are packed already, or damaged).
fn begin(choices: u8) -> Vec<Said> {
    use CapabilityFlags as C;
    let classic = C::CONNECT_WITH_DB | C::PROTOCOL_41 | C::SECURE_CONNECTION | C::PLUGIN_AUTH | C::MULTI_STATEMENTS;
    let modern = classic | C::DEPRECATE_EOF | C::SESSION_TRACK | C::QUERY_ATTRIBUTES;
    let mariadb = C::MARIADB_PROGRESS | C::MARIADB_STMT_BULK_OPERATIONS | C::MARIADB_CACHE_METADATA;
    let capabilities = match choices & 7 {
        0 => return Vec::new(),
        1 => classic | C::LONG_PASSWORD,
        2 => modern | C::LONG_PASSWORD | C::OPTIONAL_RESULTSET_METADATA,
        3 => classic | C::DEPRECATE_EOF | mariadb,
        4 | 6 => modern | C::LONG_PASSWORD | C::COMPRESS,
        _ => classic | C::DEPRECATE_EOF | mariadb | C::ZSTD_COMPRESSION_ALGORITHM,
    };
    let bits = capabilities.bits().to_le_bytes();
    let (mysql, extended) = bits.split_at(4);
    let (lower, upper) = mysql.split_at(2);
    let greeting =
        [b"\x0a9.7.4\0\x08\0\0\x0012345678\0", lower, &[0xff, 2, 0], upper, &[21, 0, 0, 0, 0, 0, 0], extended].concat();
    let greeting = [&greeting, &b"abcdefghijkl\0caching_sha2_password\0"[..]].concat();
    let login = [mysql, &[0, 0, 0, 1, 45], &[0; 19], extended, b"app\0\x01\x01shop\0caching_sha2_password\0"].concat();
    let said = |by_server, sequence, payload: &[u8]| {
        let bytes = framed(sequence, payload);
        Said { by_server, plain: bytes.len(), bytes }
    };
    vec![said(true, 0, &greeting), said(false, 1, &login), said(true, 2, &[0, 0, 0, 2, 0, 0, 0])]
}

/// What came of a conversation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) statements: u64,
    /// The first messages, and a sum of all that were written.
    first: String,
    sum: u64,
    facts: String,
    phase: Phase,
    pub(super) lost: Option<String>,
}

impl Heard {
    fn of(said: &[Said], config: ObserverConfig, mut length: impl FnMut(&[u8]) -> usize) -> Self {
        let options = MessageOptions {
            debug: "fuzz".into(),
            policy: CapturePolicy { all: false, ..CapturePolicy::default() },
            max_param_length: 20,
            redactor: Redactor::new(&["a".to_owned()], "*").with_pseudonyms(b"of no use to anybody"),
            ..MessageOptions::default()
        };
        let writer = MessageWriter::new(Arc::new(options), "server:3306".into(), "client".into());
        let mut hearer =
            Hearer { writer, statements: 0, first: String::new(), sum: DefaultHasher::new(), json: Vec::new() };
        let (mut observer, mut came) = (Observer::new(config), 0);
        let mut now = Now { monotonic_ns: 0, epoch_ms: 1_000 };
        for said in said {
            now.monotonic_ns += 1_000;
            let mut rest = said.bytes.as_slice();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(length(rest).min(rest.len()));
                rest = after;
                if said.by_server {
                    observer.server_bytes(piece, now, &mut hearer);
                } else {
                    observer.client_bytes(piece, now, &mut hearer);
                }
            }
            came += said.plain;
            let kept = observer.kept_bytes();
            assert!(kept <= MOST_KEPT_PER_BYTE * came + KEPT_FROM_THE_START, "{kept} bytes are kept of {came}");
        }
        let phase = observer.phase();
        observer.close(now, &mut hearer);
        Self {
            statements: hearer.statements,
            first: hearer.first,
            sum: hearer.sum.finish(),
            facts: format!("{:?}", observer.facts()),
            phase,
            // The offset is that of a read, so it does depend on the pieces.
            lost: observer.out_of_sight().map(|end| format!("{:?}: {} by {}", end.loss, end.what, end.from)),
        }
    }
}

/// Takes note of all that it is told.
struct Hearer {
    writer: MessageWriter,
    statements: u64,
    first: String,
    sum: DefaultHasher,
    json: Vec<u8>,
}

impl Hearer {
    fn note(&mut self, what: &str, of: &dyn std::fmt::Debug) {
        self.sum.write(what.as_bytes());
        self.sum.write(format!("{of:?}").as_bytes());
    }

    fn message(&mut self, write: impl FnOnce(&MessageWriter, &mut Vec<u8>) -> std::io::Result<()>) {
        self.json.clear();
        write(&self.writer, &mut self.json).expect("a message");
        assert!(!self.json.contains(&b'\n'), "a line in two");
        assert_json(&self.json, "a message");
        self.sum.write(&self.json);
        if self.first.len() < 4_096 {
            self.first += &String::from_utf8_lossy(&self.json);
            self.first.push('\n');
        }
    }
}

impl SessionListener for Hearer {
    fn login(&mut self, login: &LoginAnswer<'_>) {
        let attributes: Vec<_> = login.attributes.clone().collect();
        self.note("login", &(login.user, login.database, login.refused, login.command, attributes));
    }

    fn command(&mut self, command: &SentCommand<'_>) {
        let params = command.params.to_strings();
        let SentCommand { number, code, body, length, truncated, sql, started, .. } = command;
        self.note("command", &(number, code, body, length, truncated, sql, started, params));
    }

    fn columns(&mut self, columns: &Columns<'_>) {
        let definitions = columns.columns.map(|columns| columns.iter().collect::<Vec<_>>());
        self.note("columns", &(columns.command, columns.result, columns.of, definitions));
    }

    fn row(&mut self, row: &Row<'_>) {
        let values = row.values().map(|values| values.collect::<Vec<_>>());
        self.note("row", &(row.command, row.result, row.index, row.payload, row.length, row.format, values));
    }

    fn result(&mut self, result: &SessionResult<'_>) {
        self.note("result", &(result.command, result.index, result.answer, result.more, result.checksum));
    }

    fn statement(&mut self, statement: &Statement<'_>) {
        self.statements += 1;
        if self.statements <= MOST_MESSAGES {
            self.sum.write_u8(u8::from(self.writer.wants(statement)));
            self.message(|writer, json| writer.message(statement, &writer.redactions(statement), 1).write_json(json));
        }
    }

    fn gap(&mut self, gap: &Gap<'_>) {
        unreachable!("no bytes are missing: {gap:?}");
    }

    fn end(&mut self, end: &SessionEnd<'_>) {
        if let EndReason::OutOfSight(reason) = end.reason {
            let text = reason.message();
            self.message(|writer, json| writer.observation_lost(end.session, &text, end.now, 1).write_json(json));
        }
    }
}
