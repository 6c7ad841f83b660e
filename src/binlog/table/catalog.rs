//! Columns as a server's catalogue lists them, and which table map they can belong to.

use crate::binlog::event::table_map::TableMap;
use crate::binlog::value::column::Storage;

/// A column in the source's catalogue (`information_schema.COLUMNS`).
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct CatalogColumn {
    /// `COLUMN_NAME`.
    pub name: String,
    /// `DATA_TYPE`, in lower case.
    pub data_type: String,
    /// `COLUMN_TYPE`: with `unsigned`, and the names of an ENUM or SET.
    pub column_type: String,
    /// `CHARACTER_SET_NAME`.
    pub charset: Option<String>,
    /// `COLUMN_KEY` is `PRI`: its place in the primary key, from 1 on.
    pub primary_key_place: Option<usize>,
    /// The names of an ENUM or SET, where they are known better than by `column_type`: from the statement that made them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<String>>,
    /// It is not the catalogue's, but a hash that cannot be selected.
    #[serde(skip)]
    pub is_hash: bool,
}

impl CatalogColumn {
    /// Whether its values are text, of which the character set may not be known.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.data_type.as_str(), "char" | "varchar" | "enum" | "set") || self.data_type.ends_with("text")
    }

    /// Whether its values are text or bytes of which a character set makes text.
    pub(crate) fn is_string(&self) -> bool {
        self.is_text() || matches!(self.data_type.as_str(), "binary" | "varbinary") || self.data_type.ends_with("blob")
    }

    /// Whether a value cannot be shown as text without the character set. The names of an ENUM are known by themselves or not at all.
    fn needs_charset(&self) -> bool {
        self.is_text() && !matches!(self.data_type.as_str(), "enum" | "set")
    }
}

/// Whether neither the map nor the columns of a definition that fits it say the character set of some text.
pub(crate) fn lacks_charsets(map: &TableMap, columns: &[CatalogColumn]) -> bool {
    map.columns
        .iter()
        .zip(columns)
        .any(|(mapped, column)| mapped.collation.is_none() && column.charset.is_none() && column.needs_charset())
}

/// The collation of bytes.
pub(crate) const BINARY_COLLATION: u16 = 63;

/// The storage of MariaDB's VECTOR, whose values are logged as those of VARBINARY (its `sql/sql_type_vector.h`).
pub(crate) fn may_be_vector(storage: Storage) -> Option<Storage> {
    match storage {
        Storage::Variable { max_bytes, compressed: false } if max_bytes > 0 && max_bytes.is_multiple_of(4) => {
            Some(Storage::Vector { length_bytes: if max_bytes > 255 { 2 } else { 1 } })
        }
        _ => None,
    }
}

/// Whether a table in the catalogue can be the one in the map. Its definition may be of another time: then its names would be
/// wrong, and no names are better.
pub(crate) fn fits(map: &TableMap, columns: &[CatalogColumn]) -> bool {
    map.columns.len() == columns.len()
        && map.columns.iter().zip(columns).all(|(mapped, column)| {
            fits_type(mapped.storage, &column.data_type) && mapped.name.as_ref().is_none_or(|name| *name == column.name)
        })
}

fn fits_type(storage: Storage, data_type: &str) -> bool {
    match storage {
        Storage::Integer { bytes } => matches!(
            (bytes, data_type),
            (1, "tinyint") | (2, "smallint") | (3, "mediumint") | (4, "int") | (8, "bigint")
        ),
        Storage::Float => data_type == "float",
        Storage::Double => data_type == "double",
        Storage::Decimal { .. } => data_type == "decimal",
        Storage::Year => data_type == "year",
        Storage::Date => data_type == "date",
        Storage::Time { .. } | Storage::TimeOld => data_type == "time",
        Storage::DateTime { .. } | Storage::DateTimeOld => data_type == "datetime",
        Storage::Timestamp { .. } | Storage::TimestampOld => data_type == "timestamp",
        Storage::Fixed { .. } => matches!(data_type, "char" | "binary" | "uuid" | "inet4" | "inet6"),
        Storage::Variable { .. } => {
            matches!(data_type, "varchar" | "varbinary") || (data_type == "vector" && may_be_vector(storage).is_some())
        }
        Storage::Blob { .. } => {
            data_type.ends_with("blob") || data_type.ends_with("text") || data_type == "json" || data_type == "vector"
        }
        Storage::Json { .. } => data_type == "json",
        Storage::Geometry { .. } => {
            matches!(
                data_type,
                "geometry" | "point" | "linestring" | "polygon" | "geomcollection" | "geometrycollection"
            ) || data_type.starts_with("multi")
        }
        Storage::Vector { .. } => data_type == "vector",
        Storage::Bit { .. } => data_type == "bit",
        Storage::Enum { .. } => data_type == "enum",
        Storage::Set { .. } => data_type == "set",
        Storage::Null => true,
    }
}
