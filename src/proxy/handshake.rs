//! The first packets of a session: the one place where the proxy itself reads the protocol, because TLS is decided there.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::mysql::wire::PacketHeader;

/// Longest first packet that is waited for whole. Longer ones are forwarded as they come.
const FIRST_PACKET_LIMIT: usize = 64 * 1024;

/// Reads until `buffer` begins with a whole packet; returns that packet's length with its header.
///
/// `None`: the peer closed before, or what comes is not a packet of that kind. Bytes after the packet may have been read too.
pub(super) async fn read_packet<R: AsyncRead + Unpin>(
    reader: &mut R,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<usize>> {
    loop {
        if let Some(length) = packet_length(buffer) {
            if length > FIRST_PACKET_LIMIT {
                return Ok(None);
            }
            if buffer.len() >= length {
                return Ok(Some(length));
            }
        }
        if reader.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

/// Whether what was read begins a packet that is not waited for whole.
pub(super) fn is_too_long(buffer: &[u8]) -> bool {
    packet_length(buffer).is_some_and(|length| length > FIRST_PACKET_LIMIT)
}

/// The length of the packet that the buffer begins with, header included, once its header is there.
fn packet_length(buffer: &[u8]) -> Option<usize> {
    buffer.first_chunk().map(|header| PacketHeader::LENGTH + PacketHeader::parse(*header).length)
}

/// A stream of which some bytes were read too early: they are read again first.
///
/// A client may send its TLS handshake in the same segment as the request for it.
#[derive(Debug)]
pub(super) struct Prefixed<T> {
    prefix: Vec<u8>,
    at: usize,
    inner: T,
}

impl<T> Prefixed<T> {
    pub(super) fn new(prefix: Vec<u8>, inner: T) -> Self {
        Self { prefix, at: 0, inner }
    }

    pub(super) fn inner_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Prefixed<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.prefix.is_empty() {
            let this = &mut *self;
            let rest = this.prefix.get(this.at..).unwrap_or_default();
            let count = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..count]);
            this.at += count;
            if this.at >= this.prefix.len() {
                this.prefix = Vec::new();
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Prefixed<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
