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
pub(crate) fn padded(out: &mut Vec<u8>, value: u32, width: usize) {
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
pub(crate) fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    append_short(out, itoa::Buffer::new().format(value).as_bytes());
}

/// Appends bytes of which there are mostly few. Copies of a length that the compiler knows are a store or two, where others are a call;
/// rows are made of dozens of such pieces.
#[inline]
pub(crate) fn append_short(out: &mut Vec<u8>, bytes: &[u8]) {
    match *bytes {
        [] => {}
        [a] => out.push(a),
        [a, b] => out.extend_from_slice(&[a, b]),
        [a, b, c] => out.extend_from_slice(&[a, b, c]),
        _ => {
            match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>(), bytes.first_chunk::<8>(), bytes.last_chunk::<8>())
            {
                // Two halves that overlap.
                (_, _, Some(head), Some(tail)) if bytes.len() <= 16 => halves(out, bytes.len(), *head, *tail),
                (Some(head), Some(tail), None, _) => halves(out, bytes.len(), *head, *tail),
                _ => out.extend_from_slice(bytes),
            }
        }
    }
}

/// Appends `length` bytes that begin with `head` and end in `tail`, where these touch or overlap.
#[inline]
fn halves<const N: usize>(out: &mut Vec<u8>, length: usize, head: [u8; N], tail: [u8; N]) {
    let end = out.len() + length;
    out.extend_from_slice(&head);
    out.truncate(end - N);
    out.extend_from_slice(&tail);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_pieces_of_every_length() {
        let text: Vec<u8> = (0..40).collect();
        for length in 0..=text.len() {
            let mut out = vec![99];
            append_short(&mut out, &text[..length]);
            assert_eq!(out[1..], text[..length]);
        }
    }

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
