//! XA transactions: what is prepared waits, and comes where XA COMMIT stands in the stream.
//!
//! MySQL logs `XA START` to `XA END` and XA_PREPARE as one group, MariaDB the same without the first; `XA COMMIT` or `XA ROLLBACK` is a
//! group of its own, of whatever connection, and may come much later, in another file, after a restart. With `ONE PHASE` there is no
//! second group: MySQL says so in XA_PREPARE, MariaDB logs an ordinary commit. (MySQL's `sql/binlog.cc`, do_binlog_xa_commit_rollback;
//! MariaDB's `sql/log.cc`, binlog_commit_flush_xa_prepare, binlog_complete_by_xid.)

use std::sync::Arc;

use crate::binlog::event::error::DecodeError;
use crate::binlog::event::header::EventHeader;
use crate::binlog::event::query::XaPrepare;
use crate::binlog::table::history::SchemaSource;
use crate::binlog::transaction::assembler::Assembler;
use crate::binlog::transaction::assembler::pieces::LARGEST_PIECE;
use crate::binlog::transaction::assembler::transaction::{End, Transaction};
use crate::binlog::transaction::hold_error::HoldError;
use crate::binlog::transaction::piece::{Completion, Mark, Piece};
use crate::binlog::transaction::prepared::file::Head;
use crate::binlog::transaction::prepared::stored::CompletedPiece;
use crate::binlog::transaction::prepared::{Incoming, Pieces};
use crate::binlog::transaction::progress::Progress;
use crate::mysql::sql::Xid;

impl<S: SchemaSource> Assembler<S> {
    /// An XA_PREPARE event.
    pub(crate) fn xa_prepare(&mut self, header: &EventHeader, body: &[u8]) -> Result<Progress, DecodeError> {
        let thread_id = self.context.thread_id;
        let XaPrepare { is_one_phase, xid } = XaPrepare::parse(body)?;
        if is_one_phase {
            return Ok(self.end(header, End::Commit(None), thread_id));
        }
        let transaction = self.transaction.take().unwrap_or_default();
        let begins_at = transaction.begins_at.clone();
        if !self.is_skipping
            && let Err(error) = self.set_aside(header, &xid, transaction)
        {
            // Reading is to go on before it.
            self.transaction = Some(Transaction { begins_at, ..Transaction::default() });
            return Err(DecodeError::Consumer(error.into()));
        }
        Ok(self.group_ended())
    }

    /// What a transaction has goes to those that are prepared.
    fn set_aside(&mut self, header: &EventHeader, xid: &Xid, transaction: Transaction) -> Result<(), HoldError> {
        let (file, offset) = transaction.begins_at.clone().unwrap_or_default();
        let head = Head {
            xid: xid.to_string(),
            file: file.to_string(),
            offset,
            events: transaction.rows.events + u64::from(transaction.has_texts),
            has_texts: transaction.has_texts,
        };
        let mut incoming = Incoming::new(head);
        let thread_id = self.context.thread_id;
        if let Some(start) = self.settle(header, transaction, End::Commit(None), thread_id) {
            self.take_out(start, &mut incoming)?;
        }
        let place = (incoming.head.file.clone(), incoming.head.offset);
        if let Some(before) = self.prepared.put(xid, incoming)?
            // Else the same one was read again.
            && (&before.head.file, before.head.offset) != (&place.0, place.1)
        {
            self.counters.unfinished += 1;
            tracing::warn!(
                position = %self.position,
                %xid,
                prepared_at = format!("{}:{}", before.head.file, before.head.offset),
                "an XA transaction is prepared whose name another has that was prepared and has not ended: the earlier one is not passed on"
            );
        }
        Ok(())
    }

    /// Takes the items from `start` on out of the stream.
    fn take_out(&mut self, start: Mark, incoming: &mut Incoming) -> Result<(), HoldError> {
        let first = start.piece.saturating_sub(self.given_pieces);
        if first >= self.held.len() {
            let piece = self.filling.split_off(start.item);
            return self.prepared.add(incoming, piece);
        }
        let last = std::mem::take(&mut self.filling);
        let (filling, prepared) = (&mut self.filling, &mut self.prepared);
        let mut is_first = true;
        self.held.drain(first, self.given_pieces, &mut |mut piece| {
            if std::mem::take(&mut is_first) {
                let rest = piece.split_off(start.item);
                *filling = piece;
                return prepared.add(incoming, rest);
            }
            prepared.add(incoming, piece)
        })?;
        self.prepared.add(incoming, last)
    }

    /// XA COMMIT or XA ROLLBACK of a transaction that was prepared, in a group of its own.
    pub(crate) fn xa_complete(&mut self, xid: &Xid, is_commit: bool) -> Progress {
        self.transaction = None;
        match self.prepared.take(xid) {
            Some(waiting) => {
                self.counters.transactions += 1;
                self.counters.rolled_back += u64::from(!is_commit);
                if is_commit || waiting.head.has_texts {
                    self.give_back(waiting.into_pieces(), is_commit);
                }
            }
            None if is_commit && !self.is_skipping => self.say_unseen(xid),
            None => {}
        }
        self.group_ended()
    }

    /// What has waited is the stream's next.
    fn give_back(&mut self, pieces: Pieces, is_commit: bool) {
        let completion = Completion {
            is_commit,
            file: Arc::clone(&self.context.file),
            offset: self.context.offset,
            gtid: self.context.gtid.clone(),
            commit_timestamp_us: self.context.commit_timestamp_us,
        };
        match pieces {
            Pieces::Memory(pieces) => {
                for mut piece in pieces {
                    piece.complete(&completion);
                    self.append(piece);
                }
            }
            Pieces::Disk(stored) => {
                self.hold_filling();
                let completion = Arc::new(completion);
                for record in stored.records {
                    let (file, completion) = (Arc::clone(&stored.file), Arc::clone(&completion));
                    self.held.push_completed(CompletedPiece { file, record, completion });
                }
            }
        }
    }

    fn append(&mut self, mut piece: Piece) {
        if self.filling.weight() + piece.weight() <= LARGEST_PIECE {
            self.filling.append_piece(&mut piece);
            self.recycle(piece);
            return;
        }
        self.hold_filling();
        let empty = std::mem::replace(&mut self.filling, piece);
        self.recycle(empty);
    }

    /// What is there is given out before what comes now, in a piece of its own.
    fn hold_filling(&mut self) {
        if !self.filling.is_empty() {
            let full = self.next_filling();
            self.held.push(full);
        }
    }

    fn say_unseen(&mut self, xid: &Xid) {
        self.counters.xa_unseen += 1;
        if !std::mem::replace(&mut self.warned_of_xa, true) {
            tracing::warn!(
                position = %self.position,
                %xid,
                "an XA transaction is committed that was prepared before what is read: its rows are missing (said once, and counted: xa_unseen)"
            );
        }
    }
}
