//! A command as JSON.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::wire_begin::WireServerError;
use super::wire_content::{Content, content, is_false, is_one, one};
use crate::mysql::wire::{Command, StatusFlags};
use crate::recording::{
    Param, ParamValue, QueryAttribute, RecordedAnswer, RecordedCommand, RecordedResult, UserChange,
};
use crate::session::RowChecksum;

#[derive(Serialize, Deserialize)]
pub(super) struct WireCommand {
    /// The command's byte.
    command: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sql: Option<Content>,
    #[serde(default, skip_serializing_if = "is_false")]
    truncated: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    statement: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    params: Vec<WireParam>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<(Content, WireParam)>,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    param_rows: u32,
    #[serde(default, skip_serializing_if = "is_false")]
    undecodable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    argument: Option<Content>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    change_user: Option<WireUser>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<Content>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duration_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    results: Vec<WireResult>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct WireUser {
    user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    collation: Option<u16>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct WireParam {
    #[serde(rename = "type")]
    column_type: u16,
    value: WireValue,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WireValue {
    Null,
    Given(Content),
    LongData,
    Default,
    Ignore,
}

impl WireParam {
    pub(super) fn of(param: &Param) -> Self {
        let value = match &param.value {
            ParamValue::Null => WireValue::Null,
            ParamValue::Given(bytes) => WireValue::Given(content(bytes)),
            ParamValue::LongData => WireValue::LongData,
            ParamValue::Default => WireValue::Default,
            ParamValue::Ignore => WireValue::Ignore,
        };
        Self { column_type: param.column_type, value }
    }

    pub(super) fn into_param(self) -> Param {
        let value = match self.value {
            WireValue::Null => ParamValue::Null,
            WireValue::Given(content) => ParamValue::Given(content.0),
            WireValue::LongData => ParamValue::LongData,
            WireValue::Default => ParamValue::Default,
            WireValue::Ignore => ParamValue::Ignore,
        };
        Param { column_type: self.column_type, value }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct WireResult {
    #[serde(flatten)]
    answer: WireAnswer,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warnings: Option<u16>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WireAnswer {
    Ok { affected_rows: u64, last_insert_id: u64 },
    Rows { count: u64, checksum: Option<(u64, u64)> },
    Prepared { params: u16, columns: u16 },
    Packet {},
    Error(WireServerError),
    Unknown(String),
}

impl WireResult {
    pub(super) fn of(result: &RecordedResult) -> Self {
        let answer = match &result.answer {
            RecordedAnswer::Ok { affected_rows, last_insert_id } => {
                WireAnswer::Ok { affected_rows: *affected_rows, last_insert_id: *last_insert_id }
            }
            RecordedAnswer::Rows { count, checksum } => {
                let checksum = checksum.map(|checksum| (checksum.ordered, checksum.unordered));
                WireAnswer::Rows { count: *count, checksum }
            }
            RecordedAnswer::Prepared { params, columns } => WireAnswer::Prepared { params: *params, columns: *columns },
            RecordedAnswer::Packet => WireAnswer::Packet {},
            RecordedAnswer::Error(error) => WireAnswer::Error(WireServerError::of(error)),
            RecordedAnswer::Unknown(reason) => WireAnswer::Unknown(reason.clone()),
        };
        Self { answer, status: result.status.map(|flags| flags.bits()), warnings: result.warnings }
    }

    pub(super) fn into_result(self) -> RecordedResult {
        let answer = match self.answer {
            WireAnswer::Ok { affected_rows, last_insert_id } => RecordedAnswer::Ok { affected_rows, last_insert_id },
            WireAnswer::Rows { count, checksum } => {
                let checksum = checksum.map(|(ordered, unordered)| RowChecksum { ordered, unordered });
                RecordedAnswer::Rows { count, checksum }
            }
            WireAnswer::Prepared { params, columns } => RecordedAnswer::Prepared { params, columns },
            WireAnswer::Packet {} => RecordedAnswer::Packet,
            WireAnswer::Error(error) => RecordedAnswer::Error(error.into_error()),
            WireAnswer::Unknown(reason) => RecordedAnswer::Unknown(reason),
        };
        RecordedResult { answer, status: self.status.map(StatusFlags::from_bits_retain), warnings: self.warnings }
    }
}

impl WireCommand {
    pub(super) fn of(command: &RecordedCommand) -> Self {
        let change_user = command.change_user.as_ref().map(|change| WireUser {
            user: change.user.clone(),
            database: change.database.clone(),
            collation: change.collation,
        });
        Self {
            command: command.command.byte(),
            sql: command.sql.as_ref().map(|sql| Content(Bytes::copy_from_slice(sql))),
            truncated: command.truncated,
            statement: command.statement,
            params: command.params.iter().map(WireParam::of).collect(),
            attributes: command
                .attributes
                .iter()
                .map(|attribute| (content(&attribute.name), WireParam::of(&attribute.param)))
                .collect(),
            param_rows: command.param_rows,
            undecodable: command.undecodable,
            argument: command.argument.as_ref().map(content),
            change_user,
            files: command.files.iter().map(content).collect(),
            duration_ns: command.duration_ns,
            results: command.results.iter().map(WireResult::of).collect(),
        }
    }

    pub(super) fn into_command(self) -> RecordedCommand {
        let change_user = self.change_user.map(|change| {
            Box::new(UserChange { user: change.user, database: change.database, collation: change.collation })
        });
        let attributes = self.attributes.into_iter();
        RecordedCommand {
            command: Command::from_byte(self.command),
            sql: self.sql.map(|sql| sql.0.as_ref().into()),
            truncated: self.truncated,
            statement: self.statement,
            params: self.params.into_iter().map(WireParam::into_param).collect(),
            attributes: attributes
                .map(|(name, param)| QueryAttribute { name: name.0, param: param.into_param() })
                .collect(),
            param_rows: self.param_rows,
            undecodable: self.undecodable,
            argument: self.argument.map(|argument| argument.0),
            change_user,
            files: self.files.into_iter().map(|file| file.0).collect(),
            duration_ns: self.duration_ns,
            results: self.results.into_iter().map(WireResult::into_result).collect(),
        }
    }
}
