//! `mysql-interceptor recording`: recordings as they lie in folders.

mod import;

use clap::{Args, Command, Subcommand};

use super::exit::Failure;
use super::settings::{LogArgs, complete};

/// The command line of `recording`.
#[derive(Debug, Args)]
pub(super) struct RecordingArgs {
    #[command(subcommand)]
    pub(super) of: RecordingCommand,
}

/// What is done with a recording.
#[derive(Debug, Subcommand)]
pub(super) enum RecordingCommand {
    /// Make a recording of a slow log, a general log, or of messages
    #[command(after_help = import::EXAMPLES)]
    Import(Box<import::ImportArgs>),
}

impl RecordingCommand {
    pub(super) fn log(&self) -> &LogArgs {
        match self {
            Self::Import(args) => &args.log,
        }
    }
}

/// The tables of what is below `recording`, complete.
pub(super) fn adapt(command: Command) -> Command {
    command.mut_subcommand("import", |import| complete(import, "INTERCEPTOR_RECORDING_"))
}

/// Does it.
pub(super) fn run(command: &RecordingCommand) -> Result<(), Failure> {
    match command {
        RecordingCommand::Import(args) => import::run(args),
    }
}
