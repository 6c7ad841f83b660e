//! Rows of columns as records.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMillisecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{
    Array, ArrowPrimitiveType, BinaryArray, BooleanArray, ListArray, PrimitiveArray, RecordBatch, StringArray,
    StructArray,
};
use bytes::Bytes;

use super::error::Failure;
use super::facts;
use super::schema::{AnswerKind, RowKind, column, instead};
use crate::mysql::wire::{Command, StatusFlags};
use crate::recording::{
    Event, Param, ParamValue, PreparedBefore, QueryAttribute, Record, RecordedAnswer, RecordedCommand, RecordedError,
    RecordedResult, SessionClose, SessionId,
};
use crate::session::{Now, RowChecksum};

/// A batch of a file whose columns are as the schema says.
pub(super) struct ReadBatch {
    columns: RecordBatch,
    /// The texts that records of it share.
    texts: Vec<Option<Arc<[u8]>>>,
}

/// What rows are.
pub(super) enum Found {
    /// A record.
    Record(Record),
    /// A session that goes on from an earlier file: it stands there as a `Begin`.
    State(Record),
}

impl ReadBatch {
    pub(super) fn new(columns: RecordBatch) -> Result<Self, Failure> {
        let texts = columns.column(column::SQL).as_dictionary_opt::<Int32Type>().ok_or_else(wrong_column)?;
        let texts = vec![None; texts.values().len()];
        Ok(Self { columns, texts })
    }

    pub(super) fn rows(&self) -> usize {
        self.columns.num_rows()
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.columns.get_array_memory_size()
    }

    /// The first rows of all records, and when each of these started; with or without the states of sessions.
    pub(super) fn starts(&self, states: bool) -> Result<Vec<(usize, u64)>, Failure> {
        let started = self.numbers::<UInt64Type>(column::STARTED_NS)?;
        let mut starts = Vec::new();
        for row in 0..self.rows() {
            match self.kind(row)? {
                RowKind::Result | RowKind::Prepared => {}
                RowKind::State if !states => {}
                _ => starts.push((row, started.value(row))),
            }
        }
        Ok(starts)
    }

    /// Reads what begins at `row`, which moves on to the row after it. `None` after the last.
    pub(super) fn read(&mut self, row: &mut usize) -> Result<Option<Found>, Failure> {
        let first = *row;
        if first >= self.rows() {
            return Ok(None);
        }
        let kind = self.kind(first)?;
        let mut rest = first + 1;
        let event = match kind {
            RowKind::Begin | RowKind::State => self.begin(first, &mut rest)?,
            RowKind::Command => self.command(first, &mut rest)?,
            RowKind::Lost => Event::Lost(self.text(column::MESSAGE, first)?.unwrap_or_default().to_owned()),
            RowKind::End => Event::End(self.close(first)?),
            RowKind::Prepared | RowKind::Result => return Err(Failure::damaged("a row belongs to none before it")),
        };
        *row = rest;
        let record = Record {
            session: SessionId(self.numbers::<UInt64Type>(column::SESSION)?.value(first)),
            number: self.numbers::<UInt64Type>(column::NUMBER)?.value(first),
            started: self.started(first)?,
            event,
        };
        Ok(Some(if kind == RowKind::State { Found::State(record) } else { Found::Record(record) }))
    }

    fn kind(&self, row: usize) -> Result<RowKind, Failure> {
        self.name(column::EVENT, row)?
            .and_then(RowKind::from_number)
            .ok_or_else(|| Failure::damaged("an event that is none"))
    }

    fn started(&self, row: usize) -> Result<Now, Failure> {
        let epoch_ms = self.numbers::<TimestampMillisecondType>(column::STARTED)?.value(row);
        Ok(Now {
            monotonic_ns: self.numbers::<UInt64Type>(column::STARTED_NS)?.value(row),
            epoch_ms: u64::try_from(epoch_ms).unwrap_or(0),
        })
    }

    fn begin(&mut self, first: usize, rest: &mut usize) -> Result<Event, Failure> {
        let text = self.text(column::FACTS, first)?.ok_or_else(|| Failure::damaged("a session without facts"))?;
        let mut begin = facts::read_begin(text)?;
        begin.refused = self.error(first)?;
        while *rest < self.rows() && self.kind(*rest)? == RowKind::Prepared {
            let id = self.number::<UInt32Type>(column::STATEMENT, *rest)?.unwrap_or_default();
            let sql = self.sql(*rest)?.map(|sql| Bytes::copy_from_slice(&sql)).unwrap_or_default();
            begin.prepared.push(PreparedBefore { id, sql });
            *rest += 1;
        }
        Ok(Event::Begin(Box::new(begin)))
    }

