//! What an observer tells, and to whom.

use std::sync::Arc;

use bitflags::bitflags;

use super::checksum::RowChecksum;
use super::facts::SessionFacts;
use super::outcome::Outcome;
use super::prepared::OpenStatements;
use super::sight::{OutOfSight, Side};
use super::statement::{Statement, StatementParams};
use super::time::Now;
use crate::mysql::wire::{
    BulkRows, ColumnSet, Command, ConnectionAttributes, ErrPacket, Malformed, PrepareOk, QueryAttribute, RowFormat,
    RowValues,
};

bitflags! {
    /// What a [`SessionListener`] wants to hear. What is not asked for is neither kept nor computed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Interest: u16 {
        /// [`SessionListener::login`]
        const LOGIN = 1;
        /// [`SessionListener::command`]
        const COMMANDS = 1 << 1;
        /// [`SessionListener::columns`]
        const COLUMNS = 1 << 2;
        /// [`SessionListener::row`]. Rows are then collected whole, up to [`ObserverConfig::max_statement_bytes`](super::ObserverConfig).
        const ROWS = 1 << 3;
        /// [`SessionResult::checksum`]. Rows are collected as with [`Self::ROWS`].
        const ROW_CHECKSUMS = 1 << 4;
        /// [`SessionListener::result`]
        const RESULTS = 1 << 5;
        /// [`SessionListener::statement`]
        const STATEMENTS = 1 << 6;
        /// [`SessionListener::gap`]
        const GAPS = 1 << 7;
        /// [`SessionListener::end`]
        const END = 1 << 8;
        /// [`SessionListener::reset`]
        const RESETS = 1 << 9;
        /// [`SessionListener::statement`] for each row of an `INSERT .. VALUES (..), (..)`, with its literals as parameters.
        const ROWS_OF_INSERTS = 1 << 10;
        /// [`SessionListener::file`]
        const FILES = 1 << 11;
    }
}

impl Default for Interest {
    /// Statements, and the session's end.
    fn default() -> Self {
        Self::STATEMENTS | Self::END
    }
}

impl Interest {
    /// Whether rows are looked at.
    pub(super) fn in_rows(self) -> bool {
        self.intersects(Self::ROWS | Self::ROW_CHECKSUMS)
    }

    /// Whether column definitions are looked at: the rows of the binary protocol cannot be read without.
    pub(super) fn in_columns(self) -> bool {
        self.intersects(Self::COLUMNS | Self::ROWS)
    }
}

