//! The tracker: what each statement does to its session's transaction.

use super::errors::{self, End, Pending};
use super::{Change, Mark, Step};
use crate::mysql::sql::{Analysis, SavepointNames, Savepoints, StatementSummary, TransactionControl, XaControl, Xid};
use crate::mysql::wire::StatusFlags;
use crate::session::listener::EndReason;
use crate::session::outcome::{Outcome, TransactionState, UnknownOutcome};
use crate::session::statement::Statement;

/// A statement may have ended the transaction and begun another one, or rolled back less than it was asked to: CALL, or ROLLBACK TO where a table has no
/// transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Doubt {
    /// What was held before it.
    before: Mark,
    /// What was held after it, once that is known.
    after: Option<Mark>,
    /// Whether it is gone once a savepoint is found that was set before.
    ends_with_savepoint: bool,
}

/// Follows the transactions of one session.
#[derive(Debug, Default)]
pub struct TransactionTracker {
    is_open: bool,
    savepoints: Savepoints<Mark>,
    /// A savepoint that was set by the statement before.
    new_savepoint: Option<String>,
    /// The XA transaction that the session is in.
    xa: Option<Xid>,
    /// The session is in an XA transaction that was prepared: MariaDB accepts nothing else until it ends.
    is_prepared: bool,
    doubt: Option<Doubt>,
    pending: Option<Pending>,
}

impl TransactionTracker {
    /// The next finished statement; `held`: how far what is held of the open transaction goes now.
    pub fn statement(&mut self, statement: &Statement<'_>, analysis: Option<&Analysis>, held: Mark) -> Step {
        let names = SavepointNames::of(statement.session.flavor, statement.session.version);
        self.note(held, names);
        let control = Control::of(statement, analysis);
        let control = if statement.was_executed { control.resolved(statement) } else { &TransactionControl::Nothing };
        match &statement.outcome {
            Outcome::Error(error) => self.failed(error.code, control, held),
            Outcome::Unknown(reason) => self.unknown(*reason, control),
            outcome => {
                let state = outcome.transaction();
                let settled = self.settle(state, outcome.status(), control, names);
                let now = After {
                    is_open: match state {
                        TransactionState::Open { .. } => !self.is_prepared,
                        TransactionState::Closed => false,
                        TransactionState::Unknown => self.is_open,
                    },
                    autocommit: outcome.status().is_none_or(|status| status.contains(StatusFlags::AUTOCOMMIT)),
                    has_rows: matches!(outcome, Outcome::Rows { .. }),
                    has_warnings: outcome.warnings().is_some_and(|warnings| warnings > 0),
                    held: if settled.is_some() { 0 } else { held },
                    names,
                };
                let step = self.succeeded(control, &now);
                // Where it ended before, there is nothing left for the statement to end.
                Step { before: settled.or(step.before), ..step }
            }
        }
    }

    /// The session began again: COM_RESET_CONNECTION, COM_CHANGE_USER; see [`SessionListener::reset`](crate::session::SessionListener::reset).
    pub fn reset(&mut self, held: Mark) -> Option<Change> {
        self.is_prepared = false;
        self.rolled_back_unless(held)
    }

    /// Statements may be missing.
    pub fn gap(&mut self, _held: Mark) -> Option<Change> {
        self.is_prepared = false;
        self.is_open.then(|| self.finish(End::Unknown))
    }

    /// Nothing more is seen of the session.
    pub fn end(&mut self, reason: &EndReason, held: Mark) -> Option<Change> {
        match reason {
            EndReason::Closed => self.rolled_back_unless(held),
            EndReason::OutOfSight(_) => self.gap(held),
        }
    }

    /// The server takes back what is open, unless it has ended before.
    fn rolled_back_unless(&mut self, held: Mark) -> Option<Change> {
        self.note(held, SavepointNames::default());
        let end = self.pending.and_then(|pending| pending.presumed).unwrap_or(End::Rollback);
        self.is_open.then(|| self.finish(end))
    }

    /// Takes over how far what is held goes after the statement before.
    fn note(&mut self, held: Mark, names: SavepointNames) {
        if let Some(name) = self.new_savepoint.take() {
            self.savepoints.set(&name, names, held);
        }
        if let Some(doubt) = &mut self.doubt {
            doubt.after.get_or_insert(held);
        }
    }

    /// The transaction is over.
    fn finish(&mut self, end: End) -> Change {
        self.is_open = false;
        self.xa = None;
        self.pending = None;
        self.savepoints.clear();
        match (end, self.doubt.take()) {
            (End::Unknown, _) => Change::Unknown,
            (End::Commit, Some(doubt)) if doubt.before > 0 => Change::CommitFrom(doubt.before),
            (End::Commit, _) => Change::Commit,
            (End::Rollback, Some(Doubt { after: Some(after), .. })) if after > 0 => Change::RollbackFrom(after),
            (End::Rollback, _) => Change::Rollback,
        }
    }

