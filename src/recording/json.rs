//! Records as JSON, one object each: for `jq`, and for eyes.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Serialize, Serializer};

use super::model::{
    Event, Param, ParamValue, QueryAttribute, Record, RecordedAnswer, RecordedCommand, RecordedError, RecordedResult,
    SessionBegin, SessionClose,
};

/// Bytes that are text nearly always: a string, or `{"base64": ".."}` where they are none.
struct Text<'a>(&'a [u8]);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Encoded {
            base64: String,
        }
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Encoded { base64: BASE64_STANDARD.encode(self.0) }.serialize(serializer),
        }
    }
}

#[derive(Serialize)]
struct RecordJson<'a> {
    session: String,
    number: u64,
    started: String,
    started_ns: u64,
    #[serde(flatten)]
    event: EventJson<'a>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum EventJson<'a> {
    Begin(BeginJson<'a>),
    Command(CommandJson<'a>),
    Lost { reason: &'a str },
    End { close: &'static str },
}

#[derive(Serialize)]
struct BeginJson<'a> {
    began_before: bool,
    client: Option<&'a str>,
    connection_id: Option<u32>,
    server_version: Option<&'a str>,
    user: Option<&'a str>,
    database: Option<&'a str>,
    capabilities: Option<u64>,
    attributes: &'a [(String, String)],
    client_charset: Option<&'a str>,
    results_charset: Option<&'a str>,
    login_collation: Option<u16>,
    time_zone: Option<&'a str>,
    isolation: Option<&'a str>,
    sql_mode: Option<&'a str>,
    autocommit: Option<bool>,
    in_transaction: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    prepared: Vec<PreparedJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<ErrorJson<'a>>,
}

#[derive(Serialize)]
struct PreparedJson<'a> {
    statement: u32,
    sql: Text<'a>,
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    error: u16,
    sqlstate: Option<&'a str>,
    message: &'a str,
}

#[derive(Serialize)]
struct CommandJson<'a> {
    command: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<Text<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    undecodable: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    params: Vec<ParamJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    param_rows: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<ParamJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argument: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change_user: Option<UserJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<Text<'a>>,
    duration_ns: Option<u64>,
    results: Vec<ResultJson<'a>>,
}

#[derive(Serialize)]
struct UserJson<'a> {
    user: &'a str,
    database: Option<&'a str>,
    collation: Option<u16>,
}

#[derive(Serialize)]
struct ParamJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Text<'a>>,
    r#type: u16,
    value: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead: Option<&'static str>,
}

#[derive(Serialize)]
struct ResultJson<'a> {
    #[serde(flatten)]
    answer: AnswerJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<u16>,
}

#[derive(Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
enum AnswerJson<'a> {
    Ok { affected_rows: u64, last_insert_id: u64 },
    Rows { rows: u64, checksum: Option<String>, checksum_ordered: Option<String> },
    Prepared { params: u16, columns: u16 },
    Packet,
    Error(ErrorJson<'a>),
    Unknown { message: &'a str },
}

impl Record {
    /// One JSON object, without a line's end. Names are those of the files' columns; checksums are hexadecimal, since many readers of JSON
    /// have no integers of 64 bits.
    pub fn to_json(&self) -> Vec<u8> {
        let epoch_ms = i64::try_from(self.started.epoch_ms).unwrap_or(i64::MAX);
        let started = jiff::Timestamp::from_millisecond(epoch_ms).unwrap_or(jiff::Timestamp::MAX);
        let record = RecordJson {
            session: self.session.to_string(),
            number: self.number,
            started: format!("{started:.3}"),
            started_ns: self.started.monotonic_ns,
            event: event(&self.event),
        };
        // Nothing in it can fail: maps have strings as keys, and the writer is a vector.
        serde_json::to_vec(&record).unwrap_or_default()
    }
}

fn event(event: &Event) -> EventJson<'_> {
    match event {
        Event::Begin(begin) => EventJson::Begin(self::begin(begin)),
        Event::Command(command) => EventJson::Command(self::command(command)),
        Event::Lost(reason) => EventJson::Lost { reason },
        Event::End(close) => EventJson::End { close: close_name(*close) },
    }
}

