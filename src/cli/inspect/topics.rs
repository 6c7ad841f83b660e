//! Which topics and partitions there are, and where to begin reading them.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use regex::Regex;

use super::error::{InspectError, is_passing};
use crate::deliver::KafkaOption;
use crate::deliver::{ClientLog, describe_client_error, reader_options};

/// How long to wait for the next message before looking whether to stop.
pub(super) const POLL: Duration = Duration::from_millis(100);
/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keeps what librdkafka says, to explain why there is no answer.
#[derive(Debug, Default)]
pub(super) struct Events {
    last_error: Mutex<Option<String>>,
    log: ClientLog,
}

impl ClientContext for Events {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Why a connection fails (refused, login wrong) is only in these lines.
        if facility == "FAIL"
            && let Ok(mut last_error) = self.last_error.lock()
        {
            // Without `[thrd:broker]: ` in front.
            let message = message.split_once("]: ").map_or(message, |(_, message)| message);
            *last_error = Some(message.to_owned());
        }
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Ok(mut last_error) = self.last_error.lock() {
            last_error.get_or_insert_with(|| reason.to_owned());
        }
        self.log.error(&error, reason);
    }
}

impl ConsumerContext for Events {}

pub(super) struct Topics {
    consumer: BaseConsumer<Events>,
    partitions: BTreeMap<String, Vec<i32>>,
}

impl Topics {
    /// Asks the brokers for their topics.
    pub(super) fn connect(servers: &str, options: &[KafkaOption]) -> Result<Self, InspectError> {
        if let Some(wrong) = options.iter().find_map(KafkaOption::missing_file) {
            return Err(InspectError::Client(wrong));
        }
        let consumer: BaseConsumer<Events> = reader_options(servers, "inspect", options)
            .create_with_context(Events::default())
            .map_err(|error| InspectError::Client(describe_client_error(&error)))?;
        let metadata = consumer.fetch_metadata(None, PATIENCE).map_err(|error| {
            // Lets librdkafka report what happened while we waited.
            let _ = consumer.poll(Duration::ZERO);
            let said = consumer.context().last_error.lock().ok().and_then(|last_error| last_error.clone());
            InspectError::Unreachable {
                servers: servers.to_owned(),
                seconds: PATIENCE.as_secs(),
                reason: said.unwrap_or_else(|| error.to_string()),
            }
        })?;
        let topics = metadata.topics().iter();
        let partitions = topics.map(|topic| {
            (topic.name().to_owned(), topic.partitions().iter().map(|partition| partition.id()).collect())
        });
        let partitions = partitions.collect();
        Ok(Self { consumer, partitions })
    }

    pub(super) fn consumer(&self) -> &BaseConsumer<Events> {
        &self.consumer
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.partitions.keys().map(String::as_str)
    }

    /// The given topics, if all of them exist.
    pub(super) fn named(&self, names: &[String]) -> Result<Vec<String>, InspectError> {
        match names.iter().find(|name| !self.partitions.contains_key(*name)) {
            Some(unknown) => Err(InspectError::UnknownTopic { topic: unknown.clone(), known: self.known() }),
            None => Ok(names.to_vec()),
        }
    }

    /// The topics that match, Kafka's internal ones excepted.
    pub(super) fn matching(&self, pattern: &Regex) -> Result<Vec<String>, InspectError> {
        let matching = self.names().filter(|name| !name.starts_with("__") && pattern.is_match(name));
        let matching: Vec<_> = matching.map(str::to_owned).collect();
        if matching.is_empty() {
            return Err(InspectError::NoMatch { pattern: pattern.to_string(), known: self.known() });
        }
        Ok(matching)
    }

