//! The proxy: sockets, TLS and forwarding. What the bytes mean is the observer's business.

mod address;
mod client_error;
mod config;
mod counters;
mod handshake;
mod leg;
mod listener;
mod probes;
mod pump;
mod relay;
mod session;
mod tap;
#[cfg(test)]
mod tests;
mod tls;
mod unacknowledged;
mod upstream;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::deliver::Hub;
use crate::message::{CapturePolicy, MessageOptions};
use crate::session::ObserverConfig;
pub use address::Upstream;
pub use config::{CaptureConfig, OnUnobservable, ProxyConfig, TlsConfig, TlsMode, UpstreamVerify};
pub(crate) use counters::Counters;

/// Why the proxy could not start.
#[derive(Debug, Error)]
pub(crate) enum ProxyError {
    /// The listening port is not to be had.
    #[error("cannot listen on {address}: {source} (choose another address with --listen)")]
    Listen {
        /// What --listen says.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// A certificate or key file is of no use.
    #[error("{option}: cannot use {path}: {reason}")]
    TlsFile {
        /// The option that names the file.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The TLS library refused the configuration.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// A thread or an event loop could not be made.
    #[error("cannot start a worker: {0}")]
    Worker(#[source] io::Error),
}

/// What all sessions share.
#[derive(Debug)]
struct Shared {
    config: ProxyConfig,
    tls: tls::Tls,
    message_options: Arc<MessageOptions>,
    observer_config: ObserverConfig,
    server_host: Arc<str>,
    local_host: Arc<str>,
    counters: Arc<Counters>,
    probes: probes::Probes,
}

/// Accepts and serves clients until `stop` is cancelled; then lets running statements end.
///
/// Returns what was counted, and when the stop began.
pub(crate) fn run(
    config: ProxyConfig,
    hub: &Hub,
    stop: &CancellationToken,
) -> Result<(Arc<Counters>, Instant), ProxyError> {
    let shared = Arc::new(Shared::new(config)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ProxyError::Worker)?;
    let stopping_since = runtime.block_on(listener::listen(&shared, hub, stop))?;
    Ok((shared.counters.clone(), stopping_since))
}

impl Shared {
    fn new(config: ProxyConfig) -> Result<Self, ProxyError> {
        let capture = &config.capture;
        let message_options = MessageOptions {
            debug: capture.debug.clone(),
            default_tz: capture.default_tz.clone().or_else(local_time_zone),
            policy: CapturePolicy {
                enabled: capture.statement_logging,
                all: capture.all,
                ddl: capture.ddl,
                callproc: capture.callproc,
            },
            include_sql: capture.include_sql,
            include_params: capture.include_params,
            max_param_length: capture.max_param_length,
        };
        Ok(Self {
            tls: tls::Tls::new(&config.tls, &config.upstream)?,
            message_options: Arc::new(message_options),
            observer_config: ObserverConfig {
                max_statement_bytes: capture.max_statement_bytes,
                ..ObserverConfig::default()
            },
            server_host: config.upstream.to_string().into(),
            local_host: gethostname::gethostname().to_string_lossy().into(),
            counters: Arc::default(),
            probes: probes::Probes::default(),
            config,
        })
    }
}

/// The zone of this host; a host without any setting runs in UTC.
fn local_time_zone() -> Option<String> {
    let from_variable = std::env::var("TZ").ok().map(|zone| zone.trim_start_matches(':').to_owned());
    from_variable
        .filter(|zone| !zone.is_empty() && !zone.starts_with('/'))
        .or_else(|| iana_time_zone::get_timezone().ok())
        // The name that other programs give it.
        .map(|zone| if zone == "Etc/UTC" { "UTC".to_owned() } else { zone })
        .or_else(|| (!std::path::Path::new("/etc/localtime").exists()).then(|| "UTC".to_owned()))
}
