//! The rows of `INSERT .. VALUES (..), (..)`, each as a statement of its own with its literals as values.

use std::borrow::Cow;
use std::ops::Range;

use super::fronts::skip_statement_variables;
use super::keys::Keys;
use super::lexis::Lexis;
use super::quoted::unquote;
use super::sites::{SiteKind, Sites};
use super::tokens::{Kind, Token, Tokens};
use crate::mysql::charset::Charset;

/// An INSERT or REPLACE of several rows.
///
/// Nothing of a row is kept: a text may have millions of them.
#[derive(Debug, Clone)]
pub struct InsertRows<'a> {
    sql: &'a [u8],
    /// Up to the first row.
    front: Range<usize>,
    /// What comes after the last row.
    back: Range<usize>,
    /// In front of the next row, if there is another.
    tokens: Option<Tokens<'a>>,
}

/// One row of it.
#[derive(Debug, Clone, PartialEq)]
pub struct InsertRow<'a> {
    /// Where it is: from its parenthesis, or from ROW, to its end.
    pub range: Range<usize>,
    /// Its values that are literals, and each `?` of a prepared statement, in the order of the text.
    pub values: Vec<InsertValue<'a>>,
}

/// A literal or placeholder, with its place in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct InsertValue<'a> {
    /// From its first byte to its last: the introducer of a character set, DATE and the like included.
    pub range: Range<usize>,
    /// What it says.
    pub literal: Literal<'a>,
}

