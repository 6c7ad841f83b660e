//! What all sessions of a replay have in common.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::alarm::Alarm;
use super::config::ReplayConfig;
use super::counters::Counters;
use super::event::Event;
use super::gate::Gate;
use super::source::SessionWatch;
use crate::mysql::sql::Lexis;
use crate::player::{JudgedTexts, PlayClock, PlayOptions};

/// How many connections are being opened at once.
const CONNECTING: usize = 128;
/// How far apart waits are given up: each may free the others.
const RELEASES_APART_NS: u64 = 200_000_000;

/// What all sessions of a replay have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: ReplayConfig,
    /// How texts are read on the target by a session that set nothing.
    pub(super) lexis: Lexis,
    /// What is known of the texts of all sessions.
    pub(super) texts: JudgedTexts,
    pub(super) clock: PlayClock,
    pub(super) counters: Counters,
    /// One for each copy.
    pub(super) gates: Vec<Gate>,
    pub(super) connecting: Semaphore,
    pub(super) outcome: mpsc::Sender<Event>,
    /// No new commands.
    pub(super) stop: CancellationToken,
    /// What is under way is given up, too.
    pub(super) abandon: CancellationToken,
    /// Who hears what becomes of sessions.
    pub(super) watch: Option<Box<dyn SessionWatch>>,
    /// Whether the whole recording was read.
    pub(super) is_read: AtomicBool,
    last_release_ns: AtomicU64,
}

impl Shared {
    pub(super) fn new(
        config: ReplayConfig,
        lexis: Lexis,
        outcome: mpsc::Sender<Event>,
        stop: CancellationToken,
        watch: Option<Box<dyn SessionWatch>>,
    ) -> Self {
        let gates = (0..config.amplify.copies).map(|_| Gate::default()).collect();
        Self {
            config,
            lexis,
            texts: JudgedTexts::default(),
            clock: PlayClock::start(),
            counters: Counters::default(),
            gates,
            connecting: Semaphore::new(CONNECTING),
            outcome,
            stop,
            abandon: CancellationToken::new(),
            watch,
            is_read: AtomicBool::new(false),
            last_release_ns: AtomicU64::new(0),
        }
    }

    /// Nanoseconds of the replay's clock.
    pub(super) fn now_ns(&self) -> u64 {
        self.clock.now().monotonic_ns
    }

    /// Waits until the replay's clock shows this; false if the replay is stopped first.
    pub(super) async fn sleep_until(&self, alarm: &Alarm, at_ns: u64) -> bool {
        if self.stop.is_cancelled() {
            return false;
        }
        if at_ns <= self.now_ns() {
            return true;
        }
        // A time beyond all clocks never comes.
        let at = self.clock.zero().checked_add(Duration::from_nanos(at_ns));
        let wait = async {
            match at {
                Some(at) => alarm.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait => true,
            () = self.stop.cancelled() => false,
        }
    }

    /// Waits this long; false if the replay is stopped first.
    pub(super) async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = self.stop.cancelled() => false,
        }
    }

    /// How sessions are played.
    pub(super) fn play_options(&self, copy: u32) -> PlayOptions {
        PlayOptions { clock: self.clock, copy, ..self.config.play.clone() }
    }

    /// Whether another wait may be given up now: one after the other.
    pub(super) fn may_release(&self, now_ns: u64) -> bool {
        let last = self.last_release_ns.load(Ordering::Relaxed);
        let is_time = last == 0 || now_ns.saturating_sub(last) >= RELEASES_APART_NS;
        is_time && self.last_release_ns.compare_exchange(last, now_ns, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Tells what happened, for the report.
    pub(super) async fn tell(&self, event: Event) {
        // Whoever takes it in is there until all sessions have ended.
        let _ = self.outcome.send(event).await;
    }
}
