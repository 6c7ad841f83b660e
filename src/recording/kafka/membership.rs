//! The consumer: partitions come, and go to other players.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::common::{Common, GroupConfig};
use super::progress::{Done, Zero};
use crate::deliver::{ClientLog, client_options, describe_client_error};
use crate::stored::{BROKER_PATIENCE, SourceError, Watermarks};

const POLL: Duration = Duration::from_millis(20);
/// How long sessions have that are given up.
const CLOSING: Duration = Duration::from_secs(5);

/// Hears of partitions that come and go.
pub(super) struct Rebalances {
    common: Arc<Common>,
    topic: String,
    watermarks: Watermarks,
    log: ClientLog,
}

impl ClientContext for Rebalances {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(&error, reason);
    }
}

impl ConsumerContext for Rebalances {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(gone) = rebalance {
            self.revoke(consumer, gone);
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(come) => self.assign(consumer, come),
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => {
                tracing::warn!(%error, "the consumer group could not share the partitions out; it is tried again");
            }
        }
    }
}

impl Rebalances {
    /// What was done of partitions that come is in their committed offsets.
    fn assign(&self, consumer: &BaseConsumer<Self>, come: &TopicPartitionList) {
        let committed = match consumer.committed_offsets(come.clone(), BROKER_PATIENCE) {
            Ok(committed) => committed,
            Err(error) => {
                self.common.lock().error = Some(format!("the group's offsets cannot be read: {error}"));
                return;
            }
        };
        let mut state = self.common.lock();
        for element in committed.elements() {
            let end = self.watermarks.get(&element.partition()).map_or(0, |(_, high)| *high);
            let (done, zero) = match element.offset() {
                Offset::Offset(offset) => Done::from_metadata(offset, element.metadata()),
                _ => (Done::default(), None),
            };
            state.share.zero = state.share.zero.or(zero);
            tracing::info!(
                topic = self.topic,
                partition = element.partition(),
                from = done.offset(),
                unfinished = done.unfinished.len(),
                "partition assigned"
            );
            state.share.assign(element.partition(), done, end);
        }
        drop(state);
        self.common.changed.notify_all();
    }

    /// Sessions of partitions that go are given up, and it is said which: their next player begins them again.
    fn revoke(&self, consumer: &BaseConsumer<Self>, gone: &TopicPartitionList) {
        let mut list = TopicPartitionList::new();
        let mut state = self.common.lock();
        let zero = state.share.zero;
        for element in gone.elements() {
            if let Some(done) = state.share.revoke(element.partition()) {
                tracing::info!(
                    topic = self.topic,
                    partition = element.partition(),
                    unfinished = done.unfinished.len(),
                    "partition goes to another player"
                );
                add(&mut list, &self.topic, element.partition(), &done, zero);
            }
        }
        let deadline = Instant::now() + CLOSING;
        while !state.share.closing.is_empty() && Instant::now() < deadline {
            let waited = self.common.changed.wait_timeout(state, POLL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        if list.count() > 0
            && let Err(error) = consumer.commit(&list, CommitMode::Sync)
        {
            tracing::warn!(%error, "how far the partitions are could not be saved: more sessions than necessary are done again");
        }
    }
}

/// Adds what is to be committed of a partition.
pub(super) fn add(list: &mut TopicPartitionList, topic: &str, partition: i32, done: &Done, zero: Option<Zero>) {
    let mut element = list.add_partition(topic, partition);
    // An offset that was read is none that could be refused.
    let _ = element.set_offset(Offset::Offset(done.offset()));
    element.set_metadata(done.to_metadata(zero));
}

pub(super) fn consumer(
    config: &GroupConfig,
    common: &Arc<Common>,
    watermarks: Watermarks,
) -> Result<BaseConsumer<Rebalances>, SourceError> {
    let defaults = [
        ("group.id", config.group.clone()),
        ("enable.auto.commit", "false".to_owned()),
        ("enable.auto.offset.store", "false".to_owned()),
        ("enable.partition.eof", "true".to_owned()),
        ("isolation.level", "read_committed".to_owned()),
        ("allow.auto.create.topics", "false".to_owned()),
        ("auto.offset.reset", "earliest".to_owned()),
        // Sessions of partitions that stay where they are go on.
        ("partition.assignment.strategy", "cooperative-sticky".to_owned()),
        // A player that is gone is noticed soon.
        ("session.timeout.ms", "10000".to_owned()),
        ("heartbeat.interval.ms", "1000".to_owned()),
    ];
    let (topic, log) = (config.topic.clone(), ClientLog::default());
    let rebalances = Rebalances { common: Arc::clone(common), topic, watermarks, log };
    let created = client_options(&config.brokers, &defaults, &config.options).create_with_context(rebalances);
    created.map_err(|error| SourceError::Client(describe_client_error(&error)))
}
