//! TABLE_MAP events: which table's rows follow, and how they are stored.
//!
//! Source: MySQL's `libs/mysql/binlog/event/rows_event.h` (Table_map_event, Optional_metadata_fields).

use serde::{Deserialize, Serialize};

use crate::binlog::value::column::Storage;
use crate::mysql::wire::{Malformed, Reader};

const WHAT: &str = "TABLE_MAP event";

/// A table as the rows of one statement are stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TableMap {
    /// The number by which row events refer to it.
    pub table_id: u64,
    /// Its database's name, in UTF-8.
    pub database: String,
    /// Its name, in UTF-8.
    pub table: String,
    /// Its columns.
    pub columns: Vec<MappedColumn>,
    /// The columns of the primary key, where it says so.
    pub primary_key: Option<Vec<usize>>,
    /// Why its optional metadata could not be read: it is as if there were none.
    #[serde(skip)]
    pub metadata_error: Option<Malformed>,
    /// Whether MariaDB wrote it.
    pub is_mariadb: bool,
}

/// A column in a table map. What `binlog_row_metadata=MINIMAL` leaves out is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedColumn {
    /// The type's code (`enum_field_types`).
    pub type_code: u8,
    /// How its values are stored.
    pub storage: Storage,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Whether a number is unsigned.
    pub unsigned: Option<bool>,
    /// The collation's id.
    pub collation: Option<u16>,
    /// The name.
    pub name: Option<String>,
    /// The names of an ENUM or SET, in the column's character set.
    pub members: Option<Vec<Vec<u8>>>,
    /// Whether `SELECT *` shows it.
    pub visible: Option<bool>,
    /// `POINT` and so on, as the number of `Field::geometry_type`.
    pub geometry_type: Option<u64>,
}

impl TableMap {
    /// The number of the map that ends a statement without naming a table.
    pub const DUMMY_ID: u64 = 0xff_ffff;

    /// The table's number, database and name alone, which is what a filter needs.
    pub fn peek(body: &[u8], post_header_length: usize) -> Result<(u64, &[u8], &[u8]), Malformed> {
        let mut reader = Reader::new(body, WHAT);
        let table_id = table_id(&mut reader, post_header_length)?;
        reader.u16()?;
        let (database, table) = names(&mut reader)?;
        Ok((table_id, database, table))
    }

