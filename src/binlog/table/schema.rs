//! Tables as rows are shown: with names, signs and character sets, from the table map or from the source's catalogue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::binlog::event::format::Writer;
use crate::binlog::event::rows::HiddenColumns;
use crate::binlog::event::table_map::{MappedColumn, TableMap};
use crate::binlog::table::catalog::{BINARY_COLLATION, CatalogColumn, fits, lacks_charsets, may_be_vector};
use crate::binlog::table::hidden::without_hashes;
use crate::binlog::value::column::Storage;
use crate::mysql::charset::Charset;

/// A table whose columns have names, or are called `@1`, `@2` where nobody knows better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Tells it from every other table that was made in this process, of the same name and time too.
    pub(crate) number: TableNumber,
    /// How its rows are stored.
    pub map: Arc<TableMap>,
    /// Its columns, in the order of the row images; without the hashes that MariaDB has at the images' ends.
    pub columns: Vec<Column>,
    /// The columns of the primary key; empty without one, or where it is not known.
    pub primary_key: Vec<usize>,
    /// Whether the columns have their real names.
    pub has_names: bool,
    /// Whether the character set of some text may become known later.
    pub(crate) lacks_charsets: bool,
    /// Columns whose values are not given out, if there are any.
    pub(crate) hidden: Option<Arc<HiddenColumns>>,
}

/// What is derived from a table is kept by this number: an address may be another table's later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TableNumber(u64);

impl TableNumber {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name.
    pub name: String,
    /// How values are stored.
    pub storage: Storage,
    /// Whether a number is unsigned.
    pub unsigned: bool,
    /// The character set of text; `None` for bytes.
    pub charset: Option<Charset>,
    /// The names of an ENUM or SET; empty where they are not known.
    pub members: Vec<String>,
    /// What BINARY bytes stand for.
    pub meaning: Meaning,
    /// What stands in place of the values, as a JSON string; none where they are shown.
    pub(crate) redaction: Option<Vec<u8>>,
    /// The name as a JSON key with its colon.
    pub(crate) json_key: Vec<u8>,
}

/// MariaDB's types that are logged as BINARY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Meaning {
    /// Nothing else.
    #[default]
    Bytes,
    /// A UUID.
    Uuid,
    /// An IPv4 address.
    Inet4,
    /// An IPv6 address.
    Inet6,
}

impl Table {
    /// A table whose map says all (`binlog_row_metadata=FULL`), or as much as it says: see [`Table::has_names`].
    ///
    /// `catalog` are the columns of a table of that name in the source's catalogue, used for what the map leaves out where they fit
    /// the map column by column.
    pub fn resolve(map: &Arc<TableMap>, catalog: Option<&[CatalogColumn]>) -> Self {
        let catalog = catalog.filter(|columns| fits(map, columns));
        let map = with_vectors(map, catalog.unwrap_or_default());
        let has_names = catalog.is_some() || map.columns.iter().all(|column| column.name.is_some());
        let columns = map
            .columns
            .iter()
            .enumerate()
            .take(without_hashes(&map, catalog))
            .map(|(index, mapped)| Column::resolve(index, mapped, catalog.and_then(|columns| columns.get(index))));
        let columns: Vec<_> = columns.collect();
        let mut primary_key = match (&map.primary_key, catalog) {
            (Some(key), _) => key.clone(),
            (None, Some(columns)) => primary_key(columns),
            (None, None) => Vec::new(),
        };
        primary_key.retain(|index| *index < columns.len());
        let lacks_charsets = catalog.is_some_and(|columns| lacks_charsets(&map, columns));
        Self { has_names, lacks_charsets, ..Self::of(map, columns, primary_key) }
    }

    /// A table of these columns, all of which have names.
    pub(crate) fn of(map: Arc<TableMap>, columns: Vec<Column>, primary_key: Vec<usize>) -> Self {
        let number = TableNumber::next();
        Self { number, map, columns, primary_key, has_names: true, lacks_charsets: false, hidden: None }
    }

