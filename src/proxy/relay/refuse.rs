//! Requests that the proxy answers itself, because the spool is full (`--spool-full=error`).
//!
//! A client's statement is answered with an error and never reaches the server; its session goes on. Where that cannot be done so that the client
//! and the server agree on what has happened, the session ends with the error: requests that came together, one of more than
//! [`LARGEST`] bytes, parts of a statement's parameters. What becomes no message passes.

use std::task::Context;

use super::{Leg, Pause, Relay, SCRATCH, Step};
use crate::mysql::wire::{Algorithm, Command, Decompressor, PacketHeader, write_frame};
use crate::proxy::client_error::ClientError;
use crate::proxy::pump::Change;
use crate::proxy::tap::Direction;

/// A request of more bytes than this is not waited for.
const LARGEST: usize = 64 * 1024;
/// Compressed length, sequence id, length before compression.
const FRAME_HEADER: usize = 7;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Not all of it has come.
    Wait,
    /// It becomes no message.
    Pass,
    /// It is answered with an error.
    Answer,
    /// The session ends with the error.
    End,
}

impl<C, S> Relay<C, S>
where
    C: Leg,
    S: Leg,
{
    /// Reads the client's next request where it is not to reach the server. `None`: it is.
    pub(super) fn poll_refused(&mut self, cx: &mut Context<'_>) -> Option<Result<Step, Pause>> {
        if !self.tap.refuses_requests() {
            // It had room again before all of the request had come.
            return (!self.refused.is_empty()).then(|| self.pass_refused());
        }
        if !self.to_server.is_open() {
            return None;
        }
        if self.tap.awaits_answer() || !self.to_client.is_clear() {
            // Answers come in order.
            return Some(Ok(Step::Idle));
        }
        let read = SCRATCH.with_borrow_mut(|scratch| {
            let bytes = self.to_server.read_now(cx, &mut self.client, scratch)?;
            self.refused.extend_from_slice(bytes);
            Ok(())
        });
        if let Err(step) = read {
            return Some(self.stepped_to_server(Ok(step)));
        }
        let algorithm = self.tap.view().and_then(|view| view.algorithm);
        let verdict = verdict(&self.refused, algorithm, |id| self.tap.has_long_data(id));
        Some(match verdict {
            Verdict::Wait => Ok(Step::Moved),
            Verdict::Pass => self.pass_refused(),
            Verdict::Answer | Verdict::End => {
                let error = answer(&self.refused, algorithm);
                self.refused.clear();
                self.to_client.push(&error);
                self.tap.count_refused();
                if verdict == Verdict::End {
                    self.ends_refused = true;
                    Err(Pause::Refused)
                } else {
                    Ok(Step::Moved)
                }
            }
        })
    }

    fn pass_refused(&mut self) -> Result<Step, Pause> {
        let bytes = std::mem::take(&mut self.refused);
        let now = self.tap.now();
        let mut changed = Vec::new();
        if let Some(annotator) = &mut self.annotator {
            annotator.change(&bytes, now, &self.tap, &mut changed);
        }
        self.tap.observe(Direction::ToServer, &bytes, now);
        if self.tap.refusal().is_some() {
            return Err(Pause::Refused);
        }
        self.to_server.push(if self.annotator.is_some() { &changed } else { &bytes });
        Ok(Step::Moved)
    }
}

/// What becomes of these bytes, of which the first begins a request.
fn verdict(bytes: &[u8], algorithm: Option<Algorithm>, has_long_data: impl Fn(u32) -> bool) -> Verdict {
    let Some(algorithm) = algorithm else { return of_packet(bytes, has_long_data) };
    let Some([a, b, c, ..]) = bytes.first_chunk::<FRAME_HEADER>() else { return Verdict::Wait };
    let whole = FRAME_HEADER + u32::from_le_bytes([*a, *b, *c, 0]) as usize;
    if bytes.len() < whole {
        return if whole > LARGEST { Verdict::End } else { Verdict::Wait };
    }
    let (mut decompressor, mut input) = (Decompressor::new(algorithm), bytes);
    let Ok(Some(plain)) = decompressor.next(&mut input) else { return Verdict::End };
    match of_packet(plain, has_long_data) {
        // It goes on in another frame.
        Verdict::Wait => Verdict::End,
        verdict if input.is_empty() => verdict,
        _ => Verdict::End,
    }
}

