//! Between the forwarding and the observer: what passes is shown to the observer, and its statements become messages.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::counters::{Counters, add};
use super::listeners::SessionListeners;
use crate::audit::TlsFacts;
use crate::clocks;
use crate::deliver::{Gate, SpoolFull};
use crate::metrics::Stripe;
use crate::mysql::wire::Algorithm;
use crate::proxy::OnUnobservable;
use crate::session::{Now, Observer, ObserverConfig, OutOfSight, Phase, ProbeAnswer, SessionFacts, Side, SightLoss};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

/// One session's observer and where its messages go.
pub(super) struct Tap {
    observer: Option<Box<Observer>>,
    listeners: SessionListeners,
    counters: Arc<Counters>,
    /// Why there is no observer any more, or why the session has to end before that.
    out_of_sight: Option<OutOfSight>,
    on_unobservable: OnUnobservable,
    /// With `--spool-mode=reply`: replies wait until their messages are in the spool.
    settles: bool,
    /// Until when what was read of the server's is not the client's yet.
    settling: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    clock: Clock,
    /// Kept where there is no observer to tell whether a statement is under way. `None`: the server has not spoken yet, so none is.
    last_seen: Option<(Direction, Instant)>,
    /// Where the bytes of each direction are counted.
    bytes: [Stripe; 2],
}

/// What the session is like when bytes come, which it has not seen yet.
pub(super) struct View<'a> {
    /// Whether the client's next byte begins a packet.
    pub(super) at_border: bool,
    /// Whether a packet that begins an exchange is a request: the login is done, and nothing else is going on.
    pub(super) takes_requests: bool,
    /// Whether the client's packets are a file's content.
    pub(super) awaits_file: bool,
    /// How its bytes are compressed.
    pub(super) algorithm: Option<Algorithm>,
    /// The number that its next statement will have.
    pub(super) next_count: u64,
    pub(super) session: &'a SessionFacts,
}

/// The time in both clocks, for the price of one: the wall clock is asked again only now and then.
#[derive(Debug)]
struct Clock {
    epoch: Instant,
    /// The same time in both clocks.
    known: Now,
}

/// How long the wall clock is taken to run like the monotonic one. It may be set or slewed meanwhile.
const WALL_CLOCK_AGE_NS: u64 = 20_000_000;

impl Clock {
    fn new(epoch: Instant) -> Self {
        Self { epoch, known: Now { monotonic_ns: 0, epoch_ms: 0 } }
    }

    #[inline]
    fn now(&mut self) -> Now {
        let since_epoch =
            |at: Instant| u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX);
        let monotonic_ns = since_epoch(Instant::now());
        let age = monotonic_ns.saturating_sub(self.known.monotonic_ns);
        if age > WALL_CLOCK_AGE_NS || self.known.epoch_ms == 0 {
            let (now, since_1970) = clocks::both();
            let epoch_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
            self.known = Now { monotonic_ns: since_epoch(now), epoch_ms };
            return self.known;
        }
        Now { monotonic_ns, epoch_ms: self.known.epoch_ms + age / 1_000_000 }
    }
}

/// Without an observer, a session whose server has been silent for this long is taken to be at rest.
pub(super) const QUIET: Duration = Duration::from_millis(500);

impl Tap {
    pub(super) fn new(
        observe: bool,
        config: ObserverConfig,
        on_unobservable: OnUnobservable,
        listeners: SessionListeners,
        counters: Arc<Counters>,
        bytes: [Stripe; 2],
        epoch: Instant,
    ) -> Self {
        let config = ObserverConfig { interest: listeners.interest(), ..config };
        let observer = observe.then(|| Box::new(Observer::new(config)));
        Self {
            observer,
            out_of_sight: None,
            on_unobservable: if observe { on_unobservable } else { OnUnobservable::Continue },
            settles: observe && listeners.publisher.line().ingest().settles(),
            settling: None,
            listeners,
            counters,
            clock: Clock::new(epoch),
            last_seen: None,
            bytes,
        }
    }

    /// The time now, for [`Tap::observe`]. Not asked of the system when nobody looks.
    #[inline]
    pub(super) fn now(&mut self) -> Now {
        if self.observer.is_none() {
            return Now::default();
        }
        self.clock.now()
    }

    /// Bytes that were read just now.
    pub(super) fn observe_now(&mut self, direction: Direction, bytes: &[u8]) {
        let now = self.now();
        self.observe(direction, bytes, now);
    }

    /// Whether bytes are shown before they are forwarded, and not forwarded if [`Self::refusal`] or [`Self::must_settle`] says so then.
    #[inline]
    pub(super) fn observes_first(&self, direction: Direction) -> bool {
        self.closes() || (self.settles && direction == Direction::ToClient)
    }

    /// With `--on-unobservable=close`.
    #[inline]
    fn closes(&self) -> bool {
        self.on_unobservable == OnUnobservable::Close
    }

    /// With `--on-unobservable=close`: why the session is to end here.
    #[inline]
    pub(super) fn refusal(&self) -> Option<OutOfSight> {
        self.out_of_sight.filter(|_| self.closes())
    }

