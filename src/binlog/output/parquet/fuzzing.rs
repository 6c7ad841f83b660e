//! Rows into Parquet's columns, for the fuzz targets.

use std::sync::Arc;

use crate::binlog::output::form::RowForm;
use crate::binlog::output::json_value::ValueOptions;
use crate::binlog::output::parquet::events::{self, EventsForm};
use crate::binlog::output::parquet::rows::{PackedRows, Run};
use crate::binlog::output::parquet::tables::TablesForm;
use crate::binlog::transaction::piece::Piece;
use crate::deliver::Batch;
use crate::deliver::parquet::Registry;

/// Both layouts, without files.
pub(crate) struct Cells {
    registry: Arc<Registry>,
    forms: [Box<dyn RowForm>; 2],
    batch: Batch,
}

impl Cells {
    pub(crate) fn new(values: ValueOptions) -> Self {
        let registry = Arc::new(Registry::default());
        let nine = registry.number(events::schema());
        let tables = TablesForm::new(Arc::clone(&registry), values);
        Self { registry, forms: [Box::new(EventsForm::new(nine, values)), Box::new(tables)], batch: Batch::new() }
    }

    /// What a form has written must be what its schema says.
    pub(crate) fn write(&mut self, piece: &Piece) {
        for form in &mut self.forms {
            self.batch.clear();
            let _ = piece.write(form.as_mut(), &mut self.batch);
            let Some(packed) = self.batch.packed_mut::<PackedRows>() else { continue };
            let rows: usize = packed.runs().iter().filter(|run| matches!(run, Run::Rows(_))).map(Run::messages).sum();
            let mut in_columns = 0;
            for (number, columns) in packed.all_columns() {
                let schema = self.registry.schema(*number).expect("a schema");
                in_columns += columns.rows();
                let expected = columns.rows();
                let arrays = columns.take().expect("arrays");
                assert_eq!(arrays.len(), schema.columns.len());
                for (array, spec) in arrays.iter().zip(&schema.columns) {
                    assert_eq!((array.len(), array.data_type()), (expected, &spec.kind.encoded_type()));
                }
            }
            assert_eq!(rows, in_columns);
        }
    }
}
