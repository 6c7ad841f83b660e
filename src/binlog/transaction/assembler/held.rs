//! Full pieces of a transaction whose end has not come: in memory up to a bound, beyond that on the disk.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use crate::binlog::transaction::piece::{Ending, Piece};
use crate::binlog::transaction::piece_record::{self, RecordTables};
use crate::mysql::wire::Malformed;
use crate::segment::{Segment, SegmentError};

/// Pieces of more bytes than this go to the disk.
const LARGEST_IN_MEMORY: usize = 16 << 20;

/// Why a transaction could not be held back until its end.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// The disk does not take it, or does not give it back.
    #[error(
        "a transaction of more than 16 MiB is kept on the disk until its end: {0}; give a folder with more room (--temp-dir)"
    )]
    Segment(#[from] SegmentError),
    /// What was read back is not what was written.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// In order.
#[derive(Debug)]
pub(crate) struct Held {
    folder: PathBuf,
    pieces: VecDeque<HeldPiece>,
    /// The weight of those in memory.
    weight: usize,
    disk: Option<Disk>,
}

#[derive(Debug)]
enum HeldPiece {
    Memory(Box<Piece>),
    /// Records of the disk: the items, then the bytes.
    Disk {
        record: usize,
        ending: Option<Arc<Ending>>,
    },
}

#[derive(Debug)]
struct Disk {
    segment: Segment,
    tables: RecordTables,
    /// Memory to be used again.
    record: Vec<u8>,
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
                let segment = Segment::without_name(&self.folder)?;
                self.disk.insert(Disk { segment, tables: RecordTables::default(), record: Vec::new() })
            }
        };
        piece_record::write(&piece, &mut disk.tables, &mut disk.record);
        let record = disk.segment.append(&[&disk.record])?;
        disk.segment.append(&[&piece.bytes])?;
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
            }
        }
    }

    /// The first piece, which is number `given_out`; `spare` is memory for it.
    pub(crate) fn pop(&mut self, given_out: usize, spare: &mut Vec<Piece>) -> Result<Option<Piece>, HoldError> {
        let piece = match (self.pieces.pop_front(), &mut self.disk) {
            (Some(HeldPiece::Memory(piece)), _) => {
                self.weight -= piece.weight();
                *piece
            }
            (Some(HeldPiece::Disk { record, ending }), Some(disk)) => {
                let mut piece = spare.pop().unwrap_or_default();
                disk.segment.read(record, &mut disk.record)?;
                disk.segment.read(record + 1, &mut piece.bytes)?;
                piece_record::read(&disk.record, &mut piece, &disk.tables)?;
                if let Some(ending) = &ending {
                    piece.settle(given_out, ending);
                }
                piece
            }
            (Some(HeldPiece::Disk { .. }), None) | (None, _) => return Ok(None),
        };
        self.free_disk();
        Ok(Some(piece))
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
            }
        }
        if let (Some(record), Some(disk)) = (records, &mut self.disk) {
            disk.segment.truncate(record);
        }
        self.free_disk();
        match forgotten.pop_front() {
            Some(HeldPiece::Memory(piece)) => Some(*piece),
            Some(HeldPiece::Disk { .. }) | None => None,
        }
    }

    /// The file goes with its last piece.
    fn free_disk(&mut self) {
        if self.disk.is_some() && !self.pieces.iter().any(|piece| matches!(piece, HeldPiece::Disk { .. })) {
            self.disk = None;
        }
    }
}
