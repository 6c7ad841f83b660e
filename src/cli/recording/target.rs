//! A recording that is made of others.

use std::path::PathBuf;

use clap::Args;

use crate::cli::exit::Failure;
use crate::recording::RecordingAbout;
use crate::recording::disk::{Key, RecordingWriter, WriterOptions, Written};

/// Where it goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct TargetArgs {
    /// Folder of the new recording; it must be empty, or not exist yet
    #[arg(long, value_name = "DIR", required = true)]
    out: PathBuf,

    /// Encrypt the new recording with the key in this file
    #[arg(long, value_name = "KEYFILE")]
    record_encrypt: Option<PathBuf>,
}

impl TargetArgs {
    pub(super) fn create(&self, about: &RecordingAbout) -> Result<RecordingWriter, Failure> {
        let key = self.record_encrypt.as_deref().map(Key::read).transpose().map_err(Failure::usage)?;
        RecordingWriter::create(&self.out, about, WriterOptions { key, ..WriterOptions::default() })
            .map_err(Failure::failed)
    }

    /// Ends it, and says what is in it.
    pub(super) fn finish(&self, writer: RecordingWriter, sessions: u64, stopped: bool) -> Result<(), Failure> {
        let Written { commands, bytes, files, .. } = writer.finish().map_err(Failure::failed)?;
        let out = self.out.display();
        if stopped {
            tracing::warn!(%out, commands, sessions, "stopped before the end: the new recording has what came before");
            return Err(Failure::Incomplete);
        }
        tracing::info!(%out, commands, sessions, bytes, files, "the new recording is complete");
        Ok(())
    }
}
