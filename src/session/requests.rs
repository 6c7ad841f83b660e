//! The client's packets of the command phase: requests, and what follows some of them.
//!
//! A server reads the next request when it has answered the one before, and so does this: what a request does to the session's
//! statements is done when it comes to the front of the queue.

use super::exchange::{ClientSide, Exchange};
use super::execution::Execution;
use super::listener::{ChangedUser, CommandBody, FilePart, Interest, Listener, SentCommand};
use super::login::PendingLogin;
use super::long_data::{LONG_DATA_KEPT, LongDataSet};
use super::prepared::OpenCursor;
use super::progress::Expect;
use super::reading::Reading;
use super::request::{Request, RequestKind};
use super::sight::{SightLoss, Trouble};
use super::time::Now;
use crate::mysql::sql::Flavor;
use crate::mysql::wire::{ChangeUser, Command, ExecuteFlags, Malformed, Packet, QueryAttribute, query_attributes};

/// The first bytes of a body as a number; those that are missing are zero. Servers refuse such a request, or take what is in their buffer.
fn id_of(body: &[u8]) -> u32 {
    let mut bytes = [0; 4];
    for (byte, sent) in bytes.iter_mut().zip(body) {
        *byte = *sent;
    }
    u32::from_le_bytes(bytes)
}

impl Exchange {
    pub(super) fn request(&mut self, packet: &Packet<'_>, now: Now, to: &mut Listener<'_>) -> Result<(), Trouble> {
        if self.awaits_file_content() {
            self.tell_file_part(packet, to);
            if packet.length == 0 {
                self.file_ends();
            }
            return Ok(());
        }
        if self.client == ClientSide::Quit || self.is_continuation(packet) {
            return self.continuation(packet, now);
        }
        // An empty packet is COM_SLEEP to both servers, which they refuse.
        let (code, body) = packet.payload.split_first().map_or((0, &[][..]), |(code, body)| (*code, body));
        let command = Command::from_byte(code);
        self.commands += 1;
        if command == Command::StmtSendLongData && self.takes_at_once(body) {
            let (front, data) = body.split_at(6);
            let param = u16::from_le_bytes([front[4], front[5]]);
            // Command byte, id and parameter number are not data.
            self.statements.long_data(id_of(front), param, data, packet.length.saturating_sub(7));
            return Ok(());
        }
        let kind = self.kind_of(command, body, packet);
        if command == Command::Quit {
            self.client = ClientSide::Quit;
        }
        let kept = kept_of(command, body, self.interest);
        // Who is told of each of them wants each one's time.
        if !self.interest.contains(Interest::COMMANDS) && self.requests.repeats_last(&kind) {
            return Ok(());
        }
        let request = self.new_request(kind, code, kept, packet, now);
        if !self.requests.is_empty() {
            return self.requests.push(request);
        }
        self.begin(request, to);
        Ok(())
    }

    /// Whether long data need not wait, nor be told of.
    fn takes_at_once(&self, body: &[u8]) -> bool {
        body.len() >= 6 && self.requests.is_empty() && !self.interest.contains(Interest::COMMANDS)
    }

    fn kind_of(&mut self, command: Command, body: &[u8], packet: &Packet<'_>) -> RequestKind {
        let statement_id = id_of(body);
        match command {
            Command::Query => {
                // Attributes that cannot be understood hide the text; nothing else depends on them.
                let text_at = self.dialect.query_text_at(body).ok();
                RequestKind::Query { text_at, pieces: None }
            }
            Command::StmtExecute => {
                let flags = ExecuteFlags::from_bits_retain(body.get(4).copied().unwrap_or_default());
                let wants_cursor = flags.intersects(ExecuteFlags::CURSOR_TYPES);
                RequestKind::Execute(Execution { wants_cursor, ..self.execution(statement_id) })
            }
            Command::StmtBulkExecute => RequestKind::BulkExecute(self.execution(statement_id)),
            Command::StmtPrepare => RequestKind::Prepare,
            Command::StmtFetch => RequestKind::Fetch { statement_id },
            Command::StmtSendLongData if body.len() < 6 => self.too_short(),
            Command::StmtSendLongData => {
                let param = body.get(4..6).map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
                RequestKind::LongData { statement_id, param, length: packet.length.saturating_sub(7) }
            }
            Command::StmtClose if body.len() < 4 => self.too_short(),
            Command::StmtClose => RequestKind::Close { statement_id },
            Command::StmtReset => RequestKind::Reset { statement_id },
            Command::InitDb => RequestKind::InitDb,
            Command::FieldList => RequestKind::FieldList,
            Command::ProcessInfo => RequestKind::ResultSet,
            Command::Statistics => RequestKind::AnyPacket,
            Command::ChangeUser => {
                // One that cannot be read is the server's to refuse.
                let with_attributes = self.interest.contains(Interest::LOGIN);
                let login = ChangeUser::parse(body, self.dialect.in_force())
                    .map(|change| PendingLogin::of_change(&change, self.facts.flavor, with_attributes));
                RequestKind::ChangeUser(Box::new(login.unwrap_or_default()))
            }
            Command::ResetConnection => RequestKind::ResetConnection,
            Command::BinlogDump
            | Command::BinlogDumpGtid
            | Command::TableDump
            | Command::SubscribeGroupReplicationStream => {
                RequestKind::Stream(Trouble { loss: SightLoss::Replication, what: "a replication stream begins" })
            }
            Command::Clone => RequestKind::Stream(Trouble { loss: SightLoss::Clone, what: "CLONE begins" }),
            Command::Sleep
            | Command::CreateDb
            | Command::DropDb
            | Command::Refresh
            | Command::Shutdown
            | Command::ProcessKill
            | Command::Debug
            | Command::Ping
            | Command::RegisterSlave => RequestKind::Simple,
            Command::SetOption => RequestKind::SetOption,
            Command::Quit => RequestKind::Quit,
            Command::Unknown(_) => RequestKind::Unknown,
        }
    }

