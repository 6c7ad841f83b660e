//! The exchange of requests and responses: which packet is what, and when a statement is done.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::facts::text;
use super::observer::Emit;
use super::prepared::{OpenCursor, PreparedStatements};
use super::request::{Execution, Pieces, Request, RequestKind};
use super::statement::{BatchPart, Statement, StatementParams};
use super::{Now, Phase, SessionFacts};
use crate::wire::{
    CapabilityFlags, ChangeUser, Command, EofPacket, ErrPacket, ExecutePacket, Greeting, HandshakeResponse, Malformed,
    OkPacket, Packet, PrepareOk, Reader, RowEnd, SessionSetting, StatementPieces, StatusFlags, bulk_rows, column_count,
    first_keyword, is_progress_report, query_text_at, row_end, use_database, variables_selected, variables_set,
};

/// What the next packet of the response to the oldest request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// The first packet of the response, or of its next result.
    Head,
    /// Column or parameter definitions, so many more.
    Definitions { left: u64, then: AfterDefinitions },
    /// The EOF behind definitions.
    DefinitionsEof { then: AfterDefinitions },
    /// Rows, or what ends them.
    Rows,
    /// Nothing: the client sends a file's content, an empty packet last.
    FileContent,
}

/// What comes behind definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterDefinitions {
    Rows,
    /// A prepare response's column definitions, behind those of its parameters.
    PreparedColumns(u64),
    Nothing,
}

/// The outcome of one result.
#[derive(Debug, Clone, Copy)]
enum Outcome<'a> {
    Ok(OkPacket<'a>),
    Rows { count: u64, end: RowEnd<'a> },
    Err(ErrPacket<'a>),
}

impl Outcome<'_> {
    fn update_count(&self) -> u64 {
        match self {
            Outcome::Ok(ok) => ok.affected_rows,
            Outcome::Rows { count, .. } => *count,
            Outcome::Err(_) => 0,
        }
    }

    fn status(&self) -> StatusFlags {
        match self {
            Outcome::Ok(ok) => ok.status,
            Outcome::Rows { end, .. } => end.status(),
            Outcome::Err(_) => StatusFlags::empty(),
        }
    }
}

/// Progress of the response to the oldest request.
#[derive(Debug)]
struct Progress {
    expect: Expect,
    rows: u64,
    /// The first result set's rows, while one statement (a CALL) brings several results.
    first_rows: Option<u64>,
    /// When the previous statement of a multi-statement text was done.
    previous_end: Option<Now>,
    /// Columns of a `SELECT @@..` whose first row tells session state: number, and and the variable.
    watched: Vec<(usize, &'static str)>,
    prepare: Option<PrepareOk>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { expect: Expect::Head, rows: 0, first_rows: None, previous_end: None, watched: Vec::new(), prepare: None }
    }
}

/// A login whose outcome is not known yet.
#[derive(Debug, Default)]
struct PendingLogin {
    user: String,
    database: Option<String>,
}

/// The state of one session's conversation.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) phase: Phase,
    pub(super) facts: SessionFacts,
    pub(super) server_capabilities: CapabilityFlags,
    /// Set when authentication is done and compression was agreed on.
    pub(super) compression_begins: bool,
    login: PendingLogin,
    /// Oldest first; more than one if the client does not wait for answers.
    requests: VecDeque<Request>,
    progress: Progress,
    statements: PreparedStatements,
    /// Buffers of finished requests, for the next ones.
    spare: Vec<Vec<u8>>,
    /// The server refused a file before its end: the client sends the rest of it all the same.
    file_refused: bool,
    /// An error that came without a request, such as "disconnected by the server because of inactivity".
    last_words: Option<String>,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            phase: Phase::Greeting,
            facts: SessionFacts::default(),
            server_capabilities: CapabilityFlags::empty(),
            compression_begins: false,
            login: PendingLogin::default(),
            requests: VecDeque::new(),
            progress: Progress::default(),
            statements: PreparedStatements::default(),
            spare: Vec::new(),
            file_refused: false,
            last_words: None,
        }
    }
}

/// Requests that wait for their answers at once. A client that sends more without reading is not followed.
const PIPELINE_LIMIT: usize = 10_000;

impl Exchange {
    pub(super) fn is_following(&self) -> bool {
        !matches!(self.phase, Phase::Blind | Phase::Lost)
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.requests.is_empty()
    }

    pub(super) fn awaits_file_content(&self) -> bool {
        self.progress.expect == Expect::FileContent || self.file_refused
    }

    /// Whether the next server packet is one that need not be kept unless it ends something.
    pub(super) fn awaits_rows(&self) -> bool {
        match self.progress.expect {
            Expect::Rows => self.progress.watched.is_empty(),
            Expect::Definitions { .. } => true,
            _ => false,
        }
    }

