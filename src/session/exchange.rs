//! The state of a session's conversation, and the connection phase.

use super::dialect::Dialect;
use super::facts::SessionFacts;
use super::listener::{Gap, Interest, Listener, LoginAnswer};
use super::login::PendingLogin;
use super::outcome::{LastWords, ProbeAnswer, UnknownOutcome};
use super::prepared::PreparedStatements;
use super::progress::Expect;
use super::queue::{Current, RequestQueue};
use super::sight::{Side, SightLoss, Trouble};
use super::time::Now;
use crate::mysql::sql::Flavor;
use crate::mysql::wire::{CapabilityFlags, ErrPacket, Greeting, HandshakeResponse, Malformed, OkPacket, Packet};

/// Where in its life a session is, with what matters only there.
#[derive(Debug)]
pub(super) enum State {
    /// The server's first packet is awaited.
    Greeting,
    /// The client's answer is awaited.
    Login {
        /// The capabilities with which the client asked for TLS: its login's own are not looked at by the servers.
        tls_request: Option<CapabilityFlags>,
    },
    /// The server's OK is awaited.
    Authentication {
        login: PendingLogin,
        /// What was wrong with the client's answer to the greeting. If the server accepts it anyway, the session is out of sight;
        /// else it never was one.
        trouble: Option<Trouble>,
        /// Whether the server has said something since that wants an answer of the client's.
        awaits_client: bool,
    },
    /// Requests and their answers.
    Command(Footing),
    /// What passed before is not known: the client's next request is awaited.
    Seeking {
        /// The sequence id that continues the client's last packet. In a long file it is 0 now and then, like a request's.
        continues_with: Option<u8>,
    },
    /// Nothing more is looked at, as intended.
    Blind,
    /// Nothing more is understood.
    Lost,
}

/// How certain it is which packets answer which request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Footing {
    /// All requests and answers have been seen, or answers since have fitted.
    Firm,
    /// The first answer after a part of the session that was not seen. It has to have this sequence id next, and nothing else may be under way.
    Trial { next_sequence: u8 },
}

/// What the client's packets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientSide {
    /// Requests, or what the current answer makes them.
    Requests,
    /// The server refused a file before its end: the client sends the rest of it anyway.
    RefusedFile,
    /// It sent COM_QUIT: the server reads nothing that comes after it.
    Quit,
}

/// Whether the following bytes of the same read are what they seem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    /// From the next byte on they are compressed, if that was agreed on.
    CompressionBegins,
}

/// The state of one session's conversation.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) interest: Interest,
    pub(super) state: State,
    pub(super) facts: SessionFacts,
    pub(super) server_capabilities: CapabilityFlags,
    pub(super) dialect: Dialect,
    /// What COM_SET_OPTION said of them, if it came.
    pub(super) multi_statements: Option<bool>,
    pub(super) client: ClientSide,
    pub(super) requests: RequestQueue,
    /// How many commands the client has sent.
    pub(super) commands: u64,
    pub(super) statements: PreparedStatements,
    /// Buffers of finished requests, for the next ones.
    pub(super) spare: Vec<Vec<u8>>,
    /// An error that came without a request, such as "disconnected by the server because of inactivity".
    pub(super) last_words: Option<LastWords>,
    /// What became of the proxy's own question, if there was one.
    pub(super) probe: Option<ProbeAnswer>,
}

impl Exchange {
    pub(super) fn new(interest: Interest) -> Self {
        Self {
            interest,
            state: State::Greeting,
            facts: SessionFacts::default(),
            server_capabilities: CapabilityFlags::empty(),
            dialect: Dialect::default(),
            multi_statements: None,
            client: ClientSide::Requests,
            requests: RequestQueue::default(),
            commands: 0,
            statements: PreparedStatements::default(),
            spare: Vec::new(),
            last_words: None,
            probe: None,
        }
    }

    /// For a session that has begun.
    pub(super) fn resumed(interest: Interest, facts: SessionFacts) -> Self {
        let dialect = facts.capabilities.map_or_else(Dialect::unknown, Dialect::known);
        let mut statements = PreparedStatements::default();
        if facts.flavor == Some(Flavor::MariaDb) {
            statements.know_last();
        }
        let state = State::Seeking { continues_with: None };
        Self { state, facts, dialect, statements, ..Self::new(interest) }
    }

    #[inline]
    pub(super) fn is_following(&self) -> bool {
        !matches!(self.state, State::Blind | State::Lost)
    }

    #[inline]
    pub(super) fn is_seeking(&self) -> bool {
        matches!(self.state, State::Seeking { .. })
    }

    /// Whether the server's packets matter.
    #[inline]
    pub(super) fn hears_server(&self) -> bool {
        !matches!(self.state, State::Blind | State::Lost | State::Seeking { .. })
    }

