//! The command line of `binlog`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Command};

use super::forms::{BigInt, BigintUnsignedForm, DecimalForm, Format, GeometryForm, Kind};
use super::forms::{ParquetLayout, Progress};
use super::place::{FromPlace, UntilPlace};
use crate::binlog::{ColumnPattern, OnPurged, Patterns, TablePattern, TlsMode, TopicTemplate};
use crate::cli::settings::{
    AuditArgs, Audits, FileArgs, KafkaArgs, LogArgs, MetricsArgs, ParquetFileArgs, PrettyArgs, RedactArgs, Redacts,
    ServerUrl, SinkName, TempArgs, Writes, change, choice, row_sink, specs, under_heading,
};
use crate::deliver::OnRefused;
use crate::settings::{SinkKind, boolean, instance, number_of_seconds, size, topic};

/// The settings of `mysql-interceptor binlog` as given, before they are checked against each other.
#[derive(Debug, Args)]
pub(in crate::cli) struct BinlogArgs {
    /// Configuration file (TOML): its keys are the long flags with _ for -
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    pub(super) source: SourceArgs,

    #[command(flatten)]
    pub(super) range: RangeArgs,

    #[command(flatten)]
    pub(super) selection: SelectionArgs,

    /// stdout, ndjson:PATH, kafka or parquet:DIR [default: stdout]
    ///
    /// Where rows go; repeatable or comma-separated.
    #[arg(long, value_name = "SINK", help_heading = "Output", value_delimiter = ',', value_parser = row_sink)]
    pub(super) sink: Vec<SinkName>,

    #[command(flatten)]
    pub(super) pretty: PrettyArgs,

    #[command(flatten)]
    pub(super) rows: RowArgs,

    #[command(flatten)]
    pub(super) audit: AuditArgs,

    /// Name of this reader in its markers [default: host name]
    ///
    /// `verify` joins the runs of one name: readers on one host that write to the same topic or file need a name each. With the time of the start it is the
    /// header `proxy` of each record.
    #[arg(long, hide_short_help = true, value_name = "NAME", help_heading = "Output", value_parser = instance)]
    pub(super) instance: Option<String>,

    #[command(flatten)]
    pub(super) files: FileArgs,

    #[command(flatten)]
    pub(super) temp: TempArgs,

    #[command(flatten)]
    pub(super) parquet: ParquetArgs,

    #[command(flatten)]
    pub(super) kafka: KafkaArgs,

    #[command(flatten)]
    pub(super) topics: TopicArgs,

    #[command(flatten)]
    pub(super) metrics: MetricsArgs,

    #[command(flatten)]
    pub(in crate::cli) log: LogArgs,
}

/// What differs here from other subcommands that have the same flags.
pub(in crate::cli) fn adapt(command: Command) -> Command {
    let command = change(command, "ndjson_rotate_size", |argument| argument.default_value("0"));
    under_heading(command, "Selection")
}

impl Audits for BinlogArgs {
    fn audit(&self) -> &AuditArgs {
        &self.audit
    }
}

impl Redacts for BinlogArgs {
    fn redaction(&self) -> &RedactArgs {
        &self.selection.redaction
    }
}

impl Writes for BinlogArgs {
    fn writes_to(&self, kind: SinkKind) -> bool {
        let mut named = specs(&self.sink).peekable();
        match named.peek() {
            None => kind == SinkKind::Stdout,
            Some(_) => named.any(|spec| spec.kind() == kind),
        }
    }

    fn files(&self) -> &FileArgs {
        &self.files
    }
}

/// Where events come from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Source")]
pub(super) struct SourceArgs {
    /// A server: mysql://USER[:PASSWORD]@HOST[:PORT]; repeatable
    ///
    /// With several, the next one is tried when one fails.
    #[arg(long, value_name = "URL", value_parser = ServerUrl::without_database)]
    pub(super) source: Vec<ServerUrl>,

    /// A binlog file, or - for standard input; repeatable
    ///
    /// Plain or compressed (gzip, zstd). Several are read in this order.
    #[arg(long, value_name = "FILE", conflicts_with = "source")]
    pub(super) file: Vec<PathBuf>,

