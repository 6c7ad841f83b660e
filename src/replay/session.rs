//! One recorded session, done again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use super::alarm::Alarm;
use super::connection::{Connection, NoConnection};
use super::cut::Cut;
use super::event::{Done, Event as Told, Failed};
use super::item::{Held, Item};
use super::late::{Delays, Times};
use super::order::{NotKnown, Turn};
use super::pace::Schedule;
use super::permit::{Refusal, refused};
use super::shared::Shared;
use crate::mysql::wire::Command;
use crate::player::{Boundary, Judge, Judged, PlayError};
use crate::recording::{Event, RecordedCommand, SessionBegin, SessionClose, SessionId, SessionState};

/// Which part of the replay a session belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Which loop, from 0.
    pub(super) number: u32,
    /// What the replay's clock shows when it begins.
    pub(super) zero: u64,
    /// What the recording's clock showed where it begins.
    pub(super) recorded_zero: u64,
    /// Whether several players have agreed on that.
    pub(super) is_agreed: bool,
}

/// How often a session that waits for others looks whether it waits in vain.
const LOOK: Duration = Duration::from_millis(100);
/// The target is at what others wait for for so long: perhaps for a lock that one of those holds.
const STUCK_NS: u64 = 1_000_000_000;
/// Nothing waits longer than this for others.
const LONGEST_WAIT_NS: u64 = 60_000_000_000;

/// Plays a session from its first record to its last.
pub(super) async fn play(
    shared: Arc<Shared>,
    alarm: Alarm,
    id: SessionId,
    copy: u32,
    part: Part,
    given_up: CancellationToken,
    mut items: UnboundedReceiver<Item>,
) {
    let mut session = Session::new(&shared, alarm, id, copy, part);
    let mut ended = None;
    loop {
        let item = tokio::select! {
            biased;
            () = given_up.cancelled() => None,
            item = items.recv() => item,
        };
        let Some(item) = item.filter(|_| !shared.stop.is_cancelled()) else { break };
        if matches!(item.record.record.event, Event::End(_)) {
            ended = Some(item.ended);
        }
        tokio::select! {
            biased;
            () = given_up.cancelled() => break,
            () = session.item(item) => {}
        }
    }
    if given_up.is_cancelled() {
        // Whoever begins it again must find no lock of it.
        session.connection = Connection::None;
    }
    session.connection.close(SessionClose::RecordingEnded).await;
    if let Some(watch) = shared.watch.as_ref().filter(|_| ended.is_some() || given_up.is_cancelled()) {
        watch.ended(id, &given_up);
    }
    if let Some(number) = ended
        && let Some(gate) = usize::try_from(copy).ok().and_then(|copy| shared.gates.get(copy))
    {
        gate.ended(number);
    }
    if session.has_begun {
        shared.counters.sessions_ended.add(1);
    }
}

struct Session<'a> {
    shared: &'a Shared,
    alarm: Alarm,
    id: SessionId,
    copy: u32,
    part: Part,
    schedule: Option<Schedule>,
    delays: Delays,
    /// When the last answer was complete, in nanoseconds of the replay's clock.
    answered: u64,
    judge: Judge,
    boundary: Boundary<Cut>,
    connection: Connection,
    /// As the recorded session is now.
    state: SessionState,
    begin: SessionBegin,
    has_begun: bool,
    /// Recorded ids of prepared statements that were refused.
    refused_statements: HashSet<u32>,
}

impl<'a> Session<'a> {
    fn new(shared: &'a Shared, alarm: Alarm, id: SessionId, copy: u32, part: Part) -> Self {
        let begin = SessionBegin::default();
        Self {
            shared,
            alarm,
            id,
            copy,
            part,
            schedule: None,
            delays: Delays::default(),
            answered: 0,
            judge: Judge::new(shared.lexis),
            boundary: Boundary::default(),
            connection: Connection::None,
            state: SessionState::new(&begin),
            begin,
            has_begun: false,
            refused_statements: HashSet::new(),
        }
    }

