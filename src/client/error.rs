//! Why a server could not be asked.

use crate::mysql::wire::{ErrPacket, Malformed};

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection failed.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Host and port.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("the connection to {address} broke: {source}")]
    Io {
        /// Host and port.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// TLS is not as asked for.
    #[error("TLS with {address}: {reason}")]
    Tls {
        /// Host and port.
        address: String,
        /// Why.
        reason: String,
    },
    /// The server refused.
    #[error("{address} says: ERROR {code} ({state}): {message}{advice}")]
    Server {
        /// Host and port.
        address: String,
        /// The server's error number.
        code: u16,
        /// SQLSTATE.
        state: String,
        /// The server's text.
        message: String,
        /// What may help.
        advice: &'static str,
    },
    /// The login needs something that is not supported here.
    #[error("cannot log in to {address}: {reason}")]
    Auth {
        /// Host and port.
        address: String,
        /// Why.
        reason: String,
    },
    /// The server said something that is not understood.
    #[error("{address} does not speak the protocol as expected: {what}")]
    Malformed {
        /// Host and port.
        address: String,
        /// What.
        what: Malformed,
    },
}

impl ClientError {
    /// What the server says in an ERR packet.
    pub(crate) fn of_packet(address: &str, packet: &[u8], is_logged_in: bool) -> Self {
        let error = match ErrPacket::parse(packet) {
            Ok(error) => error,
            Err(what) => return Self::Malformed { address: address.to_owned(), what },
        };
        Self::Server {
            address: address.to_owned(),
            code: error.code,
            state: error.sql_state.map_or_else(|| "HY000".into(), |state| String::from_utf8_lossy(state).into_owned()),
            message: String::from_utf8_lossy(error.message).into_owned(),
            advice: advice(error.code, is_logged_in),
        }
    }

    /// Whether trying again, here or elsewhere, may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Io { .. } => true,
            // Too many connections, server shutdown, killed, lost the race for a server id.
            Self::Server { code, .. } => matches!(code, 1040 | 1053 | 1317 | 1158..=1161 | 1927 | 3169 | 4031),
            _ => false,
        }
    }
}

/// What may help against an error of the server.
fn advice(code: u16, is_logged_in: bool) -> &'static str {
    match code {
        1045 if !is_logged_in => "; check user and password",
        // MySQL's answer to COM_REGISTER_SLAVE and COM_BINLOG_DUMP says 1045, too.
        1045 | 1227 => "; the user needs GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO it",
        1130 => "; the server does not let this host in",
        _ => "",
    }
}
