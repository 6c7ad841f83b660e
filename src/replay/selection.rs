//! What of a recording is chosen.

use crate::message::{Criteria, Subject, client_address};
use crate::mysql::sql::{Digest, Lexis, StatementKind, StatementSummary};
use crate::recording::SessionBegin;

/// What of a recording is chosen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Selection {
    /// By whose and what it is.
    pub(crate) criteria: Criteria,
    /// From where on, in nanoseconds from the recording's beginning; what comes before only gives sessions their state.
    pub(crate) from_ns: u64,
    /// Up to where; `u64::MAX` is all.
    pub(crate) to_ns: u64,
}

impl Default for Selection {
    /// Everything.
    fn default() -> Self {
        Self { criteria: Criteria::default(), from_ns: 0, to_ns: u64::MAX }
    }
}

impl Selection {
    /// Whether any command of the session may be chosen.
    pub(super) fn has_session(&self, begin: &SessionBegin) -> bool {
        self.criteria.pass_session(begin.user.as_deref(), client_address(begin.client.as_deref()))
    }

    /// Whether a command with this text, or about a prepared statement with it, is chosen; `kind`, if that is known already.
    pub(super) fn has(
        &self,
        session: &SessionBegin,
        sql: Option<&[u8]>,
        lexis: Lexis,
        kind: Option<StatementKind>,
    ) -> bool {
        if self.criteria.is_empty() {
            return true;
        }
        let sql = sql.unwrap_or_default();
        self.criteria.pass(&Subject {
            user: session.user.as_deref(),
            database: session.database.as_deref(),
            client: client_address(session.client.as_deref()),
            kind: kind.or_else(|| Some(StatementSummary::of_text(sql, lexis, &|_| None).kind)),
            digest: self.criteria.have_digests().then(|| Digest::of(sql, lexis)),
            text: Some((sql, lexis)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_with_and_without_ports() {
        let parsed = |text| client_address(Some(text)).map(|address| address.to_string());
        assert_eq!(parsed("10.1.2.3:4567").as_deref(), Some("10.1.2.3"));
        assert_eq!(parsed("[::1]:4567").as_deref(), Some("::1"));
        assert_eq!(parsed("::ffff:10.1.2.3").as_deref(), Some("10.1.2.3"));
        assert_eq!((parsed("/run/socket"), client_address(None)), (None, None));
    }

    #[test]
    fn sessions_and_commands_are_chosen() {
        let criteria = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let selection = Selection {
            criteria: Criteria { only: criteria(&["user=app", "kind=select"]), skip: criteria(&["database=x"]) },
            ..Selection::default()
        };
        let session = |user: &str, database: &str| SessionBegin {
            user: Some(user.into()),
            database: Some(database.into()),
            client: Some("10.0.0.1:5".into()),
            ..SessionBegin::default()
        };
        assert!(selection.has_session(&session("app", "x")) && !selection.has_session(&session("root", "")));
        let has =
            |session: &SessionBegin, sql: &str| selection.has(session, Some(sql.as_bytes()), Lexis::default(), None);
        assert!(has(&session("app", "y"), "SELECT 1") && !has(&session("app", "y"), "INSERT INTO t VALUES (1)"));
        assert!(!has(&session("app", "x"), "SELECT 1") && has(&session("app", "x"), "USE y"));
        assert!(!selection.has(&session("app", "y"), None, Lexis::default(), None));
        assert!(Selection::default().has(&session("", ""), None, Lexis::default(), None));
    }
}
