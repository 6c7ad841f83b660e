//! One file, from its first row until it has its name.

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::arrow::arrow_writer::ArrowRowGroupWriterFactory;
use ::parquet::errors::ParquetError;
use ::parquet::file::writer::SerializedFileWriter;
use arrow_schema::{Field, SchemaRef};

use super::columns::{Columns, Slots};
use super::config::FileOptions;
use super::disk::{ended, failed, sync};
use super::lanes::{GroupId, Lanes};
use super::names;
use super::schema::Schema;
use crate::deliver::{Fsync, SinkError};

/// Rows are given to the encoding threads when there are this many bytes of them.
pub(crate) const BATCH_BYTES: usize = 1 << 20;

/// A file's bytes on their way to the disk. Writing to it does not fail: what the disk does not take waits here, and is written from the
/// byte on at which it stopped. So a full disk costs no row, and the encoder never sees it.
struct Spool {
    file: File,
    waiting: Vec<u8>,
}

impl Spool {
    /// Writes what waits.
    fn settle(&mut self) -> io::Result<()> {
        let mut written = 0;
        let result = loop {
            let rest = self.waiting.get(written..).unwrap_or_default();
            if rest.is_empty() {
                break Ok(());
            }
            match self.file.write(rest) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.waiting.drain(..written);
        result
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.waiting.is_empty() {
            match self.file.write(bytes) {
                Ok(count) if count > 0 => return Ok(count),
                // It will be tried again, and told of, when the group is complete.
                _ => {}
            }
        }
        self.waiting.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How far the end of a file has come; each step is tried again until it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Open,
    FooterWritten,
    Synced,
    Named,
    NameSynced,
}

/// A file that is being written.
pub(crate) struct PartFile {
    writer: SerializedFileWriter<Spool>,
    factory: ArrowRowGroupWriterFactory,
    encoded: SchemaRef,
    columns: Columns,
    group: Option<GroupId>,
    /// Bytes of rows in the group, those in `columns` included.
    group_bytes: usize,
    path: PathBuf,
    part: PathBuf,
    stage: Stage,
    fsync: Fsync,
}

impl PartFile {
    /// Makes the file under its temporary name.
    pub(crate) fn create(folder: &Path, name: &str, schema: &Schema, options: FileOptions) -> Result<Self, SinkError> {
        let mode = options.mode;
        if !folder.is_dir() {
            mode.create_folders(folder).map_err(|source| failed("create", folder, source))?;
            // The folders of a database and a table; where they were there before it does no harm.
            if options.fsync != Fsync::Never {
                folder.ancestors().skip(1).take(2).try_for_each(sync)?;
            }
        }
        let part = folder.join(names::part_name(name));
        let file = mode.create(&part).map_err(|source| failed("create", &part, source))?;
        let encoded = schema.encoded();
        let made = schema.written().and_then(|written| {
            let spool = Spool { file, waiting: Vec::new() };
            SerializedFileWriter::new(spool, written, Arc::new(schema.properties(options.compression)))
        });
        let writer = made.map_err(|error| ended(&part, &error))?;
        let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&encoded));
        Ok(Self {
            writer,
            factory,
            encoded,
            columns: Columns::new(schema),
            group: None,
            group_bytes: 0,
            path: folder.join(name),
            part,
            stage: Stage::Open,
            fsync: options.fsync,
        })
    }

    /// Adds the first of these rows, as many as make up `bytes` and the one beyond; returns how many these are. Fails only where the file
    /// cannot go on.
    pub(crate) fn append(
        &mut self,
        columns: &Columns,
        rows: Range<usize>,
        bytes: usize,
        lanes: &mut Lanes,
    ) -> Result<usize, SinkError> {
        let room = bytes.min(BATCH_BYTES.saturating_sub(self.gathered()));
        let count = columns.rows_up_to(rows.start, rows.end, room);
        let rows = rows.start..rows.start + count;
        self.group_bytes += columns.bytes_of(rows.clone());
        self.columns.extend(columns, rows);
        self.pass_on(lanes)?;
        Ok(count)
    }

