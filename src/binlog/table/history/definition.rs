//! Statements that change definitions, as far as tables' columns go.

use crate::binlog::table::hidden::Hidden;
use crate::binlog::table::history::column_type::{ColumnType, collation_charset};
use crate::mysql::charset::Charset;

/// A table's database and name.
pub(crate) type TableName = (String, String);

/// A statement that changes definitions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ddl {
    /// No table's columns change.
    Nothing,
    /// A new table.
    Create { table: TableName, if_not_exists: bool, body: Body },
    /// A new table like another one.
    CreateLike { table: TableName, if_not_exists: bool, like: TableName },
    /// Changes to a table's columns, and its new name.
    Alter { table: TableName, specs: Vec<Spec>, rename: Option<TableName> },
    /// Old and new names, one after the other.
    Rename(Vec<(TableName, TableName)>),
    /// Tables go away.
    Drop(Vec<TableName>),
    /// A new database; what its default is, where the text says so.
    CreateDatabase { database: String, exists: Exists, charset: Option<NewCharset> },
    /// A database's default.
    AlterDatabase { database: String, charset: Option<NewCharset> },
    /// A database goes away with all its tables.
    DropDatabase(String),
    /// A table of one session hides another one of that name.
    Temporary(TableName),
    /// Such tables go away.
    DropTemporary(Vec<TableName>),
    /// These tables change, and nobody knows how.
    Unclear(Vec<TableName>),
    /// Anything may have changed.
    Anything,
}

/// What CREATE does with what is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exists {
    /// It is an error.
    Fails,
    /// `IF NOT EXISTS`
    Stays,
    /// `OR REPLACE`
    Goes,
}

/// The default character set that a clause names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewCharset {
    Is(Charset),
    /// `DEFAULT`
    OfDatabase,
    /// One that this program does not know: that is no reason to lose the columns' names.
    Unknown,
}

/// The parentheses of CREATE TABLE and what follows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Body {
    pub(crate) columns: Vec<ColumnDefinition>,
    pub(crate) primary_key: Vec<String>,
    /// `None` where the text does not say it.
    pub(crate) charset: Option<NewCharset>,
    pub(crate) hidden: Hidden,
}

/// A column as it is written in a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    pub(crate) is_primary_key: bool,
}

/// Where a column is put.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    /// At the end, or where it was.
    Unsaid,
    First,
    After(String),
}

/// One part of an ALTER TABLE.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Spec {
    Add {
        column: ColumnDefinition,
        place: Place,
        if_not_exists: bool,
    },
    /// MODIFY is a CHANGE without a new name.
    Change {
        old: String,
        column: ColumnDefinition,
        place: Place,
        if_exists: bool,
    },
    RenameColumn {
        old: String,
        new: String,
        if_exists: bool,
    },
    Drop {
        name: String,
        if_exists: bool,
    },
    AddPrimaryKey(Vec<String>),
    DropPrimaryKey,
    /// The table's default, for columns to come.
    Charset(NewCharset),
    /// `CONVERT TO`
    Convert(NewCharset),
    /// Columns that MariaDB's catalogue does not list may come with this, or go.
    Hides(Hidden),
}

impl NewCharset {
    pub(crate) fn named(name: &str) -> Self {
        if name.eq_ignore_ascii_case("DEFAULT") {
            return Self::OfDatabase;
        }
        Charset::from_name(name).map_or(Self::Unknown, Self::Is)
    }

    /// `None` where the collation leaves the character set as it is.
    pub(crate) fn of_collation(name: &str) -> Option<Self> {
        match collation_charset(name) {
            Some(known) => known.map(Self::Is),
            None => Some(Self::named(name)),
        }
    }

    /// The character set, where it is known; `database` is the database's.
    pub(crate) fn resolved(self, database: Option<Charset>) -> Option<Charset> {
        match self {
            Self::Is(charset) => Some(charset),
            Self::OfDatabase => database,
            Self::Unknown => None,
        }
    }
}

impl Ddl {
    /// The same tables, but nobody knows what becomes of them.
    pub(crate) fn unclear(self) -> Self {
        let tables = match self {
            Self::Nothing => return Self::Nothing,
            Self::Create { table, .. } | Self::CreateLike { table, .. } | Self::Temporary(table) => vec![table],
            Self::DropTemporary(tables) => tables,
            Self::Alter { table, rename, .. } => std::iter::once(table).chain(rename).collect(),
            Self::Rename(pairs) => pairs.into_iter().flat_map(|(old, new)| [old, new]).collect(),
            Self::Drop(tables) | Self::Unclear(tables) => tables,
            Self::CreateDatabase { .. } | Self::AlterDatabase { .. } | Self::DropDatabase(_) | Self::Anything => {
                return Self::Anything;
            }
        };
        if tables.iter().any(|(database, table)| {
            database.contains(char::REPLACEMENT_CHARACTER) || table.contains(char::REPLACEMENT_CHARACTER)
        }) {
            return Self::Anything;
        }
        Self::Unclear(tables)
    }
}