    // The client's packets

    pub(super) fn client_packet(
        &mut self,
        packet: &Packet<'_>,
        now: Now,
        emit: &mut Emit<'_>,
    ) -> Result<(), Malformed> {
        match self.phase {
            Phase::Command => self.request(packet, now, emit),
            Phase::Login => self.handshake_response(packet),
            // The client's part of an authentication has no form of its own.
            Phase::Authentication | Phase::Blind | Phase::Lost => Ok(()),
            Phase::Greeting => Err(Malformed("client packet before the server's greeting")),
        }
    }

    fn handshake_response(&mut self, packet: &Packet<'_>) -> Result<(), Malformed> {
        let response = HandshakeResponse::parse(packet.payload, self.server_capabilities)?;
        self.facts.capabilities = Some(response.capabilities & self.server_capabilities);
        if let Some(login) = response.login {
            self.login = PendingLogin { user: text(login.user), database: login.database.map(text) };
            self.phase = Phase::Authentication;
        }
        Ok(())
    }

    fn request(&mut self, packet: &Packet<'_>, now: Now, emit: &mut Emit<'_>) -> Result<(), Malformed> {
        if self.awaits_file_content() {
            if packet.length == 0 {
                self.file_refused = false;
                if self.progress.expect == Expect::FileContent {
                    self.progress.expect = Expect::Head;
                }
            }
            return Ok(());
        }
        if packet.sequence != 0
            && self.requests.front().is_some_and(|request| matches!(request.kind, RequestKind::ChangeUser))
        {
            // Its authentication data.
            return Ok(());
        }
        let Some((&command, body)) = packet.payload.split_first() else {
            return Err(Malformed("empty request"));
        };
        let kind = match Command::from_byte(command) {
            Command::Query => {
                let text_at = query_text_at(body, self.facts.in_force())?;
                RequestKind::Query { text_at, pieces: None }
            }
            Command::StmtExecute => self.begin_execution(body, emit)?,
            Command::StmtBulkExecute => {
                let mut execution = Execution::unresolved(Reader::new(body, "COM_STMT_BULK_EXECUTE").u32()?);
                if let Some(statement) = self.statements.get_mut(execution.statement_id) {
                    execution.resolve_bulk(body, statement);
                }
                RequestKind::BulkExecute(execution)
            }
            Command::StmtPrepare => RequestKind::Prepare,
            Command::StmtFetch => RequestKind::Fetch { statement_id: Reader::new(body, "COM_STMT_FETCH").u32()? },
            Command::StmtSendLongData => {
                let mut reader = Reader::new(body, "COM_STMT_SEND_LONG_DATA");
                let (id, param) = (reader.u32()?, reader.u16()?);
                // Command byte, id and parameter number are not data.
                self.statements.long_data(id, param, reader.rest(), packet.length.saturating_sub(7));
                return Ok(());
            }
            Command::StmtClose => {
                let id = Reader::new(body, "COM_STMT_CLOSE").u32()?;
                if let Some(cursor) = self.statements.remove(id).and_then(|statement| statement.cursor) {
                    self.end_cursor(*cursor, None, emit);
                }
                return Ok(());
            }
            Command::StmtReset => {
                let id = Reader::new(body, "COM_STMT_RESET").u32()?;
                let mut cursor = None;
                if let Some(statement) = self.statements.get_mut(id) {
                    statement.long_data.clear();
                    cursor = statement.cursor.take();
                }
                if let Some(cursor) = cursor {
                    self.end_cursor(*cursor, None, emit);
                }
                RequestKind::Reset
            }
            Command::Quit => return Ok(()),
            Command::InitDb => RequestKind::InitDb,
            Command::FieldList => RequestKind::FieldList,
            Command::ProcessInfo => RequestKind::ResultSet,
            Command::Statistics => RequestKind::AnyPacket,
            Command::ChangeUser => {
                let login = ChangeUser::parse(body, self.facts.in_force())?;
                self.login = PendingLogin { user: text(login.user), database: login.database.map(text) };
                // Neither the body nor what follows is kept: it holds authentication data.
                return self.push(RequestKind::ChangeUser, &[], packet, now);
            }
            Command::ResetConnection => RequestKind::ResetConnection,
            Command::BinlogDump
            | Command::BinlogDumpGtid
            | Command::TableDump
            | Command::Clone
            | Command::SubscribeGroupReplicationStream => RequestKind::Stream,
            Command::Sleep
            | Command::CreateDb
            | Command::DropDb
            | Command::Refresh
            | Command::Shutdown
            | Command::ProcessKill
            | Command::Debug
            | Command::Ping
            | Command::RegisterSlave
            | Command::SetOption => RequestKind::Simple,
            Command::Unknown(_) => RequestKind::Unknown,
        };
        self.push(kind, body, packet, now)
    }

