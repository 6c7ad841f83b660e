//! What a statement makes of a table: forwards, and backwards where that is exact.
//!
//! Source: MySQL's and MariaDB's `sql/sql_table.cc`, mysql_prepare_alter_table: which columns stay, change, move and come.

use serde::{Deserialize, Serialize};

use crate::binlog::table::catalog::CatalogColumn;
use crate::binlog::table::hidden::Hidden;
use crate::binlog::table::history::column_type::{ColumnType, Text};
use crate::binlog::table::history::definition::{Body, ColumnDefinition, NewCharset, Place, Spec};
use crate::mysql::charset::Charset;

/// A table's columns, and its default character set where that is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TableSchema {
    /// The columns, in the order of the row images.
    pub columns: Vec<CatalogColumn>,
    /// What columns to come have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    /// What MariaDB's row images may have after the columns.
    #[serde(default, skip_serializing_if = "Hidden::is_none")]
    pub hidden: Hidden,
}

/// What a definition's meaning depends on beside its text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Surroundings {
    pub(crate) is_mariadb: bool,
    /// The database's default, where it is known.
    pub(crate) database: Option<Charset>,
    /// Going backwards: whether columns that were added IF NOT EXISTS were not there.
    pub(crate) assumes_added: bool,
}

impl Body {
    /// Whether the table takes the database's default.
    pub(crate) fn needs_default(&self) -> bool {
        matches!(self.charset, None | Some(NewCharset::OfDatabase))
    }
}

/// The table that CREATE TABLE makes.
pub(crate) fn create(body: &Body, around: Surroundings) -> Option<TableSchema> {
    let charset = body.charset.unwrap_or(NewCharset::OfDatabase).resolved(around.database);
    let mut columns: Vec<_> = body.columns.iter().map(|column| resolve(column, charset, around.is_mariadb)).collect();
    if !body.primary_key.is_empty() {
        set_primary_key(&mut columns, &body.primary_key);
    } else if let Some(at) = body.columns.iter().position(|column| column.is_primary_key) {
        columns.get_mut(at)?.primary_key_place = Some(1);
    }
    let hidden = if around.is_mariadb { body.hidden } else { Hidden::default() };
    Some(TableSchema { columns, charset: charset.map(|charset| charset.name().to_owned()), hidden })
}

/// No table has more columns (`MAX_FIELDS`), and no statement that a server has executed says more of them than this. Work grows with
/// the square of it.
const MOST_SPECS: usize = 4096;

