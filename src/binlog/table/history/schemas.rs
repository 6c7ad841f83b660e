//! The tables as of the stream's position, and the file that keeps them.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use crate::binlog::event::position::Position;
use crate::binlog::table::catalog::CatalogColumn;
use crate::binlog::table::history::apply::TableSchema;
use crate::binlog::table::history::ddl::parse;
use crate::binlog::table::history::definition::TableName;
use crate::binlog::table::history::file::{HistoryError, HistoryFile, HistorySync};
use crate::binlog::table::history::parser::Naming;
use crate::binlog::table::history::source::{SchemaSource, Statement};
use crate::binlog::table::history::trace::Ahead;
use crate::files::FileMode;
use crate::mysql::charset::Charset;

/// It is remembered of up to this many tables that they went away.
const MOST_ABSENT: usize = 16_384;

/// The tables as of the stream's place.
#[derive(Debug)]
pub struct SchemaHistory<S> {
    pub(super) source: S,
    pub(super) is_mariadb: bool,
    /// `lower_case_table_names`, where it is known.
    pub(super) folds: Option<bool>,
    pub(super) tables: HashMap<TableName, Known>,
    pub(super) databases: HashMap<String, Database>,
    /// Names that tables of sessions may hide, and of how many.
    pub(super) temporary: HashMap<TableName, usize>,
    /// Tables that surely are not there, because they went away before our eyes.
    pub(super) absent: HashSet<TableName>,
    /// Tables that the catalogue says nothing about until the next statement.
    pub(super) missing: HashSet<TableName>,
    /// No statement lies between this place and the stream's.
    pub(super) since: Position,
    /// The last statement's end: the same may come again after a new connection.
    pub(super) applied: Option<Position>,
    pub(super) ahead: Ahead,
    pub(super) file: Option<HistoryFile>,
    /// The source has changed, and no position of the new one has come yet.
    pub(super) moved: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) schema: TableSchema,
    pub(super) columns: Arc<Vec<CatalogColumn>>,
    pub(super) since: Position,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Database {
    pub(super) charset: Option<Charset>,
    /// It was made before our eyes: a table that is not known is not there.
    pub(super) is_complete: bool,
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
        if let Some(through) = loaded.through.filter(|through| at.is_after(through)) {
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
    pub(super) fn rebase(&mut self, at: &Position) {
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

    pub(super) fn naming(&self) -> Naming {
        Naming { folds: self.folds == Some(true) }
    }

    pub(super) fn keep(&mut self, name: TableName, schema: TableSchema, since: Position) {
        let columns = Arc::new(schema.columns.clone());
        self.missing.remove(&name);
        self.absent.remove(&name);
        self.tables.insert(name, Known { schema, columns, since });
    }

    pub(super) fn note(&mut self, name: &TableName, schema: Option<&TableSchema>, at: &Position) {
        if let Some(file) = &mut self.file {
            file.table(at, name, schema);
        }
    }

    pub(super) fn set(&mut self, name: TableName, schema: Option<TableSchema>, at: &Position) {
        self.note(&name, schema.as_ref(), at);
        self.absent.remove(&name);
        self.forget_other_cases(&name, at);
        match schema {
            Some(schema) => self.keep(name, schema, at.clone()),
            None => drop(self.tables.remove(&name)),
        }
    }

    /// Where it is not known whether case counts, a statement may mean any of them.
    pub(super) fn forget_other_cases(&mut self, name: &TableName, at: &Position) {
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
    pub(super) fn remove(&mut self, name: TableName, at: &Position) {
        self.set(name.clone(), None, at);
        if self.absent.len() < MOST_ABSENT {
            self.absent.insert(name);
        }
    }
}
