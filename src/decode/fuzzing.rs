//! Arbitrary bytes as a capture, through everything but the outputs.

use super::capture::CaptureParser;
use super::clock::CaptureClock;
use super::fragments::Fragments;
use super::packet::segment;
use super::sessions::Sessions;
use super::tcp::{Connections, Limits, Servers};
use crate::mirror::MirrorSwitch;
use crate::session::{Interest, Now, ObserverConfig};

/// Takes the first two bytes for the length of the pieces in which the rest comes.
pub fn capture(data: &[u8]) {
    let Some(([low, high], rest)) = data.split_first_chunk::<2>() else { return };
    let mut decoder = Decoder::new();
    for piece in rest.chunks(usize::from(u16::from_le_bytes([*low, *high])).max(1)) {
        if !decoder.feed(piece) {
            break;
        }
    }
    decoder.finish();
}

struct Decoder {
    parser: CaptureParser,
    clock: CaptureClock,
    fragments: Fragments,
    connections: Connections<Sessions>,
    sessions: Sessions,
}

impl Decoder {
    fn new() -> Self {
        let servers = Servers { ports: [3306].into(), others: true };
        let limits = Limits { connections: 10, bytes: 100_000, bytes_together: 200_000 };
        let config = ObserverConfig { interest: Interest::all(), max_statement_bytes: 1 << 20 };
        Self {
            parser: CaptureParser::default(),
            clock: CaptureClock::default(),
            fragments: Fragments::default(),
            connections: Connections::new(servers, limits),
            sessions: Sessions::new(config, None, None, MirrorSwitch::default()),
        }
    }

    /// False: what comes is no capture, or damaged.
    fn feed(&mut self, piece: &[u8]) -> bool {
        self.parser.feed(piece);
        loop {
            match self.parser.next_frame() {
                Ok(Some(frame)) => {
                    let now = self.clock.at(frame.time_ns);
                    if let Ok(segment) = segment(&frame, &mut self.fragments) {
                        self.connections.segment(&segment, now, &mut self.sessions);
                    }
                }
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    fn finish(mut self) {
        let _ = self.parser.finish();
        self.connections.finish(Now::default(), &mut self.sessions);
        assert_eq!(self.connections.waiting_bytes(), 0);
    }
}
