//! The recorded order across sessions, kept where it matters.
//!
//! Everything that writes, locks or ends a transaction is an *event*. Events are put into an order in which they can be done one after the
//! other without waiting for each other's locks: what is part of a transaction had its locks when it was answered; a transaction's end frees
//! them after it was sent, and before it is answered; and a statement that is a transaction of its own came after those that had arrived
//! before it, and after the end of a transaction that kept it waiting. Each event waits for those before it; whatever else a session does waits
//! for the events that were answered before it began. With `tables` only events count that touch a table in common.
//!
//! ```text
//!   sequencer   reads the recording ahead, and tells each command what it waits for
//!   latch       something that others wait for
//!   tables      which tables a text touches
//! ```

mod latch;
mod sequencer;
mod tables;

pub(super) use latch::{NotKnown, Turn};
pub(super) use sequencer::Sequencer;

/// How much of the recorded order is kept across sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum CommitOrder {
    /// None: sessions know nothing of each other.
    #[default]
    Off,
    /// That of events which touch the same tables.
    Tables,
    /// All of it.
    Strict,
}