    fn push(&mut self, kind: RequestKind, body: &[u8], packet: &Packet<'_>, now: Now) -> Result<(), Malformed> {
        if self.requests.len() >= PIPELINE_LIMIT {
            return Err(Malformed("pipeline: too many requests without an answer"));
        }
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.extend_from_slice(body);
        let age_ms = now.monotonic_ns.saturating_sub(packet.started_ns) / 1_000_000;
        self.requests.push_back(Request {
            kind,
            truncated: packet.length > packet.payload.len() as u64,
            body: kept,
            started_ns: packet.started_ns,
            started_epoch_ms: now.epoch_ms.saturating_sub(age_ms),
        });
        Ok(())
    }

    fn begin_execution(&mut self, body: &[u8], emit: &mut Emit<'_>) -> Result<RequestKind, Malformed> {
        let (statement_id, _) = ExecutePacket::statement_id(body)?;
        let mut execution = Execution::unresolved(statement_id);
        let capabilities = self.facts.in_force();
        // While a prepare is under way, 0xffffffff means that one: its statement is known only with its answer.
        let prepare_under_way = self.requests.iter().any(|request| matches!(request.kind, RequestKind::Prepare));
        let mut cursor = None;
        if !(statement_id == u32::MAX && prepare_under_way)
            && let Some(statement) = self.statements.get_mut(statement_id)
        {
            cursor = statement.cursor.take();
            // Parameters that cannot be understood are the message's loss, not the session's.
            let _ = execution.resolve(body, statement, capabilities);
        }
        if let Some(cursor) = cursor {
            self.end_cursor(*cursor, None, emit);
        }
        Ok(RequestKind::Execute(execution))
    }

    /// A request of which only the front came before the connection ended.
    pub(super) fn torn_request(&mut self, payload: &[u8], started_ns: u64, now: Now) {
        let is_query = payload.first().is_some_and(|byte| Command::from_byte(*byte) == Command::Query);
        if is_query && let Some(body) = payload.get(1..) {
            let text_at = query_text_at(body, self.facts.in_force()).unwrap_or(0);
            let packet = Packet { payload, length: u64::MAX, sequence: 0, started_ns };
            let _ = self.push(RequestKind::Query { text_at, pieces: None }, body, &packet, now);
        }
    }

    // The server's packets

    pub(super) fn server_packet(
        &mut self,
        packet: &Packet<'_>,
        now: Now,
        emit: &mut Emit<'_>,
    ) -> Result<(), Malformed> {
        match self.phase {
            Phase::Command => self.response(packet, now, emit),
            Phase::Greeting => self.greeting(packet),
            Phase::Authentication => {
                if packet.payload.first() == Some(&0x00)
                    && let Ok(ok) = OkPacket::parse(packet.payload, self.facts.in_force())
                {
                    self.logged_in(&ok);
                    self.compression_begins = true;
                    self.phase = Phase::Command;
                }
                Ok(())
            }
            // The server may refuse before the client's answer came.
            Phase::Login if packet.payload.first() == Some(&0xff) => Ok(()),
            Phase::Login => Err(Malformed("server packet before the client's login")),
            Phase::Blind | Phase::Lost => Ok(()),
        }
    }

    fn greeting(&mut self, packet: &Packet<'_>) -> Result<(), Malformed> {
        if packet.payload.first() == Some(&0xff) {
            // Too many connections, host blocked: the server closes.
            return Ok(());
        }
        let greeting = Greeting::parse(packet.payload)?;
        self.facts.server_version = Some(text(greeting.server_version));
        self.facts.connection_id = Some(greeting.connection_id);
        self.facts.status = Some(greeting.status);
        self.server_capabilities = greeting.capabilities;
        self.phase = Phase::Login;
        Ok(())
    }

    fn logged_in(&mut self, ok: &OkPacket<'_>) {
        let login = std::mem::take(&mut self.login);
        self.facts.user = Some(login.user);
        self.facts.login_database.clone_from(&login.database);
        self.facts.current_database = login.database;
        self.facts.apply_ok(ok);
    }

