//! A session's statements become messages, and enter delivery.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::audit::SessionAudit;
use super::counters::{PublishCounters, add};
use super::desk::Desk;
use super::transaction::{OpenTransaction, log_unwritten};
use crate::audit::TlsFacts;
use crate::deliver::{Ingest, Label, Line, MessageKind, Settling};
use crate::message::MessageWriter;
use crate::mysql::sql::{Analysis, Redactions, StatementKind};
use crate::session::{
    Change, EndReason, Interest, LoginAnswer, Now, OutOfSight, Place, SessionEnd, SessionFacts, SessionListener,
    Statement, Step,
};

/// What becomes of statements: messages.
pub(crate) struct Publisher {
    writer: MessageWriter,
    line: Line,
    /// With `--buffer-until-commit`.
    transaction: Option<Box<OpenTransaction>>,
    counters: Arc<PublishCounters>,
    desk: Arc<Desk>,
    /// With a marker stream.
    audit: Option<Box<SessionAudit>>,
}

impl Publisher {
    /// For one session.
    pub(super) fn new(
        writer: MessageWriter,
        ingest: Ingest,
        counters: Arc<PublishCounters>,
        transaction: Option<OpenTransaction>,
        desk: Arc<Desk>,
    ) -> Self {
        let transaction = transaction.map(Box::new);
        Self { writer, line: Line::new(ingest), transaction, counters, desk, audit: None }
    }

    /// The marker streams, if there are any, are to tell of the session of this client. What is to be heard for that.
    pub(crate) fn audit(&mut self, client: SocketAddr) -> Interest {
        let Some(witness) = self.line.ingest().witness() else { return Interest::empty() };
        self.audit = Some(Box::new(SessionAudit::new(Arc::clone(witness), self.line.last(), client)));
        Interest::LOGIN
    }

    /// The client's connection is TLS.
    pub(crate) fn secured(&mut self, tls: TlsFacts) {
        if let Some(audit) = &mut self.audit {
            audit.secured(tls);
        }
    }

    /// For marker streams.
    fn sight_lost(&mut self, reason: String, now: Now) {
        if let Some(audit) = &mut self.audit {
            audit.sight_lost(reason, self.line.last(), now);
        }
    }

    /// What messages call the client.
    pub(crate) fn client(&self) -> Arc<str> {
        self.writer.client()
    }

    /// Where messages go.
    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    /// See [`Line::settle`].
    #[inline]
    pub(crate) fn settle(&mut self) -> Option<Settling> {
        self.line.settle()
    }

    /// What is to happen to the messages that are held.
    fn change(&mut self, change: Option<Change>) {
        if let (Some(change), Some(transaction)) = (change, &mut self.transaction) {
            transaction.apply(change, &mut self.line);
        }
    }

    /// Nobody sees how the open transaction ends.
    pub(crate) fn outcome_unknown(&mut self) {
        self.change(Some(Change::Unknown));
    }

    /// From here on statements of the session are not seen: a message says so, unless there were none.
    pub(crate) fn observation_lost(&mut self, session: &SessionFacts, end: &OutOfSight, now: Now) {
        // After a panic nobody else says so.
        self.change(Some(Change::Unknown));
        if end.loss.hides_statements() {
            let open = self.counters.open.load(Ordering::Relaxed);
            let label = Label { kind: MessageKind::ObservationLost, digest: None };
            let reason = end.message();
            let message = self.writer.observation_lost(session, &reason, now, open);
            log_unwritten(self.line.publish(key(session), label, |buffer| message.write_json(buffer)));
            self.sight_lost(reason, now);
        }
    }

    /// Statements of the session were not seen, but it is looked at again from a later one on: a message says so.
    pub(crate) fn observation_interrupted(&mut self, session: &SessionFacts, end: &OutOfSight, now: Now) {
        self.change(Some(Change::Unknown));
        let open = self.counters.open.load(Ordering::Relaxed);
        let label = Label { kind: MessageKind::ObservationLost, digest: None };
        let reason = end.interruption();
        let message = self.writer.observation_lost(session, &reason, now, open);
        log_unwritten(self.line.publish(key(session), label, |buffer| message.write_json(buffer)));
        self.sight_lost(reason, now);
    }

    /// The message of a statement, if it becomes one.
    fn publish(&mut self, statement: &Statement<'_>, analysis: Option<&Analysis>, place: Place) {
        if !self.writer.wants(statement) {
            return;
        }
        let digest = analysis.filter(|_| !statement.truncated).map(|analysis| analysis.digest);
        if !self.writer.passes(statement, digest) {
            return add(&self.counters.filtered_statements, 1);
        }
        let unknown;
        let redactions = match analysis {
            Some(analysis) => &analysis.redactions,
            None => {
                unknown = Redactions::of_unknown(self.writer.redactor().keys());
                &unknown
            }
        };
        let mut message = self.writer.message(statement, redactions, self.counters.open.load(Ordering::Relaxed));
        let label = if self.line.ingest().reads_labels() { label(statement, analysis) } else { Label::default() };
        let key = key(statement.session);
        match &mut self.transaction {
            Some(transaction) if place == Place::Inside => transaction.hold(&mut self.line, key, label, &mut message),
            _ => log_unwritten(self.line.publish(key, label, |buffer| message.write_json(buffer))),
        }
    }
}

impl Drop for Publisher {
    /// Whatever way the session ends, it is told.
    fn drop(&mut self) {
        if let Some(mut audit) = self.audit.take() {
            audit.close(self.line.last());
        }
    }
}

impl SessionListener for Publisher {
    fn login(&mut self, login: &LoginAnswer<'_>) {
        if let Some(audit) = &mut self.audit {
            audit.login(login);
        }
    }

    fn statement(&mut self, statement: &Statement<'_>) {
        if let Some(audit) = &mut self.audit {
            audit.statement();
        }
        if statement.truncated {
            add(&self.counters.truncated_statements, 1);
        }
        let desk = self.desk.clone();
        let mut analyses = desk.analyses();
        desk.observe(statement.duration_ns, &analyses);
        let lexis = statement.reading.lexis;
        let analysis = statement.sql.map(|sql| analyses.of(sql, statement.truncated, lexis));
        let Some(transaction) = &mut self.transaction else {
            return self.publish(statement, analysis, Place::Outside);
        };
        let Step { before, place, after } = transaction.statement(statement, analysis);
        self.change(before);
        self.publish(statement, analysis, place);
        self.change(after);
    }

    fn reset(&mut self, _session: &SessionFacts) {
        let change = self.transaction.as_mut().and_then(|transaction| transaction.reset());
        self.change(change);
    }

    fn end(&mut self, end: &SessionEnd<'_>) {
        let change = self.transaction.as_mut().and_then(|transaction| transaction.end(&end.reason));
        self.change(change);
        if let EndReason::OutOfSight(reason) = &end.reason {
            self.observation_lost(end.session, reason, end.now);
        }
    }
}

/// The key of a session's messages.
fn key(session: &SessionFacts) -> u64 {
    u64::from(session.connection_id.unwrap_or_default())
}

/// What the message of a statement says of itself.
fn label(statement: &Statement<'_>, analysis: Option<&Analysis>) -> Label {
    let Some(analysis) = analysis else { return Label::default() };
    let kind = match analysis.summary.kind {
        // What EXECUTE runs only the session knows.
        StatementKind::Prepare => statement.summary().map_or(StatementKind::Prepare, |summary| summary.kind),
        kind => kind,
    };
    // The digest of a front would be that of another statement.
    Label { kind: MessageKind::Statement(kind), digest: (!statement.truncated).then_some(analysis.digest) }
}
