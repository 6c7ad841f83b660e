//! Columns that MariaDB's binlog has and its catalogue does not list. They stand after all others.
//!
//! Source: MariaDB's `sql/handler.cc` (Vers_parse_info::fix_implicit) and `sql/sql_table.cc` (add_hash_field); the order and whether they
//! may be NULL as 10.11 and 11.8 were seen to log them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::binlog::event::table_map::{MappedColumn, TableMap};
use crate::binlog::table::catalog::{CatalogColumn, fits};
use crate::binlog::value::column::Storage;

/// Which columns of a table may be hidden, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Hidden {
    /// `row_start` and `row_end` of a table `WITH SYSTEM VERSIONING` that does not name them itself. They can be selected.
    pub versioned: bool,
    /// How many unique keys may be too long for an index: each has a column with a hash, which cannot be selected.
    pub hashes: usize,
}

const HASH_NAME: &str = "DB_ROW_HASH_";

impl Hidden {
    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// These and others.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { versioned: self.versioned || other.versioned, hashes: self.hashes.saturating_add(other.hashes) }
    }

    /// What the columns after those that are listed are. `None` where they may be others.
    fn columns(self, mapped: &[MappedColumn]) -> Option<Vec<CatalogColumn>> {
        let (pair, hashes) = match mapped {
            [start, end, hashes @ ..]
                if self.versioned && is_period(start, "row_start") && is_period(end, "row_end") =>
            {
                (["row_start", "row_end"].as_slice(), hashes)
            }
            hashes => ([].as_slice(), hashes),
        };
        if hashes.len() > self.hashes || !hashes.iter().all(is_hash) {
            return None;
        }
        let pair = pair.iter().map(|name| CatalogColumn {
            name: (*name).to_owned(),
            data_type: "timestamp".into(),
            column_type: "timestamp(6)".into(),
            ..CatalogColumn::default()
        });
        let hashes = hashes.iter().enumerate().map(|(at, mapped)| CatalogColumn {
            name: mapped.name.clone().unwrap_or_else(|| format!("{HASH_NAME}{}", at + 1)),
            data_type: "bigint".into(),
            column_type: "bigint(20) unsigned".into(),
            is_hash: true,
            ..CatalogColumn::default()
        });
        Some(pair.chain(hashes).collect())
    }
}

fn is_period(mapped: &MappedColumn, name: &str) -> bool {
    mapped.storage == Storage::Timestamp { fraction_digits: 6 }
        && !mapped.nullable
        && mapped.name.as_ref().is_none_or(|found| found == name)
}

/// Whether a column may hold a hash. It may be NULL where a column of its key may be.
fn is_hash(mapped: &MappedColumn) -> bool {
    mapped.storage == Storage::Integer { bytes: 8 }
        && mapped.unsigned != Some(false)
        && mapped.name.as_ref().is_none_or(|name| is_hash_name(name))
}

fn is_hash_name(name: &str) -> bool {
    name.strip_prefix(HASH_NAME)
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
}

/// A definition with the hidden columns that the map has, if it can be that of the map.
pub(crate) fn fit(map: &TableMap, listed: &Arc<Vec<CatalogColumn>>, hidden: Hidden) -> Option<Arc<Vec<CatalogColumn>>> {
    let extra = map.columns.get(listed.len()..)?;
    let columns = if extra.is_empty() {
        Arc::clone(listed)
    } else {
        let extra = hidden.columns(extra).filter(|_| map.is_mariadb)?;
        Arc::new(listed.iter().cloned().chain(extra).collect())
    };
    fits(map, &columns).then_some(columns)
}

