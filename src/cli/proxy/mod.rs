//! `mysql-interceptor proxy`.

mod args;
mod config;
mod rules;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{FAILURE, USAGE, logging};
use crate::deliver::{self, Hub, ShutdownReport};
use crate::lifecycle::{self, Patience};
use crate::proxy::ProxyConfig;
pub(super) use args::ProxyArgs;
pub(super) use config::config;
pub(super) use rules::rules;

pub(super) const EXAMPLES: &str = "\
Examples:
  mysql-interceptor proxy --upstream db:3306 --pretty
  mysql-interceptor proxy --upstream db:3306 --sink ndjson:/data/sql.ndjson --ndjson-compress zstd
  mysql-interceptor proxy --upstream db:3306 --kafka-bootstrap-servers kafka:9092
  mysql-interceptor proxy --config /etc/mysql-interceptor.toml

Each option has an environment variable (--help names it) and a key in the configuration file.
Flags win over variables, variables over the file, the file over the defaults.
SIZE is bytes, or 500MB, 256MiB, 1GiB; TIME is seconds, or 500ms, 10m, 1h.";

/// What the sinks have at least to deliver what is queued.
const FLUSH_AT_LEAST: Duration = Duration::from_secs(2);

/// Runs the proxy until it is told to stop.
pub(super) fn run(config: ProxyConfig) -> ExitCode {
    tracing::debug!(?config, "configuration");
    let stop = CancellationToken::new();
    let token = stop.clone();
    if let Err(error) = lifecycle::watch(Patience::Endless, move || token.cancel()) {
        logging::complain(format_args!("signals cannot be caught: {error}"));
        return ExitCode::from(FAILURE);
    }
    let sinks = match deliver::open_all(&config.sinks) {
        Ok(sinks) => sinks,
        Err(error) => {
            logging::complain(error);
            return ExitCode::from(USAGE);
        }
    };
    let hub = match Hub::start(sinks, config.queue.clone()) {
        Ok(hub) => hub,
        Err(error) => {
            logging::complain(error);
            return ExitCode::from(FAILURE);
        }
    };
    let drain_timeout = config.drain_timeout;
    let result = crate::proxy::run(config, &hub, &stop);
    let sink_counters = hub.counters();
    match result {
        Ok((counters, stopping_since)) => {
            // One --drain-timeout for sessions and sinks, but sinks get a moment even if a session used it up.
            let deadline = (stopping_since + drain_timeout).max(Instant::now() + FLUSH_AT_LEAST);
            report(&hub.shutdown(deadline));
            counters.log("stopped", sink_counters.lost_total());
            ExitCode::SUCCESS
        }
        Err(error) => {
            // Nothing was accepted, so there is nothing to say of the sinks.
            hub.shutdown(Instant::now());
            logging::complain(error);
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
