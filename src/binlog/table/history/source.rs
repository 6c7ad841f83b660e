//! What the history is told: statements of the stream, and the source as it is now.

use std::borrow::Cow;

use crate::binlog::event::position::Position;
use crate::binlog::event::query::Query;
use crate::binlog::table::history::apply::TableSchema;
use crate::mysql::charset::Charset;
use crate::mysql::sql::{Lexis, Redactions};
use crate::rules::redaction::Redactor;

/// A statement that changes definitions, as the binlog has it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Statement<'a> {
    /// The current database; empty without one.
    pub database: &'a str,
    /// The text in UTF-8.
    pub sql: &'a str,
    /// The session's `sql_mode`, where it is known.
    pub sql_mode: Option<u64>,
    /// The session's `collation_server`: what a new database has by default.
    pub collation_server: Option<u16>,
    /// Whether it ended in an error after it had begun.
    pub failed: bool,
    /// Whether MySQL logged it as a transaction of its storage engine, which a statement without effect is not.
    pub is_atomic: bool,
}

/// A statement whose text was converted to UTF-8.
#[derive(Debug, Clone)]
pub struct OwnedStatement {
    database: String,
    sql: String,
    sql_mode: Option<u64>,
    collation_server: Option<u16>,
    failed: bool,
    is_atomic: bool,
}

impl OwnedStatement {
    /// The statement of a QUERY event, whose text is in the session's character set.
    pub fn new(query: &Query<'_>) -> Self {
        Self {
            database: String::from_utf8_lossy(query.database).into_owned(),
            sql: statement_text(&query.sql, query.charset_client).into_owned(),
            sql_mode: query.sql_mode,
            collation_server: query.collation_server,
            failed: query.error_code != 0,
            is_atomic: query.ddl_xid.is_some(),
        }
    }

    /// The text in UTF-8.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The text in UTF-8, with its secrets masked: nobody's business who reads rows.
    pub(crate) fn sql_without_secrets(&self, redactor: &Redactor) -> String {
        without_secrets(&self.sql, false, self.sql_mode, redactor)
    }

    /// The same, borrowed.
    pub fn as_statement(&self) -> Statement<'_> {
        Statement {
            database: &self.database,
            sql: &self.sql,
            sql_mode: self.sql_mode,
            collation_server: self.collation_server,
            failed: self.failed,
            is_atomic: self.is_atomic,
        }
    }
}

/// A statement's text in UTF-8; it came in the session's `character_set_client`, of which a collation is given.
pub(crate) fn statement_text(sql: &[u8], charset_client: Option<u16>) -> Cow<'_, str> {
    charset_client.and_then(Charset::from_collation).unwrap_or(Charset::Utf8mb4).to_utf8(sql)
}

/// A text without its passwords, and without literals of what has a redact key in its name. `is_torn`: it is only the front of a statement.
pub(crate) fn without_secrets(sql: &str, is_torn: bool, sql_mode: Option<u64>, redactor: &Redactor) -> String {
    let redactions = Redactions::of(sql.as_bytes(), is_torn, Lexis::logged(sql_mode), redactor.keys());
    let mask = format!("'{}'", redactor.mask().replace('\'', "''"));
    let mut shown = String::with_capacity(sql.len());
    let mut from = 0;
    for literal in redactions.literals {
        // Of a text in UTF-8 a literal begins and ends between characters.
        shown.push_str(sql.get(from..literal.start).unwrap_or_default());
        shown.push_str(&mask);
        from = literal.end;
    }
    shown.push_str(sql.get(from..).unwrap_or_default());
    shown
}

/// The beginning of a statement's text in UTF-8, with `...` where it was cut, which is never inside a character.
pub(crate) fn statement_head(sql: &[u8], charset_client: Option<u16>, longest: usize) -> String {
    // No character set of a client has characters of more bytes.
    const LONGEST_CHARACTER: usize = 4;
    if sql.len() <= longest {
        return statement_text(sql, charset_client).into_owned();
    }
    let head = |less| statement_text(sql.get(..longest.saturating_sub(less)).unwrap_or(sql), charset_client);
    // What is left of a character is no character.
    let is_whole = |head: &Cow<'_, str>| !head.ends_with(char::REPLACEMENT_CHARACTER);
    let mut text = (0..LONGEST_CHARACTER).map(head).find(is_whole).unwrap_or_else(|| head(0)).into_owned();
    text.push_str("...");
    text
}

