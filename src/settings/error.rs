//! What is wrong with a setting.

use std::path::PathBuf;

use super::origin::Origin;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A value that its setting does not allow.
    #[error("{origin}: {given:?} is not allowed: {allowed}")]
    Invalid {
        /// Where the value was set.
        origin: Origin,
        /// The value.
        given: String,
        /// What is allowed.
        allowed: String,
    },
    /// A value that is not allowed and not shown, because it may hold a secret.
    #[error("{origin}: {allowed}")]
    InvalidSecret {
        /// Where the value was set.
        origin: Origin,
        /// What is allowed.
        allowed: String,
    },
    /// A value of the configuration file that is of another type than the setting.
    #[error("{origin}: expected {expected}, got {got}")]
    Type {
        /// Where the value was set.
        origin: Origin,
        /// What is allowed.
        expected: String,
        /// What is there.
        got: String,
    },
    /// A value that its setting allows, but not here: it lacks another setting, or does not go together with one.
    #[error("{}: {message}", origin.name())]
    Refused {
        /// Where the value was set.
        origin: Origin,
        /// What is in the way, and what to do.
        message: String,
    },
    /// The configuration file cannot be read.
    #[error("cannot read the configuration file {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why, with the line if there is one.
        reason: String,
    },
    /// The configuration file has a key that is not a setting.
    #[error("{} has the unknown key {key:?} in line {line}{}", path.display(), did_you_mean(suggestion.as_deref()))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line of the key, from 1 on.
        line: usize,
        /// The key.
        key: String,
        /// The setting that was probably meant.
        suggestion: Option<String>,
    },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|key| format!("; did you mean {key:?}?")).unwrap_or_default()
}
