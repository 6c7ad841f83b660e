//! The folder of the files of prepared XA transactions, which outlive the process.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use crate::binlog::checkpoint::PreparedXa;
use crate::binlog::transaction::hold_error::HoldError;
use crate::binlog::transaction::prepared::file::{Found, Name, Obsolete, PreparedFile};
use crate::binlog::transaction::prepared::stored::Stored;
use crate::binlog::transaction::spool::Spool;
use crate::files::{self, FileMode};

const SUFFIX: &str = ".segment";

/// The folder, which is made when it is needed, and the numbers of its files.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    mode: FileMode,
    /// While it is open.
    lock: Option<File>,
    next: u64,
    obsolete: Obsolete,
}

/// A transaction that was found in a file.
pub(crate) struct Restored {
    pub(crate) found: Found,
    pub(crate) stored: Stored,
}

impl Folder {
    /// Row images are in its files as the source wrote them, whatever is to be hidden: they are for the program's user alone.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, mode: FileMode::PRIVATE, lock: None, next: 1, obsolete: Obsolete::default() }
    }

    /// The files that nobody needs once a checkpoint lies after all that was given out up to now.
    pub(crate) fn take_obsolete(&self) -> Vec<PathBuf> {
        std::mem::take(&mut *self.obsolete.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new file.
    pub(crate) fn create(&mut self) -> Result<PreparedFile, HoldError> {
        self.open(&HashSet::new())?;
        let number = self.next;
        let path = self.path_of(number);
        let spool = Spool::open(&path, self.mode).map_err(|error| self.failed(error))?;
        self.next += 1;
        Ok(self.file(spool, number, path))
    }

    /// Finds what an earlier run has left, of which nothing is needed.
    pub(crate) fn clear(&mut self) -> Result<(), HoldError> {
        if self.lock.is_none() && self.path.exists() { self.open(&HashSet::new()) } else { Ok(()) }
    }

    /// The transactions that a checkpoint names, in its order; of those that have nothing that is wanted, nothing. What else there is was
    /// written after the checkpoint and comes again, or was not removed in time: see [`Self::remove_others`].
    pub(crate) fn load(
        &mut self,
        named: &[PreparedXa],
        hide: &mut dyn FnMut(&mut PreparedFile),
    ) -> Result<Vec<Option<Restored>>, HoldError> {
        let numbers: HashSet<_> = named.iter().filter_map(|xa| xa.segment).collect();
        if numbers.is_empty() {
            return Ok(named.iter().map(|_| None).collect());
        }
        self.open(&numbers)?;
        let mut files: BTreeMap<u64, (Arc<PreparedFile>, Vec<Found>)> = BTreeMap::new();
        let mut restored = Vec::with_capacity(named.len());
        for xa in named {
            let Some(number) = xa.segment else {
                restored.push(None);
                continue;
            };
            let lost =
                |reason: String| HoldError::Lost { xa: Box::new(xa.clone()), path: self.path_of(number), reason };
            let (file, found) = match files.entry(number) {
                Entry::Occupied(file) => file.into_mut(),
                Entry::Vacant(file) => {
                    file.insert(self.load_file(number, hide).map_err(|error| lost(error.to_string()))?)
                }
            };
            let index = usize::try_from(xa.index).unwrap_or(usize::MAX);
            let it = found.get_mut(index).filter(|it| it.head.xid == xa.xid && it.head.offset == xa.offset);
            let it = it.ok_or_else(|| lost("it is damaged, or of another checkpoint".to_owned()))?;
            let records = std::mem::take(&mut it.records);
            let found = Found { head: it.head.clone(), records: records.clone() };
            restored
                .push(Some(Restored { found, stored: Stored { file: Arc::clone(file), index: xa.index, records } }));
        }
        Ok(restored)
    }

    /// Removes what the checkpoint that was loaded does not name: there may be nothing to read, and so no boundary after which it would go.
    pub(crate) fn remove_others(&mut self) -> Result<(), HoldError> {
        self.clear()?;
        remove(&self.take_obsolete());
        Ok(())
    }

    fn load_file(
        &self,
        number: u64,
        hide: &mut dyn FnMut(&mut PreparedFile),
    ) -> Result<(Arc<PreparedFile>, Vec<Found>), HoldError> {
        let path = self.path_of(number);
        if !path.exists() {
            return Err(HoldError::Io(io::ErrorKind::NotFound.into()));
        }
        let mut file = self.file(Spool::open(&path, self.mode)?, number, path);
        let found = file.load()?;
        hide(&mut file);
        Ok((Arc::new(file), found))
    }

    /// Takes the folder for this process. All files but `needed` are obsolete.
    fn open(&mut self, needed: &HashSet<u64>) -> Result<(), HoldError> {
        if self.lock.is_some() {
            return Ok(());
        }
        self.mode.create_folders(&self.path).map_err(|error| self.failed(error))?;
        files::sync_folder_of(&self.path).map_err(|error| self.failed(error))?;
        let lock = files::lock(&self.path.join("lock"), self.mode).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => self.failed("another process uses it; each reader needs one of its own"),
            _ => self.failed(error),
        })?;
        let mut stale = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(|error| self.failed(error))? {
            let name = entry.map_err(|error| self.failed(error))?.file_name();
            let number =
                name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).and_then(|number| number.parse().ok());
            let Some(number) = number else { continue };
            self.next = self.next.max(number + 1);
            if !needed.contains(&number) {
                stale.push(self.path_of(number));
            }
        }
        self.next = needed.iter().fold(self.next, |next, number| next.max(number + 1));
        self.obsolete.lock().unwrap_or_else(PoisonError::into_inner).extend(stale);
        self.lock = Some(lock);
        Ok(())
    }

    fn file(&self, spool: Spool, number: u64, path: PathBuf) -> PreparedFile {
        PreparedFile::new(spool, Some(Name { number, path, obsolete: Arc::clone(&self.obsolete) }))
    }

    fn path_of(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number}{SUFFIX}"))
    }

    /// What is said where the folder does not take what is to be kept.
    pub(crate) fn failed(&self, error: impl std::fmt::Display) -> HoldError {
        HoldError::Folder { folder: self.path.clone(), reason: error.to_string() }
    }
}

/// Removes files that are obsolete. One that is still there at the next start is removed then.
pub(crate) fn remove(files: &[PathBuf]) {
    for path in files {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(file = %path.display(), %error, "the rows of an XA transaction that has ended could not be removed");
            }
            _ => {}
        }
    }
}
