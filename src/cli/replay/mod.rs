//! `mysql-interceptor replay`: a recording done again on another server.

mod args;
mod config;
mod rules;
mod values;

use tokio_util::sync::CancellationToken;

use super::conclude::conclude;
use super::exit::{Failure, at_once};
use super::settings::with_origins;
use crate::lifecycle::{self, HangUp, Patience};
use crate::recording::disk::Key;
use crate::replay::{Check, Checked, FolderSource, GroupSource, Played, RecordSource, ReplayConfig, ReplayError};
use crate::report::Report;
use crate::settings::Origins;
pub(super) use args::{ReplayArgs, adapt};
pub(super) use rules::rules;

pub(super) const EXAMPLES: &str = "\
Examples:
  mysql-interceptor replay DIR --target mysql://app@test-db --ask-password --check
  mysql-interceptor replay DIR --target mysql://app@test-db --allow-writes --report report
  mysql-interceptor replay DIR --target mysql://app@test-db --speed max --only kind=select

Exit codes: 0 done, 1 something went wrong, 2 wrong command line, 3 --fail-on says so.
Statements that change data are skipped unless --allow-writes is given.
TIME is seconds, or 500ms, 10m, 1h; SIZE is bytes, or 64MiB, 1GiB.";

/// Before a start, no more of a recording is looked through than this.
const MOST_RECORDS_BEFORE_START: u64 = 100_000;

/// Plays a recording, or looks whether it can be played.
pub(super) fn run(args: &ReplayArgs, origins: &Origins) -> Result<(), Failure> {
    let key = config::key(args, origins).map_err(Failure::usage)?;
    match config::group(args, origins).map_err(Failure::usage)? {
        Some(group) => {
            let stop = watch_signals()?;
            let mut source = GroupSource::open(group, stop.clone()).map_err(Failure::failed)?;
            let Some(ready) = prepare(args, origins, key, &mut source)? else { return Ok(()) };
            source.join().map_err(Failure::failed)?;
            play(args, origins, ready, &mut source, &stop)
        }
        None => {
            let nothing = || Failure::usage("nothing to play: give the recording's folder");
            let dir = args.recording.clone().ok_or_else(nothing)?;
            let mut source = FolderSource::open(dir, key.as_ref()).map_err(Failure::failed)?;
            let Some(ready) = prepare(args, origins, key, &mut source)? else { return Ok(()) };
            play(args, origins, ready, &mut source, &watch_signals()?)
        }
    }
}

fn watch_signals() -> Result<CancellationToken, Failure> {
    lifecycle::watch(Patience::Endless, HangUp::Ignored, at_once)
        .map_err(|error| Failure::failed(format_args!("cannot watch for signals: {error}")))
}

/// What is known before the start.
struct Ready {
    config: ReplayConfig,
    checked: Checked,
    baseline: Option<Box<Report>>,
}

/// Looks at the target and the recording; `None` if that was all.
fn prepare(
    args: &ReplayArgs,
    origins: &Origins,
    key: Option<Key>,
    source: &mut dyn RecordSource,
) -> Result<Option<Ready>, Failure> {
    let plan = config::plan(args, origins, source.about().started_ms, key).map_err(Failure::usage)?;
    let baseline = args.report.baseline(origins)?;
    let check = Check {
        connect: &plan.connect,
        accounts: &plan.accounts,
        permits: plan.config.permits,
        selection: &plan.config.selection,
        copies: plan.config.amplify.copies,
        most_records: (!args.check).then_some(MOST_RECORDS_BEFORE_START),
        play: &plan.config.play,
    };
    let checked = crate::replay::check(&check, source).map_err(Failure::failed)?;
    if args.check {
        return say_checked(&checked).map(|()| None);
    }
    checked.notes.iter().for_each(|note| tracing::warn!("{note}"));
    if plan.config.amplify.copies > 1 && plan.config.permits.writes && plan.config.play.schema_map.is_none() {
        tracing::warn!(
            "--amplify: the copies write to the same tables, and get in each other's way; --schema-map gives each its own"
        );
    }
    if !checked.problems.is_empty() {
        if !args.permits.start_anyway {
            return Err(Failure::failed(format_args!(
                "{}; --start-anyway plays what can be played",
                checked.problems.join("; ")
            )));
        }
        checked.problems.iter().for_each(|problem| tracing::warn!("{problem}"));
    }
    Ok(Some(Ready { config: plan.config, checked, baseline }))
}

/// Plays it, and says what came of it.
fn play(
    args: &ReplayArgs,
    origins: &Origins,
    ready: Ready,
    source: &mut dyn RecordSource,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let Played { mut report, unread } =
        crate::replay::run(ready.config, source, &ready.checked, stop).map_err(|error| match error {
            error @ ReplayError::Report { .. } => Failure::Failed(with_origins(&error.to_string(), origins)),
            error => Failure::failed(error),
        })?;
    if let Some(baseline) = &ready.baseline {
        report.apply_baseline(baseline);
    }
    let concluded = conclude(&report, args.report.report.as_deref(), &args.report.fail_on, args.color);
    match unread {
        Some(reason) => {
            Err(Failure::failed(format_args!("the recording was played as far as it can be read: {reason}")))
        }
        None => concluded,
    }
}

/// What `--check` found out, on standard output.
fn say_checked(checked: &Checked) -> Result<(), Failure> {
    let seconds = checked.length_ns / 1_000_000_000;
    println!("target: {}", checked.version);
    println!("recording: {} sessions, {} commands, {seconds} s", checked.sessions, checked.commands);
    for (what, count) in &checked.refused {
        println!("skipped: {count} x {what}");
    }
    for note in &checked.notes {
        println!("note: {note}");
    }
    for problem in &checked.problems {
        println!("problem: {problem}");
    }
    if checked.problems.is_empty() {
        println!("nothing stands against it");
        return Ok(());
    }
    Err(Failure::Incomplete)
}
