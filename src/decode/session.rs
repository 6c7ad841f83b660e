//! A connection's bytes as a session: from its greeting, or from the first request that can be understood.

use super::border::{Front, front_of, is_greeting};
use super::counters::{SessionCounters, Unread};
use super::listeners::{Listeners, is_taken_up_again};
use super::tcp::{Ending, Opening};
use crate::mysql::wire::CapabilityFlags;
use crate::session::{MidSession, Now, Observer, ObserverConfig, OutOfSight, Phase, SessionFacts, Side, SightLoss};

/// A session that contradicts the protocol so often is not taken up again.
const MOST_CONTRADICTIONS: u32 = 16;
/// An SSLRequest with its header: what comes after it is TLS.
const SSL_REQUEST: usize = 36;

/// One session.
pub(super) struct DecodedSession {
    opening: Opening,
    sight: Sight,
    pub(super) listeners: Listeners,
    /// Who has sent the bytes before.
    last_from: Option<Side>,
    /// How many bytes the client has sent that were looked at.
    client_bytes: u64,
    contradictions: u32,
    was_resumed: bool,
}

/// How it is looked at.
enum Sight {
    /// Its first bytes have to show whether it is a session.
    Untried,
    Followed(Box<Observer>),
    /// With what is known of it, from the next request on that can be understood.
    Awaited(Box<MidSession>),
    /// Not any more.
    Over,
}

impl DecodedSession {
    pub(super) fn new(opening: Opening, config: ObserverConfig, listeners: Listeners) -> Self {
        let sight = match (opening.from_beginning, opening.is_known_server) {
            (true, true) => Sight::Followed(Box::new(Observer::new(config))),
            (true, false) => Sight::Untried,
            (false, _) => Sight::Awaited(Box::default()),
        };
        Self { opening, sight, listeners, last_from: None, client_bytes: 0, contradictions: 0, was_resumed: false }
    }

    /// The next bytes of one side. False: they are not wanted any more.
    pub(super) fn bytes(
        &mut self,
        from: Side,
        bytes: &[u8],
        now: Now,
        config: ObserverConfig,
        counters: &mut SessionCounters,
    ) -> bool {
        let follows_answer = self.last_from.replace(from) != Some(Side::Client);
        match &mut self.sight {
            Sight::Untried if from == Side::Server && is_greeting(bytes) => {
                self.sight = Sight::Followed(Box::new(Observer::new(config)));
                self.feed(from, bytes, now, counters);
            }
            Sight::Untried => self.over(Unread::NoSession, "", counters),
            Sight::Followed(_) => self.feed(from, bytes, now, counters),
            Sight::Awaited(_) if from == Side::Client => {
                self.try_from_here(bytes, follows_answer, now, config, counters);
            }
            Sight::Awaited(_) => {}
            Sight::Over => return false,
        }
        !matches!(self.sight, Sight::Over)
    }

    /// So many bytes of one side are missing.
    pub(super) fn gap(&mut self, from: Side, bytes: u64, now: Now, counters: &mut SessionCounters) -> bool {
        match &mut self.sight {
            Sight::Followed(observer) => {
                observer.gap(from, Some(bytes), now, &mut self.listeners);
                self.notice_loss(counters);
            }
            // What greets was not seen.
            Sight::Untried => self.over(Unread::NoSession, "its first bytes are missing", counters),
            Sight::Awaited(_) | Sight::Over => {}
        }
        !matches!(self.sight, Sight::Over)
    }

    fn feed(&mut self, from: Side, mut bytes: &[u8], now: Now, counters: &mut SessionCounters) {
        let Sight::Followed(observer) = &mut self.sight else { return };
        if from == Side::Server {
            observer.server_bytes(bytes, now, &mut self.listeners);
            return self.notice_loss(counters);
        }
        // A request for TLS is looked at alone: what may come with it is TLS.
        let first = SSL_REQUEST.saturating_sub(usize::try_from(self.client_bytes).unwrap_or(usize::MAX));
        if first > 0 && observer.phase() == Phase::Login {
            let (request, rest) = bytes.split_at(first.min(bytes.len()));
            observer.client_bytes(request, now, &mut self.listeners);
            self.client_bytes += request.len() as u64;
            bytes = rest;
            if observer.has_asked_for_tls() {
                observer.encrypted(now, &mut self.listeners);
                return self.notice_loss(counters);
            }
        }
        observer.client_bytes(bytes, now, &mut self.listeners);
        self.client_bytes = self.client_bytes.saturating_add(bytes.len() as u64);
        self.notice_loss(counters);
    }