/// What a literal says.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal<'a> {
    /// NULL.
    Null,
    /// An integer, or a decimal number: its digits, without needless ones.
    Number(Cow<'a, str>),
    /// A number with an exponent.
    Float(f64),
    /// A string, without quotes and escapes.
    Text(Cow<'a, str>),
    /// What is no text: `x'..'`, `_binary'..'`, or a string whose bytes are no characters.
    Bytes(Cow<'a, [u8]>),
    /// The parameter of a prepared statement.
    Placeholder,
}

impl<'a> InsertRows<'a> {
    /// The rows of `sql`; `None` if it is no INSERT or REPLACE of more than one row, or where that is not certain.
    ///
    /// ```
    /// use mysql_interceptor::mysql::{charset::Charset, sql::{InsertRows, Lexis}};
    /// let sql = b"INSERT INTO t (a, b) VALUES (1, 'x'), (NOW(), 'y')";
    /// let rows = InsertRows::of(sql, Lexis::default()).unwrap();
    /// let shown: Vec<_> = rows.rows(Lexis::default(), Charset::Utf8mb4).map(|row| rows.statement(&row)).collect();
    /// assert_eq!(shown[0], b"INSERT INTO t (a, b) VALUES (?, ?)");
    /// assert_eq!(shown[1], b"INSERT INTO t (a, b) VALUES (NOW(), ?)");
    /// ```
    pub fn of(sql: &'a [u8], lexis: Lexis) -> Option<Self> {
        let mut tokens = Tokens::new(sql, lexis);
        skip_front(&mut tokens)?;
        let start = tokens.clone();
        let front = 0..next_start(&tokens)?;
        let mut count = 0_usize;
        let end = loop {
            let row = row_end(&mut tokens)?;
            count += 1;
            let mut ahead = tokens.clone();
            match ahead.next() {
                Some(token) if token.kind == Kind::Comma => tokens = ahead,
                _ => break row,
            }
        };
        // What is left decides whether the text can be read at all.
        let mut ended = false;
        for token in tokens.by_ref() {
            if std::mem::replace(&mut ended, token.kind == Kind::Semicolon) {
                return None;
            }
        }
        let is_clear = count > 1 && !tokens.is_broken() && !tokens.is_doubtful();
        is_clear.then_some(Self { sql, front, back: end..sql.len(), tokens: Some(start) })
    }

    /// Each row. Strings without an introducer are in `charset`.
    pub fn rows(&self, lexis: Lexis, charset: Charset) -> impl Iterator<Item = InsertRow<'a>> + use<'a> {
        let (sql, mut tokens) = (self.sql, self.tokens.clone());
        let no_keys = Keys::none();
        std::iter::from_fn(move || {
            let mut at = tokens.take()?;
            let start = next_start(&at)?;
            let cells = cells_of_row(&mut at)?;
            let range = start..Tokens::position(&at);
            if at.next().is_some_and(|token| token.kind == Kind::Comma) {
                tokens = Some(at);
            }
            let text = sql.get(range.clone()).unwrap_or_default();
            let sites = Sites::of(text, lexis, &no_keys);
            let values = values(sql, range.start, &sites, &cells, lexis, charset);
            Some(InsertRow { range, values })
        })
    }

    /// The statement with this row alone, and `?` for its values.
    pub fn statement(&self, row: &InsertRow<'_>) -> Vec<u8> {
        let part = |range: Range<usize>| self.sql.get(range).unwrap_or_default();
        let (front, back) = (part(self.front.clone()), part(self.back.clone()));
        let mut statement = Vec::with_capacity(front.len() + back.len() + 8 * row.values.len());
        statement.extend_from_slice(front);
        let mut at = row.range.start;
        for value in &row.values {
            statement.extend_from_slice(part(at..value.range.start));
            statement.push(b'?');
            at = value.range.end;
        }
        statement.extend_from_slice(part(at..row.range.end));
        statement.extend_from_slice(back);
        statement
    }

    /// How many placeholders are in front of the rows, and how many are behind them.
    pub fn placeholders_around(&self, lexis: Lexis) -> (usize, usize) {
        let count = |range: &Range<usize>| {
            let part = self.sql.get(range.clone()).unwrap_or_default();
            let tokens = Tokens::new(part, lexis);
            let reader = tokens.clone();
            tokens.filter(|token| token.kind == Kind::Other && reader.text(token) == b"?").count()
        };
        (count(&self.front), count(&self.back))
    }
}

/// Steps over `INSERT INTO name PARTITION (..) (..) VALUES`.
fn skip_front(tokens: &mut Tokens<'_>) -> Option<()> {
    while skip_statement_variables(tokens) {}
    let verb = tokens.next()?;
    if !tokens.is_any(&verb, &["insert", "replace"]) {
        return None;
    }
    let mut token = tokens.next()?;
    while tokens.is_any(&token, &["low_priority", "delayed", "high_priority", "ignore", "into"]) {
        token = tokens.next()?;
    }
    if !matches!(token.kind, Kind::Word | Kind::Name) {
        return None;
    }
    token = tokens.next()?;
    while token.kind == Kind::Dot {
        tokens.next()?;
        token = tokens.next()?;
    }
    if tokens.is(&token, "partition") {
        token = tokens.next()?;
        skip_group(tokens, &token)?;
        token = tokens.next()?;
    }
    if token.kind == Kind::Open {
        skip_group(tokens, &token)?;
        token = tokens.next()?;
    }
    tokens.is_any(&token, &["values", "value"]).then_some(())
}

/// The rest of a group that `open` opens.
fn skip_group(tokens: &mut Tokens<'_>, open: &Token) -> Option<()> {
    let mut depth = usize::from(open.kind == Kind::Open);
    while depth > 0 {
        match tokens.next()?.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth -= 1,
            Kind::Semicolon => return None,
            _ => {}
        }
    }
    (open.kind == Kind::Open).then_some(())
}

fn next_start(tokens: &Tokens<'_>) -> Option<usize> {
    Some(tokens.peek()?.start)
}

/// Steps over a row: where it ends.
fn row_end(tokens: &mut Tokens<'_>) -> Option<usize> {
    let mut open = tokens.next()?;
    if tokens.is(&open, "row") {
        open = tokens.next()?;
    }
    skip_group(tokens, &open)?;
    Some(Tokens::position(tokens))
}

/// Steps over a row: where each of its values is.
fn cells_of_row(tokens: &mut Tokens<'_>) -> Option<Vec<Range<usize>>> {
    let mut cells = Vec::new();
    let mut cell: Option<Range<usize>> = None;
    let mut depth = 0_usize;
    loop {
        let token = tokens.next()?;
        match (depth, token.kind) {
            // ROW
            (0, Kind::Word) => continue,
            (0, Kind::Open) => {
                depth = 1;
                continue;
            }
            (0, _) => return None,
            (1, Kind::Comma) => {
                cells.extend(cell.take());
                continue;
            }
            (1, Kind::Close) => {
                cells.extend(cell);
                return Some(cells);
            }
            (_, Kind::Open) => depth += 1,
            (_, Kind::Close) => depth -= 1,
            _ => {}
        }
        let start = cell.as_ref().map_or(token.start, |cell| cell.start);
        cell = Some(start..token.end);
    }
}

/// A row's values that are literals, and its placeholders, in their order. `start`: where the row's text begins.
fn values<'a>(
    sql: &'a [u8],
    start: usize,
    sites: &Sites,
    cells: &[Range<usize>],
    lexis: Lexis,
    charset: Charset,
) -> Vec<InsertValue<'a>> {
    let part = |range: Range<usize>| sql.get(range).unwrap_or_default();
    let mut values = Vec::with_capacity(cells.len());
    for site in &sites.sites {
        let mut range = start + site.span.start..start + site.span.end;
        let literal = literal(part(range.clone()), site.kind, lexis, charset);
        if literal != Literal::Placeholder {
            // What is part of an expression stays in it.
            let cell = cells.get(cells.partition_point(|cell| cell.end <= range.start));
            let Some(cell) = cell.filter(|cell| is_all_of(part(cell.start..range.start), cell.end, range.end)) else {
                continue;
            };
            range = cell.clone();
        }
        values.push(InsertValue { range, literal });
    }
    for cell in cells {
        values.extend(constant(part(cell.clone())).map(|literal| InsertValue { range: cell.clone(), literal }));
    }
    values.sort_by_key(|value| value.range.start);
    values
}

