//! Text that is shown as UTF-8 and can be turned back into its bytes.

use std::borrow::Cow;

use super::decode::valid;
use super::names::Charset;

/// What stands in front of a byte's two hexadecimal digits.
const MARK: &[u8] = b"\\x";

impl Charset {
    /// Text of this character set as UTF-8, from which the bytes can be had again: a byte that is part of no character is shown as `\xHH`
    /// (two capital hexadecimal digits), and so is the backslash of a text that has such a notation itself (`\x5CxE9`). Borrowed if that
    /// changes nothing.
    ///
    /// `is_front`: the bytes are the front of a text. A character that is cut at their end is left out.
    ///
    /// ```
    /// use mysql_interceptor::mysql::charset::Charset;
    /// assert_eq!(Charset::Latin1.to_text(b"caf\xe9", false), "caf\u{e9}");
    /// assert_eq!(Charset::Utf8mb4.to_text(b"caf\xe9 \\xE9", false), "caf\\xE9 \\x5CxE9");
    /// ```
    #[inline]
    pub fn to_text(self, bytes: &[u8], is_front: bool) -> Cow<'_, str> {
        if self.is_same_in_utf8(bytes)
            && let Ok(text) = std::str::from_utf8(bytes)
            && memchr::memmem::find(bytes, MARK).is_none()
        {
            return Cow::Borrowed(text);
        }
        let decoded = Decoded::of(self, bytes, is_front);
        Cow::Owned(valid(decoded.unambiguous()))
    }

    /// The same of a value: as UTF-8, and nothing else. `None` if bytes in it are part of no character.
    #[inline]
    pub fn to_valid_utf8(self, bytes: &[u8], is_front: bool) -> Option<Cow<'_, str>> {
        if self.is_same_in_utf8(bytes)
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            return Some(Cow::Borrowed(text));
        }
        let decoded = Decoded::of(self, bytes, is_front);
        decoded.escapes.is_empty().then(|| Cow::Owned(valid(decoded.utf8)))
    }
}

