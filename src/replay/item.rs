//! What is read ahead for a session.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::order::Turn;
use crate::recording::Record;

/// A record that was read ahead.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) record: Arc<Held>,
    pub(super) turn: Turn,
    /// Of an end: which one it was in the recording. Of a beginning: how many had ended before.
    pub(super) ended: u64,
}

/// A record, and its share of what may be read ahead.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) record: Record,
    pub(super) _share: OwnedSemaphorePermit,
}