    /// Whether some columns' values are not shown.
    pub fn hides_columns(&self) -> bool {
        self.hidden.is_some()
    }

    /// Whether the map alone is not enough to show this table's rows right.
    pub fn needs_catalog(map: &TableMap, writer: Writer) -> bool {
        map.columns.iter().any(|column| {
            // MariaDB's UUID and INET look like BINARY even in full metadata, its VECTOR like VARBINARY.
            let hidden = match column.storage {
                Storage::Fixed { max_bytes: 4 | 16 } => writer != Writer::MySql,
                storage => writer == Writer::MariaDbWithVectors && may_be_vector(storage).is_some(),
            };
            column.name.is_none() || (hidden && column.collation.is_none_or(|id| id == BINARY_COLLATION))
        })
    }
}

/// The map with the vectors that it does not tell from VARBINARY.
fn with_vectors(map: &Arc<TableMap>, catalog: &[CatalogColumn]) -> Arc<TableMap> {
    let vector = |storage, column: &CatalogColumn| may_be_vector(storage).filter(|_| column.data_type == "vector");
    if !map.columns.iter().zip(catalog).any(|(mapped, column)| vector(mapped.storage, column).is_some()) {
        return Arc::clone(map);
    }
    let mut map = TableMap::clone(map);
    for (mapped, column) in map.columns.iter_mut().zip(catalog) {
        mapped.storage = vector(mapped.storage, column).unwrap_or(mapped.storage);
    }
    Arc::new(map)
}

impl Column {
    /// Its name as the key of a JSON object.
    pub(crate) fn json_key(name: &str) -> Vec<u8> {
        // Texts can always be written as JSON.
        let mut json_key = serde_json::to_vec(name).unwrap_or_default();
        json_key.push(b':');
        json_key
    }

    fn resolve(index: usize, mapped: &MappedColumn, catalog: Option<&CatalogColumn>) -> Self {
        let known = catalog.cloned().unwrap_or_default();
        let name = match (&mapped.name, catalog) {
            (Some(name), _) => name.clone(),
            (None, Some(column)) => column.name.clone(),
            (None, None) => format!("@{}", index + 1),
        };
        let charset = match (mapped.collation, catalog) {
            (Some(id), _) => Charset::from_collation(id),
            (None, Some(column)) => column.charset.as_deref().and_then(Charset::from_name),
            (None, None) => None,
        };
        let charset = charset.filter(|charset| !charset.is_binary());
        let members = match &mapped.members {
            Some(members) => members.iter().map(|name| text(charset, name)).collect(),
            None if known.members.is_some() => known.members.unwrap_or_default(),
            // The catalogue has `?` for characters beyond the basic plane: then the number is better than a wrong name.
            None if known.column_type.contains('?') => Vec::new(),
            None => members_of(&known.column_type),
        };
        let meaning = match known.data_type.as_str() {
            "uuid" => Meaning::Uuid,
            "inet4" => Meaning::Inet4,
            "inet6" => Meaning::Inet6,
            _ => Meaning::Bytes,
        };
        let json_key = Self::json_key(&name);
        let unsigned = mapped.unsigned.unwrap_or_else(|| known.column_type.contains("unsigned"));
        Self { name, storage: mapped.storage, unsigned, charset, members, meaning, redaction: None, json_key }
    }
}

