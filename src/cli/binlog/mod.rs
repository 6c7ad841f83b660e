//! `mysql-interceptor binlog`: row images from a server's binlog or from files.

mod args;
mod config;
mod forms;
mod outputs;
mod place;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::exit::{Failure, at_once};
use super::memory;
use super::settings::with_origins;
use crate::binlog::RunError;
use crate::lifecycle::{self, HangUp, Patience};
use crate::metrics::{Bound, MetricsError, Watch};
use crate::settings::Origins;
pub(super) use args::{BinlogArgs, adapt};
pub(super) use rules::rules;

pub(super) const EXAMPLES: &str = "\
Examples:
  mysql-interceptor binlog --source mysql://repl@db --ask-password --from now --pretty
  mysql-interceptor binlog --source mysql://repl@db --from oldest --until now > rows.ndjson
  mysql-interceptor binlog --file binlog.000001 --file binlog.000002.zst --only update

PLACE is FILE:POS, GTIDs, a date and time, or seconds since 1970.
Each option has an environment variable (--help names it) and a key in the configuration file.
Flags win over variables, variables over the file, the file over the defaults.
SIZE is bytes, or 500MB, 256MiB, 1GiB; TIME is seconds, or 500ms, 10m, 1h.";

/// Runs until the end that was asked for, or a signal.
pub(super) fn run(args: Box<BinlogArgs>, origins: Origins) -> Result<(), Failure> {
    memory::keep_freed();
    let mut config = config::config(&args, &origins).map_err(Failure::usage)?;
    let cannot_start = |error: std::io::Error| Failure::failed(format_args!("cannot watch for signals: {error}"));
    let stop = lifecycle::watch(Patience::Endless, HangUp::Ignored, at_once).map_err(cannot_start)?;
    let not_served = |error: MetricsError| Failure::Failed(with_origins(&error.to_string(), &origins));
    // From now on: brokers may not answer for minutes, and a probe must not end the program for that.
    let sinks = Watch::default();
    let (read, written) = (Arc::new(config.watch.clone()), Arc::new(sinks.clone()));
    let serve = |bound: Bound| bound.serve("binlog", vec![read.clone(), written.clone()], vec![read, written]);
    let serving = args.metrics.metrics.map(|address| Bound::bind(address).and_then(serve));
    let _serving = serving.transpose().map_err(not_served)?;
    tracing::debug!("opening the sinks");
    let sinks_origins = origins.clone();
    // Brokers may not answer for minutes, and nothing is lost yet.
    let opened = lifecycle::unless_stopped(&stop, move || outputs::open(&args, &sinks_origins));
    let Some(opened) = opened.map_err(Failure::failed)? else {
        tracing::info!("stopped before anything was read");
        return Ok(());
    };
    let mut outputs = opened.and_then(outputs::Opened::start).map_err(Failure::usage)?;
    config.resume = outputs.checkpoint.take();
    sinks.begin(&Arc::new(outputs.sinks.overview()));
    match crate::binlog::run(&config, &outputs.forms, &mut outputs.sinks, &stop) {
        Ok(summary) => {
            summary.log(if stop.is_cancelled() { "stopped" } else { "done" });
            if summary.is_delivered { Ok(()) } else { Err(Failure::Incomplete) }
        }
        Err(error @ RunError::Start(_)) => Err(Failure::Usage(with_origins(&error.to_string(), &origins))),
        Err(error) => Err(Failure::Failed(with_origins(&error.to_string(), &origins))),
    }
}
