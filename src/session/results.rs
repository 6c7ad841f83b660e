//! Results, and the statements that they complete.

use std::borrow::Cow;
use std::sync::Arc;

use super::ending::{current_sql, emit_request, emit_statement};
use super::exchange::Exchange;
use super::execution::PreparedText;
use super::facts::SessionFacts;
use super::listener::{Answer, Interest, Listener, SessionResult};
use super::outcome::{Outcome, UnknownOutcome};
use super::prepared::OpenCursor;
use super::progress::Progress;
use super::queue::{Current, RequestQueue};
use super::request::{Request, RequestKind};
use super::sight::Trouble;
use super::statement::{BatchPart, StatementParams};
use super::telling::StatementHead;
use super::texts::{Pieces, Verdict};
use super::time::Now;
use crate::mysql::sql::{
    Lexis, NamedCommand, ResultCount, StatementSummary, dropped_database, first_keyword, named_command, use_database,
    variables_set,
};
use crate::mysql::wire::{RowEnd, StatusFlags};

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

/// Whether a result is the definitions of a cursor's rows, which are fetched later.
fn opens_cursor(request: &Request, outcome: &Outcome<'_>) -> bool {
    match outcome {
        Outcome::Rows { count: 0, end: Some(end) } => request.opens_cursor(end.status()),
        _ => false,
    }
}

impl Exchange {
    /// One result of the current request is complete.
    pub(super) fn result(&mut self, outcome: Outcome<'_>, now: Now, to: &mut Listener<'_>) -> Result<(), Trouble> {
        let Some(current) = self.requests.current.as_mut() else { return Ok(()) };
        let is_rows = matches!(outcome, Outcome::Rows { .. });
        let announced = std::mem::take(&mut current.progress.more_announced) && is_rows;
        let more = announced || outcome.announces_more();
        self.find_pieces(&outcome, more);
        let is_done = !more || !is_rows;
        let forgets = is_done && self.may_change_names();
        let result = self.settled_result(outcome, more, now, to);
        if forgets {
            self.facts.named.clear();
        }
        result
    }

    /// Parts a text of several statements when its first result is there, before that changes how the rest is read.
    fn find_pieces(&mut self, outcome: &Outcome<'_>, more: bool) {
        if let Some(current) = self.requests.current.as_mut()
            && let RequestKind::Query { text_at, pieces: pieces @ None } = &mut current.request.kind
            && (more || outcome.is_error())
            && self.multi_statements.unwrap_or_else(|| self.dialect.allows_several(more))
        {
            let text = text_at.and_then(|at| current.request.body.get(at..)).unwrap_or_default();
            *pieces = Some(Pieces::first(text, current.request.truncated, self.facts.lexis()));
        }
    }

    /// Whether what has ended here may have prepared statements by name, out of sight.
    fn may_change_names(&self) -> bool {
        let facts = &self.facts;
        // Nearly every session leaves here.
        !facts.named.is_empty()
            && self
                .requests
                .current
                .as_ref()
                .map(|current| &current.request)
                .filter(|request| request.is_statement())
                .and_then(current_sql)
                .is_none_or(|sql| runs_others(sql, facts.lexis()) && result_count(facts, sql) != ResultCount::One)
    }

    fn settled_result(
        &mut self,
        outcome: Outcome<'_>,
        more: bool,
        now: Now,
        to: &mut Listener<'_>,
    ) -> Result<(), Trouble> {
        let Some(current) = self.requests.current.as_ref() else { return Ok(()) };
        if current.request.kind.is_probe() && !more {
            self.probed(match &outcome {
                Outcome::Error(error) => Some(error.code),
                _ => None,
            });
        }
        let Some(current) = self.requests.current.as_ref() else { return Ok(()) };
        if current.request.is_statement()
            && let Some(sql) = current_sql(&current.request)
        {
            Self::apply_text(&mut self.facts, sql, !outcome.is_error());
        }
        match &outcome {
            Outcome::Ok(ok) | Outcome::Rows { end: Some(RowEnd::Ok(ok)), .. } => self.facts.apply_ok(ok),
            Outcome::Rows { end: Some(RowEnd::Eof(eof)), .. } => self.facts.status = Some(eof.status),
            Outcome::Rows { end: None, .. } | Outcome::Error(_) | Outcome::Unknown(_) => {}
        }
        self.tell_result(Answer::Outcome(outcome), more, now, to);
        let Some(current) = self.requests.current.as_mut() else { return Ok(()) };
        match &current.request.kind {
            RequestKind::Query { pieces: Some(Pieces::At(_) | Pieces::Rest(_)), .. } => {
                self.piece_result(outcome, more, now, to)
            }
            RequestKind::Execute(_) if opens_cursor(&current.request, &outcome) => self.open_cursor(now, to),
            RequestKind::Fetch { statement_id } => {
                let id = *statement_id;
                self.fetched(id, outcome, now, to)
            }
            RequestKind::Query { .. } | RequestKind::Execute(_) | RequestKind::BulkExecute(_) => {
                self.whole_result(outcome, more, now, to)
            }
            RequestKind::Prepare if outcome.is_error() => self.whole_result(outcome, more, now, to),
            _ if more => {
                current.progress.next_result();
                Ok(())
            }
            _ => self.done(),
        }
    }

