//! Commands for tests.

use super::execution::Execution;
use crate::mysql::sql::Lexis;
use crate::mysql::wire::Command;
use crate::recording::{RecordedAnswer, RecordedCommand, RecordedError, RecordedResult, SessionId};
use crate::session::RowChecksum;

/// A statement that took a millisecond and is not answered yet.
pub(crate) fn query(sql: &str) -> RecordedCommand {
    RecordedCommand {
        sql: Some(sql.as_bytes().into()),
        duration_ns: Some(1_000_000),
        results: Vec::new(),
        ..RecordedCommand::new(Command::Query)
    }
}

/// The same with these answers.
pub(crate) fn answered(sql: &str, answers: impl IntoIterator<Item = RecordedAnswer>) -> RecordedCommand {
    let result = |answer| RecordedResult { answer, status: None, warnings: Some(0) };
    RecordedCommand { results: answers.into_iter().map(result).collect(), ..query(sql) }
}

/// Rows, by their texts.
pub(crate) fn rows(rows: &[&str]) -> RecordedAnswer {
    let mut checksum = RowChecksum::default();
    rows.iter().for_each(|row| checksum.add(row.as_bytes(), row.len() as u64));
    RecordedAnswer::Rows { count: rows.len() as u64, checksum: Some(checksum) }
}

pub(crate) fn affected(affected_rows: u64) -> RecordedAnswer {
    RecordedAnswer::Ok { affected_rows, last_insert_id: 0 }
}

pub(crate) fn error(code: u16) -> RecordedAnswer {
    RecordedAnswer::Error(RecordedError { code, state: Some("HY000".into()), message: "it failed".into() })
}

/// The execution number `number` of session 7; one a millisecond.
pub(crate) fn execution<'a>(
    number: u64,
    expected: &'a RecordedCommand,
    observed: &'a RecordedCommand,
) -> Execution<'a> {
    Execution {
        session: SessionId(7),
        number,
        lexis: Lexis::default(),
        expected,
        observed,
        recorded_ns: number * 1_000_000,
        started_ns: number * 1_000_000,
        lateness: None,
    }
}
