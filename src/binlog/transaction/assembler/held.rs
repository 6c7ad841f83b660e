//! Full pieces that cannot be given out yet, because the end of a transaction has not come: in memory up to a bound, beyond that on the
//! disk.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use crate::binlog::transaction::hold_error::HoldError;
use crate::binlog::transaction::piece::{Ending, Piece};
use crate::binlog::transaction::prepared::stored::CompletedPiece;
use crate::binlog::transaction::spool::Spool;

/// Pieces of more bytes than this go to the disk.
const LARGEST_IN_MEMORY: usize = 16 << 20;

/// In order.
#[derive(Debug)]
pub(crate) struct Held {
    folder: PathBuf,
    pieces: VecDeque<HeldPiece>,
    /// The weight of those in memory.
    weight: usize,
    disk: Option<Spool>,
}

#[derive(Debug)]
enum HeldPiece {
    Memory(Box<Piece>),
    /// A record of the disk.
    Disk {
        record: usize,
        ending: Option<Arc<Ending>>,
    },
    /// Of an XA transaction that was prepared, and has ended.
    Completed(CompletedPiece),
}

impl Held {
    /// None yet; the disk's file will be in `folder`.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, pieces: VecDeque::new(), weight: 0, disk: None }
    }

    /// What is already on the disk stays where it is.
    pub(crate) fn set_folder(&mut self, folder: PathBuf) {
        self.folder = folder;
    }

    pub(crate) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Keeps a piece in memory, however much there is.
    pub(crate) fn push(&mut self, piece: Piece) {
        self.weight += piece.weight();
        self.pieces.push_back(HeldPiece::Memory(Box::new(piece)));
    }

    /// Keeps a piece that is on the disk already.
    pub(crate) fn push_completed(&mut self, piece: CompletedPiece) {
        self.pieces.push_back(HeldPiece::Completed(piece));
    }

    /// Keeps a piece where there is room. Its memory comes back where that is on the disk.
    pub(crate) fn push_or_spill(&mut self, piece: Piece) -> Result<Option<Piece>, HoldError> {
        if self.weight <= LARGEST_IN_MEMORY {
            self.push(piece);
            return Ok(None);
        }
        let disk = match &mut self.disk {
            Some(disk) => disk,
            None => {
                tracing::debug!(folder = %self.folder.display(), "a large transaction is kept on the disk until its end");
                self.disk.insert(Spool::without_name(&self.folder)?)
            }
        };
        let record = disk.append(&piece)?;
        self.pieces.push_back(HeldPiece::Disk { record, ending: None });
        Ok(Some(piece))
    }

    /// The transaction has ended that all pieces from number `first` on are of; the first held is number `given_out`.
    pub(crate) fn settle(&mut self, given_out: usize, ending: &Arc<Ending>) {
        for (number, piece) in self.pieces.iter_mut().enumerate().skip(ending.start.piece.saturating_sub(given_out)) {
            match piece {
                HeldPiece::Memory(piece) => {
                    self.weight -= piece.weight();
                    piece.settle(given_out + number, ending);
                    self.weight += piece.weight();
                }
                HeldPiece::Disk { ending: of_piece, .. } => *of_piece = Some(Arc::clone(ending)),
                HeldPiece::Completed(_) => {}
            }
        }
    }

    /// The first piece, which is number `given_out`; `spare` is memory for it. After an error it is still there.
    pub(crate) fn pop(&mut self, given_out: usize, spare: &mut Vec<Piece>) -> Result<Option<Piece>, HoldError> {
        let from_disk = match self.pieces.front() {
            None => return Ok(None),
            Some(HeldPiece::Memory(_)) => None,
            Some(piece) => Some(self.read(piece, given_out, spare.pop().unwrap_or_default())?),
        };
        let piece = match (self.pieces.pop_front(), from_disk) {
            (_, Some(piece)) => piece,
            (Some(HeldPiece::Memory(piece)), None) => {
                self.weight -= piece.weight();
                *piece
            }
            (_, None) => return Ok(None),
        };
        self.free_disk();
        Ok(Some(piece))
    }

    /// Reads what is on the disk; the piece is number `number`.
    fn read(&self, held: &HeldPiece, number: usize, mut piece: Piece) -> Result<Piece, HoldError> {
        match (held, &self.disk) {
            (HeldPiece::Disk { record, ending }, Some(disk)) => {
                disk.read(*record, &mut piece)?;
                if let Some(ending) = ending {
                    piece.settle(number, ending);
                }
            }
            (HeldPiece::Completed(completed), _) => completed.read(&mut piece)?,
            (HeldPiece::Memory(_) | HeldPiece::Disk { .. }, _) => {}
        }
        Ok(piece)
    }

    /// Gives away the pieces from the `index`th on, in order; they are all of one transaction that has ended, but for what is in front of
    /// it in the first. The first held is number `given_out`.
    pub(crate) fn drain(
        &mut self,
        index: usize,
        given_out: usize,
        take: &mut impl FnMut(Piece) -> Result<(), HoldError>,
    ) -> Result<(), HoldError> {
        let drained = self.pieces.split_off(index.min(self.pieces.len()));
        let mut records = None;
        let mut result = Ok(());
        for (at, held) in drained.into_iter().enumerate() {
            if let HeldPiece::Disk { record, .. } = &held {
                records.get_or_insert(*record);
            }
            let piece = match held {
                HeldPiece::Memory(piece) => {
                    self.weight -= piece.weight();
                    Ok(*piece)
                }
                held if result.is_ok() => self.read(&held, given_out + index + at, Piece::default()),
                _ => continue,
            };
            result = result.and_then(|()| take(piece?));
        }
        self.forget_from(records);
        result
    }

    /// Forgets the pieces from the `index`th on, and gives that one back. A transaction's first piece is always in memory, and no other
    /// is asked for.
    pub(crate) fn take_back(&mut self, index: usize) -> Option<Piece> {
        let mut forgotten = self.pieces.split_off(index.min(self.pieces.len()));
        let mut records = None;
        for piece in &forgotten {
            match piece {
                HeldPiece::Memory(piece) => self.weight -= piece.weight(),
                HeldPiece::Disk { record, .. } => drop(records.get_or_insert(*record)),
                HeldPiece::Completed(_) => {}
            }
        }
        self.forget_from(records);
        match forgotten.pop_front() {
            Some(HeldPiece::Memory(piece)) => Some(*piece),
            Some(HeldPiece::Disk { .. } | HeldPiece::Completed(_)) | None => None,
        }
    }

    fn forget_from(&mut self, record: Option<usize>) {
        if let (Some(record), Some(disk)) = (record, &mut self.disk) {
            disk.truncate(record);
        }
        self.free_disk();
    }

    /// The file goes with its last piece.
    fn free_disk(&mut self) {
        if self.disk.is_some() && !self.pieces.iter().any(|piece| matches!(piece, HeldPiece::Disk { .. })) {
            self.disk = None;
        }
    }
}
