//! What is kept of tables is never found again for another table.

use std::sync::Arc;

use crate::binlog::event::format::Writer;
use crate::binlog::event::position::Position;
use crate::binlog::event::table_map::{MappedColumn, TableMap};
use crate::binlog::table::catalog::CatalogColumn;
use crate::binlog::table::hidden::Hidden;
use crate::binlog::table::history::apply::TableSchema;
use crate::binlog::table::history::source::Statement;
use crate::binlog::table::history::{SchemaSource, Snapshot};
use crate::binlog::transaction::assembler::{Assembler, AssemblerOptions};
use crate::binlog::value::column::Storage;

/// A MariaDB in which every table has one column, a vector.
struct Vectors;

impl SchemaSource for Vectors {
    fn end(&mut self) -> Option<Position> {
        Some(Position { file: "b.1".into(), offset: 4 })
    }

    fn table(&mut self, _: &str, _: &str) -> Snapshot {
        let column = CatalogColumn {
            name: "e".into(),
            data_type: "vector".into(),
            column_type: "vector(2)".into(),
            ..CatalogColumn::default()
        };
        Snapshot::Table(TableSchema { columns: vec![column], charset: None, hidden: Hidden::default() })
    }

    fn database_charset(&mut self, _: &str) -> Option<String> {
        None
    }

    fn is_mariadb(&mut self) -> Option<bool> {
        Some(true)
    }

    fn folds_names(&mut self) -> Option<bool> {
        Some(false)
    }

    fn identity(&mut self) -> Option<String> {
        None
    }

    fn statements(&mut self, _: &Position, _: &Position, _: &mut dyn FnMut(&Position, Statement<'_>)) -> bool {
        true
    }
}

fn map(table_id: u64, name: &str) -> Arc<TableMap> {
    let column = MappedColumn {
        type_code: 15,
        storage: Storage::Variable { max_bytes: 8, compressed: false },
        nullable: false,
        unsigned: None,
        collation: Some(63),
        name: Some("e".into()),
        members: None,
        visible: None,
        geometry_type: None,
    };
    Arc::new(TableMap {
        table_id,
        database: "shop".into(),
        table: name.into(),
        columns: vec![column],
        is_mariadb: true,
        ..TableMap::default()
    })
}

#[test]
fn a_map_that_is_forgotten_leaves_its_place_to_others() {
    let start = Position { file: "b.1".into(), offset: 4 };
    let mut assembler = Assembler::new(AssemblerOptions::default(), Vectors, start);
    assembler.writer = Writer::MariaDbWithVectors;
    for number in 0..50 {
        // Kept by nobody: the table has another map, with the vector.
        let map = map(number, &format!("t{number}"));
        let table = assembler.table(&map);
        assert_eq!(table.map.table, map.table);
        assert!(matches!(table.columns[0].storage, Storage::Vector { .. }));
        assert!(Arc::ptr_eq(&assembler.table(&map), &table), "made once");
    }
}

#[test]
fn a_number_that_is_given_again_is_another_table() {
    let start = Position { file: "b.1".into(), offset: 4 };
    let mut assembler = Assembler::new(AssemblerOptions::default(), Vectors, start);
    assembler.writer = Writer::MariaDbWithVectors;
    let first = assembler.table(&map(7, "before"));
    let same = assembler.table(&map(7, "before"));
    let other = assembler.table(&map(7, "after"));
    assert!(Arc::ptr_eq(&first, &same), "an equal map, another place");
    assert_eq!(other.map.table, "after");
    assert_ne!(first.number, other.number);
}
