//! All messages of a topic, from its beginning to where it ended when the reading began.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use crate::deliver::{ClientLog, KafkaOption, describe_client_error, reader_options};

/// How long a broker may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait for the next message.
const POLL: Duration = Duration::from_millis(100);
/// How long nothing may come before the end.
const SILENCE: Duration = Duration::from_secs(60);

/// Why a topic cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    #[error("Kafka client: {0}")]
    Client(String),
    #[error("no answer from {servers} within 10 s: {reason}")]
    Unreachable { servers: String, reason: String },
    #[error("there is no topic {topic}")]
    NoTopic { topic: String },
    #[error("cannot read topic {topic}: {reason}")]
    Read { topic: String, reason: String },
}

/// Passes on what librdkafka says.
#[derive(Debug, Default)]
pub(super) struct Says(ClientLog);

impl ClientContext for Says {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(&error, reason);
    }
}

impl ConsumerContext for Says {}

/// Whether an error of the consumer goes away by itself.
pub(super) fn is_passing(error: &KafkaError) -> bool {
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

/// Reads a topic once.
pub(crate) struct Scan {
    topic: String,
    consumer: BaseConsumer<Says>,
    /// The partitions that have not been read to their ends, with these.
    ends: BTreeMap<i32, i64>,
}

impl Scan {
    /// Joins no consumer group, and commits nothing.
    pub(crate) fn begin(servers: &str, topic: &str, options: &[KafkaOption]) -> Result<Self, ScanError> {
        if let Some(wrong) = options.iter().find_map(KafkaOption::missing_file) {
            return Err(ScanError::Client(wrong));
        }
        let consumer: BaseConsumer<Says> = reader_options(servers, "import", options)
            .create_with_context(Says::default())
            .map_err(|error| ScanError::Client(describe_client_error(&error)))?;
        let read = |error: KafkaError| ScanError::Read { topic: topic.to_owned(), reason: error.to_string() };
        let mut assignment = TopicPartitionList::new();
        let mut ends = BTreeMap::new();
        for (partition, (low, high)) in partitions(&consumer, servers, topic)? {
            assignment.add_partition_offset(topic, partition, Offset::Offset(low)).map_err(read)?;
            if low < high {
                ends.insert(partition, high);
            }
        }
        consumer.assign(&assignment).map_err(read)?;
        Ok(Self { topic: topic.to_owned(), consumer, ends })
    }

    /// The partitions that have not been read to their ends.
    pub(super) fn partitions_with_messages(&self) -> std::collections::BTreeSet<i32> {
        self.ends.keys().copied().collect()
    }

    /// Calls `take` with each message, until that returns false; those of a partition are in order.
    pub(crate) fn read(mut self, mut take: impl FnMut(&BorrowedMessage<'_>) -> bool) -> Result<(), ScanError> {
        let failed = |topic: &str, reason: String| ScanError::Read { topic: topic.to_owned(), reason };
        let mut last = Instant::now();
        while !self.ends.is_empty() {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    last = Instant::now();
                    let (partition, offset) = (message.partition(), message.offset());
                    let end = self.ends.get(&partition).copied();
                    if end.is_some_and(|end| offset < end) && !take(&message) {
                        return Ok(());
                    }
                    if end.is_some_and(|end| offset + 1 >= end) {
                        self.ends.remove(&partition);
                    }
                    continue;
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.ends.remove(&partition);
                }
                Some(Err(error)) if !is_passing(&error) => return Err(failed(&self.topic, error.to_string())),
                Some(Err(_)) | None => {}
            }
            if last.elapsed() > SILENCE {
                return Err(failed(&self.topic, "no message came for 60 s, and the end is not reached".to_owned()));
            }
        }
        Ok(())
    }
}

/// The partitions of a topic, with the offsets of their first message and past their last.
pub(super) fn partitions<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    servers: &str,
    topic: &str,
) -> Result<BTreeMap<i32, (i64, i64)>, ScanError> {
    let unreachable =
        |error: KafkaError| ScanError::Unreachable { servers: servers.to_owned(), reason: error.to_string() };
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).map_err(unreachable)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic && !found.partitions().is_empty());
    let Some(found) = found else { return Err(ScanError::NoTopic { topic: topic.to_owned() }) };
    let ends = found.partitions().iter().map(|partition| {
        let range = consumer.fetch_watermarks(topic, partition.id(), PATIENCE).map_err(unreachable)?;
        Ok((partition.id(), range))
    });
    ends.collect()
}
