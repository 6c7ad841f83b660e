//! Settings of our own log, the same for every subcommand.

use std::path::PathBuf;

use clap::Args;

use super::choices::choice;
use crate::settings::{ConfigError, LogConfig, LogFormat, choose_log_filter, log_filter};

/// What is logged, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logging")]
pub(in crate::cli) struct LogArgs {
    /// error to trace, or a filter [default: RUST_LOG, else info]
    ///
    /// error, warn, info, debug, trace, off, or a filter in the syntax of RUST_LOG, such as info,librdkafka=debug.
    #[arg(long, env = "INTERCEPTOR_LOG_LEVEL", value_name = "LEVEL", value_parser = log_filter)]
    log_level: Option<String>,

    /// Lines for people, or JSON for machines
    #[arg(long, env = "INTERCEPTOR_LOG_FORMAT", value_name = "FORMAT", default_value = "text", value_parser = choice::<LogFormat>())]
    log_format: LogFormat,

    /// Where the log is appended [default: standard error]
    ///
    /// A file that is renamed is continued in a new one, so that logrotate needs no signal.
    #[arg(long, env = "INTERCEPTOR_LOG_FILE", value_name = "FILE")]
    log_file: Option<PathBuf>,
}

impl LogArgs {
    /// The log's configuration; `rust_log` is that variable's value.
    pub(in crate::cli) fn config(&self, rust_log: Option<&str>, default: &str) -> Result<LogConfig, ConfigError> {
        let filter = choose_log_filter(self.log_level.as_deref(), rust_log, default)?;
        Ok(LogConfig { filter, format: self.log_format, file: self.log_file.clone() })
    }
}
