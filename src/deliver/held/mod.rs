//! Messages of one connection that wait until it is known whether they go out.
//!
//! In memory, as long as all that is held back in the process keeps within its bounds ([`Holding`]). What would exceed them goes to a file
//! without a name, all that the same transaction had before included, in blocks (`deliver/block.rs`) of about 32 KiB:
//!
//! ```text
//!   memory   tail: every message
//!   disk     block | block | block | ...    tail: the newest messages, less than a block
//! ```
//!
//! What is to go out becomes a [`Run`], which is read from its front. Messages are numbered then: what is rolled back has no numbers.

mod disk;
mod error;
mod holding;
mod run;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use error::{DiskError, Unreadable};
pub use holding::{HeldCounts, Holding};
pub use run::Rewrite;
pub(crate) use run::Run;

use crate::deliver::batch::Batch;
use crate::deliver::label::Label;
use crate::deliver::queue::Bounds;
use crate::deliver::seq::Seq;
use disk::{BLOCK, Disk};

/// What is left of the memory of messages that have gone, for each session.
const SPARE_BYTES: usize = 8 << 10;
const SPARE_MESSAGES: usize = 64;

/// Why a message is not held as it should be.
#[derive(Debug, thiserror::Error)]
pub enum HoldError<E> {
    /// It could not be written, and is not held.
    #[error("{0}")]
    Message(E),
    /// It is held, in memory beyond the bounds, because the disk does not take it. Nothing more should be added.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// What is held back of one connection, in order.
#[derive(Debug)]
pub struct Held {
    holding: Arc<Holding>,
    disk: Option<Box<Disk>>,
    /// The newest messages. Without a disk they count in the bounds of memory.
    tail: Batch,
}

impl Held {
    /// Nothing yet.
    pub const fn new(holding: Arc<Holding>) -> Self {
        Self { holding, disk: None, tail: Batch::new() }
    }

    /// The number of messages.
    pub fn len(&self) -> u64 {
        self.disk.as_ref().map_or(0, |disk| disk.messages()) + self.tail.len() as u64
    }

    /// Whether there is no message.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Holds one more message of connection `key`, which `write` appends to the bytes.
    pub fn push<E>(
        &mut self,
        key: u64,
        label: Label,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), HoldError<E>> {
        let before = self.tail.byte_len();
        // Its number comes later.
        self.tail.push_numbered(key, &mut Seq::default(), label, write).map_err(HoldError::Message)?;
        let bytes = self.tail.byte_len() - before;
        match &mut self.disk {
            None if self.holding.reserve(bytes) => {}
            None => self.spill()?,
            Some(disk) if self.tail.byte_len() >= BLOCK => {
                disk.append(&self.tail, 0..self.tail.len())?;
                clear(&mut self.tail);
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Everything goes to the disk; the newest message is not counted in the bounds yet.
    fn spill(&mut self) -> Result<(), DiskError> {
        let bytes = self.tail.byte_len();
        let spilled = Disk::of(&self.tail, &self.holding);
        let newest = self.tail.bytes_of(self.tail.len() - 1..self.tail.len());
        match spilled {
            Ok(disk) => {
                self.disk = Some(Box::new(disk));
                self.holding.release(self.tail.len() - 1, bytes - newest);
                clear(&mut self.tail);
                Ok(())
            }
            Err(error) => {
                self.holding.exceed(newest);
                Err(error)
            }
        }
    }

    /// Takes back what came after the first `keep` messages. Returns how many those were, and which of the others are lost.
    pub fn truncate(&mut self, keep: u64) -> (u64, Result<(), Unreadable>) {
        let dropped = self.len().saturating_sub(keep);
        if dropped == 0 {
            return (0, Ok(()));
        }
        if keep == 0 {
            self.clear();
            return (dropped, Ok(()));
        }
        let Some(disk) = &mut self.disk else {
            let (messages, bytes) = (self.tail.len(), self.tail.byte_len());
            self.tail.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
            self.holding.release(messages - self.tail.len(), bytes - self.tail.byte_len());
            return (dropped, Ok(()));
        };
        match keep.checked_sub(disk.messages()) {
            Some(in_tail) => {
                self.tail.truncate(usize::try_from(in_tail).unwrap_or(usize::MAX));
                (dropped, Ok(()))
            }
            None => (dropped, disk.truncate(keep, &mut self.tail)),
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        if self.disk.take().is_none() {
            self.holding.release(self.tail.len(), self.tail.byte_len());
        }
        clear(&mut self.tail);
    }

    /// Gives out what is held, to be sent; nothing is held afterwards.
    pub(crate) fn release(&mut self, rewrite: Rewrite) -> Run {
        Run::new(Arc::clone(&self.holding), self.disk.take(), std::mem::take(&mut self.tail), rewrite)
    }

    /// As [`Self::release`], where all of it is appended to a batch at once. Returns what is lost.
    pub(crate) fn release_into(&mut self, batch: &mut Batch, seq: &mut Seq, mut rewrite: Rewrite) -> Vec<Unreadable> {
        if self.disk.is_some() {
            return self.release(rewrite).take_all(batch, seq);
        }
        run::append(&self.tail, 0..self.tail.len(), batch, seq, &mut rewrite);
        // Memory for the next messages is kept.
        self.clear();
        Vec::new()
    }

    /// Whether it is no more than this, wherever it is.
    pub(crate) fn is_within(&self, bounds: Bounds) -> bool {
        let on_disk = self.disk.as_ref().map_or(0, |disk| disk.bytes());
        let bytes = on_disk.saturating_add(self.tail.byte_len() as u64);
        self.len() <= bounds.messages as u64 && bytes <= bounds.bytes as u64
    }

    /// How the process keeps within its bounds.
    pub fn holding(&self) -> &Arc<Holding> {
        &self.holding
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.clear();
    }
}

fn clear(tail: &mut Batch) {
    tail.clear();
    tail.shrink_to(SPARE_BYTES, SPARE_MESSAGES);
}
