//! Names of files and folders.

use std::io;
use std::path::{Path, PathBuf};

use crate::deliver::ndjson::SIDECAR;

pub(crate) const SUFFIX: &str = ".parquet";
const PART_SUFFIX: &str = ".parquet.part";
const WHOLE_SUFFIX: &str = ".whole";

/// The marker stream since the last file was ended. Who reads a folder as one table passes over what begins with `_`.
pub(crate) const STREAM: &str = "_statements.audit";

/// What the marker stream up to the end of a file is called: `_NAME.parquet.audit`.
pub(crate) fn sidecar_of(file: &Path) -> PathBuf {
    file.with_file_name(format!("_{}{SIDECAR}", file.file_name().unwrap_or_default().to_string_lossy()))
}

/// The file that a sidecar is that of, without its folder.
pub(crate) fn file_of_sidecar(name: &str) -> Option<&str> {
    name.strip_prefix('_')?.strip_suffix(SIDECAR).filter(|file| file.ends_with(SUFFIX))
}

/// The files of a folder that readers see, in the order of their names, which is that of time.
pub(crate) fn seen(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with('.') && name.ends_with(SUFFIX) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
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
    fn a_file_has_other_names_before_readers_see_it() {
        let name = "binlog.000002-0000001234-7.parquet";
        assert_eq!(part_name(name), ".binlog.000002-0000001234-7.parquet.part");
        let hidden = whole_name(name, "0123456789abcdef", 42);
        assert_eq!(hidden, ".binlog.000002-0000001234-7.parquet.0123456789abcdef-42.whole");
        let whole = Whole { name: name.to_owned(), run: "0123456789abcdef".into(), last_position: 42 };
        assert_eq!(Whole::parse(&hidden), Some(whole));
        for other in [".x.whole", ".a.parquet.whole", ".a.parquet.x-.whole", ".a.txt.x-1.whole", "a.parquet.x-1.whole"]
        {
            assert_eq!(Whole::parse(other), None, "{other}");
        }
    }
}
