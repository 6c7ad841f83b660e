//! JSON as text, written by hand: strings and their escapes, numbers, bytes in base64.
//!
//! The one place that knows how JSON is spelled. What is written once and not per row goes through serde_json.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The letter after the backslash for each byte that cannot stand for itself in a string, `u` for `\u00xx`; 0 for those that can.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[b'\t' as usize] = b't';
    table[b'\n' as usize] = b'n';
    table[0x0c] = b'f';
    table[b'\r' as usize] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

/// Appends UTF-8 text with the escapes that JSON needs, without quotes.
#[inline]
pub(crate) fn escape(mut rest: &[u8], out: &mut Vec<u8>) {
    // Copied in runs: a byte that needs an escape is rare.
    while let Some(run) = first_special(rest) {
        let Some((plain, [special, tail @ ..])) = rest.split_at_checked(run) else { return };
        out.extend_from_slice(plain);
        match ESCAPES[usize::from(*special)] {
            b'u' => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (special >> 4), hex_digit(special & 15)]),
            letter => out.extend_from_slice(&[b'\\', letter]),
        }
        rest = tail;
    }
    out.extend_from_slice(rest);
}

/// Whether it is all ASCII that can stand for itself: most text is, and then nothing else need be asked about it.
#[inline]
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, tail) = bytes.as_chunks::<8>();
    let special = words.iter().fold(0, |special, word| {
        let word = u64::from_le_bytes(*word);
        let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word;
        let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        special | word | below(word, 0x20) | equal(b'"') | equal(b'\\')
    });
    special & HIGH == 0 && tail.iter().all(|byte| *byte < 0x80 && ESCAPES[usize::from(*byte)] == 0)
}

/// Where the first byte is that cannot stand for itself: eight at a time, then one by one.
#[inline]
fn first_special(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The high bit of each byte that is below a bound; a borrow may set more of them, but only above the lowest.
        let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word;
        let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let special = (below(word, 0x20) | equal(b'"') | equal(b'\\')) & HIGH;
        if special != 0 {
            return Some(index * 8 + special.trailing_zeros() as usize / 8);
        }
    }
    let in_tail = tail.iter().position(|byte| ESCAPES[usize::from(*byte)] != 0)?;
    Some(bytes.len() - tail.len() + in_tail)
}

fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

/// Appends text that should be UTF-8 as a JSON string; what is not is replaced.
#[inline]
pub(crate) fn utf8(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_plain(bytes) {
        out.push(b'"');
        out.extend_from_slice(bytes);
        return out.push(b'"');
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => escaped(out, text),
        Err(_) => escaped(out, &String::from_utf8_lossy(bytes)),
    }
}

/// Appends a JSON string.
#[inline]
pub(crate) fn escaped(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escape(text.as_bytes(), out);
    out.push(b'"');
}

/// The shortest digits that give the same number again.
pub(crate) fn number(out: &mut Vec<u8>, value: impl serde::Serialize) {
    // Writing to a vector cannot fail; what is not a number (the servers store none) becomes null.
    let _ = serde_json::to_writer(&mut *out, &value);
}

/// Appends what `write` writes between quotes; it needs no escapes.
pub(crate) fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// Appends base64 with its quotes.
pub(crate) fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = out.get_mut(start..).and_then(|room| STANDARD.encode_slice(bytes, room).ok()).unwrap_or(0);
    out.truncate(start + written);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_found_wherever_it_stands() {
        for byte in 0..=0xff_u8 {
            for length in 0..20 {
                for at in 0..length {
                    for other in [b'a', 0x80, 0xff, 0x20, 0x21, 0x23, 0x5b, 0x5d] {
                        let mut bytes = vec![other; length];
                        bytes[at] = byte;
                        let expected = (ESCAPES[usize::from(byte)] != 0).then_some(at);
                        assert_eq!(first_special(&bytes), expected, "{byte:#x} at {at} of {length} among {other:#x}");
                    }
                }
            }
        }
    }

    #[test]
    fn plain_text_is_ascii_without_escapes() {
        for byte in 0..=0xff_u8 {
            for (length, at) in [(1, 0), (8, 3), (9, 8), (17, 2), (17, 16)] {
                let mut bytes = vec![b'x'; length];
                bytes[at] = byte;
                assert_eq!(is_plain(&bytes), byte < 0x80 && ESCAPES[usize::from(byte)] == 0, "{byte:#x} at {at}");
            }
        }
        assert!(is_plain(b""));
    }

    #[test]
    fn strings_are_escaped_as_serde_does() {
        let all: String = (0..0x250).filter_map(char::from_u32).collect();
        for text in ["", "plain", "\"", "a\\b\n", &all, "\u{1f600}x\u{0}", "eight by eight\" and \\ more"] {
            let mut out = vec![b'"'];
            escape(text.as_bytes(), &mut out);
            out.push(b'"');
            assert_eq!(out, serde_json::to_vec(text).unwrap());
        }
    }
}
