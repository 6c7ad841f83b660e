//! Records to write: random ones of every kind.

use std::sync::Arc;

use bytes::Bytes;

use crate::fuzzing::mutations::Random;
use crate::mysql::wire::{CapabilityFlags, Command, StatusFlags};
use crate::recording::{
    Event, Param, ParamValue, PreparedBefore, QueryAttribute, Record, RecordedAnswer, RecordedCommand, RecordedError,
    RecordedResult, RecordingAbout, RecordingSource, SessionBegin, SessionClose, SessionId, SessionSettings,
    UserChange,
};
use crate::session::{Now, RowChecksum};

pub(crate) const STARTED_MS: u64 = 1_700_000_000_000;

pub(crate) fn about() -> RecordingAbout {
    RecordingAbout {
        server: Some("db:3306".to_owned()),
        gtid_set: Some("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5".to_owned()),
        ..RecordingAbout::new(RecordingSource::Proxy, 7, STARTED_MS)
    }
}

pub(crate) fn at(monotonic_ns: u64) -> Now {
    Now { monotonic_ns, epoch_ms: STARTED_MS + monotonic_ns / 1_000_000 }
}

/// A COM_QUERY that is answered with OK.
pub(crate) fn query(sql: &str) -> RecordedCommand {
    RecordedCommand {
        sql: Some(Arc::from(sql.as_bytes())),
        duration_ns: Some(1000),
        results: vec![ok(1)],
        ..RecordedCommand::new(Command::Query)
    }
}

pub(crate) fn ok(affected_rows: u64) -> RecordedResult {
    let answer = RecordedAnswer::Ok { affected_rows, last_insert_id: 0 };
    RecordedResult { answer, status: Some(StatusFlags::AUTOCOMMIT), warnings: Some(0) }
}

pub(crate) fn record(session: u64, number: u64, started_ns: u64, event: Event) -> Record {
    Record { session: SessionId(session), number, started: at(started_ns), event }
}

pub(crate) fn begin() -> Event {
    Event::Begin(Box::new(SessionBegin { user: Some("app".to_owned()), ..SessionBegin::default() }))
}

/// Sessions side by side, of all kinds of records, in the order in which these are complete.
pub(crate) fn records(random: &mut Random, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    let mut open: Vec<(u64, u64, u64)> = Vec::new();
    let (mut next_session, mut now) = (1_u64, 0_u64);
    while records.len() < count {
        now += random.next() % 2_000_000;
        if open.len() < 3 || random.below(20) == 0 {
            records.push(record(next_session, 0, now, random_begin(random)));
            open.push((next_session, 1, now));
            next_session += 1;
            continue;
        }
        let chosen = random.below(open.len());
        let (session, number, last) = open[chosen];
        match random.below(30) {
            0 => {
                let close = [SessionClose::Quit, SessionClose::Closed, SessionClose::RecordingEnded];
                records.push(record(session, number, now, Event::End(close[random.below(3)])));
                open.remove(chosen);
            }
            1 => {
                records.push(record(session, number, now, Event::Lost("too much at once".to_owned())));
                records.push(record(session, number + 1, now, random_begin(random)));
                open[chosen] = (session, number + 2, now);
            }
            _ => {
                // Most took a short while, a few began soon after the one before.
                let started =
                    if random.below(40) == 0 { last } else { last.max(now.saturating_sub(random.next() % 3_000_000)) };
                let mut command = random_command(random);
                command.duration_ns = command.duration_ns.map(|_| now - started);
                records.push(record(session, number, started, Event::Command(Box::new(command))));
                open[chosen] = (session, number + 1, started);
            }
        }
    }
    records
}

fn maybe<T>(random: &mut Random, make: impl FnOnce(&mut Random) -> T) -> Option<T> {
    if random.below(2) == 0 { None } else { Some(make(random)) }
}

fn bytes(random: &mut Random, longest: usize) -> Vec<u8> {
    let length = random.below(longest + 1);
    (0..length).map(|_| random.next() as u8).collect()
}

fn text(random: &mut Random) -> String {
    const TEXTS: [&str; 5] = ["", "app", "käse", "a\"b\\c\n", "\u{1f600}"];
    TEXTS[random.below(TEXTS.len())].to_owned()
}

