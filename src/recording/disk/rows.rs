//! Records as rows of columns.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Int32Builder, ListBuilder, PrimitiveBuilder, StringBuilder, StructBuilder,
    UInt8Builder, UInt16Builder, UInt32Builder, UInt64Builder,
};
use arrow_array::types::{Int32Type, TimestampMillisecondType, UInt8Type};
use arrow_array::{ArrayRef, BinaryArray, DictionaryArray, RecordBatch, UInt8Array};
use arrow_schema::SchemaRef;

use super::error::Failure;
use super::facts;
use super::schema::{
    AnswerKind, NAMES, RowKind, attribute_field, attribute_fields, file_field, instead, param_field, param_fields,
};
use crate::recording::{
    Event, Param, ParamValue, QueryAttribute, Record, RecordedAnswer, RecordedCommand, RecordedError, RecordedResult,
    SessionBegin, SessionClose,
};

/// About what a row takes besides its texts and values.
const ROW_BYTES: usize = 160;

/// Rows that become a batch.
pub(super) struct Rows {
    schema: SchemaRef,
    /// About how much memory they take.
    bytes: usize,
    count: usize,
    first_ns: u64,
    last_ns: u64,
    head: Head,
    texts: Texts,
    sent: Sent,
    answered: Answered,
    facts: StringBuilder,
}

/// What every row has.
#[derive(Default)]
struct Head {
    event: UInt8Builder,
    session: UInt64Builder,
    number: UInt64Builder,
    started_ns: UInt64Builder,
    started: PrimitiveBuilder<TimestampMillisecondType>,
    duration_ns: UInt64Builder,
    command: UInt8Builder,
}

/// The column `sql`: each text once.
#[derive(Default)]
struct Texts {
    keys: Int32Builder,
    values: BinaryBuilder,
    known: HashMap<Arc<[u8]>, i32>,
}

/// What a client sent.
struct Sent {
    truncated: BooleanBuilder,
    statement: UInt32Builder,
    params: ListBuilder<StructBuilder>,
    param_rows: UInt32Builder,
    undecodable: BooleanBuilder,
    attributes: ListBuilder<StructBuilder>,
    argument: BinaryBuilder,
    files: ListBuilder<BinaryBuilder>,
}

/// What it was answered, and how a session ended.
#[derive(Default)]
struct Answered {
    answer: UInt8Builder,
    status: UInt16Builder,
    warnings: UInt16Builder,
    affected_rows: UInt64Builder,
    last_insert_id: UInt64Builder,
    rows: UInt64Builder,
    checksum: UInt64Builder,
    checksum_ordered: UInt64Builder,
    prepared_params: UInt16Builder,
    prepared_columns: UInt16Builder,
    error: UInt16Builder,
    sqlstate: StringBuilder,
    message: StringBuilder,
    close: UInt8Builder,
}

/// A batch, and what is said of it beside.
pub(super) struct Batch {
    pub(super) columns: RecordBatch,
    /// The earliest and the latest start among its records.
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
}

