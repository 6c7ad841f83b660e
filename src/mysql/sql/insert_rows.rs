//! `INSERT INTO t (a, b) VALUES (1, 2), (3, 4)`: which value goes to which column, by the tokens alone, however many there are.

use super::keys::Keys;
use super::lexis::Lexis;
use super::quoted::unquote;
use super::sites::Site;
use super::tokens::{Kind, Token, Tokens};

/// For each site whether it goes to a column without a key in its name, and is called by no such name otherwise; `None` if the statement
/// is another. `is_torn`: it is only the front of one.
pub(super) fn harmless_rows(sql: &[u8], is_torn: bool, lexis: Lexis, keys: &Keys, sites: &[Site]) -> Option<Vec<bool>> {
    let mut tokens = Tokens::new(sql, lexis);
    let columns = columns(&mut tokens, keys)?;
    let mut rows =
        Rows { keys, sites, columns, harmless: vec![false; sites.len()], next: 0, cell: Cell::default(), place: 0 };
    let mut depth = 0_usize;
    while let Some(token) = tokens.next() {
        if tokens.is_doubtful() {
            return Some(rows.harmless);
        }
        match (depth, token.kind) {
            (0, Kind::Open) => {
                depth = 1;
                rows.row();
            }
            (0, Kind::Comma) => {}
            (0, _) if tokens.is(&token, "row") => {}
            (0, _) => return rows.tail(&tokens, token, is_torn),
            (1, Kind::Comma) => rows.end_cell(token.start),
            (1, Kind::Close) => {
                rows.end_cell(token.start);
                depth = 0;
            }
            (_, kind) => {
                match kind {
                    Kind::Open => depth += 1,
                    Kind::Close => depth -= 1,
                    _ => {}
                }
                rows.cell.token(&tokens, &token, keys);
            }
        }
    }
    Some(rows.harmless)
}

/// Steps over the front of the statement; for each of its columns whether its name has a key.
fn columns(tokens: &mut Tokens<'_>, keys: &Keys) -> Option<Vec<bool>> {
    let first = tokens.next()?;
    if !tokens.is_any(&first, &["insert", "replace"]) {
        return None;
    }
    let mut next = tokens.next()?;
    while tokens.is_any(&next, &["low_priority", "delayed", "high_priority", "ignore", "into"]) {
        next = tokens.next()?;
    }
    loop {
        match next.kind {
            Kind::Word if tokens.is(&next, "partition") => while tokens.next()?.kind != Kind::Close {},
            Kind::Word | Kind::Name | Kind::Dot => {}
            Kind::Open => break,
            _ => return None,
        }
        next = tokens.next()?;
    }
    let (mut columns, mut is_key) = (Vec::new(), false);
    loop {
        let token = tokens.next()?;
        match token.kind {
            // Of `t.a` the last name counts.
            Kind::Word | Kind::Name => is_key = keys.match_name(&unquote(tokens.text(&token), tokens.lexis())),
            Kind::Dot => {}
            Kind::Comma => columns.push(is_key),
            Kind::Close => {
                columns.push(is_key);
                break;
            }
            _ => return None,
        }
    }
    let values = tokens.next()?;
    tokens.is_any(&values, &["values", "value"]).then_some(columns)
}

/// A value of a row, as far as it was read.
#[derive(Debug, Default)]
struct Cell {
    tokens: usize,
    names_key: bool,
}

impl Cell {
    fn token(&mut self, tokens: &Tokens<'_>, token: &Token, keys: &Keys) {
        self.tokens += 1;
        if matches!(token.kind, Kind::Word | Kind::Name | Kind::Variable) {
            self.names_key |= keys.match_name(&unquote(tokens.text(token), tokens.lexis()));
        }
    }
}

struct Rows<'s> {
    keys: &'s Keys,
    sites: &'s [Site],
    columns: Vec<bool>,
    harmless: Vec<bool>,
    /// The first site that was not passed.
    next: usize,
    cell: Cell,
    /// The cell's place in its row.
    place: usize,
}

impl Rows<'_> {
    fn row(&mut self) {
        self.cell = Cell::default();
        self.place = 0;
    }

    /// The cell ends here: a comma or a parenthesis says so.
    fn end_cell(&mut self, end: usize) {
        let is_key = self.columns.get(self.place).copied().unwrap_or(true);
        self.end_part(end, is_key);
        self.place += 1;
    }

    /// Judges the sites in front of `end` together.
    fn end_part(&mut self, end: usize, is_key: bool) {
        let from = self.next;
        let part = self.sites.get(from..).unwrap_or_default();
        let count = part.iter().take_while(|site| site.span.end <= end).count();
        let part = part.get(..count).unwrap_or_default();
        // A literal that contains a key may be a name to something: a JSON path, say. Alone it is a value.
        let says_key = part.iter().any(|site| site.has_key) && self.cell.tokens > 1;
        if !(is_key || self.cell.names_key || says_key) {
            self.harmless.iter_mut().skip(from).take(count).for_each(|is_harmless| *is_harmless = true);
        }
        self.next = from + count;
        self.cell = Cell::default();
    }

    /// What follows the rows: ON DUPLICATE KEY UPDATE, RETURNING.
    fn tail(mut self, tokens: &Tokens<'_>, first: Token, is_torn: bool) -> Option<Vec<bool>> {
        self.row();
        self.next = self.sites.iter().take_while(|site| site.span.end <= first.start).count();
        let mut tokens = tokens.clone();
        let mut token = Some(first);
        while let Some(next) = token {
            self.cell.token(&tokens, &next, self.keys);
            token = tokens.next();
            if tokens.is_doubtful() {
                return Some(self.harmless);
            }
        }
        // Columns get other names.
        if tokens.is(&first, "as") && self.cell.names_key {
            return None;
        }
        if !is_torn {
            self.end_part(usize::MAX, false);
        }
        Some(self.harmless)
    }
}
