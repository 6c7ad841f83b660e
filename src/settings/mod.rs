//! Typed settings, built once: flags over environment variables over the configuration file over defaults.
//!
//! `settings` is the one table: a flag, its variable and its default each. `layers` looks a value up in that order and
//! remembers where it came from, `build` checks what depends on more than one value.

mod build;
mod error;
mod file;
mod layers;
mod log;
mod notes;
mod settings;
mod values;

use clap::ValueEnum;

pub(crate) use build::RULES as PROXY_RULES;
pub use error::{ConfigError, Origin};
pub(crate) use layers::{Layers, Origins};
pub(crate) use log::LogSettings;
pub(crate) use notes::{Note, Rule, ineffective};
pub(crate) use settings::ProxySettings;
pub(crate) use values::{boolean, brokers, duration, size, topic};

/// Our own log on standard error.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// A level or a filter in the syntax of RUST_LOG.
    pub filter: String,
    /// Lines for people or for machines.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

/// What a log line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}
