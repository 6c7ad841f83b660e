//! What a definition is about: by this it is wanted or not.

use crate::binlog::table::history::cursor::Cursor;
use crate::binlog::table::history::source::Statement;
use crate::binlog::table::history::words::words;

/// What a definition changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Tables or views: database and name of each.
    Tables(Vec<(String, String)>),
    /// Something else in a database, or the database itself.
    Database(String),
    /// Nothing that is in a database: accounts, settings; or a text that is not understood.
    Other,
}

impl Subject {
    /// The database it is about, or that of the first table; `None` where it is about none.
    pub(crate) fn database(&self) -> Option<&str> {
        match self {
            Self::Tables(tables) => tables.first().map(|(database, _)| database.as_str()),
            Self::Database(database) => Some(database),
            Self::Other => None,
        }
    }

    /// The table it is about, where that is one and no more.
    pub(crate) fn table(&self) -> Option<&str> {
        match self {
            Self::Tables(tables) if tables.len() == 1 => tables.first().map(|(_, table)| table.as_str()),
            _ => None,
        }
    }

    /// Reads it from a statement's text. Names are as they are written there.
    pub(crate) fn of(statement: &Statement<'_>) -> Self {
        let Some(words) = words(statement.sql, statement.sql_mode) else { return Self::Other };
        let mut cursor = Cursor::new(&words);
        // MariaDB's variables for one statement.
        while cursor.take("SET") && cursor.take("STATEMENT") {
            while !cursor.take("FOR") && !cursor.is_empty() {
                cursor.skip();
            }
        }
        let names = Names { cursor, database: statement.database };
        names.subject().unwrap_or(Self::Other)
    }
}

struct Names<'a> {
    cursor: Cursor<'a>,
    database: &'a str,
}

impl Names<'_> {
    fn subject(mut self) -> Option<Subject> {
        match self.cursor.word()?.as_str() {
            "CREATE" | "ALTER" | "DROP" => self.object(),
            "RENAME" | "TRUNCATE" | "ANALYZE" | "OPTIMIZE" | "REPAIR" | "CHECK" => {
                let _ = self.cursor.take("NO_WRITE_TO_BINLOG") || self.cursor.take("LOCAL");
                if self.cursor.take("USER") {
                    return None;
                }
                let _ = self.cursor.take("TABLE") || self.cursor.take("TABLES");
                self.tables()
            }
            _ => None,
        }
    }

    /// What stands before the object's kind (OR REPLACE, TEMPORARY, DEFINER=...) is stepped over.
    fn object(&mut self) -> Option<Subject> {
        while !self.cursor.is_empty() {
            let Some(word) = self.cursor.word() else {
                self.cursor.skip();
                continue;
            };
            return match word.as_str() {
                "TABLE" | "TABLES" | "VIEW" | "SEQUENCE" => self.tables(),
                "INDEX" => {
                    while !self.cursor.take("ON") {
                        if self.cursor.is_empty() {
                            return None;
                        }
                        self.cursor.skip();
                    }
                    self.tables()
                }
                "DATABASE" | "SCHEMA" => {
                    self.condition();
                    // ALTER DATABASE may leave the name out.
                    let is_option = ["DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "ENCRYPTION", "READ", "COMMENT"]
                        .iter()
                        .any(|option| self.cursor.is(option));
                    let named = if is_option { None } else { self.cursor.name() };
                    Some(Subject::Database(named.unwrap_or_else(|| self.database.to_owned())))
                }
                "TRIGGER" | "PROCEDURE" | "FUNCTION" | "EVENT" | "PACKAGE" => {
                    let _ = self.cursor.take("BODY");
                    self.condition();
                    self.name().map(|(database, _)| Subject::Database(database))
                }
                "USER" | "ROLE" | "SERVER" | "TABLESPACE" | "LOGFILE" | "RESOURCE" | "INSTANCE" => None,
                _ => continue,
            };
        }
        None
    }

    /// `IF EXISTS`, `IF NOT EXISTS`
    fn condition(&mut self) {
        if self.cursor.take("IF") {
            self.cursor.take("NOT");
            self.cursor.take("EXISTS");
        }
    }

    /// One or more, with what belongs to RENAME between them.
    fn tables(&mut self) -> Option<Subject> {
        self.condition();
        let mut tables = vec![self.name()?];
        loop {
            while self.cursor.take("WAIT") || self.cursor.take("NOWAIT") {
                let _ = self.cursor.number();
            }
            if !self.cursor.symbol(',') && !self.cursor.take("TO") {
                return Some(Subject::Tables(tables));
            }
            tables.push(self.name()?);
        }
    }

    fn name(&mut self) -> Option<(String, String)> {
        let first = self.cursor.name()?;
        if self.cursor.symbol('.') {
            Some((first, self.cursor.name()?))
        } else {
            Some((self.database.to_owned(), first))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_and_what_they_are_about() {
        for (sql, subject) in [
            ("CREATE TABLE t (a INT)", "d.t"),
            ("create /* x */ or replace temporary table if not exists `a.b`.`c` (x int)", "a.b.c"),
            ("ALTER TABLE s.t RENAME TO u", "s.t"),
            ("RENAME TABLE t TO s.u, v WAIT 3 TO w", "d.t s.u d.v d.w"),
            ("DROP TABLE IF EXISTS t, s.u", "d.t s.u"),
            ("TRUNCATE s.t", "s.t"),
            ("TRUNCATE TABLE t", "d.t"),
            ("ANALYZE LOCAL TABLE t, u", "d.t d.u"),
            ("CREATE UNIQUE INDEX i ON s.t (a)", "s.t"),
            ("DROP INDEX `PRIMARY` ON t", "d.t"),
            ("CREATE ALGORITHM=MERGE DEFINER=`table`@`%` SQL SECURITY INVOKER VIEW v AS SELECT 1", "d.v"),
            ("SET STATEMENT max_statement_time=1 FOR ALTER TABLE t ADD a INT", "d.t"),
            ("CREATE DEFINER=`root`@`localhost` PROCEDURE s.p() SELECT 1", "s"),
            ("CREATE DEFINER=root@localhost TRIGGER tr BEFORE INSERT ON s.t FOR EACH ROW SET @a = 1", "d"),
            ("CREATE PACKAGE BODY s.p AS END", "s"),
            ("CREATE OR REPLACE SEQUENCE s.q START WITH 7", "s.q"),
            ("CREATE DATABASE IF NOT EXISTS s", "s"),
            ("ALTER SCHEMA COLLATE utf8mb4_bin", "d"),
            ("DROP DATABASE s", "s"),
            ("CREATE USER 'table'@'%'", ""),
            ("GRANT SELECT ON s.* TO u", ""),
            ("RENAME USER a TO b", ""),
            ("FLUSH TABLES", ""),
            ("CREATE", ""),
            ("DROP TABLE", ""),
            ("", ""),
        ] {
            let statement = Statement { database: "d", sql, ..Statement::default() };
            let shown = match Subject::of(&statement) {
                Subject::Tables(tables) => {
                    tables.iter().map(|(database, table)| format!("{database}.{table}")).collect::<Vec<_>>().join(" ")
                }
                Subject::Database(database) => database,
                Subject::Other => String::new(),
            };
            assert_eq!(shown, subject, "{sql}");
        }
    }
}
