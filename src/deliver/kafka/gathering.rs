//! Messages that wait for others to share a request with.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::deliver::Batch;
use crate::deliver::KafkaConfig;

/// A burst is at most one request per partition even if all its messages are of one connection (see `options`).
pub(crate) const BURST_BYTES: usize = 900_000;
pub(crate) const BURST_MESSAGES: usize = 10_000;

/// Bursts that are not full are at least so far apart: under load each then has many messages, and a request costs the
/// brokers and us the same for one message as for hundreds.
const BURST_DISTANCE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Gathering {
    linger: Duration,
    batch_size: usize,
    buffer_memory: usize,
    /// All but the last are full.
    chunks: VecDeque<Chunk>,
    bytes: usize,
    spare: Option<Batch>,
    last_burst: Option<Instant>,
}

#[derive(Debug)]
struct Chunk {
    batch: Batch,
    /// When its first message came.
    since: Instant,
}

impl Gathering {
    pub(crate) fn new(config: &KafkaConfig) -> Self {
        let saturating = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Self {
            linger: config.linger,
            batch_size: saturating(config.batch_size.into()),
            buffer_memory: saturating(config.buffer_memory),
            chunks: VecDeque::new(),
            bytes: 0,
            spare: None,
            last_burst: None,
        }
    }

    /// Copies messages from `from` on, as many as there is room for; returns how many.
    pub(crate) fn add(&mut self, batch: &Batch, from: usize, now: Instant) -> usize {
        let room = self.buffer_memory.saturating_sub(self.bytes);
        let mut fitting = batch.messages_within(from, room);
        if fitting == 0 && self.bytes == 0 {
            // One message larger than the whole buffer.
            fitting = 1.min(batch.len().saturating_sub(from));
        }
        let end = from + fitting;
        let mut next = from;
        while next < end {
            next += self.extend_last(batch, next..end, now);
        }
        self.bytes += batch.lines(from..end).len();
        fitting
    }

    /// Appends what fits of `range` to the last chunk, or to a new one; returns how many messages, at least one.
    fn extend_last(&mut self, batch: &Batch, range: Range<usize>, now: Instant) -> usize {
        if let Some(chunk) = self.chunks.back_mut() {
            let room_for_bytes = BURST_BYTES.saturating_sub(chunk.batch.byte_len());
            let room_for_messages = BURST_MESSAGES.saturating_sub(chunk.batch.len());
            let count = batch.messages_within(range.start, room_for_bytes).min(room_for_messages).min(range.len());
            if count > 0 {
                chunk.batch.extend_from(batch, range.start..range.start + count);
                return count;
            }
        }
        let mut fresh = self.spare.take().unwrap_or_default();
        // A message larger than a burst has one of its own.
        let count = batch.messages_within(range.start, BURST_BYTES).clamp(1, BURST_MESSAGES).min(range.len());
        fresh.extend_from(batch, range.start..range.start + count);
        self.chunks.push_back(Chunk { batch: fresh, since: now });
        count
    }

    /// The oldest messages, if it is time to send them.
    pub(crate) fn next_burst(&mut self, now: Instant, flushing: bool) -> Option<Batch> {
        if !flushing && self.until_due(now)? > Duration::ZERO {
            return None;
        }
        let chunk = self.chunks.pop_front()?;
        self.bytes = self.bytes.saturating_sub(chunk.batch.byte_len());
        self.last_burst = Some(now);
        Some(chunk.batch)
    }

    /// How long until the oldest messages are to be sent; `None` without any.
    pub(crate) fn until_due(&self, now: Instant) -> Option<Duration> {
        let oldest = self.chunks.front()?;
        if self.chunks.len() > 1 {
            return Some(Duration::ZERO);
        }
        let lingered = (oldest.since + self.linger).saturating_duration_since(now);
        if oldest.batch.byte_len() < self.batch_size {
            return Some(lingered);
        }
        let distance =
            self.last_burst.map_or(Duration::ZERO, |last| (last + BURST_DISTANCE).saturating_duration_since(now));
        Some(lingered.min(distance))
    }

    /// The number of messages here.
    pub(crate) fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.batch.len()).sum()
    }

    /// Keeps an old batch's memory for a new one.
    pub(crate) fn recycle(&mut self, mut batch: Batch) {
        batch.clear();
        batch.shrink_to(BURST_BYTES, BURST_MESSAGES);
        self.spare = Some(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::Acks;
    use crate::deliver::batch::batch_of;

    fn gathering(linger: Duration, batch_size: u32, buffer_memory: u64) -> Gathering {
        Gathering::new(&KafkaConfig {
            bootstrap_servers: String::new(),
            topic: String::new(),
            acks: Acks::All,
            retries: 3,
            linger,
            batch_size,
            buffer_memory,
            options: Vec::new(),
        })
    }

    #[test]
    fn messages_linger_until_there_are_enough() {
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let mut gathering = gathering(second, 6, 1000);
        assert_eq!(gathering.until_due(start), None);
        assert_eq!(gathering.add(&batch_of(&[(1, "aa")]), 0, start), 1);
        assert_eq!(gathering.until_due(start), Some(second));
        assert!(gathering.next_burst(start, false).is_none());
        assert_eq!(gathering.add(&batch_of(&[(1, "-"), (2, "bb")]), 1, start), 1);
        assert_eq!(gathering.next_burst(start, false).unwrap().lines(0..9), b"aa\nbb\n");
        gathering.add(&batch_of(&[(1, "a longer one")]), 0, start);
        assert_eq!(gathering.until_due(start), Some(BURST_DISTANCE));
        assert_eq!(gathering.next_burst(start, true).unwrap().len(), 1);
    }

    #[test]
    fn memory_is_bounded() {
        let now = Instant::now();
        let mut gathering = gathering(Duration::ZERO, 1, 7);
        assert_eq!(gathering.add(&batch_of(&[(1, "aa"), (1, "bb"), (1, "cc")]), 0, now), 2);
        assert_eq!(gathering.add(&batch_of(&[(1, "cc")]), 0, now), 0);
        assert_eq!(gathering.next_burst(now, false).unwrap().len(), 2);
        assert_eq!(gathering.add(&batch_of(&[(1, "larger than the buffer")]), 0, now), 1);
        assert_eq!(gathering.len(), 1);
    }

    #[test]
    fn a_backlog_is_cut_into_bursts() {
        let now = Instant::now();
        let mut gathering = gathering(Duration::from_secs(1), 16_384, 1 << 30);
        let large = "x".repeat(400_000);
        let huge = "x".repeat(2_000_000);
        let messages = [(1, large.as_str()), (2, &large), (3, &large), (4, &huge), (5, "a")];
        assert_eq!(gathering.add(&batch_of(&messages), 0, now), 5);
        let mut lengths = Vec::new();
        while let Some(burst) = gathering.next_burst(now, true) {
            lengths.push(burst.len());
        }
        assert_eq!(lengths, [2, 1, 1, 1]);
        assert_eq!(gathering.bytes, 0);
    }
}
