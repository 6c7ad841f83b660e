//! `mysql-interceptor recording merge`: several recordings as one, by the time of day.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;

use super::cat::warn_of_end;
use super::source::{KeyArgs, watch};
use super::target::TargetArgs;
use crate::cli::exit::Failure;
use crate::cli::settings::LogArgs;
use crate::recording::disk::{Recording, Timeline};
use crate::recording::{Event, Record, RecordingAbout, RecordingSource, SessionId};

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  mysql-interceptor recording merge proxy1 proxy2 proxy3 --out all

The machines' clocks put them in order: keep these synchronised while recording.";

/// The settings of `recording merge`.
#[derive(Debug, Args)]
pub(in crate::cli) struct MergeArgs {
    /// Folders of the recordings
    #[arg(value_name = "DIR", required = true, num_args = 2..)]
    dirs: Vec<PathBuf>,

    #[command(flatten)]
    key: KeyArgs,

    #[command(flatten)]
    target: TargetArgs,

    #[command(flatten)]
    pub(super) log: LogArgs,
}

/// A recording, and the record of it that comes next.
struct Input<'a> {
    timeline: Timeline<'a>,
    /// How much later it began than the first of all.
    shift_ns: u64,
    next: Option<Record>,
}

impl<'a> Input<'a> {
    fn new(recording: &'a Recording, started_ms: u64) -> Result<Self, Failure> {
        let timeline = recording.timeline(0, u64::MAX).map_err(Failure::failed)?;
        warn_of_end(recording, timeline.ending());
        let shift_ns = recording.about().started_ms.saturating_sub(started_ms).saturating_mul(1_000_000);
        let mut input = Self { timeline, shift_ns, next: None };
        input.advance()?;
        Ok(input)
    }

    /// Gives the next record away.
    fn advance(&mut self) -> Result<Option<Record>, Failure> {
        let mut following = self.timeline.next().transpose().map_err(Failure::failed)?;
        if let Some(record) = &mut following {
            record.started.monotonic_ns = record.started.monotonic_ns.saturating_add(self.shift_ns);
        }
        Ok(std::mem::replace(&mut self.next, following))
    }

    fn due(&self) -> u64 {
        self.next.as_ref().map_or(u64::MAX, |record| record.started.monotonic_ns)
    }
}

/// Makes the recording.
pub(super) fn run(args: &MergeArgs) -> Result<(), Failure> {
    let stop = watch()?;
    let recordings = args.dirs.iter().map(|dir| args.key.open(dir)).collect::<Result<Vec<_>, _>>()?;
    let about = about_all(&recordings)?;
    let inputs = recordings.iter().map(|recording| Input::new(recording, about.started_ms));
    let mut inputs = inputs.collect::<Result<Vec<_>, _>>()?;
    let mut writer = args.target.create(&about)?;
    let mut owners: HashMap<SessionId, usize> = HashMap::new();
    let (mut sessions, mut stopped) = (0, false);
    while let Some((index, input)) =
        inputs.iter_mut().enumerate().filter(|(_, input)| input.next.is_some()).min_by_key(|(_, input)| input.due())
    {
        if stop.is_cancelled() {
            stopped = true;
            break;
        }
        let Some(record) = input.advance()? else { break };
        if matches!(record.event, Event::Begin(_)) {
            sessions += 1;
            if *owners.entry(record.session).or_insert(index) != index {
                let dir = args.dirs.get(index).map(|dir| dir.display().to_string()).unwrap_or_default();
                let session = record.session;
                return Err(Failure::failed(format_args!(
                    "{dir}: session {session} is in another of these recordings, too: they are parts of one recording"
                )));
            }
        }
        writer.write(&record).map_err(Failure::failed)?;
    }
    args.target.finish(writer, sessions, stopped)
}

/// What the recordings say of themselves, together.
fn about_all(recordings: &[Recording]) -> Result<RecordingAbout, Failure> {
    let abouts: Vec<_> = recordings.iter().map(Recording::about).collect();
    let first = abouts.iter().min_by_key(|about| about.started_ms);
    let first = first.ok_or_else(|| Failure::usage("there is nothing to merge"))?;
    let mut lacks: Vec<_> = abouts.iter().flat_map(|about| about.lacks.iter().copied()).collect();
    lacks.sort();
    lacks.dedup();
    let same = |of: fn(&RecordingAbout) -> &Option<String>| {
        of(first).clone().filter(|value| abouts.iter().all(|about| of(about).as_ref() == Some(value)))
    };
    Ok(RecordingAbout {
        server: same(|about| &about.server),
        server_version: same(|about| &about.server_version),
        gtid_set: first.gtid_set.clone(),
        redacted: abouts.iter().any(|about| about.redacted),
        lacks,
        ..RecordingAbout::new(RecordingSource::Merged, first.recorder, first.started_ms)
    })
}
