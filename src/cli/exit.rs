//! How the program ends: the one place that decides exit codes.

use std::fmt::Display;
use std::process::{self, ExitCode};

use super::logging;
use super::settings::CliError;
use crate::lifecycle::CutShort;
use crate::settings::ConfigError;

/// The exit code for a wrong command line or configuration, as clap has it.
const USAGE: u8 = 2;
/// The exit code for everything that goes wrong later.
const FAILURE: u8 = 1;
/// The exit code where everything went well, and what was found is what `--fail-on` names.
const VERDICT: u8 = 3;

/// Why a subcommand did not end with success.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line, a setting, or what a setting names is wrong. Nothing was begun.
    Usage(String),
    /// Something went wrong later.
    Failed(String),
    /// Not everything was delivered; the log says what.
    Incomplete,
    /// It went well, but what was found is what `--fail-on` names.
    Verdict(Vec<String>),
}

impl Failure {
    pub(super) fn usage(reason: impl Display) -> Self {
        Self::Usage(reason.to_string())
    }

    pub(super) fn failed(reason: impl Display) -> Self {
        Self::Failed(reason.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error)
    }
}

/// Says what went wrong, if something did, and ends with the code for it.
pub(super) fn end(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(reason)) => {
            logging::complain(reason);
            ExitCode::from(USAGE)
        }
        Err(Failure::Failed(reason)) => {
            logging::complain(reason);
            ExitCode::from(FAILURE)
        }
        Err(Failure::Incomplete) => ExitCode::from(FAILURE),
        Err(Failure::Verdict(violations)) => {
            violations.iter().for_each(|violation| logging::complain(format!("--fail-on {violation}")));
            ExitCode::from(VERDICT)
        }
    }
}

/// Ends where nothing was run: because of a mistake, or because help or the version was asked for.
pub(super) fn end_before_start(error: CliError) -> ExitCode {
    match error {
        CliError::Usage(error) => {
            // Help and version go to standard output and are no error; a closed pipe is nobody's concern.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
        }
        CliError::Config(error) => end(Err(error.into())),
    }
}

/// Ends the process whatever its threads are doing.
pub(super) fn at_once(why: CutShort) {
    process::exit(match why {
        CutShort::SecondSignal => FAILURE.into(),
        CutShort::TimeIsOver => 0,
    });
}
