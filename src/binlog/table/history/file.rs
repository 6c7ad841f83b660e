//! Definitions in a file, so that they are known after a restart.
//!
//! JSON lines, appended as they become known: `{"source":"..."}` names the server whose positions follow;
//! `{"at":..,"database":..,"table":..,"schema":..}` holds from `at` on, null meaning not known; `{"at":..}` alone means that all before
//! it is in the file.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::binlog::event::position::Position;
use crate::binlog::table::history::apply::TableSchema;
use crate::binlog::table::history::definition::TableName;
use crate::files::{self, FileMode};

/// Why the history could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("schema history {}: {source}; without it columns may lose their names after a restart", path.display())]
pub struct HistoryError {
    path: PathBuf,
    source: std::io::Error,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(default)]
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<TableSchema>,
}

/// What a file says of the definitions at one place.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Loaded {
    /// The tables, and from where on they are so.
    pub(crate) tables: HashMap<TableName, (Position, TableSchema)>,
    /// Statements after this place may be missing, if it lies before that which was asked for.
    pub(crate) through: Option<Position>,
}

/// The file, for appending.
#[derive(Debug)]
pub(crate) struct HistoryFile {
    shared: HistorySync,
    written: Option<Position>,
}

/// Makes what was written last, from any thread: to be called before a checkpoint is saved.
#[derive(Debug, Clone)]
pub struct HistorySync {
    path: Arc<Path>,
    file: Arc<File>,
    dirty: Arc<AtomicBool>,
    failed: Arc<AtomicBool>,
}

impl HistorySync {
    /// Returns when all that became known so far is on the disk.
    pub fn sync(&self) -> Result<(), HistoryError> {
        if self.failed.load(Ordering::Acquire) {
            return Err(self.error(std::io::Error::other("it could not be written")));
        }
        if self.dirty.swap(false, Ordering::AcqRel) {
            self.file.sync_data().map_err(|source| {
                self.dirty.store(true, Ordering::Release);
                self.error(source)
            })?;
        }
        Ok(())
    }

    fn error(&self, source: std::io::Error) -> HistoryError {
        HistoryError { path: self.path.to_path_buf(), source }
    }
}

impl HistoryFile {
    /// Opens the file, which need not be there. Takes from it what holds at `at` of this `source`, if `resumes`, and rewrites it with that
    /// alone: later lines are of a run that was repeated.
    pub(crate) fn open(
        path: &Path,
        source: &str,
        at: &Position,
        resumes: bool,
        mode: FileMode,
    ) -> Result<(Self, Loaded), HistoryError> {
        let failed = |source| HistoryError { path: path.to_path_buf(), source };
        let text = match fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            text => text.map_err(failed)?,
        };
        let loaded = if resumes { load(&text, source, at) } else { Loaded::default() };
        let mut compact = Vec::new();
        append(&mut compact, &Line { source: Some(source.to_owned()), ..Line::at(None) }).map_err(failed)?;
        for (name, (position, schema)) in &loaded.tables {
            append(&mut compact, &Line::table(position, name, Some(schema))).map_err(failed)?;
        }
        if let Some(through) = &loaded.through {
            append(&mut compact, &Line::at(Some(through))).map_err(failed)?;
        }
        files::replace(path, mode, |file| file.write_all(&compact)).map_err(failed)?;
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        let shared =
            HistorySync { path: path.into(), file: Arc::new(file), dirty: Arc::default(), failed: Arc::default() };
        Ok((Self { shared, written: loaded.through.clone() }, loaded))
    }

    pub(crate) fn sync_handle(&self) -> HistorySync {
        self.shared.clone()
    }

    pub(crate) fn table(&mut self, at: &Position, name: &TableName, schema: Option<&TableSchema>) {
        self.write(&Line::table(at, name, schema));
    }

    /// All before `at` is in the file. Written now and then: what is missing at the next start is looked up in the binlog.
    pub(crate) fn reached(&mut self, at: &Position, must: bool) {
        const STEP: u64 = 16 << 20;
        let is_near = self
            .written
            .as_ref()
            .is_some_and(|last| last.file == at.file && at.offset < last.offset.saturating_add(STEP));
        if must || !is_near {
            self.write(&Line::at(Some(at)));
            self.written = Some(at.clone());
        }
    }

    /// What follows has the positions of another server.
    pub(crate) fn source(&mut self, source: &str) {
        self.write(&Line { source: Some(source.to_owned()), ..Line::at(None) });
        self.written = None;
    }

    fn write(&mut self, line: &Line) {
        let mut bytes = Vec::new();
        let written = append(&mut bytes, line).and_then(|()| (&*self.shared.file).write_all(&bytes));
        self.shared.dirty.store(true, Ordering::Release);
        if let Err(error) = written {
            tracing::error!(%error, file = %self.shared.path.display(), "the schema history cannot be written");
            self.shared.failed.store(true, Ordering::Release);
        }
    }
}

