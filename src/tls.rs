//! TLS as a client of a MySQL server, with as much trust as asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// What the server's certificate must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Nothing: secrecy without identity, as the mysql client has it with `--ssl-mode=PREFERRED` and `REQUIRED`.
    Any,
    /// That a known authority signed it (`VERIFY_CA`).
    Authority,
    /// That it is the host's, too (`VERIFY_IDENTITY`).
    Host,
}

/// A file of certificates that cannot be used, or no TLS at all (no path).
#[derive(Debug)]
pub(crate) struct CertificateFileError {
    pub(crate) path: Option<PathBuf>,
    pub(crate) reason: String,
}

/// The certificates of a PEM file, at least one.
pub(crate) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateFileError> {
    let error = |reason| CertificateFileError { path: Some(path.to_owned()), reason };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match chain {
        Ok(chain) if chain.is_empty() => Err(error("it holds no PEM certificate".into())),
        Ok(chain) => Ok(chain),
        Err(failure) => Err(error(failure.to_string())),
    }
}

/// The client's side, trusting the authorities in `ca` as far as `identity` asks. Without `ca` any certificate will do.
pub(crate) fn client_config(
    identity: Identity,
    ca: Option<&Path>,
    provider: &Arc<CryptoProvider>,
) -> Result<ClientConfig, CertificateFileError> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|failure| CertificateFileError { path: None, reason: failure.to_string() })?;
    let strict = match (identity, ca) {
        (Identity::Any, _) | (_, None) => None,
        (_, Some(path)) => {
            let error = |reason| CertificateFileError { path: Some(path.to_owned()), reason };
            let mut roots = RootCertStore::empty();
            for certificate in read_chain(path)? {
                roots.add(certificate).map_err(|failure| error(failure.to_string()))?;
            }
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
            Some(verifier.map_err(|failure| error(failure.to_string()))?)
        }
    };
    let verifier: Arc<dyn ServerCertVerifier> = match (identity, strict) {
        (Identity::Host, Some(strict)) => strict,
        (_, chain) => Arc::new(AnyName { chain, algorithms: provider.signature_verification_algorithms }),
    };
    let mut client = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    // MySQL's clients send no server name by default.
    client.enable_sni = false;
    Ok(client)
}

/// The name in the certificate is not looked at, the chain only if there is something to check it with.
#[derive(Debug)]
struct AnyName {
    chain: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
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
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        // The chain is checked before the name, so an error about the name says that the chain is good.
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
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
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
