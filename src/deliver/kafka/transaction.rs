//! The content of one Kafka transaction.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::deliver::batch::Batch;
use crate::deliver::kafka::window::{Settled, Window};

/// The least time between transactions: each costs the brokers a dozen writes.
const COMMIT_INTERVAL: Duration = Duration::from_millis(200);
/// The same, for transactions that have only a checkpoint.
const IDLE_COMMIT_INTERVAL: Duration = Duration::from_secs(2);
/// From this size on, a transaction is committed at the next checkpoint.
const COMMIT_BYTES: usize = 24 << 20;

/// What belongs to a transaction besides the rows in the window, from its first attempt to its commit.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// When its first message came, or the previous transaction was committed.
    since: Instant,
    /// Bytes of rows.
    bytes: usize,
    end: End,
    /// Checkpoints that later ones replaced: they are done when it is committed.
    replaced: usize,
    /// Rows that were delivered and not kept: without them it cannot be sent again.
    forgotten: Settled,
}

/// The checkpoint at its end.
#[derive(Debug)]
enum End {
    /// None has come.
    Open,
    /// The last one that came, alone in a batch, not sent yet, and how many rows came before it.
    Checkpoint { message: Batch, rows: usize },
    /// It is in the window, after all rows.
    Complete,
}

impl Transaction {
    /// An empty transaction.
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, bytes: 0, end: End::Open, replaced: 0, forgotten: Settled::default() }
    }

    /// Rows so far; with the checkpoint, once it is complete.
    fn rows(&self, window: &Window) -> usize {
        window.len() + usize::try_from(self.forgotten.messages()).unwrap_or(usize::MAX)
    }

    /// Messages, checkpoints included.
    pub(crate) fn messages(&self, window: &Window) -> u64 {
        let checkpoint = usize::from(matches!(self.end, End::Checkpoint { .. }));
        (self.rows(window) + checkpoint + self.replaced) as u64
    }

    /// Adds rows.
    pub(crate) fn add(&mut self, window: &mut Window, batch: &Batch, range: Range<usize>, now: Instant) {
        self.note_first(window, now);
        self.bytes += batch.lines(range.clone()).len();
        window.add(batch, range, now);
    }

    /// Message `index` is a checkpoint, after the rows so far.
    pub(crate) fn set_checkpoint(&mut self, window: &Window, batch: &Batch, index: usize) {
        let rows = self.rows(window);
        let mut message = match std::mem::replace(&mut self.end, End::Open) {
            End::Checkpoint { mut message, .. } => {
                self.replaced += 1;
                message.clear();
                message
            }
            End::Open | End::Complete => Batch::new(),
        };
        message.extend_from(batch, index..index + 1);
        self.end = End::Checkpoint { message, rows };
    }

    fn note_first(&mut self, window: &Window, now: Instant) {
        if matches!(self.end, End::Open) && self.rows(window) == 0 {
            self.since = now;
        }
    }

    /// Whether it should and can be completed now: not with rows after its checkpoint.
    pub(crate) fn is_due(&self, window: &Window, flushing: bool, now: Instant) -> bool {
        let End::Checkpoint { rows, .. } = &self.end else { return false };
        let interval = if *rows == 0 { IDLE_COMMIT_INTERVAL } else { COMMIT_INTERVAL };
        let is_enough = flushing || self.bytes >= COMMIT_BYTES || now.saturating_duration_since(self.since) >= interval;
        is_enough && *rows == self.rows(window)
    }

    /// How long until it may be due, if there is a checkpoint.
    pub(crate) fn until_due(&self, now: Instant) -> Option<Duration> {
        let End::Checkpoint { .. } = self.end else { return None };
        Some((self.since + COMMIT_INTERVAL).saturating_duration_since(now))
    }

    /// The checkpoint joins the rows before it.
    pub(crate) fn complete(&mut self, window: &mut Window, now: Instant) {
        if let End::Checkpoint { message, .. } = std::mem::replace(&mut self.end, End::Complete) {
            window.add(&message, 0..message.len(), now);
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.end, End::Complete)
    }

    /// Drops what was delivered, if the transaction has more than this many bytes of rows.
    pub(crate) fn forget(&mut self, window: &mut Window, bytes: usize) {
        if self.bytes > bytes {
            window.settle(&mut self.forgotten);
        }
    }

    /// Whether all of it is in the window, so that it can be sent again.
    pub(crate) fn is_kept(&self) -> bool {
        self.forgotten.messages() == 0
    }

    /// It is committed: returns what was delivered and lost, and starts an empty one.
    pub(crate) fn commit(&mut self, window: &mut Window, now: Instant) -> Settled {
        let committed = std::mem::replace(self, Self::new(now));
        let mut settled = committed.forgotten;
        window.settle(&mut settled);
        settled.add_delivered(committed.replaced);
        settled
    }

    fn rows_before_checkpoint(&self, window: &Window) -> usize {
        match &self.end {
            End::Open => 0,
            End::Checkpoint { rows, .. } => *rows,
            End::Complete => self.rows(window),
        }
    }

    /// Whether there are rows after the last checkpoint.
    pub(crate) fn has_tail(&self, window: &Window) -> bool {
        self.rows_before_checkpoint(window) != self.rows(window)
    }

    /// Drops those rows; returns how many there were. Not if some rows were not kept: then the rest cannot be counted.
    pub(crate) fn cut_off(&mut self, window: &mut Window) -> usize {
        if self.is_kept() { window.truncate(self.rows_before_checkpoint(window)) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::batch::batch_of;
    use crate::deliver::kafka::window::State;

    fn deliver_all(window: &mut Window) {
        window.release_all();
        while let Some(number) = window.next().map(|due| due.number) {
            window.advance();
            window.answer(number, State::Delivered);
        }
    }

    #[test]
    fn it_ends_with_the_last_checkpoint_that_no_row_comes_after() {
        let now = Instant::now();
        let batch = batch_of(&[(1, "a"), (1, "CP1"), (1, "b"), (1, "CP2"), (1, "half")]);
        let (mut transaction, mut window) = (Transaction::new(now), Window::default());
        transaction.add(&mut window, &batch, 0..1, now);
        assert!(transaction.has_tail(&window) && transaction.until_due(now).is_none());
        transaction.set_checkpoint(&window, &batch, 1);
        assert!(transaction.is_due(&window, true, now) && !transaction.is_due(&window, false, now));
        transaction.add(&mut window, &batch, 2..3, now);
        assert!(!transaction.is_due(&window, true, now));
        transaction.set_checkpoint(&window, &batch, 3);
        assert!(transaction.is_due(&window, false, now + COMMIT_INTERVAL));
        transaction.add(&mut window, &batch, 4..5, now);
        assert_eq!(transaction.messages(&window), 5);
        // At the end of the run, the part without a checkpoint is dropped.
        assert!(transaction.has_tail(&window));
        assert_eq!(transaction.cut_off(&mut window), 1);
        assert!(transaction.is_due(&window, true, now) && !transaction.has_tail(&window));
        transaction.complete(&mut window, now);
        assert!(transaction.is_complete() && !transaction.is_due(&window, true, now));
        deliver_all(&mut window);
        assert_eq!(transaction.commit(&mut window, now).messages(), 4);
        assert_eq!((transaction.messages(&window), transaction.is_complete()), (0, false));
    }

    #[test]
    fn what_is_forgotten_counts_at_the_commit_and_cannot_be_sent_again() {
        let now = Instant::now();
        let batch = batch_of(&[(1, "a"), (1, "b"), (1, "CP")]);
        let (mut transaction, mut window) = (Transaction::new(now), Window::default());
        transaction.add(&mut window, &batch, 0..2, now);
        deliver_all(&mut window);
        transaction.forget(&mut window, 100);
        assert!(transaction.is_kept() && !window.is_empty());
        transaction.forget(&mut window, 3);
        assert!(!transaction.is_kept() && window.is_empty());
        assert_eq!(transaction.cut_off(&mut window), 0);
        transaction.set_checkpoint(&window, &batch, 2);
        assert!(transaction.is_due(&window, true, now));
        transaction.complete(&mut window, now);
        deliver_all(&mut window);
        assert_eq!(transaction.commit(&mut window, now).messages(), 3);
    }
}
