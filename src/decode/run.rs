//! From a capture to messages, in one pass.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::capture::{CaptureError, CaptureParser, Input, InputError, LinkType, Read};
use super::clock::CaptureClock;
use super::counters::{FrameCounters, SessionCounters};
use super::fragments::Fragments;
use super::packet::{NoSegment, segment};
use super::recording::Recording;
use super::sessions::{Messages, Sessions};
use super::tcp::{Connections, Limits, Servers, TcpCounters};
use crate::deliver::{Pipeline, PushError, SinkError};
use crate::mirror::MirrorSwitch;
use crate::publish::Publishing;
use crate::recording::{Recorder, RecordingConfig, SpoolSink, StoreError};
use crate::session::{Interest, Now, ObserverConfig};

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

impl DecodeConfig {
    /// Whether packets come as they are captured.
    fn is_live(&self) -> bool {
        self.input == Path::new("-")
    }
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
    #[error("{0} (`record`)")]
    Recording(StoreError),
    #[error("cannot start: {0}")]
    Start(std::io::Error),
}

/// What becomes of sessions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outputs {
    /// Messages are made of their statements.
    pub(crate) publishing: Option<Arc<Publishing>>,
    /// They are recorded.
    pub(crate) recording: Option<RecordingConfig>,
    /// They are done again on a second server, if it is on.
    pub(crate) mirror: MirrorSwitch,
}

impl Outputs {
    /// What their listeners need to hear. `messages`: what those need who make messages.
    fn interest(&self, messages: Interest) -> Interest {
        let messages = if self.publishing.is_some() { messages } else { Interest::empty() };
        let makes_records = self.recording.is_some() || self.mirror.is_on();
        messages | if makes_records { Recorder::<SpoolSink>::INTEREST } else { Interest::empty() }
    }
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) frames: FrameCounters,
    pub(crate) tcp: TcpCounters,
    pub(crate) sessions: SessionCounters,
    pub(crate) other_blocks: u64,
    pub(crate) clock_steps: u64,
    /// What was recorded, for people.
    pub(crate) written: Option<String>,
    /// The capture's last packet is not whole.
    pub(crate) is_torn: bool,
}

/// Reads until the capture's end, or until `stop` is cancelled.
pub(crate) fn run(
    config: &DecodeConfig,
    outputs: &Outputs,
    pipeline: &Pipeline,
    stop: &CancellationToken,
) -> (Summary, Result<(), DecodeError>) {
    let mut decoder = match Decoder::new(config, outputs, pipeline) {
        Ok(decoder) => decoder,
        Err(error) => return (Summary::default(), Err(error)),
    };
    let read = decoder.read(config, pipeline, stop);
    let (summary, finished) = decoder.finish();
    if let Some(publishing) = &outputs.publishing {
        publishing.finish();
    }
    (summary, read.and(finished))
}

struct Decoder {
    parser: CaptureParser,
    clock: CaptureClock,
    connections: Connections<Sessions>,
    sessions: Sessions,
    frames: FrameCounters,
    fragments: Fragments,
    is_torn: bool,
    waits_for_mirror: bool,
    unknown_link: Option<LinkType>,
    /// Where is waited for room.
    runtime: Runtime,
}

impl Decoder {
    fn new(config: &DecodeConfig, outputs: &Outputs, pipeline: &Pipeline) -> Result<Self, DecodeError> {
        let messages = match &outputs.publishing {
            Some(publishing) => Some(Messages::new(Arc::clone(publishing), pipeline.ingest()?)),
            None => None,
        };
        Ok(Self {
            parser: CaptureParser::default(),
            clock: CaptureClock::default(),
            connections: Connections::new(config.servers.clone(), config.limits),
            sessions: Sessions::new(
                ObserverConfig { interest: outputs.interest(config.observer.interest), ..config.observer },
                messages,
                outputs.recording.clone().map(Recording::new),
                outputs.mirror.clone(),
            ),
            waits_for_mirror: !config.is_live() && outputs.mirror.is_on(),
            frames: FrameCounters::default(),
            fragments: Fragments::default(),
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
            self.look_after_recording()?;
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
            match segment(&frame, &mut self.fragments) {
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
            if self.waits_for_mirror {
                self.sessions.mirror.wait_for_room();
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

    /// Writes what is due, and says why nothing more can be written.
    fn look_after_recording(&self) -> Result<(), DecodeError> {
        let Some(recording) = &self.sessions.recording else { return Ok(()) };
        recording.flush_due(self.clock.latest());
        recording.take_error().map_or(Ok(()), |error| Err(DecodeError::Recording(error)))
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

    fn finish(mut self) -> (Summary, Result<(), DecodeError>) {
        self.connections.finish(self.clock.latest(), &mut self.sessions);
        let mut finished = Ok(());
        let written = match self.sessions.recording.as_ref().and_then(Recording::finish) {
            Some(Ok(written)) => Some(written),
            Some(Err(error)) => {
                finished = Err(DecodeError::Recording(error));
                None
            }
            None => None,
        };
        let summary = Summary {
            frames: FrameCounters { joined: self.fragments.joined, ..self.frames },
            tcp: self.connections.counters,
            sessions: self.sessions.counters,
            other_blocks: self.parser.other_blocks,
            clock_steps: self.clock.steps,
            is_torn: self.is_torn,
            written,
        };
        (summary, finished)
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