    /// The messages of what was observed go to the spool. True: the client is not to be told before [`Self::poll_settled`].
    #[inline]
    pub(super) fn must_settle(&mut self) -> bool {
        if self.settles
            && let Some(settling) = self.listeners.publisher.settle()
        {
            self.settling = Some(Box::pin(settling.settled()));
        }
        self.settling.is_some()
    }

    /// Ready when the client may be told all that was read of the server's.
    #[inline]
    pub(super) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(settling) = &mut self.settling else { return Poll::Ready(()) };
        let settled = settling.as_mut().poll(cx);
        if settled.is_ready() {
            self.settling = None;
        }
        settled
    }

    /// Whether something was read of the server's that the client may not be told yet.
    pub(super) fn is_settling(&self) -> bool {
        self.settling.is_some()
    }

    /// A stream that nobody would see is refused before the server hears of it.
    fn refuse_streams(&mut self) {
        let Some(observer) = &self.observer else { return };
        if let Some(end) = observer.stream_asked_for() {
            self.log_refusal(&end, observer.facts().connection_id);
            self.out_of_sight = Some(end);
        }
    }

    fn log_refusal(&self, end: &OutOfSight, connection_id: Option<u32>) {
        if !end.loss.hides_statements() {
            return;
        }
        add(&self.counters.refused_sessions, 1);
        tracing::warn!(connection_id, reason = %end, "session ends because its statements cannot be seen (--on-unobservable=close)");
    }

    /// Bytes that were read at `now`, and have been forwarded since unless [`Self::observes_first`] says otherwise.
    #[inline]
    pub(super) fn observe(&mut self, direction: Direction, bytes: &[u8], now: Now) {
        let [to_server, to_client] = &self.bytes;
        let counter = match direction {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        };
        counter.add(bytes.len() as u64);
        if self.observer.is_some() {
            self.show(|observer, listeners| match direction {
                Direction::ToServer => observer.client_bytes(bytes, now, listeners),
                Direction::ToClient => observer.server_bytes(bytes, now, listeners),
            });
            if self.observer.is_none() {
                self.last_seen = Some((direction, Instant::now()));
            } else if self.closes() && direction == Direction::ToServer {
                self.refuse_streams();
            }
        } else if direction == Direction::ToClient || self.last_seen.is_some() {
            self.last_seen = Some((direction, Instant::now()));
        }
    }

    #[inline]
    fn show(&mut self, show: impl FnOnce(&mut Observer, &mut SessionListeners)) {
        let Some(observer) = self.observer.as_deref_mut() else { return };
        let listeners = &mut self.listeners;
        if listeners.are_stale() {
            listeners.look_again();
            observer.set_interest(listeners.interest());
        }
        // The observer does not panic; if it does, the session goes on without it.
        let shown = catch_unwind(AssertUnwindSafe(|| show(observer, listeners)));
        let end = match shown {
            Ok(()) => observer.out_of_sight(),
            Err(_) => {
                let end = OutOfSight {
                    loss: SightLoss::Panic,
                    what: "the observer panicked, which is a bug",
                    from: Side::Client,
                    offset: 0,
                    error_sequence: None,
                };
                listeners.give_up();
                listeners.publisher.observation_lost(observer.facts(), &end, self.clock.now());
                Some(end)
            }
        };
        if let Some(end) = end {
            self.give_up(end);
        }
    }

    /// The observer sees nothing more: it is counted by its reason, and its memory is given back.
    #[cold]
    fn give_up(&mut self, end: OutOfSight) {
        let Some(observer) = self.observer.take() else { return };
        self.out_of_sight = Some(end);
        let counters = &self.counters;
        let counter = match end.loss {
            // The proxy sees every byte from the first on.
            SightLoss::Protocol | SightLoss::Gap | SightLoss::MidSession => &counters.lost_protocol,
            SightLoss::Compression => &counters.lost_compression,
            SightLoss::Backlog => &counters.lost_backlog,
            SightLoss::Panic => &counters.lost_panic,
            SightLoss::Passthrough => &counters.passthrough_sessions,
            SightLoss::Replication => &counters.replication_sessions,
            SightLoss::Clone => &counters.clone_sessions,
            SightLoss::NoSession => &counters.not_sessions,
        };
        add(counter, 1);
        let connection_id = observer.facts().connection_id;
        if end.loss.is_failure() {
            add(&counters.observer_lost_sessions, 1);
        }
        if self.closes() {
            self.log_refusal(&end, connection_id);
        } else if end.loss == SightLoss::Panic {
            tracing::error!(connection_id, reason = %end, "session goes on unobserved");
        } else if end.loss.is_failure() {
            tracing::warn!(connection_id, reason = %end, "session goes on unobserved");
        } else {
            tracing::debug!(connection_id, reason = %end, "session goes on unobserved");
        }
    }

    /// The client's connection is TLS, which ends here.
    pub(super) fn secured(&mut self, tls: TlsFacts) {
        self.listeners.publisher.secured(tls);
    }

    /// TLS is passed through: nothing more can be seen.
    pub(super) fn pass_through(&mut self) {
        let now = self.now();
        if self.observer.is_some() {
            self.show(|observer, listeners| observer.pass_through(now, listeners));
        } else {
            add(&self.counters.passthrough_sessions, 1);
        }
        self.last_seen = None;
    }

    /// The session never began: there is nothing to tell of it.
    pub(super) fn forget(&mut self) {
        self.observer = None;
    }

    /// Whether the login is done, or at least no longer this program's business.
    pub(super) fn is_logged_in(&self) -> bool {
        match &self.observer {
            Some(observer) => !matches!(observer.phase(), Phase::Greeting | Phase::Login | Phase::Authentication),
            None => true,
        }
    }

    /// What messages call the client.
    pub(super) fn client(&self) -> Arc<str> {
        self.listeners.publisher.client()
    }

    /// What the session is like now. `None`: nobody knows.
    pub(super) fn view(&self) -> Option<View<'_>> {
        let observer = self.observer.as_ref().filter(|observer| observer.is_following())?;
        Some(View {
            at_border: !observer.is_mid_request(),
            takes_requests: observer.takes_requests(),
            awaits_file: observer.awaits_file(),
            algorithm: observer.algorithm(),
            next_count: observer.next_count(),
            session: observer.facts(),
        })
    }

    /// See [`Observer::login_awaits_client`].
    pub(super) fn login_awaits_client(&self) -> bool {
        self.observer.as_ref().is_some_and(|observer| observer.login_awaits_client())
    }

    /// Whether the client has sent a request, whole, that is not answered yet.
    pub(super) fn awaits_answer(&self) -> bool {
        self.observer.as_ref().is_none_or(|observer| observer.awaits_answer())
    }

    /// The bytes that ask the server for the session's values, if it can be asked: see [`Observer::begin_probe`].
    pub(super) fn begin_probe(&mut self) -> Option<Vec<u8>> {
        let now = self.now();
        let question = self.observer.as_mut()?.begin_probe(now)?;
        add(&self.counters.session_probes, 1);
        Some(question)
    }

    /// Bytes that the server said just now while the probe's answer is awaited. They are not the client's, and so are not counted.
    ///
    /// Returns how many of them are the answer's, and how far that is; `None`: the answer is not understood.
    pub(super) fn observe_probe(&mut self, bytes: &[u8]) -> Option<(usize, ProbeAnswer)> {
        let now = self.now();
        let mut heard = None;
        self.show(|observer, listeners| heard = Some(observer.probe_bytes(bytes, now, listeners)));
        if self.observer.is_none() {
            tracing::warn!(
                "the answer to the session probe is not understood: the session ends (--session-probe=inject)"
            );
        }
        if self.observer.is_none() || matches!(heard, Some((_, ProbeAnswer::Refused(_)))) {
            add(&self.counters.session_probes_failed, 1);
        }
        heard.filter(|_| self.observer.is_some())
    }

    /// Whether a statement is under way. Without an observer: whether the client spoke last, or the server just now.
    pub(super) fn is_busy(&self) -> bool {
        match &self.observer {
            Some(observer) if observer.is_following() => observer.is_busy(),
            // It has no end of its own, and a replica comes again.
            None if self.out_of_sight.is_some_and(|end| end.loss == SightLoss::Replication) => false,
            _ => self.last_seen.is_some_and(|(last, at)| last == Direction::ToServer || at.elapsed() < QUIET),
        }
    }

    /// The queues are full and `--backpressure=block`: no further request should be read. What has begun is not held up:
    /// half a request, a file's content or a login would run into the server's timeouts.
    #[inline]
    pub(super) fn is_gated(&self) -> bool {
        self.listeners.publisher.line().is_full()
            && self.observer.as_ref().is_some_and(|observer| observer.is_between_requests())
    }

    /// The spool is full and `--spool-full=error`: the next request is not to reach the server.
    #[inline]
    pub(super) fn refuses_requests(&self) -> bool {
        self.listeners.publisher.line().ingest().spool_is_full(SpoolFull::Error)
            && self.observer.as_ref().is_some_and(|observer| observer.is_between_requests())
    }

    /// See [`Observer::has_long_data`].
    pub(super) fn has_long_data(&self, statement: u32) -> bool {
        self.observer.as_ref().is_some_and(|observer| observer.has_long_data(statement))
    }

    /// A request was answered by the proxy.
    pub(super) fn count_refused(&self) {
        add(&self.counters.refused_requests, 1);
        self.listeners.publisher.line().ingest().count_refused();
    }

    /// The client is kept waiting.
    pub(super) fn count_held_up(&self) {
        add(&self.counters.held_up, 1);
    }

    /// Where it waits.
    pub(super) fn gate(&self) -> Gate {
        self.listeners.publisher.line().gate()
    }

    /// The session is over.
    pub(super) fn close(&mut self) {
        if self.observer.is_some() {
            let now = self.now();
            self.show(|observer, listeners| observer.close(now, listeners));
        }
    }
}

impl Drop for Tap {
    /// A session that is cut off gets its last messages too.
    fn drop(&mut self) {
        self.close();
    }
}