    /// Whether the server owes an answer. One that is complete unless more comes of it (see [`PerhapsOk`](super::progress::PerhapsOk)) is not awaited.
    pub(super) fn is_busy(&self) -> bool {
        let is_perhaps_over = self.expect() == Some(Expect::AfterPerhapsOk) && self.requests.is_alone();
        !self.requests.is_empty() && !is_perhaps_over
    }

    pub(super) fn expect(&self) -> Option<Expect> {
        self.requests.current.as_ref().map(|current| current.progress.expect)
    }

    /// Whether the server has said a part of its response to the oldest request.
    pub(super) fn is_mid_response(&self) -> bool {
        self.requests.current.as_ref().is_some_and(|current| current.progress.has_begun())
    }

    /// COM_CHANGE_USER is under way: what the client sends is authentication data, which is never kept.
    pub(super) fn is_authenticating(&self) -> bool {
        self.requests.current.as_ref().is_some_and(Current::is_change_user)
    }

    pub(super) fn awaits_file_content(&self) -> bool {
        self.expect() == Some(Expect::FileContent) || self.client == ClientSide::RefusedFile
    }

    /// Whether somebody wants to have the content of the file that the client sends.
    pub(super) fn tells_file_content(&self) -> bool {
        self.interest.contains(Interest::FILES) && self.expect() == Some(Expect::FileContent)
    }

    /// See [`Observer::set_interest`](super::Observer::set_interest).
    pub(super) fn set_interest(&mut self, interest: Interest) {
        self.interest = interest;
        // Of the result under way the rows so far were not seen.
        if let Some(current) = &mut self.requests.current {
            current.progress.stop_watching();
        }
    }

    /// Bytes of memory in use for what the client sent, for tests.
    #[cfg(any(test, fuzzing))]
    pub(super) fn kept_bytes(&self) -> usize {
        self.requests.kept_bytes() + self.spare.iter().map(Vec::capacity).sum::<usize>() + self.statements.kept_bytes()
    }

    pub(super) fn client_packet(
        &mut self,
        packet: &Packet<'_>,
        now: Now,
        to: &mut Listener<'_>,
    ) -> Result<(), Trouble> {
        match &mut self.state {
            State::Command(Footing::Firm) => self.request(packet, now, to),
            State::Command(Footing::Trial { .. }) => self.request_on_trial(packet, now, to),
            State::Seeking { .. } => self.seek(packet, now, to),
            State::Login { .. } => self.handshake_response(packet),
            // A client that knows its login to be right need not wait before it goes on.
            State::Authentication { trouble, .. } if packet.sequence == 0 => {
                if self.dialect.has_sequence() {
                    return self.request(packet, now, to);
                }
                let what = "compressed request sent before the login was answered";
                trouble.get_or_insert(Trouble { loss: SightLoss::Compression, what });
                Ok(())
            }
            // The client's part of an authentication has no form of its own.
            State::Authentication { .. } | State::Blind | State::Lost => Ok(()),
            State::Greeting => Err(Malformed("client packet before the server's greeting").into()),
        }
    }

    fn handshake_response(&mut self, packet: &Packet<'_>) -> Result<(), Trouble> {
        let State::Login { tls_request } = &mut self.state else { return Ok(()) };
        if tls_request.is_none()
            && self.server_capabilities.contains(CapabilityFlags::SSL)
            && HandshakeResponse::is_ssl_request(packet.payload)
        {
            // The login follows, inside TLS.
            *tls_request = HandshakeResponse::sent_capabilities(packet.payload);
            return Ok(());
        }
        let response = match HandshakeResponse::parse(packet.payload, self.server_capabilities, *tls_request) {
            Ok(response) => response,
            Err(malformed) => {
                // The server knows better whether this is a login.
                let trouble = Some(malformed.into());
                self.state = State::Authentication { login: PendingLogin::default(), trouble, awaits_client: false };
                return Ok(());
            }
        };
        let in_force = response.capabilities & self.server_capabilities;
        self.facts.capabilities = Some(in_force);
        self.dialect = Dialect::known(in_force);
        if let Some(login) =
            PendingLogin::of_response(&response, self.facts.flavor, self.interest.contains(Interest::LOGIN))
        {
            self.state = State::Authentication { login, trouble: None, awaits_client: false };
        }
        Ok(())
    }

    #[inline]
    pub(super) fn server_packet(
        &mut self,
        packet: &Packet<'_>,
        now: Now,
        to: &mut Listener<'_>,
    ) -> Result<Flow, Trouble> {
        match self.state {
            State::Command(Footing::Firm) => self.response(packet, now, to).map(|()| Flow::Continue),
            _ => self.rare_server_packet(packet, now, to),
        }
    }

