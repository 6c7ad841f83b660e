//! Row events for tests, made by hand.

use std::sync::Arc;

use crate::binlog::event::event_type::EventType;
use crate::binlog::event::rows::{RowKind, RowsEvent, RowsHeader, RowsType};
use crate::binlog::event::table_map::{MappedColumn, TableMap};
use crate::binlog::output::context::RowContext;
use crate::binlog::table::schema::Table;
use crate::binlog::value::column::Storage;

/// utf8mb4_0900_ai_ci.
const UTF8MB4: u16 = 255;
const POST_HEADER_LENGTH: usize = 8;

pub(crate) const VARCHAR: Storage = Storage::Variable { max_bytes: 1020, compressed: false };
pub(crate) const INT: Storage = Storage::Integer { bytes: 4 };

/// A table whose map says all.
pub(crate) fn table(database: &str, name: &str, columns: &[(&str, Storage, bool)], key: &[usize]) -> Table {
    let column = |(name, storage, nullable): &(&str, Storage, bool)| MappedColumn {
        type_code: 0,
        storage: *storage,
        nullable: *nullable,
        unsigned: Some(false),
        collation: Some(if storage.is_character(false) { UTF8MB4 } else { 63 }),
        name: Some((*name).to_owned()),
        members: None,
        visible: Some(true),
        geometry_type: None,
    };
    let map = TableMap {
        table_id: 1,
        database: database.to_owned(),
        table: name.to_owned(),
        columns: columns.iter().map(column).collect(),
        primary_key: Some(key.to_vec()),
        ..TableMap::default()
    };
    Table::resolve(&Arc::new(map), None)
}

/// An image's values as they are stored; `None` is NULL.
pub(crate) type Image = Vec<Option<Vec<u8>>>;

/// An INT.
pub(crate) fn int(value: i32) -> Option<Vec<u8>> {
    Some(value.to_le_bytes().to_vec())
}

/// A [`VARCHAR`].
pub(crate) fn varchar(text: &str) -> Option<Vec<u8>> {
    let mut bytes = (text.len() as u16).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    Some(bytes)
}

/// A row event's body. Every image has all columns that `present` has a bit for: the before images' and the after images'.
pub(crate) struct Body {
    kind: RowKind,
    columns: usize,
    bytes: Vec<u8>,
}

impl Body {
    pub(crate) fn new(kind: RowKind, columns: usize, present: (u8, u8), images: &[Image]) -> Self {
        let mut bytes = vec![1, 0, 0, 0, 0, 0, 1, 0, columns as u8];
        let all = if kind == RowKind::Update { vec![present.0, present.1] } else { vec![present.0] };
        bytes.extend(&all);
        for image in images {
            let nulls = image.iter().enumerate().filter(|(_, value)| value.is_none());
            bytes.push(nulls.fold(0, |bits, (index, _)| bits | 1 << index));
            bytes.extend(image.iter().flatten().flatten());
        }
        Self { kind, columns, bytes }
    }

    /// Full images.
    pub(crate) fn full(kind: RowKind, images: &[Image]) -> Self {
        let columns = images.first().map_or(0, Vec::len);
        let all = ((1_u16 << columns) - 1) as u8;
        Self::new(kind, columns, (all, all), images)
    }

    pub(crate) fn event(&self, table: &Table) -> RowsEvent<'_> {
        assert_eq!(table.columns.len(), self.columns);
        let event_type = match self.kind {
            RowKind::Insert => EventType::WriteRowsV1,
            RowKind::Update => EventType::UpdateRowsV1,
            RowKind::Delete => EventType::DeleteRowsV1,
        };
        let rows_type = RowsType::of(event_type).unwrap();
        let header = RowsHeader::parse(&self.bytes, POST_HEADER_LENGTH, rows_type).unwrap();
        header.with_table(&table.map, rows_type, header.rows).unwrap()
    }
}

/// An event at `binlog.000003:154` of connection 7.
pub(crate) fn context() -> RowContext {
    RowContext {
        timestamp_ms: 1_465_581_029_000,
        commit_timestamp_us: None,
        server_id: 223_344,
        file: "mysql-bin.000003".into(),
        offset: 484,
        next_position: 600,
        gtid: None,
        thread_id: Some(7),
        xid: Some(77),
        query: None,
        first_row: 0,
        ends_transaction: true,
    }
}
