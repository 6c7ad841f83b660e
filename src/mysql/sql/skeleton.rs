//! A statement in a spelling that any parser reads: plain ASCII, each literal and placeholder a number of its own, names in one quoting.
//!
//! Neither `sql_mode` nor character sets, comments or escapes are left in it, and no list is shortened: what a parser says of a number
//! holds for the site with that number.

use std::collections::HashMap;
use std::fmt::Write;

use super::keys::Keys;
use super::lexis::Lexis;
use super::quoted::unquote;
use super::sites::{Site, SiteKind};
use super::tokens::{Kind, Token, Tokens};

/// More than this is not given to a parser: its work is bounded by it, and the depth of what it builds.
const MOST_TOKENS: usize = 4_000;
const MOST_OPERATORS: usize = 120;
const DEEPEST: usize = 16;

/// Sites' numbers begin here: no number like it is in a statement by itself.
const FIRST_NUMBER: usize = 7_000_000;

/// What a parser is given.
#[derive(Debug)]
pub(super) struct Skeleton {
    pub(super) text: String,
    /// The names that contain a key, as they stand in the text.
    pub(super) key_names: Vec<String>,
    /// What other names in quotes were, in lower case, by what they are in the text.
    pub(super) plain_names: HashMap<String, String>,
    /// Whether variables are assigned within expressions.
    pub(super) assigns_within: bool,
}

/// The statement's skeleton; `None` if it is not one for a parser.
pub(super) fn skeleton(sql: &[u8], lexis: Lexis, sites: &[Site], keys: &Keys) -> Option<Skeleton> {
    let skeleton =
        Skeleton { text: String::new(), key_names: Vec::new(), plain_names: HashMap::new(), assigns_within: false };
    let mut writer = Writer { skeleton, keys, lexis, names: HashMap::new(), is_set: false, operators: vec![0] };
    let mut tokens = Tokens::new(sql, lexis);
    let mut sites = sites.iter().enumerate().peekable();
    let (mut count, mut last) = (0, None::<Token>);
    while let Some(token) = tokens.next() {
        count += 1;
        // What belongs to a site is written with it.
        while sites.next_if(|(_, site)| site.span.end <= token.start).is_some() {}
        let site = sites.peek().filter(|(_, site)| site.span.start <= token.start);
        match site {
            Some((number, site)) if site.span.start == token.start => writer.site(*number, site.kind),
            Some(_) => {}
            None => writer.token(&tokens, &token, last)?,
        }
        writer.is_set |= count == 1 && tokens.is(&token, "set");
        last = Some(token);
        let is_deep = writer.operators.len() > DEEPEST || writer.operators.iter().sum::<usize>() > MOST_OPERATORS;
        if count > MOST_TOKENS || is_deep {
            return None;
        }
    }
    Some(writer.skeleton)
}

struct Writer<'k> {
    skeleton: Skeleton,
    keys: &'k Keys,
    lexis: Lexis,
    /// Numbers of names, by the name in lower case.
    names: HashMap<Vec<u8>, usize>,
    is_set: bool,
    /// Operators since the last comma, in each of the parentheses that are open: about as deep is what a parser builds of them.
    operators: Vec<usize>,
}

/// Words that make an expression deeper.
const OPERATORS: [&str; 24] = [
    "when",
    "interval",
    "explain",
    "array",
    "struct",
    "join",
    "and",
    "or",
    "xor",
    "not",
    "div",
    "mod",
    "like",
    "rlike",
    "regexp",
    "in",
    "is",
    "between",
    "collate",
    "union",
    "except",
    "intersect",
    "binary",
    "case",
];

/// The site that a literal of a skeleton stands for.
pub(super) fn site_of(literal: &str) -> Option<usize> {
    literal.parse::<usize>().ok()?.checked_sub(FIRST_NUMBER)
}

impl Skeleton {
    /// A name as it was, in lower case. `in_quotes`: it stands in quotes in the text.
    pub(super) fn original(&self, name: &str, in_quotes: bool) -> String {
        let plain = self.plain_names.get(name).filter(|_| in_quotes);
        plain.cloned().unwrap_or_else(|| name.to_ascii_lowercase())
    }
}

