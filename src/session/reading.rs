//! How a statement's bytes are read.

use crate::mysql::charset::Charset;
use crate::mysql::sql::Lexis;

/// How the bytes of a statement and of its answer are read: as the session was when they were sent, which the statement may have changed.
///
/// A character set that is not known is `binary`: what is valid UTF-8 is taken for text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// How the text is taken apart.
    pub lexis: Lexis,
    /// The character set of the text: of a prepared one, when it was prepared.
    pub text: Charset,
    /// The character set of text among the parameters.
    pub params: Charset,
    /// The character set of an error's text (`character_set_results`). The info of an OK packet is UTF-8 in any case.
    pub results: Charset,
}

impl Default for Reading {
    /// Nothing is known.
    fn default() -> Self {
        Self { lexis: Lexis::default(), text: Charset::Binary, params: Charset::Binary, results: Charset::Binary }
    }
}
