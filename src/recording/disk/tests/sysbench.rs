//! What sysbench's oltp_read_write takes on disk, as it would be recorded.

use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::mysql::wire::{Command, StatusFlags};
use crate::recording::disk::samples::{about, begin, ok, query, record};
use crate::recording::{Param, ParamValue, RecordedAnswer, RecordedCommand, RecordedResult};
use crate::session::{Now, RowChecksum};

const SESSIONS: usize = 32;
const TABLE_ROWS: usize = 1_000_000;
/// Statements a second; a batch has as many.
const RATE: u64 = 8000;

/// A statement: its text with `?` for the parameters, these, and how many rows it has, if it has any.
type Statement = (&'static str, Vec<String>, Option<u64>);

fn digits(random: &mut Random, groups: usize) -> String {
    let groups: Vec<String> = (0..groups).map(|_| (0..11).map(|_| random.below(10).to_string()).collect()).collect();
    groups.join("-")
}

fn transaction(random: &mut Random) -> Vec<Statement> {
    let mut statements: Vec<Statement> = vec![("BEGIN", vec![], None)];
    let id = |random: &mut Random| (1 + random.below(TABLE_ROWS)).to_string();
    for _ in 0..10 {
        statements.push(("SELECT c FROM sbtest1 WHERE id=?", vec![id(random)], Some(1)));
    }
    for (sql, rows) in [
        ("SELECT c FROM sbtest1 WHERE id BETWEEN ? AND ?", 100),
        ("SELECT SUM(k) FROM sbtest1 WHERE id BETWEEN ? AND ?", 1),
        ("SELECT c FROM sbtest1 WHERE id BETWEEN ? AND ? ORDER BY c", 100),
        ("SELECT DISTINCT c FROM sbtest1 WHERE id BETWEEN ? AND ? ORDER BY c", 100),
    ] {
        let first = 1 + random.below(TABLE_ROWS);
        statements.push((sql, vec![first.to_string(), (first + 99).to_string()], Some(rows)));
    }
    statements.push(("UPDATE sbtest1 SET k=k+1 WHERE id=?", vec![id(random)], None));
    statements.push(("UPDATE sbtest1 SET c=? WHERE id=?", vec![digits(random, 10), id(random)], None));
    let row = id(random);
    statements.push(("DELETE FROM sbtest1 WHERE id=?", vec![row.clone()], None));
    let values = vec![row, id(random), digits(random, 10), digits(random, 5)];
    statements.push(("INSERT INTO sbtest1 (id, k, c, pad) VALUES (?, ?, ?, ?)", values, None));
    statements.push(("COMMIT", vec![], None));
    statements
}

fn command(random: &mut Random, (text, values, rows): &Statement, prepared: bool) -> RecordedCommand {
    let mut command = query(text);
    if prepared {
        command.command = Command::StmtExecute;
        command.statement = Some(text.len() as u32);
        command.params = values
            .iter()
            .map(|value| Param {
                column_type: if value.len() > 9 { 254 } else { 3 },
                value: ParamValue::Given(Bytes::copy_from_slice(value.as_bytes())),
            })
            .collect();
    } else {
        let mut sql = String::new();
        let mut values = values.iter();
        for part in text.split_inclusive('?') {
            sql += part.trim_end_matches('?');
            if part.ends_with('?') {
                let value = values.next().unwrap();
                sql += &if value.len() > 9 { format!("'{value}'") } else { value.clone() };
            }
        }
        command.sql = Some(Arc::from(sql.as_bytes()));
    }
    let status = Some(StatusFlags::AUTOCOMMIT | StatusFlags::IN_TRANS);
    command.results = match rows {
        None => vec![RecordedResult { status, ..ok(1) }],
        Some(count) => {
            let unordered = random.next();
            let ordered = if *count == 1 { unordered } else { random.next() };
            let answer = RecordedAnswer::Rows { count: *count, checksum: Some(RowChecksum { ordered, unordered }) };
            vec![RecordedResult { answer, status, warnings: Some(0) }]
        }
    };
    command.duration_ns = Some(100_000 + random.next() % 900_000);
    command
}

/// Bytes a statement.
fn bytes_a_statement(prepared: bool) -> u64 {
    let mut random = Random::new(11);
    let folder = tempfile::tempdir().unwrap();
    let mut writer = RecordingWriter::create(folder.path(), &about(), WriterOptions::default()).unwrap();
    let mut pending: Vec<Vec<Statement>> = vec![Vec::new(); SESSIONS];
    let mut numbers = [1_u64; SESSIONS];
    for session in 0..SESSIONS {
        writer.write(&record(session as u64, 0, 0, begin())).unwrap();
    }
    let mut now = 0;
    let count = 2 * RATE;
    for _ in 0..count {
        now += random.next() % (2_000_000_000 / RATE);
        let session = random.below(SESSIONS);
        if pending[session].is_empty() {
            pending[session] = transaction(&mut random);
            pending[session].reverse();
        }
        let statement = pending[session].pop().unwrap();
        let command = command(&mut random, &statement, prepared);
        let event = Event::Command(Box::new(command));
        writer.write(&record(session as u64, numbers[session], now, event)).unwrap();
        numbers[session] += 1;
        writer.flush_due(Now { monotonic_ns: now, epoch_ms: 0 }).unwrap();
    }
    writer.finish().unwrap().bytes / count
}

#[test]
fn sysbench_takes_less_than_60_bytes_a_statement() {
    for prepared in [false, true] {
        let bytes = bytes_a_statement(prepared);
        println!("prepared {prepared}: {bytes} bytes a statement");
        assert!(bytes < 60, "prepared {prepared}: {bytes} bytes a statement");
    }
}
