//! Results, and the statements that they complete.

use std::borrow::Cow;

use super::ending::{Ending, Outcome, StatementHead, current_sql, emit_request, emit_statement};
use super::exchange::{Exchange, Expect, Progress};
use super::facts::text;
use super::observer::Emit;
use super::prepared::OpenCursor;
use super::request::{Pieces, RequestKind};
use super::sight::Trouble;
use super::statement::{BatchPart, StatementParams};
use super::{Now, SessionFacts};
use crate::wire::{CapabilityFlags, RowEnd, StatementPieces, StatusFlags, first_keyword, use_database, variables_set};

/// Statements of one text that are told apart. What lies beyond is forwarded like all the rest.
const PIECES_LIMIT: usize = 100_000;

/// Whether a statement may bring several result sets, with an OK packet of its own behind the last: CALL, and MariaDB's
/// anonymous blocks.
fn brings_several_results(sql: &[u8]) -> bool {
    let keyword = first_keyword(sql);
    ["call", "begin", "if", "loop", "while", "repeat", "for"]
        .into_iter()
        .any(|word| keyword.eq_ignore_ascii_case(word.as_bytes()))
}

impl Exchange {
    /// One result of the oldest request is complete.
    pub(super) fn result(&mut self, outcome: Outcome<'_>, now: Now, emit: &mut Emit<'_>) -> Result<(), Trouble> {
        let more = outcome.status().contains(StatusFlags::MORE_RESULTS_EXISTS);
        let Some(request) = self.requests.front_mut() else { return Ok(()) };
        if matches!(outcome, Outcome::Ok(_) | Outcome::Rows { .. })
            && request.is_statement()
            && let Some(sql) = current_sql(request)
        {
            Self::apply_text(&mut self.facts, sql);
        }
        match &outcome {
            Outcome::Ok(ok) | Outcome::Rows { end: RowEnd::Ok(ok), .. } => self.facts.apply_ok(ok),
            Outcome::Rows { end: RowEnd::Eof(eof), .. } => self.facts.status = Some(eof.status),
            Outcome::Err(_) => {}
        }
        match &mut request.kind {
            RequestKind::Query { text_at, pieces } => {
                let splits = more || pieces.is_some() || matches!(outcome, Outcome::Err(_));
                if splits && pieces.is_none() {
                    let sql = text_at.and_then(|at| request.body.get(at..)).unwrap_or_default();
                    let allowed = || self.facts.in_force().contains(CapabilityFlags::MULTI_STATEMENTS);
                    let ranges = match more || self.multi_statements.unwrap_or_else(allowed) {
                        true => StatementPieces::new(sql, self.facts.lexis()).take(PIECES_LIMIT).collect(),
                        false => Vec::new(),
                    };
                    *pieces = Some(Pieces { ranges, current: 0 });
                }
                let several = pieces.as_ref().is_some_and(|pieces| pieces.ranges.len() > 1);
                if several {
                    self.piece_result(outcome, more, now, emit)
                } else {
                    self.whole_result(outcome, more, now, emit)
                }
            }
            RequestKind::Execute(_) => {
                if matches!(outcome, Outcome::Rows { count: 0, .. }) && request.opens_cursor(outcome.status()) {
                    self.open_cursor(now, emit)
                } else {
                    self.whole_result(outcome, more, now, emit)
                }
            }
            RequestKind::Fetch { statement_id } => {
                let id = *statement_id;
                self.fetched(id, outcome, now, emit)
            }
            RequestKind::Prepare if matches!(outcome, Outcome::Err(_)) => self.whole_result(outcome, more, now, emit),
            RequestKind::BulkExecute(_) => self.whole_result(outcome, more, now, emit),
            _ if more => {
                self.progress.expect = Expect::Head;
                Ok(())
            }
            _ => self.done(),
        }
    }

    /// A result of a request that is one statement. A CALL brings several; the first tells the count.
    pub(super) fn whole_result(
        &mut self,
        outcome: Outcome<'_>,
        more: bool,
        now: Now,
        emit: &mut Emit<'_>,
    ) -> Result<(), Trouble> {
        if let Outcome::Rows { count, .. } = outcome {
            self.progress.first_rows.get_or_insert(count);
        }
        if more {
            self.progress.expect = Expect::Head;
            return Ok(());
        }
        if let Some(request) = self.requests.pop_front() {
            let ending = Ending::of(&outcome, self.progress.first_rows);
            if !request.follows_failed_prepare() {
                let duration_ns = now.monotonic_ns.saturating_sub(request.started_ns);
                emit_request(&mut self.facts, &request, &ending, duration_ns, emit);
            }
            self.recycle(request);
        }
        self.done_popped()
    }

    pub(super) fn done_popped(&mut self) -> Result<(), Trouble> {
        self.progress = Progress::default();
        self.resolve_late_executions();
        Ok(())
    }

