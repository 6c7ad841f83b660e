//! DECIMAL as it is stored: packed digits, most significant first.
//!
//! Source: MySQL's `strings/decimal.cc` (decimal2bin).

use crate::mysql::value::digits::{integer, padded};
use crate::mysql::wire::{Malformed, Reader};

/// The bytes that hold this many digits of a group that is not full.
const BYTES_OF_DIGITS: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
const DIGITS_PER_GROUP: usize = 9;

/// A DECIMAL's packed form. The first bit is set for values that are not negative; the bytes of a negative one are inverted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal<'a> {
    bytes: &'a [u8],
    precision: u8,
    scale: u8,
}

impl<'a> Decimal<'a> {
    /// How many bytes a value of this precision and scale takes.
    pub fn byte_length(precision: u8, scale: u8) -> usize {
        let length = |digits: usize| {
            digits / DIGITS_PER_GROUP * 4 + BYTES_OF_DIGITS.get(digits % DIGITS_PER_GROUP).unwrap_or(&0)
        };
        length(usize::from(precision.saturating_sub(scale))) + length(usize::from(scale))
    }

    /// Takes a value from the front of `reader`.
    #[inline]
    pub fn read(reader: &mut Reader<'a>, precision: u8, scale: u8) -> Result<Self, Malformed> {
        let bytes = reader.bytes(Self::byte_length(precision, scale))?;
        Ok(Self { bytes, precision, scale })
    }

    /// Appends the digits as the server prints them: no leading zeros but one before the point, all of the scale after it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let negative = self.is_negative();
        let mut groups = self.groups();
        let start = out.len();
        if negative {
            out.push(b'-');
        }
        let digits = usize::from(self.precision.saturating_sub(self.scale));
        let mut significant = false;
        let mut integer = |value: u32, width: usize, out: &mut Vec<u8>| {
            if significant && width > 0 {
                padded(out, value, width);
            } else if value != 0 {
                integer(out, value);
                significant = true;
            }
        };
        integer(groups.next(digits % DIGITS_PER_GROUP), digits % DIGITS_PER_GROUP, out);
        for _ in 0..digits / DIGITS_PER_GROUP {
            integer(groups.next(DIGITS_PER_GROUP), DIGITS_PER_GROUP, out);
        }
        if !significant {
            out.push(b'0');
        }
        let scale = usize::from(self.scale);
        if scale == 0 {
            return self.no_negative_zero(out, start, negative);
        }
        out.push(b'.');
        for _ in 0..scale / DIGITS_PER_GROUP {
            padded(out, groups.next(DIGITS_PER_GROUP), DIGITS_PER_GROUP);
        }
        if scale % DIGITS_PER_GROUP > 0 {
            padded(out, groups.next(scale % DIGITS_PER_GROUP), scale % DIGITS_PER_GROUP);
        }
        self.no_negative_zero(out, start, negative);
    }

    /// The number without its point (12.34 as 1234); `None` where it does not fit.
    pub(crate) fn unscaled(&self) -> Option<i128> {
        let mut value: i128 = 0;
        self.each_group(|group, digits| {
            value = value.checked_mul(10_i128.pow(digits as u32))?.checked_add(i128::from(group))?;
            Some(())
        })?;
        Some(if self.is_negative() { -value } else { value })
    }

    /// The same in two's complement, little-endian; 65 digits, the most that there are, have 216 bits.
    pub(crate) fn unscaled_bytes(&self) -> Option<[u8; 32]> {
        let mut limbs = [0_u32; 8];
        self.each_group(|group, digits| {
            let mut carry = u64::from(group);
            for limb in &mut limbs {
                let product = u64::from(*limb) * 10_u64.pow(digits as u32) + carry;
                *limb = product as u32;
                carry = product >> 32;
            }
            (carry == 0).then_some(())
        })?;
        // The highest bit is the sign's.
        limbs.last().filter(|limb| **limb >> 31 == 0)?;
        if self.is_negative() {
            let mut carry = true;
            for limb in &mut limbs {
                (*limb, carry) = (!*limb).overflowing_add(u32::from(carry));
            }
        }
        let mut bytes = [0; 32];
        for (place, limb) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(limbs) {
            *place = limb.to_le_bytes();
        }
        Some(bytes)
    }

    fn is_negative(&self) -> bool {
        self.bytes.first().is_some_and(|first| first & 0x80 == 0)
    }

    fn groups(&self) -> Groups<'a> {
        Groups { bytes: self.bytes, mask: if self.is_negative() { 0xff } else { 0 }, first: true }
    }

    /// Gives `take` the groups from the most significant on, each with its number of digits, until it returns `None`.
    fn each_group(&self, mut take: impl FnMut(u32, usize) -> Option<()>) -> Option<()> {
        let mut groups = self.groups();
        let (digits, scale) = (usize::from(self.precision.saturating_sub(self.scale)), usize::from(self.scale));
        let full = |digits: usize| std::iter::repeat_n(DIGITS_PER_GROUP, digits / DIGITS_PER_GROUP);
        let before = std::iter::once(digits % DIGITS_PER_GROUP).chain(full(digits));
        let mut all = before.chain(full(scale)).chain(std::iter::once(scale % DIGITS_PER_GROUP));
        all.try_for_each(|digits| take(groups.next(digits), digits))
    }

    /// The server knows no -0.
    fn no_negative_zero(&self, out: &mut Vec<u8>, start: usize, negative: bool) {
        if negative && out.get(start + 1..).is_some_and(|text| text.iter().all(|byte| matches!(byte, b'0' | b'.'))) {
            out.remove(start);
        }
    }
}

