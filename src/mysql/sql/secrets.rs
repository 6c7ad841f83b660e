//! Where a text has secrets: passwords and hashes in account statements, credentials in connection strings.
//!
//! Rules go by words, wherever they stand: within `SET STATEMENT .. FOR`, in the bodies of stored programs, in texts for PREPARE. They
//! hide one literal too many rather than one too few. Statements about rows have their values; only `PASSWORD('..')` is a secret there.
//!
//! Source: both servers' `sql/sql_yacc.yy`; MySQL's manual, "CREATE USER", "SET PASSWORD", "CREATE SERVER", "CHANGE REPLICATION SOURCE
//! TO", "START REPLICA", "CLONE"; MariaDB's, "CREATE USER", "FederatedX", "CONNECT", "Spider".

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use super::fronts::skip_statement_variables;
use super::keys::Keys;
use super::lexis::Lexis;
use super::quoted::unquote;
use super::statements::next_statement;
use super::tokens::{Kind, Token, Tokens};

const MASK: &[u8] = b"'***'";

/// Texts within texts within texts.
const DEPTH: u8 = 3;

/// The text with each secret replaced by `'***'`.
pub fn mask_secrets(sql: &[u8], lexis: Lexis) -> Cow<'_, [u8]> {
    let spans = secret_spans(sql, lexis);
    if spans.is_empty() {
        return Cow::Borrowed(sql);
    }
    let mut masked = Vec::with_capacity(sql.len());
    let mut from = 0;
    for span in spans {
        masked.extend_from_slice(sql.get(from..span.start).unwrap_or_default());
        masked.extend_from_slice(MASK);
        from = span.end;
    }
    masked.extend_from_slice(sql.get(from..).unwrap_or_default());
    Cow::Owned(masked)
}

/// The literals of `sql` that are secrets, their quotes included, from the first to the last.
pub fn secret_spans(sql: &[u8], lexis: Lexis) -> Vec<Range<usize>> {
    of_text(sql, lexis, DEPTH)
}

fn of_text(sql: &[u8], lexis: Lexis, depth: u8) -> Vec<Range<usize>> {
    // A name in double quotes may be a string: the mode need not be what it seems.
    let ansi_quotes = lexis.ansi_quotes.filter(|is_name| !is_name);
    // Without a version, no comment splits statements.
    let lexis = Lexis { version: lexis.version.or(Some(0)), ansi_quotes, ..lexis };
    // What a server skips as a comment is shown all the same.
    let within = Lexis { flavor: None, version: None, ..lexis };
    let mut spans = Vec::new();
    if !may_have_secrets(sql) {
        return spans;
    }
    let mut from = 0;
    while let Some(piece) = next_statement(sql, from, lexis) {
        // Where its end is uncertain, it is the rest.
        let end = if piece.is_certain { piece.range.end } else { sql.len() };
        let start = piece.range.start;
        let statement = sql.get(start..end).unwrap_or_default();
        let found = of_statement(statement, within, depth);
        spans.extend(found.into_iter().map(|span| span.start + start..span.end + start));
        from = if piece.is_certain { piece.next } else { sql.len() };
    }
    spans
}

/// Nearly every text has none of these words.
static SIGNS: LazyLock<Keys> = LazyLock::new(|| {
    let words = ["password", "identified", "connection", "secret", "passwd", "pwd", "passphrase", "_key", "://"];
    let rarer = ["authentication_string", "challenge_response", "sst_auth", "crypt", "encode", "decode", "keyring"];
    Keys::new(words.into_iter().chain(rarer))
});

/// Whether a text mentions what secrets come with: nearly all do not.
pub(crate) fn may_have_secrets(text: &[u8]) -> bool {
    SIGNS.match_name(text)
}

