//! The lines in front of a slow log's text.

use super::super::entry::{What, Who};
use super::super::when::{Stamp, duration_ns, stamp};
use crate::mysql::sql::{Kind, Lexis, StatementKind, StatementSummary, Tokens};
use crate::recording::{RecordedAnswer, RecordedError, RecordedResult};

/// Whether an entry begins with this line.
pub(super) fn begins_entry(line: &[u8]) -> bool {
    if let Some(time) = line.strip_prefix(b"# Time: ") {
        return stamp(time).is_some();
    }
    line.strip_prefix(b"# User@Host: ").is_some_and(|rest| parse_who(rest).is_some())
}

/// Whether a server that starts writes this line.
pub(in crate::recording::import) fn is_banner(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    line.ends_with(b"started with:") && memchr::memmem::find(line, b", Version: ").is_some()
}

/// `# administrator command: Ping`
pub(super) fn administrator_command(text: &[u8]) -> Option<&[u8]> {
    let name = text.strip_prefix(b"# administrator command: ")?;
    (!name.contains(&b'\n')).then_some(name)
}

/// What a log tells of a statement's outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::recording::import) struct Outcome {
    pub(in crate::recording::import) rows_sent: Option<u64>,
    pub(in crate::recording::import) rows_affected: Option<u64>,
    /// The error's number, 0 for none; MySQL tells it with `log_slow_extra`.
    pub(in crate::recording::import) errno: Option<u16>,
    /// Its text: MariaDB has it among the warnings.
    pub(in crate::recording::import) error: Option<String>,
}

impl Outcome {
    /// What is certain of it.
    pub(in crate::recording::import) fn results(&self, what: &What) -> Vec<RecordedResult> {
        let What::Text(text) = what else { return Vec::new() };
        let answer = match (self.errno, self.rows_sent) {
            (Some(code), _) if code != 0 => {
                let message = self.error.clone().unwrap_or_default();
                Some(RecordedAnswer::Error(RecordedError { code, state: None, message }))
            }
            // Without an error's number, a statement without rows may have failed.
            (errno, Some(count)) if (errno == Some(0) || count > 0) && has_one_result_set(text) => {
                Some(RecordedAnswer::Rows { count, checksum: None })
            }
            _ => match self.rows_affected {
                Some(affected_rows) if affected_rows > 0 && changes_rows(text) => {
                    Some(RecordedAnswer::Ok { affected_rows, last_insert_id: 0 })
                }
                _ => None,
            },
        };
        answer.map(|answer| RecordedResult { answer, status: None, warnings: None }).into_iter().collect()
    }
}

fn kind(text: &[u8]) -> StatementKind {
    StatementSummary::of_text(text, Lexis::default(), &|_| None).kind
}

/// Whether the rows that were sent are those of one result set: not those of `SELECT .. INTO`, which counts what it wrote.
pub(in crate::recording::import) fn has_one_result_set(text: &[u8]) -> bool {
    let is_into = |token: crate::mysql::sql::Token| {
        token.kind == Kind::Word && text.get(token.range()).is_some_and(|word| word.eq_ignore_ascii_case(b"into"))
    };
    kind(text) == StatementKind::Select && !Tokens::new(text, Lexis::default()).any(is_into)
}

fn changes_rows(text: &[u8]) -> bool {
    matches!(
        kind(text),
        StatementKind::Insert
            | StatementKind::Update
            | StatementKind::Delete
            | StatementKind::Replace
            | StatementKind::Load
    )
}

/// What the lines of a header say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) time: Option<Stamp>,
    pub(super) who: Who,
    pub(super) thread: Option<u64>,
    pub(super) schema: Option<String>,
    /// `use name;`
    pub(super) used: Option<String>,
    pub(super) query_time_ns: Option<u64>,
    /// `SET timestamp=..`
    pub(super) timestamp: Option<i64>,
    pub(super) outcome: Outcome,
}

impl Header {
    /// Reads a line; true after the last one.
    pub(super) fn read(&mut self, line: &[u8]) -> bool {
        if let Some(rest) = line.strip_prefix(b"# Time: ") {
            self.time = stamp(rest).or(self.time);
        } else if let Some(rest) = line.strip_prefix(b"# User@Host: ") {
            if let Some((who, id)) = parse_who(rest) {
                (self.who, self.thread) = (who, id.or(self.thread));
            }
        } else if let Some(rest) = line.strip_prefix(b"# Error ") {
            self.read_error(rest);
        } else if let Some(rest) = line.strip_prefix(b"# ") {
            self.read_fields(rest);
        } else if let Some(rest) = line.strip_prefix(b"use ") {
            let name = rest.strip_suffix(b";").unwrap_or(rest);
            self.used = Some(database_name(name));
        } else if let Some(rest) = line.strip_prefix(b"SET ") {
            return self.read_timestamp(rest);
        }
        false
    }