    /// Tells whoever asks for it of an answer, or of one of several.
    pub(super) fn tell_result(&self, answer: Answer<'_>, more: bool, now: Now, to: &mut Listener<'_>) {
        if !self.interest.contains(Interest::RESULTS) {
            return;
        }
        let Some(current) = self.requests.current.as_ref().filter(|current| !current.request.kind.is_probe()) else {
            return;
        };
        let progress = &current.progress;
        let has_rows = matches!(answer, Answer::Outcome(Outcome::Rows { .. }));
        to.result(&SessionResult {
            command: current.request.number,
            index: progress.results,
            answer,
            more,
            checksum: progress.watch.as_ref().filter(|_| has_rows).and_then(|watch| watch.checksum()),
            now,
            session: &self.facts,
        });
    }

    /// A result of a request that is one statement. A CALL brings several; the first tells the count.
    fn whole_result(
        &mut self,
        outcome: Outcome<'_>,
        more: bool,
        now: Now,
        to: &mut Listener<'_>,
    ) -> Result<(), Trouble> {
        let Some(current) = self.requests.current.as_mut() else { return Ok(()) };
        if let Outcome::Rows { count, .. } = outcome {
            current.progress.first_rows.get_or_insert(count);
        }
        if more {
            current.progress.next_result();
            return Ok(());
        }
        let Current { request, progress, .. } = current;
        if !(outcome.is_error() && request.follows_failed_prepare()) {
            let outcome = outcome.of_statement(progress.first_rows);
            let duration_ns = now.since(request.started);
            emit_request(&mut self.facts, self.interest, request, outcome, duration_ns, to);
        }
        self.done()
    }

    /// A result within a text of several statements.
    fn piece_result(
        &mut self,
        outcome: Outcome<'_>,
        more: bool,
        now: Now,
        to: &mut Listener<'_>,
    ) -> Result<(), Trouble> {
        let Some(current) = self.requests.current.as_mut() else { return Ok(()) };
        let (request, progress) = (&mut current.request, &mut current.progress);
        let started = progress.previous_end.unwrap_or(request.started);
        let RequestKind::Query { text_at, pieces: Some(pieces) } = &mut request.kind else { return Ok(()) };
        let text = text_at.and_then(|at| request.body.get(at..)).unwrap_or_default();
        if let Outcome::Rows { count, .. } = outcome {
            progress.first_rows.get_or_insert(count);
        }
        let facts = &self.facts;
        let Verdict::Last(piece) = pieces.result(text, &outcome, more, |sql| result_count(facts, sql)) else {
            progress.next_result();
            return Ok(());
        };
        // What is left of a text has no end that is known, be it cut in the middle of a word or after a blank.
        let is_rest = matches!(pieces, Pieces::Rest(_));
        emit_statement(
            &mut self.facts,
            self.interest,
            outcome.of_statement(progress.first_rows),
            StatementHead {
                truncated: request.truncated && (is_rest || text.get(piece.end..).is_none_or(<[u8]>::is_empty)),
                sql: text.get(piece),
                reading: request.reading,
                params: StatementParams::None,
                started,
                duration_ns: now.since(started),
                was_executed: true,
                batch_part: BatchPart::Last,
                command: request.number,
            },
            to,
        );
        if !more {
            return self.done();
        }
        request.reading = self.facts.reading();
        pieces.advance(text, request.truncated, request.reading.lexis);
        let results = progress.results + 1;
        *progress = Progress { previous_end: Some(now), results, ..Progress::default() };
        Ok(())
    }

    // Cursors

    fn open_cursor(&mut self, now: Now, to: &mut Listener<'_>) -> Result<(), Trouble> {
        if let Some(mut request) = self.requests.take()
            && let RequestKind::Execute(execution) = &request.kind
        {
            let busy_ns = now.since(request.started);
            let id = execution.statement_id;
            if !self.statements.has_room(request.kept_bytes()) {
                request.forget_params();
            }
            let mut cursor = Some(Box::new(OpenCursor { request, rows: 0, busy_ns }));
            self.statements.update(id, |statement| statement.cursor = cursor.take());
            // A statement that is not known.
            if let Some(cursor) = cursor {
                self.end_cursor(*cursor, to);
            }
        }
        Ok(())
    }

