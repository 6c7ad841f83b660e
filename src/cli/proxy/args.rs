//! The command line of `proxy`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Command};

use crate::cli::settings::{
    ColumnArgs, FileArgs, KafkaArgs, LogArgs, PrettyArgs, RedactArgs, Redacts, SinkName, TempArgs, Writes, change,
    choice, specs, statement_sink,
};
use crate::deliver::{Acks, Backpressure};
use crate::message::Criterion;
use crate::proxy::{OnUnobservable, SessionProbe, TlsMode, Upstream, UpstreamVerify};
use crate::rules::names::Patterns;
use crate::settings::{
    SinkKind, boolean, duration, instance, listen_address, memory_size, positive, share, size, topic,
};

/// The settings of `mysql-interceptor proxy` as given, before they are checked against each other.
///
/// An `Option` without a default is a setting whose being set matters.
#[derive(Debug, Args)]
pub(in crate::cli) struct ProxyArgs {
    /// Configuration file (TOML): its keys are the long flags with _ for -
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    pub(super) connections: ConnectionArgs,

    #[command(flatten)]
    pub(super) tls: TlsArgs,

    #[command(flatten)]
    pub(super) capture: CaptureArgs,

    #[command(flatten)]
    pub(super) filter: FilterArgs,

    #[command(flatten)]
    pub(super) redaction: RedactArgs,

    /// stdout, ndjson:PATH or kafka; repeatable [default: stdout]
    ///
    /// Where messages go; repeatable or comma-separated. Without it: stdout, or Kafka if there are brokers. Kafka is added to the sinks given here as soon as there are brokers.
    #[arg(long, value_name = "SINK", value_delimiter = ',', value_parser = statement_sink, help_heading = "Output")]
    pub(super) sink: Vec<SinkName>,

    #[command(flatten)]
    pub(super) pretty: PrettyArgs,

    #[command(flatten)]
    pub(super) columns: ColumnArgs,

    #[command(flatten)]
    pub(super) files: FileArgs,

    #[command(flatten)]
    pub(super) kafka: KafkaArgs,

    #[command(flatten)]
    pub(super) producer: ProducerArgs,

    #[command(flatten)]
    pub(super) queues: QueueArgs,

    #[command(flatten)]
    pub(super) buffer: BufferArgs,

    #[command(flatten)]
    pub(super) temp: TempArgs,

    #[command(flatten)]
    pub(in crate::cli) log: LogArgs,
}

/// What differs in `proxy` from the defaults that subcommands share: statements are redacted unless told otherwise.
pub(in crate::cli) fn adapt(command: Command) -> Command {
    change(command, "redact_keys", |argument| argument.default_value("password,passwd,secret,token"))
}

impl Redacts for ProxyArgs {
    fn redaction(&self) -> &RedactArgs {
        &self.redaction
    }
}

impl ProxyArgs {
    /// Whether a sink of this kind is named.
    pub(super) fn names(&self, kind: SinkKind) -> bool {
        specs(&self.sink).any(|spec| spec.kind() == kind)
    }
}

impl Writes for ProxyArgs {
    fn writes_to(&self, kind: SinkKind) -> bool {
        let mut named = specs(&self.sink).peekable();
        match kind {
            SinkKind::Kafka => self.kafka.brokers().is_some(),
            SinkKind::Stdout if named.peek().is_none() => self.kafka.brokers().is_none(),
            kind => named.any(|spec| spec.kind() == kind),
        }
    }

    fn files(&self) -> &FileArgs {
        &self.files
    }
}

/// Both sides of the proxy.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connections")]
pub(super) struct ConnectionArgs {
    /// Where clients connect: addresses of this host
    ///
    /// Repeatable or comma-separated. An IP address, such as 0.0.0.0:3307 or [::1]:3307, or a name of this host such as localhost:3307, of which the first address is used.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3307", value_parser = listen_address)]
    #[arg(value_delimiter = ',')]
    pub(super) listen: Vec<SocketAddr>,

    /// The database server
    #[arg(long, value_name = "HOST[:PORT]", default_value = "127.0.0.1:3306")]
    pub(super) upstream: Upstream,

    /// Threads that forward; 0: one per CPU
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) workers: usize,

    /// How long connecting to the server may take
    #[arg(long, hide_short_help = true, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(super) connect_timeout: Duration,

    /// How long a client may take to log in, TLS included
    #[arg(long, hide_short_help = true, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(super) handshake_timeout: Duration,

    /// How long a stop may take, sinks included
    ///
    /// After SIGTERM: how long running statements and the delivery of queued messages may take together. The sinks have at least 2 seconds.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(super) drain_timeout: Duration,
}

