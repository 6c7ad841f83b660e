//! From a capture to messages, in one pass.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::capture::{CaptureError, CaptureParser, Input, InputError, LinkType, Read};
use super::clock::CaptureClock;
use super::counters::{FrameCounters, SessionCounters};
use super::packet::{NoSegment, segment};
use super::sessions::{Messages, Sessions};
use super::tcp::{Connections, Limits, Servers, TcpCounters};
use crate::deliver::{Pipeline, PushError, SinkError};
use crate::publish::Publishing;
use crate::session::{Now, ObserverConfig};

/// How long a read may wait before it is looked whether to stop, and what waits is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What is read, and how.
#[derive(Debug, Clone)]
pub(crate) struct DecodeConfig {
    /// A file; `-` is standard input.
    pub(crate) input: PathBuf,
    pub(crate) servers: Servers,
    pub(crate) limits: Limits,
    pub(crate) observer: ObserverConfig,
}

/// Why not everything was read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error("{name}: {source}")]
    Capture { name: String, source: CaptureError },
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    Delivery(#[from] PushError),
    #[error("cannot start: {0}")]
    Start(std::io::Error),
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) frames: FrameCounters,
    pub(crate) tcp: TcpCounters,
    pub(crate) sessions: SessionCounters,
    pub(crate) other_blocks: u64,
    pub(crate) clock_steps: u64,
    /// The capture's last packet is not whole.
    pub(crate) is_torn: bool,
}

/// Reads until the capture's end, or until `stop` is cancelled. `publishing` makes messages of statements.
pub(crate) fn run(
    config: &DecodeConfig,
    publishing: Option<&Arc<Publishing>>,
    pipeline: &Pipeline,
    stop: &CancellationToken,
) -> Result<Summary, (Summary, DecodeError)> {
    let mut decoder = match Decoder::new(config, publishing, pipeline) {
        Ok(decoder) => decoder,
        Err(error) => return Err((Summary::default(), error)),
    };
    let result = decoder.read(config, pipeline, stop);
    let summary = decoder.finish();
    if let Some(publishing) = publishing {
        publishing.finish();
    }
    match result {
        Ok(()) => Ok(summary),
        Err(error) => Err((summary, error)),
    }
}

struct Decoder {
    parser: CaptureParser,
    clock: CaptureClock,
    connections: Connections<Sessions>,
    sessions: Sessions,
    frames: FrameCounters,
    is_torn: bool,
    unknown_link: Option<LinkType>,
    /// Where is waited for room.
    runtime: Runtime,
}

impl Decoder {
    fn new(
        config: &DecodeConfig,
        publishing: Option<&Arc<Publishing>>,
        pipeline: &Pipeline,
    ) -> Result<Self, DecodeError> {
        let messages = match publishing {
            Some(publishing) => Some(Messages::new(Arc::clone(publishing), pipeline.ingest()?)),
            None => None,
        };
        Ok(Self {
            parser: CaptureParser::default(),
            clock: CaptureClock::default(),
            connections: Connections::new(config.servers.clone(), config.limits),
            sessions: Sessions::new(config.observer, messages),
            frames: FrameCounters::default(),
            is_torn: false,
            unknown_link: None,
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(DecodeError::Start)?,
        })
    }

    fn read(
        &mut self,
        config: &DecodeConfig,
        pipeline: &Pipeline,
        stop: &CancellationToken,
    ) -> Result<(), DecodeError> {
        let input = Input::open(&config.input)?;
        let damaged = |source| DecodeError::Capture { name: input.name().to_owned(), source };
        let mut last_read = Instant::now();
        while !stop.is_cancelled() {
            match input.read(LOOK)? {
                Read::Bytes(bytes) => {
                    last_read = Instant::now();
                    self.parser.feed(&bytes);
                    self.frames(stop).map_err(damaged)?;
                }
                Read::Nothing => self.time_passes(last_read.elapsed()),
                Read::End => {
                    return match self.parser.finish() {
                        Err(CaptureError::Torn { offset }) => {
                            tracing::warn!(input = input.name(), "{}", CaptureError::Torn { offset });
                            self.is_torn = true;
                            Ok(())
                        }
                        other => other.map_err(damaged),
                    };
                }
            }
            pipeline.check()?;
        }
        Ok(())
    }

    /// All frames that have come.
    fn frames(&mut self, stop: &CancellationToken) -> Result<(), CaptureError> {
        while let Some(frame) = self.parser.next_frame()? {
            self.frames.frames += 1;
            self.frames.bytes += frame.data.len() as u64;
            let now = self.clock.at(frame.time_ns);
            match segment(&frame) {
                Ok(segment) => self.connections.segment(&segment, now, &mut self.sessions),
                Err(no_segment) => {
                    self.frames.note(no_segment);
                    if let NoSegment::UnknownLink(link) = no_segment
                        && self.unknown_link.replace(link) != Some(link)
                    {
                        tracing::warn!(
                            link_type = link.0,
                            "frames of this link type are not known: capture on another interface, or with tcpdump -i any"
                        );
                    }
                }
            }
            if let Some(gate) = self.sessions.take_full() {
                wait(&self.runtime, gate.wait(), stop);
                if stop.is_cancelled() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Nothing has come for so long: what waits for packets that the capture has lost is not kept waiting any longer.
    fn time_passes(&mut self, elapsed: Duration) {
        let latest = self.clock.latest();
        let elapsed_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let now = Now {
            monotonic_ns: latest.monotonic_ns.saturating_add(elapsed_ns),
            epoch_ms: latest.epoch_ms.saturating_add(elapsed_ns / 1_000_000),
        };
        self.connections.advance(now, &mut self.sessions);
    }

    fn finish(mut self) -> Summary {
        self.connections.finish(self.clock.latest(), &mut self.sessions);
        Summary {
            frames: self.frames,
            tcp: self.connections.counters,
            sessions: self.sessions.counters,
            other_blocks: self.parser.other_blocks,
            clock_steps: self.clock.steps,
            is_torn: self.is_torn,
        }
    }
}

/// Waits for something, but not after a stop.
fn wait(runtime: &Runtime, until: impl Future<Output = ()>, stop: &CancellationToken) {
    runtime.block_on(async {
        tokio::select! {
            () = until => {}
            () = stop.cancelled() => {}
        }
    });
}
