//! Files of Parquet, whatever is in them.

use std::time::Duration;

use clap::Args;

use super::choices::choice;
use super::files::Writes;
use crate::deliver::ParquetCompression;
use crate::settings::{Otherwise, Rule, SinkKind, duration, size};

/// How files of Parquet are written, and when one ends.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Files")]
pub(in crate::cli) struct ParquetFileArgs {
    /// parquet: compression of pages
    #[arg(long, value_name = "HOW", default_value = "zstd", value_parser = choice::<ParquetCompression>(), hide_short_help = true)]
    pub(in crate::cli) parquet_compression: ParquetCompression,

    /// parquet: end a file of this size; 0: never
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = size, hide_short_help = true)]
    pub(in crate::cli) parquet_roll_size: u64,

    /// parquet: end a file of this age; 0: never
    ///
    /// What is in it counts as delivered then.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    pub(in crate::cli) parquet_roll_age: Duration,
}

/// When these settings matter.
pub(in crate::cli) fn parquet_rule<S: Writes>() -> Rule<S> {
    Rule {
        settings: &["parquet_compression", "parquet_roll_size", "parquet_roll_age"],
        needs: |settings| settings.writes_to(SinkKind::Parquet),
        otherwise: Otherwise::NoEffect("no sink is Parquet: add --sink parquet:DIR"),
    }
}
