//! Messages that librdkafka has, kept until all of them are answered.

use std::time::{Duration, Instant};

use crate::deliver::Batch;

#[derive(Debug)]
pub(crate) struct Burst {
    batch: Batch,
    /// The messages to be sent in this attempt, in order.
    attempt: Vec<usize>,
    /// How many of the attempt librdkafka has.
    handed_over: usize,
    not_before: Instant,
}

impl Burst {
    pub(crate) fn new(batch: Batch, now: Instant) -> Self {
        let attempt = (0..batch.len()).collect();
        Self { batch, attempt, handed_over: 0, not_before: now }
    }

    /// The next message to hand over: its index, key and payload. None while the pause after a failure lasts.
    pub(crate) fn next(&self, now: Instant) -> Option<(usize, u64, &[u8])> {
        if now < self.not_before {
            return None;
        }
        let index = *self.attempt.get(self.handed_over)?;
        let (key, payload) = self.batch.get(index)?;
        Some((index, key, payload))
    }

    pub(crate) fn advance(&mut self) {
        self.handed_over += 1;
    }

    pub(crate) fn is_handed_over(&self) -> bool {
        self.handed_over >= self.attempt.len()
    }

    /// How many messages librdkafka has or had in this attempt.
    pub(crate) fn handed_over(&self) -> usize {
        self.handed_over
    }

    /// How many messages are not known to be delivered.
    pub(crate) fn outstanding(&self) -> usize {
        self.attempt.len()
    }

    /// Prepares another attempt with the messages that failed and those that were not handed over.
    pub(crate) fn again(&mut self, mut failed: Vec<usize>, not_before: Instant) {
        failed.extend(self.attempt.get(self.handed_over..).unwrap_or_default());
        // They fail in no particular order.
        failed.sort_unstable();
        failed.dedup();
        self.attempt = failed;
        self.handed_over = 0;
        self.not_before = not_before;
    }

    /// How long the pause after a failure still lasts.
    pub(crate) fn until_resend(&self, now: Instant) -> Option<Duration> {
        (self.not_before > now).then(|| self.not_before - now)
    }

    pub(crate) fn into_batch(self) -> Batch {
        self.batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::batch::batch_of;

    #[test]
    fn failed_and_unsent_messages_are_sent_again_in_order() {
        let now = Instant::now();
        let mut burst = Burst::new(batch_of(&[(1, "a"), (1, "b"), (1, "c"), (1, "d")]), now);
        for _ in 0..3 {
            assert!(burst.next(now).is_some());
            burst.advance();
        }
        assert!(!burst.is_handed_over());
        let later = now + Duration::from_secs(1);
        burst.again(vec![2, 0], later);
        assert!(burst.next(now).is_none());
        let mut order = Vec::new();
        while let Some((_, _, payload)) = burst.next(later) {
            order.push(payload.to_vec());
            burst.advance();
        }
        assert_eq!(order, [b"a", b"c", b"d"]);
        assert_eq!(burst.outstanding(), 3);
    }
}
