//! What a definition's text says: which tables it touches, and how.

use crate::binlog::table::history::definition::{Ddl, Spec};
use crate::binlog::table::history::parser::{Naming, Parser};
use crate::binlog::table::history::source::Statement;
use crate::binlog::table::history::words::words;

/// Reads a statement.
pub(crate) fn parse(statement: &Statement<'_>, naming: Naming) -> Ddl {
    let Some(words) = words(statement.sql, statement.sql_mode) else {
        return Ddl::Anything;
    };
    let ddl = Parser::new(&words, statement.database, statement.sql_mode, naming).statement().unwrap_or(Ddl::Anything);
    // Text that is no UTF-8, or a statement that was executed in part.
    if statement.failed || statement.sql.contains(char::REPLACEMENT_CHARACTER) {
        return ddl.unclear();
    }
    ddl
}

/// First words of statements that change no table's columns. Those that change rows are here because of MariaDB's `SET STATEMENT`.
const HARMLESS: [&str; 37] = [
    "GRANT",
    "REVOKE",
    "SET",
    "FLUSH",
    "ANALYZE",
    "OPTIMIZE",
    "REPAIR",
    "CHECK",
    "INSTALL",
    "UNINSTALL",
    "TRUNCATE",
    "COMMENT",
    "RESET",
    "CACHE",
    "LOCK",
    "UNLOCK",
    "USE",
    "SHOW",
    "CHECKSUM",
    "INSERT",
    "UPDATE",
    "DELETE",
    "REPLACE",
    "LOAD",
    "SELECT",
    "WITH",
    "VALUES",
    "CALL",
    "DO",
    "HANDLER",
    "KILL",
    "PURGE",
    "SIGNAL",
    "DEALLOCATE",
    "XA",
    "SAVEPOINT",
    "RELEASE",
];

impl Parser<'_> {
    fn statement(&mut self) -> Option<Ddl> {
        // A loop: a text that nests these without an end must not take the stack with it.
        loop {
            let Some(first) = self.cursor.word() else {
                return self.cursor.is_empty().then_some(Ddl::Nothing);
            };
            return match first.as_str() {
                "CREATE" => self.create(),
                "ALTER" => self.alter(),
                "DROP" => self.drop(),
                "RENAME" => self.rename(),
                // MariaDB's variables for one statement.
                "SET" if self.cursor.take("STATEMENT") => {
                    while !self.cursor.take("FOR") {
                        if self.cursor.is_empty() {
                            return None;
                        }
                        self.cursor.skip();
                    }
                    continue;
                }
                word if HARMLESS.contains(&word) => Some(Ddl::Nothing),
                _ => None,
            };
        }
    }

    fn drop(&mut self) -> Option<Ddl> {
        let is_temporary = self.cursor.take("TEMPORARY");
        if self.cursor.take("DATABASE") || self.cursor.take("SCHEMA") {
            self.if_exists();
            let name = self.cursor.name()?;
            return Some(Ddl::DropDatabase(self.folded(name)));
        }
        if self.cursor.take("TABLE") || self.cursor.take("TABLES") || self.cursor.take("SEQUENCE") {
            self.if_exists();
            let mut tables = Vec::new();
            loop {
                tables.push(self.table()?);
                if !self.cursor.symbol(',') {
                    return Some(if is_temporary { Ddl::DropTemporary(tables) } else { Ddl::Drop(tables) });
                }
            }
        }
        let _ = self.cursor.take("ONLINE");
        if self.cursor.take("INDEX") {
            self.if_exists();
            let primary = self.cursor.name()?.eq_ignore_ascii_case("PRIMARY");
            self.cursor.expect("ON")?;
            let table = self.table()?;
            let specs = if primary { vec![Spec::DropPrimaryKey] } else { self.hides().into_iter().collect() };
            return Some(Ddl::Alter { table, specs, rename: None });
        }
        if self.cursor.take("PREPARE") {
            return Some(Ddl::Nothing);
        }
        self.other_object()
    }

    fn rename(&mut self) -> Option<Ddl> {
        if self.cursor.take("USER") {
            return Some(Ddl::Nothing);
        }
        let _ = self.cursor.take("TABLE") || self.cursor.take("TABLES");
        self.if_exists();
        let mut pairs = Vec::new();
        loop {
            let old = self.table()?;
            while self.cursor.take("WAIT") || self.cursor.take("NOWAIT") {
                let _ = self.cursor.number();
            }
            self.cursor.expect("TO")?;
            pairs.push((old, self.table()?));
            if !self.cursor.symbol(',') {
                return Some(Ddl::Rename(pairs));
            }
        }
    }
}