    /// File whose first line is the password
    ///
    /// Without it: the URL's password, then the variable MYSQL_PWD.
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,

    /// Ask for the password on the terminal
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    #[arg(conflicts_with_all = ["password_file", "file"])]
    pub(super) ask_password: bool,

    /// TLS to the server
    ///
    /// Without it: verify-ca with --tls-ca, else preferred.
    #[arg(long, value_name = "MODE", value_parser = choice::<TlsMode>())]
    pub(super) tls_mode: Option<TlsMode>,

    /// Authorities for the server's certificate (PEM)
    #[arg(long, value_name = "FILE")]
    pub(super) tls_ca: Option<PathBuf>,

    /// Our number among its replicas [default: a free one]
    #[arg(long, value_name = "N")]
    pub(super) server_id: Option<u32>,

    /// Our name in SHOW REPLICAS [default: this host's]
    #[arg(long, hide_short_help = true, value_name = "NAME")]
    pub(super) report_host: Option<String>,

    /// How often an idle server says that it is there
    ///
    /// After three times this long without a word the connection counts as dead.
    #[arg(long, hide_short_help = true, value_name = "SECONDS", default_value = "1", value_parser = number_of_seconds)]
    pub(super) heartbeat: Duration,

    /// End at an event of an unknown type
    ///
    /// Without it, such an event is skipped and counted.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pub(super) strict: bool,
}

/// From where to where.
#[derive(Debug, Args)]
#[command(next_help_heading = "Range")]
pub(super) struct RangeArgs {
    /// now, oldest, checkpoint or a PLACE [default: see --help]
    ///
    /// Where to begin. Without it: at the checkpoint with --checkpoint, else now; files are read from their beginning.
    #[arg(long, value_name = "PLACE")]
    pub(super) from: Option<FromPlace>,

    /// now (what is there at the start), never, or a PLACE
    ///
    /// Where to end.
    #[arg(long, value_name = "PLACE", default_value = "never")]
    pub(super) until: UntilPlace,

    /// Save how far everything is delivered, and continue from there
    #[arg(long, value_name = "FILE")]
    pub(super) checkpoint: Option<PathBuf>,

    /// Keep the tables' columns, for names after a restart
    ///
    /// The columns as they change over time, in this file, so that rows have names after a restart too. Without it: the checkpoint's name with .schema.
    #[arg(long, value_name = "FILE")]
    pub(super) schema_history: Option<PathBuf>,

    /// Keep rows of prepared XA transactions, for a restart
    ///
    /// In this folder, until XA COMMIT or XA ROLLBACK. Without it: the checkpoint's name with .xa, else the schema history's.
    #[arg(long, value_name = "DIR")]
    pub(super) xa_dir: Option<PathBuf>,

    /// When the server no longer has what is asked for
    #[arg(long, value_name = "HOW", default_value = "fail", value_parser = choice::<OnPurged>())]
    pub(super) on_purged: OnPurged,
}

/// Which rows, and what of them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct SelectionArgs {
    /// Only these tables: schema.table, schema.* or *.table; repeatable
    ///
    /// A name with a dot, an asterisk or a comma stands in backticks.
    #[arg(long, value_name = "PATTERN")]
    pub(super) include: Vec<Patterns<TablePattern>>,

    /// Not these tables; repeatable
    ///
    /// The more specific rule wins: schema.table over *.table over schema.*.
    #[arg(long, value_name = "PATTERN")]
    pub(super) exclude: Vec<Patterns<TablePattern>>,

    /// Only these kinds of events
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = choice::<Kind>())]
    pub(super) only: Vec<Kind>,

    /// Leave columns out: [[SCHEMA.]TABLE.]COLUMN; repeatable
    ///
    /// SCHEMA and TABLE may be *.
    #[arg(long, value_name = "PATTERN")]
    pub(super) drop_columns: Vec<Patterns<ColumnPattern>>,

    #[command(flatten)]
    pub(super) redaction: RedactArgs,
}

