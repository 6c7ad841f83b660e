//! Listens to an observer, and makes records of what it hears.

use bytes::Bytes;

use super::model::{
    Event, Param, ParamValue, Record, RecordedAnswer, RecordedCommand, RecordedError, RecordedResult, SessionBegin,
    SessionClose, SessionId, SessionSettings, UserChange,
};
use crate::mysql::wire::{Command, ErrPacket, Value};
use crate::session::{
    Answer, CommandBody, EndReason, Interest, LoginAnswer, Now, Outcome, SentCommand, SessionEnd, SessionFacts,
    SessionListener, SessionResult, StatementParams,
};

/// Takes the records of a session as they come.
pub trait RecordSink {
    /// Takes another record. It must not wait: whoever calls forwards a client's bytes.
    fn record(&mut self, record: Record);
}

impl<F: FnMut(Record)> RecordSink for F {
    fn record(&mut self, record: Record) {
        self(record);
    }
}

/// Makes records of one session.
#[derive(Debug)]
pub struct Recorder<S> {
    session: SessionId,
    client: Option<String>,
    sink: S,
    /// The number of the next record.
    next: u64,
    /// The command that is not answered yet, and when it began.
    pending: Option<(Now, Box<RecordedCommand>)>,
    has_begun: bool,
    has_quit: bool,
}

impl<S: RecordSink> Recorder<S> {
    /// What a recorder needs to hear.
    pub const INTEREST: Interest = Interest::LOGIN
        .union(Interest::COMMANDS)
        .union(Interest::RESULTS)
        .union(Interest::ROW_CHECKSUMS)
        .union(Interest::END);

    /// For one session of the client with this address.
    pub fn new(session: SessionId, client: Option<String>, sink: S) -> Self {
        Self { session, client, sink, next: 0, pending: None, has_begun: false, has_quit: false }
    }

    fn record(&mut self, started: Now, event: Event) {
        let record = Record { session: self.session, number: self.next, started, event };
        self.next += 1;
        self.sink.record(record);
    }

    /// The session as it is now is where its recording begins, unless it has begun.
    fn begin(&mut self, session: &SessionFacts, now: Now, details: impl FnOnce(&mut SessionBegin)) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let mut begin = SessionBegin {
            client: self.client.clone(),
            connection_id: session.connection_id,
            server_version: session.server_version.clone(),
            user: session.user.clone(),
            database: session.current_database.clone(),
            capabilities: session.capabilities,
            settings: SessionSettings { time_zone: session.time_zone.clone(), ..SessionSettings::default() },
            ..SessionBegin::default()
        };
        details(&mut begin);
        self.record(now, Event::Begin(Box::new(begin)));
    }

    fn flush(&mut self, now: Now, unanswered: &str) {
        let Some((started, mut command)) = self.pending.take() else { return };
        if has_answer(command.command) {
            command.duration_ns = Some(now.monotonic_ns.saturating_sub(started.monotonic_ns));
            let answer = RecordedAnswer::Unknown(unanswered.to_owned());
            command.results.push(RecordedResult { answer, status: None, warnings: None });
        }
        self.record(started, Event::Command(command));
    }
}

