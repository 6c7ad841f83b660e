//! `mysql-interceptor recording`: recordings as they lie in folders.

mod cat;
mod cut;
mod import;
mod info;
mod line;
mod merge;
mod source;
mod target;

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
    /// Say what a recording has, and how much of it a replay will do
    #[command(after_help = info::EXAMPLES)]
    Info(Box<info::InfoArgs>),
    /// Print a recording's records, one JSON object per line, or for people
    #[command(after_help = cat::EXAMPLES)]
    Cat(Box<cat::CatArgs>),
    /// Make one recording of several, such as those of several proxies
    #[command(after_help = merge::EXAMPLES)]
    Merge(Box<merge::MergeArgs>),
    /// Make a recording of a part of one: of a time, of some sessions
    #[command(after_help = cut::EXAMPLES)]
    Cut(Box<cut::CutArgs>),
    /// Make a recording of a slow log, a general log, or of messages
    #[command(after_help = import::EXAMPLES)]
    Import(Box<import::ImportArgs>),
}

impl RecordingCommand {
    pub(super) fn log(&self) -> &LogArgs {
        match self {
            Self::Import(args) => &args.log,
            Self::Info(args) => &args.log,
            Self::Cat(args) => &args.log,
            Self::Merge(args) => &args.log,
            Self::Cut(args) => &args.log,
        }
    }
}

/// The tables of what is below `recording`, complete.
pub(super) fn adapt(command: Command) -> Command {
    ["info", "cat", "merge", "cut", "import"].into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |subcommand| complete(subcommand, "INTERCEPTOR_RECORDING_"))
    })
}

/// Does it.
pub(super) fn run(command: &RecordingCommand) -> Result<(), Failure> {
    match command {
        RecordingCommand::Import(args) => import::run(args),
        RecordingCommand::Info(args) => info::run(args),
        RecordingCommand::Cat(args) => cat::run(args),
        RecordingCommand::Merge(args) => merge::run(args),
        RecordingCommand::Cut(args) => cut::run(args),
    }
}
