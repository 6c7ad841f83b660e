//! The command line of `decode`.

use std::path::PathBuf;

use clap::{Args, Command};

use crate::cli::settings::{
    LogArgs, MirrorArgs, Mirrors, Publishes, RecordArgs, Records, StatementArgs, mirror_rules, record_rules,
    redacted_by_default, specs, statement_rules,
};
use crate::settings::Otherwise::NoEffect;
use crate::settings::{Rule, memory_size};

/// The settings of `mysql-interceptor decode` as given, before they are checked against each other.
#[derive(Debug, Args)]
pub(in crate::cli) struct DecodeArgs {
    /// Configuration file (TOML): its keys are the long flags with _ for -
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The capture: pcap or pcapng, packed by gzip or zstd or not; -: standard input
    #[arg(value_name = "FILE")]
    pub(super) input: Option<PathBuf>,

    #[command(flatten)]
    pub(super) packets: PacketArgs,

    #[command(flatten)]
    pub(super) statements: StatementArgs,

    #[command(flatten)]
    pub(super) recording: RecordArgs,

    #[command(flatten)]
    pub(super) mirror: MirrorArgs,

    #[command(flatten)]
    pub(in crate::cli) log: LogArgs,
}

/// Which connections are looked at.
#[derive(Debug, Args)]
#[command(next_help_heading = "Packets")]
pub(super) struct PacketArgs {
    /// Ports of servers; repeatable [default: 3306, and found]
    ///
    /// Repeatable or comma-separated. Without it: 3306, and every other connection whose beginning was captured and whose server greets as MySQL and MariaDB do.
    #[arg(long, value_name = "PORT", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: Vec<u16>,

    /// Bytes that wait for missing packets
    ///
    /// Of all connections together. When more would wait, the packets that are missing are taken to be lost.
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = memory_size, hide_short_help = true)]
    pub(super) reassembly_bytes: usize,
}

/// What differs from the defaults that subcommands share.
pub(in crate::cli) fn adapt(command: Command) -> Command {
    redacted_by_default(command)
}

impl Publishes for DecodeArgs {
    fn statements(&self) -> &StatementArgs {
        &self.statements
    }
}

impl Records for DecodeArgs {
    fn recording(&self) -> &RecordArgs {
        &self.recording
    }
}

impl Mirrors for DecodeArgs {
    fn mirror(&self) -> &MirrorArgs {
        &self.mirror
    }
}

impl DecodeArgs {
    /// Whether statements become messages: unless sessions go elsewhere, and no place is named for messages.
    pub(super) fn has_messages(&self) -> bool {
        let goes_elsewhere = self.recording.record.is_some() || self.mirror.mirror.is_some();
        !goes_elsewhere || specs(&self.statements.sink).next().is_some() || self.statements.kafka.brokers().is_some()
    }
}

/// Settings that matter only together with others.
pub(in crate::cli) fn rules() -> Vec<Rule<DecodeArgs>> {
    let mut rules = vec![Rule {
        settings: &[
            "capture_all",
            "capture_ddl",
            "capture_callproc",
            "include_sql",
            "include_params",
            "split_values",
            "max_param_length",
            "debug_value",
            "service_name",
            "default_tz",
            "only",
            "skip",
            "min_duration",
            "sample",
            "sample_seed",
            "keep_errors",
            "buffer_until_commit",
            "buffer_messages",
            "buffer_bytes",
            "temp_dir",
            "pretty",
            "backpressure",
        ],
        needs: DecodeArgs::has_messages,
        otherwise: NoEffect("there are no messages beside --record and --mirror unless --sink or brokers are given"),
    }];
    rules.extend(statement_rules());
    rules.extend(record_rules());
    rules.extend(mirror_rules());
    rules
}