/// TLS towards clients and towards the server.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(super) struct TlsArgs {
    /// What happens to TLS at the proxy
    #[arg(long, value_name = "MODE", default_value = "terminate", value_parser = choice::<TlsMode>())]
    pub(super) tls: TlsMode,

    /// Certificate for clients [default: made at start]
    ///
    /// A PEM file with the whole chain. Without it the proxy makes a self-signed certificate at each start.
    #[arg(long, value_name = "FILE")]
    pub(super) tls_cert: Option<PathBuf>,

    /// Private key of --tls-cert (PEM)
    #[arg(long, value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,

    /// Authorities for the server's certificate (PEM)
    ///
    /// The server's certificate is checked against them unless --upstream-tls-verify is none.
    #[arg(long, value_name = "FILE")]
    pub(super) upstream_ca: Option<PathBuf>,

    /// How the server's certificate is checked
    ///
    /// Not at all, by issuer, or by issuer and host name. Without it: ca with --upstream-ca, else none.
    #[arg(long, value_name = "HOW", value_parser = choice::<UpstreamVerify>())]
    pub(super) upstream_tls_verify: Option<UpstreamVerify>,
}

/// Which statements become messages, and what of them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Capture")]
pub(super) struct CaptureArgs {
    /// Whether there are messages; false: only forward
    #[arg(long, env = "DEBUGQUERYINTERCEPTOR_STATEMENTLOGGING", value_name = "BOOL", default_value = "true")]
    #[arg(value_parser = boolean)]
    pub(super) statement_logging: bool,

    /// Every statement, not only changes of data
    ///
    /// With --capture-all=false only statements that change data become messages, and what --capture-ddl and --capture-callproc add.
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean)]
    pub(super) capture_all: bool,

    /// With --capture-all=false: DDL too
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pub(super) capture_ddl: bool,

    /// With --capture-all=false: CALL too
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean)]
    pub(super) capture_callproc: bool,

    /// Whether messages have the statement's text
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean)]
    pub(super) include_sql: bool,

    /// Whether messages have the bound values
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean)]
    pub(super) include_params: bool,

    /// One message per row of a multi-row INSERT
    ///
    /// Of INSERT and REPLACE with VALUES (..), (..), as batches of drivers send them: each message has the statement with one row, ? in place of its
    /// literals and these as queryParams. A text that is cut (--max-statement-bytes) is one message.
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pub(super) split_values: bool,

    /// Longer bound values are cut and end in ...
    #[arg(long, value_name = "CHARS", default_value_t = 2048)]
    pub(super) max_param_length: usize,

    /// Longer statements are cut too
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = memory_size)]
    pub(super) max_statement_bytes: usize,

    /// What becomes of sessions that cannot be observed
    ///
    /// With close, bytes are observed before they are forwarded, and a session whose statements cannot be observed ends with an error: a protocol that is no
    /// longer understood, TLS that is passed through, replication streams, CLONE.
    #[arg(long, value_name = "WHAT", default_value = "continue", value_parser = choice::<OnUnobservable>())]
    pub(super) on_unobservable: OnUnobservable,

    /// How time zone and isolation level are learnt at login
    ///
    /// With off, serverTZ and isolationLvl are unknown until a statement or the server shows them. With inject, the proxy sends one SELECT of its own after
    /// each login and keeps the answer to itself. The server counts it: SHOW SESSION STATUS, FOUND_ROWS() and ROW_COUNT() before the first statement, and
    /// MAX_QUERIES_PER_HOUR show it.
    #[arg(long, value_name = "HOW", default_value = "off", value_parser = choice::<SessionProbe>(), hide_short_help = true)]
    pub(super) session_probe: SessionProbe,

    /// A comment in front of each statement sent to the server
    ///
    /// The server gets `/* Id [..] User [..] Client [..] Count [..] Debug [..] */` and a newline in front of each text, so that its own logs tell whose it is. Messages
    /// have the text without. Clients see it in the server's process list, and in the line numbers of its errors.
    #[arg(long, env = "DEBUGQUERYINTERCEPTOR_INLINEDEBUG", value_name = "BOOL", default_value = "false", value_parser = boolean, hide_short_help = true)]
    pub(super) inline_debug: bool,

    /// The field debug [default: --service-name]
    #[arg(long, env = "DEBUGQUERYINTERCEPTOR_DEBUG", value_name = "TEXT")]
    pub(super) debug_value: Option<String>,

    /// The field debug without --debug-value
    #[arg(long, env = "SERVICE_NAME", value_name = "TEXT", default_value = "unknown-service")]
    pub(super) service_name: String,

    /// The field defaultTZ [default: this host's time zone]
    #[arg(long, value_name = "ZONE")]
    pub(super) default_tz: Option<String>,
}