    fn rare_server_packet(&mut self, packet: &Packet<'_>, now: Now, to: &mut Listener<'_>) -> Result<Flow, Trouble> {
        match &mut self.state {
            State::Command(Footing::Firm) => self.response(packet, now, to)?,
            State::Command(Footing::Trial { .. }) => self.response_on_trial(packet, now, to)?,
            State::Greeting => self.greeting(packet)?,
            State::Authentication { login, trouble, awaits_client } => {
                // caching_sha2_password says that its fast way has succeeded; the OK follows.
                *awaits_client = packet.payload != [1, 3];
                // No rows and no generated id: data of a plugin may begin with 0x00 too.
                if packet.payload.starts_with(&[0, 0, 0])
                    && let Ok(ok) = OkPacket::parse(packet.payload, self.dialect.in_force())
                {
                    if let Some(trouble) = trouble {
                        return Err(*trouble);
                    }
                    let login = std::mem::take(login);
                    self.state = State::Command(Footing::Firm);
                    self.logged_in(login, &ok, None, now, to);
                    return Ok(Flow::CompressionBegins);
                }
                if packet.payload.first() == Some(&0xff) {
                    let login = std::mem::take(login);
                    self.login_refused(&login, packet.payload, None, now, to);
                    self.never_logged_in();
                }
            }
            // The server may refuse before the client's answer came.
            State::Login { .. } if packet.payload.first() == Some(&0xff) => {}
            State::Login { .. } => return Err(Malformed("server packet before the client's login").into()),
            State::Seeking { .. } | State::Blind | State::Lost => {}
        }
        Ok(Flow::Continue)
    }

    /// What was sent after a login that failed is not read.
    pub(super) fn never_logged_in(&mut self) {
        self.requests = RequestQueue::default();
    }

    fn greeting(&mut self, packet: &Packet<'_>) -> Result<(), Trouble> {
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
        self.state = State::Login { tls_request: None };
        Ok(())
    }

    /// `command`: the number of a COM_CHANGE_USER.
    pub(super) fn logged_in(
        &mut self,
        login: PendingLogin,
        ok: &OkPacket<'_>,
        command: Option<u64>,
        now: Now,
        to: &mut Listener<'_>,
    ) {
        let facts = &mut self.facts;
        facts.user.clone_from(&login.user);
        facts.login_collation = login.collation.or(facts.login_collation);
        facts.login_charset = login.charset;
        facts.client_charset = login.charset;
        facts.results_charset = login.charset;
        facts.login_database.clone_from(&login.database);
        facts.current_database.clone_from(&login.database);
        facts.apply_ok(ok);
        self.tell_login(&login, None, command, now, to);
    }

    pub(super) fn login_refused(
        &self,
        login: &PendingLogin,
        payload: &[u8],
        command: Option<u64>,
        now: Now,
        to: &mut Listener<'_>,
    ) {
        if let Ok(error) = ErrPacket::parse(payload) {
            self.tell_login(login, Some(error), command, now, to);
        }
    }

    fn tell_login(
        &self,
        login: &PendingLogin,
        refused: Option<ErrPacket<'_>>,
        command: Option<u64>,
        now: Now,
        to: &mut Listener<'_>,
    ) {
        if self.interest.contains(Interest::LOGIN) {
            to.login(&LoginAnswer {
                session: &self.facts,
                user: login.user.as_deref(),
                database: login.database.as_deref(),
                collation: login.collation,
                attributes: login.attributes(),
                refused,
                command,
                now,
            });
        }
    }

    // Sessions that were not seen from their beginning, or have gaps: see `seeking.rs`.

    /// Bytes are missing. An error if the session cannot be followed any more.
    pub(super) fn gap(
        &mut self,
        from: Side,
        bytes: Option<u64>,
        client_continues_with: u8,
        now: Now,
        to: &mut Listener<'_>,
    ) -> Result<(), Trouble> {
        let what = "bytes are missing, and where the next packet begins is not known";
        let trouble = Trouble { loss: SightLoss::Gap, what };
        let goes_on = from == Side::Server
            && self.dialect.has_sequence()
            && matches!(self.state, State::Command(_) | State::Seeking { .. });
        self.tell_gap(from, bytes, false, now, to);
        if !goes_on {
            return Err(trouble);
        }
        if matches!(self.state, State::Command(_)) {
            self.seek_again(Some(client_continues_with), UnknownOutcome::Gap, now, to);
        }
        Ok(())
    }

    pub(super) fn tell_gap(&self, from: Side, bytes: Option<u64>, is_bridged: bool, now: Now, to: &mut Listener<'_>) {
        if self.interest.contains(Interest::GAPS) {
            to.gap(&Gap { from, bytes, is_bridged, session: &self.facts, now });
        }
    }
}
