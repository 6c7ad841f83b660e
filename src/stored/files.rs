//! Files of JSON lines, one after the other; the last one may still be written, and followed.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::block::Block;
use super::input::{Counted, Input, Patient, decompressed};
use super::source::{Progress, Source, SourceError, Step};
use crate::deliver::RotatedName;

/// How much is read at once.
const BLOCK: usize = 1 << 20;
/// No line is longer. Of one that is, the rest is left out; it is no message then.
const LONGEST: usize = 256 << 20;
/// How long a file that is followed may have nothing new before it is looked at again.
const PAUSE: Duration = Duration::from_millis(100);

/// A file that a sink writes to: `ndjson:PATH`.
#[derive(Debug, Clone)]
pub(crate) struct LiveFile {
    pub(crate) path: PathBuf,
    /// The newest rotated file that was seen.
    newest: Option<RotatedName>,
}

/// A file that is open.
struct Open {
    name: Arc<str>,
    reader: Box<dyn BufRead + Send>,
    /// How many bytes of it were taken, decompressed.
    offset: u64,
    /// How many bytes were read, compressed or not.
    raw: Arc<AtomicU64>,
    /// Device and inode; `None` of standard input.
    identity: Option<(u64, u64)>,
    /// It is the one that is followed.
    is_followed: bool,
    /// It is not under its name any more, and what was written before that may not be read yet.
    was_replaced: bool,
}

/// Reads lines.
pub(crate) struct FileSource {
    rest: VecDeque<Input>,
    open: Option<Open>,
    /// The file that is waited for when the others have been read.
    followed: Option<LiveFile>,
    /// The front of a line, whose end was not read yet.
    front: Vec<u8>,
    /// The rest of the line is left out.
    skips: bool,
    /// Bytes of the files that were read.
    done: u64,
    total: Option<u64>,
}

impl LiveFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, newest: None }
    }

    /// The files that were rotated and not seen yet, the oldest first.
    pub(crate) fn rotated(&mut self) -> Vec<PathBuf> {
        let mut new = RotatedName::all(&self.path);
        new.retain(|name| self.newest.as_ref().is_none_or(|newest| name > newest));
        self.newest = new.last().cloned().or_else(|| self.newest.take());
        new.iter().map(|name| name.existing(&self.path)).collect()
    }
}

