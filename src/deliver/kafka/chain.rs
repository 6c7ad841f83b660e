//! The hash chains of the messages in a producer's window.

use std::sync::Arc;

use crate::audit::{Heads, Link, MessageId};
use crate::deliver::batch::Routed;
use crate::deliver::counters::LossReason;
use crate::deliver::ledger::{AuditConfig, Identity, Ledger};

/// A message's name, and its place in its session's chain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chained {
    pub(crate) id: MessageId,
    pub(crate) link: Link,
}

/// Makes the links of messages as they are handed over, and enters into the ledger what became of them.
///
/// A message's link is made of the bytes that are sent. So where one is sent again in another form (cut, because brokers refuse it whole),
/// those after it, which are sent again too, get new links.
#[derive(Debug)]
pub(crate) struct Chain {
    identity: Identity,
    ledger: Arc<Ledger>,
    /// Of the messages that have left the window.
    settled: Heads,
    /// Of those that were handed over since.
    handed: Heads,
}

impl Chain {
    pub(crate) fn new(audit: &AuditConfig, ledger: Arc<Ledger>) -> Self {
        Self { identity: Identity::of(audit), ledger, settled: Heads::default(), handed: Heads::default() }
    }

    /// The link of the session's next message; `None` for a message without a name.
    pub(super) fn link(&mut self, message: &Routed<'_>) -> Option<Chained> {
        let id = self.identity.name(&message.numbered?, message.origin)?;
        let previous = self.handed.before(&id).or_else(|| self.settled.before(&id));
        Some(Chained { id, link: Link::of(previous.unwrap_or_default(), &id, message.value) })
    }

    /// The next message goes on from this one.
    pub(super) fn pass(&mut self, message: &Chained) {
        self.handed.set(&message.id, message.link.hash);
    }

    /// What was handed over and is not settled is handed over again.
    pub(super) fn again(&mut self) {
        self.handed.clear();
    }

    /// What has left the window is committed.
    pub(super) fn committed(&self) {
        self.ledger.commit();
    }

    /// These messages leave the window, delivered or lost for a reason.
    pub(super) fn settle(&mut self, messages: impl Iterator<Item = (Chained, Option<LossReason>)>) {
        let mut entries = self.ledger.entries();
        for (Chained { id, link }, lost) in messages {
            match lost {
                Some(reason) => entries.lost(&id, reason),
                None => {
                    entries.delivered(&id, &link);
                    self.settled.set(&id, link.hash);
                }
            }
        }
    }
}