fn of_statement(sql: &[u8], lexis: Lexis, depth: u8) -> Vec<Range<usize>> {
    let mut tokens = Tokens::new(sql, lexis);
    while skip_statement_variables(&mut tokens) {}
    let is_data = tokens.peek().is_some_and(|first| {
        first.kind == Kind::Open
            || tokens
                .is_any(&first, &["insert", "update", "delete", "replace", "load", "select", "with", "call", "values"])
    });
    // What SET STATEMENT sets is not about rows.
    let data_from = if is_data { tokens.position() } else { usize::MAX };
    let mut tokens = Tokens::new(sql, lexis);
    let mut scan = Scan { depth, ..Scan::default() };
    let mut hides_all = false;
    let mut literals = Vec::new();
    while let Some(token) = tokens.next() {
        if tokens.is_doubtful() {
            // Whatever comes may be a literal.
            if scan.follows.is_secret()
                || scan.within.is_some()
                || may_have_secrets(sql.get(token.start..).unwrap_or_default())
            {
                scan.spans.push(token.start..sql.len());
            }
            return scan.spans;
        }
        if token.start >= data_from && !scan.is_data {
            scan = Scan { is_data: true, depth, spans: scan.spans, ..Scan::default() };
        }
        if is_literal(&token) && !scan.is_data {
            literals.push(token.range());
            hides_all |= !scan.follows.is_secret() && scan.is_statement(&tokens, &token);
        }
        scan.token(&tokens, &token);
    }
    // A text that is put together from literals: any of them may be the password.
    if !hides_all {
        return scan.spans;
    }
    literals.extend(scan.spans);
    literals.sort_by_key(|span| span.start);
    literals.dedup();
    literals
}

/// What stands in front of the next token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Follows {
    #[default]
    Nothing,
    /// A word after which a literal is a secret, perhaps with `=` or a parenthesis between.
    Secret,
    /// The same, of a word after which anything is a secret that is no word of the grammar: what was meant to stand in quotes.
    Password,
    /// A function: all of its arguments are secrets.
    Function,
    /// A literal that was one: strings side by side are one string.
    Adjacent,
}

impl Follows {
    fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::Password | Self::Adjacent)
    }
}

#[derive(Debug, Default)]
struct Scan {
    is_data: bool,
    depth: u8,
    follows: Follows,
    /// After SET.
    is_set: bool,
    /// After USER, GRANT, CLONE.
    is_account: bool,
    /// After IDENTIFIED, up to the statement's end; and by how many tokens.
    in_authentication: bool,
    since_identified: usize,
    /// `SET PASSWORD FOR account` must be followed by `=`.
    in_assignment: bool,
    after_password: bool,
    /// Parentheses that are open.
    parens: usize,
    /// Within a function's arguments, or what is assigned to a variable, which end with this many parentheses open.
    within: Option<Within>,
    spans: Vec<Range<usize>>,
}

/// All literals are secrets.
#[derive(Debug, Clone, Copy)]
enum Within {
    Arguments { outside: usize },
    Assigned { outside: usize },
}

impl Scan {
    fn token(&mut self, tokens: &Tokens<'_>, token: &Token) {
        let text = tokens.text(token);
        self.is_set |= tokens.is(token, "set");
        self.is_account |= tokens.is_any(token, &["user", "grant", "clone"]);
        self.since_identified = self.since_identified.saturating_add(1);
        let after_password = std::mem::take(&mut self.after_password);
        let (before, in_assignment) = (self.follows, self.in_assignment);
        self.follows = match token.kind {
            _ if self.is_hidden(token, text) => {
                self.spans.push(token.range());
                Follows::Adjacent
            }
            Kind::Word => self.word(tokens, text, after_password),
            // `SET GLOBAL component.name = ..`, `SET @@global.name = ..`
            Kind::Name if self.is_set => self.word(tokens, &unquote(text, tokens.lexis()), after_password),
            Kind::Variable if self.is_set && text.starts_with(b"@@") => self.word(tokens, text, after_password),
            Kind::Open => self.open(),
            Kind::Other if matches!(text, b"=" | b":=") => self.assign(),
            Kind::Close | Kind::Comma if !tokens.is_in_comment() => {
                self.leave(token.kind);
                Follows::Nothing
            }
            Kind::Semicolon if !tokens.is_in_comment() => {
                *self = Self {
                    is_data: self.is_data,
                    depth: self.depth,
                    spans: std::mem::take(&mut self.spans),
                    ..Self::default()
                };
                Follows::Nothing
            }
            _ => Follows::Nothing,
        };
        // What is in a comment for some versions may not be there at all.
        if tokens.is_in_comment() {
            self.in_assignment |= in_assignment;
            self.after_password |= after_password;
            if !matches!(self.follows, Follows::Secret | Follows::Password | Follows::Function) {
                self.follows = before;
            }
        }
    }

