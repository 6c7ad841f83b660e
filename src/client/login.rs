//! The connection phase without I/O: the server's packets in, what to answer out. Blocking and asynchronous connections share it.
//!
//! Source: "Connection Phase" in MySQL's protocol documentation; `parse_client_handshake_packet` in both servers.

use super::auth::Exchange;
use super::error::ClientError;
use super::tls::TlsMode;
use crate::mysql::wire::{
    Answer, CapabilityFlags, Greeting, LoginFacts, Malformed, write_handshake_response, write_ssl_request,
};

/// What every connection of ours has, and what a login needs.
pub(crate) fn our_capabilities() -> CapabilityFlags {
    CapabilityFlags::LONG_PASSWORD
        | CapabilityFlags::PROTOCOL_41
        | CapabilityFlags::TRANSACTIONS
        | CapabilityFlags::SECURE_CONNECTION
        | CapabilityFlags::PLUGIN_AUTH
        | CapabilityFlags::PLUGIN_AUTH_LENENC_CLIENT_DATA
}

/// Who logs in, and to what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoginOptions<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) database: Option<&'a str>,
    /// The collation's id.
    pub(crate) collation: Option<u16>,
    /// What the session should have beyond [`our_capabilities`], as far as the server has it.
    pub(crate) capabilities: CapabilityFlags,
    pub(crate) attributes: &'a [(String, String)],
    pub(crate) tls: TlsMode,
}

impl<'a> LoginOptions<'a> {
    pub(crate) fn new(user: &'a str, password: &'a str, tls: TlsMode) -> Self {
        let capabilities = CapabilityFlags::empty();
        Self { user, password, database: None, collation: None, capabilities, attributes: &[], tls }
    }

    /// What is asked of a server that has `server`.
    fn capabilities_for(&self, server: CapabilityFlags) -> CapabilityFlags {
        let mut asked = self.capabilities;
        asked.set(CapabilityFlags::CONNECT_WITH_DB, self.database.is_some());
        asked.set(CapabilityFlags::CONNECT_ATTRS, !self.attributes.is_empty());
        asked.remove(CapabilityFlags::SSL);
        let mut capabilities = (asked | our_capabilities()) & (server | CapabilityFlags::LONG_PASSWORD);
        if capabilities.mariadb_bits() != 0 {
            // MariaDB reads the extended ones only of a client that does not claim to be MySQL's.
            capabilities.remove(CapabilityFlags::LONG_PASSWORD);
        }
        capabilities
    }
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LoginStep {
    /// Wait for the server's next packet.
    Listen,
    /// Send this payload.
    Send(Vec<u8>),
    /// Send this payload, begin TLS, and go on with [`Login::secured`].
    StartTls(Vec<u8>),
    /// Logged in.
    Done,
}

/// Where a login is.
enum State<'a> {
    Greeting,
    StartingTls { plugin: String, nonce: Vec<u8> },
    Authentication(Exchange<'a>),
}

/// One login.
pub(crate) struct Login<'a> {
    options: LoginOptions<'a>,
    /// For errors.
    address: &'a str,
    state: State<'a>,
    server_version: String,
    capabilities: CapabilityFlags,
}

impl<'a> Login<'a> {
    pub(crate) fn new(options: LoginOptions<'a>, address: &'a str) -> Self {
        let (server_version, capabilities) = (String::new(), CapabilityFlags::empty());
        Self { options, address, state: State::Greeting, server_version, capabilities }
    }

    /// As the greeting has it.
    pub(crate) fn server_version(&self) -> &str {
        &self.server_version
    }

    /// What client and server agreed on.
    pub(crate) fn capabilities(&self) -> CapabilityFlags {
        self.capabilities
    }

    /// The server's next packet.
    pub(crate) fn packet(&mut self, packet: &[u8]) -> Result<LoginStep, ClientError> {
        if packet.first() == Some(&0xff) {
            return Err(ClientError::of_packet(self.address, packet, false));
        }
        match &mut self.state {
            State::Greeting => self.greeting(packet),
            State::StartingTls { .. } => Err(self.malformed(Malformed("packet before TLS has begun"))),
            State::Authentication(_) if packet.first() == Some(&0) => Ok(LoginStep::Done),
            State::Authentication(exchange) => match exchange.next(packet) {
                Ok(answer) => Ok(answer.map_or(LoginStep::Listen, LoginStep::Send)),
                Err(reason) => Err(self.auth(reason)),
            },
        }
    }

