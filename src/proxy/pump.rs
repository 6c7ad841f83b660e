//! One direction of a session: read from one side, write to the other, show what passed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncWrite, ReadBuf};

use super::leg::{Ending, Leg, poll_final};
use super::tap::{Direction, Tap};
use crate::session::Now;

/// What one step of a direction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Bytes moved; there may be more.
    Moved,
    /// Nothing to do until the task is woken.
    Idle,
    /// The reader has closed its socket and the writer knows.
    Finished,
    /// The reader's connection was reset, and all it said before is written. The writer must be reset too.
    Reset,
    /// What was read cannot be observed, and is not forwarded.
    Refused,
}

/// The writer takes nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deaf;

/// What is to be shown to the observer of bytes that were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// What was read.
    Read,
    /// What is written.
    Written,
}

/// What becomes of bytes between their reader and their writer, where they are not forwarded as they are.
pub(super) trait Change {
    /// Appends to `out` what is to be written for `bytes`, which were read at `now`. The tap has not seen them yet.
    fn change(&mut self, bytes: &[u8], now: Now, tap: &Tap, out: &mut Vec<u8>) -> Shown;
}

/// One direction's state. An idle one holds no buffer: bytes pass through the worker's, and only what the writer did not
/// take at once is kept here. While something is kept nothing more is read, so a slow writer slows its reader down.
#[derive(Debug, Default)]
pub(super) struct Pump {
    kept: Vec<u8>,
    written: usize,
    unflushed: bool,
    end: End,
    /// Writing to the reader has failed. The system tells of a reset once, so that what is read at last looks like a FIN.
    reader_broken: bool,
}

/// The endings are passed on as they came, one after the other: the server takes a `close_notify` for bytes that wait to be read, and
/// then believes that the client is there.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    /// The reader has ended so; the writer has to be told.
    Seen(Ending),
    /// The writer was told.
    Told(Ending),
}

impl Pump {
    /// A direction whose first bytes have been read already.
    pub(super) fn with_first_bytes(bytes: Vec<u8>) -> Self {
        Self { kept: bytes, ..Self::default() }
    }

    /// Whether the writer has taken all that was read.
    pub(super) fn is_clear(&self) -> bool {
        self.kept.is_empty() && !self.unflushed
    }

    /// Whether the reader's next bytes are what the writer gets next.
    pub(super) fn is_open(&self) -> bool {
        self.is_clear() && self.end == End::Open
    }

    /// Writing to this direction's reader has failed: its end will be that of a reset, whatever it looks like.
    pub(super) fn break_reader(&mut self) {
        self.reader_broken = true;
    }

    /// Notes how the reader has ended.
    fn see(&mut self, ending: Ending) -> Step {
        let ending = if ending == Ending::Finished && self.reader_broken { Ending::Reset } else { ending };
        self.end = End::Seen(ending);
        Step::Moved
    }

    /// Whether the reader has ended and the writer is still to take bytes or the news.
    pub(super) fn has_last_words(&self) -> bool {
        match self.end {
            End::Open => false,
            End::Seen(_) => true,
            End::Told(_) => !self.is_clear(),
        }
    }

