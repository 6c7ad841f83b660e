//! Where a value was set.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use super::setting::Setting;

/// Where a value came from; displayed as the user knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
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
    /// Nobody set it; holds the flag that would.
    Default(String),
}

impl Origin {
    /// Whether somebody set it.
    pub(crate) fn is_given(&self) -> bool {
        !matches!(self, Self::Default(_))
    }

    /// The layer: the higher one counts.
    pub(crate) fn layer(&self) -> u8 {
        match self {
            Self::Flag(_) => 3,
            Self::Variable(_) => 2,
            Self::File { .. } => 1,
            Self::Default(_) => 0,
        }
    }

    /// The name that a message about the value uses: where it was set, or the flag that sets it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Default(flag) => flag.clone(),
            origin => origin.to_string(),
        }
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

/// Where the values of a subcommand's settings came from, by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins(HashMap<String, Origin>);

impl Origins {
    /// Nobody has set anything yet.
    pub(crate) fn new(settings: &[Setting]) -> Self {
        let default = |setting: &Setting| (setting.id.clone(), Origin::Default(setting.flag.clone()));
        Self(settings.iter().map(default).collect())
    }

    pub(crate) fn set(&mut self, id: &str, origin: Origin) {
        self.0.insert(id.to_owned(), origin);
    }

    /// Where the value of the setting `id` came from, if that setting exists.
    pub(crate) fn known(&self, id: &str) -> Option<&Origin> {
        self.0.get(id)
    }

    /// Where the value of the setting `id` came from.
    pub(crate) fn of(&self, id: &str) -> Origin {
        self.0.get(id).cloned().unwrap_or_else(|| Origin::Default(format!("--{}", id.replace('_', "-"))))
    }
}
