//! The observer's surface: bytes of both directions in, and what happens out.

use super::exchange::{Exchange, Flow, State};
use super::facts::SessionFacts;
use super::listener::{EndReason, Interest, Listener, SessionEnd, SessionListener};
use super::outcome::UnknownOutcome;
use super::progress::Expect;
use super::sight::{OutOfSight, Side, SightLoss, Trouble};
use super::stream::Stream;
use super::time::Now;
use crate::mysql::wire::{Algorithm, CapabilityFlags, Command, Keep};

/// What an observer looks at.
#[derive(Debug, Clone, Copy)]
pub struct ObserverConfig {
    /// How much of one request is kept, in bytes, and of one row where rows are asked for; the rest of a longer one is not seen.
    pub max_statement_bytes: usize,
    /// What is told to the listener.
    pub interest: Interest,
}

impl Default for ObserverConfig {
    /// MySQL's default `max_allowed_packet`; statements and the end.
    fn default() -> Self {
        Self { max_statement_bytes: 64 << 20, interest: Interest::default() }
    }
}

/// Where in its life a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The server's first packet is awaited.
    Greeting,
    /// The client's answer is awaited.
    Login,
    /// Authentication is going on, by whatever plugin.
    Authentication,
    /// Commands and responses.
    Command,
    /// In mid-session, or after a gap: the next command whose beginning is certain is awaited.
    Seeking,
    /// Nothing more can be seen, as intended: TLS that is passed through, a replication stream, a clone. Or the connection is closed.
    Blind,
    /// Nothing more is understood; see [`Observer::out_of_sight`].
    Lost,
}

/// What is known of a session that has been going on for a while: see [`Observer::resume`].
#[derive(Debug, Clone, Default)]
pub struct MidSession {
    /// Whatever is known; the rest is `None`, and stays so until something shows it.
    ///
    /// `capabilities`: what client and server agreed on. Without them, they are found out from what passes. `flavor`: without it, MariaDB's id
    /// for the statement prepared last means nothing.
    pub facts: SessionFacts,
}

/// Follows one session. See the [module](super) for the contract.
///
/// ```
/// use mysql_interceptor::session::{Now, Observer, ObserverConfig, Phase, Statement};
/// let mut observer = Observer::new(ObserverConfig::default());
/// let mut nothing = |_: &Statement<'_>| unreachable!();
/// // An error in place of a greeting is no session, and no statement either.
/// observer.server_bytes(b"\x17\0\0\0\xff\x10\x04Too many connections", Now::default(), &mut nothing);
/// assert_eq!(observer.phase(), Phase::Greeting);
/// observer.close(Now::default(), &mut nothing);
/// ```
#[derive(Debug)]
pub struct Observer {
    config: ObserverConfig,
    pub(super) client: Stream,
    pub(super) server: Stream,
    pub(super) exchange: Exchange,
    out_of_sight: Option<OutOfSight>,
}

/// Longest packet that is kept where no statement is expected: greetings, logins, OK and ERR packets.
pub(super) const PACKET_LIMIT: usize = 1 << 20;

impl Observer {
    /// An observer for a connection whose server is about to send its greeting.
    pub fn new(config: ObserverConfig) -> Self {
        Self::with(config, Exchange::new(config.interest))
    }

    /// An observer for a session that has begun unseen.
    ///
    /// The first of the client's bytes begin a packet (on a compressed connection: a frame); of the server's any may be the first. Nothing is told until a
    /// command begins, which is seen by its sequence id, and the server's next packets answer it.
    ///
    /// Capabilities that are not given are found out from what passes: whether results have EOF packets, texts attributes and several statements.
    /// Until that has shown, what depends on it is unknown rather than guessed: a text that may begin with attributes is `None`, and parameters
    /// are [`Undecodable`](super::StatementParams::Undecodable). What is compressed, encrypted or no session at all is given up
    /// ([`SightLoss::MidSession`]): frames can be read only if the capabilities are given. Statements prepared before have no text.
    pub fn resume(config: ObserverConfig, from: MidSession) -> Self {
        let mut observer = Self::with(config, Exchange::resumed(config.interest, from.facts));
        observer.begin_compression();
        observer
    }

    /// From now on this is told. What is under way is told from where it is: the outcome of a command that was not, a result without checksum.
    pub fn set_interest(&mut self, interest: Interest) {
        self.config.interest = interest;
        self.exchange.set_interest(interest);
    }

    fn with(config: ObserverConfig, exchange: Exchange) -> Self {
        Self { config, client: Stream::default(), server: Stream::default(), exchange, out_of_sight: None }
    }

