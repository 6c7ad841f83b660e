//! What a folder has of earlier runs, when a recorder goes on in it.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use super::batch::Found;
use super::error::{Failure, RecordingError};
use super::file::{Contents, Ending, RecordingFile};
use super::folder::Folder;
use super::key::Key;
use super::sessions::OpenSessions;
use crate::recording::{Event, Record, RecordingAbout, SessionClose};

/// The recording that a folder has already.
#[derive(Debug)]
pub(super) struct Earlier {
    /// Its files, the oldest first, each with its size.
    pub(super) files: VecDeque<(PathBuf, u64)>,
    /// The number of the file that comes next.
    pub(super) next_number: u64,
    /// The latest start of what is in it, from its beginning.
    pub(super) last_ns: u64,
    /// What its first file says of it; `None` if there was no time to write even that.
    pub(super) about: Option<RecordingAbout>,
    /// The random numbers in its sessions' ids.
    recorders: Vec<u32>,
    /// Its last file with records, if sessions may be open at its end: the recorder was killed, or could not write any further.
    unfinished: Option<PathBuf>,
}

impl Earlier {
    /// Looks at what is there; `None`: nothing.
    pub(super) fn look(folder: &Folder, key: Option<&Key>) -> Result<Option<Self>, RecordingError> {
        let Some((first, files)) = folder.files()? else { return Ok(None) };
        let mut earlier = Self {
            files: VecDeque::new(),
            next_number: first + files.len() as u64,
            last_ns: 0,
            about: None,
            recorders: Vec::new(),
            unfinished: None,
        };
        for path in files {
            let bytes = fs::metadata(&path).map_err(|source| Failure::io("read")(source).at(&path))?.len();
            if let Some(about) = RecordingFile::about(&path, key)? {
                earlier.recorders.push(about.recorder);
                earlier.about.get_or_insert(about);
            }
            earlier.files.push_back((path, bytes));
        }
        earlier.look_at_end(key)?;
        Ok(Some(earlier))
    }

    /// What the last run wrote last. A run that was ended before it wrote its first record has said nothing of the one before it, either.
    fn look_at_end(&mut self, key: Option<&Key>) -> Result<(), RecordingError> {
        for (path, _) in self.files.iter().rev() {
            let Some((_, Contents { batches, ending, .. })) = RecordingFile::open(path, key)? else { continue };
            let last_ns = batches.iter().map(|batch| batch.facts.last_ns).max();
            self.last_ns = self.last_ns.max(last_ns.unwrap_or_default());
            if ending == Ending::Complete {
                break;
            }
            if batches.iter().any(|batch| batch.rows > 0) {
                self.unfinished = Some(path.clone());
                break;
            }
        }
        Ok(())
    }

    /// Makes what another run says of itself what this recording's further files say; returns when it begins, in nanoseconds from the
    /// recording's beginning: later than all that is there, whatever the wall clock says.
    pub(super) fn continue_with(&self, about: &mut RecordingAbout, dir: &Path) -> Result<u64, RecordingError> {
        let Some(first) = &self.about else { return Ok(0) };
        if (first.source, &first.server) != (about.source, &about.server) {
            let server = first.server.as_deref().unwrap_or("none");
            return Err(
                Failure::HoldsOther { source_name: first.source.to_string(), server: server.to_owned() }.at(dir)
            );
        }
        while self.recorders.contains(&about.recorder) {
            about.recorder = about.recorder.wrapping_add(1);
        }
        let since_ns = about.started_ms.saturating_sub(first.started_ms).saturating_mul(1_000_000);
        about.resumed_ms = Some(about.started_ms);
        about.started_ms = first.started_ms;
        Ok(since_ns.max(self.last_ns.saturating_add(1)))
    }

    /// The ends of sessions that were open when the last run ended, which it could not write any more.
    pub(super) fn ends(&self, key: Option<&Key>) -> Result<Vec<Record>, RecordingError> {
        let Some(path) = &self.unfinished else { return Ok(Vec::new()) };
        let Some((mut file, contents)) = RecordingFile::open(path, key)? else { return Ok(Vec::new()) };
        let mut open = OpenSessions::default();
        for entry in &contents.batches {
            let mut batch = file.batch(entry)?;
            let mut row = 0;
            while let Some(Found::Record(record) | Found::State(record)) =
                batch.read(&mut row).map_err(|failure| failure.at(path))?
            {
                open.apply(&record);
            }
        }
        let end = |state: Record| {
            let event = Event::End(SessionClose::RecordingEnded);
            Record { number: state.number + 1, event, ..state }
        };
        Ok(open.states_at(self.last_ns).map(end).collect())
    }
}
