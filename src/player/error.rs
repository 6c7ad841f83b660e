//! Why a session or a command was not played.

use std::time::Duration;

use crate::client::ClientError;
use crate::recording::RecordedCommand;

/// Why a command was not sent. The session goes on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Unplayable {
    /// It was longer than what is recorded.
    #[error("only a part of it was recorded")]
    Truncated,
    /// Its parameters were not understood.
    #[error("its parameters could not be understood when it was recorded")]
    Undecodable,
    /// A parameter's text is no value of the parameter's type.
    #[error("a recorded parameter is no value of its type")]
    BadParam,
    /// Its text is not known.
    #[error("its text was not recorded")]
    NoText,
    /// It is about a prepared statement that the target refused to prepare.
    #[error("the target refused to prepare its statement")]
    NotPrepared,
    /// It is about a prepared statement that nobody knows.
    #[error("its prepared statement is not known: it was prepared before the recording began")]
    UnknownStatement,
    /// The recording has another number of parameters than the statement.
    #[error("the statement has another number of parameters on the target")]
    ParamCount,
    /// It begins a stream: replication, a clone.
    #[error("it begins a replication stream or a clone")]
    Stream,
    /// COM_CHANGE_USER to somebody whose account on the target is not known.
    #[error("no account on the target is given for the user that it changes to")]
    NoAccount,
    /// A command that only MariaDB knows.
    #[error("the target has no bulk execution")]
    NoBulk,
    /// The packet is no command of the protocol's.
    #[error("the command is not known")]
    UnknownCommand,
    /// A name in its text may be that of a database that `--schema-map` renames, or something else's.
    #[error("a name in its text may be a database of --schema-map, or an alias, a table or a column of the same name")]
    SchemaInDoubt,
    /// The recorded server refused the login.
    #[error("the recorded login was refused")]
    RefusedLogin,
}

/// Why a session could not be opened or a command not be played.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The target cannot be reached, or does not let us in.
    #[error(transparent)]
    Connect(#[from] ClientError),
    /// No account is given for the recorded user.
    #[error(
        "no account on the target is given for the recorded user '{user}': add it to --user-map, or name one account for all in the target's URL"
    )]
    NoAccount {
        /// The recorded user.
        user: String,
    },
    /// Such a command is not sent; the session is as it was.
    #[error("not played: {0}")]
    Unplayable(#[from] Unplayable),
    /// The connection is gone.
    #[error("the connection to the target was lost: {reason}")]
    Lost {
        /// Why.
        reason: String,
        /// What is known of the command's outcome, if one was under way.
        observed: Option<Box<RecordedCommand>>,
    },
    /// The target did not answer in time, and the connection was closed.
    #[error("the target did not answer within {} s", .after.as_secs_f64())]
    TimedOut {
        /// The limit.
        after: Duration,
        /// What is known of the command's outcome.
        observed: Option<Box<RecordedCommand>>,
    },
}

impl PlayError {
    /// Whether the session's connection is still there.
    pub fn keeps_session(&self) -> bool {
        matches!(self, Self::Unplayable(_))
    }

    /// The error number with which the target refused the login.
    pub fn refused_with(&self) -> Option<u16> {
        match self {
            Self::Connect(ClientError::Server { code, .. }) => Some(*code),
            _ => None,
        }
    }

    /// Whether opening the session again, a little later, may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_transient(),
            Self::Lost { .. } | Self::TimedOut { .. } => true,
            Self::NoAccount { .. } | Self::Unplayable(_) => false,
        }
    }
}
