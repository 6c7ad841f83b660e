//! The directory: one process at a time, and which of its files readers see.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::disk::{ended, failed, sync};
use super::names;
use crate::deliver::{SinkError, Staged};
use crate::files::{self, FileMode};

/// Folders of databases, and of tables in them.
const FOLDER_DEPTH: usize = 2;
const LOCK: &str = ".mysql-interceptor.lock";

/// Asks how many messages of each run the checkpoint covers.
pub(crate) type Covered<'a> = &'a dyn Fn() -> Result<BTreeMap<String, u64>, SinkError>;

/// A file that is whole, under a name that readers do not see.
#[derive(Debug)]
struct Waiting {
    hidden: PathBuf,
    path: PathBuf,
    /// The position of its last row.
    last_position: u64,
}

/// The directory of a sink.
///
/// With checkpoints a file that is whole waits under a hidden name, `.NAME.parquet.RUN-LAST.whole`, until a checkpoint is saved that
/// covers its last row. The checkpoint says how many messages of which run it covers, so at the next start it is known of each file that
/// still waits whether it gets its name or is removed, because its rows come again.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    /// Tells this run's files from those of others.
    run: String,
    is_staged: bool,
    waiting: Mutex<Vec<Waiting>>,
    _lock: File,
}

impl Folder {
    /// Makes the directory if it is not there, takes it for this process, and decides what becomes of an earlier run's files. `covered`, where
    /// files wait for checkpoints: how many messages of each run the checkpoint covers.
    pub(crate) fn open(dir: &Path, mode: FileMode, covered: Option<Covered<'_>>) -> Result<Self, SinkError> {
        match mode.create_folder(dir) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed("make the directory", dir, source));
            }
            _ => {}
        }
        let lock = lock(dir, mode)?;
        let is_staged = covered.is_some();
        let mut left = Vec::new();
        names::unfinished(dir, FOLDER_DEPTH, &mut left).map_err(|source| failed("look into", dir, source))?;
        let (mut published, mut removed, mut kept) = (0_usize, 0_usize, 0_usize);
        // Only now: the checkpoint of a process that still runs may change.
        let covered = match covered {
            Some(covered) if left.iter().any(|file| file.whole.is_some()) => Some(covered()?),
            Some(_) => Some(BTreeMap::new()),
            None => None,
        };
        let mut folders = BTreeSet::new();
        for file in left {
            match (&file.whole, &covered) {
                (Some(whole), Some(covered))
                    if covered.get(&whole.run).is_some_and(|messages| whole.last_position <= *messages) =>
                {
                    publish(&file.path, &file.path.with_file_name(&whole.name), &mut folders)?;
                    published += 1;
                }
                // Which checkpoint they belong to is not known.
                (Some(_), None) => kept += 1,
                (is_whole, _) => {
                    fs::remove_file(&file.path)
                        .map_err(|source| failed("remove an unfinished file", &file.path, source))?;
                    removed += usize::from(is_whole.is_some());
                }
            }
        }
        folders.iter().try_for_each(|folder| sync(folder))?;
        if published + removed > 0 {
            tracing::info!(
                dir = %dir.display(), published, removed,
                "whole files of an earlier run: those that the checkpoint covers have their names now, the rows of the others come again"
            );
        }
        if kept > 0 {
            tracing::warn!(
                dir = %dir.display(), files = kept,
                "whole files of an earlier run wait for its checkpoint (--checkpoint), which is not given: they stay hidden"
            );
        }
        Ok(Self {
            dir: dir.to_owned(),
            run: format!("{:016x}", RandomState::new().build_hasher().finish()),
            is_staged,
            waiting: Mutex::new(Vec::new()),
            _lock: lock,
        })
    }

    /// Whether files wait for a checkpoint.
    pub(crate) fn is_staged(&self) -> bool {
        self.is_staged
    }

    /// What the file at `path` is called when it is whole.
    pub(crate) fn whole_name(&self, path: &Path, last_position: u64) -> PathBuf {
        if !self.is_staged {
            return path.to_owned();
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.with_file_name(names::whole_name(&name, &self.run, last_position))
    }

    /// The file at `path` has the name of a whole one.
    pub(crate) fn is_whole(&self, path: &Path, last_position: u64) {
        if self.is_staged {
            let hidden = self.whole_name(path, last_position);
            self.waiting().push(Waiting { hidden, path: path.to_owned(), last_position });
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Staged for Folder {
    fn run(&self) -> Option<&str> {
        self.is_staged.then_some(&self.run)
    }

    fn publish(&self, through: u64) -> Result<(), SinkError> {
        let mut folders = BTreeSet::new();
        let mut waiting = self.waiting();
        let mut result = Ok(());
        waiting.retain(|file| {
            if file.last_position > through || result.is_err() {
                return true;
            }
            result = publish(&file.hidden, &file.path, &mut folders);
            if result.is_ok() {
                tracing::debug!(dir = %self.dir.display(), file = %file.path.display(), "published");
            }
            result.is_err()
        });
        let synced = folders.iter().try_for_each(|folder| sync(folder));
        result.and(synced)
    }
}

fn lock(dir: &Path, mode: FileMode) -> Result<File, SinkError> {
    let path = dir.join(LOCK);
    files::lock(&path, mode).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => ended(dir, &"another process writes to it; each needs a directory of its own"),
        _ => failed("make", &path, source),
    })
}

fn publish(hidden: &Path, path: &Path, folders: &mut BTreeSet<PathBuf>) -> Result<(), SinkError> {
    fs::rename(hidden, path).map_err(|source| failed("rename", hidden, source))?;
    folders.extend(path.parent().map(Path::to_owned));
    Ok(())
}
