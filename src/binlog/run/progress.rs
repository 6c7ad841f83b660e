//! Says how far reading is, how fast, and how much is left.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::binlog::run::config::ProgressStyle;
use crate::binlog::run::extent::Extent;
use crate::binlog::run::figures::Lag;
use crate::binlog::run::summary::Summary;
use crate::pretty::bar;

const LOG_INTERVAL: Duration = Duration::from_secs(10);
const BAR_INTERVAL: Duration = Duration::from_millis(250);
const BAR_WIDTH: usize = 24;

/// Says how far reading is.
pub(super) struct Reporter {
    style: ProgressStyle,
    extent: Arc<Extent>,
    started: Instant,
    last: Instant,
    last_counts: (u64, u64),
}

impl Reporter {
    pub(super) fn new(style: ProgressStyle, extent: Arc<Extent>) -> Self {
        let now = Instant::now();
        Self { style, extent, started: now, last: now, last_counts: (0, 0) }
    }

    /// Says it, if it is time to.
    pub(super) fn report(&mut self, summary: &Summary) {
        let interval = match self.style {
            ProgressStyle::Log => LOG_INTERVAL,
            ProgressStyle::Bar => BAR_INTERVAL,
        };
        let elapsed = self.last.elapsed();
        if elapsed < interval {
            return;
        }
        self.last = Instant::now();
        let counters = &summary.counters;
        let (events, bytes) = std::mem::replace(&mut self.last_counts, (counters.events, counters.bytes));
        let per_second = |now: u64, before: u64| (now.saturating_sub(before) as f64 / elapsed.as_secs_f64()) as u64;
        // A lock taken inside of the expression below would be held to its end, and be waited for by `seconds_left`.
        let total = self.extent.lock().total;
        let lag = Lag::of(summary, &self.extent);
        let state = Rates {
            events_per_second: per_second(counters.events, events),
            bytes_per_second: per_second(counters.bytes, bytes),
            lag_seconds: lag.seconds,
            lag_bytes: lag.bytes,
            total,
            seconds_left: self.seconds_left(counters.bytes),
        };
        match self.style {
            ProgressStyle::Log => state.log(summary),
            ProgressStyle::Bar => bar::draw(&state.line(summary)),
        }
    }

    fn seconds_left(&self, done: u64) -> Option<u64> {
        let left = self.extent.lock().total?.saturating_sub(done);
        let pace = done as f64 / self.started.elapsed().as_secs_f64();
        (pace > 0.0).then(|| (left as f64 / pace).ceil() as u64)
    }

    /// Leaves the line to what follows.
    pub(super) fn end(&self) {
        bar::end();
    }
}

struct Rates {
    events_per_second: u64,
    bytes_per_second: u64,
    lag_seconds: Option<u64>,
    lag_bytes: Option<u64>,
    total: Option<u64>,
    seconds_left: Option<u64>,
}

impl Rates {
    fn log(&self, summary: &Summary) {
        tracing::info!(
            position = %summary.position,
            lag_seconds = self.lag_seconds,
            lag_bytes = self.lag_bytes,
            seconds_left = self.seconds_left,
            events = summary.counters.events,
            rows = summary.counters.rows,
            bytes = summary.counters.bytes,
            events_per_second = self.events_per_second,
            bytes_per_second = self.bytes_per_second,
            "reading"
        );
    }

    fn line(&self, summary: &Summary) -> String {
        let mut line = String::new();
        if let Some(total) = self.total.filter(|total| *total > 0) {
            let share = (summary.counters.bytes as f64 / total as f64).min(1.0);
            let filled = (share * BAR_WIDTH as f64) as usize;
            let _ = write!(line, "[{:<BAR_WIDTH$}] {:3.0} %  ", "#".repeat(filled), share * 100.0);
        }
        let _ = write!(
            line,
            "{}  {} rows  {}/s  {} events/s",
            summary.position,
            summary.counters.rows,
            bytes(self.bytes_per_second),
            self.events_per_second
        );
        match (self.seconds_left, self.lag_seconds) {
            (Some(left), _) => {
                let _ = write!(line, "  {} left", bar::duration(left));
            }
            (None, Some(lag)) => {
                let _ = write!(line, "  {} behind", bar::duration(lag));
                if let Some(lag) = self.lag_bytes {
                    let _ = write!(line, " ({})", bytes(lag));
                }
            }
            (None, None) => {}
        }
        line
    }
}

fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (count as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{count} {name}") } else { format!("{value:.1} {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::event::position::Position;

    #[test]
    fn a_line_says_how_much_is_done_and_left() {
        let mut summary = Summary::default();
        summary.counters.bytes = 30 << 20;
        summary.counters.rows = 1000;
        summary.position = Position { file: "binlog.000003".into(), offset: 77 };
        let figures = Rates {
            events_per_second: 12,
            bytes_per_second: 3 << 20,
            lag_seconds: Some(4000),
            lag_bytes: Some(5 << 30),
            total: Some(120 << 20),
            seconds_left: Some(65),
        };
        let line = figures.line(&summary);
        assert_eq!(
            line,
            "[######                  ]  25 %  binlog.000003:77  1000 rows  3.0 MiB/s  12 events/s  1m05s left"
        );
        let endless = Rates { total: None, seconds_left: None, ..figures };
        assert_eq!(
            endless.line(&summary),
            "binlog.000003:77  1000 rows  3.0 MiB/s  12 events/s  1h06m behind (5.0 GiB)"
        );
    }
}
