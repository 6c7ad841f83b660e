//! Typed settings, built once: flags over environment variables over the configuration file over defaults.
//!
//! `settings` is the one table: a flag, its variable and its default each. `layers` looks a value up in that order and
//! remembers where it came from, `build` checks what depends on more than one value.

mod build;
mod error;
mod file;
mod kafka_option;
mod layers;
mod log;
mod notes;
mod settings;
mod upstream;
mod values;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

pub use crate::files::FileMode;
pub(crate) use build::RULES as PROXY_RULES;
pub use error::{ConfigError, Origin};
pub use kafka_option::KafkaOption;
pub(crate) use layers::{Layers, Origins};
pub(crate) use log::LogSettings;
pub(crate) use notes::{Note, Rule, ineffective};
pub(crate) use settings::ProxySettings;
pub use upstream::Upstream;
pub(crate) use values::{boolean, brokers, duration, size, topic};

/// Everything `mysql-interceptor proxy` needs to know.
#[derive(Debug, Clone)]
pub struct ProxyConfig {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// The database server.
    pub upstream: Upstream,
    /// Worker threads; 0 means one per CPU.
    pub workers: usize,
    /// TLS on both sides.
    pub tls: TlsConfig,
    /// How long a connection to the server may take to open.
    pub connect_timeout: Duration,
    /// How long the handshake and the login may take.
    pub handshake_timeout: Duration,
    /// How long running statements and the sinks have at the end.
    pub drain_timeout: Duration,
    /// Which statements become messages, and what of them.
    pub capture: CaptureConfig,
    /// Where the messages go; never empty.
    pub sinks: Vec<SinkConfig>,
    /// The queues in front of the sinks.
    pub queue: QueueConfig,
}

/// TLS towards clients and towards the server.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// What happens to TLS at the proxy.
    pub mode: TlsMode,
    /// The certificate chain shown to clients (PEM); `None`: one is made at start.
    pub cert: Option<PathBuf>,
    /// The key of `cert` (PEM).
    pub key: Option<PathBuf>,
    /// The authorities that the server's certificate is checked with (PEM).
    pub upstream_ca: Option<PathBuf>,
    /// How the server's certificate is checked.
    pub upstream_verify: UpstreamVerify,
}

/// What happens to TLS at the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TlsMode {
    /// End the client's TLS here, and use TLS to the server exactly when the client used it
    Terminate,
    /// Tell clients that the server has no TLS
    Strip,
    /// Forward TLS sessions blind: their statements are not seen
    Passthrough,
}

impl fmt::Display for TlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

/// What becomes of a session whose statements cannot be seen (any more).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OnUnobservable {
    /// It goes on, and a message says so
    #[default]
    Continue,
    /// It ends with an error; bytes are observed before they are forwarded
    Close,
}

/// How the server's certificate is checked, as the `--ssl-mode` of the mysql client does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UpstreamVerify {
    /// Any certificate will do
    None,
    /// It must be signed by an authority in --upstream-ca
    Ca,
    /// It must also be made out to the upstream's host name
    Full,
}

/// Which statements become messages, and what of them.
#[derive(Debug, Clone)]
pub struct CaptureConfig {
    /// Off: no messages at all.
    pub statement_logging: bool,
    /// `SELECT`s and everything else.
    pub all: bool,
    /// When not all: DDL too.
    pub ddl: bool,
    /// When not all: `CALL` too.
    pub callproc: bool,
    /// Whether `sql` is filled.
    pub include_sql: bool,
    /// Whether `queryParams` is filled.
    pub include_params: bool,
    /// Characters of a parameter value that are kept.
    pub max_param_length: usize,
    /// Bytes of one statement that are kept in memory.
    pub max_statement_bytes: usize,
    /// What becomes of a session that cannot be observed.
    pub on_unobservable: OnUnobservable,
    /// The message's `debug` field.
    pub debug: String,
    /// The message's `defaultTZ` field; `None`: this host's zone.
    pub default_tz: Option<String>,
}

/// A destination of messages.
#[derive(Debug, Clone)]
pub enum SinkConfig {
    /// Standard output.
    Stdout(StdoutConfig),
    /// A file of JSON lines.
    Ndjson(NdjsonConfig),
    /// A Kafka topic.
    Kafka(KafkaConfig),
}

/// How messages look on standard output.
#[derive(Debug, Clone)]
pub struct StdoutConfig {
    /// For people rather than one JSON object per line.
    pub pretty: bool,
    /// When to colour the pretty form.
    pub color: ColorChoice,
    /// The columns of the pretty form; none: all of them.
    pub columns: Vec<PrettyColumn>,
}

/// A column of the form for people. The statement itself is always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrettyColumn {
    /// Time of day
    Time,
    /// The server's number for the connection
    Connection,
    /// User and client host
    User,
    /// The current database
    Database,
    /// How long it took
    Duration,
    /// Rows returned or changed, or `error`
    Rows,
    /// The statement, which is always shown
    Sql,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// A file of JSON lines and its rotation.
#[derive(Debug, Clone)]
pub struct NdjsonConfig {
    /// The file that is appended to.
    pub path: PathBuf,
    /// The file is rotated when it would grow beyond so many bytes; 0: never.
    pub rotate_size: u64,
    /// The file is rotated at this age; zero: never.
    pub rotate_age: Duration,
    /// What happens to a rotated file.
    pub compress: Compression,
    /// How many rotated files are kept; 0: all.
    pub keep: usize,
    /// The rights of a new file.
    pub mode: FileMode,
}

/// What happens to a rotated file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    /// It stays as it is
    None,
    /// It becomes FILE.zst, in the background
    Zstd,
}

/// The Kafka producer.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// The topic of all messages.
    pub topic: String,
    /// What the brokers must have done before a message counts as delivered.
    pub acks: Acks,
    /// How often the client library sends a message again by itself.
    pub retries: u32,
    /// How long messages wait for others to share a request with.
    pub linger: Duration,
    /// Bytes of one partition's batch.
    pub batch_size: u32,
    /// Bytes that may wait in the client library.
    pub buffer_memory: u64,
    /// Further properties of librdkafka; they override the above.
    pub options: Vec<KafkaOption>,
}

/// What the brokers must have done before a message counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Acks {
    /// All in-sync replicas have it
    #[value(alias = "-1")]
    All,
    /// Nothing
    #[value(name = "0")]
    None,
    /// The partition's leader has it
    #[value(name = "1")]
    Leader,
}

/// The bounded queues in front of the sinks.
#[derive(Debug, Clone)]
pub struct QueueConfig {
    /// Messages in one sink's queue.
    pub max_messages: usize,
    /// Bytes in one sink's queue; one message above it is accepted when the queue is empty.
    pub max_bytes: usize,
    /// At most so many messages of a worker are gathered before they are handed on.
    pub batch_size: usize,
    /// At most so long messages are gathered before they are handed on.
    pub flush_interval: Duration,
    /// What happens when a queue is full.
    pub backpressure: Backpressure,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            max_messages: 10_000,
            max_bytes: 64 << 20,
            batch_size: 500,
            flush_interval: Duration::from_millis(500),
            backpressure: Backpressure::Block,
        }
    }
}

/// What happens when a sink's queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Backpressure {
    /// The clients wait; no message is lost
    Block,
    /// Messages are dropped and counted; no client waits
    Drop,
}

impl fmt::Display for Backpressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

/// Our own log on standard error.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// A level or a filter in the syntax of RUST_LOG.
    pub filter: String,
    /// Lines for people or for machines.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

/// What a log line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}
