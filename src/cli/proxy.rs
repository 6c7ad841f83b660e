//! `mysql-interceptor proxy`.

use std::process::ExitCode;
use std::time::Instant;

use super::{FAILURE, USAGE, logging};
use crate::config::ProxyConfig;
use crate::sink::{self, Hub, ShutdownReport};

/// Runs the proxy until it is told to stop.
pub(super) fn run(config: ProxyConfig) -> ExitCode {
    logging::start(&config.log);
    tracing::debug!(?config, "configuration");
    let sinks = match sink::open_all(&config.sinks) {
        Ok(sinks) => sinks,
        Err(error) => {
            eprintln!("error: {error}");
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
    report(&hub.shutdown(Instant::now() + drain_timeout));
    match result {
        Ok(counters) => {
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
