//! The client's packets of the command phase: requests, and what follows some of them.

use super::exchange::{Exchange, Expect, PendingLogin};
use super::facts::text;
use super::observer::Emit;
use super::prepared::{FRONT_KEPT, LongDataSet, PreparedStatements};
use super::request::{Execution, Request, RequestKind};
use super::sight::Trouble;
use super::{Now, SightLoss};
use crate::wire::{ChangeUser, Command, ExecuteFlags, ExecutePacket, Malformed, Packet, Reader, query_text_at};

/// How much is kept of requests that wait for the answers to earlier ones, all together: compressed, a client may send gigabytes in
/// a few packets before the server reads the second. What is too much is cut, as if it were longer than the limit of one request.
const WAITING_KEPT: usize = 64 << 20;

/// Requests that wait for their answers at once. A client that sends more without reading is not followed.
const PIPELINE_LIMIT: usize = 10_000;

impl Exchange {
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
        if self.is_authenticating() {
            return match packet.sequence {
                0 => Err(Malformed("request sent before COM_CHANGE_USER was answered").into()),
                // Its authentication data.
                _ => Ok(()),
            };
        }
        let Some((&command, body)) = packet.payload.split_first() else {
            return Err(Malformed("empty request").into());
        };
        let kind = match Command::from_byte(command) {
            Command::Query => {
                // Attributes that cannot be understood hide the text; nothing else depends on them.
                let text_at = query_text_at(body, self.facts.in_force()).ok();
                RequestKind::Query { text_at, pieces: None }
            }
            Command::StmtExecute => self.begin_execution(body, emit)?,
            Command::StmtBulkExecute => {
                let mut execution = Execution::unresolved(Reader::new(body, "COM_STMT_BULK_EXECUTE").u32()?);
                if !self.means_prepare_under_way(execution.statement_id)
                    && let Some(statement) = self.statements.get_mut(execution.statement_id)
                {
                    execution.resolve_bulk(body, statement);
                    self.statements.bound(execution.statement_id);
                }
                RequestKind::BulkExecute(execution)
            }
            Command::StmtPrepare => RequestKind::Prepare,
            Command::StmtFetch => RequestKind::Fetch { statement_id: Reader::new(body, "COM_STMT_FETCH").u32()? },
            Command::StmtSendLongData => {
                let mut reader = Reader::new(body, "COM_STMT_SEND_LONG_DATA");
                let (id, param) = (reader.u32()?, reader.u16()?);
                if self.means_prepare_under_way(id) {
                    return Err(Malformed("COM_STMT_SEND_LONG_DATA sent before its prepare was answered").into());
                }
                // Command byte, id and parameter number are not data.
                self.statements.long_data(id, param, reader.rest(), packet.length.saturating_sub(7));
                return Ok(());
            }
            Command::StmtClose => {
                let id = Reader::new(body, "COM_STMT_CLOSE").u32()?;
                if self.means_prepare_under_way(id) {
                    return Ok(());
                }
                if let Some(cursor) = self.statements.remove(id).and_then(|statement| statement.cursor) {
                    self.end_cursor(*cursor, None, emit);
                }
                return Ok(());
            }
            Command::StmtReset => {
                let id = Reader::new(body, "COM_STMT_RESET").u32()?;
                let mut cursor = None;
                if let Some(statement) = self.statements.get_mut(id) {
                    statement.long_data = LongDataSet::default();
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
                self.login = PendingLogin {
                    user: text(login.user),
                    collation: login.collation,
                    database: login.database.map(text),
                };
                // Neither the body nor what follows is kept: it holds authentication data.
                return self.push(RequestKind::ChangeUser, &[], packet, now);
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
            Command::Unknown(_) => RequestKind::Unknown,
        };
        self.push(kind, body, packet, now)
    }

    pub(super) fn push(
        &mut self,
        mut kind: RequestKind,
        body: &[u8],
        packet: &Packet<'_>,
        now: Now,
    ) -> Result<(), Trouble> {
        if self.requests.len() >= PIPELINE_LIMIT {
            return Err(Trouble { loss: SightLoss::Backlog, what: "too much sent ahead of its answers" });
        }
        let mut room = usize::MAX;
        if !self.requests.is_empty() {
            let waiting: usize = self.requests.iter().map(Request::kept_bytes).sum();
            room = WAITING_KEPT.saturating_sub(waiting);
        }
        if let RequestKind::Execute(execution) = &mut kind
            && execution.kept_bytes() > room
        {
            execution.forget_params();
        }
        let front = body.get(..room.max(FRONT_KEPT)).unwrap_or(body);
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.extend_from_slice(front);
        let age_ms = now.monotonic_ns.saturating_sub(packet.started_ns) / 1_000_000;
        self.requests.push_back(Request {
            kind,
            truncated: packet.length > packet.payload.len() as u64 || front.len() < body.len(),
            body: kept,
            started_ns: packet.started_ns,
            started_epoch_ms: now.epoch_ms.saturating_sub(age_ms),
        });
        Ok(())
    }

    /// While a prepare is under way, 0xffffffff means that one: its statement is known only with its answer.
    fn means_prepare_under_way(&self, statement_id: u32) -> bool {
        statement_id == PreparedStatements::LAST
            && self.requests.iter().any(|request| matches!(request.kind, RequestKind::Prepare))
    }

    pub(super) fn begin_execution(&mut self, body: &[u8], emit: &mut Emit<'_>) -> Result<RequestKind, Trouble> {
        let (statement_id, flags) = ExecutePacket::statement_id(body)?;
        let mut execution = Execution::unresolved(statement_id);
        execution.wants_cursor = flags.intersects(ExecuteFlags::CURSOR_TYPES);
        let capabilities = self.facts.in_force();
        let mut cursor = None;
        if !self.means_prepare_under_way(statement_id)
            && let Some(statement) = self.statements.get_mut(statement_id)
        {
            cursor = statement.cursor.take();
            // Parameters that cannot be understood are the message's loss, not the session's.
            let types = statement.types.as_ptr();
            let _ = execution.resolve(body, statement, capabilities);
            // Seldom: most executions bind the same types again.
            if statement.types.as_ptr() != types {
                self.statements.bound(statement_id);
            }
        }
        if let Some(cursor) = cursor {
            self.end_cursor(*cursor, None, emit);
        }
        Ok(RequestKind::Execute(execution))
    }

    /// A request of which only the front came before the connection ended.
    pub(super) fn torn_request(&mut self, payload: &[u8], started_ns: u64, now: Now) {
        if self.is_authenticating() || self.awaits_file_content() {
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
