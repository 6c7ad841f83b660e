//! TLS settings of both legs.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig, ServerConnection};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::address::Upstream;
use super::config::{TlsConfig, TlsMode, UpstreamVerify};
use super::error::ProxyError;
use crate::audit::{Certificate, Hash, TlsFacts};
use crate::tls::{self, Identity};

/// Both legs' TLS, made once at start so that a bad file is found there.
pub(super) struct Tls {
    pub(super) mode: TlsMode,
    pub(super) acceptor: TlsAcceptor,
    pub(super) connector: TlsConnector,
    pub(super) server_name: ServerName<'static>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("mode", &self.mode).field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl Tls {
    pub(super) fn new(config: &TlsConfig, upstream: &Upstream) -> Result<Self, ProxyError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls_error = |error: Error| ProxyError::Tls(error.to_string());
        let server_name = ServerName::try_from(upstream.host.clone())
            .map_err(|_| ProxyError::Tls(format!("'{}' is no valid host name", upstream.host)))?;
        let identity = match config.upstream_verify {
            UpstreamVerify::None => Identity::Any,
            UpstreamVerify::Ca => Identity::Authority,
            UpstreamVerify::Full => Identity::Host,
        };
        let client =
            tls::client_config(identity, config.upstream_ca.as_deref(), &provider).map_err(|error| {
                match error.path {
                    Some(path) => file_error("upstream_ca", &path, error.reason),
                    None => ProxyError::Tls(error.reason),
                }
            })?;
        let (chain, key) = match (&config.cert, &config.key) {
            (Some(cert), Some(key)) => (read_chain("tls_cert", cert)?, read_key(key)?),
            _ => self_signed()?,
        };
        let certified = certified(chain, key, &provider).map_err(|error| match (&config.cert, &config.key) {
            (Some(_), Some(path)) if matches!(error, Error::General(_)) => file_error(
                "tls_key",
                path,
                format!("{error} (RSA from 2048 bits on, ECDSA P-256 or P-384, and Ed25519 are known)"),
            ),
            (Some(path), _) => file_error("tls_cert", path, error.to_string()),
            (None, _) => tls_error(error),
        })?;
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(tls_error)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        Ok(Self {
            mode: config.mode,
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
            server_name,
        })
    }
}

/// What is known of a client's connection after its handshake.
pub(super) fn facts(connection: &ServerConnection) -> TlsFacts {
    let suite = connection.negotiated_cipher_suite();
    TlsFacts {
        version: connection.protocol_version().map(|version| format!("{version:?}")),
        cipher: suite.map(|suite| format!("{:?}", suite.suite())),
        server_name: connection.server_name().map(str::to_owned),
        certificate: connection
            .peer_certificates()
            .and_then(<[_]>::first)
            .map(|shown| Certificate { sha256: Hash::of(shown) }),
    }
}

fn file_error(key: &'static str, path: &Path, reason: String) -> ProxyError {
    ProxyError::TlsFile { key, path: path.to_owned(), reason }
}

fn read_chain(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ProxyError> {
    tls::read_chain(path).map_err(|error| file_error(key, path, error.reason))
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, ProxyError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| file_error("tls_key", path, error.to_string()))
}

/// The chain with its key, which must be that of its first certificate.
///
/// rustls makes that comparison only for certificates of X.509 version 3. What is shown to clients may be of version 1: they judge it.
fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Error> {
    let certified = CertifiedKey::new(chain, provider.key_provider.load_private_key(key)?);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => return Ok(certified),
        Err(Error::InvalidCertificate(_)) => {}
        Err(error) => return Err(error),
    }
    // As an authority it is read leniently: the one use that version 1 still has.
    let mut store = RootCertStore::empty();
    store.add(certified.end_entity_cert()?.clone())?;
    let (Some(anchor), Some(ours)) = (store.roots.first(), certified.key.public_key()) else { return Ok(certified) };
    // Without the header of its sequence.
    if ours.ends_with(&anchor.subject_public_key_info) {
        Ok(certified)
    } else {
        Err(InconsistentKeys::KeyMismatch.into())
    }
}

/// A certificate of this process's own, as a MySQL server makes one at its first start.
fn self_signed() -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), ProxyError> {
    let names = vec![
        gethostname::gethostname().to_string_lossy().into_owned(),
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let names = names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>();
    let made = rcgen::KeyPair::generate().and_then(|key| {
        let mut params = rcgen::CertificateParams::new(names)?;
        params.distinguished_name.push(rcgen::DnType::CommonName, "mysql-interceptor auto-generated certificate");
        Ok((params.self_signed(&key)?, key))
    });
    let (certificate, key) = made.map_err(|error| ProxyError::Tls(error.to_string()))?;
    Ok((vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into())))
}
