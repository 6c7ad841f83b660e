//! Messages in a file, one JSON object per line, rotated by size and age.

mod file;
mod janitor;
mod rotated;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

pub(super) use file::{Kind, Output};
use janitor::Janitor;
pub(crate) use rotated::RotatedName;
pub(super) use rotated::SIDECAR;
use rotated::{beside, leave_to_its_file};

use crate::deliver::batch::Batch;
use crate::deliver::config::{Compression, NdjsonConfig};
use crate::deliver::counters::SinkCounter;
use crate::deliver::error::SinkError;
use crate::deliver::fsync::{Durability, Fsync};
use crate::deliver::ledger::{AuditConfig, Ledger};
use crate::deliver::sidecar::Sidecar;
use crate::deliver::sink::Sink;
use crate::files;

/// How often the file under the path is compared with the file that is open.
const PATH_CHECK: Duration = Duration::from_secs(1);

/// Appends messages to a file.
///
/// Only whole lines ever stay in it: what a full disk or a crash left of a line is cut off or completed.
#[derive(Debug)]
pub struct NdjsonSink {
    name: String,
    path: PathBuf,
    config: NdjsonConfig,
    kind: Kind,
    /// `None` while a named pipe has no reader, or after the file could not be opened again.
    output: Option<Output>,
    janitor: Option<Janitor>,
    path_checked: Instant,
    durability: Durability,
    /// With a marker stream.
    sidecar: Option<Box<Sidecar>>,
}

impl NdjsonSink {
    /// Opens or creates the file, cuts off a torn last line, and resumes compressing what an earlier run rotated.
    pub fn open(config: NdjsonConfig) -> Result<Self, SinkError> {
        let name = format!("ndjson:{}", config.path.display());
        let kind = Kind::of(&config.path);
        // Rotation renames the file, not a link to it.
        let path = match kind {
            Kind::Regular => fs::canonicalize(&config.path).unwrap_or_else(|_| config.path.clone()),
            Kind::Pipe | Kind::Special => config.path.clone(),
        };
        let output = match kind {
            Kind::Regular | Kind::Special => Some(Output::open(&path, kind, config.mode)?),
            // Opening waits for a reader: the sink's thread may do that.
            Kind::Pipe => None,
        };
        let needs_janitor = kind == Kind::Regular && (config.compress == Compression::Zstd || config.keep > 0);
        let janitor = match needs_janitor {
            true => Some(Janitor::start(path.clone(), config.compress, config.keep)?),
            false => None,
        };
        let durability = Durability::new(config.fsync);
        let path_checked = Instant::now();
        let sink = Self { name, path, config, kind, output, janitor, path_checked, durability, sidecar: None };
        sink.sync_name()?;
        Ok(sink)
    }

    /// Opens it with a marker stream, in a file beside it.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], and for what is no regular file: there is nothing beside it.
    pub fn open_audited(config: NdjsonConfig, audit: &AuditConfig) -> Result<Self, SinkError> {
        let mut sink = Self::open(config)?;
        if sink.kind != Kind::Regular {
            let reason = "no regular file: markers need a file beside it (--markers)".to_owned();
            return Err(SinkError::Ended { target: sink.name, reason });
        }
        let begins_at = sink.output.as_ref().map_or(0, Output::end);
        let path = beside(&sink.path);
        if begins_at == 0 {
            leave_to_its_file(&sink.path, &path)?;
        }
        let sidecar = Sidecar::open(&sink.name, path, sink.config.mode, begins_at, audit)?;
        sink.sidecar = Some(Box::new(sidecar));
        Ok(sink)
    }

    /// Tells the marker stream what is delivered by now.
    fn settle(&mut self) {
        let through = self.durability.delivered_through();
        if let Some(sidecar) = &mut self.sidecar {
            sidecar.settle(through);
        }
    }

    fn output(&mut self) -> Result<&mut Output, SinkError> {
        if self.output.is_none() {
            self.output = Some(Output::open(&self.path, self.kind, self.config.mode)?);
            self.sync_name()?;
        }
        // Just set; the alternative would be an unwrap.
        self.output.as_mut().ok_or(SinkError::BufferFull)
    }

    /// Closes the file; what was written is on disk before that.
    fn close_output(&mut self) {
        if let Some(output) = self.output.take() {
            self.durability.sync(output.file());
        }
    }

    /// A new file's name is to survive a power failure too.
    fn sync_name(&self) -> Result<(), SinkError> {
        if self.kind != Kind::Regular || self.config.fsync == Fsync::Never {
            return Ok(());
        }
        files::sync_folder_of(&self.path).map_err(|source| SinkError::io("sync the folder of", &self.path, source))
    }

    /// Moves the file out of the way; the next write makes a new one.
    fn rotate(&mut self) -> Result<(), SinkError> {
        // Somebody else may have renamed the file already: then there is nothing of ours to rename.
        let is_ours = self.output.as_ref().is_some_and(|output| output.is_at(&self.path));
        let end = self.output.as_ref().map_or(0, Output::end);
        self.close_output();
        self.settle();
        self.durability.check(&self.name)?;
        let target = RotatedName::free(&self.path, SystemTime::now());
        if is_ours {
            fs::rename(&self.path, &target).map_err(|source| SinkError::io("rename", &self.path, source))?;
        }
        if let Some(sidecar) = &mut self.sidecar {
            sidecar.rotate(&target, end, beside(&target));
            sidecar.write_out()?;
        }
        if !is_ours {
            return Ok(());
        }
        tracing::info!(sink = self.name, file = %target.display(), "rotated");
        if let Some(janitor) = &self.janitor {
            janitor.wake();
        }
        Ok(())
    }

