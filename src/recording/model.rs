//! What is recorded of a session.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::mysql::wire::{CapabilityFlags, Command, StatusFlags};
use crate::session::{Now, RowChecksum};

/// Tells a session from all others, also of other recordings: a recorder's own random number in the upper 32 bits, a counter in the lower ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    /// Sixteen hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One fact of a session. Those of one session are in order; those of several come in the order in which they were complete.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Whose it is.
    pub session: SessionId,
    /// Its number in the session, without a gap: 0 for the beginning, from 1 on for what comes after it.
    pub number: u64,
    /// When it began: of a command, when its first byte came. The monotonic clock counts from the recording's start.
    pub started: Now,
    /// What it is.
    pub event: Event,
}

/// What happened in a session.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It began, or its recording did.
    Begin(Box<SessionBegin>),
    /// A command, and what it was answered.
    Command(Box<RecordedCommand>),
    /// From here on commands may be missing, for this reason. The next record of the session, if there is one, is another `Begin`.
    Lost(String),
    /// It is over.
    End(SessionClose),
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionClose {
    /// The client said so (COM_QUIT).
    Quit,
    /// The connection was closed without.
    Closed,
    /// The recording ended before the session.
    RecordingEnded,
}

/// A session as it is when its recording begins.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionBegin {
    /// Whether it had begun before the recording did: variables, temporary tables and an open transaction of before are unknown.
    pub began_before: bool,
    /// The client's address, with its port where that is known.
    pub client: Option<String>,
    /// The server's connection id.
    pub connection_id: Option<u32>,
    /// As the server's greeting has it.
    pub server_version: Option<String>,
    /// Who is logged in.
    pub user: Option<String>,
    /// The current database.
    pub database: Option<String>,
    /// What client and server agreed on.
    pub capabilities: Option<CapabilityFlags>,
    /// What the client's library says of itself.
    pub attributes: Vec<(String, String)>,
    /// What is known of its variables.
    pub settings: SessionSettings,
    /// Statements that were prepared before the recording began, and are still open.
    pub prepared: Vec<PreparedBefore>,
    /// Whether a transaction was open.
    pub in_transaction: bool,
    /// The error with which the server refused the login.
    pub refused: Option<RecordedError>,
}

/// Variables of a session, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionSettings {
    /// `character_set_client`, by MySQL's name.
    pub client_charset: Option<String>,
    /// `character_set_results`.
    pub results_charset: Option<String>,
    /// The collation id that the login asked for.
    pub login_collation: Option<u16>,
    /// `time_zone`
    pub time_zone: Option<String>,
    /// `transaction_isolation`, as `SET` takes it.
    pub isolation: Option<String>,
    /// `sql_mode`
    pub sql_mode: Option<String>,
    /// `autocommit`
    pub autocommit: Option<bool>,
}

/// A statement that was prepared before the recording began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedBefore {
    /// The id by which the client executes it.
    pub id: u32,
    /// Its text, in the connection's character set.
    pub sql: Bytes,
}

/// A command with its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedCommand {
    /// What it is.
    pub command: Command,
    /// The text of COM_QUERY and COM_STMT_PREPARE, and that of the prepared statement which is executed, in the connection's character set.
    pub sql: Option<Arc<[u8]>>,
    /// Whether the text, a parameter or the file's content is only the front of what was sent: such a command is not replayed.
    pub truncated: bool,
    /// The recorded server's id of the prepared statement that it is about; of COM_STMT_PREPARE, the id that was given.
    pub statement: Option<u32>,
    /// Bound parameters; of COM_STMT_BULK_EXECUTE those of all rows, one row after the other.
    pub params: Vec<Param>,
    /// Query attributes of COM_QUERY and COM_STMT_EXECUTE, in their order.
    pub attributes: Vec<QueryAttribute>,
    /// How many rows of parameters there are: 1 but for COM_STMT_BULK_EXECUTE.
    pub param_rows: u32,
    /// Whether parameters were sent that could not be understood: such a command is not replayed.
    pub undecodable: bool,
    /// What the rest of a command's packet holds that has no field of its own (numbers are little-endian, as sent):
    ///
    /// - COM_STMT_EXECUTE: the byte with the cursor flags, if one is set; COM_STMT_BULK_EXECUTE: its flags, two bytes
    /// - COM_STMT_FETCH: how many rows, four bytes
    /// - COM_STMT_SEND_LONG_DATA: the number of the parameter, two bytes, then the data
    /// - every other command but COM_QUERY, COM_STMT_PREPARE, COM_STMT_RESET, COM_STMT_CLOSE and COM_CHANGE_USER: all that comes after its
    ///   first byte, if anything does (the database of COM_INIT_DB, the option of COM_SET_OPTION, table and pattern of COM_FIELD_LIST)
    pub argument: Option<Bytes>,
    /// Of COM_CHANGE_USER: whom to. `None` also if that could not be read.
    pub change_user: Option<Box<UserChange>>,
    /// What the client sent for each LOAD DATA LOCAL in the text, as far as it was recorded; empty where the client refused or had nothing.
    pub files: Vec<Bytes>,
    /// From the command's first byte to its answer's last; `None` where there is no answer.
    pub duration_ns: Option<u64>,
    /// Its answers: none for what has no answer, several for a CALL and a text of several statements.
    pub results: Vec<RecordedResult>,
}

