//! The source's catalogue, over a connection of its own.

use crate::binlog::assembler::Catalog;
use crate::binlog::client::{ConnectOptions, Connection};
use crate::binlog::schema::CatalogColumn;

/// Asks `information_schema`, connecting when it is first needed.
#[derive(Debug)]
pub(crate) struct ServerCatalog {
    options: ConnectOptions,
    connection: Option<Connection>,
}

impl ServerCatalog {
    pub(crate) fn new(options: ConnectOptions) -> Self {
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

impl Catalog for ServerCatalog {
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
                }
            })
            .collect();
        (!columns.is_empty()).then_some(columns)
    }
}

/// A string literal that means the same in every `sql_mode`.
fn literal(text: &str) -> String {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    if hex.is_empty() { "''".into() } else { format!("CONVERT(x'{hex}' USING utf8mb4)") }
}
