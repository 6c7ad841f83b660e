//! What is wrong with a setting, and where it was set.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The command line; holds the flag, for example `--kafka-acks`.
    Flag(String),
    /// An environment variable; holds its name.
    Variable(String),
    /// The configuration file.
    File {
        /// The key in the file.
        key: String,
        /// The file.
        path: PathBuf,
        /// The line of the key, from 1 on.
        line: usize,
    },
    /// Nobody set it.
    Default(String),
}

impl Origin {
    /// Whether somebody set it.
    pub(crate) fn is_given(&self) -> bool {
        !matches!(self, Self::Default(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Variable(name) => f.write_str(name),
            Self::File { key, path, line } => write!(f, "{key} in {}, line {line}", path.display()),
            Self::Default(flag) => write!(f, "the default of {flag}"),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
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
    /// A setting whose feature does not exist yet.
    #[error("{origin}: {message}")]
    NotBuilt {
        /// Where it was set.
        origin: Origin,
        /// What does not exist, and what to do.
        message: &'static str,
    },
    /// Two settings that do not go together, or one that lacks another.
    #[error("{origin}: {message}")]
    Conflict {
        /// Where the one was set.
        origin: Origin,
        /// What is in the way.
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
    /// The command line is wrong in form, or asks for help; clap says it best.
    #[error(transparent)]
    Usage(#[from] clap::Error),
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|key| format!("; did you mean {key:?}?")).unwrap_or_default()
}