    async fn item(&mut self, mut item: Item) {
        let held = Arc::clone(&item.record);
        let recorded = held.record.started.monotonic_ns;
        match &held.record.event {
            Event::Begin(begin) => {
                self.wait_for_others(&mut item.turn).await;
                self.begin(begin, recorded, item.ended).await;
            }
            Event::Command(command) => self.command(&held, command, &mut item.turn).await,
            Event::Lost(_) => self.connection.close(SessionClose::Closed).await,
            Event::End(close) => {
                if self.connection.is_open() && self.is_due(recorded).await {
                    self.connection.close(*close).await;
                }
            }
        }
    }

    /// Waits until what began at `recorded` is due; false if the replay is stopped first.
    async fn is_due(&self, recorded: u64) -> bool {
        match self.due(recorded) {
            Some(due) => self.shared.sleep_until(&self.alarm, due).await,
            None => true,
        }
    }

    fn due(&self, recorded: u64) -> Option<u64> {
        self.schedule.as_ref().map(|schedule| schedule.due(recorded.saturating_sub(self.part.recorded_zero)))
    }

    async fn begin(&mut self, begin: &SessionBegin, recorded: u64, ended_before: u64) {
        self.state = SessionState::new(begin);
        self.begin = begin.clone();
        self.judge = Judge::of_session(begin, self.shared.lexis).with_texts(&self.shared.texts);
        self.refused_statements.clear();
        let why = match (&self.schedule, self.shared.config.selection.from_ns) {
            (Some(_), _) => Cut::Gap,
            (None, 0) => Cut::BeforeRecording,
            (None, _) => Cut::BeforeFrom,
        };
        self.boundary = Boundary::cut(begin.in_transaction, why);
        if self.schedule.is_none() {
            let copies_before = self.shared.config.amplify.offset.saturating_mul(self.copy);
            let offset = u64::try_from(copies_before.as_nanos()).unwrap_or(u64::MAX).saturating_add(self.part.zero);
            let recorded = recorded.saturating_sub(self.part.recorded_zero);
            let mut schedule = Schedule::new(self.shared.config.pace, recorded, offset);
            if self.shared.config.pace.connects_at_once() {
                self.wait_for_sessions(ended_before).await;
                schedule.delay_begin(self.shared.now_ns());
            }
            self.schedule = Some(schedule);
        } else {
            self.connection.close(SessionClose::Closed).await;
        }
        if begin.refused.is_some() {
            self.connection = Connection::Failed;
            self.shared.counters.skip("a login that was refused in the recording");
            return;
        }
        // A session that does nothing is a session.
        if self.is_due(recorded).await {
            self.connect().await;
        }
    }

    async fn wait_for_sessions(&self, ended_before: u64) {
        let gate = usize::try_from(self.copy).ok().and_then(|copy| self.shared.gates.get(copy));
        if let Some(gate) = gate {
            tokio::select! {
                () = gate.wait_for(ended_before) => {}
                () = self.shared.stop.cancelled() => {}
            }
        }
    }

    async fn connect(&mut self) {
        let begin = self.state.begin();
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if is_first {
            self.shared.counters.sessions_begun.add(1);
        }
        match Connection::open(self.shared, &begin, self.copy).await {
            Ok(connection) => {
                self.connection = connection;
                if let Some(watch) = &self.shared.watch {
                    watch.began(self.id);
                }
                if is_first {
                    let started = self.shared.clock.now();
                    self.tell(Told::Began { session: self.id, begin: Box::new(begin), started }).await;
                } else {
                    self.shared.counters.reconnected.add(1);
                }
                self.answered = self.shared.now_ns();
            }
            Err(NoConnection::Stopped) => {}
            Err(NoConnection::Error(error)) => {
                self.connection = Connection::Failed;
                self.shared.counters.sessions_failed.add(1);
                self.failed(0, &error).await;
            }
        }
    }

