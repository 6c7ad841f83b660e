//! DECIMAL as it is stored: packed digits, most significant first.
//!
//! Source: MySQL's `strings/decimal.cc` (decimal2bin).

use crate::mysql::value::digits::{integer, padded};
use crate::mysql::wire::{Malformed, Reader};

/// The bytes that hold so many digits of a group that is not full.
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

    /// Appends the digits as the server prints them: no leading zeros but one before the point, all of the scale behind it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let negative = self.bytes.first().is_some_and(|first| first & 0x80 == 0);
        let mut groups = Groups { bytes: self.bytes, mask: if negative { 0xff } else { 0 }, first: true };
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
    /// The number in the next group of so many digits.
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
    fn small_and_empty_parts() {
        assert_eq!(text(&[0x80], 1, 0), "0");
        assert_eq!(text(&[0x7f ^ 0x05], 1, 0), "-5");
        assert_eq!(text(&[0x80 | 7], 1, 1), ".7".replace('.', "0."));
        assert_eq!(text(&[0x80, 0, 0, 0, 0x05], 10, 2), "0.05");
        assert_eq!(text(&[0x80 | 3, 0, 0, 0, 9, 0, 0, 0, 7], 19, 9), "3000000009.000000007");
    }
}
