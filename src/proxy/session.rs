//! One client's session, from its connection to its end.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::client_error::ClientError;
use super::counters::add;
use super::handshake::{Prefixed, is_too_long, read_packet};
use super::inline::Annotator;
use super::leg::{Ending, Leg, reset};
use super::listeners::{SessionListeners, Switches};
use super::relay::{LoginGuard, Pause, Relay, dismiss, say};
use super::shared::Worker;
use super::tap::{Direction, Tap};
use super::tls::facts;
use crate::client::{dial, tune};
use crate::mysql::wire::{CapabilityFlags, Greeting, HandshakeResponse, strip_greeting_tls};
use crate::proxy::{OnUnobservable, SessionProbe, TlsMode};
use crate::publish::Peers;
use crate::session::Interest;
use crate::tls::{self, Peer};

/// A client connection, counted while it is open.
pub(super) struct Session {
    worker: Arc<Worker>,
    deadline: Instant,
    draining: CancellationToken,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.worker.shared.publishing.counters.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How often a draining session is looked at.
const DRAIN_CHECK: Duration = Duration::from_millis(100);

/// Why a step before the login was given up.
enum GivenUp {
    TimedOut,
    /// The proxy stops, and no statement can be under way.
    Draining,
}

/// Which side's connection failed in the first packets.
enum Failed {
    Client(io::Error),
    Server(io::Error),
}

/// What the first packets led to.
enum Opening {
    /// Bytes are forwarded as they are, `first` from the client first. `early` came with its login, and has not been looked at.
    Plain { first: Vec<u8>, early: Vec<u8> },
    /// The client asked for TLS with `request`; `early` came in the same read.
    Tls { request: Vec<u8>, early: Vec<u8> },
    /// The session cannot be observed, and is to end (`--on-unobservable=close`). The client awaits a packet of this number.
    Refused { sequence: Option<u8> },
    /// Nothing is left to do.
    Closed,
}

/// What the client has sent in the clear before its bytes are relayed.
#[derive(Default)]
struct First {
    /// Observed, and not yet forwarded.
    login: Vec<u8>,
    /// What came with it, if that was kept apart.
    early: Vec<u8>,
}

impl Session {
    pub(super) fn new(worker: Arc<Worker>, draining: CancellationToken) -> Self {
        worker.shared.publishing.counters.open.fetch_add(1, Ordering::Relaxed);
        let deadline = Instant::now() + worker.shared.config.handshake_timeout;
        Self { worker, deadline, draining }
    }

    /// Serves the client until either side ends the connection.
    pub(super) async fn serve(self, mut client: TcpStream, peer: SocketAddr) {
        if has_left(&client) {
            // The server is spared a failed handshake.
            return self.worker.shared.probes.left(&self.worker.shared.counters, peer);
        }
        tune(&client);
        let shared = &self.worker.shared;
        let upstream = &shared.config.upstream;
        let connected = tokio::select! {
            biased;
            connected = dial(&upstream.host, upstream.port, shared.config.connect_timeout) => connected,
            () = self.draining.cancelled() => {
                return refuse(client, &ClientError::shutting_down().packet(0, true)).await;
            }
        };
        let mut server = match connected {
            Ok(server) => {
                shared.reach.note(Ok(()));
                server
            }
            Err(error) => {
                shared.reach.note(Err(error.to_string()));
                add(&shared.counters.upstream_failures, 1);
                tracing::warn!(client = %peer, upstream = %shared.server_host, %error, "cannot reach the server");
                let error = ClientError::unreachable(&shared.server_host, &error.to_string());
                return refuse(client, &error.packet(0, true)).await;
            }
        };
        let mut tap = self.tap(&client, peer);
        let mut greeted = false;
        let opened = self.before_login(self.open(&mut client, &mut server, &mut tap, &mut greeted, peer)).await;
        match opened {
            Ok(Ok(Opening::Plain { first, early })) => {
                self.relay(client, server, First { login: first, early }, false, tap, peer).await;
            }
            Ok(Ok(Opening::Tls { request, early })) => {
                // Apart, so that a session without TLS does not hold room for it.
                Box::pin(self.serve_tls(client, server, request, early, tap, peer)).await;
            }
            Ok(Ok(Opening::Refused { sequence })) => {
                if let (Some(end), Some(sequence)) = (tap.refusal(), sequence) {
                    refuse(client, &ClientError::unobservable(&end).packet(sequence, sequence == 0)).await;
                }
            }
            Ok(Ok(Opening::Closed)) => {}
            Ok(Err(Failed::Client(error))) => {
                tracing::debug!(client = %peer, %error, "the client's connection ended in the handshake");
                reset(&server).await;
            }
            Ok(Err(Failed::Server(error))) => {
                tracing::debug!(client = %peer, %error, "the server's connection ended in the handshake");
                reset(&client).await;
            }
            Err(GivenUp::Draining) if !greeted => {
                refuse(client, &ClientError::shutting_down().packet(0, true)).await;
            }
            Err(GivenUp::Draining) => {}
            Err(GivenUp::TimedOut) => self.timed_out(client, peer, greeted).await,
        }
    }

