//! Where messages go, and what they look like to people.

use clap::Args;

use super::choices::choice;
use crate::pretty::{ColorChoice, PrettyColumn};
use crate::settings::{ConfigError, Origins, SinkKind, SinkSpec, boolean};

/// Messages for people.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(in crate::cli) struct PrettyArgs {
    /// stdout: for people instead of JSON
    ///
    /// A readable line per statement, and each row with what changed.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pub(in crate::cli) pretty: bool,

    /// stdout: colours of --pretty
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = choice::<ColorChoice>())]
    pub(in crate::cli) color: ColorChoice,
}

/// What is shown of statements.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(in crate::cli) struct ColumnArgs {
    /// stdout: columns of --pretty, comma-separated [default: all]
    ///
    /// The statement is always shown. On a terminal the columns shrink with its width, and a long statement continues on the next lines.
    #[arg(long, env = "INTERCEPTOR_PRETTY_COLUMNS", value_name = "COLUMNS", value_delimiter = ',')]
    #[arg(value_parser = choice::<PrettyColumn>())]
    pub(in crate::cli) pretty_columns: Vec<PrettyColumn>,
}

/// What a `--sink` names; nothing between two commas.
#[derive(Debug, Clone)]
pub(in crate::cli) struct SinkName(Option<SinkSpec>);

fn sink(text: &str, kinds: &[SinkKind]) -> Result<SinkName, String> {
    let is_empty = text.trim().is_empty();
    Ok(SinkName(if is_empty { None } else { Some(SinkSpec::parse(text, kinds)?) }))
}

/// A destination of statements.
pub(in crate::cli) fn statement_sink(text: &str) -> Result<SinkName, String> {
    sink(text, &[SinkKind::Stdout, SinkKind::Ndjson, SinkKind::Kafka, SinkKind::Parquet])
}

/// A destination of rows.
pub(in crate::cli) fn row_sink(text: &str) -> Result<SinkName, String> {
    sink(text, &[SinkKind::Stdout, SinkKind::Ndjson, SinkKind::Kafka, SinkKind::Parquet])
}

/// The destinations that are named.
pub(in crate::cli) fn specs(names: &[SinkName]) -> impl Iterator<Item = &SinkSpec> {
    names.iter().filter_map(|name| name.0.as_ref())
}

/// Refuses a destination that is named twice: its messages would be there twice.
pub(in crate::cli) fn check_distinct(names: &[SinkName], origins: &Origins) -> Result<(), ConfigError> {
    let twice = specs(names).enumerate().find(|(index, spec)| specs(names).take(*index).any(|other| other == *spec));
    match twice {
        Some((_, spec)) => {
            Err(ConfigError::Refused { origin: origins.of("sink"), message: format!("{spec} is given twice") })
        }
        None => Ok(()),
    }
}