/// The table after an ALTER TABLE; `None` where that is not sure.
pub(crate) fn alter(before: &TableSchema, specs: &[Spec], around: Surroundings) -> Option<TableSchema> {
    if specs.len() > MOST_SPECS {
        return None;
    }
    let mut charset = before.charset.as_deref().and_then(Charset::from_name);
    // The default that is set counts for columns that come by the same statement.
    for spec in specs {
        match spec {
            Spec::Charset(new) | Spec::Convert(new) => charset = new.resolved(around.database),
            _ => {}
        }
    }
    let find = |name: &str| before.columns.iter().any(|column| is_same(&column.name, name));
    let mut columns = Vec::new();
    let mut moved: Vec<(CatalogColumn, &Place)> = Vec::new();
    let converts = specs.iter().any(|spec| matches!(spec, Spec::Convert(_)));
    for old in &before.columns {
        let mut kept = old.clone();
        if converts {
            convert(&mut kept, charset, around.is_mariadb);
        }
        let mut stays = true;
        for spec in specs {
            match spec {
                Spec::Drop { name, .. } if is_same(name, &old.name) => stays = false,
                Spec::RenameColumn { old: name, new, .. } if is_same(name, &old.name) => kept.name.clone_from(new),
                Spec::Change { old: name, column, place, .. } if is_same(name, &old.name) => {
                    let primary_key_place = kept.primary_key_place;
                    kept = CatalogColumn { primary_key_place, ..resolve(column, charset, around.is_mariadb) };
                    if *place != Place::Unsaid {
                        stays = false;
                        moved.push((kept.clone(), place));
                    }
                }
                _ => {}
            }
        }
        if stays {
            columns.push(kept);
        }
    }
    for spec in specs {
        match spec {
            Spec::Add { column, place, if_not_exists } => {
                if find(&column.name) && *if_not_exists {
                    continue;
                }
                insert(&mut columns, resolve(column, charset, around.is_mariadb), place)?;
            }
            Spec::Change { old, column, place, if_exists } => {
                if !find(old) {
                    if *if_exists {
                        continue;
                    }
                    return None;
                }
                if *place != Place::Unsaid {
                    let at = moved.iter().position(|(moved, _)| is_same(&moved.name, &column.name))?;
                    let (column, place) = moved.remove(at);
                    insert(&mut columns, column, place)?;
                }
            }
            Spec::RenameColumn { old: name, if_exists: false, .. } | Spec::Drop { name, if_exists: false }
                if !find(name) =>
            {
                return None;
            }
            Spec::DropPrimaryKey => columns.iter_mut().for_each(|column| column.primary_key_place = None),
            _ => {}
        }
    }
    for spec in specs {
        match spec {
            Spec::AddPrimaryKey(names) => set_primary_key(&mut columns, names),
            Spec::Add { column, .. } | Spec::Change { column, .. } if column.is_primary_key => {
                set_primary_key(&mut columns, std::slice::from_ref(&column.name));
            }
            _ => {}
        }
    }
    close_key(&mut columns);
    let has_twins = columns
        .iter()
        .enumerate()
        .any(|(at, column)| columns.iter().skip(at + 1).any(|other| is_same(&column.name, &other.name)));
    if has_twins || columns.is_empty() {
        return None;
    }
    let hidden = hidden_by(before.hidden, specs, around);
    Some(TableSchema { columns, charset: charset.map(|charset| charset.name().to_owned()), hidden })
}

/// Which columns may be hidden on the other side of a statement, forwards or backwards.
fn hidden_by(known: Hidden, specs: &[Spec], around: Surroundings) -> Hidden {
    let of = |spec: &Spec| match spec {
        Spec::Hides(more) if around.is_mariadb => *more,
        _ => Hidden::default(),
    };
    specs.iter().fold(known, |hidden, spec| hidden.and(of(spec)))
}

/// The table before an ALTER TABLE; `None` where that cannot be known.
///
/// Columns whose former type is not known have an empty `data_type`: see [`fill`]. A primary key that was dropped is not known: then
/// no column is said to be of one.
pub(crate) fn unalter(after: &TableSchema, specs: &[Spec], around: Surroundings) -> Option<TableSchema> {
    let mut before = TableSchema { hidden: hidden_by(after.hidden, specs, around), ..after.clone() };
    for spec in specs {
        match spec {
            Spec::Add { column, if_not_exists, .. } => {
                let at = position(&before, &column.name)?;
                if !if_not_exists || around.assumes_added {
                    before.columns.remove(at);
                }
            }
            // Where it was before it moved is not known, nor what has gone.
            Spec::Change { place: Place::First | Place::After(_), .. } | Spec::Drop { .. } => return None,
            // Of no effect where the column is not there. Under its new name it may have been there before.
            Spec::Change { if_exists: true, old, column, .. } if is_same(old, &column.name) => {}
            Spec::Change { if_exists: true, .. } | Spec::RenameColumn { if_exists: true, .. } => return None,
            Spec::Change { .. } | Spec::RenameColumn { .. } => {}
            Spec::AddPrimaryKey(_) | Spec::DropPrimaryKey => {
                before.columns.iter_mut().for_each(|column| column.primary_key_place = None);
            }
            Spec::Charset(_) => before.charset = None,
            Spec::Hides(_) => {}
            Spec::Convert(_) => {
                before.columns.iter_mut().filter(|column| column.is_string()).for_each(unconvert);
                before.charset = None;
            }
        }
    }
    // All at once: names may be swapped.
    let mut renamed = before.columns.clone();
    for spec in specs {
        let (old, new) = match spec {
            Spec::RenameColumn { old, new, .. } => (old, new),
            Spec::Change { old, column, .. } => (old, &column.name),
            _ => continue,
        };
        if matches!(spec, Spec::Change { if_exists: true, .. }) && position(&before, new).is_none() {
            continue;
        }
        let column = renamed.get_mut(position(&before, new)?)?;
        column.name.clone_from(old);
        if let Spec::Change { column: definition, .. } = spec {
            if definition.is_primary_key {
                return None;
            }
            *column = CatalogColumn {
                name: column.name.clone(),
                primary_key_place: column.primary_key_place,
                ..CatalogColumn::default()
            };
        }
    }
    before.columns = renamed;
    close_key(&mut before.columns);
    // The statement must lead from there to here.
    let again = alter(&before, specs, Surroundings { database: around.database, ..around })?;
    let is_same_table = again.columns.len() == after.columns.len()
        && again.columns.iter().zip(&after.columns).all(|(again, after)| {
            is_same(&again.name, &after.name) && is_same_type(&again.data_type, &after.data_type)
        });
    is_same_table.then_some(before)
}