    fn command(&mut self, first: usize, rest: &mut usize) -> Result<Event, Failure> {
        let command = self.name(column::COMMAND, first)?.ok_or_else(|| Failure::damaged("a command without a name"))?;
        let mut results: Vec<_> = self.result(first)?.into_iter().collect();
        while *rest < self.rows() && self.kind(*rest)? == RowKind::Result {
            results.extend(self.result(*rest)?);
            *rest += 1;
        }
        let change_user = self.text(column::FACTS, first)?.map(facts::read_user).transpose()?.map(Box::new);
        let command = RecordedCommand {
            command: Command::from_byte(command),
            sql: self.sql(first)?,
            truncated: self.is(column::TRUNCATED, first)?,
            statement: self.number::<UInt32Type>(column::STATEMENT, first)?,
            params: self.params(first)?,
            attributes: self.attributes(first)?,
            param_rows: self.number::<UInt32Type>(column::PARAM_ROWS, first)?.unwrap_or(1),
            undecodable: self.is(column::UNDECODABLE, first)?,
            argument: self.bytes_of(column::ARGUMENT, first)?,
            change_user,
            files: self.files(first)?,
            duration_ns: self.number::<UInt64Type>(column::DURATION_NS, first)?,
            results,
        };
        Ok(Event::Command(Box::new(command)))
    }

    fn result(&self, row: usize) -> Result<Option<RecordedResult>, Failure> {
        let Some(answer) = self.name(column::ANSWER, row)? else { return Ok(None) };
        let kind = AnswerKind::from_number(answer).ok_or_else(|| Failure::damaged("an answer that is none"))?;
        let answer = match kind {
            AnswerKind::Ok => RecordedAnswer::Ok {
                affected_rows: self.number::<UInt64Type>(column::AFFECTED_ROWS, row)?.unwrap_or_default(),
                last_insert_id: self.number::<UInt64Type>(column::LAST_INSERT_ID, row)?.unwrap_or_default(),
            },
            AnswerKind::Rows => RecordedAnswer::Rows {
                count: self.number::<UInt64Type>(column::ROWS, row)?.unwrap_or_default(),
                checksum: self.checksum(row)?,
            },
            AnswerKind::Prepared => RecordedAnswer::Prepared {
                params: self.number::<UInt16Type>(column::PREPARED_PARAMS, row)?.unwrap_or_default(),
                columns: self.number::<UInt16Type>(column::PREPARED_COLUMNS, row)?.unwrap_or_default(),
            },
            AnswerKind::Packet => RecordedAnswer::Packet,
            AnswerKind::Error => {
                RecordedAnswer::Error(self.error(row)?.ok_or_else(|| Failure::damaged("an error without a number"))?)
            }
            AnswerKind::Unknown => {
                RecordedAnswer::Unknown(self.text(column::MESSAGE, row)?.unwrap_or_default().to_owned())
            }
        };
        let status = self.number::<UInt16Type>(column::STATUS, row)?.map(StatusFlags::from_bits_retain);
        Ok(Some(RecordedResult { answer, status, warnings: self.number::<UInt16Type>(column::WARNINGS, row)? }))
    }

    fn checksum(&self, row: usize) -> Result<Option<RowChecksum>, Failure> {
        let Some(unordered) = self.number::<UInt64Type>(column::CHECKSUM, row)? else { return Ok(None) };
        let ordered = self.number::<UInt64Type>(column::CHECKSUM_ORDERED, row)?.unwrap_or(unordered);
        Ok(Some(RowChecksum { ordered, unordered }))
    }

    fn error(&self, row: usize) -> Result<Option<RecordedError>, Failure> {
        let Some(code) = self.number::<UInt16Type>(column::ERROR, row)? else { return Ok(None) };
        let state = self.text(column::SQLSTATE, row)?.map(str::to_owned);
        let message = self.text(column::MESSAGE, row)?.unwrap_or_default().to_owned();
        Ok(Some(RecordedError { code, state, message }))
    }

    fn close(&self, row: usize) -> Result<SessionClose, Failure> {
        match self.name(column::CLOSE, row)? {
            Some(0) => Ok(SessionClose::Quit),
            Some(1) => Ok(SessionClose::Closed),
            Some(2) => Ok(SessionClose::RecordingEnded),
            _ => Err(Failure::damaged("a session's end that is none")),
        }
    }

    fn sql(&mut self, row: usize) -> Result<Option<Arc<[u8]>>, Failure> {
        let array = self.columns.column(column::SQL).as_dictionary_opt::<Int32Type>().ok_or_else(wrong_column)?;
        let Some(key) = array.key(row) else { return Ok(None) };
        let values = array.values().as_binary_opt::<i32>().ok_or_else(wrong_column)?;
        let text = self.texts.get_mut(key).ok_or_else(wrong_column)?;
        Ok(Some(Arc::clone(text.get_or_insert_with(|| Arc::from(values.value(key))))))
    }

