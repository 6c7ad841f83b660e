//! The client's packets of the command phase: requests, and what follows some of them.
//!
//! A server reads the next request when it has answered the one before, and so does this: what a request does to the session's
//! statements is done when it comes to the front of the queue.

use super::exchange::{Exchange, Expect, PendingLogin};
use super::facts::text;
use super::observer::Emit;
use super::prepared::{LONG_DATA_KEPT, LongDataSet};
use super::request::{Execution, Request, RequestKind};
use super::sight::Trouble;
use super::{Now, SightLoss};
use crate::mysql::sql::Flavor;
use crate::mysql::wire::{CapabilityFlags, ChangeUser, Command, ExecuteFlags, Packet, query_text_at};

/// The first bytes of a body as a number; those that are missing are zero. Servers refuse such a request, or take what is in their buffer.
fn id_of(body: &[u8]) -> u32 {
    let mut bytes = [0; 4];
    for (byte, sent) in bytes.iter_mut().zip(body) {
        *byte = *sent;
    }
    u32::from_le_bytes(bytes)
}

impl Exchange {
    /// Whether packets are told apart by their sequence ids: what does not begin with 0 is no request. In compressed sessions servers look at
    /// the frames' ids alone.
    pub(super) fn has_sequence(&self) -> bool {
        !self.facts.in_force().intersects(CapabilityFlags::COMPRESS | CapabilityFlags::ZSTD_COMPRESSION_ALGORITHM)
    }

    pub(super) fn request(&mut self, packet: &Packet<'_>, now: Now, emit: &mut Emit<'_>) -> Result<(), Trouble> {
        if self.awaits_file_content() {
            if packet.length == 0 {
                self.file_refused = false;
                if self.progress.expect == Expect::FileContent {
                    self.progress.expect = Expect::Head;
                }
            }
            return Ok(());
        }
        if self.has_quit || self.is_continuation(packet) {
            return self.continuation(packet, now);
        }
        // An empty packet is COM_SLEEP to both servers, which they refuse.
        let (command, body) = packet.payload.split_first().map_or((0, &[][..]), |(command, body)| (*command, body));
        let command = Command::from_byte(command);
        match command {
            Command::Quit => {
                self.has_quit = true;
                return Ok(());
            }
            // MySQL refuses those that are too short, with the answer that they do not have otherwise.
            Command::StmtSendLongData if body.len() < 6 => return self.too_short(packet, now),
            Command::StmtClose if body.len() < 4 => return self.too_short(packet, now),
            Command::StmtSendLongData if self.requests.is_empty() => {
                let (front, data) = body.split_at(6);
                let param = u16::from_le_bytes([front[4], front[5]]);
                // Command byte, id and parameter number are not data.
                self.statements.long_data(id_of(front), param, data, packet.length.saturating_sub(7));
                return Ok(());
            }
            _ => {}
        }
        let kind = self.kind_of(command, body, packet);
        self.push(kind, kept_of(command, body), packet, now)?;
        self.begin_waiting(emit);
        Ok(())
    }

