//! Checkpoints in a Kafka topic: for each name, the last record counts.

use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::binlog::checkpoint::Checkpoint;
use crate::deliver::KafkaOption;
use crate::deliver::{SinkError, TransactionSettings, client_options, describe_client_error, reader_options};

const PATIENCE: Duration = Duration::from_secs(60);
/// How many records are read first, from the end; then eight times as many, and so on.
const FIRST_STEP: i64 = 500;
/// At worst the whole topic is read, and only complete segments are compacted.
const SEGMENT_BYTES: &str = "16777216";

/// Makes the topic if it is missing: one partition, compacted.
pub(crate) fn create(servers: &str, options: &[KafkaOption], topic: &str) -> Result<(), SinkError> {
    let client: AdminClient<_> = client_options(servers, &[], options)
        .create()
        .map_err(|error: KafkaError| SinkError::Client { reason: describe_client_error(&error) })?;
    let wanted = NewTopic::new(topic, 1, TopicReplication::Fixed(-1))
        .set("cleanup.policy", "compact")
        .set("segment.bytes", SEGMENT_BYTES);
    tracing::info!(topic, servers, "asking Kafka for the last checkpoint");
    let timeouts = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
    // The client has a thread of its own: the runtime is needed only to wait.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|source| SinkError::Thread { name: "checkpoint-topic".to_owned(), source })?;
    let failed = |reason: String| SinkError::Client {
        reason: format!(
            "checkpoint topic {topic} at {servers}: {reason}; if the brokers can be reached, it can be created by hand: one partition, \
             cleanup.policy=compact"
        ),
    };
    let results =
        runtime.block_on(client.create_topics([&wanted], &timeouts)).map_err(|error| failed(error.to_string()))?;
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(failed(code.to_string())),
        }
    }
    Ok(())
}

/// The last committed checkpoint of this name. Call it only when no older instance can commit any more.
pub(crate) fn load(
    servers: &str,
    options: &[KafkaOption],
    settings: &TransactionSettings,
) -> Result<Option<Checkpoint>, SinkError> {
    let topic = settings.checkpoint_topic.as_str();
    let failed = |reason: String| SinkError::Client { reason: format!("checkpoint topic {topic}: {reason}") };
    let consumer: BaseConsumer<Quiet> = reader_options(servers, "checkpoint", options)
        .create_with_context(Quiet)
        .map_err(|error: KafkaError| SinkError::Client { reason: describe_client_error(&error) })?;
    let deadline = Instant::now() + PATIENCE;
    let (low, high) = loop {
        match consumer.fetch_watermarks(topic, 0, Duration::from_secs(10)) {
            Ok(offsets) => break offsets,
            // A new topic is not known to all brokers yet.
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(200)),
            Err(error) => return Err(failed(error.to_string())),
        }
    };
    let mut step = FIRST_STEP;
    loop {
        let start = high.saturating_sub(step).max(low);
        let found = last_record(&consumer, topic, start, settings.transactional_id.as_bytes(), deadline)
            .map_err(|error| failed(error.to_string()))?;
        if let Some(record) = found {
            return serde_json::from_slice(&record).map(Some).map_err(|error| {
                failed(format!("the record of {} is not a checkpoint: {error}", settings.transactional_id))
            });
        }
        if start == low {
            return Ok(None);
        }
        step = step.saturating_mul(8);
    }
}

/// Each call returns its errors; these lines add nothing.
struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "while the checkpoint was read");
    }
}

impl ConsumerContext for Quiet {}

/// The last record with this key from `start` to the end of what is committed.
fn last_record(
    consumer: &BaseConsumer<Quiet>,
    topic: &str,
    start: i64,
    key: &[u8],
    deadline: Instant,
) -> Result<Option<Vec<u8>>, KafkaError> {
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, Offset::Offset(start))?;
    consumer.assign(&assignment)?;
    let mut found = None;
    while Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(500)) {
            Some(Ok(message)) if message.key() == Some(key) => found = message.payload().map(<[u8]>::to_vec),
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(found),
            // librdkafka retries what passes by itself.
            Some(Ok(_) | Err(_)) | None => {}
        }
    }
    // Half an answer would be wrong.
    Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut))
}