impl<S: RecordSink> SessionListener for Recorder<S> {
    fn login(&mut self, login: &LoginAnswer<'_>) {
        if login.command.is_some() {
            return;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.begin(login.session, login.now, |begin| {
            begin.user = login.user.map(str::to_owned);
            begin.database = login.database.map(str::to_owned);
            begin.attributes = login.attributes.clone().map(|(name, value)| (text(name), text(value))).collect();
            begin.refused = login.refused.as_ref().map(recorded_error);
        });
    }

    fn command(&mut self, sent: &SentCommand<'_>) {
        self.flush(sent.started, "no answer was seen");
        self.begin(sent.session, sent.started, |begin| begin.began_before = true);
        if sent.command == Command::Quit {
            self.has_quit = true;
            return;
        }
        let (params, undecodable) = params(&sent.params);
        let argument = match (sent.command, sent.body) {
            (Command::Query | Command::StmtPrepare | Command::StmtExecute | Command::StmtBulkExecute, _) => None,
            (_, CommandBody::Bytes(body)) => Some(Bytes::copy_from_slice(body)),
            (_, CommandBody::ChangeUser(_)) => None,
        };
        let change_user = match sent.body {
            CommandBody::ChangeUser(Some(change)) => Some(Box::new(UserChange {
                user: change.user.to_owned(),
                database: change.database.map(str::to_owned),
                collation: change.collation,
            })),
            _ => None,
        };
        let command = RecordedCommand {
            command: sent.command,
            sql: sent.sql.map(Into::into),
            truncated: sent.truncated,
            statement: None,
            params,
            attributes: Vec::new(),
            param_rows: 1,
            undecodable,
            argument,
            change_user,
            files: Vec::new(),
            duration_ns: None,
            results: Vec::new(),
        };
        self.pending = Some((sent.started, Box::new(command)));
        if !has_answer(sent.command) {
            self.flush(sent.started, "");
        }
    }

    fn result(&mut self, result: &SessionResult<'_>) {
        let Some((started, command)) = &mut self.pending else { return };
        let duration = result.now.monotonic_ns.saturating_sub(started.monotonic_ns);
        let (answer, status, warnings) = match &result.answer {
            Answer::Outcome(outcome) => {
                let answer = match outcome {
                    Outcome::Ok(ok) => {
                        RecordedAnswer::Ok { affected_rows: ok.affected_rows, last_insert_id: ok.last_insert_id }
                    }
                    Outcome::Rows { count, .. } => RecordedAnswer::Rows { count: *count, checksum: result.checksum },
                    Outcome::Error(error) => RecordedAnswer::Error(recorded_error(error)),
                    unknown @ Outcome::Unknown(_) => {
                        RecordedAnswer::Unknown(unknown.error().map(|error| error.to_string()).unwrap_or_default())
                    }
                };
                (answer, outcome.status(), outcome.warnings())
            }
            Answer::Prepared(prepared) => {
                command.statement = Some(prepared.statement_id);
                (RecordedAnswer::Prepared { params: prepared.params, columns: prepared.columns }, None, None)
            }
            Answer::Packet(_) => (RecordedAnswer::Packet, None, None),
        };
        command.results.push(RecordedResult { answer, status, warnings });
        if !result.more {
            command.duration_ns = Some(duration);
            if let Some((started, command)) = self.pending.take() {
                self.record(started, Event::Command(command));
            }
        }
    }

    fn end(&mut self, end: &SessionEnd<'_>) {
        match &end.reason {
            EndReason::Closed => {
                self.flush(end.now, "connection lost");
                let close = if self.has_quit { SessionClose::Quit } else { SessionClose::Closed };
                self.record(end.now, Event::End(close));
            }
            EndReason::OutOfSight(reason) => {
                self.flush(end.now, "the observer lost track of the session");
                self.record(end.now, Event::Lost(reason.message()));
            }
        }
    }
}

/// Whether the server answers the command.
fn has_answer(command: Command) -> bool {
    !matches!(command, Command::Quit | Command::StmtClose | Command::StmtSendLongData)
}

fn recorded_error(error: &ErrPacket<'_>) -> RecordedError {
    RecordedError {
        code: error.code,
        state: error.sql_state.map(|state| String::from_utf8_lossy(state).into_owned()),
        message: String::from_utf8_lossy(error.message).into_owned(),
    }
}

/// Parameters, and whether they could not be understood.
fn params(params: &StatementParams<'_>) -> (Vec<Param>, bool) {
    let mut values = Vec::new();
    let visited = params.visit(|value, _| {
        values.push(Param { column_type: 0, value: text_of(value) });
        Ok::<_, std::convert::Infallible>(())
    });
    (values, visited.is_err())
}

fn text_of(value: Value<'_>) -> ParamValue {
    match value {
        Value::Null => ParamValue::Null,
        Value::Default => ParamValue::Default,
        Value::Ignore => ParamValue::Ignore,
        Value::Text(bytes) | Value::Bytes(bytes) => ParamValue::Given(Bytes::copy_from_slice(bytes)),
        other => ParamValue::Given(other.to_string().into_bytes().into()),
    }
}
