//! How a comparison ends: its report is written, said in a few lines, and held against `--fail-on`.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use super::exit::Failure;
use crate::pretty::{ColorChoice, Palette};
use crate::report::{FailOn, Report};

/// How wide the summary is where it is not a terminal's.
const WIDTH: usize = 160;

/// Writes the report, prints its summary, and ends as `--fail-on` says.
pub(super) fn conclude(
    report: &Report,
    folder: Option<&Path>,
    fail_on: &[FailOn],
    color: ColorChoice,
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