    /// A step of the login: it has until --handshake-timeout, and ends at once when the proxy stops.
    async fn before_login<T>(&self, step: impl Future<Output = T>) -> Result<T, GivenUp> {
        tokio::select! {
            biased;
            done = timeout_at(self.deadline, step) => done.map_err(|_| GivenUp::TimedOut),
            () = self.draining.cancelled() => Err(GivenUp::Draining),
        }
    }

    fn tap(&self, client: &TcpStream, peer: SocketAddr) -> Tap {
        let shared = &self.worker.shared;
        // A local client (a sidecar's application) is named as this host.
        let is_local = client.local_addr().is_ok_and(|local| local.ip() == peer.ip()) || peer.ip().is_loopback();
        let client_host =
            if is_local { shared.local_host.clone() } else { peer.ip().to_canonical().to_string().into() };
        let peers = Peers { server: shared.server_host.clone(), client: client_host, address: peer.ip() };
        let (has_messages, inline_debug) =
            (shared.publishing.options.policy.enabled, shared.config.capture.inline_debug);
        // Without messages the observer is there for the comments, the recording or the mirror.
        let mut published = if has_messages { shared.observer_config.interest } else { Interest::empty() };
        let mut publisher = shared.publishing.publisher(peers, self.worker.ingest.clone(), self.worker.desk.clone());
        if has_messages {
            published |= publisher.audit(peer);
        }
        let (recording, mirror) = (shared.config.recording.clone(), shared.config.mirror.clone());
        let switches = Switches { recording, mirror };
        let observe = has_messages || inline_debug || switches.are_on();
        Tap::new(
            observe,
            shared.observer_config,
            if has_messages { shared.config.capture.on_unobservable } else { OnUnobservable::Continue },
            SessionListeners::new(publisher, published, switches, peer),
            shared.counters.clone(),
            self.worker.bytes.clone(),
            self.worker.epoch,
        )
    }

    /// Forwards the greeting and looks at the client's answer.
    async fn open(
        &self,
        client: &mut TcpStream,
        server: &mut TcpStream,
        tap: &mut Tap,
        greeted: &mut bool,
        peer: SocketAddr,
    ) -> Result<Opening, Failed> {
        let mode = self.worker.shared.tls.mode;
        let mut greeting = Vec::with_capacity(256);
        let length = read_packet(server, &mut greeting).await.map_err(Failed::Server)?;
        if greeting.is_empty() {
            return Ok(Opening::Closed);
        }
        let mut server_speaks_tls = false;
        if let Some(payload) = length.and_then(|length| greeting.get_mut(4..length))
            && payload.first() != Some(&0xff)
        {
            server_speaks_tls =
                Greeting::parse(payload).is_ok_and(|greeting| greeting.capabilities.contains(CapabilityFlags::SSL));
            if mode == TlsMode::Strip {
                // A greeting that cannot be read is forwarded as it is.
                let _ = strip_greeting_tls(payload);
            }
        }
        *greeted = true;
        if tap.observes_first(Direction::ToClient) {
            tap.observe_now(Direction::ToClient, &greeting);
            if tap.refusal().is_some() {
                return Ok(Opening::Refused { sequence: Some(0) });
            }
        }
        client.write_all(&greeting).await.map_err(Failed::Client)?;
        if !tap.observes_first(Direction::ToClient) {
            tap.observe_now(Direction::ToClient, &greeting);
        }
        let mut first = Vec::with_capacity(512);
        let length = tokio::select! {
            length = read_packet(client, &mut first) => {
                if first.is_empty() {
                    // Its end is passed on like any other.
                    self.worker.shared.probes.left(&self.worker.shared.counters, peer);
                }
                length.map_err(Failed::Client)?
            }
            // The server lost patience, or is shutting down: the client is to know at once.
            peeked = async { server.peek(&mut [0]).await } => {
                peeked.map_err(Failed::Server)?;
                None
            }
        };
        let is_first_packet = length.is_some() || is_too_long(&first);
        let asks_for_tls = is_first_packet && first.get(4..).is_some_and(HandshakeResponse::is_ssl_request);
        match (mode, length) {
            _ if !asks_for_tls || !server_speaks_tls => {}
            (TlsMode::Passthrough, _) => {
                tap.pass_through();
                if tap.refusal().is_some() {
                    // The client expects TLS, but some look at what comes.
                    return Ok(Opening::Refused { sequence: first.get(3).map(|sequence| sequence.wrapping_add(1)) });
                }
                return Ok(Opening::Plain { first, early: Vec::new() });
            }
            // The greeting did not offer it, and the server that did is to have no TLS with whoever asks all the same.
            (TlsMode::Strip, _) => HandshakeResponse::strip_tls(first.get_mut(4..).unwrap_or_default()),
            (TlsMode::Terminate, Some(length)) => {
                let early = first.split_off(length);
                tap.observe_now(Direction::ToServer, &first);
                if let Some(end) = tap.refusal() {
                    return Ok(Opening::Refused { sequence: end.error_sequence });
                }
                return Ok(Opening::Tls { request: first, early });
            }
            (TlsMode::Terminate, None) => {
                // No client does this; the server would begin TLS with it, out of sight.
                tracing::debug!(client = %peer, "a first packet that is too long, and may ask for TLS: closed");
                tap.observe_now(Direction::ToServer, &first);
                return Ok(Opening::Closed);
            }
        }
        // Requests that came with the login belong after the probe.
        let early = length.filter(|_| self.probes()).map_or_else(Vec::new, |length| first.split_off(length));
        tap.observe_now(Direction::ToServer, &first);
        if let Some(end) = tap.refusal() {
            return Ok(Opening::Refused { sequence: end.error_sequence });
        }
        Ok(Opening::Plain { first, early })
    }

