//! A statement's message, as far as it is shown.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// What is shown of a message. Fields that are missing or `null` are left blank.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown<'a> {
    pub(crate) timestamp: Option<i64>,
    #[serde(borrow)]
    pub(crate) user: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) client: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) db_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) stmt_db_name: Option<Cow<'a, str>>,
    pub(crate) connection_id: Option<u64>,
    pub(crate) duration_ns: Option<u64>,
    pub(crate) update_count: Option<i64>,
    #[serde(borrow)]
    pub(crate) sql: Option<Cow<'a, str>>,
    pub(crate) query_params: Option<Vec<Option<String>>>,
    #[serde(borrow)]
    pub(crate) error_message: Option<Cow<'a, str>>,
    // What messages of rows have, and those of statements do not.
    #[serde(rename = "type")]
    kind: Option<IgnoredAny>,
    op: Option<IgnoredAny>,
    payload: Option<IgnoredAny>,
    status: Option<IgnoredAny>,
    ddl: Option<IgnoredAny>,
}

impl Shown<'_> {
    /// Whether it is a statement and not a row.
    pub(crate) fn is_statement(&self) -> bool {
        [&self.kind, &self.op, &self.payload, &self.status, &self.ddl].iter().all(|member| member.is_none())
    }
}
