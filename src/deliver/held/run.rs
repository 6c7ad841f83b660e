//! Held messages that go out.

use std::ops::Range;
use std::sync::Arc;

use super::disk::Disk;
use super::error::Unreadable;
use super::holding::Holding;
use crate::deliver::batch::Batch;
use crate::deliver::queue::Bounds;
use crate::deliver::seq::Seq;

/// Which messages go out otherwise than they were held.
#[derive(Debug, Clone, Copy)]
pub struct Rewrite {
    /// So many of the first.
    pub first: u64,
    /// Appends a message as it is to go out, given as it was held.
    pub with: fn(&[u8], &mut Vec<u8>),
}

impl Rewrite {
    /// This for none of them.
    pub const NONE: Self = Self { first: 0, with: |as_it_was, out| out.extend_from_slice(as_it_was) };
}

/// Messages of one connection that go out, in order.
#[derive(Debug)]
pub(crate) struct Run {
    holding: Arc<Holding>,
    rewrite: Rewrite,
    disk: Option<Box<Disk>>,
    /// The next block to be read.
    block: usize,
    /// The last block that was read, or the messages after all blocks.
    loaded: Batch,
    /// How many of the loaded ones have gone.
    gone: usize,
    /// The messages after all blocks, while there are blocks.
    tail: Batch,
    left: u64,
    /// How many came after these and are lost.
    lost_behind: u64,
}

impl Run {
    pub(super) fn new(holding: Arc<Holding>, disk: Option<Box<Disk>>, tail: Batch, rewrite: Rewrite) -> Self {
        let left = disk.as_ref().map_or(0, |disk| disk.messages()) + tail.len() as u64;
        let (loaded, tail) = if disk.is_some() { (Batch::new(), tail) } else { (tail, Batch::new()) };
        Self { holding, rewrite, disk, block: 0, loaded, gone: 0, tail, left, lost_behind: 0 }
    }

    /// How many messages have not gone out.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// How many came after these, and are lost.
    pub(crate) fn lost_behind(&self) -> u64 {
        self.lost_behind
    }

    /// One that came after these is lost.
    pub(crate) fn lose_behind(&mut self) {
        self.lost_behind += 1;
    }

    /// Moves its next messages to a batch: as many as are at hand within `most`, at least one of those that are left. They get the next
    /// numbers of `seq`; those that are unreadable get theirs too, and leave a gap.
    pub(crate) fn take(&mut self, most: Bounds, into: &mut Batch, seq: &mut Seq) -> Result<(), Unreadable> {
        if self.gone == self.loaded.len()
            && let Err(lost) = self.load()
        {
            seq.skip(lost.messages);
            self.left = self.left.saturating_sub(lost.messages);
            self.rewrite.first = self.rewrite.first.saturating_sub(lost.messages);
            return Err(lost);
        }
        let fitting = self.loaded.messages_within(self.gone, most.bytes).min(most.messages).max(1);
        let end = self.loaded.len().min(self.gone + fitting);
        append(&self.loaded, self.gone..end, into, seq, &mut self.rewrite);
        self.left = self.left.saturating_sub((end - self.gone) as u64);
        self.gone = end;
        Ok(())
    }

    /// Moves all of it to a batch. Returns what is lost.
    pub(super) fn take_all(mut self, into: &mut Batch, seq: &mut Seq) -> Vec<Unreadable> {
        let most = Bounds { messages: usize::MAX, bytes: usize::MAX };
        let mut lost = Vec::new();
        while self.left > 0 {
            lost.extend(self.take(most, into, seq).err());
        }
        lost
    }

    /// All that was loaded has gone: the next block, or what comes after all of them.
    fn load(&mut self) -> Result<(), Unreadable> {
        self.gone = 0;
        match &mut self.disk {
            Some(disk) if self.block < disk.blocks() => {
                self.block += 1;
                disk.read(self.block - 1, u64::MAX, &mut self.loaded)
            }
            _ => {
                self.forget_loaded();
                self.loaded = std::mem::take(&mut self.tail);
                Ok(())
            }
        }
    }

    fn forget_loaded(&mut self) {
        if self.disk.is_none() {
            self.holding.release(self.loaded.len(), self.loaded.byte_len());
        }
        self.loaded = Batch::new();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.forget_loaded();
    }
}

/// Appends messages to a batch as they are to go out, with the next numbers.
pub(super) fn append(from: &Batch, range: Range<usize>, into: &mut Batch, seq: &mut Seq, rewrite: &mut Rewrite) {
    let rewritten = usize::try_from(rewrite.first).unwrap_or(usize::MAX).min(range.len());
    let as_held = range.start + rewritten..range.end;
    for index in range.start..as_held.start {
        let Some((key, json)) = from.get(index) else { return };
        let label = from.numbered(index).map(|numbered| numbered.label).unwrap_or_default();
        let pushed = into.push_numbered(key, seq, label, |out| {
            (rewrite.with)(json, out);
            Ok::<(), std::convert::Infallible>(())
        });
        match pushed {
            Ok(()) => {}
        }
    }
    rewrite.first -= rewritten as u64;
    into.extend_numbered(from, as_held, seq);
}
