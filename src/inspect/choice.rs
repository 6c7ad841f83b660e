//! Which messages are wanted.

use std::borrow::Cow;

use regex::Regex;

use super::facts::{FactFinder, Facts};
use crate::message::{Criteria, Subject, client_address};
use crate::stored::{Fields, Message};

/// Which messages are wanted; the default is all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice {
    /// By whose they are and what they do.
    pub(crate) criteria: Criteria,
    /// Only statements that took at least so long, in nanoseconds.
    pub(crate) min_duration_ns: u64,
    /// Only those with errors.
    pub(crate) errors: bool,
    /// Only those whose text matches.
    pub(crate) grep: Option<Regex>,
    /// Only those with this debug field.
    pub(crate) debug: Option<String>,
    /// Only those that began then or later, in milliseconds since 1970.
    pub(crate) from_ms: u64,
    /// Only those that began before.
    pub(crate) to_ms: Option<u64>,
}

impl Choice {
    /// Whether nothing but statements can be chosen.
    pub(crate) fn is_of_statements(&self) -> bool {
        !self.criteria.is_empty()
            || self.min_duration_ns > 0
            || self.errors
            || self.grep.is_some()
            || self.from_ms > 0
            || self.to_ms.is_some()
    }

    /// Whether a message that is no statement's is wanted.
    pub(crate) fn wants_other(&self, json: &[u8]) -> bool {
        #[derive(serde::Deserialize)]
        struct Debug<'a> {
            #[serde(borrow)]
            debug: Option<Cow<'a, str>>,
        }
        if self.is_of_statements() {
            return false;
        }
        let Some(wanted) = &self.debug else { return true };
        serde_json::from_slice::<Debug<'_>>(json).is_ok_and(|message| message.debug.as_deref() == Some(wanted))
    }

    /// Whether a statement is wanted; `facts` are found out only if they matter, and kept there.
    pub(crate) fn wants(
        &self,
        message: &Message<'_>,
        fields: &Fields<'_>,
        finder: &mut FactFinder,
        facts: &mut Option<Option<Facts>>,
    ) -> bool {
        let began = fields.timestamp.unwrap_or(0);
        if began < self.from_ms || self.to_ms.is_some_and(|to| began >= to) {
            return false;
        }
        if fields.duration_ns.unwrap_or(0) < self.min_duration_ns || (self.errors && fields.error_message.is_none()) {
            return false;
        }
        if let Some(wanted) = &self.debug
            && fields.debug.is_none_or(|debug| debug.decode() != wanted.as_str())
        {
            return false;
        }
        if !self.criteria.is_empty() && !self.meets_criteria(message, fields, finder, facts) {
            return false;
        }
        self.grep.as_ref().is_none_or(|grep| fields.sql.is_some_and(|sql| grep.is_match(&sql.decode())))
    }

    fn meets_criteria(
        &self,
        message: &Message<'_>,
        fields: &Fields<'_>,
        finder: &mut FactFinder,
        facts: &mut Option<Option<Facts>>,
    ) -> bool {
        if self.criteria.need_text() && facts.is_none() {
            *facts = Some(finder.of(message, fields));
        }
        let found = (*facts).flatten();
        let (user, client) = (fields.user.map(|user| user.decode()), fields.client.map(|client| client.decode()));
        let database = fields.stmt_db_name.map(|database| database.decode());
        let sql = fields.sql.filter(|_| self.criteria.have_tables()).map(|sql| sql.decode());
        self.criteria.choose(&Subject {
            user: user.as_deref(),
            database: database.as_deref(),
            client: client_address(client.as_deref()),
            kind: found.map(|facts| facts.kind),
            digest: found.map(|facts| facts.digest),
            text: sql.as_ref().map(|sql| (sql.as_bytes(), finder.lexis(fields))),
        })
    }
}
