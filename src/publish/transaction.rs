//! What a session's open transaction has had, held back until it is known how it ends.

use std::sync::Arc;

use super::counters::{PublishCounters, add};
use super::prepared::{Prepared, Waiting};
use crate::deliver::{DiskError, Held, HeldCounts, HoldError, Holding, Label, Line, Rewrite};
use crate::message::{SqlLogMessage, mark_outcome_unknown};
use crate::mysql::sql::Analysis;
use crate::session::{Change, EndReason, Mark, Statement, Step, TransactionTracker, Xid};

/// What the transactions of all sessions share.
#[derive(Debug)]
pub(super) struct Transactions {
    holding: Arc<Holding>,
    prepared: Prepared,
    counters: Arc<PublishCounters>,
}

/// One session's.
#[derive(Debug)]
pub(super) struct OpenTransaction {
    tracker: TransactionTracker,
    held: Held,
    /// Not held until its end, because the disk does not take it: its statements are published as they come.
    given_up: bool,
    shared: Arc<Transactions>,
}

/// Everything that goes out is marked.
const UNKNOWN: Mark = Mark::MAX;

impl Transactions {
    pub(super) fn new(holding: Holding, counters: Arc<PublishCounters>) -> Self {
        if let Err(error) = holding.try_disk() {
            tracing::warn!(%error, "transactions that are too large to be held in memory will not be held: give a folder that can be written (--temp-dir)");
        }
        Self { holding: Arc::new(holding), prepared: Prepared::default(), counters }
    }

    /// For one more session.
    pub(super) fn open(self: &Arc<Self>) -> OpenTransaction {
        OpenTransaction {
            tracker: TransactionTracker::default(),
            held: Held::new(Arc::clone(&self.holding)),
            given_up: false,
            shared: Arc::clone(self),
        }
    }

    /// What is held back now.
    pub(super) fn counts(&self) -> HeldCounts {
        self.holding.counts()
    }

    /// No session goes on: nobody will hear any more how the prepared transactions end.
    pub(super) fn finish(&self) {
        let left = self.prepared.take_all();
        if !left.is_empty() {
            tracing::warn!(
                transactions = left.len(),
                "XA transactions are prepared and neither committed nor rolled back: their statements are published, marked as of unknown outcome"
            );
        }
        left.into_iter().for_each(|waiting| self.release_prepared(Some(waiting), UNKNOWN));
    }

    /// Publishes what was held: the first `unknown` messages marked as of unknown outcome.
    fn release(&self, held: &mut Held, unknown: Mark, release: impl FnOnce(&mut Held, Rewrite)) {
        add(&self.counters.outcome_unknown, held.len().min(unknown));
        release(held, Rewrite { first: unknown, with: mark_outcome_unknown });
    }

    /// A session with this line has decided about a prepared transaction, be it another one's.
    fn decide_prepared(&self, xid: &Xid, unknown: Mark, line: &mut Line) {
        let waiting = self.prepared.take(xid);
        let other = waiting.as_ref().map(|waiting| waiting.line.clone());
        self.release_prepared(waiting, unknown);
        if let Some(other) = other {
            line.has_sent_by(other);
        }
    }

    fn release_prepared(&self, waiting: Option<Waiting>, unknown: Mark) {
        if let Some(Waiting { mut held, line, .. }) = waiting {
            self.release(&mut held, unknown, |held, rewrite| line.release(held, rewrite));
        }
    }

    fn roll_back(&self, held: &mut Held, keep: Mark, line: &Line) {
        let (dropped, kept) = held.truncate(keep);
        add(&self.counters.rolled_back, dropped);
        if let Err(lost) = kept {
            line.ingest().note_unreadable(&lost);
        }
    }
}

impl OpenTransaction {
    /// The next finished statement.
    pub(super) fn statement(&mut self, statement: &Statement<'_>, analysis: Option<&Analysis>) -> Step {
        self.tracker.statement(statement, analysis, self.held.len())
    }

    /// The session began again.
    pub(super) fn reset(&mut self) -> Option<Change> {
        self.tracker.reset(self.held.len())
    }

    /// Nothing more is seen of the session.
    pub(super) fn end(&mut self, reason: &EndReason) -> Option<Change> {
        self.tracker.end(reason, self.held.len())
    }

    /// Holds the message of a statement whose transaction is open.
    pub(super) fn hold(&mut self, line: &mut Line, key: u64, label: Label, message: &mut SqlLogMessage<'_>) {
        if self.given_up {
            message.mark_outcome_unknown();
            add(&self.shared.counters.outcome_unknown, 1);
            return log_unwritten(line.publish(key, label, |buffer| message.write_json(buffer)));
        }
        match self.held.push(key, label, |buffer| message.write_json(buffer)) {
            Ok(()) => {}
            Err(HoldError::Message(error)) => log_unwritten(Err(error)),
            Err(HoldError::Disk(error)) => self.give_up(line, &error),
        }
    }

    /// It does not fit into memory, and not on the disk.
    #[cold]
    fn give_up(&mut self, line: &mut Line, error: &DiskError) {
        self.shared.holding.note_refused(error);
        self.given_up = true;
        self.shared.release(&mut self.held, UNKNOWN, |held, rewrite| line.release(held, rewrite));
    }

    /// What the tracker says of the messages that are held.
    pub(super) fn apply(&mut self, change: Change, line: &mut Line) {
        let Self { held, shared, .. } = self;
        match change {
            Change::Commit => line.release(held, Rewrite::NONE),
            Change::Rollback => shared.roll_back(held, 0, line),
            Change::Unknown => shared.release(held, UNKNOWN, |held, rewrite| line.release(held, rewrite)),
            Change::RollbackTo(mark) => return shared.roll_back(held, mark, line),
            Change::CommitFrom(mark) => shared.release(held, mark, |held, rewrite| line.release(held, rewrite)),
            Change::RollbackFrom(mark) => {
                shared.roll_back(held, mark, line);
                shared.release(held, UNKNOWN, |held, rewrite| line.release(held, rewrite));
            }
            Change::Prepare(xid) => self.prepare(xid, line),
            Change::CommitPrepared(xid) => return shared.decide_prepared(&xid, 0, line),
            Change::UnknownPrepared(xid) => return shared.decide_prepared(&xid, UNKNOWN, line),
            Change::RollbackPrepared(xid) => {
                if let Some(mut waiting) = shared.prepared.take(&xid) {
                    shared.roll_back(&mut waiting.held, 0, line);
                }
                return;
            }
        }
        self.given_up = false;
    }

    fn prepare(&mut self, xid: Xid, line: &mut Line) {
        if self.held.is_empty() {
            return;
        }
        let line = line.share(&self.held);
        let held = std::mem::replace(&mut self.held, Held::new(Arc::clone(&self.shared.holding)));
        if let Some((xid, displaced)) = self.shared.prepared.wait(xid, held, line) {
            tracing::warn!(
                %xid,
                "an XA transaction was not seen to end: its statements are published, marked as of unknown outcome"
            );
            self.shared.release_prepared(Some(displaced), UNKNOWN);
        }
    }
}

/// Says that a message could not be written.
pub(super) fn log_unwritten(written: std::io::Result<()>) {
    if let Err(error) = written {
        tracing::error!(%error, "a statement could not be turned into JSON");
    }
}
