//! A session on the second server.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::comparison::Comparison;
use super::config::Lag;
use super::counters::{Dropped, add};
use super::gate::{Gate, Verdict};
use super::hub::Hub;
use super::line::{Exit, Queued};
use super::server::{Server, ServerSession};
use crate::backoff::Backoff;
use crate::player::PlayError;
use crate::recording::{Event, Record, RecordedCommand, SessionBegin, SessionClose, SessionId};

/// What all sessions have on this side.
pub(super) struct Mirroring<S> {
    pub(super) hub: Arc<Hub>,
    pub(super) server: S,
    pub(super) comparison: RefCell<Comparison>,
}

/// Why a session cannot go on.
struct Failure {
    why: Dropped,
    detail: String,
}

impl Failure {
    fn new(why: Dropped, detail: impl std::fmt::Display) -> Self {
        Self { why, detail: detail.to_string() }
    }
}

/// Where a session is.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    session: Option<SessionId>,
    number: u64,
}

/// Does on the target what the client did, until the session's end.
pub(super) async fn mirror<S: Server>(mut exit: Exit, mirroring: Rc<Mirroring<S>>) {
    let (cut, hub) = (exit.cut.clone(), Arc::clone(&mirroring.hub));
    let mut place = Place::default();
    let failure = tokio::select! {
        biased;
        // Whoever cuts it says why, unless the whole mirror ends.
        () = cut.cancelled() => hub.cut.is_cancelled().then(|| Failure::new(Dropped::Stopped, "")),
        ended = until_end(&mut exit, &mirroring, &mut place) => ended.err(),
    };
    add(&hub.counters.discarded, exit.discard());
    let (Some(failure), Some(session)) = (failure, place.session) else { return };
    hub.drops.dropped(failure.why, session, &failure.detail);
    if matches!(failure.why, Dropped::Lost | Dropped::Login | Dropped::Unreachable) {
        mirroring.comparison.borrow_mut().failed(session, place.number, failure.why, &failure.detail);
    }
}

async fn until_end<S: Server>(exit: &mut Exit, mirroring: &Mirroring<S>, place: &mut Place) -> Result<(), Failure> {
    let hub = &mirroring.hub;
    let Some(first) = exit.next(&hub.stop).await else { return Ok(()) };
    place.session = Some(first.record.session);
    let (mut gate, mut target) = begin(exit, first, mirroring).await?;
    while let Some(queued) = exit.next(&hub.stop).await {
        hub.counters.lagged(queued.since.elapsed());
        let record = &queued.record;
        place.number = record.number;
        match &record.event {
            Event::Command(command) => match gate.judge(command, target.lexis()) {
                Verdict::Play => execute(&mut target, record, command, &gate, mirroring).await?,
                verdict => skip(verdict, mirroring),
            },
            Event::End(close) => {
                target.close(*close).await;
                return Ok(());
            }
            Event::Begin(_) => return Err(Failure::new(Dropped::Gap, "it began again")),
            Event::Lost(reason) => return Err(Failure::new(Dropped::Gap, reason)),
        }
    }
    // The mirror was switched off, or the client's connection was cut off.
    target.close(SessionClose::Closed).await;
    Ok(())
}

/// Opens the session on the target.
async fn begin<S: Server>(exit: &Exit, first: Queued, mirroring: &Mirroring<S>) -> Result<(Gate, S::Session), Failure> {
    let Event::Begin(mut begin) = first.record.event else {
        return Err(Failure::new(Dropped::Gap, "its beginning is missing"));
    };
    let gate = Gate::new(&mirroring.hub.config, exit.client, &begin);
    gate.admit(&mut begin);
    let target = open(&begin, mirroring).await?;
    mirroring.comparison.borrow_mut().session_began(begin.server_version.as_deref());
    Ok((gate, target))
}

/// Connects; with `--mirror-lag=queue` as often as it takes, since the session waits on the disk meanwhile.
async fn open<S: Server>(begin: &SessionBegin, mirroring: &Mirroring<S>) -> Result<S::Session, Failure> {
    let hub = &mirroring.hub;
    let mut pauses = Backoff::new(super::hub::PAUSES.0, super::hub::PAUSES.1);
    loop {
        let error = match mirroring.server.open(begin).await {
            Ok(session) => {
                hub.reached();
                return Ok(session);
            }
            Err(error) => error,
        };
        if !error.is_transient() {
            return Err(Failure::new(Dropped::Login, error));
        }
        match &hub.config.lag {
            Lag::Drop => {
                hub.unreachable(Instant::now());
                return Err(Failure::new(Dropped::Unreachable, error));
            }
            Lag::Queue { .. } => {
                if hub.stop.is_cancelled() {
                    return Err(Failure::new(Dropped::Unreachable, error));
                }
                hub.drops.waits_for_target(&error);
                tokio::time::sleep(pauses.pause()).await;
            }
        }
    }
}

async fn execute<S: Server>(
    target: &mut S::Session,
    record: &Record,
    command: &RecordedCommand,
    gate: &Gate,
    mirroring: &Mirroring<S>,
) -> Result<(), Failure> {
    let hub = &mirroring.hub;
    let started = hub.config.options.clock.now();
    match target.play(command, record.started).await {
        Ok(observed) => {
            add(&hub.counters.commands, 1);
            let mut comparison = mirroring.comparison.borrow_mut();
            comparison.executed(record, command, &observed, gate.lexis(), started, &hub.counters);
            Ok(())
        }
        Err(PlayError::Unplayable(reason)) => {
            add(&hub.counters.unplayable, 1);
            mirroring.comparison.borrow_mut().skipped(&reason.to_string());
            Ok(())
        }
        Err(error) => Err(Failure::new(Dropped::Lost, error)),
    }
}

/// A command is not executed.
fn skip<S>(verdict: Verdict, mirroring: &Mirroring<S>) {
    let counters = &mirroring.hub.counters;
    let reason = match verdict {
        Verdict::Refused(safety) => {
            counters.refuse(safety);
            format!("not allowed: {safety}")
        }
        Verdict::LeftOut => {
            add(&counters.left_out, 1);
            "left out by a filter".to_owned()
        }
        Verdict::Torn => {
            add(&counters.torn, 1);
            "of a transaction that had begun before".to_owned()
        }
        Verdict::Follows | Verdict::Play => return,
    };
    mirroring.comparison.borrow_mut().skipped(&reason);
}
