//! The command line of `binlog`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::place::{FromPlace, UntilPlace};
use super::source_url::SourceUrl;
use crate::binlog::{ColumnPattern, OnPurged, TablePattern, TlsMode};

/// The command line of `binlog`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Binlog {
    /// The server to read from: mysql://USER[:PASSWORD]@HOST[:PORT]; repeatable, the next one is tried when one fails
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_SOURCE",
        value_name = "URL",
        help_heading = "Source",
        hide_env_values = true
    )]
    pub(super) source: Vec<SourceUrl>,

    /// A binlog file, plain or compressed (gzip, zstd), or - for standard input; repeatable, in this order
    #[arg(long, value_name = "FILE", help_heading = "Source", conflicts_with = "source")]
    pub(super) file: Vec<PathBuf>,

    /// File whose first line is the password [default: the URL's, then MYSQL_PWD]
    #[arg(long, value_name = "FILE", help_heading = "Source")]
    pub(super) password_file: Option<PathBuf>,

    /// How the connection to the source is protected
    #[arg(long, value_name = "MODE", default_value = "preferred", help_heading = "Source")]
    pub(super) tls_mode: TlsMode,

    /// Authorities that the source's certificate is checked with (PEM)
    #[arg(long, value_name = "FILE", help_heading = "Source")]
    pub(super) tls_ca: Option<PathBuf>,

    /// Our number among the source's replicas [default: one that is not used]
    #[arg(long, value_name = "N", help_heading = "Source")]
    pub(super) server_id: Option<u32>,

    /// Our name in SHOW REPLICAS [default: the host's name]
    #[arg(long, value_name = "NAME", help_heading = "Source")]
    pub(super) report_host: Option<String>,

    /// How often the source says that it is there; three times that without a word and the link counts as dead
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, help_heading = "Source")]
    pub(super) heartbeat: f64,

    /// Where to begin: now, oldest, FILE:POS, a GTID set, a moment (2026-11-21T12:00:00Z, or seconds since 1970), checkpoint
    /// [default: checkpoint with --checkpoint, else now; files are read from their beginning]
    #[arg(long, value_name = "PLACE", help_heading = "Range")]
    pub(super) from: Option<FromPlace>,

    /// Where to end: FILE:POS, a GTID, a moment, now (what is there at the start), never
    #[arg(long, value_name = "PLACE", default_value = "never", help_heading = "Range")]
    pub(super) until: UntilPlace,

    /// Save how far everything is delivered in this file
    #[arg(long, value_name = "FILE", help_heading = "Range")]
    pub(super) checkpoint: Option<PathBuf>,

    /// Keep the tables' columns as they change in this file, so that rows have names after a restart too
    /// [default: the checkpoint's name with .schema]
    #[arg(long, value_name = "FILE", help_heading = "Range")]
    pub(super) schema_history: Option<PathBuf>,

    /// What to do where the source does not have any more what is asked for
    #[arg(long, value_name = "HOW", default_value = "fail", help_heading = "Range")]
    pub(super) on_purged: OnPurged,

    /// Only these tables: schema.table, schema.* or *.table; repeatable
    #[arg(long, value_name = "PATTERN", help_heading = "Selection", value_delimiter = ',')]
    pub(super) include: Vec<TablePattern>,

    /// Not these tables; the more specific rule wins (schema.table over *.table over schema.*); repeatable
    #[arg(long, value_name = "PATTERN", help_heading = "Selection", value_delimiter = ',')]
    pub(super) exclude: Vec<TablePattern>,

    /// Only these kinds of events
    #[arg(long, value_name = "KIND", help_heading = "Selection", value_delimiter = ',')]
    pub(super) only: Vec<Kind>,

    /// Leave these columns out: COLUMN, TABLE.COLUMN or SCHEMA.TABLE.COLUMN (SCHEMA and TABLE may be *); repeatable
    #[arg(long, value_name = "PATTERN", help_heading = "Selection", value_delimiter = ',')]
    pub(super) drop_columns: Vec<ColumnPattern>,

    /// Show no values of columns whose names contain one of these texts; repeatable
    #[arg(long, value_name = "TEXT", help_heading = "Selection", value_delimiter = ',')]
    pub(super) redact_keys: Vec<String>,

    /// What stands in place of such values
    #[arg(long, value_name = "TEXT", default_value = "***", help_heading = "Selection")]
    pub(super) redact_value: String,

    /// BIGINT as a JSON number or string
    #[arg(long, value_name = "HOW", default_value = "number", help_heading = "Output")]
    pub(super) bigint: BigInt,

    /// Where rows go: stdout or ndjson:PATH; repeatable [default: stdout]
    #[arg(long, value_name = "SINK", help_heading = "Output")]
    pub(super) sink: Vec<String>,

    /// Bytes in one sink's queue; the source is read more slowly when it is full
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20, help_heading = "Output")]
    pub(super) queue_bytes: usize,

    /// A bar on the terminal, or a log line every ten seconds
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub(super) progress: Progress,

    /// An event of a type that is not known ends the program instead of being skipped and counted
    #[arg(long)]
    pub(super) strict: bool,

    /// error, warn, info, debug, trace or a filter in the syntax of RUST_LOG
    #[arg(long, env = "INTERCEPTOR_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    pub(super) log_level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    Insert,
    Update,
    Delete,
    Ddl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum BigInt {
    /// As a number, with all its digits
    Number,
    /// As a string
    String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Progress {
    /// A bar if standard error is a terminal and standard output is not in use there
    Auto,
    /// A bar
    Bar,
    /// Log lines
    Log,
}
