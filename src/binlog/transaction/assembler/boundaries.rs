//! Where transactions begin and end, and what is taken back of them.
//!
//! Nothing of a transaction is given out before its end is known, because it can still be rolled back: MariaDB, and MySQL before 8.0,
//! log a group that ends in ROLLBACK where a temporary table was made or dropped in it, both in STATEMENT format where it changed
//! tables without transactions (MariaDB's `sql/log.cc`, trans_cannot_safely_rollback and use_trans_cache; MySQL's `sql/binlog.cc`).
//! Rows in such a group are those of tables with transactions: rows of others are written at once, in a group of their own.

use std::sync::Arc;

use crate::binlog::event::header::EventHeader;
use crate::binlog::event::position::Position;
use crate::binlog::gtid::AnyGtid;
use crate::binlog::table::history::SchemaSource;
use crate::binlog::transaction::assembler::Assembler;
use crate::binlog::transaction::assembler::transaction::Rows;
use crate::binlog::transaction::assembler::transaction::{End, Transaction};
use crate::binlog::transaction::piece::{Ending, Item, Mark, TransactionEnd};
use crate::binlog::transaction::progress::Progress;

impl<S: SchemaSource> Assembler<S> {
    /// A transaction begins; its GTID, if it has one.
    pub(crate) fn begin(&mut self, gtid: Option<AnyGtid>) {
        // A server that crashed while it wrote it has not committed it.
        self.abandon("another begins before its end");
        let begins_at = Some((Arc::clone(&self.context.file), self.context.offset));
        self.tail_before_transaction = self.before_event.1;
        self.transaction = Some(Transaction { begins_at, ..Transaction::default() });
        self.variables.take();
        self.context.query = None;
        self.context.thread_id = None;
        self.context.gtid = gtid.as_ref().map(|gtid| gtid.to_string().into());
        self.context.commit_timestamp_us = None;
        self.gtid = gtid;
        self.charset_client = None;
    }

    /// Forgets the transaction under way, whose end is not to come, and says so if there was something in it.
    pub(crate) fn abandon(&mut self, why: &str) {
        let Some(row_events) = self.drop_open_transaction() else { return };
        self.counters.unfinished += 1;
        tracing::warn!(
            position = %self.position,
            gtid = self.context.gtid.as_deref(),
            row_events,
            "a transaction without an end is not passed on: {why}"
        );
    }

    /// Nothing more comes: the transaction under way is forgotten, and reading can go on where it began.
    pub fn end_of_stream(&mut self) {
        let Some(transaction) = &self.transaction else { return };
        // Without a file there is no checkpoint.
        let (file, offset) = transaction.begins_at.clone().unwrap_or_default();
        self.drop_open_transaction();
        self.position = Position { file: file.to_string(), offset };
        self.tail = self.tail_before_transaction;
    }

    /// Forgets the transaction under way. How many row events it had, if there was anything in it.
    pub(crate) fn drop_open_transaction(&mut self) -> Option<u64> {
        let transaction = self.transaction.take()?;
        self.truncate(transaction.start?);
        Some(transaction.rows.events)
    }

    /// Takes back what was done since a savepoint.
    pub(crate) fn roll_back(&mut self, name: &str) {
        let end = self.mark();
        let Some(transaction) = &mut self.transaction else { return };
        let Some(&(mark, rows)) = transaction.savepoints.roll_back_to(name, self.savepoint_names) else {
            tracing::error!(
                position = %self.position,
                savepoint = name,
                "a transaction is rolled back to a savepoint that it has not set, as far as was read: rows that were taken back may be passed on"
            );
            return;
        };
        transaction.rows = rows;
        let mut start = mark;
        while let Some(last) = transaction.rolled_back.pop_if(|last| last.end >= start) {
            start = start.min(last.start);
        }
        if start < end {
            transaction.rolled_back.push(start..end);
        }
    }

    /// Forgets the items from `mark` on, where a transaction begins.
    fn truncate(&mut self, mark: Mark) {
        if let Some(piece) = self.held.take_back(mark.piece.saturating_sub(self.given_pieces)) {
            let later = std::mem::replace(&mut self.filling, piece);
            self.recycle(later);
        }
        self.filling.truncate(mark.item);
    }

    /// The place of the next item.
    pub(crate) fn mark(&self) -> Mark {
        Mark { piece: self.given_pieces + self.held.len(), item: self.filling.items.len() }
    }

    /// The transaction under way, if there is one, has its first item next at the latest.
    pub(crate) fn start(&mut self) {
        let mark = self.mark();
        if let Some(transaction) = &mut self.transaction {
            transaction.start.get_or_insert(mark);
        }
    }

    /// The transaction ends. `thread_id` is the connection's, for rows of which it was not said before.
    pub(crate) fn end(&mut self, header: &EventHeader, end: End, thread_id: Option<u32>) -> Progress {
        if let Some(transaction) = self.transaction.take() {
            self.settle(header, transaction, end, thread_id);
        }
        self.counters.transactions += 1;
        self.group_ended()
    }

    /// A group of events has ended: reading can begin here again.
    pub(crate) fn group_ended(&mut self) -> Progress {
        self.counters.xa_waiting = self.prepared.len() as u64;
        if let (Some(set), Some(gtid)) = (&mut self.gtids, &self.gtid) {
            // Both are of the same server, or there is no set to keep.
            let _ = set.add(gtid);
        }
        // By GTIDs reading begins before it is known in which file.
        if !self.position.file.is_empty()
            && let Some(prepared) = self.prepared.list_kept()
        {
            let file = Arc::clone(&self.context.file);
            let end = TransactionEnd {
                items: self.filling.items.len(),
                file,
                offset: self.position.offset,
                gtid: self.gtid,
                tail: self.tail(),
                prepared,
            };
            self.filling.push_end(end, self.gtids.as_ref(), self.server.as_ref());
        }
        self.context.query = None;
        self.history.reached(&self.position, false);
        Progress::Boundary
    }

    /// Puts what the end says into a transaction's items; the first of them, where something is left.
    pub(super) fn settle(
        &mut self,
        header: &EventHeader,
        mut transaction: Transaction,
        end: End,
        thread_id: Option<u32>,
    ) -> Option<Mark> {
        let start = transaction.start?;
        let xid = match end {
            End::Commit(xid) => xid,
            End::Rollback => {
                self.counters.rolled_back += 1;
                if !transaction.has_texts {
                    self.truncate(start);
                    return None;
                }
                transaction.rows = Rows::default();
                transaction.rolled_back = vec![start..self.mark()];
                None
            }
        };
        if transaction.rows.events > 0 {
            self.stamp(header);
            self.filling.push(Item::End(Box::new(self.context.clone())));
        }
        let ending =
            Ending { start, last_rows: transaction.rows.last, rolled_back: transaction.rolled_back, xid, thread_id };
        let ending = Arc::new(ending);
        self.held.settle(self.given_pieces, &ending);
        self.filling.settle(self.given_pieces + self.held.len(), &ending);
        Some(start)
    }
}
