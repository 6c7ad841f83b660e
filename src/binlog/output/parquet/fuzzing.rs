//! Rows to Parquet's messages and their cells to columns, for the fuzz targets.

use std::collections::HashMap;
use std::sync::Arc;

use crate::binlog::output::form::RowForm;
use crate::binlog::output::json_value::ValueOptions;
use crate::binlog::output::parquet::columns::Columns;
use crate::binlog::output::parquet::events::{self, EventsForm};
use crate::binlog::output::parquet::message::{BOUNDARY, RowHead};
use crate::binlog::output::parquet::schema::Registry;
use crate::binlog::output::parquet::tables::TablesForm;
use crate::binlog::transaction::piece::Piece;
use crate::deliver::Batch;
use crate::mysql::wire::Reader;

/// Both layouts, without files.
pub(crate) struct Cells {
    registry: Arc<Registry>,
    forms: [Box<dyn RowForm>; 2],
    batch: Batch,
}

/// A builder of a column begins with room for 1024 values: of wide tables only the messages are looked at.
const MOST_COLUMNS: usize = 100;

impl Cells {
    pub(crate) fn new(values: ValueOptions) -> Self {
        let registry = Arc::new(Registry::default());
        let (number, _) = registry.number(events::schema());
        let tables = TablesForm::new(Arc::clone(&registry), values);
        Self { registry, forms: [Box::new(EventsForm::new(number, values)), Box::new(tables)], batch: Batch::new() }
    }

    /// What a form has written must be what its schema says.
    pub(crate) fn write(&mut self, piece: &Piece) {
        for form in &mut self.forms {
            self.batch.clear();
            let _ = piece.write(form.as_mut(), &mut self.batch);
            let mut columns = HashMap::new();
            for (_, message) in self.batch.iter().filter(|(_, message)| *message != BOUNDARY) {
                let mut reader = Reader::new(message, "message");
                let head = RowHead::read(&mut reader).expect("a head");
                let schema = self.registry.schema(head.schema).expect("a schema");
                if schema.columns.len() <= MOST_COLUMNS {
                    let columns = columns.entry(head.schema).or_insert_with(|| Columns::new(&schema));
                    columns.append(&mut reader).expect("cells of the schema's types");
                }
            }
            for columns in columns.values_mut() {
                columns.take();
            }
        }
    }
}
