//! `mysql-interceptor binlog`: row images from a server's binlog or from files.

mod args;
mod config;
mod memory;
mod outputs;
mod place;
mod source_url;
#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::{FAILURE, USAGE, logging};
use crate::binlog::RunError;
use crate::config::{LogConfig, LogFormat};
pub(super) use args::Binlog;

/// Runs until the end that was asked for, or a signal.
pub(super) fn run(settings: &Binlog) -> ExitCode {
    memory::keep_freed();
    logging::start(&LogConfig { filter: settings.log_level.clone(), format: LogFormat::Text });
    let mut config = match config::config(settings) {
        Ok(config) => config,
        Err(reason) => {
            logging::complain(reason);
            return ExitCode::from(USAGE);
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    if let Err(error) = super::stop_on_signals(&stop) {
        logging::complain(format_args!("signals cannot be caught: {error}"));
        return ExitCode::from(FAILURE);
    }
    let mut outputs = match outputs::open(settings) {
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
