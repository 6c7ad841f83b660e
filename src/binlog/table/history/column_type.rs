//! A column's type as it is written in a statement.

use crate::binlog::table::history::cursor::Cursor;
use crate::mysql::charset::Charset;

/// A type, with its synonyms resolved (MySQL's `sql/sql_yacc.yy`, MariaDB's too; rule `type`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ColumnType {
    /// `DATA_TYPE` of the catalogue, before the character set `binary` makes bytes of text. Empty where only the table map can say it.
    pub(crate) data_type: String,
    /// What stands in parentheses: `10,2`.
    pub(crate) parameters: Option<String>,
    pub(crate) unsigned: bool,
    pub(crate) zerofill: bool,
    /// Of an ENUM or SET.
    pub(crate) members: Option<Vec<String>>,
    pub(crate) text: Text,
}

/// A column's character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Text {
    /// It is no text.
    #[default]
    No,
    /// The table's.
    Default,
    Is(Charset),
    /// One that this program does not know.
    Unknown,
}

/// The character set of a collation's name; the inner `None` where it is that of what the clause belongs to. `None` where it is not known.
pub(crate) fn collation_charset(name: &str) -> Option<Option<Charset>> {
    // MariaDB's Unicode 14 collations may be named without a character set.
    if name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("uca1400")) {
        return Some(None);
    }
    let charset = name.split('_').next().unwrap_or(name);
    Charset::from_name(charset).map(Some)
}

/// Reads a type and what follows it; and whether the column is the primary key. Ends before `FIRST`, `AFTER`, a comma, or the table's
/// partitions. `is_oracle`: under MariaDB's `sql_mode=ORACLE`.
pub(crate) fn column_type(cursor: &mut Cursor<'_>, is_oracle: bool) -> Option<(ColumnType, bool)> {
    let mut kind = base(cursor, is_oracle)?;
    let mut is_primary_key = false;
    let (mut charset, mut collation) = (None, None);
    loop {
        if let Some(name) = cursor.charset_clause() {
            charset = Some(Charset::from_name(&name).map_or(Text::Unknown, Text::Is));
        } else if cursor.take("COLLATE") {
            let name = cursor.name_or_text()?;
            collation = match collation_charset(&name) {
                Some(known) => known.map(Text::Is).or(collation),
                None if name.eq_ignore_ascii_case("DEFAULT") => collation,
                None => Some(Text::Unknown),
            };
        } else if cursor.take("UNSIGNED") {
            kind.unsigned = true;
        } else if cursor.take("ZEROFILL") {
            (kind.unsigned, kind.zerofill) = (true, true);
        } else if cursor.take("ASCII") {
            charset = Some(Text::Is(Charset::Latin1));
        } else if cursor.take("UNICODE") {
            charset = Some(Text::Is(Charset::Ucs2));
        } else if cursor.take("BYTE") {
            charset = Some(Text::Is(Charset::Binary));
        } else if cursor.take("PRIMARY") {
            let _ = cursor.take("KEY");
            is_primary_key = true;
        } else if cursor.take("UNIQUE") {
            let _ = cursor.take("KEY");
        } else if cursor.take("KEY") {
            is_primary_key = true;
        } else if VALUED.iter().any(|word| cursor.take(word)) {
            // A value or name may look like one of our keywords; ON DELETE SET DEFAULT has none.
            let _ = cursor.symbol('=');
            if !cursor.skip_group() && !cursor.ends_part() {
                cursor.skip();
            }
        } else if cursor.is("FIRST") || cursor.is("AFTER") || is_partitioning(cursor) || !step(cursor) {
            break;
        }
    }
    if kind.text != Text::No
        && let Some(charset) = charset.or(collation)
    {
        kind.text = charset;
    }
    Some((kind, is_primary_key))
}

/// Attributes that are followed by a value or a name.
const VALUED: [&str; 10] = [
    "DEFAULT",
    "COMMENT",
    "CONSTRAINT",
    "REFERENCES",
    "COLUMN_FORMAT",
    "STORAGE",
    "SET",
    "ENGINE_ATTRIBUTE",
    "SECONDARY_ENGINE_ATTRIBUTE",
    "USING",
];