    fn known(&self) -> String {
        let names: Vec<_> = self.names().filter(|name| !name.starts_with("__")).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// Starts reading `topics` from the beginning, or with the last `tail` messages of each partition.
    pub(super) fn assign(&self, topics: &[String], tail: Option<u32>) -> Result<Ends, InspectError> {
        let mut assignment = TopicPartitionList::new();
        let mut ends = Ends::default();
        for topic in topics {
            let failed = |source| InspectError::Topic { topic: topic.clone(), source };
            for &partition in self.partitions.get(topic).into_iter().flatten() {
                let (low, high) = self.consumer.fetch_watermarks(topic, partition, PATIENCE).map_err(failed)?;
                let start = match tail {
                    None => low,
                    Some(tail) => self.tail_start(topic, partition, low..high, tail)?,
                };
                assignment.add_partition_offset(topic, partition, Offset::Offset(start)).map_err(failed)?;
                if start < high {
                    ends.0.insert((topic.clone(), partition), high);
                }
            }
        }
        self.consumer.assign(&assignment).map_err(InspectError::Read)?;
        Ok(ends)
    }

    /// The offset of the last `tail` messages. Counting back is not enough: transaction markers have offsets too, and compaction leaves gaps.
    fn tail_start(&self, topic: &str, partition: i32, all: Range<i64>, tail: u32) -> Result<i64, InspectError> {
        let wanted = usize::try_from(tail).unwrap_or(usize::MAX);
        let mut step = i64::from(tail);
        let (mut start, mut end) = (all.end, all.end);
        // The newest first.
        let mut offsets = Vec::new();
        while offsets.len() < wanted && start > all.start {
            start = start.saturating_sub(step).max(all.start);
            let mut found = self.offsets(topic, partition, start..end)?;
            found.reverse();
            offsets.append(&mut found);
            end = start;
            step = step.saturating_mul(2);
        }
        Ok(match wanted.checked_sub(1).and_then(|last| offsets.get(last)) {
            Some(offset) => *offset,
            // There are fewer.
            None => start,
        })
    }

    /// The offsets within `range` that have a message.
    fn offsets(&self, topic: &str, partition: i32, range: Range<i64>) -> Result<Vec<i64>, InspectError> {
        let mut assignment = TopicPartitionList::new();
        let failed = |source| InspectError::Topic { topic: topic.to_owned(), source };
        assignment.add_partition_offset(topic, partition, Offset::Offset(range.start)).map_err(failed)?;
        self.consumer.assign(&assignment).map_err(failed)?;
        let mut ends = Ends(HashMap::from([((topic.to_owned(), partition), range.end)]));
        let mut offsets = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while !ends.is_empty() && Instant::now() < deadline {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    if ends.pass(topic, partition, message.offset()) {
                        offsets.push(message.offset());
                    } else {
                        break;
                    }
                    continue;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) if !is_passing(&error) => return Err(InspectError::Read(error)),
                Some(Err(_)) | None => {}
            }
            if let Ok(positions) = self.consumer.position() {
                ends.pass_positions(&positions);
            }
        }
        Ok(offsets)
    }
}

/// The partitions that have not been read to their end yet, with the offset after the last message at the start.
#[derive(Debug, Default)]
pub(super) struct Ends(HashMap<(String, i32), i64>);

impl Ends {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes that the message at `offset` was read; returns whether it was there at the start.
    pub(super) fn pass(&mut self, topic: &str, partition: i32, offset: i64) -> bool {
        let place = (topic.to_owned(), partition);
        let Some(end) = self.0.get(&place).copied() else {
            return false;
        };
        if offset + 1 >= end {
            self.0.remove(&place);
        }
        offset < end
    }

    /// Notes how far the consumer has read.
    pub(super) fn pass_positions(&mut self, positions: &TopicPartitionList) {
        for position in positions.elements() {
            if let Offset::Offset(next) = position.offset() {
                self.pass(position.topic(), position.partition(), next - 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_stops_where_the_partition_ended_at_the_start() {
        let mut ends = Ends::default();
        ends.0.insert(("t".to_owned(), 0), 2);
        assert!(ends.pass("t", 0, 0));
        assert!(!ends.is_empty());
        assert!(ends.pass("t", 0, 1));
        assert!(ends.is_empty());
        assert!(!ends.pass("t", 0, 2));
    }
}
