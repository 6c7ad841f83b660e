//! One finished statement, told.

use super::facts::SessionFacts;
use super::listener::{Interest, Listener};
use super::outcome::Outcome;
use super::reading::Reading;
use super::statement::{BatchPart, Statement, StatementParams};
use super::time::Now;

/// A statement without its outcome.
#[derive(Clone)]
pub(super) struct StatementHead<'a> {
    pub(super) sql: Option<&'a [u8]>,
    pub(super) truncated: bool,
    pub(super) reading: Reading,
    pub(super) was_executed: bool,
    pub(super) params: StatementParams<'a>,
    pub(super) started: Now,
    pub(super) duration_ns: u64,
    pub(super) batch_part: BatchPart,
    pub(super) command: u64,
}

/// Tells of a statement as it is.
pub(super) fn emit_one(
    facts: &mut SessionFacts,
    interest: Interest,
    outcome: Outcome<'_>,
    head: StatementHead<'_>,
    to: &mut Listener<'_>,
) {
    facts.execution_count += 1;
    if !interest.contains(Interest::STATEMENTS) {
        return;
    }
    to.statement(&Statement {
        session: facts,
        sql: head.sql,
        truncated: head.truncated,
        reading: head.reading,
        was_executed: head.was_executed,
        params: head.params,
        started: head.started,
        duration_ns: head.duration_ns,
        outcome,
        batch_part: head.batch_part,
        command: head.command,
    });
}
