//! A column's type as it is written in a statement.

use super::cursor::Cursor;
use crate::binlog::charset::Charset;

/// A type, with its synonyms resolved (MySQL's `sql/sql_yacc.yy`, MariaDB's too; rule `type`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ColumnType {
    /// `DATA_TYPE` of the catalogue, before the character set `binary` makes bytes of text.
    pub(super) data_type: String,
    /// What stands in parentheses: `10,2`.
    pub(super) parameters: Option<String>,
    pub(super) unsigned: bool,
    pub(super) zerofill: bool,
    /// Of an ENUM or SET.
    pub(super) members: Option<Vec<String>>,
    pub(super) text: Text,
}

/// A column's character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Text {
    /// It is no text.
    #[default]
    No,
    /// The table's.
    Default,
    Is(Charset),
}

/// The character set of a collation's name; the inner `None` where it is that of what the clause belongs to. `None` where it is not known.
pub(super) fn collation_charset(name: &str) -> Option<Option<Charset>> {
    // MariaDB's Unicode 14 collations may be named without a character set.
    if name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("uca1400")) {
        return Some(None);
    }
    let charset = name.split('_').next().unwrap_or(name);
    Charset::from_name(charset).map(Some)
}

/// Reads a type and what follows it; and whether the column is the primary key. Ends before `FIRST`, `AFTER` or a comma.
pub(super) fn column_type(cursor: &mut Cursor<'_>) -> Option<(ColumnType, bool)> {
    let mut kind = base(cursor)?;
    let mut is_primary_key = false;
    let (mut charset, mut collation) = (None, None);
    loop {
        if let Some(name) = cursor.charset_clause() {
            charset = Some(Charset::from_name(&name)?);
        } else if cursor.take("COLLATE") {
            collation = collation_charset(&cursor.name_or_text()?)?.or(collation);
        } else if cursor.take("UNSIGNED") {
            kind.unsigned = true;
        } else if cursor.take("ZEROFILL") {
            (kind.unsigned, kind.zerofill) = (true, true);
        } else if cursor.take("ASCII") {
            charset = Some(Charset::Latin1);
        } else if cursor.take("UNICODE") {
            charset = Some(Charset::Ucs2);
        } else if cursor.take("BYTE") {
            charset = Some(Charset::Binary);
        } else if cursor.take("PRIMARY") {
            let _ = cursor.take("KEY");
            is_primary_key = true;
        } else if cursor.take("UNIQUE") {
            let _ = cursor.take("KEY");
        } else if cursor.take("KEY") {
            is_primary_key = true;
        } else if cursor.take("DEFAULT")
            || cursor.take("COMMENT")
            || cursor.take("CONSTRAINT")
            || cursor.take("REFERENCES")
        {
            // A value or name may look like one of our keywords.
            if !cursor.skip_group() {
                cursor.skip();
            }
        } else if cursor.is("FIRST") || cursor.is("AFTER") || !step(cursor) {
            break;
        }
    }
    if kind.text != Text::No
        && let Some(charset) = charset.or(collation)
    {
        kind.text = Text::Is(charset);
    }
    Some((kind, is_primary_key))
}

/// Steps over something that does not matter; false at the end of the column.
fn step(cursor: &mut Cursor<'_>) -> bool {
    if cursor.skip_group() {
        return true;
    }
    let mut ahead = cursor.clone();
    if ahead.is_empty() || ahead.symbol(',') || ahead.symbol(')') || ahead.symbol(';') {
        return false;
    }
    cursor.skip();
    true
}