fn text(charset: Option<Charset>, bytes: &[u8]) -> String {
    match charset {
        Some(charset) => charset.to_utf8(bytes).into_owned(),
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn primary_key(columns: &[CatalogColumn]) -> Vec<usize> {
    let mut key: Vec<_> = columns
        .iter()
        .enumerate()
        .filter_map(|(index, column)| column.primary_key_place.map(|place| (place, index)))
        .collect();
    key.sort_unstable();
    key.into_iter().map(|(_, index)| index).collect()
}

/// The names in `enum('a','b''c')`, as the catalogue prints them: with quotes doubled.
fn members_of(column_type: &str) -> Vec<String> {
    let Some(list) = column_type
        .split_once('(')
        .map(|(_, list)| list)
        .filter(|_| column_type.starts_with("enum(") || column_type.starts_with("set("))
    else {
        return Vec::new();
    };
    let mut names = Vec::new();
    let mut rest = list;
    while let Some(after) = rest.trim_start_matches(',').strip_prefix('\'') {
        let mut name = String::new();
        let mut chars = after.char_indices().peekable();
        let mut end = after.len();
        while let Some((at, character)) = chars.next() {
            if character == '\\' {
                // As the server escapes what would break a line.
                match chars.next() {
                    Some((_, 'n')) => name.push('\n'),
                    Some((_, 'r')) => name.push('\r'),
                    Some((_, '0')) => name.push('\0'),
                    Some((_, other)) => name.push(other),
                    None => {}
                }
                continue;
            }
            if character == '\'' {
                if chars.peek().is_some_and(|(_, next)| *next == '\'') {
                    chars.next();
                } else {
                    end = at + 1;
                    break;
                }
            }
            name.push(character);
        }
        names.push(name);
        rest = after.get(end..).unwrap_or_default();
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `id INT, v` with this storage and collation.
    fn map(storage: Storage, collation: Option<u16>) -> Arc<TableMap> {
        let column = |name: &str, storage, collation| MappedColumn {
            type_code: 0,
            storage,
            nullable: true,
            unsigned: None,
            collation,
            name: Some(name.into()),
            members: None,
            visible: None,
            geometry_type: None,
        };
        let columns = vec![column("id", Storage::Integer { bytes: 4 }, None), column("v", storage, collation)];
        Arc::new(TableMap { columns, ..TableMap::default() })
    }

    #[test]
    fn vectors_of_mariadb_look_like_varbinary() {
        let storage = |max_bytes| Storage::Variable { max_bytes, compressed: false };
        let catalog = |data_type: &str| {
            [("id", "int"), ("v", data_type)].map(|(name, data_type)| CatalogColumn {
                name: name.into(),
                data_type: data_type.into(),
                ..CatalogColumn::default()
            })
        };
        for (max_bytes, length_bytes) in [(12, 1), (252, 1), (256, 2), (65_532, 2)] {
            let map = map(storage(max_bytes), Some(BINARY_COLLATION));
            assert!(Table::needs_catalog(&map, Writer::MariaDbWithVectors));
            assert!(!Table::needs_catalog(&map, Writer::MariaDb) && !Table::needs_catalog(&map, Writer::MySql));
            let table = Table::resolve(&map, Some(&catalog("vector")));
            assert_eq!(table.columns[1].storage, Storage::Vector { length_bytes });
            assert_eq!(table.map.columns[1].storage, Storage::Vector { length_bytes });
            assert_eq!(Table::resolve(&map, Some(&catalog("varbinary"))).map, map);
            assert_eq!(Table::resolve(&map, None).map, map);
        }
        // Text, and what is not made of whole numbers.
        for (max_bytes, collation) in [(12, 45), (13, BINARY_COLLATION), (0, BINARY_COLLATION)] {
            assert!(!Table::needs_catalog(&map(storage(max_bytes), Some(collation)), Writer::MariaDbWithVectors));
        }
        assert!(!fits(&map(storage(13), None), &catalog("vector")));
    }

    #[test]
    fn names_of_an_enum_as_the_catalogue_prints_them() {
        assert_eq!(members_of("enum('a','b''c','','d,e)')"), ["a", "b'c", "", "d,e)"]);
        assert_eq!(members_of("set('x')"), ["x"]);
        assert_eq!(members_of(r"enum('a\\b\n','\'')"), ["a\\b\n", "'"]);
        assert_eq!(members_of("varchar(10)"), Vec::<String>::new());
    }
}
