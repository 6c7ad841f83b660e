//! The table of settings: one line each for the flag, its variable, its default and its meaning.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::deliver::{Acks, Backpressure, Compression, KafkaOption};
use crate::files::FileMode;
use crate::pretty::{ColorChoice, PrettyColumn};
use crate::proxy::{OnUnobservable, TlsMode, Upstream, UpstreamVerify};
use crate::settings::LogSettings;
use crate::settings::values::{boolean, brokers, duration, listen_address, memory_size, positive, size, topic};

/// The settings of `mysql-interceptor proxy` as given, before they are checked against each other.
///
/// An `Option` without a default is a setting whose being set matters.
#[derive(Debug, Args)]
pub(crate) struct ProxySettings {
    /// Configuration file (TOML): its keys are the long flags with _ for -
    #[arg(long, env = "INTERCEPTOR_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Where clients connect: an address of this host
    ///
    /// An IP address, such as 0.0.0.0:3307 or [::1]:3307, or a name of this host such as localhost:3307, of which the first address is taken.
    #[arg(long, env = "INTERCEPTOR_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3307")]
    #[arg(help_heading = "Connections", value_parser = listen_address)]
    pub(crate) listen: SocketAddr,

    /// The database server
    #[arg(long, env = "INTERCEPTOR_UPSTREAM", value_name = "HOST[:PORT]", default_value = "127.0.0.1:3306")]
    #[arg(help_heading = "Connections")]
    pub(crate) upstream: Upstream,

    /// Threads that forward; 0: one per CPU
    #[arg(long, env = "INTERCEPTOR_WORKERS", value_name = "N", default_value_t = 0)]
    #[arg(help_heading = "Connections")]
    pub(crate) workers: usize,

    /// How long connecting to the server may take
    #[arg(long, env = "INTERCEPTOR_CONNECT_TIMEOUT", value_name = "TIME", default_value = "10s")]
    #[arg(help_heading = "Connections", value_parser = duration)]
    pub(crate) connect_timeout: Duration,

    /// How long a client may take to log in, TLS included
    #[arg(long, env = "INTERCEPTOR_HANDSHAKE_TIMEOUT", value_name = "TIME", default_value = "30s")]
    #[arg(help_heading = "Connections", value_parser = duration)]
    pub(crate) handshake_timeout: Duration,

    /// How long a stop may take, sinks included
    ///
    /// After SIGTERM: how long running statements and the delivery of what is queued may take together. The sinks have at least 2 seconds.
    #[arg(long, env = "INTERCEPTOR_DRAIN_TIMEOUT", value_name = "TIME", default_value = "30s")]
    #[arg(help_heading = "Connections", value_parser = duration)]
    pub(crate) drain_timeout: Duration,

    /// What happens to TLS at the proxy
    #[arg(long, env = "INTERCEPTOR_TLS", value_name = "MODE", default_value = "terminate", ignore_case = true)]
    #[arg(help_heading = "TLS")]
    pub(crate) tls: TlsMode,

    /// Certificate for clients [default: made at start]
    ///
    /// A PEM file with the whole chain. Without it the proxy makes a self-signed certificate at each start.
    #[arg(long, env = "INTERCEPTOR_TLS_CERT", value_name = "FILE")]
    #[arg(help_heading = "TLS")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Private key of --tls-cert (PEM)
    #[arg(long, env = "INTERCEPTOR_TLS_KEY", value_name = "FILE")]
    #[arg(help_heading = "TLS")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Authorities for the server's certificate (PEM)
    ///
    /// They are heeded unless --upstream-tls-verify is none.
    #[arg(long, env = "INTERCEPTOR_UPSTREAM_CA", value_name = "FILE")]
    #[arg(help_heading = "TLS")]
    pub(crate) upstream_ca: Option<PathBuf>,

    /// How its certificate is checked
    ///
    /// Not, by issuer, or by issuer and host name. Without it: ca with --upstream-ca, else none.
    #[arg(long, env = "INTERCEPTOR_UPSTREAM_TLS_VERIFY", value_name = "HOW", ignore_case = true)]
    #[arg(help_heading = "TLS")]
    pub(crate) upstream_tls_verify: Option<UpstreamVerify>,

    /// Messages at all; false: only forward
    #[arg(long, env = "DEBUGQUERYINTERCEPTOR_STATEMENTLOGGING", value_name = "BOOL", default_value = "true")]
    #[arg(help_heading = "Capture", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) statement_logging: bool,

