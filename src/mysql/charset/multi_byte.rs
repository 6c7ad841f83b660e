//! Chinese, Japanese and Korean character sets, whose characters are one to four bytes long.
//!
//! `encoding_rs` has the tables, which are those of browsers. Where a server reads a code as another character than
//! browsers do, the server is right ([`exceptions`]): it is the one that turned a client's characters into these bytes.
//! Where a server has no character, the one of `encoding_rs` is taken: HKSCS in `big5`, IBM's and NEC's in `sjis`,
//! private use in `gbk`. The bounds of bytes are those of the functions `ismbchar_*` in MySQL's `strings/ctype-*.cc`, and were
//! compared with what a server takes.

use encoding_rs::{BIG5, DecoderResult, EUC_JP, EUC_KR, Encoding, GB18030, GBK, SHIFT_JIS};

use crate::mysql::charset::unicode::{Bad, push};
use crate::mysql::charset::{Charset, exceptions};

/// At most this many bytes, and the rest of a character, are decoded at once: every decoder gets room for the worst case.
const PIECE: usize = 512;

/// Appends text of one of the character sets of this module.
pub(crate) fn append(charset: Charset, bytes: &[u8], out: &mut Vec<u8>, bad: Bad<'_>) {
    let (ascii, rest) = bytes.split_at_checked(Encoding::ascii_valid_up_to(bytes)).unwrap_or((&[], bytes));
    out.extend_from_slice(ascii);
    if rest.is_empty() {
        return;
    }
    match charset {
        Charset::Big5 => text(BIG5, big5, const { &Exceptions::new(exceptions::BIG5) }, rest, out, bad),
        Charset::Gbk => text(GBK, gbk, &NONE, rest, out, bad),
        Charset::Gb2312 => text(GBK, gb2312, const { &Exceptions::new(exceptions::GB2312) }, rest, out, bad),
        Charset::Gb18030 => text(GB18030, gb18030, const { &Exceptions::new(exceptions::GB18030) }, rest, out, bad),
        Charset::Sjis => text(SHIFT_JIS, sjis, const { &Exceptions::new(exceptions::SJIS) }, rest, out, bad),
        Charset::Cp932 => text(SHIFT_JIS, sjis, &NONE, rest, out, bad),
        Charset::Ujis => text(EUC_JP, ujis, const { &Exceptions::new(exceptions::UJIS) }, rest, out, bad),
        Charset::Eucjpms => text(EUC_JP, ujis, const { &Exceptions::new(exceptions::EUCJPMS) }, rest, out, bad),
        Charset::Euckr => text(EUC_KR, euckr, &NONE, rest, out, bad),
        _ => crate::mysql::charset::unicode::append_utf8(rest, out, bad),
    }
}

/// Codes that mean another character than `encoding_rs` says.
struct Exceptions {
    /// Runs of codes whose characters follow each other: first code, last code, character of the first code. In order.
    runs: &'static [(u32, u32, u16)],
    /// The first bytes of the codes, as bits from 0x80 on: few characters need a look at the runs.
    leads: u128,
}

const NONE: Exceptions = Exceptions::new(&[]);

impl Exceptions {
    const fn new(runs: &'static [(u32, u32, u16)]) -> Self {
        let mut leads = 0;
        let mut rest = runs;
        while let Some((&(first, _, _), after)) = rest.split_first() {
            let mut lead = first;
            while lead > 0xFF {
                lead >>= 8;
            }
            leads |= 1 << (lead & 0x7F);
            rest = after;
        }
        Self { runs, leads }
    }

    /// The character of a code that begins with `lead`, if it is here.
    fn get(&self, lead: u8, code: &[u8]) -> Option<u16> {
        if self.leads >> (lead & 0x7F) & 1 == 0 {
            return None;
        }
        let code = code.iter().fold(0, |code, &byte| code << 8 | u32::from(byte));
        let &(first, _, char) = self.runs.get(self.runs.partition_point(|&(_, last, _)| last < code))?;
        let offset = code.checked_sub(first)?;
        char.checked_add(u16::try_from(offset).ok()?)
    }
}

/// `length` is the number of bytes of the character at the front, `None` if there is none.
fn text(
    encoding: &'static Encoding,
    length: impl Fn(&[u8]) -> Option<usize>,
    exceptions: &Exceptions,
    bytes: &[u8],
    out: &mut Vec<u8>,
    bad: Bad<'_>,
) {
    // `rest` begins with `plain` bytes of characters that are for `encoding_rs`.
    let mut rest = bytes;
    let mut plain = 0;
    while let Some((front, tail)) = rest.split_at_checked(plain)
        && let Some(&lead) = tail.first()
    {
        let used = if lead < 0x80 { Some(1) } else { length(tail) };
        let char = used.filter(|_| lead >= 0x80).and_then(|used| exceptions.get(lead, tail.get(..used)?));
        if let (Some(used), None) = (used, char)
            && plain < PIECE
        {
            plain += used;
            continue;
        }
        decode(encoding, &length, front, out, bad);
        plain = 0;
        rest = tail;
        match (used, char) {
            (Some(used), Some(char)) => {
                push(char, out);
                rest = tail.get(used..).unwrap_or_default();
            }
            (Some(_), None) => {}
            (None, _) => {
                bad(&[lead], out);
                rest = tail.get(1..).unwrap_or_default();
            }
        }
    }
    decode(encoding, &length, rest, out, bad);
}