    /// Notices that the file was renamed, removed or truncated by somebody else.
    fn check_path(&mut self) -> Result<(), SinkError> {
        let Some(output) = &mut self.output else {
            return if self.kind == Kind::Pipe { Ok(()) } else { self.output().map(|_| ()) };
        };
        if output.is_at(&self.path) {
            output.refresh_size();
            return self.sidecar.as_mut().map_or(Ok(()), |sidecar| sidecar.check_path());
        }
        let end = output.end();
        tracing::info!(sink = self.name, "the file was renamed or removed; opening it again");
        self.close_output();
        self.settle();
        if let Some(sidecar) = &mut self.sidecar {
            // Whoever renamed the file did not rename this.
            let target = RotatedName::free(&self.path, SystemTime::now());
            sidecar.rotate(&target, end, beside(&target));
            sidecar.write_out()?;
        }
        self.durability.check(&self.name)?;
        self.output().map(|_| ())
    }

    fn wrote(&mut self, position: u64) {
        if let Some(output) = &self.output {
            self.durability.wrote(position, output.file());
        }
    }

    fn is_too_old(&self) -> bool {
        let limit = self.config.rotate_age;
        let output = self.output.as_ref().filter(|_| !limit.is_zero() && self.kind == Kind::Regular);
        output.is_some_and(|output| !output.is_empty() && output.age() >= limit)
    }
}

impl Sink for NdjsonSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn attach(&mut self, counter: &Arc<SinkCounter>) {
        if let Some(sidecar) = &mut self.sidecar {
            sidecar.attach(counter);
        }
    }

    fn ledger(&self) -> Option<Arc<Ledger>> {
        self.sidecar.as_ref().map(|sidecar| sidecar.ledger())
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        self.durability.check(&self.name)?;
        if let Some(sidecar) = &mut self.sidecar {
            // What belongs to the messages before comes before these.
            sidecar.write_out()?;
        }
        let limit = match (self.kind, self.config.rotate_size) {
            (Kind::Pipe | Kind::Special, _) | (_, 0) => u64::MAX,
            (Kind::Regular, limit) => limit,
        };
        let output = self.output()?;
        let room = usize::try_from(output.room(limit)).unwrap_or(usize::MAX);
        let mut fitting = batch.messages_within(from, room);
        if fitting == 0 {
            if !output.is_empty() {
                self.rotate()?;
            }
            // One message larger than the limit gets its own file.
            let room = usize::try_from(limit).unwrap_or(usize::MAX);
            fitting = batch.messages_within(from, room).max(1);
        }
        let output = self.output()?;
        let (taken, error) = output.append(batch, from, fitting);
        let end = output.end();
        if taken > 0 {
            if let Some(sidecar) = &mut self.sidecar {
                sidecar.wrote_lines(batch, from..from + taken, end);
                // What fails now is tried again before anything else is written, and reported then.
                let _ = sidecar.write_out();
            }
            self.wrote(batch.position(from + taken - 1));
            self.settle();
        }
        match error {
            None => Ok(taken),
            Some(error) => {
                if error.kind() == std::io::ErrorKind::BrokenPipe {
                    // The reader of a named pipe went away. The next one starts with a whole line.
                    self.output = None;
                }
                if taken > 0 { Ok(taken) } else { Err(SinkError::io("write to", &self.path, error)) }
            }
        }
    }

    fn delivered_through(&self) -> u64 {
        self.durability.delivered_through()
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        if let Some(output) = &self.output {
            self.durability.tick(output.file());
        }
        self.durability.check(&self.name)?;
        self.settle();
        if let Some(sidecar) = &mut self.sidecar {
            sidecar.tick()?;
        }
        if self.kind != Kind::Regular {
            return Ok(());
        }
        if self.path_checked.elapsed() >= PATH_CHECK {
            self.path_checked = Instant::now();
            self.check_path()?;
        }
        if self.is_too_old() {
            self.rotate()?;
            self.output()?;
        }
        Ok(())
    }

    fn flush(&mut self, deadline: Instant) -> Result<(), SinkError> {
        // Everything was written.
        if let Some(output) = &self.output {
            self.durability.sync(output.file());
        }
        self.settle();
        let end = self.output.as_ref().map_or(0, Output::end);
        let closed = self.sidecar.as_mut().map_or(Ok(()), |sidecar| sidecar.finish(Some((&self.path, end))));
        // There may be no next start, as in a container, that would compress what is left.
        if let Some(janitor) = self.janitor.take()
            && !janitor.finish(deadline)
        {
            tracing::info!(sink = self.name, "not all rotated files are compressed; that goes on with the next start");
        }
        self.durability.check(&self.name).and(closed)
    }
}

#[cfg(test)]
mod tests;