    /// Every statement, not only changes of data
    ///
    /// With --capture-all=false only statements that change data become messages, and what --capture-ddl and --capture-callproc add.
    #[arg(long, env = "INTERCEPTOR_CAPTURE_ALL", value_name = "BOOL", default_value = "true")]
    #[arg(help_heading = "Capture", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) capture_all: bool,

    /// With --capture-all=false: DDL too
    #[arg(long, env = "INTERCEPTOR_CAPTURE_DDL", value_name = "BOOL", default_value = "false")]
    #[arg(help_heading = "Capture", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) capture_ddl: bool,

    /// With --capture-all=false: CALL too
    #[arg(long, env = "INTERCEPTOR_CAPTURE_CALLPROC", value_name = "BOOL", default_value = "true")]
    #[arg(help_heading = "Capture", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) capture_callproc: bool,

    /// Whether messages have the statement's text
    #[arg(long, env = "INTERCEPTOR_INCLUDE_SQL", value_name = "BOOL", default_value = "true")]
    #[arg(help_heading = "Capture", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) include_sql: bool,

    /// Whether messages have the bound values
    #[arg(long, env = "INTERCEPTOR_INCLUDE_PARAMS", value_name = "BOOL", default_value = "true")]
    #[arg(help_heading = "Capture", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) include_params: bool,

    /// Longer bound values are cut and end in ...
    #[arg(long, env = "INTERCEPTOR_MAX_PARAM_LENGTH", value_name = "CHARS", default_value_t = 2048)]
    #[arg(help_heading = "Capture")]
    pub(crate) max_param_length: usize,

    /// Longer statements are cut too
    #[arg(long, env = "INTERCEPTOR_MAX_STATEMENT_BYTES", value_name = "SIZE", default_value = "64MiB")]
    #[arg(help_heading = "Capture", value_parser = memory_size)]
    pub(crate) max_statement_bytes: usize,

