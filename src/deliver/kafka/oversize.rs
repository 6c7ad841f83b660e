//! How small a message has to be made that Kafka finds too large.

use std::time::{Duration, Instant};

/// Room for what is sent with a message: its key, record headers, and what the protocol adds.
const BESIDE: usize = 1024;
/// A topic may be told to take larger messages: after this time one is tried whole again.
const REMEMBERED: Duration = Duration::from_secs(600);

/// librdkafka says what it takes; of brokers it becomes known by trying.
#[derive(Debug)]
pub(crate) struct Oversize {
    /// The limit of librdkafka (`message.max.bytes`).
    most: usize,
    /// Whether what was refused once would be refused again. With compression size does not tell.
    is_certain: bool,
    known: Option<Known>,
}

/// What brokers refuse.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// The smallest message that was refused.
    refused: usize,
    /// What is tried instead.
    instead: usize,
    since: Instant,
}

impl Oversize {
    /// For a producer that takes messages of up to `most` bytes.
    pub(crate) const fn new(most: usize, is_compressed: bool) -> Self {
        Self { most, is_certain: !is_compressed, known: None }
    }

    /// Whether brokers have refused messages of a size.
    pub(crate) const fn is_known(&self) -> bool {
        self.known.is_some()
    }

    /// How large a message of `bytes` bytes may be that was refused; less than it is.
    pub(crate) fn refused(&mut self, bytes: usize, now: Instant) -> usize {
        let largest = self.most.saturating_sub(BESIDE).max(self.most / 2);
        if bytes > largest {
            return self.known.map_or(largest, |known| known.instead.min(largest));
        }
        let instead = bytes / 2;
        self.known = Some(Known { refused: bytes, instead, since: now }).filter(|_| self.is_certain);
        instead
    }

    /// How large a message may be of which it is known that it would be refused.
    pub(crate) fn limit(&mut self, bytes: usize, now: Instant) -> Option<usize> {
        let known = self.known?;
        if now.saturating_duration_since(known.since) >= REMEMBERED {
            self.known = None;
            return None;
        }
        (bytes >= known.refused).then_some(known.instead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_brokers_refuse_is_learnt_and_forgotten() {
        let now = Instant::now();
        let mut oversize = Oversize::new(1_000_000, false);
        assert_eq!(oversize.limit(5_000_000, now), None);
        // librdkafka refuses it, then a broker what is left, twice.
        assert_eq!(oversize.refused(5_000_000, now), 998_976);
        assert_eq!(oversize.refused(998_976, now), 499_488);
        assert_eq!(oversize.refused(499_488, now), 249_744);
        assert_eq!(
            [499_487, 499_488, 5_000_000].map(|bytes| oversize.limit(bytes, now)),
            [None, Some(249_744), Some(249_744)]
        );
        assert_eq!(oversize.refused(5_000_000, now), 249_744);
        assert_eq!(oversize.limit(5_000_000, now + REMEMBERED), None);
        // Compressed, the next may be small enough.
        let mut oversize = Oversize::new(1_000_000, true);
        assert_eq!((oversize.refused(800_000, now), oversize.limit(800_000, now)), (400_000, None));
        assert_eq!(Oversize::new(1000, false).refused(600, now), 500);
    }
}
