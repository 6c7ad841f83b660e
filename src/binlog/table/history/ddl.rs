//! What a definition's text says: which tables it touches, and how.

use crate::binlog::table::hidden::Hidden;
use crate::binlog::table::history::Statement;
use crate::binlog::table::history::column_type::{ColumnType, collation_charset, column_type};
use crate::binlog::table::history::cursor::Cursor;
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

/// How names of tables are compared (`lower_case_table_names`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Naming {
    /// Names are kept in lower case.
    pub(crate) folds: bool,
}

/// Reads a statement.
pub(crate) fn parse(statement: &Statement<'_>, naming: Naming) -> Ddl {
    let Some(words) = crate::binlog::table::history::words::words(statement.sql, statement.sql_mode) else {
        return Ddl::Anything;
    };
    let is_oracle = statement.sql_mode.is_some_and(|mode| mode & ORACLE != 0);
    let mut parser = Parser { cursor: Cursor::new(&words), database: statement.database, naming, is_oracle };
    let ddl = parser.statement().unwrap_or(Ddl::Anything);
    // Text that is no UTF-8, or a statement that was executed in part.
    if statement.failed || statement.sql.contains(char::REPLACEMENT_CHARACTER) {
        return ddl.unclear();
    }
    ddl
}

/// `MODE_ORACLE` of MariaDB's `sql_mode`.
const ORACLE: u64 = 1 << 9;

/// First words of statements that change no table's columns. Those that change rows are here because of MariaDB's `SET STATEMENT`.
const HARMLESS: [&str; 37] = [
    "GRANT",
    "REVOKE",
    "SET",
    "FLUSH",
    "ANALYZE",
    "OPTIMIZE",
    "REPAIR",
    "CHECK",
    "INSTALL",
    "UNINSTALL",
    "TRUNCATE",
    "COMMENT",
    "RESET",
    "CACHE",
    "LOCK",
    "UNLOCK",
    "USE",
    "SHOW",
    "CHECKSUM",
    "INSERT",
    "UPDATE",
    "DELETE",
    "REPLACE",
    "LOAD",
    "SELECT",
    "WITH",
    "VALUES",
    "CALL",
    "DO",
    "HANDLER",
    "KILL",
    "PURGE",
    "SIGNAL",
    "DEALLOCATE",
    "XA",
    "SAVEPOINT",
    "RELEASE",
];
/// What may be created, altered and dropped without a table's columns changing.
const OTHER_OBJECTS: [&str; 22] = [
    "USER",
    "ROLE",
    "VIEW",
    "PROCEDURE",
    "FUNCTION",
    "TRIGGER",
    "EVENT",
    "SERVER",
    "TABLESPACE",
    "LOGFILE",
    "SPATIAL",
    "PACKAGE",
    "RESOURCE",
    "DEFINER",
    "ALGORITHM",
    "SQL",
    "AGGREGATE",
    "UNDO",
    "INSTANCE",
    "LIBRARY",
    // MySQL's JSON duality views.
    "JSON",
    "MATERIALIZED",
];

pub(crate) struct Parser<'a> {
    pub(crate) cursor: Cursor<'a>,
    database: &'a str,
    naming: Naming,
    is_oracle: bool,
}

