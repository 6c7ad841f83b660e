//! Statements in Parquet files, as the sink has written them.

mod audited;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use ::parquet::file::metadata::ParquetMetaData;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

use super::block::{Block, Record, Spot};
use super::source::{Progress, Source, SourceError, Step};
use crate::deliver::parquet::{COLUMNS, SCHEMA_KEY, SCHEMA_VERSION, names};
use crate::json::escape;
pub(crate) use audited::each_audited_row;

/// As many rows are read at once.
const ROWS: usize = 2048;
/// How long a folder that is followed may have nothing new before it is looked at again.
const PAUSE: Duration = Duration::from_millis(200);
/// The fields of a message: the columns after them are of its record.
const FIELDS: usize = 23;

/// Reads files of a folder in the order of their names, which is that of time.
pub(crate) struct ParquetSource {
    rest: VecDeque<PathBuf>,
    /// The folder that is looked through again.
    followed: Option<PathBuf>,
    last: Option<PathBuf>,
    open: Option<Open>,
    done: u64,
    total: u64,
}

struct Open {
    name: Arc<str>,
    reader: ParquetRecordBatchReader,
    row: u64,
    rows: u64,
    bytes: u64,
}

impl ParquetSource {
    /// A file, or all those of a folder; `follows`: also those that come later.
    pub(crate) fn new(path: &Path, follows: bool) -> Result<Self, SourceError> {
        let is_folder = path.is_dir();
        let files = if is_folder { files_of(path)? } else { vec![path.to_owned()] };
        if files.is_empty() && !follows {
            let reason = "there is no file of Parquet in it: expected NAME.parquet, as --sink parquet:DIR writes them";
            return Err(SourceError::Foreign { name: path.display().to_string(), reason: reason.to_owned() });
        }
        let total = files.iter().map(|file| fs::metadata(file).map_or(0, |metadata| metadata.len())).sum();
        Ok(Self {
            last: files.last().cloned(),
            rest: files.into(),
            followed: (follows && is_folder).then(|| path.to_owned()),
            open: None,
            done: 0,
            total,
        })
    }

    fn open_next(&mut self) -> Result<bool, SourceError> {
        if self.rest.is_empty()
            && let Some(folder) = &self.followed
        {
            let new = files_of(folder)?.into_iter().filter(|file| self.last.as_ref().is_none_or(|last| file > last));
            self.rest.extend(new);
            self.last = self.rest.back().cloned().or_else(|| self.last.take());
        }
        let Some(path) = self.rest.pop_front() else { return Ok(false) };
        self.open = Some(Open::new(&path)?);
        Ok(true)
    }
}

impl Source for ParquetSource {
    fn read(&mut self, block: &mut Block) -> Result<Step, SourceError> {
        block.clear();
        loop {
            if self.open.is_none() && !self.open_next()? {
                if self.followed.is_none() {
                    return Ok(Step::End);
                }
                std::thread::sleep(PAUSE);
                return Ok(Step::Waiting);
            }
            let Some(open) = &mut self.open else { continue };
            match open.reader.next() {
                Some(Ok(batch)) => {
                    open.take(&batch, block)?;
                    if !block.is_empty() {
                        return Ok(Step::Filled);
                    }
                }
                Some(Err(error)) => return Err(open.damaged(&error)),
                None => {
                    self.done += open.bytes;
                    self.open = None;
                }
            }
        }
    }

    fn progress(&self) -> Option<Progress> {
        let of_open = self.open.as_ref().map_or(0, |open| open.bytes * open.row / open.rows.max(1));
        self.followed.is_none().then_some(Progress { done: self.done + of_open, total: self.total })
    }
}

/// The files of a folder that readers see, in order.
pub(crate) fn files_of(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    names::seen(folder).map_err(|error| SourceError::input(folder.display().to_string(), error))
}