    fn response(&mut self, packet: &Packet<'_>, now: Now, emit: &mut Emit<'_>) -> Result<(), Malformed> {
        let Some(request) = self.requests.front_mut() else {
            return self.unasked(packet);
        };
        if is_progress_report(packet.payload) {
            return Ok(());
        }
        match self.progress.expect {
            Expect::Rows => {
                if packet.payload.first().is_none_or(|first| *first < 0xfe) {
                    if self.progress.rows == 0 && !self.progress.watched.is_empty() {
                        self.watched_row(packet.payload);
                    }
                    self.progress.rows += 1;
                    return Ok(());
                }
                self.rows_or_end(packet, now, emit)
            }
            Expect::Definitions { left, then } => {
                if packet.payload.first() == Some(&0xff) {
                    return self.result(Outcome::Err(ErrPacket::parse(packet.payload)?), now, emit);
                }
                if left > 1 {
                    self.progress.expect = Expect::Definitions { left: left - 1, then };
                    return Ok(());
                }
                if self.facts.in_force().contains(CapabilityFlags::DEPRECATE_EOF) {
                    self.after_definitions(then)
                } else {
                    self.progress.expect = Expect::DefinitionsEof { then };
                    Ok(())
                }
            }
            Expect::DefinitionsEof { then } => {
                let eof = match packet.payload {
                    [0xfe, ..] if packet.length < EofPacket::BELOW => EofPacket::parse(packet.payload)?,
                    _ => return Err(Malformed("packet behind column definitions, where an EOF is due")),
                };
                if then == AfterDefinitions::Rows && eof.status.contains(StatusFlags::CURSOR_EXISTS) {
                    return self.result(Outcome::Rows { count: 0, end: RowEnd::Eof(eof) }, now, emit);
                }
                self.after_definitions(then)
            }
            Expect::FileContent => match packet.payload.first() {
                // The server gave up before the file's end.
                Some(0xff) => {
                    self.file_refused = true;
                    self.result(Outcome::Err(ErrPacket::parse(packet.payload)?), now, emit)
                }
                _ => Err(Malformed("server packet while the client sends a file")),
            },
            Expect::Head => match &request.kind {
                RequestKind::Query { .. }
                | RequestKind::Execute(_)
                | RequestKind::BulkExecute(_)
                | RequestKind::ResultSet => self.result_head(packet, now, emit),
                RequestKind::Prepare => self.prepare_head(packet, now, emit),
                RequestKind::Fetch { .. } => {
                    self.progress.expect = Expect::Rows;
                    self.response(packet, now, emit)
                }
                RequestKind::FieldList => self.field_list(packet),
                RequestKind::AnyPacket => self.done(),
                RequestKind::ChangeUser => self.change_user(packet, emit),
                RequestKind::Simple | RequestKind::Reset | RequestKind::InitDb | RequestKind::ResetConnection => {
                    self.simple(packet, emit)
                }
                RequestKind::Stream => {
                    if packet.payload.first() != Some(&0xff) {
                        self.phase = Phase::Blind;
                    }
                    self.done()
                }
                RequestKind::Unknown if packet.payload.first() == Some(&0xff) => self.done(),
                RequestKind::Unknown => Err(Malformed("answer to an unknown command")),
            },
        }
    }

    fn unasked(&mut self, packet: &Packet<'_>) -> Result<(), Malformed> {
        if packet.payload.first() != Some(&0xff) {
            return Err(Malformed("server packet without a request"));
        }
        // The last words before the server closes: idle too long, shut down, packet too large.
        self.last_words = Some(ErrPacket::parse(packet.payload)?.to_string());
        Ok(())
    }

    fn rows_or_end(&mut self, packet: &Packet<'_>, now: Now, emit: &mut Emit<'_>) -> Result<(), Malformed> {
        if packet.payload.first() == Some(&0xff) {
            return self.result(Outcome::Err(ErrPacket::parse(packet.payload)?), now, emit);
        }
        match row_end(packet.payload, packet.length, self.facts.in_force())? {
            Some(end) => self.result(Outcome::Rows { count: self.progress.rows, end }, now, emit),
            None => {
                self.progress.rows += 1;
                Ok(())
            }
        }
    }

    fn result_head(&mut self, packet: &Packet<'_>, now: Now, emit: &mut Emit<'_>) -> Result<(), Malformed> {
        let capabilities = self.facts.in_force();
        match packet.payload.first() {
            Some(0x00) => self.result(Outcome::Ok(OkPacket::parse(packet.payload, capabilities)?), now, emit),
            Some(0xff) => self.result(Outcome::Err(ErrPacket::parse(packet.payload)?), now, emit),
            Some(0xfb) => {
                self.progress.expect = Expect::FileContent;
                Ok(())
            }
            // Some commands of the text protocol end with an EOF where an OK would do.
            Some(0xfe) if packet.length < EofPacket::BELOW => {
                let end = RowEnd::Eof(EofPacket::parse(packet.payload)?);
                self.result(Outcome::Rows { count: 0, end }, now, emit)
            }
            _ => {
                let (count, definitions_follow) = column_count(packet.payload, capabilities)?;
                self.progress.rows = 0;
                self.watch_variables();
                self.progress.expect = if definitions_follow {
                    Expect::Definitions { left: count, then: AfterDefinitions::Rows }
                } else if capabilities.contains(CapabilityFlags::DEPRECATE_EOF) {
                    Expect::Rows
                } else {
                    Expect::DefinitionsEof { then: AfterDefinitions::Rows }
                };
                Ok(())
            }
        }
    }