/// Hears what happens in a session, in the order in which it happens.
///
/// Only what [`ObserverConfig::interest`](super::ObserverConfig) asks for is told. What a method is given is borrowed from the observer and
/// the bytes that it was shown; nothing of it is authentication data. A closure that takes a [`Statement`] is a listener, too.
///
/// Commands are numbered from 1 in the order in which they are sent, and everything that belongs to one has its number.
#[allow(unused_variables, reason = "a listener overrides what it wants to hear")]
pub trait SessionListener {
    /// A login, or a change of user, was answered.
    fn login(&mut self, login: &LoginAnswer<'_>) {}

    /// The server gets to a command: at once, or when it has answered those before it.
    fn command(&mut self, command: &SentCommand<'_>) {}

    /// All definitions of a result set's columns, or of a prepared statement's columns or parameters, are there.
    fn columns(&mut self, columns: &Columns<'_>) {}

    /// A row came.
    fn row(&mut self, row: &Row<'_>) {}

    /// The server asked for a file (LOAD DATA LOCAL), or the client sent a part of it.
    fn file(&mut self, part: &FilePart<'_>) {}

    /// A command is answered, or one of several results of it is complete; or its answer will not be seen.
    fn result(&mut self, result: &SessionResult<'_>) {}

    /// A statement is finished. For a prepared one with a cursor that is when its last row was fetched.
    fn statement(&mut self, statement: &Statement<'_>) {}

    /// The server began the session again, for COM_RESET_CONNECTION or COM_CHANGE_USER: it rolled back what was open, and dropped variables and
    /// prepared statements. A change of user that it refuses does so, too.
    fn reset(&mut self, session: &SessionFacts) {}

    /// Bytes are missing: see [`Observer::gap`](super::Observer::gap).
    fn gap(&mut self, gap: &Gap<'_>) {}

    /// Nothing more will be told.
    fn end(&mut self, end: &SessionEnd<'_>) {}
}

impl<F: FnMut(&Statement<'_>)> SessionListener for F {
    fn statement(&mut self, statement: &Statement<'_>) {
        self(statement);
    }
}

/// Who listens. Dynamic, since what is told of often (rows) is told only to those who ask for it.
pub(super) type Listener<'a> = dyn SessionListener + 'a;

/// The server's answer to a login or to COM_CHANGE_USER.
#[derive(Debug, Clone)]
pub struct LoginAnswer<'a> {
    /// The session afterwards.
    pub session: &'a SessionFacts,
    /// The user who logs in; `None` if the login could not be read.
    pub user: Option<&'a str>,
    /// The database that the login names.
    pub database: Option<&'a str>,
    /// The collation id that the login asks for, if it does.
    pub collation: Option<u16>,
    /// What the client's library says of itself.
    pub attributes: ConnectionAttributes<'a>,
    /// The server's error, if it refuses.
    pub refused: Option<ErrPacket<'a>>,
    /// The number of the COM_CHANGE_USER; `None` for the login at the beginning.
    pub command: Option<u64>,
    /// When the answer came.
    pub now: Now,
}

/// A command as the client sent it.
#[derive(Debug, Clone)]
pub struct SentCommand<'a> {
    /// Its number in the session.
    pub number: u64,
    /// What it is.
    pub command: Command,
    /// Its first byte.
    pub code: u8,
    /// What comes after that byte.
    pub body: CommandBody<'a>,
    /// Length of the whole packet's payload, the first byte included.
    pub length: u64,
    /// Whether the body is only the front of what was sent: that was longer than [`ObserverConfig::max_statement_bytes`](super::ObserverConfig), or
    /// more than is kept waited for answers.
    pub truncated: bool,
    /// The text of COM_QUERY, of COM_STMT_PREPARE, or of the statement that is executed, in the connection's character set.
    pub sql: Option<&'a [u8]>,
    /// The same, where it is the text of a prepared statement: shared by all its executions.
    pub prepared_sql: Option<&'a Arc<[u8]>>,
    /// Whether [`Self::sql`] is only the front of the text.
    pub is_sql_truncated: bool,
    /// Which prepared statement it is about, by the id that the server gave it. MariaDB's id of the one prepared last is told as that one's own;
    /// as it was sent (`u32::MAX`) only where there is none.
    pub statement: Option<u32>,
    /// Parameters of COM_STMT_EXECUTE. Those of a COM_STMT_BULK_EXECUTE come with its statements.
    pub params: StatementParams<'a>,
    /// The parameter sets of COM_STMT_BULK_EXECUTE; `None` also where they could not be understood.
    pub bulk: Option<BulkRows<'a>>,
    /// Query attributes, in front of the text or after the parameters. An error where they could not be understood.
    pub attributes: Result<Vec<QueryAttribute<'a>>, Malformed>,
    /// The session's prepared statements.
    pub open_statements: OpenStatements<'a>,
    /// When the packet's first byte came.
    pub started: Now,
    /// The session as the server has it when it gets to the command.
    pub session: &'a SessionFacts,
}

/// A command's content.
#[derive(Debug, Clone, Copy)]
pub enum CommandBody<'a> {
    /// The bytes as sent.
    Bytes(&'a [u8]),
    /// COM_CHANGE_USER, without its authentication data. `None`: it could not be read.
    ChangeUser(Option<ChangedUser<'a>>),
}

/// A part of a file's content that the client sends for LOAD DATA LOCAL.
#[derive(Debug, Clone, Copy)]
pub struct FilePart<'a> {
    /// The command that the file is for.
    pub command: u64,
    /// The file, by the number of results that came before it.
    pub result: u32,
    /// A packet's content; empty when the server asks for the file, and at its end.
    pub bytes: &'a [u8],
    /// Whether not all that was sent is here: a packet longer than [`ObserverConfig::max_statement_bytes`](super::ObserverConfig), or what was sent
    /// before the server asked for it.
    pub truncated: bool,
    /// Whether this is the end.
    pub is_last: bool,
}

/// Whom a COM_CHANGE_USER changes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangedUser<'a> {
    /// The user.
    pub user: &'a str,
    /// The database, if one is given.
    pub database: Option<&'a str>,
    /// The collation id, if sent.
    pub collation: Option<u16>,
}

/// What definitions belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnsOf {
    /// The rows that follow.
    Result,
    /// The parameters of a statement that is prepared.
    Params,
    /// The rows that a prepared statement will have.
    Prepared,
}

/// Column definitions.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// Which command's answer they are part of.
    pub command: u64,
    /// Which of its results, from 0.
    pub result: u32,
    /// What they belong to.
    pub of: ColumnsOf,
    /// The definitions; `None` if they could not be read, or were more than is kept.
    pub columns: Option<&'a ColumnSet>,
}

/// A row of a result set.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Which command's answer it is part of.
    pub command: u64,
    /// Which of its results, from 0.
    pub result: u32,
    /// Its number in the result, from 0.
    pub index: u64,
    /// The packet as sent.
    pub payload: &'a [u8],
    /// The packet's length; greater than `payload` where that is only the front.
    pub length: u64,
    /// What the packet is in.
    pub format: RowFormat,
    /// What its columns are; `None` where that is not known, as definitions may be left out by agreement.
    pub columns: Option<&'a ColumnSet>,
}

impl<'a> Row<'a> {
    /// Its values. An error where the columns are not known or the row is not whole.
    pub fn values(&self) -> Result<RowValues<'a>, Malformed> {
        match self.columns {
            Some(columns) if self.length == self.payload.len() as u64 => {
                Ok(RowValues::new(self.payload, self.format, columns))
            }
            _ => Err(Malformed("row, or its columns are not known")),
        }
    }
}

/// What a command was answered.
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// The usual ends of a result.
    Outcome(Outcome<'a>),
    /// A statement was prepared.
    Prepared(PrepareOk),
    /// A packet in a form of its own (COM_STATISTICS), as far as it is kept.
    Packet(&'a [u8]),
}

/// An answer to a command, or one of several.
#[derive(Debug, Clone, Copy)]
pub struct SessionResult<'a> {
    /// The command's number.
    pub command: u64,
    /// Which of its results this is, from 0.
    pub index: u32,
    /// What it is.
    pub answer: Answer<'a>,
    /// Whether another result of the command follows.
    pub more: bool,
    /// Of the rows, if [`Interest::ROW_CHECKSUMS`] asks for it and there were any rows to come.
    pub checksum: Option<RowChecksum>,
    /// When it was complete.
    pub now: Now,
    /// The session afterwards.
    pub session: &'a SessionFacts,
}

/// Bytes that were not shown to the observer.
#[derive(Debug, Clone, Copy)]
pub struct Gap<'a> {
    /// Whose bytes they are.
    pub from: Side,
    /// How many, if that is known.
    pub bytes: Option<u64>,
    /// Whether nothing but content is missing: a part of a text that is told as truncated, or of a row. Otherwise the outcome of what was
    /// under way is unknown, and nothing is told until the next command whose beginning is certain.
    pub is_bridged: bool,
    /// The session, as far as it is still known.
    pub session: &'a SessionFacts,
    /// When it was noticed.
    pub now: Now,
}

/// Why nothing more is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The connection is closed.
    Closed,
    /// The session goes on out of sight.
    OutOfSight(OutOfSight),
}

/// The end of what is told of a session.
#[derive(Debug, Clone, Copy)]
pub struct SessionEnd<'a> {
    /// Why.
    pub reason: EndReason,
    /// The session's last known state.
    pub session: &'a SessionFacts,
    /// When.
    pub now: Now,
}
