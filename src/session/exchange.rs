//! The state of a session's conversation, and the connection phase.

use super::facts::text;
use super::observer::Emit;
use super::prepared::PreparedStatements;
use super::queue::RequestQueue;
use super::request::RequestKind;
use super::sight::Trouble;
use super::{Now, Phase, SessionFacts, SightLoss};
use crate::mysql::sql::{ClientCharset, Flavor};
use crate::mysql::wire::{CapabilityFlags, Greeting, HandshakeResponse, Malformed, OkPacket, Packet, PrepareOk};

/// What the next packet of the response to the oldest request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// The first packet of the response, or of its next result.
    Head,
    /// Column or parameter definitions, so many more.
    Definitions { left: u64, then: AfterDefinitions },
    /// The EOF behind definitions.
    DefinitionsEof { then: AfterDefinitions },
    /// Rows, or what ends them.
    Rows,
    /// Nothing: the client sends a file's content, an empty packet last.
    FileContent,
}

/// What comes behind definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterDefinitions {
    Rows,
    /// A prepare response's column definitions, behind those of its parameters.
    PreparedColumns(u64),
    /// Definitions were left out of a prepare response, but not the EOF behind the columns'.
    SecondEof,
    Nothing,
}

/// Progress of the response to the oldest request.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) expect: Expect,
    pub(super) rows: u64,
    /// The EOF behind the definitions of OUT parameters said that more follows, which the one behind their row may leave out.
    pub(super) more_announced: bool,
    /// The first result set's rows, while one statement (a CALL) brings several results.
    pub(super) first_rows: Option<u64>,
    /// When the previous statement of a multi-statement text was done.
    pub(super) previous_end: Option<Now>,
    /// Columns of a `SELECT @@..` whose first row tells session state: number, and and the variable.
    pub(super) watched: Vec<(usize, Vec<u8>)>,
    pub(super) prepare: Option<PrepareOk>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            expect: Expect::Head,
            rows: 0,
            more_announced: false,
            first_rows: None,
            previous_end: None,
            watched: Vec::new(),
            prepare: None,
        }
    }
}

/// A login whose outcome is not known yet.
#[derive(Debug, Default)]
pub(super) struct PendingLogin {
    /// `None` if it could not be read.
    pub(super) user: Option<String>,
    pub(super) collation: Option<u16>,
    pub(super) database: Option<String>,
}

/// The state of one session's conversation.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) phase: Phase,
    pub(super) facts: SessionFacts,
    pub(super) server_capabilities: CapabilityFlags,
    /// What COM_SET_OPTION said of them, if it came.
    pub(super) multi_statements: Option<bool>,
    /// Set when authentication is done and compression was agreed on.
    pub(super) compression_begins: bool,
    pub(super) login: PendingLogin,
    /// The capabilities with which the client asked for TLS: its login's own are not looked at by the servers.
    pub(super) tls_request: Option<CapabilityFlags>,
    /// What was wrong with the client's answer to the greeting. If the server accepts it all the same, the session is out of sight;
    /// else it never was one.
    pub(super) login_trouble: Option<Trouble>,
    /// The client sent COM_QUIT: the server reads nothing that comes behind it.
    pub(super) has_quit: bool,
    pub(super) requests: RequestQueue,
    pub(super) progress: Progress,
    pub(super) statements: PreparedStatements,
    /// Buffers of finished requests, for the next ones.
    pub(super) spare: Vec<Vec<u8>>,
    /// The server refused a file before its end: the client sends the rest of it all the same.
    pub(super) file_refused: bool,
    /// An error that came without a request, such as "disconnected by the server because of inactivity".
    pub(super) last_words: Option<String>,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            phase: Phase::Greeting,
            facts: SessionFacts::default(),
            server_capabilities: CapabilityFlags::empty(),
            multi_statements: None,
            compression_begins: false,
            login: PendingLogin::default(),
            tls_request: None,
            login_trouble: None,
            has_quit: false,
            requests: RequestQueue::default(),
            progress: Progress::default(),
            statements: PreparedStatements::default(),
            spare: Vec::new(),
            file_refused: false,
            last_words: None,
        }
    }
}

