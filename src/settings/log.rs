//! Settings of our own log, the same for every subcommand.

use std::str::FromStr;

use clap::Args;
use tracing_subscriber::filter::LevelFilter;

use crate::settings::error::{ConfigError, Origin};
use crate::settings::{LogConfig, LogFormat};

/// The variable that other Rust programs heed too; counts where `--log-level` is not given.
const RUST_LOG: &str = "RUST_LOG";

/// What is logged, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogSettings {
    /// error to trace, or a filter [default: RUST_LOG, else info]
    ///
    /// error, warn, info, debug, trace, off, or a filter in the syntax of RUST_LOG, such as info,librdkafka=debug.
    #[arg(long, env = "INTERCEPTOR_LOG_LEVEL", value_name = "LEVEL", value_parser = log_filter)]
    #[arg(help_heading = "Logging (standard error)")]
    pub(crate) log_level: Option<String>,

    /// Lines for people, or JSON for machines
    #[arg(long, env = "INTERCEPTOR_LOG_FORMAT", value_name = "FORMAT", default_value = "text", ignore_case = true)]
    #[arg(help_heading = "Logging (standard error)")]
    pub(crate) log_format: LogFormat,
}

impl LogSettings {
    /// The log's configuration; `rust_log` is that variable's value.
    pub(crate) fn config(&self, rust_log: Option<&str>, default: &str) -> Result<LogConfig, ConfigError> {
        let rust_log = rust_log.filter(|filter| !filter.is_empty());
        let filter = match (&self.log_level, rust_log) {
            (Some(level), _) => level.clone(),
            (None, Some(filter)) => log_filter(filter).map_err(|allowed| ConfigError::Invalid {
                origin: Origin::Variable(RUST_LOG.to_owned()),
                given: filter.to_owned(),
                allowed,
            })?,
            (None, None) => default.to_owned(),
        };
        Ok(LogConfig { filter, format: self.log_format })
    }
}

/// A level, or a filter in the syntax of RUST_LOG. There a single word that is no level would be the name of a part of a program: a level
/// that is misspelt would switch the log off.
fn log_filter(text: &str) -> Result<String, String> {
    let expected = "expected error, warn, info, debug, trace, off, or a filter such as info,librdkafka=debug";
    let wrong = text.split(',').map(str::trim).find(|part| {
        !part.contains(['=', '[', ']', '{', '}']) && !part.is_empty() && LevelFilter::from_str(part).is_err()
    });
    if let Some(wrong) = wrong {
        return Err(format!("{expected}; {wrong:?} is no level"));
    }
    match tracing_subscriber::EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{expected} ({error})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for filter in ["info", "WARN", "off", "warn,librdkafka=debug", "mysql_interceptor::proxy=trace, info"] {
            assert!(log_filter(filter).is_ok(), "{filter}");
        }
        for filter in ["verbose", "info,=,x=loud", "librdkafka", "info,noisy", "x=loud"] {
            assert!(log_filter(filter).is_err(), "{filter}");
        }
        assert!(log_filter("verbose").unwrap_err().contains("\"verbose\" is no level"));
    }

    #[test]
    fn a_wrong_rust_log_is_an_error_that_names_it() {
        let settings = LogSettings { log_level: None, log_format: LogFormat::Text };
        let error = settings.config(Some("verbose"), "info").unwrap_err().to_string();
        assert!(error.starts_with("RUST_LOG: \"verbose\" is not allowed: expected error, warn"), "{error}");
        let filter = |level: Option<&str>, rust_log| {
            let settings = LogSettings { log_level: level.map(str::to_owned), log_format: LogFormat::Text };
            settings.config(rust_log, "info").map(|config| config.filter).ok()
        };
        assert_eq!(filter(None, Some("debug")).as_deref(), Some("debug"));
        // What --log-level overrides need not be right.
        assert_eq!(filter(Some("warn"), Some("verbose")).as_deref(), Some("warn"));
        assert_eq!(filter(None, Some("")).as_deref(), Some("info"));
    }
}
