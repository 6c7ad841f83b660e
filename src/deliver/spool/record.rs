//! The records of a segment.
//!
//! ```text
//!   the first   JSON: {"spool":1,"first":POSITION,"run":"NAME@START"}
//!   the others  position of the first message (8 bytes) | number of messages (4) | the messages, as deliver/block.rs has them;
//!               without messages, a manifest (`manifest`)
//! ```

use serde::{Deserialize, Serialize};

use crate::deliver::batch::Batch;
use crate::deliver::block;

/// The format that this program writes, and reads.
pub(super) const VERSION: u64 = 1;

/// What a segment begins with. Later versions may add fields.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Preamble {
    pub(super) spool: u64,
    /// The position of the first message.
    pub(super) first: u64,
    /// The process that has written it.
    pub(super) run: String,
}

impl Preamble {
    pub(super) fn new(first: u64, run: &str) -> Self {
        Self { spool: VERSION, first, run: run.to_owned() }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        // There is nothing in it that cannot be JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// Writes what a record begins with; `into` holds nothing else afterwards.
pub(super) fn write_head(first: u64, messages: usize, into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(&first.to_le_bytes());
    // A record has less than 4 GiB, and so fewer messages.
    into.extend_from_slice(&u32::try_from(messages).unwrap_or(u32::MAX).to_le_bytes());
}

/// Writes all of a record but the messages' lines; `into` holds nothing else afterwards.
pub(super) fn write_front(batch: &Batch, first: u64, into: &mut Vec<u8>) {
    write_head(first, batch.len(), into);
    block::write_heads(batch, 0..batch.len(), into);
}

/// A record's messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    /// The position of the first.
    pub(super) first: u64,
    /// How many there are.
    pub(super) messages: usize,
    block: &'a [u8],
}

impl<'a> Record<'a> {
    /// `None`: it is no such record.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first_chunk()?;
        let (messages, block) = rest.split_first_chunk()?;
        let (first, messages) = (u64::from_le_bytes(*first), u32::from_le_bytes(*messages));
        first.checked_add(u64::from(messages))?;
        Some(Self { first, messages: usize::try_from(messages).ok()?, block })
    }

    /// What comes after its position and the number of messages: without messages, a manifest.
    pub(super) fn block(&self) -> &'a [u8] {
        self.block
    }

    /// The position after its last message.
    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(self.messages as u64)
    }

    /// Appends the messages from position `from` on to a batch. `None`, and nothing is appended: they cannot be read.
    pub(super) fn append_to(&self, batch: &mut Batch, from: u64) -> Option<()> {
        let skipped = usize::try_from(from.saturating_sub(self.first)).ok()?;
        let before = batch.len();
        let read = if skipped == 0 {
            block::read(self.block, self.messages, self.messages, batch)
        } else {
            let mut all = Batch::new();
            let read = block::read(self.block, self.messages, self.messages, &mut all);
            batch.extend_from(&all, skipped.min(all.len())..all.len());
            read
        };
        if read.is_none() {
            batch.truncate(before);
            return None;
        }
        if before == 0 {
            batch.set_position(self.first.max(from));
        }
        Some(())
    }
}
