//! `mysql-interceptor proxy`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::{FAILURE, USAGE, logging};
use crate::config::ProxyConfig;
use crate::sink::{self, Hub, ShutdownReport};

/// What the sinks have at least to deliver what is queued.
const FLUSH_AT_LEAST: Duration = Duration::from_secs(2);

/// Runs the proxy until it is told to stop.
pub(super) fn run(config: ProxyConfig) -> ExitCode {
    logging::start(&config.log);
    tracing::debug!(?config, "configuration");
    let sinks = match sink::open_all(&config.sinks) {
        Ok(sinks) => sinks,
        Err(error) => {
            logging::complain(error);
            return ExitCode::from(USAGE);
        }
    };
    let hub = match Hub::start(sinks, config.queue.clone()) {
        Ok(hub) => hub,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            return ExitCode::from(FAILURE);
        }
    };
    let drain_timeout = config.drain_timeout;
    let result = crate::proxy::run(config, &hub);
    let sink_counters = hub.counters();
    // One --drain-timeout for sessions and sinks, but sinks get a moment even if a session used it up.
    let deadline = match &result {
        Ok((_, stopping_since)) => (*stopping_since + drain_timeout).max(Instant::now() + FLUSH_AT_LEAST),
        Err(_) => Instant::now(),
    };
    report(&hub.shutdown(deadline));
    match result {
        Ok((counters, _)) => {
            counters.log("stopped", sink_counters.lost_total());
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(%error, "the proxy failed");
            ExitCode::from(FAILURE)
        }
    }
}

fn report(report: &ShutdownReport) {
    for sink in &report.sinks {
        let (delivered, lost) = (sink.delivered, sink.lost);
        if lost > 0 || !sink.finished {
            tracing::warn!(
                sink = sink.name,
                delivered,
                lost,
                finished = sink.finished,
                "sink closed, messages were lost"
            );
        } else {
            tracing::info!(sink = sink.name, delivered, "sink closed");
        }
    }
}
