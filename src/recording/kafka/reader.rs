//! The thread that reads a player's partitions, and says how far they are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use super::common::{Common, GroupConfig};
use super::membership::{Rebalances, add};
use super::progress::{Done, Zero};
use super::wire::{WireError, decode};
use crate::clocks;
use crate::stored::{BROKER_PATIENCE, is_passing};

const POLL: Duration = Duration::from_millis(20);
/// How often it is said how far the sessions are. What ends between two is done again if the player is killed.
const COMMIT: Duration = Duration::from_millis(50);
/// How often the other players are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// From the players' agreement on their start to that start.
const LEAD_MS: u64 = 2000;

/// The thread that reads.
pub(super) struct Reader {
    pub(super) config: GroupConfig,
    pub(super) common: Arc<Common>,
    pub(super) leave: CancellationToken,
    pub(super) consumer: BaseConsumer<Rebalances>,
    /// Each partition with the offsets of its first message and past its last.
    pub(super) ends: Vec<(i32, i64, i64)>,
    pub(super) recorded_ns: u64,
    pub(super) last_commit: Instant,
    pub(super) last_look: Instant,
}

impl Reader {
    pub(super) fn run(mut self) {
        if self.config.until_idle.is_some() {
            let mut state = self.common.lock();
            state.last_message = Some(Instant::now());
            state.share.follows = true;
        }
        while !self.leave.is_cancelled() {
            if let Err(error) = self.step() {
                self.common.lock().error = Some(error);
                break;
            }
            self.common.changed.notify_all();
        }
        self.common.changed.notify_all();
        self.commit(CommitMode::Sync);
        self.consumer.unsubscribe();
    }

    fn step(&mut self) -> Result<(), String> {
        match self.consumer.poll(POLL) {
            Some(Ok(message)) => self.take(&message)?,
            Some(Err(KafkaError::PartitionEOF(partition))) => self.common.lock().share.at_end(partition),
            Some(Err(error)) if !is_passing(&error) => {
                return Err(format!("topic {}: {error}", self.config.topic));
            }
            Some(Err(_)) | None => {}
        }
        self.throttle();
        if self.last_commit.elapsed() >= COMMIT {
            self.commit(CommitMode::Async);
        }
        if self.last_look.elapsed() >= LOOK {
            self.last_look = Instant::now();
            self.look();
        }
        Ok(())
    }

    fn take(&self, message: &BorrowedMessage<'_>) -> Result<(), String> {
        let decoded = decode(message.payload().unwrap_or_default());
        let mut state = self.common.lock();
        if state.last_message.is_some() {
            state.last_message = Some(Instant::now());
        }
        match decoded {
            Ok((record, about)) => state.share.push(message.partition(), message.offset(), record, about),
            Err(WireError::Version(version)) => {
                return Err(WireError::Version(version).to_string());
            }
            Err(WireError::Foreign(_)) => state.share.counts.foreign += 1,
        }
        Ok(())
    }

    /// Partitions of which enough was read pause.
    fn throttle(&self) {
        let (mut pause, mut resume) = (TopicPartitionList::new(), TopicPartitionList::new());
        let limit = self.config.partition_bytes;
        for (partition, part) in &mut self.common.lock().share.parts {
            if part.waiting_bytes > limit && !part.is_paused {
                part.is_paused = true;
                pause.add_partition(&self.config.topic, *partition);
            } else if part.waiting_bytes < limit / 2 && part.is_paused {
                part.is_paused = false;
                resume.add_partition(&self.config.topic, *partition);
            }
        }
        // A partition that is no longer ours needs neither.
        if pause.count() > 0 {
            let _ = self.consumer.pause(&pause);
        }
        if resume.count() > 0 {
            let _ = self.consumer.resume(&resume);
        }
    }

    /// Says how far the partitions are that have come further.
    fn commit(&mut self, mode: CommitMode) {
        self.last_commit = Instant::now();
        let mut list = TopicPartitionList::new();
        let mut state = self.common.lock();
        let zero = state.share.zero;
        if zero.is_none() {
            return;
        }
        for (partition, part) in &mut state.share.parts {
            if std::mem::take(&mut part.is_changed) {
                add(&mut list, &self.config.topic, *partition, &part.done(), zero);
            }
        }
        drop(state);
        if list.count() > 0
            && let Err(error) = self.consumer.commit(&list, mode)
        {
            tracing::debug!(%error, "offsets not committed");
        }
    }

    /// Looks at the whole group: whether it has a common start, and whether it is done.
    fn look(&mut self) {
        let (has_zero, has_first, is_done, last_message) = {
            let state = self.common.lock();
            let first = self.ends.first().map(|(partition, ..)| *partition);
            let has_first = first.is_some_and(|first| state.share.parts.contains_key(&first));
            (state.share.zero.is_some(), has_first, state.share.is_done(), state.last_message)
        };
        if has_zero && !is_done {
            return self.end_if_idle(last_message);
        }
        let mut all = TopicPartitionList::new();
        for (partition, ..) in &self.ends {
            all.add_partition(&self.config.topic, *partition);
        }
        let Ok(committed) = self.consumer.committed_offsets(all, BROKER_PATIENCE) else { return };
        let found = |element: &TopicPartitionListElem<'_>| match element.offset() {
            Offset::Offset(offset) => Some(Done::from_metadata(offset, element.metadata())),
            _ => None,
        };
        if !has_zero {
            let zero = committed.elements().iter().find_map(|element| found(element)?.1);
            let proposal = Zero { recorded_ns: self.recorded_ns, start_ms: clocks::epoch_ms().saturating_add(LEAD_MS) };
            let zero = zero.or_else(|| has_first.then_some(proposal));
            let mut state = self.common.lock();
            state.share.zero = zero;
            if let Some(part) = state.share.parts.values_mut().next() {
                part.is_changed |= zero.is_some();
            }
            return;
        }
        let is_over = |(partition, low, high): &(i32, i64, i64)| {
            let committed = committed.elements().into_iter().find(|element| element.partition() == *partition);
            low == high || committed.and_then(|element| found(&element)).is_some_and(|(done, _)| done.offset() >= *high)
        };
        let is_idle = self.config.until_idle.is_none() || last_message.is_none();
        if is_idle && self.ends.iter().all(is_over) {
            self.common.lock().is_over = true;
        }
        self.end_if_idle(last_message);
    }

    /// Nothing has come for so long that nothing will.
    fn end_if_idle(&self, last_message: Option<Instant>) {
        if let (Some(idle), Some(last)) = (self.config.until_idle, last_message)
            && last.elapsed() >= idle
        {
            self.common.lock().last_message = None;
        }
    }
}
