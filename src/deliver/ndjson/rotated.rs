//! The names of rotated files: `PATH.20260131T120000Z-1`, and `.zst` after it when compressed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;

use crate::deliver::error::SinkError;

/// What a sidecar is called after its file.
pub(crate) const SIDECAR: &str = ".audit";

/// A rotated file next to the file it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RotatedName {
    /// `20260131T120000Z`: sorts by time.
    time: String,
    /// Files of the same second are numbered.
    number: u64,
}

impl RotatedName {
    /// A name for the file at `path` that no file has, and that sorts after all existing ones: the oldest ones of the same
    /// second may be gone already, and taking over their names would make the newest file the next to go.
    pub(crate) fn free(path: &Path, now: SystemTime) -> PathBuf {
        let now = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let taken = Self::all(path).into_iter().filter(|name| name.time == time).map(|name| name.number).max();
        let mut name = Self { time, number: taken.map_or(1, |number| number.saturating_add(1)) };
        loop {
            let target = name.plain(path);
            if fs::symlink_metadata(&target).is_err() && fs::symlink_metadata(name.compressed(path)).is_err() {
                return target;
            }
            name.number += 1;
        }
    }

    /// The rotated files of `path`, oldest first. A file that is there plain and compressed is in the list once.
    pub(crate) fn all(path: &Path) -> Vec<Self> {
        Self::named(path, Self::parse)
    }

    /// The same, and those of which there is only a sidecar.
    pub(crate) fn all_that_were(path: &Path) -> Vec<Self> {
        Self::named(path, |suffix| Self::parse(suffix.strip_suffix(SIDECAR).unwrap_or(suffix)))
    }

    fn named(path: &Path, parse: impl Fn(&str) -> Option<Self>) -> Vec<Self> {
        let (Some(directory), Some(base)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
            return Vec::new();
        };
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let Ok(entries) = fs::read_dir(directory) else {
            return Vec::new();
        };
        let names = entries.filter_map(Result::ok).map(|entry| entry.file_name());
        let mut names: Vec<_> = names.filter_map(|name| parse(name.to_str()?.strip_prefix(base)?)).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Understands what comes after the base name; anything but our own form is somebody else's file.
    fn parse(suffix: &str) -> Option<Self> {
        let suffix = suffix.strip_prefix('.')?;
        let suffix = suffix.strip_suffix(".zst").unwrap_or(suffix);
        let (time, number) = suffix.split_once('-')?;
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        if shape != "00000000T000000Z" || number.starts_with(['0', '+']) {
            return None;
        }
        Some(Self { time: time.to_owned(), number: number.parse().ok()? })
    }

    /// The file as it was rotated, or where that is gone, the compressed one.
    pub(crate) fn existing(&self, path: &Path) -> PathBuf {
        let plain = self.plain(path);
        if fs::symlink_metadata(&plain).is_ok() { plain } else { self.compressed(path) }
    }

    /// The file as it was rotated.
    pub(crate) fn plain(&self, path: &Path) -> PathBuf {
        self.with_suffix(path, "")
    }

    /// The file with the hashes of its messages, and the marker stream that it had.
    pub(crate) fn sidecar(&self, path: &Path) -> PathBuf {
        self.with_suffix(path, SIDECAR)
    }

    /// The compressed file.
    pub(crate) fn compressed(&self, path: &Path) -> PathBuf {
        self.with_suffix(path, ".zst")
    }

    /// The compressed file while it is being written.
    pub(crate) fn unfinished(&self, path: &Path) -> PathBuf {
        self.with_suffix(path, ".zst.unfinished")
    }

    fn with_suffix(&self, path: &Path, suffix: &str) -> PathBuf {
        let mut name = OsString::from(path.as_os_str());
        name.push(format!(".{}-{}{suffix}", self.time, self.number));
        PathBuf::from(name)
    }
}

/// The sidecar of a file.
pub(super) fn beside(file: &Path) -> PathBuf {
    let mut name = OsString::from(file.as_os_str());
    name.push(SIDECAR);
    PathBuf::from(name)
}

/// The file is new: a sidecar that is there is that of the one before, where a crash came between the two renamings.
pub(super) fn leave_to_its_file(file: &Path, sidecar: &Path) -> Result<(), SinkError> {
    if fs::metadata(sidecar).map_or(0, |metadata| metadata.len()) == 0 {
        return Ok(());
    }
    let last = RotatedName::all(file).pop().map(|name| name.sidecar(file)).filter(|path| !path.exists());
    let target = last.unwrap_or_else(|| beside(&RotatedName::free(file, SystemTime::now())));
    fs::rename(sidecar, &target).map_err(|source| SinkError::io("rename", sidecar, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_understood() {
        assert!(RotatedName::parse(".20260131T120000Z-1").is_some());
        assert_eq!(RotatedName::parse(".20260131T120000Z-12.zst"), RotatedName::parse(".20260131T120000Z-12"));
        for name in [
            "",
            ".1",
            ".20260131T120000Z-1.gz",
            ".20260131T120000Z",
            "20260131T120000Z-1",
            ".20260131T120000Z-01",
            ".20260131T120000Z-1.zst.unfinished",
        ] {
            assert_eq!(RotatedName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn numbers_sort_as_numbers() {
        let name = |text| RotatedName::parse(text).unwrap();
        assert!(name(".20260131T120000Z-2") < name(".20260131T120000Z-10"));
        assert!(name(".20260131T120000Z-10") < name(".20260131T120001Z-1"));
    }
}