    /// A result within a multi-statement text: each statement has its own, a CALL several and an OK of its own last.
    pub(super) fn piece_result(
        &mut self,
        outcome: Outcome<'_>,
        more: bool,
        now: Now,
        emit: &mut Emit<'_>,
    ) -> Result<(), Trouble> {
        let Some(request) = self.requests.front_mut() else { return Ok(()) };
        let started = self
            .progress
            .previous_end
            .unwrap_or(Now { monotonic_ns: request.started_ns, epoch_ms: request.started_epoch_ms });
        let RequestKind::Query { text_at, pieces: Some(pieces) } = &mut request.kind else { return Ok(()) };
        let is_last_piece = pieces.current + 1 >= pieces.ranges.len();
        let text = text_at.and_then(|at| request.body.get(at..)).unwrap_or_default();
        let Some(piece) = pieces.ranges.get(pieces.current).and_then(|range| text.get(range.clone())) else {
            // More results than statements were recognised: they have no text of their own.
            if more {
                self.progress = Progress { previous_end: Some(now), ..Progress::default() };
                return Ok(());
            }
            return self.done();
        };
        if let Outcome::Rows { count, .. } = outcome {
            self.progress.first_rows.get_or_insert(count);
            if more && (brings_several_results(piece) || is_last_piece) {
                self.progress.expect = Expect::Head;
                return Ok(());
            }
        }
        let ending = Ending::of(&outcome, self.progress.first_rows);
        emit_statement(
            &mut self.facts,
            &ending,
            StatementHead {
                sql: Some(piece),
                truncated: request.truncated && is_last_piece,
                params: StatementParams::None,
                started_epoch_ms: started.epoch_ms,
                duration_ns: now.monotonic_ns.saturating_sub(started.monotonic_ns),
                batch_part: BatchPart::Last,
            },
            emit,
        );
        pieces.current += 1;
        if !more {
            return self.done();
        }
        self.progress = Progress { previous_end: Some(now), ..Progress::default() };
        Ok(())
    }

    // Cursors

    fn open_cursor(&mut self, now: Now, emit: &mut Emit<'_>) -> Result<(), Trouble> {
        if let Some(mut request) = self.requests.pop_front()
            && let RequestKind::Execute(execution) = &request.kind
        {
            let busy_ns = now.monotonic_ns.saturating_sub(request.started_ns);
            let id = execution.statement_id;
            if !self.statements.take_room(request.kept_bytes()) {
                request.forget_params();
            }
            let cursor = OpenCursor { request, rows: 0, busy_ns };
            match self.statements.get_mut(id) {
                Some(statement) => statement.cursor = Some(Box::new(cursor)),
                // Closed before its execution was answered.
                None => self.end_cursor(cursor, None, emit),
            }
        }
        self.done_popped()
    }

    pub(super) fn fetched(
        &mut self,
        id: u32,
        outcome: Outcome<'_>,
        now: Now,
        emit: &mut Emit<'_>,
    ) -> Result<(), Trouble> {
        let busy = self.requests.front().map_or(0, |fetch| now.monotonic_ns.saturating_sub(fetch.started_ns));
        let mut finished = None;
        if let Some(statement) = self.statements.get_mut(id)
            && let Some(mut cursor) = statement.cursor.take()
        {
            cursor.rows += outcome.update_count();
            cursor.busy_ns += busy;
            let open =
                matches!(outcome, Outcome::Rows { .. }) && !outcome.status().contains(StatusFlags::LAST_ROW_SENT);
            if open {
                statement.cursor = Some(cursor);
            } else {
                finished = Some(cursor);
            }
        }
        if let Some(cursor) = finished {
            let error = if let Outcome::Err(error) = outcome { Some(error.to_string()) } else { None };
            self.end_cursor(*cursor, error, emit);
        }
        self.done()
    }

    pub(super) fn end_cursor(&mut self, cursor: OpenCursor, error: Option<String>, emit: &mut Emit<'_>) {
        let update_count = if error.is_some() { 0 } else { cursor.rows };
        let ending = Ending { update_count, info: None, error: error.map(Cow::Owned) };
        emit_request(&mut self.facts, &cursor.request, &ending, cursor.busy_ns, emit);
        self.recycle(cursor.request);
    }

    /// The session is over, or no longer understood: what is under way ends with `reason`, or with the server's last words.
    pub(super) fn end_all(&mut self, reason: &'static str, now: Now, emit: &mut Emit<'_>) {
        for cursor in self.statements.clear() {
            self.end_cursor(cursor, None, emit);
        }
        let reason = self.last_words.take().map_or(Cow::Borrowed(reason), Cow::Owned);
        while let Some(request) = self.requests.pop_front() {
            if !request.is_statement() {
                continue;
            }
            let ending = Ending { update_count: 0, info: None, error: Some(reason.clone()) };
            let duration_ns = now.monotonic_ns.saturating_sub(request.started_ns);
            emit_request(&mut self.facts, &request, &ending, duration_ns, emit);
        }
        self.progress = Progress::default();
    }

    /// Takes over what a successful statement's text tells of the session.
    pub(super) fn apply_text(facts: &mut SessionFacts, sql: &[u8]) {
        match first_keyword(sql) {
            keyword if keyword.eq_ignore_ascii_case(b"use") => {
                if let Some(name) = use_database(sql) {
                    facts.current_database = Some(text(&name));
                }
            }
            keyword if keyword.eq_ignore_ascii_case(b"set") => {
                for setting in variables_set(sql) {
                    facts.apply_setting(setting);
                }
            }
            _ => {}
        }
    }
}
