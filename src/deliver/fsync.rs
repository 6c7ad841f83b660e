//! When what a sink has written to a file is on disk, and so counts as delivered.

use std::fs::File;
use std::time::{Duration, Instant};

use crate::deliver::error::SinkError;
use crate::files;

/// With [`Fsync::Interval`] a file is synced at most this often.
const INTERVAL: Duration = Duration::from_secs(1);

/// When what is written to a file counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Fsync {
    /// When it is written: a power failure can lose what the system still had in memory
    Never,
    /// When it is on disk, which is ensured once a second
    Interval,
    /// When it is on disk, which is ensured after each write
    Always,
}

/// How far the messages of a file are written, and how far they are on disk.
#[derive(Debug)]
pub(crate) struct Durability {
    fsync: Fsync,
    /// The position of the last message that was written.
    written: u64,
    /// The position up to which everything is on disk.
    synced: u64,
    last_sync: Instant,
    /// Why nothing more can be delivered.
    broken: Option<String>,
}

impl Durability {
    pub(crate) fn new(fsync: Fsync) -> Self {
        Self { fsync, written: 0, synced: 0, last_sync: Instant::now(), broken: None }
    }

    /// Messages through `position` are written to `file`.
    pub(crate) fn wrote(&mut self, position: u64, file: &File) {
        self.written = position;
        if self.fsync == Fsync::Always {
            self.sync(file);
        }
    }

    /// Syncs if it is time to.
    pub(crate) fn tick(&mut self, file: &File) {
        if self.fsync == Fsync::Interval && self.last_sync.elapsed() >= INTERVAL {
            self.sync(file);
        }
    }

    /// Syncs what was written, unless the operator does not want that. Must also be called before `file` is closed.
    pub(crate) fn sync(&mut self, file: &File) {
        if self.fsync == Fsync::Never || self.synced == self.written || self.broken.is_some() {
            return;
        }
        match files::sync(file) {
            Ok(()) => self.synced = self.written,
            Err(error) => self.broken = Some(error.to_string()),
        }
        self.last_sync = Instant::now();
    }

    /// An error from the first failed sync on: the system may have dropped what it could not write, and the next sync would report
    /// success. What was not synced is read again from the checkpoint.
    pub(crate) fn check(&self, target: &str) -> Result<(), SinkError> {
        match &self.broken {
            None => Ok(()),
            Some(error) => {
                let reason = format!("what was written may not be on disk: {error}");
                Err(SinkError::Ended { target: target.to_owned(), reason })
            }
        }
    }

    /// The position up to which everything is delivered.
    pub(crate) fn delivered_through(&self) -> u64 {
        match self.fsync {
            Fsync::Never => self.written,
            Fsync::Interval | Fsync::Always => self.synced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivered_is_what_the_operator_chose() {
        let file = tempfile::tempfile().unwrap();
        let mut never = Durability::new(Fsync::Never);
        never.wrote(3, &file);
        assert_eq!(never.delivered_through(), 3);
        let mut always = Durability::new(Fsync::Always);
        always.wrote(3, &file);
        assert_eq!((always.delivered_through(), always.synced), (3, 3));
        let mut interval = Durability::new(Fsync::Interval);
        interval.wrote(3, &file);
        interval.tick(&file);
        assert_eq!(interval.delivered_through(), 0);
        interval.last_sync -= INTERVAL;
        interval.tick(&file);
        assert_eq!(interval.delivered_through(), 3);
        interval.wrote(4, &file);
        interval.tick(&file);
        assert_eq!(interval.delivered_through(), 3);
        interval.sync(&file);
        assert_eq!(interval.delivered_through(), 4);
    }

    #[test]
    fn what_cannot_be_synced_is_delivered_when_it_is_written() {
        let (reader, writer) = std::io::pipe().unwrap();
        let null = File::options().write(true).open("/dev/null").unwrap();
        for file in [null, File::from(std::os::fd::OwnedFd::from(writer))] {
            let mut durability = Durability::new(Fsync::Always);
            durability.wrote(7, &file);
            assert_eq!(durability.delivered_through(), 7);
            durability.check("x").unwrap();
        }
        drop(reader);
    }

    #[test]
    fn a_failed_sync_is_not_tried_again() {
        let mut durability = Durability::new(Fsync::Interval);
        durability.wrote(1, &tempfile::tempfile().unwrap());
        durability.broken = Some("Input/output error".to_owned());
        durability.sync(&tempfile::tempfile().unwrap());
        assert_eq!(durability.delivered_through(), 0);
        let error = durability.check("FILE").unwrap_err();
        assert!(error.ends_sink() && error.to_string().starts_with("FILE: "), "{error}");
    }
}
