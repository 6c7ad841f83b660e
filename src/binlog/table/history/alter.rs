//! ALTER: the statement and the parts of an ALTER TABLE.

use crate::binlog::table::history::definition::{Ddl, NewCharset, Place, Spec, TableName};
use crate::binlog::table::history::parser::Parser;

/// What begins options that may stand without `=`, and parts that change no column.
const HARMLESS: [&str; 49] = [
    "ALGORITHM",
    "AUTO_INCREMENT",
    "AVG_ROW_LENGTH",
    "CHECKSUM",
    "COMMENT",
    "COMPRESSION",
    "CONNECTION",
    "DATA",
    "DELAY_KEY_WRITE",
    "DISABLE",
    "ENABLE",
    "ENCRYPTION",
    "ENGINE",
    "ENGINE_ATTRIBUTE",
    "FORCE",
    "INDEX",
    "INSERT_METHOD",
    "KEY_BLOCK_SIZE",
    "LOCK",
    "MAX_ROWS",
    "MIN_ROWS",
    "PACK_KEYS",
    "PAGE_CHECKSUM",
    "PASSWORD",
    "REMOVE",
    "ROW_FORMAT",
    "SEQUENCE",
    "STATS_AUTO_RECALC",
    "STATS_PERSISTENT",
    "STATS_SAMPLE_PAGES",
    "STORAGE",
    "TABLESPACE",
    "TABLE_CHECKSUM",
    "TRANSACTIONAL",
    "TYPE",
    "UNION",
    "WITH",
    "WITHOUT",
    // What MariaDB's engines call theirs; others have a `=`.
    "ENCRYPTED",
    "ENCRYPTION_KEY_ID",
    "IETF_QUOTES",
    "ITEF_QUOTES",
    "PAGE_COMPRESSED",
    "PAGE_COMPRESSION_LEVEL",
    "VALIDATION",
    "SECONDARY_ENGINE",
    "SECONDARY_ENGINE_ATTRIBUTE",
    "AUTOEXTEND_SIZE",
    "START",
];

/// What is the whole statement, or all that is left of it: commas in it do not begin another part. Both servers' grammars let nothing but
/// partitions follow ORDER BY.
const WHOLE: [&str; 6] = ["ORDER", "PARTITION", "DISCARD", "IMPORT", "SECONDARY_LOAD", "SECONDARY_UNLOAD"];

/// What is done to partitions, and says their names: `TRUNCATE PARTITION p0, p1`.
const TO_PARTITIONS: [&str; 10] =
    ["DROP", "REBUILD", "OPTIMIZE", "ANALYZE", "CHECK", "REPAIR", "COALESCE", "TRUNCATE", "REORGANIZE", "EXCHANGE"];

impl Parser<'_> {
    pub(crate) fn alter(&mut self) -> Option<Ddl> {
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
            spec(self, &mut specs, &mut rename)?;
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
}

/// Reads one part up to its comma, except for what does not matter. `None` where it is not understood.
fn spec(parser: &mut Parser<'_>, specs: &mut Vec<Spec>, rename: &mut Option<TableName>) -> Option<()> {
    let start = parser.cursor.at();
    // MariaDB's engines have options of any name.
    if parser.cursor.next_is_symbol('=') && !["CHARSET", "COLLATE", "RENAME"].iter().any(|word| parser.cursor.is(word))
    {
        return options(parser, specs);
    }
    let Some(word) = parser.cursor.word() else {
        // Nothing but `ALTER TABLE t` is a statement too.
        return parser.cursor.ends_part().then_some(());
    };
    let word = word.as_str();
    if WHOLE.contains(&word) || TO_PARTITIONS.contains(&word) && parser.cursor.is("PARTITION") {
        parser.cursor.skip_all();
        return Some(());
    }
    match word {
        "ADD" => add(parser, specs),
        "DROP" => drop(parser, specs),
        "CHANGE" | "MODIFY" => {
            parser.cursor.take("COLUMN");
            let if_exists = parser.if_exists();
            let old = if word == "CHANGE" { Some(parser.cursor.name()?) } else { None };
            let column = parser.column()?;
            let old = old.unwrap_or_else(|| column.name.clone());
            specs.push(Spec::Change { old, column, place: place(parser)?, if_exists });
            Some(())
        }
        "RENAME" => {
            if parser.cursor.take("COLUMN") {
                let if_exists = parser.if_exists();
                let old = parser.cursor.name()?;
                parser.cursor.expect("TO")?;
                specs.push(Spec::RenameColumn { old, new: parser.cursor.name()?, if_exists });
            } else if !parser.cursor.is("INDEX") && !parser.cursor.is("KEY") && !parser.cursor.is("CONSTRAINT") {
                let _ = parser.cursor.take("TO") || parser.cursor.take("AS") || parser.cursor.symbol('=');
                *rename = Some(parser.table()?);
            }
            Some(())
        }
        "CONVERT" => {
            parser.cursor.expect("TO")?;
            let name = parser.cursor.charset_clause()?;
            specs.push(Spec::Convert(NewCharset::named(&name)));
            Some(())
        }
        // ALTER COLUMN, INDEX, CHECK: defaults, visibility, enforcement.
        "ALTER" => Some(()),
        "DEFAULT" | "CHARACTER" | "CHARSET" | "CHAR" | "COLLATE" => {
            parser.cursor.go_back(start);
            options(parser, specs)
        }
        word if HARMLESS.contains(&word) => options(parser, specs),
        _ => None,
    }
}

