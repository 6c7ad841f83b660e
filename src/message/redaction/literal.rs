//! What stands in a text for a literal that is not shown.

use std::borrow::Cow;

use crate::mysql::charset::Charset;
use crate::mysql::sql::{Kind, Lexis, Tokens, unquote};
use crate::rules::plain;
use crate::rules::redaction::Redactor;

/// How a literal is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) lexis: Lexis,
    pub(super) charset: Charset,
}

/// Appends a string that stands for the literal; `None`: it is not known as a whole.
pub(super) fn push(shown: &mut String, literal: Option<&[u8]>, reading: Reading, redactor: &Redactor) {
    let has_value = literal.filter(|_| redactor.has_pseudonyms());
    let pseudonym = has_value.and_then(|literal| redactor.pseudonym(&value(literal, reading)?));
    shown.push('\'');
    match pseudonym {
        Some(pseudonym) => shown.push_str(&pseudonym.to_string()),
        None => shown.push_str(&redactor.mask().replace('\'', "''")),
    }
    shown.push('\'');
}

/// A literal's plain text; `None` where it is not that of a literal.
fn value(literal: &[u8], reading: Reading) -> Option<Cow<'static, [u8]>> {
    let Reading { lexis, mut charset } = reading;
    let (mut text, mut bytes) = (Vec::new(), None);
    let mut tokens = Tokens::new(literal, lexis).peekable();
    let is_negative = tokens.next_if(|token| literal.get(token.range()) == Some(b"-")).is_some();
    while let Some(token) = tokens.next() {
        let part = literal.get(token.range()).unwrap_or_default();
        match token.kind {
            Kind::Text if bytes.is_none() => text.extend_from_slice(&unquote(part, lexis)),
            Kind::Binary if text.is_empty() && bytes.is_none() => bytes = Some(binary(part)?),
            Kind::Number if tokens.peek().is_none() => {
                let sign = if is_negative { &b"-"[..] } else { b"" };
                return Some(Cow::Owned(plain::of_number(&[sign, part].concat()).into_owned()));
            }
            Kind::Word => charset = introduced(part)?,
            _ => return None,
        }
    }
    let is_introduced = charset != reading.charset;
    let value = match bytes {
        Some(bytes) if !is_introduced => bytes,
        Some(bytes) => charset.to_utf8(&bytes).into_owned().into_bytes(),
        None => match charset.to_valid_utf8(&text, false) {
            Some(valid) => valid.into_owned().into_bytes(),
            None => text,
        },
    };
    Some(Cow::Owned(plain::of_text(&value).into_owned()))
}

/// The character set of `_latin1`.
fn introduced(word: &[u8]) -> Option<Charset> {
    let name = std::str::from_utf8(word).ok()?.strip_prefix('_')?;
    Charset::from_name(&name.to_ascii_lowercase())
}

/// The bytes of `X'6162'` and `0x6162`; of `b'101'` the number, as a BIT column has it.
fn binary(text: &[u8]) -> Option<Vec<u8>> {
    let (radix, digits) = match text {
        [b'0', radix, digits @ ..] => (radix, digits),
        [radix, b'\'', digits @ .., b'\''] => (radix, digits),
        _ => return None,
    };
    if radix.eq_ignore_ascii_case(&b'b') {
        let number = digits.iter().try_fold(0_u64, |number, digit| match digit {
            b'0' | b'1' if number < 1 << 63 => Some(number << 1 | u64::from(digit - b'0')),
            _ => None,
        })?;
        return Some(number.to_string().into_bytes());
    }
    let nibble = |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let nibbles = digits.iter().map(nibble).collect::<Option<Vec<u8>>>()?;
    // An odd one has a zero in front.
    let odd = nibbles.len() % 2;
    let front = nibbles.get(..odd)?.iter().copied();
    let pairs = nibbles.get(odd..)?.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low);
    Some(front.chain(pairs).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const READING: Reading = Reading {
        lexis: Lexis {
            flavor: None,
            version: None,
            ansi_quotes: None,
            backslash_escapes: None,
            charset: crate::mysql::sql::ClientCharset::Plain,
        },
        charset: Charset::Utf8mb4,
    };

    fn shown(literal: &str) -> Option<String> {
        let value = value(literal.as_bytes(), READING)?;
        Some(String::from_utf8_lossy(&value).into_owned())
    }

    #[test]
    fn one_value_has_one_text() {
        for (text, literals) in [
            ("5", &["5", "'5'", "5.00", "'5.0'", "005", "X'35'", "0x35", "b'101'", "0b0101", "'' '5'"][..]),
            ("-5", &["-5", "- 5.0", "'-5'"]),
            ("ab", &["'ab'", "\"ab\"", "N'ab'", "'a' 'b'", "'a'\n\"b\"", "_utf8mb4'ab'", "_binary X'6162'", "x'6162'"]),
            ("a'b\n", &["'a''b\\n'", "\"a'b\\n\""]),
            ("", &["''", "X''"]),
            ("\u{1}#", &["0x123"]),
        ] {
            for literal in literals {
                assert_eq!(shown(literal).as_deref(), Some(text), "{literal}");
            }
        }
        for literal in ["_x'ab'", "a", "NULL", "X'6g'", "'a' + 1"] {
            assert_eq!(shown(literal), None, "{literal}");
        }
    }

    #[test]
    fn what_stands_for_it_is_a_string() {
        let instead = |literal: &str, redactor: &Redactor| {
            let mut shown = String::new();
            push(&mut shown, Some(literal.as_bytes()), READING, redactor);
            shown
        };
        assert_eq!(instead("5", &Redactor::new(&[], "it's")), "'it''s'");
        let hash = Redactor::default().with_pseudonyms(b"0123456789abcdef");
        assert_eq!(instead("5", &hash), instead("'5.0'", &hash));
        assert_eq!((instead("5", &hash).len(), instead("x + y", &hash)), (36, "'***'".to_owned()));
    }
}