/// What the catalogue has under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Snapshot {
    /// A table.
    Table(TableSchema),
    /// Nothing.
    Absent,
    /// It could not be asked.
    Unavailable,
}

/// The source as it is now.
pub trait SchemaSource {
    /// The end of the binlog.
    fn end(&mut self) -> Option<Position>;

    /// A table, after all statements before [`SchemaSource::end`] of a short time ago have done their work.
    fn table(&mut self, database: &str, table: &str) -> Snapshot;

    /// The name of a database's default character set.
    fn database_charset(&mut self, database: &str) -> Option<String>;

    /// Whether it is MariaDB; `None` where it cannot be asked.
    fn is_mariadb(&mut self) -> Option<bool>;

    /// Whether names of tables are kept in lower case; `None` where it cannot be asked.
    fn folds_names(&mut self) -> Option<bool>;

    /// What tells this server from others whose positions mean something else.
    fn identity(&mut self) -> Option<String>;

    /// Gives all statements between two places that change definitions to `found`, with the ends of their events. False where not all
    /// could be read.
    fn statements(&mut self, from: &Position, to: &Position, found: &mut dyn FnMut(&Position, Statement<'_>)) -> bool;
}

impl<S: SchemaSource + ?Sized> SchemaSource for Box<S> {
    fn end(&mut self) -> Option<Position> {
        (**self).end()
    }

    fn table(&mut self, database: &str, table: &str) -> Snapshot {
        (**self).table(database, table)
    }

    fn database_charset(&mut self, database: &str) -> Option<String> {
        (**self).database_charset(database)
    }

    fn is_mariadb(&mut self) -> Option<bool> {
        (**self).is_mariadb()
    }

    fn folds_names(&mut self) -> Option<bool> {
        (**self).folds_names()
    }

    fn identity(&mut self) -> Option<String> {
        (**self).identity()
    }

    fn statements(&mut self, from: &Position, to: &Position, found: &mut dyn FnMut(&Position, Statement<'_>)) -> bool {
        (**self).statements(from, to, found)
    }
}

/// No server: files alone.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoSource;

impl SchemaSource for NoSource {
    fn end(&mut self) -> Option<Position> {
        None
    }

    fn table(&mut self, _: &str, _: &str) -> Snapshot {
        Snapshot::Unavailable
    }

    fn database_charset(&mut self, _: &str) -> Option<String> {
        None
    }

    fn is_mariadb(&mut self) -> Option<bool> {
        None
    }

    fn folds_names(&mut self) -> Option<bool> {
        None
    }

    fn identity(&mut self) -> Option<String> {
        None
    }

    fn statements(&mut self, from: &Position, to: &Position, _: &mut dyn FnMut(&Position, Statement<'_>)) -> bool {
        from == to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        const GBK: u16 = 28;
        for (longest, expected) in
            [(2, "ab..."), (3, "ab..."), (4, "ab..."), (5, "ab..."), (6, "ab😀..."), (7, "ab😀c")]
        {
            assert_eq!(statement_head("ab😀c".as_bytes(), None, longest), expected, "{longest}");
        }
        // Two bytes each; the second may look like a letter.
        let text = b"a\xd7\xd6\x81\x41";
        for (longest, expected) in [(1, "a..."), (2, "a..."), (3, "a字..."), (4, "a字..."), (5, "a字丄")] {
            assert_eq!(statement_head(text, Some(GBK), longest), expected, "{longest}");
        }
        // Nothing is left out where bytes are none of a character set.
        assert_eq!(statement_head(&[0xff; 9], None, 5).trim_end_matches('.').chars().count(), 5);
    }
}
