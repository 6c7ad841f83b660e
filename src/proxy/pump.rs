//! One direction of a session: read from one side, write to the other, show what passed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::tap::{Direction, Tap};

/// What one step of a direction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Bytes moved; there may be more.
    Moved,
    /// Nothing to do until the task is woken.
    Idle,
    /// The reader has ended and the writer knows.
    Ended,
}

/// Which side failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PumpError {
    Reader,
    Writer,
}

/// One direction's state. An idle one holds no buffer: bytes pass through the worker's, and only what the writer did not
/// take at once is kept here. While something is kept nothing more is read, so a slow writer slows its reader down.
#[derive(Debug, Default)]
pub(super) struct Pump {
    kept: Vec<u8>,
    written: usize,
    unflushed: bool,
    end: End,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    /// The reader has ended; the writer is to be told.
    Read,
    Told,
}

impl Pump {
    /// A direction whose first bytes have been read already.
    pub(super) fn with_first_bytes(bytes: Vec<u8>) -> Self {
        Self { kept: bytes, ..Self::default() }
    }

    /// Whether bytes were read that the writer has not taken.
    pub(super) fn is_clear(&self) -> bool {
        self.kept.is_empty() && !self.unflushed
    }

    /// Whether the reader has ended, be the writer told or not.
    pub(super) fn reader_has_ended(&self) -> bool {
        self.end != End::Open
    }

    /// Moves bytes once. `scratch` is free for use until the step returns.
    ///
    /// The moment of reading is what counts for durations, but the observer sees the bytes only after the writer got them:
    /// nobody waits for it.
    pub(super) fn step<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        scratch: &mut [u8],
        tap: &mut Tap,
        direction: Direction,
    ) -> Result<Step, PumpError>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        if !self.is_clear() && self.drain(cx, writer).map_err(|_| PumpError::Writer)?.is_pending() {
            return Ok(Step::Idle);
        }
        match self.end {
            End::Open => {}
            End::Read => {
                // An error here says that the writer is gone, which is what it was to be told.
                return match Pin::new(&mut *writer).poll_shutdown(cx) {
                    Poll::Pending => Ok(Step::Idle),
                    Poll::Ready(_) => {
                        self.end = End::Told;
                        Ok(Step::Ended)
                    }
                };
            }
            End::Told => return Ok(Step::Ended),
        }
        let mut buffer = ReadBuf::new(scratch);
        match Pin::new(reader).poll_read(cx, &mut buffer) {
            Poll::Pending => return Ok(Step::Idle),
            // A TLS peer that closes without saying so has closed all the same.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Poll::Ready(Err(_)) => return Err(PumpError::Reader),
            Poll::Ready(Ok(())) => {}
        }
        let bytes = buffer.filled();
        if bytes.is_empty() {
            self.end = End::Read;
            return Ok(Step::Moved);
        }
        let now = tap.now();
        let taken = match Pin::new(&mut *writer).poll_write(cx, bytes) {
            Poll::Ready(Ok(taken)) => taken,
            Poll::Ready(Err(_)) => {
                tap.observe(direction, bytes, now);
                return Err(PumpError::Writer);
            }
            Poll::Pending => 0,
        };
        if let Some(rest) = bytes.get(taken..)
            && !rest.is_empty()
        {
            self.kept.extend_from_slice(rest);
        }
        self.unflushed = true;
        let flushed = self.drain(cx, writer);
        tap.observe(direction, bytes, now);
        // Whether all of it is out shows at the next step.
        flushed.map(|_| Step::Moved).map_err(|_| PumpError::Writer)
    }

    fn drain<W: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, writer: &mut W) -> io::Result<Poll<()>> {
        while let Some(rest) = self.kept.get(self.written..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut *writer).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(Poll::Pending),
            }
        }
        self.kept = Vec::new();
        self.written = 0;
        if self.unflushed {
            match Pin::new(&mut *writer).poll_flush(cx) {
                Poll::Ready(result) => result?,
                Poll::Pending => return Ok(Poll::Pending),
            }
            self.unflushed = false;
        }
        Ok(Poll::Ready(()))
    }
}
