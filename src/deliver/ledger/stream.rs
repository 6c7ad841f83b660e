//! A marker stream while it is written.

use std::sync::Arc;
use std::time::Instant;

use super::{AuditConfig, Counts, Ledger};
use crate::audit::{Event, Manifest, Marker, Scribe, SessionClaims, Started, StreamPosition, Totals};
use crate::clocks;
use crate::deliver::batch::Batch;
use crate::deliver::counters::{LossReason, SinkCounter};
use crate::deliver::queue::lock;

/// So many runs of messages in one record at most: Kafka takes no record of more than a megabyte.
const CLAIMS_A_RECORD: usize = 2_000;

/// Makes the records of one sink: of each event, and a marker at each interval.
#[derive(Debug)]
pub(crate) struct MarkerStream {
    ledger: Arc<Ledger>,
    scribe: Scribe,
    config: AuditConfig,
    sink: String,
    counter: Option<Arc<SinkCounter>>,
    started: bool,
    markers: u64,
    last_marker: Instant,
    /// The number of the boundary that the last marker has.
    marked: u64,
}

impl MarkerStream {
    /// For the sink of this name.
    pub(crate) fn new(config: &AuditConfig, sink: &str, now: Instant) -> Self {
        Self {
            ledger: Arc::new(Ledger::new(config)),
            scribe: Scribe::new(config.instance, config.signer.clone()),
            config: config.clone(),
            sink: sink.to_owned(),
            counter: None,
            started: false,
            markers: 0,
            last_marker: now,
            marked: 0,
        }
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Where the sink's losses are counted.
    pub(crate) fn attach(&mut self, counter: &Arc<SinkCounter>) {
        self.counter = Some(Arc::clone(counter));
    }

    /// Adds a record for each event that is new, and the marker that is due. What a marker says is in the ledger: only what the sink has.
    pub(crate) fn tick(&mut self, now: Instant, out: &mut Batch) {
        if now.saturating_duration_since(self.last_marker) >= self.config.interval {
            return self.mark_now(now, out);
        }
        self.begin(out);
        self.events(out);
    }

    /// The same with a marker, whether it is due or not.
    pub(crate) fn mark_now(&mut self, now: Instant, out: &mut Batch) {
        self.begin(out);
        self.events(out);
        self.last_marker = now;
        self.mark(out);
    }

    /// The records so far are delivered.
    pub(crate) fn confirm(&mut self) {
        if self.marked > 0 {
            lock(&self.ledger.state).stream.covered = std::mem::take(&mut self.marked);
        }
    }

    /// The last records: what is new, a marker, and the end.
    pub(crate) fn finish(&mut self, out: &mut Batch) {
        self.begin(out);
        self.events(out);
        self.mark(out);
        let totals = self.totals(lock(&self.ledger.state).counts);
        self.write(clocks::epoch_ms(), &Event::InstanceStopped(totals), out);
    }

    /// A file is finished.
    pub(crate) fn file_finished(&mut self, manifest: Manifest, out: &mut Batch) {
        self.begin(out);
        self.write(clocks::epoch_ms(), &Event::FileFinished(manifest), out);
    }

    /// Adds the record of the start, which comes before everything that the process writes, if it was not added yet.
    pub(crate) fn begin(&mut self, out: &mut Batch) {
        if !std::mem::replace(&mut self.started, true) {
            let started = Started {
                proxy: self.config.proxy.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                sink: self.sink.clone(),
                markers_ms: u64::try_from(self.config.interval.as_millis()).unwrap_or(u64::MAX),
                public_key: self.config.signer.as_ref().map(|signer| signer.public_key().to_string()),
            };
            self.write(clocks::epoch_ms(), &Event::InstanceStarted(started), out);
        }
    }

    fn events(&mut self, out: &mut Batch) {
        let events = std::mem::take(&mut lock(&self.ledger.state).events);
        for (time, event) in events {
            self.write(time, &event, out);
        }
    }

    /// A marker: one record, or several of the same number.
    fn mark(&mut self, out: &mut Batch) {
        let (sessions, counts, reached) = {
            let mut state = lock(&self.ledger.state);
            (std::mem::take(&mut state.sessions), state.counts, state.stream.reached.clone())
        };
        let position = reached.as_ref().map(|reached| StreamPosition::clone(&reached.position));
        self.marked = reached.map_or(0, |reached| reached.number);
        let own = self.config.instance;
        let claims = sessions.into_iter();
        let claims = claims.map(|((of, session), account)| account.claims(Some(of).filter(|of| *of != own), session));
        let mut claims = claims.peekable();
        self.markers += 1;
        let time = clocks::epoch_ms();
        loop {
            let (mut sessions, mut room) = (Vec::new(), CLAIMS_A_RECORD);
            while let Some(next) = claims.next_if(|claims| sessions.is_empty() || size(claims) <= room) {
                room = room.saturating_sub(size(&next));
                sessions.push(next);
            }
            let is_last = claims.peek().is_none();
            // What a marker says of a position is true when all of its records are there.
            let position = position.clone().filter(|_| is_last);
            let marker = Marker { marker: self.markers, position, sessions, totals: self.totals(counts) };
            self.write(time, &Event::Marker(marker), out);
            if is_last {
                return;
            }
        }
    }

    fn totals(&self, counts: Counts) -> Totals {
        let Counts { statements, rows, delivered, opened, denied, closed, sight_lost, events_lost } = counts;
        let reasons = LossReason::ALL.into_iter().filter_map(|reason| {
            let lost = self.counter.as_ref().map_or(0, |counter| counter.lost(reason));
            (lost > 0).then(|| (reason.label().to_owned(), lost))
        });
        let lost = reasons.collect();
        Totals { statements, rows, delivered, lost, opened, denied, closed, sight_lost, events_lost }
    }

    fn write(&mut self, time: u64, event: &Event, out: &mut Batch) {
        let written = out.push_routed(None, |value, key| {
            // One key, so that the stream keeps its order in Kafka.
            key.extend_from_slice(self.config.instance.to_string().as_bytes());
            self.scribe.write(event, time, value)
        });
        if let Err(error) = written {
            tracing::error!(%error, "a record of the marker stream could not be written, which is a bug");
        }
    }
}

fn size(claims: &SessionClaims) -> usize {
    1 + claims.delivered.len() + claims.lost.len()
}
