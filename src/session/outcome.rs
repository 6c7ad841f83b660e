//! How results and statements end.

use std::fmt;

use crate::mysql::wire::{ErrPacket, OkPacket, RowEnd, StatusFlags};

/// How a result, or the statement that it belongs to, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// An OK packet: affected rows, generated id, text, warnings, status, and what changed in the session.
    Ok(OkPacket<'a>),
    /// A result set. Of a statement that brings several (a CALL) these are the first one's rows and the last packet's end.
    Rows {
        /// How many rows came.
        count: u64,
        /// The packet that ended it; `None` where the client closed its cursor before the last row.
        end: Option<RowEnd<'a>>,
    },
    /// The server's error.
    Error(ErrPacket<'a>),
    /// The statement may have run or not.
    Unknown(UnknownOutcome<'a>),
}

/// Why it is not known how a statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownOutcome<'a> {
    /// The connection ended before the answer.
    ConnectionLost,
    /// The connection ended before the answer, with this error of the server's, which answers no request: idle too long, killed, shut down.
    ServerEnded(ErrPacket<'a>),
    /// What passed was not understood any more.
    ObservationLost,
    /// Bytes are missing.
    Gap,
}

/// What is known of a transaction after a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionState {
    /// Nothing: an error and a lost answer do not tell.
    Unknown,
    /// None is open.
    Closed,
    /// One is open. It may be another than before the statement: `COMMIT AND CHAIN` leaves one open, too.
    Open {
        /// Whether it may only read.
        read_only: bool,
    },
}

impl TransactionState {
    /// What status flags say.
    pub fn of(status: StatusFlags) -> Self {
        if status.contains(StatusFlags::IN_TRANS) {
            Self::Open { read_only: status.contains(StatusFlags::IN_TRANS_READONLY) }
        } else {
            Self::Closed
        }
    }
}

impl<'a> Outcome<'a> {
    /// Affected rows of an OK packet, rows of a result set, 0 for an error.
    pub fn update_count(&self) -> u64 {
        match self {
            Self::Ok(ok) => ok.affected_rows,
            Self::Rows { count, .. } => *count,
            Self::Error(_) | Self::Unknown(_) => 0,
        }
    }

    /// The text of an OK packet, such as `Rows matched: 1  Changed: 1  Warnings: 0`; `None` where the answer was another one.
    pub fn info(&self) -> Option<&'a [u8]> {
        match self {
            Self::Ok(ok) => Some(ok.info),
            _ => None,
        }
    }

    /// The status flags that came with it; errors have none.
    pub fn status(&self) -> Option<StatusFlags> {
        match self {
            Self::Ok(ok) => Some(ok.status),
            Self::Rows { end, .. } => end.map(|end| end.status()),
            Self::Error(_) | Self::Unknown(_) => None,
        }
    }

    /// How many warnings there are; `None` where the answer does not tell.
    pub fn warnings(&self) -> Option<u16> {
        match self {
            Self::Ok(ok) => Some(ok.warnings),
            Self::Rows { end, .. } => end.map(|end| end.warnings()),
            Self::Error(_) | Self::Unknown(_) => None,
        }
    }

    /// Whether a transaction is open afterwards.
    pub fn transaction(&self) -> TransactionState {
        self.status().map_or(TransactionState::Unknown, TransactionState::of)
    }

    /// The error as the mysql client prints it, or why the outcome is unknown; `None` where it went well.
    pub fn error(&self) -> Option<ErrorText<'a>> {
        match self {
            Self::Ok(_) | Self::Rows { .. } => None,
            Self::Error(error) | Self::Unknown(UnknownOutcome::ServerEnded(error)) => Some(ErrorText::Server(*error)),
            Self::Unknown(UnknownOutcome::ConnectionLost) => Some(ErrorText::Ours("connection lost")),
            Self::Unknown(UnknownOutcome::ObservationLost) => {
                Some(ErrorText::Ours("outcome unknown: the observer lost track of the session"))
            }
            Self::Unknown(UnknownOutcome::Gap) => {
                Some(ErrorText::Ours("outcome unknown: bytes of the session are missing"))
            }
        }
    }

    pub(super) fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    /// Whether another result of the same request follows.
    pub(super) fn announces_more(&self) -> bool {
        self.status().is_some_and(|status| status.contains(StatusFlags::MORE_RESULTS_EXISTS))
    }

    /// The outcome of a statement whose last result this is, and whose first result set had `first_rows`.
    pub(super) fn of_statement(self, first_rows: Option<u64>) -> Self {
        match (self, first_rows) {
            (Self::Ok(ok), Some(count)) => Self::Rows { count, end: Some(RowEnd::Ok(ok)) },
            (Self::Rows { end, .. }, Some(count)) => Self::Rows { count, end },
            (outcome, _) => outcome,
        }
    }
}

