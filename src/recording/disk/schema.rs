//! The columns of a recording's files.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow_array::{ArrayRef, StringArray};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

use super::error::Failure;
use crate::mysql::wire::Command;
use crate::recording::RecordingAbout;

/// The version of the columns and of what they mean. Files of a greater one are refused.
pub(super) const VERSION: u32 = 1;
/// Where the schema's metadata has the version.
const VERSION_KEY: &str = "mysql_interceptor.recording.version";
/// Where it has [`RecordingAbout`], as JSON.
const ABOUT_KEY: &str = "mysql_interceptor.recording.about";

/// What a row is, by its number in the dictionary of the column `event`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowKind {
    /// A session begins, or its recording does.
    Begin,
    /// A session that goes on from an earlier file, as it is at the beginning of this one.
    State,
    /// A statement that is prepared already: belongs to the row `begin` or `state` before it.
    Prepared,
    /// A command, and its first result.
    Command,
    /// A further result of the command before.
    Result,
    Lost,
    End,
}

impl RowKind {
    const NAMES: [&str; 7] = ["begin", "state", "prepared", "command", "result", "lost", "end"];

    pub(super) fn from_number(number: u8) -> Option<Self> {
        [Self::Begin, Self::State, Self::Prepared, Self::Command, Self::Result, Self::Lost, Self::End]
            .get(usize::from(number))
            .copied()
    }
}

/// What an answer is, by its number in the dictionary of the column `answer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerKind {
    Ok,
    Rows,
    Prepared,
    Packet,
    Error,
    Unknown,
}

impl AnswerKind {
    const NAMES: [&str; 6] = ["ok", "rows", "prepared", "packet", "error", "unknown"];

    pub(super) fn from_number(number: u8) -> Option<Self> {
        [Self::Ok, Self::Rows, Self::Prepared, Self::Packet, Self::Error, Self::Unknown]
            .get(usize::from(number))
            .copied()
    }
}

/// How a session ended, by number in the dictionary of the column `close`.
const CLOSES: [&str; 3] = ["quit", "closed", "recording_ended"];

/// The dictionaries that never change.
pub(super) struct Names {
    pub(super) events: ArrayRef,
    pub(super) commands: ArrayRef,
    pub(super) answers: ArrayRef,
    pub(super) closes: ArrayRef,
}

pub(super) static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let array = |names: &[&str]| Arc::new(StringArray::from(names.to_vec())) as ArrayRef;
    let commands: StringArray = (0..=u8::MAX).map(|byte| Some(Command::from_byte(byte).name())).collect();
    Names {
        events: array(&RowKind::NAMES),
        commands: Arc::new(commands),
        answers: array(&AnswerKind::NAMES),
        closes: array(&CLOSES),
    }
});

/// The columns' numbers.
pub(super) mod column {
    pub(in crate::recording::disk) const EVENT: usize = 0;
    pub(in crate::recording::disk) const SESSION: usize = 1;
    pub(in crate::recording::disk) const NUMBER: usize = 2;
    pub(in crate::recording::disk) const STARTED_NS: usize = 3;
    pub(in crate::recording::disk) const STARTED: usize = 4;
    pub(in crate::recording::disk) const DURATION_NS: usize = 5;
    pub(in crate::recording::disk) const COMMAND: usize = 6;
    pub(in crate::recording::disk) const SQL: usize = 7;
    pub(in crate::recording::disk) const TRUNCATED: usize = 8;
    pub(in crate::recording::disk) const STATEMENT: usize = 9;
    pub(in crate::recording::disk) const PARAMS: usize = 10;
    pub(in crate::recording::disk) const PARAM_ROWS: usize = 11;
    pub(in crate::recording::disk) const UNDECODABLE: usize = 12;
    pub(in crate::recording::disk) const ATTRIBUTES: usize = 13;
    pub(in crate::recording::disk) const ARGUMENT: usize = 14;
    pub(in crate::recording::disk) const FILES: usize = 15;
    pub(in crate::recording::disk) const ANSWER: usize = 16;
    pub(in crate::recording::disk) const STATUS: usize = 17;
    pub(in crate::recording::disk) const WARNINGS: usize = 18;
    pub(in crate::recording::disk) const AFFECTED_ROWS: usize = 19;
    pub(in crate::recording::disk) const LAST_INSERT_ID: usize = 20;
    pub(in crate::recording::disk) const ROWS: usize = 21;
    pub(in crate::recording::disk) const CHECKSUM: usize = 22;
    pub(in crate::recording::disk) const CHECKSUM_ORDERED: usize = 23;
    pub(in crate::recording::disk) const PREPARED_PARAMS: usize = 24;
    pub(in crate::recording::disk) const PREPARED_COLUMNS: usize = 25;
    pub(in crate::recording::disk) const ERROR: usize = 26;
    pub(in crate::recording::disk) const SQLSTATE: usize = 27;
    pub(in crate::recording::disk) const MESSAGE: usize = 28;
    pub(in crate::recording::disk) const CLOSE: usize = 29;
    pub(in crate::recording::disk) const FACTS: usize = 30;
}

