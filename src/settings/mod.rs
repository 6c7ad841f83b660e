//! Typed settings, layer over layer: flags over environment variables over the configuration file over defaults.
//!
//! Nothing here knows the command line: `cli` has the tables of flags, describes each as a [`Setting`], and turns what the layers
//! say into the subcommands' configurations.

mod error;
mod file;
mod log;
mod origin;
mod rules;
mod setting;
mod sink;
mod values;
mod variables;

pub(crate) use error::ConfigError;
pub(crate) use file::File;
pub(crate) use log::{LogConfig, LogFormat, choose_log_filter, log_filter};
pub(crate) use origin::{Origin, Origins};
pub(crate) use rules::{Note, Otherwise, Rule, check};
pub(crate) use setting::{BOOLEAN, CONFIG, Choice, Setting};
pub(crate) use sink::{SinkKind, SinkSpec};
pub(crate) use values::{
    boolean, brokers, duration, instance, listen_address, memory_size, number_of_seconds, positive, share, size, topic,
};
pub(crate) use variables::unknown_variables;
