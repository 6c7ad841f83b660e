//! How statements end, and handing them out.

use std::borrow::Cow;

use super::SessionFacts;
use super::observer::Emit;
use super::request::{Request, RequestKind};
use super::statement::{BatchPart, Statement, StatementParams};
use crate::mysql::wire::{ErrPacket, OkPacket, RowEnd, StatusFlags, bulk_rows};

/// The outcome of one result.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome<'a> {
    Ok(OkPacket<'a>),
    Rows { count: u64, end: RowEnd<'a> },
    Err(ErrPacket<'a>),
}

impl Outcome<'_> {
    pub(super) fn update_count(&self) -> u64 {
        match self {
            Outcome::Ok(ok) => ok.affected_rows,
            Outcome::Rows { count, .. } => *count,
            Outcome::Err(_) => 0,
        }
    }

    pub(super) fn status(&self) -> StatusFlags {
        match self {
            Outcome::Ok(ok) => ok.status,
            Outcome::Rows { end, .. } => end.status(),
            Outcome::Err(_) => StatusFlags::empty(),
        }
    }
}

/// The text of the statement whose result is due: the whole, or the current one of several.
pub(super) fn current_sql(request: &Request) -> Option<&[u8]> {
    let sql = request.sql()?;
    match &request.kind {
        RequestKind::Query { pieces: Some(pieces), .. } => sql.get(pieces.current(sql)),
        _ => Some(sql),
    }
}

/// How a statement ended.
#[derive(Debug)]
pub(super) struct Ending<'a> {
    pub(super) update_count: u64,
    pub(super) info: Option<&'a [u8]>,
    pub(super) error: Option<Cow<'a, str>>,
}

impl<'a> Ending<'a> {
    /// `first_rows`: rows of the first of several result sets.
    pub(super) fn of(outcome: &Outcome<'a>, first_rows: Option<u64>) -> Self {
        match outcome {
            Outcome::Err(error) => Self { update_count: 0, info: None, error: Some(error.to_string().into()) },
            Outcome::Ok(ok) if first_rows.is_none() => {
                Self { update_count: ok.affected_rows, info: Some(ok.info), error: None }
            }
            _ => Self { update_count: first_rows.unwrap_or_else(|| outcome.update_count()), info: None, error: None },
        }
    }
}

/// A statement without its outcome.
pub(super) struct StatementHead<'a> {
    pub(super) sql: Option<&'a [u8]>,
    pub(super) truncated: bool,
    pub(super) params: StatementParams<'a>,
    pub(super) started_epoch_ms: u64,
    pub(super) duration_ns: u64,
    pub(super) batch_part: BatchPart,
}

pub(super) fn emit_statement(
    facts: &mut SessionFacts,
    ending: &Ending<'_>,
    head: StatementHead<'_>,
    emit: &mut Emit<'_>,
) {
    facts.execution_count += 1;
    emit(&Statement {
        session: facts,
        sql: head.sql,
        truncated: head.truncated,
        params: head.params,
        started_epoch_ms: head.started_epoch_ms,
        duration_ns: head.duration_ns,
        update_count: ending.update_count,
        info: ending.info,
        error: ending.error.as_deref(),
        batch_part: head.batch_part,
        observation_lost: false,
    });
}

/// Emits a request's statement, or one for each parameter set of a bulk execution.
pub(super) fn emit_request(
    facts: &mut SessionFacts,
    request: &Request,
    ending: &Ending<'_>,
    duration_ns: u64,
    emit: &mut Emit<'_>,
) {
    fn head_of<'a>(
        request: &'a Request,
        params: StatementParams<'a>,
        duration_ns: u64,
        batch_part: BatchPart,
    ) -> StatementHead<'a> {
        StatementHead {
            sql: request.sql_left(),
            truncated: request.is_sql_truncated(),
            params,
            started_epoch_ms: request.started_epoch_ms,
            duration_ns,
            batch_part,
        }
    }
    match &request.kind {
        RequestKind::Execute(execution) => {
            emit_statement(
                facts,
                ending,
                head_of(request, execution.params(&request.body), duration_ns, BatchPart::Last),
                emit,
            );
        }
        RequestKind::BulkExecute(execution) => {
            let params = execution.text.as_ref().map_or(0, |text| text.params);
            let rows = bulk_rows(&request.body, params, Some(&execution.types)).map(|(rows, _)| rows.peekable());
            let Ok(mut rows) = rows else {
                return emit_statement(
                    facts,
                    ending,
                    head_of(request, StatementParams::Undecodable, duration_ns, BatchPart::Last),
                    emit,
                );
            };
            if rows.peek().is_none() {
                let head = head_of(request, StatementParams::Undecodable, duration_ns, BatchPart::Last);
                return emit_statement(facts, ending, head, emit);
            }
            while let Some(row) = rows.next() {
                let part = if rows.peek().is_some() { BatchPart::Earlier } else { BatchPart::Last };
                match row {
                    Ok(row) => emit_statement(
                        facts,
                        ending,
                        head_of(request, StatementParams::Row(&row), duration_ns, part),
                        emit,
                    ),
                    Err(_) => emit_statement(
                        facts,
                        ending,
                        head_of(request, StatementParams::Undecodable, duration_ns, part),
                        emit,
                    ),
                }
            }
        }
        _ => emit_statement(facts, ending, head_of(request, StatementParams::None, duration_ns, BatchPart::Last), emit),
    }
}