/// Whether two types may be the same one: of a BLOB or TEXT the statement does not surely say the size, and of some nothing.
fn is_same_type(a: &str, b: &str) -> bool {
    let both = |end: &str| a.ends_with(end) && b.ends_with(end);
    a.is_empty() || b.is_empty() || a == b || both("text") || both("blob")
}

/// What a column of strings was before CONVERT TO CHARACTER SET: the names of an ENUM stay, all else only the table map knows.
fn unconvert(column: &mut CatalogColumn) {
    column.charset = None;
    if !matches!(column.data_type.as_str(), "enum" | "set") {
        column.data_type.clear();
        column.column_type.clear();
    }
}

fn position(schema: &TableSchema, name: &str) -> Option<usize> {
    schema.columns.iter().position(|column| is_same(&column.name, name))
}

/// Names of columns are the same in whatever case.
fn is_same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || a.to_lowercase() == b.to_lowercase()
}

fn insert(columns: &mut Vec<CatalogColumn>, column: CatalogColumn, place: &Place) -> Option<()> {
    let at = match place {
        Place::Unsaid => columns.len(),
        Place::First => 0,
        Place::After(name) => columns.iter().position(|column| is_same(&column.name, name))? + 1,
    };
    columns.insert(at, column);
    Some(())
}

fn set_primary_key(columns: &mut [CatalogColumn], names: &[String]) {
    for column in columns {
        column.primary_key_place = names.iter().position(|name| is_same(name, &column.name)).map(|place| place + 1);
    }
}

/// Numbers the key's columns from 1 on again, after some have gone.
fn close_key(columns: &mut [CatalogColumn]) {
    let mut places: Vec<usize> = columns.iter().filter_map(|column| column.primary_key_place).collect();
    places.sort_unstable();
    for column in columns {
        column.primary_key_place =
            column.primary_key_place.and_then(|place| places.iter().position(|known| *known == place)).map(|at| at + 1);
    }
}

/// A column as the catalogue would show it; text without a character set where that is not known.
fn resolve(column: &ColumnDefinition, default: Option<Charset>, is_mariadb: bool) -> CatalogColumn {
    let kind = &column.column_type;
    let charset = match kind.text {
        Text::No | Text::Unknown => None,
        Text::Default => default,
        Text::Is(charset) => Some(charset),
    };
    let mut data_type = kind.data_type.as_str();
    let mut charset = charset.map(|charset| charset.name().to_owned());
    if charset.as_deref() == Some("binary") && kind.members.is_none() {
        data_type = binary_type(data_type);
        charset = None;
    }
    match data_type {
        "json" if is_mariadb => {
            data_type = "longtext";
            charset = Some("utf8mb4".into());
        }
        "geometrycollection" if !is_mariadb => data_type = "geomcollection",
        _ => {}
    }
    CatalogColumn {
        name: column.name.clone(),
        data_type: data_type.to_owned(),
        column_type: column_type(kind, data_type, is_mariadb),
        charset,
        members: kind.members.clone(),
        ..CatalogColumn::default()
    }
}

