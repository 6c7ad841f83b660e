//! When messages go on to librdkafka.
//!
//! While messages are ready to be sent but have to wait for the answer to an earlier request, librdkafka's idempotent producer polls
//! without a pause: 0.6 to 0.9 CPUs while a broker hangs (2.12, `rd_kafka_toppar_producer_serve`: such messages wake the broker's thread,
//! and the limit on messages in flight holds them back). So librdkafka must not have such messages for long. With bursts it never does: at
//! most one request per partition is in flight. A stream has to, because the binlog is read faster if the next request is ready at once;
//! they are taken back after a few seconds without an answer.

use std::time::{Duration, Instant};

use crate::deliver::kafka::window::Window;

/// The least time between bursts that are not full: under load each then has many messages, and a request costs the brokers and us
/// the same for one message as for hundreds.
const BURST_DISTANCE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone)]
pub(crate) enum Pacing {
    /// Immediately.
    Stream,
    /// Gathered, one chunk of the window after the other.
    Bursts(Bursts),
}

#[derive(Debug, Clone)]
pub(crate) struct Bursts {
    linger: Duration,
    batch_size: usize,
    last: Option<Instant>,
}

impl Pacing {
    /// Bursts of messages that have lingered for this long or reach this size.
    pub(crate) const fn bursts(linger: Duration, batch_size: usize) -> Self {
        Self::Bursts(Bursts { linger, batch_size, last: None })
    }

    /// How long to wait for an answer before messages that librdkafka has not sent are taken back.
    pub(crate) const fn patience(&self) -> Duration {
        match self {
            // Longer than a healthy broker pauses.
            Self::Stream => Duration::from_secs(3),
            Self::Bursts(_) => Duration::from_secs(20),
        }
    }

    /// How long messages may wait for others.
    pub(crate) const fn linger(&self) -> Duration {
        match self {
            Self::Stream => Duration::ZERO,
            Self::Bursts(bursts) => bursts.linger,
        }
    }

    /// Releases what is due; when `flushing`, one burst after the other without waiting.
    pub(crate) fn release(&mut self, window: &mut Window, now: Instant, flushing: bool) {
        match self {
            Self::Stream => window.release_all(),
            Self::Bursts(bursts) => {
                let is_due = bursts.until_due(window, now).is_some_and(|left| flushing || left.is_zero());
                if is_due && !window.is_under_way() {
                    window.release_next();
                    bursts.last = Some(now);
                }
            }
        }
    }

    /// How long until the next messages are due; `None` if there are none.
    pub(crate) fn until_due(&self, window: &Window, now: Instant) -> Option<Duration> {
        match self {
            Self::Stream => window.gathered().map(|_| Duration::ZERO),
            Self::Bursts(bursts) => bursts.until_due(window, now),
        }
    }
}

impl Bursts {
    fn until_due(&self, window: &Window, now: Instant) -> Option<Duration> {
        let gathered = window.gathered()?;
        if gathered.is_full {
            return Some(Duration::ZERO);
        }
        let lingered = (gathered.since + self.linger).saturating_duration_since(now);
        if gathered.bytes < self.batch_size {
            return Some(lingered);
        }
        let distance = self.last.map_or(Duration::ZERO, |last| (last + BURST_DISTANCE).saturating_duration_since(now));
        Some(lingered.min(distance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::batch::batch_of;
    use crate::deliver::kafka::window::{Settled, State};

    fn hand_over(window: &mut Window) -> Vec<usize> {
        let mut numbers = Vec::new();
        while let Some(number) = window.next().map(|due| due.number) {
            numbers.push(number);
            window.advance();
        }
        numbers
    }

    #[test]
    fn messages_linger_until_there_are_enough() {
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let (mut pacing, mut window) = (Pacing::bursts(second, 6), Window::default());
        assert_eq!(pacing.until_due(&window, start), None);
        window.add(&batch_of(&[(1, "aa")]), 0..1, start);
        assert_eq!(pacing.until_due(&window, start), Some(second));
        pacing.release(&mut window, start, false);
        assert!(!window.is_under_way());
        window.add(&batch_of(&[(1, "-"), (2, "bb")]), 1..2, start);
        pacing.release(&mut window, start, false);
        let burst = hand_over(&mut window);
        assert_eq!(burst.len(), 2);
        // The next one keeps its distance, and waits for all answers to the first.
        window.add(&batch_of(&[(1, "a longer one")]), 0..1, start);
        assert_eq!(pacing.until_due(&window, start), Some(BURST_DISTANCE));
        window.answer(burst[0], State::Delivered);
        pacing.release(&mut window, start, true);
        assert!(hand_over(&mut window).is_empty());
        window.answer(burst[1], State::Delivered);
        window.settle(&mut Settled::default());
        pacing.release(&mut window, start, true);
        assert_eq!(hand_over(&mut window).len(), 1);
    }

    #[test]
    fn a_backlog_and_a_stream_do_not_wait() {
        let now = Instant::now();
        let large = "x".repeat(500_000);
        let messages = batch_of(&[(1, large.as_str()), (1, &large)]);
        let (mut bursts, mut window) = (Pacing::bursts(Duration::from_secs(1), usize::MAX), Window::default());
        window.add(&messages, 0..2, now);
        bursts.release(&mut window, now, false);
        assert_eq!(hand_over(&mut window).len(), 1);
        let mut window = Window::default();
        window.add(&messages, 0..2, now);
        Pacing::Stream.release(&mut window, now, false);
        assert_eq!(hand_over(&mut window).len(), 2);
    }
}
