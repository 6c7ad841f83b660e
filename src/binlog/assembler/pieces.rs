//! What is given out, and when.

use super::{Assembler, PIECE_BYTES};
use crate::binlog::checkpoint::Checkpoint;
use crate::binlog::history::SchemaSource;
use crate::binlog::piece::Piece;

/// A transaction of more bytes than this is passed on before its end has come, the first pieces without its number.
const LARGEST_HELD: usize = 16 << 20;

/// After so many bytes of events without rows that are wanted it is said all the same how far reading is.
const SILENT_BYTES: u64 = 8 << 20;

impl<S: SchemaSource> Assembler<S> {
    /// The next piece that can be given out. `flush`: however small it is, because nothing more may come for a while.
    pub fn next_piece(&mut self, flush: bool) -> Option<Piece> {
        if self.transaction.is_none() {
            if let Some(piece) = self.full.pop_front() {
                return Some(self.give_out(piece));
            }
            let silent = self.counters.bytes - self.reported_bytes;
            let has_rotated = std::mem::take(&mut self.has_rotated) && !self.filling.is_empty();
            if self.filling.weight() < PIECE_BYTES && silent < SILENT_BYTES && !(flush && silent > 0) && !has_rotated {
                return None;
            }
            self.reported_bytes = self.counters.bytes;
            let mut piece = self.next_filling();
            // By GTIDs reading begins before it is known in which file.
            piece.boundary = (!self.position.file.is_empty()).then(|| Checkpoint {
                file: self.position.file.clone(),
                offset: self.position.offset,
                gtid_set: self.gtids.as_ref().map(ToString::to_string),
                server: self.server.clone(),
                ..Checkpoint::default()
            });
            return Some(self.give_out(piece));
        }
        // The one that is being filled stays, for what is to be said of the transaction's last row.
        let held: usize = self.full.iter().map(Piece::weight).sum();
        if held <= LARGEST_HELD {
            return None;
        }
        let piece = self.full.pop_front()?;
        Some(self.give_out(piece))
    }

    /// What has come of a transaction whose end will not come.
    pub fn next_rest(&mut self) -> Option<Piece> {
        let piece = match self.full.pop_front() {
            Some(piece) => piece,
            None if self.filling.is_empty() => return None,
            None => self.next_filling(),
        };
        Some(self.give_out(piece))
    }

    /// A piece without rows that says how far reading is: there may have been nothing else to give out.
    pub fn end_piece(&mut self) -> Piece {
        self.give_out(Piece::default())
    }

    pub(super) fn next_filling(&mut self) -> Piece {
        let next = self.spare.pop().unwrap_or_default();
        std::mem::replace(&mut self.filling, next)
    }

    pub(super) fn give_out(&mut self, mut piece: Piece) -> Piece {
        self.given_pieces += 1;
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
