//! A request under way: what the client sent, kept until its response tells the outcome.

use std::sync::Arc;

use super::execution::Execution;
use super::login::PendingLogin;
use super::reading::Reading;
use super::sight::Trouble;
use super::statement::StatementParams;
use super::texts::Pieces;
use super::time::Now;
use crate::mysql::wire::{BulkRows, StatusFlags, bulk_rows};

/// What a request is, as far as its response and its message depend on it.
#[derive(Debug)]
pub(super) enum RequestKind {
    /// COM_QUERY: the text begins at this offset of the body;
    /// `None` if the query attributes in front of it could not be understood.
    Query { text_at: Option<usize>, pieces: Option<Pieces> },
    /// The proxy's own COM_QUERY: the body is the text. See `probe.rs`.
    Probe,
    /// COM_STMT_PREPARE: the body is the text.
    Prepare,
    /// COM_STMT_EXECUTE.
    Execute(Execution),
    /// COM_STMT_BULK_EXECUTE (MariaDB).
    BulkExecute(Execution),
    /// COM_STMT_FETCH.
    Fetch { statement_id: u32 },
    /// COM_STMT_RESET.
    Reset { statement_id: u32 },
    /// COM_STMT_SEND_LONG_DATA, of this many bytes of which the body has the front. It has no answer.
    LongData { statement_id: u32, param: u16, length: u64 },
    /// COM_STMT_CLOSE. It has no answer.
    Close { statement_id: u32 },
    /// COM_INIT_DB: the body is the name.
    InitDb,
    /// COM_FIELD_LIST: definitions, then an EOF.
    FieldList,
    /// COM_PROCESS_INFO: a result set, though no statement.
    ResultSet,
    /// COM_STATISTICS: one packet of any form.
    AnyPacket,
    /// COM_CHANGE_USER, to this login.
    ChangeUser(Box<PendingLogin>),
    /// Packets of a file's content, sent before the server asked for it: the sequence id that continues them, and whether they
    /// end with an empty one.
    EarlyContent { next_sequence: u8, ended: bool },
    /// COM_RESET_CONNECTION.
    ResetConnection,
    /// COM_SET_OPTION: the body says whether multi-statements are on.
    SetOption,
    /// One OK, EOF or ERR: COM_PING and the like.
    Simple,
    /// COM_BINLOG_DUMP and the like: packets without end, which hold no statements.
    Stream(Trouble),
    /// A command this program does not know; only an error can be its answer.
    Unknown,
    /// COM_QUIT. It has no answer.
    Quit,
    /// What the server does not even answer.
    Ignored,
}

impl RequestKind {
    /// Whether nothing but the command itself matters for its answer.
    pub(super) fn is_bare(&self) -> bool {
        matches!(
            self,
            Self::Simple
                | Self::Unknown
                | Self::AnyPacket
                | Self::ResultSet
                | Self::FieldList
                | Self::ResetConnection
                | Self::Reset { .. }
        )
    }

    /// Of two bare ones: whether they are the same.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Reset { statement_id: one }, Self::Reset { statement_id: other }) => one == other,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    /// Whether it is the proxy's own, of which nobody is told.
    pub(super) fn is_probe(&self) -> bool {
        matches!(self, Self::Probe)
    }

    /// Whether the server answers it.
    pub(super) fn has_answer(&self) -> bool {
        !matches!(self, Self::LongData { .. } | Self::Close { .. } | Self::Quit | Self::Ignored)
    }
}

/// A request, from its first byte on.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) kind: RequestKind,
    /// Its number among the session's commands.
    pub(super) number: u64,
    /// The command byte.
    pub(super) code: u8,
    /// The payload after the command byte, as far as it is kept.
    pub(super) body: Vec<u8>,
    /// The whole payload's length.
    pub(super) length: u64,
    /// Whether the payload was longer than what is kept.
    pub(super) truncated: bool,
    pub(super) started: Now,
    /// How many requests in a row this stands for.
    pub(super) times: u64,
    /// How it is read, once the server gets to it; of several statements, the one whose result is due.
    pub(super) reading: Reading,
}

impl Request {
    /// Whether it is an execution that asks for a cursor.
    pub(super) fn wants_cursor(&self) -> bool {
        matches!(&self.kind, RequestKind::Execute(execution) if execution.wants_cursor)
    }

    /// Whether a status flag says that this request opened a cursor, whose rows the client will fetch.
    pub(super) fn opens_cursor(&self, status: StatusFlags) -> bool {
        self.wants_cursor()
            && status.contains(StatusFlags::CURSOR_EXISTS)
            && !status.intersects(StatusFlags::MORE_RESULTS_EXISTS | StatusFlags::LAST_ROW_SENT)
    }