/// Whether what follows is no longer the column's: `ALTER TABLE t ADD c INT PARTITION BY KEY (c)`.
fn is_partitioning(cursor: &Cursor<'_>) -> bool {
    cursor.is("PARTITION") && cursor.next_is(&["BY"]) || cursor.is("REMOVE") && cursor.next_is(&["PARTITIONING"])
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

fn base(cursor: &mut Cursor<'_>, is_oracle: bool) -> Option<ColumnType> {
    let mut kind = ColumnType::default();
    let mut word = cursor.name()?.to_ascii_uppercase();
    let mut means_itself = !is_oracle;
    // MariaDB's `mariadb_schema.date`, which is a DATE in ORACLE mode too.
    if cursor.symbol('.') {
        means_itself |= word == "MARIADB_SCHEMA";
        word = cursor.name()?.to_ascii_uppercase();
    }
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
        "BIT" => "bit",
        "DATE" if means_itself => "date",
        "TIME" => "time",
        "DATETIME" => "datetime",
        "TIMESTAMP" => "timestamp",
        "YEAR" => "year",
        "CHAR" | "CHARACTER" | "NCHAR" => {
            let varies = cursor.take("VARYING") || cursor.take("VARCHAR") || cursor.take("VARCHARACTER");
            kind.text = if national || word == "NCHAR" { Text::Is(Charset::Utf8mb3) } else { Text::Default };
            if varies { "varchar" } else { "char" }
        }
        "VARCHAR" | "VARCHARACTER" | "NVARCHAR" | "VARCHAR2" => {
            kind.text = if national || word == "NVARCHAR" { Text::Is(Charset::Utf8mb3) } else { Text::Default };
            "varchar"
        }
        "BINARY" => "binary",
        "VARBINARY" | "RAW" => "varbinary",
        "TINYBLOB" => "tinyblob",
        "BLOB" => "blob",
        "MEDIUMBLOB" => "mediumblob",
        "LONGBLOB" => "longblob",
        "LONG" if cursor.take("VARBINARY") => "mediumblob",
        "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "LONG" | "CLOB" => {
            if word == "LONG" {
                let _ = cursor.take("CHAR") && cursor.take("VARYING");
                let _ = cursor.take("VARCHAR") || cursor.take("VARCHARACTER");
            }
            kind.text = Text::Default;
            match word.as_str() {
                "TINYTEXT" => "tinytext",
                "TEXT" => "text",
                "LONGTEXT" | "CLOB" => "longtext",
                _ => "mediumtext",
            }
        }
        "ENUM" | "SET" => {
            let start = cursor.at();
            // Names may be written as numbers or bytes too.
            kind.members = Some(members(cursor).unwrap_or_else(|| {
                cursor.go_back(start);
                cursor.skip_group();
                Vec::new()
            }));
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
        // REAL may be a FLOAT (`REAL_AS_FLOAT`), Oracle's NUMBER and DATE are what their parameters say, plugins have types of their own.
        _ => "",
    };
    kind.data_type = data_type.into();
    let start = cursor.at();
    if cursor.symbol('(') {
        kind.parameters = parameters(cursor);
        if kind.parameters.is_none() || data_type.is_empty() {
            kind.parameters = None;
            cursor.go_back(start);
            cursor.skip_group();
        }
    }
    let precision = kind.parameters.as_deref().and_then(|text| text.parse::<u32>().ok());
    match data_type {
        "float" if precision.is_some() => {
            // FLOAT(p): a number of bits.
            kind.data_type = if precision > Some(24) { "double".into() } else { "float".into() };
            kind.parameters = None;
        }
        // TEXT(n) is the smallest that holds this many characters, which depends on the character set: for a fit they are all the same.
        "blob" | "text" => kind.parameters = None,
        // Too long for its type, which makes it another one unless the mode is strict.
        "char" | "binary" if precision > Some(255) => kind.data_type.clear(),
        "varchar" | "varbinary" if precision > Some(65_535) => kind.data_type.clear(),
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
