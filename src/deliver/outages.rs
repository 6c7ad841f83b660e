//! What the log says of a sink that fails for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deliver::counters::SinkCounter;
use crate::deliver::error::SinkError;

/// A sink that fails and recovers again and again is logged this often.
const OUTAGE_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Says once that a sink fails, and once that it works again.
pub(crate) struct Outages {
    counter: Arc<SinkCounter>,
    current: Option<Outage>,
    last_logged: Option<Instant>,
}

struct Outage {
    since: Instant,
    failures: u64,
    lost_before: u64,
    logged: bool,
}

impl Outages {
    pub(crate) fn new(counter: Arc<SinkCounter>) -> Self {
        Self { counter, current: None, last_logged: None }
    }

    /// The sink did not take messages now.
    pub(crate) fn failed(&mut self, error: &SinkError) {
        self.counter.fail();
        let outage = self.current.get_or_insert_with(|| Outage {
            since: Instant::now(),
            failures: 0,
            lost_before: self.counter.lost_total(),
            logged: false,
        });
        outage.failures += 1;
        let quiet = self.last_logged.is_none_or(|last| last.elapsed() >= OUTAGE_LOG_INTERVAL);
        if !outage.logged && quiet {
            outage.logged = true;
            self.last_logged = Some(Instant::now());
            tracing::warn!(sink = self.counter.name(), %error, "the sink takes nothing now; trying again until it does");
        }
    }

    /// The sink took messages.
    pub(crate) fn over(&mut self) {
        let Some(outage) = self.current.take() else {
            return;
        };
        if outage.logged {
            tracing::info!(
                sink = self.counter.name(),
                seconds = outage.since.elapsed().as_secs_f64(),
                attempts = outage.failures,
                lost_meanwhile = self.counter.lost_total().saturating_sub(outage.lost_before),
                "the sink takes messages again"
            );
        }
    }
}
