//! A session's statements become messages, and enter delivery.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::counters::{Counters, add};
use crate::deliver::{Ingest, Label, MessageKind, Seq};
use crate::message::{MessageWriter, SqlLogMessage};
use crate::mysql::sql::{Analysis, StatementKind};
use crate::session::{EndReason, Now, OutOfSight, SessionEnd, SessionFacts, SessionListener, Statement};

/// What becomes of statements: messages.
pub(super) struct Publisher {
    writer: MessageWriter,
    outlet: Outlet,
    pub(super) counters: Arc<Counters>,
    /// Statements not yet added to the shared counter: its cache line would travel between the workers with each of them.
    uncounted: u64,
}

/// Where a session's messages enter delivery.
struct Outlet {
    ingest: Ingest,
    seq: Seq,
}

impl Outlet {
    fn publish(&mut self, session: &SessionFacts, label: Label, message: &SqlLogMessage<'_>) {
        let key = u64::from(session.connection_id.unwrap_or_default());
        let Self { ingest, seq } = self;
        let written = ingest.append(|batch| batch.push_numbered(key, seq, label, |buffer| message.write_json(buffer)));
        if let Err(error) = written {
            tracing::error!(%error, "a statement could not be turned into JSON");
        }
    }
}

impl Publisher {
    /// For one session.
    pub(super) fn new(writer: MessageWriter, ingest: Ingest, counters: Arc<Counters>) -> Self {
        Self { writer, outlet: Outlet { ingest, seq: Seq::default() }, counters, uncounted: 0 }
    }

    pub(super) fn ingest(&self) -> &Ingest {
        &self.outlet.ingest
    }

    /// From here on statements of the session are not seen: a message says so, unless there were none.
    pub(super) fn observation_lost(&mut self, session: &SessionFacts, end: &OutOfSight, now: Now) {
        if end.loss.hides_statements() {
            let open = self.counters.open.load(Ordering::Relaxed);
            let label = Label { kind: MessageKind::ObservationLost, digest: None };
            self.outlet.publish(session, label, &self.writer.observation_lost(session, &end.message(), now, open));
        }
    }

    pub(super) fn flush_count(&mut self) {
        add(&self.counters.statements, std::mem::take(&mut self.uncounted));
    }
}

impl SessionListener for Publisher {
    fn statement(&mut self, statement: &Statement<'_>) {
        self.uncounted += 1;
        if self.uncounted == COUNTED_AT_ONCE {
            self.flush_count();
        }
        if statement.truncated {
            add(&self.counters.truncated_statements, 1);
        }
        if !self.writer.wants(statement) {
            return;
        }
        if !self.writer.passes(statement) {
            return add(&self.counters.filtered_statements, 1);
        }
        let message = self.writer.message(statement, self.counters.open.load(Ordering::Relaxed));
        let label = if self.ingest().reads_labels() { label(statement) } else { Label::default() };
        self.outlet.publish(statement.session, label, &message);
    }

    fn end(&mut self, end: &SessionEnd<'_>) {
        if let EndReason::OutOfSight(reason) = &end.reason {
            self.observation_lost(end.session, reason, end.now);
        }
    }
}

/// How many statements of a session are added to the shared counter together.
const COUNTED_AT_ONCE: u64 = 64;

/// What the message of a statement says of itself.
fn label(statement: &Statement<'_>) -> Label {
    let Some(sql) = statement.sql else { return Label::default() };
    let analysis = Analysis::of(sql, statement.session.lexis());
    let kind = match analysis.summary.kind {
        // What EXECUTE runs only the session knows.
        StatementKind::Prepare => statement.summary().map_or(StatementKind::Prepare, |summary| summary.kind),
        kind => kind,
    };
    // The digest of a front would be that of another statement.
    Label { kind: MessageKind::Statement(kind), digest: (!statement.truncated).then_some(analysis.digest) }
}