    /// TLS on both legs: the client's ends here, and the server's is the proxy's own, begun with the client's request.
    async fn serve_tls(
        self,
        client: TcpStream,
        mut server: TcpStream,
        request: Vec<u8>,
        early: Vec<u8>,
        mut tap: Tap,
        peer: SocketAddr,
    ) {
        let shared = self.worker.shared.clone();
        let ours = &shared.tls;
        let to_client = ours.acceptor.accept(Prefixed::new(early, client));
        let to_server = async {
            server.write_all(&request).await?;
            ours.connector.connect(ours.server_name.clone(), server).await
        };
        let legs = async { tokio::join!(to_client, to_server) };
        let (client, server) = match self.before_login(legs).await {
            Ok(legs) => legs,
            Err(GivenUp::Draining) => return,
            Err(GivenUp::TimedOut) => {
                add(&shared.counters.handshake_timeouts, 1);
                tracing::warn!(client = %peer, "no TLS handshake within --handshake-timeout");
                return;
            }
        };
        let mut client = match client {
            Ok(client) => client,
            Err(error) => {
                add(&shared.counters.tls_failures, 1);
                let reason = tls::explain(&error, Peer::Client);
                tracing::warn!(client = %peer, "TLS handshake with the client failed: {reason}");
                if Ending::of(&error) == Ending::Reset
                    && let Ok(server) = &server
                {
                    reset(server.get_ref().0).await;
                }
                return;
            }
        };
        match server {
            Ok(server) => {
                add(&shared.counters.tls_sessions, 1);
                tap.secured(facts(client.get_ref().1));
                self.relay(client, server, First::default(), true, tap, peer).await;
            }
            Err(error) => {
                add(&shared.counters.upstream_failures, 1);
                let reason = tls::explain(&error, Peer::Server);
                tracing::warn!(client = %peer, upstream = %shared.server_host, "TLS with the server failed: {reason}");
                // The client has its login to send before it listens.
                let mut login = Vec::new();
                let read = self.before_login(read_packet(&mut client, &mut login)).await;
                let sequence = login.get(3).copied().unwrap_or(2).wrapping_add(1);
                let error = ClientError::upstream_tls(&shared.server_host, &reason);
                tap.forget();
                if read.is_ok() && say(&mut client, &error.packet(sequence, false)).await.is_ok() {
                    dismiss(&mut client).await;
                }
            }
        }
    }

