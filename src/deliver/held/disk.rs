//! Held messages on the disk.

use std::ops::Range;
use std::sync::Arc;

use crate::deliver::batch::Batch;
use crate::deliver::block;
use crate::segment::Segment;

use super::error::{DiskError, Unreadable};
use super::holding::Holding;

/// A block is written when it has at least this many bytes.
pub(super) const BLOCK: usize = 32 << 10;

/// Blocks of messages, in order.
#[derive(Debug)]
pub(super) struct Disk {
    holding: Arc<Holding>,
    segment: Segment,
    /// How many messages there are through the end of each block.
    ends: Vec<u64>,
    /// What an empty file has.
    empty: u64,
    /// Memory to be used again.
    buffer: Vec<u8>,
}

impl Disk {
    /// A file with these messages.
    pub(super) fn of(messages: &Batch, holding: &Arc<Holding>) -> Result<Self, DiskError> {
        let segment = Segment::without_name(holding.folder())?;
        #[cfg(test)]
        let segment = segment.with_limit(holding.disk_limit.load(std::sync::atomic::Ordering::Relaxed));
        let empty = segment.bytes();
        let mut disk = Self { holding: Arc::clone(holding), segment, ends: Vec::new(), empty, buffer: Vec::new() };
        let mut from = 0;
        while from < messages.len() {
            let count = messages.messages_within(from, BLOCK).max(1);
            disk.append(messages, from..from + count)?;
            from += count;
        }
        holding.note_spilled();
        Ok(disk)
    }

    /// Appends these messages of a batch as one block. After an error nothing has changed.
    pub(super) fn append(&mut self, messages: &Batch, range: Range<usize>) -> Result<(), DiskError> {
        let before = self.segment.bytes();
        let count = range.len() as u64;
        self.buffer.clear();
        block::write_heads(messages, range.clone(), &mut self.buffer);
        self.segment.append(&[&self.buffer, messages.lines(range)])?;
        self.holding.add_on_disk(count, self.segment.bytes() - before);
        self.ends.push(self.messages() + count);
        Ok(())
    }

    /// The number of messages.
    pub(super) fn messages(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// What the messages take on the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.segment.bytes() - self.empty
    }

    /// The number of blocks.
    pub(super) fn blocks(&self) -> usize {
        self.ends.len()
    }

    /// The messages before and in a block: their numbers, from 0.
    fn range(&self, number: usize) -> Range<u64> {
        let end_of = |number: usize| self.ends.get(number).copied().unwrap_or(0);
        number.checked_sub(1).map_or(0, end_of)..end_of(number)
    }

    /// Reads a block's first `most` messages; the batch holds nothing else afterwards.
    pub(super) fn read(&mut self, number: usize, most: u64, into: &mut Batch) -> Result<(), Unreadable> {
        into.clear();
        let range = self.range(number);
        let of = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let wanted = usize::try_from(most).unwrap_or(usize::MAX).min(of);
        let mut read = self.segment.read(number, &mut self.buffer);
        if read.is_ok() && block::read(&self.buffer, of, wanted, into).is_none() {
            read = Err(self.segment.damaged(number));
        }
        read.map_err(|error| {
            into.clear();
            Unreadable { messages: wanted as u64, error: error.into() }
        })
    }

    /// Keeps the first `keep` messages, of which there are more. Those that do not end with a block go into `tail`, and nothing else is
    /// there afterwards; an error says that they are lost.
    pub(super) fn truncate(&mut self, keep: u64, tail: &mut Batch) -> Result<(), Unreadable> {
        let number = self.ends.partition_point(|end| *end <= keep);
        let in_block = keep.saturating_sub(self.range(number).start);
        tail.clear();
        let read = if in_block > 0 { self.read(number, in_block, tail) } else { Ok(()) };
        let (bytes, messages) = (self.segment.bytes(), self.messages());
        self.segment.truncate(number);
        self.ends.truncate(number);
        self.holding.take_from_disk(messages - self.messages(), bytes - self.segment.bytes());
        read
    }
}

#[cfg(test)]
impl Disk {
    /// The numbers of a block's messages.
    pub(super) fn block_of(&self, number: usize) -> Range<u64> {
        self.range(number)
    }

    pub(super) fn damage(&mut self, number: usize) {
        self.segment.damage(number);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.holding.take_from_disk(self.messages(), self.bytes());
    }
}