    /// Bytes that the client sent, cut anyhow.
    #[inline]
    pub fn client_bytes(&mut self, mut bytes: &[u8], now: Now, to: &mut dyn SessionListener) {
        if !self.is_following() {
            return;
        }
        let limit = self.config.max_statement_bytes.saturating_add(1);
        let keep = |exchange: &Exchange| match exchange.state {
            State::Command(_) if exchange.awaits_file_content() => {
                Keep::UpTo(if exchange.tells_file_content() { limit } else { 0 })
            }
            // Authentication data is never kept.
            State::Command(_) | State::Authentication { .. } | State::Seeking { .. }
                if exchange.dialect.has_sequence() =>
            {
                Keep::Requests(limit)
            }
            State::Command(_) if !exchange.is_authenticating() => Keep::UpTo(limit),
            State::Seeking { .. } => Keep::UpTo(limit),
            State::Login { .. } => Keep::UpTo(PACKET_LIMIT),
            _ => Keep::UpTo(0),
        };
        let length = bytes.len() as u64;
        let result = self.client.packets(&mut bytes, now, &mut self.exchange, keep, |exchange, packet| {
            exchange.client_packet(packet, now, to)?;
            Ok(exchange.is_following())
        });
        if let Err(trouble) = result {
            // The packet in question is what the client awaits an answer to.
            self.lose(trouble, Side::Client, self.error_sequence(), now, to);
        }
        if self.exchange.is_seeking() {
            self.server.begin_again();
        }
        self.client.offset += length;
    }

    /// Bytes that the server sent, cut anyhow.
    #[inline]
    pub fn server_bytes(&mut self, mut bytes: &[u8], now: Now, to: &mut dyn SessionListener) {
        if !self.is_following() {
            return;
        }
        let interest = self.config.interest;
        let row_limit = self.config.max_statement_bytes.max(PACKET_LIMIT);
        let keep = |exchange: &Exchange| match &exchange.requests.current {
            None => Keep::UpTo(PACKET_LIMIT),
            Some(current) => match current.progress.expect {
                Expect::Rows if interest.in_rows() => Keep::UpTo(row_limit),
                Expect::Rows if current.progress.variables.is_empty() => Keep::RowEnds(PACKET_LIMIT),
                Expect::Definitions { .. } if !current.progress.reads_definitions() => Keep::RowEnds(PACKET_LIMIT),
                _ => Keep::UpTo(PACKET_LIMIT),
            },
        };
        let length = bytes.len() as u64;
        let error_sequence = self.error_sequence();
        let mut compression_begins = false;
        let (client, server, exchange) = (&self.client, &mut self.server, &mut self.exchange);
        let result = exchange.dialect.answered(client.is_mid_packet()).and_then(|()| {
            if exchange.is_seeking() {
                return Ok(0);
            }
            server.packets(&mut bytes, now, exchange, keep, |exchange, packet| {
                compression_begins = exchange.server_packet(packet, now, to)? == Flow::CompressionBegins;
                Ok(exchange.hears_server() && !compression_begins)
            })
        });
        if let Err(trouble) = result {
            self.lose(trouble, Side::Server, error_sequence, now, to);
        }
        if self.exchange.is_seeking() {
            self.server.begin_again();
        }
        if compression_begins {
            self.begin_compression();
            // What came right after the OK packet is compressed, if anything is.
            self.server.offset += length - bytes.len() as u64;
            return self.server_bytes(bytes, now, to);
        }
        self.server.offset += length;
    }

    #[cold]
    fn begin_compression(&mut self) {
        let algorithm = self.exchange.dialect.algorithm();
        self.client.compress(algorithm);
        self.server.compress(algorithm);
    }

    /// Bytes of one side are missing, `bytes` of them if that is known: a capture has lost them. It is told where they would have come.
    ///
    /// What is missing of a text, a file or a row alone is bridged: the text is told as truncated. After other bytes of the server's the
    /// outcome of what was under way is unknown, and so is what it may have changed; what comes next is the next command whose beginning and
    /// answer are certain. After other bytes of the client's no packet's beginning is known, and the session is given up ([`SightLoss::Gap`]).
    /// So is a compressed one, and one whose login is not complete. Who knows of a later border of packets can [`resume`](Self::resume) there.
    pub fn gap(&mut self, from: Side, bytes: Option<u64>, now: Now, to: &mut dyn SessionListener) {
        if !self.is_following() {
            return;
        }
        let is_bridged = bytes.is_some_and(|count| self.bridge(from, count));
        let stream = if from == Side::Client { &mut self.client } else { &mut self.server };
        stream.offset += bytes.unwrap_or_default();
        if is_bridged {
            self.exchange.tell_gap(from, bytes, true, now, to);
            // The packet may have ended in the gap.
            match from {
                Side::Client => self.client_bytes(&[], now, to),
                Side::Server => self.server_bytes(&[], now, to),
            }
            return;
        }
        let continues_with = self.client.next_sequence;
        if let Err(trouble) = self.exchange.gap(from, bytes, continues_with, now, to) {
            self.lose_for(UnknownOutcome::Gap, trouble, from, None, now, to);
        }
        self.server.begin_again();
    }

