//! The command line of `proxy`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Command};

use crate::cli::settings::{
    AuditArgs, Audits, LogArgs, MetricsArgs, MirrorArgs, Mirrors, Publishes, RecordArgs, Records, SpoolArgs,
    StatementArgs, choice, redacted_by_default,
};
use crate::proxy::{OnUnobservable, SessionProbe, TlsMode, Upstream, UpstreamVerify};
use crate::settings::{boolean, duration, listen_address};

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
    pub(super) statements: StatementArgs,

    #[command(flatten)]
    pub(super) spool: SpoolArgs,

    #[command(flatten)]
    pub(super) audit: AuditArgs,

    #[command(flatten)]
    pub(super) mirror: MirrorArgs,

    #[command(flatten)]
    pub(super) recording: RecordArgs,

    #[command(flatten)]
    pub(super) metrics: MetricsArgs,

    #[command(flatten)]
    pub(in crate::cli) log: LogArgs,
}

/// What differs in `proxy` from the defaults that subcommands share: statements are redacted unless told otherwise.
pub(in crate::cli) fn adapt(command: Command) -> Command {
    redacted_by_default(command)
}

impl Mirrors for ProxyArgs {
    fn mirror(&self) -> &MirrorArgs {
        &self.mirror
    }
}

impl Audits for ProxyArgs {
    fn audit(&self) -> &AuditArgs {
        &self.audit
    }

    fn marks_parquet(&self) -> bool {
        true
    }
}

impl Publishes for ProxyArgs {
    fn statements(&self) -> &StatementArgs {
        &self.statements
    }

    fn has_spool(&self) -> bool {
        self.spool.spool.is_some()
    }

    fn has_markers(&self) -> bool {
        self.audit.markers.is_some()
    }
}

impl Records for ProxyArgs {
    fn recording(&self) -> &RecordArgs {
        &self.recording
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

/// Of which sessions statements are seen, and what becomes of them besides messages.
#[derive(Debug, Args)]
#[command(next_help_heading = "Capture")]
pub(super) struct CaptureArgs {
    /// Whether there are messages; false: only forward
    #[arg(long, env = "DEBUGQUERYINTERCEPTOR_STATEMENTLOGGING", value_name = "BOOL", default_value = "true")]
    #[arg(value_parser = boolean)]
    pub(super) statement_logging: bool,

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
}
