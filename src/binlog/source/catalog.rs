//! The source's catalogue, over a connection of its own.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{BinlogError, BinlogStart, ServerSource, SourceOptions};
use crate::binlog::event::content::Event;
use crate::binlog::event::decoder::{Decoder, TableFilter};
use crate::binlog::event::error::DecodeError;
use crate::binlog::event::event_type::EventType;
use crate::binlog::event::header::EventHeader;
use crate::binlog::event::position::Position;
use crate::binlog::table::catalog::CatalogColumn;
use crate::binlog::table::hidden::Hidden;
use crate::binlog::table::history::apply::TableSchema;
use crate::binlog::table::history::source::Statement;
use crate::binlog::table::history::{OwnedStatement, SchemaSource, Snapshot};
use crate::binlog::transaction::statement::is_of_effect;
use crate::client::{ClientError, ConnectOptions, Connection};

/// Asks `information_schema`, connecting when it is first needed.
#[derive(Debug)]
struct ServerCatalog {
    options: ConnectOptions,
    connection: Option<Connection>,
}

impl ServerCatalog {
    fn new(options: ConnectOptions) -> Self {
        Self { options, connection: None }
    }

    fn ask(&mut self, sql: &str) -> Option<Vec<Vec<Option<String>>>> {
        // A connection that was idle for hours may be gone: once more with a new one.
        for _ in 0..2 {
            if self.connection.is_none() {
                match Connection::open(&self.options) {
                    Ok(connection) => self.connection = Some(connection),
                    Err(error) => {
                        tracing::warn!(%error, "the source's catalogue cannot be asked");
                        return None;
                    }
                }
            }
            match self.connection.as_mut()?.query(sql) {
                Ok(rows) => return Some(rows),
                Err(error) => {
                    tracing::debug!(%error, "catalogue");
                    self.connection = None;
                }
            }
        }
        None
    }
}

impl ServerCatalog {
    /// The columns, or none where the table or the catalogue is not there.
    fn columns(&mut self, database: &str, table: &str) -> Option<Vec<CatalogColumn>> {
        let sql = format!(
            "SELECT c.COLUMN_NAME, LOWER(c.DATA_TYPE), c.COLUMN_TYPE, c.CHARACTER_SET_NAME, k.ORDINAL_POSITION \
             FROM information_schema.COLUMNS c LEFT JOIN information_schema.KEY_COLUMN_USAGE k \
             ON k.TABLE_SCHEMA = c.TABLE_SCHEMA AND k.TABLE_NAME = c.TABLE_NAME AND k.COLUMN_NAME = c.COLUMN_NAME \
             AND k.CONSTRAINT_NAME = 'PRIMARY' \
             WHERE c.TABLE_SCHEMA = {} AND c.TABLE_NAME = {} ORDER BY c.ORDINAL_POSITION",
            literal(database),
            literal(table)
        );
        let rows = self.ask(&sql)?;
        let columns: Vec<_> = rows
            .into_iter()
            .map(|row| {
                let mut fields = row.into_iter();
                let mut text = || fields.next().flatten();
                CatalogColumn {
                    name: text().unwrap_or_default(),
                    data_type: text().unwrap_or_default(),
                    column_type: text().unwrap_or_default(),
                    charset: text(),
                    primary_key_place: text().and_then(|place| place.parse().ok()),
                    ..CatalogColumn::default()
                }
            })
            .collect();
        (!columns.is_empty()).then_some(columns)
    }
}

/// After a failure the catalogue is not asked for this long: otherwise every table map would ask it.
const PAUSE: Duration = Duration::from_secs(10);

/// A server's catalogue, and its binlog ahead of the stream.
#[derive(Debug)]
pub(crate) struct ServerSchemas {
    options: SourceOptions,
    stop: CancellationToken,
    catalog: ServerCatalog,
    failed: Option<Instant>,
}

