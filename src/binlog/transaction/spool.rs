//! Pieces on the disk.

use std::path::Path;

use crate::binlog::table::schema::Table;
use crate::binlog::transaction::hold_error::HoldError;
use crate::binlog::transaction::piece::Piece;
use crate::binlog::transaction::piece_record::{self, RecordTables};
use crate::files::FileMode;
use crate::mysql::wire::Malformed;
use crate::rules::columns::ColumnRules;
use crate::segment::{Segment, SegmentError};

/// What a record is; its first byte says so. A piece's bytes follow it in a record without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    Piece,
    /// A table that pieces refer to, where the file is to be read by another process.
    Table,
    /// For whoever has several in one file.
    Begin,
    End,
}

impl Record {
    fn byte(self) -> u8 {
        match self {
            Self::Piece => b'P',
            Self::Table => b'T',
            Self::Begin => b'X',
            Self::End => b'E',
        }
    }

    fn of(byte: u8) -> Option<Self> {
        [Self::Piece, Self::Table, Self::Begin, Self::End].into_iter().find(|record| record.byte() == byte)
    }
}

/// A segment of pieces, each in two records: what it has, then its bytes.
#[derive(Debug)]
pub(crate) struct Spool {
    segment: Segment,
    tables: RecordTables,
    /// The tables are in the file too.
    has_tables: bool,
    /// Memory to be used again.
    record: Vec<u8>,
}

impl Spool {
    pub(crate) const DAMAGED: Malformed = Malformed("file of pieces");

    /// An empty one in a file without a name, in this folder.
    pub(crate) fn without_name(folder: &Path) -> Result<Self, SegmentError> {
        Ok(Self::new(Segment::without_name(folder)?, false))
    }

    /// The file at `path`, which belongs to this process from now on; an empty one is made if it is not there.
    pub(crate) fn open(path: &Path, mode: FileMode) -> Result<Self, SegmentError> {
        Ok(Self::new(Segment::open(path, mode, u64::MAX)?.segment, true))
    }

    fn new(segment: Segment, has_tables: bool) -> Self {
        Self { segment, tables: RecordTables::default(), has_tables, record: Vec::new() }
    }

    /// Appends a piece; returns the number of its first record.
    pub(crate) fn append(&mut self, piece: &Piece) -> Result<usize, SegmentError> {
        let known = self.tables.all().len();
        piece_record::write(piece, &mut self.tables, &mut self.record);
        if self.has_tables {
            for table in self.tables.all().get(known..).unwrap_or_default() {
                self.segment.append(&[&[Record::Table.byte()], &table.to_json()])?;
            }
        }
        let record = self.segment.append(&[&[Record::Piece.byte()], &self.record])?;
        self.segment.append(&[&piece.bytes])?;
        Ok(record)
    }

    /// Appends a record that is no piece.
    pub(crate) fn mark(&mut self, record: Record, bytes: &[u8]) -> Result<(), SegmentError> {
        self.segment.append(&[&[record.byte()], bytes]).map(drop)
    }

    /// A record that is not a piece's bytes; none after the last.
    pub(crate) fn record(&self, number: usize) -> Result<Option<(Record, Vec<u8>)>, HoldError> {
        if number >= self.segment.len() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.segment.read(number, &mut bytes)?;
        let kind = bytes.first().and_then(|byte| Record::of(*byte)).ok_or(Self::DAMAGED)?;
        bytes.remove(0);
        Ok(Some((kind, bytes)))
    }

    /// The next table of a file that another process has written.
    pub(crate) fn add_table(&mut self, bytes: &[u8]) -> Result<(), HoldError> {
        self.tables.add(Table::from_json(bytes).ok_or(Self::DAMAGED)?);
        Ok(())
    }

    /// Hides columns of the tables.
    pub(crate) fn hide(&mut self, rules: &ColumnRules) {
        self.tables.hide(rules);
    }

    /// Reads the piece of this record into an empty one.
    pub(crate) fn read(&self, record: usize, piece: &mut Piece) -> Result<(), HoldError> {
        let Some((Record::Piece, items)) = self.record(record)? else { return Err(Self::DAMAGED.into()) };
        self.segment.read(record + 1, &mut piece.bytes)?;
        piece_record::read(&items, piece, &self.tables)?;
        Ok(())
    }

    /// Forgets the pieces from this record on.
    pub(crate) fn truncate(&mut self, record: usize) {
        self.segment.truncate(record);
    }

    /// Returns when all of it is on the disk.
    pub(crate) fn sync(&self) -> Result<(), SegmentError> {
        self.segment.sync()
    }
}