impl Writer<'_> {
    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.skeleton.text.write_fmt(text);
    }

    fn site(&mut self, number: usize, kind: SiteKind) {
        let number = FIRST_NUMBER + number;
        match kind {
            SiteKind::Text => self.write(format_args!(" '{number}'")),
            SiteKind::Binary => self.write(format_args!(" X'{number}'")),
            SiteKind::Number | SiteKind::Placeholder => self.write(format_args!(" {number}")),
        }
    }

    fn token(&mut self, tokens: &Tokens<'_>, token: &Token, last: Option<Token>) -> Option<()> {
        let text = tokens.text(token);
        match token.kind {
            Kind::Word => self.word(tokens, text),
            Kind::Name => {
                let name = unquote(text, self.lexis);
                self.name(tokens, &name);
            }
            Kind::Variable => self.variable(text),
            Kind::Open => {
                self.operators.push(0);
                self.write(format_args!(" ("));
            }
            Kind::Close => {
                self.operators.pop();
                self.write(format_args!(" )"));
            }
            Kind::Comma => {
                self.operators.iter_mut().last().into_iter().for_each(|operators| *operators = 0);
                self.write(format_args!(" ,"));
            }
            Kind::Dot => {
                self.operator();
                self.write(format_args!("."));
            }
            Kind::Other => {
                let adjacent = last.filter(|last| last.end == token.start && last.kind == Kind::Other);
                self.other(text, adjacent, tokens)?;
            }
            // A program; or nothing that a literal's place can be.
            Kind::Semicolon | Kind::Comment | Kind::Text | Kind::Binary | Kind::Number => return None,
        }
        Some(())
    }

    fn operator(&mut self) {
        self.operators.iter_mut().last().into_iter().for_each(|operators| *operators += 1);
    }

    fn word(&mut self, tokens: &Tokens<'_>, word: &[u8]) {
        if OPERATORS.iter().any(|operator| word.eq_ignore_ascii_case(operator.as_bytes())) {
            self.operator();
        }
        let is_plain = word.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            && word.first().is_some_and(|first| !first.is_ascii_digit());
        let is_key = self.keys.match_name(word);
        match std::str::from_utf8(word) {
            Ok(plain) if is_plain && !is_key => {
                let after_dot = self.skeleton.text.ends_with('.');
                self.write(format_args!("{}{plain}", if after_dot { "" } else { " " }));
            }
            _ => self.name(tokens, word),
        }
    }

    fn number_of(&mut self, name: &[u8]) -> usize {
        let next = self.names.len();
        *self.names.entry(name.to_ascii_lowercase()).or_insert(next)
    }

    fn name(&mut self, tokens: &Tokens<'_>, name: &[u8]) {
        let after_dot = self.skeleton.text.ends_with('.');
        let number = self.number_of(name);
        // In front of a dot it names a table or a schema; but for the variables of a component.
        let is_qualifier = !self.is_set && tokens.peek().is_some_and(|next| next.kind == Kind::Dot);
        let is_key = !is_qualifier && self.keys.match_name(name);
        let written = format!("{}{number}", if is_key { 'k' } else { 'n' });
        self.write(format_args!("{}`{written}`", if after_dot { "" } else { " " }));
        if is_key {
            self.skeleton.key_names.push(written);
        } else {
            let plain = String::from_utf8_lossy(name).to_ascii_lowercase();
            self.skeleton.plain_names.entry(written).or_insert(plain);
        }
    }

    fn variable(&mut self, name: &[u8]) {
        let number = self.number_of(name);
        let is_key = self.keys.match_name(name);
        let written = format!("@{}{number}", if is_key { 'k' } else { 'n' });
        self.write(format_args!(" {written}"));
        if is_key {
            self.skeleton.key_names.push(written);
        }
    }

    fn other(&mut self, text: &[u8], adjacent: Option<Token>, tokens: &Tokens<'_>) -> Option<()> {
        self.operator();
        let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
        let text = match text {
            "\\N" => "NULL",
            ":=" if self.is_set => "=",
            ":=" => {
                self.skeleton.assigns_within = true;
                text
            }
            _ => text,
        };
        // Two signs would begin a comment.
        let before = adjacent.map(|adjacent| tokens.text(&adjacent));
        let joins = before.is_some_and(|before| before != b"-" || text != "-") && text != "NULL";
        self.write(format_args!("{}{text}", if joins { "" } else { " " }));
        Some(())
    }
}
