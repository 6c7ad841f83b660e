//! Columns' names through time: what a table was when a row was written, where the binlog does not say it itself.
//!
//! ```text
//!   history file ---+
//!   stream's DDL ---+--> tables as of the stream's place --> columns of a row
//!   catalogue now --+
//!        `-- carried back over the DDL between there and now (looked for ahead of the stream)
//! ```
//!
//! A name is given only where it is sure: the rest is called `@1`, `@2`.

mod alter;
mod apply;
mod column_type;
mod cursor;
mod ddl;
mod file;
mod fill;
mod sequence;
mod source;
mod subject;
#[cfg(test)]
mod tests;
mod trace;
mod words;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

pub use apply::TableSchema;
use apply::{Surroundings, alter, create};
use ddl::{Ddl, Exists, Naming, NewCharset, TableName, parse};
use file::HistoryFile;
pub use file::{HistoryError, HistorySync};
pub use source::{NoSource, OwnedStatement, SchemaSource, Snapshot, Statement};
pub(crate) use source::{statement_head, statement_text, without_secrets};
pub(crate) use subject::Subject;
use trace::{Ahead, Trace};

use crate::binlog::checkpoint::position::Position;
use crate::binlog::event::table_map::TableMap;
use crate::binlog::table::hidden::fit;
use crate::binlog::table::schema::{CatalogColumn, lacks_charsets};
use crate::files::FileMode;
use crate::mysql::charset::Charset;

/// Of so many tables it is kept that they went away.
const MOST_ABSENT: usize = 16_384;

/// Whether `a` lies behind `b`. Files' numbers count, not their texts: `binlog.1000000` is behind `binlog.999999`.
pub(crate) fn is_behind(a: &Position, b: &Position) -> bool {
    match (a.file_number(), b.file_number()) {
        (Some(first), Some(second)) => (first, a.offset) > (second, b.offset),
        _ => (&a.file, a.offset) > (&b.file, b.offset),
    }
}

/// The tables as of the stream's place.
#[derive(Debug)]
pub struct SchemaHistory<S> {
    source: S,
    is_mariadb: bool,
    /// `lower_case_table_names`, where it is known.
    folds: Option<bool>,
    tables: HashMap<TableName, Known>,
    databases: HashMap<String, Database>,
    /// Names that tables of sessions may hide, and of how many.
    temporary: HashMap<TableName, usize>,
    /// Tables that surely are not there, because they went away before our eyes.
    absent: HashSet<TableName>,
    /// Tables that the catalogue says nothing about until the next statement.
    missing: HashSet<TableName>,
    /// No statement lies between this place and the stream's.
    since: Position,
    /// The last statement's end: the same may come again after a new connection.
    applied: Option<Position>,
    ahead: Ahead,
    file: Option<HistoryFile>,
    /// The source has changed, and no position of the new one has come yet.
    moved: Option<String>,
}

#[derive(Debug, Clone)]
struct Known {
    schema: TableSchema,
    columns: Arc<Vec<CatalogColumn>>,
    since: Position,
}

#[derive(Debug, Clone, Default)]
struct Database {
    charset: Option<Charset>,
    /// It was made before our eyes: a table that is not known is not there.
    is_complete: bool,
}

impl<S: SchemaSource> SchemaHistory<S> {
    /// A history that knows nothing yet and keeps nothing.
    pub fn new(source: S) -> Self {
        Self {
            source,
            is_mariadb: false,
            folds: None,
            tables: HashMap::new(),
            databases: HashMap::new(),
            temporary: HashMap::new(),
            absent: HashSet::new(),
            missing: HashSet::new(),
            since: Position::default(),
            applied: None,
            ahead: Ahead::default(),
            file: None,
            moved: None,
        }
    }

    /// Whom to ask, before reading begins.
    pub fn set_source(&mut self, source: S) {
        self.source = source;
    }

