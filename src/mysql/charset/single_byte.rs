//! Character sets whose characters are single bytes.

use encoding_rs::Encoding;

use crate::mysql::charset::unicode::{Bad, REPLACEMENT, push};

/// `swe7` is ASCII but for these, and has nothing above 0x7E. From a real server, as the other tables are.
const SWE7: [(u8, u16); 10] = [
    (b'@', 0xC9),
    (b'[', 0xC4),
    (b'\\', 0xD6),
    (b']', 0xC5),
    (b'^', 0xDC),
    (b'`', 0xE9),
    (b'{', 0xE4),
    (b'|', 0xF6),
    (b'}', 0xE5),
    (b'~', 0xFC),
];

/// `upper` has the characters of the bytes from 0x80 on.
pub(crate) fn append(upper: &[u16; 128], bytes: &[u8], out: &mut Vec<u8>, bad: Bad<'_>) {
    let (ascii, rest) = bytes.split_at_checked(Encoding::ascii_valid_up_to(bytes)).unwrap_or((&[], bytes));
    out.extend_from_slice(ascii);
    // Most characters above ASCII are two bytes long in UTF-8.
    out.reserve(rest.len().saturating_mul(2));
    for &byte in rest {
        let Some(index) = byte.checked_sub(0x80) else {
            out.push(byte);
            continue;
        };
        match upper.get(usize::from(index)) {
            None | Some(&REPLACEMENT) => bad(&[byte], out),
            Some(char) => push(*char, out),
        }
    }
}

pub(crate) fn append_swe7(bytes: &[u8], out: &mut Vec<u8>, bad: Bad<'_>) {
    for &byte in bytes {
        match SWE7.iter().find(|&&(code, _)| code == byte) {
            Some(&(_, char)) => push(char, out),
            None if byte < 0x7F => out.push(byte),
            None => bad(&[byte], out),
        }
    }
}
