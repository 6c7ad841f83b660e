//! Which of a text's literals and placeholders are to be made unreadable.
//!
//! Two rules: secrets by grammar, which [`secrets`](super::secrets) finds, and values of what has a redact key in its name. Where it is
//! not certain that a literal belongs to harmless names alone, one key anywhere in the statement is enough: rather too much is hidden.

use std::ops::Range;
use std::sync::LazyLock;

use super::insert_rows::harmless_rows;
use super::keys::Keys;
use super::lexis::Lexis;
use super::parsed::harmless;
use super::quoted::unquote;
use super::secrets::{may_have_secrets, secret_spans};
use super::sites::{SiteKind, Sites, Verb};
use super::skeleton::skeleton;
use super::statements::next_statement;

/// Texts within texts within texts.
const DEPTH: u8 = 3;

/// What of a text is not to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Redactions {
    /// Literals, in bytes of the text: quotes, a number's sign and the introducer of a character set included. From the first to the last;
    /// none overlaps another. Where it is not known where literals end, one reaches up to the end of the text.
    pub literals: Vec<Range<usize>>,
    /// Parameters.
    pub params: RedactedParams,
    /// Whether the statement mentions something with a key in its name, or has secrets by its grammar: whatever the server quotes of it
    /// may be one.
    pub mentions_secret: bool,
}

/// Which parameters are not to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RedactedParams {
    /// None of them.
    #[default]
    None,
    /// Those for which it is true, by the index of their placeholders. Others than the text has are not shown.
    Some(Vec<bool>),
    /// All of them.
    All,
}

impl RedactedParams {
    /// Whether the parameter with this index (from 0) is not to be shown.
    pub fn contains(&self, index: usize) -> bool {
        match self {
            Self::None => false,
            Self::Some(which) => which.get(index).copied().unwrap_or(true),
            Self::All => true,
        }
    }

    fn of(which: Vec<bool>) -> Self {
        if which.contains(&true) { Self::Some(which) } else { Self::None }
    }
}

impl Redactions {
    /// Of a text, which may have several statements. `is_torn`: it is only the front of what was sent.
    ///
    /// ```
    /// use mysql_interceptor::mysql::sql::{Keys, Lexis, Redactions};
    /// let sql = b"UPDATE users SET password = 'x' WHERE id = ?";
    /// let redactions = Redactions::of(sql, false, Lexis::default(), &Keys::new(["password"]));
    /// assert_eq!(redactions.literals[0], 28..31);
    /// ```
    pub fn of(sql: &[u8], is_torn: bool, lexis: Lexis, keys: &Keys) -> Self {
        of_text(sql, is_torn, lexis, keys, DEPTH)
    }

    /// Of a text that nobody has seen: no parameter is known to be harmless.
    pub fn of_unknown(keys: &Keys) -> Self {
        let hides = !keys.is_empty();
        let params = if hides { RedactedParams::All } else { RedactedParams::None };
        Self { literals: Vec::new(), params, mentions_secret: hides }
    }

    /// Whether all of it is shown.
    pub fn is_empty(&self) -> bool {
        self.literals.is_empty() && self.params == RedactedParams::None
    }
}

fn of_text(sql: &[u8], is_torn: bool, lexis: Lexis, keys: &Keys, depth: u8) -> Redactions {
    let lexis = shown(sql, lexis);
    let mut found = Found { secrets: secret_spans(sql, lexis), ..Found::default() };
    found.mentions_secret = !found.secrets.is_empty();
    let mut from = 0;
    while let Some(piece) = next_statement(sql, from, lexis) {
        let end = if piece.is_certain { piece.range.end } else { sql.len() };
        let start = piece.range.start;
        let statement = sql.get(start..end).unwrap_or_default();
        // The last one may go on, unless a semicolon ends it.
        let is_last = sql.get(end..).unwrap_or_default().iter().all(|byte| lexis.is_space(*byte));
        found.statement(statement, start, is_torn && is_last, lexis, keys, depth);
        from = if piece.is_certain { piece.next } else { sql.len() };
    }
    found.finish(sql)
}

/// How a text is read that is shown. A server passes over the content of some comments, which is shown all the same: it counts here.
fn shown(sql: &[u8], lexis: Lexis) -> Lexis {
    let has_version = [&b"/*!"[..], b"/*M!"].iter().any(|mark| memchr::memmem::find(sql, mark).is_some());
    if has_version { Lexis { flavor: None, version: None, ..lexis } } else { lexis }
}

#[derive(Debug, Default)]
struct Found {
    secrets: Vec<Range<usize>>,
    literals: Vec<Range<usize>>,
    params: Vec<bool>,
    all_params: bool,
    mentions_secret: bool,
}

