//! The folder of a recording, and the names of its files.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::error::{Failure, RecordingError};
use crate::files::{self, FileMode};

/// Who records holds this file locked.
const LOCK: &str = ".mysql-interceptor.lock";
/// The ending of Arrow streams.
const PLAIN: &str = "arrows";
const SEALED: &str = "arrows.sealed";

/// A folder into which this process alone records.
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes the folder, and makes it if it is not there. It must be empty.
    pub(super) fn create(path: &Path) -> Result<Self, RecordingError> {
        let folder = Self::take(path)?;
        match folder.files()? {
            None => Ok(folder),
            Some(_) => Err(Failure::HoldsRecording.at(path)),
        }
    }

    /// Takes the folder, and makes it if it is not there. It may have a recording, and nothing else.
    pub(super) fn take(path: &Path) -> Result<Self, RecordingError> {
        let failed = |what| move |source| Failure::io(what)(source).at(path);
        FileMode::PRIVATE.create_folders(path).map_err(failed("make the folder"))?;
        let before = foreign(path).map_err(failed("look into the folder"))?;
        if let Some(name) = before {
            return Err(Failure::NotEmpty(name).at(path));
        }
        let lock = files::lock(&path.join(LOCK), FileMode::PRIVATE).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => Failure::InUse.at(path),
            _ => Failure::io("lock the folder")(source).at(path),
        })?;
        files::sync_folder_of(path).map_err(failed("make the folder"))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The recording's files that it has; see [`list`].
    pub(super) fn files(&self) -> Result<Option<(u64, Vec<PathBuf>)>, RecordingError> {
        let numbers =
            numbers(&self.path).map_err(|source| Failure::io("look into the folder")(source).at(&self.path))?;
        if numbers.is_empty() { Ok(None) } else { list(&self.path).map(Some) }
    }

    /// Where the file with this number is.
    pub(super) fn file(&self, number: u64, is_sealed: bool) -> PathBuf {
        self.path.join(name(number, is_sealed))
    }

    /// Returns when the names of its files are on disk.
    pub(super) fn sync(&self) -> Result<(), RecordingError> {
        files::sync_folder(&self.path).map_err(|source| Failure::io("write")(source).at(&self.path))
    }
}

fn name(number: u64, is_sealed: bool) -> String {
    format!("{number:08}.{}", if is_sealed { SEALED } else { PLAIN })
}

/// The number of the file with this name; `None` for what is none of ours.
fn number(name: &str) -> Option<u64> {
    let (number, ending) = name.split_once('.')?;
    let is_number = number.len() >= 8 && number.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number || !matches!(ending, PLAIN | SEALED) {
        return None;
    }
    number.parse().ok().filter(|number| *number > 0)
}

/// The name of something in the folder that a recorder has not put there.
fn foreign(path: &Path) -> io::Result<Option<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != LOCK && number(&name).is_none() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names.into_iter().next())
}

fn numbers(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if let Some(number) = number(&entry.file_name().to_string_lossy()) {
            numbers.push((number, entry.path()));
        }
    }
    numbers.sort();
    Ok(numbers)
}

/// The files of a recording in their order, and the number of the first: those before it were removed, as the recording's limit says.
pub(super) fn list(path: &Path) -> Result<(u64, Vec<PathBuf>), RecordingError> {
    let numbers = numbers(path).map_err(|source| Failure::io("look into the folder")(source).at(path))?;
    let Some((first, _)) = numbers.first() else { return Err(Failure::NoFiles.at(path)) };
    let first = *first;
    for ((found, file), expected) in numbers.iter().zip(first..) {
        if *found > expected {
            let is_sealed = file.to_string_lossy().ends_with(SEALED);
            return Err(Failure::Missing.at(&path.join(name(expected, is_sealed))));
        }
        if *found < expected {
            return Err(Failure::damaged("there is another file with its number").at(file));
        }
    }
    Ok((first, numbers.into_iter().map(|(_, file)| file).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_numbers() {
        for (found, is_sealed) in [(1, false), (12_345_678, true), (123_456_789, false)] {
            assert_eq!(number(&name(found, is_sealed)), Some(found));
        }
        for wrong in ["1.arrows", "00000000.arrows", "00000001.arrow", "00000001", "+0000001.arrows", "0000000a.arrows"]
        {
            assert_eq!(number(wrong), None, "{wrong}");
        }
    }
}
