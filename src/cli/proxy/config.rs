//! From the command line to what the proxy is told.

use std::net::SocketAddr;

use super::args::{ProxyArgs, TlsArgs};
use crate::cli::settings::FileContents;
use crate::deliver::{AuditConfig, QueueConfig, SinkConfig, SpoolConfig};
use crate::mirror::{MirrorConfig, MirrorSwitch};
use crate::proxy::{CaptureConfig, ProxyConfig, TlsConfig, UpstreamVerify, Watch};
use crate::recording::{RecordingConfig, RecordingSwitch};
use crate::settings::{ConfigError, Origins};

/// All that `mysql-interceptor proxy` is to do.
#[derive(Debug)]
pub(in crate::cli) struct Plan {
    /// Where clients connect.
    pub(in crate::cli) listen: Vec<SocketAddr>,
    pub(in crate::cli) proxy: ProxyConfig,
    /// The recording that is made from the start.
    pub(in crate::cli) recording: Option<RecordingConfig>,
    /// Where messages go; never empty.
    pub(in crate::cli) sinks: Vec<SinkConfig>,
    /// With marker streams.
    pub(in crate::cli) audit: Option<AuditConfig>,
    /// A second server on which sessions are done, too.
    pub(in crate::cli) mirror: Option<MirrorConfig>,
    /// What is in the files that settings name which take effect at once.
    pub(in crate::cli) contents: FileContents,
    /// The queues in front of the sinks.
    pub(in crate::cli) queue: QueueConfig,
    /// Where metrics are served, if they are.
    pub(in crate::cli) metrics: Option<SocketAddr>,
    /// Where messages wait until they are delivered.
    pub(in crate::cli) spool: Option<SpoolConfig>,
}

/// Makes the plan from settings that the rules let pass.
pub(in crate::cli) fn plan(args: ProxyArgs, origins: &Origins) -> Result<Plan, ConfigError> {
    let statements = args.statements;
    statements.check(origins)?;
    let sinks = statements.sinks();
    let run = statements.run_of(&sinks);
    let audit = args.audit.config(&run, origins)?;
    let queue = statements.queues.config();
    let spool = args.spool.config(run, statements.files.mode(), audit.clone(), origins)?;
    let buffer = statements.buffer_config(origins)?;
    let redactor = statements.redaction.redactor(origins)?;
    // First: what changes meanwhile is noticed the next time.
    let contents = args.mirror.contents();
    let mirror = args.mirror.config(origins)?;
    let recording = args.recording.config(&redactor, &statements.kafka, origins)?;
    let (capture, messages) = (args.capture, statements.messages);
    let proxy = ProxyConfig {
        upstream: args.connections.upstream,
        workers: args.connections.workers,
        tls: tls(args.tls),
        connect_timeout: args.connections.connect_timeout,
        handshake_timeout: args.connections.handshake_timeout,
        drain_timeout: args.connections.drain_timeout,
        buffer,
        recording: RecordingSwitch::default(),
        mirror: MirrorSwitch::default(),
        watch: Watch::default(),
        capture: CaptureConfig {
            statement_logging: capture.statement_logging,
            on_unobservable: capture.on_unobservable,
            session_probe: capture.session_probe,
            inline_debug: capture.inline_debug,
            all: messages.capture_all,
            ddl: messages.capture_ddl,
            callproc: messages.capture_callproc,
            include_sql: messages.include_sql,
            include_params: messages.include_params,
            split_values: messages.split_values,
            max_param_length: messages.max_param_length,
            redactor,
            max_statement_bytes: messages.max_statement_bytes,
            debug: messages.debug(),
            default_tz: messages.default_tz(),
            filter: statements.filter.filter(),
        },
    };
    let metrics = args.metrics.metrics;
    Ok(Plan {
        listen: args.connections.listen,
        proxy,
        recording,
        sinks,
        audit,
        mirror,
        contents,
        queue,
        metrics,
        spool,
    })
}

fn tls(args: TlsArgs) -> TlsConfig {
    // Whoever names authorities wants them to be used, as with the mysql client's --ssl-ca.
    let verify = match (args.upstream_tls_verify, &args.upstream_ca) {
        (Some(verify), _) => verify,
        (None, Some(_)) => UpstreamVerify::Ca,
        (None, None) => UpstreamVerify::None,
    };
    TlsConfig {
        mode: args.tls,
        cert: args.tls_cert,
        key: args.tls_key,
        upstream_ca: args.upstream_ca,
        upstream_verify: verify,
    }
}
