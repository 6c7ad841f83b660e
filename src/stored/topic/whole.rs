//! All that a topic has now, as the brokers give it.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{BROKER_PATIENCE, BorrowedMessage, Consumer, Ends, KafkaError, Message, Offset, POLL};
use super::{SourceError, TopicPartitionList, Topics, is_passing};

/// A topic's partitions, each with its first offset and the one after its last.
pub(crate) type Watermarks = BTreeMap<i32, (i64, i64)>;

impl Topics {
    /// The partitions of a topic, which [`Self::named`] has found.
    pub(crate) fn watermarks(&self, topic: &str) -> Result<Watermarks, SourceError> {
        let failed = |source| SourceError::Topic { topic: topic.to_owned(), source };
        let partitions = self.partitions.get(topic).into_iter().flatten();
        let ends = partitions.map(|partition| {
            let watermarks = self.consumer.fetch_watermarks(topic, *partition, BROKER_PATIENCE).map_err(failed)?;
            Ok((*partition, watermarks))
        });
        ends.collect()
    }

    /// Gives everything between these offsets, each partition's in order.
    pub(crate) fn read_whole(
        &self,
        topic: &str,
        within: &Watermarks,
        mut take: impl FnMut(&BorrowedMessage<'_>),
    ) -> Result<(), SourceError> {
        self.read_until(topic, within, |message| {
            take(message);
            false
        })
    }

    /// The same up to the message at which `is_enough` says so.
    pub(crate) fn read_until(
        &self,
        topic: &str,
        within: &Watermarks,
        mut is_enough: impl FnMut(&BorrowedMessage<'_>) -> bool,
    ) -> Result<(), SourceError> {
        let failed = |source| SourceError::Topic { topic: topic.to_owned(), source };
        let (mut assignment, mut ends) = (TopicPartitionList::new(), Ends::default());
        for (partition, (low, high)) in within.iter().filter(|(_, (low, high))| low < high) {
            assignment.add_partition_offset(topic, *partition, Offset::Offset(*low)).map_err(failed)?;
            ends.0.insert((topic.to_owned(), *partition), *high);
        }
        self.consumer.assign(&assignment).map_err(failed)?;
        let mut heard = Instant::now();
        while !ends.is_empty() {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    if ends.pass(topic, message.partition(), message.offset()) && is_enough(&message) {
                        return Ok(());
                    }
                    continue;
                }
                Some(Err(KafkaError::PartitionEOF(_))) | None if heard.elapsed() < BROKER_PATIENCE => {}
                Some(Err(error)) if heard.elapsed() < BROKER_PATIENCE && is_passing(&error) => {}
                Some(Err(error)) => return Err(SourceError::Read(error)),
                None => return Err(self.silent()),
            }
            // Offsets without a message (compacted, or marks of transactions) pass unseen.
            if let Ok(positions) = self.consumer.position() {
                ends.pass_positions(&positions);
            }
        }
        Ok(())
    }
}