    fn finish_open(&mut self, end: End) -> Option<Change> {
        self.is_open.then(|| self.finish(end))
    }

    // What an earlier error left open

    /// A statement went well: its flags may tell what became of the transaction in which another one failed.
    fn settle(
        &mut self,
        state: TransactionState,
        status: Option<StatusFlags>,
        control: &TransactionControl,
        names: SavepointNames,
    ) -> Option<Change> {
        use TransactionControl as Does;
        let pending = self.pending?;
        let status = status?;
        self.pending = None;
        let presumed = pending.presumed;
        let end = match control {
            Does::RollbackTo(name) | Does::Release(name) if self.savepoints.get(name, names).is_some() => None,
            Does::Nothing | Does::Savepoint(_) | Does::RollbackTo(_) | Does::Release(_) => match state {
                TransactionState::Closed => Some(pending.if_closed),
                // Without autocommit this may be the next one.
                _ if !status.contains(StatusFlags::AUTOCOMMIT) => presumed,
                _ => None,
            },
            _ => presumed,
        };
        self.finish_open(end?)
    }

    fn failed(&mut self, code: u16, control: &TransactionControl, held: Mark) -> Step {
        match control {
            TransactionControl::Xa(XaControl::Commit { xid, one_phase: false } | XaControl::Rollback(xid))
                if self.xa.as_ref() != Some(xid) =>
            {
                let is_rolled_back = errors::is_rolled_back(code);
                return Step::before(is_rolled_back.then(|| Change::RollbackPrepared(xid.clone())));
            }
            TransactionControl::Anything if self.is_open && !errors::never_ran(code) => self.doubt_all(held, true),
            _ => {}
        }
        if self.is_open
            && let Some(later) = Pending::after(code, control)
        {
            self.pending = Some(self.pending.map_or(later, |pending| pending.and(later)));
        }
        Step::outside()
    }

    /// From here on nobody knows what becomes of what there is.
    fn doubt_all(&mut self, held: Mark, ends_with_savepoint: bool) {
        if self.xa.is_none() {
            let ends_with_savepoint = ends_with_savepoint && self.doubt.is_none_or(|doubt| doubt.ends_with_savepoint);
            self.doubt = Some(Doubt { before: held, after: None, ends_with_savepoint });
        }
    }

    /// A statement's answer was not seen.
    fn unknown(&mut self, reason: UnknownOutcome<'_>, control: &TransactionControl) -> Step {
        use TransactionControl as Does;
        if matches!(reason, UnknownOutcome::ObservationLost | UnknownOutcome::Gap) {
            return Step::before(self.gap(0));
        }
        let change = match control {
            Does::Xa(XaControl::Commit { xid, one_phase: false }) => Some(Change::UnknownPrepared(xid.clone())),
            // It waits for XA COMMIT, which will tell.
            Does::Xa(XaControl::Prepare(xid)) if self.is_open => {
                self.finish(End::Unknown);
                Some(Change::Prepare(xid.clone()))
            }
            Does::Begin | Does::Commit | Does::Commits | Does::MayCommit | Does::Anything => {
                self.finish_open(End::Unknown)
            }
            Does::Xa(XaControl::Commit { .. }) => self.finish_open(End::Unknown),
            // The server rolls back, as the connection's end will say.
            _ => None,
        };
        Step::before(change)
    }

    // What went well

    fn succeeded(&mut self, control: &TransactionControl, now: &After) -> Step {
        use TransactionControl as Does;
        match control {
            Does::Nothing => self.plain(now),
            Does::Begin => {
                let before = self.finish_open(End::Commit);
                self.is_open = now.is_open;
                Step { before, ..Step::within(now.is_open) }
            }
            Does::Commit => self.ended(End::Commit, now),
            Does::Rollback => {
                // 1196 and its like: tables without transactions keep what they have.
                self.ended(if now.has_warnings { End::Unknown } else { End::Rollback }, now)
            }
            Does::Savepoint(name) => {
                let step = self.plain(now);
                if now.is_open || !now.autocommit {
                    self.new_savepoint = Some(name.clone());
                }
                step
            }
            Does::RollbackTo(name) => self.rolled_back_to(name, now),
            Does::Release(name) => {
                let point = self.savepoints.release(name, now.names);
                self.has_survived(point);
                self.plain(now)
            }
            Does::Xa(xa) => self.xa(xa, now),
            Does::Commits | Does::MayCommit => self.perhaps_committed(control, now),
            Does::Anything | Does::Execute(_) => self.anything(now),
        }
    }

    /// A statement that leaves transactions alone.
    fn plain(&mut self, now: &After) -> Step {
        // Nobody knows by what.
        let before = if now.is_open { None } else { self.finish_open(End::Unknown) };
        self.is_open = now.is_open;
        Step { before, ..Step::within(now.is_open) }
    }

