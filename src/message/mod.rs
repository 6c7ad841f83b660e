//! `SqlLogMessage`: the JSON object that consumers read, one per statement.
//!
//! The field list, its order and its conventions are a contract with existing consumers; `docs/messages.md` states it.

mod error;
mod filter;
mod flags;
mod json;
mod params;
mod policy;
mod redaction;
mod table;
mod text;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde::Serialize;

use crate::mysql::charset::Charset;
use crate::mysql::sql::{Digest, Redactions};
use crate::rules::redaction::Redactor;
use crate::session::{BatchPart, Now, SessionFacts, Statement};
use error::ErrorMessage;
pub use filter::{Criteria, Criterion, MessageFilter, Sample, Subject, client_address};
pub use flags::{InterceptorFlags, mark_outcome_unknown};
use params::QueryParams;
pub use policy::CapturePolicy;
pub(crate) use redaction::{ER_PARSE_ERROR, hidden_literals_of, instead_of, redacted_bytes, redacted_words};
use redaction::{hidden_literals, redacted_info, redacted_sql};
pub use table::TableName;
use text::{MessageText, SqlText};

/// The message, borrowed from the statement it tells of. Serialises to the contract's 23 fields in the contract's order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SqlLogMessage<'a> {
    timestamp: u64,
    server_host: &'a str,
    server_version: Option<&'a str>,
    user: Option<&'a str>,
    client: &'a str,
    db_name: Option<&'a str>,
    stmt_db_name: Option<&'a str>,
    debug: &'a str,
    connection_id: Option<u32>,
    total_pool_count: usize,
    execution_count: u64,
    server_flags: Option<u16>,
    client_flags: Option<u32>,
    i_flags: InterceptorFlags,
    #[serde(rename = "defaultTZ")]
    default_tz: Option<&'a str>,
    #[serde(rename = "serverTZ")]
    server_tz: Option<&'a str>,
    isolation_lvl: Option<u8>,
    duration_ns: Option<u64>,
    update_count: Option<u64>,
    sql: Option<MessageText<'a>>,
    query_params: Option<QueryParams<'a>>,
    error_message: Option<ErrorMessage<'a>>,
    server_info: Option<MessageText<'a>>,
}

/// What the operator chose about messages.
#[derive(Debug, Clone)]
pub struct MessageOptions {
    /// Fills `debug`.
    pub debug: String,
    /// Fills `defaultTZ`; `None` sets its error flag.
    pub default_tz: Option<String>,
    /// Which statements become messages.
    pub policy: CapturePolicy,
    /// Whether `sql` is filled.
    pub include_sql: bool,
    /// Whether `queryParams` is filled.
    pub include_params: bool,
    /// Longest parameter value, in characters; longer ones end in `...`.
    pub max_param_length: usize,
    /// Whose values are not shown.
    pub redactor: Redactor,
    /// Which of them are left out all the same.
    pub filter: MessageFilter,
}

impl Default for MessageOptions {
    /// Every statement, with its text and its values.
    fn default() -> Self {
        Self {
            debug: String::new(),
            default_tz: None,
            policy: CapturePolicy::default(),
            include_sql: true,
            include_params: true,
            max_param_length: 2048,
            redactor: Redactor::default(),
            filter: MessageFilter::default(),
        }
    }
}

/// Turns one session's statements into messages.
#[derive(Debug, Clone)]
pub struct MessageWriter {
    options: Arc<MessageOptions>,
    server_host: Arc<str>,
    client: Arc<str>,
    address: IpAddr,
}

impl MessageWriter {
    /// A writer for a session between `client` (the client's host) and `server_host` (`host:port`).
    pub fn new(options: Arc<MessageOptions>, server_host: Arc<str>, client: Arc<str>) -> Self {
        Self { options, server_host, client, address: IpAddr::V4(Ipv4Addr::UNSPECIFIED) }
    }

    /// The client's address, which `client=` of a filter is about.
    pub fn with_address(self, address: IpAddr) -> Self {
        Self { address: address.to_canonical(), ..self }
    }

    /// What messages call the client.
    pub fn client(&self) -> Arc<str> {
        self.client.clone()
    }

    /// Whether the statement becomes a message.
    pub fn wants(&self, statement: &Statement<'_>) -> bool {
        self.options.policy.wants(statement)
    }

    /// Whether the filters let the statement pass; `digest` is that of its text, if this is known to its end.
    pub fn passes(&self, statement: &Statement<'_>, digest: Option<Digest>) -> bool {
        let kind = || statement.summary().unwrap_or_default().kind;
        self.options.filter.passes(statement, self.address, digest, kind)
    }

