//! When the spool was full, and what that meant for clients: for the marker streams.

use crate::audit::{Event, SpoolFullness};
use crate::clocks;

/// Since the start.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Consequences {
    pub(super) held: u64,
    pub(super) dropped: u64,
    pub(super) refused: u64,
}

/// Notices when it becomes full and when it has room again.
#[derive(Debug)]
pub(super) struct Fullness {
    policy: String,
    /// While it is full: since when, in milliseconds since 1970.
    since: Option<u64>,
    /// What was told of already: what is counted late is told the next time.
    told: Consequences,
    /// What nobody has been told.
    untold: Vec<(u64, Event)>,
}

impl Fullness {
    pub(super) fn new(policy: String) -> Self {
        Self { policy, since: None, told: Consequences::default(), untold: Vec::new() }
    }

    pub(super) fn is_noticed(&self) -> bool {
        self.since.is_some()
    }

    /// It is full, or has room again; `so_far` counts from the start on.
    #[cold]
    pub(super) fn change(&mut self, so_far: Consequences) {
        let now = clocks::epoch_ms();
        let event = match self.since.take() {
            None => {
                self.since = Some(now);
                Event::SpoolFull(SpoolFullness { policy: self.policy.clone(), since: now, ..SpoolFullness::default() })
            }
            Some(since) => Event::SpoolHasRoom(self.fullness(since, so_far)),
        };
        self.untold.push((now, event));
    }

    /// The process ends. Where the spool is full, that is told once more, with what it has meant so far.
    pub(super) fn finish(&mut self, so_far: Consequences) {
        if let Some(since) = self.since {
            let event = Event::SpoolFull(self.fullness(since, so_far));
            self.untold.push((clocks::epoch_ms(), event));
        }
    }

    fn fullness(&mut self, since: u64, so_far: Consequences) -> SpoolFullness {
        let told = std::mem::replace(&mut self.told, so_far);
        SpoolFullness {
            policy: self.policy.clone(),
            since,
            held: so_far.held.saturating_sub(told.held),
            dropped: so_far.dropped.saturating_sub(told.dropped),
            refused: so_far.refused.saturating_sub(told.refused),
        }
    }

    /// What is new since the last call, with its time in milliseconds since 1970.
    pub(super) fn take(&mut self) -> Vec<(u64, Event)> {
        std::mem::take(&mut self.untold)
    }
}