    /// Adds a row, for which `write` has to give one value to each column. If it fails, the file is as it was. [`Self::pass_on`] is to be called
    /// now and then.
    pub(crate) fn push<E>(&mut self, write: impl FnOnce(&mut Slots<'_>) -> Result<(), E>) -> Result<(), E> {
        let before = self.gathered();
        self.columns.push(write)?;
        self.group_bytes += self.gathered() - before;
        Ok(())
    }

    /// Gives rows to the encoding threads if there are enough of them. Fails only where the file cannot go on.
    pub(crate) fn pass_on(&mut self, lanes: &mut Lanes) -> Result<(), SinkError> {
        if self.gathered() >= BATCH_BYTES { self.hand_over(lanes) } else { Ok(()) }
    }

    /// Bytes of rows that no thread has yet.
    fn gathered(&self) -> usize {
        self.columns.bytes_of(0..self.columns.rows())
    }

    /// Bytes of rows that are in memory in one form or the other.
    pub(crate) fn group_bytes(&self) -> usize {
        self.group_bytes
    }

    /// Bytes of complete row groups.
    pub(crate) fn written(&self) -> u64 {
        self.writer.bytes_written() as u64
    }

    fn hand_over(&mut self, lanes: &mut Lanes) -> Result<(), SinkError> {
        if self.columns.rows() == 0 {
            return Ok(());
        }
        let arrays = self.columns.take().map_err(|error| ended(&self.part, &error))?;
        let fields = self.encoded.fields().iter().map(Arc::clone);
        let arrays: Vec<(Arc<Field>, _)> = fields.zip(arrays).collect();
        let given = (|| {
            let group = match self.group {
                Some(group) => group,
                None => lanes.begin(self.factory.create_column_writers(self.writer.flushed_row_groups().len())?)?,
            };
            self.group = Some(group);
            lanes.write(group, arrays)
        })();
        given.map_err(|error| ended(&self.part, &error))
    }

    /// Ends the row group and writes it: what the disk does not take waits (see [`Self::settle`]).
    pub(crate) fn end_group(&mut self, lanes: &mut Lanes) -> Result<(), SinkError> {
        self.hand_over(lanes)?;
        let Some(group) = self.group.take() else { return Ok(()) };
        self.group_bytes = 0;
        let written = (|| {
            let chunks = lanes.end(group)?;
            let mut group = self.writer.next_row_group()?;
            for chunk in chunks {
                chunk.append_to_row_group(&mut group)?;
            }
            group.close()?;
            self.writer.flush().map_err(ParquetError::from)
        })();
        written.map_err(|error| ended(&self.part, &error))
    }

    /// Writes what the disk has not taken.
    pub(crate) fn settle(&mut self) -> Result<(), SinkError> {
        self.writer.inner_mut().settle().map_err(|source| failed("write to", &self.part, source))
    }

    /// Completes the file and gives it the name of a whole one, `whole`. To be called again after an error that is not the file's end.
    pub(crate) fn finish(&mut self, whole: &Path, lanes: &mut Lanes) -> Result<(), SinkError> {
        if self.stage == Stage::Open {
            self.end_group(lanes)?;
            self.writer.finish().map_err(|error| ended(&self.part, &error))?;
            self.stage = Stage::FooterWritten;
        }
        if self.stage == Stage::FooterWritten {
            self.settle()?;
            if self.fsync != Fsync::Never {
                // After a failure the system may have forgotten what it could not write: a second call would say that all is well.
                self.writer.inner_mut().file.sync_all().map_err(|error| ended(&self.part, &error))?;
            }
            self.stage = Stage::Synced;
        }
        if self.stage == Stage::Synced {
            match fs::rename(&self.part, whole) {
                Ok(()) => self.stage = Stage::Named,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ended(&self.part, &error)),
                Err(error) => return Err(failed("rename", &self.part, error)),
            }
        }
        if self.stage == Stage::Named {
            // A file whose name is lost is removed at the next start: its rows must not count before that.
            if self.fsync != Fsync::Never {
                whole.parent().map_or(Ok(()), sync)?;
            }
            self.stage = Stage::NameSynced;
        }
        Ok(())
    }

    /// Whether rows can still be added.
    pub(crate) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// The name that readers see in the end.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_full_disk_does_not_take_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut spool = Spool { file: File::create(&path).unwrap(), waiting: Vec::new() };
        spool.write_all(b"begin ").unwrap();
        let disk = std::mem::replace(&mut spool.file, File::options().write(true).open("/dev/full").unwrap());
        spool.write_all(b"middle ").unwrap();
        assert_eq!(spool.settle().unwrap_err().kind(), io::ErrorKind::StorageFull);
        spool.file = disk;
        // Behind what waits, whether there is room now or not.
        spool.write_all(b"end").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"begin ");
        spool.settle().unwrap();
        spool.settle().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"begin middle end");
    }
}