impl Open {
    fn new(path: &Path) -> Result<Self, SourceError> {
        let name: Arc<str> = path.display().to_string().into();
        let file = File::open(path).map_err(|error| SourceError::input(&*name, error))?;
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        let foreign = |reason: String| SourceError::Foreign { name: name.to_string(), reason };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file)
            .map_err(|error| foreign(format!("it is no whole file of Parquet: {error}")))?;
        check(builder.metadata(), builder.schema().fields()).map_err(&foreign)?;
        let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        let reader = builder.with_batch_size(ROWS).build();
        let reader = reader.map_err(|error| foreign(format!("it cannot be read: {error}")))?;
        Ok(Self { name, reader, row: 0, rows, bytes })
    }

    fn damaged(&self, error: &dyn std::fmt::Display) -> SourceError {
        SourceError::input(&*self.name, io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
    }

    /// The columns that every file has.
    fn columns<'a>(&self, batch: &'a RecordBatch) -> Result<Vec<Cells<'a>>, SourceError> {
        let columns = COLUMNS.iter().map(|column| Cells::of(batch.column_by_name(column.name)?.as_ref()));
        columns.collect::<Option<_>>().ok_or_else(|| self.damaged(&"a column has another type"))
    }

    /// Appends the rows as messages.
    fn take(&mut self, batch: &RecordBatch, block: &mut Block) -> Result<(), SourceError> {
        let columns = self.columns(batch)?;
        let mut proxy: Option<Arc<str>> = None;
        for row in 0..batch.num_rows() {
            self.row += 1;
            let text = |name: &str| {
                let index = COLUMNS.iter().position(|column| column.name == name)?;
                columns.get(index)?.text(row)
            };
            let number = |name: &str| {
                let index = COLUMNS.iter().position(|column| column.name == name)?;
                columns.get(index)?.number(row)
            };
            let sender = text("proxy");
            if sender != proxy.as_deref() {
                proxy = sender.map(Arc::from);
            }
            let record = Record {
                name: Arc::clone(&self.name),
                seq: number("seq"),
                proxy: proxy.clone(),
                digest: text("digest").and_then(|digest| digest.parse().ok()),
                spot: Spot::Row(self.row),
                ..Record::default()
            };
            block.push(record, |out| write_json(&columns, row, out));
        }
        Ok(())
    }
}

/// Refuses what the sink has not written.
fn check(metadata: &ParquetMetaData, fields: &arrow_schema::Fields) -> Result<(), String> {
    let notes = metadata.file_metadata().key_value_metadata();
    let version =
        notes.into_iter().flatten().find(|note| note.key == SCHEMA_KEY).and_then(|note| note.value.as_deref());
    let Some(version) = version else {
        let names: Vec<_> = fields.iter().take(6).map(|field| field.name().as_str()).collect();
        return Err(format!(
            "it has no messages of statements, as --sink parquet:DIR of proxy writes them: its columns are {}, ..",
            names.join(", ")
        ));
    };
    if version.parse::<u32>().is_ok_and(|version| version > SCHEMA_VERSION) {
        return Err(format!(
            "it is of version {version}, and this program knows up to {SCHEMA_VERSION}: a newer one has written it"
        ));
    }
    let missing = COLUMNS.iter().find(|column| !fields.iter().any(|field| field.name() == column.name));
    match missing {
        Some(column) => Err(format!("the column {} is missing", column.name)),
        None => Ok(()),
    }
}

