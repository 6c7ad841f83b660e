//! What the history is told: statements of the stream, and the source as it is now.

use std::borrow::Cow;

use super::TableSchema;
use crate::binlog::charset::Charset;
use crate::binlog::event::Query;
use crate::binlog::position::Position;
use crate::mysql::sql::{Lexis, mask_secrets};

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
}

/// A statement whose text was converted to UTF-8.
#[derive(Debug, Clone)]
pub struct OwnedStatement {
    database: String,
    sql: String,
    sql_mode: Option<u64>,
    collation_server: Option<u16>,
    failed: bool,
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
        }
    }

    /// The text in UTF-8.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The text in UTF-8, with its secrets masked: nobody's business who reads rows.
    pub fn sql_without_secrets(&self) -> String {
        without_secrets(&self.sql, self.sql_mode)
    }

    /// The same, borrowed.
    pub fn as_statement(&self) -> Statement<'_> {
        Statement {
            database: &self.database,
            sql: &self.sql,
            sql_mode: self.sql_mode,
            collation_server: self.collation_server,
            failed: self.failed,
        }
    }
}

/// A statement's text in UTF-8; it came in the session's `character_set_client`, of which a collation is given.
pub(crate) fn statement_text(sql: &[u8], charset_client: Option<u16>) -> Cow<'_, str> {
    charset_client.and_then(Charset::from_collation).unwrap_or(Charset::Utf8mb4).to_utf8(sql)
}

/// A text without its passwords.
pub(crate) fn without_secrets(sql: &str, sql_mode: Option<u64>) -> String {
    let masked = mask_secrets(sql.as_bytes(), Lexis::logged(sql_mode));
    String::from_utf8_lossy(&masked).into_owned()
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

    /// A table, after all statements before [`SchemaSource::end`] of a moment ago have done their work.
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
