//! What is found out about a statement's text, once for all who need it.

use super::control::TransactionControl;
use super::digest::Digest;
use super::keys::Keys;
use super::kind::StatementSummary;
use super::lexis::Lexis;
use super::redactions::Redactions;

/// What a text tells. It depends on the text and on how it is read, and on nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analysis {
    /// Which statements are the same but for their values and their spelling.
    pub digest: Digest,
    /// What it is and may change. EXECUTE is of what nobody knows here.
    pub summary: StatementSummary,
    /// What it may do to the session's transaction.
    pub control: TransactionControl,
    /// What of it is not to be shown.
    pub redactions: Redactions,
}

impl Analysis {
    /// Of a whole text, which may have several statements. There are no redact keys.
    pub fn of(sql: &[u8], lexis: Lexis) -> Self {
        Self::with_keys(sql, false, lexis, &Keys::none())
    }

    /// The same, with redact keys. `is_torn`: the text is only the front of what was sent.
    pub fn with_keys(sql: &[u8], is_torn: bool, lexis: Lexis, keys: &Keys) -> Self {
        let summary = StatementSummary::of_text(sql, lexis, &|_| None);
        Self {
            digest: Digest::of(sql, lexis),
            summary,
            control: TransactionControl::of_text(sql, lexis, summary),
            redactions: Redactions::of(sql, is_torn, lexis, keys),
        }
    }

    /// Writes all but the places of literals to another, whose memory is used again.
    pub(super) fn clone_facts_to(&self, other: &mut Self) {
        other.digest = self.digest;
        other.summary = self.summary;
        other.control.clone_from(&self.control);
        other.redactions.literals.clear();
        other.redactions.params.clone_from(&self.redactions.params);
        other.redactions.mentions_secret = self.redactions.mentions_secret;
    }
}
