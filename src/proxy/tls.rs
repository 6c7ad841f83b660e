//! TLS settings of both legs.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::ProxyError;
use crate::config::{TlsConfig, TlsMode, Upstream, UpstreamVerify};

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
        let client = client_config(config, &provider)?;
        let (chain, key) = match (&config.cert, &config.key) {
            (Some(cert), Some(key)) => (read_chain("--tls-cert", cert)?, read_key(key)?),
            _ => self_signed()?,
        };
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(tls_error)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| match &config.cert {
                Some(path) => file_error("--tls-cert", path, error.to_string()),
                None => tls_error(error),
            })?;
        Ok(Self {
            mode: config.mode,
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
            server_name,
        })
    }
}

fn file_error(option: &'static str, path: &Path, reason: String) -> ProxyError {
    ProxyError::TlsFile { option, path: path.to_owned(), reason }
}

fn read_chain(option: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ProxyError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match chain {
        Ok(chain) if chain.is_empty() => Err(file_error(option, path, "it holds no PEM certificate".into())),
        Ok(chain) => Ok(chain),
        Err(error) => Err(file_error(option, path, error.to_string())),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, ProxyError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| file_error("--tls-key", path, error.to_string()))
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

fn client_config(config: &TlsConfig, provider: &Arc<CryptoProvider>) -> Result<ClientConfig, ProxyError> {
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| ProxyError::Tls(error.to_string()))?;
    let verifier: Arc<dyn ServerCertVerifier> = match (config.upstream_verify, &config.upstream_ca) {
        (UpstreamVerify::None, _) | (_, None) => Arc::new(AnyCertificate { algorithms }),
        (verify, Some(path)) => {
            let mut roots = RootCertStore::empty();
            for certificate in read_chain("--upstream-ca", path)? {
                roots.add(certificate).map_err(|error| file_error("--upstream-ca", path, error.to_string()))?;
            }
            let strict = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                .build()
                .map_err(|error| file_error("--upstream-ca", path, error.to_string()))?;
            match verify {
                UpstreamVerify::Full => strict,
                _ => Arc::new(AnyName { strict }),
            }
        }
    };
    let mut client = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    // MySQL's clients send no server name by default.
    client.enable_sni = false;
    Ok(client)
}

/// `--upstream-tls-verify=none`, what the mysql client does with `--ssl-mode=PREFERRED` and `REQUIRED`: secrecy without identity.
#[derive(Debug)]
struct AnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    // Nobody knows whose certificate it is, so its signature proves nothing; checking it would only refuse servers whose
    // certificates are of an old form.
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// `--upstream-tls-verify=ca`: the chain is checked, the name is not.
#[derive(Debug)]
struct AnyName {
    strict: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The chain is checked before the name, so an error about the name says that the chain is good.
        match self.strict.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.strict.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}