impl Rows {
    pub(super) fn new(schema: SchemaRef) -> Self {
        let params = ListBuilder::new(StructBuilder::from_fields(param_fields(), 0)).with_field(param_field());
        let attributes =
            ListBuilder::new(StructBuilder::from_fields(attribute_fields(), 0)).with_field(attribute_field());
        let sent = Sent {
            truncated: BooleanBuilder::new(),
            statement: UInt32Builder::new(),
            params,
            param_rows: UInt32Builder::new(),
            undecodable: BooleanBuilder::new(),
            attributes,
            argument: BinaryBuilder::new(),
            files: ListBuilder::new(BinaryBuilder::new()).with_field(file_field()),
        };
        Self {
            schema,
            bytes: 0,
            count: 0,
            first_ns: u64::MAX,
            last_ns: 0,
            head: Head::default(),
            texts: Texts::default(),
            sent,
            answered: Answered::default(),
            facts: StringBuilder::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// About how much memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a record.
    pub(super) fn add(&mut self, record: &Record) -> Result<(), Failure> {
        match &record.event {
            Event::Begin(begin) => self.begin(record, RowKind::Begin, begin)?,
            Event::Command(command) => self.command(record, command)?,
            Event::Lost(reason) => {
                self.answered.none(None, Some(reason), None);
                self.bytes += reason.len();
                self.simple(record, RowKind::Lost);
            }
            Event::End(close) => {
                self.answered.none(None, None, Some(*close));
                self.simple(record, RowKind::End);
            }
        }
        Ok(())
    }

    /// A file begins at this time, whether a record follows or not.
    pub(super) fn begin_at(&mut self, now_ns: u64) {
        (self.first_ns, self.last_ns) = (now_ns, now_ns);
    }

    /// Adds a session that goes on from an earlier file.
    pub(super) fn add_state(&mut self, record: &Record, begin: &SessionBegin) -> Result<(), Failure> {
        self.begin(record, RowKind::State, begin)
    }

    fn head(&mut self, record: &Record, kind: RowKind, command: Option<&RecordedCommand>) {
        let started = record.started;
        self.first_ns = self.first_ns.min(started.monotonic_ns);
        self.last_ns = self.last_ns.max(started.monotonic_ns);
        self.head.event.append_value(kind as u8);
        self.head.session.append_value(record.session.0);
        self.head.number.append_value(record.number);
        self.head.started_ns.append_value(started.monotonic_ns);
        self.head.started.append_value(i64::try_from(started.epoch_ms).unwrap_or(i64::MAX));
        self.head.duration_ns.append_option(command.and_then(|command| command.duration_ns));
        self.head.command.append_option(command.map(|command| command.command.byte()));
        self.bytes += ROW_BYTES;
        self.count += 1;
    }

    /// A row without a command.
    fn simple(&mut self, record: &Record, kind: RowKind) {
        self.head(record, kind, None);
        self.texts.keys.append_null();
        self.sent.none(None);
        self.facts.append_null();
    }

    fn begin(&mut self, record: &Record, kind: RowKind, begin: &SessionBegin) -> Result<(), Failure> {
        let text = facts::write_begin(begin)?;
        self.bytes += text.len();
        self.head(record, kind, None);
        self.texts.keys.append_null();
        self.sent.none(None);
        self.answered.none(begin.refused.as_ref(), None, None);
        self.facts.append_value(text);
        for prepared in &begin.prepared {
            self.head(record, RowKind::Prepared, None);
            self.bytes += prepared.sql.len();
            self.texts.add(&Arc::from(&prepared.sql[..]))?;
            self.sent.none(Some(prepared.id));
            self.answered.none(None, None, None);
            self.facts.append_null();
        }
        Ok(())
    }

    fn command(&mut self, record: &Record, command: &RecordedCommand) -> Result<(), Failure> {
        self.head(record, RowKind::Command, Some(command));
        self.bytes += match &command.sql {
            Some(sql) => self.texts.add(sql)?,
            None => {
                self.texts.keys.append_null();
                0
            }
        };
        self.bytes += self.sent.command(command)?;
        match &command.change_user {
            Some(change) => self.facts.append_value(facts::write_user(change)?),
            None => self.facts.append_null(),
        }
        let mut results = command.results.iter();
        match results.next() {
            Some(first) => self.answered.result(first),
            None => self.answered.none(None, None, None),
        }
        for further in results {
            self.simple(record, RowKind::Result);
            self.answered.result(further);
        }
        Ok(())
    }

    /// Makes a batch of the rows, of which there are none then.
    pub(super) fn finish(&mut self) -> Result<Batch, Failure> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        self.head.finish(&mut columns)?;
        self.texts.finish(&mut columns)?;
        self.sent.finish(&mut columns);
        self.answered.finish(&mut columns)?;
        columns.push(Arc::new(self.facts.finish()));
        let columns = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(Failure::invalid)?;
        let batch = Batch { columns, first_ns: self.first_ns, last_ns: self.last_ns };
        (self.bytes, self.count, self.first_ns, self.last_ns) = (0, 0, u64::MAX, 0);
        Ok(batch)
    }
}

impl Head {
    fn finish(&mut self, columns: &mut Vec<ArrayRef>) -> Result<(), Failure> {
        columns.push(named(self.event.finish(), &NAMES.events)?);
        columns.push(Arc::new(self.session.finish()));
        columns.push(Arc::new(self.number.finish()));
        columns.push(Arc::new(self.started_ns.finish()));
        columns.push(Arc::new(self.started.finish().with_timezone("UTC")));
        columns.push(Arc::new(self.duration_ns.finish()));
        columns.push(named(self.command.finish(), &NAMES.commands)?);
        Ok(())
    }
}

/// A column of names.
fn named(numbers: UInt8Array, names: &ArrayRef) -> Result<ArrayRef, Failure> {
    let array = DictionaryArray::<UInt8Type>::try_new(numbers, Arc::clone(names)).map_err(Failure::invalid)?;
    Ok(Arc::new(array))
}

impl Texts {
    /// Adds a text; returns how many bytes it takes.
    fn add(&mut self, sql: &Arc<[u8]>) -> Result<usize, Failure> {
        if let Some(key) = self.known.get(sql) {
            self.keys.append_value(*key);
            return Ok(0);
        }
        let key = i32::try_from(self.known.len()).map_err(Failure::invalid)?;
        self.values.append_value(sql);
        self.known.insert(Arc::clone(sql), key);
        self.keys.append_value(key);
        // It is also kept for comparison, as long as the batch is open.
        Ok(sql.len() * 2)
    }