/// What rows look like, and how they are passed on.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct RowArgs {
    /// Form of rows
    ///
    /// This program's own, or that of another project, for its consumers.
    #[arg(long, value_name = "FORM", default_value = "native", value_parser = choice::<Format>())]
    pub(super) format: Format,

    /// A message where each transaction begins and ends
    ///
    /// For --format debezium and for --pretty. In Kafka: --kafka-transaction-topic.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pub(super) transactions: bool,

    /// native: BIGINT as a JSON number or string
    #[arg(long, value_name = "HOW", default_value = "number", value_parser = choice::<BigInt>())]
    pub(super) bigint: BigInt,

    /// native: geometries as base64 or GeoJSON
    #[arg(long, value_name = "HOW", default_value = "wkb", value_parser = choice::<GeometryForm>())]
    pub(super) geometry: GeometryForm,

    /// debezium: the server's name (topic.prefix)
    #[arg(long, value_name = "NAME", default_value = "mysql")]
    pub(super) server_name: String,

    /// debezium: DECIMAL
    ///
    /// decimal.handling.mode
    #[arg(long, value_name = "HOW", default_value = "precise", value_parser = choice::<DecimalForm>())]
    pub(super) decimal: DecimalForm,

    /// debezium: BIGINT UNSIGNED
    ///
    /// bigint.unsigned.handling.mode
    #[arg(long, value_name = "HOW", default_value = "long", value_parser = choice::<BigintUnsignedForm>())]
    pub(super) bigint_unsigned: BigintUnsignedForm,

    /// debezium: with schemas (schemas.enable)
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pub(super) schemas: bool,

    /// Tombstones after Debezium's deletes, in Kafka (tombstones.on.delete)
    ///
    /// A message with the same key and no value, for topics that are compacted.
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean)]
    pub(super) debezium_tombstones: bool,

    /// Bytes in one sink's queue
    ///
    /// The source is read more slowly when it is full.
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = size)]
    pub(super) queue_bytes: u64,

    /// A bar, or a log line every ten seconds
    #[arg(long, value_name = "HOW", default_value = "auto", value_parser = choice::<Progress>())]
    pub(super) progress: Progress,
}

/// Parquet files.
#[derive(Debug, Args)]
#[command(next_help_heading = "Files")]
pub(super) struct ParquetArgs {
    /// parquet: for all tables, or each
    #[arg(long, value_name = "LAYOUT", default_value = "events", value_parser = choice::<ParquetLayout>())]
    pub(super) parquet_layout: ParquetLayout,

    #[command(flatten)]
    pub(super) files: ParquetFileArgs,
}

/// Rows and checkpoints in Kafka.
#[derive(Debug, Args)]
#[command(next_help_heading = "Kafka")]
pub(super) struct TopicArgs {
    /// Topic; may contain {database} and {table}
    ///
    /// The topic of rows; {database} and {table} stand for those names.
    #[arg(long, value_name = "TOPIC", default_value = "MYSQL_ROWS")]
    pub(super) kafka_topic: TopicTemplate,

    /// Topic for where transactions begin and end
    #[arg(long, value_name = "TOPIC", value_parser = topic)]
    pub(super) kafka_transaction_topic: Option<String>,

    /// A row that Kafka never accepts
    ///
    /// What to do with it. It may be too large, for example.
    #[arg(long, value_name = "HOW", default_value = "fail", value_parser = choice::<OnRefused>())]
    pub(super) kafka_on_refused: OnRefused,

    /// Each row exactly once, whatever is killed
    ///
    /// Rows and checkpoint are in one Kafka transaction: whoever reads committed messages sees each row once.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean, conflicts_with = "checkpoint")]
    pub(super) exactly_once: bool,

    /// exactly once: topic of checkpoints
    ///
    /// With --exactly-once; created if it is missing.
    #[arg(long, value_name = "TOPIC", default_value = "MYSQL_CHECKPOINTS", value_parser = topic)]
    pub(super) kafka_checkpoint_topic: String,

    /// exactly once: our name in Kafka
    ///
    /// With --exactly-once: an instance that starts ends an older one of the same name.
    #[arg(long, value_name = "NAME", default_value = "mysql-interceptor-binlog")]
    pub(super) kafka_transactional_id: String,
}
