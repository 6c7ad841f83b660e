//! Rows one after the other, for programs that use this as a library.

pub(crate) mod row;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::binlog::checkpoint::Checkpoint;
use crate::binlog::event::decoder::Decoder;
use crate::binlog::event::error::DecodeError;
use crate::binlog::event::header::EventHeader;
use crate::binlog::event::position::Position;
use crate::binlog::gtid::AnyGtidSet;
use crate::binlog::row_stream::row::ChangedRow;
use crate::binlog::source::{BinlogError, BinlogStart, FileSource, ServerSchemas, ServerSource, SourceOptions};
use crate::binlog::table::history::{NoSource, SchemaSource};
use crate::binlog::transaction::assembler::{Assembler, AssemblerOptions};
use crate::binlog::transaction::hold_error::HoldError;
use crate::binlog::transaction::piece::{Item, Piece, broken};
use crate::binlog::transaction::prepared::Keep;
use crate::client::ConnectOptions;

/// A server that has nothing to say says so this often.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Where [`RowStream::connect`] begins.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamStart {
    /// With what happens from now on.
    Now,
    /// With the oldest event that the server has.
    Oldest,
    /// At an event.
    Position(Position),
    /// After all of these transactions.
    Gtids(AnyGtidSet),
}

/// The rows that were inserted, changed and deleted, in the order of the binlog; rows that a savepoint took back are left out.
///
/// Blocking, and without threads of its own. Rows come when their transaction has ended; what one has beyond 16 MiB is kept in a file
/// without a name until then ([`RowStream::set_temp_dir`]). Columns have their names where the binlog has them (`binlog_row_metadata=FULL`) or a server's catalogue does, else
/// they are called `@1`, `@2`. A connection that breaks is an error: [`RowStream::checkpoint`] is where to begin again.
///
/// ```
/// use mysql_interceptor::binlog::{RowKind, RowStream, Value};
///
/// let mut stream = RowStream::open_files(["tests/data/binlog/shop.000001"])?;
/// let mut paid = Vec::new();
/// while let Some(row) = stream.next()? {
///     println!("{} {}.{} {:?}", row.position(), row.database(), row.table(), row.kind());
///     for (name, value) in row.after() {
///         println!("  {name} = {value:?}");
///     }
///     if row.kind() == RowKind::Update {
///         paid.extend(row.after().find(|(name, _)| *name == "state").map(|(_, value)| matches!(value, Value::Enum(2))));
///     }
/// }
/// assert_eq!(paid, [true]);
/// # Ok::<(), mysql_interceptor::binlog::BinlogError>(())
/// ```
pub struct RowStream {
    source: Source,
    decoder: Decoder,
    assembler: Assembler<Box<dyn SchemaSource + Send>>,
    stop: CancellationToken,
    piece: Piece,
    /// The item of `piece` that is being read, and what is left of its rows; `None` before its first row.
    item: usize,
    left: Option<Left>,
    /// The number of the next row within its transaction.
    row: u64,
    checkpoint: Option<Checkpoint>,
    /// What there is is to be given out, because nothing more may come for a while.
    flush: bool,
    /// That was done since the last event.
    is_flushed: bool,
    has_ended: bool,
    /// A row could not be read: no checkpoint may lie after it.
    is_broken: bool,
    /// Why it has ended, to be said after the rows that came before.
    error: Option<BinlogError>,
}

/// What is left of an event's rows. One row can be of no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Bytes(usize),
    Nothing,
}

enum Source {
    Files { file: Option<FileSource>, others: VecDeque<PathBuf> },
    Server(Box<ServerSource>),
}

impl std::fmt::Debug for RowStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowStream").field("assembler", &self.assembler).finish_non_exhaustive()
    }
}

