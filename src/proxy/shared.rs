//! What all sessions share, and what those of one worker do.

use std::sync::Arc;
use std::time::Instant;

use super::config::ProxyConfig;
use super::counters::Counters;
use super::error::ProxyError;
use super::probes::Probes;
use super::reach::Reach;
use super::tls::Tls;
use crate::deliver::Ingest;
use crate::message::{CapturePolicy, MessageOptions};
use crate::metrics::Stripe;
use crate::publish::{Desk, Publishing, local_time_zone};
use crate::session::{Interest, ObserverConfig};

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: ProxyConfig,
    pub(super) tls: Tls,
    /// What becomes of statements.
    pub(super) publishing: Publishing,
    pub(super) observer_config: ObserverConfig,
    pub(super) server_host: Arc<str>,
    pub(super) local_host: Arc<str>,
    pub(super) counters: Arc<Counters>,
    pub(super) probes: Probes,
    pub(super) reach: Reach,
}

/// What the sessions of one thread share.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) ingest: Ingest,
    pub(super) epoch: Instant,
    pub(super) desk: Arc<Desk>,
    /// Bytes forwarded to the server, and to clients.
    pub(super) bytes: [Stripe; 2],
}

impl Shared {
    pub(super) fn new(config: ProxyConfig) -> Result<Self, ProxyError> {
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
            filter: capture.filter.clone(),
            redactor: capture.redactor.clone(),
        };
        let rows_of_inserts = if capture.split_values { Interest::ROWS_OF_INSERTS } else { Interest::empty() };
        Ok(Self {
            tls: Tls::new(&config.tls, &config.upstream)?,
            publishing: Publishing::new(message_options, config.buffer.as_ref()),
            observer_config: ObserverConfig {
                max_statement_bytes: capture.max_statement_bytes,
                interest: Publishing::INTEREST | rows_of_inserts,
            },
            server_host: config.upstream.to_string().into(),
            local_host: gethostname::gethostname().to_string_lossy().into(),
            counters: Arc::default(),
            probes: Probes::default(),
            reach: Reach::default(),
            config,
        })
    }
}