    /// Whether missing bytes are but content of the packet under way, of which nobody needs all.
    fn bridge(&mut self, from: Side, count: u64) -> bool {
        if !matches!(self.exchange.state, State::Command(_) | State::Seeking { .. }) {
            return false;
        }
        let (stream, exchange) = match from {
            Side::Client => (&mut self.client, &mut self.exchange),
            Side::Server => (&mut self.server, &mut self.exchange),
        };
        let first = stream.partial().and_then(|(kept, _)| kept.first().copied());
        let is_content = match (from, first) {
            // Nothing is kept of a file and of authentication data.
            (Side::Client, None) => true,
            (Side::Client, Some(code)) => matches!(Command::from_byte(code), Command::Query | Command::StmtPrepare),
            (Side::Server, first) => {
                let current = exchange.requests.current.as_mut();
                first.is_some_and(|first| first < 0xfe)
                    && current.is_some_and(|current| current.progress.bears_gap_in_row())
            }
        };
        is_content && stream.skip(count)
    }

    #[cold]
    pub(super) fn lose(
        &mut self,
        trouble: Trouble,
        from: Side,
        error_sequence: Option<u8>,
        now: Now,
        to: &mut Listener<'_>,
    ) {
        self.lose_for(UnknownOutcome::ObservationLost, trouble, from, error_sequence, now, to);
    }

    /// The rest of the session is ignored, statements under way end here.
    #[cold]
    fn lose_for(
        &mut self,
        reason: UnknownOutcome<'static>,
        trouble: Trouble,
        from: Side,
        error_sequence: Option<u8>,
        now: Now,
        to: &mut Listener<'_>,
    ) {
        let offset = if from == Side::Client { self.client.offset } else { self.server.offset };
        let never_began = match self.exchange.state {
            State::Greeting => true,
            State::Login { .. } => from == Side::Client,
            _ => false,
        };
        let loss = if never_began { SightLoss::NoSession } else { trouble.loss };
        self.exchange.end_all(reason, now, to);
        self.end_of_sight(OutOfSight { loss, what: trouble.what, from, offset, error_sequence }, now, to);
    }

    /// From here on nothing is looked at.
    #[cold]
    fn end_of_sight(&mut self, end: OutOfSight, now: Now, to: &mut Listener<'_>) {
        self.out_of_sight = Some(end);
        self.exchange.state = if end.loss.is_failure() { State::Lost } else { State::Blind };
        self.client.stop();
        self.server.stop();
        self.tell_end(EndReason::OutOfSight(end), now, to);
    }

    fn tell_end(&self, reason: EndReason, now: Now, to: &mut Listener<'_>) {
        if self.config.interest.contains(Interest::END) {
            to.end(&SessionEnd { reason, session: &self.exchange.facts, now });
        }
    }

    /// See [`OutOfSight::error_sequence`].
    #[inline]
    fn error_sequence(&self) -> Option<u8> {
        if self.server.is_compressed() || self.server.is_mid_packet() {
            return None;
        }
        let continues = self.exchange.is_mid_response();
        Some(if continues { self.server.next_sequence } else { self.client.next_sequence })
    }

    /// What follows cannot be read, as the operator chose: TLS that is passed through.
    pub fn pass_through(&mut self, now: Now, to: &mut dyn SessionListener) {
        self.cannot_read("TLS is passed through (--tls passthrough)", now, to);
    }

    /// What follows cannot be read: it is TLS, of which nobody here has the keys.
    pub fn encrypted(&mut self, now: Now, to: &mut dyn SessionListener) {
        self.cannot_read("the session is encrypted (TLS)", now, to);
    }

    fn cannot_read(&mut self, what: &'static str, now: Now, to: &mut Listener<'_>) {
        let end = OutOfSight {
            loss: SightLoss::Passthrough,
            what,
            from: Side::Client,
            offset: self.client.offset,
            error_sequence: self.error_sequence(),
        };
        self.end_of_sight(end, now, to);
    }

    /// The connection is gone: statements under way are told of.
    pub fn close(&mut self, now: Now, to: &mut dyn SessionListener) {
        if !self.is_following() {
            return;
        }
        if matches!(self.exchange.state, State::Authentication { .. }) {
            self.exchange.never_logged_in();
        }
        self.exchange.settle_perhaps_ok(to);
        if matches!(self.exchange.state, State::Command(_))
            && let Some((payload, started_ns)) = self.client.partial()
        {
            self.exchange.torn_request(payload, started_ns, now);
        }
        self.exchange.end_all(UnknownOutcome::ConnectionLost, now, to);
        if let Some(what) = self.strange_login() {
            let (offset, error_sequence) = (self.client.offset, None);
            let end = OutOfSight { loss: SightLoss::NoSession, what, from: Side::Client, offset, error_sequence };
            self.end_of_sight(end, now, to);
        } else {
            self.tell_end(EndReason::Closed, now, to);
        }
        self.exchange.state = State::Blind;
    }

