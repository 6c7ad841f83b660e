//! A record as JSON, and back.
//!
//! Bytes that are UTF-8 are strings, others `{"base64": ".."}`. What is absent is left out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::mysql::wire::{CapabilityFlags, Command, StatusFlags};
use crate::recording::{
    Event, Param, ParamValue, PreparedBefore, QueryAttribute, Record, RecordedAnswer, RecordedCommand, RecordedError,
    RecordedResult, RecordingAbout, SessionBegin, SessionClose, SessionId, SessionSettings, UserChange,
};
use crate::session::{Now, RowChecksum};

/// The version of the fields. Messages of a greater one are refused.
const VERSION: u32 = 1;

/// Why a message is no record.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// It is something else.
    #[error("no record of a recording: {0}")]
    Foreign(String),
    /// It is of a later program.
    #[error(
        "the record's version is {0}, and this program knows versions up to {VERSION}: use a newer mysql-interceptor"
    )]
    Version(u32),
}

/// Appends a record; `about` goes with each beginning.
pub fn encode(record: &Record, about: &RecordingAbout, out: &mut Vec<u8>) -> Result<(), WireError> {
    let wire = WireRecord {
        v: VERSION,
        session: record.session.to_string(),
        number: record.number,
        started_ns: record.started.monotonic_ns,
        epoch_ms: record.started.epoch_ms,
        recording: matches!(record.event, Event::Begin(_)).then(|| about.clone()),
        event: WireEvent::of(&record.event),
    };
    serde_json::to_writer(out, &wire).map_err(|error| WireError::Foreign(error.to_string()))
}

/// A record, and what a beginning says of the recording.
pub fn decode(message: &[u8]) -> Result<(Record, Option<RecordingAbout>), WireError> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let foreign = |error: serde_json::Error| WireError::Foreign(error.to_string());
    let Version { v } = serde_json::from_slice(message).map_err(foreign)?;
    if v > VERSION {
        return Err(WireError::Version(v));
    }
    let wire: WireRecord = serde_json::from_slice(message).map_err(foreign)?;
    let session = u64::from_str_radix(&wire.session, 16).map_err(|error| WireError::Foreign(error.to_string()))?;
    let record = Record {
        session: SessionId(session),
        number: wire.number,
        started: Now { monotonic_ns: wire.started_ns, epoch_ms: wire.epoch_ms },
        event: wire.event.into_event(),
    };
    Ok((record, wire.recording))
}

