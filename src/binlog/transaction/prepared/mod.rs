//! XA transactions between XA PREPARE and XA COMMIT or XA ROLLBACK: what they have waits, however long it takes.
//!
//! It waits in memory up to a bound, beyond that on the disk. Where reading is to go on after a restart, it is on the disk before a
//! checkpoint lies after the XA PREPARE, and stays there until one lies after the end: the binlog may be purged in the meantime.
//!
//! ```text
//!   folder    the files that outlive the process      file    one of them
//!   stored    where a transaction's pieces are
//! ```

pub(crate) mod file;
pub(crate) mod folder;
pub(crate) mod stored;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use file::{Head, PreparedFile};
use folder::Folder;
use stored::Stored;

use crate::binlog::checkpoint::PreparedXa;
use crate::binlog::transaction::hold_error::HoldError;
use crate::binlog::transaction::piece::Piece;
use crate::binlog::transaction::spool::Spool;
use crate::mysql::sql::Xid;
use crate::rules::columns::ColumnRules;

/// Pieces of more bytes than this go to the disk.
const LARGEST_IN_MEMORY: usize = 16 << 20;

/// What is kept for a restart.
#[derive(Debug)]
pub(crate) enum Keep {
    /// Nothing: there is none.
    Nothing,
    /// Nothing: as long as a transaction waits there is no place to go on from.
    NoPlace,
    /// Everything, in this folder.
    InFolder(Folder),
}

/// The servers tell transactions apart by these: two of one name but for its `formatID` cannot be there at a time.
type Name = (Vec<u8>, Vec<u8>);

/// Transactions that are prepared.
#[derive(Debug)]
pub(crate) struct Prepared {
    keep: Keep,
    temp_dir: PathBuf,
    waiting: BTreeMap<Name, Waiting>,
    /// Of the pieces in memory.
    weight: usize,
    largest_in_memory: usize,
    /// What checkpoints say, until it changes.
    listed: Option<Arc<[PreparedXa]>>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) head: Head,
    weight: usize,
    /// None where they are only on the disk.
    pieces: Option<Vec<Piece>>,
    stored: Option<Stored>,
}

/// What a transaction has.
#[derive(Debug)]
pub(crate) enum Pieces {
    Memory(Vec<Piece>),
    Disk(Stored),
}

/// One that is being put together.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) head: Head,
    weight: usize,
    pieces: Vec<Piece>,
    disk: Option<(PreparedFile, Vec<usize>)>,
}

impl Incoming {
    pub(crate) fn new(head: Head) -> Self {
        Self { head, weight: 0, pieces: Vec::new(), disk: None }
    }
}

impl Waiting {
    /// What it has.
    pub(crate) fn into_pieces(self) -> Pieces {
        match (self.pieces, self.stored) {
            (Some(pieces), _) => Pieces::Memory(pieces),
            (None, Some(stored)) => Pieces::Disk(stored),
            (None, None) => Pieces::Memory(Vec::new()),
        }
    }

    fn is_kept(&self) -> bool {
        self.head.events == 0 || self.stored.as_ref().is_some_and(|stored| stored.file.number().is_some())
    }

    fn listed(&self) -> PreparedXa {
        let Head { xid, file, offset, events, .. } = self.head.clone();
        let stored = self.stored.as_ref().filter(|stored| stored.file.number().is_some());
        PreparedXa {
            xid,
            file,
            offset,
            events,
            segment: stored.and_then(|stored| stored.file.number()),
            index: stored.map_or(0, |stored| stored.index),
        }
    }
}

impl Prepared {
    /// None yet; those that are too large for memory and are not kept go to a file without a name in `temp_dir`.
    pub(crate) fn new(keep: Keep, temp_dir: PathBuf) -> Self {
        Self { keep, temp_dir, waiting: BTreeMap::new(), weight: 0, largest_in_memory: LARGEST_IN_MEMORY, listed: None }
    }

    pub(crate) fn set_temp_dir(&mut self, folder: PathBuf) {
        self.temp_dir = folder;
    }

    pub(crate) fn set_keep(&mut self, keep: Keep) {
        self.keep = keep;
    }