/// What a value of a parameter, or of a query attribute, has.
fn value_fields() -> Vec<Field> {
    vec![
        Field::new("type", DataType::UInt16, false),
        Field::new("value", DataType::Binary, true),
        Field::new("instead", DataType::Utf8, true),
    ]
}

/// What stands in `instead` where there is no value and it is not NULL either.
pub(super) mod instead {
    pub(in crate::recording::disk) const LONG_DATA: &str = "long_data";
    pub(in crate::recording::disk) const DEFAULT: &str = "default";
    pub(in crate::recording::disk) const IGNORE: &str = "ignore";
}

/// The fields of an element of `params`.
pub(super) fn param_fields() -> Fields {
    value_fields().into()
}

/// The fields of an element of `attributes`.
pub(super) fn attribute_fields() -> Fields {
    let mut fields = vec![Field::new("name", DataType::Binary, false)];
    fields.extend(value_fields());
    fields.into()
}

/// The element of `params`.
pub(super) fn param_field() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Struct(param_fields()), false))
}

/// The element of `attributes`.
pub(super) fn attribute_field() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Struct(attribute_fields()), false))
}

/// The element of `files`.
pub(super) fn file_field() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Binary, false))
}

fn names() -> DataType {
    DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Utf8))
}

fn fields() -> Vec<Field> {
    let some = |name, of| Field::new(name, of, false);
    let optional = |name, of| Field::new(name, of, true);
    vec![
        some("event", names()),
        some("session", DataType::UInt64),
        some("number", DataType::UInt64),
        some("started_ns", DataType::UInt64),
        some("started", DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))),
        optional("duration_ns", DataType::UInt64),
        optional("command", names()),
        optional("sql", DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Binary))),
        some("truncated", DataType::Boolean),
        optional("statement", DataType::UInt32),
        optional("params", DataType::List(param_field())),
        optional("param_rows", DataType::UInt32),
        some("undecodable", DataType::Boolean),
        optional("attributes", DataType::List(attribute_field())),
        optional("argument", DataType::Binary),
        optional("files", DataType::List(file_field())),
        optional("answer", names()),
        optional("status", DataType::UInt16),
        optional("warnings", DataType::UInt16),
        optional("affected_rows", DataType::UInt64),
        optional("last_insert_id", DataType::UInt64),
        optional("rows", DataType::UInt64),
        optional("checksum", DataType::UInt64),
        optional("checksum_ordered", DataType::UInt64),
        optional("prepared_params", DataType::UInt16),
        optional("prepared_columns", DataType::UInt16),
        optional("error", DataType::UInt16),
        optional("sqlstate", DataType::Utf8),
        optional("message", DataType::Utf8),
        optional("close", names()),
        optional("facts", DataType::Utf8),
    ]
}

/// The schema of the files of a recording.
pub(super) fn schema(about: &RecordingAbout) -> Result<SchemaRef, Failure> {
    let about = serde_json::to_string(about).map_err(Failure::invalid)?;
    let metadata = [(VERSION_KEY.to_owned(), VERSION.to_string()), (ABOUT_KEY.to_owned(), about)];
    Ok(Arc::new(Schema::new_with_metadata(fields(), HashMap::from(metadata))))
}

/// Reads what a file's schema says: refuses what is no recording, and what this program does not know.
pub(super) fn read_about(schema: &Schema) -> Result<RecordingAbout, Failure> {
    let version = schema.metadata().get(VERSION_KEY).ok_or(Failure::Foreign)?;
    let version: u32 = version.parse().map_err(|_| Failure::Foreign)?;
    if version > VERSION {
        return Err(Failure::Version { found: version, known: VERSION });
    }
    let about = schema.metadata().get(ABOUT_KEY).ok_or(Failure::Foreign)?;
    let about = serde_json::from_str(about).map_err(|_| Failure::Damaged("what it says of itself".to_owned()))?;
    let expected = fields();
    let is_same = schema.fields().len() == expected.len()
        && schema
            .fields()
            .iter()
            .zip(&expected)
            .all(|(found, expected)| found.name() == expected.name() && found.data_type() == expected.data_type());
    if is_same { Ok(about) } else { Err(Failure::Damaged("its columns".to_owned())) }
}