    fn finish(&mut self, columns: &mut Vec<ArrayRef>) -> Result<(), Failure> {
        self.known.clear();
        let values: BinaryArray = self.values.finish();
        let array = DictionaryArray::<Int32Type>::try_new(self.keys.finish(), Arc::new(values));
        columns.push(Arc::new(array.map_err(Failure::invalid)?));
        Ok(())
    }
}

impl Sent {
    /// Nothing was sent.
    fn none(&mut self, statement: Option<u32>) {
        self.truncated.append_value(false);
        self.statement.append_option(statement);
        self.params.append_null();
        self.param_rows.append_null();
        self.undecodable.append_value(false);
        self.attributes.append_null();
        self.argument.append_null();
        self.files.append_null();
    }

    /// Adds what was sent with a command; returns how many bytes it takes.
    fn command(&mut self, command: &RecordedCommand) -> Result<usize, Failure> {
        let mut bytes = 0;
        self.truncated.append_value(command.truncated);
        self.statement.append_option(command.statement);
        for param in &command.params {
            bytes += append_value(self.params.values(), 0, param)?;
        }
        self.params.append(!command.params.is_empty());
        self.param_rows.append_option((command.param_rows != 1).then_some(command.param_rows));
        self.undecodable.append_value(command.undecodable);
        for attribute in &command.attributes {
            bytes += append_attribute(self.attributes.values(), attribute)?;
        }
        self.attributes.append(!command.attributes.is_empty());
        self.argument.append_option(command.argument.as_deref());
        bytes += command.argument.as_ref().map_or(0, |argument| argument.len());
        for file in &command.files {
            self.files.values().append_value(file);
            bytes += file.len();
        }
        self.files.append(!command.files.is_empty());
        Ok(bytes)
    }

    fn finish(&mut self, columns: &mut Vec<ArrayRef>) {
        columns.push(Arc::new(self.truncated.finish()));
        columns.push(Arc::new(self.statement.finish()));
        columns.push(Arc::new(self.params.finish()));
        columns.push(Arc::new(self.param_rows.finish()));
        columns.push(Arc::new(self.undecodable.finish()));
        columns.push(Arc::new(self.attributes.finish()));
        columns.push(Arc::new(self.argument.finish()));
        columns.push(Arc::new(self.files.finish()));
    }
}

fn append_attribute(builder: &mut StructBuilder, attribute: &QueryAttribute) -> Result<usize, Failure> {
    field::<BinaryBuilder>(builder, 0)?.append_value(&attribute.name);
    Ok(attribute.name.len() + append_value(builder, 1, &attribute.param)?)
}

/// Adds a value to the fields from `first` on.
fn append_value(builder: &mut StructBuilder, first: usize, param: &Param) -> Result<usize, Failure> {
    let (value, instead) = match &param.value {
        ParamValue::Null => (None, None),
        ParamValue::Given(bytes) => (Some(bytes), None),
        ParamValue::LongData => (None, Some(instead::LONG_DATA)),
        ParamValue::Default => (None, Some(instead::DEFAULT)),
        ParamValue::Ignore => (None, Some(instead::IGNORE)),
    };
    field::<UInt16Builder>(builder, first)?.append_value(param.column_type);
    field::<BinaryBuilder>(builder, first + 1)?.append_option(value.map(|bytes| &bytes[..]));
    field::<StringBuilder>(builder, first + 2)?.append_option(instead);
    builder.append(true);
    Ok(value.map_or(0, |bytes| bytes.len()) + size_of::<u64>())
}

fn field<B: arrow_array::builder::ArrayBuilder>(builder: &mut StructBuilder, index: usize) -> Result<&mut B, Failure> {
    builder.field_builder(index).ok_or_else(|| Failure::invalid("a column has another type than its schema says"))
}

impl Answered {
    /// There is no answer.
    fn none(&mut self, error: Option<&RecordedError>, message: Option<&str>, close: Option<SessionClose>) {
        self.answer.append_null();
        self.status.append_null();
        self.warnings.append_null();
        self.numbers(None, None);
        self.rows(None, None, None);
        self.prepared(None, None);
        self.error(error, message);
        self.close.append_option(close.map(|close| close as u8));
    }