    /// Whose values are not shown.
    pub fn redactor(&self) -> &Redactor {
        &self.options.redactor
    }

    /// What of the statement is not to be shown.
    pub fn redactions(&self, statement: &Statement<'_>) -> Redactions {
        let keys = self.redactor().keys();
        match statement.sql {
            Some(sql) => Redactions::of(sql, statement.truncated, statement.reading.lexis, keys),
            None => Redactions::of_unknown(keys),
        }
    }

    /// The statement's message, without what `redactions` hide; `total_pool_count`: client connections open through this proxy.
    pub fn message<'a>(
        &'a self,
        statement: &'a Statement<'a>,
        redactions: &'a Redactions,
        total_pool_count: usize,
    ) -> SqlLogMessage<'a> {
        let options = &*self.options;
        let mut message = self.message_of_session(statement.session, total_pool_count);
        message.timestamp = statement.started.epoch_ms;
        let redactor = &options.redactor;
        if options.include_params && !statement.params.is_none() {
            let hidden = (redactor, &redactions.params);
            let charset = statement.reading.params;
            message.query_params = QueryParams::new(&statement.params, charset, options.max_param_length, hidden);
            let undecodable = message.query_params.is_none();
            message.i_flags.set(InterceptorFlags::ERROR_POSTPROCESS_BATCHED_ARGS, undecodable);
        }
        if options.include_sql {
            let (charset, truncated) = (statement.reading.text, statement.truncated);
            let text = statement.sql.map(|bytes| SqlText { bytes, charset, truncated });
            let literals = hidden_literals(statement, redactions);
            message.sql = text.map(|text| redacted_sql(text, &literals, statement.reading.lexis, redactor));
        }
        let outcome = &statement.outcome;
        if statement.batch_part == BatchPart::Last {
            message.duration_ns = Some(statement.duration_ns);
            message.update_count = Some(outcome.update_count());
            // Both servers write it in UTF-8, whatever `character_set_results` says.
            let charset = Charset::Utf8mb4;
            message.server_info = outcome.info().map(|bytes| {
                let mask = redactions.mentions_secret.then(|| redacted_info(bytes, redactor)).flatten();
                let bytes = mask.map_or(bytes, str::as_bytes);
                MessageText::Shown(SqlText { bytes, charset, truncated: false })
            });
        }
        // Each part of a batch that failed says so: none of them went well for certain.
        let charset = statement.reading.results;
        message.error_message =
            outcome.error().map(|error| ErrorMessage::of(error, charset, redactions.mentions_secret, redactor));
        message
    }

    /// The message that is not a statement's: from `now` on those of the session are not seen, because of `reason`.
    pub fn observation_lost<'a>(
        &'a self,
        session: &'a SessionFacts,
        reason: &'a str,
        now: Now,
        total_pool_count: usize,
    ) -> SqlLogMessage<'a> {
        let mut message = self.message_of_session(session, total_pool_count);
        message.i_flags |= InterceptorFlags::ERROR_OBSERVATION_LOST;
        message.timestamp = now.epoch_ms;
        message.duration_ns = Some(0);
        message.update_count = Some(0);
        message.error_message = Some(ErrorMessage::ObservationLost(reason));
        message
    }

    /// What all messages of a session have. Always inlined: what it returns is larger than what it does.
    #[inline(always)]
    fn message_of_session<'a>(&'a self, session: &'a SessionFacts, total_pool_count: usize) -> SqlLogMessage<'a> {
        let options = &*self.options;
        let mut flags = InterceptorFlags::IVER8 | InterceptorFlags::PROXY;
        let mut unknown = |is_unknown: bool, flag| flags.set(flag, is_unknown);
        unknown(session.connection_id.is_none(), InterceptorFlags::ERROR_CONNECTION_ID);
        unknown(options.default_tz.is_none(), InterceptorFlags::ERROR_DEFAULT_TZ);
        unknown(session.time_zone.is_none(), InterceptorFlags::ERROR_SERVER_TZ);
        unknown(session.isolation.is_none(), InterceptorFlags::ERROR_ISOLATION);
        unknown(session.capabilities.is_none(), InterceptorFlags::ERROR_CLIENT_FLAGS);
        unknown(session.status.is_none(), InterceptorFlags::ERROR_SERVER_FLAGS);
        unknown(session.server_version.is_none(), InterceptorFlags::ERROR_SERVER_VERSION);
        SqlLogMessage {
            timestamp: 0,
            server_host: &self.server_host,
            server_version: session.server_version.as_deref(),
            user: session.user.as_deref(),
            client: &self.client,
            db_name: session.login_database.as_deref(),
            stmt_db_name: session.current_database.as_deref(),
            debug: &options.debug,
            connection_id: session.connection_id,
            total_pool_count,
            execution_count: session.execution_count,
            server_flags: session.status.map(|status| status.bits()),
            client_flags: session.capabilities.map(|capabilities| capabilities.mysql_bits()),
            i_flags: flags,
            default_tz: options.default_tz.as_deref(),
            server_tz: session.time_zone.as_deref(),
            isolation_lvl: session.isolation.map(|level| level as u8),
            duration_ns: None,
            update_count: None,
            sql: None,
            query_params: None,
            error_message: None,
            server_info: None,
        }
    }
}

