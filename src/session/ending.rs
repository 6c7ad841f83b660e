//! Handing out finished statements.

use super::facts::SessionFacts;
use super::listener::{Interest, Listener};
use super::outcome::Outcome;
use super::request::{Request, RequestKind};
use super::rows_of_insert::emit_rows;
use super::statement::{BatchPart, StatementParams};
use super::telling::{StatementHead, emit_one};
use crate::mysql::wire::bulk_rows;

/// The text of the statement whose result is due: the whole, or the current one of several.
pub(super) fn current_sql(request: &Request) -> Option<&[u8]> {
    let sql = request.sql()?;
    match &request.kind {
        RequestKind::Query { pieces: Some(pieces), .. } => sql.get(pieces.current(sql)),
        _ => Some(sql),
    }
}

/// Tells of a statement, if anybody wants to hear of it: of an INSERT of several rows as of one for each, if that is asked for.
pub(super) fn emit_statement(
    facts: &mut SessionFacts,
    interest: Interest,
    outcome: Outcome<'_>,
    head: StatementHead<'_>,
    to: &mut Listener<'_>,
) {
    if interest.contains(Interest::STATEMENTS | Interest::ROWS_OF_INSERTS)
        && emit_rows(facts, interest, outcome, &head, to)
    {
        return;
    }
    emit_one(facts, interest, outcome, head, to);
}

/// Tells of a request's statement, or of one for each parameter set of a bulk execution.
pub(super) fn emit_request(
    facts: &mut SessionFacts,
    interest: Interest,
    request: &Request,
    outcome: Outcome<'_>,
    duration_ns: u64,
    to: &mut Listener<'_>,
) {
    let mut emit = |params: StatementParams<'_>, batch_part: BatchPart| {
        let head = StatementHead {
            sql: request.sql_left(),
            truncated: request.is_sql_truncated(),
            reading: request.statement_reading(),
            was_executed: !matches!(request.kind, RequestKind::Prepare),
            params,
            started: request.started,
            duration_ns,
            batch_part,
            command: request.number,
        };
        emit_statement(facts, interest, outcome, head, to);
    };
    let RequestKind::BulkExecute(execution) = &request.kind else {
        return emit(request.params(), BatchPart::Last);
    };
    let params = execution.text.as_ref().map_or(0, |text| text.params);
    let rows = bulk_rows(&request.body, params, Some(&execution.types)).map(|(rows, _)| rows.peekable());
    let Ok(mut rows) = rows else {
        return emit(StatementParams::Undecodable, BatchPart::Last);
    };
    if rows.peek().is_none() {
        return emit(StatementParams::Undecodable, BatchPart::Last);
    }
    while let Some(row) = rows.next() {
        let part = if rows.peek().is_some() { BatchPart::Earlier } else { BatchPart::Last };
        match &row {
            Ok(row) => emit(StatementParams::Row(row), part),
            Err(_) => emit(StatementParams::Undecodable, part),
        }
    }
}