impl ServerSchemas {
    pub(crate) fn new(options: SourceOptions, stop: CancellationToken) -> Self {
        let catalog = ServerCatalog::new(options.connect.clone());
        Self { options, stop, catalog, failed: None }
    }

    /// Rows of an answer; `None` where the server could not be asked.
    fn ask(&mut self, sql: &str) -> Option<Vec<Vec<Option<String>>>> {
        if self.failed.is_some_and(|at| at.elapsed() < PAUSE) {
            return None;
        }
        let answer = self.catalog.ask(sql);
        self.failed = answer.is_none().then(Instant::now);
        answer
    }

    fn ask_one(&mut self, sql: &str) -> Option<String> {
        self.ask(sql)?.into_iter().next()?.into_iter().next().flatten()
    }

    fn variable(&mut self, name: &str) -> Option<String> {
        let rows = self.ask(&format!("SHOW GLOBAL VARIABLES LIKE '{name}'"))?;
        rows.into_iter().next()?.into_iter().nth(1).flatten()
    }

    /// Waits until a statement that is in the binlog has come to its end: the binlog is written first, the catalogue after it
    /// (MySQL's `sql/handler.cc`, ha_commit_trans). Unlike `information_schema`, this statement waits for the table's metadata lock.
    fn wait_for_definition(&mut self, database: &str, table: &str) -> Option<bool> {
        let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
        let sql = format!("SHOW CREATE TABLE {}.{}", quoted(database), quoted(table));
        self.ask("SELECT 1")?;
        match self.catalog.connection.as_mut()?.query(&sql) {
            Ok(_) => Some(true),
            // No such table, no such database.
            Err(ClientError::Server { code: 1146 | 1049, .. }) => Some(false),
            Err(error) => {
                tracing::warn!(%error, database, table, "the table's definition cannot be asked for");
                self.catalog.connection = None;
                None
            }
        }
    }

