//! Begins everything, and ends it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::channel;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::check::Checked;
use super::config::ReplayConfig;
use super::error::ReplayError;
use super::event::Event;
use super::feed::Feed;
use super::gate::Gate;
use super::outcome::{Server, Taker};
use super::progress::{Progress, Recorded};
use super::session::Part;
use super::shared::Shared;
use super::source::{RecordSource, Start};
use super::workers::Workers;
use crate::report::{Collector, Facts, Report, Side};

/// What is read before the first session begins: nothing is to be late because of the disk.
const LEAD: Duration = Duration::from_millis(200);
/// What a stop leaves to commands that are under way.
const STOP_PATIENCE: Duration = Duration::from_secs(2);
/// Answers that wait to be compared.
const OUTCOMES: usize = 4096;

/// What was played.
pub(crate) struct Played {
    /// What came of it.
    pub(crate) report: Report,
    /// Why the recording could not be read to its end, if that is so.
    pub(crate) unread: Option<String>,
}

/// Plays a recording. Ends early, and with a report, when `stop` is cancelled.
pub(crate) fn run(
    config: ReplayConfig,
    source: &mut dyn RecordSource,
    checked: &Checked,
    stop: &CancellationToken,
) -> Result<Played, ReplayError> {
    let workers = Workers::start()?;
    let (sender, receiver) = channel(OUTCOMES);
    let server = Server {
        address: config.target.address(),
        version: checked.version.clone(),
        recorder: source.about().recorder,
    };
    let (loops, length) = (config.loops, source.length_ns());
    let shared = Arc::new(Shared::new(config, checked.lexis, sender, stop.clone(), source.watch()));
    let taker = Taker::start(Arc::clone(&shared), receiver, server)?;
    let recorded = Arc::new(Recorded::default());
    let progress = Progress::start(Arc::clone(&shared), Arc::clone(&recorded), length)?;
    workers.event_loop().spawn(abandon(Arc::clone(&shared)));
    let mut read = Ok(());
    for number in 0..loops {
        if read.is_ok() && !stop.is_cancelled() {
            read = play_once(&shared, &workers, &recorded, source, number);
        }
    }
    drop(progress);
    workers.event_loop().block_on(shared.tell(Event::Over));
    let collector = taker.finish()?;
    let report = finish(&shared, &mut *source, checked, collector, read.is_ok() && !stop.is_cancelled());
    Ok(Played { report, unread: read.err() })
}

fn play_once(
    shared: &Arc<Shared>,
    workers: &Workers,
    recorded: &Recorded,
    source: &mut dyn RecordSource,
    number: u32,
) -> Result<(), String> {
    let lead = u64::try_from(LEAD.as_nanos()).unwrap_or(u64::MAX);
    let part = match source.start() {
        None => Part { number, zero: shared.now_ns().saturating_add(lead), recorded_zero: 0, is_agreed: false },
        Some(start) => agreed_part(shared, number, start),
    };
    shared.gates.iter().for_each(Gate::begin);
    let tasks = TaskTracker::new();
    let read = Feed::new(shared, workers, &tasks, recorded, part).read(source);
    tasks.close();
    workers.event_loop().block_on(tasks.wait());
    read
}

/// A start that several players agreed on. It may be over for one that comes late: all is then due as much earlier.
fn agreed_part(shared: &Shared, number: u32, start: Start) -> Part {
    let now = shared.clock.now();
    let zero_ms = i128::from(start.epoch_ms) - i128::from(now.epoch_ms);
    let zero = i128::from(now.monotonic_ns) + zero_ms * 1_000_000;
    let connect_percent = shared.config.pace.connect_percent;
    // As much of the recorded time as was played before this player's clock began.
    let missed = u64::try_from(-zero).unwrap_or(0) as f64;
    let recorded_zero = if connect_percent > 0.0 { missed * 100.0 / connect_percent } else { 0.0 };
    Part { number, zero: u64::try_from(zero).unwrap_or(0), recorded_zero: recorded_zero as u64, is_agreed: true }
}

/// Gives up what is under way, some time after a stop.
async fn abandon(shared: Arc<Shared>) {
    shared.stop.cancelled().await;
    tokio::time::sleep(STOP_PATIENCE).await;
    shared.abandon.cancel();
}

fn finish(
    shared: &Shared,
    source: &mut dyn RecordSource,
    checked: &Checked,
    mut collector: Collector,
    is_complete: bool,
) -> Report {
    let counters = &shared.counters;
    for (reason, times) in counters.reasons() {
        collector.skipped(&reason, times);
    }
    let note = |collector: &mut Collector, count: u64, text: &str| {
        if count > 0 {
            collector.note(format!("{count} {text}"));
        }
    };
    note(&mut collector, counters.lost.get(), "connections to the target were lost");
    note(
        &mut collector,
        counters.reconnected.get(),
        "connections were opened again at their sessions' next transactions",
    );
    note(&mut collector, counters.released.get(), "commands did not keep the recorded order: locks stood against it");
    if !is_complete {
        collector.note("the replay was stopped before its end");
    }
    checked.notes.iter().for_each(|text| collector.note(text.as_str()));
    source.notes().iter().for_each(|text| collector.note(text.as_str()));
    let about = source.about();
    let facts = Facts {
        made_by: "replay".to_owned(),
        expected: Side {
            name: shared.config.name.clone(),
            server_version: about.server_version.clone(),
            started_epoch_ms: Some(about.started_ms),
            duration_ns: source.length_ns(),
        },
        observed: Side {
            name: shared.config.target.address(),
            server_version: Some(checked.version.clone()),
            started_epoch_ms: Some(shared.clock.now().epoch_ms.saturating_sub(shared.now_ns() / 1_000_000)),
            duration_ns: Some(shared.now_ns()),
        },
        ..Facts::default()
    };
    collector.finish(facts)
}
