//! How a connection is protected.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::tls::{Identity, client_config};

/// How the connection to the source is protected; the names are those of the mysql client's `--ssl-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum TlsMode {
    /// No TLS
    Disabled,
    /// TLS if the server offers it
    #[default]
    Preferred,
    /// TLS, with any certificate
    Required,
    /// TLS, with a certificate signed by an authority in `tls_ca`
    VerifyCa,
    /// TLS, with a certificate that is also issued for the name of the host
    VerifyIdentity,
}

impl TlsMode {
    /// Whether the server's certificate is checked.
    pub fn verifies(self) -> bool {
        matches!(self, Self::VerifyCa | Self::VerifyIdentity)
    }
}

/// How the connection to the source is protected.
#[derive(Debug, Clone, Default)]
pub struct TlsOptions {
    /// Whether there is TLS, and what is checked.
    pub mode: TlsMode,
    /// A file with the authorities' certificates, in PEM; those of the system without one.
    pub ca: Option<PathBuf>,
}

impl TlsOptions {
    /// As the library takes it.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let identity = match self.mode {
            TlsMode::VerifyCa => Identity::Authority,
            TlsMode::VerifyIdentity => Identity::Host,
            _ => Identity::Any,
        };
        if identity != Identity::Any && self.ca.is_none() {
            return Err(format!("--tls-mode={} needs --tls-ca", self.mode));
        }
        let config = client_config(identity, self.ca.as_deref(), &provider).map_err(|error| match error.path {
            Some(path) => format!("--tls-ca {}: {}", path.display(), error.reason),
            None => error.reason,
        })?;
        Ok(Arc::new(config))
    }
}

/// Whom a certificate must be for.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(host.to_owned()).map_err(|_| format!("'{host}' is not a valid host name"))
}
