//! What the statements that change definitions have in common: names, keys, columns, character sets.

use crate::binlog::table::history::column_type::column_type;
use crate::binlog::table::history::cursor::Cursor;
use crate::binlog::table::history::definition::{ColumnDefinition, Ddl, NewCharset, Spec, TableName};
use crate::binlog::table::history::words::Word;

/// How names of tables are compared (`lower_case_table_names`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Naming {
    /// Names are kept in lower case.
    pub(crate) folds: bool,
}

/// `MODE_ORACLE` of MariaDB's `sql_mode`.
const ORACLE: u64 = 1 << 9;

/// What may be created, altered and dropped without a table's columns changing.
const OTHER_OBJECTS: [&str; 22] = [
    "USER",
    "ROLE",
    "VIEW",
    "PROCEDURE",
    "FUNCTION",
    "TRIGGER",
    "EVENT",
    "SERVER",
    "TABLESPACE",
    "LOGFILE",
    "SPATIAL",
    "PACKAGE",
    "RESOURCE",
    "DEFINER",
    "ALGORITHM",
    "SQL",
    "AGGREGATE",
    "UNDO",
    "INSTANCE",
    "LIBRARY",
    // MySQL's JSON duality views.
    "JSON",
    "MATERIALIZED",
];

/// Reads one statement.
pub(crate) struct Parser<'a> {
    pub(crate) cursor: Cursor<'a>,
    pub(crate) database: &'a str,
    naming: Naming,
    is_oracle: bool,
}

impl<'a> Parser<'a> {
    /// Reads these words. `database` is the current one.
    pub(crate) fn new(words: &'a [Word], database: &'a str, sql_mode: Option<u64>, naming: Naming) -> Self {
        let is_oracle = sql_mode.is_some_and(|mode| mode & ORACLE != 0);
        Self { cursor: Cursor::new(words), database, naming, is_oracle }
    }
}

impl Parser<'_> {
    pub(crate) fn table(&mut self) -> Option<TableName> {
        let first = self.cursor.name()?;
        let (database, table) =
            if self.cursor.symbol('.') { (first, self.cursor.name()?) } else { (self.database.to_owned(), first) };
        Some((self.folded(database), self.folded(table)))
    }

    pub(crate) fn folded(&self, name: String) -> String {
        if self.naming.folds { name.to_lowercase() } else { name }
    }

    pub(crate) fn if_exists(&mut self) -> bool {
        self.cursor.take("IF") && self.cursor.take("EXISTS")
    }

    pub(crate) fn if_not_exists(&mut self) -> bool {
        self.cursor.take("IF") && self.cursor.take("NOT") && self.cursor.take("EXISTS")
    }

    /// The columns of `[CONSTRAINT [name]] PRIMARY KEY (...)`, if that comes; the inner `None` where they cannot be read.
    pub(crate) fn primary_key(&mut self) -> Option<Option<Vec<String>>> {
        let start = self.cursor.at();
        if self.cursor.take("CONSTRAINT") && !self.cursor.is("PRIMARY") {
            self.cursor.skip();
        }
        if !self.cursor.take("PRIMARY") {
            self.cursor.go_back(start);
            return None;
        }
        self.cursor.take("KEY");
        Some(self.key_columns())
    }

    fn key_columns(&mut self) -> Option<Vec<String>> {
        while !self.cursor.symbol('(') {
            // IF NOT EXISTS, a name, USING BTREE.
            if self.cursor.is_empty() {
                return None;
            }
            self.cursor.skip();
        }
        let mut names = Vec::new();
        loop {
            names.push(self.cursor.name()?);
            self.cursor.skip_to_comma();
            if !self.cursor.symbol(',') {
                return self.cursor.symbol(')').then_some(names);
            }
        }
    }

    /// Whether a key comes that is not the primary one.
    pub(crate) fn is_other_key(&self) -> bool {
        ["CONSTRAINT", "UNIQUE", "INDEX", "KEY", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK"]
            .iter()
            .any(|word| self.cursor.is(word))
            || self.cursor.is("VECTOR") && self.cursor.next_is(&["INDEX", "KEY"])
            || self.cursor.is("PERIOD") && self.cursor.next_is(&["FOR", "IF"])
    }

    pub(crate) fn column(&mut self) -> Option<ColumnDefinition> {
        let name = self.cursor.name()?;
        let (column_type, is_primary_key) = column_type(&mut self.cursor, self.is_oracle)?;
        Some(ColumnDefinition { name, column_type, is_primary_key })
    }

    /// The character set among a table's or database's options, if there is one; the outer `None` where a name is missing.
    pub(crate) fn options_charset(&mut self) -> Option<Option<NewCharset>> {
        let (mut charset, mut collation) = (None, None);
        while !self.cursor.is_empty() && !self.cursor.is("PARTITION") {
            if let Some(name) = self.cursor.charset_clause() {
                charset = Some(NewCharset::named(&name));
            } else if self.cursor.take("COLLATE") {
                let _ = self.cursor.symbol('=');
                collation = NewCharset::of_collation(&self.cursor.name_or_text()?);
            } else {
                self.cursor.skip();
            }
        }
        Some(charset.or(collation))
    }

    pub(crate) fn hides(&self) -> Option<Spec> {
        let hidden = self.cursor.hides();
        (!hidden.is_none()).then_some(Spec::Hides(hidden))
    }

    pub(crate) fn other_object(&mut self) -> Option<Ddl> {
        let word = self.cursor.word()?;
        OTHER_OBJECTS.contains(&word.as_str()).then_some(Ddl::Nothing)
    }
}
