//! Column definitions: what a result set's columns, or a statement's parameters, are.

use crate::mysql::wire::reader::{Malformed, Reader};
use crate::mysql::wire::value::ColumnType;

const COLUMN: &str = "column definition";

/// The collation id of bytes that are not text.
const BINARY: u16 = 63;

/// The flag of an unsigned number (`UNSIGNED_FLAG` in MySQL's `include/mysql_com.h`).
const UNSIGNED: u16 = 32;

/// `Protocol::ColumnDefinition41`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnDefinition<'a> {
    /// The database; empty for an expression.
    pub schema: &'a [u8],
    /// The table's name or alias.
    pub table: &'a [u8],
    /// The table's own name.
    pub org_table: &'a [u8],
    /// The column's name or alias.
    pub name: &'a [u8],
    /// The column's own name.
    pub org_name: &'a [u8],
    /// MariaDB's extended metadata (`JSON`, `uuid`, `point`), as sent: empty without.
    pub extended: &'a [u8],
    /// Collation id; 63 for bytes and numbers.
    pub collation: u16,
    /// Longest value, in bytes.
    pub length: u32,
    /// Type of its values; one that is not known here is read as text, as its values have that form.
    pub column_type: ColumnType,
    /// `NOT_NULL`, `PRI_KEY` and the like (`include/mysql_com.h`).
    pub flags: u16,
    /// Digits after the point; 31 where that varies.
    pub decimals: u8,
}

impl<'a> ColumnDefinition<'a> {
    /// Parses the packet, with MariaDB's extended metadata (`MARIADB_CLIENT_EXTENDED_METADATA`) or without.
    ///
    /// Which of both it is shows in the packet: what follows the names is 13 bytes long, or longer by the extended metadata. COM_FIELD_LIST
    /// has a default value after them instead, so its answers cannot be read with this.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Malformed> {
        const FIXED: usize = 12;
        let mut reader = Reader::new(payload, COLUMN);
        reader.lenenc_bytes()?; // the catalog, always `def`
        let schema = reader.lenenc_bytes()?;
        let table = reader.lenenc_bytes()?;
        let org_table = reader.lenenc_bytes()?;
        let name = reader.lenenc_bytes()?;
        let org_name = reader.lenenc_bytes()?;
        let extended = if reader.rest().len() > 1 + FIXED { reader.lenenc_bytes()? } else { &[] };
        if reader.lenenc_int()? != FIXED as u64 {
            return Err(reader.malformed());
        }
        let collation = reader.u16()?;
        let length = reader.u32()?;
        let column_type = ColumnType::from_byte(reader.u8()?).unwrap_or(ColumnType::String);
        let flags = reader.u16()?;
        let decimals = reader.u8()?;
        reader.u16()?; // filler
        if !reader.is_empty() {
            return Err(reader.malformed());
        }
        Ok(Self { schema, table, org_table, name, org_name, extended, collation, length, column_type, flags, decimals })
    }

    /// What is needed to read the column's values.
    pub fn kind(&self) -> ColumnKind {
        use ColumnType::{Bit, Blob, Geometry, LongBlob, MediumBlob, String, TinyBlob, VarChar, VarString, Vector};
        let is_bytes = match self.column_type {
            Bit | Geometry | Vector => true,
            // TEXT has a blob's type, and BINARY a string's: the collation tells.
            Blob | TinyBlob | MediumBlob | LongBlob | String | VarChar | VarString => self.collation == BINARY,
            _ => false,
        };
        ColumnKind { column_type: self.column_type, unsigned: self.flags & UNSIGNED != 0, is_bytes }
    }
}

/// How a column's values are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnKind {
    /// The type byte.
    pub column_type: ColumnType,
    /// Whether numbers have no sign.
    pub unsigned: bool,
    /// Whether strings are bytes rather than text.
    pub is_bytes: bool,
}

/// The definitions of one result set's columns, kept in the form in which they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnSet {
    packets: Vec<u8>,
    /// Where each packet ends, and what is needed of it for each row.
    columns: Vec<(usize, ColumnKind)>,
}

impl ColumnSet {
    /// Longest definitions that are kept, all together. Servers allow 4,096 columns, with names of 64 characters.
    pub const LIMIT: usize = 8 << 20;

    /// Takes in another definition. An error if it is none, or if it is one too many for [`Self::LIMIT`].
    pub fn push(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let definition = ColumnDefinition::parse(payload)?;
        if self.packets.len() + payload.len() > Self::LIMIT {
            return Err(Malformed("column definitions, longer than is kept"));
        }
        self.packets.extend_from_slice(payload);
        self.columns.push((self.packets.len(), definition.kind()));
        Ok(())
    }

    /// The definition of column `index` as it came.
    pub fn packet(&self, index: usize) -> Option<&[u8]> {
        let start = index.checked_sub(1).map_or(Some(0), |before| self.columns.get(before).map(|(end, _)| *end))?;
        self.packets.get(start..self.columns.get(index)?.0)
    }

