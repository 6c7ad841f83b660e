//! What the proxy is told.

use std::path::PathBuf;
use std::time::Duration;

use super::address::Upstream;
use crate::message::MessageFilter;
use crate::metrics::Watch;
use crate::mirror::MirrorSwitch;
use crate::publish::BufferConfig;
use crate::recording::RecordingSwitch;
use crate::rules::redaction::Redactor;

/// Everything `mysql-interceptor proxy` needs to know.
#[derive(Debug, Clone)]
pub struct ProxyConfig {
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
    /// How long running statements have when the proxy is told to stop.
    pub drain_timeout: Duration,
    /// Which statements become messages, and what of them.
    pub capture: CaptureConfig,
    /// Whether sessions are done on a second server, too.
    pub mirror: MirrorSwitch,
    /// Where messages wait for their transaction's end; `None`: they do not.
    pub buffer: Option<BufferConfig>,
    /// Whether sessions are recorded.
    pub recording: RecordingSwitch,
    /// Who looks at it from outside.
    pub watch: Watch,
}

impl ProxyConfig {
    /// The defaults of `mysql-interceptor proxy`, for this server.
    pub fn new(upstream: Upstream) -> Self {
        Self {
            upstream,
            workers: 0,
            tls: TlsConfig::default(),
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
            capture: CaptureConfig::default(),
            mirror: MirrorSwitch::default(),
            buffer: Some(BufferConfig::default()),
            recording: RecordingSwitch::default(),
            watch: Watch::default(),
        }
    }
}

/// TLS towards clients and towards the server.
#[derive(Debug, Clone, Default)]
pub struct TlsConfig {
    /// What happens to TLS at the proxy.
    pub mode: TlsMode,
    /// The certificate chain for clients (PEM); `None`: a self-signed one, made at start.
    pub cert: Option<PathBuf>,
    /// The key of `cert` (PEM).
    pub key: Option<PathBuf>,
    /// The authorities that the server's certificate is checked with (PEM).
    pub upstream_ca: Option<PathBuf>,
    /// How the server's certificate is checked.
    pub upstream_verify: UpstreamVerify,
}

/// What happens to TLS at the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum TlsMode {
    /// End the client's TLS here, and use TLS to the server exactly when the client used it
    #[default]
    Terminate,
    /// Tell clients that the server has no TLS
    Strip,
    /// Forward TLS sessions as they are: their statements are not observed
    Passthrough,
}

/// What becomes of a session whose statements can no longer be observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum OnUnobservable {
    /// It continues, and a message says so
    #[default]
    Continue,
    /// It ends with an error; bytes are observed before they are forwarded
    Close,
}

/// How a session's time zone and isolation level are learnt when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum SessionProbe {
    /// Not at all: they are unknown until a statement or the server shows them
    #[default]
    Off,
    /// The proxy asks the server, after the login and before the client's first statement
    Inject,
}

/// How the server's certificate is checked, as with `--ssl-mode` of the mysql client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum UpstreamVerify {
    /// Any certificate is accepted
    #[default]
    None,
    /// It must be signed by an authority in `upstream_ca`
    Ca,
    /// It must also be issued for the name of the server
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
    /// Whether each row of an INSERT that has several is a message.
    pub split_values: bool,
    /// Characters of a parameter value that are kept.
    pub max_param_length: usize,
    /// Whose values are not shown.
    pub redactor: Redactor,
    /// Bytes of one statement that are kept in memory.
    pub max_statement_bytes: usize,
    /// What becomes of a session that cannot be observed.
    pub on_unobservable: OnUnobservable,
    /// How the session's values are learnt at its beginning.
    pub session_probe: SessionProbe,
    /// Whether a comment that says whose it is goes to the server in front of each statement.
    pub inline_debug: bool,
    /// The message's `debug` field.
    pub debug: String,
    /// The message's `defaultTZ` field; `None`: this host's zone.
    pub default_tz: Option<String>,
    /// Which statements are left out.
    pub filter: MessageFilter,
}

impl Default for CaptureConfig {
    /// Those of the command line: every statement, with its text and its values.
    fn default() -> Self {
        Self {
            statement_logging: true,
            all: true,
            ddl: false,
            callproc: true,
            include_sql: true,
            include_params: true,
            split_values: false,
            max_param_length: 2048,
            redactor: Redactor::new(&["password", "passwd", "secret", "token"].map(str::to_owned), "***"),
            max_statement_bytes: 64 << 20,
            on_unobservable: OnUnobservable::Continue,
            session_probe: SessionProbe::Off,
            inline_debug: false,
            debug: "unknown-service".to_owned(),
            default_tz: None,
            filter: MessageFilter::default(),
        }
    }
}
