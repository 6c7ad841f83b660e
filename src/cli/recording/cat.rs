//! `mysql-interceptor recording cat`: a recording's records.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;

use super::line::Lines;
use super::source::{KeyArgs, PartArgs, printed, stdout, watch};
use crate::cli::exit::Failure;
use crate::cli::settings::LogArgs;
use crate::recording::disk::{Recording, RecordingEnd};
use crate::settings::boolean;

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  mysql-interceptor recording cat rec --pretty | less
  mysql-interceptor recording cat rec | jq -r 'select(.event == \"command\") | .sql'
  mysql-interceptor recording cat rec --from 10m --to 11m --user app";

/// The settings of `recording cat`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CatArgs {
    /// Folder of the recording
    #[arg(value_name = "DIR", required = true)]
    dir: PathBuf,

    #[command(flatten)]
    key: KeyArgs,

    #[command(flatten)]
    part: PartArgs,

    /// One line for people for each record, instead of JSON
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean)]
    pretty: bool,

    #[command(flatten)]
    pub(super) log: LogArgs,
}

/// Prints the records in the order in which they started.
pub(super) fn run(args: &CatArgs) -> Result<(), Failure> {
    let stop = watch()?;
    let recording = args.key.open(&args.dir)?;
    let (from, to) = args.part.range(recording.about().started_ms);
    let mut timeline = recording.timeline(from, to).map_err(Failure::failed)?;
    warn_of_end(&recording, timeline.ending());
    let mut wanted = args.part.sessions();
    let mut lines = Lines;
    let is_watched = std::io::stdout().is_terminal();
    let mut output = stdout();
    while let Some(record) = timeline.next().filter(|_| !stop.is_cancelled()) {
        let record = record.map_err(Failure::failed)?;
        if !wanted.wants(&record) {
            continue;
        }
        let mut line = if args.pretty { lines.of(&record).into_bytes() } else { record.to_json() };
        line.push(b'\n');
        if output.write_all(&line).and_then(|()| if is_watched { output.flush() } else { Ok(()) }).is_err() {
            break;
        }
    }
    printed(Ok(()), &mut output)
}

/// Says if something at the end of a recording is left out.
pub(super) fn warn_of_end(recording: &Recording, ending: RecordingEnd) {
    if let RecordingEnd::Open { left_out } = ending {
        tracing::warn!(
            dir = %recording.dir().display(),
            left_out_bytes = left_out,
            "the recording has no end: its recorder still writes, or was ended in the middle; what is whole is read"
        );
    }
}
