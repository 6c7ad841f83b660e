//! Topics: which there are, where to begin reading them, and their messages.

mod whole;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use regex::Regex;

use super::block::{Block, Record, Spot};
use super::source::{Progress, Source, SourceError, Step};
use crate::deliver::KafkaOption;
use crate::deliver::{ClientLog, describe_client_error, reader_options};
pub(crate) use whole::Watermarks;

/// How long to wait for the next message before looking whether to stop.
const POLL: Duration = Duration::from_millis(100);
/// How long a broker may take to answer.
pub(crate) const BROKER_PATIENCE: Duration = Duration::from_secs(10);

/// Keeps what librdkafka says, to explain why there is no answer.
#[derive(Debug, Default)]
pub(crate) struct Events {
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

pub(crate) struct Topics {
    consumer: Arc<BaseConsumer<Events>>,
    servers: String,
    partitions: BTreeMap<String, Vec<i32>>,
}

impl Topics {
    /// Asks the brokers for their topics; `client` is what we are called there.
    pub(crate) fn connect(servers: &str, client: &str, options: &[KafkaOption]) -> Result<Self, SourceError> {
        if let Some(wrong) = options.iter().find_map(KafkaOption::missing_file) {
            return Err(SourceError::Client(wrong));
        }
        let consumer: BaseConsumer<Events> = reader_options(servers, client, options)
            .create_with_context(Events::default())
            .map_err(|error| SourceError::Client(describe_client_error(&error)))?;
        let asked = consumer.fetch_metadata(None, BROKER_PATIENCE);
        let metadata = asked.map_err(|error| unreachable(&consumer, servers, &error.to_string()))?;
        let topics = metadata.topics().iter();
        let partitions = topics.map(|topic| {
            (topic.name().to_owned(), topic.partitions().iter().map(|partition| partition.id()).collect())
        });
        let partitions = partitions.collect();
        Ok(Self { consumer: Arc::new(consumer), servers: servers.to_owned(), partitions })
    }

    /// The brokers have stopped answering.
    fn silent(&self) -> SourceError {
        unreachable(&self.consumer, &self.servers, "nothing more came")
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.partitions.keys().map(String::as_str)
    }

    /// The given topics, if all of them exist.
    pub(crate) fn named(&self, names: &[String]) -> Result<Vec<String>, SourceError> {
        match names.iter().find(|name| !self.partitions.contains_key(*name)) {
            Some(unknown) => Err(SourceError::UnknownTopic { topic: unknown.clone(), known: self.known() }),
            None => Ok(names.to_vec()),
        }
    }

    /// The topics that match, Kafka's internal ones excepted.
    pub(crate) fn matching(&self, pattern: &Regex) -> Result<Vec<String>, SourceError> {
        let matching = self.names().filter(|name| !name.starts_with("__") && pattern.is_match(name));
        let matching: Vec<_> = matching.map(str::to_owned).collect();
        if matching.is_empty() {
            return Err(SourceError::NoMatch { pattern: pattern.to_string(), known: self.known() });
        }
        Ok(matching)
    }

    fn known(&self) -> String {
        let names: Vec<_> = self.names().filter(|name| !name.starts_with("__")).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// Starts reading `topics` from the beginning, or with the last `tail` messages of each partition.
    fn assign(&self, topics: &[String], tail: Option<u32>) -> Result<(Ends, u64), SourceError> {
        let mut assignment = TopicPartitionList::new();
        let (mut ends, mut total) = (Ends::default(), 0);
        for topic in topics {
            let failed = |source| SourceError::Topic { topic: topic.clone(), source };
            for &partition in self.partitions.get(topic).into_iter().flatten() {
                let (low, high) = self.consumer.fetch_watermarks(topic, partition, BROKER_PATIENCE).map_err(failed)?;
                let start = match tail {
                    None => low,
                    Some(tail) => self.tail_start(topic, partition, low..high, tail)?,
                };
                assignment.add_partition_offset(topic, partition, Offset::Offset(start)).map_err(failed)?;
                if start < high {
                    total += high.abs_diff(start);
                    ends.0.insert((topic.clone(), partition), high);
                }
            }
        }
        self.consumer.assign(&assignment).map_err(SourceError::Read)?;
        Ok((ends, total))
    }

    /// The offset of the last `tail` messages. Counting back is not enough: transaction markers have offsets too, and compaction leaves gaps.
    fn tail_start(&self, topic: &str, partition: i32, all: Range<i64>, tail: u32) -> Result<i64, SourceError> {
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
    fn offsets(&self, topic: &str, partition: i32, range: Range<i64>) -> Result<Vec<i64>, SourceError> {
        let mut assignment = TopicPartitionList::new();
        let failed = |source| SourceError::Topic { topic: topic.to_owned(), source };
        assignment.add_partition_offset(topic, partition, Offset::Offset(range.start)).map_err(failed)?;
        self.consumer.assign(&assignment).map_err(failed)?;
        let mut ends = Ends(HashMap::from([((topic.to_owned(), partition), range.end)]));
        let mut offsets = Vec::new();
        let deadline = Instant::now() + BROKER_PATIENCE;
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
                Some(Err(error)) if !is_passing(&error) => return Err(SourceError::Read(error)),
                Some(Err(_)) | None => {}
            }
            if let Ok(positions) = self.consumer.position() {
                ends.pass_positions(&positions);
            }
        }
        Ok(offsets)
    }
}

/// Why there is no answer, as far as librdkafka says.
fn unreachable(consumer: &BaseConsumer<Events>, servers: &str, otherwise: &str) -> SourceError {
    // Lets librdkafka report what happened while we waited.
    let _ = consumer.poll(Duration::ZERO);
    let said = consumer.context().last_error.lock().ok().and_then(|last_error| last_error.clone());
    SourceError::Unreachable {
        servers: servers.to_owned(),
        seconds: BROKER_PATIENCE.as_secs(),
        reason: said.unwrap_or_else(|| otherwise.to_owned()),
    }
}

/// The partitions that have not been read to their end yet, with the offset after the last message at the start.
#[derive(Debug, Default)]
struct Ends(HashMap<(String, i32), i64>);

impl Ends {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes that the message at `offset` was read; returns whether it was there at the start.
    fn pass(&mut self, topic: &str, partition: i32, offset: i64) -> bool {
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
    fn pass_positions(&mut self, positions: &TopicPartitionList) {
        for position in positions.elements() {
            if let Offset::Offset(next) = position.offset() {
                self.pass(position.topic(), position.partition(), next - 1);
            }
        }
    }
}

/// Whether an error of the consumer goes away by itself.
pub(crate) fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
        )
    )
}