/// Which statements are left out.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct FilterArgs {
    /// Only statements of this user, database, client or kind; repeatable
    ///
    /// user=NAME, database=NAME, client=ADDRESS[/BITS] or kind=KIND (select, insert, ddl and so on: docs/messages.md). In names * stands for any characters; a name with an asterisk or a comma stands in
    /// backticks. Of criteria with the same key one must hold, of different keys each.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) only: Vec<Patterns<Criterion>>,

    /// No statements of this user, database, client or kind; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) skip: Vec<Patterns<Criterion>>,

    /// No statements that took less
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration)]
    pub(super) min_duration: Duration,

    /// Only statements of this share of the sessions
    ///
    /// From 0 to 1. Sessions are chosen by their connection ids.
    #[arg(long, value_name = "SHARE", default_value = "1", value_parser = share)]
    pub(super) sample: f64,

    /// Another number chooses other sessions
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) sample_seed: u64,

    /// Errors pass all filters
    ///
    /// Statements that failed, or whose outcome is not known, become messages whatever --only, --skip, --min-duration and --sample say.
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean)]
    pub(super) keep_errors: bool,
}

impl FilterArgs {
    /// Whether anything is left out.
    pub(super) fn is_given(&self) -> bool {
        !self.only.is_empty() || !self.skip.is_empty() || !self.min_duration.is_zero() || self.sample < 1.0
    }
}

/// How statements are sent to Kafka.
#[derive(Debug, Args)]
#[command(next_help_heading = "Kafka")]
pub(super) struct ProducerArgs {
    /// Topic of all messages
    #[arg(long, value_name = "TOPIC", default_value = "MYSQL_EVENTS", value_parser = topic)]
    pub(super) kafka_topic: String,

    /// Name of this proxy in record headers [default: host name]
    ///
    /// The header `proxy` of each record is this name and the time of the start: web-1@2026-01-31T12:00:00.000Z. Proxies that write to one topic from the same host need a name each.
    #[arg(long, value_name = "NAME", value_parser = instance)]
    pub(super) instance: Option<String>,

    /// Whose confirmation counts
    ///
    /// Who must have a message before it counts as delivered. With all (and retries above 0) the producer is idempotent.
    #[arg(long, value_name = "ACKS", default_value = "all", value_parser = choice::<Acks>(), allow_hyphen_values = true)]
    pub(super) kafka_acks: Acks,

    /// How often librdkafka tries again
    ///
    /// After that the proxy sends the message again, without limit.
    #[arg(long, hide_short_help = true, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=2_147_483_647))]
    pub(super) kafka_retries: u32,

    /// How long messages wait to share a request
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=900_000))]
    pub(super) kafka_linger_ms: u32,

    /// Send as soon as this many bytes wait
    #[arg(long, hide_short_help = true, value_name = "BYTES", default_value_t = 16_384)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=2_147_483_647))]
    pub(super) kafka_batch_size: u32,

    /// Bytes that may wait for the brokers
    ///
    /// In addition to what waits in the sink's queue.
    #[arg(long, hide_short_help = true, value_name = "SIZE", default_value = "33554432", value_parser = size)]
    pub(super) kafka_buffer_memory: u64,

    /// Accepted, without effect: every message has a key
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean, hide = true)]
    pub(super) kafka_adaptive_partitioning_enabled: bool,
}

/// The queues in front of the sinks.
#[derive(Debug, Args)]
#[command(next_help_heading = "Queues")]
pub(super) struct QueueArgs {
    /// When a queue is full
    ///
    /// Clients wait (block), or messages are dropped and counted (drop).
    #[arg(long, value_name = "WHAT", default_value = "block", value_parser = choice::<Backpressure>())]
    pub(super) backpressure: Backpressure,

    /// Messages in one sink's queue
    #[arg(long, value_name = "N", default_value = "10000", value_parser = positive)]
    pub(super) publish_queue_maxsize: usize,

    /// Bytes in one sink's queue
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = memory_size)]
    pub(super) publish_queue_bytes: usize,

    /// Messages that a worker gathers
    #[arg(long, hide_short_help = true, value_name = "N", default_value = "500", value_parser = positive)]
    pub(super) publish_batch_size: usize,

    /// How long a worker gathers messages
    ///
    /// At most this long. They are handed on every 10 ms in any case, so only smaller values have an effect.
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = duration, hide_short_help = true)]
    pub(super) publish_flush_interval_s: Duration,

    /// Accepted, without effect: the proxy always queues
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean, hide = true)]
    pub(super) enable_queueing_publisher: bool,
}

/// Messages that wait for their transaction's end.
#[derive(Debug, Args)]
#[command(next_help_heading = "Transactions")]
pub(super) struct BufferArgs {
    /// Hold a transaction's messages until it commits
    ///
    /// They are dropped when it rolls back. With false each message is published when its statement ends.
    #[arg(long, value_name = "BOOL", default_value = "true", value_parser = boolean)]
    pub(super) buffer_until_commit: bool,

    /// Messages of all open transactions in memory
    ///
    /// A transaction that would exceed this, or --buffer-bytes, is kept in a file in --temp-dir.
    #[arg(long, value_name = "N", default_value = "10000", value_parser = positive)]
    pub(super) buffer_messages: usize,

    /// Bytes of them in memory
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = memory_size)]
    pub(super) buffer_bytes: usize,
}