struct Groups<'a> {
    bytes: &'a [u8],
    mask: u8,
    first: bool,
}

impl Groups<'_> {
    /// The number in the next group of this many digits.
    #[inline]
    fn next(&mut self, digits: usize) -> u32 {
        let length = if digits == DIGITS_PER_GROUP { 4 } else { BYTES_OF_DIGITS.get(digits).copied().unwrap_or(0) };
        let (group, rest) = self.bytes.split_at_checked(length).unwrap_or((self.bytes, &[]));
        self.bytes = rest;
        let mut value = 0;
        for byte in group {
            let mut byte = byte ^ self.mask;
            if std::mem::take(&mut self.first) {
                // The bit of the sign, which the inversion has made 1 in any case.
                byte ^= 0x80;
            }
            value = value << 8 | u32::from(byte);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], precision: u8, scale: u8) -> String {
        let mut reader = Reader::new(bytes, "decimal");
        let decimal = Decimal::read(&mut reader, precision, scale).unwrap();
        assert!(reader.is_empty());
        let mut out = Vec::new();
        decimal.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_example_of_the_sources() {
        // 1234567890.1234 as DECIMAL(14,4).
        let positive = [0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2];
        assert_eq!(text(&positive, 14, 4), "1234567890.1234");
        let negative = positive.map(|byte| !byte);
        assert_eq!(text(&negative, 14, 4), "-1234567890.1234");
    }

    #[test]
    fn without_the_point() {
        let unscaled = |bytes: &[u8], precision, scale| {
            let decimal = Decimal::read(&mut Reader::new(bytes, "decimal"), precision, scale).unwrap();
            let mut wide = [0; 16];
            let bytes = decimal.unscaled_bytes().unwrap();
            wide.copy_from_slice(&bytes[..16]);
            let narrow = decimal.unscaled().unwrap();
            assert_eq!(i128::from_le_bytes(wide), narrow);
            assert!(bytes[16..].iter().all(|byte| *byte == if narrow < 0 { 0xff } else { 0 }));
            narrow
        };
        let positive = [0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2];
        assert_eq!(unscaled(&positive, 14, 4), 12_345_678_901_234);
        assert_eq!(unscaled(&positive.map(|byte| !byte), 14, 4), -12_345_678_901_234);
        assert_eq!(unscaled(&[0x80], 1, 0), 0);
        assert_eq!(unscaled(&[0x80 | 3, 0, 0, 0, 9, 0, 0, 0, 7], 19, 9), 3_000_000_009_000_000_007);
        // 65 nines: more than 128 bits.
        let mut nines = vec![0x80 | 99];
        nines.extend(999_999_999_u32.to_be_bytes().repeat(7));
        let decimal = Decimal::read(&mut Reader::new(&nines, "decimal"), 65, 0).unwrap();
        assert_eq!(decimal.unscaled(), None);
        assert_eq!(decimal.unscaled_bytes().unwrap()[27..], [0; 5]);
        // What no server writes.
        let garbage = [0xff; 30];
        let decimal = Decimal::read(&mut Reader::new(&garbage, "decimal"), 65, 30).unwrap();
        let _ = (decimal.unscaled(), decimal.unscaled_bytes());
    }

    #[test]
    fn small_and_empty_parts() {
        assert_eq!(text(&[0x80], 1, 0), "0");
        assert_eq!(text(&[0x7f ^ 0x05], 1, 0), "-5");
        assert_eq!(text(&[0x80 | 7], 1, 1), ".7".replace('.', "0."));
        assert_eq!(text(&[0x80, 0, 0, 0, 0x05], 10, 2), "0.05");
        assert_eq!(text(&[0x80 | 3, 0, 0, 0, 9, 0, 0, 0, 7], 19, 9), "3000000009.000000007");
    }
}
