//! Columns that are left out, or whose values are not shown, and what stands for these.

use std::borrow::Cow;
use std::sync::Arc;

use crate::binlog::event::compression::decompress_column;
use crate::binlog::event::rows::{HiddenColumns, Pseudonyms};
use crate::binlog::table::schema::{Column, Meaning, Table};
use crate::binlog::value::Value;
use crate::binlog::value::column::Storage;
use crate::mysql::value::{address, json};
use crate::rules::columns::ColumnRules;
use crate::rules::plain;
use crate::rules::redaction::{Pseudonym, Redactor};

impl Table {
    /// Hides columns. A dropped column is no part of the primary key any more either.
    pub fn hide(&mut self, rules: &ColumnRules) {
        let mut hidden = HiddenColumns::default();
        for (index, column) in self.columns.iter_mut().enumerate() {
            if rules.drops(&self.map.database, &self.map.table, &column.name) {
                hidden.dropped.push(index);
            } else if rules.redactor.names(&column.name) {
                column.redaction = serde_json::to_vec(rules.redactor.mask()).ok();
                hidden.redacted.push(index);
            }
        }
        self.primary_key.retain(|index| !hidden.dropped.contains(index));
        if !hidden.redacted.is_empty() && rules.redactor.has_pseudonyms() {
            hidden.pseudonyms = Some(Arc::new(ColumnPseudonyms::new(&self.columns, &rules.redactor)));
        }
        self.hidden = (!hidden.is_empty()).then(|| Arc::new(hidden));
    }
}

/// Makes pseudonyms of a table's values: those that a statement's literal or parameter of the same value has.
#[derive(Debug)]
struct ColumnPseudonyms {
    columns: Vec<Column>,
    redactor: Redactor,
}

impl ColumnPseudonyms {
    fn new(columns: &[Column], redactor: &Redactor) -> Self {
        Self { columns: columns.to_vec(), redactor: redactor.clone() }
    }
}

impl Pseudonyms for ColumnPseudonyms {
    fn pseudonym(&self, index: usize, value: &Value<'_>) -> Option<Pseudonym> {
        self.redactor.pseudonym(&plain(self.columns.get(index)?, value)?)
    }
}

/// The value's plain text; `None` where it is not there as a whole.
fn plain<'a>(column: &Column, value: &Value<'a>) -> Option<Cow<'a, [u8]>> {
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut text = Vec::new();
        write(&mut text);
        Some(Cow::Owned(plain::of_text(&text).into_owned()))
    };
    match value {
        Value::Absent | Value::Null | Value::Redacted | Value::Pseudonym(_) | Value::JsonDiff(_) => None,
        Value::Integer(value) if column.unsigned => digits(value.unsigned()),
        Value::Integer(value) => digits(value.signed()),
        Value::Float(value) => Some(Cow::Owned(plain::of_float(value))),
        Value::Double(value) => Some(Cow::Owned(plain::of_float(value))),
        Value::Decimal(value) => written(&|out| value.write(out)),
        Value::Year(value) => digits(*value),
        Value::Date(value) => written(&|out| value.write(out)),
        Value::Time(value) => written(&|out| value.write(out)),
        Value::DateTime(value) => written(&|out| value.write(out)),
        Value::Timestamp(value) => written(&|out| value.write(out)),
        Value::Bytes(bytes) => Some(text_or_bytes(column, bytes)),
        Value::Compressed(bytes) => {
            let mut content = Vec::new();
            decompress_column(bytes, &mut content).ok()?;
            Some(Cow::Owned(text_or_bytes(column, &content).into_owned()))
        }
        Value::Json(document) => {
            let mut text = Vec::new();
            json::write_json(document, &mut text).ok()?;
            Some(Cow::Owned(text))
        }
        Value::Geometry(bytes) | Value::Vector(bytes) => Some(Cow::Borrowed(*bytes)),
        Value::Bit(value) => digits(*value),
        Value::Enum(number) => match usize::from(*number).checked_sub(1) {
            None => Some(Cow::Borrowed(b"")),
            Some(index) => match column.members.get(index) {
                Some(name) => Some(Cow::Owned(plain::of_text(name.as_bytes()).into_owned())),
                None => digits(*number),
            },
        },
        Value::Set(bits) if column.members.is_empty() => digits(*bits),
        Value::Set(bits) => {
            let members = column.members.iter().take(64).enumerate();
            let names = members.filter(|(index, _)| bits >> index & 1 == 1).map(|(_, name)| name.as_str());
            Some(Cow::Owned(plain::of_text(names.collect::<Vec<_>>().join(",").as_bytes()).into_owned()))
        }
    }
}