/// What went wrong. Its `Display` is a message's `errorMessage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorText<'a> {
    /// The server's words.
    Server(ErrPacket<'a>),
    /// The observer's.
    Ours(&'a str),
}

impl fmt::Display for ErrorText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => error.fmt(f),
            Self::Ours(text) => f.write_str(text),
        }
    }
}

/// An error that came without a request, kept until the connection's end shows that it was the server's last word.
#[derive(Debug)]
pub(super) struct LastWords {
    code: u16,
    sql_state: Option<Box<[u8]>>,
    message: Box<[u8]>,
}

impl LastWords {
    pub(super) fn new(error: &ErrPacket<'_>) -> Self {
        // What is longer no server writes, and no message shows; one byte more shows that there was more.
        let message = error.message.get(..=ErrPacket::LONGEST_TEXT).unwrap_or(error.message);
        Self { code: error.code, sql_state: error.sql_state.map(Into::into), message: message.into() }
    }

    pub(super) fn outcome(&self) -> UnknownOutcome<'_> {
        let Self { code, sql_state, message } = self;
        UnknownOutcome::ServerEnded(ErrPacket { code: *code, sql_state: sql_state.as_deref(), message })
    }
}

/// How far the answer to the probe is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// More of it is to come.
    Awaited,
    /// It is complete.
    Complete,
    /// The server answered with this error, and may close after it.
    Refused(u16),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::wire::EofPacket;

    #[test]
    fn a_transaction_shows_in_what_came_last() {
        let ok = |status| Outcome::Ok(OkPacket::new(1, 0, status, 0, b"")).transaction();
        assert_eq!(ok(StatusFlags::AUTOCOMMIT), TransactionState::Closed);
        assert_eq!(ok(StatusFlags::IN_TRANS), TransactionState::Open { read_only: false });
        let read_only = StatusFlags::IN_TRANS | StatusFlags::IN_TRANS_READONLY;
        assert_eq!(ok(read_only), TransactionState::Open { read_only: true });
        let error = ErrPacket { code: 1213, sql_state: Some(b"40001"), message: b"Deadlock" };
        assert_eq!(Outcome::Error(error).transaction(), TransactionState::Unknown);
        assert_eq!(Outcome::Unknown(UnknownOutcome::Gap).transaction(), TransactionState::Unknown);
    }

    #[test]
    fn several_results_end_as_one_statement() {
        let ok = OkPacket::new(7, 0, StatusFlags::AUTOCOMMIT, 2, b"text");
        assert_eq!(Outcome::Ok(ok).of_statement(None), Outcome::Ok(ok));
        let call = Outcome::Ok(ok).of_statement(Some(3));
        assert_eq!((call.update_count(), call.info(), call.warnings()), (3, None, Some(2)));
        let end = RowEnd::Eof(EofPacket { warnings: 0, status: StatusFlags::empty() });
        let rows = Outcome::Rows { count: 9, end: Some(end) };
        assert_eq!(rows.of_statement(Some(3)), Outcome::Rows { count: 3, end: Some(end) });
    }
}
