//! `mysql-interceptor binlog`: row images from a server's binlog or from files.

mod args;
mod config;
mod forms;
mod memory;
mod outputs;
mod place;
mod rules;
#[cfg(test)]
mod tests;

use std::time::Instant;

use super::exit::{Failure, at_once};
use super::settings::with_origins;
use crate::binlog::{RunError, Summary};
use crate::lifecycle::{self, HangUp, Patience};
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
    let started = Instant::now();
    match crate::binlog::run(&config, &outputs.forms, &mut outputs.sinks, &stop) {
        Ok(summary) => {
            report(&summary, started, if stop.is_cancelled() { "stopped" } else { "done" });
            if summary.is_delivered { Ok(()) } else { Err(Failure::Incomplete) }
        }
        Err(error @ RunError::Start(_)) => Err(Failure::Usage(with_origins(&error.to_string(), &origins))),
        Err(error) => Err(Failure::Failed(with_origins(&error.to_string(), &origins))),
    }
}

fn report(summary: &Summary, started: Instant, end: &str) {
    let counters = &summary.counters;
    let seconds = started.elapsed().as_secs_f64();
    tracing::info!(
        position = %summary.position,
        rows = counters.rows,
        transactions = counters.transactions,
        events = counters.events,
        bytes = counters.bytes,
        ddl = counters.ddl,
        filtered = counters.filtered,
        unknown = counters.unknown,
        incidents = counters.incidents,
        rolled_back = counters.rolled_back,
        unfinished = counters.unfinished,
        xa_waiting = counters.xa_waiting,
        xa_unseen = counters.xa_unseen,
        statements_without_rows = counters.statements_without_rows,
        nameless = counters.nameless,
        seconds,
        rows_per_second = (counters.rows as f64 / seconds) as u64,
        "{end}"
    );
}