/// The bytes of a text that [`Charset::to_text`] made, in UTF-8: what `\xHH` stands for, and the rest as it is.
///
/// ```
/// use mysql_interceptor::mysql::charset::bytes_of_text;
/// assert_eq!(bytes_of_text("caf\\xE9 \\x5CxE9 \\xe9"), b"caf\xe9 \\xE9 \\xe9");
/// ```
pub fn bytes_of_text(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memmem::find(rest, MARK) {
        let (before, mark) = rest.split_at(at);
        bytes.extend_from_slice(before);
        let shown = match mark {
            [_, _, high, low, ..] => digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        bytes.push(shown.unwrap_or(b'\\'));
        rest = mark.get(if shown.is_some() { Decoded::ESCAPE } else { 1 }..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest);
    bytes
}

/// A text in UTF-8, and where in it bytes are shown as `\xHH`.
struct Decoded {
    utf8: Vec<u8>,
    escapes: Vec<usize>,
}

impl Decoded {
    /// The length of `\xHH`.
    const ESCAPE: usize = 4;

    #[cold]
    fn of(charset: Charset, bytes: &[u8], is_front: bool) -> Self {
        let (mut utf8, mut escapes) = (Vec::with_capacity(bytes.len()), Vec::new());
        charset.append(bytes, &mut utf8, &mut |bad, out| {
            for byte in bad {
                escapes.push(out.len());
                push_escape(*byte, out);
            }
        });
        let mut decoded = Self { utf8, escapes };
        if is_front {
            decoded.drop_torn(charset.max_bytes_per_char() - 1);
        }
        decoded
    }

    /// Leaves out what is at the end of a character of which not all is there.
    fn drop_torn(&mut self, longest: usize) {
        for _ in 0..longest {
            let Some(at) = self.escapes.pop_if(|at| *at + Self::ESCAPE == self.utf8.len()) else { return };
            self.utf8.truncate(at);
        }
    }

    /// With the backslash escaped where the text has the notation itself.
    fn unambiguous(self) -> Vec<u8> {
        let Self { utf8, escapes } = self;
        let mut escapes = escapes.into_iter().peekable();
        let mut out: Option<Vec<u8>> = None;
        let mut copied = 0;
        for at in memchr::memmem::find_iter(&utf8, MARK) {
            let is_ours = std::iter::from_fn(|| escapes.next_if(|escape| *escape <= at)).last() == Some(at);
            let looks_like_ours = utf8
                .get(at + MARK.len()..at + Self::ESCAPE)
                .is_some_and(|digits| digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F')));
            if is_ours || !looks_like_ours {
                continue;
            }
            let out = out.get_or_insert_with(|| Vec::with_capacity(utf8.len() + Self::ESCAPE));
            out.extend_from_slice(utf8.get(copied..at).unwrap_or_default());
            push_escape(b'\\', out);
            copied = at + 1;
        }
        match out {
            None => utf8,
            Some(mut out) => {
                out.extend_from_slice(utf8.get(copied..).unwrap_or_default());
                out
            }
        }
    }
}

fn push_escape(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    out.extend_from_slice(MARK);
    out.extend_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the documents tell a consumer to do it: what `\xHH` stands for, and the text between as it is.
    fn parts(text: &str) -> Vec<Result<u8, char>> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(char) = rest.chars().next() {
            let byte = rest.strip_prefix("\\x").and_then(|rest| rest.get(..2)).and_then(|digits| {
                let is_ours = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'));
                is_ours.then(|| u8::from_str_radix(digits, 16).unwrap())
            });
            parts.push(byte.ok_or(char));
            rest = &rest[if byte.is_some() { 4 } else { char.len_utf8() }..];
        }
        parts
    }

    fn bytes_of_utf8(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in parts(text) {
            match part {
                Ok(byte) => bytes.push(byte),
                Err(char) => bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        bytes
    }

    #[test]
    fn what_is_no_text_is_escaped_and_what_looks_like_it_too() {
        let cases: &[(Charset, &[u8], &str)] = &[
            (Charset::Utf8mb4, b"caf\xc3\xa9", "caf\u{e9}"),
            (Charset::Utf8mb4, b"\x00\xff\xfe", "\0\\xFF\\xFE"),
            (Charset::Utf8mb4, b"\\xE9 \\xe9 \\\\x41 \\xE", "\\x5CxE9 \\xe9 \\\\x5Cx41 \\xE"),
            (Charset::Utf8mb4, b"\\\xe9\\xE9", "\\\\xE9\\x5CxE9"),
            (Charset::Binary, b"a\xe9", "a\\xE9"),
            (Charset::Latin1, b"\xe9\\xE9", "\u{e9}\\x5CxE9"),
            (Charset::Gbk, b"\xd6\xd0\xff\x81\x5c", "\u{4e2d}\\xFF\u{4e57}"),
            (Charset::Utf16, b"\x00a\xd8\x00\x00b\x00", "a\\xD8\\x00b\\x00"),
            (Charset::Utf32, b"\0\0\0a\0\x11\0\0", "a\\x00\\x11\\x00\\x00"),
            (Charset::Swe7, b"\\x41\x80", "\u{d6}x41\\x80"),
        ];
        for (charset, bytes, text) in cases {
            assert_eq!(charset.to_text(bytes, false), *text, "{charset:?}");
        }
        assert!(matches!(Charset::Latin1.to_text(b"SELECT '\\n'", false), Cow::Borrowed(_)));
    }

    #[test]
    fn half_a_character_at_a_cut_is_left_out() {
        for (charset, bytes, text) in [
            (Charset::Utf8mb4, &b"a\xf0\x9f\x98"[..], "a"),
            (Charset::Utf8mb4, b"a\xff", "a"),
            (Charset::Utf8mb4, b"\xff\xff\xff\xff\xff", "\\xFF\\xFF"),
            (Charset::Sjis, b"a\x93", "a"),
            (Charset::Ujis, b"a\x8f\xa1", "a"),
            (Charset::Utf16, b"\x00a\xd8", "a"),
            (Charset::Latin1, b"a\xe9", "a\u{e9}"),
        ] {
            assert_eq!(charset.to_text(bytes, true), text, "{charset:?}");
        }
        assert_eq!(Charset::Utf8mb4.to_valid_utf8(b"a\xc3", true).as_deref(), Some("a"));
        assert_eq!(Charset::Utf8mb4.to_valid_utf8(b"a\xc3", false), None);
        assert_eq!(Charset::Latin1.to_valid_utf8(b"\\xE9\xc3", false).as_deref(), Some("\\xE9\u{c3}"));
    }

    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            any::<char>().prop_map(|char| char.to_string().into_bytes()),
            "\\\\x[0-9A-Fa-f]{0,3}|\\\\{1,3}|[a-z ]{1,4}".prop_map(String::into_bytes),
        ];
        prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
    }

    proptest! {
        /// Whatever the bytes, they can be had again, and the text is the one that is read without the notation.
        #[test]
        fn nothing_is_lost(bytes in texts()) {
            for charset in [Charset::Utf8mb4, Charset::Binary, Charset::Ascii] {
                prop_assert_eq!(&bytes_of_utf8(&charset.to_text(&bytes, false)), &bytes);
                prop_assert_eq!(&bytes_of_text(&charset.to_text(&bytes, false)), &bytes);
            }
            for &charset in Charset::ALL {
                let text = charset.to_text(&bytes, false);
                // The characters, each of which is one byte or several, and every byte that is part of none.
                let mut expected = Vec::new();
                let mut marks = Vec::new();
                charset.append(&bytes, &mut expected, &mut |bad, out| {
                    marks.extend(bad.iter().map(|_| ()));
                    out.extend_from_slice(bad);
                });
                let mut shown = Vec::new();
                for part in parts(&text) {
                    match part {
                        Ok(byte) => shown.push(byte),
                        Err(char) => shown.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
                    }
                }
                prop_assert!(shown == expected, "{:?} {:?}", charset, text);
                prop_assert_eq!(charset.to_valid_utf8(&bytes, false).is_some(), marks.is_empty());
            }
        }
    }
}
