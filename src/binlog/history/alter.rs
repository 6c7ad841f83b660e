//! The parts of an ALTER TABLE.

use super::column_type::collation_charset;
use super::ddl::{Parser, Place, Spec, TableName};
use crate::binlog::charset::Charset;

/// What begins parts that change no column: keys, partitions, storage, options.
const HARMLESS: [&str; 44] = [
    "ALGORITHM",
    "LOCK",
    "FORCE",
    "ORDER",
    "ENGINE",
    "TYPE",
    "AUTO_INCREMENT",
    "COMMENT",
    "ROW_FORMAT",
    "KEY_BLOCK_SIZE",
    "COMPRESSION",
    "ENCRYPTION",
    "STATS_PERSISTENT",
    "STATS_AUTO_RECALC",
    "STATS_SAMPLE_PAGES",
    "AVG_ROW_LENGTH",
    "CHECKSUM",
    "DATA",
    "DELAY_KEY_WRITE",
    "INSERT_METHOD",
    "MAX_ROWS",
    "MIN_ROWS",
    "PACK_KEYS",
    "PASSWORD",
    "TABLESPACE",
    "UNION",
    "DISABLE",
    "ENABLE",
    "DISCARD",
    "IMPORT",
    "WITH",
    "WITHOUT",
    "PARTITION",
    "REMOVE",
    "TRUNCATE",
    "COALESCE",
    "REORGANIZE",
    "EXCHANGE",
    "ANALYZE",
    "CHECK",
    "OPTIMIZE",
    "REBUILD",
    "REPAIR",
    "PAGE_CHECKSUM",
];

/// Reads one part up to its comma, except for what does not matter. `None` where it is not understood.
pub(super) fn spec(parser: &mut Parser<'_>, specs: &mut Vec<Spec>, rename: &mut Option<TableName>) -> Option<()> {
    let start = parser.cursor.at();
    let Some(word) = parser.cursor.word() else {
        // Nothing but `ALTER TABLE t` is a statement too.
        return parser.cursor.is_empty().then_some(());
    };
    match word.as_str() {
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
            // CONVERT PARTITION, CONVERT TABLE (MariaDB) are not this.
            parser.cursor.expect("TO")?;
            let name = parser.cursor.charset_clause()?;
            let charset = if name.eq_ignore_ascii_case("DEFAULT") { None } else { Some(Charset::from_name(&name)?) };
            specs.push(Spec::Convert(charset));
            Some(())
        }
        // ALTER COLUMN, INDEX, CHECK: defaults, visibility, enforcement.
        "ALTER" => Some(()),
        "DEFAULT" | "CHARACTER" | "CHARSET" | "CHAR" | "COLLATE" | "SET" => {
            parser.cursor.go_back(start);
            charset(parser, specs)
        }
        word if HARMLESS.contains(&word) || word.starts_with("SECONDARY_") || word.starts_with("AUTOEXTEND_") => {
            // Options may stand without commas between them.
            let mut ahead = parser.cursor.clone();
            ahead.skip_to_comma();
            let partitions = matches!(word, "PARTITION" | "ORDER" | "UNION" | "REORGANIZE");
            while !partitions && parser.cursor.at() < ahead.at() {
                if ["DEFAULT", "CHARACTER", "CHARSET", "COLLATE"].iter().any(|word| parser.cursor.is(word)) {
                    return charset(parser, specs);
                }
                // DROP and the like cannot follow here.
                parser.cursor.skip();
            }
            Some(())
        }
        _ => None,
    }
}

fn add(parser: &mut Parser<'_>, specs: &mut Vec<Spec>) -> Option<()> {
    if let Some(key) = parser.primary_key() {
        specs.push(Spec::AddPrimaryKey(key?));
        return Some(());
    }
    if parser.is_other_key() || parser.cursor.is("PARTITION") || parser.cursor.is("SYSTEM") {
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
    if ["FOREIGN", "CHECK", "PARTITION", "PERIOD", "SYSTEM"].iter().any(|word| parser.cursor.is(word))
        && parser.cursor.has_more_words()
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

/// `[DEFAULT] CHARACTER SET [=] name [[DEFAULT] COLLATE [=] name]`
fn charset(parser: &mut Parser<'_>, specs: &mut Vec<Spec>) -> Option<()> {
    let (mut charset, mut collation) = (None, None);
    let mut end = parser.cursor.clone();
    end.skip_to_comma();
    while parser.cursor.at() < end.at() {
        if let Some(name) = parser.cursor.charset_clause() {
            charset = Some(Charset::from_name(&name)?);
        } else if parser.cursor.take("COLLATE") {
            let _ = parser.cursor.symbol('=');
            collation = collation_charset(&parser.cursor.name_or_text()?)?;
        } else {
            parser.cursor.skip();
        }
    }
    specs.extend(charset.or(collation).map(Spec::Charset));
    Some(())
}