    /// Reading begins at `at`. With a file, what becomes known is kept in it; and where reading `resumes` at a checkpoint of the run that
    /// wrote the file, what it says counts.
    pub fn begin(&mut self, at: &Position, file: Option<(&Path, FileMode)>, resumes: bool) -> Result<(), HistoryError> {
        self.since = at.clone();
        self.folds = self.source.folds_names();
        self.is_mariadb = self.source.is_mariadb().unwrap_or(self.is_mariadb);
        let Some((path, mode)) = file else { return Ok(()) };
        let identity = self.source.identity().unwrap_or_default();
        let (file, loaded) = HistoryFile::open(path, &identity, at, resumes, mode)?;
        self.file = Some(file);
        for (name, (since, schema)) in loaded.tables {
            self.keep(name, schema, since);
        }
        if let Some(through) = loaded.through.filter(|through| is_behind(at, through)) {
            self.close_gap(&through, at);
        }
        self.reached(at, true);
        Ok(())
    }

    /// The last run has read on without noting it here: its statements are read again.
    fn close_gap(&mut self, from: &Position, to: &Position) {
        let mut statements = Vec::new();
        let naming = self.naming();
        let all = self.source.statements(from, to, &mut |end, statement| {
            let facts = Statement { sql: "", database: "", ..statement };
            statements.push((end.clone(), parse(&statement, naming), facts));
        });
        if !all {
            tracing::warn!(%from, %to, "definitions may have changed here, and it cannot be read again: the schema history is not used");
            self.tables.clear();
            return;
        }
        for (end, ddl, facts) in statements {
            self.apply(ddl, &facts, &end);
        }
    }

    /// Which server wrote the stream.
    pub fn set_flavor(&mut self, is_mariadb: bool) {
        self.is_mariadb = is_mariadb;
    }

    /// The stream goes on from another server, whose positions mean something else: `source` is that server.
    pub fn source_changed(&mut self, source: S) {
        self.source = source;
        self.ahead = Ahead::default();
        self.applied = None;
        self.missing.clear();
        self.folds = self.source.folds_names();
        self.moved = Some(self.source.identity().unwrap_or_default());
    }

    /// For the thread that saves checkpoints.
    pub fn sync_handle(&self) -> Option<HistorySync> {
        self.file.as_ref().map(HistoryFile::sync_handle)
    }

    /// The stream has come to `at`; `is_last` before a clean end, which spares the next start a search.
    pub fn reached(&mut self, at: &Position, is_last: bool) {
        self.rebase(at);
        if let Some(file) = &mut self.file {
            file.reached(at, is_last);
        }
    }

    /// The first position of another source: what is known holds from there.
    fn rebase(&mut self, at: &Position) {
        let Some(identity) = self.moved.take() else { return };
        self.since = at.clone();
        if let Some(file) = &mut self.file {
            file.source(&identity);
        }
        for (name, known) in &mut self.tables {
            known.since = at.clone();
            if let Some(file) = &mut self.file {
                file.table(at, name, Some(&known.schema));
            }
        }
        if let Some(file) = &mut self.file {
            file.reached(at, true);
        }
    }

    /// The columns of a table whose map lacks names, for an event that begins or ends at `at`; `None` where they are not surely known.
    /// Text may lack its character set, where that alone is not known.
    pub fn columns(
        &mut self,
        database: &str,
        table: &str,
        at: &Position,
        map: &TableMap,
    ) -> Option<Arc<Vec<CatalogColumn>>> {
        self.rebase(at);
        let name = (database.to_owned(), table.to_owned());
        let tracked = self.known(&name, map);
        if tracked.as_ref().is_some_and(|columns| !lacks_charsets(map, columns)) || self.missing.contains(&name) {
            return tracked;
        }
        match self.ask(&name, at, map) {
            Ask::Found(schema) => {
                let since = self.since.clone();
                self.note(&name, Some(&schema), &since);
                self.keep(name.clone(), schema, since);
                self.known(&name, map)
            }
            Ask::NotKnown => {
                if tracked.is_none() && self.tables.remove(&name).is_some() {
                    self.note(&name, None, at);
                }
                self.missing.insert(name);
                tracked
            }
            Ask::Unavailable => tracked,
        }
    }

