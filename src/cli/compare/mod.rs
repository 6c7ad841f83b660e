//! `mysql-interceptor compare`: two executions of the same commands, or the reports of several players.

mod args;
mod explain;
mod recordings;

use std::path::PathBuf;

use super::conclude::conclude;
use super::exit::Failure;
use crate::report::Report;
pub(super) use args::{CompareArgs, rules};
use explain::{Explainer, explain_all};
use recordings::compared;

pub(super) const EXAMPLES: &str = "\
Examples:
  mysql-interceptor compare old.recording new.recording --report report
  mysql-interceptor compare replay-on-9.7 replay-on-11.8 --baseline replay-on-9.7-again --fail-on error,rows,'p99>1.2x'
  mysql-interceptor compare --merge player1 player2 player3 --report all

DIR is a recording, or what `replay --report` wrote. Exit codes: 0 compared, 1 failed, 2 wrong options, 3 compared, and --fail-on applies.";

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
    if let (Some(recorded), Some(target), Some(_)) = (&args.explain_recorded, &args.explain_target, &args.report.report)
    {
        let (mut recorded, mut target) = (Explainer::connect(recorded)?, Explainer::connect(target)?);
        explain_all(&mut report, &mut recorded, &mut target)?;
    }
    conclude(&report, args.report.report.as_deref(), &args.report.fail_on, args.color)
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
