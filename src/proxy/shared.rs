//! What all sessions share, and what those of one worker do.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::config::ProxyConfig;
use super::counters::Counters;
use super::error::ProxyError;
use super::probes::Probes;
use super::tls::Tls;
use super::transaction::Transactions;
use crate::deliver::{Holding, Ingest};
use crate::message::{CapturePolicy, MessageOptions};
use crate::mysql::sql::Analyses;
use crate::session::{Interest, ObserverConfig};

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: ProxyConfig,
    pub(super) tls: Tls,
    pub(super) message_options: Arc<MessageOptions>,
    pub(super) observer_config: ObserverConfig,
    pub(super) server_host: Arc<str>,
    pub(super) local_host: Arc<str>,
    pub(super) counters: Arc<Counters>,
    /// With `--buffer-until-commit`.
    pub(super) transactions: Option<Arc<Transactions>>,
    pub(super) probes: Probes,
}

/// What the sessions of one thread share.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) ingest: Ingest,
    pub(super) epoch: Instant,
    /// What is known of texts.
    pub(super) analyses: Arc<Mutex<Analyses>>,
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
        let counters: Arc<Counters> = Arc::default();
        let transactions = config.buffer.as_ref().map(|buffer| {
            let holding = Holding::new(buffer.messages, buffer.bytes, buffer.folder.clone());
            Arc::new(Transactions::new(holding, Arc::clone(&counters)))
        });
        Ok(Self {
            tls: Tls::new(&config.tls, &config.upstream)?,
            message_options: Arc::new(message_options),
            observer_config: ObserverConfig {
                max_statement_bytes: capture.max_statement_bytes,
                // A reset takes back what is held.
                interest: Interest::default() | Interest::RESETS | rows_of_inserts,
            },
            server_host: config.upstream.to_string().into(),
            local_host: gethostname::gethostname().to_string_lossy().into(),
            counters,
            transactions,
            probes: Probes::default(),
            config,
        })
    }
}

impl Shared {
    /// Logs what was counted, and how many messages the sinks have lost.
    pub(super) fn log_counters(&self, what: &'static str, lost: u64) {
        let held = self.transactions.as_ref().map(|transactions| transactions.counts()).unwrap_or_default();
        self.counters.log(what, held, lost);
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