    /// In the middle of a session: its next request may begin here.
    fn try_from_here(
        &mut self,
        bytes: &[u8],
        follows_answer: bool,
        now: Now,
        config: ObserverConfig,
        counters: &mut SessionCounters,
    ) {
        let Sight::Awaited(known) = &self.sight else { return };
        let capabilities = known.facts.capabilities.unwrap_or_else(CapabilityFlags::empty);
        let in_frames =
            capabilities.intersects(CapabilityFlags::COMPRESS.union(CapabilityFlags::ZSTD_COMPRESSION_ALGORITHM));
        match front_of(bytes, in_frames, follows_answer) {
            Front::Request => {
                counters.resumed += u64::from(self.listeners.has_heard);
                self.was_resumed = true;
                self.sight = Sight::Followed(Box::new(Observer::resume(config, known.as_ref().clone())));
                self.client_bytes = u64::MAX;
                self.feed(Side::Client, bytes, now, counters);
            }
            Front::Encrypted => self.over(Unread::Encrypted, "", counters),
            Front::Compressed => self.over(Unread::Compressed, "", counters),
            Front::Other => {}
        }
    }

    /// The observer may have lost the session: it is taken up again where that is possible.
    fn notice_loss(&mut self, counters: &mut SessionCounters) {
        let Sight::Followed(observer) = &self.sight else { return };
        let Some(end) = observer.out_of_sight() else { return };
        let detail = end.to_string();
        match end.loss {
            SightLoss::Passthrough => self.over(Unread::Encrypted, "", counters),
            SightLoss::Replication | SightLoss::Clone => self.over(Unread::Stream, &detail, counters),
            SightLoss::NoSession => self.over(Unread::NoSession, &detail, counters),
            SightLoss::MidSession => self.over(Unread::NotUnderstood, &detail, counters),
            SightLoss::Gap => self.await_request(Unread::Gap, end, counters),
            SightLoss::Protocol | SightLoss::Compression | SightLoss::Backlog | SightLoss::Panic => {
                self.contradictions += 1;
                if self.contradictions >= MOST_CONTRADICTIONS {
                    self.over(Unread::NotUnderstood, &detail, counters);
                } else {
                    self.await_request(Unread::Malformed, end, counters);
                }
            }
        }
        debug_assert!(is_taken_up_again(end.loss) || matches!(self.sight, Sight::Over));
    }

    fn await_request(&mut self, why: Unread, end: OutOfSight, counters: &mut SessionCounters) {
        let Sight::Followed(observer) = &self.sight else { return };
        let known = MidSession { facts: what_lasts(observer.facts()) };
        counters.note(why, self.opening.client, self.opening.server, &end.to_string());
        self.sight = Sight::Awaited(Box::new(known));
    }

    fn over(&mut self, why: Unread, detail: &str, counters: &mut SessionCounters) {
        counters.note(why, self.opening.client, self.opening.server, detail);
        self.sight = Sight::Over;
    }

    /// Nothing more comes.
    pub(super) fn close(mut self, ending: Ending, now: Now, counters: &mut SessionCounters) {
        match &mut self.sight {
            Sight::Followed(observer) if ending == Ending::Closed => {
                observer.close(now, &mut self.listeners);
                self.listeners.end_messages(true);
            }
            Sight::Followed(observer) => {
                // What is under way goes on, but nobody sees how.
                if observer.is_busy() {
                    observer.gap(Side::Server, None, now, &mut self.listeners);
                }
                self.listeners.capture_ends(now);
            }
            Sight::Awaited(_) if !self.listeners.has_heard => {
                counters.note(Unread::NotUnderstood, self.opening.client, self.opening.server, "");
            }
            Sight::Awaited(_) if ending == Ending::Closed => self.listeners.closed_unseen(now),
            Sight::Awaited(_) => self.listeners.capture_ends(now),
            Sight::Untried | Sight::Over => self.listeners.end_messages(true),
        }
        if self.listeners.has_heard {
            counters.read += 1;
            counters.from_the_middle += u64::from(!self.opening.from_beginning);
        } else if !matches!(self.sight, Sight::Over | Sight::Awaited(_)) {
            counters.empty += 1;
        }
    }
}

/// What is still true of a session after bytes of it were missed: who is logged in, with what, on which server. In theory a
/// COM_CHANGE_USER was among them.
fn what_lasts(facts: &SessionFacts) -> SessionFacts {
    SessionFacts {
        server_version: facts.server_version.clone(),
        connection_id: facts.connection_id,
        user: facts.user.clone(),
        login_database: facts.login_database.clone(),
        capabilities: facts.capabilities,
        login_charset: facts.login_charset,
        flavor: facts.flavor,
        version: facts.version,
        execution_count: facts.execution_count,
        ..SessionFacts::default()
    }
}