    /// Whether [`Self::sql`] is only the front of the text.
    pub(super) fn is_sql_truncated(&self) -> bool {
        match &self.kind {
            RequestKind::Execute(execution) | RequestKind::BulkExecute(execution) => {
                execution.text.as_ref().is_some_and(|text| text.truncated)
            }
            _ => self.truncated,
        }
    }

    /// The statement's text, if the request carries or names one.
    pub(super) fn sql(&self) -> Option<&[u8]> {
        match &self.kind {
            RequestKind::Query { text_at, .. } => self.body.get((*text_at)?..),
            RequestKind::Prepare | RequestKind::Probe => Some(&self.body),
            RequestKind::Execute(execution) | RequestKind::BulkExecute(execution) => {
                execution.text.as_ref().map(|text| &*text.sql)
            }
            _ => None,
        }
    }

    /// How the statement is read: a prepared text as it was when it was prepared.
    pub(super) fn statement_reading(&self) -> Reading {
        match &self.kind {
            RequestKind::Execute(Execution { text: Some(text), .. })
            | RequestKind::BulkExecute(Execution { text: Some(text), .. }) => {
                Reading { lexis: text.reading.lexis, text: text.reading.text, ..self.reading }
            }
            _ => self.reading,
        }
    }

    /// The statement's text; of several, those whose results are not all there.
    pub(super) fn sql_left(&self) -> Option<&[u8]> {
        let sql = self.sql()?;
        match &self.kind {
            RequestKind::Query { pieces: Some(pieces), .. } => sql.get(pieces.left(sql)),
            _ => Some(sql),
        }
    }

    /// The prepared statement that it names.
    pub(super) fn statement_id(&self) -> Option<u32> {
        match &self.kind {
            RequestKind::Execute(execution) | RequestKind::BulkExecute(execution) => Some(execution.statement_id),
            RequestKind::Fetch { statement_id }
            | RequestKind::Reset { statement_id }
            | RequestKind::Close { statement_id }
            | RequestKind::LongData { statement_id, .. } => Some(*statement_id),
            _ => None,
        }
    }

    /// The text of the prepared statement that it executes.
    pub(super) fn prepared_sql(&self) -> Option<&Arc<[u8]>> {
        match &self.kind {
            RequestKind::Execute(execution) | RequestKind::BulkExecute(execution) => {
                execution.text.as_ref().map(|text| &text.sql)
            }
            _ => None,
        }
    }

    /// Whether it is the execution that MariaDB's clients send right after a prepare, and that prepare failed: the statement
    /// has its message already.
    pub(super) fn follows_failed_prepare(&self) -> bool {
        match &self.kind {
            RequestKind::Execute(execution) | RequestKind::BulkExecute(execution) => {
                execution.means_last && execution.text.is_none()
            }
            _ => false,
        }
    }

    /// The parameters of an execution.
    pub(super) fn params(&self) -> StatementParams<'_> {
        match &self.kind {
            RequestKind::Execute(execution) => execution.params(&self.body),
            _ => StatementParams::None,
        }
    }

    /// The parameter sets of a bulk execution.
    pub(super) fn bulk(&self) -> Option<BulkRows<'_>> {
        let RequestKind::BulkExecute(execution) = &self.kind else { return None };
        let params = execution.text.as_ref()?.params;
        bulk_rows(&self.body, params, Some(&execution.types)).ok().map(|(rows, _)| rows)
    }

    /// What the queue counts it as.
    pub(super) fn counted_size(&self) -> usize {
        size_of::<Self>() + self.body.capacity()
    }

    /// Bytes that are kept for it.
    pub(super) fn kept_bytes(&self) -> usize {
        let params = match &self.kind {
            RequestKind::Execute(execution) | RequestKind::BulkExecute(execution) => execution.kept_bytes(),
            RequestKind::ChangeUser(login) => login.kept_bytes(),
            _ => 0,
        };
        self.body.capacity() + params
    }

    /// Gives up an execution's parameters.
    pub(super) fn forget_params(&mut self) {
        if let RequestKind::Execute(execution) = &mut self.kind {
            execution.forget_params();
            self.body = Vec::new();
        }
    }

    /// Whether its outcome is a message.
    pub(super) fn is_statement(&self) -> bool {
        matches!(self.kind, RequestKind::Query { .. } | RequestKind::Execute(_) | RequestKind::BulkExecute(_))
    }
}
