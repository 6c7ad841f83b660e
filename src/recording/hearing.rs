//! What an observer tells, in the words of records.

use std::sync::Arc;

use bytes::Bytes;

use super::model::{
    Param, ParamValue, PreparedBefore, QueryAttribute, RecordedAnswer, RecordedCommand, RecordedError, SessionBegin,
    SessionSettings, UserChange,
};
use super::redact::Redaction;
use crate::mysql::charset::Charset;
use crate::mysql::wire::{self, BulkRows, Command, ErrPacket, ExecuteFlags, ParamType, StatusFlags, Value};
use crate::session::{
    Answer, CommandBody, LoginAnswer, Outcome, Reading, SentCommand, SessionFacts, SessionResult, StatementParams,
};

/// Whether the server answers the command.
pub(super) fn has_answer(command: Command) -> bool {
    !matches!(command, Command::Quit | Command::StmtClose | Command::StmtSendLongData)
}

/// A session as it is now.
pub(super) fn session(session: &SessionFacts, client: Option<String>) -> SessionBegin {
    let name = |charset: Charset| charset.name().to_owned();
    SessionBegin {
        client,
        connection_id: session.connection_id,
        server_version: session.server_version.clone(),
        user: session.user.clone(),
        database: session.current_database.clone(),
        capabilities: session.capabilities,
        settings: SessionSettings {
            client_charset: session.client_charset.map(name),
            results_charset: session.results_charset.map(name),
            login_collation: session.login_collation,
            time_zone: session.time_zone.clone(),
            isolation: session.isolation.map(|level| level.name().to_owned()),
            sql_mode: session.sql_mode_text.clone(),
            autocommit: session.status.map(|status| status.contains(StatusFlags::AUTOCOMMIT)),
        },
        in_transaction: session.status.is_some_and(|status| status.contains(StatusFlags::IN_TRANS)),
        ..SessionBegin::default()
    }
}

/// A session that begins, or was to.
pub(super) fn login(login: &LoginAnswer<'_>, client: Option<String>) -> SessionBegin {
    let text = |bytes: &[u8]| Charset::Utf8mb4.to_text(bytes, false).into_owned();
    let begin = session(login.session, client);
    SessionBegin {
        user: login.user.map(str::to_owned),
        // The server may have said another one.
        database: begin.database.or_else(|| login.database.map(str::to_owned)),
        attributes: login.attributes.clone().map(|(name, value)| (text(name), text(value))).collect(),
        settings: SessionSettings { login_collation: login.collation, ..begin.settings },
        refused: login.refused.as_ref().map(|refused| error(refused, login.session)),
        ..begin
    }
}

/// Statements that are open when a recording begins. One of which only the front is known cannot be prepared again.
pub(super) fn prepared_before(
    open: &[(u32, &Arc<[u8]>, bool)],
    redaction: &Redaction,
    reading: Reading,
) -> Vec<PreparedBefore> {
    let whole = open.iter().filter(|(.., truncated)| !truncated);
    let text = |sql: &[u8]| redaction.text(Bytes::copy_from_slice(sql), reading);
    whole.map(|(id, sql, _)| PreparedBefore { id: *id, sql: text(sql) }).collect()
}

/// A command without its answer.
pub(super) fn command(sent: &SentCommand<'_>) -> RecordedCommand {
    let Params { values, rows, mut undecodable, truncated } = params(sent);
    let attributes = match &sent.attributes {
        Ok(attributes) => attributes.iter().map(attribute).collect(),
        Err(_) => {
            undecodable = true;
            Vec::new()
        }
    };
    RecordedCommand {
        command: sent.command,
        sql: sent.prepared_sql.cloned().or_else(|| sent.sql.map(Into::into)),
        truncated: sent.truncated || sent.is_sql_truncated || truncated,
        statement: sent.statement,
        params: values,
        attributes,
        param_rows: rows,
        undecodable,
        argument: argument(sent),
        change_user: change_user(sent),
        files: Vec::new(),
        duration_ns: None,
        results: Vec::new(),
    }
}

/// Whether a parameter was sent before the execution.
pub(super) fn uses_long_data(command: &RecordedCommand) -> bool {
    command.params.iter().any(|param| param.value == ParamValue::LongData)
}

/// See [`RecordedCommand::argument`].
fn argument(sent: &SentCommand<'_>) -> Option<Bytes> {
    let CommandBody::Bytes(body) = sent.body else { return None };
    let bytes = match sent.command {
        Command::Query | Command::StmtPrepare | Command::StmtReset | Command::StmtClose | Command::ChangeUser => &[],
        Command::StmtExecute => {
            let flags = ExecuteFlags::from_bits_retain(*body.get(4)?) & ExecuteFlags::CURSOR_TYPES;
            return (!flags.is_empty()).then(|| Bytes::copy_from_slice(&[flags.bits()]));
        }
        Command::StmtBulkExecute => body.get(4..6).unwrap_or_default(),
        Command::StmtFetch | Command::StmtSendLongData => body.get(4..).unwrap_or_default(),
        _ => body,
    };
    (!bytes.is_empty()).then(|| Bytes::copy_from_slice(bytes))
}