    fn is_hidden(&self, token: &Token, text: &[u8]) -> bool {
        let is_value = is_literal(token) || text == b"?";
        match (self.within, self.follows) {
            (Some(Within::Arguments { .. }), _) => is_value,
            (Some(Within::Assigned { .. }), _) => is_value || token.kind == Kind::Number,
            (None, Follows::Secret | Follows::Adjacent) => is_value,
            (None, Follows::Password) => {
                let is_grammar = || {
                    text.starts_with(b"_")
                        || names_secret(text)
                        || ["random", "by", "select"].iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
                };
                is_value || token.kind == Kind::Number || (token.kind == Kind::Word && !is_grammar())
            }
            (None, _) => false,
        }
    }

    fn open(&mut self) -> Follows {
        let outside = self.parens;
        self.parens += 1;
        match self.follows {
            Follows::Function => {
                self.within = self.within.or(Some(Within::Arguments { outside }));
                Follows::Nothing
            }
            Follows::Secret | Follows::Password => Follows::Secret,
            _ => Follows::Nothing,
        }
    }

    /// A parenthesis or a comma ends what is within.
    fn leave(&mut self, kind: Kind) {
        let before = self.parens;
        if kind == Kind::Close {
            self.parens = before.saturating_sub(1);
        }
        let ends = match self.within {
            None => false,
            Some(Within::Arguments { outside }) => self.parens <= outside,
            Some(Within::Assigned { outside }) => self.parens < outside || (before == outside && kind == Kind::Comma),
        };
        if ends {
            self.within = None;
        }
    }

    fn assign(&mut self) -> Follows {
        let is_due = matches!(self.follows, Follows::Secret | Follows::Password);
        if !(is_due || std::mem::take(&mut self.in_assignment)) {
            return Follows::Nothing;
        }
        if self.is_set {
            self.within = self.within.or(Some(Within::Assigned { outside: self.parens }));
        }
        Follows::Secret
    }

    fn word(&mut self, tokens: &Tokens<'_>, word: &[u8], after_password: bool) -> Follows {
        let is = |known: &str| word.eq_ignore_ascii_case(known.as_bytes());
        let is_password = names_secret(word);
        self.after_password = is_password;
        let is_called = || tokens.peek().is_some_and(|next| next.kind == Kind::Open);
        if (is_password || FUNCTIONS.into_iter().any(is)) && is_called() {
            return Follows::Function;
        }
        if self.is_data {
            // Accounts as rows.
            return if is("authentication_string") { Follows::Secret } else { Follows::Nothing };
        }
        // SET STATEMENT name = value FOR
        if is("for") && matches!(self.within, Some(Within::Assigned { outside }) if outside == self.parens) {
            self.within = None;
        }
        if is("identified") || is("challenge_response") {
            self.in_authentication = true;
            self.since_identified = 0;
        }
        self.in_assignment |= after_password && is("for");
        let is_clause = self.in_authentication && ["by", "as", "using"].into_iter().any(is);
        // Character set introducers stand between.
        let is_introducer = self.follows.is_secret() && word.starts_with(b"_");
        // BY, WITH plugin BY
        if is_clause && self.is_account && is("by") && self.since_identified <= 3 {
            Follows::Password
        } else if is_password || is_clause || is_introducer || OTHER_WORDS.into_iter().any(is) {
            Follows::Secret
        } else {
            Follows::Nothing
        }
    }