impl RowStream {
    /// Reads binlog files in this order, those compressed by gzip or zstd too; `-` is standard input. A file is opened when the one
    /// before it has been read.
    pub fn open_files<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Result<Self, BinlogError> {
        let others = paths.into_iter().map(Into::into).collect();
        let mut stream = Self::new(Source::Files { file: None, others }, Box::new(NoSource), CancellationToken::new());
        // That the first is there is better known now than at the first row.
        stream.open_next()?;
        Ok(stream)
    }

    /// Reads a server's binlog as a replica does; there is no end unless [`RowStream::stop_token`] is cancelled or the server ends it. The
    /// user needs `REPLICATION SLAVE` and `REPLICATION CLIENT`, and `SELECT` on tables whose columns the binlog does not name.
    ///
    /// ```no_run
    /// use mysql_interceptor::binlog::{ConnectOptions, RowStream, StreamStart};
    ///
    /// let options = ConnectOptions::new("db.example.com", 3306, "replicator", "secret");
    /// let mut stream = RowStream::connect(&options, StreamStart::Now)?;
    /// while let Some(row) = stream.next()? {
    ///     println!("{:?} {}.{} {:?}", row.gtid(), row.database(), row.table(), row.kind());
    /// }
    /// # Ok::<(), mysql_interceptor::binlog::BinlogError>(())
    /// ```
    pub fn connect(options: &ConnectOptions, start: StreamStart) -> Result<Self, BinlogError> {
        let stop = CancellationToken::new();
        let options =
            SourceOptions { connect: options.clone(), server_id: None, report_host: None, heartbeat: HEARTBEAT };
        let mut source = ServerSource::connect(&options, stop.clone())?;
        let server = source.identity()?;
        let (start, gtids) = match start {
            StreamStart::Now => {
                let (position, gtids) = source.current_position()?;
                (BinlogStart::Position(position), gtids)
            }
            StreamStart::Oldest => {
                let (file, _) = source
                    .files()?
                    .into_iter()
                    .next()
                    .ok_or_else(|| BinlogError::Refused("the source has no binlog files".into()))?;
                (BinlogStart::Position(Position { file, offset: 4 }), None)
            }
            StreamStart::Position(position) => (BinlogStart::Position(position), None),
            StreamStart::Gtids(set) => (BinlogStart::Gtids(set.clone()), Some(set)),
        };
        let checksums = source.start(&options, &start)?;
        let schemas = Box::new(ServerSchemas::new(options, stop.clone()));
        let mut stream = Self::new(Source::Server(Box::new(source)), schemas, stop);
        let position = match start {
            BinlogStart::Position(position) => position,
            BinlogStart::Gtids(_) => Position::default(),
        };
        stream.begin_history(&position)?;
        stream.assembler.restart(position);
        stream.assembler.set_gtids(gtids);
        stream.assembler.set_server(server);
        stream.decoder.begin_stream(checksums);
        Ok(stream)
    }

    fn new(source: Source, schemas: Box<dyn SchemaSource + Send>, stop: CancellationToken) -> Self {
        let options = AssemblerOptions { ddl: false, statements: false, ..AssemblerOptions::default() };
        let mut assembler = Assembler::new(options, schemas, Position::default());
        assembler.keep_prepared(Keep::NoPlace);
        Self {
            source,
            decoder: Decoder::default(),
            assembler,
            stop,
            piece: Piece::default(),
            item: 0,
            left: None,
            row: 0,
            checkpoint: None,
            flush: false,
            is_flushed: false,
            has_ended: false,
            is_broken: false,
            error: None,
        }
    }