    fn execution(&self, statement_id: u32) -> Execution {
        Execution::unresolved(statement_id, self.statements.means_last(statement_id))
    }

    /// A request without an answer that is too short to be one. MySQL refuses it, with the answer that it does not have otherwise.
    fn too_short(&self) -> RequestKind {
        if self.facts.flavor == Some(Flavor::MariaDb) { RequestKind::Ignored } else { RequestKind::Simple }
    }

    /// Whether a packet belongs to an earlier request, though the server has not asked for it yet.
    fn is_continuation(&mut self, packet: &Packet<'_>) -> bool {
        if !self.dialect.has_sequence() {
            return self.is_authenticating();
        }
        let continues_content = matches!(
            self.requests.last_mut().map(|request| &request.kind),
            Some(RequestKind::EarlyContent { next_sequence, ended: false }) if *next_sequence == packet.sequence
        );
        packet.sequence != 0 || continues_content
    }

    /// A packet that is no request: authentication data, which is never kept, a file's content that the server has not asked for yet, or
    /// what the server will refuse as out of order. What comes after COM_QUIT is not read.
    fn continuation(&mut self, packet: &Packet<'_>, now: Now) -> Result<(), Trouble> {
        let next = packet.next_sequence;
        if self.client == ClientSide::Quit {
            return Ok(());
        }
        match self.requests.last_mut().map(|request| &mut request.kind) {
            Some(RequestKind::ChangeUser(_)) => Ok(()),
            Some(RequestKind::EarlyContent { next_sequence, ended }) if !*ended => {
                (*next_sequence, *ended) = (next, packet.length == 0);
                Ok(())
            }
            Some(_) => {
                let kind = RequestKind::EarlyContent { next_sequence: next, ended: packet.length == 0 };
                let content = self.new_request(kind, 0, &[], packet, now);
                self.requests.push(content)
            }
            None => Ok(()),
        }
    }

    /// All of a file's content is there.
    fn file_ends(&mut self) {
        if self.client == ClientSide::RefusedFile {
            self.client = ClientSide::Requests;
        }
        if let Some(current) = &mut self.requests.current
            && current.progress.expect == Expect::FileContent
        {
            current.progress.expect = Expect::Head;
        }
    }

    /// The server asked for a file, of which a part may have been sent already.
    pub(super) fn file_asked_for(&mut self, to: &mut Listener<'_>) {
        let early = self.requests.take_early_content();
        let is_all_there = early == Some(true);
        self.tell_file(&[], early.is_some(), is_all_there, to);
        if let Some(current) = &mut self.requests.current {
            current.progress.expect = if is_all_there { Expect::Head } else { Expect::FileContent };
        }
    }

    /// A packet of the file that the server asked for.
    fn tell_file_part(&self, packet: &Packet<'_>, to: &mut Listener<'_>) {
        if self.tells_file_content() {
            let is_cut = packet.length != packet.payload.len() as u64;
            self.tell_file(packet.payload, is_cut, packet.length == 0, to);
        }
    }

    fn tell_file(&self, bytes: &[u8], truncated: bool, is_last: bool, to: &mut Listener<'_>) {
        if !self.interest.contains(Interest::FILES) {
            return;
        }
        let Some(current) = &self.requests.current else { return };
        let (command, result) = (current.request.number, current.progress.results);
        to.file(&FilePart { command, result, bytes, truncated, is_last });
    }

    #[inline]
    fn new_request(&mut self, kind: RequestKind, code: u8, body: &[u8], packet: &Packet<'_>, now: Now) -> Request {
        let front = body.get(..self.requests.room()).unwrap_or(body);
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.extend_from_slice(front);
        Request {
            kind,
            number: self.commands,
            code,
            length: packet.length,
            truncated: packet.length > packet.payload.len() as u64 || front.len() < body.len(),
            body: kept,
            started: now.back_at(packet.started_ns),
            times: 1,
            reading: Reading::default(),
        }
    }

    /// Does what the server does with a request when it reads it: with the next, and with those after it as long as they have no answer.
    #[inline]
    pub(super) fn begin_waiting(&mut self, to: &mut Listener<'_>) {
        while self.requests.current.is_none() {
            let Some(request) = self.requests.next() else { return };
            self.begin(request, to);
        }
    }