    /// What becomes of sessions that cannot be seen
    ///
    /// With close, bytes are observed before they are forwarded, and a session whose statements cannot be seen ends with an error: one that is no
    /// longer understood, TLS that is passed through, replication streams, CLONE.
    #[arg(
        long,
        env = "INTERCEPTOR_ON_UNOBSERVABLE",
        value_name = "WHAT",
        default_value = "continue",
        ignore_case = true
    )]
    #[arg(help_heading = "Capture")]
    pub(crate) on_unobservable: OnUnobservable,

    /// The field debug [default: --service-name]
    #[arg(long, env = "DEBUGQUERYINTERCEPTOR_DEBUG", value_name = "TEXT")]
    #[arg(help_heading = "Capture")]
    pub(crate) debug_value: Option<String>,

    /// The field debug without --debug-value
    #[arg(long, env = "SERVICE_NAME", value_name = "TEXT", default_value = "unknown-service")]
    #[arg(help_heading = "Capture")]
    pub(crate) service_name: String,

    /// The field defaultTZ [default: this host's time zone]
    #[arg(long, env = "INTERCEPTOR_DEFAULT_TZ", value_name = "ZONE")]
    #[arg(help_heading = "Capture")]
    pub(crate) default_tz: Option<String>,

    /// stdout, ndjson:PATH or kafka; repeatable [default: stdout]
    ///
    /// Where messages go, repeatable or comma-separated. Without it: stdout, unless there are bootstrap servers of Kafka. Kafka joins whatever is given here as soon as there are.
    #[arg(long, env = "INTERCEPTOR_SINK", value_name = "SINK", value_delimiter = ',')]
    #[arg(help_heading = "Sinks")]
    pub(crate) sink: Vec<String>,

    /// stdout: for people instead of JSON
    ///
    /// A readable line per statement.
    #[arg(long, env = "INTERCEPTOR_PRETTY", value_name = "BOOL", default_value = "false")]
    #[arg(help_heading = "Sinks", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) pretty: bool,

    /// stdout: colours of --pretty
    #[arg(long, env = "INTERCEPTOR_COLOR", value_name = "WHEN", default_value = "auto", ignore_case = true)]
    #[arg(help_heading = "Sinks")]
    pub(crate) color: ColorChoice,

    /// stdout: columns of --pretty, comma-separated [default: all]
    ///
    /// The statement is always shown. On a terminal the columns shrink with its width, and a long statement goes on in the next lines.
    #[arg(long, env = "INTERCEPTOR_PRETTY_COLUMNS", value_name = "COLUMNS", value_delimiter = ',', ignore_case = true)]
    #[arg(help_heading = "Sinks")]
    pub(crate) pretty_columns: Vec<PrettyColumn>,

    /// ndjson: rotate before this size; 0: never
    #[arg(long, env = "INTERCEPTOR_NDJSON_ROTATE_SIZE", value_name = "SIZE", default_value = "256MiB")]
    #[arg(help_heading = "Sinks", value_parser = size)]
    pub(crate) ndjson_rotate_size: u64,

    /// ndjson: rotate at this age; 0: never
    #[arg(long, env = "INTERCEPTOR_NDJSON_ROTATE_AGE", value_name = "TIME", default_value = "0")]
    #[arg(help_heading = "Sinks", value_parser = duration)]
    pub(crate) ndjson_rotate_age: Duration,

    /// ndjson: what happens to rotated files
    #[arg(long, env = "INTERCEPTOR_NDJSON_COMPRESS", value_name = "HOW", default_value = "none", ignore_case = true)]
    #[arg(help_heading = "Sinks")]
    pub(crate) ndjson_compress: Compression,

    /// ndjson: how many rotated files to keep; 0: all
    #[arg(long, env = "INTERCEPTOR_NDJSON_KEEP", value_name = "N", default_value_t = 0)]
    #[arg(help_heading = "Sinks")]
    pub(crate) ndjson_keep: usize,

    /// ndjson: rights of new files [default: 0640]
    ///
    /// In octal; set whatever the umask says. The default is less where the umask says so. A file that is there already keeps its rights.
    #[arg(long, env = "INTERCEPTOR_FILE_MODE", value_name = "RIGHTS")]
    #[arg(help_heading = "Sinks")]
    pub(crate) file_mode: Option<FileMode>,

    /// Brokers, comma-separated; they switch Kafka on
    ///
    /// HOST:PORT each. Kafka joins whatever --sink says.
    #[arg(long, env = "INTERCEPTOR_KAFKA_BOOTSTRAP_SERVERS", value_name = "SERVERS", value_parser = brokers)]
    #[arg(help_heading = "Kafka")]
    pub(crate) kafka_bootstrap_servers: Option<String>,

    /// Topic of all messages
    #[arg(long, env = "INTERCEPTOR_KAFKA_TOPIC", value_name = "TOPIC", default_value = "MYSQL_EVENTS")]
    #[arg(help_heading = "Kafka", value_parser = topic)]
    pub(crate) kafka_topic: String,

    /// Whose confirmation counts
    ///
    /// Who must have a message before it counts as delivered. With all (and retries above 0) the producer is idempotent.
    #[arg(long, env = "INTERCEPTOR_KAFKA_ACKS", value_name = "ACKS", default_value = "all", ignore_case = true)]
    #[arg(help_heading = "Kafka", allow_hyphen_values = true)]
    pub(crate) kafka_acks: Acks,

    /// How often librdkafka tries again
    ///
    /// After that the proxy sends again, without limit.
    #[arg(long, env = "INTERCEPTOR_KAFKA_RETRIES", value_name = "N", default_value_t = 3)]
    #[arg(help_heading = "Kafka", value_parser = clap::value_parser!(u32).range(0..=2_147_483_647))]
    pub(crate) kafka_retries: u32,

    /// How long messages wait to share a request
    #[arg(long, env = "INTERCEPTOR_KAFKA_LINGER_MS", value_name = "MS", default_value_t = 1000)]
    #[arg(help_heading = "Kafka", value_parser = clap::value_parser!(u32).range(0..=900_000))]
    pub(crate) kafka_linger_ms: u32,

    /// Send as soon as this many bytes wait
    #[arg(long, env = "INTERCEPTOR_KAFKA_BATCH_SIZE", value_name = "BYTES", default_value_t = 16_384)]
    #[arg(help_heading = "Kafka", value_parser = clap::value_parser!(u32).range(1..=2_147_483_647))]
    pub(crate) kafka_batch_size: u32,

    /// Bytes that may wait for the brokers
    ///
    /// They wait after the sink's queue.
    #[arg(long, env = "INTERCEPTOR_KAFKA_BUFFER_MEMORY", value_name = "SIZE", default_value = "33554432")]
    #[arg(help_heading = "Kafka", value_parser = size)]
    pub(crate) kafka_buffer_memory: u64,

    /// Accepted, without effect: every message has a key
    #[arg(long, env = "INTERCEPTOR_KAFKA_ADAPTIVE_PARTITIONING_ENABLED", value_name = "BOOL", default_value = "true")]
    #[arg(hide = true, help_heading = "Kafka", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) kafka_adaptive_partitioning_enabled: bool,

    /// Any librdkafka property; repeatable
    ///
    /// For example sasl.username=app. In the variable one per line, in the file a table. It overrides what the proxy sets itself.
    #[arg(long, env = "INTERCEPTOR_KAFKA_OPTION", value_name = "KEY=VALUE")]
    #[arg(help_heading = "Kafka")]
    pub(crate) kafka_option: Vec<KafkaOption>,

    /// When a queue is full
    ///
    /// Clients wait (block), or messages are dropped and counted (drop).
    #[arg(long, env = "INTERCEPTOR_BACKPRESSURE", value_name = "WHAT", default_value = "block", ignore_case = true)]
    #[arg(help_heading = "Queues")]
    pub(crate) backpressure: Backpressure,

    /// Messages in one sink's queue
    #[arg(long, env = "INTERCEPTOR_PUBLISH_QUEUE_MAXSIZE", value_name = "N", default_value = "10000")]
    #[arg(help_heading = "Queues", value_parser = positive)]
    pub(crate) publish_queue_maxsize: usize,

    /// Bytes in one sink's queue
    #[arg(long, env = "INTERCEPTOR_PUBLISH_QUEUE_BYTES", value_name = "SIZE", default_value = "64MiB")]
    #[arg(help_heading = "Queues", value_parser = memory_size)]
    pub(crate) publish_queue_bytes: usize,

    /// Messages a worker gathers
    #[arg(long, env = "INTERCEPTOR_PUBLISH_BATCH_SIZE", value_name = "N", default_value = "500")]
    #[arg(help_heading = "Queues", value_parser = positive)]
    pub(crate) publish_batch_size: usize,

    /// How long a worker gathers messages
    ///
    /// The longest time; they are handed on every 10 ms in any case, so only smaller values have an effect.
    #[arg(long, env = "INTERCEPTOR_PUBLISH_FLUSH_INTERVAL_S", value_name = "SECONDS", default_value = "0.5")]
    #[arg(help_heading = "Queues", value_parser = duration)]
    pub(crate) publish_flush_interval_s: Duration,

    /// Accepted, without effect: the proxy always queues
    #[arg(long, env = "INTERCEPTOR_ENABLE_QUEUEING_PUBLISHER", value_name = "BOOL", default_value = "false")]
    #[arg(hide = true, help_heading = "Queues", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) enable_queueing_publisher: bool,

    /// Hold a transaction's messages until it commits
    #[arg(long, env = "INTERCEPTOR_BUFFER_UNTIL_COMMIT", value_name = "BOOL")]
    #[arg(hide = true, help_heading = "Not built yet (true or a value is refused)", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) buffer_until_commit: Option<bool>,

    /// Names of columns and parameters whose values are replaced
    #[arg(long, env = "INTERCEPTOR_REDACT_KEYS", value_name = "NAMES")]
    #[arg(hide = true, help_heading = "Not built yet (true or a value is refused)")]
    pub(crate) redact_keys: Option<String>,

    /// What they are replaced with
    #[arg(long, env = "INTERCEPTOR_REDACT_VALUE", value_name = "TEXT")]
    #[arg(hide = true, help_heading = "Not built yet (true or a value is refused)")]
    pub(crate) redact_value: Option<String>,

    /// A comment with the connection's data in front of each statement
    #[arg(long, env = "DEBUGQUERYINTERCEPTOR_INLINEDEBUG", value_name = "BOOL")]
    #[arg(hide = true, help_heading = "Not built yet (true or a value is refused)", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) inline_debug: Option<bool>,

    /// One message per row of a multi-row INSERT
    #[arg(long, env = "INTERCEPTOR_SPLIT_VALUES", value_name = "BOOL")]
    #[arg(hide = true, help_heading = "Not built yet (true or a value is refused)", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) split_values: Option<bool>,

    /// How the session's time zone and isolation level are learnt at connect: off, or inject (one SELECT of the proxy's own)
    #[arg(long, env = "INTERCEPTOR_SESSION_PROBE", value_name = "HOW", value_parser = ["off", "inject"], ignore_case = true)]
    #[arg(hide = true, help_heading = "Not built yet (true or a value is refused)")]
    pub(crate) session_probe: Option<String>,

    #[command(flatten)]
    pub(crate) log: LogSettings,
}