    /// The next row; `None` after the last. Rows that came before an error are given out before it, and nothing comes after it.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<ChangedRow<'_>>, BinlogError> {
        if !self.find_row()? {
            return Ok(None);
        }
        let Some(Item::Rows { rows, table, context }) = self.piece.items.get(self.item) else { return Ok(None) };
        let mut stored = rows.clone();
        if let Some(Left::Bytes(left)) = self.left {
            stored.keep_last(left);
        }
        let event = stored.event(&table.map, table.hidden.as_ref(), &self.piece.bytes);
        let mut rows = event.rows();
        let (before, after) = match rows.next() {
            Ok(Some(row)) => (row.before.map(<[_]>::to_vec), row.after.map(<[_]>::to_vec)),
            Ok(None) => return Ok(None),
            Err(what) => {
                self.is_broken = true;
                return Err(broken(context, what.into()).into());
            }
        };
        self.left = Some(if rows.is_over() { Left::Nothing } else { Left::Bytes(rows.left()) });
        let row_in_transaction = self.row;
        self.row += 1;
        Ok(Some(ChangedRow { table, context, kind: event.kind, before, after, row_in_transaction }))
    }

    /// Where reading may go on so that no row is lost and none comes twice: after the last transaction whose rows have all been given
    /// out. It comes seldom: every half megabyte of rows, and whenever a server has nothing more to say. While an XA transaction is
    /// prepared it stays in front of that one: rows of others after it come again then.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }

    /// Where transactions of more than 16 MiB are kept until their end; the system's own folder for temporary files if this is not called.
    pub fn set_temp_dir(&mut self, folder: impl Into<PathBuf>) {
        self.assembler.set_temp_dir(folder.into());
    }

    /// Cancelling it from another thread ends a server's stream within a fraction of a second.
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Goes on to where a row is; false at the end.
    fn find_row(&mut self) -> Result<bool, BinlogError> {
        if self.is_broken {
            return Ok(false);
        }
        loop {
            match self.piece.items.get(self.item) {
                Some(Item::Rows { .. }) if self.left != Some(Left::Nothing) => return Ok(true),
                Some(item) => {
                    if matches!(item, Item::Begin(_)) {
                        self.row = 0;
                    }
                    self.item += 1;
                    self.left = None;
                    continue;
                }
                None => {}
            }
            if let Some(boundary) = self.piece.boundary.take() {
                self.checkpoint = Some(boundary);
            }
            let next = match self.assembler.next_piece(self.flush) {
                Ok(next) => next,
                Err(error) => {
                    self.is_broken = true;
                    return Err(error.into());
                }
            };
            if let Some(next) = next {
                (self.item, self.left, self.row) = (0, None, next.first_row);
                self.assembler.recycle(std::mem::replace(&mut self.piece, next));
            } else if std::mem::take(&mut self.flush) {
                // Nothing was left.
            } else if self.has_ended {
                return self.error.take().map_or(Ok(false), Err);
            } else if let Err(error) = self.read() {
                let is_stopped = self.stop.is_cancelled();
                self.end(Some(error).filter(|_| !is_stopped));
            }
        }
    }

    /// Reads one event, or finds that there is none.
    fn read(&mut self) -> Result<(), BinlogError> {
        let event = match &mut self.source {
            Source::Server(source) => {
                if source.is_idle() && !std::mem::take(&mut self.is_flushed) {
                    (self.flush, self.is_flushed) = (true, true);
                    return Ok(());
                }
                self.is_flushed = false;
                Some(source.next()?)
            }
            Source::Files { file: Some(file), .. } => file.next()?,
            Source::Files { file: None, .. } => None,
        };
        let Some(event) = event else {
            self.flush = true;
            if !self.open_next()? {
                let row_events = self.assembler.unfinished_row_events();
                let position = self.assembler.position().clone();
                self.end(row_events.map(|row_events| BinlogError::Unfinished { position, row_events }));
            }
            return Ok(());
        };
        let header = EventHeader::parse(event)
            .map_err(|what| BinlogError::Event { position: self.assembler.position().clone(), source: what.into() })?;
        let has_checksum = self.decoder.format().is_some_and(|format| format.checksum);
        self.assembler.begin_event(&header, event, has_checksum);
        let assembler = &mut self.assembler;
        let result = self.decoder.decode(event, &mut |header, event| assembler.event(header, event).map(drop));
        result.map_err(|source| {
            if let DecodeError::Consumer(error) = source {
                return match error.downcast::<HoldError>() {
                    Ok(error) => BinlogError::Hold(*error),
                    Err(error) => self.failed(&header, DecodeError::Consumer(error)),
                };
            }
            self.failed(&header, source)
        })
    }

    /// The current position is the event's end.
    fn failed(&self, header: &EventHeader, source: DecodeError) -> BinlogError {
        let end = self.assembler.position();
        let offset = end.offset.saturating_sub(u64::from(header.length));
        BinlogError::Event { position: Position { file: end.file.clone(), offset }, source }
    }

    /// Opens the next file; false where there is none.
    fn open_next(&mut self) -> Result<bool, BinlogError> {
        let Source::Files { file, others } = &mut self.source else { return Ok(false) };
        let previous = file.take().map(|file| file.name().to_owned());
        let Some(path) = others.pop_front() else { return Ok(false) };
        let opened = file.insert(FileSource::open(&path)?);
        let start = Position { file: opened.name().to_owned(), offset: 4 };
        let expected = self.assembler.position().file.clone();
        let continues = previous.is_some_and(|previous| {
            let expected = Some(expected.as_str()).filter(|expected| *expected != previous);
            FileSource::continues(&start.file, &previous, expected)
        });
        self.begin_history(&start)?;
        if !(continues && self.assembler.in_transaction()) {
            self.decoder.begin_file();
        }
        self.assembler.next_file(start, continues);
        Ok(true)
    }

    fn begin_history(&mut self, position: &Position) -> Result<(), BinlogError> {
        let history = self.assembler.history();
        // Without a file nothing of it can fail.
        history.begin(position, None, false).map_err(|error| BinlogError::Refused(error.to_string()))
    }

    /// Nothing more is read; what there is is given out, but nothing of a transaction without an end.
    fn end(&mut self, error: Option<BinlogError>) {
        self.assembler.end_of_stream();
        self.flush = true;
        self.has_ended = true;
        self.error = error;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::event::rows::RowKind;

    const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/binlog/shop.000001");

    fn rows(stream: &mut RowStream) -> Vec<(RowKind, u64, usize, usize)> {
        let mut rows = Vec::new();
        while let Some(row) = stream.next().unwrap() {
            rows.push((row.kind(), row.row_in_transaction(), row.before().count(), row.after().count()));
        }
        rows
    }

    #[test]
    fn rows_of_files_one_after_the_other() {
        let mut stream = RowStream::open_files([SHOP, SHOP]).unwrap();
        let once = [
            (RowKind::Insert, 0, 0, 5),
            (RowKind::Insert, 1, 0, 5),
            (RowKind::Update, 0, 5, 5),
            (RowKind::Delete, 0, 5, 0),
        ];
        assert_eq!(rows(&mut stream), [once, once].concat());
        // The file ends in a ROTATE: reading may go on with the file that follows.
        let Checkpoint { file, offset, .. } = stream.checkpoint().unwrap();
        assert!(file.starts_with("binlog.") && *offset == 4, "{file}:{offset}");
        assert!(stream.next().unwrap().is_none());
    }

    #[test]
    fn rows_before_an_error_come_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.000001");
        let whole = std::fs::read(SHOP).unwrap();
        // The last event, and a part of the last commit.
        std::fs::write(&path, &whole[..whole.len() - 60]).unwrap();
        let mut stream = RowStream::open_files([path]).unwrap();
        let mut count = 0;
        let error = loop {
            match stream.next() {
                Ok(Some(_)) => count += 1,
                Ok(None) => panic!("no error"),
                Err(error) => break error,
            }
        };
        // The last one's transaction has not ended, as far as is known.
        assert_eq!(count, 3);
        assert!(matches!(error, BinlogError::Truncated { .. }), "{error}");
        assert!(stream.next().unwrap().is_none());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = RowStream::open_files(["/nowhere/binlog.000001"]).unwrap_err();
        assert!(error.to_string().contains("/nowhere/binlog.000001"), "{error}");
    }
}
