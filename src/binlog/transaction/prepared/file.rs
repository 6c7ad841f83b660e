//! A file of prepared XA transactions.
//!
//! ```text
//!   X {"xid":..}                  a transaction begins
//!   T table   P items   bytes     its pieces (spool), each table before the first that has rows of it
//!   E                             all of it is there
//! ```

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::binlog::transaction::hold_error::HoldError;
use crate::binlog::transaction::piece::Piece;
use crate::binlog::transaction::spool::{Record, Spool};
use crate::rules::columns::ColumnRules;
use crate::segment::SegmentError;

/// Files that nobody needs once a checkpoint lies after what has ended.
pub(crate) type Obsolete = Arc<Mutex<Vec<PathBuf>>>;

/// A transaction's first record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// As the servers write it.
    pub(crate) xid: String,
    /// The file of its first event, and the event's offset.
    pub(crate) file: String,
    pub(crate) offset: u64,
    /// How many events of it are wanted.
    pub(crate) events: u64,
    /// It has statements as texts or definitions, which stay where it is rolled back.
    #[serde(rename = "hasTexts")]
    pub(crate) has_texts: bool,
}

/// The file; with its last user it becomes obsolete.
#[derive(Debug)]
pub(crate) struct PreparedFile {
    spool: Spool,
    name: Option<Name>,
}

/// Where a file is that survives the process.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) obsolete: Obsolete,
}

impl Drop for Name {
    fn drop(&mut self) {
        self.obsolete.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut self.path));
    }
}

/// A transaction of a file.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) head: Head,
    /// The records of its pieces.
    pub(crate) records: Vec<usize>,
}

impl PreparedFile {
    pub(crate) fn new(spool: Spool, name: Option<Name>) -> Self {
        Self { spool, name }
    }

    /// Its number, if it has a name.
    pub(crate) fn number(&self) -> Option<u64> {
        self.name.as_ref().map(|name| name.number)
    }

    /// A transaction begins.
    pub(crate) fn begin(&mut self, head: &Head) -> Result<(), SegmentError> {
        // Texts and numbers can always be written as JSON.
        let head = serde_json::to_vec(head).unwrap_or_default();
        self.spool.mark(Record::Begin, &head)
    }

    /// Appends a piece of it.
    pub(crate) fn append(&mut self, piece: &Piece) -> Result<usize, SegmentError> {
        self.spool.append(piece)
    }

    /// All of it is there.
    pub(crate) fn end(&mut self) -> Result<(), SegmentError> {
        self.spool.mark(Record::End, &[])
    }

    /// Reads a piece into an empty one.
    pub(crate) fn read(&self, record: usize, piece: &mut Piece) -> Result<(), HoldError> {
        self.spool.read(record, piece)
    }

    /// Returns when all of it is on the disk.
    pub(crate) fn sync(&self) -> Result<(), SegmentError> {
        self.spool.sync()
    }

    /// Hides columns of its tables.
    pub(crate) fn hide(&mut self, rules: &ColumnRules) {
        self.spool.hide(rules);
    }

    /// The whole transactions of a file that was written by an earlier run, in order. Afterwards their pieces can be read.
    pub(crate) fn load(&mut self) -> Result<Vec<Found>, HoldError> {
        let mut found: Vec<Found> = Vec::new();
        let mut open: Option<Found> = None;
        let mut at = 0;
        while let Some((kind, bytes)) = self.spool.record(at)? {
            match kind {
                Record::Begin => {
                    let head = serde_json::from_slice(&bytes).map_err(|_| Spool::DAMAGED)?;
                    open = Some(Found { head, records: Vec::new() });
                }
                Record::Table => self.spool.add_table(&bytes)?,
                Record::Piece => {
                    open.as_mut().ok_or(Spool::DAMAGED)?.records.push(at);
                    // Its bytes.
                    at += 1;
                }
                Record::End => found.extend(open.take()),
            }
            at += 1;
        }
        Ok(found)
    }
}