    #[cfg(test)]
    pub(crate) fn set_largest_in_memory(&mut self, bytes: usize) {
        self.largest_in_memory = bytes;
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds a piece to a transaction that is being put together.
    pub(crate) fn add(&mut self, incoming: &mut Incoming, piece: Piece) -> Result<(), HoldError> {
        incoming.weight += piece.weight();
        if let Some((file, records)) = &mut incoming.disk {
            records.push(file.append(&piece).map_err(|error| self.failed(error))?);
            return Ok(());
        }
        incoming.pieces.push(piece);
        if self.weight + incoming.weight > self.largest_in_memory {
            self.forget_copies();
        }
        if self.weight + incoming.weight <= self.largest_in_memory {
            return Ok(());
        }
        let mut file = match &mut self.keep {
            Keep::InFolder(folder) => folder.create()?,
            Keep::Nothing | Keep::NoPlace => {
                PreparedFile::new(Spool::without_name(&self.temp_dir).map_err(HoldError::Prepared)?, None)
            }
        };
        let records = write(&mut file, &incoming.head, &incoming.pieces).map_err(|error| self.failed(error))?;
        incoming.pieces.clear();
        incoming.disk = Some((file, records));
        Ok(())
    }

    /// It is whole, and waits. What waited under its name before comes back: its end was not seen.
    pub(crate) fn put(&mut self, xid: &Xid, incoming: Incoming) -> Result<Option<Waiting>, HoldError> {
        let Incoming { head, weight, pieces, disk } = incoming;
        let (pieces, stored) = match disk {
            None => (Some(pieces), None),
            Some((mut file, records)) => {
                let is_kept = file.number().is_some();
                file.end()
                    .and_then(|()| if is_kept { file.sync() } else { Ok(()) })
                    .map_err(|error| self.failed(error))?;
                (None, Some(Stored { file: Arc::new(file), index: 0, records }))
            }
        };
        let before = self.take(xid);
        let weight = if pieces.is_some() { weight } else { 0 };
        self.weight += weight;
        self.listed = None;
        self.waiting.insert(name(xid), Waiting { head, weight, pieces, stored });
        Ok(before)
    }

    /// It has ended.
    pub(crate) fn take(&mut self, xid: &Xid) -> Option<Waiting> {
        let waiting = self.waiting.remove(&name(xid))?;
        self.weight -= waiting.weight;
        self.listed = None;
        Some(waiting)
    }

    /// What is also on the disk leaves memory.
    fn forget_copies(&mut self) {
        for waiting in self.waiting.values_mut().filter(|waiting| waiting.stored.is_some()) {
            waiting.pieces = None;
            self.weight -= std::mem::take(&mut waiting.weight);
        }
    }

    /// What a checkpoint here says of those that wait, once they are on the disk where that is needed; `None` where there cannot be a
    /// checkpoint.
    pub(crate) fn list(&mut self) -> Result<Option<Arc<[PreparedXa]>>, HoldError> {
        self.save()?;
        Ok(self.list_kept())
    }

    /// The same for a place that may be passed without a checkpoint: `None` where something is not on the disk.
    pub(crate) fn list_kept(&mut self) -> Option<Arc<[PreparedXa]>> {
        let may_be_listed = match &self.keep {
            Keep::Nothing => true,
            Keep::NoPlace => self.waiting.is_empty(),
            Keep::InFolder(_) => self.waiting.values().all(Waiting::is_kept),
        };
        if !may_be_listed {
            return None;
        }
        let listed = self.listed.get_or_insert_with(|| self.waiting.values().map(Waiting::listed).collect());
        Some(Arc::clone(listed))
    }

    /// Files that nobody needs once a checkpoint lies after all that was given out up to now.
    pub(crate) fn take_obsolete(&self) -> Vec<PathBuf> {
        match &self.keep {
            Keep::InFolder(folder) => folder.take_obsolete(),
            Keep::Nothing | Keep::NoPlace => Vec::new(),
        }
    }

    /// Writes what is only in memory to a file of the folder.
    fn save(&mut self) -> Result<(), HoldError> {
        let Keep::InFolder(folder) = &mut self.keep else { return Ok(()) };
        folder.clear()?;
        if self.waiting.values().all(Waiting::is_kept) {
            return Ok(());
        }
        let mut file = folder.create()?;
        let mut saved = Vec::new();
        for (name, waiting) in self.waiting.iter().filter(|(_, waiting)| !waiting.is_kept()) {
            let pieces = waiting.pieces.as_deref().unwrap_or_default();
            let written = write(&mut file, &waiting.head, pieces);
            let records =
                written.and_then(|records| file.end().map(|()| records)).map_err(|error| folder.failed(error))?;
            saved.push((name.clone(), records));
        }
        file.sync().map_err(|error| folder.failed(error))?;
        let file = Arc::new(file);
        for (index, (name, records)) in (0..).zip(saved) {
            if let Some(waiting) = self.waiting.get_mut(&name) {
                waiting.stored = Some(Stored { file: Arc::clone(&file), index, records });
            }
        }
        self.listed = None;
        Ok(())
    }

    /// Takes up what waited at a checkpoint; columns are hidden as the rules say now.
    pub(crate) fn restore(&mut self, named: &[PreparedXa], rules: &ColumnRules) -> Result<(), HoldError> {
        self.waiting.clear();
        (self.weight, self.listed) = (0, None);
        let restored = match &mut self.keep {
            Keep::InFolder(folder) => folder.load(named, &mut |file| file.hide(rules))?,
            Keep::Nothing | Keep::NoPlace => named.iter().map(|_| None).collect(),
        };
        for (xa, restored) in named.iter().zip(restored) {
            let head = match &restored {
                Some(restored) => restored.found.head.clone(),
                None if xa.events == 0 => {
                    Head { xid: xa.xid.clone(), file: xa.file.clone(), offset: xa.offset, events: 0, has_texts: false }
                }
                None => return Err(HoldError::NotKept { xa: Box::new(xa.clone()) }),
            };
            let Some(xid) = Xid::parse(xa.xid.as_bytes()) else {
                return Err(HoldError::NotKept { xa: Box::new(xa.clone()) });
            };
            let pieces = if restored.is_none() { Some(Vec::new()) } else { None };
            let stored = restored.map(|restored| restored.stored);
            self.waiting.insert(name(&xid), Waiting { head, weight: 0, pieces, stored });
        }
        // Not before: with a checkpoint that does not fit nothing is to be lost.
        match &mut self.keep {
            Keep::InFolder(folder) => folder.remove_others(),
            Keep::Nothing | Keep::NoPlace => Ok(()),
        }
    }

    /// What is said where a file cannot be written.
    fn failed(&self, error: crate::segment::SegmentError) -> HoldError {
        match &self.keep {
            Keep::InFolder(folder) => folder.failed(error),
            Keep::Nothing | Keep::NoPlace => HoldError::Prepared(error),
        }
    }
}

fn name(xid: &Xid) -> Name {
    (xid.global.clone(), xid.branch.clone())
}

/// Writes what there is of a transaction; returns the records of its pieces.
fn write(file: &mut PreparedFile, head: &Head, pieces: &[Piece]) -> Result<Vec<usize>, crate::segment::SegmentError> {
    file.begin(head)?;
    pieces.iter().map(|piece| file.append(piece)).collect()
}