    /// For the report: results of the first copy in the first loop are kept.
    async fn tell(&self, event: Told) {
        self.shared.tell(event).await;
    }

    fn keeps_results(&self) -> bool {
        self.copy == 0 && self.part.number == 0
    }

    async fn failed(&self, number: u64, error: &PlayError) {
        let failed = Failed { session: self.id, number, user: self.begin.user.clone(), reason: error.to_string() };
        self.tell(Told::Failed(Box::new(failed))).await;
    }

    async fn command(&mut self, held: &Arc<Held>, command: &RecordedCommand, turn: &mut Turn) {
        if let Some(target) = self.connection.lexis() {
            self.judge.read_as(target);
        }
        let judged = self.judge.judge(command);
        let is_played = match self.reason_to_skip(command, judged) {
            Some(reason) => {
                self.shared.counters.skip(&reason);
                self.wait_for_others(turn).await;
                false
            }
            None => self.play(held, command, judged, turn).await,
        };
        if is_played || !self.boundary.is_awaited() {
            self.state.apply(command);
        }
    }

    /// Why a command is not played.
    fn reason_to_skip(&mut self, command: &RecordedCommand, judged: Judged) -> Option<String> {
        let cut = self.boundary.pass(command, judged);
        if matches!(self.connection, Connection::Failed) {
            return Some("its session could not be opened on the target".to_owned());
        }
        if let Some(cut) = cut {
            return Some(cut.to_string());
        }
        if !self.is_chosen(command, judged) {
            return Some("not chosen by --only and --skip".to_owned());
        }
        let is_about_refused = command.statement.is_some_and(|id| self.refused_statements.contains(&id));
        if let Some(refusal) = refused(self.shared.config.permits, judged, command) {
            if command.command == Command::StmtPrepare {
                self.refused_statements.extend(command.statement);
            }
            return Some(refusal.to_string());
        }
        if command.command == Command::StmtPrepare {
            if let Some(id) = command.statement {
                self.refused_statements.remove(&id);
            }
        } else if is_about_refused {
            return Some("about a prepared statement that was refused".to_owned());
        }
        None
    }

    /// Whether the filters let a command pass. Long data and fetched rows belong to the statement that they are about.
    fn is_chosen(&self, command: &RecordedCommand, judged: Judged) -> bool {
        if is_bookkeeping(command.command) {
            return true;
        }
        let text = command.sql.as_deref();
        let text = text.or_else(|| self.state.prepared_text(command.statement?));
        self.shared.config.selection.has(self.state.facts(), text, self.judge.lexis(), judged.kind)
    }

    /// Plays a command at its time; false if it was not played.
    async fn play(&mut self, held: &Arc<Held>, command: &RecordedCommand, judged: Judged, turn: &mut Turn) -> bool {
        let recorded = held.record.started;
        let free = self.shared.now_ns();
        let due = self.due(recorded.monotonic_ns).unwrap_or(free);
        if !self.shared.sleep_until(&self.alarm, due).await {
            return false;
        }
        if !self.connection.is_open() {
            self.connect().await;
            if !self.connection.is_open() {
                self.shared.counters.skip("its session could not be opened on the target");
                return false;
            }
            if let Some(refusal) = self.refused_there(command, judged) {
                self.shared.counters.skip(&refusal.to_string());
                return false;
            }
        }
        let ordered = self.wait_for_others(turn).await;
        if self.shared.stop.is_cancelled() {
            return false;
        }
        let started = self.shared.clock.now();
        turn.begin(started.monotonic_ns);
        let times = Times { due, free, ordered, started: started.monotonic_ns };
        // Without times to keep nothing is late.
        let lateness = (self.shared.config.pace.think_percent > 0.0).then(|| self.delays.began(times, self.answered));
        let Some(played) = self.connection.play(self.shared, command, recorded).await else { return false };
        self.answered = self.shared.now_ns();
        if let (Some(schedule), Some(duration)) = (&mut self.schedule, command.duration_ns) {
            let recorded_end = recorded.monotonic_ns.saturating_add(duration);
            schedule.answered(recorded_end.saturating_sub(self.part.recorded_zero), self.answered);
        }
        match played {
            Ok(observed) => {
                self.shared.counters.played.add(1);
                self.shared.counters.late(started.monotonic_ns.saturating_sub(due));
                let done = Done {
                    record: Arc::clone(held),
                    observed,
                    started,
                    started_ns: started.monotonic_ns.saturating_sub(self.part.zero),
                    lexis: self.judge.lexis(),
                    lateness,
                    is_kept: self.keeps_results(),
                };
                self.tell(Told::Done(Box::new(done))).await;
                true
            }
            Err(PlayError::Unplayable(reason)) => {
                self.shared.counters.skip(&reason.to_string());
                false
            }
            Err(error) => {
                self.lost(held, command, &error).await;
                false
            }
        }
    }