/// A bound parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// The type byte as the server read it (one that is unknown is a string's, 254), and 0x8000 if it is unsigned.
    pub column_type: u16,
    /// Its value.
    pub value: ParamValue,
}

impl Param {
    /// The bit of [`Self::column_type`] that says unsigned.
    pub const UNSIGNED: u16 = 0x8000;
}

/// What a parameter was bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamValue {
    /// NULL.
    Null,
    /// Numbers and times as text, everything else as it was sent.
    Given(Bytes),
    /// It was sent before, by the COM_STMT_SEND_LONG_DATA that are commands of their own, and the execution has no value for it.
    LongData,
    /// The column's default: an indicator of COM_STMT_BULK_EXECUTE.
    Default,
    /// The column stays as it is: another one.
    Ignore,
}

/// A query attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryAttribute {
    /// Its name as it was sent.
    pub name: Bytes,
    /// Its value.
    pub param: Param,
}

/// Whom a COM_CHANGE_USER changes to. Never with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserChange {
    /// The user.
    pub user: String,
    /// The database, if one is given.
    pub database: Option<String>,
    /// The collation id, if sent.
    pub collation: Option<u16>,
}

/// One answer of the server's.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedResult {
    /// What it is.
    pub answer: RecordedAnswer,
    /// The status flags with it; errors have none.
    pub status: Option<StatusFlags>,
    /// How many warnings there were.
    pub warnings: Option<u16>,
}

/// What a command was answered.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordedAnswer {
    /// It went well, and there are no rows.
    Ok {
        /// Affected rows.
        affected_rows: u64,
        /// The first generated AUTO_INCREMENT value.
        last_insert_id: u64,
    },
    /// A result set.
    Rows {
        /// How many rows.
        count: u64,
        /// Of the rows; `None` where there were none to come, or they were not looked at.
        checksum: Option<RowChecksum>,
    },
    /// A statement was prepared.
    Prepared {
        /// How many parameters it has.
        params: u16,
        /// How many columns its rows have.
        columns: u16,
    },
    /// A packet in a form of its own, as COM_STATISTICS has.
    Packet,
    /// The server's error.
    Error(RecordedError),
    /// It may have run or not, for this reason.
    Unknown(String),
}

/// An error of the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedError {
    /// Its number.
    pub code: u16,
    /// SQLSTATE.
    pub state: Option<String>,
    /// Its text.
    pub message: String,
}

impl RecordedCommand {
    /// A command without anything else.
    pub fn new(command: Command) -> Self {
        Self {
            command,
            sql: None,
            truncated: false,
            statement: None,
            params: Vec::new(),
            attributes: Vec::new(),
            param_rows: 1,
            undecodable: false,
            argument: None,
            change_user: None,
            files: Vec::new(),
            duration_ns: None,
            results: Vec::new(),
        }
    }

    /// The first error among its answers.
    pub fn error(&self) -> Option<&RecordedError> {
        self.results.iter().find_map(|result| match &result.answer {
            RecordedAnswer::Error(error) => Some(error),
            _ => None,
        })
    }

    /// Whether a transaction is open afterwards; `None` where the answer does not tell.
    pub fn in_transaction(&self) -> Option<bool> {
        let status = self.results.last()?.status?;
        Some(status.contains(StatusFlags::IN_TRANS))
    }
}