    #[inline]
    fn begin(&mut self, mut request: Request, to: &mut Listener<'_>) {
        request.reading = self.facts.reading();
        // What a statement is called is forgotten when it is closed.
        let statement = request.statement_id().map(|id| self.statements.resolve(id));
        let closed = self.take_effect(&mut request);
        if self.interest.contains(Interest::COMMANDS) {
            self.tell_command(&request, statement, to);
        }
        if let Some(cursor) = closed {
            self.end_cursor(*cursor, to);
        }
        if request.kind.has_answer() {
            self.requests.answer(request);
        } else {
            self.recycle(request.body);
        }
    }

    /// What a request does to the session's prepared statements; a cursor that it closes comes back.
    fn take_effect(&mut self, request: &mut Request) -> Option<Box<OpenCursor>> {
        let Request { kind, body, .. } = request;
        let (statements, dialect) = (&mut self.statements, &mut self.dialect);
        match kind {
            RequestKind::Execute(execution) => {
                let closed = statements.update(execution.statement_id, |statement| {
                    // Parameters that cannot be understood are the message's loss, not the session's.
                    let _ = statement.execute(execution, body, dialect);
                    statement.cursor.take()
                });
                closed.flatten()
            }
            RequestKind::BulkExecute(execution) => {
                statements.update(execution.statement_id, |statement| statement.execute_bulk(execution, body));
                None
            }
            RequestKind::LongData { statement_id, param, length } => {
                let data = body.get(6..).unwrap_or_default();
                statements.long_data(*statement_id, *param, data, *length);
                None
            }
            RequestKind::Close { statement_id } => statements.remove(*statement_id)?.cursor,
            RequestKind::Reset { statement_id } => {
                let closed = statements.update(*statement_id, |statement| {
                    statement.long_data = LongDataSet::default();
                    statement.cursor.take()
                });
                closed.flatten()
            }
            _ => None,
        }
    }

    /// `statement`: the prepared statement that it is about.
    pub(super) fn tell_command(&self, request: &Request, statement: Option<u32>, to: &mut Listener<'_>) {
        let is_command = !matches!(request.kind, RequestKind::EarlyContent { .. } | RequestKind::Probe);
        if !self.interest.contains(Interest::COMMANDS) || !is_command {
            return;
        }
        let body = match &request.kind {
            RequestKind::ChangeUser(login) => CommandBody::ChangeUser(login.user.as_deref().map(|user| ChangedUser {
                user,
                database: login.database.as_deref(),
                collation: login.collation,
            })),
            _ => CommandBody::Bytes(&request.body),
        };
        to.command(&SentCommand {
            number: request.number,
            command: Command::from_byte(request.code),
            code: request.code,
            body,
            length: request.length,
            truncated: request.truncated,
            sql: request.sql(),
            prepared_sql: request.prepared_sql(),
            is_sql_truncated: request.is_sql_truncated(),
            statement,
            params: request.params(),
            bulk: request.bulk(),
            attributes: self.attributes(request),
            open_statements: self.statements.open(),
            started: request.started,
            session: &self.facts,
        });
    }

    fn attributes<'r>(&self, request: &'r Request) -> Result<Vec<QueryAttribute<'r>>, Malformed> {
        let capabilities = self.dialect.in_force();
        match &request.kind {
            RequestKind::Query { text_at: Some(0), .. } => Ok(Vec::new()),
            RequestKind::Query { .. } => {
                query_attributes(&request.body, capabilities).map(|(attributes, _)| attributes)
            }
            RequestKind::Execute(execution) => execution.attributes(&request.body, capabilities),
            _ => Ok(Vec::new()),
        }
    }

    /// A request of which only the front came before the connection ended.
    pub(super) fn torn_request(&mut self, payload: &[u8], started_ns: u64, now: Now) {
        if self.is_authenticating() || self.awaits_file_content() || self.client == ClientSide::Quit {
            return;
        }
        if let Some((code, body)) = payload.split_first()
            && Command::from_byte(*code) == Command::Query
        {
            let text_at = self.dialect.query_text_at(body).ok();
            let packet = Packet { payload, length: u64::MAX, sequence: 0, next_sequence: 1, started_ns };
            self.commands += 1;
            let request = self.new_request(RequestKind::Query { text_at, pieces: None }, *code, body, &packet, now);
            let _ = self.requests.push(request);
        }
    }
}

/// What is kept of a request's body: the whole where there is a text or values, nothing where it does not matter or must not be kept.
fn kept_of(command: Command, body: &[u8], interest: Interest) -> &[u8] {
    let limit = match command {
        // It holds authentication data.
        Command::ChangeUser => 0,
        _ if interest.contains(Interest::COMMANDS) => usize::MAX,
        Command::Query | Command::StmtExecute | Command::StmtBulkExecute | Command::StmtPrepare => usize::MAX,
        // Longer than any name may be.
        Command::InitDb => 4096,
        Command::SetOption => 2,
        Command::StmtSendLongData => 6 + LONG_DATA_KEPT,
        _ => 0,
    };
    body.get(..limit).unwrap_or(body)
}