/// Table options up to a comma, which may stand without commas between them: `[DEFAULT] CHARACTER SET [=] name [[DEFAULT] COLLATE [=] name]`
/// matters. A partitioning may follow, in whose parentheses there is nothing for us.
fn options(parser: &mut Parser<'_>, specs: &mut Vec<Spec>) -> Option<()> {
    let (mut charset, mut collation) = (None, None);
    while !parser.cursor.ends_part() && !parser.cursor.is("PARTITION") {
        if let Some(name) = parser.cursor.charset_clause() {
            charset = Some(NewCharset::named(&name));
        } else if parser.cursor.take("COLLATE") {
            let _ = parser.cursor.symbol('=');
            collation = NewCharset::of_collation(&parser.cursor.name_or_text()?);
        } else if !parser.cursor.skip_group() {
            parser.cursor.skip();
        }
    }
    specs.extend(charset.or(collation).map(Spec::Charset));
    Some(())
}

fn add(parser: &mut Parser<'_>, specs: &mut Vec<Spec>) -> Option<()> {
    if let Some(key) = parser.primary_key() {
        specs.push(Spec::AddPrimaryKey(key?));
        return Some(());
    }
    if parser.cursor.is("PARTITION") {
        parser.cursor.skip_all();
        return Some(());
    }
    if parser.is_other_key() || parser.cursor.is("SYSTEM") && parser.cursor.next_is(&["VERSIONING"]) {
        return Some(());
    }
    parser.cursor.take("COLUMN");
    let if_not_exists = parser.if_not_exists();
    if parser.cursor.symbol('(') {
        loop {
            if let Some(key) = parser.primary_key() {
                specs.push(Spec::AddPrimaryKey(key?));
            } else if !parser.is_other_key() {
                let column = parser.column()?;
                specs.push(Spec::Add { column, place: Place::Unsaid, if_not_exists });
            }
            parser.cursor.skip_to_comma();
            if !parser.cursor.symbol(',') {
                return parser.cursor.symbol(')').then_some(());
            }
        }
    }
    let column = parser.column()?;
    specs.push(Spec::Add { column, place: place(parser)?, if_not_exists });
    Some(())
}

fn drop(parser: &mut Parser<'_>, specs: &mut Vec<Spec>) -> Option<()> {
    if parser.cursor.take("PRIMARY") {
        specs.push(Spec::DropPrimaryKey);
        return Some(());
    }
    if ["INDEX", "KEY", "CONSTRAINT"].iter().any(|word| parser.cursor.take(word)) {
        parser.if_exists();
        if parser.cursor.name()?.eq_ignore_ascii_case("PRIMARY") {
            specs.push(Spec::DropPrimaryKey);
        }
        return Some(());
    }
    // PERIOD and SYSTEM may be columns.
    if parser.cursor.is("FOREIGN")
        || parser.cursor.is("CHECK")
        || parser.cursor.is("PERIOD") && parser.cursor.next_is(&["FOR", "IF"])
        || parser.cursor.is("SYSTEM") && parser.cursor.next_is(&["VERSIONING"])
    {
        return Some(());
    }
    parser.cursor.take("COLUMN");
    let if_exists = parser.if_exists();
    specs.push(Spec::Drop { name: parser.cursor.name()?, if_exists });
    Some(())
}

fn place(parser: &mut Parser<'_>) -> Option<Place> {
    if parser.cursor.take("FIRST") {
        return Some(Place::First);
    }
    if parser.cursor.take("AFTER") {
        return Some(Place::After(parser.cursor.name()?));
    }
    Some(Place::Unsaid)
}