    fn after_definitions(&mut self, then: AfterDefinitions) -> Result<(), Malformed> {
        match then {
            AfterDefinitions::Rows => {
                self.progress.expect = Expect::Rows;
                Ok(())
            }
            AfterDefinitions::PreparedColumns(0) | AfterDefinitions::Nothing => self.prepared(),
            AfterDefinitions::PreparedColumns(left) => {
                self.progress.expect = Expect::Definitions { left, then: AfterDefinitions::Nothing };
                Ok(())
            }
        }
    }

    fn prepare_head(&mut self, packet: &Packet<'_>, now: Now, emit: &mut Emit<'_>) -> Result<(), Malformed> {
        if packet.payload.first() == Some(&0xff) {
            // The statement will never be executed, so its failure is told here.
            return self.result(Outcome::Err(ErrPacket::parse(packet.payload)?), now, emit);
        }
        let prepare = PrepareOk::parse(packet.payload, self.facts.in_force())?;
        self.progress.prepare = Some(prepare);
        let (params, columns) = (u64::from(prepare.params), u64::from(prepare.columns));
        match (prepare.definitions_follow, params) {
            (false, _) => self.prepared(),
            (true, 0) => self.after_definitions(AfterDefinitions::PreparedColumns(columns)),
            (true, left) => {
                self.progress.expect = Expect::Definitions { left, then: AfterDefinitions::PreparedColumns(columns) };
                Ok(())
            }
        }
    }

    fn prepared(&mut self) -> Result<(), Malformed> {
        if let (Some(prepare), Some(request)) = (self.progress.prepare.take(), self.requests.front_mut()) {
            let sql = std::mem::take(&mut request.body);
            self.statements.insert(prepare.statement_id, sql, usize::from(prepare.params));
        }
        self.done()
    }

    fn field_list(&mut self, packet: &Packet<'_>) -> Result<(), Malformed> {
        match packet.payload.first() {
            Some(0xff) => self.done(),
            Some(0xfe) if row_end(packet.payload, packet.length, self.facts.in_force())?.is_some() => self.done(),
            _ => Ok(()),
        }
    }

    fn change_user(&mut self, packet: &Packet<'_>, emit: &mut Emit<'_>) -> Result<(), Malformed> {
        match packet.payload.first() {
            Some(0x00) => {
                let ok = OkPacket::parse(packet.payload, self.facts.in_force())?;
                self.facts.forget_variables();
                self.forget_statements(emit);
                self.logged_in(&ok);
                self.done()
            }
            Some(0xff) => self.done(),
            _ => Ok(()),
        }
    }

    /// The server dropped the session's prepared statements, and their cursors with them.
    fn forget_statements(&mut self, emit: &mut Emit<'_>) {
        for cursor in self.statements.clear() {
            self.end_cursor(*cursor, None, emit);
        }
    }

    fn simple(&mut self, packet: &Packet<'_>, emit: &mut Emit<'_>) -> Result<(), Malformed> {
        let capabilities = self.facts.in_force();
        match packet.payload.first() {
            Some(0x00) => {
                let ok = OkPacket::parse(packet.payload, capabilities)?;
                match self.requests.front().map(|request| (&request.kind, &request.body)) {
                    Some((RequestKind::InitDb, name)) => self.facts.current_database = Some(text(name)),
                    Some((RequestKind::ResetConnection, _)) => {
                        self.facts.forget_variables();
                        self.forget_statements(emit);
                    }
                    _ => {}
                }
                self.facts.apply_ok(&ok);
                self.done()
            }
            Some(0xfe) => {
                if let Some(end) = row_end(packet.payload, packet.length, capabilities)? {
                    self.facts.status = Some(end.status());
                }
                self.done()
            }
            Some(0xff) => self.done(),
            _ => Err(Malformed("answer where an OK packet is due")),
        }
    }

    /// The oldest request is answered completely.
    fn done(&mut self) -> Result<(), Malformed> {
        self.progress = Progress::default();
        if let Some(request) = self.requests.pop_front() {
            self.recycle(request);
        }
        self.resolve_late_executions();
        Ok(())
    }

    fn recycle(&mut self, request: Request) {
        let mut body = request.body;
        // One large statement must not be paid for by the session's whole life.
        if self.spare.len() < 2 && body.capacity() <= 64 * 1024 {
            body.clear();
            self.spare.push(body);
        }
    }

    /// Executions that were sent before their prepare was answered are understood as soon as it is.
    fn resolve_late_executions(&mut self) {
        let capabilities = self.facts.in_force();
        let Some(Request { kind, body, .. }) = self.requests.front_mut() else { return };
        match kind {
            RequestKind::Execute(execution) if execution.text.is_none() => {
                if let Some(statement) = self.statements.get_mut(execution.statement_id) {
                    let _ = execution.resolve(body, statement, capabilities);
                }
            }
            RequestKind::BulkExecute(execution) if execution.text.is_none() => {
                if let Some(statement) = self.statements.get_mut(execution.statement_id) {
                    execution.resolve_bulk(body, statement);
                }
            }
            _ => {}
        }
    }