    /// Whether a literal is itself a text with secrets: for PREPARE, or options of a storage engine.
    fn is_statement(&self, tokens: &Tokens<'_>, token: &Token) -> bool {
        if self.depth == 0 || token.kind == Kind::Binary || !may_have_secrets(tokens.text(token)) {
            return false;
        }
        let text = unquote(tokens.text(token), tokens.lexis());
        has_credentials(&text)
            || breaks_off(&text, tokens.lexis())
            || !of_text(&text, tokens.lexis(), self.depth - 1).is_empty()
    }
}

fn is_literal(token: &Token) -> bool {
    matches!(token.kind, Kind::Text | Kind::Binary)
}

/// Functions whose arguments are secrets: keys, and what is encrypted with them.
const FUNCTIONS: [&str; 14] = [
    "aes_encrypt",
    "aes_decrypt",
    "des_encrypt",
    "des_decrypt",
    "encrypt",
    "encode",
    "decode",
    "create_asymmetric_priv_key",
    "create_asymmetric_pub_key",
    "create_dh_parameters",
    "asymmetric_decrypt",
    "asymmetric_encrypt",
    "asymmetric_sign",
    "keyring_key_store",
];

/// Words besides names of passwords after which a literal is a secret.
const OTHER_WORDS: [&str; 4] = ["replace", "connection", "authentication_string", "wsrep_sst_auth"];

/// PASSWORD, MASTER_PASSWORD, OLD_PASSWORD, S3_SECRET_KEY and the like.
fn names_secret(word: &[u8]) -> bool {
    const ENDINGS: [&str; 9] =
        ["password", "passwd", "pwd", "passphrase", "secret", "secret_key", "access_key", "ssl_key", "sst_auth"];
    ENDINGS.iter().any(|ending| {
        let from = word.len().checked_sub(ending.len());
        from.and_then(|from| word.get(from..)).is_some_and(|end| end.eq_ignore_ascii_case(ending.as_bytes()))
    })
}

/// `scheme://user:password@host`, or `password=..` as storage engines take it.
fn has_credentials(text: &[u8]) -> bool {
    let in_url = memchr::memmem::find(text, b"://").is_some_and(|at| {
        let rest = text.get(at + 3..).unwrap_or_default();
        memchr::memrchr(b'@', rest).is_some_and(|at| rest.get(..at).is_some_and(|user| user.contains(&b':')))
    });
    in_url || {
        let mut tokens = Tokens::new(text, Lexis::default());
        let mut after = false;
        while let Some(token) = tokens.next() {
            if after && tokens.text(&token) == b"=" {
                return true;
            }
            after = token.kind == Kind::Word && names_secret(tokens.text(&token));
        }
        false
    }
}

/// `.. IDENTIFIED BY` and then nothing: the password is in another literal.
fn breaks_off(text: &[u8], lexis: Lexis) -> bool {
    let mut tokens = Tokens::new(text, lexis);
    const ABOUT_ACCOUNTS: [&str; 7] = ["create", "alter", "set", "grant", "change", "start", "clone"];
    if !tokens.peek().is_some_and(|first| tokens.is_any(&first, &ABOUT_ACCOUNTS)) {
        return false;
    }
    let (mut in_authentication, mut is_due) = (false, false);
    while let Some(token) = tokens.next() {
        in_authentication |= tokens.is(&token, "identified");
        let is_password = token.kind == Kind::Word && names_secret(tokens.text(&token));
        let goes_on = is_due && tokens.is_any(&token, &["for"]);
        is_due = is_password
            || goes_on
            || (in_authentication && tokens.is_any(&token, &["by", "as", "using"]))
            || (is_due && matches!(token.kind, Kind::Other | Kind::Open | Kind::Variable));
    }
    is_due
}
