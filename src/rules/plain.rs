//! One text for a value, however it is written or stored: what pseudonyms are made of.
//!
//! `5`, `5.00`, `'5'`, a bound 5 and a column that holds 5 are one value; so are `'a'` and `X'61'`. Text counts as UTF-8, bytes as they are.

use std::borrow::Cow;

/// The one text of what a string says: of a plain decimal number, or a time with a fraction, without zeros at the end of the fraction. `007`
/// and `1e3` are texts like any other.
pub(crate) fn of_text(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(point) = memchr::memrchr(b'.', text) else { return Cow::Borrowed(text) };
    let (whole, fraction) = text.split_at(point);
    let fraction = fraction.get(1..).unwrap_or_default();
    let is_fraction = !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit);
    if !is_fraction || !(is_integer(whole) || is_time(whole)) {
        return Cow::Borrowed(text);
    }
    let zeros = fraction.iter().rev().take_while(|digit| **digit == b'0').count();
    let kept = fraction.len() - zeros;
    let short = text.get(..if kept == 0 { point } else { point + 1 + kept }).unwrap_or(text);
    Cow::Borrowed(if short == b"-0" { b"0" } else { short })
}

/// The one text of a number, as it is written in SQL or shown: without sign of plus, exponent, zeros in front and at the end of the fraction.
pub(crate) fn of_number(number: &[u8]) -> Cow<'_, [u8]> {
    let number = number.strip_prefix(b"+").unwrap_or(number);
    if number.iter().any(|byte| matches!(byte, b'e' | b'E')) {
        let value = std::str::from_utf8(number).ok().and_then(|text| text.parse::<f64>().ok());
        return match value.filter(|value| value.is_finite()) {
            Some(value) => Cow::Owned(of_float(value)),
            None => Cow::Borrowed(number),
        };
    }
    let (sign, digits) = match number {
        [b'-', rest @ ..] => (&b"-"[..], rest),
        _ => (&b""[..], number),
    };
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let significant = digits.get(zeros..).unwrap_or_default();
    let zero = if significant.first().is_none_or(|first| *first == b'.') { &b"0"[..] } else { b"" };
    let significant = significant.strip_suffix(b".").unwrap_or(significant);
    let plain = [sign, zero, significant].concat();
    if plain == b"-0" { Cow::Borrowed(b"0") } else { Cow::Owned(of_text(&plain).into_owned()) }
}

/// The one text of a float: the fewest digits that tell it from others, without an exponent.
pub(crate) fn of_float(value: impl std::fmt::Display) -> Vec<u8> {
    match value.to_string() {
        zero if zero == "-0" => b"0".to_vec(),
        text => text.into_bytes(),
    }
}

/// `-?` and digits without a zero in front.
fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// `..:MM:SS`, with whatever date and hours in front.
fn is_time(text: &[u8]) -> bool {
    let [front @ .., b':', m1, m2, b':', s1, s2] = text else { return false };
    let are_digits = [m1, m2, s1, s2].into_iter().all(u8::is_ascii_digit);
    are_digits
        && front.last().is_some_and(u8::is_ascii_digit)
        && front.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b' ' | b'T'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (text, plain) in [
            ("", ""),
            ("hunter2", "hunter2"),
            ("5", "5"),
            ("5.00", "5"),
            ("-5.10", "-5.1"),
            ("-0.00", "0"),
            ("007", "007"),
            ("007.50", "007.50"),
            ("1.2.30", "1.2.30"),
            ("5.", "5."),
            (".50", ".50"),
            ("a.50", "a.50"),
            ("1e3", "1e3"),
            ("2026-01-31 12:00:00.500000", "2026-01-31 12:00:00.5"),
            ("2026-01-31 12:00:00.000000", "2026-01-31 12:00:00"),
            ("-838:59:59.100", "-838:59:59.1"),
            ("x:59:59.100", "x:59:59.100"),
            ("::59:59.100", "::59:59.100"),
        ] {
            assert_eq!(of_text(text.as_bytes()), plain.as_bytes(), "{text}");
        }
    }

    #[test]
    fn numbers() {
        for (number, plain) in [
            ("5", "5"),
            ("+5", "5"),
            ("007", "7"),
            ("5.00", "5"),
            ("5.", "5"),
            (".5", "0.5"),
            ("-.50", "-0.5"),
            ("0", "0"),
            ("-0", "0"),
            ("000", "0"),
            ("1e3", "1000"),
            ("1.5E-1", "0.15"),
            ("1e999", "1e999"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            assert_eq!(of_number(number.as_bytes()), plain.as_bytes(), "{number}");
        }
        assert_eq!(
            (of_float(0.1f32), of_float(1e15), of_float(-0.0)),
            (b"0.1".into(), b"1000000000000000".into(), b"0".into())
        );
    }
}