/// Reads topics.
pub(crate) struct TopicSource {
    topics: Topics,
    /// The names that blocks have.
    names: HashMap<String, Arc<str>>,
    proxies: HashMap<Vec<u8>, Arc<str>>,
    ends: Ends,
    follows: bool,
    done: u64,
    total: u64,
}

/// A block has this many bytes of messages, if they are there without waiting.
const BLOCK: usize = 256 * 1024;
/// As many processes as are told apart at a time.
const PROXIES: usize = 1000;

impl TopicSource {
    /// Begins with the oldest messages, or with the last `tail` of each partition. Ends where the topics ended now, unless it `follows`.
    pub(crate) fn new(topics: Topics, names: &[String], tail: Option<u32>, follows: bool) -> Result<Self, SourceError> {
        let (ends, total) = topics.assign(names, tail)?;
        Ok(Self { topics, names: HashMap::new(), proxies: HashMap::new(), ends, follows, done: 0, total })
    }

    fn take(&mut self, message: &BorrowedMessage<'_>, block: &mut Block) {
        let before_end = self.ends.pass(message.topic(), message.partition(), message.offset());
        self.done += u64::from(before_end);
        // A tombstone has none.
        let Some(payload) = message.payload().filter(|_| before_end || self.follows) else { return };
        let name = match self.names.get(message.topic()) {
            Some(name) => Arc::clone(name),
            None => {
                let name: Arc<str> = message.topic().into();
                self.names.insert(message.topic().to_owned(), Arc::clone(&name));
                name
            }
        };
        let spot = Spot::Offset { partition: message.partition(), offset: message.offset() };
        let mut record = Record { name, spot, ..Record::default() };
        for header in message.headers().into_iter().flat_map(Headers::iter) {
            let text = header.value.and_then(|value| std::str::from_utf8(value).ok());
            match header.key {
                "seq" => record.seq = text.and_then(|text| text.parse().ok()),
                "proxy" => record.proxy = header.value.and_then(|value| self.proxy(value)),
                "digest" => record.digest = text.and_then(|text| text.parse().ok()),
                "cut" => record.is_cut = true,
                _ => {}
            }
        }
        block.push(record, |out| out.extend_from_slice(payload));
    }

    /// The same text for all messages of a process.
    fn proxy(&mut self, value: &[u8]) -> Option<Arc<str>> {
        if let Some(known) = self.proxies.get(value) {
            return Some(Arc::clone(known));
        }
        let name: Arc<str> = std::str::from_utf8(value).ok()?.into();
        if self.proxies.len() >= PROXIES {
            self.proxies.clear();
        }
        self.proxies.insert(value.to_vec(), Arc::clone(&name));
        Some(name)
    }
}

impl Source for TopicSource {
    fn read(&mut self, block: &mut Block) -> Result<Step, SourceError> {
        block.clear();
        while self.follows || !self.ends.is_empty() {
            let wait = if block.is_empty() { POLL } else { Duration::ZERO };
            // The consumer outlives the message that is borrowed from it, and the rest is not its own.
            let consumer = Arc::clone(&self.topics.consumer);
            match consumer.poll(wait) {
                Some(Ok(message)) => {
                    self.take(&message, block);
                    if block.byte_len() >= BLOCK {
                        return Ok(Step::Filled);
                    }
                    continue;
                }
                Some(Err(KafkaError::PartitionEOF(_))) | None => {}
                // librdkafka keeps trying by itself.
                Some(Err(error)) if is_passing(&error) => {}
                Some(Err(error)) => return Err(SourceError::Read(error)),
            }
            // Offsets without a message (compacted, or marks of transactions) pass unseen.
            if let Ok(positions) = consumer.position() {
                self.ends.pass_positions(&positions);
            }
            return Ok(if block.is_empty() { Step::Waiting } else { Step::Filled });
        }
        Ok(if block.is_empty() { Step::End } else { Step::Filled })
    }

    fn progress(&self) -> Option<Progress> {
        (!self.follows).then_some(Progress { done: self.done.min(self.total), total: self.total })
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