    /// What was wrong with a login that never succeeded, if it was none.
    fn strange_login(&self) -> Option<&'static str> {
        match &self.exchange.state {
            State::Authentication { trouble: Some(trouble), .. } => Some(trouble.what),
            State::Login { .. } if self.client.is_mid_packet() => Some("handshake response"),
            _ => None,
        }
    }

    /// A stream that the client has asked for and that will not be looked at: replication, CLONE. The server may still refuse.
    pub fn stream_asked_for(&self) -> Option<OutOfSight> {
        let (Trouble { loss, what }, is_alone) = self.exchange.requests.stream()?;
        // With other answers outstanding the client takes an error for one of those.
        let error_sequence = self.error_sequence().filter(|_| is_alone);
        let offset = self.client.offset;
        Some(OutOfSight { loss, what, from: Side::Client, offset, error_sequence })
    }

    /// Whether bytes are still looked at.
    #[inline]
    pub fn is_following(&self) -> bool {
        self.exchange.is_following()
    }

    /// Whether a request is under way, or has begun to arrive.
    pub fn is_busy(&self) -> bool {
        self.exchange.is_busy() || (matches!(self.exchange.state, State::Command(_)) && self.client.is_mid_packet())
    }

    /// Whether a request has come, whole, that is not answered yet.
    pub fn awaits_answer(&self) -> bool {
        self.exchange.is_busy()
    }

    /// Whether a part of a packet of the client's has come.
    pub fn is_mid_request(&self) -> bool {
        self.client.is_mid_packet()
    }

    /// Whether the client's next packet with sequence id 0 is a request, and the next answer no stream.
    pub fn takes_requests(&self) -> bool {
        matches!(self.exchange.state, State::Command(_))
            && !self.exchange.is_authenticating()
            && self.exchange.requests.stream().is_none()
    }

    /// Whether the client's packets are a file's content.
    pub fn awaits_file(&self) -> bool {
        self.exchange.awaits_file_content()
    }

    /// The sequence id with which the client goes on within an exchange: with a file's content, or an answer of its authentication.
    pub fn continues_with(&self) -> u8 {
        self.server.next_sequence
    }

    /// Whether the client's login has begun with a request for TLS: what it sends next is TLS, or has been.
    pub fn has_asked_for_tls(&self) -> bool {
        matches!(self.exchange.state, State::Login { tls_request: Some(_) })
    }

    /// How the session is compressed.
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.client.is_compressed().then(|| self.exchange.dialect.algorithm()).flatten()
    }

    /// Which statement of the session the client's next one will be, if each request under way is one.
    pub fn next_count(&self) -> u64 {
        self.exchange.facts.execution_count + self.exchange.requests.statements() + 1
    }

    /// Whether the client's next byte would begin a request: the one place where it may be kept waiting.
    pub fn is_between_requests(&self) -> bool {
        matches!(self.exchange.state, State::Command(_))
            && !self.client.is_mid_packet()
            && !self.exchange.awaits_file_content()
            && !self.exchange.is_authenticating()
    }

    /// Whether values for this prepared statement have come by COM_STMT_SEND_LONG_DATA since it was executed last.
    pub fn has_long_data(&self, statement: u32) -> bool {
        self.exchange.statements.open().has_long_data(statement)
    }

    /// Bytes of memory in use, for tests.
    #[cfg(any(test, fuzzing))]
    pub fn kept_bytes(&self) -> usize {
        self.client.kept_bytes() + self.server.kept_bytes() + self.exchange.kept_bytes()
    }

    /// Where the session is.
    pub fn phase(&self) -> Phase {
        match self.exchange.state {
            State::Greeting => Phase::Greeting,
            State::Login { .. } => Phase::Login,
            State::Authentication { .. } => Phase::Authentication,
            State::Command(_) => Phase::Command,
            State::Seeking { .. } => Phase::Seeking,
            State::Blind => Phase::Blind,
            State::Lost => Phase::Lost,
        }
    }

    /// Why and where the observer stopped following, if it did.
    pub fn out_of_sight(&self) -> Option<OutOfSight> {
        self.out_of_sight
    }

    /// What is known of the session.
    pub fn facts(&self) -> &SessionFacts {
        &self.exchange.facts
    }

    /// What the server can do, from its greeting.
    pub fn server_capabilities(&self) -> CapabilityFlags {
        self.exchange.server_capabilities
    }
}
