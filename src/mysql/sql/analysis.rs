//! What is found out about a statement's text, once for all who need it.

use super::digest::Digest;
use super::kind::StatementSummary;
use super::lexis::Lexis;

/// What a text tells. It depends on the text and on how it is read, and on nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analysis {
    /// Which statements are the same but for their values and their spelling.
    pub digest: Digest,
    /// What it is and may change. EXECUTE is of what nobody knows here.
    pub summary: StatementSummary,
}

impl Analysis {
    /// Of a whole text, which may have several statements.
    pub fn of(sql: &[u8], lexis: Lexis) -> Self {
        Self { digest: Digest::of(sql, lexis), summary: StatementSummary::of_text(sql, lexis, &|_| None) }
    }
}
