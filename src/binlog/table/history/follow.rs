//! What the stream's own statements do to the tables.

use crate::binlog::event::position::Position;
use crate::binlog::table::history::apply::{Surroundings, alter, create};
use crate::binlog::table::history::ddl::parse;
use crate::binlog::table::history::definition::{Ddl, Exists, NewCharset, Spec, TableName};
use crate::binlog::table::history::schemas::{Database, SchemaHistory};
use crate::binlog::table::history::source::{SchemaSource, Statement};
use crate::mysql::charset::Charset;

impl<S: SchemaSource> SchemaHistory<S> {
    /// A statement that changes definitions, whose event ends at `at`.
    pub fn definition(&mut self, statement: &Statement<'_>, at: &Position) {
        self.rebase(at);
        if self.applied.as_ref().is_some_and(|last| !at.is_after(last)) {
            return;
        }
        let ddl = parse(statement, self.naming());
        if ddl == Ddl::Nothing {
            return;
        }
        self.apply(ddl, statement, at);
        self.ahead.pass(at);
        if let Some(file) = &mut self.file {
            file.reached(at, true);
        }
    }

    /// `facts` is the statement; its text does not matter any more.
    pub(super) fn apply(&mut self, ddl: Ddl, facts: &Statement<'_>, at: &Position) {
        self.missing.clear();
        self.applied = Some(at.clone());
        match ddl {
            Ddl::Nothing => return,
            Ddl::Create { table, if_not_exists, body } => {
                if !if_not_exists || self.is_made(&table, facts) {
                    let around = self.surroundings(&table, at, body.needs_default());
                    let schema = create(&body, around);
                    self.set(table, schema, at);
                }
            }
            Ddl::CreateLike { table, if_not_exists, like } => {
                if !if_not_exists || self.is_made(&table, facts) {
                    let known = self.tables.get(&like).filter(|_| !self.is_hidden(&like));
                    let schema = known.map(|known| known.schema.clone());
                    self.set(table, schema, at);
                }
            }
            Ddl::Alter { table, specs, rename } => {
                let is_hidden = self.is_hidden(&table);
                let to_default = specs.iter().any(|spec| {
                    matches!(spec, Spec::Convert(NewCharset::OfDatabase) | Spec::Charset(NewCharset::OfDatabase))
                });
                let around = self.surroundings(&table, at, to_default);
                let before = self.tables.get(&table).map(|known| &known.schema).filter(|_| !is_hidden);
                let schema = before.and_then(|before| alter(before, &specs, around));
                match rename {
                    Some(new) => {
                        self.remove(table, at);
                        self.set(new, schema, at);
                    }
                    None => self.set(table, schema, at),
                }
            }
            Ddl::Rename(pairs) => {
                for (old, new) in pairs {
                    let schema = self.tables.get(&old).map(|known| known.schema.clone());
                    let schema = schema.filter(|_| !self.is_hidden(&old));
                    self.remove(old, at);
                    self.set(new, schema, at);
                }
            }
            // A table that a session's own hides is still there.
            Ddl::Drop(tables) => tables.into_iter().for_each(|table| match self.is_hidden(&table) {
                true => self.set(table, None, at),
                false => self.remove(table, at),
            }),
            Ddl::Unclear(tables) => tables.into_iter().for_each(|table| self.set(table, None, at)),
            Ddl::CreateDatabase { database, exists, charset } => {
                self.create_database(database, exists, charset, facts, at);
            }
            Ddl::AlterDatabase { database, charset: Some(charset) } => {
                let server = facts.collation_server.and_then(Charset::from_collation);
                self.databases.entry(database).or_default().charset = charset.resolved(server);
            }
            Ddl::AlterDatabase { .. } => {}
            Ddl::DropDatabase(database) => self.drop_database(&database, at),
            Ddl::Temporary(table) => {
                *self.temporary.entry(table).or_default() += 1;
            }
            Ddl::DropTemporary(tables) => {
                for table in tables {
                    if let Some(sessions) = self.temporary.get_mut(&table) {
                        *sessions = sessions.saturating_sub(1);
                    }
                }
                self.temporary.retain(|_, sessions| *sessions > 0);
            }
            Ddl::Anything => {
                let all: Vec<_> = self.tables.keys().cloned().collect();
                for table in all {
                    self.set(table, None, at);
                }
                self.databases.clear();
                self.absent.clear();
            }
        }
        self.since = at.clone();
    }

    pub(super) fn create_database(
        &mut self,
        database: String,
        exists: Exists,
        charset: Option<NewCharset>,
        facts: &Statement<'_>,
        at: &Position,
    ) {
        // MySQL and MariaDB log IF NOT EXISTS where it was of no effect too.
        if exists == Exists::Stays {
            if !self.databases.get(&database).is_some_and(|known| known.is_complete) {
                self.databases.remove(&database);
            }
            return;
        }
        if exists == Exists::Goes {
            self.drop_database(&database, at);
        }
        let server = facts.collation_server.and_then(Charset::from_collation);
        let charset = charset.unwrap_or(NewCharset::OfDatabase).resolved(server);
        self.databases.insert(database, Database { charset, is_complete: true });
    }

    pub(super) fn drop_database(&mut self, database: &str, at: &Position) {
        self.databases.remove(database);
        self.absent.retain(|(of, _)| of != database);
        let gone: Vec<_> = self.tables.keys().filter(|(of, _)| of == database).cloned().collect();
        for table in gone {
            self.set(table, None, at);
        }
    }

    pub(super) fn is_hidden(&self, table: &TableName) -> bool {
        self.temporary.contains_key(table)
    }

    /// Whether CREATE TABLE IF NOT EXISTS has surely made the table. MariaDB does not log the statement where it was of no effect. MySQL does;
    /// but it is a transaction of InnoDB's only where something was made (MyISAM's tables never are).
    pub(super) fn is_made(&self, table: &TableName, facts: &Statement<'_>) -> bool {
        let is_absent = || {
            self.absent.contains(table)
                || !self.tables.contains_key(table)
                    && self.databases.get(&table.0).is_some_and(|database| database.is_complete)
        };
        self.is_mariadb || facts.is_atomic || is_absent()
    }

    pub(super) fn surroundings(&mut self, table: &TableName, at: &Position, needs_default: bool) -> Surroundings {
        let database = if needs_default { self.database_charset(&table.0, at) } else { None };
        Surroundings { is_mariadb: self.is_mariadb, database, assumes_added: false }
    }
}