    fn greeting(&mut self, packet: &[u8]) -> Result<LoginStep, ClientError> {
        let greeting = Greeting::parse(packet).map_err(|what| self.malformed(what))?;
        self.server_version = String::from_utf8_lossy(greeting.server_version).into_owned();
        self.capabilities = self.options.capabilities_for(greeting.capabilities);
        let plugin = String::from_utf8_lossy(greeting.plugin).into_owned();
        let nonce = greeting.nonce.concat();
        if self.options.tls != TlsMode::Disabled {
            if greeting.capabilities.contains(CapabilityFlags::SSL) {
                self.capabilities |= CapabilityFlags::SSL;
                self.state = State::StartingTls { plugin, nonce };
                let mut request = Vec::new();
                write_ssl_request(&mut request, &self.facts());
                return Ok(LoginStep::StartTls(request));
            } else if self.options.tls != TlsMode::Preferred {
                let reason = format!("the server does not offer it, and --tls-mode={} asks for it", self.options.tls);
                return Err(ClientError::Tls { address: self.address.to_owned(), reason });
            }
        }
        self.first_answer(plugin, nonce, false).map(LoginStep::Send)
    }

    /// TLS has begun: what to send in it.
    pub(crate) fn secured(&mut self) -> Result<Vec<u8>, ClientError> {
        match std::mem::replace(&mut self.state, State::Greeting) {
            State::StartingTls { plugin, nonce } => self.first_answer(plugin, nonce, true),
            _ => Err(ClientError::Tls { address: self.address.to_owned(), reason: "it was not asked for".into() }),
        }
    }

    fn first_answer(&mut self, plugin: String, nonce: Vec<u8>, is_tls: bool) -> Result<Vec<u8>, ClientError> {
        let mut exchange = Exchange::new(plugin, nonce, self.options.password, is_tls);
        let answer = exchange.first().map_err(|reason| self.auth(reason))?;
        let mut response = Vec::new();
        let answer = Answer { plugin: exchange.plugin(), bytes: &answer };
        write_handshake_response(&mut response, &self.facts(), answer);
        self.state = State::Authentication(exchange);
        Ok(response)
    }