/// How a session ended, by its name in files and in JSON.
pub(crate) fn close_name(close: SessionClose) -> &'static str {
    match close {
        SessionClose::Quit => "quit",
        SessionClose::Closed => "closed",
        SessionClose::RecordingEnded => "recording_ended",
    }
}

fn begin(begin: &SessionBegin) -> BeginJson<'_> {
    let settings = &begin.settings;
    BeginJson {
        began_before: begin.began_before,
        client: begin.client.as_deref(),
        connection_id: begin.connection_id,
        server_version: begin.server_version.as_deref(),
        user: begin.user.as_deref(),
        database: begin.database.as_deref(),
        capabilities: begin.capabilities.map(|flags| flags.bits()),
        attributes: &begin.attributes,
        client_charset: settings.client_charset.as_deref(),
        results_charset: settings.results_charset.as_deref(),
        login_collation: settings.login_collation,
        time_zone: settings.time_zone.as_deref(),
        isolation: settings.isolation.as_deref(),
        sql_mode: settings.sql_mode.as_deref(),
        autocommit: settings.autocommit,
        in_transaction: begin.in_transaction,
        prepared: begin.prepared.iter().map(|it| PreparedJson { statement: it.id, sql: Text(&it.sql) }).collect(),
        refused: begin.refused.as_ref().map(error),
    }
}

fn error(error: &RecordedError) -> ErrorJson<'_> {
    ErrorJson { error: error.code, sqlstate: error.state.as_deref(), message: &error.message }
}

fn command(command: &RecordedCommand) -> CommandJson<'_> {
    let user = command.change_user.as_ref();
    CommandJson {
        command: command.command.name(),
        statement: command.statement,
        sql: command.sql.as_deref().map(Text),
        truncated: command.truncated,
        undecodable: command.undecodable,
        params: command.params.iter().map(|it| param(None, it)).collect(),
        param_rows: (command.param_rows != 1).then_some(command.param_rows),
        attributes: command.attributes.iter().map(attribute).collect(),
        argument: command.argument.as_deref().map(Text),
        change_user: user.map(|it| UserJson {
            user: &it.user,
            database: it.database.as_deref(),
            collation: it.collation,
        }),
        files: command.files.iter().map(|file| Text(file)).collect(),
        duration_ns: command.duration_ns,
        results: command.results.iter().map(result).collect(),
    }
}

fn attribute(attribute: &QueryAttribute) -> ParamJson<'_> {
    param(Some(Text(&attribute.name)), &attribute.param)
}

fn param<'a>(name: Option<Text<'a>>, param: &'a Param) -> ParamJson<'a> {
    let (value, instead) = match &param.value {
        ParamValue::Null => (None, None),
        ParamValue::Given(bytes) => (Some(Text(bytes)), None),
        ParamValue::LongData => (None, Some("long_data")),
        ParamValue::Default => (None, Some("default")),
        ParamValue::Ignore => (None, Some("ignore")),
    };
    ParamJson { name, r#type: param.column_type, value, instead }
}

fn result(result: &RecordedResult) -> ResultJson<'_> {
    let hex = |number: u64| format!("{number:016x}");
    let answer = match &result.answer {
        RecordedAnswer::Ok { affected_rows, last_insert_id } => {
            AnswerJson::Ok { affected_rows: *affected_rows, last_insert_id: *last_insert_id }
        }
        RecordedAnswer::Rows { count, checksum } => AnswerJson::Rows {
            rows: *count,
            checksum: checksum.map(|checksum| hex(checksum.unordered)),
            checksum_ordered: checksum.map(|checksum| hex(checksum.ordered)),
        },
        RecordedAnswer::Prepared { params, columns } => AnswerJson::Prepared { params: *params, columns: *columns },
        RecordedAnswer::Packet => AnswerJson::Packet,
        RecordedAnswer::Error(it) => AnswerJson::Error(error(it)),
        RecordedAnswer::Unknown(reason) => AnswerJson::Unknown { message: reason },
    };
    ResultJson { answer, status: result.status.map(|status| status.bits()), warnings: result.warnings }
}
