//! Numbers as decimal digits.

/// The digits of 0 to 99.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// The digits of a number below 100.
#[inline]
fn pair(number: u32) -> [u8; 2] {
    PAIRS.get(number as usize).copied().unwrap_or(*b"99")
}

/// Appends `value` with leading zeros, at least `width` digits.
#[inline]
pub(super) fn padded(out: &mut Vec<u8>, value: u32, width: usize) {
    match width {
        2 if value < 100 => out.extend_from_slice(&pair(value)),
        4 if value < 10_000 => {
            let ([a, b], [c, d]) = (pair(value / 100), pair(value % 100));
            out.extend_from_slice(&[a, b, c, d]);
        }
        6 if value < 1_000_000 => {
            let ([a, b], [c, d], [e, f]) = (pair(value / 10_000), pair(value / 100 % 100), pair(value % 100));
            out.extend_from_slice(&[a, b, c, d, e, f]);
        }
        _ => {
            let mut buffer = itoa::Buffer::new();
            let text = buffer.format(value).as_bytes();
            let zeros = b"0000000000".get(..width.saturating_sub(text.len())).unwrap_or(b"0000000000");
            out.extend_from_slice(zeros);
            out.extend_from_slice(text);
        }
    }
}

/// Appends an integer.
#[inline]
pub(super) fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_standard_library_pads() {
        for value in [0, 1, 9, 10, 99, 100, 1234, 9999, 10_000, 999_999, 1_000_000, 123_456_789, 999_999_999] {
            for width in 0..=9 {
                let mut out = Vec::new();
                padded(&mut out, value, width);
                assert_eq!(String::from_utf8(out).unwrap(), format!("{value:0width$}"));
            }
        }
    }
}
