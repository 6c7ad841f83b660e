//! A recording in a folder.

use super::store::{RecordStore, StoreError};
use crate::recording::Record;
use crate::recording::disk::RecordingWriter;
use crate::session::Now;

impl RecordStore for RecordingWriter {
    fn begins_at_ns(&self) -> u64 {
        Self::begins_at_ns(self)
    }

    fn write(&mut self, record: &Record) -> Result<(), StoreError> {
        Ok(Self::write(self, record)?)
    }

    fn flush_due(&mut self, now: Now) -> Result<(), StoreError> {
        Ok(Self::flush_due(self, now)?)
    }

    fn finish(self: Box<Self>) -> Result<String, StoreError> {
        let written = Self::finish(*self)?;
        let per_command = written.bytes / written.commands.max(1);
        let mut summary = format!(
            "{} commands, {} bytes in {} files ({per_command} bytes a command)",
            written.commands, written.bytes, written.files
        );
        if written.removed_files > 0 {
            summary += &format!(", of which the oldest {} were removed (--record-max-size)", written.removed_files);
        }
        if written.cut_commands > 0 {
            summary += &format!(", {} commands without their content, which was too large", written.cut_commands);
        }
        Ok(summary)
    }
}