    // Session state that statements show

    /// Remembers which columns of the result about to come tell session state.
    fn watch_variables(&mut self) {
        self.progress.watched.clear();
        let Some(request) = self.requests.front() else { return };
        if let RequestKind::Query { .. } = request.kind
            && let Some(sql) = current_sql(request)
        {
            let known =
                |name: &[u8]| if name.eq_ignore_ascii_case(b"time_zone") { "time_zone" } else { "tx_isolation" };
            self.progress
                .watched
                .extend(variables_selected(sql).into_iter().map(|(column, name)| (column, known(name))));
        }
    }

    /// Reads the watched columns of a text protocol row.
    fn watched_row(&mut self, row: &[u8]) {
        let mut reader = Reader::new(row, "row");
        let mut column = 0;
        let watched = std::mem::take(&mut self.progress.watched);
        while !reader.is_empty() {
            let value = if reader.rest().first() == Some(&0xfb) {
                reader.u8().ok();
                None
            } else {
                match reader.lenenc_bytes() {
                    Ok(value) => Some(value),
                    Err(_) => break,
                }
            };
            for (_, name) in watched.iter().filter(|(wanted, _)| *wanted == column) {
                if let Some(setting) = SessionSetting::from_variable(name.as_bytes(), value) {
                    self.facts.apply_setting(setting);
                }
            }
            column += 1;
        }
    }

    /// Takes over what a successful statement's text tells of the session.
    fn apply_text(facts: &mut SessionFacts, sql: &[u8]) {
        match first_keyword(sql) {
            keyword if keyword.eq_ignore_ascii_case(b"use") => {
                if let Some(name) = use_database(sql) {
                    facts.current_database = Some(text(&name));
                }
            }
            keyword if keyword.eq_ignore_ascii_case(b"set") => {
                for setting in variables_set(sql) {
                    facts.apply_setting(setting);
                }
            }
            _ => {}
        }
    }

    // Results and their statements

    /// One result of the oldest request is complete.
    fn result(&mut self, outcome: Outcome<'_>, now: Now, emit: &mut Emit<'_>) -> Result<(), Malformed> {
        let more = outcome.status().contains(StatusFlags::MORE_RESULTS_EXISTS);
        let Some(request) = self.requests.front_mut() else { return Ok(()) };
        if matches!(outcome, Outcome::Ok(_) | Outcome::Rows { .. })
            && request.is_statement()
            && let Some(sql) = current_sql(request)
        {
            Self::apply_text(&mut self.facts, sql);
        }
        match &outcome {
            Outcome::Ok(ok) | Outcome::Rows { end: RowEnd::Ok(ok), .. } => self.facts.apply_ok(ok),
            Outcome::Rows { end: RowEnd::Eof(eof), .. } => self.facts.status = Some(eof.status),
            Outcome::Err(_) => {}
        }
        match &mut request.kind {
            RequestKind::Query { text_at, pieces } => {
                let splits = more || pieces.is_some() || matches!(outcome, Outcome::Err(_));
                if splits && pieces.is_none() {
                    let sql = request.body.get(*text_at..).unwrap_or_default();
                    let ranges = match self.facts.in_force().contains(CapabilityFlags::MULTI_STATEMENTS) || more {
                        true => StatementPieces::new(sql, self.facts.backslash_escapes()).collect(),
                        false => Vec::new(),
                    };
                    *pieces = Some(Pieces { ranges, current: 0 });
                }
                let several = pieces.as_ref().is_some_and(|pieces| pieces.ranges.len() > 1);
                if several {
                    self.piece_result(outcome, more, now, emit)
                } else {
                    self.whole_result(outcome, more, now, emit)
                }
            }
            RequestKind::Execute(_) => {
                let cursor = matches!(outcome, Outcome::Rows { .. })
                    && outcome.status().contains(StatusFlags::CURSOR_EXISTS)
                    && !outcome.status().contains(StatusFlags::LAST_ROW_SENT);
                if cursor { self.open_cursor(now) } else { self.whole_result(outcome, more, now, emit) }
            }
            RequestKind::Fetch { statement_id } => {
                let id = *statement_id;
                self.fetched(id, outcome, now, emit)
            }
            RequestKind::Prepare if matches!(outcome, Outcome::Err(_)) => self.whole_result(outcome, more, now, emit),
            RequestKind::BulkExecute(_) => self.whole_result(outcome, more, now, emit),
            _ if more => {
                self.progress.expect = Expect::Head;
                Ok(())
            }
            _ => self.done(),
        }
    }