impl Exchange {
    pub(super) fn is_following(&self) -> bool {
        !matches!(self.phase, Phase::Blind | Phase::Lost)
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Whether the server has said a part of its response to the oldest request.
    pub(super) fn is_mid_response(&self) -> bool {
        let progress = &self.progress;
        progress.expect != Expect::Head || progress.first_rows.is_some() || progress.previous_end.is_some()
    }

    /// COM_CHANGE_USER is under way: what the client sends is authentication data, which is never kept.
    pub(super) fn is_authenticating(&self) -> bool {
        self.requests.front().is_some_and(|request| matches!(request.kind, RequestKind::ChangeUser(_)))
    }

    pub(super) fn awaits_file_content(&self) -> bool {
        self.progress.expect == Expect::FileContent || self.file_refused
    }

    /// Whether the next server packet is one that need not be kept unless it ends something.
    pub(super) fn awaits_rows(&self) -> bool {
        match self.progress.expect {
            Expect::Rows => self.progress.watched.is_empty(),
            Expect::Definitions { .. } => true,
            _ => false,
        }
    }

    /// Bytes of memory in use for what the client sent, for tests.
    #[cfg(any(test, fuzzing))]
    pub(super) fn kept_bytes(&self) -> usize {
        self.requests.kept_bytes() + self.spare.iter().map(Vec::capacity).sum::<usize>() + self.statements.kept_bytes()
    }

    // The client's packets

    pub(super) fn client_packet(&mut self, packet: &Packet<'_>, now: Now, emit: &mut Emit<'_>) -> Result<(), Trouble> {
        match self.phase {
            Phase::Command => self.request(packet, now, emit),
            Phase::Login => self.handshake_response(packet),
            // A client that knows its login to be right need not wait before it goes on.
            Phase::Authentication if packet.sequence == 0 => {
                if self.has_sequence() {
                    return self.request(packet, now, emit);
                }
                let what = "compressed request sent before the login was answered";
                self.login_trouble.get_or_insert(Trouble { loss: SightLoss::Compression, what });
                Ok(())
            }
            // The client's part of an authentication has no form of its own.
            Phase::Authentication | Phase::Blind | Phase::Lost => Ok(()),
            Phase::Greeting => Err(Malformed("client packet before the server's greeting").into()),
        }
    }

    pub(super) fn handshake_response(&mut self, packet: &Packet<'_>) -> Result<(), Trouble> {
        if self.tls_request.is_none()
            && self.server_capabilities.contains(CapabilityFlags::SSL)
            && HandshakeResponse::is_ssl_request(packet.payload)
        {
            // The login follows, inside TLS.
            self.tls_request = HandshakeResponse::sent_capabilities(packet.payload);
            return Ok(());
        }
        let response = match HandshakeResponse::parse(packet.payload, self.server_capabilities, self.tls_request) {
            Ok(response) => response,
            Err(malformed) => {
                // The server knows better whether this is a login.
                self.login_trouble = Some(malformed.into());
                self.phase = Phase::Authentication;
                return Ok(());
            }
        };
        self.facts.capabilities = Some(response.capabilities & self.server_capabilities);
        if let Some(login) = response.login {
            self.login = PendingLogin {
                user: Some(text(login.user)),
                collation: Some(u16::from(response.collation)),
                database: login.database.map(text),
            };
            self.phase = Phase::Authentication;
        }
        Ok(())
    }

    pub(super) fn server_packet(&mut self, packet: &Packet<'_>, now: Now, emit: &mut Emit<'_>) -> Result<(), Trouble> {
        match self.phase {
            Phase::Command => self.response(packet, now, emit),
            Phase::Greeting => self.greeting(packet),
            Phase::Authentication => {
                // No rows and no generated id: data of a plugin may begin with 0x00 too.
                if packet.payload.starts_with(&[0, 0, 0])
                    && let Ok(ok) = OkPacket::parse(packet.payload, self.facts.in_force())
                {
                    if let Some(trouble) = self.login_trouble {
                        return Err(trouble);
                    }
                    self.logged_in(&ok);
                    self.compression_begins = true;
                    self.phase = Phase::Command;
                } else if packet.payload.first() == Some(&0xff) {
                    self.never_logged_in();
                }
                Ok(())
            }
            // The server may refuse before the client's answer came.
            Phase::Login if packet.payload.first() == Some(&0xff) => Ok(()),
            Phase::Login => Err(Malformed("server packet before the client's login").into()),
            Phase::Blind | Phase::Lost => Ok(()),
        }
    }

    /// What was sent behind a login that failed is not read.
    pub(super) fn never_logged_in(&mut self) {
        self.requests = RequestQueue::default();
    }

    pub(super) fn greeting(&mut self, packet: &Packet<'_>) -> Result<(), Trouble> {
        if packet.payload.first() == Some(&0xff) {
            // Too many connections, host blocked: the server closes.
            return Ok(());
        }
        let greeting = Greeting::parse(packet.payload)?;
        self.facts.greeted(&greeting);
        self.server_capabilities = greeting.capabilities;
        if self.facts.flavor == Some(Flavor::MariaDb) {
            self.statements.know_last();
        }
        self.phase = Phase::Login;
        Ok(())
    }

    pub(super) fn logged_in(&mut self, ok: &OkPacket<'_>) {
        let login = std::mem::take(&mut self.login);
        self.facts.user = login.user;
        self.facts.charset = login.collation.map_or(ClientCharset::Unknown, ClientCharset::from_collation);
        self.facts.login_database.clone_from(&login.database);
        self.facts.current_database = login.database;
        self.facts.apply_ok(ok);
    }
}
