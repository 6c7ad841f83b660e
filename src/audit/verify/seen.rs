//! What was read, and what is left to be read.

use std::collections::BTreeMap;

use crate::audit::hash::{Link, MessageId};

/// A message as it was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) id: MessageId,
    /// What it says of its place in the chain.
    pub(crate) link: Link,
    pub(crate) message: &'a [u8],
    /// Where it is, if the order of messages there is that of their numbers: the partition.
    pub(crate) place: u32,
}

/// A topic has fewer partitions.
const PARTITIONS: u32 = 1 << 16;

/// The place of a partition of a topic that has this number.
pub(crate) fn place(topic: usize, partition: i32) -> u32 {
    let topic = u32::try_from(topic).unwrap_or(u32::MAX);
    topic.saturating_mul(PARTITIONS).saturating_add(partition.unsigned_abs() % PARTITIONS)
}

/// The number of a place's topic.
pub(super) fn topic_of(place: u32) -> u32 {
    place / PARTITIONS
}

/// What the source has forgotten, as it may.
#[derive(Debug, Clone, Default)]
pub(crate) struct Retention {
    /// Of each partition (of files: 0) that has forgotten its beginning: when the oldest message that is left was written, in milliseconds.
    pub(crate) messages: BTreeMap<u32, u64>,
    /// Whether the marker stream has forgotten its beginning.
    pub(crate) records: bool,
    /// Only a part was read: messages, and records before its first ones, are elsewhere that nothing in it claims.
    pub(crate) is_part: bool,
}
