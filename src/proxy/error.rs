//! Why the proxy does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

use crate::deliver::SinkError;

/// Why the proxy could not start. Its texts name settings by their keys, in backticks.
#[derive(Debug, Error)]
pub enum ProxyError {
    /// The listening port is unavailable.
    #[error("cannot listen on {address}: {source} (choose another address with `listen`)")]
    Listen {
        /// Where it should listen.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// There is nowhere to listen.
    #[error("there is no address to listen on")]
    NoListener,
    /// A certificate or key file cannot be used.
    #[error("`{key}`: cannot use {path}: {reason}")]
    TlsFile {
        /// The key of the setting that names the file, such as `tls_cert`.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The TLS library refused the configuration.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// The thread that carries messages to the sinks could not be started.
    #[error(transparent)]
    Delivery(#[from] SinkError),
    /// A thread, an event loop or a socket could not be set up.
    #[error("cannot start a worker: {0}")]
    Worker(#[source] io::Error),
}