fn change_user(sent: &SentCommand<'_>) -> Option<Box<UserChange>> {
    let CommandBody::ChangeUser(Some(change)) = sent.body else { return None };
    Some(Box::new(UserChange {
        user: change.user.to_owned(),
        database: change.database.map(str::to_owned),
        collation: change.collation,
    }))
}

/// Parameters of a command.
#[derive(Default)]
struct Params {
    values: Vec<Param>,
    rows: u32,
    undecodable: bool,
    truncated: bool,
}

fn params(sent: &SentCommand<'_>) -> Params {
    match (sent.command, &sent.params) {
        (Command::StmtBulkExecute, _) => sent.bulk.clone().map_or_else(nothing_known, bulk_params),
        (_, StatementParams::None) => Params { rows: 1, ..Params::default() },
        (_, StatementParams::Bound(bound)) => {
            let mut values = Vec::new();
            let undecodable = bound.values().try_for_each(|value| {
                let (param_type, value) = value.map_err(|_| ())?;
                values.push(value.map_or_else(|| long_data(param_type), |value| param(param_type, value)));
                Ok::<_, ()>(())
            });
            Params { values, rows: 1, undecodable: undecodable.is_err(), truncated: false }
        }
        // Those are of statements, not of commands.
        (_, StatementParams::Row(_) | StatementParams::Split(_)) => nothing_known(),
        (_, StatementParams::Undecodable) => nothing_known(),
    }
}

fn nothing_known() -> Params {
    Params { rows: 1, undecodable: true, ..Params::default() }
}

fn bulk_params(rows: BulkRows<'_>) -> Params {
    let types = rows.types().to_vec();
    let mut params = Params::default();
    for row in rows {
        let Ok(row) = row else { return Params { undecodable: true, ..params } };
        params.values.extend(types.iter().zip(row).map(|(param_type, value)| param(*param_type, value)));
        params.rows = params.rows.saturating_add(1);
    }
    params
}

fn long_data(param_type: ParamType) -> Param {
    Param { column_type: column_type(param_type), value: ParamValue::LongData }
}

fn param(param_type: ParamType, value: Value<'_>) -> Param {
    let value = match value {
        Value::Null => ParamValue::Null,
        Value::Default => ParamValue::Default,
        Value::Ignore => ParamValue::Ignore,
        Value::Text(bytes) | Value::Bytes(bytes) => ParamValue::Given(Bytes::copy_from_slice(bytes)),
        Value::Int(number) => ParamValue::Given(Bytes::copy_from_slice(itoa::Buffer::new().format(number).as_bytes())),
        Value::UInt(number) => ParamValue::Given(Bytes::copy_from_slice(itoa::Buffer::new().format(number).as_bytes())),
        other => ParamValue::Given(other.to_string().into_bytes().into()),
    };
    Param { column_type: column_type(param_type), value }
}

fn column_type(param_type: ParamType) -> u16 {
    u16::from(param_type.column_type.byte()) | if param_type.unsigned { Param::UNSIGNED } else { 0 }
}

fn attribute(attribute: &wire::QueryAttribute<'_>) -> QueryAttribute {
    QueryAttribute { name: Bytes::copy_from_slice(attribute.name), param: param(attribute.param_type, attribute.value) }
}

/// An answer, its status and how many warnings there are.
pub(super) fn answer(result: &SessionResult<'_>) -> (RecordedAnswer, Option<StatusFlags>, Option<u16>) {
    let outcome = match &result.answer {
        Answer::Outcome(outcome) => outcome,
        Answer::Prepared(prepared) => {
            return (RecordedAnswer::Prepared { params: prepared.params, columns: prepared.columns }, None, None);
        }
        Answer::Packet(_) => return (RecordedAnswer::Packet, None, None),
    };
    let answer = match outcome {
        Outcome::Ok(ok) => RecordedAnswer::Ok { affected_rows: ok.affected_rows, last_insert_id: ok.last_insert_id },
        Outcome::Rows { count, .. } => RecordedAnswer::Rows { count: *count, checksum: result.checksum },
        Outcome::Error(refused) => RecordedAnswer::Error(error(refused, result.session)),
        unknown @ Outcome::Unknown(_) => {
            RecordedAnswer::Unknown(unknown.error().map(|error| error.to_string()).unwrap_or_default())
        }
    };
    (answer, outcome.status(), outcome.warnings())
}

fn error(error: &ErrPacket<'_>, session: &SessionFacts) -> RecordedError {
    let charset = session.results_charset.unwrap_or(Charset::Binary);
    RecordedError {
        code: error.code,
        state: error.sql_state.map(|state| String::from_utf8_lossy(state).into_owned()),
        message: charset.to_text(error.message, false).into_owned(),
    }
}
