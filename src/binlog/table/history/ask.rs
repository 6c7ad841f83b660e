//! A table's columns: as the stream's statements made them, else as the catalogue has them now, carried back to the stream's position.

use std::sync::Arc;

use crate::binlog::event::position::Position;
use crate::binlog::event::table_map::TableMap;
use crate::binlog::table::catalog::{CatalogColumn, lacks_charsets};
use crate::binlog::table::hidden::fit;
use crate::binlog::table::history::apply::{Surroundings, TableSchema};
use crate::binlog::table::history::ddl::parse;
use crate::binlog::table::history::definition::{Ddl, TableName};
use crate::binlog::table::history::fill::fill;
use crate::binlog::table::history::schemas::SchemaHistory;
use crate::binlog::table::history::source::{SchemaSource, Snapshot};
use crate::binlog::table::history::trace::{Ahead, Trace};
use crate::mysql::charset::Charset;

enum Ask {
    Found(TableSchema),
    NotKnown,
    Unavailable,
}

impl<S: SchemaSource> SchemaHistory<S> {
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
            let filled = fill(known.schema.clone(), map)?;
            return fit(map, &Arc::new(filled.columns), filled.hidden);
        }
        fit(map, &known.columns, known.schema.hidden)
    }

    /// A database's default at `at`: as we saw it, or as it is now, if it has not changed between.
    pub(super) fn database_charset(&mut self, database: &str, at: &Position) -> Option<Charset> {
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
            Some((start, looked_at)) if !start.is_after(at) => (start.clone(), looked_at.clone()),
            // Nothing was looked at yet, or the stream has begun again at an earlier place.
            _ => {
                self.ahead = Ahead::default();
                (at.clone(), at.clone())
            }
        };
        if end.is_after(&from) {
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
        } else if at.is_after(end) {
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
            if at.is_after(&end) || !self.look_ahead(at, &end) {
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
            let schema = fill(trace.back(now.clone(), around)?, map)?;
            fit(map, &Arc::new(schema.columns.clone()), schema.hidden).is_some().then_some(schema)
        })
    }
}
