//! Says how far the replay is: rates now and recorded, sessions, errors, lag, time left.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use crate::pretty::bar;

const SECOND: u64 = 1_000_000_000;
const BAR_INTERVAL: Duration = Duration::from_millis(250);
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// What was read of the recording: how many commands began in each of its seconds that is not played yet.
#[derive(Debug, Default)]
pub(super) struct Recorded(Mutex<Seconds>);

#[derive(Debug, Default)]
struct Seconds {
    /// What the recording's clock showed where this loop begins, and the replay's.
    recorded_zero: u64,
    zero: u64,
    counts: VecDeque<(u64, u64)>,
    rate: u64,
}

/// Where the recording is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Nanoseconds of the recording's clock.
    recorded_ns: u64,
    /// How many commands began in that second of the recording.
    rate: u64,
}

impl Recorded {
    fn lock(&self) -> MutexGuard<'_, Seconds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A loop begins.
    pub(super) fn begin(&self, recorded_zero: u64, zero: u64) {
        *self.lock() = Seconds { recorded_zero, zero, counts: VecDeque::new(), rate: 0 };
    }

    /// A command began then.
    pub(super) fn count(&self, recorded_ns: u64) {
        let second = recorded_ns / SECOND;
        let mut seconds = self.lock();
        match seconds.counts.back_mut() {
            Some((last, count)) if *last == second => *count += 1,
            _ => seconds.counts.push_back((second, 1)),
        }
    }

    /// Where the recording is at this time of the replay's clock, if that follows the recording's at `percent`.
    fn place(&self, now_ns: u64, percent: f64) -> Option<Place> {
        if percent <= 0.0 {
            return None;
        }
        let mut seconds = self.lock();
        let elapsed = Duration::from_nanos(now_ns.saturating_sub(seconds.zero)).as_secs_f64() * 100.0 / percent;
        let elapsed = Duration::try_from_secs_f64(elapsed).ok()?;
        let recorded_ns = seconds.recorded_zero.saturating_add(u64::try_from(elapsed.as_nanos()).ok()?);
        let second = recorded_ns / SECOND;
        while let Some((passed, count)) = seconds.counts.front().copied().filter(|(passed, _)| *passed <= second) {
            seconds.rate = if passed == second { count } else { 0 };
            if passed == second {
                break;
            }
            seconds.counts.pop_front();
        }
        Some(Place { recorded_ns, rate: seconds.rate })
    }
}

/// Says it until it is dropped.
pub(super) struct Progress {
    done: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// `length_ns`: how long the recording is, if that is known.
    pub(super) fn start(shared: Arc<Shared>, recorded: Arc<Recorded>, length_ns: Option<u64>) -> std::io::Result<Self> {
        let done = CancellationToken::new();
        let until = done.clone();
        let say = move || Reporter::new(shared, recorded, length_ns).run(&until);
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(say)?;
        Ok(Self { done, thread: Some(thread) })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done.cancel();
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It says its last; that it panicked changes nothing.
            let _ = thread.join();
        }
    }
}

struct Reporter {
    shared: Arc<Shared>,
    recorded: Arc<Recorded>,
    length_ns: Option<u64>,
    draws_bar: bool,
    last: Instant,
    last_played: u64,
}

impl Reporter {
    fn new(shared: Arc<Shared>, recorded: Arc<Recorded>, length_ns: Option<u64>) -> Self {
        let draws_bar = shared.config.draws_progress;
        Self { shared, recorded, length_ns, draws_bar, last: Instant::now(), last_played: 0 }
    }

    fn run(mut self, until: &CancellationToken) {
        let interval = if self.draws_bar { BAR_INTERVAL } else { LOG_INTERVAL };
        while !until.is_cancelled() {
            thread::park_timeout(interval);
            if until.is_cancelled() {
                break;
            }
            let elapsed = self.last.elapsed();
            if elapsed < interval {
                continue;
            }
            self.last = Instant::now();
            let figures = self.figures(elapsed);
            if self.draws_bar {
                bar::draw(&figures.line());
            } else {
                figures.log();
            }
        }
        if self.draws_bar {
            bar::end();
        }
    }

    fn figures(&mut self, elapsed: Duration) -> Figures {
        let counters = &self.shared.counters;
        let played = counters.played.get();
        let per_second =
            played.saturating_sub(std::mem::replace(&mut self.last_played, played)) as f64 / elapsed.as_secs_f64();
        let percent = self.shared.config.pace.connect_percent;
        let place = self.recorded.place(self.shared.now_ns(), percent);
        let left = place.and_then(|place| {
            let left = Duration::from_nanos(self.length_ns?.saturating_sub(place.recorded_ns)).as_secs_f64();
            Duration::try_from_secs_f64(left * percent / 100.0).ok()
        });
        Figures {
            played,
            per_second: per_second as u64,
            recorded_per_second: place.map(|place| place.rate),
            open: counters.sessions_begun.get().saturating_sub(counters.sessions_ended.get()),
            failed: counters.sessions_failed.get(),
            new_errors: counters.new_errors.get(),
            different: counters.different.get(),
            skipped: counters.skipped.get(),
            lag: Duration::from_nanos(counters.take_lag_ns()),
            left,
        }
    }
}

/// What is said.
struct Figures {
    played: u64,
    per_second: u64,
    recorded_per_second: Option<u64>,
    open: u64,
    failed: u64,
    new_errors: u64,
    different: u64,
    skipped: u64,
    lag: Duration,
    left: Option<Duration>,
}

impl Figures {
    fn line(&self) -> String {
        // What matters most comes first: a narrow terminal has no room for all of it.
        let mut line = String::new();
        if let Some(left) = self.left {
            line += &format!("{} left, ", bar::duration(left.as_secs()));
        }
        line += &format!("{} statements, {}/s", self.played, self.per_second);
        if let Some(recorded) = self.recorded_per_second {
            line += &format!(" (recorded {recorded}/s)");
        }
        line += &format!(", lag {:.1} ms, {} sessions", self.lag.as_secs_f64() * 1000.0, self.open);
        let some = [
            (self.failed, "sessions failed"),
            (self.new_errors, "new errors"),
            (self.different, "differ"),
            (self.skipped, "skipped"),
        ];
        for (count, what) in some.into_iter().filter(|(count, _)| *count > 0) {
            line += &format!(", {count} {what}");
        }
        line
    }

    fn log(&self) {
        tracing::info!(
            statements = self.played,
            per_second = self.per_second,
            recorded_per_second = self.recorded_per_second,
            sessions = self.open,
            sessions_failed = self.failed,
            new_errors = self.new_errors,
            different = self.different,
            skipped = self.skipped,
            lag_ms = self.lag.as_secs_f64() * 1000.0,
            seconds_left = self.left.map(|left| left.as_secs()),
            "replaying"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_rate_is_that_of_the_second_that_is_played() {
        let recorded = Recorded::default();
        recorded.begin(10 * SECOND, 3 * SECOND);
        for (second, count) in [(10, 2), (11, 5), (13, 1)] {
            (0..count).for_each(|_| recorded.count(second * SECOND + 7));
        }
        let at = |now: u64, percent| recorded.place(now, percent).map(|place| (place.recorded_ns / SECOND, place.rate));
        assert_eq!(at(3 * SECOND, 100.0), Some((10, 2)));
        assert_eq!(at(3 * SECOND + SECOND / 2, 50.0), Some((11, 5)));
        assert_eq!(at(5 * SECOND, 100.0), Some((12, 0)));
        assert_eq!(at(6 * SECOND, 100.0), Some((13, 1)));
        assert_eq!(at(6 * SECOND, 0.0), None);
    }
}
