//! A connection for a task: it logs in, and then hands on bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::dial::dial;
use super::error::ClientError;
use super::login::{Login, LoginOptions, LoginStep};
use super::options::Endpoint;
use crate::mysql::wire::{CapabilityFlags, Framer, Keep, write_packet};
use crate::tls::{self, Peer};

/// What is read at once. An answer that is shorter than this costs one system call: the runtime knows that nothing more is there.
const READ_BYTES: usize = 8 << 10;
/// The same for answers that are longer.
const LARGE_READ_BYTES: usize = 128 << 10;
/// The longest packet of a login.
const MAX_LOGIN_PACKET: usize = 1 << 20;

/// Sees both directions' bytes in the clear, authentication included.
pub(crate) trait Tap: Send {
    /// We sent these.
    fn sent(&mut self, bytes: &[u8]);
    /// The server did.
    fn received(&mut self, bytes: &[u8]);
}

/// A connection after the login. What passes over it is the caller's matter.
#[derive(Debug)]
pub(crate) struct Duplex {
    socket: Socket,
    buffer: Vec<u8>,
    server_version: String,
    capabilities: CapabilityFlags,
}

impl Duplex {
    /// Connects and logs in, within the endpoint's limit.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        options: LoginOptions<'_>,
        tap: &mut dyn Tap,
    ) -> Result<Self, ClientError> {
        let address = endpoint.address();
        let deadline = Instant::now() + endpoint.connect_timeout;
        let stream = dial(&endpoint.host, endpoint.port, endpoint.connect_timeout)
            .await
            .map_err(|source| ClientError::Connect { address: address.clone(), source })?;
        let mut duplex = Self {
            socket: Socket::Plain(stream),
            buffer: vec![0; READ_BYTES],
            server_version: String::new(),
            capabilities: CapabilityFlags::empty(),
        };
        match timeout_at(deadline, duplex.log_in(endpoint, &address, options, tap)).await {
            Ok(result) => result?,
            Err(_) => {
                let reason = format!("the login took longer than {} s", endpoint.connect_timeout.as_secs_f64());
                let source = io::Error::new(io::ErrorKind::TimedOut, reason);
                return Err(ClientError::Io { address, source });
            }
        }
        Ok(duplex)
    }

    async fn log_in(
        &mut self,
        endpoint: &Endpoint,
        address: &str,
        options: LoginOptions<'_>,
        tap: &mut dyn Tap,
    ) -> Result<(), ClientError> {
        let broken = |source| ClientError::Io { address: address.to_owned(), source };
        let mut login = Login::new(options, address);
        let mut framer = Framer::default();
        let mut is_done = false;
        while !is_done {
            let received = self.read().await.map_err(broken)?;
            if received.is_empty() {
                return Err(broken(io::ErrorKind::UnexpectedEof.into()));
            }
            tap.received(received);
            let mut rest = received;
            let mut steps = Vec::new();
            while let Some(packet) = framer.next(&mut rest, Keep::UpTo(MAX_LOGIN_PACKET), 0) {
                steps.push((login.packet(packet.payload)?, packet.next_sequence));
            }
            for (step, sequence) in steps {
                match step {
                    LoginStep::Listen => {}
                    LoginStep::Send(payload) => self.send(&payload, sequence, tap).await.map_err(broken)?,
                    LoginStep::StartTls(request) => {
                        self.send(&request, sequence, tap).await.map_err(broken)?;
                        self.start_tls(endpoint)
                            .await
                            .map_err(|reason| ClientError::Tls { address: address.to_owned(), reason })?;
                        let response = login.secured()?;
                        self.send(&response, sequence.wrapping_add(1), tap).await.map_err(broken)?;
                    }
                    LoginStep::Done => is_done = true,
                }
            }
        }
        self.server_version = login.server_version().to_owned();
        self.capabilities = login.capabilities();
        Ok(())
    }

    async fn start_tls(&mut self, endpoint: &Endpoint) -> Result<(), String> {
        let (config, name) = endpoint.tls_config().ok_or("it is switched off")?;
        let Socket::Plain(stream) = std::mem::replace(&mut self.socket, Socket::Closed) else {
            return Err("TLS twice".into());
        };
        let stream = TlsConnector::from(config).connect(name, stream).await;
        self.socket = Socket::Tls(Box::new(stream.map_err(|error| tls::explain(&error, Peer::Server))?));
        Ok(())
    }

    async fn send(&mut self, payload: &[u8], sequence: u8, tap: &mut dyn Tap) -> io::Result<()> {
        let mut packet = Vec::new();
        write_packet(&mut packet, payload, sequence);
        self.write(&packet).await?;
        tap.sent(&packet);
        Ok(())
    }

    /// As the server's greeting has it.
    pub(crate) fn server_version(&self) -> &str {
        &self.server_version
    }

    /// What client and server agreed on.
    pub(crate) fn capabilities(&self) -> CapabilityFlags {
        self.capabilities
    }

    /// Sends bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes).await?;
        match &mut self.socket {
            // What is written to a socket is sent; what is encrypted may wait in the session's buffer.
            Socket::Tls(stream) => stream.flush().await,
            _ => Ok(()),
        }
    }

    /// What the server sends next; nothing at the end.
    pub(crate) async fn read(&mut self) -> io::Result<&[u8]> {
        let length = match self.socket.read(&mut self.buffer).await {
            // A server that closes without saying so has closed all the same.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            length => length?,
        };
        if length == self.buffer.len() && length < LARGE_READ_BYTES {
            self.buffer.resize(LARGE_READ_BYTES, 0);
        }
        Ok(self.buffer.get(..length).unwrap_or_default())
    }

    /// A long answer has been read: gives back memory.
    pub(crate) fn shrink(&mut self) {
        if self.buffer.len() > READ_BYTES {
            self.buffer = vec![0; READ_BYTES];
        }
    }

    /// Leaves without a word.
    pub(crate) fn abort(&mut self) {
        self.socket = Socket::Closed;
    }

    /// Closes our side, as far as that is still possible.
    pub(crate) async fn close(&mut self) {
        let _ = self.socket.shutdown().await;
        self.socket = Socket::Closed;
    }
}

/// The socket, with or without TLS around it.
#[derive(Debug)]
enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Closed,
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }
}
