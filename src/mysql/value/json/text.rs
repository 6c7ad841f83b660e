//! Strings, doubles and base64 in JSON text.

use std::io::Write;

use crate::json::{escape, is_plain};
use crate::mysql::value::digits::append_short;

/// Appends a string with its quotes; what is not UTF-8 becomes U+FFFD.
#[inline]
pub(crate) fn string(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    if is_plain(bytes) {
        append_short(out, bytes);
    } else if std::str::from_utf8(bytes).is_ok() {
        escape(bytes, out);
    } else {
        for chunk in bytes.utf8_chunks() {
            escape(chunk.valid().as_bytes(), out);
            if !chunk.invalid().is_empty() {
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
    out.push(b'"');
}

/// Appends a double in the shortest form that reads back as the same, never as an integer: `1.0`. The server prints an
/// exponent below 1e-15, and from 1e15 on if there is no fraction (`my_gcvt` in `strings/dtoa.cc`). Documents hold no
/// infinity and no NaN, which JSON has not either; they become null.
pub(crate) fn double(value: f64, out: &mut Vec<u8>) {
    let magnitude = value.abs();
    if !magnitude.is_finite() {
        return out.extend_from_slice(b"null");
    }
    let whole = value.trunc() == value;
    if whole && magnitude < 1e15 {
        // -0.0 has a sign which the integer has not.
        if magnitude == 0.0 && value.is_sign_negative() {
            out.push(b'-');
        }
        out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
        return out.extend_from_slice(b".0");
    }
    let start = out.len();
    let written = if whole && magnitude < 1e16 {
        write!(out, "{value:e}")
    } else {
        // Not `{value}`: of two forms that are as short and as near, the server and this printer take the even one.
        serde_json::to_writer(&mut *out, &value).map_err(Into::into)
    };
    debug_assert!(written.is_ok(), "a Vec takes all that is written");
    if (1e-15..1e-4).contains(&magnitude) {
        spell_out_zeros(start, out);
    } else if magnitude >= 1e16
        && let Some(plus) = out.get(start..).and_then(|text| memchr::memchr(b'+', text))
    {
        out.remove(start + plus);
    }
}

/// Makes `0.00000012` of `1.2e-7` from `start` on.
fn spell_out_zeros(start: usize, out: &mut Vec<u8>) {
    let Some(e) = out.get(start..).and_then(|text| memchr::memchr(b'e', text)) else { return };
    let text = out.split_off(start);
    let (mantissa, exponent) = text.split_at(e);
    let exponent = std::str::from_utf8(exponent).ok().and_then(|text| text.strip_prefix("e-")?.parse().ok());
    if mantissa.starts_with(b"-") {
        out.push(b'-');
    }
    out.extend_from_slice(b"0.");
    for _ in 1..exponent.unwrap_or(1_usize) {
        out.push(b'0');
    }
    out.extend(mantissa.iter().filter(|byte| byte.is_ascii_digit()));
}

/// How many bytes make a line of 76 characters.
const BASE64_LINE: usize = 57;

/// Appends base64 in lines as the server breaks them (`base64_encode` in `mysys/base64.cc`); in JSON a line's end is `\n`.
pub(crate) fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len().div_ceil(3).saturating_mul(4).saturating_add(bytes.len() / BASE64_LINE * 2));
    for (index, line) in bytes.chunks(BASE64_LINE).enumerate() {
        if index > 0 {
            out.extend_from_slice(b"\\n");
        }
        for group in line.chunks(3) {
            let (a, b, c) = match *group {
                [a, b, c] => (a, b, c),
                [a, b] => (a, b, 0),
                [a] => (a, 0, 0),
                _ => continue,
            };
            let bits = u32::from_be_bytes([0, a, b, c]);
            let mut characters = [18, 12, 6, 0].map(|shift| base64_digit((bits >> shift & 63) as u8));
            for pad in characters.iter_mut().skip(group.len() + 1) {
                *pad = b'=';
            }
            out.extend_from_slice(&characters);
        }
    }
}

fn base64_digit(value: u8) -> u8 {
    match value {
        0..=25 => b'A' + value,
        26..=51 => b'a' + (value - 26),
        52..=61 => b'0' + (value - 52),
        62 => b'+',
        _ => b'/',
    }
}
