//! What of a recording is chosen.

use std::net::{IpAddr, SocketAddr};

use crate::message::{Criteria, Subject};
use crate::mysql::sql::StatementKind;
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
        self.criteria.pass_session(begin.user.as_deref(), address(begin.client.as_deref()))
    }

    /// Whether a command is chosen.
    pub(super) fn has(&self, session: &SessionBegin, kind: Option<StatementKind>) -> bool {
        if self.criteria.is_empty() {
            return true;
        }
        self.criteria.pass(&Subject {
            user: session.user.as_deref(),
            database: session.database.as_deref(),
            client: address(session.client.as_deref()),
            kind: kind.or(Some(StatementKind::Other)),
        })
    }
}

/// The address of a client that may have a port.
fn address(client: Option<&str>) -> Option<IpAddr> {
    let client = client?;
    let with_port = client.parse::<SocketAddr>().map(|client| client.ip());
    with_port.or_else(|_| client.parse()).ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_with_and_without_ports() {
        let parsed = |text| address(Some(text)).map(|address| address.to_string());
        assert_eq!(parsed("10.1.2.3:4567").as_deref(), Some("10.1.2.3"));
        assert_eq!(parsed("[::1]:4567").as_deref(), Some("::1"));
        assert_eq!(parsed("::ffff:10.1.2.3").as_deref(), Some("10.1.2.3"));
        assert_eq!((parsed("/run/socket"), address(None)), (None, None));
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
        assert!(selection.has(&session("app", "y"), Some(StatementKind::Select)));
        assert!(!selection.has(&session("app", "y"), Some(StatementKind::Insert)));
        assert!(!selection.has(&session("app", "x"), Some(StatementKind::Select)));
        assert!(Selection::default().has(&session("", ""), None));
    }
}