    /// `timestamp=1795785401;`, after `last_insert_id=..,insert_id=..` in some.
    fn read_timestamp(&mut self, rest: &[u8]) -> bool {
        let Some(at) = memchr::memmem::find(rest, b"timestamp=") else { return false };
        let digits = rest.get(at + 10..).unwrap_or_default();
        let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
        let number = std::str::from_utf8(digits.get(..end).unwrap_or_default()).ok();
        self.timestamp = number.and_then(|number| number.parse().ok());
        true
    }

    fn read_error(&mut self, rest: &[u8]) {
        let text = String::from_utf8_lossy(rest);
        let (code, message) = text.split_once(' ').unwrap_or((&text, ""));
        if let (Ok(code), None) = (code.parse(), &self.outcome.error) {
            self.outcome.errno = Some(code);
            self.outcome.error = Some(message.to_owned());
        }
    }

    /// `Name: value  Name: value`; a value may be missing.
    fn read_fields(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        // A database's name may have blanks.
        if let Some((_, rest)) = text.split_once("Schema: ") {
            let end = ["  QC_hit:", "  Last_errno:"].iter().filter_map(|next| rest.find(next)).min();
            self.schema = Some(rest.get(..end.unwrap_or(rest.len())).unwrap_or_default().trim().to_owned());
        }
        let mut words = text.split_ascii_whitespace().peekable();
        while let Some(word) = words.next() {
            let Some(name) = word.strip_suffix(':') else { continue };
            let Some(value) = words.next_if(|next| !next.ends_with(':')) else { continue };
            match name {
                "Thread_id" | "Id" => self.thread = value.parse().ok().or(self.thread),
                "Query_time" => self.query_time_ns = duration_ns(value.as_bytes()),
                "Rows_sent" => self.outcome.rows_sent = value.parse().ok(),
                "Rows_affected" => self.outcome.rows_affected = value.parse().ok(),
                "Errno" | "Last_errno" => self.outcome.errno = value.parse().ok(),
                _ => {}
            }
        }
    }
}

/// The name of `use name;`, which may be in backticks.
fn database_name(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name).into_owned();
    match text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        Some(inner) => inner.replace("``", "`"),
        None => text,
    }
}

/// `root[root] @ localhost [127.0.0.1]  Id:     8`: the user who logged in is in brackets, the account in front of them.
fn parse_who(rest: &[u8]) -> Option<(Who, Option<u64>)> {
    let text = std::str::from_utf8(rest).ok()?;
    let (place, id) = match text.rsplit_once("Id:") {
        Some((place, id)) => (place, Some(id.trim().parse::<u64>().ok()?)),
        None => (text, None),
    };
    Some((who(place)?, id))
}

/// `root[root] @ localhost [127.0.0.1]`, as the tables have it too.
pub(in crate::recording::import) fn who(text: &str) -> Option<Who> {
    let (account, host) = text.rsplit_once("] @ ")?;
    let (_, user) = account.rsplit_once('[')?;
    let (name, address) = host.trim_end().strip_suffix(']')?.rsplit_once('[')?;
    let client = if address.is_empty() { name.trim() } else { address };
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Some(Who { user: text(user), client: text(client) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_in_brackets_whatever_the_account_is() {
        let of = |text: &[u8]| parse_who(text).map(|(who, id)| (who.user, who.client, id));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of(b"root[root] @ localhost []  Id:     8"), Some((some("root"), some("localhost"), Some(8))));
        assert_eq!(of(b"[app] @ db.example [10.0.0.7]"), Some((some("app"), some("10.0.0.7"), None)));
        assert_eq!(of(b"a@b[a@b] @ h [::1]  Id: 1"), Some((some("a@b"), some("::1"), Some(1))));
        for wrong in [&b"root"[..], b"root @ localhost", b"r[r] @ localhost [] Id: x", b""] {
            assert_eq!(of(wrong), None);
        }
    }

    #[test]
    fn fields_may_have_no_value() {
        let mut header = Header::default();
        header.read(b"# Thread_id: 4  Schema:   QC_hit: No");
        assert_eq!((header.thread, header.schema.as_deref()), (Some(4), Some("")));
        header.read(b"# Thread_id: 4  Schema: my shop: 2  QC_hit: No");
        assert_eq!(header.schema.as_deref(), Some("my shop: 2"));
        header.read(b"# Query_time: 0.000193  Lock_time: 0.000000  Rows_sent: 1  Rows_examined: 0");
        assert_eq!((header.query_time_ns, header.outcome.rows_sent), (Some(193_000), Some(1)));
        assert!(header.read(b"SET last_insert_id=5,insert_id=6,timestamp=1795785401.123456;"));
        assert_eq!(header.timestamp, Some(1_795_785_401));
    }
}
