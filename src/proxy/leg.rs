//! One side of a session: a socket, with or without TLS around it, and the ways in which connections end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tokio_rustls::{client, server};

use super::handshake::Prefixed;
use super::unacknowledged::unacknowledged;
use crate::backoff::Backoff;

/// How a peer ended its half of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It said in TLS that nothing more will come (`close_notify`). Its socket is still open.
    Notified,
    /// FIN. With TLS this may come without a word before.
    Finished,
    /// RST, or the system has given the connection up.
    Reset,
}

impl Ending {
    /// What an error while reading says.
    pub(super) fn of(error: &io::Error) -> Self {
        match error.kind() {
            // rustls's word for a FIN that no close_notify announced; and for bytes that are no TLS, which end a session too.
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => Self::Finished,
            _ => Self::Reset,
        }
    }
}

/// A socket whose state can be asked for.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// Whether there is something to read, or the peer has ended: what the first bytes are, without taking them.
    fn poll_peek(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<usize>>;

    /// How many of the bytes that were sent the peer's system does not have yet.
    fn unacknowledged(&self) -> usize;

    /// Closing this socket will reset the connection.
    fn reset_on_close(&self);
}

/// One side of a session.
pub(super) trait Leg: AsyncRead + AsyncWrite + Unpin {
    type Socket: Socket;

    /// Whether an end is announced in the stream before the socket is closed.
    const IS_TLS: bool;

    /// What is under the TLS, if there is any.
    fn socket(&mut self) -> &mut Self::Socket;

    /// Puts a `close_notify` after what was written; flushing sends it.
    fn notify(&mut self);
}

impl Socket for TcpStream {
    fn poll_peek(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        Self::poll_peek(self, cx, buffer)
    }

    fn unacknowledged(&self) -> usize {
        unacknowledged(self)
    }

    fn reset_on_close(&self) {
        // Failing leaves a FIN, which is an end as well.
        let _ = SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

impl Leg for TcpStream {
    type Socket = Self;
    const IS_TLS: bool = false;

    fn socket(&mut self) -> &mut Self {
        self
    }

    fn notify(&mut self) {}
}

impl Leg for server::TlsStream<Prefixed<TcpStream>> {
    type Socket = TcpStream;
    const IS_TLS: bool = true;

    fn socket(&mut self) -> &mut TcpStream {
        self.get_mut().0.inner_mut()
    }

    fn notify(&mut self) {
        self.get_mut().1.send_close_notify();
    }
}

impl Leg for client::TlsStream<TcpStream> {
    type Socket = TcpStream;
    const IS_TLS: bool = true;

    fn socket(&mut self) -> &mut TcpStream {
        self.get_mut().0
    }

    fn notify(&mut self) {
        self.get_mut().1.send_close_notify();
    }
}

/// Whether the leg's peer has ended without sending anything first; nothing is read.
///
/// With TLS its `close_notify` may be the first bytes, which in TLS 1.3 can be told from others by its length alone: two bytes, a content
/// type and a tag. No packet of the protocol fits into that.
pub(super) fn poll_ended<L: Leg>(leg: &mut L, cx: &mut Context<'_>) -> bool {
    const ALERT: u8 = 21;
    const APPLICATION_DATA: u8 = 23;
    const SEALED_ALERT: [u8; 2] = [0, 2 + 1 + 16];
    let mut head = [0; 5];
    let mut buffer = ReadBuf::new(&mut head);
    match leg.socket().poll_peek(cx, &mut buffer) {
        Poll::Pending => false,
        Poll::Ready(Ok(0) | Err(_)) => true,
        Poll::Ready(Ok(_)) => match buffer.filled() {
            [ALERT, ..] => L::IS_TLS,
            [APPLICATION_DATA, _, _, length @ ..] => L::IS_TLS && *length == SEALED_ALERT,
            _ => false,
        },
    }
}

/// How long a peer's system may take to acknowledge what it was sent before its connection is reset.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);

/// Resets a connection as soon as its peer has all that was sent to it: a reset throws away what is still on its way, and the last of
/// that may be a COMMIT.
pub(super) async fn reset<S: Socket>(socket: &S) {
    let deadline = Instant::now() + ACKNOWLEDGED_WITHIN;
    let mut backoff = Backoff::new(Duration::from_micros(200), Duration::from_millis(100));
    while socket.unacknowledged() > 0 && Instant::now() < deadline {
        sleep(backoff.pause()).await;
    }
    socket.reset_on_close();
}

/// Polls for what comes after a `close_notify`: nothing that counts but the end of the connection itself.
pub(super) fn poll_final<S: Socket>(socket: &mut S, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<Ending> {
    loop {
        let mut buffer = ReadBuf::new(scratch);
        match Pin::new(&mut *socket).poll_read(cx, &mut buffer) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Poll::Ready(Ending::Finished),
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Poll::Ready(Ending::of(&error)),
        }
    }
}

/// A stream in memory, which has no resets.
#[cfg(test)]
impl Socket for tokio::io::DuplexStream {
    fn poll_peek(&mut self, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn unacknowledged(&self) -> usize {
        0
    }

    fn reset_on_close(&self) {}
}

#[cfg(test)]
impl Leg for tokio::io::DuplexStream {
    type Socket = Self;
    const IS_TLS: bool = false;

    fn socket(&mut self) -> &mut Self {
        self
    }

    fn notify(&mut self) {}
}