    /// Moves bytes once. `scratch` is free for use until the step returns.
    ///
    /// The time of reading is what counts for durations, but the observer sees the bytes only after the writer got them:
    /// nobody waits for it. With `--on-unobservable=close` it is the other way round, and with `--spool-mode=reply` for what the client gets.
    pub(super) fn step<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        scratch: &mut [u8],
        tap: &mut Tap,
        direction: Direction,
    ) -> Result<Step, Deaf>
    where
        R: Leg,
        W: Leg,
    {
        let bytes = match self.read(cx, reader, writer, scratch)? {
            Ok(bytes) => bytes,
            Err(step) => return Ok(step),
        };
        let now = tap.now();
        let observed = tap.observes_first(direction);
        if observed {
            tap.observe(direction, bytes, now);
            if tap.refusal().is_some() {
                return Ok(Step::Refused);
            }
            if direction == Direction::ToClient && tap.must_settle() {
                self.push(bytes);
                return Ok(Step::Moved);
            }
        }
        let taken = match Pin::new(&mut *writer).poll_write(cx, bytes) {
            Poll::Ready(Ok(taken)) => taken,
            Poll::Ready(Err(_)) => {
                if !observed {
                    tap.observe(direction, bytes, now);
                }
                return Err(Deaf);
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
        if !observed {
            tap.observe(direction, bytes, now);
        }
        // Whether all of it is out shows at the next step.
        flushed.map(|_| Step::Moved).map_err(|_| Deaf)
    }

    /// As [`Self::step`], but what is written is what `change` makes of what was read.
    #[expect(clippy::too_many_arguments, reason = "those of `step`, and one more")]
    pub(super) fn step_changed<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        scratch: &mut [u8],
        tap: &mut Tap,
        direction: Direction,
        change: &mut impl Change,
    ) -> Result<Step, Deaf>
    where
        R: Leg,
        W: Leg,
    {
        let bytes = match self.read(cx, reader, writer, scratch)? {
            Ok(bytes) => bytes,
            Err(step) => return Ok(step),
        };
        let now = tap.now();
        let mut changed = Vec::new();
        let shown = change.change(bytes, now, tap, &mut changed);
        let shown = if shown == Shown::Read { bytes } else { &changed };
        let observed = tap.observes_first(direction);
        if observed {
            tap.observe(direction, shown, now);
            if tap.refusal().is_some() {
                return Ok(Step::Refused);
            }
        }
        self.push(&changed);
        let drained = self.drain(cx, writer);
        if !observed {
            tap.observe(direction, shown, now);
        }
        drained.map(|_| Step::Moved).map_err(|_| Deaf)
    }

    /// More for the writer, after what it has not taken yet.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        self.unflushed = true;
    }

    /// Writes what is kept, passes on the reader's end, or else reads: bytes, or what was done instead.
    #[inline(always)]
    fn read<'b, R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        scratch: &'b mut [u8],
    ) -> Result<Result<&'b [u8], Step>, Deaf>
    where
        R: Leg,
        W: Leg,
    {
        if !self.is_clear() && self.drain(cx, writer).map_err(|_| Deaf)?.is_pending() {
            return Ok(Err(Step::Idle));
        }
        if self.end != End::Open {
            return Ok(Err(self.pass_on_end(cx, reader, writer, scratch)));
        }
        Ok(self.read_now(cx, reader, scratch))
    }

    /// Reads: bytes, or what was done instead. Nothing may be kept, and the end not be seen yet.
    #[inline(always)]
    pub(super) fn read_now<'b, R: Leg>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        scratch: &'b mut [u8],
    ) -> Result<&'b [u8], Step> {
        let mut buffer = ReadBuf::new(scratch);
        match Pin::new(reader).poll_read(cx, &mut buffer) {
            Poll::Pending => return Err(Step::Idle),
            Poll::Ready(Err(error)) => return Err(self.see(Ending::of(&error))),
            Poll::Ready(Ok(())) => {}
        }
        let count = buffer.filled().len();
        if count == 0 {
            return Err(self.see(if R::IS_TLS { Ending::Notified } else { Ending::Finished }));
        }
        Ok(&scratch[..count])
    }

    /// The reader has ended: the writer hears of it in the same way. An error while telling says that the writer is gone, which is what it
    /// had to be told.
    fn pass_on_end<R: Leg, W: Leg>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        scratch: &mut [u8],
    ) -> Step {
        match self.end {
            End::Open | End::Seen(Ending::Reset) | End::Told(Ending::Reset) => Step::Reset,
            End::Seen(Ending::Notified) => {
                writer.notify();
                self.unflushed = true;
                self.end = End::Told(Ending::Notified);
                Step::Moved
            }
            End::Told(Ending::Notified) => match poll_final(reader.socket(), cx, scratch) {
                Poll::Pending => Step::Idle,
                Poll::Ready(ending) => self.see(ending),
            },
            End::Seen(Ending::Finished) => match Pin::new(writer.socket()).poll_shutdown(cx) {
                Poll::Pending => Step::Idle,
                Poll::Ready(_) => {
                    self.end = End::Told(Ending::Finished);
                    Step::Finished
                }
            },
            End::Told(Ending::Finished) => Step::Finished,
        }
    }

    pub(super) fn drain<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut W,
    ) -> io::Result<Poll<()>> {
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