/// A column's cells.
enum Cells<'a> {
    Text(&'a arrow_array::StringArray),
    Micros(&'a arrow_array::TimestampMicrosecondArray),
    I64(&'a arrow_array::Int64Array),
    U8(&'a arrow_array::UInt8Array),
    U16(&'a arrow_array::UInt16Array),
    U32(&'a arrow_array::UInt32Array),
    U64(&'a arrow_array::UInt64Array),
}

impl<'a> Cells<'a> {
    fn of(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string_opt()?),
            DataType::Timestamp(..) => Self::Micros(array.as_primitive_opt::<TimestampMicrosecondType>()?),
            DataType::Int64 => Self::I64(array.as_primitive_opt::<Int64Type>()?),
            DataType::UInt8 => Self::U8(array.as_primitive_opt::<UInt8Type>()?),
            DataType::UInt16 => Self::U16(array.as_primitive_opt::<UInt16Type>()?),
            DataType::UInt32 => Self::U32(array.as_primitive_opt::<UInt32Type>()?),
            DataType::UInt64 => Self::U64(array.as_primitive_opt::<UInt64Type>()?),
            _ => return None,
        })
    }

    fn text(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Text(array) => array.is_valid(row).then(|| array.value(row)),
            _ => None,
        }
    }

    fn number(&self, row: usize) -> Option<u64> {
        match self {
            Self::Text(_) => None,
            Self::Micros(array) => {
                array.is_valid(row).then(|| array.value(row)).and_then(|micros| u64::try_from(micros / 1000).ok())
            }
            Self::I64(array) => {
                array.is_valid(row).then(|| array.value(row)).and_then(|number| u64::try_from(number).ok())
            }
            Self::U8(array) => array.is_valid(row).then(|| array.value(row).into()),
            Self::U16(array) => array.is_valid(row).then(|| array.value(row).into()),
            Self::U32(array) => array.is_valid(row).then(|| array.value(row).into()),
            Self::U64(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}

/// The message, as it was.
fn write_json(columns: &[Cells<'_>], row: usize, out: &mut Vec<u8>) {
    for (index, (column, cells)) in COLUMNS.iter().zip(columns).take(FIELDS).enumerate() {
        out.push(if index == 0 { b'{' } else { b',' });
        out.push(b'"');
        out.extend_from_slice(column.name.as_bytes());
        out.extend_from_slice(b"\":");
        match (cells.text(row), cells.number(row)) {
            // It is JSON already.
            (Some(json), _) if column.name == "queryParams" => out.extend_from_slice(json.as_bytes()),
            (Some(text), _) => {
                out.push(b'"');
                escape(text.as_bytes(), out);
                out.push(b'"');
            }
            (None, Some(number)) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
            (None, None) => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::deliver::{
        Batch, Fsync, Label, MessageKind, ParquetCompression, Seq, Sink, StatementParquetConfig, StatementParquetSink,
    };
    use crate::files::FileMode;
    use crate::fuzzing::mutations::Random;
    use crate::mysql::sql::{Digest, Lexis, StatementKind};

    fn sink(dir: &Path, roll_bytes: u64) -> StatementParquetSink {
        let config = StatementParquetConfig {
            dir: dir.to_owned(),
            compression: ParquetCompression::Zstd,
            roll_bytes,
            roll_age: Duration::ZERO,
            mode: FileMode::default(),
            fsync: Fsync::Never,
            proxy: "web-1@2026-01-31T12:00:00.000Z".to_owned(),
        };
        StatementParquetSink::open(&config).unwrap()
    }

    fn odd_text(random: &mut Random) -> String {
        const ODD: [&str; 12] =
            ["\0", "\"", "\\", "\n", "\u{1}", "\u{7f}", "é", "\u{1f600}", "\u{feff}", "\u{202e}", "'", "\\u0041"];
        match random.below(400) {
            0..10 => String::new(),
            10 => ODD[random.below(ODD.len())].repeat(100_000),
            _ => (0..random.below(20))
                .map(|_| if random.below(3) == 0 { ODD[random.below(ODD.len())] } else { "abc " })
                .collect(),
        }
    }

    fn string(text: &str) -> String {
        let mut out = b"\"".to_vec();
        escape(text.as_bytes(), &mut out);
        out.push(b'"');
        String::from_utf8(out).unwrap()
    }

    /// A message with anything that its fields can have.
    fn odd_message(random: &mut Random) -> String {
        let mut json = String::new();
        for (index, column) in COLUMNS.iter().take(FIELDS).enumerate() {
            let largest = match column.name {
                "timestamp" => 9_000_000_000_000_u64,
                "serverFlags" => u16::MAX.into(),
                "isolationLvl" => u8::MAX.into(),
                "connectionId" | "clientFlags" | "iFlags" => u32::MAX.into(),
                "updateCount" => u64::MAX,
                _ => i64::MAX as u64,
            };
            let is_number = !matches!(Kind::of_name(column.name), Kind::Text);
            let value = match () {
                () if random.below(5) == 0 && !matches!(column.name, "timestamp" | "iFlags") => "null".to_owned(),
                () if column.name == "queryParams" => {
                    let values = (0..random.below(4))
                        .map(|_| if random.below(3) == 0 { "null".to_owned() } else { string(&odd_text(random)) });
                    format!("[{}]", values.collect::<Vec<_>>().join(","))
                }
                () if is_number => [0, 1, largest, random.next() % largest][random.below(4)].to_string(),
                () => string(&odd_text(random)),
            };
            json += &format!("{}\"{}\":{value}", if index == 0 { "{" } else { "," }, column.name);
        }
        json + "}"
    }

    /// Whether a field is text or a number.
    enum Kind {
        Text,
        Number,
    }

    impl Kind {
        fn of_name(name: &str) -> Self {
            let numbers = [
                "timestamp",
                "connectionId",
                "totalPoolCount",
                "executionCount",
                "serverFlags",
                "clientFlags",
                "iFlags",
                "isolationLvl",
                "durationNs",
                "updateCount",
            ];
            if numbers.contains(&name) { Self::Number } else { Self::Text }
        }
    }

    /// JSON, `seq`, digest and process of a message.
    type Read = (String, Option<u64>, Option<Digest>, Option<String>);

    fn read_all(path: &Path) -> Vec<Read> {
        let mut source = ParquetSource::new(path, false).unwrap();
        let (mut block, mut all) = (Block::default(), Vec::new());
        while source.read(&mut block).unwrap() == Step::Filled {
            all.extend(block.messages().map(|(_, message)| {
                let json = std::str::from_utf8(message.json).unwrap().to_owned();
                (json, message.seq, message.digest, message.proxy.map(str::to_owned))
            }));
        }
        let progress = source.progress().unwrap();
        assert_eq!(progress.done, progress.total);
        all
    }

    #[test]
    fn every_message_comes_back_byte_by_byte() {
        let dir = tempfile::tempdir().unwrap();
        let mut random = Random::new(5);
        let digest = Digest::of(b"SELECT 1", Lexis::default());
        let mut sink = sink(dir.path(), 100_000);
        let (mut seq, mut written) = (Seq::default(), Vec::new());
        let mut position = 1;
        for number in 0..30 {
            let mut batch = Batch::new();
            for _ in 0..40 {
                let json = odd_message(&mut random);
                let kind = MessageKind::Statement(StatementKind::Select);
                let label = Label { kind, digest: (number % 2 == 0).then_some(digest) };
                batch
                    .push_numbered(7, &mut seq, label, |out| {
                        out.extend_from_slice(json.as_bytes());
                        Ok::<(), ()>(())
                    })
                    .unwrap();
                written.push((
                    json,
                    Some(written.len() as u64 + 1),
                    label.digest,
                    Some("web-1@2026-01-31T12:00:00.000Z".to_owned()),
                ));
            }
            batch.set_position(position);
            position += batch.len() as u64;
            assert_eq!(sink.write(&batch, 0).unwrap(), batch.len());
        }
        sink.flush(Instant::now()).unwrap();
        assert_eq!(sink.delivered_through(), position - 1);
        let files = files_of(dir.path()).unwrap();
        assert!(files.len() > 1, "{files:?}");
        let read = read_all(dir.path());
        assert_eq!(read.len(), written.len());
        for (read, written) in read.iter().zip(&written) {
            assert!(read == written, "{:.500}\n{:.500}", read.0, written.0);
        }
    }

    #[test]
    fn other_files_are_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let error = |path: &Path| match ParquetSource::new(path, false) {
            Err(error) => error.to_string(),
            Ok(mut source) => source.read(&mut Block::default()).unwrap_err().to_string(),
        };
        assert!(error(dir.path()).contains("there is no file of Parquet in it"));
        let path = dir.path().join("x.parquet");
        fs::write(&path, b"PAR1 and no end").unwrap();
        let said = error(dir.path());
        assert!(said.starts_with(&path.display().to_string()) && said.contains("no whole file of Parquet"), "{said}");
    }
}