/// Characters of the right form, some of which `encoding_rs` may not have.
fn decode(
    encoding: &'static Encoding,
    length: impl Fn(&[u8]) -> Option<usize>,
    bytes: &[u8],
    out: &mut Vec<u8>,
    bad: Bad<'_>,
) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let mut decoder = encoding.new_decoder_without_bom_handling();
        let Some(worst) = decoder.max_utf8_buffer_length_without_replacement(rest.len()) else { return };
        let start = out.len();
        out.resize(start.saturating_add(worst), 0);
        let Some(space) = out.get_mut(start..) else { return };
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(rest, space, true);
        out.truncate(start.saturating_add(written));
        let DecoderResult::Malformed(malformed, after) = result else { return };
        // The decoder may give up in the middle of the character; its other bytes are no characters of their own.
        let failed_at = read.saturating_sub(usize::from(malformed) + usize::from(after));
        let (mut begin, mut end) = (0, 0);
        while end <= failed_at {
            begin = end;
            end += rest.get(end..).and_then(&length).unwrap_or(1);
        }
        bad(rest.get(begin..end).unwrap_or_default(), out);
        rest = rest.get(end..).unwrap_or_default();
    }
}

fn big5(bytes: &[u8]) -> Option<usize> {
    matches!(bytes, [0xA1..=0xF9, 0x40..=0x7E | 0xA1..=0xFE, ..]).then_some(2)
}

fn gbk(bytes: &[u8]) -> Option<usize> {
    matches!(bytes, [0x81..=0xFE, 0x40..=0x7E | 0x80..=0xFE, ..]).then_some(2)
}

fn gb2312(bytes: &[u8]) -> Option<usize> {
    matches!(bytes, [0xA1..=0xF7, 0xA1..=0xFE, ..]).then_some(2)
}

fn gb18030(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [0x81..=0xFE, 0x30..=0x39, 0x81..=0xFE, 0x30..=0x39, ..] => Some(4),
        _ => gbk(bytes),
    }
}

fn sjis(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [0xA1..=0xDF, ..] => Some(1),
        [0x81..=0x9F | 0xE0..=0xFC, 0x40..=0x7E | 0x80..=0xFC, ..] => Some(2),
        _ => None,
    }
}

fn ujis(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [0xA1..=0xFE, 0xA1..=0xFE, ..] | [0x8E, 0xA1..=0xDF, ..] => Some(2),
        [0x8F, 0xA1..=0xFE, 0xA1..=0xFE, ..] => Some(3),
        _ => None,
    }
}

fn euckr(bytes: &[u8]) -> Option<usize> {
    matches!(bytes, [0x81..=0xFE, 0x41..=0x5A | 0x61..=0x7A | 0x81..=0xFE, ..]).then_some(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::charset::unicode::replace;

    type Length = fn(&[u8]) -> Option<usize>;

    fn utf8(charset: Charset, bytes: &[u8]) -> String {
        let mut out = Vec::new();
        append(charset, bytes, &mut out, &mut replace);
        String::from_utf8(out).unwrap()
    }

    /// Whether a character stands alone or in a long text, it is the same, and takes its bytes with it.
    #[test]
    fn text_is_its_characters() {
        let charsets: [(Charset, Length); 9] = [
            (Charset::Big5, big5),
            (Charset::Gbk, gbk),
            (Charset::Gb2312, gb2312),
            (Charset::Gb18030, gb18030),
            (Charset::Sjis, sjis),
            (Charset::Cp932, sjis),
            (Charset::Ujis, ujis),
            (Charset::Eucjpms, ujis),
            (Charset::Euckr, euckr),
        ];
        for (charset, length) in charsets {
            let (mut bytes, mut expected) = (Vec::new(), String::new());
            for code in 0x8000..=0xFFFF_u16 {
                let [first, second] = code.to_be_bytes();
                let four = [first, second, (code % 126) as u8 + 0x81, 0x30 + (code % 10) as u8];
                for code in [&[first][..], &[first, second], &[0x8F, first, second], &four] {
                    if length(code) == Some(code.len()) {
                        let char = utf8(charset, code);
                        assert_eq!(char.chars().count(), 1, "{charset:?} {code:X?}");
                        bytes.extend_from_slice(code);
                        expected.push_str(&char);
                    }
                }
                if code % 7 == 0 {
                    bytes.push(b'~');
                    expected.push('~');
                }
            }
            assert!(bytes.len() > 10_000);
            assert!(utf8(charset, &bytes) == expected, "{charset:?}");
        }
    }

    /// A megabyte without a single character would take minutes if every code cost as much as the text is long.
    #[test]
    fn time_is_linear() {
        let unknown = [0x85, 0x40].repeat(1 << 19);
        assert!(utf8(Charset::Cp932, &unknown) == "\u{FFFD}".repeat(1 << 19));
        let malformed = [0xA1, 0x40].repeat(1 << 19);
        assert!(utf8(Charset::Ujis, &malformed) == "\u{FFFD}@".repeat(1 << 19));
    }
}
