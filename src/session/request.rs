//! A request under way: what the client sent, kept until its response tells the outcome.

use std::ops::Range;
use std::sync::Arc;

use super::exchange::PendingLogin;
use super::prepared::{LongDataSet, PreparedStatement, PreparedText};
use super::sight::Trouble;
use super::statement::{BoundParams, StatementParams};
use super::texts::Pieces;
use crate::mysql::wire::{
    CapabilityFlags, ColumnType, ExecutePacket, Malformed, ParamType, StatusFlags, bulk_rows, is_null,
};

/// What a request is, as far as its response and its message depend on it.
#[derive(Debug)]
pub(super) enum RequestKind {
    /// COM_QUERY: the text begins at this offset of the body;
    /// `None` if the query attributes in front of it could not be understood.
    Query { text_at: Option<usize>, pieces: Option<Pieces> },
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
    /// COM_STMT_SEND_LONG_DATA, of so many bytes of which the body has the front. It has no answer.
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
    ChangeUser(PendingLogin),
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

    /// Whether the server answers it.
    pub(super) fn has_answer(&self) -> bool {
        !matches!(self, Self::LongData { .. } | Self::Close { .. })
    }
}

/// A prepared statement's execution.
#[derive(Debug)]
pub(super) struct Execution {
    pub(super) statement_id: u32,
    /// Whether that is MariaDB's id of the statement prepared last.
    pub(super) means_last: bool,
    /// The client asked for a cursor. Without this SERVER_STATUS_CURSOR_EXISTS means nothing: a stored procedure that opens
    /// a cursor of its own leaves it set.
    pub(super) wants_cursor: bool,
    /// `None` until the execution comes to the front of the queue, and where there is no such statement.
    pub(super) text: Option<Arc<PreparedText>>,
    pub(super) types: Arc<[ParamType]>,
    pub(super) long_data: LongDataSet,
    /// `None` if the parameters cannot be understood.
    pub(super) layout: Option<(Range<usize>, usize)>,
}

impl Execution {
    pub(super) fn unresolved(statement_id: u32, means_last: bool) -> Self {
        Self {
            statement_id,
            means_last,
            wants_cursor: false,
            text: None,
            types: Arc::new([]),
            long_data: LongDataSet::default(),
            layout: None,
        }
    }

    /// Takes over what the statement tells, and binds the statement's types anew if the packet does.
    pub(super) fn resolve(
        &mut self,
        body: &[u8],
        statement: &mut PreparedStatement,
        capabilities: CapabilityFlags,
    ) -> Result<(), Malformed> {
        self.text = Some(Arc::clone(&statement.text));
        self.long_data = std::mem::take(&mut statement.long_data);
        if self.long_data.is_incomplete() {
            return Err(Malformed("long data of which not all is kept"));
        }
        let packet = ExecutePacket::parse(body, statement.text.params, capabilities)?;
        if let Some(types) = packet.new_types
            && *types != *statement.types
        {
            statement.types = types.into();
        }
        self.types = Arc::clone(&statement.types);
        if statement.types.len() != statement.text.params {
            // A client need not bind types if all it sends are NULLs and long data.
            let bitmap = body.get(packet.null_bitmap.clone()).unwrap_or_default();
            let has_value = |param: usize| !is_null(bitmap, param) && !self.long_data.contains(param);
            if (0..statement.text.params).any(has_value) {
                return Err(Malformed("COM_STMT_EXECUTE without parameter types"));
            }
            let any = ParamType { column_type: ColumnType::VarString, unsigned: false };
            self.types = vec![any; statement.text.params].into();
        }
        self.layout = Some((packet.null_bitmap, packet.values_at));
        Ok(())
    }

    /// The same for a bulk execution, whose parameter sets are read when its outcome is known.
    pub(super) fn resolve_bulk(&mut self, body: &[u8], statement: &mut PreparedStatement) {
        self.text = Some(Arc::clone(&statement.text));
        if let Ok((rows, _)) = bulk_rows(body, statement.text.params, Some(&statement.types))
            && *rows.types() != *statement.types
        {
            statement.types = rows.types().into();
        }
        self.types = Arc::clone(&statement.types);
    }

    /// Bytes that are kept for its parameters, their values aside.
    pub(super) fn kept_bytes(&self) -> usize {
        size_of_val(&*self.types) + self.long_data.kept_bytes()
    }

    /// Gives up the parameters: they are shown as not understood.
    pub(super) fn forget_params(&mut self) {
        self.types = Arc::new([]);
        self.long_data = LongDataSet::default();
        self.layout = None;
    }

    pub(super) fn params<'a>(&'a self, body: &'a [u8]) -> StatementParams<'a> {
        match (&self.layout, &self.text) {
            (_, Some(text)) if text.params == 0 => StatementParams::None,
            (Some((null_bitmap, values_at)), Some(_)) => StatementParams::Bound(BoundParams {
                body,
                null_bitmap: null_bitmap.clone(),
                values_at: *values_at,
                types: &self.types,
                long_data: &self.long_data,
            }),
            _ => StatementParams::Undecodable,
        }
    }
}

/// A request, from its first byte on.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) kind: RequestKind,
    /// The payload behind the command byte, as far as it is kept.
    pub(super) body: Vec<u8>,
    /// Whether the payload was longer than what is kept.
    pub(super) truncated: bool,
    pub(super) started_ns: u64,
    pub(super) started_epoch_ms: u64,
    /// How many requests in a row this stands for.
    pub(super) times: u64,
    /// Whether it has come to the front: what it does to the session's statements is done.
    pub(super) begun: bool,
    /// What the queue counts it as.
    pub(super) counted_size: usize,
}

impl Request {
    /// Whether a status flag says that this request opened a cursor, whose rows the client will fetch.
    pub(super) fn opens_cursor(&self, status: StatusFlags) -> bool {
        matches!(&self.kind, RequestKind::Execute(execution) if execution.wants_cursor)
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
            RequestKind::Prepare => Some(&self.body),
            RequestKind::Execute(execution) | RequestKind::BulkExecute(execution) => {
                execution.text.as_ref().map(|text| &*text.sql)
            }
            _ => None,
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

    /// Whether it is the execution that MariaDB's clients send right behind a prepare, and that prepare failed: the statement
    /// has its message already.
    pub(super) fn follows_failed_prepare(&self) -> bool {
        match &self.kind {
            RequestKind::Execute(execution) | RequestKind::BulkExecute(execution) => {
                execution.means_last && execution.text.is_none()
            }
            _ => false,
        }
    }

    /// Bytes that are kept for it.
    pub(super) fn kept_bytes(&self) -> usize {
        let params = match &self.kind {
            RequestKind::Execute(execution) | RequestKind::BulkExecute(execution) => execution.kept_bytes(),
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