    /// COMMIT or ROLLBACK. What is open afterwards is another one.
    fn ended(&mut self, end: End, now: &After) -> Step {
        let step = self.finish_open(end).map_or_else(Step::outside, Step::last);
        self.savepoints.clear();
        self.is_open = now.is_open;
        step
    }

    fn rolled_back_to(&mut self, name: &str, now: &After) -> Step {
        let point = self.savepoints.roll_back_to(name, now.names).copied();
        self.has_survived(point);
        let mut step = self.plain(now);
        if !now.is_open {
            return step;
        }
        match point {
            Some(mark) if !now.has_warnings => {
                step.after = Some(Change::RollbackTo(mark));
                if let Some(doubt) = &mut self.doubt {
                    doubt.before = doubt.before.min(mark);
                    doubt.after = doubt.after.map(|after| after.min(mark));
                }
            }
            // Tables without transactions keep what they have; or the savepoint was set out of sight.
            _ => self.doubt_all(now.held, false),
        }
        step
    }

    /// A savepoint is there that was set at this point: the transaction has not ended since.
    fn has_survived(&mut self, point: Option<Mark>) {
        if let (Some(point), Some(doubt)) = (point, self.doubt)
            && point <= doubt.before
            && doubt.ends_with_savepoint
        {
            self.doubt = None;
        }
    }

    /// DDL and the like.
    fn perhaps_committed(&mut self, control: &TransactionControl, now: &After) -> Step {
        let commits = *control == TransactionControl::Commits;
        // LOCK TABLES without autocommit: the next one is open already.
        let has_ended = !now.is_open || (commits && !now.autocommit);
        if has_ended {
            let before = self.finish_open(End::Commit);
            self.is_open = now.is_open;
            return Step { before, ..Step::within(now.is_open) };
        }
        self.is_open = now.is_open;
        if commits && now.has_rows {
            // Rows end with the flags as they were before the commit.
            self.pending = Some(Pending { if_closed: End::Commit, presumed: Some(End::Commit) });
        }
        Step::within(true)
    }

    fn anything(&mut self, now: &After) -> Step {
        if self.is_open && !now.is_open {
            // What it has done itself belongs to that transaction, as far as anybody knows.
            return Step::last(self.finish(End::Unknown));
        }
        if now.is_open {
            self.doubt_all(if self.is_open { now.held } else { 0 }, true);
        }
        self.is_open = now.is_open;
        Step::within(now.is_open)
    }

    fn xa(&mut self, xa: &XaControl, now: &After) -> Step {
        match xa {
            XaControl::Start(xid) => {
                let before = self.finish_open(End::Unknown);
                (self.is_open, self.xa) = (true, Some(xid.clone()));
                Step { before, ..Step::within(true) }
            }
            XaControl::Other => Step::within(self.is_open),
            XaControl::Prepare(xid) => {
                let was_open = self.is_open;
                self.finish(End::Unknown);
                self.is_prepared = now.is_open;
                if was_open { Step::last(Change::Prepare(xid.clone())) } else { Step::outside() }
            }
            XaControl::Commit { one_phase: true, .. } => self.ended(End::Commit, now),
            XaControl::Rollback(xid) if self.xa.as_ref() == Some(xid) => {
                self.xa = None;
                self.ended(if now.has_warnings { End::Unknown } else { End::Rollback }, now)
            }
            XaControl::Commit { xid, .. } => {
                self.is_prepared = false;
                Step::before(Some(Change::CommitPrepared(xid.clone())))
            }
            XaControl::Rollback(xid) => {
                self.is_prepared = false;
                Step::before(Some(Change::RollbackPrepared(xid.clone())))
            }
        }
    }
}

/// What is known after a statement that went well.
struct After {
    is_open: bool,
    autocommit: bool,
    has_rows: bool,
    has_warnings: bool,
    /// How far what was held before it goes.
    held: Mark,
    names: SavepointNames,
}

/// What a statement may do, from where it is known.
enum Control<'a> {
    Known(&'a TransactionControl),
    Found(TransactionControl),
}

impl<'a> Control<'a> {
    fn of(statement: &Statement<'_>, analysis: Option<&'a Analysis>) -> Self {
        match (analysis, statement.sql) {
            (Some(analysis), _) => Self::Known(&analysis.control),
            (None, Some(sql)) => {
                let lexis = statement.reading.lexis;
                let summary = StatementSummary::of_text(sql, lexis, &|_| None);
                Self::Found(TransactionControl::of_text(sql, lexis, summary))
            }
            // A text that was never seen.
            (None, None) => Self::Known(&TransactionControl::Anything),
        }
    }

    /// With what was prepared by name in its place.
    fn resolved<'b>(&'b self, statement: &'b Statement<'_>) -> &'b TransactionControl {
        let control = match self {
            Self::Known(control) => control,
            Self::Found(control) => control,
        };
        match control {
            TransactionControl::Execute(name) => {
                statement.session.named.control(name).unwrap_or(&TransactionControl::Anything)
            }
            control => control,
        }
    }
}