    /// What is known of a table, if it can be the one in the map.
    fn known(&self, name: &TableName, map: &TableMap) -> Option<Arc<Vec<CatalogColumn>>> {
        let known = self.tables.get(name)?;
        if known.columns.iter().any(|column| column.data_type.is_empty()) {
            let filled = fill::fill(known.schema.clone(), map)?;
            return fit(map, &Arc::new(filled.columns), filled.hidden);
        }
        fit(map, &known.columns, known.schema.hidden)
    }

    /// A statement that changes definitions, whose event ends at `at`.
    pub fn definition(&mut self, statement: &Statement<'_>, at: &Position) {
        self.rebase(at);
        if self.applied.as_ref().is_some_and(|last| !is_behind(at, last)) {
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

    fn naming(&self) -> Naming {
        Naming { folds: self.folds == Some(true) }
    }

    fn keep(&mut self, name: TableName, schema: TableSchema, since: Position) {
        let columns = Arc::new(schema.columns.clone());
        self.missing.remove(&name);
        self.absent.remove(&name);
        self.tables.insert(name, Known { schema, columns, since });
    }

    fn note(&mut self, name: &TableName, schema: Option<&TableSchema>, at: &Position) {
        if let Some(file) = &mut self.file {
            file.table(at, name, schema);
        }
    }

    fn set(&mut self, name: TableName, schema: Option<TableSchema>, at: &Position) {
        self.note(&name, schema.as_ref(), at);
        self.absent.remove(&name);
        self.forget_other_cases(&name, at);
        match schema {
            Some(schema) => self.keep(name, schema, at.clone()),
            None => drop(self.tables.remove(&name)),
        }
    }

    /// Where it is not known whether case counts, a statement may mean any of them.
    fn forget_other_cases(&mut self, name: &TableName, at: &Position) {
        if self.folds.is_some() {
            return;
        }
        let folded = |(database, table): &TableName| (database.to_lowercase(), table.to_lowercase());
        let wanted = folded(name);
        self.absent.retain(|other| folded(other) != wanted);
        let others: Vec<_> =
            self.tables.keys().filter(|other| *other != name && folded(other) == wanted).cloned().collect();
        for other in others {
            self.tables.remove(&other);
            self.note(&other, None, at);
        }
    }

    /// The table has gone away.
    fn remove(&mut self, name: TableName, at: &Position) {
        self.set(name.clone(), None, at);
        if self.absent.len() < MOST_ABSENT {
            self.absent.insert(name);
        }
    }

    /// `facts` is the statement; its text does not matter any more.
    fn apply(&mut self, ddl: Ddl, facts: &Statement<'_>, at: &Position) {
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
                    matches!(
                        spec,
                        ddl::Spec::Convert(NewCharset::OfDatabase) | ddl::Spec::Charset(NewCharset::OfDatabase)
                    )
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

    fn create_database(
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

    fn drop_database(&mut self, database: &str, at: &Position) {
        self.databases.remove(database);
        self.absent.retain(|(of, _)| of != database);
        let gone: Vec<_> = self.tables.keys().filter(|(of, _)| of == database).cloned().collect();
        for table in gone {
            self.set(table, None, at);
        }
    }

    fn is_hidden(&self, table: &TableName) -> bool {
        self.temporary.contains_key(table)
    }

    /// Whether CREATE TABLE IF NOT EXISTS has surely made the table. MariaDB does not log the statement where it was of no effect. MySQL does;
    /// but it is a transaction of InnoDB's only where something was made (MyISAM's tables never are).
    fn is_made(&self, table: &TableName, facts: &Statement<'_>) -> bool {
        let is_absent = || {
            self.absent.contains(table)
                || !self.tables.contains_key(table)
                    && self.databases.get(&table.0).is_some_and(|database| database.is_complete)
        };
        self.is_mariadb || facts.is_atomic || is_absent()
    }

    fn surroundings(&mut self, table: &TableName, at: &Position, needs_default: bool) -> Surroundings {
        let database = if needs_default { self.database_charset(&table.0, at) } else { None };
        Surroundings { is_mariadb: self.is_mariadb, database, assumes_added: false }
    }

    /// A database's default at `at`: as we saw it, or as it is now, if it has not changed between.
    fn database_charset(&mut self, database: &str, at: &Position) -> Option<Charset> {
        if let Some(charset) = self.databases.get(database).and_then(|known| known.charset) {
            return Some(charset);
        }
        let end = self.source.end()?;
        let charset = self.source.database_charset(database)?;
        if self.source.end()? != end && self.source.database_charset(database).as_ref() != Some(&charset) {
            return None;
        }
        if !self.look_ahead(at, &end) || self.ahead.touches_database(database, at) {
            return None;
        }
        let charset = Charset::from_name(&charset)?;
        self.databases.entry(database.to_owned()).or_default().charset = Some(charset);
        Some(charset)
    }

    /// Makes sure that all statements from `at` to `end` are known. False where they cannot be read.
    fn look_ahead(&mut self, at: &Position, end: &Position) -> bool {
        self.ahead.pass(at);
        let naming = self.naming();
        let (start, from) = match &self.ahead.range {
            Some((start, looked_at)) if !is_behind(start, at) => (start.clone(), looked_at.clone()),
            // Nothing was looked at yet, or the stream has begun anew at an earlier place.
            _ => {
                self.ahead = Ahead::default();
                (at.clone(), at.clone())
            }
        };
        if is_behind(end, &from) {
            let found = &mut self.ahead.found;
            let known = found.len();
            let all = self.source.statements(&from, end, &mut |end, statement| match parse(&statement, naming) {
                Ddl::Nothing => {}
                ddl => found.push((end.clone(), ddl)),
            });
            if !all {
                found.truncate(known);
                return false;
            }
            self.ahead.range = Some((start, end.clone()));
        } else if is_behind(at, end) {
            // The catalogue's server is behind the stream.
            return false;
        }
        true
    }

    /// What the catalogue says of a table now, carried back to `at`.
    fn ask(&mut self, name: &TableName, at: &Position, map: &TableMap) -> Ask {
        // A statement may come between two questions.
        for _ in 0..3 {
            let Some(end) = self.source.end() else { return Ask::Unavailable };
            if is_behind(at, &end) || !self.look_ahead(at, &end) {
                return Ask::Unavailable;
            }
            let Some(trace) = self.ahead.trace(name, at) else { return Ask::NotKnown };
            let (now, changes) = (trace.name, trace.changes.len());
            let schema = match self.source.table(&now.0, &now.1) {
                Snapshot::Table(schema) => Some(schema),
                Snapshot::Absent => None,
                Snapshot::Unavailable => return Ask::Unavailable,
            };
            let Some(after) = self.source.end() else { return Ask::Unavailable };
            if !self.look_ahead(at, &after) {
                return Ask::Unavailable;
            }
            match self.ahead.trace(name, at) {
                Some(trace) if trace.name == now && trace.changes.len() == changes => {
                    let found = schema.and_then(|schema| self.back(&trace, &schema, map));
                    return found.map_or(Ask::NotKnown, Ask::Found);
                }
                Some(_) => {}
                None => return Ask::NotKnown,
            }
        }
        Ask::Unavailable
    }
}

impl<S> SchemaHistory<S> {
    /// The table as it was, if it can be the one in the map. Where it is not known whether columns were added, their number tells it, unless
    /// there may be hidden ones.
    fn back(&self, trace: &Trace<'_>, now: &TableSchema, map: &TableMap) -> Option<TableSchema> {
        let either: &[bool] = match (trace.may_have_added(), now.hidden.is_none()) {
            (false, _) => &[false],
            (true, true) => &[false, true],
            (true, false) => &[],
        };
        either.iter().find_map(|assumes_added| {
            let around = Surroundings { is_mariadb: self.is_mariadb, database: None, assumes_added: *assumes_added };
            let schema = fill::fill(trace.back(now.clone(), around)?, map)?;
            fit(map, &Arc::new(schema.columns.clone()), schema.hidden).is_some().then_some(schema)
        })
    }
}

enum Ask {
    Found(TableSchema),
    NotKnown,
    Unavailable,
}
