//! Where quoted texts end, and what they say.

use std::borrow::Cow;

use super::lexis::{ClientCharset, Lexis};

/// The end of a quoted text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// After the closing quote.
    At(usize),
    /// There is none: the servers take the rest of the text for it, and refuse it.
    Open,
    /// It depends on settings that are not known; with backslashes as escapes, or in a character set of single bytes, it is here.
    Doubtful(usize),
}

/// How one reading of the settings sees a quoted text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading {
    quote: u8,
    escapes: bool,
    charset: ClientCharset,
}

impl Reading {
    /// Where the text ends whose opening quote is in front of `from`.
    fn end(self, sql: &[u8], from: usize) -> Option<usize> {
        self.end_before(sql, from, sql.len()).ok()
    }

    /// The same, of a text whose closing quote is looked for before `stop`; else the first byte from there on that is no part of a
    /// character, escape or doubled quote that begins before.
    fn end_before(self, sql: &[u8], from: usize, stop: usize) -> Result<usize, usize> {
        let Self { quote, escapes, charset } = self;
        let is_plain = !charset.is_double_byte();
        let mut at = from;
        loop {
            let rest = sql.get(at..stop).unwrap_or_default();
            if is_plain {
                let found = if escapes { memchr::memchr2(quote, b'\\', rest) } else { memchr::memchr(quote, rest) };
                at += found.unwrap_or(rest.len());
            }
            let Some(&byte) = sql.get(at).filter(|_| at < stop) else { return Err(at.min(sql.len())) };
            if byte >= 0x80 {
                at += charset.character_length(sql.get(at..).unwrap_or_default());
            } else if escapes && byte == b'\\' {
                at += 2;
            } else if byte != quote {
                at += 1;
            } else if sql.get(at + 1) == Some(&quote) {
                at += 2;
            } else {
                return Ok(at + 1);
            }
        }
    }
}

/// Where a text ends that began before `from`, in `quote`; else the first byte to look at again when more of it is
/// there: a character or an escape may be cut off. Settings that are not known are taken for the usual ones.
pub(super) fn rest_of_quoted(sql: &[u8], from: usize, quote: u8, lexis: Lexis, is_last: bool) -> Result<usize, usize> {
    const LONGEST_CHARACTER: usize = 4;
    let is_name = quote == b'`' || (quote == b'"' && lexis.ansi_quotes == Some(true));
    let escapes = !is_name && lexis.backslash_escapes != Some(false);
    let reading = Reading { quote, escapes, charset: lexis.charset };
    let stop = if is_last { sql.len() } else { sql.len().saturating_sub(LONGEST_CHARACTER).max(from) };
    reading.end_before(sql, from, stop)
}

/// Whether a quoted text may end here: no name and no quote stands right after it in a text that anybody has written.
fn is_plausible(sql: &[u8], end: Option<usize>) -> bool {
    let lexis = Lexis::default();
    end.is_some_and(|end| sql.get(end).is_none_or(|next| !lexis.is_word(*next) && !b"'\"`\\".contains(next)))
}

/// Where the text ends that the quote at `at` opens.
pub(super) fn quoted_end(sql: &[u8], at: usize, lexis: Lexis) -> End {
    let quote = sql.get(at).copied().unwrap_or_default();
    // In names a backslash is one.
    let may_escape = match (quote, lexis.ansi_quotes) {
        (b'`', _) | (b'"', Some(true)) => Some(false),
        (b'"', None) if lexis.backslash_escapes != Some(false) => None,
        _ => lexis.backslash_escapes,
    };
    let escapes = may_escape.unwrap_or(true);
    let reading = Reading { quote, escapes, charset: lexis.charset };
    let end = reading.end(sql, at + 1);
    if may_escape.is_some() && lexis.charset != ClientCharset::Unknown {
        return end.map_or(End::Open, End::At);
    }
    undecided(sql, at + 1, reading, end, may_escape.is_none())
}

/// Not all settings are known: mostly it makes no difference.
#[cold]
fn undecided(sql: &[u8], from: usize, first: Reading, end: Option<usize>, escapes_unknown: bool) -> End {
    let charsets: &[ClientCharset] =
        if first.charset == ClientCharset::Unknown { &ClientCharset::DOUBLE_BYTE } else { &[] };
    let mut decided = end;
    let mut is_doubtful = false;
    let escapings: &[bool] = if escapes_unknown { &[true, false] } else { &[first.escapes] };
    for &escapes in escapings {
        for &charset in std::iter::once(&first.charset).chain(charsets) {
            let other = Reading { escapes, charset, ..first }.end(sql, from);
            if other == decided {
                continue;
            }
            match (is_plausible(sql, decided), is_plausible(sql, other)) {
                (true, false) => {}
                (false, true) => decided = other,
                _ => is_doubtful = true,
            }
        }
    }
    match decided {
        Some(end) if is_doubtful => End::Doubtful(end),
        Some(end) => End::At(end),
        None if is_doubtful => End::Doubtful(sql.len()),
        None => End::Open,
    }
}

/// What a name or string says, without its quotes and escapes. Other texts come back as they are.
pub fn unquote(text: &[u8], lexis: Lexis) -> Cow<'_, [u8]> {
    let text = match text {
        [b'N' | b'n', rest @ ..] if rest.first() == Some(&b'\'') => rest,
        _ => text,
    };
    let [quote @ (b'\'' | b'"' | b'`'), inner @ .., last] = text else { return Cow::Borrowed(text) };
    if quote != last {
        return Cow::Borrowed(text);
    }
    let is_name = *quote == b'`' || (*quote == b'"' && lexis.ansi_quotes == Some(true));
    let escapes = !is_name && lexis.backslash_escapes != Some(false);
    if memchr::memchr2(*quote, b'\\', inner).is_none() {
        return Cow::Borrowed(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((&byte, after)) = rest.split_first() {
        let length = if byte >= 0x80 { lexis.charset.character_length(rest) } else { 1 };
        let (character, next) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        rest = next;
        if byte == b'\\' && escapes {
            let Some((&escaped, after)) = after.split_first() else { break };
            unescape(escaped, &mut plain);
            rest = after;
        } else {
            plain.extend_from_slice(character);
            if byte == *quote {
                rest = rest.strip_prefix(&[*quote]).unwrap_or(rest);
            }
        }
    }
    Cow::Owned(plain)
}

/// What a character after a backslash stands for (both servers' "String Literals").
fn unescape(character: u8, plain: &mut Vec<u8>) {
    match character {
        b'n' => plain.push(b'\n'),
        b'r' => plain.push(b'\r'),
        b't' => plain.push(b'\t'),
        b'b' => plain.push(8),
        b'0' => plain.push(0),
        b'Z' => plain.push(0x1a),
        b'%' | b'_' => plain.extend([b'\\', character]),
        other => plain.push(other),
    }
}
