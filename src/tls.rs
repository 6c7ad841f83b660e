//! TLS as a client of a MySQL server, with certificates checked as strictly as asked for.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// What the server's certificate must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Nothing: secrecy without identity, as with the mysql client's `--ssl-mode=PREFERRED` and `REQUIRED`.
    Any,
    /// That a known authority signed it (`VERIFY_CA`).
    Authority,
    /// That it is also the host's (`VERIFY_IDENTITY`).
    Host,
}

/// A file of certificates that cannot be used, or no TLS at all (no path).
#[derive(Debug)]
pub(crate) struct CertificateFileError {
    pub(crate) path: Option<PathBuf>,
    pub(crate) reason: String,
}

/// The certificates in a PEM file, at least one.
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
    let verifier: Arc<dyn ServerCertVerifier> = match (identity, ca) {
        (Identity::Any, _) | (_, None) => Arc::new(Lenient { chain: None }),
        (_, Some(path)) => {
            let chain = chain_verifier(path, provider)?;
            match identity {
                Identity::Host => chain,
                _ => Arc::new(Lenient { chain: Some(chain) }),
            }
        }
    };
    let mut client = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    // MySQL's clients send no server name by default.
    client.enable_sni = false;
    Ok(client)
}

fn chain_verifier(
    path: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, CertificateFileError> {
    let error = |reason| CertificateFileError { path: Some(path.to_owned()), reason };
    let mut roots = RootCertStore::empty();
    for certificate in read_chain(path)? {
        roots.add(certificate).map_err(|failure| error(failure.to_string()))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    verifier.map_err(|failure| error(failure.to_string()))
}

/// Looks at less of a certificate than the library does.
///
/// With a chain, that is checked, and the name in the certificate is not. Without one nothing is: the certificate may be of X.509 version
/// 1, expired, its key small or of a kind that is not known here. The handshake's signature is not checked then either: it proves that the
/// server has the key of that certificate, and so does anybody in between with a certificate of their own. Secrecy against those who only
/// listen comes from the key exchange.
#[derive(Debug)]
struct Lenient {
    chain: Option<Arc<WebPkiServerVerifier>>,
}

impl Lenient {
    fn signature(
        &self,
        check: impl FnOnce(&WebPkiServerVerifier) -> Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.as_deref().map_or_else(|| Ok(HandshakeSignatureValid::assertion()), check)
    }
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
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
        self.signature(|chain| chain.verify_tls12_signature(message, cert, dss))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(|chain| chain.verify_tls13_signature(message, cert, dss))
    }

    /// Without a chain, every scheme there is: a server chooses among these by the key it has.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        if let Some(chain) = &self.chain {
            return chain.supported_verify_schemes();
        }
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ED25519,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED448,
            SignatureScheme::RSA_PKCS1_SHA1,
            SignatureScheme::ECDSA_SHA1_Legacy,
        ]
    }
}

/// Whose end of a handshake went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A server that this program is a client of.
    Server,
    /// A client that this program is a server for.
    Client,
}

/// What is spoken here. Older versions and key exchange without forward secrecy are not part of the TLS library.
const SPOKEN: &str = "this program speaks TLS 1.2 and 1.3 with ECDHE key exchange; TLS 1.0 and 1.1, and ciphers with DHE or RSA key \
    exchange, are not supported";

/// Why a TLS handshake failed, with what there is to do about it where the library's words leave that open.
pub(crate) fn explain(error: &io::Error, peer: Peer) -> String {
    use rustls::AlertDescription as Alert;
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match (error.kind(), peer) {
            // A server without a common cipher closes, with or without an alert.
            (io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset, Peer::Server) => {
                format!("{error}: the server closed in the TLS handshake; if it offers nothing newer: {SPOKEN}")
            }
            _ => error.to_string(),
        };
    };
    let nothing_in_common = match tls {
        Error::PeerIncompatible(_) => true,
        Error::AlertReceived(alert) => matches!(
            alert,
            Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity | Alert::IllegalParameter
        ),
        // rustls's error for a message of a version that it does not know.
        Error::InvalidMessage(_) => true,
        _ => false,
    };
    if nothing_in_common {
        let advice = match peer {
            Peer::Server => "see ssl_cipher and tls_version at the server",
            Peer::Client => "see the client's settings of TLS versions and ciphers",
        };
        return format!("{tls}: {SPOKEN} ({advice})");
    }
    if is_old_certificate(tls) {
        return format!(
            "{tls}: the server's certificate is of X.509 version 1, which cannot be verified; issue it again with extensions \
             (openssl x509 -req -extfile FILE, with a line such as subjectAltName=DNS:db.example), or do without verification"
        );
    }
    tls.to_string()
}

fn is_old_certificate(error: &Error) -> bool {
    // webpki's own error, which rustls passes on unchanged.
    matches!(error, Error::InvalidCertificate(CertificateError::Other(other)) if other.0.to_string() == "UnsupportedCertVersion")
}