    fn look(
        &self,
        from: &Position,
        to: &Position,
        found: &mut dyn FnMut(&Position, Statement<'_>),
    ) -> Result<bool, BinlogError> {
        let mut source = ServerSource::connect(&self.options, self.stop.clone())?;
        // As a replica of its own: the server would end the stream that is being read.
        let options = SourceOptions { server_id: None, ..self.options.clone() };
        let begin = source.reachable(from)?;
        let checksums = source.start(&options, &BinlogStart::Position(begin.clone()))?;
        let mut decoder = Decoder::new(NoTables);
        decoder.begin_stream(checksums);
        let mut place = begin;
        let is_ahead = |place: &Position| place.file != from.file || place.offset > from.offset;
        let mut has_effect = true;
        while !is_there(&place, to) {
            let event = source.next()?;
            let broken =
                |position: &Position, source: DecodeError| BinlogError::Event { position: position.clone(), source };
            let header = EventHeader::parse(event).map_err(|what| broken(&place, what.into()))?;
            place.pass(&header);
            // Rows are not even looked at.
            let is_of_use = matches!(
                header.event_type,
                EventType::Query
                    | EventType::QueryCompressed
                    | EventType::FormatDescription
                    | EventType::Rotate
                    | EventType::MariaDbGtid
            );
            if !is_of_use {
                continue;
            }
            let end = &mut place;
            decoder
                .decode(event, &mut |_, event| {
                    match event {
                        Event::Rotate(rotate) => {
                            *end = Position {
                                file: String::from_utf8_lossy(rotate.file).into_owned(),
                                offset: rotate.position,
                            };
                        }
                        Event::MariaDbGtid(gtid) => has_effect = is_of_effect(&gtid),
                        Event::Query(query)
                            if has_effect
                                && is_ahead(end)
                                && crate::binlog::transaction::statement::is_definition(&query.sql) =>
                        {
                            found(end, OwnedStatement::new(&query).as_statement());
                        }
                        _ => {}
                    }
                    Ok(())
                })
                .map_err(|source| broken(&place, source))?;
        }
        Ok(true)
    }
}

struct NoTables;

impl TableFilter for NoTables {
    fn wants(&mut self, _: &[u8], _: &[u8]) -> bool {
        false
    }
}

/// Whether `place` is `end` or lies after it.
fn is_there(place: &Position, end: &Position) -> bool {
    place == end || place.is_after(end)
}

impl SchemaSource for ServerSchemas {
    fn end(&mut self) -> Option<Position> {
        self.ask("SELECT 1")?;
        let rows = match self.catalog.connection.as_mut()?.binlog_status() {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "the end of the source's binlog cannot be asked for");
                self.catalog.connection = None;
                self.failed = Some(Instant::now());
                return None;
            }
        };
        let mut row = rows.into_iter().next()?.into_iter();
        Some(Position { file: row.next()??, offset: row.next()??.parse().ok()? })
    }

    fn table(&mut self, database: &str, table: &str) -> Snapshot {
        match self.wait_for_definition(database, table) {
            Some(true) => {}
            Some(false) => return Snapshot::Absent,
            None => return Snapshot::Unavailable,
        }
        let place = format!("TABLE_SCHEMA = {} AND TABLE_NAME = {}", literal(database), literal(table));
        // Keys of other types may have had one of MariaDB's hashes before a column of theirs was changed.
        let hidden = if self.is_mariadb() == Some(true) {
            format!(
                "TABLE_TYPE = 'SYSTEM VERSIONED', (SELECT COUNT(DISTINCT INDEX_NAME) FROM information_schema.STATISTICS \
                 WHERE {place} AND NON_UNIQUE = 0 AND INDEX_NAME <> 'PRIMARY')"
            )
        } else {
            "0, 0".to_owned()
        };
        let sql = format!("SELECT TABLE_COLLATION, {hidden} FROM information_schema.TABLES WHERE {place}");
        let Some(answer) = self.ask(&sql) else { return Snapshot::Unavailable };
        let mut row = answer.into_iter().next().unwrap_or_default().into_iter();
        let mut field = || row.next().flatten();
        let charset = field().and_then(|name| name.split('_').next().map(str::to_owned));
        let hidden = Hidden {
            versioned: field().as_deref() == Some("1"),
            hashes: field().and_then(|count| count.parse().ok()).unwrap_or_default(),
        };
        match self.catalog.columns(database, table) {
            Some(columns) => Snapshot::Table(TableSchema { columns, charset, hidden }),
            None => Snapshot::Unavailable,
        }
    }

    fn database_charset(&mut self, database: &str) -> Option<String> {
        self.ask_one(&format!(
            "SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}",
            literal(database)
        ))
    }

    fn is_mariadb(&mut self) -> Option<bool> {
        self.ask("SELECT 1")?;
        Some(self.catalog.connection.as_ref()?.is_mariadb())
    }

    fn folds_names(&mut self) -> Option<bool> {
        self.variable("lower_case_table_names").map(|value| value != "0")
    }

    fn identity(&mut self) -> Option<String> {
        // MySQL's, MariaDB's since 10.5, and what is left.
        if let Some(id) = self.variable("server_uuid").or_else(|| self.variable("server_uid")) {
            return Some(id);
        }
        let server_id = self.variable("server_id")?;
        Some(format!("{}:{}/{server_id}", self.options.connect.host, self.options.connect.port))
    }

    fn statements(&mut self, from: &Position, to: &Position, found: &mut dyn FnMut(&Position, Statement<'_>)) -> bool {
        if from == to {
            return true;
        }
        tracing::debug!(%from, %to, "looking ahead for statements that change definitions");
        match self.look(from, to, found) {
            Ok(all) => all,
            Err(error) => {
                tracing::warn!(%error, %from, %to, "the binlog ahead cannot be read: columns may be called @1, @2");
                self.failed = Some(Instant::now());
                false
            }
        }
    }
}

/// A string literal that means the same in every `sql_mode`.
fn literal(text: &str) -> String {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    if hex.is_empty() { "''".into() } else { format!("CONVERT(x'{hex}' USING utf8mb4)") }
}
