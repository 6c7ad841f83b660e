//! The table of settings: one line each for the flag, its variable, its default and its meaning.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{boolean, duration, listen_address, log_filter, memory_size, positive, size, topic};
use super::{
    Acks, Backpressure, ColorChoice, Compression, FileMode, KafkaOption, LogFormat, TlsMode, Upstream, UpstreamVerify,
};

/// The settings of `mysql-interceptor proxy` as given, before they are checked against each other.
///
/// An `Option` without a default is a setting whose being set matters.
#[derive(Debug, Args)]
pub(crate) struct ProxySettings {
    /// Configuration file (TOML): keys are the long flag names with _ for -
    #[arg(long, env = "INTERCEPTOR_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Where clients connect
    #[arg(long, env = "INTERCEPTOR_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3307")]
    #[arg(help_heading = "Connections", value_parser = listen_address)]
    pub(super) listen: SocketAddr,

    /// The database server
    #[arg(long, env = "INTERCEPTOR_UPSTREAM", value_name = "HOST[:PORT]", default_value = "127.0.0.1:3306")]
    #[arg(help_heading = "Connections")]
    pub(super) upstream: Upstream,

    /// Worker threads; 0: one per CPU
    #[arg(long, env = "INTERCEPTOR_WORKERS", value_name = "N", default_value_t = 0)]
    #[arg(help_heading = "Connections")]
    pub(super) workers: usize,

    /// How long a connection to the server may take to open
    #[arg(long, env = "INTERCEPTOR_CONNECT_TIMEOUT", value_name = "TIME", default_value = "10s")]
    #[arg(help_heading = "Connections", value_parser = duration)]
    pub(super) connect_timeout: Duration,

    /// How long the handshake and the login may take
    #[arg(long, env = "INTERCEPTOR_HANDSHAKE_TIMEOUT", value_name = "TIME", default_value = "30s")]
    #[arg(help_heading = "Connections", value_parser = duration)]
    pub(super) handshake_timeout: Duration,

    /// How long running statements and the sinks have after SIGTERM
    #[arg(long, env = "INTERCEPTOR_DRAIN_TIMEOUT", value_name = "TIME", default_value = "30s")]
    #[arg(help_heading = "Connections", value_parser = duration)]
    pub(super) drain_timeout: Duration,

    /// What happens to TLS at the proxy
    #[arg(long, env = "INTERCEPTOR_TLS", value_name = "MODE", default_value = "terminate", ignore_case = true)]
    #[arg(help_heading = "TLS")]
    pub(super) tls: TlsMode,

    /// Certificate chain shown to clients (PEM) [default: one made at start]
    #[arg(long, env = "INTERCEPTOR_TLS_CERT", value_name = "FILE")]
    #[arg(help_heading = "TLS")]
    pub(super) tls_cert: Option<PathBuf>,

    /// Key of --tls-cert (PEM)
    #[arg(long, env = "INTERCEPTOR_TLS_KEY", value_name = "FILE")]
    #[arg(help_heading = "TLS")]
    pub(super) tls_key: Option<PathBuf>,

    /// Authorities that the server's certificate is checked with (PEM)
    #[arg(long, env = "INTERCEPTOR_UPSTREAM_CA", value_name = "FILE")]
    #[arg(help_heading = "TLS")]
    pub(super) upstream_ca: Option<PathBuf>,