/// Whether a literal is all of a value: what is in front of it, and where both end.
fn is_all_of(front: &[u8], value_end: usize, end: usize) -> bool {
    let words: [&[u8]; 4] = [b"", b"date", b"time", b"timestamp"];
    value_end == end && words.iter().any(|word| front.trim_ascii_end().eq_ignore_ascii_case(word))
}

/// What a value stands for that is a word.
fn constant(text: &[u8]) -> Option<Literal<'static>> {
    let is = |word: &[u8]| text.eq_ignore_ascii_case(word);
    if is(b"null") || text == b"\\N" {
        Some(Literal::Null)
    } else if is(b"true") {
        Some(Literal::Number(Cow::Borrowed("1")))
    } else {
        is(b"false").then_some(Literal::Number(Cow::Borrowed("0")))
    }
}

fn literal(text: &[u8], kind: SiteKind, lexis: Lexis, charset: Charset) -> Literal<'_> {
    if kind == SiteKind::Placeholder {
        return Literal::Placeholder;
    }
    if kind == SiteKind::Number {
        return number(text);
    }
    let mut charset = charset;
    let mut said: Option<Cow<'_, [u8]>> = None;
    let mut is_text = true;
    let tokens = Tokens::new(text, lexis);
    let reader = tokens.clone();
    for token in tokens {
        let part = reader.text(&token);
        let bytes = match token.kind {
            Kind::Text => {
                if matches!(part.first(), Some(b'N' | b'n')) {
                    charset = Charset::Utf8mb3;
                }
                unquote(part, lexis)
            }
            Kind::Binary => {
                is_text = charset_of_introducer(text).is_some();
                Cow::Owned(binary(part))
            }
            // The introducer.
            _ => {
                charset = charset_of_introducer(part).unwrap_or(charset);
                continue;
            }
        };
        said = Some(match said {
            None => bytes,
            Some(before) => Cow::Owned([before, bytes].concat()),
        });
    }
    let bytes = said.unwrap_or_default();
    if !is_text || charset.is_binary() && charset_of_introducer(text).is_some() {
        return Literal::Bytes(bytes);
    }
    shown(bytes, charset)
}

/// A string's bytes as text, where they are one.
fn shown(bytes: Cow<'_, [u8]>, charset: Charset) -> Literal<'_> {
    match bytes {
        Cow::Borrowed(bytes) => {
            charset.to_valid_utf8(bytes, false).map_or(Literal::Bytes(Cow::Borrowed(bytes)), Literal::Text)
        }
        Cow::Owned(bytes) => match charset.to_valid_utf8(&bytes, false) {
            Some(text) => Literal::Text(Cow::Owned(text.into_owned())),
            None => Literal::Bytes(Cow::Owned(bytes)),
        },
    }
}

/// The character set of `_name` at the front of a text.
fn charset_of_introducer(text: &[u8]) -> Option<Charset> {
    let name = text.strip_prefix(b"_")?;
    let end = name.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(name.len());
    Charset::from_name(std::str::from_utf8(name.get(..end)?).ok()?)
}

/// The bytes of `x'..'`, `0x..`, `b'..'`, `0b..`.
fn binary(text: &[u8]) -> Vec<u8> {
    let bits_per_digit = if matches!(text, [b'x' | b'X', ..] | [b'0', b'x' | b'X', ..]) { 4 } else { 1 };
    let digits: Vec<u8> =
        text.iter().skip(if text.first() == Some(&b'0') { 2 } else { 1 }).filter(|b| **b != b'\'').copied().collect();
    let per_byte = 8 / bits_per_digit;
    let value = |digit: &u8| (*digit as char).to_digit(16).unwrap_or_default() as u8;
    digits
        .rchunks(per_byte)
        .rev()
        .map(|chunk| chunk.iter().fold(0_u8, |byte, digit| byte << bits_per_digit | value(digit)))
        .collect()
}

/// A number in plain digits.
fn number(text: &[u8]) -> Literal<'_> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => ("-", digits.trim_ascii_start()),
        [b'+', digits @ ..] => ("", digits.trim_ascii_start()),
        digits => ("", digits),
    };
    let Ok(digits) = std::str::from_utf8(digits) else { return Literal::Bytes(Cow::Borrowed(text)) };
    if digits.contains(['e', 'E']) {
        let value = digits.parse::<f64>().unwrap_or(f64::NAN);
        return Literal::Float(if sign.is_empty() { value } else { -value });
    }
    let significant = digits.trim_start_matches('0');
    let zero = if significant.is_empty() || significant.starts_with('.') { "0" } else { "" };
    let significant = significant.strip_suffix('.').unwrap_or(significant);
    if sign.is_empty() && zero.is_empty() {
        return Literal::Number(Cow::Borrowed(significant));
    }
    Literal::Number(Cow::Owned(format!("{sign}{zero}{significant}")))
}
