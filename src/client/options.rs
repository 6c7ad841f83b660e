//! Where and as whom to connect.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::tls::{TlsMode, TlsOptions, server_name};

/// Where and as whom to connect.
#[derive(Clone)]
pub struct ConnectOptions {
    /// A name or an address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The user.
    pub user: String,
    /// The password; empty without one.
    pub password: String,
    /// How the connection is protected.
    pub tls: TlsOptions,
    /// How long connecting may take.
    pub connect_timeout: Duration,
}

impl ConnectOptions {
    /// With TLS if the server offers it.
    pub fn new(host: &str, port: u16, user: &str, password: &str) -> Self {
        Self {
            host: host.to_owned(),
            port,
            user: user.to_owned(),
            password: password.to_owned(),
            tls: TlsOptions::default(),
            connect_timeout: Duration::from_secs(10),
        }
    }
}

impl std::fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the password.
        write!(f, "{}@{}:{}", self.user, self.host, self.port)
    }
}

/// A server, to which many connections are opened.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// A name or an address.
    pub(crate) host: String,
    /// The TCP port.
    pub(crate) port: u16,
    /// How connections are protected.
    pub(crate) tls: TlsOptions,
    /// How long connecting and logging in may take together.
    pub(crate) connect_timeout: Duration,
    tls_config: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Endpoint {
    /// Reads the authorities' certificates once; the error names what is wrong with them.
    pub(crate) fn new(host: &str, port: u16, tls: TlsOptions, connect_timeout: Duration) -> Result<Self, String> {
        let tls_config = match tls.mode {
            TlsMode::Disabled => None,
            _ => Some((tls.config()?, server_name(host)?)),
        };
        Ok(Self { host: host.to_owned(), port, tls, connect_timeout, tls_config })
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub(super) fn tls_config(&self) -> Option<(Arc<ClientConfig>, ServerName<'static>)> {
        self.tls_config.clone()
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.address())
    }
}
