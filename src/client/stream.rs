//! The socket, with or without TLS around it.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::tls::{self, Identity, Peer, client_config};

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

#[derive(Debug)]
pub(crate) struct Stream {
    inner: Option<Inner>,
}

#[derive(Debug)]
enum Inner {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    pub(crate) fn connect(host: &str, port: u16, timeout: Duration) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(socket) => {
                    socket.set_nodelay(true)?;
                    // For the login; streaming sets its own.
                    socket.set_read_timeout(Some(timeout))?;
                    return Ok(Self { inner: Some(Inner::Plain(socket)) });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.inner, Some(Inner::Tls(_)))
    }

    pub(crate) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match &self.inner {
            Some(Inner::Plain(socket)) => socket.set_read_timeout(timeout),
            Some(Inner::Tls(tls)) => tls.sock.set_read_timeout(timeout),
            None => Ok(()),
        }
    }

    /// Puts TLS around the socket.
    pub(crate) fn start_tls(&mut self, options: &TlsOptions, host: &str) -> Result<(), String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let identity = match options.mode {
            TlsMode::VerifyCa => Identity::Authority,
            TlsMode::VerifyIdentity => Identity::Host,
            _ => Identity::Any,
        };
        if identity != Identity::Any && options.ca.is_none() {
            return Err(format!("--tls-mode={} needs --tls-ca", options.mode));
        }
        let config = client_config(identity, options.ca.as_deref(), &provider).map_err(|error| match error.path {
            Some(path) => format!("--tls-ca {}: {}", path.display(), error.reason),
            None => error.reason,
        })?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("'{host}' is not a valid host name"))?;
        let mut session = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
        let Some(Inner::Plain(mut socket)) = self.inner.take() else {
            return Err("TLS twice".into());
        };
        while session.is_handshaking() {
            session.complete_io(&mut socket).map_err(|error| tls::explain(&error, Peer::Server))?;
        }
        self.inner = Some(Inner::Tls(Box::new(StreamOwned::new(session, socket))));
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.inner {
            Some(Inner::Plain(socket)) => socket.read(buffer),
            Some(Inner::Tls(tls)) => match tls.read(buffer) {
                // A server that closes without saying so has closed all the same.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                result => result,
            },
            None => Ok(0),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.inner {
            Some(Inner::Plain(socket)) => socket.write(bytes),
            Some(Inner::Tls(tls)) => tls.write(bytes),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.inner {
            Some(Inner::Plain(socket)) => socket.flush(),
            Some(Inner::Tls(tls)) => tls.flush(),
            None => Ok(()),
        }
    }
}
