//! The command line of `decode`.

use std::path::PathBuf;

use clap::{Args, Command};

use crate::cli::settings::{LogArgs, Publishes, StatementArgs, redacted_by_default};
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

/// Settings that matter only together with others.
pub(in crate::cli) fn rules() -> Vec<Rule<DecodeArgs>> {
    crate::cli::settings::statement_rules()
}