    fn facts(&self) -> LoginFacts<'a> {
        let LoginOptions { user, database, collation, attributes, .. } = self.options;
        LoginFacts { capabilities: self.capabilities, collation, user, database, attributes }
    }

    fn malformed(&self, what: Malformed) -> ClientError {
        ClientError::Malformed { address: self.address.to_owned(), what }
    }

    fn auth(&self, reason: String) -> ClientError {
        ClientError::Auth { address: self.address.to_owned(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::wire::HandshakeResponse;

    /// The greeting of a server with these capabilities (MySQL's 32 bits, MariaDB's).
    fn greeting(mysql: u32, mariadb: u32, plugin: &str) -> Vec<u8> {
        let [a, b, c, d] = mysql.to_le_bytes();
        [
            &b"\x0a9.7.4\0\x08\0\0\0"[..],
            b"12345678\0",
            &[a, b, 45, 2, 0, c, d, 21],
            &[0; 6],
            &mariadb.to_le_bytes(),
            b"abcdefghijkl\0",
            plugin.as_bytes(),
            &[0],
        ]
        .concat()
    }

    const SSL: u32 = CapabilityFlags::SSL.bits() as u32;
    const ALL_BUT_SSL: u32 = !SSL;

    fn sent(step: LoginStep) -> Vec<u8> {
        match step {
            LoginStep::Send(payload) => payload,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_recorded_capabilities_are_asked_for_as_far_as_the_server_has_them() {
        let wanted = CapabilityFlags::DEPRECATE_EOF | CapabilityFlags::QUERY_ATTRIBUTES | CapabilityFlags::COMPRESS;
        let mut options = LoginOptions::new("app", "secret", TlsMode::Preferred);
        options.capabilities = wanted - CapabilityFlags::COMPRESS;
        options.database = Some("shop");
        let server = ALL_BUT_SSL & !(CapabilityFlags::QUERY_ATTRIBUTES.bits() as u32);
        let mut login = Login::new(options, "db:3306");
        let response = sent(login.packet(&greeting(server, 0, "mysql_native_password")).unwrap());
        let parsed = HandshakeResponse::parse(&response, CapabilityFlags::all(), None).unwrap();
        assert_eq!(parsed.capabilities & wanted, CapabilityFlags::DEPRECATE_EOF);
        assert_eq!(parsed.capabilities, login.capabilities());
        assert_eq!(parsed.login.unwrap().database, Some(&b"shop"[..]));
        assert_eq!(login.packet(b"\0\0\0\x02\0\0\0").unwrap(), LoginStep::Done);
    }

    #[test]
    fn mariadbs_capabilities_reach_mariadb_only() {
        let mut options = LoginOptions::new("app", "", TlsMode::Disabled);
        options.capabilities = CapabilityFlags::MARIADB_STMT_BULK_OPERATIONS;
        let capabilities_sent = |server: &[u8]| {
            let mut login = Login::new(options, "db:3306");
            let response = sent(login.packet(server).unwrap());
            HandshakeResponse::parse(&response, CapabilityFlags::all(), None).unwrap().capabilities
        };
        let mariadb = capabilities_sent(&greeting(ALL_BUT_SSL & !1, 4, "mysql_native_password"));
        assert!(mariadb.contains(CapabilityFlags::MARIADB_STMT_BULK_OPERATIONS));
        let mysql = capabilities_sent(&greeting(ALL_BUT_SSL, 0, "mysql_native_password"));
        assert_eq!(mysql.mariadb_bits(), 0);
        assert!(mysql.contains(CapabilityFlags::LONG_PASSWORD));
    }

    #[test]
    fn tls_is_asked_for_before_anybody_is_named() {
        let options = LoginOptions::new("app", "secret", TlsMode::Required);
        let mut login = Login::new(options, "db:3306");
        let LoginStep::StartTls(request) = login.packet(&greeting(!0, 0, "mysql_clear_password")).unwrap() else {
            panic!("no TLS");
        };
        assert_eq!(request.len(), HandshakeResponse::FIXED_PART);
        assert!(login.packet(b"\0\0\0\x02\0\0\0").is_err(), "the server waits for TLS");
        let response = login.secured().unwrap();
        assert!(response.windows(6).any(|part| part == b"secret"), "in clear, as it is within TLS");
        assert!(login.secured().is_err());
    }

    #[test]
    fn a_server_without_tls_never_learns_a_password_in_clear() {
        for (mode, plugin) in
            [(TlsMode::Required, "mysql_native_password"), (TlsMode::Preferred, "mysql_clear_password")]
        {
            let mut login = Login::new(LoginOptions::new("app", "secret", mode), "db:3306");
            assert!(login.packet(&greeting(ALL_BUT_SSL, 0, plugin)).is_err());
        }
    }

    #[test]
    fn plugins_are_switched_and_errors_told() {
        let mut login = Login::new(LoginOptions::new("app", "secret", TlsMode::Disabled), "db:3306");
        login.packet(&greeting(ALL_BUT_SSL, 0, "caching_sha2_password")).unwrap();
        let switch = [&b"\xfemysql_native_password\0"[..], &[7; 20], &[0]].concat();
        assert_eq!(sent(login.packet(&switch).unwrap()).len(), 20);
        let error = login.packet(b"\xff\x15\x04#28000Access denied").unwrap_err().to_string();
        assert_eq!(error, "db:3306 says: ERROR 1045 (28000): Access denied; check user and password");
        // caching_sha2_password: the fast way has succeeded, OK follows.
        let mut login = Login::new(LoginOptions::new("app", "secret", TlsMode::Disabled), "db:3306");
        login.packet(&greeting(ALL_BUT_SSL, 0, "caching_sha2_password")).unwrap();
        assert_eq!(login.packet(&[1, 3]).unwrap(), LoginStep::Listen);
        assert!(login.packet(b"").is_err());
    }
}