impl Found {
    fn statement(&mut self, sql: &[u8], start: usize, is_torn: bool, lexis: Lexis, keys: &Keys, depth: u8) {
        let sites = Sites::of(sql, lexis, keys);
        let judgement = judge(sql, is_torn, lexis, keys, &sites);
        self.mentions_secret |= judgement != Judgement::Harmless;
        for (number, site) in sites.sites.iter().enumerate() {
            let span = site.span.start + start..site.span.end + start;
            let after = self.secrets.partition_point(|secret| secret.end <= span.start);
            let is_secret = self.secrets.get(after).is_some_and(|secret| secret.start < span.end)
                || (judgement.hides(number) && !site.is_length)
                || is_secret_text(&sites, site.kind, sql.get(site.span.clone()), lexis, keys, depth);
            self.site(site.kind, span, is_secret);
        }
        if let Some(from) = sites.unclear_from {
            let hides = judgement != Judgement::Harmless;
            if hides || !self.secrets.is_empty() {
                self.literals.push(from + start..sql.len() + start);
            }
            self.all_params |= hides;
        }
    }

    fn site(&mut self, kind: SiteKind, span: Range<usize>, is_redacted: bool) {
        if kind == SiteKind::Placeholder {
            self.params.push(is_redacted);
        } else if is_redacted {
            self.literals.push(span);
        }
    }

    fn finish(self, sql: &[u8]) -> Redactions {
        let is_placeholder = |span: &Range<usize>| sql.get(span.clone()) == Some(b"?");
        let mut literals = self.literals;
        literals.extend(self.secrets.into_iter().filter(|span| !is_placeholder(span)));
        let literals = merged(literals);
        let params = if self.all_params { RedactedParams::All } else { RedactedParams::of(self.params) };
        let mentions_secret = self.mentions_secret || !literals.is_empty() || params != RedactedParams::None;
        Redactions { literals, params, mentions_secret }
    }
}

/// What is known of a statement's sites.
#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    /// Nothing in it is called by a name that contains a key.
    Harmless,
    /// Those for which it is true are called by other names alone.
    Some(Vec<bool>),
    /// Nothing: any of them may be.
    Secret,
}

impl Judgement {
    fn hides(&self, site: usize) -> bool {
        match self {
            Self::Harmless => false,
            Self::Some(harmless) => !harmless.get(site).copied().unwrap_or_default(),
            Self::Secret => true,
        }
    }
}

fn judge(sql: &[u8], is_torn: bool, lexis: Lexis, keys: &Keys, sites: &Sites) -> Judgement {
    if keys.is_empty() {
        return Judgement::Harmless;
    }
    if sites.has_unnamed_columns {
        return Judgement::Secret;
    }
    if !mentions_key(sites) && !is_torn {
        return Judgement::Harmless;
    }
    let parsed = || {
        let skeleton = skeleton(sql, lexis, &sites.sites, keys)?;
        harmless(&skeleton, &sites.sites)
    };
    // Of what is torn, the end may say what the front is called.
    let known = if is_torn || sites.unclear_from.is_some() { None } else { parsed() };
    let known = known.or_else(|| harmless_rows(sql, is_torn, lexis, keys, &sites.sites));
    known.map_or(Judgement::Secret, Judgement::Some)
}

/// Sorted, and those that overlap as one.
fn merged(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_by_key(|span| (span.start, span.end));
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}

/// Whether a key is anywhere in the statement where it may name something.
fn mentions_key(sites: &Sites) -> bool {
    let in_literal = sites.verb == Verb::Data && sites.sites.iter().any(|site| site.has_key);
    sites.names_key || in_literal
}

/// Words of statements that may have rows without their columns' names.
static ROWS: LazyLock<Keys> = LazyLock::new(|| Keys::new(["insert", "replace"]));

/// Whether a literal is a text that has secrets itself: a statement for PREPARE, options of a storage engine.
fn is_secret_text(sites: &Sites, kind: SiteKind, text: Option<&[u8]>, lexis: Lexis, keys: &Keys, depth: u8) -> bool {
    let (SiteKind::Text, Verb::Prepare | Verb::Other | Verb::Account | Verb::Table) = (kind, sites.verb) else {
        return false;
    };
    let text = text.unwrap_or_default();
    let mut inner = unquote(text, lexis);
    // A quote without its other end, or a dollar quote: what comes after it, or the text would be within itself.
    if inner.len() == text.len() {
        let from = text.iter().position(|byte| !b"'\"$Nn".contains(byte)).unwrap_or(text.len());
        inner = text.get(from.max(1)..).unwrap_or_default().into();
    }
    if keys.match_name(&inner) {
        return true;
    }
    if depth == 0 {
        // Too deep to be looked into: what cannot be anything but harmless is shown.
        return may_have_secrets(&inner) || (!keys.is_empty() && ROWS.match_name(&inner));
    }
    !of_text(&inner, false, lexis, keys, depth - 1).is_empty()
}
