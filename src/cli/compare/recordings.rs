//! Two recordings of the same commands.

use std::path::{Path, PathBuf};

use super::args::CompareArgs;
use crate::cli::exit::Failure;
use crate::recording::disk::{Key, Recording, RecordingError};
use crate::recording::{Lack, Record, RecordingAbout};
use crate::report::{Collector, CollectorOptions, Facts, Paired, Readable, Report, Side, pair};

/// Where a replay's report has its results.
const RESULTS: &str = "results";
/// How many bytes of commands wait for the other recording at most.
const ROOM: usize = 256 << 20;

impl Readable for Recording {
    type Error = RecordingError;

    fn read(&self) -> Result<impl Iterator<Item = Result<Record, RecordingError>>, RecordingError> {
        Ok(self.records())
    }
}

/// Compares what the two folders have.
pub(super) fn compared(args: &CompareArgs) -> Result<Report, Failure> {
    let [first, second] = args.folders.as_slice() else {
        return Err(Failure::usage("expected two folders, the older execution first"));
    };
    let key = args.key_file.as_deref().map(Key::read).transpose().map_err(Failure::failed)?;
    let open = |folder: &PathBuf| Recording::open(&recording_in(folder), key.as_ref()).map_err(Failure::failed);
    let (expected, observed) = (open(first)?, open(second)?);
    let mut collector =
        Collector::new(CollectorOptions { time: args.report.time_limits(), ..CollectorOptions::default() });
    let paired = pair(&expected, &observed, ROOM, &mut collector).map_err(Failure::failed)?;
    if paired.commands == 0 && paired.only_expected + paired.only_observed > 0 {
        let text = "{} and {} have no command in common: compare a recording with a replay of it, or two replays of one recording";
        let text =
            text.replacen("{}", &first.display().to_string(), 1).replacen("{}", &second.display().to_string(), 1);
        return Err(Failure::failed(text));
    }
    say_what_is_missing(&mut collector, paired, second);
    for (folder, recording) in [(first, &expected), (second, &observed)] {
        say_what_is_lacking(&mut collector, folder, recording);
    }
    let facts = Facts {
        made_by: "compare".to_owned(),
        expected: side(first, expected.about(), paired.ends_ns.0),
        observed: side(second, observed.about(), paired.ends_ns.1),
        ..Facts::default()
    };
    Ok(collector.finish(facts))
}

/// The recording in a folder: that of a replay's report is beside the report.
fn recording_in(folder: &Path) -> PathBuf {
    let results = folder.join(RESULTS);
    if results.is_dir() { results } else { folder.to_owned() }
}

fn side(folder: &Path, about: &RecordingAbout, end_ns: u64) -> Side {
    Side {
        name: folder.display().to_string(),
        server_version: about.server_version.clone(),
        started_epoch_ms: Some(about.started_ms),
        duration_ns: Some(end_ns),
    }
}

fn say_what_is_missing(collector: &mut Collector, paired: Paired, second: &Path) {
    if paired.only_expected > 0 {
        collector.skipped(&format!("not in {}", second.display()), paired.only_expected);
    }
    if paired.only_observed > 0 {
        collector.not_compared(&format!("only in {}", second.display()), paired.only_observed);
    }
}

fn say_what_is_lacking(collector: &mut Collector, folder: &Path, recording: &Recording) {
    let about = recording.about();
    if !about.lacks.is_empty() {
        let lacks: Vec<_> = about.lacks.iter().map(Lack::to_string).map(|lack| lack.replace('_', " ")).collect();
        let source = about.source.to_string().replace('_', " ");
        collector.note(format!(
            "{} was made from a source ({source}) that has no {}: what is missing was not compared.",
            folder.display(),
            lacks.join(", ")
        ));
    }
    let removed = recording.removed_files();
    if removed > 0 {
        collector
            .note(format!("{} lacks its first files ({removed}): it had reached its largest size.", folder.display()));
    }
}
