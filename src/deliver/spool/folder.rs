//! The files of a spool.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::SpoolError;
use crate::files::{self, FileMode};

const PREFIX: &str = "spool-";
const SUFFIX: &str = ".seg";
const LOCK: &str = "lock";

/// The segment whose first message has this position.
pub(super) fn segment(folder: &Path, first: u64) -> PathBuf {
    folder.join(segment_name(first))
}

/// Its name, without the folder.
pub(super) fn segment_name(first: u64) -> String {
    // As many digits as there are, so that names sort like numbers.
    format!("{PREFIX}{first:020}{SUFFIX}")
}

/// How far each sink is.
pub(super) fn cursors(folder: &Path) -> PathBuf {
    folder.join("cursors")
}

/// The position of each segment's first message, in order.
pub(super) fn segments(folder: &Path) -> Result<Vec<u64>, SpoolError> {
    let failed = |source| SpoolError::io("list", folder, source);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let digits =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|name| name.strip_suffix(SUFFIX));
        found.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// Makes the folder if need be, and takes it for this process for as long as the file is kept.
pub(super) fn take(folder: &Path, mode: FileMode) -> Result<File, SpoolError> {
    if !folder.is_dir() {
        mode.create_folders(folder).map_err(|source| SpoolError::io("create", folder, source))?;
    }
    let path = folder.join(LOCK);
    let mut lock = match files::lock(&path, mode) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let owner = fs::read_to_string(&path).ok().and_then(|pid| pid.trim().parse().ok());
            return Err(SpoolError::Taken { folder: folder.to_owned(), owner });
        }
        Err(source) => return Err(SpoolError::io("write", &path, source)),
    };
    // For people and for the message of another process: who has it is decided by the lock.
    let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
    Ok(lock)
}

/// Removes a segment. One that is not there any more is no error.
pub(super) fn remove(path: &Path) -> Result<(), SpoolError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SpoolError::io("remove", path, error)),
        _ => Ok(()),
    }
}
