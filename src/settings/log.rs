//! Our own log: what is logged, where to, and how.

use std::path::PathBuf;
use std::str::FromStr;

use tracing_subscriber::filter::LevelFilter;

use super::error::ConfigError;
use super::origin::Origin;

/// The variable that other Rust programs obey too; it counts if `log_level` is not given.
const RUST_LOG: &str = "RUST_LOG";

/// Our own log.
#[derive(Debug, Clone)]
pub(crate) struct LogConfig {
    /// A level, or a filter in the syntax of RUST_LOG.
    pub(crate) filter: String,
    /// Lines for people or for machines.
    pub(crate) format: LogFormat,
    /// Where lines are appended; `None`: standard error.
    pub(crate) file: Option<PathBuf>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text, file: None }
    }
}

/// What a log line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

/// The filter to use: what `log_level` says, else that variable's value, else `default`.
pub(crate) fn choose_log_filter(
    level: Option<&str>,
    rust_log: Option<&str>,
    default: &str,
) -> Result<String, ConfigError> {
    match (level, rust_log.filter(|filter| !filter.is_empty())) {
        (Some(level), _) => Ok(level.to_owned()),
        (None, Some(filter)) => log_filter(filter).map_err(|allowed| ConfigError::Invalid {
            origin: Origin::Variable(RUST_LOG.to_owned()),
            given: filter.to_owned(),
            allowed,
        }),
        (None, None) => Ok(default.to_owned()),
    }
}

/// A level, or a filter in the syntax of RUST_LOG. There a single word that is not a level names a part of a program: a
/// misspelt level would switch the log off.
pub(crate) fn log_filter(text: &str) -> Result<String, String> {
    let expected = "expected error, warn, info, debug, trace, off, or a filter such as info,librdkafka=debug";
    let wrong = text.split(',').map(str::trim).find(|part| {
        !part.contains(['=', '[', ']', '{', '}']) && !part.is_empty() && LevelFilter::from_str(part).is_err()
    });
    if let Some(wrong) = wrong {
        return Err(format!("{expected}; {wrong:?} is not a level"));
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
        assert!(log_filter("verbose").unwrap_err().contains("\"verbose\" is not a level"));
    }

    #[test]
    fn a_wrong_rust_log_is_an_error_that_names_it() {
        let error = choose_log_filter(None, Some("verbose"), "info").unwrap_err().to_string();
        assert!(error.starts_with("RUST_LOG: \"verbose\" is not allowed: expected error, warn"), "{error}");
        let filter = |level: Option<&str>, rust_log| choose_log_filter(level, rust_log, "info").ok();
        assert_eq!(filter(None, Some("debug")).as_deref(), Some("debug"));
        // What log_level overrides need not be right.
        assert_eq!(filter(Some("warn"), Some("verbose")).as_deref(), Some("warn"));
        assert_eq!(filter(None, Some("")).as_deref(), Some("info"));
    }
}
