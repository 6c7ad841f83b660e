//! The proxy: sockets, TLS and forwarding. What the bytes mean is the observer's business.
//!
//! A program that has a proxy in it binds the listeners itself, gives it somewhere to deliver, and says when to stop:
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use mysql_interceptor::deliver::{Pipeline, QueueConfig};
//! use mysql_interceptor::proxy::{self, ProxyConfig};
//! use tokio_util::sync::CancellationToken;
//!
//! let config = ProxyConfig::new("db.example:3306".parse()?);
//! let listeners = proxy::bind(&["127.0.0.1:0".parse()?])?;
//! println!("clients connect to {}", listeners[0].local_addr()?);
//! // The sinks: anything that implements `Sink`, or those of `mysql_interceptor::deliver`.
//! let mut pipeline = Pipeline::start(Vec::new(), &QueueConfig::default())?;
//!
//! // Cancelled by a signal, for example; here at once.
//! let stop = CancellationToken::new();
//! stop.cancel();
//! // Blocks until it is stopped and running statements have ended.
//! let ended = proxy::run(config, listeners, &pipeline, &stop)?;
//! pipeline.shutdown(ended.stopping_since + Duration::from_secs(30));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod client_error;
mod config;
mod counters;
mod error;
mod figures;
mod handshake;
mod inline;
mod leg;
mod listener;
mod listeners;
mod probes;
mod pump;
mod reach;
mod readiness;
mod relay;
mod session;
mod shared;
mod tap;
#[cfg(test)]
mod tests;
mod tls;
mod unacknowledged;
mod worker;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::deliver::Pipeline;
pub use crate::metrics::Watch;
pub use crate::publish::BufferConfig;
pub use address::Upstream;
pub use config::{CaptureConfig, OnUnobservable, ProxyConfig, SessionProbe, TlsConfig, TlsMode, UpstreamVerify};
pub use error::ProxyError;
#[cfg(test)]
pub(crate) use figures::metrics;
use figures::{Figures, log_counters};
pub use listener::bind;
use shared::Shared;

/// How a proxy ended.
#[derive(Debug)]
pub struct Ended {
    /// When it was told to stop: what is still to be done should count from here.
    pub stopping_since: Instant,
    figures: Arc<Figures>,
}

impl Ended {
    /// Logs what was counted, and how many messages the sinks have lost.
    pub fn log(&self) {
        log_counters(&self.figures, "stopped");
    }
}

/// Accepts clients on `listeners` and serves them until `stop` is cancelled, then lets running statements end. Blocks meanwhile; it
/// has threads of its own.
///
/// # Errors
///
/// Certificates that cannot be used, and what the system refuses at the start. Nothing was accepted then.
pub fn run(
    mut config: ProxyConfig,
    listeners: Vec<TcpListener>,
    pipeline: &Pipeline,
    stop: &CancellationToken,
) -> Result<Ended, ProxyError> {
    let watch = std::mem::take(&mut config.watch);
    let shared = Arc::new(Shared::new(config)?);
    let figures = Arc::new(Figures { shared, sinks: pipeline.counters(), is_listening: AtomicBool::new(false) });
    watch.begin(&figures);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ProxyError::Worker)?;
    let stopping_since = runtime.block_on(listener::listen(&figures, listeners, pipeline, stop));
    figures.is_listening.store(false, Relaxed);
    let stopping_since = stopping_since?;
    figures.shared.publishing.finish();
    Ok(Ended { stopping_since, figures })
}
