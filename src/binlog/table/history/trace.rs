//! Statements that the stream has yet to bring: what lies between it and the catalogue's now.

use crate::binlog::event::position::Position;
use crate::binlog::table::history::apply::{Surroundings, TableSchema, unalter};
use crate::binlog::table::history::definition::{Ddl, Exists, Spec, TableName};

/// All statements that change definitions between two places of the binlog.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    /// Where looking began and ended; nothing was looked at where it is `None`.
    pub(crate) range: Option<(Position, Position)>,
    /// With the ends of their events.
    pub(crate) found: Vec<(Position, Ddl)>,
}

/// What a table is called now, and what was done to it on the way.
#[derive(Debug, PartialEq)]
pub(crate) struct Trace<'a> {
    pub(crate) name: TableName,
    pub(crate) changes: Vec<&'a [Spec]>,
}

impl Ahead {
    /// Forgets what the stream has passed.
    pub(crate) fn pass(&mut self, at: &Position) {
        match &mut self.range {
            Some((_, end)) if at.is_after(end) => {
                self.range = None;
                self.found.clear();
            }
            Some((start, _)) if at.is_after(start) => {
                start.clone_from(at);
                let passed = self.found.partition_point(|(end, _)| !end.is_after(at));
                self.found.drain(..passed);
            }
            _ => {}
        }
    }

    /// Follows a table from `at` to the end of what was looked at. `None` where it is not the same one any more, or where nobody knows.
    pub(crate) fn trace(&self, table: &TableName, at: &Position) -> Option<Trace<'_>> {
        let mut name = table.clone();
        let mut changes = Vec::new();
        let mut is_hidden = false;
        for (_, ddl) in self.found.iter().filter(|(end, _)| end.is_after(at)) {
            match ddl {
                Ddl::Alter { table, specs, rename } if *table == name => {
                    if is_hidden {
                        return None;
                    }
                    changes.push(specs.as_slice());
                    if let Some(new) = rename {
                        name.clone_from(new);
                    }
                }
                Ddl::Rename(pairs) => {
                    for (old, new) in pairs {
                        if *old == name {
                            name.clone_from(new);
                        }
                    }
                }
                // It is there, so this is of no effect.
                Ddl::Create { if_not_exists: true, .. } | Ddl::CreateLike { if_not_exists: true, .. } => {}
                Ddl::Create { table, .. } | Ddl::CreateLike { table, .. } if *table == name => return None,
                Ddl::Drop(tables) | Ddl::Unclear(tables) if tables.contains(&name) => return None,
                Ddl::DropDatabase(database) | Ddl::CreateDatabase { database, exists: Exists::Goes, .. }
                    if *database == name.0 =>
                {
                    return None;
                }
                Ddl::Temporary(table) if *table == name => is_hidden = true,
                Ddl::DropTemporary(tables) if tables.contains(&name) => is_hidden = false,
                Ddl::Anything => return None,
                _ => {}
            }
        }
        Some(Trace { name, changes })
    }

    /// Whether a database's default may have changed since `at`.
    pub(crate) fn touches_database(&self, database: &str, at: &Position) -> bool {
        self.found.iter().filter(|(end, _)| end.is_after(at)).any(|(_, ddl)| match ddl {
            Ddl::CreateDatabase { database: name, .. }
            | Ddl::AlterDatabase { database: name, .. }
            | Ddl::DropDatabase(name) => name == database,
            Ddl::Anything => true,
            _ => false,
        })
    }
}

impl Trace<'_> {
    /// Whether columns were added only if they were not there.
    pub(crate) fn may_have_added(&self) -> bool {
        self.changes.iter().any(|specs| specs.iter().any(|spec| matches!(spec, Spec::Add { if_not_exists: true, .. })))
    }

    /// The table as it was, from what it is now.
    pub(crate) fn back(&self, now: TableSchema, around: Surroundings) -> Option<TableSchema> {
        self.changes.iter().rev().try_fold(now, |schema, specs| unalter(&schema, specs, around))
    }
}