    /// A result of a request that is one statement. A CALL brings several; the first tells the count.
    fn whole_result(
        &mut self,
        outcome: Outcome<'_>,
        more: bool,
        now: Now,
        emit: &mut Emit<'_>,
    ) -> Result<(), Malformed> {
        if let Outcome::Rows { count, .. } = outcome {
            self.progress.first_rows.get_or_insert(count);
        }
        if more {
            self.progress.expect = Expect::Head;
            return Ok(());
        }
        if let Some(request) = self.requests.pop_front() {
            let ending = Ending::of(&outcome, self.progress.first_rows);
            emit_request(&mut self.facts, &request, &ending, now.monotonic_ns.saturating_sub(request.started_ns), emit);
            self.recycle(request);
        }
        self.done_popped()
    }

    fn done_popped(&mut self) -> Result<(), Malformed> {
        self.progress = Progress::default();
        self.resolve_late_executions();
        Ok(())
    }

    /// A result within a multi-statement text: each statement has its own, a CALL several and an OK of its own last.
    fn piece_result(
        &mut self,
        outcome: Outcome<'_>,
        more: bool,
        now: Now,
        emit: &mut Emit<'_>,
    ) -> Result<(), Malformed> {
        let Some(request) = self.requests.front_mut() else { return Ok(()) };
        let started = self
            .progress
            .previous_end
            .unwrap_or(Now { monotonic_ns: request.started_ns, epoch_ms: request.started_epoch_ms });
        let RequestKind::Query { text_at, pieces: Some(pieces) } = &mut request.kind else { return Ok(()) };
        let is_last_piece = pieces.current + 1 >= pieces.ranges.len();
        let text = request.body.get(*text_at..).unwrap_or_default();
        let piece = pieces.ranges.get(pieces.current).and_then(|range| text.get(range.clone())).unwrap_or_default();
        if let Outcome::Rows { count, .. } = outcome {
            self.progress.first_rows.get_or_insert(count);
            let calls = first_keyword(piece).eq_ignore_ascii_case(b"call");
            if more && (calls || is_last_piece) {
                self.progress.expect = Expect::Head;
                return Ok(());
            }
        }
        let ending = Ending::of(&outcome, self.progress.first_rows);
        emit_statement(
            &mut self.facts,
            &ending,
            StatementHead {
                sql: Some(piece),
                truncated: request.truncated && is_last_piece,
                params: StatementParams::None,
                started_epoch_ms: started.epoch_ms,
                duration_ns: now.monotonic_ns.saturating_sub(started.monotonic_ns),
                batch_part: BatchPart::Last,
            },
            emit,
        );
        pieces.current = (pieces.current + 1).min(pieces.ranges.len().saturating_sub(1));
        if !more {
            return self.done();
        }
        self.progress = Progress { previous_end: Some(now), ..Progress::default() };
        Ok(())
    }

    // Cursors

    fn open_cursor(&mut self, now: Now) -> Result<(), Malformed> {
        if let Some(request) = self.requests.pop_front()
            && let RequestKind::Execute(execution) = &request.kind
            && let Some(statement) = self.statements.get_mut(execution.statement_id)
        {
            let busy_ns = now.monotonic_ns.saturating_sub(request.started_ns);
            statement.cursor = Some(Box::new(OpenCursor { request, rows: 0, busy_ns }));
        }
        self.done_popped()
    }

    fn fetched(&mut self, id: u32, outcome: Outcome<'_>, now: Now, emit: &mut Emit<'_>) -> Result<(), Malformed> {
        let busy = self.requests.front().map_or(0, |fetch| now.monotonic_ns.saturating_sub(fetch.started_ns));
        let mut finished = None;
        if let Some(statement) = self.statements.get_mut(id)
            && let Some(mut cursor) = statement.cursor.take()
        {
            cursor.rows += outcome.update_count();
            cursor.busy_ns += busy;
            let open =
                matches!(outcome, Outcome::Rows { .. }) && !outcome.status().contains(StatusFlags::LAST_ROW_SENT);
            if open {
                statement.cursor = Some(cursor);
            } else {
                finished = Some(cursor);
            }
        }
        if let Some(cursor) = finished {
            let error = if let Outcome::Err(error) = outcome { Some(error.to_string()) } else { None };
            self.end_cursor(*cursor, error, emit);
        }
        self.done()
    }

    fn end_cursor(&mut self, cursor: OpenCursor, error: Option<String>, emit: &mut Emit<'_>) {
        let update_count = if error.is_some() { 0 } else { cursor.rows };
        let ending = Ending { update_count, info: None, error: error.map(Cow::Owned) };
        emit_request(&mut self.facts, &cursor.request, &ending, cursor.busy_ns, emit);
        self.recycle(cursor.request);
    }

