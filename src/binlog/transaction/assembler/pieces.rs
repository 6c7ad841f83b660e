//! What is given out, and when.

use crate::binlog::checkpoint::Checkpoint;
use crate::binlog::table::history::SchemaSource;
use crate::binlog::transaction::assembler::{Assembler, PIECE_BYTES};
use crate::binlog::transaction::hold_error::HoldError;
use crate::binlog::transaction::piece::Piece;

/// Within a transaction a piece may become so large before the next is begun, which takes counting the rows before it.
pub(crate) const LARGEST_PIECE: usize = 2 * PIECE_BYTES;

/// After this many bytes of events without rows that are wanted it is said all the same how far reading is.
const SILENT_BYTES: u64 = 8 << 20;

impl<S: SchemaSource> Assembler<S> {
    /// The next piece that can be given out. `flush`: however small it is, because nothing more may come for a while.
    pub fn next_piece(&mut self, flush: bool) -> Result<Option<Piece>, HoldError> {
        if self.transaction.is_some() {
            return Ok(None);
        }
        if let Some(piece) = self.held.pop(self.given_pieces, &mut self.spare)? {
            let piece = self.give_out(piece);
            // The transaction goes on in the next piece. A row that cannot be read ends the run where it is written.
            self.earlier = piece.earlier().unwrap_or_default();
            return Ok(Some(piece));
        }
        let silent = self.counters.bytes - self.reported_bytes;
        let has_rotated = std::mem::take(&mut self.has_rotated) && !self.filling.is_empty();
        if self.filling.weight() < PIECE_BYTES && silent < SILENT_BYTES && !(flush && silent > 0) && !has_rotated {
            return Ok(None);
        }
        // By GTIDs reading begins before it is known in which file.
        let is_somewhere = !self.position.file.is_empty() && !self.is_passing_over;
        let prepared = if is_somewhere { self.prepared.list()? } else { None };
        self.reported_bytes = self.counters.bytes;
        let mut piece = self.next_filling();
        if let Some(prepared) = prepared {
            piece.obsolete = self.prepared.take_obsolete();
            piece.boundary = Some(Checkpoint {
                file: self.position.file.clone(),
                offset: self.position.offset,
                gtid_set: self.gtids.as_ref().map(ToString::to_string),
                server: self.server.clone(),
                tail: self.tail(),
                prepared: prepared.to_vec(),
                ..Checkpoint::default()
            });
        }
        Ok(Some(self.give_out(piece)))
    }

    /// Within a transaction a full piece is followed by another.
    pub(crate) fn make_room(&mut self) -> Result<(), HoldError> {
        if self.filling.weight() < LARGEST_PIECE {
            return Ok(());
        }
        let is_first = match &self.transaction {
            Some(transaction) => transaction.start.is_none_or(|start| start.piece == self.mark().piece),
            None => return Ok(()),
        };
        let full = self.next_filling();
        if is_first {
            // It may have other transactions in front.
            self.held.push(full);
        } else if let Some(used) = self.held.push_or_spill(full)? {
            self.recycle(used);
        }
        Ok(())
    }

    /// A piece without rows that says how far reading is: there may have been nothing else to give out.
    pub fn end_piece(&mut self) -> Piece {
        self.give_out(Piece::default())
    }

    pub(super) fn next_filling(&mut self) -> Piece {
        let next = self.spare.pop().unwrap_or_default();
        std::mem::replace(&mut self.filling, next)
    }

    fn give_out(&mut self, mut piece: Piece) -> Piece {
        self.given_pieces += 1;
        piece.go_on(std::mem::take(&mut self.earlier));
        piece.counters = self.counters;
        piece.timestamp = self.timestamp;
        piece.position = self.position.clone();
        piece
    }

    /// Takes back a piece that was written, to fill it again.
    pub fn recycle(&mut self, mut piece: Piece) {
        piece.clear();
        self.spare.push(piece);
    }
}