    fn result(&mut self, result: &RecordedResult) {
        self.status.append_option(result.status.map(|status| status.bits()));
        self.warnings.append_option(result.warnings);
        self.close.append_null();
        let (kind, numbers, rows, prepared, error, message) = match &result.answer {
            RecordedAnswer::Ok { affected_rows, last_insert_id } => {
                (AnswerKind::Ok, Some((*affected_rows, *last_insert_id)), None, None, None, None)
            }
            RecordedAnswer::Rows { count, checksum } => {
                (AnswerKind::Rows, None, Some((*count, *checksum)), None, None, None)
            }
            RecordedAnswer::Prepared { params, columns } => {
                (AnswerKind::Prepared, None, None, Some((*params, *columns)), None, None)
            }
            RecordedAnswer::Packet => (AnswerKind::Packet, None, None, None, None, None),
            RecordedAnswer::Error(error) => (AnswerKind::Error, None, None, None, Some(error), None),
            RecordedAnswer::Unknown(reason) => (AnswerKind::Unknown, None, None, None, None, Some(reason.as_str())),
        };
        self.answer.append_value(kind as u8);
        self.numbers(numbers.map(|it| it.0), numbers.map(|it| it.1));
        let checksum = rows.and_then(|(_, checksum)| checksum);
        let ordered = checksum
            .map(|checksum| checksum.ordered)
            .filter(|ordered| Some(*ordered) != checksum.map(|it| it.unordered));
        self.rows(rows.map(|it| it.0), checksum.map(|checksum| checksum.unordered), ordered);
        self.prepared(prepared.map(|it| it.0), prepared.map(|it| it.1));
        self.error(error, message);
    }

    fn numbers(&mut self, affected_rows: Option<u64>, last_insert_id: Option<u64>) {
        self.affected_rows.append_option(affected_rows);
        self.last_insert_id.append_option(last_insert_id);
    }

    fn rows(&mut self, count: Option<u64>, checksum: Option<u64>, ordered: Option<u64>) {
        self.rows.append_option(count);
        self.checksum.append_option(checksum);
        self.checksum_ordered.append_option(ordered);
    }

    fn prepared(&mut self, params: Option<u16>, columns: Option<u16>) {
        self.prepared_params.append_option(params);
        self.prepared_columns.append_option(columns);
    }

    fn error(&mut self, error: Option<&RecordedError>, message: Option<&str>) {
        self.error.append_option(error.map(|error| error.code));
        self.sqlstate.append_option(error.and_then(|error| error.state.as_deref()));
        self.message.append_option(error.map(|error| error.message.as_str()).or(message));
    }

    fn finish(&mut self, columns: &mut Vec<ArrayRef>) -> Result<(), Failure> {
        columns.push(named(self.answer.finish(), &NAMES.answers)?);
        columns.push(Arc::new(self.status.finish()));
        columns.push(Arc::new(self.warnings.finish()));
        columns.push(Arc::new(self.affected_rows.finish()));
        columns.push(Arc::new(self.last_insert_id.finish()));
        columns.push(Arc::new(self.rows.finish()));
        columns.push(Arc::new(self.checksum.finish()));
        columns.push(Arc::new(self.checksum_ordered.finish()));
        columns.push(Arc::new(self.prepared_params.finish()));
        columns.push(Arc::new(self.prepared_columns.finish()));
        columns.push(Arc::new(self.error.finish()));
        columns.push(Arc::new(self.sqlstate.finish()));
        columns.push(Arc::new(self.message.finish()));
        columns.push(named(self.close.finish(), &NAMES.closes)?);
        Ok(())
    }
}