    /// The session is over, or no longer understood: what is under way ends with `reason`, or with the server's last words.
    pub(super) fn end_all(&mut self, reason: &'static str, now: Now, emit: &mut Emit<'_>) {
        for cursor in self.statements.clear() {
            self.end_cursor(*cursor, None, emit);
        }
        let reason = self.last_words.take().map_or(Cow::Borrowed(reason), Cow::Owned);
        while let Some(request) = self.requests.pop_front() {
            if !request.is_statement() {
                continue;
            }
            let ending = Ending { update_count: 0, info: None, error: Some(reason.clone()) };
            let duration_ns = now.monotonic_ns.saturating_sub(request.started_ns);
            emit_request(&mut self.facts, &request, &ending, duration_ns, emit);
        }
        self.progress = Progress::default();
    }
}

/// The text of the statement whose result is due: the whole, or the current one of several.
fn current_sql(request: &Request) -> Option<&[u8]> {
    let sql = request.sql()?;
    match &request.kind {
        RequestKind::Query { pieces: Some(pieces), .. } if pieces.ranges.len() > 1 => {
            sql.get(pieces.ranges.get(pieces.current)?.clone())
        }
        _ => Some(sql),
    }
}

/// How a statement ended.
#[derive(Debug)]
struct Ending<'a> {
    update_count: u64,
    info: Option<&'a [u8]>,
    error: Option<Cow<'a, str>>,
}

impl<'a> Ending<'a> {
    /// `first_rows`: rows of the first of several result sets.
    fn of(outcome: &Outcome<'a>, first_rows: Option<u64>) -> Self {
        match outcome {
            Outcome::Err(error) => Self { update_count: 0, info: None, error: Some(error.to_string().into()) },
            Outcome::Ok(ok) if first_rows.is_none() => {
                Self { update_count: ok.affected_rows, info: Some(ok.info), error: None }
            }
            _ => Self { update_count: first_rows.unwrap_or_else(|| outcome.update_count()), info: None, error: None },
        }
    }
}

/// A statement without its outcome.
struct StatementHead<'a> {
    sql: Option<&'a [u8]>,
    truncated: bool,
    params: StatementParams<'a>,
    started_epoch_ms: u64,
    duration_ns: u64,
    batch_part: BatchPart,
}

fn emit_statement(facts: &mut SessionFacts, ending: &Ending<'_>, head: StatementHead<'_>, emit: &mut Emit<'_>) {
    facts.execution_count += 1;
    emit(&Statement {
        session: facts,
        sql: head.sql,
        truncated: head.truncated,
        params: head.params,
        started_epoch_ms: head.started_epoch_ms,
        duration_ns: head.duration_ns,
        update_count: ending.update_count,
        info: ending.info,
        error: ending.error.as_deref(),
        batch_part: head.batch_part,
    });
}

/// Emits a request's statement, or one for each parameter set of a bulk execution.
fn emit_request(
    facts: &mut SessionFacts,
    request: &Request,
    ending: &Ending<'_>,
    duration_ns: u64,
    emit: &mut Emit<'_>,
) {
    fn head_of<'a>(
        request: &'a Request,
        params: StatementParams<'a>,
        duration_ns: u64,
        batch_part: BatchPart,
    ) -> StatementHead<'a> {
        StatementHead {
            sql: request.sql(),
            truncated: request.truncated,
            params,
            started_epoch_ms: request.started_epoch_ms,
            duration_ns,
            batch_part,
        }
    }
    match &request.kind {
        RequestKind::Execute(execution) => {
            emit_statement(
                facts,
                ending,
                head_of(request, execution.params(&request.body), duration_ns, BatchPart::Last),
                emit,
            );
        }
        RequestKind::BulkExecute(execution) => {
            let params = execution.text.as_ref().map_or(0, |text| text.params);
            let rows = bulk_rows(&request.body, params, Some(&execution.types)).map(|(rows, _)| rows.peekable());
            let Ok(mut rows) = rows else {
                return emit_statement(
                    facts,
                    ending,
                    head_of(request, StatementParams::Undecodable, duration_ns, BatchPart::Last),
                    emit,
                );
            };
            while let Some(row) = rows.next() {
                let part = if rows.peek().is_some() { BatchPart::Earlier } else { BatchPart::Last };
                match row {
                    Ok(row) => emit_statement(
                        facts,
                        ending,
                        head_of(request, StatementParams::Row(&row), duration_ns, part),
                        emit,
                    ),
                    Err(_) => emit_statement(
                        facts,
                        ending,
                        head_of(request, StatementParams::Undecodable, duration_ns, part),
                        emit,
                    ),
                }
            }
        }
        _ => emit_statement(facts, ending, head_of(request, StatementParams::None, duration_ns, BatchPart::Last), emit),
    }
}
