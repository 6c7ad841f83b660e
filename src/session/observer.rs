//! The observer's surface: bytes of both directions in, phase and statements out.

use super::exchange::Exchange;
use super::sight::Trouble;
use super::{Now, OutOfSight, SessionFacts, SightLoss, Statement};
use crate::mysql::wire::{Algorithm, CapabilityFlags, Decompressor, Framer, Keep, Malformed, Packet};

/// Limits of an observer.
#[derive(Debug, Clone, Copy)]
pub struct ObserverConfig {
    /// How much of one request is kept, in bytes; the rest of a longer one is not seen.
    pub max_statement_bytes: usize,
}

impl Default for ObserverConfig {
    /// MySQL's default `max_allowed_packet`.
    fn default() -> Self {
        Self { max_statement_bytes: 64 << 20 }
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
    /// Nothing more can be seen, as intended: TLS that is passed through, a replication stream, a clone.
    Blind,
    /// Nothing more is understood; see [`Observer::out_of_sight`].
    Lost,
}

/// One direction's way from bytes to packets.
#[derive(Debug, Default)]
struct Stream {
    framer: Framer,
    decompressor: Option<Box<Decompressor>>,
    offset: u64,
    /// The sequence id that continues this direction's last packet.
    next_sequence: u8,
}

impl Stream {
    /// Cuts `bytes` into packets until they are used up, or `handle` says that no more is wanted; then the rest is left in `bytes`.
    #[inline]
    fn packets(
        &mut self,
        bytes: &mut &[u8],
        now: Now,
        exchange: &mut Exchange,
        keep: impl Fn(&Exchange) -> Keep,
        mut handle: impl FnMut(&mut Exchange, &Packet<'_>) -> Result<bool, Trouble>,
    ) -> Result<(), Trouble> {
        let Self { framer, decompressor, next_sequence, .. } = self;
        let mut frames = |plain: &mut &[u8], exchange: &mut Exchange| -> Result<bool, Trouble> {
            while let Some(packet) = framer.next(plain, keep(exchange), now.monotonic_ns) {
                *next_sequence = packet.next_sequence;
                if !handle(exchange, &packet)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        match decompressor {
            None => {
                frames(bytes, exchange)?;
            }
            Some(decompressor) => {
                let corrupt = |Malformed(what)| Trouble { loss: SightLoss::Compression, what };
                while let Some(mut plain) = decompressor.next(bytes).map_err(corrupt)? {
                    if !frames(&mut plain, exchange)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Follows one session. See the [module](super) for the contract.
///
/// ```
/// use mysql_interceptor::session::{Now, Observer, ObserverConfig, Phase};
/// let mut observer = Observer::new(ObserverConfig::default());
/// // An error in place of a greeting is no session, and no statement either.
/// observer.server_bytes(b"\x17\0\0\0\xff\x10\x04Too many connections", Now::default(), &mut |_| unreachable!());
/// assert_eq!(observer.phase(), Phase::Greeting);
/// observer.close(Now::default(), &mut |_| unreachable!());
/// ```
#[derive(Debug)]
pub struct Observer {
    config: ObserverConfig,
    client: Stream,
    server: Stream,
    exchange: Exchange,
    out_of_sight: Option<OutOfSight>,
}

/// Receives each statement as its outcome is known.
pub type Emit<'a> = dyn FnMut(&Statement<'_>) + 'a;

/// Longest packet that is kept where no statement is expected: greetings, logins, OK and ERR packets.
const PACKET_LIMIT: usize = 1 << 20;

impl Observer {
    /// An observer for a connection whose server is about to send its greeting.
    pub fn new(config: ObserverConfig) -> Self {
        Self {
            config,
            client: Stream::default(),
            server: Stream::default(),
            exchange: Exchange::default(),
            out_of_sight: None,
        }
    }

    /// Bytes that the client sent, cut anyhow.
    #[inline]
    pub fn client_bytes(&mut self, mut bytes: &[u8], now: Now, emit: &mut Emit<'_>) {
        let limit = self.config.max_statement_bytes.saturating_add(1);
        let keep = |exchange: &Exchange| match exchange.phase {
            Phase::Command if exchange.awaits_file_content() => Keep::UpTo(0),
            // Authentication data is never kept.
            Phase::Command | Phase::Authentication if exchange.has_sequence() => Keep::Requests(limit),
            Phase::Command if !exchange.is_authenticating() => Keep::UpTo(limit),
            Phase::Login => Keep::UpTo(PACKET_LIMIT),
            _ => Keep::UpTo(0),
        };
        let length = bytes.len() as u64;
        let result = if self.is_following() {
            self.client.packets(&mut bytes, now, &mut self.exchange, keep, |exchange, packet| {
                exchange.client_packet(packet, now, emit)?;
                Ok(exchange.is_following())
            })
        } else {
            return;
        };
        if result.is_err() {
            // The packet in question is what the client awaits an answer to.
            self.settle(result, "client", self.error_sequence(), now, emit);
        }
        self.client.offset += length;
    }

    /// Bytes that the server sent, cut anyhow.
    #[inline]
    pub fn server_bytes(&mut self, mut bytes: &[u8], now: Now, emit: &mut Emit<'_>) {
        let keep = |exchange: &Exchange| {
            if exchange.awaits_rows() { Keep::RowEnds(PACKET_LIMIT) } else { Keep::UpTo(PACKET_LIMIT) }
        };
        let length = bytes.len() as u64;
        let error_sequence = self.error_sequence();
        let result = if self.is_following() {
            self.server.packets(&mut bytes, now, &mut self.exchange, keep, |exchange, packet| {
                exchange.server_packet(packet, now, emit)?;
                Ok(exchange.is_following() && !exchange.compression_begins)
            })
        } else {
            return;
        };
        self.settle(result, "server", error_sequence, now, emit);
        if self.exchange.compression_begins {
            self.begin_compression();
            // What came right behind the OK packet is compressed, if anything is.
            self.server.offset += length - bytes.len() as u64;
            return self.server_bytes(bytes, now, emit);
        }
        self.server.offset += length;
    }

    #[cold]
    fn begin_compression(&mut self) {
        self.exchange.compression_begins = false;
        if let Some(algorithm) = Algorithm::negotiated(self.facts().capabilities.unwrap_or_default()) {
            self.client.decompressor = Some(Box::new(Decompressor::new(algorithm)));
            self.server.decompressor = Some(Box::new(Decompressor::new(algorithm)));
        }
    }

    /// Takes note of an error: the rest of the session is ignored, statements under way end here.
    #[inline]
    fn settle(
        &mut self,
        result: Result<(), Trouble>,
        from: &'static str,
        error_sequence: Option<u8>,
        now: Now,
        emit: &mut Emit<'_>,
    ) {
        if let Err(trouble) = result {
            self.lose(trouble, from, error_sequence, now, emit);
        }
    }

    #[cold]
    fn lose(
        &mut self,
        trouble: Trouble,
        from: &'static str,
        error_sequence: Option<u8>,
        now: Now,
        emit: &mut Emit<'_>,
    ) {
        let offset = if from == "client" { self.client.offset } else { self.server.offset };
        let never_began = match self.exchange.phase {
            Phase::Greeting => true,
            Phase::Login => from == "client",
            _ => false,
        };
        let loss = if never_began { SightLoss::NoSession } else { trouble.loss };
        self.exchange.end_all("outcome unknown: the observer lost track of the session", now, emit);
        self.end_of_sight(OutOfSight { loss, what: trouble.what, from, offset, error_sequence }, now, emit);
    }

    /// From here on nothing is looked at, and one message says so.
    #[cold]
    fn end_of_sight(&mut self, end: OutOfSight, now: Now, emit: &mut Emit<'_>) {
        if end.loss.hides_statements() {
            emit(&Statement::observation_lost(&self.exchange.facts, &end.message(), now));
        }
        self.out_of_sight = Some(end);
        self.exchange.phase = if end.loss.is_failure() { Phase::Lost } else { Phase::Blind };
        self.client = Stream { offset: self.client.offset, ..Stream::default() };
        self.server = Stream { offset: self.server.offset, ..Stream::default() };
    }

    /// See [`OutOfSight::error_sequence`].
    #[inline]
    fn error_sequence(&self) -> Option<u8> {
        if self.server.decompressor.is_some() || self.server.framer.is_mid_packet() {
            return None;
        }
        let continues = self.exchange.is_mid_response();
        Some(if continues { self.server.next_sequence } else { self.client.next_sequence })
    }

    /// What follows cannot be read, as the operator chose: TLS that is passed through.
    pub fn pass_through(&mut self, now: Now, emit: &mut Emit<'_>) {
        let trouble = Trouble { loss: SightLoss::Passthrough, what: "TLS is passed through (--tls passthrough)" };
        let end = OutOfSight {
            loss: trouble.loss,
            what: trouble.what,
            from: "client",
            offset: self.client.offset,
            error_sequence: self.error_sequence(),
        };
        self.end_of_sight(end, now, emit);
    }

    /// The connection is gone: statements under way get their messages.
    pub fn close(&mut self, now: Now, emit: &mut Emit<'_>) {
        if !self.is_following() {
            return;
        }
        if self.exchange.phase == Phase::Authentication {
            self.exchange.never_logged_in();
        }
        if self.exchange.phase == Phase::Command
            && let Some((payload, started_ns)) = self.client.framer.partial()
        {
            self.exchange.torn_request(payload, started_ns, now);
        }
        self.exchange.end_all("connection lost", now, emit);
        if let Some(what) = self.strange_login() {
            let (offset, error_sequence) = (self.client.offset, None);
            let end = OutOfSight { loss: SightLoss::NoSession, what, from: "client", offset, error_sequence };
            self.end_of_sight(end, now, emit);
        }
        self.exchange.phase = Phase::Blind;
    }

    /// What was wrong with a login that never succeeded, if it was none.
    fn strange_login(&self) -> Option<&'static str> {
        match (self.exchange.phase, self.exchange.login_trouble) {
            (Phase::Authentication, Some(trouble)) => Some(trouble.what),
            (Phase::Login, _) if self.client.framer.is_mid_packet() => Some("handshake response"),
            _ => None,
        }
    }

    /// A stream that the client has asked for and that will not be looked at: replication, CLONE. The server may still refuse.
    pub fn stream_asked_for(&self) -> Option<OutOfSight> {
        let (Trouble { loss, what }, is_alone) = self.exchange.requests.stream()?;
        // With other answers outstanding the client takes an error for one of those.
        let error_sequence = self.error_sequence().filter(|_| is_alone);
        let offset = self.client.offset;
        Some(OutOfSight { loss, what, from: "client", offset, error_sequence })
    }

    /// Whether bytes are still looked at.
    pub fn is_following(&self) -> bool {
        self.exchange.is_following()
    }

    /// Whether a request is under way, or has begun to arrive.
    pub fn is_busy(&self) -> bool {
        self.exchange.is_busy() || (self.exchange.phase == Phase::Command && self.client.framer.is_mid_packet())
    }

    /// Whether the client's next byte would begin a request: the one place where it may be kept waiting.
    pub fn is_between_requests(&self) -> bool {
        self.exchange.phase == Phase::Command
            && !self.client.framer.is_mid_packet()
            && !self.exchange.awaits_file_content()
            && !self.exchange.is_authenticating()
    }

    /// Bytes of memory in use, for tests.
    #[cfg(any(test, fuzzing))]
    pub fn kept_bytes(&self) -> usize {
        let streams = [&self.client, &self.server].map(|stream| {
            stream.framer.kept_bytes()
                + stream.decompressor.as_ref().map_or(0, |decompressor| decompressor.kept_bytes())
        });
        streams.iter().sum::<usize>() + self.exchange.kept_bytes()
    }

    /// Where the session is.
    pub fn phase(&self) -> Phase {
        self.exchange.phase
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
