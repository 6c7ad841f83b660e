//! `mysql-interceptor binlog`: row images from a server's binlog or from files.

mod args;
mod config;
mod forms;
mod memory;
mod outputs;
mod place;
mod rules;
mod source_url;
#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::{FAILURE, USAGE, logging};
use crate::binlog::RunError;
use crate::lifecycle::{self, Patience};
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
pub(super) fn run(args: &BinlogArgs, origins: &Origins) -> ExitCode {
    memory::keep_freed();
    let mut config = match config::config(args, origins) {
        Ok(config) => config,
        Err(reason) => {
            logging::complain(reason);
            return ExitCode::from(USAGE);
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    if let Err(error) = lifecycle::watch(Patience::Endless, move || flag.store(true, Ordering::Relaxed)) {
        logging::complain(format_args!("signals cannot be caught: {error}"));
        return ExitCode::from(FAILURE);
    }
    let mut outputs = match outputs::open(args, origins) {
        Ok(outputs) => outputs,
        Err(reason) => {
            logging::complain(reason);
            return ExitCode::from(USAGE);
        }
    };
    config.resume = outputs.checkpoint.take();
    let started = Instant::now();
    let result = crate::binlog::run(&config, &outputs.forms, &mut outputs.sinks, &stop);
    match result {
        Ok(summary) => {
            let counters = summary.counters;
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
                statements_without_rows = counters.statements_without_rows,
                nameless = counters.nameless,
                seconds,
                rows_per_second = (counters.rows as f64 / seconds) as u64,
                "{}",
                if stop.load(Ordering::Relaxed) { "stopped" } else { "done" }
            );
            if summary.lost > 0 { ExitCode::from(FAILURE) } else { ExitCode::SUCCESS }
        }
        Err(RunError::Start(reason)) => {
            logging::complain(reason);
            ExitCode::from(USAGE)
        }
        Err(error) => {
            logging::complain(error);
            ExitCode::from(FAILURE)
        }
    }
}