    /// How the server's certificate is checked
    #[arg(
        long,
        env = "INTERCEPTOR_UPSTREAM_TLS_VERIFY",
        value_name = "HOW",
        default_value = "none",
        ignore_case = true
    )]
    #[arg(help_heading = "TLS")]
    pub(super) upstream_tls_verify: UpstreamVerify,

    /// Whether there are messages at all
    #[arg(long, env = "DEBUGQUERYINTERCEPTOR_STATEMENTLOGGING", value_name = "BOOL", default_value = "true")]
    #[arg(help_heading = "Capture", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) statement_logging: bool,

    /// SELECTs and everything else
    #[arg(long, env = "INTERCEPTOR_CAPTURE_ALL", value_name = "BOOL", default_value = "true")]
    #[arg(help_heading = "Capture", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) capture_all: bool,

    /// When not all: DDL too
    #[arg(long, env = "INTERCEPTOR_CAPTURE_DDL", value_name = "BOOL", default_value = "false")]
    #[arg(help_heading = "Capture", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) capture_ddl: bool,

    /// When not all: CALL too
    #[arg(long, env = "INTERCEPTOR_CAPTURE_CALLPROC", value_name = "BOOL", default_value = "true")]
    #[arg(help_heading = "Capture", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) capture_callproc: bool,

    /// Whether messages have the statement's text
    #[arg(long, env = "INTERCEPTOR_INCLUDE_SQL", value_name = "BOOL", default_value = "true")]
    #[arg(help_heading = "Capture", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) include_sql: bool,

    /// Whether messages have the parameter values
    #[arg(long, env = "INTERCEPTOR_INCLUDE_PARAMS", value_name = "BOOL", default_value = "true")]
    #[arg(help_heading = "Capture", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) include_params: bool,

    /// Longer parameter values are cut and end in ...
    #[arg(long, env = "INTERCEPTOR_MAX_PARAM_LENGTH", value_name = "CHARS", default_value_t = 2048)]
    #[arg(help_heading = "Capture")]
    pub(super) max_param_length: usize,

    /// Longer statements are cut
    #[arg(long, env = "INTERCEPTOR_MAX_STATEMENT_BYTES", value_name = "SIZE", default_value = "64MiB")]
    #[arg(help_heading = "Capture", value_parser = memory_size)]
    pub(super) max_statement_bytes: usize,

    /// The messages' debug field [default: --service-name]
    #[arg(long, env = "DEBUGQUERYINTERCEPTOR_DEBUG", value_name = "TEXT")]
    #[arg(help_heading = "Capture")]
    pub(super) debug_value: Option<String>,

    /// The messages' debug field when --debug-value is not set
    #[arg(long, env = "SERVICE_NAME", value_name = "TEXT", default_value = "unknown-service")]
    #[arg(help_heading = "Capture")]
    pub(super) service_name: String,

    /// The messages' defaultTZ field [default: this host's time zone]
    #[arg(long, env = "INTERCEPTOR_DEFAULT_TZ", value_name = "ZONE")]
    #[arg(help_heading = "Capture")]
    pub(super) default_tz: Option<String>,

    /// Where messages go: stdout, ndjson:PATH or kafka; repeatable or comma-separated [default: stdout, if there is no Kafka]
    #[arg(long, env = "INTERCEPTOR_SINK", value_name = "SINK", value_delimiter = ',')]
    #[arg(help_heading = "Sinks")]
    pub(super) sink: Vec<String>,

    /// stdout: for people, one statement per line
    #[arg(long, env = "INTERCEPTOR_PRETTY", value_name = "BOOL", default_value = "false")]
    #[arg(help_heading = "Sinks", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) pretty: bool,

    /// stdout: colours of --pretty
    #[arg(long, env = "INTERCEPTOR_COLOR", value_name = "WHEN", default_value = "auto", ignore_case = true)]
    #[arg(help_heading = "Sinks")]
    pub(super) color: ColorChoice,

    /// ndjson: rotate before the file grows beyond this; 0: never
    #[arg(long, env = "INTERCEPTOR_NDJSON_ROTATE_SIZE", value_name = "SIZE", default_value = "256MiB")]
    #[arg(help_heading = "Sinks", value_parser = size)]
    pub(super) ndjson_rotate_size: u64,

    /// ndjson: rotate at this age; 0: never
    #[arg(long, env = "INTERCEPTOR_NDJSON_ROTATE_AGE", value_name = "TIME", default_value = "0")]
    #[arg(help_heading = "Sinks", value_parser = duration)]
    pub(super) ndjson_rotate_age: Duration,

    /// ndjson: what happens to a rotated file
    #[arg(long, env = "INTERCEPTOR_NDJSON_COMPRESS", value_name = "HOW", default_value = "none", ignore_case = true)]
    #[arg(help_heading = "Sinks")]
    pub(super) ndjson_compress: Compression,

    /// ndjson: how many rotated files are kept; 0: all
    #[arg(long, env = "INTERCEPTOR_NDJSON_KEEP", value_name = "N", default_value_t = 0)]
    #[arg(help_heading = "Sinks")]
    pub(super) ndjson_keep: usize,

    /// ndjson: rights of new files, in octal [default: 0640, or less by the umask]
    #[arg(long, env = "INTERCEPTOR_FILE_MODE", value_name = "RIGHTS")]
    #[arg(help_heading = "Sinks")]
    pub(super) file_mode: Option<FileMode>,

    /// Brokers, host:port comma-separated; setting this switches the Kafka sink on
    #[arg(long, env = "INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS", value_name = "SERVERS")]
    #[arg(help_heading = "Kafka")]
    pub(super) kafka_bootstrap_servers: Option<String>,

    /// Topic of the messages
    #[arg(long, env = "INTERCEPTOR_KAFKA_TOPIC", value_name = "TOPIC", default_value = "MYSQL_EVENTS")]
    #[arg(help_heading = "Kafka", value_parser = topic)]
    pub(super) kafka_topic: String,

    /// Who must have a message before it counts as delivered; all: idempotent producer
    #[arg(long, env = "INTERCEPTOR_KAFKA_ACKS", value_name = "ACKS", default_value = "all", ignore_case = true)]
    #[arg(help_heading = "Kafka", allow_hyphen_values = true)]
    pub(super) kafka_acks: Acks,

    /// How often the client library sends again by itself; then the proxy does
    #[arg(long, env = "INTERCEPTOR_KAFKA_RETRIES", value_name = "N", default_value_t = 3)]
    #[arg(help_heading = "Kafka", value_parser = clap::value_parser!(u32).range(0..=2_147_483_647))]
    pub(super) kafka_retries: u32,

    /// How long messages wait for others to share a request with
    #[arg(long, env = "INTERCEPTOR_KAFKA_LINGER_MS", value_name = "MS", default_value_t = 1000)]
    #[arg(help_heading = "Kafka", value_parser = clap::value_parser!(u32).range(0..=900_000))]
    pub(super) kafka_linger_ms: u32,

    /// Messages are sent as soon as so many bytes wait
    #[arg(long, env = "INTERCEPTOR_KAFKA_BATCH_SIZE", value_name = "BYTES", default_value_t = 16_384)]
    #[arg(help_heading = "Kafka", value_parser = clap::value_parser!(u32).range(1..=2_147_483_647))]
    pub(super) kafka_batch_size: u32,

    /// Bytes that may wait for Kafka, beyond the queue
    #[arg(long, env = "INTERCEPTOR_KAFKA_BUFFER_MEMORY", value_name = "SIZE", default_value = "33554432")]
    #[arg(help_heading = "Kafka", value_parser = size)]
    pub(super) kafka_buffer_memory: u64,

    /// Accepted, without effect: every message has a key
    #[arg(long, env = "INTERCEPTOR_KAFKA_ADAPTIVE_PARTITIONING_ENABLED", value_name = "BOOL", default_value = "true")]
    #[arg(help_heading = "Kafka", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) kafka_adaptive_partitioning_enabled: bool,

    /// Any property of librdkafka, for example sasl.username=app; repeatable, in the variable one per line
    #[arg(long, env = "INTERCEPTOR_KAFKA_OPTION", value_name = "KEY=VALUE")]
    #[arg(help_heading = "Kafka")]
    pub(super) kafka_option: Vec<KafkaOption>,

    /// When a sink's queue is full: clients wait, or messages are dropped and counted
    #[arg(long, env = "INTERCEPTOR_BACKPRESSURE", value_name = "WHAT", default_value = "block", ignore_case = true)]
    #[arg(help_heading = "Queues")]
    pub(super) backpressure: Backpressure,

    /// Messages in one sink's queue
    #[arg(long, env = "INTERCEPTOR_PUBLISH_QUEUE_MAXSIZE", value_name = "N", default_value = "10000")]
    #[arg(help_heading = "Queues", value_parser = positive)]
    pub(super) publish_queue_maxsize: usize,

    /// Bytes in one sink's queue
    #[arg(long, env = "INTERCEPTOR_PUBLISH_QUEUE_BYTES", value_name = "SIZE", default_value = "64MiB")]
    #[arg(help_heading = "Queues", value_parser = memory_size)]
    pub(super) publish_queue_bytes: usize,

    /// At most so many messages are gathered before they are handed to the sinks
    #[arg(long, env = "INTERCEPTOR_PUBLISH_BATCH_SIZE", value_name = "N", default_value = "500")]
    #[arg(help_heading = "Queues", value_parser = positive)]
    pub(super) publish_batch_size: usize,

    /// At most so many seconds messages are gathered before they are handed to the sinks
    #[arg(long, env = "INTERCEPTOR_PUBLISH_FLUSH_INTERVAL_S", value_name = "SECONDS", default_value = "0.5")]
    #[arg(help_heading = "Queues", value_parser = duration)]
    pub(super) publish_flush_interval_s: Duration,

    /// Accepted, without effect: the proxy always queues
    #[arg(long, env = "INTERCEPTOR_ENABLE_QUEUEING_PUBLISHER", value_name = "BOOL", default_value = "false")]
    #[arg(help_heading = "Queues", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) enable_queueing_publisher: bool,

    /// Hold a transaction's messages until it commits
    #[arg(long, env = "INTERCEPTOR_BUFFER_UNTIL_COMMIT", value_name = "BOOL")]
    #[arg(help_heading = "Not built yet (true or a value is refused)", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) buffer_until_commit: Option<bool>,

    /// Names of columns and parameters whose values are replaced
    #[arg(long, env = "INTERCEPTOR_REDACT_KEYS", value_name = "NAMES")]
    #[arg(help_heading = "Not built yet (true or a value is refused)")]
    pub(super) redact_keys: Option<String>,

    /// What they are replaced with
    #[arg(long, env = "INTERCEPTOR_REDACT_VALUE", value_name = "TEXT")]
    #[arg(help_heading = "Not built yet (true or a value is refused)")]
    pub(super) redact_value: Option<String>,

    /// A comment with the connection's data in front of each statement
    #[arg(long, env = "DEBUGQUERYINTERCEPTOR_INLINEDEBUG", value_name = "BOOL")]
    #[arg(help_heading = "Not built yet (true or a value is refused)", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) inline_debug: Option<bool>,

    /// One message per row of a multi-row INSERT
    #[arg(long, env = "INTERCEPTOR_SPLIT_VALUES", value_name = "BOOL")]
    #[arg(help_heading = "Not built yet (true or a value is refused)", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) split_values: Option<bool>,

    /// How the session's time zone and isolation level are learnt at connect: off, or inject (one SELECT of the proxy's own)
    #[arg(long, env = "INTERCEPTOR_SESSION_PROBE", value_name = "HOW", value_parser = ["off", "inject"], ignore_case = true)]
    #[arg(help_heading = "Not built yet (true or a value is refused)")]
    pub(super) session_probe: Option<String>,

    /// error, warn, info, debug, trace or a filter in the syntax of RUST_LOG [default: RUST_LOG, else info]
    #[arg(long, env = "INTERCEPTOR_LOG_LEVEL", value_name = "LEVEL", value_parser = log_filter)]
    #[arg(help_heading = "Logging (standard error)")]
    pub(super) log_level: Option<String>,

    /// Lines for people or JSON for machines
    #[arg(long, env = "INTERCEPTOR_LOG_FORMAT", value_name = "FORMAT", default_value = "text", ignore_case = true)]
    #[arg(help_heading = "Logging (standard error)")]
    pub(super) log_format: LogFormat,
}