    /// Forwards until the session ends.
    async fn relay<C, S>(self, client: C, server: S, first: First, tls: bool, tap: Tap, peer: SocketAddr)
    where
        C: Leg,
        S: Leg,
    {
        let mut guard = self.probes().then(|| LoginGuard::new(!first.login.is_empty()));
        let mut relay = Relay::new(client, server, first.login, tap);
        if self.worker.shared.config.capture.inline_debug {
            relay.annotate(self.annotator(relay.tap.client()));
        }
        let login = async {
            match &mut guard {
                Some(guard) => relay.until_logged_in_guarded(guard, &first.early).await,
                None => relay.until_logged_in().await,
            }
        };
        let mut pause = match self.before_login(login).await {
            Ok(pause) => pause,
            Err(GivenUp::Draining) => return,
            Err(GivenUp::TimedOut) => {
                let counters = &self.worker.shared.counters;
                add(&counters.handshake_timeouts, 1);
                tracing::warn!(client = %peer, "the login was not done within --handshake-timeout");
                let error = ClientError::handshake_timeout(self.worker.shared.config.handshake_timeout.as_secs());
                // The client has sent its login, in TLS as its third packet.
                let sequence = if tls { 3 } else { 2 };
                if relay.say_to_client(&error.packet(sequence, false)).await.is_ok() {
                    relay.dismiss_client().await;
                }
                return;
            }
        };
        if pause == Pause::LoggedIn
            && let Some(guard) = guard
        {
            pause = self.probe(&mut relay, guard).await;
        }
        if pause == Pause::LoggedIn {
            pause = tokio::select! {
                biased;
                pause = relay.run() => pause,
                () = self.draining.cancelled() => {
                    relay.drain();
                    // Whether a session without an observer is at rest only time can tell.
                    loop {
                        if let Ok(pause) = tokio::time::timeout(DRAIN_CHECK, relay.run()).await {
                            break pause;
                        }
                    }
                }
            };
        }
        if self.draining.is_cancelled() {
            // The listener says so, too, but perhaps later.
            self.worker.shared.config.recording.ends_soon();
        }
        relay.tap.close();
        match pause {
            Pause::Drained => relay.dismiss_client().await,
            Pause::ServerEnded => relay.linger().await,
            Pause::ClientReset => relay.reset_server().await,
            Pause::ServerReset => relay.reset_client().await,
            Pause::Refused => relay.refuse_client().await,
            Pause::LoggedIn | Pause::Over => {}
        }
        // Counted no more before its sockets close: who sees them closed may rely on the count.
        drop(self);
    }

    fn annotator(&self, client: Arc<str>) -> Annotator {
        let shared = &self.worker.shared;
        Annotator::new(client, shared.publishing.options.debug.as_str().into(), shared.counters.clone())
    }

    /// Whether the server is asked for the session's values.
    fn probes(&self) -> bool {
        let capture = &self.worker.shared.config.capture;
        capture.session_probe == SessionProbe::Inject && capture.statement_logging
    }

    /// Asks the server for the session's values. [`Pause::LoggedIn`]: that is done, and the session goes on.
    async fn probe<C, S>(&self, relay: &mut Relay<C, S>, guard: LoginGuard) -> Pause
    where
        C: Leg,
        S: Leg,
    {
        let mut probe = match relay.begin_probe(guard, self.worker.shared.config.handshake_timeout) {
            Ok(Some(probe)) => probe,
            Ok(None) => return Pause::LoggedIn,
            Err(pause) => return pause,
        };
        tokio::select! {
            biased;
            pause = relay.probe(&mut probe) => return pause,
            () = self.draining.cancelled() => {}
        }
        relay.drain();
        relay.probe(&mut probe).await
    }

    /// Too long for the first packets. Without a greeting it was the server, and the error takes its place.
    async fn timed_out(self, client: TcpStream, peer: SocketAddr, greeted: bool) {
        let shared = &self.worker.shared;
        add(&shared.counters.handshake_timeouts, 1);
        let seconds = shared.config.handshake_timeout.as_secs();
        if greeted {
            tracing::warn!(client = %peer, "no login within --handshake-timeout");
            refuse(client, &ClientError::handshake_timeout(seconds).packet(2, false)).await;
        } else {
            tracing::warn!(client = %peer, upstream = %shared.server_host, "no greeting within --handshake-timeout");
            let reason = format!("no greeting within {seconds} s");
            refuse(client, &ClientError::unreachable(&shared.server_host, &reason).packet(0, true)).await;
        }
    }
}

/// Whether the client has closed its connection and sent nothing.
fn has_left(client: &TcpStream) -> bool {
    SockRef::from(client).peek(&mut [MaybeUninit::uninit()]).is_ok_and(|count| count == 0)
}

/// Sends a client its error and closes.
async fn refuse(mut client: TcpStream, packet: &[u8]) {
    let said = async {
        client.write_all(packet).await?;
        client.shutdown().await
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), said).await;
}
