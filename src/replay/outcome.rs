//! What came of it: differences for the report, and the target's answers as a recording.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc::Receiver;

use super::error::ReplayError;
use super::event::{Done, Event, Failed};
use super::shared::Shared;
use crate::recording::disk::{RecordingWriter, WriterOptions};
use crate::recording::{Event as RecordedEvent, Record, RecordingAbout, RecordingSource};
use crate::report::{Collector, CollectorOptions, DifferenceClass, Execution, SessionFailure};

/// The results' folder within that of a report.
const RESULTS: &str = "results";

/// How many answers are taken in at once.
const BATCH: usize = 1024;
/// How long answers gather before the next are taken in: to be woken for each of them costs more than to compare it.
const GATHER: Duration = Duration::from_millis(2);

/// Takes in what happens, on a thread of its own.
#[derive(Debug)]
pub(super) struct Taker {
    thread: JoinHandle<(Collector, Result<(), String>)>,
    dir: Option<PathBuf>,
}

impl Taker {
    /// Makes the results' folder, if there is to be a report.
    pub(super) fn start(shared: Arc<Shared>, events: Receiver<Event>, server: Server) -> Result<Self, ReplayError> {
        let dir = shared.config.reporting.as_ref().map(|reporting| reporting.dir.clone());
        let writer = match &shared.config.reporting {
            Some(reporting) => {
                let failed = |reason: String| ReplayError::Report { dir: reporting.dir.clone(), reason };
                std::fs::create_dir_all(&reporting.dir).map_err(|error| failed(error.to_string()))?;
                let options = WriterOptions { key: reporting.key.as_deref().cloned(), ..WriterOptions::default() };
                let about = about(&shared, server);
                let writer = RecordingWriter::create(&reporting.dir.join(RESULTS), &about, options);
                Some(writer.map_err(|error| failed(error.to_string()))?)
            }
            None => None,
        };
        let options = CollectorOptions { time: shared.config.time_limits, ..CollectorOptions::default() };
        let take = Take { shared, collector: Collector::new(options), writer, broken: Ok(()) };
        let thread = thread::Builder::new().name("outcome".to_owned()).spawn(move || take.run(events))?;
        Ok(Self { thread, dir })
    }

    /// Waits for the last of it.
    pub(super) fn finish(self) -> Result<Collector, ReplayError> {
        let (collector, written) =
            self.thread.join().map_err(|_| std::io::Error::other("the thread of the outcome has panicked"))?;
        let dir = self.dir.unwrap_or_default();
        written.map_err(|reason| ReplayError::Report { dir, reason })?;
        Ok(collector)
    }
}

/// The target.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) address: String,
    pub(super) version: String,
    /// The random number of the recorder whose sessions these are.
    pub(super) recorder: u32,
}

fn about(shared: &Shared, server: Server) -> RecordingAbout {
    let mut about = RecordingAbout::new(RecordingSource::Replay, server.recorder, shared.clock.now().epoch_ms);
    about.server = Some(server.address);
    about.server_version = Some(server.version);
    about
}

struct Take {
    shared: Arc<Shared>,
    collector: Collector,
    writer: Option<RecordingWriter>,
    broken: Result<(), String>,
}

impl Take {
    fn run(mut self, mut events: Receiver<Event>) -> (Collector, Result<(), String>) {
        let mut batch = Vec::with_capacity(BATCH);
        'all: while events.blocking_recv_many(&mut batch, BATCH) > 0 {
            let is_full = batch.len() == BATCH;
            for event in batch.drain(..) {
                match event {
                    Event::Began { session, begin, started } => {
                        self.collector.session_began();
                        self.write(Record { session, number: 0, started, event: RecordedEvent::Begin(begin) });
                    }
                    Event::Done(done) => self.done(*done),
                    Event::Failed(failed) => self.failed(&failed),
                    Event::Over => break 'all,
                }
            }
            if !is_full {
                thread::sleep(GATHER);
            }
        }
        let finished =
            self.writer.take().map_or(Ok(()), |writer| writer.finish().map(drop).map_err(|error| error.to_string()));
        let broken = self.broken.and(finished);
        (self.collector, broken)
    }

    fn done(&mut self, done: Done) {
        let Done { record, observed, started, started_ns, lexis, lateness, is_kept } = done;
        let RecordedEvent::Command(expected) = &record.record.event else { return };
        let found = self.collector.add(&Execution {
            session: record.record.session,
            number: record.record.number,
            lexis,
            expected,
            observed: &observed,
            recorded_ns: record.record.started.monotonic_ns,
            started_ns,
            lateness,
        });
        if let Some(found) = found {
            self.shared.counters.different.add(1);
            if found.class == DifferenceClass::Error {
                self.shared.counters.new_errors.add(1);
            }
        }
        if is_kept {
            let (session, number) = (record.record.session, record.record.number);
            self.write(Record { session, number, started, event: RecordedEvent::Command(Box::new(observed)) });
        }
    }

    fn failed(&mut self, failed: &Failed) {
        let user = failed.user.as_deref().unwrap_or("nobody");
        let reason = if failed.number == 0 { "not opened" } else { "the connection to the target was lost" };
        let expected = if failed.number == 0 { "logged in" } else { "went on" };
        self.collector.session_failed(&SessionFailure {
            session: failed.session,
            number: failed.number,
            expected,
            reason,
            detail: &failed.reason,
        });
        if self.shared.counters.sessions_failed.get() <= 10 {
            tracing::warn!(session = %failed.session, user, "{reason}: {}", failed.reason);
        }
    }

    fn write(&mut self, record: Record) {
        let Some(writer) = &mut self.writer else { return };
        let written = writer.write(&record).and_then(|()| writer.flush_due(record.started));
        if let Err(error) = written {
            // The replay goes on: the report does not need the results.
            tracing::error!("the results are not written any more: {error}");
            self.broken = Err(error.to_string());
            self.writer = None;
        }
    }
}