    /// Parses the body, without the checksum. `post_header_length` is the FORMAT_DESCRIPTION's for this type; `is_mariadb`, whether
    /// MariaDB wrote it.
    pub fn parse(body: &[u8], post_header_length: usize, is_mariadb: bool) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, WHAT);
        let table_id = table_id(&mut reader, post_header_length)?;
        reader.u16()?;
        let (database, table) = names(&mut reader)?;
        let count = usize::try_from(reader.lenenc_int()?).map_err(|_| Malformed(WHAT))?;
        let types = reader.bytes(count)?;
        let metadata = reader.lenenc_bytes()?;
        let nullable = reader.bytes(count.div_ceil(8))?;
        let mut metadata = Reader::new(metadata, "table map: column metadata");
        let mut columns = Vec::with_capacity(count);
        for (index, &type_code) in types.iter().enumerate() {
            columns.push(MappedColumn {
                type_code,
                storage: Storage::parse(type_code, &mut metadata)?,
                nullable: bit(nullable, index),
                unsigned: None,
                collation: None,
                name: None,
                members: None,
                visible: None,
                geometry_type: None,
            });
        }
        let mut map = Self {
            table_id,
            database: String::from_utf8_lossy(database).into_owned(),
            table: String::from_utf8_lossy(table).into_owned(),
            columns,
            primary_key: None,
            metadata_error: None,
            is_mariadb,
        };
        let plain = map.columns.clone();
        if let Err(error) = map.optional_fields(&mut reader, is_mariadb) {
            // Rows can be read without it.
            map = Self { columns: plain, primary_key: None, metadata_error: Some(error), ..map };
        }
        Ok(map)
    }

    fn optional_fields(&mut self, reader: &mut Reader<'_>, is_mariadb: bool) -> Result<(), Malformed> {
        while !reader.is_empty() {
            let field = reader.u8()?;
            let value = reader.lenenc_bytes()?;
            self.optional_field(field, value, is_mariadb)?;
        }
        Ok(())
    }

    fn optional_field(&mut self, field: u8, value: &[u8], is_mariadb: bool) -> Result<(), Malformed> {
        let mut reader = Reader::new(value, "table map: optional metadata");
        let is_character = |column: &MappedColumn| column.storage.is_character(is_mariadb);
        match field {
            1 => {
                let numeric = self.columns.iter_mut().filter(|column| column.storage.is_numeric());
                let mut count = 0;
                for (index, column) in numeric.enumerate() {
                    column.unsigned = Some(bit_from_left(value, index));
                    count = index + 1;
                }
                // Another number of columns would mean that the bits are not those that we take them for.
                return if value.len() == count.div_ceil(8) { Ok(()) } else { Err(reader.malformed()) };
            }
            2 => default_charset(&mut reader, &mut self.columns, is_character)?,
            3 => column_charset(&mut reader, &mut self.columns, is_character)?,
            10 => default_charset(&mut reader, &mut self.columns, has_members)?,
            11 => column_charset(&mut reader, &mut self.columns, has_members)?,
            4 => {
                for column in &mut self.columns {
                    column.name = Some(String::from_utf8_lossy(reader.lenenc_bytes()?).into_owned());
                }
            }
            5 => members(&mut reader, &mut self.columns, |column| matches!(column.storage, Storage::Set { .. }))?,
            6 => members(&mut reader, &mut self.columns, |column| matches!(column.storage, Storage::Enum { .. }))?,
            7 => {
                for column in &mut self.columns {
                    if matches!(column.storage, Storage::Geometry { .. }) && !reader.is_empty() {
                        column.geometry_type = Some(reader.lenenc_int()?);
                    }
                }
            }
            8 | 9 => {
                let mut key = Vec::new();
                while !reader.is_empty() {
                    let column = usize::try_from(reader.lenenc_int()?).ok().filter(|index| *index < self.columns.len());
                    key.push(column.ok_or_else(|| reader.malformed())?);
                    if field == 9 {
                        // How many characters of the column are in the key.
                        reader.lenenc_int()?;
                    }
                }
                self.primary_key = Some(key);
            }
            12 => {
                for (index, column) in self.columns.iter_mut().enumerate() {
                    column.visible = Some(bit_from_left(value, index));
                }
            }
            // Vector dimensions (13) are in the values; what newer servers add is not needed to decode rows.
            _ => {}
        }
        // What is left of a list would be of columns that we do not count.
        let is_list = matches!(field, 2..=6 | 10 | 11);
        if is_list && !reader.is_empty() { Err(reader.malformed()) } else { Ok(()) }
    }
}

fn table_id(reader: &mut Reader<'_>, post_header_length: usize) -> Result<u64, Malformed> {
    if post_header_length == 6 {
        return reader.u32().map(u64::from);
    }
    let (low, high) = (reader.u32()?, reader.u16()?);
    Ok(u64::from(high) << 32 | u64::from(low))
}

fn names<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8], &'a [u8]), Malformed> {
    let mut name = || {
        let length = usize::from(reader.u8()?);
        let name = reader.bytes(length)?;
        reader.bytes(1)?;
        Ok(name)
    };
    Ok((name()?, name()?))
}

fn has_members(column: &MappedColumn) -> bool {
    matches!(column.storage, Storage::Enum { .. } | Storage::Set { .. })
}

/// A default, and pairs of a column's number (counting only those concerned) and its own.
fn default_charset(
    reader: &mut Reader<'_>,
    columns: &mut [MappedColumn],
    concerned: impl Fn(&MappedColumn) -> bool,
) -> Result<(), Malformed> {
    let default = collation(reader)?;
    let mut concerned: Vec<&mut MappedColumn> = columns.iter_mut().filter(|column| concerned(column)).collect();
    for column in &mut concerned {
        column.collation = Some(default);
    }
    while !reader.is_empty() {
        let index = usize::try_from(reader.lenenc_int()?).unwrap_or(usize::MAX);
        let own = collation(reader)?;
        concerned.get_mut(index).ok_or_else(|| reader.malformed())?.collation = Some(own);
    }
    Ok(())
}

