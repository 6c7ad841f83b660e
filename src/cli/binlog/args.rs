//! The command line of `binlog`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::place::{FromPlace, UntilPlace};
use super::source_url::SourceUrl;
use crate::binlog::{ColumnPattern, OnPurged, Patterns, TablePattern, TlsMode, TopicTemplate};
use crate::deliver::OnRefused;
use crate::deliver::{Compression, KafkaOption};
use crate::files::FileMode;
use crate::pretty::ColorChoice;
use crate::settings::{LogSettings, Origins, boolean, brokers, duration, size, topic};

/// The command line of `binlog`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Binlog {
    /// A server: mysql://USER[:PASSWORD]@HOST[:PORT]; repeatable
    ///
    /// With several, the next one is tried when one fails.
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_SOURCE",
        value_name = "URL",
        help_heading = "Source",
        hide_env_values = true
    )]
    pub(super) source: Vec<SourceUrl>,

    /// A binlog file, or - for standard input; repeatable
    ///
    /// Plain or compressed (gzip, zstd). Several are read in this order.
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_FILE",
        value_name = "FILE",
        help_heading = "Source",
        conflicts_with = "source"
    )]
    pub(super) file: Vec<PathBuf>,

    /// File whose first line is the password
    ///
    /// Without it: the URL's password, then the variable MYSQL_PWD.
    #[arg(long, env = "INTERCEPTOR_BINLOG_PASSWORD_FILE", value_name = "FILE", help_heading = "Source")]
    pub(super) password_file: Option<PathBuf>,

    /// Ask for the password on the terminal
    #[arg(long, help_heading = "Source", conflicts_with_all = ["password_file", "file"])]
    pub(super) ask_password: bool,

    /// TLS to the server
    ///
    /// Without it: verify-ca with --tls-ca, else preferred.
    #[arg(long, env = "INTERCEPTOR_BINLOG_TLS_MODE", value_name = "MODE", help_heading = "Source")]
    pub(super) tls_mode: Option<TlsMode>,

    /// Authorities for the server's certificate (PEM)
    #[arg(long, env = "INTERCEPTOR_BINLOG_TLS_CA", value_name = "FILE", help_heading = "Source")]
    pub(super) tls_ca: Option<PathBuf>,

    /// Our number among its replicas [default: a free one]
    #[arg(long, env = "INTERCEPTOR_BINLOG_SERVER_ID", value_name = "N", help_heading = "Source")]
    pub(super) server_id: Option<u32>,

    /// Our name in SHOW REPLICAS [default: this host's]
    #[arg(long, env = "INTERCEPTOR_BINLOG_REPORT_HOST", value_name = "NAME", help_heading = "Source")]
    pub(super) report_host: Option<String>,

    /// How often the server says that it is there
    ///
    /// After three times that without a word the connection counts as dead.
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_HEARTBEAT",
        value_name = "SECONDS",
        default_value_t = 1.0,
        help_heading = "Source"
    )]
    pub(super) heartbeat: f64,

    /// now, oldest, checkpoint or a PLACE [default: see --help]
    ///
    /// Where to begin. Without it: at the checkpoint with --checkpoint, else now; files are read from their beginning.
    #[arg(long, env = "INTERCEPTOR_BINLOG_FROM", value_name = "PLACE", help_heading = "Range")]
    pub(super) from: Option<FromPlace>,

    /// now (what is there at the start), never, or a PLACE
    ///
    /// Where to end.
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_UNTIL",
        value_name = "PLACE",
        default_value = "never",
        help_heading = "Range"
    )]
    pub(super) until: UntilPlace,

    /// Save how far everything is delivered, and go on from there
    #[arg(long, env = "INTERCEPTOR_BINLOG_CHECKPOINT", value_name = "FILE", help_heading = "Range")]
    pub(super) checkpoint: Option<PathBuf>,

    /// Keep the tables' columns, for names after a restart
    ///
    /// The columns as they change, in this file, so that rows have names after a restart too. Without it: the checkpoint's name with .schema.
    #[arg(long, env = "INTERCEPTOR_BINLOG_SCHEMA_HISTORY", value_name = "FILE", help_heading = "Range")]
    pub(super) schema_history: Option<PathBuf>,

    /// Where large transactions wait for their end
    ///
    /// Those of more than 16 MiB, in a file without a name. Without it: in the checkpoint's folder, else in TMPDIR or /tmp.
    #[arg(long, env = "INTERCEPTOR_BINLOG_TEMP_DIR", value_name = "DIR", help_heading = "Range")]
    pub(super) temp_dir: Option<PathBuf>,

    /// When the server no longer has what is asked for
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_ON_PURGED",
        value_name = "HOW",
        default_value = "fail",
        help_heading = "Range"
    )]
    pub(super) on_purged: OnPurged,

    /// Only these tables: schema.table, schema.* or *.table; repeatable
    ///
    /// A name with a dot, an asterisk or a comma stands in backticks.
    #[arg(long, env = "INTERCEPTOR_BINLOG_INCLUDE", value_name = "PATTERN", help_heading = "Selection")]
    pub(super) include: Vec<Patterns<TablePattern>>,

    /// Not these tables; repeatable
    ///
    /// The more specific rule wins: schema.table over *.table over schema.*.
    #[arg(long, env = "INTERCEPTOR_BINLOG_EXCLUDE", value_name = "PATTERN", help_heading = "Selection")]
    pub(super) exclude: Vec<Patterns<TablePattern>>,

    /// Only these kinds of events
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_ONLY",
        value_name = "KIND",
        help_heading = "Selection",
        value_delimiter = ','
    )]
    pub(super) only: Vec<Kind>,

    /// Leave columns out: [[SCHEMA.]TABLE.]COLUMN; repeatable
    ///
    /// SCHEMA and TABLE may be *.
    #[arg(long, env = "INTERCEPTOR_BINLOG_DROP_COLUMNS", value_name = "PATTERN", help_heading = "Selection")]
    pub(super) drop_columns: Vec<Patterns<ColumnPattern>>,

    /// Hide columns whose names contain this; repeatable
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_REDACT_KEYS",
        value_name = "TEXT",
        help_heading = "Selection",
        value_delimiter = ','
    )]
    pub(super) redact_keys: Vec<String>,

    /// What is shown instead
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_REDACT_VALUE",
        value_name = "TEXT",
        default_value = "***",
        help_heading = "Selection"
    )]
    pub(super) redact_value: String,

    /// stdout, ndjson:PATH, kafka or parquet:DIR [default: stdout]
    ///
    /// Where rows go; repeatable or comma-separated.
    #[arg(long, env = "INTERCEPTOR_BINLOG_SINK", value_name = "SINK", help_heading = "Output", value_delimiter = ',')]
    pub(super) sink: Vec<String>,

    /// Form of rows
    ///
    /// This program's own, or that of another project, for its consumers.
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_FORMAT",
        value_name = "FORM",
        default_value = "native",
        help_heading = "Output"
    )]
    pub(super) format: Format,

    /// stdout: for people, with what changed
    #[arg(long, env = "INTERCEPTOR_BINLOG_PRETTY", help_heading = "Output")]
    #[arg(value_name = "BOOL", default_value = "false", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) pretty: bool,

    /// stdout: colours of --pretty
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_COLOR",
        value_name = "WHEN",
        default_value = "auto",
        ignore_case = true,
        help_heading = "Output"
    )]
    pub(super) color: ColorChoice,

    /// A message where each transaction begins and ends
    ///
    /// For --format debezium and for --pretty. In Kafka: --kafka-transaction-topic.
    #[arg(long, env = "INTERCEPTOR_BINLOG_TRANSACTIONS", help_heading = "Output")]
    #[arg(value_name = "BOOL", default_value = "false", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) transactions: bool,

    /// native: BIGINT as a JSON number or string
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_BIGINT",
        value_name = "HOW",
        default_value = "number",
        help_heading = "Output"
    )]
    pub(super) bigint: BigInt,

    /// native: geometries as base64 or GeoJSON
    ///
    /// base64 of SRID and WKB, as the server stores them.
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_GEOMETRY",
        value_name = "HOW",
        default_value = "wkb",
        help_heading = "Output"
    )]
    pub(super) geometry: GeometryForm,

    /// debezium: the server's name (topic.prefix)
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_SERVER_NAME",
        value_name = "NAME",
        default_value = "mysql",
        help_heading = "Output"
    )]
    pub(super) server_name: String,

    /// debezium: DECIMAL
    ///
    /// decimal.handling.mode
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_DECIMAL",
        value_name = "HOW",
        default_value = "precise",
        help_heading = "Output"
    )]
    pub(super) decimal: DecimalForm,

    /// debezium: BIGINT UNSIGNED
    ///
    /// bigint.unsigned.handling.mode
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_BIGINT_UNSIGNED",
        value_name = "HOW",
        default_value = "long",
        help_heading = "Output"
    )]
    pub(super) bigint_unsigned: BigintUnsignedForm,

    /// debezium: with schemas (schemas.enable)
    #[arg(long, env = "INTERCEPTOR_BINLOG_SCHEMAS", help_heading = "Output")]
    #[arg(value_name = "BOOL", default_value = "false", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) schemas: bool,

    /// Tombstones after Debezium's deletes, in Kafka (tombstones.on.delete)
    ///
    /// A message with the same key and no value, for topics that are compacted.
    #[arg(long, env = "INTERCEPTOR_BINLOG_DEBEZIUM_TOMBSTONES", help_heading = "Output")]
    #[arg(value_name = "BOOL", default_value = "true", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) debezium_tombstones: bool,

    /// Bytes in one sink's queue
    ///
    /// The source is read more slowly when it is full.
    #[arg(long, env = "INTERCEPTOR_BINLOG_QUEUE_BYTES", value_name = "SIZE", default_value = "16MiB", help_heading = "Output", value_parser = size)]
    pub(super) queue_bytes: u64,

    /// ndjson: rotate before the file exceeds this; 0: never
    #[arg(long, env = "INTERCEPTOR_BINLOG_NDJSON_ROTATE_SIZE", value_name = "SIZE", default_value = "0", help_heading = "Files", value_parser = size)]
    pub(super) ndjson_rotate_size: u64,

    /// ndjson: rotate at this age; 0: never
    #[arg(long, env = "INTERCEPTOR_BINLOG_NDJSON_ROTATE_AGE", value_name = "TIME", default_value = "0", help_heading = "Files", value_parser = duration)]
    pub(super) ndjson_rotate_age: Duration,

    /// ndjson: what happens to rotated files
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_NDJSON_COMPRESS",
        value_name = "HOW",
        default_value = "none",
        ignore_case = true,
        help_heading = "Files"
    )]
    pub(super) ndjson_compress: Compression,

    /// ndjson: how many rotated files to keep; 0: all
    #[arg(long, env = "INTERCEPTOR_BINLOG_NDJSON_KEEP", value_name = "N", default_value_t = 0, help_heading = "Files")]
    pub(super) ndjson_keep: usize,

    /// Rights of new files, in octal [default: 0640]
    ///
    /// Of all kinds: NDJSON, Parquet, checkpoint, schema history. Set whatever the umask says; the default is less where the umask says so. A file that is there already keeps its rights.
    #[arg(long, env = "INTERCEPTOR_BINLOG_FILE_MODE", value_name = "RIGHTS", help_heading = "Files")]
    pub(super) file_mode: Option<FileMode>,

    /// parquet: one for all tables, or for each
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_PARQUET_LAYOUT",
        value_name = "LAYOUT",
        default_value = "events",
        help_heading = "Files"
    )]
    pub(super) parquet_layout: ParquetLayout,

    /// parquet: pages
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_PARQUET_COMPRESSION",
        value_name = "HOW",
        default_value = "zstd",
        help_heading = "Files"
    )]
    pub(super) parquet_compression: ParquetCompression,

    /// parquet: end a file of this size; 0: never
    #[arg(long, env = "INTERCEPTOR_BINLOG_PARQUET_ROLL_SIZE", value_name = "SIZE", default_value = "256MiB", help_heading = "Files", value_parser = size)]
    pub(super) parquet_roll_size: u64,

    /// parquet: end a file of this age; 0: never
    ///
    /// Its rows count as delivered then.
    #[arg(long, env = "INTERCEPTOR_BINLOG_PARQUET_ROLL_AGE", value_name = "TIME", default_value = "5m", help_heading = "Files", value_parser = duration)]
    pub(super) parquet_roll_age: Duration,

    /// Brokers, HOST:PORT comma-separated
    #[arg(long, env = "INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS", value_name = "SERVERS", help_heading = "Kafka", value_parser = brokers)]
    pub(super) kafka_bootstrap_servers: Option<String>,

    /// May have {database} and {table}
    ///
    /// The topic of rows; {database} and {table} stand for those names.
    #[arg(long, env = "INTERCEPTOR_BINLOG_KAFKA_TOPIC", value_name = "TOPIC", default_value = "MYSQL_ROWS")]
    #[arg(help_heading = "Kafka")]
    pub(super) kafka_topic: TopicTemplate,

    /// Where transactions begin and end
    ///
    /// The topic of messages that say so.
    #[arg(long, env = "INTERCEPTOR_BINLOG_KAFKA_TRANSACTION_TOPIC", value_name = "TOPIC", help_heading = "Kafka", value_parser = topic)]
    pub(super) kafka_transaction_topic: Option<String>,

    /// A row that Kafka never takes
    ///
    /// What to do with it: it is too large, for example.
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_KAFKA_ON_REFUSED",
        value_name = "HOW",
        default_value = "fail",
        help_heading = "Kafka"
    )]
    pub(super) kafka_on_refused: OnRefused,

    /// Any librdkafka property; repeatable
    ///
    /// For example compression.type=zstd. In the variable one per line, in the file a table. It overrides what the program sets itself.
    #[arg(long, env = "INTERCEPTOR_KAFKA_OPTION", value_name = "KEY=VALUE", help_heading = "Kafka")]
    pub(super) kafka_option: Vec<KafkaOption>,

    /// Each row once, whatever is killed
    ///
    /// Rows and checkpoint are in one Kafka transaction: who reads committed messages sees each row once.
    #[arg(long, env = "INTERCEPTOR_BINLOG_EXACTLY_ONCE", help_heading = "Kafka", conflicts_with = "checkpoint")]
    #[arg(value_name = "BOOL", default_value = "false", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) exactly_once: bool,

    /// With --exactly-once
    ///
    /// The topic of checkpoints; made if it is missing.
    #[arg(long, env = "INTERCEPTOR_BINLOG_KAFKA_CHECKPOINT_TOPIC", value_name = "TOPIC", default_value = "MYSQL_CHECKPOINTS", help_heading = "Kafka", value_parser = topic)]
    pub(super) kafka_checkpoint_topic: String,

    /// With --exactly-once
    ///
    /// Our name in Kafka: an instance that starts ends an older one of the same name.
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_KAFKA_TRANSACTIONAL_ID",
        value_name = "NAME",
        default_value = "mysql-interceptor-binlog",
        help_heading = "Kafka"
    )]
    pub(super) kafka_transactional_id: String,

    /// A bar, or a log line every ten seconds
    #[arg(
        long,
        env = "INTERCEPTOR_BINLOG_PROGRESS",
        value_name = "HOW",
        default_value = "auto",
        help_heading = "Output"
    )]
    pub(super) progress: Progress,

    /// End at an event of an unknown type
    ///
    /// Without it, such an event is skipped and counted.
    #[arg(long, env = "INTERCEPTOR_BINLOG_STRICT", help_heading = "Source")]
    #[arg(value_name = "BOOL", default_value = "false", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) strict: bool,

    /// Configuration file (TOML): its keys are the long flags with _ for -
    #[arg(long, env = "INTERCEPTOR_BINLOG_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    #[command(flatten)]
    pub(in crate::cli) log: LogSettings,

    /// Where the above came from.
    #[arg(skip)]
    pub(in crate::cli) origins: Origins,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    Insert,
    Update,
    Delete,
    /// Statements that change definitions
    Ddl,
    /// Statements that are logged as text (binlog_format=STATEMENT or MIXED)
    Statement,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// {"type":..,"database":..,"table":..,"before":..,"after":..,...}
    Native,
    /// The events of Debezium's connectors
    Debezium,
    /// The messages of Maxwell's daemon
    Maxwell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum GeometryForm {
    /// base64 of the SRID and the WKB, as they are stored
    Wkb,
    /// GeoJSON
    Geojson,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DecimalForm {
    /// base64 of the unscaled value, two's complement
    Precise,
    /// The digits
    String,
    /// A number, which may lose digits
    Double,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum BigintUnsignedForm {
    /// A signed number, negative from 2^63 on
    Long,
    /// base64 of the value, two's complement
    Precise,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ParquetLayout {
    /// Nine columns, the same for all tables
    Events,
    /// The tables' columns
    Table,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ParquetCompression {
    /// Zstandard, level 1
    Zstd,
    /// gzip, level 6
    Gzip,
    /// Not at all
    None,
}