impl SqlLogMessage<'_> {
    /// Whether the statement's transaction is committed cannot be known.
    pub fn mark_outcome_unknown(&mut self) {
        self.i_flags |= InterceptorFlags::OUTCOME_UNKNOWN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::sql::IsolationLevel;
    use crate::mysql::wire::{CapabilityFlags, ErrPacket, OkPacket, StatusFlags, Value};
    use crate::session::{Outcome, SessionFacts, StatementParams};

    const SYNTAX_ERROR: ErrPacket<'_> =
        ErrPacket { code: 1064, sql_state: Some(b"42000"), message: b"You have an error" };

    fn ok(affected_rows: u64, info: &[u8]) -> OkPacket<'_> {
        OkPacket::new(affected_rows, 0, StatusFlags::AUTOCOMMIT, 0, info)
    }

    fn writer() -> MessageWriter {
        let options = MessageOptions {
            debug: "golden".into(),
            default_tz: Some("UTC".into()),
            max_param_length: 5,
            ..MessageOptions::default()
        };
        MessageWriter::new(Arc::new(options), "127.0.0.1:3306".into(), "vm".into())
    }

    #[test]
    fn all_fields_in_the_order_of_the_contract() {
        let session = SessionFacts {
            server_version: Some("9.7.4".into()),
            connection_id: Some(8),
            user: Some("sb".into()),
            login_database: None,
            current_database: Some("golden_a".into()),
            status: Some(StatusFlags::AUTOCOMMIT),
            capabilities: Some(CapabilityFlags::from_bits_retain(3_842_565)),
            time_zone: Some("SYSTEM".into()),
            isolation: Some(IsolationLevel::RepeatableRead),
            execution_count: 14,
            ..SessionFacts::default()
        };
        let values = [Value::Text(b"z\"\n"), Value::Int(-1), Value::Null, Value::Text("longer é".as_bytes())];
        let statement = Statement {
            session: &session,
            sql: Some("UPDATE t SET name = ? /* é */".as_bytes()),
            truncated: false,
            reading: session.reading(),
            params: StatementParams::Row(&values),
            started: Now { epoch_ms: 1_795_239_646_998, ..Now::default() },
            duration_ns: 542_326,
            outcome: Outcome::Ok(ok(1, b"Rows matched: 1  Changed: 1  Warnings: 0")),
            was_executed: true,
            batch_part: BatchPart::Last,
            command: 1,
        };
        let writer = writer();
        let redactions = writer.redactions(&statement);
        let message = writer.message(&statement, &redactions, 1);
        let mut json = Vec::new();
        message.write_json(&mut json).unwrap();
        assert_eq!(String::from_utf8(json).unwrap(), serde_json::to_string(&message).unwrap());
        assert_eq!(
            serde_json::to_string(&message).unwrap(),
            concat!(
                r#"{"timestamp":1795239646998,"serverHost":"127.0.0.1:3306","serverVersion":"9.7.4","user":"sb","client":"vm","#,
                r#""dbName":null,"stmtDbName":"golden_a","debug":"golden","connectionId":8,"totalPoolCount":1,"executionCount":14,"#,
                r#""serverFlags":2,"clientFlags":3842565,"iFlags":9,"defaultTZ":"UTC","serverTZ":"SYSTEM","isolationLvl":4,"#,
                r#""durationNs":542326,"updateCount":1,"sql":"UPDATE t SET name = ? /* é */","#,
                r#""queryParams":["z\"\n","-1",null,"longe..."],"errorMessage":null,"#,
                r#""serverInfo":"Rows matched: 1  Changed: 1  Warnings: 0"}"#
            )
        );
    }

    #[test]
    fn marking_it_later_is_the_same_as_before_it_is_written() {
        let session = SessionFacts { user: Some("a\",\"iFlags\":1,\"".into()), ..SessionFacts::default() };
        let writer = writer();
        let mut message = writer.observation_lost(&session, ",\"iFlags\":2", Now::default(), 1);
        let (mut plain, mut early, mut late) = (Vec::new(), Vec::new(), Vec::new());
        message.write_json(&mut plain).unwrap();
        message.mark_outcome_unknown();
        message.write_json(&mut early).unwrap();
        mark_outcome_unknown(&plain, &mut late);
        assert!(early == late && early != plain, "{}", String::from_utf8_lossy(&late));
    }

    #[test]
    fn what_is_unknown_is_null_and_flagged() {
        let session = SessionFacts { execution_count: 1, ..SessionFacts::default() };
        let statement = Statement {
            session: &session,
            sql: None,
            truncated: false,
            reading: session.reading(),
            params: StatementParams::Undecodable,
            started: Now::default(),
            duration_ns: 1,
            outcome: Outcome::Error(SYNTAX_ERROR),
            was_executed: true,
            batch_part: BatchPart::Last,
            command: 1,
        };
        let writer = writer();
        let redactions = writer.redactions(&statement);
        let message = writer.message(&statement, &redactions, 1);
        let mut json = Vec::new();
        message.write_json(&mut json).unwrap();
        assert_eq!(String::from_utf8(json).unwrap(), serde_json::to_string(&message).unwrap());
        let json = serde_json::to_value(message).unwrap();
        let flags: u32 = 1 | 8 | 1 << 21 | 1 << 23 | 1 << 25 | 1 << 26 | 1 << 27 | 1 << 28 | 1 << 29;
        assert_eq!(json["iFlags"], flags);
        for field in [
            "serverVersion",
            "user",
            "connectionId",
            "serverFlags",
            "clientFlags",
            "serverTZ",
            "isolationLvl",
            "sql",
            "queryParams",
            "serverInfo",
        ] {
            assert!(json[field].is_null(), "{field}");
        }
        assert_eq!(json["errorMessage"], "ERROR 1064 (42000): You have an error");
    }

    #[test]
    fn only_the_last_of_a_batch_tells_the_outcome() {
        let session = SessionFacts::default();
        let values = [Value::Int(1)];
        let statement = Statement {
            session: &session,
            sql: Some(b"INSERT"),
            truncated: false,
            reading: session.reading(),
            params: StatementParams::Row(&values),
            started: Now::default(),
            duration_ns: 1,
            outcome: Outcome::Ok(ok(3, b"")),
            was_executed: true,
            batch_part: BatchPart::Earlier,
            command: 1,
        };
        let json = serde_json::to_value(writer().message(&statement, &Redactions::default(), 1)).unwrap();
        for field in ["durationNs", "updateCount", "serverInfo", "errorMessage"] {
            assert!(json[field].is_null(), "{field}");
        }
        // But not whether all of it failed.
        let failed = Statement { outcome: Outcome::Error(SYNTAX_ERROR), ..statement };
        let json = serde_json::to_value(writer().message(&failed, &Redactions::default(), 1)).unwrap();
        let error = json["errorMessage"].as_str();
        assert_eq!((error, json["durationNs"].is_null()), (Some("ERROR 1064 (42000): You have an error"), true));
    }

    #[test]
    fn the_loss_of_sight_is_a_message_of_its_own_kind() {
        let session = SessionFacts { connection_id: Some(8), execution_count: 3, ..SessionFacts::default() };
        let now = Now { epoch_ms: 7, ..Now::default() };
        let writer = writer();
        let message = writer.observation_lost(&session, "observation \"lost\"", now, 1);
        let mut bytes = Vec::new();
        message.write_json(&mut bytes).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), serde_json::to_string(&message).unwrap());
        let json = serde_json::to_value(message).unwrap();
        assert_eq!(json["iFlags"].as_u64().map(|flags| flags & 1 << 20), Some(1 << 20));
        assert_eq!((&json["timestamp"], &json["durationNs"], &json["updateCount"]), (&7.into(), &0.into(), &0.into()));
        assert_eq!((&json["errorMessage"], &json["executionCount"]), (&"observation \"lost\"".into(), &3.into()));
        assert!(json["sql"].is_null());
    }
}