    /// What was judged without a connection was read as the recorded server reads it; the target may read it otherwise.
    fn refused_there(&mut self, command: &RecordedCommand, judged: Judged) -> Option<Refusal> {
        self.judge.read_as(self.connection.lexis()?);
        let safety = self.judge.of_prepared(command.sql.as_deref()?).max(judged.safety);
        refused(self.shared.config.permits, Judged { safety, ..judged }, command)
    }

    /// The connection broke while the target was at a command: what follows in its transaction cannot be played.
    async fn lost(&mut self, held: &Arc<Held>, command: &RecordedCommand, error: &PlayError) {
        self.connection = Connection::None;
        self.shared.counters.lost.add(1);
        self.shared.counters.skip("the connection to the target was lost while it ran");
        self.boundary = Boundary::cut(command.in_transaction() == Some(true), Cut::Lost);
        self.failed(held.record.number, error).await;
    }

    /// Waits until it is this command's turn; returns for how long.
    async fn wait_for_others(&self, turn: &mut Turn) -> u64 {
        if matches!(turn.awaited(), Ok(None)) {
            return 0;
        }
        let begun = self.shared.now_ns();
        loop {
            if matches!(turn.awaited(), Ok(None)) {
                break;
            }
            tokio::select! {
                () = turn.wait() => {}
                () = tokio::time::sleep(LOOK) => self.look(turn, begun),
                () = self.shared.stop.cancelled() => break,
            }
        }
        self.shared.now_ns().saturating_sub(begun)
    }

    /// Gives a wait up if it may be in vain: what is waited for waits itself, for a lock that this session holds.
    fn look(&self, turn: &mut Turn, begun: u64) {
        let now = self.shared.now_ns();
        let is_long = now.saturating_sub(begun) > LONGEST_WAIT_NS;
        let head = turn.head();
        let is_at_it = |began: u64| now.saturating_sub(began) > STUCK_NS;
        let is_stuck = match turn.awaited() {
            // The recording is not read so far: what is read ahead is full.
            Err(NotKnown) => now.saturating_sub(begun) > STUCK_NS && self.connection.in_transaction(),
            Ok(_) => {
                self.connection.in_transaction() && head.as_ref().and_then(|head| head.began()).is_some_and(is_at_it)
            }
        };
        let is_released = is_long || (is_stuck && self.shared.may_release(now));
        if !is_released {
            return;
        }
        self.shared.counters.released.add(1);
        match head {
            Some(head) => tracing::warn!(
                session = %self.id,
                waits_for = %head.session(),
                command = head.number(),
                "gone on out of the recorded order: the session may hold a lock that the one it waits for needs"
            ),
            None => tracing::warn!(session = %self.id, "gone on out of the recorded order: too little is read ahead"),
        }
        turn.release();
    }
}

/// Commands that only say how the connection is used.
fn is_bookkeeping(command: Command) -> bool {
    matches!(
        command,
        Command::StmtPrepare
            | Command::StmtClose
            | Command::StmtReset
            | Command::InitDb
            | Command::SetOption
            | Command::ResetConnection
            | Command::ChangeUser
    )
}
