//! A recorder's records into a topic.

use std::time::{Duration, Instant};

use super::wire::encode;
use crate::deliver::{Batch, KafkaOption, KafkaSink, OnRefused, RowsSinkConfig, Sink};
use crate::recording::{Event, Record, RecordStore, RecordingAbout, StoreError};
use crate::session::Now;

/// Bytes that are handed over together.
const BATCH_BYTES: usize = 64 << 10;
/// A record that would be larger goes without its text, values and files: brokers accept messages of up to 1 MiB by default.
const LARGEST: usize = 900_000;
/// How long the end of a recording waits for the brokers.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);

/// Where records go.
#[derive(Debug, Clone)]
pub struct TopicConfig {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// Properties of librdkafka.
    pub options: Vec<KafkaOption>,
    /// Bytes that may be in flight at a time.
    pub in_flight_bytes: usize,
}

/// Writes records to a topic, each keyed by its session.
///
/// While the brokers take nothing a write waits: whoever records has a bounded queue before it, and a gap where that is full.
pub struct TopicWriter {
    topic: String,
    about: RecordingAbout,
    sink: KafkaSink,
    batch: Batch,
    next: u64,
    records: u64,
    cut: u64,
}

impl TopicWriter {
    /// Fails only if librdkafka refuses an option; brokers that cannot be reached are no error.
    pub fn open(config: TopicConfig, about: RecordingAbout) -> Result<Self, StoreError> {
        let sink = KafkaSink::open_rows(&RowsSinkConfig {
            bootstrap_servers: config.brokers,
            topic: config.topic.clone(),
            in_flight_bytes: config.in_flight_bytes,
            transactions: None,
            on_refused: OnRefused::Fail,
            options: config.options,
        })?;
        Ok(Self { topic: config.topic, about, sink, batch: Batch::new(), next: 1, records: 0, cut: 0 })
    }

    fn push(&mut self, record: &Record) -> Result<(), StoreError> {
        let before = self.batch.byte_len();
        let about = &self.about;
        let written = self.batch.push_routed(None, |value, key| {
            let start = value.len();
            key.extend_from_slice(record.session.to_string().as_bytes());
            encode(record, about, value).map_err(StoreError::from)?;
            if value.len() - start > LARGEST { Err(StoreError::from("too large")) } else { Ok(()) }
        });
        if written.is_err() && self.batch.byte_len() == before {
            self.cut += 1;
            let smaller = without_content(record);
            self.batch.push_routed(None, |value, key| {
                key.extend_from_slice(record.session.to_string().as_bytes());
                encode(&smaller, about, value).map_err(StoreError::from)
            })?;
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), StoreError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.batch.set_position(self.next);
        let mut from = 0;
        while from < self.batch.len() {
            let taken = self.sink.write(&self.batch, from)?;
            from += taken;
            if taken == 0 {
                self.sink.tick()?;
                std::thread::sleep(PAUSE);
            }
        }
        self.next += self.batch.len() as u64;
        self.batch.clear();
        Ok(())
    }
}

/// A record whose content is too large for a message: it says so, and is not replayed.
fn without_content(record: &Record) -> Record {
    let mut record = record.clone();
    match &mut record.event {
        Event::Command(command) => {
            command.truncated = true;
            // So much of the text that its digest is right for all but the oddest.
            let front = command.sql.as_ref().and_then(|sql| sql.get(..LARGEST / 8)).map(<[u8]>::to_vec);
            if let Some(front) = front {
                command.sql = Some(front.into());
            }
            command.params.clear();
            command.attributes.clear();
            command.files.clear();
            command.argument = None;
        }
        Event::Begin(begin) => begin.prepared.clear(),
        Event::Lost(_) | Event::End(_) => {}
    }
    record
}

impl RecordStore for TopicWriter {
    fn write(&mut self, record: &Record) -> Result<(), StoreError> {
        self.push(record)?;
        self.records += 1;
        if self.batch.byte_len() >= BATCH_BYTES { self.hand_over() } else { Ok(()) }
    }

    fn flush_due(&mut self, _now: Now) -> Result<(), StoreError> {
        self.hand_over()?;
        Ok(self.sink.tick()?)
    }

    fn finish(mut self: Box<Self>) -> Result<String, StoreError> {
        self.hand_over()?;
        self.sink.flush(Instant::now() + PATIENCE)?;
        let cut = match self.cut {
            0 => String::new(),
            cut => format!(", {cut} of them without their content, which was too large for a message"),
        };
        Ok(format!("{} records in topic {}{cut}", self.records, self.topic))
    }
}