impl Parser<'_> {
    fn statement(&mut self) -> Option<Ddl> {
        // A loop: a text that nests these without an end must not take the stack with it.
        loop {
            let Some(first) = self.cursor.word() else {
                return self.cursor.is_empty().then_some(Ddl::Nothing);
            };
            return match first.as_str() {
                "CREATE" => self.create(),
                "ALTER" => self.alter(),
                "DROP" => self.drop(),
                "RENAME" => self.rename(),
                // MariaDB's variables for one statement.
                "SET" if self.cursor.take("STATEMENT") => {
                    while !self.cursor.take("FOR") {
                        if self.cursor.is_empty() {
                            return None;
                        }
                        self.cursor.skip();
                    }
                    continue;
                }
                word if HARMLESS.contains(&word) => Some(Ddl::Nothing),
                _ => None,
            };
        }
    }

    fn create(&mut self) -> Option<Ddl> {
        let or_replace = self.cursor.take("OR") && self.cursor.take("REPLACE");
        if self.cursor.take("TEMPORARY") {
            if !self.cursor.take("TABLE") {
                self.cursor.expect("SEQUENCE")?;
            }
            self.if_not_exists();
            return Some(Ddl::Temporary(self.table()?));
        }
        if self.cursor.take("TABLE") {
            let if_not_exists = self.if_not_exists() && !or_replace;
            let table = self.table()?;
            return Some(self.create_table(&table, if_not_exists).unwrap_or_else(|| Ddl::Unclear(vec![table])));
        }
        if self.cursor.take("DATABASE") || self.cursor.take("SCHEMA") {
            let exists = match self.if_not_exists() {
                true => Exists::Stays,
                false if or_replace => Exists::Goes,
                false => Exists::Fails,
            };
            let name = self.cursor.name()?;
            let database = self.folded(name);
            return Some(Ddl::CreateDatabase { database, exists, charset: self.options_charset()? });
        }
        if self.cursor.take("SEQUENCE") {
            let if_not_exists = self.if_not_exists() && !or_replace;
            let table = self.table()?;
            let body = crate::binlog::table::history::sequence::body(self.cursor.has_word("AS"));
            return Some(Ddl::Create { table, if_not_exists, body });
        }
        self.cursor.take("ONLINE");
        if self.cursor.take("UNIQUE") {
            return Some(self.unique_index().unwrap_or(Ddl::Nothing));
        }
        let _ = self.cursor.take("FULLTEXT") || self.cursor.take("VECTOR");
        if self.cursor.take("INDEX") {
            return Some(Ddl::Nothing);
        }
        self.other_object()
    }

    fn unique_index(&mut self) -> Option<Ddl> {
        self.cursor.expect("INDEX")?;
        self.if_not_exists();
        self.cursor.name()?;
        while !self.cursor.take("ON") {
            if self.cursor.is_empty() {
                return None;
            }
            self.cursor.skip();
        }
        let table = self.table()?;
        Some(Ddl::Alter { table, specs: self.hides().into_iter().collect(), rename: None })
    }

    fn hides(&self) -> Option<Spec> {
        let hidden = self.cursor.hides();
        (!hidden.is_none()).then_some(Spec::Hides(hidden))
    }

    fn other_object(&mut self) -> Option<Ddl> {
        let word = self.cursor.word()?;
        OTHER_OBJECTS.contains(&word.as_str()).then_some(Ddl::Nothing)
    }

    fn create_table(&mut self, table: &TableName, if_not_exists: bool) -> Option<Ddl> {
        let parenthesised = self.cursor.symbol('(');
        if self.cursor.take("LIKE") {
            let like = self.table()?;
            return Some(Ddl::CreateLike { table: table.clone(), if_not_exists, like });
        }
        if !parenthesised {
            return None;
        }
        let mut body = Body::default();
        loop {
            self.element(&mut body)?;
            self.cursor.skip_to_comma();
            if !self.cursor.symbol(',') {
                break;
            }
        }
        if !self.cursor.symbol(')') || self.cursor.has_word("SELECT") || body.columns.is_empty() {
            return None;
        }
        body.charset = self.options_charset()?;
        body.hidden = self.cursor.hides();
        Some(Ddl::Create { table: table.clone(), if_not_exists, body })
    }

    /// A column, or a key.
    fn element(&mut self, body: &mut Body) -> Option<()> {
        if let Some(key) = self.primary_key() {
            body.primary_key = key?;
            return Some(());
        }
        if self.is_other_key() {
            return Some(());
        }
        body.columns.push(self.column()?);
        Some(())
    }

    /// The columns of `[CONSTRAINT [name]] PRIMARY KEY (...)`, if that comes; the inner `None` where they cannot be read.
    pub(crate) fn primary_key(&mut self) -> Option<Option<Vec<String>>> {
        let start = self.cursor.at();
        if self.cursor.take("CONSTRAINT") && !self.cursor.is("PRIMARY") {
            self.cursor.skip();
        }
        if !self.cursor.take("PRIMARY") {
            self.cursor.go_back(start);
            return None;
        }
        self.cursor.take("KEY");
        Some(self.key_columns())
    }

    fn key_columns(&mut self) -> Option<Vec<String>> {
        while !self.cursor.symbol('(') {
            // IF NOT EXISTS, a name, USING BTREE.
            if self.cursor.is_empty() {
                return None;
            }
            self.cursor.skip();
        }
        let mut names = Vec::new();
        loop {
            names.push(self.cursor.name()?);
            self.cursor.skip_to_comma();
            if !self.cursor.symbol(',') {
                return self.cursor.symbol(')').then_some(names);
            }
        }
    }

    /// Whether a key comes that is not the primary one.
    pub(crate) fn is_other_key(&self) -> bool {
        ["CONSTRAINT", "UNIQUE", "INDEX", "KEY", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK"]
            .iter()
            .any(|word| self.cursor.is(word))
            || self.cursor.is("VECTOR") && self.cursor.next_is(&["INDEX", "KEY"])
            || self.cursor.is("PERIOD") && self.cursor.next_is(&["FOR", "IF"])
    }

    pub(crate) fn column(&mut self) -> Option<ColumnDefinition> {
        let name = self.cursor.name()?;
        let (column_type, is_primary_key) = column_type(&mut self.cursor, self.is_oracle)?;
        Some(ColumnDefinition { name, column_type, is_primary_key })
    }

    fn alter(&mut self) -> Option<Ddl> {
        while self.cursor.take("ONLINE") || self.cursor.take("IGNORE") {}
        if self.cursor.take("TABLE") {
            self.if_exists();
            let table = self.table()?;
            return Some(self.alter_table(&table).unwrap_or_else(|| Ddl::Unclear(vec![table])));
        }
        if self.cursor.take("DATABASE") || self.cursor.take("SCHEMA") {
            let option = ["DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "ENCRYPTION", "READ", "COMMENT"];
            let named = !option.iter().any(|word| self.cursor.is(word));
            let name = if named { self.cursor.name()? } else { self.database.to_owned() };
            return Some(Ddl::AlterDatabase { database: self.folded(name), charset: self.options_charset()? });
        }
        if self.cursor.take("SEQUENCE") {
            self.if_exists();
            let sequence = self.table()?;
            // Its type may change.
            return Some(if self.cursor.has_word("AS") { Ddl::Unclear(vec![sequence]) } else { Ddl::Nothing });
        }
        self.other_object()
    }

    fn alter_table(&mut self, table: &TableName) -> Option<Ddl> {
        let (mut specs, mut rename) = (Vec::new(), None);
        while self.cursor.take("WAIT") || self.cursor.take("NOWAIT") {
            let _ = self.cursor.number();
        }
        if let Some(ddl) = self.converted_partition(table) {
            return ddl;
        }
        loop {
            crate::binlog::table::history::alter::spec(self, &mut specs, &mut rename)?;
            self.cursor.skip_to_comma();
            if !self.cursor.symbol(',') {
                break;
            }
        }
        let _ = self.cursor.symbol(';');
        specs.extend(self.hides());
        self.cursor.is_empty().then(|| Ddl::Alter { table: table.clone(), specs, rename })
    }

    /// MariaDB's `CONVERT PARTITION p TO TABLE new` and `CONVERT TABLE old TO PARTITION ...`; the inner `None` where they cannot be read.
    fn converted_partition(&mut self, table: &TableName) -> Option<Option<Ddl>> {
        if !self.cursor.is("CONVERT") || self.cursor.next_is(&["TO"]) {
            return None;
        }
        self.cursor.skip();
        if self.cursor.take("TABLE") {
            return Some(self.table().map(|old| Ddl::Drop(vec![old])));
        }
        while !self.cursor.take("TABLE") {
            if self.cursor.is_empty() {
                return Some(None);
            }
            self.cursor.skip();
        }
        let like = table.clone();
        Some(self.table().map(|table| Ddl::CreateLike { table, if_not_exists: false, like }))
    }

    fn drop(&mut self) -> Option<Ddl> {
        let is_temporary = self.cursor.take("TEMPORARY");
        if self.cursor.take("DATABASE") || self.cursor.take("SCHEMA") {
            self.if_exists();
            let name = self.cursor.name()?;
            return Some(Ddl::DropDatabase(self.folded(name)));
        }
        if self.cursor.take("TABLE") || self.cursor.take("TABLES") || self.cursor.take("SEQUENCE") {
            self.if_exists();
            let mut tables = Vec::new();
            loop {
                tables.push(self.table()?);
                if !self.cursor.symbol(',') {
                    return Some(if is_temporary { Ddl::DropTemporary(tables) } else { Ddl::Drop(tables) });
                }
            }
        }
        let _ = self.cursor.take("ONLINE");
        if self.cursor.take("INDEX") {
            self.if_exists();
            let primary = self.cursor.name()?.eq_ignore_ascii_case("PRIMARY");
            self.cursor.expect("ON")?;
            let table = self.table()?;
            let specs = if primary { vec![Spec::DropPrimaryKey] } else { self.hides().into_iter().collect() };
            return Some(Ddl::Alter { table, specs, rename: None });
        }
        if self.cursor.take("PREPARE") {
            return Some(Ddl::Nothing);
        }
        self.other_object()
    }

    fn rename(&mut self) -> Option<Ddl> {
        if self.cursor.take("USER") {
            return Some(Ddl::Nothing);
        }
        let _ = self.cursor.take("TABLE") || self.cursor.take("TABLES");
        self.if_exists();
        let mut pairs = Vec::new();
        loop {
            let old = self.table()?;
            while self.cursor.take("WAIT") || self.cursor.take("NOWAIT") {
                let _ = self.cursor.number();
            }
            self.cursor.expect("TO")?;
            pairs.push((old, self.table()?));
            if !self.cursor.symbol(',') {
                return Some(Ddl::Rename(pairs));
            }
        }
    }

    fn folded(&self, name: String) -> String {
        if self.naming.folds { name.to_lowercase() } else { name }
    }
}

impl Parser<'_> {
    pub(crate) fn table(&mut self) -> Option<TableName> {
        let first = self.cursor.name()?;
        let (database, table) =
            if self.cursor.symbol('.') { (first, self.cursor.name()?) } else { (self.database.to_owned(), first) };
        Some((self.folded(database), self.folded(table)))
    }

    pub(crate) fn if_exists(&mut self) -> bool {
        self.cursor.take("IF") && self.cursor.take("EXISTS")
    }

    pub(crate) fn if_not_exists(&mut self) -> bool {
        self.cursor.take("IF") && self.cursor.take("NOT") && self.cursor.take("EXISTS")
    }
}

impl Parser<'_> {
    /// The character set among a table's or database's options, if there is one; the outer `None` where a name is missing.
    fn options_charset(&mut self) -> Option<Option<NewCharset>> {
        let (mut charset, mut collation) = (None, None);
        while !self.cursor.is_empty() && !self.cursor.is("PARTITION") {
            if let Some(name) = self.cursor.charset_clause() {
                charset = Some(NewCharset::named(&name));
            } else if self.cursor.take("COLLATE") {
                let _ = self.cursor.symbol('=');
                collation = NewCharset::of_collation(&self.cursor.name_or_text()?);
            } else {
                self.cursor.skip();
            }
        }
        Some(charset.or(collation))
    }
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
    fn unclear(self) -> Self {
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