fn base(cursor: &mut Cursor<'_>) -> Option<ColumnType> {
    let word = cursor.word()?;
    let mut kind = ColumnType::default();
    let national = word == "NATIONAL";
    let word = if national { cursor.word()? } else { word };
    let data_type = match word.as_str() {
        "TINYINT" | "INT1" => "tinyint",
        "BOOL" | "BOOLEAN" => {
            kind.parameters = Some("1".into());
            "tinyint"
        }
        "SMALLINT" | "INT2" => "smallint",
        "MEDIUMINT" | "INT3" | "MIDDLEINT" => "mediumint",
        "INT" | "INTEGER" | "INT4" => "int",
        "BIGINT" | "INT8" => "bigint",
        "SERIAL" => {
            kind.unsigned = true;
            "bigint"
        }
        "DECIMAL" | "DEC" | "NUMERIC" | "FIXED" => "decimal",
        "FLOAT" | "FLOAT4" => "float",
        "DOUBLE" | "FLOAT8" => {
            let _ = cursor.take("PRECISION");
            "double"
        }
        "REAL" => "double",
        "BIT" => "bit",
        "DATE" => "date",
        "TIME" => "time",
        "DATETIME" => "datetime",
        "TIMESTAMP" => "timestamp",
        "YEAR" => "year",
        "CHAR" | "CHARACTER" | "NCHAR" => {
            let varies = cursor.take("VARYING") || cursor.take("VARCHAR") || cursor.take("VARCHARACTER");
            kind.text = if national || word == "NCHAR" { Text::Is(Charset::Utf8mb3) } else { Text::Default };
            if varies { "varchar" } else { "char" }
        }
        "VARCHAR" | "VARCHARACTER" | "NVARCHAR" => {
            kind.text = if national || word == "NVARCHAR" { Text::Is(Charset::Utf8mb3) } else { Text::Default };
            "varchar"
        }
        "BINARY" => "binary",
        "VARBINARY" => "varbinary",
        "TINYBLOB" => "tinyblob",
        "BLOB" => "blob",
        "MEDIUMBLOB" => "mediumblob",
        "LONGBLOB" => "longblob",
        "LONG" if cursor.take("VARBINARY") => "mediumblob",
        "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "LONG" => {
            if word == "LONG" {
                let _ = cursor.take("CHAR") && cursor.take("VARYING");
                let _ = cursor.take("VARCHAR") || cursor.take("VARCHARACTER");
            }
            kind.text = Text::Default;
            match word.as_str() {
                "TINYTEXT" => "tinytext",
                "TEXT" => "text",
                "LONGTEXT" => "longtext",
                _ => "mediumtext",
            }
        }
        "ENUM" | "SET" => {
            kind.members = Some(members(cursor)?);
            kind.text = Text::Default;
            kind.data_type = word.to_ascii_lowercase();
            return Some(kind);
        }
        "JSON" => "json",
        "GEOMETRY" => "geometry",
        "POINT" => "point",
        "LINESTRING" => "linestring",
        "POLYGON" => "polygon",
        "MULTIPOINT" => "multipoint",
        "MULTILINESTRING" => "multilinestring",
        "MULTIPOLYGON" => "multipolygon",
        "GEOMETRYCOLLECTION" | "GEOMCOLLECTION" => "geometrycollection",
        "VECTOR" => "vector",
        "UUID" => "uuid",
        "INET4" => "inet4",
        "INET6" => "inet6",
        // Oracle's names in MariaDB, plugins' types.
        _ => return None,
    };
    kind.data_type = data_type.into();
    if cursor.symbol('(') {
        kind.parameters = Some(parameters(cursor)?);
    }
    let precision = kind.parameters.as_deref().and_then(|text| text.parse::<u32>().ok());
    match data_type {
        "float" if precision.is_some() => {
            // FLOAT(p): a number of bits.
            kind.data_type = if precision > Some(24) { "double".into() } else { "float".into() };
            kind.parameters = None;
        }
        // TEXT(n) is the smallest that holds so many characters, which depends on the character set.
        "blob" | "text" if precision.is_some() => return None,
        _ => {}
    }
    Some(kind)
}

/// Numbers up to the closing parenthesis.
fn parameters(cursor: &mut Cursor<'_>) -> Option<String> {
    let mut text = cursor.number()?.to_string();
    while cursor.symbol(',') {
        text.push(',');
        text.push_str(&cursor.number()?.to_string());
    }
    cursor.symbol(')').then_some(text)
}

/// The names of an ENUM or SET. Spaces at their ends do not count.
fn members(cursor: &mut Cursor<'_>) -> Option<Vec<String>> {
    if !cursor.symbol('(') {
        return None;
    }
    let mut names = Vec::new();
    loop {
        names.push(cursor.text()?.trim_end_matches(' ').to_owned());
        if !cursor.symbol(',') {
            return cursor.symbol(')').then_some(names);
        }
    }
}