    fn params(&self, row: usize) -> Result<Vec<Param>, Failure> {
        let Some(values) = self.list(column::PARAMS, row)? else { return Ok(Vec::new()) };
        let values = values.as_struct_opt().ok_or_else(wrong_column)?;
        let fields = Values::new(values, 0)?;
        (0..values.len()).map(|index| fields.param(index)).collect()
    }

    fn attributes(&self, row: usize) -> Result<Vec<QueryAttribute>, Failure> {
        let Some(values) = self.list(column::ATTRIBUTES, row)? else { return Ok(Vec::new()) };
        let values = values.as_struct_opt().ok_or_else(wrong_column)?;
        let names = field(values, 0)?.as_binary_opt::<i32>().ok_or_else(wrong_column)?;
        let fields = Values::new(values, 1)?;
        let attribute = |index| {
            Ok(QueryAttribute { name: Bytes::copy_from_slice(names.value(index)), param: fields.param(index)? })
        };
        (0..values.len()).map(attribute).collect()
    }

    fn files(&self, row: usize) -> Result<Vec<Bytes>, Failure> {
        let Some(values) = self.list(column::FILES, row)? else { return Ok(Vec::new()) };
        let values = values.as_binary_opt::<i32>().ok_or_else(wrong_column)?;
        Ok(values.iter().map(|file| Bytes::copy_from_slice(file.unwrap_or_default())).collect())
    }

    fn list(&self, column: usize, row: usize) -> Result<Option<arrow_array::ArrayRef>, Failure> {
        let list: &ListArray = self.columns.column(column).as_list_opt::<i32>().ok_or_else(wrong_column)?;
        Ok(list.is_valid(row).then(|| list.value(row)))
    }

    fn numbers<T: ArrowPrimitiveType>(&self, column: usize) -> Result<&PrimitiveArray<T>, Failure> {
        self.columns.column(column).as_primitive_opt::<T>().ok_or_else(wrong_column)
    }

    fn number<T: ArrowPrimitiveType>(&self, column: usize, row: usize) -> Result<Option<T::Native>, Failure> {
        let array = self.numbers::<T>(column)?;
        Ok(array.is_valid(row).then(|| array.value(row)))
    }

    /// The number of a name.
    fn name(&self, column: usize, row: usize) -> Result<Option<u8>, Failure> {
        let array = self.columns.column(column).as_dictionary_opt::<UInt8Type>().ok_or_else(wrong_column)?;
        Ok(array.keys().is_valid(row).then(|| array.keys().value(row)))
    }

    fn is(&self, column: usize, row: usize) -> Result<bool, Failure> {
        let array: &BooleanArray = self.columns.column(column).as_boolean_opt().ok_or_else(wrong_column)?;
        Ok(array.value(row))
    }

    fn text(&self, column: usize, row: usize) -> Result<Option<&str>, Failure> {
        let array: &StringArray = self.columns.column(column).as_string_opt::<i32>().ok_or_else(wrong_column)?;
        Ok(array.is_valid(row).then(|| array.value(row)))
    }

    fn bytes_of(&self, column: usize, row: usize) -> Result<Option<Bytes>, Failure> {
        let array: &BinaryArray = self.columns.column(column).as_binary_opt::<i32>().ok_or_else(wrong_column)?;
        Ok(array.is_valid(row).then(|| Bytes::copy_from_slice(array.value(row))))
    }
}

/// The fields of values of parameters.
struct Values<'a> {
    types: &'a PrimitiveArray<UInt16Type>,
    values: &'a BinaryArray,
    instead: &'a StringArray,
}

impl<'a> Values<'a> {
    /// Those from `first` on.
    fn new(fields: &'a StructArray, first: usize) -> Result<Self, Failure> {
        Ok(Self {
            types: field(fields, first)?.as_primitive_opt().ok_or_else(wrong_column)?,
            values: field(fields, first + 1)?.as_binary_opt().ok_or_else(wrong_column)?,
            instead: field(fields, first + 2)?.as_string_opt().ok_or_else(wrong_column)?,
        })
    }

    fn param(&self, index: usize) -> Result<Param, Failure> {
        let value = if self.values.is_valid(index) {
            ParamValue::Given(Bytes::copy_from_slice(self.values.value(index)))
        } else if self.instead.is_valid(index) {
            match self.instead.value(index) {
                instead::LONG_DATA => ParamValue::LongData,
                instead::DEFAULT => ParamValue::Default,
                instead::IGNORE => ParamValue::Ignore,
                _ => return Err(Failure::damaged("a parameter that is none")),
            }
        } else {
            ParamValue::Null
        };
        Ok(Param { column_type: self.types.value(index), value })
    }
}

fn field(fields: &StructArray, index: usize) -> Result<&arrow_array::ArrayRef, Failure> {
    fields.columns().get(index).ok_or_else(wrong_column)
}

/// The schema was compared when the file was opened.
fn wrong_column() -> Failure {
    Failure::damaged("a column has another type than its schema says")
}
