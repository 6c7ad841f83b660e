//! Results, and the statements that they complete.

use std::borrow::Cow;
use std::sync::Arc;

use super::ending::{Ending, Outcome, StatementHead, current_sql, emit_request, emit_statement};
use super::exchange::{Exchange, Expect, Progress};
use super::observer::Emit;
use super::prepared::{OpenCursor, PreparedText};
use super::request::RequestKind;
use super::sight::Trouble;
use super::statement::{BatchPart, StatementParams};
use super::texts::{Pieces, Verdict};
use super::{Now, SessionFacts};
use crate::mysql::sql::{
    Lexis, NamedCommand, ResultCount, StatementSummary, dropped_database, first_keyword, named_command, use_database,
    variables_set,
};
use crate::mysql::wire::{CapabilityFlags, RowEnd, StatusFlags};

/// First words of statements that run others: what they prepare, set or use is not in sight.
const RUNNING: [&str; 10] = ["call", "execute", "begin", "if", "case", "loop", "while", "repeat", "for", "declare"];

/// How many results a statement has.
fn result_count(facts: &SessionFacts, sql: &[u8]) -> ResultCount {
    StatementSummary::of(sql, facts.lexis(), &|name| facts.named.summary(name)).results
}

fn runs_others(sql: &[u8], lexis: Lexis) -> bool {
    let keyword = first_keyword(sql, lexis);
    keyword.eq_ignore_ascii_case(b"set") || RUNNING.iter().any(|word| keyword.eq_ignore_ascii_case(word.as_bytes()))
}

impl Exchange {
    /// One result of the oldest request is complete.
    pub(super) fn result(&mut self, outcome: Outcome<'_>, now: Now, emit: &mut Emit<'_>) -> Result<(), Trouble> {
        let announced = std::mem::take(&mut self.progress.more_announced) && matches!(outcome, Outcome::Rows { .. });
        let more = announced || outcome.status().contains(StatusFlags::MORE_RESULTS_EXISTS);
        self.find_pieces(&outcome, more);
        let is_done = !more || !matches!(outcome, Outcome::Rows { .. });
        let forgets = is_done && self.may_change_names();
        let result = self.settled_result(outcome, more, now, emit);
        if forgets {
            self.facts.named.clear();
        }
        result
    }

    /// Parts a text of several statements when its first result is there, before that changes how the rest is read.
    fn find_pieces(&mut self, outcome: &Outcome<'_>, more: bool) {
        let allowed = || self.facts.in_force().contains(CapabilityFlags::MULTI_STATEMENTS);
        if let Some(request) = self.requests.front_mut()
            && let RequestKind::Query { text_at, pieces: pieces @ None } = &mut request.kind
            && (more || matches!(outcome, Outcome::Err(_)))
            && self.multi_statements.unwrap_or_else(allowed)
        {
            let text = text_at.and_then(|at| request.body.get(at..)).unwrap_or_default();
            *pieces = Some(Pieces::first(text, request.truncated, self.facts.lexis()));
        }
    }

    /// Whether what has ended here may have prepared statements by name, out of sight.
    fn may_change_names(&self) -> bool {
        let facts = &self.facts;
        // Nearly every session leaves here.
        !facts.named.is_empty()
            && self
                .requests
                .front()
                .filter(|request| request.is_statement())
                .and_then(current_sql)
                .is_none_or(|sql| runs_others(sql, facts.lexis()) && result_count(facts, sql) != ResultCount::One)
    }

    fn settled_result(
        &mut self,
        outcome: Outcome<'_>,
        more: bool,
        now: Now,
        emit: &mut Emit<'_>,
    ) -> Result<(), Trouble> {
        let Some(request) = self.requests.front_mut() else { return Ok(()) };
        if request.is_statement()
            && let Some(sql) = current_sql(request)
        {
            let succeeded = !matches!(outcome, Outcome::Err(_));
            Self::apply_text(&mut self.facts, sql, succeeded);
        }
        match &outcome {
            Outcome::Ok(ok) | Outcome::Rows { end: RowEnd::Ok(ok), .. } => self.facts.apply_ok(ok),
            Outcome::Rows { end: RowEnd::Eof(eof), .. } => self.facts.status = Some(eof.status),
            Outcome::Err(_) => {}
        }
        match &request.kind {
            RequestKind::Query { pieces: Some(Pieces::At(_) | Pieces::Rest(_)), .. } => {
                self.piece_result(outcome, more, now, emit)
            }
            RequestKind::Query { .. } => self.whole_result(outcome, more, now, emit),
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
        if let Some(request) = self.requests.pop() {
            let ending = Ending::of(&outcome, self.progress.first_rows);
            if !(ending.error.is_some() && request.follows_failed_prepare()) {
                let duration_ns = now.monotonic_ns.saturating_sub(request.started_ns);
                emit_request(&mut self.facts, &request, &ending, duration_ns, emit);
            }
            self.recycle(request);
        }
        self.done_popped()
    }

    pub(super) fn done_popped(&mut self) -> Result<(), Trouble> {
        self.progress = Progress::default();
        Ok(())
    }

    /// A result within a text of several statements.
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
        let text = text_at.and_then(|at| request.body.get(at..)).unwrap_or_default();
        if let Outcome::Rows { count, .. } = outcome {
            self.progress.first_rows.get_or_insert(count);
        }
        let facts = &self.facts;
        let Verdict::Last(piece) = pieces.result(text, &outcome, more, |sql| result_count(facts, sql)) else {
            self.progress.expect = Expect::Head;
            return Ok(());
        };
        let ending = Ending::of(&outcome, self.progress.first_rows);
        emit_statement(
            &mut self.facts,
            &ending,
            StatementHead {
                truncated: request.truncated && text.get(piece.end..).is_none_or(<[u8]>::is_empty),
                sql: text.get(piece),
                params: StatementParams::None,
                started_epoch_ms: started.epoch_ms,
                duration_ns: now.monotonic_ns.saturating_sub(started.monotonic_ns),
                batch_part: BatchPart::Last,
            },
            emit,
        );
        if !more {
            return self.done();
        }
        pieces.advance(text, request.truncated, self.facts.lexis());
        self.progress = Progress { previous_end: Some(now), ..Progress::default() };
        Ok(())
    }

