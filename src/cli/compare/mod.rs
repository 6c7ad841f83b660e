//! `mysql-interceptor compare`: two executions of the same commands, or the reports of several players.

mod args;
mod recordings;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::exit::Failure;
use crate::pretty::Palette;
use crate::report::{FailOn, Report};
pub(super) use args::{CompareArgs, rules};
use recordings::compared;

pub(super) const EXAMPLES: &str = "\
Examples:
  mysql-interceptor compare old.recording new.recording --report report
  mysql-interceptor compare replay-on-9.7 replay-on-11.8 --baseline replay-on-9.7-again --fail-on error,rows,'p99>1.2x'
  mysql-interceptor compare --merge player1 player2 player3 --report all

DIR is a recording, or what `replay --report` wrote. Exit codes: 0 compared, 1 failed, 2 wrong options, 3 compared, and --fail-on applies.";

/// How wide the summary is where nobody looks.
const WIDTH: usize = 160;

/// A comparison that can begin.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) args: CompareArgs,
    pub(super) baseline: Option<Box<Report>>,
}

/// Compares, and says what differs.
pub(super) fn run(plan: Plan) -> Result<(), Failure> {
    let Plan { args, baseline } = plan;
    let mut report = if args.merge { merged(&args)? } else { compared(&args)? };
    if let Some(baseline) = baseline {
        report.apply_baseline(&baseline);
    }
    conclude(&report, args.report.report.as_deref(), &args.report.fail_on, args.color)
}

/// Writes the report, prints its summary, and ends as `--fail-on` says.
pub(super) fn conclude(
    report: &Report,
    folder: Option<&Path>,
    fail_on: &[FailOn],
    color: crate::pretty::ColorChoice,
) -> Result<(), Failure> {
    if let Some(folder) = folder {
        report.write(folder).map_err(Failure::failed)?;
    }
    let mut out = io::stdout().lock();
    let is_terminal = out.is_terminal();
    let width = terminal_size::terminal_size_of(io::stdout()).filter(|_| is_terminal);
    let width = width.map_or(WIDTH, |(width, _)| usize::from(width.0));
    let mut text = report.summary(Palette::choose(color, is_terminal), width);
    if let Some(folder) = folder {
        text += &format!("{:<11} {}\n", "Report", folder.join("report.html").display());
    }
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // `compare | head` is no error.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(Failure::failed(format!("cannot write to standard output: {error}")));
        }
        _ => {}
    }
    let violations = report.violations(fail_on);
    if violations.is_empty() { Ok(()) } else { Err(Failure::Verdict(violations)) }
}

fn merged(args: &CompareArgs) -> Result<Report, Failure> {
    let mut folders = args.folders.iter();
    let read = |folder: &PathBuf| Report::read(folder).map_err(Failure::failed);
    let first = folders.next().map(read).transpose()?;
    let mut report = first.ok_or_else(|| Failure::usage("--merge: name the reports"))?;
    for folder in folders {
        report.merge(read(folder)?);
    }
    Ok(report)
}
