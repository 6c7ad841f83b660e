//! Names of files and folders.

use std::io;
use std::path::{Path, PathBuf};

use crate::binlog::output::parquet::rows::Origin;

const SUFFIX: &str = ".parquet";
const PART_SUFFIX: &str = ".parquet.part";
const WHOLE_SUFFIX: &str = ".whole";

/// The name of the file that begins with this row: the same whenever the row is read.
///
/// `binlog.000002-0000001234.parquet`: where the row's event begins. Behind it `-7` where the row is not its transaction's first: the
/// events of a compressed transaction all begin in one place.
pub(crate) fn file_name(first: &Origin) -> String {
    let file = escape(&first.file);
    let row = match first.row_in_transaction {
        0 => String::new(),
        row => format!("-{row}"),
    };
    format!("{file}-{:010}{row}{SUFFIX}", first.offset)
}

/// The name while the file is written.
pub(crate) fn part_name(name: &str) -> String {
    format!(".{name}.part")
}

/// The name while the file, which is whole, waits for a checkpoint.
pub(crate) fn whole_name(name: &str, run: &str, last_position: u64) -> String {
    format!(".{name}.{run}-{last_position}{WHOLE_SUFFIX}")
}

/// What [`whole_name`] was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) name: String,
    pub(crate) run: String,
    pub(crate) last_position: u64,
}

impl Whole {
    fn parse(hidden: &str) -> Option<Self> {
        let (name, mark) = hidden.strip_prefix('.')?.strip_suffix(WHOLE_SUFFIX)?.rsplit_once('.')?;
        let (run, last_position) = mark.split_once('-')?;
        let last_position = last_position.parse().ok()?;
        name.ends_with(SUFFIX).then(|| Self { name: name.to_owned(), run: run.to_owned(), last_position })
    }
}

/// A file that an earlier run has left, and readers do not see.
#[derive(Debug)]
pub(crate) struct Unfinished {
    pub(crate) path: PathBuf,
    /// It was whole.
    pub(crate) whole: Option<Whole>,
}

/// A name of a database or table as that of a folder: what a file system or a reader of partitions (`a=b`) might take for something else
/// becomes `%` and two digits for each byte.
pub(crate) fn escape(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (index, character) in name.char_indices() {
        let leading = index == 0 && matches!(character, '.' | '_');
        let trailing = index + character.len_utf8() == name.len() && matches!(character, '.' | ' ');
        let odd = matches!(character, '/' | '\\' | '%' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '=')
            || character.is_control();
        if leading || trailing || odd {
            let mut buffer = [0; 4];
            for byte in character.encode_utf8(&mut buffer).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        } else {
            out.push(character);
        }
    }
    out
}

/// Finds what an earlier run has left unfinished, in `dir` and in the folders of databases and tables below it.
pub(crate) fn unfinished(dir: &Path, depth: usize, found: &mut Vec<Unfinished>) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 {
            unfinished(&entry.path(), depth - 1, found)?;
        }
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let whole = Whole::parse(&name);
        if kind.is_file() && (whole.is_some() || (name.starts_with('.') && name.ends_with(PART_SUFFIX))) {
            found.push(Unfinished { path: entry.path(), whole });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tables_are_safe_as_folders() {
        for (name, folder) in [
            ("orders", "orders"),
            ("a/b", "a%2Fb"),
            ("..", "%2E%2E"),
            (".hidden", "%2Ehidden"),
            ("_x", "%5Fx"),
            ("50%", "50%25"),
            ("k=v", "k%3Dv"),
            ("漢字 x ", "漢字 x%20"),
            ("a\u{7f}", "a%7F"),
        ] {
            assert_eq!(escape(name), folder);
        }
    }

    #[test]
    fn a_file_is_named_after_its_first_row() {
        let mut head = Origin { file: "binlog.000002".into(), offset: 1234, row_in_transaction: 0 };
        assert_eq!(file_name(&head), "binlog.000002-0000001234.parquet");
        head.row_in_transaction = 7;
        assert_eq!(file_name(&head), "binlog.000002-0000001234-7.parquet");
        assert_eq!(part_name(&file_name(&head)), ".binlog.000002-0000001234-7.parquet.part");
        let hidden = whole_name(&file_name(&head), "0123456789abcdef", 42);
        assert_eq!(hidden, ".binlog.000002-0000001234-7.parquet.0123456789abcdef-42.whole");
        let whole = Whole { name: file_name(&head), run: "0123456789abcdef".into(), last_position: 42 };
        assert_eq!(Whole::parse(&hidden), Some(whole));
        for other in [".x.whole", ".a.parquet.whole", ".a.parquet.x-.whole", ".a.txt.x-1.whole", "a.parquet.x-1.whole"]
        {
            assert_eq!(Whole::parse(other), None, "{other}");
        }
    }
}