fn column_charset(
    reader: &mut Reader<'_>,
    columns: &mut [MappedColumn],
    concerned: impl Fn(&MappedColumn) -> bool,
) -> Result<(), Malformed> {
    for column in columns.iter_mut().filter(|column| concerned(column)) {
        column.collation = Some(collation(reader)?);
    }
    Ok(())
}

fn collation(reader: &mut Reader<'_>) -> Result<u16, Malformed> {
    u16::try_from(reader.lenenc_int()?).map_err(|_| reader.malformed())
}

fn members(
    reader: &mut Reader<'_>,
    columns: &mut [MappedColumn],
    concerned: impl Fn(&MappedColumn) -> bool,
) -> Result<(), Malformed> {
    for column in columns.iter_mut().filter(|column| concerned(column)) {
        let count = reader.lenenc_int()?;
        // Grows with what is there: the count is not to be believed.
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(reader.lenenc_bytes()?.to_vec());
        }
        column.members = Some(names);
    }
    Ok(())
}

/// Bit `index`, counted from the least significant bit of the first byte.
pub(crate) fn bit(bits: &[u8], index: usize) -> bool {
    bits.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

/// Bit `index`, counted from the most significant bit of the first byte.
fn bit_from_left(bits: &[u8], index: usize) -> bool {
    bits.get(index / 8).is_some_and(|byte| byte << (index % 8) & 0x80 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `d.t` with an INT, a GEOMETRY or VECTOR and a VARCHAR(40), and these optional fields.
    fn body(second: u8, optional: &[(u8, &[u8])]) -> Vec<u8> {
        let mut body = vec![7, 0, 0, 0, 0, 0, 1, 0];
        body.extend_from_slice(b"\x01d\0\x01t\0\x03\x03");
        body.extend_from_slice(&[second, 15, 3, 4, 160, 0, 0]);
        for (field, value) in optional {
            body.extend_from_slice(&[*field, u8::try_from(value.len()).unwrap()]);
            body.extend_from_slice(value);
        }
        body
    }

    fn collations(body: &[u8], is_mariadb: bool) -> Vec<Option<u16>> {
        let map = TableMap::parse(body, 8, is_mariadb).unwrap();
        assert_eq!(map.metadata_error, None);
        map.columns.iter().map(|column| column.collation).collect()
    }

    #[test]
    fn what_counts_as_text_depends_on_the_server() {
        const VECTOR: u8 = 242;
        const GEOMETRY: u8 = 255;
        for (second, is_mariadb) in [(VECTOR, false), (GEOMETRY, true)] {
            // 63 for the first, which is bytes, and 45 (utf8mb4_general_ci) for the text; or 63 by default, but 45 for number 1.
            for field in [(3, &[63, 45][..]), (2, &[63, 1, 45])] {
                assert_eq!(collations(&body(second, &[field]), is_mariadb), [None, Some(63), Some(45)]);
            }
        }
        for (second, is_mariadb) in [(GEOMETRY, false), (VECTOR, true)] {
            assert_eq!(collations(&body(second, &[(3, &[45])]), is_mariadb), [None, None, Some(45)]);
        }
    }

    #[test]
    fn metadata_that_do_not_fit_are_left_aside() {
        let names: (u8, &[u8]) = (4, b"\x02id\x01v\x04name");
        let whole = TableMap::parse(&body(255, &[names, (8, &[0])]), 8, false).unwrap();
        assert_eq!((whole.columns[2].name.as_deref(), whole.primary_key), (Some("name"), Some(vec![0])));
        for wrong in [(3, &[45, 45][..]), (2, &[45, 7, 8]), (1, &[0, 0]), (8, &[9]), (4, b"\x02id"), (3, &[])] {
            let map = TableMap::parse(&body(255, &[names, wrong]), 8, false).unwrap();
            assert!(map.metadata_error.is_some(), "{wrong:?}");
            assert!(map.columns.iter().all(|column| column.name.is_none() && column.collation.is_none()), "{wrong:?}");
            assert_eq!(map.primary_key, None);
        }
        // What later servers may add.
        assert_eq!(TableMap::parse(&body(255, &[(99, b"?")]), 8, false).unwrap().metadata_error, None);
    }
}
