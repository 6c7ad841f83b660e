//! The socket, with or without TLS around it.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use super::tls::{TlsOptions, server_name};
use crate::tls::{self, Peer};

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

    pub(crate) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match &self.inner {
            Some(Inner::Plain(socket)) => socket.set_read_timeout(timeout),
            Some(Inner::Tls(tls)) => tls.sock.set_read_timeout(timeout),
            None => Ok(()),
        }
    }

    /// Puts TLS around the socket.
    pub(crate) fn start_tls(&mut self, options: &TlsOptions, host: &str) -> Result<(), String> {
        let (config, name) = (options.config()?, server_name(host)?);
        let mut session = ClientConnection::new(config, name).map_err(|error| error.to_string())?;
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