impl FileSource {
    /// The lines of these, the first one first, and then those that are written to the file that is followed.
    pub(crate) fn new(inputs: Vec<Input>, followed: Option<LiveFile>) -> Self {
        let size = |input: &Input| match input {
            Input::File(path) => fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len()),
            Input::Standard => None,
        };
        let total = inputs.iter().map(size).sum::<Option<u64>>().filter(|_| followed.is_none());
        Self { rest: inputs.into(), open: None, followed, front: Vec::new(), skips: false, done: 0, total }
    }

    fn open(input: &Input, is_followed: bool) -> io::Result<Open> {
        let (name, raw) = (Arc::from(input.name()), Arc::<AtomicU64>::default());
        let count = Arc::clone(&raw);
        let (reader, identity) = match input {
            Input::Standard => (decompressed(Patient::standard_input()?)?, None),
            Input::File(path) => {
                let file = open_file(path)?;
                let metadata = file.metadata()?;
                let identity = Some((metadata.dev(), metadata.ino()));
                (decompressed(Counted { inner: file, count })?, identity)
            }
        };
        Ok(Open { name, reader, offset: 0, raw, identity, is_followed, was_replaced: false })
    }

    /// Opens what comes next; false if nothing does now.
    fn open_next(&mut self) -> Result<bool, SourceError> {
        if self.rest.is_empty()
            && let Some(followed) = &mut self.followed
        {
            let input = Input::File(followed.path.clone());
            match Self::open(&input, true) {
                // It comes.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(SourceError::input(input.name(), error)),
                Ok(open) => {
                    // One that was rotated just now comes first.
                    self.rest.extend(followed.rotated().into_iter().map(Input::File));
                    if self.rest.is_empty() {
                        self.open = Some(open);
                        return Ok(true);
                    }
                }
            }
        }
        let Some(input) = self.rest.pop_front() else { return Ok(false) };
        self.open = Some(Self::open(&input, false).map_err(|error| SourceError::input(input.name(), error))?);
        Ok(true)
    }

    /// There is nothing more to read in the open file. True if it may get more.
    fn is_to_wait(&mut self) -> bool {
        let (Some(open), Some(followed)) = (&mut self.open, &mut self.followed) else { return false };
        if !open.is_followed {
            return false;
        }
        match fs::metadata(&followed.path) {
            Ok(now) if open.identity == Some((now.dev(), now.ino())) => {
                // Truncated: what comes is new.
                now.len() >= open.raw.load(Relaxed)
            }
            // One more look, at what was written before it was replaced.
            _ if !std::mem::replace(&mut open.was_replaced, true) => true,
            _ => {
                let mut new = followed.rotated().into_iter();
                // The first of them is the one that was open.
                new.next();
                self.rest.extend(new.map(Input::File));
                false
            }
        }
    }

    /// Reads once into the block, after the front of a line. Whether there was anything, and when not, whether it is the end of the file.
    fn fill(&mut self, block: &mut Block) -> Result<Filled, SourceError> {
        let Some(open) = &mut self.open else { return Ok(Filled::End) };
        let bytes = block.lines_of(&open.name, open.offset);
        if bytes.is_empty() {
            bytes.append(&mut self.front);
        }
        let length = bytes.len();
        bytes.resize(length + BLOCK, 0);
        let read = match bytes.get_mut(length..) {
            Some(room) => open.reader.read(room),
            None => Ok(0),
        };
        bytes.truncate(length + read.as_ref().map_or(0, |read| *read));
        match read {
            Ok(0) => Ok(Filled::End),
            Ok(_) => Ok(Filled::Some),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Filled::Some),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Filled::Waiting),
            // A compressed file that is being written, or was not written to its end.
            Err(source) => Err(SourceError::input(&*open.name, source)),
        }
    }

    /// Leaves whole lines in the block, and keeps the front of the next; whether there are any.
    fn part(&mut self, block: &mut Block) -> bool {
        let Some(open) = &mut self.open else { return false };
        let bytes = block.lines_of(&open.name, open.offset);
        if self.skips {
            let Some(end) = memchr::memchr(b'\n', bytes) else {
                open.offset += bytes.len() as u64;
                bytes.clear();
                return false;
            };
            bytes.drain(..=end);
            open.offset += end as u64 + 1;
            block.lines_of(&open.name, open.offset);
            self.skips = false;
        }
        let bytes = block.lines_of(&open.name, open.offset);
        let end = match memchr::memrchr(b'\n', bytes) {
            Some(newline) => newline + 1,
            None if bytes.len() < LONGEST => 0,
            None => {
                self.skips = true;
                bytes.len()
            }
        };
        self.front.extend_from_slice(bytes.get(end..).unwrap_or_default());
        bytes.truncate(end);
        open.offset += end as u64;
        end > 0
    }
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filled {
    Some,
    Waiting,
    End,
}

impl Source for FileSource {
    fn read(&mut self, block: &mut Block) -> Result<Step, SourceError> {
        loop {
            if self.open.is_none() && !self.open_next()? {
                if self.followed.is_none() {
                    return Ok(Step::End);
                }
                std::thread::sleep(PAUSE);
                return Ok(Step::Waiting);
            }
            block.clear();
            match self.fill(block)? {
                Filled::Some => {
                    if self.part(block) {
                        return Ok(Step::Filled);
                    }
                }
                Filled::Waiting => {
                    self.part(block);
                    return Ok(Step::Waiting);
                }
                Filled::End => {
                    self.part(block);
                    if self.is_to_wait() {
                        block.clear();
                        std::thread::sleep(PAUSE);
                        return Ok(Step::Waiting);
                    }
                    self.skips = false;
                    let Some(open) = self.open.take() else { continue };
                    self.done += open.raw.load(Relaxed);
                    if !self.front.is_empty() {
                        block.lines_of(&open.name, open.offset).append(&mut self.front);
                        block.mark_unfinished();
                        return Ok(Step::Filled);
                    }
                }
            }
        }
    }

    fn progress(&self) -> Option<Progress> {
        let of_open = self.open.as_ref().map_or(0, |open| open.raw.load(Relaxed));
        Some(Progress { done: self.done + of_open, total: self.total? })
    }
}

/// Opens a file; one that was compressed in the meantime has another name.
fn open_file(path: &Path) -> io::Result<File> {
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut compressed = path.as_os_str().to_owned();
            compressed.push(".zst");
            File::open(compressed).map_err(|_| error)
        }
        opened => opened,
    }
}
