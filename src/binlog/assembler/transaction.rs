//! Where transactions begin and end, and what is taken back of them.

use std::sync::Arc;

use super::{Assembler, Progress};
use crate::binlog::event::EventHeader;
use crate::binlog::gtid::AnyGtid;
use crate::binlog::history::SchemaSource;
use crate::binlog::piece::{Item, TransactionEnd};

/// A transaction under way.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// Its first item, which may have been given out; none before the first row.
    pub(super) start: Option<Mark>,
    /// What is said of its beginning is there.
    pub(super) has_begun: bool,
    pub(super) savepoints: Vec<(Vec<u8>, Mark)>,
    /// Rows that are to be left out, because they were given out before the stream broke, and how many have been.
    pub(super) again: u64,
    pub(super) left_out: u64,
}

/// A transaction that was under way when the stream broke.
#[derive(Debug)]
pub(super) struct Broken {
    /// By this it is known again: another server may send other transactions before it. Without one it comes first.
    pub(super) gtid: Option<AnyGtid>,
    /// Rows of it that were given out: they come again.
    pub(super) given_out: u64,
}

/// A place in the stream of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    /// The piece's number; those that were given out count.
    pub(super) piece: usize,
    /// The item's number in it.
    pub(super) item: usize,
}

impl<S: SchemaSource> Assembler<S> {
    /// A transaction begins; its GTID, if it has one.
    pub(super) fn begin(&mut self, gtid: Option<AnyGtid>) {
        if self.transaction.is_some() {
            // Its end never came (the server crashed while it wrote it): it did not happen.
            self.drop_open_transaction();
        }
        let is_same = |broken: &Broken| broken.gtid.is_none() || broken.gtid == gtid;
        let broken = self.broken.iter().position(is_same).map(|at| self.broken.swap_remove(at));
        let again = broken.map_or(0, |broken| broken.given_out);
        self.transaction = Some(Transaction { again, ..Transaction::default() });
        self.variables.take();
        self.context.query = None;
        self.context.thread_id = None;
        self.context.gtid = gtid.as_ref().map(|gtid| gtid.to_string().into());
        self.context.commit_timestamp_us = None;
        self.gtid = gtid;
        self.charset_client = None;
    }

    pub(super) fn drop_open_transaction(&mut self) {
        if let Some(start) = self.transaction.take().and_then(|transaction| transaction.start) {
            self.truncate(start);
        }
    }

    /// Forgets the rows since a savepoint.
    pub(super) fn roll_back(&mut self, name: &[u8]) {
        let Some(transaction) = &mut self.transaction else { return };
        let Some(at) = transaction.savepoints.iter().rposition(|(known, _)| known == name) else { return };
        transaction.savepoints.truncate(at + 1);
        let Some((_, mark)) = transaction.savepoints.get(at).cloned() else { return };
        if mark.piece < self.given_pieces {
            tracing::warn!(
                position = %self.position,
                "rows were rolled back to a savepoint, but the transaction is so large that some of them have been passed on already"
            );
        }
        // With the first row goes what was said of the beginning, unless that is out.
        if transaction.start.is_some_and(|start| start >= mark && start.piece >= self.given_pieces) {
            transaction.start = None;
            transaction.has_begun = false;
        }
        self.truncate(mark);
    }

    /// Forgets the items from `mark` on, as far as they are still here.
    pub(super) fn truncate(&mut self, mark: Mark) {
        let number = mark.piece.saturating_sub(self.given_pieces);
        if let Some(piece) = self.full.drain(number.min(self.full.len())..).next() {
            self.filling = piece;
        }
        let item = if mark.piece < self.given_pieces { 0 } else { mark.item };
        self.filling.truncate(item);
    }

    /// The place of the next item.
    pub(super) fn mark(&self) -> Mark {
        Mark { piece: self.given_pieces + self.full.len(), item: self.filling.items.len() }
    }

    /// The transaction under way has its first item next.
    pub(super) fn start(&mut self) {
        let Some(transaction) = &self.transaction else { return };
        if transaction.start.is_some() {
            return;
        }
        if transaction.again > 0 {
            // Its rows go on counting, so they cannot be in one piece with other transactions.
            let first_row = transaction.left_out;
            if !self.filling.is_empty() {
                let full = self.next_filling();
                self.full.push_back(full);
            }
            self.filling.first_row = first_row;
        }
        let start = self.mark();
        if let Some(transaction) = &mut self.transaction {
            transaction.start = Some(start);
            transaction.has_begun = transaction.again > 0;
        }
    }

    pub(super) fn end(&mut self, header: &EventHeader, xid: Option<u64>) -> Progress {
        if self.transaction.as_ref().is_some_and(|transaction| transaction.again > 0) {
            self.start();
        }
        if let Some(start) = self.transaction.take().filter(|transaction| transaction.has_begun).and_then(|it| it.start)
        {
            self.stamp(header);
            self.context.xid = xid;
            let end = Item::End(Box::new(self.context.clone()));
            self.filling.push(end);
            self.context.xid = None;
            let mut last = None;
            for (number, piece) in self.full.iter_mut().chain([&mut self.filling]).enumerate() {
                let from = match start.piece.cmp(&(self.given_pieces + number)) {
                    std::cmp::Ordering::Less => 0,
                    std::cmp::Ordering::Equal => start.item,
                    std::cmp::Ordering::Greater => continue,
                };
                for (is_row, context) in piece.contexts_from(from) {
                    context.xid = xid;
                    if is_row {
                        last = Some(context);
                    }
                }
            }
            if let Some(context) = last {
                context.ends_transaction = true;
            }
        }
        if let (Some(set), Some(gtid)) = (&mut self.gtids, &self.gtid) {
            // Both are of the same server, or there is no set to keep.
            let _ = set.add(gtid);
        }
        self.counters.transactions += 1;
        // By GTIDs reading begins before it is known in which file.
        if !self.position.file.is_empty() {
            let file = Arc::clone(&self.context.file);
            let end =
                TransactionEnd { items: self.filling.items.len(), file, offset: self.position.offset, gtid: self.gtid };
            self.filling.push_end(end, self.gtids.as_ref(), self.server.as_ref());
        }
        self.context.query = None;
        self.history.reached(&self.position, false);
        Progress::Boundary
    }
}