    fn fetched(&mut self, id: u32, outcome: Outcome<'_>, now: Now, to: &mut Listener<'_>) -> Result<(), Trouble> {
        let started = self.requests.current.as_ref().map_or(now, |fetch| fetch.request.started);
        let is_last = outcome.status().is_none_or(|status| status.contains(StatusFlags::LAST_ROW_SENT));
        let is_open = matches!(outcome, Outcome::Rows { .. }) && !is_last;
        let finished = self.statements.update(id, |statement| {
            if let Some(cursor) = &mut statement.cursor {
                cursor.rows += outcome.update_count();
                cursor.busy_ns += now.since(started);
            }
            if is_open { None } else { statement.cursor.take() }
        });
        if let Some(cursor) = finished.flatten() {
            let outcome = match outcome {
                Outcome::Rows { end, .. } => Outcome::Rows { count: cursor.rows, end },
                Outcome::Ok(ok) => Outcome::Rows { count: cursor.rows, end: Some(RowEnd::Ok(ok)) },
                other => other,
            };
            self.end_cursor_with(*cursor, outcome, to);
        }
        self.done()
    }

    /// The client closed a cursor, or the server did, before its last row.
    pub(super) fn end_cursor(&mut self, cursor: OpenCursor, to: &mut Listener<'_>) {
        let outcome = Outcome::Rows { count: cursor.rows, end: None };
        self.end_cursor_with(cursor, outcome, to);
    }

    fn end_cursor_with(&mut self, cursor: OpenCursor, outcome: Outcome<'_>, to: &mut Listener<'_>) {
        emit_request(&mut self.facts, self.interest, &cursor.request, outcome, cursor.busy_ns, to);
        self.recycle(cursor.request.body);
    }

    /// The session is over, or no longer understood: what is under way ends with `reason`, or with the server's last words.
    pub(super) fn end_all(&mut self, reason: UnknownOutcome<'static>, now: Now, to: &mut Listener<'_>) {
        for cursor in self.statements.clear() {
            match reason {
                // Rows may have been fetched that nobody saw.
                UnknownOutcome::Gap => self.end_cursor_with(cursor, Outcome::Unknown(reason), to),
                _ => self.end_cursor(cursor, to),
            }
        }
        let last_words = self.last_words.take();
        let reason = last_words.as_ref().map_or(reason, |words| words.outcome());
        let mut asked_for: Option<Arc<PreparedText>> = None;
        loop {
            let mut results = 0;
            let mut request = match self.requests.current.take() {
                Some(current) => {
                    results = current.progress.results;
                    current.request
                }
                None => match self.requests.next() {
                    Some(mut request) => {
                        request.reading = self.facts.reading();
                        let statement = request.statement_id().map(|id| self.statements.resolve(id));
                        self.tell_command(&request, statement, to);
                        request
                    }
                    None => break,
                },
            };
            match &mut request.kind {
                RequestKind::Prepare => {
                    let sql = std::mem::take(&mut request.body).into();
                    // How many parameters it has only the answer would have told.
                    let (truncated, reading) = (request.truncated, request.reading);
                    asked_for = Some(Arc::new(PreparedText { sql, truncated, params: 1, reading }));
                }
                RequestKind::Execute(execution) | RequestKind::BulkExecute(execution) if execution.means_last => {
                    execution.text = execution.text.take().or_else(|| asked_for.clone());
                }
                _ => {}
            }
            self.tell_unseen_answer(&request, results, reason, now, to);
            if request.is_statement() {
                let duration_ns = now.since(request.started);
                emit_request(&mut self.facts, self.interest, &request, Outcome::Unknown(reason), duration_ns, to);
            }
        }
        self.requests = RequestQueue::default();
    }

    /// Whatever the answer to a request is, or the rest of it: nobody will see it.
    fn tell_unseen_answer(
        &self,
        request: &Request,
        index: u32,
        reason: UnknownOutcome<'_>,
        now: Now,
        to: &mut Listener<'_>,
    ) {
        let is_awaited =
            request.kind.has_answer() && !matches!(request.kind, RequestKind::EarlyContent { .. } | RequestKind::Probe);
        if self.interest.contains(Interest::RESULTS) && is_awaited {
            to.result(&SessionResult {
                command: request.number,
                index,
                answer: Answer::Outcome(Outcome::Unknown(reason)),
                more: false,
                checksum: None,
                now,
                session: &self.facts,
            });
        }
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