/// How many columns are left without the hashes at the end; `catalog` is a definition that fits, if one is known.
pub(crate) fn without_hashes(map: &TableMap, catalog: Option<&[CatalogColumn]>) -> usize {
    let is_named = |mapped: &MappedColumn| mapped.name.is_some() && is_hash(mapped);
    let hashes = match catalog {
        Some(columns) => columns.iter().rev().take_while(|column| column.is_hash).count(),
        None if map.is_mariadb => map.columns.iter().rev().take_while(|mapped| is_named(mapped)).count(),
        None => 0,
    };
    map.columns.len().saturating_sub(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binlog::table::schema::Table;

    const INT: Storage = Storage::Integer { bytes: 4 };
    const BIGINT: Storage = Storage::Integer { bytes: 8 };
    const MOMENT: Storage = Storage::Timestamp { fraction_digits: 6 };

    fn map(storages: &[Storage], names: Option<&[&str]>) -> TableMap {
        let column = |(at, storage): (usize, &Storage)| MappedColumn {
            type_code: 0,
            storage: *storage,
            nullable: *storage != MOMENT,
            unsigned: None,
            collation: None,
            name: names.map(|names| names[at].to_owned()),
            members: None,
            visible: None,
            geometry_type: None,
        };
        let columns = storages.iter().enumerate().map(column).collect();
        TableMap { columns, is_mariadb: true, primary_key: Some(vec![0]), ..TableMap::default() }
    }

    fn listed(columns: &[(&str, &str)]) -> Arc<Vec<CatalogColumn>> {
        let column = |(name, data_type): &(&str, &str)| CatalogColumn {
            name: (*name).to_owned(),
            data_type: (*data_type).to_owned(),
            ..CatalogColumn::default()
        };
        Arc::new(columns.iter().map(column).collect())
    }

    fn shown(map: &TableMap, catalog: Option<&[CatalogColumn]>) -> String {
        let table = Table::resolve(&Arc::new(map.clone()), catalog);
        assert_eq!(table.map.columns.len(), map.columns.len());
        table.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn what_is_not_listed_is_named_or_left_out() {
        let a = listed(&[("a", "int")]);
        let (none, one) = (Hidden::default(), Hidden { hashes: 1, ..Hidden::default() });
        let versioned = Hidden { versioned: true, hashes: 0 };
        let both = Hidden { versioned: true, hashes: 1 };
        for (storages, hidden, expected) in [
            (&[INT][..], none, Some("a")),
            (&[INT], both, Some("a")),
            (&[INT, BIGINT], one, Some("a")),
            (&[INT, MOMENT, MOMENT], versioned, Some("a,row_start,row_end")),
            (&[INT, MOMENT, MOMENT, BIGINT], both, Some("a,row_start,row_end")),
            (&[INT, BIGINT], versioned, None),
            (&[INT, BIGINT, BIGINT], one, None),
            (&[INT, MOMENT, MOMENT], one, None),
            (&[INT, MOMENT], both, None),
            (&[INT, MOMENT, BIGINT], both, None),
            (&[INT, BIGINT, MOMENT, MOMENT], both, None),
            (&[INT, INT], one, None),
            (&[BIGINT, BIGINT], one, None),
            (&[], both, None),
        ] {
            let found = fit(&map(storages, None), &a, hidden);
            let found = found.map(|columns| shown(&map(storages, None), Some(&columns)));
            assert_eq!(found.as_deref(), expected, "{storages:?} {hidden:?}");
        }
        let mut other = map(&[INT, BIGINT], None);
        other.columns[1].unsigned = Some(false);
        assert_eq!(fit(&other, &a, both), None);
        let mut other = map(&[INT, MOMENT, MOMENT], None);
        other.columns[2].nullable = true;
        assert_eq!(fit(&other, &a, both), None);
        let other = TableMap { is_mariadb: false, ..map(&[INT, BIGINT], None) };
        assert_eq!(fit(&other, &a, both), None);
    }

    #[test]
    fn names_in_the_map_count() {
        let named = map(&[INT, MOMENT, MOMENT, BIGINT], Some(&["a", "row_start", "row_end", "DB_ROW_HASH_2"]));
        assert_eq!(shown(&named, None), "a,row_start,row_end");
        let both = Hidden { versioned: true, hashes: 1 };
        let a = listed(&[("a", "int")]);
        assert_eq!(shown(&named, fit(&named, &a, both).as_deref().map(Vec::as_slice)), "a,row_start,row_end");
        for wrong in [["a", "row_start", "row_end", "b"], ["a", "row_begin", "row_end", "DB_ROW_HASH_1"]] {
            assert_eq!(fit(&map(&[INT, MOMENT, MOMENT, BIGINT], Some(&wrong)), &a, both), None);
        }
        // Only at the end, only with a number, only where they may be hashes, only of MariaDB; and not where the catalogue lists them.
        for names in [["a", "DB_ROW_HASH_1", "b"], ["a", "b", "DB_ROW_HASH_"], ["a", "b", "DB_ROW_HASH_x"]] {
            assert_eq!(shown(&map(&[INT, BIGINT, BIGINT], Some(&names)), None), names.join(","));
        }
        let names = ["a", "DB_ROW_HASH_1"];
        assert_eq!(shown(&map(&[INT, INT], Some(&names)), None), "a,DB_ROW_HASH_1");
        let own = map(&[INT, BIGINT], Some(&names));
        assert_eq!(shown(&own, None), "a");
        let catalog = listed(&[("a", "int"), ("DB_ROW_HASH_1", "bigint")]);
        assert_eq!(shown(&own, Some(&catalog)), "a,DB_ROW_HASH_1");
        assert_eq!(shown(&TableMap { is_mariadb: false, ..own }, None), "a,DB_ROW_HASH_1");
    }
}
