//! Messages and their marker stream.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deliver::batch::Batch;
use crate::deliver::counters::SinkCounter;
use crate::deliver::error::SinkError;
use crate::deliver::kafka::at_least_once::KafkaSink;
use crate::deliver::kafka::chain::Chain;
use crate::deliver::kafka::exactly_once::ExactlyOnceSink;
use crate::deliver::ledger::{AuditConfig, Ledger, MarkerStream};
use crate::deliver::{KafkaConfig, RowsSinkConfig, Sink};

/// What the last records of the marker stream have at least, after the messages.
const LAST_WORDS: Duration = Duration::from_millis(400);

/// A sink whose messages form hash chains, and another for the marker stream that says which of them the brokers have
/// acknowledged, in the topic beside theirs.
pub struct AuditedKafkaSink {
    messages: Box<dyn Sink>,
    markers: KafkaSink,
    stream: MarkerStream,
    /// Records that the second has not taken yet, from an index on.
    waiting: (Batch, usize),
}

impl AuditedKafkaSink {
    /// Opens both.
    pub fn open(config: &KafkaConfig, audit: &AuditConfig) -> Result<Self, SinkError> {
        Self::open_both(&config.topic, audit, |chain| {
            Ok((Box::new(KafkaSink::open_chained(config, chain)?), KafkaSink::open_markers(config)?))
        })
    }

    /// Opens both for rows; the marker stream goes to the topic `markers`.
    pub fn open_rows(config: &RowsSinkConfig, markers: &str, audit: &AuditConfig) -> Result<Self, SinkError> {
        Self::open_both(&config.topic, audit, |chain| {
            let messages = KafkaSink::open_rows_chained(config, &audit.proxy, chain)?;
            Ok((Box::new(messages), KafkaSink::open_row_markers(config, markers)?))
        })
    }

    /// The same for rows that are delivered exactly once: the marker stream, which is outside of their transactions, tells of those that were
    /// committed.
    pub fn open_exactly_once(config: &RowsSinkConfig, markers: &str, audit: &AuditConfig) -> Result<Self, SinkError> {
        let opened = Self::open_both(&config.topic, audit, |chain| {
            let messages = ExactlyOnceSink::open_chained(config, &audit.proxy, chain)?;
            Ok((Box::new(messages), KafkaSink::open_row_markers(config, markers)?))
        })?;
        opened.stream.ledger().await_commits();
        Ok(opened)
    }

    fn open_both(
        topic: &str,
        audit: &AuditConfig,
        open: impl FnOnce(Chain) -> Result<(Box<dyn Sink>, KafkaSink), SinkError>,
    ) -> Result<Self, SinkError> {
        let stream = MarkerStream::new(audit, &format!("kafka:{topic}"), Instant::now());
        let (messages, markers) = open(Chain::new(audit, Arc::clone(stream.ledger())))?;
        Ok(Self { messages, markers, stream, waiting: (Batch::new(), 0) })
    }

    /// The next records, as soon as the brokers have those before: what they say stays in the ledger until then, which has bounds.
    fn mark(&mut self) -> Result<(), SinkError> {
        if self.waiting.1 >= self.waiting.0.len() && self.markers.is_idle() {
            self.waiting.0.clear();
            self.waiting.1 = 0;
            self.stream.confirm();
            self.stream.ledger().delivered_through(self.messages.delivered_through());
            self.stream.tick(Instant::now(), &mut self.waiting.0);
        }
        self.hand_over()
    }

    fn hand_over(&mut self) -> Result<(), SinkError> {
        let (batch, from) = &mut self.waiting;
        while *from < batch.len() {
            match self.markers.write(batch, *from) {
                Ok(taken) => *from += taken,
                Err(SinkError::BufferFull) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Sink for AuditedKafkaSink {
    fn name(&self) -> &str {
        self.messages.name()
    }

    fn identity(&self) -> String {
        self.messages.identity()
    }

    fn holds_for(&self) -> Duration {
        self.messages.holds_for()
    }

    fn attach(&mut self, counter: &Arc<SinkCounter>) {
        self.messages.attach(counter);
        self.stream.attach(counter);
    }

    fn ledger(&self) -> Option<Arc<Ledger>> {
        Some(Arc::clone(self.stream.ledger()))
    }

    fn reads_labels(&self) -> bool {
        self.messages.reads_labels()
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        self.messages.write(batch, from)
    }

    fn delivered_through(&self) -> u64 {
        self.messages.delivered_through()
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        let result = self.messages.tick();
        self.mark()?;
        self.markers.tick()?;
        result
    }

    fn until_tick(&self) -> Duration {
        self.messages.until_tick().min(self.markers.until_tick())
    }

    fn flush(&mut self, deadline: Instant) -> Result<(), SinkError> {
        let result = self.messages.flush(deadline);
        let deadline = deadline.max(Instant::now() + LAST_WORDS);
        // What did not fit before comes first.
        let mut last = self.hand_over();
        let waits = self.waiting.1 < self.waiting.0.len();
        if !waits {
            self.waiting.0.clear();
            self.waiting.1 = 0;
        }
        self.stream.ledger().delivered_through(self.messages.delivered_through());
        self.stream.finish(&mut self.waiting.0);
        while last.is_ok() && self.waiting.1 < self.waiting.0.len() && Instant::now() < deadline {
            last = self.hand_over().and_then(|()| self.markers.tick());
        }
        match last.and_then(|()| self.markers.flush(deadline)) {
            Ok(()) => self.stream.confirm(),
            Err(error) => {
                tracing::error!(sink = "kafka", %error, "the marker stream has no end: the last messages cannot be proven");
            }
        }
        result
    }
}
