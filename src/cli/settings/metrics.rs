//! Where metrics are served, the same for every subcommand that runs for long.

use std::net::SocketAddr;

use clap::Args;

use crate::settings::listen_address;

/// Where metrics are served.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logging")]
pub(in crate::cli) struct MetricsArgs {
    /// Serve /metrics, /healthz and /readyz here
    ///
    /// For Prometheus and for probes, by HTTP: /metrics has what is counted, /healthz says that the process serves, and /readyz with status 503 what is not well:
    /// the listener, the connection to the server, or a sink. Anybody who reaches the address may read: it has no statements, no names of users and no passwords,
    /// but names of sinks.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen_address)]
    pub(in crate::cli) metrics: Option<SocketAddr>,
}