    /// The first `count` definitions.
    #[must_use]
    pub fn front(&self, count: usize) -> Self {
        let columns = self.columns.get(..count).unwrap_or(&self.columns).to_vec();
        let end = columns.last().map_or(0, |(end, _)| *end);
        Self { packets: self.packets.get(..end).unwrap_or_default().to_vec(), columns }
    }

    /// The values of a row of the binary protocol whose columns these are, if they are there in the form of the text protocol: strings with
    /// their lengths, and no NULL among them.
    pub fn as_strings<'a>(&self, payload: &'a [u8]) -> Option<&'a [u8]> {
        let (nulls, strings) = payload.get(1..)?.split_at_checked((self.len() + 2).div_ceil(8))?;
        let are_strings = || self.columns.iter().all(|(_, kind)| kind.column_type.is_string());
        (nulls.iter().all(|byte| *byte == 0) && are_strings()).then_some(strings)
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The definitions, in order.
    pub fn iter(&self) -> impl Iterator<Item = ColumnDefinition<'_>> {
        let starts = std::iter::once(0).chain(self.columns.iter().map(|(end, _)| *end));
        // They were parsed before they were kept.
        starts.zip(&self.columns).filter_map(|(start, (end, _))| {
            self.packets.get(start..*end).and_then(|payload| ColumnDefinition::parse(payload).ok())
        })
    }

    /// What the values of column `index` are.
    pub fn kind(&self, index: usize) -> Option<ColumnKind> {
        self.columns.get(index).map(|(_, kind)| *kind)
    }

    /// Bytes of memory in use.
    pub fn kept_bytes(&self) -> usize {
        self.packets.capacity() + self.columns.capacity() * size_of::<(usize, ColumnKind)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As MySQL 9.7 sends column `c CHAR(120)` of sysbench's table.
    const CHAR: &[u8] = b"\x03def\x06sbtest\x07sbtest1\x07sbtest1\x01c\x01c\x0c\xff\x00\xe0\x01\0\0\xfe\x01\0\0\0\0";

    #[test]
    fn a_column_with_all_its_names() {
        let column = ColumnDefinition::parse(CHAR).unwrap();
        assert_eq!((column.schema, column.table, column.name), (&b"sbtest"[..], &b"sbtest1"[..], &b"c"[..]));
        assert_eq!((column.collation, column.length, column.flags), (255, 480, 1));
        assert_eq!(column.kind(), ColumnKind { column_type: ColumnType::String, unsigned: false, is_bytes: false });
    }

    #[test]
    fn extended_metadata_is_found_by_the_length() {
        let mut bytes = CHAR.to_vec();
        let at = bytes.len() - 13;
        bytes.splice(at..at, *b"\x06\x00\x04uuid");
        let column = ColumnDefinition::parse(&bytes).unwrap();
        assert_eq!((column.extended, column.name, column.length), (&b"\x00\x04uuid"[..], &b"c"[..], 480));
        bytes.push(0);
        assert!(ColumnDefinition::parse(&bytes).is_err());
    }

    #[test]
    fn every_cut_is_refused() {
        for end in 0..CHAR.len() {
            assert!(ColumnDefinition::parse(&CHAR[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn text_and_bytes_are_told_apart_by_the_collation() {
        let kind = |column_type: u8, collation: u16| {
            let mut bytes = CHAR.to_vec();
            let fixed = bytes.len() - 12;
            bytes[fixed..fixed + 2].copy_from_slice(&collation.to_le_bytes());
            bytes[fixed + 6] = column_type;
            ColumnDefinition::parse(&bytes).unwrap().kind().is_bytes
        };
        assert!(kind(252, 63) && kind(254, 63) && kind(255, 255) && kind(16, 63));
        assert!(!kind(252, 255) && !kind(253, 8) && !kind(3, 63) && !kind(12, 63));
    }

    #[test]
    fn a_set_keeps_what_it_was_given() {
        let mut set = ColumnSet::default();
        set.push(CHAR).unwrap();
        set.push(b"\x03def\0\0\0\x01?\0\x0c\x3f\0\0\0\0\0\x08\x20\0\0\0\0").unwrap();
        assert!(set.push(b"\x03de").is_err());
        let names: Vec<_> = set.iter().map(|column| column.name).collect();
        assert_eq!((names, set.len()), (vec![&b"c"[..], b"?"], 2));
        assert_eq!((set.packet(0), set.packet(1).map(<[u8]>::len), set.packet(2)), (Some(CHAR), Some(23), None));
        assert_eq!(set.front(1).packet(0), Some(CHAR));
        assert_eq!(set.front(1).as_strings(b"\0\0\x01a"), Some(&b"\x01a"[..]));
        assert_eq!((set.front(1).as_strings(b"\0\x04"), set.as_strings(b"\0\0\x01a")), (None, None));
        assert!(set.kind(1).is_some_and(|kind| kind.unsigned && kind.column_type == ColumnType::LongLong));
        assert_eq!(set.kind(2), None);
    }
}
