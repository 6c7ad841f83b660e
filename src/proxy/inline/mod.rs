//! The comment in front of statements (`--inline-debug`): what the server's own logs then tell of whose a statement is.
//!
//! Sans-IO: a client's bytes in, in whatever pieces, and what the server is to be sent out. What is not a request, or not understood, passes as it is.

mod comment;
mod compressed;
mod packets;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::counters::Counters;
use super::pump::{Change, Shown};
use super::tap::{Tap, View};
use crate::mysql::wire::CapabilityFlags;
use crate::session::Now;
use compressed::Frames;
use packets::{Annotating, Packets};

/// Puts a comment in front of each text that one session sends.
pub(super) struct Annotator {
    client: Arc<str>,
    debug: Arc<str>,
    counters: Arc<Counters>,
    stream: Stream,
}

enum Stream {
    /// Nothing of the requests was seen yet.
    Awaited,
    Plain(Packets),
    Compressed(Box<Frames>),
    /// What passes is not understood any more.
    Untouched,
}

impl Annotator {
    /// For a client that is called `client`, with `debug` as the messages have it.
    pub(super) fn new(client: Arc<str>, debug: Arc<str>, counters: Arc<Counters>) -> Self {
        Self { client, debug, counters, stream: Stream::Awaited }
    }

    /// Appends to `out` what the server is to be sent for `bytes`. Without a view: nobody knows what they are.
    fn annotate(&mut self, bytes: &[u8], view: Option<&View<'_>>, out: &mut Vec<u8>) {
        let Some(view) = view else {
            self.give_up(out);
            return out.extend_from_slice(bytes);
        };
        if matches!(self.stream, Stream::Awaited) && view.takes_requests && view.at_border {
            self.stream = match view.algorithm {
                None => Stream::Plain(Packets::default()),
                Some(algorithm) => Stream::Compressed(Box::new(Frames::new(algorithm))),
            };
        }
        let mut count = view.next_count;
        let (session, client, debug) = (view.session, &self.client, &self.debug);
        let mut with = Annotating {
            takes_requests: view.takes_requests,
            in_file: view.awaits_file,
            capabilities: view.session.capabilities.unwrap_or_else(CapabilityFlags::empty),
            room: usize::MAX,
            comment: &mut |is_prepare| {
                let text = comment::comment(session, client, count, debug);
                count += u64::from(!is_prepare);
                text
            },
            left_out: 0,
        };
        let is_understood = match &mut self.stream {
            Stream::Awaited | Stream::Untouched => {
                out.extend_from_slice(bytes);
                true
            }
            Stream::Plain(packets) => {
                packets.feed(bytes, &mut with, out);
                true
            }
            Stream::Compressed(frames) => frames.feed(bytes, &mut with, out),
        };
        let left_out = with.left_out;
        if !is_understood {
            self.stream = Stream::Untouched;
        }
        self.count(left_out);
    }

    fn count(&self, left_out: u64) {
        if left_out > 0 && self.counters.uncommented_statements.fetch_add(left_out, Ordering::Relaxed) == 0 {
            tracing::warn!(
                "a statement went without its comment, because its packet would be too long or could not be read (--inline-debug); this is said once, uncommented_statements counts"
            );
        }
    }

    /// From now on everything passes, and first what was kept.
    #[cold]
    fn give_up(&mut self, out: &mut Vec<u8>) {
        match std::mem::replace(&mut self.stream, Stream::Untouched) {
            Stream::Plain(mut packets) => packets.give_back(out),
            Stream::Compressed(mut frames) => frames.give_back(out),
            Stream::Awaited | Stream::Untouched => {}
        }
    }
}

impl Change for Annotator {
    fn change(&mut self, bytes: &[u8], _: Now, tap: &Tap, out: &mut Vec<u8>) -> Shown {
        self.annotate(bytes, tap.view().as_ref(), out);
        Shown::Read
    }
}

#[cfg(test)]
mod tests;