    // Cursors

    fn open_cursor(&mut self, now: Now, emit: &mut Emit<'_>) -> Result<(), Trouble> {
        if let Some(mut request) = self.requests.pop()
            && let RequestKind::Execute(execution) = &request.kind
        {
            let busy_ns = now.monotonic_ns.saturating_sub(request.started_ns);
            let id = execution.statement_id;
            if !self.statements.has_room(request.kept_bytes()) {
                request.forget_params();
            }
            let mut cursor = Some(Box::new(OpenCursor { request, rows: 0, busy_ns }));
            self.statements.update(id, |statement| statement.cursor = cursor.take());
            // A statement that is not known.
            if let Some(cursor) = cursor {
                self.end_cursor(*cursor, None, emit);
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
        let is_open = matches!(outcome, Outcome::Rows { .. }) && !outcome.status().contains(StatusFlags::LAST_ROW_SENT);
        let finished = self.statements.update(id, |statement| {
            if let Some(cursor) = &mut statement.cursor {
                cursor.rows += outcome.update_count();
                cursor.busy_ns += busy;
            }
            if is_open { None } else { statement.cursor.take() }
        });
        if let Some(cursor) = finished.flatten() {
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
        let mut asked_for: Option<Arc<PreparedText>> = None;
        while !self.requests.is_empty() {
            let Some(mut request) = self.requests.pop() else { continue };
            match &mut request.kind {
                RequestKind::Prepare => {
                    let sql = std::mem::take(&mut request.body).into_boxed_slice();
                    // How many parameters it has only the answer would have told.
                    asked_for = Some(Arc::new(PreparedText { sql, truncated: request.truncated, params: 1 }));
                }
                RequestKind::Execute(execution) | RequestKind::BulkExecute(execution) if execution.means_last => {
                    execution.text = execution.text.take().or_else(|| asked_for.clone());
                }
                _ => {}
            }
            if !request.is_statement() {
                continue;
            }
            let ending = Ending { update_count: 0, info: None, error: Some(reason.clone()) };
            let duration_ns = now.monotonic_ns.saturating_sub(request.started_ns);
            emit_request(&mut self.facts, &request, &ending, duration_ns, emit);
        }
        self.progress = Progress::default();
    }

    /// Takes over what a statement's text tells of the session.
    pub(super) fn apply_text(facts: &mut SessionFacts, sql: &[u8], succeeded: bool) {
        let lexis = facts.lexis();
        let keyword = first_keyword(sql, lexis);
        let is = |word: &str| keyword.eq_ignore_ascii_case(word.as_bytes());
        if is("prepare") || is("deallocate") || is("drop") {
            facts.named.follow(sql, lexis, succeeded);
        }
        if !succeeded {
            return;
        }
        if is("drop") || is("create") {
            if let Some(name) = dropped_database(sql, lexis) {
                facts.database_dropped(&name);
            }
        } else if is("use") {
            if let Some(name) = use_database(sql, lexis) {
                facts.enter_database(&name);
            }
        } else if is("set") {
            for setting in variables_set(sql, lexis) {
                facts.apply_setting(setting);
            }
        } else if is("execute") {
            let run = match named_command(sql, lexis) {
                Some(NamedCommand::Execute(name)) => facts.named.text(&name).map(<[u8]>::to_vec),
                Some(NamedCommand::Immediate(text)) => text.map(Cow::into_owned),
                _ => None,
            };
            for setting in run.iter().flat_map(|run| variables_set(run, lexis)) {
                facts.apply_setting(setting);
            }
        } else if RUNNING.into_iter().any(is) {
            facts.forget_mentioned(sql);
        }
    }
}