fn digits<'a>(number: impl itoa::Integer) -> Option<Cow<'a, [u8]>> {
    Some(Cow::Owned(itoa::Buffer::new().format(number).as_bytes().to_vec()))
}

fn text_or_bytes<'a>(column: &Column, bytes: &'a [u8]) -> Cow<'a, [u8]> {
    // BINARY loses its trailing zeros in the log.
    let written = |write: fn(&mut Vec<u8>, &[u8]), length: usize| {
        let (mut text, mut padded) = (Vec::new(), bytes.to_vec());
        padded.resize(length, 0);
        write(&mut text, &padded);
        Cow::Owned(text)
    };
    match (column.charset, column.meaning, column.storage) {
        (Some(charset), ..) => match charset.to_utf8(bytes) {
            Cow::Borrowed(text) => plain::of_text(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(plain::of_text(text.as_bytes()).into_owned()),
        },
        (None, Meaning::Uuid, _) => written(address::write_uuid, 16),
        (None, Meaning::Inet4, _) => written(address::write_inet4, 4),
        (None, Meaning::Inet6, _) => written(address::write_inet6, 16),
        // Zeros at its end may be those that fill the column.
        (None, Meaning::Bytes, Storage::Fixed { .. }) => {
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            plain::of_text(bytes.get(..end).unwrap_or(bytes))
        }
        (None, Meaning::Bytes, _) => plain::of_text(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::event::table_map::{MappedColumn, TableMap};
    use crate::binlog::value::Value;
    use crate::mysql::charset::Charset;

    /// Of the value of a column that is stored so.
    fn pseudonym(storage: Storage, charset: Option<Charset>, value: &Value<'_>) -> Option<String> {
        let mapped = MappedColumn { name: Some("secret".into()), storage, ..column() };
        let map = TableMap { columns: vec![mapped], ..TableMap::default() };
        let mut table = Table::resolve(&Arc::new(map), None);
        table.columns[0].charset = charset;
        let redactor = Redactor::new(&["secret".into()], "***").with_pseudonyms(b"0123456789abcdef");
        table.hide(&ColumnRules { redactor, ..ColumnRules::default() });
        let pseudonyms = table.hidden.unwrap().pseudonyms.clone().unwrap();
        pseudonyms.pseudonym(0, value).map(|pseudonym| pseudonym.to_string())
    }

    fn column() -> MappedColumn {
        MappedColumn {
            type_code: 0,
            storage: Storage::Null,
            nullable: true,
            unsigned: Some(true),
            collation: None,
            name: None,
            members: None,
            visible: Some(true),
            geometry_type: None,
        }
    }

    #[test]
    fn the_same_value_in_other_columns_has_the_same_pseudonym() {
        let text = Storage::Blob { length_bytes: 2, compressed: false };
        let five = pseudonym(text, Some(Charset::Utf8mb4), &Value::Bytes(b"5"));
        for (storage, charset, value) in [
            (text, Some(Charset::Latin1), Value::Bytes(b"5.00")),
            (text, None, Value::Bytes(b"5")),
            (Storage::Fixed { max_bytes: 4 }, None, Value::Bytes(b"5\0\0\0")),
            (Storage::Float, None, Value::Float(5.0)),
            (Storage::Double, None, Value::Double(5.0)),
            (Storage::Bit { bits: 8 }, None, Value::Bit(5)),
            (Storage::Year, None, Value::Year(5)),
        ] {
            assert_eq!(pseudonym(storage, charset, &value), five, "{value:?}");
        }
        assert_ne!(pseudonym(text, None, &Value::Bytes(b"6")), five);
        assert_eq!(
            pseudonym(text, Some(Charset::Latin1), &Value::Bytes(b"\xe9")),
            pseudonym(text, None, &Value::Bytes("é".as_bytes()))
        );
        assert_eq!(pseudonym(text, None, &Value::JsonDiff(b"5")), None);
        assert_eq!(pseudonym(text, None, &Value::Null), None);
    }
}
