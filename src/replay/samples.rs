//! Records for tests.

use std::sync::Arc;

use crate::mysql::wire::{Command, StatusFlags};
use crate::recording::{Event, Record, RecordedAnswer, RecordedCommand, RecordedResult, SessionId};
use crate::session::Now;

/// COM_QUERY without an answer.
pub(super) fn query(sql: &str) -> RecordedCommand {
    RecordedCommand {
        command: Command::Query,
        sql: Some(Arc::from(sql.as_bytes())),
        truncated: false,
        statement: None,
        params: Vec::new(),
        param_rows: 1,
        undecodable: false,
        attributes: Vec::new(),
        argument: None,
        change_user: None,
        files: Vec::new(),
        duration_ns: Some(1_000_000),
        results: Vec::new(),
    }
}

/// The same with an answer.
pub(super) fn answered(sql: &str, status: Option<StatusFlags>) -> RecordedCommand {
    let answer = RecordedAnswer::Ok { affected_rows: 0, last_insert_id: 0 };
    RecordedCommand { results: vec![RecordedResult { answer, status, warnings: Some(0) }], ..query(sql) }
}

/// A record.
pub(super) fn record(session: u64, number: u64, started_ns: u64, event: Event) -> Record {
    let started = Now { monotonic_ns: started_ns, epoch_ms: started_ns / 1_000_000 };
    Record { session: SessionId(session), number, started, event }
}
