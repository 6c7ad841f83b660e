//! A statement's digest: which statements are the same but for their values and their spelling.
//!
//! The algorithm, in full: `docs/digest.md`. In short: the statement's tokens are written in one spelling, values as `?` and lists of
//! values as one, and the digest is the first 128 bits of the SHA-256 of that text. It depends on nothing but the statement and what
//! [`Lexis`] says of how it is read, so that it is the same string in every message, whatever the server and its version.
//!
//! SHA-256 because it is in every language's library: whoever has the text can compute the digest. 128 bits because two of a billion
//! statements then share a digest with a probability below 10⁻²⁰, and because that fits UUID columns.

use std::fmt;
use std::str::FromStr;

use ring::digest::{Context, SHA256};

use super::lexis::Lexis;
use super::normal::Normalizer;
use super::parts::PartLexer;

/// A statement's digest; it is shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 16]);

impl Digest {
    /// Of a whole statement.
    ///
    /// ```
    /// use mysql_interceptor::mysql::sql::{Digest, Lexis};
    /// let digest = |sql: &str| Digest::of(sql.as_bytes(), Lexis::default());
    /// assert_eq!(digest("SELECT a FROM t WHERE id IN (1, 2)"), digest("select `a` from t where id in (3) -- x"));
    /// assert_eq!(digest("SELECT 1").to_string(), "e1c71d1661ae46e09b7aaec1c390957f");
    /// ```
    pub fn of(sql: &[u8], lexis: Lexis) -> Self {
        let mut digester = Digester::new(lexis);
        digester.update(sql);
        digester.finish()
    }

    /// Of its 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl FromStr for Digest {
    type Err = String;

    /// Of what it is shown as.
    fn from_str(text: &str) -> Result<Self, String> {
        let is_digest = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_digest.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        let digest = number.map(|number| Self(number.to_be_bytes()));
        digest.ok_or_else(|| format!("'{text}' is no digest: it has 32 hexadecimal digits"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Computes the digest of a statement that comes in pieces, however it is cut, in bounded memory.
pub struct Digester {
    lexer: PartLexer,
    normalizer: Normalizer,
    hash: Context,
}

impl Digester {
    /// For a statement that is read by `lexis`.
    pub fn new(lexis: Lexis) -> Self {
        Self { lexer: PartLexer::new(lexis), normalizer: Normalizer::new(lexis), hash: Context::new(&SHA256) }
    }

    /// The statement's next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let Self { lexer, normalizer, hash } = self;
        lexer.feed(bytes, &mut |kind, text| {
            normalizer.push(kind, text);
            normalizer.take_settled(&mut |text| hash.update(text));
        });
    }

    /// The statement is complete.
    pub fn finish(self) -> Digest {
        let Self { lexer, mut normalizer, mut hash } = self;
        lexer.finish(&mut |kind, text| normalizer.push(kind, text));
        hash.update(&normalizer.finish());
        let mut digest = [0; 16];
        digest.copy_from_slice(hash.finish().as_ref().first_chunk::<16>().unwrap_or(&[0; 16]));
        Digest(digest)
    }
}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digester").finish_non_exhaustive()
    }
}

/// The text that [`Digest`] is the hash of.
pub fn normalized(sql: &[u8], lexis: Lexis) -> Vec<u8> {
    let mut lexer = PartLexer::new(lexis);
    let mut normalizer = Normalizer::new(lexis);
    lexer.feed(sql, &mut |kind, text| normalizer.push(kind, text));
    lexer.finish(&mut |kind, text| normalizer.push(kind, text));
    normalizer.finish()
}