/// Bytes that are mostly text.
struct Content(Bytes);

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Binary { base64: BASE64.encode(&self.0) }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Binary(Binary),
        }
        match Either::deserialize(deserializer)? {
            Either::Text(text) => Ok(Self(text.into())),
            Either::Binary(binary) => {
                BASE64.decode(binary.base64).map(|bytes| Self(bytes.into())).map_err(serde::de::Error::custom)
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Binary {
    base64: String,
}

fn content(bytes: &Bytes) -> Content {
    Content(bytes.clone())
}

#[derive(Serialize, Deserialize)]
struct WireRecord {
    v: u32,
    session: String,
    number: u64,
    started_ns: u64,
    epoch_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recording: Option<RecordingAbout>,
    event: WireEvent,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireEvent {
    Begin(Box<WireBegin>),
    Command(Box<WireCommand>),
    Lost(String),
    End(WireClose),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireClose {
    Quit,
    Closed,
    RecordingEnded,
}

impl WireEvent {
    fn of(event: &Event) -> Self {
        match event {
            Event::Begin(begin) => Self::Begin(Box::new(WireBegin::of(begin))),
            Event::Command(command) => Self::Command(Box::new(WireCommand::of(command))),
            Event::Lost(reason) => Self::Lost(reason.clone()),
            Event::End(SessionClose::Quit) => Self::End(WireClose::Quit),
            Event::End(SessionClose::Closed) => Self::End(WireClose::Closed),
            Event::End(SessionClose::RecordingEnded) => Self::End(WireClose::RecordingEnded),
        }
    }

    fn into_event(self) -> Event {
        match self {
            Self::Begin(begin) => Event::Begin(Box::new(begin.into_begin())),
            Self::Command(command) => Event::Command(Box::new(command.into_command())),
            Self::Lost(reason) => Event::Lost(reason),
            Self::End(WireClose::Quit) => Event::End(SessionClose::Quit),
            Self::End(WireClose::Closed) => Event::End(SessionClose::Closed),
            Self::End(WireClose::RecordingEnded) => Event::End(SessionClose::RecordingEnded),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct WireBegin {
    #[serde(skip_serializing_if = "is_false")]
    began_before: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<(String, String)>,
    settings: WireSettings,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    prepared: Vec<(u32, Content)>,
    #[serde(skip_serializing_if = "is_false")]
    in_transaction: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<WireServerError>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct WireSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_charset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    results_charset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_collation: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    isolation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sql_mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    autocommit: Option<bool>,
}

#[derive(Serialize, Deserialize)]
struct WireServerError {
    code: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    message: String,
}

impl WireServerError {
    fn of(error: &RecordedError) -> Self {
        Self { code: error.code, state: error.state.clone(), message: error.message.clone() }
    }

    fn into_error(self) -> RecordedError {
        RecordedError { code: self.code, state: self.state, message: self.message }
    }
}

impl WireBegin {
    fn of(begin: &SessionBegin) -> Self {
        let settings = &begin.settings;
        Self {
            began_before: begin.began_before,
            client: begin.client.clone(),
            connection_id: begin.connection_id,
            server_version: begin.server_version.clone(),
            user: begin.user.clone(),
            database: begin.database.clone(),
            capabilities: begin.capabilities.map(|flags| flags.bits()),
            attributes: begin.attributes.clone(),
            settings: WireSettings {
                client_charset: settings.client_charset.clone(),
                results_charset: settings.results_charset.clone(),
                login_collation: settings.login_collation,
                time_zone: settings.time_zone.clone(),
                isolation: settings.isolation.clone(),
                sql_mode: settings.sql_mode.clone(),
                autocommit: settings.autocommit,
            },
            prepared: begin.prepared.iter().map(|prepared| (prepared.id, content(&prepared.sql))).collect(),
            in_transaction: begin.in_transaction,
            refused: begin.refused.as_ref().map(WireServerError::of),
        }
    }

    fn into_begin(self) -> SessionBegin {
        let settings = self.settings;
        SessionBegin {
            began_before: self.began_before,
            client: self.client,
            connection_id: self.connection_id,
            server_version: self.server_version,
            user: self.user,
            database: self.database,
            capabilities: self.capabilities.map(CapabilityFlags::from_bits_retain),
            attributes: self.attributes,
            settings: SessionSettings {
                client_charset: settings.client_charset,
                results_charset: settings.results_charset,
                login_collation: settings.login_collation,
                time_zone: settings.time_zone,
                isolation: settings.isolation,
                sql_mode: settings.sql_mode,
                autocommit: settings.autocommit,
            },
            prepared: self.prepared.into_iter().map(|(id, sql)| PreparedBefore { id, sql: sql.0 }).collect(),
            in_transaction: self.in_transaction,
            refused: self.refused.map(WireServerError::into_error),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct WireCommand {
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
struct WireUser {
    user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    collation: Option<u16>,
}

#[derive(Serialize, Deserialize)]
struct WireParam {
    #[serde(rename = "type")]
    column_type: u16,
    value: WireValue,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireValue {
    Null,
    Given(Content),
    LongData,
    Default,
    Ignore,
}

impl WireParam {
    fn of(param: &Param) -> Self {
        let value = match &param.value {
            ParamValue::Null => WireValue::Null,
            ParamValue::Given(bytes) => WireValue::Given(content(bytes)),
            ParamValue::LongData => WireValue::LongData,
            ParamValue::Default => WireValue::Default,
            ParamValue::Ignore => WireValue::Ignore,
        };
        Self { column_type: param.column_type, value }
    }

    fn into_param(self) -> Param {
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
struct WireResult {
    #[serde(flatten)]
    answer: WireAnswer,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warnings: Option<u16>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireAnswer {
    Ok { affected_rows: u64, last_insert_id: u64 },
    Rows { count: u64, checksum: Option<(u64, u64)> },
    Prepared { params: u16, columns: u16 },
    Packet {},
    Error(WireServerError),
    Unknown(String),
}

impl WireResult {
    fn of(result: &RecordedResult) -> Self {
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

    fn into_result(self) -> RecordedResult {
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
    fn of(command: &RecordedCommand) -> Self {
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

    fn into_command(self) -> RecordedCommand {
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

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_false(value: &bool) -> bool {
    !*value
}

fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_one(value: &u32) -> bool {
    *value == 1
}
