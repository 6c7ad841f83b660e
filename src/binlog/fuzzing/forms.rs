//! Every form of a row, and what must be true of its messages.

use crate::binlog::output::debezium::form::Debezium;
use crate::binlog::output::debezium::options::{BigintUnsigned, DebeziumOptions, DecimalHandling};
use crate::binlog::output::form::RowForm;
use crate::binlog::output::json_value::{Geometry, ValueOptions};
use crate::binlog::output::maxwell::{Maxwell, MaxwellOptions};
use crate::binlog::output::native::Native;
use crate::binlog::output::parquet::fuzzing::Cells;
use crate::binlog::output::routing::Routing;
use crate::binlog::output::text::{Text, TextOptions};
use crate::binlog::transaction::piece::{Item, Piece};
use crate::deliver::Batch;
use crate::fuzzing::assert_json;
use crate::pretty::ColorChoice;

/// A piece with more cells than this is left alone: that much text of a few bytes is allowed, and takes only time.
const MOST_CELLS: u64 = 20_000;

pub(super) struct Forms {
    json: Vec<(&'static str, Box<dyn RowForm>)>,
    text: Text,
    parquet: Cells,
    batch: Batch,
}

impl Default for Forms {
    fn default() -> Self {
        let odd = ValueOptions { bigint_as_string: true, geometry: Geometry::GeoJson };
        let keyed = || Routing::to("rows.{database}.{table}".parse().unwrap());
        let maxwell = MaxwellOptions {
            gtid: true,
            primary_key: true,
            primary_key_columns: true,
            query: true,
            ddl: true,
            routing: keyed(),
            ..MaxwellOptions::default()
        };
        let debezium = DebeziumOptions {
            decimal: DecimalHandling::Precise,
            bigint_unsigned: BigintUnsigned::Precise,
            with_schema: true,
            transactions: true,
            routing: keyed(),
            ..DebeziumOptions::default()
        };
        let plain = DebeziumOptions { decimal: DecimalHandling::Double, ..DebeziumOptions::default() };
        let text = TextOptions { color: ColorChoice::Never, fit_terminal: false, transactions: true };
        Self {
            json: vec![
                ("native", Box::new(Native::new(ValueOptions::default()))),
                ("native, routed", Box::new(Native::routed(odd, keyed()))),
                ("maxwell", Box::new(Maxwell::new(maxwell))),
                ("debezium", Box::new(Debezium::new(debezium))),
                ("debezium, plain", Box::new(Debezium::new(plain))),
            ],
            text: Text::new(text),
            parquet: Cells::new(odd),
            batch: Batch::new(),
        }
    }
}

impl Forms {
    pub(super) fn write(&mut self, piece: &Piece) {
        let (mut rows, mut cells) = (0, 0);
        let mut is_whole = true;
        for item in &piece.items {
            if let Item::Rows { rows: stored, table, .. } = item {
                match stored.event(&table.map, table.hidden.as_ref(), &piece.bytes).count() {
                    Ok(count) => {
                        rows += count;
                        cells += count * (1 + table.columns.len() as u64);
                    }
                    Err(_) => is_whole = false,
                }
            }
        }
        if cells > MOST_CELLS {
            return;
        }
        for (name, form) in &mut self.json {
            self.batch.clear();
            if let Ok(written) = piece.write(form.as_mut(), &mut self.batch) {
                assert!(is_whole && written == rows, "{name}: {written} of {rows} rows");
            }
            for index in 0..self.batch.len() {
                let message = self.batch.routed(index).unwrap();
                assert!(!message.value.contains(&b'\n'), "{name}: a line in two");
                // A tombstone has a key and no value.
                if !message.value.is_empty() || message.key.is_empty() {
                    assert_json(message.value, name);
                }
                if !message.key.is_empty() {
                    assert_json(message.key, name);
                }
            }
        }
        self.batch.clear();
        if let Ok(written) = piece.write(&mut self.text, &mut self.batch) {
            assert!(is_whole && written == rows, "text: {written} of {rows} rows");
        }
        for (_, message) in self.batch.iter() {
            let text = std::str::from_utf8(message).expect("text: UTF-8");
            let control = text.chars().find(|character| character.is_control() && *character != '\n');
            assert_eq!(control, None, "text: nothing may reach the terminal's own commands: {text:?}");
        }
        self.parquet.write(piece);
    }
}