impl Line {
    fn at(at: Option<&Position>) -> Self {
        Self {
            source: None,
            file: at.map(|at| at.file.clone()),
            offset: at.map_or(0, |at| at.offset),
            database: None,
            table: None,
            schema: None,
        }
    }

    fn table(at: &Position, (database, table): &TableName, schema: Option<&TableSchema>) -> Self {
        Self {
            database: Some(database.clone()),
            table: Some(table.clone()),
            schema: schema.cloned(),
            ..Self::at(Some(at))
        }
    }
}

fn append(out: &mut Vec<u8>, line: &Line) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.push(b'\n');
    Ok(())
}

/// Reads lines up to the first one that is torn.
fn load(text: &[u8], source: &str, at: &Position) -> Loaded {
    let mut tables: HashMap<TableName, (Position, Option<TableSchema>)> = HashMap::new();
    let mut through: Option<Position> = None;
    let mut is_ours = false;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n").and_then(|line| serde_json::from_slice::<Line>(line).ok()) else {
            break;
        };
        if let Some(name) = &line.source {
            is_ours = name == source;
            tables.clear();
            through = None;
            continue;
        }
        let Some(file) = line.file else { continue };
        let position = Position { file, offset: line.offset };
        let (Some(database), Some(table)) = (line.database, line.table) else {
            if through.as_ref().is_none_or(|last| position.is_after(last)) {
                through = Some(position);
            }
            continue;
        };
        if position.is_after(at) {
            continue;
        }
        let name = (database, table);
        if tables.get(&name).is_none_or(|(last, _)| !last.is_after(&position)) {
            tables.insert(name, (position, line.schema));
        }
    }
    // Lines without a mark may be lines of a gap.
    if !is_ours || through.is_none() {
        return Loaded::default();
    }
    // What was repeated is not known any more: later lines are left out.
    let through = through.map(|through| if through.is_after(at) { at.clone() } else { through });
    let tables =
        tables.into_iter().filter_map(|(name, (position, schema))| Some((name, (position, schema?)))).collect();
    Loaded { tables, through }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(offset: u64) -> Position {
        Position { file: "binlog.000009".into(), offset }
    }

    fn schema(charset: &str) -> TableSchema {
        TableSchema { charset: Some(charset.into()), ..TableSchema::default() }
    }

    /// A file that an earlier version has written.
    #[test]
    fn the_history_of_an_earlier_version_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        fs::write(&path, include_str!("../../../../tests/data/earlier/checkpoint.schema")).unwrap();
        let at = Position { file: "shop.000001".into(), offset: 1311 };
        let (_, loaded) = HistoryFile::open(&path, "", &at, true, FileMode::default()).unwrap();
        let table = loaded.tables.get(&("seeds".to_owned(), "orders".to_owned()));
        assert_eq!(table.map(|(position, schema)| (position.offset, schema.columns.len())), Some((495, 5)));
        assert_eq!(loaded.through, Some(at));
    }

    #[test]
    fn what_holds_at_a_place_is_loaded_from_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let name = ("d".to_owned(), "t".to_owned());
        let (mut file, loaded) = HistoryFile::open(&path, "a", &position(4), true, FileMode::default()).unwrap();
        assert_eq!(loaded, Loaded::default());
        file.table(&position(100), &name, Some(&schema("old")));
        file.table(&position(200), &name, Some(&schema("new")));
        // Learned later, but it holds from earlier on.
        file.table(&position(50), &name, Some(&schema("first")));
        file.reached(&position(200), true);
        file.sync_handle().sync().unwrap();
        let before = fs::read(&path).unwrap();
        for (at, expected) in
            [(49, None), (50, Some("first")), (100, Some("old")), (199, Some("old")), (300, Some("new"))]
        {
            // A line that was being written when the power went.
            fs::write(&path, [before.as_slice(), b"{\"file\":\"binlog"].concat()).unwrap();
            for _ in 0..2 {
                // And again, from what was rewritten.
                let (_, loaded) = HistoryFile::open(&path, "a", &position(at), true, FileMode::default()).unwrap();
                assert_eq!(loaded.tables.get(&name).map(|(_, schema)| schema.clone()), expected.map(schema), "{at}");
                assert_eq!(loaded.through, Some(position(at.min(200))));
            }
        }
        let (_, loaded) = HistoryFile::open(&path, "b", &position(300), true, FileMode::default()).unwrap();
        assert_eq!(loaded, Loaded::default());
    }

    #[test]
    fn a_table_that_is_not_known_any_more_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let name = ("d".to_owned(), "t".to_owned());
        let (mut file, _) = HistoryFile::open(&path, "a", &position(4), true, FileMode::default()).unwrap();
        file.table(&position(100), &name, Some(&schema("old")));
        file.table(&position(200), &name, None);
        file.reached(&position(210), true);
        let (_, loaded) = HistoryFile::open(&path, "a", &position(210), true, FileMode::default()).unwrap();
        assert!(loaded.tables.is_empty());
        let (_, loaded) = HistoryFile::open(&path, "a", &position(210), false, FileMode::default()).unwrap();
        assert_eq!(loaded, Loaded::default());
    }
}
