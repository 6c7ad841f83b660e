//! Errors that the proxy itself tells a client, as ERR packets.

use crate::mysql::wire::{ErrPacket, front_of_text, write_packet};
use crate::session::OutOfSight;

/// An error number and text for a client that has no server to speak to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientError {
    code: u16,
    text: String,
}

impl ClientError {
    /// `CR_CONN_HOST_ERROR`: what the client library itself says when a server cannot be reached.
    pub(super) fn unreachable(upstream: &str, reason: &str) -> Self {
        Self {
            code: 2003,
            text: format!("mysql-interceptor: Can't connect to MySQL server on '{upstream}' ({reason})"),
        }
    }

    /// `CR_SSL_CONNECTION_ERROR`.
    pub(super) fn upstream_tls(upstream: &str, reason: &str) -> Self {
        Self { code: 2026, text: format!("mysql-interceptor: TLS to MySQL server on '{upstream}' failed ({reason})") }
    }

    /// `ER_NET_READ_INTERRUPTED`.
    pub(super) fn handshake_timeout(seconds: u64) -> Self {
        Self { code: 1159, text: format!("mysql-interceptor: no login within {seconds} s (--handshake-timeout)") }
    }

    /// `ER_OPTION_PREVENTS_STATEMENT`.
    pub(super) fn unobservable(end: &OutOfSight) -> Self {
        let text = format!(
            "mysql-interceptor: the session ends because its statements cannot be seen ({end}; --on-unobservable=close)"
        );
        Self { code: 1290, text }
    }

    /// `ER_DISK_FULL`.
    pub(super) fn spool_full() -> Self {
        let text = "mysql-interceptor: the statement was not run because the spool of messages is full; try again later (--spool-full=error)";
        Self { code: 1021, text: text.to_owned() }
    }

    /// `ER_SERVER_SHUTDOWN`.
    pub(super) fn shutting_down() -> Self {
        Self { code: 1053, text: "mysql-interceptor: Server shutdown in progress".to_owned() }
    }

    /// The packet. Before the client's login an ERR packet has no SQL state.
    pub(super) fn packet(&self, sequence: u8, before_login: bool) -> Vec<u8> {
        // One less, for the NUL that clients put after it.
        let message = front_of_text(self.text.as_bytes(), ErrPacket::LONGEST_TEXT - 1);
        let sql_state = (!before_login).then_some(&b"HY000"[..]);
        let mut payload = Vec::new();
        ErrPacket { code: self.code, sql_state, message }.write(&mut payload);
        let mut packet = Vec::new();
        write_packet(&mut packet, &payload, sequence);
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_can_read_it() {
        let error = ClientError::unreachable("db:3306", "Connection refused");
        let early = error.packet(0, true);
        assert_eq!(early[..4], [early.len() as u8 - 4, 0, 0, 0]);
        let parsed = ErrPacket::parse(&early[4..]).unwrap();
        assert_eq!((parsed.code, parsed.sql_state), (2003, None));
        let late = error.packet(3, false);
        assert_eq!(ErrPacket::parse(&late[4..]).unwrap().sql_state, Some(&b"HY000"[..]));
        let long = ClientError::unreachable("db:3306", &"ü".repeat(1000)).packet(3, false);
        let text = ErrPacket::parse(&long[4..]).unwrap().message.to_vec();
        assert!(text.len() < 512 && String::from_utf8(text).is_ok());
    }
}