fn of_packet(bytes: &[u8], has_long_data: impl Fn(u32) -> bool) -> Verdict {
    let Some((header, payload)) = bytes.split_first_chunk::<{ PacketHeader::LENGTH }>() else { return Verdict::Wait };
    let header = PacketHeader::parse(*header);
    let Some((command, body)) = payload.split_first() else { return Verdict::Wait };
    if header.sequence != 0 || payload.len() > header.length || header.length > LARGEST {
        return Verdict::End;
    }
    let is_whole = payload.len() == header.length;
    match Command::from_byte(*command) {
        _ if !is_whole => Verdict::Wait,
        Command::Quit
        | Command::Ping
        | Command::Statistics
        | Command::StmtClose
        | Command::StmtReset
        | Command::StmtFetch
        | Command::ResetConnection => Verdict::Pass,
        Command::StmtSendLongData => Verdict::End,
        // Values that the server has would be added to when they are sent again.
        Command::StmtExecute | Command::StmtBulkExecute
            if body.first_chunk().is_some_and(|id| has_long_data(u32::from_le_bytes(*id))) =>
        {
            Verdict::End
        }
        _ => Verdict::Answer,
    }
}

/// The error, for whoever has sent this.
fn answer(request: &[u8], algorithm: Option<Algorithm>) -> Vec<u8> {
    let packet = ClientError::spool_full().packet(1, false);
    if algorithm.is_none() {
        return packet;
    }
    let sequence = request.get(3).copied().unwrap_or_default().wrapping_add(1);
    let mut frame = Vec::new();
    write_frame(&mut frame, &packet, sequence, 0);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(payload: &[u8]) -> Vec<u8> {
        [&[payload.len() as u8, 0, 0, 0], payload].concat()
    }

    #[test]
    fn statements_are_answered_and_what_cannot_be_ends_the_session() {
        let of = |bytes: &[u8]| verdict(bytes, None, |id| id == 9);
        let query = packet(b"\x03SELECT 1");
        for cut in 0..query.len() {
            assert_eq!(of(&query[..cut]), Verdict::Wait, "{cut}");
        }
        assert_eq!(of(&query), Verdict::Answer);
        assert_eq!(of(&[&query[..], &query[..]].concat()), Verdict::End, "two of them");
        assert_eq!(of(&[0xff, 0xff, 0xff, 0, 3]), Verdict::End, "16 MiB");
        for command in [&b"\x01"[..], b"\x0e", b"\x19\x01\0\0\0", b"\x1f"] {
            assert_eq!(of(&packet(command)), Verdict::Pass, "{command:?}");
        }
        assert_eq!(of(&packet(b"\x17\x08\0\0\0\0\x01\0\0\0")), Verdict::Answer);
        assert_eq!(of(&packet(b"\x17\x09\0\0\0\0\x01\0\0\0")), Verdict::End, "it has long data");
        assert_eq!(of(&packet(b"\x18\x08\0\0\0\0\0x")), Verdict::End);
    }

    #[test]
    fn compressed_ones_too() {
        let of = |bytes: &[u8]| verdict(bytes, Some(Algorithm::Zlib), |_| false);
        let mut frame = Vec::new();
        write_frame(&mut frame, &packet(b"\x03SELECT 1"), 0, 0);
        for cut in 0..frame.len() {
            assert_eq!(of(&frame[..cut]), Verdict::Wait, "{cut}");
        }
        assert_eq!(of(&frame), Verdict::Answer);
        let answered = answer(&frame, Some(Algorithm::Zlib));
        assert_eq!((answered[3], answered[FRAME_HEADER + 3]), (1, 1));
        assert_eq!(of(&[&frame[..], b"x"].concat()), Verdict::End);
    }
}
