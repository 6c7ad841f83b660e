//! `mysql-interceptor recording cut`: a part of a recording.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::cat::warn_of_end;
use super::source::{KeyArgs, PartArgs, watch};
use super::target::TargetArgs;
use crate::cli::exit::Failure;
use crate::cli::settings::LogArgs;
use crate::recording::{Event, Record, RecordingAbout, SessionClose};
use crate::session::Now;

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  mysql-interceptor recording cut rec --from 10m --to 20m --out peak
  mysql-interceptor recording cut rec --user app --out app

Sessions that are open at --from begin with what is known of them then; those that are open at --to end there.";

/// The settings of `recording cut`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CutArgs {
    /// Folder of the recording
    #[arg(value_name = "DIR", required = true)]
    dir: PathBuf,

    #[command(flatten)]
    key: KeyArgs,

    #[command(flatten)]
    part: PartArgs,

    #[command(flatten)]
    target: TargetArgs,

    #[command(flatten)]
    pub(super) log: LogArgs,
}

/// Makes the recording.
pub(super) fn run(args: &CutArgs) -> Result<(), Failure> {
    let stop = watch()?;
    let recording = args.key.open(&args.dir)?;
    let about = recording.about();
    let (from, to) = args.part.range(about.started_ms);
    let mut timeline = recording.timeline(from, to).map_err(Failure::failed)?;
    warn_of_end(&recording, timeline.ending());
    let about = RecordingAbout {
        started_ms: about.started_ms.saturating_add(from / 1_000_000),
        // It is the whole recording's start that it was true for.
        gtid_set: about.gtid_set.clone().filter(|_| from == 0),
        ..about.clone()
    };
    let mut writer = args.target.create(&about)?;
    let mut wanted = args.part.sessions();
    let (mut sessions, mut stopped) = (0, false);
    // The number of each open session's last record.
    let mut open = BTreeMap::new();
    let mut last = Now { monotonic_ns: 0, epoch_ms: about.started_ms };
    for record in timeline.by_ref() {
        let mut record = record.map_err(Failure::failed)?;
        if stop.is_cancelled() {
            stopped = true;
            break;
        }
        if !wanted.wants(&record) {
            continue;
        }
        record.started.monotonic_ns -= from.min(record.started.monotonic_ns);
        last = record.started;
        match &record.event {
            Event::Begin(_) => {
                sessions += 1;
                open.insert(record.session, record.number);
            }
            Event::Command(_) => drop(open.insert(record.session, record.number)),
            Event::Lost(_) | Event::End(_) => drop(open.remove(&record.session)),
        }
        writer.write(&record).map_err(Failure::failed)?;
    }
    for (session, number) in open {
        let event = Event::End(SessionClose::RecordingEnded);
        writer.write(&Record { session, number: number + 1, started: last, event }).map_err(Failure::failed)?;
    }
    if sessions == 0 && !stopped {
        tracing::warn!("the part has no session at all: no session with this id, user or database is open then");
    }
    args.target.finish(writer, sessions, stopped)
}
