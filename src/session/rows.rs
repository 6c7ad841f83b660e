//! Result sets that somebody looks into: their columns, their rows, and a checksum of these.

use std::sync::Arc;

use twox_hash::XxHash3_64;

use super::listener::{Columns, ColumnsOf, Interest, Listener, Row};
use crate::mysql::wire::{ColumnSet, Packet, RowFormat};

/// Two checksums of a result set's rows: whoever compares results may or may not care for their order.
///
/// Each row counts as its packet's XXH3 (64 bits, seed 0). A row that is longer than what is kept counts with its front and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowChecksum {
    /// Of the rows in their order: for each, this is multiplied by [`Self::FACTOR`], and the row's hash added.
    pub ordered: u64,
    /// Of the rows in whatever order: the sum of their hashes.
    pub unordered: u64,
}

impl RowChecksum {
    /// An odd number (2^64 divided by the golden ratio), so that nothing is lost by the product.
    pub const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

    /// Takes in another row.
    pub fn add(&mut self, payload: &[u8], length: u64) {
        let mut hash = XxHash3_64::oneshot(payload);
        if length != payload.len() as u64 {
            hash ^= length.wrapping_mul(Self::FACTOR);
        }
        self.ordered = self.ordered.wrapping_mul(Self::FACTOR).wrapping_add(hash);
        self.unordered = self.unordered.wrapping_add(hash);
    }
}

/// A result set, or a prepare response's definitions, under observation.
#[derive(Debug)]
pub(super) struct ResultWatch {
    format: RowFormat,
    columns: Option<Arc<ColumnSet>>,
    /// Definitions that are coming; `None` once one of them could not be kept.
    coming: Option<ColumnSet>,
    checksum: Option<RowChecksum>,
}

impl ResultWatch {
    /// `columns`: what they are if no definitions come.
    pub(super) fn new(format: RowFormat, columns: Option<Arc<ColumnSet>>, interest: Interest) -> Self {
        let checksum = interest.contains(Interest::ROW_CHECKSUMS).then(RowChecksum::default);
        Self { format, columns, coming: Some(ColumnSet::default()), checksum }
    }

    pub(super) fn definition(&mut self, payload: &[u8]) {
        if let Some(coming) = &mut self.coming
            && coming.push(payload).is_err()
        {
            self.coming = None;
        }
    }

    /// All definitions are there.
    pub(super) fn defined(&mut self, command: u64, result: u32, of: ColumnsOf, interest: Interest, to: &mut Listener<'_>) {
        self.columns = std::mem::replace(&mut self.coming, Some(ColumnSet::default())).map(Arc::new);
        if interest.contains(Interest::COLUMNS) {
            to.columns(&Columns { command, result, of, columns: self.columns.as_deref() });
        }
    }

    pub(super) fn columns(&self) -> Option<&Arc<ColumnSet>> {
        self.columns.as_ref()
    }

    pub(super) fn checksum(&self) -> Option<RowChecksum> {
        self.checksum
    }

    /// A part of a row was not seen: what is known of the others is not the whole.
    pub(super) fn row_is_torn(&mut self) {
        self.checksum = None;
    }

    pub(super) fn row(
        &mut self,
        command: u64,
        result: u32,
        index: u64,
        packet: &Packet<'_>,
        interest: Interest,
        to: &mut Listener<'_>,
    ) {
        if let Some(checksum) = &mut self.checksum {
            checksum.add(packet.payload, packet.length);
        }
        if interest.contains(Interest::ROWS) {
            let (payload, length) = (packet.payload, packet.length);
            let columns = self.columns.as_deref();
            to.row(&Row { command, result, index, payload, length, format: self.format, columns });
        }
    }

    /// Bytes that are kept for it.
    #[cfg(any(test, fuzzing))]
    pub(super) fn kept_bytes(&self) -> usize {
        self.columns.as_ref().map_or(0, |columns| columns.kept_bytes())
            + self.coming.as_ref().map_or(0, ColumnSet::kept_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checksum(rows: &[&[u8]]) -> RowChecksum {
        let mut checksum = RowChecksum::default();
        rows.iter().for_each(|row| checksum.add(row, row.len() as u64));
        checksum
    }

    #[test]
    fn one_checksum_knows_the_order_and_the_other_does_not() {
        let (forwards, backwards) = (checksum(&[b"\x01a", b"\x01b"]), checksum(&[b"\x01b", b"\x01a"]));
        assert_ne!(forwards.ordered, backwards.ordered);
        assert_eq!(forwards.unordered, backwards.unordered);
        assert_ne!(checksum(&[b"\x01a", b"\x01a"]).unordered, checksum(&[b"\x01a"]).unordered);
        assert_ne!(checksum(&[b"\x01a"]), checksum(&[b"\x01b"]));
    }

    /// The algorithm is part of what recordings hold.
    #[test]
    fn the_algorithm_is_the_documented_one() {
        // XXH3_64bits of no bytes.
        assert_eq!(checksum(&[b""]), RowChecksum { ordered: 0x2d06_8005_38d3_94c2, unordered: 0x2d06_8005_38d3_94c2 });
    }

    #[test]
    fn a_row_that_is_cut_is_not_its_front() {
        let mut cut = RowChecksum::default();
        cut.add(b"\x01a", 5);
        assert_ne!(cut, checksum(&[b"\x01a"]));
    }
}