/// What the character set `binary` makes of text.
fn binary_type(data_type: &str) -> &str {
    match data_type {
        "char" => "binary",
        "varchar" => "varbinary",
        "tinytext" => "tinyblob",
        "text" => "blob",
        "mediumtext" => "mediumblob",
        "longtext" => "longblob",
        other => other,
    }
}

/// `COLUMN_TYPE` as the server would show it.
fn column_type(kind: &ColumnType, data_type: &str, is_mariadb: bool) -> String {
    if let Some(members) = &kind.members {
        let quoted: Vec<_> = members.iter().map(|name| format!("'{}'", name.replace('\'', "''"))).collect();
        return format!("{data_type}({})", quoted.join(","));
    }
    let is_integer = data_type.ends_with("int");
    let given = kind.parameters.as_deref();
    let width = match (data_type, given, kind.unsigned) {
        // MySQL shows the width of integers no more, except where it says BOOL.
        ("tinyint", Some("1"), false) => Some("1"),
        (_, given, _) if is_integer && !is_mariadb && !kind.zerofill => given.filter(|_| false),
        (_, Some(given), _) => Some(given),
        ("tinyint", None, false) => Some("4").filter(|_| is_mariadb),
        ("tinyint", None, true) => Some("3").filter(|_| is_mariadb),
        ("smallint", None, false) => Some("6").filter(|_| is_mariadb),
        ("smallint", None, true) => Some("5").filter(|_| is_mariadb),
        ("mediumint", None, false) => Some("9").filter(|_| is_mariadb),
        ("mediumint", None, true) => Some("8").filter(|_| is_mariadb),
        ("int", None, false) => Some("11").filter(|_| is_mariadb),
        ("int", None, true) => Some("10").filter(|_| is_mariadb),
        ("bigint", None, _) => Some("20").filter(|_| is_mariadb),
        ("decimal", None, _) => Some("10,0"),
        ("bit" | "char" | "binary", None, _) => Some("1"),
        ("year", None, _) => Some("4").filter(|_| is_mariadb),
        _ => None,
    };
    let mut text = match (data_type, width) {
        ("decimal", Some(width)) if !width.contains(',') => format!("decimal({width},0)"),
        // A fraction of no digits is not shown.
        ("time" | "datetime" | "timestamp", Some("0")) => data_type.to_owned(),
        (_, Some(width)) => format!("{data_type}({width})"),
        (_, None) => data_type.to_owned(),
    };
    if kind.unsigned {
        text.push_str(" unsigned");
    }
    if kind.zerofill {
        text.push_str(" zerofill");
    }
    text
}

/// CONVERT TO CHARACTER SET: texts that would not hold as many characters as before become longer types. Where it is not known whether
/// they would, their size is left: it makes no difference to how values are stored in a row image. `None` is a character set that is not known.
fn convert(column: &mut CatalogColumn, charset: Option<Charset>, is_mariadb: bool) {
    if column.charset.is_none() && !column.is_text() {
        return;
    }
    let Some(charset) = charset else {
        column.charset = None;
        return;
    };
    let old = column.charset.as_deref().and_then(Charset::from_name);
    // A column of JSON keeps its own.
    if is_mariadb && column.data_type == "longtext" && old == Some(charset) {
        return;
    }
    if old.is_some_and(|old| charset.max_bytes_per_char() > old.max_bytes_per_char()) {
        let longer = match column.data_type.as_str() {
            "tinytext" => "text",
            "text" => "mediumtext",
            "mediumtext" => "longtext",
            _ => "",
        };
        if !longer.is_empty() {
            column.data_type = longer.into();
            column.column_type = longer.into();
        }
    }
    if charset.is_binary() && column.members.is_none() && !matches!(column.data_type.as_str(), "enum" | "set") {
        let binary = binary_type(&column.data_type).to_owned();
        column.column_type = column.column_type.replacen(&column.data_type, &binary, 1);
        column.data_type = binary;
        column.charset = None;
        return;
    }
    column.charset = Some(charset.name().to_owned());
}