fn random_begin(random: &mut Random) -> Event {
    let settings = SessionSettings {
        client_charset: maybe(random, text),
        results_charset: maybe(random, text),
        login_collation: maybe(random, |random| random.next() as u16),
        time_zone: maybe(random, text),
        isolation: maybe(random, text),
        sql_mode: maybe(random, text),
        autocommit: maybe(random, |random| random.below(2) == 0),
    };
    Event::Begin(Box::new(SessionBegin {
        began_before: random.below(2) == 0,
        client: maybe(random, text),
        connection_id: maybe(random, |random| random.next() as u32),
        server_version: maybe(random, text),
        user: maybe(random, text),
        database: maybe(random, text),
        capabilities: maybe(random, |random| CapabilityFlags::from_bits_retain(random.next())),
        attributes: (0..random.below(3)).map(|_| (text(random), text(random))).collect(),
        settings,
        prepared: (0..random.below(3))
            .map(|id| PreparedBefore { id: id as u32, sql: bytes(random, 30).into() })
            .collect(),
        in_transaction: random.below(2) == 0,
        refused: if random.below(9) == 0 { Some(random_error(random)) } else { None },
    }))
}

fn random_error(random: &mut Random) -> RecordedError {
    RecordedError { code: random.next() as u16, state: maybe(random, text), message: text(random) }
}

fn random_param(random: &mut Random) -> Param {
    let value = match random.below(8) {
        0 => ParamValue::Null,
        1 => ParamValue::LongData,
        2 => ParamValue::Default,
        3 => ParamValue::Ignore,
        _ => ParamValue::Given(bytes(random, 40).into()),
    };
    Param { column_type: random.next() as u16, value }
}

fn random_command(random: &mut Random) -> RecordedCommand {
    const SQL: [&[u8]; 4] = [b"SELECT 1", b"", b"INSERT INTO t VALUES (?)", b"SELECT '\xff\x00'"];
    RecordedCommand {
        command: Command::from_byte(random.next() as u8),
        sql: maybe(random, |random| match random.below(2) {
            0 => Arc::from(SQL[random.below(SQL.len())]),
            _ => Arc::from(bytes(random, 60)),
        }),
        truncated: random.below(9) == 0,
        statement: maybe(random, |random| random.next() as u32),
        params: (0..random.below(4)).map(|_| random_param(random)).collect(),
        attributes: (0..random.below(2))
            .map(|_| QueryAttribute { name: bytes(random, 5).into(), param: random_param(random) })
            .collect(),
        param_rows: if random.below(5) == 0 { random.next() as u32 } else { 1 },
        undecodable: random.below(9) == 0,
        argument: maybe(random, |random| Bytes::from(bytes(random, 9))),
        change_user: if random.below(9) == 0 {
            Some(Box::new(UserChange {
                user: text(random),
                database: maybe(random, text),
                collation: maybe(random, |random| random.next() as u16),
            }))
        } else {
            None
        },
        files: (0..random.below(2)).map(|_| Bytes::from(bytes(random, 99))).collect(),
        duration_ns: maybe(random, Random::next),
        results: (0..random.below(4)).map(|_| random_result(random)).collect(),
    }
}

fn random_result(random: &mut Random) -> RecordedResult {
    let answer = match random.below(6) {
        0 => RecordedAnswer::Ok { affected_rows: random.next(), last_insert_id: random.next() },
        1 => RecordedAnswer::Rows {
            count: random.next(),
            checksum: maybe(random, |random| {
                let unordered = random.next();
                RowChecksum { unordered, ordered: if random.below(2) == 0 { unordered } else { random.next() } }
            }),
        },
        2 => RecordedAnswer::Prepared { params: random.next() as u16, columns: random.next() as u16 },
        3 => RecordedAnswer::Packet,
        4 => RecordedAnswer::Error(random_error(random)),
        _ => RecordedAnswer::Unknown(text(random)),
    };
    let status = maybe(random, |random| StatusFlags::from_bits_retain(random.next() as u16));
    RecordedResult { answer, status, warnings: maybe(random, |random| random.next() as u16) }
}