    fn kind_of(&self, command: Command, body: &[u8], packet: &Packet<'_>) -> RequestKind {
        let statement_id = id_of(body);
        let execution = || Execution::unresolved(statement_id, self.statements.means_last(statement_id));
        match command {
            Command::Query => {
                // Attributes that cannot be understood hide the text; nothing else depends on them.
                let text_at = query_text_at(body, self.facts.in_force()).ok();
                RequestKind::Query { text_at, pieces: None }
            }
            Command::StmtExecute => {
                let flags = ExecuteFlags::from_bits_retain(body.get(4).copied().unwrap_or_default());
                let wants_cursor = flags.intersects(ExecuteFlags::CURSOR_TYPES);
                RequestKind::Execute(Execution { wants_cursor, ..execution() })
            }
            Command::StmtBulkExecute => RequestKind::BulkExecute(execution()),
            Command::StmtPrepare => RequestKind::Prepare,
            Command::StmtFetch => RequestKind::Fetch { statement_id },
            Command::StmtSendLongData => {
                let param = body.get(4..6).map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
                RequestKind::LongData { statement_id, param, length: packet.length.saturating_sub(7) }
            }
            Command::StmtClose => RequestKind::Close { statement_id },
            Command::StmtReset => RequestKind::Reset { statement_id },
            Command::InitDb => RequestKind::InitDb,
            Command::FieldList => RequestKind::FieldList,
            Command::ProcessInfo => RequestKind::ResultSet,
            Command::Statistics => RequestKind::AnyPacket,
            Command::ChangeUser => {
                // One that cannot be read is the server's to refuse.
                let login = ChangeUser::parse(body, self.facts.in_force()).map(|login| PendingLogin {
                    user: Some(text(login.user)),
                    collation: login.collation,
                    database: login.database.map(text),
                });
                RequestKind::ChangeUser(login.unwrap_or_default())
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
            | Command::Quit
            | Command::CreateDb
            | Command::DropDb
            | Command::Refresh
            | Command::Shutdown
            | Command::ProcessKill
            | Command::Debug
            | Command::Ping
            | Command::RegisterSlave => RequestKind::Simple,
            Command::SetOption => RequestKind::SetOption,
            Command::Unknown(_) => RequestKind::Unknown,
        }
    }

    /// Whether a packet belongs to an earlier request, though the server has not asked for it yet.
    fn is_continuation(&mut self, packet: &Packet<'_>) -> bool {
        if !self.has_sequence() {
            return self.is_authenticating();
        }
        let continues_content = matches!(
            self.requests.back_mut().map(|request| &request.kind),
            Some(RequestKind::EarlyContent { next_sequence, ended: false }) if *next_sequence == packet.sequence
        );
        packet.sequence != 0 || continues_content
    }

    /// A packet that is no request: authentication data, which is never kept, a file's content that the server has not asked for yet, or
    /// what the server will refuse as out of order. Behind COM_QUIT nothing is read.
    fn continuation(&mut self, packet: &Packet<'_>, now: Now) -> Result<(), Trouble> {
        let next = packet.next_sequence;
        match self.requests.back_mut().map(|request| &mut request.kind) {
            _ if self.has_quit => Ok(()),
            Some(RequestKind::ChangeUser(_)) => Ok(()),
            Some(RequestKind::EarlyContent { next_sequence, ended }) if !*ended => {
                (*next_sequence, *ended) = (next, packet.length == 0);
                Ok(())
            }
            Some(_) => {
                let kind = RequestKind::EarlyContent { next_sequence: next, ended: packet.length == 0 };
                self.push(kind, &[], packet, now)
            }
            None => Ok(()),
        }
    }

    /// The server asked for a file, of which a part may have been sent already.
    pub(super) fn file_asked_for(&mut self) {
        self.progress.expect =
            if self.requests.take_early_content() == Some(true) { Expect::Head } else { Expect::FileContent };
    }

    /// A request without an answer that is too short to be one.
    fn too_short(&mut self, packet: &Packet<'_>, now: Now) -> Result<(), Trouble> {
        if self.facts.flavor == Some(Flavor::MariaDb) {
            return Ok(());
        }
        self.push(RequestKind::Simple, &[], packet, now)
    }

    pub(super) fn push(
        &mut self,
        kind: RequestKind,
        body: &[u8],
        packet: &Packet<'_>,
        now: Now,
    ) -> Result<(), Trouble> {
        if self.requests.repeats_last(&kind) {
            return Ok(());
        }
        let front = body.get(..self.requests.room()).unwrap_or(body);
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.extend_from_slice(front);
        let age_ms = now.monotonic_ns.saturating_sub(packet.started_ns) / 1_000_000;
        self.requests.push(Request {
            kind,
            truncated: packet.length > packet.payload.len() as u64 || front.len() < body.len(),
            body: kept,
            started_ns: packet.started_ns,
            started_epoch_ms: now.epoch_ms.saturating_sub(age_ms),
            times: 1,
            begun: false,
            counted_size: 0,
        })
    }

    /// Does what the server does with a request when it reads it: with the oldest, and with those behind it that have no answer.
    pub(super) fn begin_waiting(&mut self, emit: &mut Emit<'_>) {
        while let Some(request) = self.requests.front_mut().filter(|request| !request.begun) {
            request.begun = true;
            let has_answer = request.kind.has_answer();
            match request.kind {
                RequestKind::Execute(_) | RequestKind::BulkExecute(_) => self.begin_execution(emit),
                RequestKind::LongData { statement_id, param, length } => {
                    let data = request.body.get(6..).unwrap_or_default();
                    self.statements.long_data(statement_id, param, data, length);
                }
                RequestKind::Close { statement_id } => {
                    let cursor = self.statements.remove(statement_id).and_then(|statement| statement.cursor);
                    if let Some(cursor) = cursor {
                        self.end_cursor(*cursor, None, emit);
                    }
                }
                RequestKind::Reset { statement_id } => {
                    let cursor = self.statements.update(statement_id, |statement| {
                        statement.long_data = LongDataSet::default();
                        statement.cursor.take()
                    });
                    if let Some(cursor) = cursor.flatten() {
                        self.end_cursor(*cursor, None, emit);
                    }
                }
                _ => {}
            }
            if has_answer {
                return;
            }
            if let Some(request) = self.requests.pop() {
                self.recycle(request);
            }
        }
    }

    fn begin_execution(&mut self, emit: &mut Emit<'_>) {
        let capabilities = self.facts.in_force();
        let Some(Request { kind, body, .. }) = self.requests.front_mut() else { return };
        let cursor = match kind {
            RequestKind::Execute(execution) => self.statements.update(execution.statement_id, |statement| {
                // Parameters that cannot be understood are the message's loss, not the session's.
                let _ = execution.resolve(body, statement, capabilities);
                statement.cursor.take()
            }),
            RequestKind::BulkExecute(execution) => self.statements.update(execution.statement_id, |statement| {
                execution.resolve_bulk(body, statement);
                None
            }),
            _ => None,
        };
        if let Some(cursor) = cursor.flatten() {
            self.end_cursor(*cursor, None, emit);
        }
    }

    /// A request of which only the front came before the connection ended.
    pub(super) fn torn_request(&mut self, payload: &[u8], started_ns: u64, now: Now) {
        if self.is_authenticating() || self.awaits_file_content() || self.has_quit {
            return;
        }
        let is_query = payload.first().is_some_and(|byte| Command::from_byte(*byte) == Command::Query);
        if is_query && let Some(body) = payload.get(1..) {
            let text_at = query_text_at(body, self.facts.in_force()).ok();
            let packet = Packet { payload, length: u64::MAX, sequence: 0, next_sequence: 1, started_ns };
            let _ = self.push(RequestKind::Query { text_at, pieces: None }, body, &packet, now);
        }
    }
}

/// What is kept of a request's body: the whole where there is a text or values, nothing where it does not matter or must not be kept.
fn kept_of(command: Command, body: &[u8]) -> &[u8] {
    let limit = match command {
        Command::Query | Command::StmtExecute | Command::StmtBulkExecute | Command::StmtPrepare => usize::MAX,
        // Longer than any name may be.
        Command::InitDb => 4096,
        Command::SetOption => 2,
        Command::StmtSendLongData => 6 + LONG_DATA_KEPT,
        // COM_CHANGE_USER holds authentication data.
        _ => 0,
    };
    body.get(..limit).unwrap_or(body)
}
