//! Checksums of a result set's rows.

use twox_hash::XxHash3_64;

/// Two checksums of a result set's rows: whoever compares results may or may not care for their order.
///
/// Each row counts as the XXH3 (64 bits, seed 0) of its packet in the text protocol. One of the binary protocol counts as the text of its
/// values ([`RowValues::write_as_text`](crate::mysql::wire::RowValues::write_as_text)), since servers send the same value in integers of different
/// widths. A row that is longer than what is kept counts with the front of its packet and its length.
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
