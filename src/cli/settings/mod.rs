//! The command line's side of settings: groups of flags that subcommands share, and the layers under them.
//!
//! A flag stands in one table: its name, its default, its meaning. The rest follows from that. `table` derives the environment variable
//! and the key in the configuration file, `layers` looks values up and remembers where each came from.

mod account;
mod audit;
mod choices;
mod delivery;
mod files;
mod kafka;
mod layers;
mod log;
mod messages;
mod metrics;
mod mirror;
mod moment;
mod names;
mod output;
mod parquet;
mod record;
mod redaction;
mod report;
mod server_url;
mod spool;
mod statements;
mod table;

pub(super) use account::{password, tls};
pub(super) use audit::{AuditArgs, Audits, audit_rules};
pub(super) use choices::choice;
pub(super) use files::{FileArgs, TempArgs, Writes, file_rules};
pub(super) use kafka::KafkaArgs;
pub(super) use layers::{CliError, Layered, Layers};
pub(super) use log::LogArgs;
pub(super) use metrics::MetricsArgs;
pub(super) use mirror::{FileContents, MirrorArgs, Mirrors, mirror_rules};
pub(super) use moment::{Moment, moment};
pub(super) use names::with_origins;
pub(super) use output::{ColumnArgs, PrettyArgs, SinkName, check_distinct, row_sink, specs};
pub(super) use parquet::{ParquetFileArgs, parquet_rule};
pub(super) use record::{RecordArgs, Records, record_rules};
pub(super) use redaction::{RedactArgs, Redacts, redact_rules, under_heading};
pub(super) use report::ReportArgs;
pub(super) use server_url::ServerUrl;
pub(super) use spool::{SpoolArgs, spool_rules};
pub(super) use statements::{Publishes, StatementArgs, redacted_by_default, running, statement_rules};
pub(super) use table::{change, complete, settings_of};
