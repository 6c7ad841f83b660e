//! The mirror without a network: a server that answers when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::config::{Lag, MirrorConfig};
use super::counters::MirrorCounters;
use super::running::Mirror;
use super::server::{Server, ServerSession};
use super::sink::MirroredSession;
use crate::client::TlsOptions;
use crate::message::{Criteria, Sample};
use crate::mysql::sql::Lexis;
use crate::mysql::wire::{Command, StatusFlags};
use crate::player::{Accounts, PlayError, PlayOptions, Target};
use crate::recording::{
    Admission, Event, Record, RecordSink, RecordedAnswer, RecordedCommand, RecordedResult, SessionBegin, SessionClose,
    SessionId,
};
use crate::session::Now;

/// A mirror that takes every session, and little of each.
pub(super) fn config() -> MirrorConfig {
    let target = Target::new("nowhere", 1, TlsOptions::default(), Duration::from_secs(1), Accounts::one("app", ""));
    MirrorConfig {
        target: target.unwrap(),
        options: PlayOptions::default(),
        sample: Sample::ALL,
        criteria: Criteria::default(),
        allow_writes: false,
        queue_bytes: 16_000,
        session_bytes: 8_000,
        connections: 2,
        rejoin_after: Duration::ZERO,
        lag: Lag::Drop,
        report: None,
    }
}

pub(super) fn result(answer: RecordedAnswer, status: Option<StatusFlags>) -> RecordedResult {
    RecordedResult { answer, status, warnings: None }
}

/// A text that went well, outside of a transaction.
pub(super) fn query(sql: &str) -> RecordedCommand {
    RecordedCommand {
        sql: Some(sql.as_bytes().into()),
        duration_ns: Some(1_000),
        results: vec![result(
            RecordedAnswer::Ok { affected_rows: 0, last_insert_id: 0 },
            Some(StatusFlags::AUTOCOMMIT),
        )],
        ..RecordedCommand::new(Command::Query)
    }
}

/// What the fake server is told, and what it has done.
#[derive(Debug, Default)]
struct Fake {
    stalls: AtomicBool,
    breaks: AtomicBool,
    open: AtomicUsize,
    played: AtomicUsize,
}

struct FakeServer(Arc<Fake>);

struct FakeSession(Arc<Fake>);

impl Drop for FakeSession {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Server for FakeServer {
    type Session = FakeSession;

    async fn open(&self, _begin: &SessionBegin) -> Result<FakeSession, PlayError> {
        self.0.open.fetch_add(1, Ordering::SeqCst);
        Ok(FakeSession(Arc::clone(&self.0)))
    }
}

impl ServerSession for FakeSession {
    fn lexis(&self) -> Lexis {
        Lexis::default()
    }

    async fn play(&mut self, command: &RecordedCommand, _started: Now) -> Result<RecordedCommand, PlayError> {
        while self.0.stalls.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if self.0.breaks.load(Ordering::SeqCst) {
            return Err(PlayError::Lost { reason: "on purpose".to_owned(), observed: None });
        }
        self.0.played.fetch_add(1, Ordering::SeqCst);
        Ok(command.clone())
    }

    async fn close(self, _how: SessionClose) {}
}

/// A mirror on a fake server.
struct Stage {
    fake: Arc<Fake>,
    counters: Arc<MirrorCounters>,
    mirror: Mirror,
}

impl Stage {
    fn new() -> Self {
        let (fake, counters) = (Arc::<Fake>::default(), Arc::<MirrorCounters>::default());
        let server = FakeServer(Arc::clone(&fake));
        let mirror = Mirror::start_with(config(), "source", Arc::clone(&counters), move || server).unwrap();
        Self { fake, counters, mirror }
    }

    fn client(&self) -> Client {
        let (id, sink) = self.mirror.session(None);
        Client { id, sink, next: 0 }
    }

    fn finish(self, patience: Duration) -> (Arc<Fake>, Arc<MirrorCounters>) {
        self.mirror.finish(Instant::now() + patience);
        assert_eq!(self.fake.open.load(Ordering::SeqCst), 0, "connections are left");
        assert_eq!(self.counters.queued_bytes.load(Ordering::SeqCst), 0, "records are left");
        (self.fake, self.counters)
    }
}

/// What a recorder would tell of a client.
struct Client {
    id: SessionId,
    sink: MirroredSession,
    next: u64,
}

impl Client {
    fn tell(&mut self, event: Event) -> Admission {
        let record = Record { session: self.id, number: self.next, started: Now::default(), event };
        self.next += 1;
        self.sink.record(record)
    }

    fn begin(&mut self) -> Admission {
        self.tell(Event::Begin(Box::default()))
    }

    fn query(&mut self, sql: &str) -> Admission {
        self.tell(Event::Command(Box::new(query(sql))))
    }
}

/// Only a failure takes so long.
const SOON: Duration = Duration::from_secs(60);

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_a_client_does_is_done_there_and_what_is_queued_at_the_end_too() {
    let stage = Stage::new();
    let mut client = stage.client();
    assert_eq!(client.begin(), Admission::Taken);
    assert_eq!(client.query("SELECT 1"), Admission::Taken);
    assert_eq!(client.query("DELETE FROM t"), Admission::Taken);
    assert_eq!(client.tell(Event::End(SessionClose::Quit)), Admission::Taken);
    let (fake, counters) = stage.finish(SOON);
    assert_eq!(fake.played.load(Ordering::SeqCst), 1);
    assert_eq!(counters.commands.load(Ordering::SeqCst), 1);
    assert_eq!(client.begin(), Admission::Closed);
}

#[test]
fn a_session_without_room_is_dropped_whole_and_comes_back() {
    let stage = Stage::new();
    let mut client = stage.client();
    client.begin();
    client.query("SELECT 1");
    eventually("the session is open", || stage.fake.played.load(Ordering::SeqCst) == 1);
    stage.fake.stalls.store(true, Ordering::SeqCst);
    let mut taken = 0;
    while client.query("SELECT 2") == Admission::Taken {
        taken += 1;
        assert!(taken < 1_000, "the queue has no bound");
    }
    eventually("its connection is closed", || stage.fake.open.load(Ordering::SeqCst) == 0);
    assert_eq!(stage.fake.played.load(Ordering::SeqCst), 1, "a part of it was played all the same");
    stage.fake.stalls.store(false, Ordering::SeqCst);
    // As a recorder does after a gap.
    assert_eq!(client.tell(Event::Lost("no room".to_owned())), Admission::Taken);
    assert!(client.sink.has_room());
    assert_eq!(client.begin(), Admission::Taken);
    assert_eq!(client.query("SELECT 3"), Admission::Taken);
    let (fake, counters) = stage.finish(SOON);
    assert_eq!(fake.played.load(Ordering::SeqCst), 2);
    // All but the one that was under way, if it had come so far.
    let discarded = counters.discarded.load(Ordering::SeqCst);
    assert!((taken - 1..=taken).contains(&discarded), "{discarded} of {taken}");
}

#[test]
fn a_connection_that_breaks_ends_the_session_until_its_next_beginning() {
    let stage = Stage::new();
    stage.fake.breaks.store(true, Ordering::SeqCst);
    let mut client = stage.client();
    client.begin();
    client.query("SELECT 1");
    eventually("the loss is noticed", || stage.fake.open.load(Ordering::SeqCst) == 0 && client_is_out(&stage));
    assert_eq!(client.query("SELECT 2"), Admission::Full);
    stage.fake.breaks.store(false, Ordering::SeqCst);
    assert_eq!(client.begin(), Admission::Taken);
    client.query("SELECT 3");
    let (fake, _) = stage.finish(SOON);
    assert_eq!(fake.played.load(Ordering::SeqCst), 1);
}

fn client_is_out(stage: &Stage) -> bool {
    stage.counters.open.load(Ordering::SeqCst) == 0
}

#[test]
fn no_more_sessions_than_connections() {
    let stage = Stage::new();
    let mut clients: Vec<_> = (0..3).map(|_| stage.client()).collect();
    let admissions: Vec<_> = clients.iter_mut().map(Client::begin).collect();
    assert_eq!(admissions, [Admission::Taken, Admission::Taken, Admission::Full]);
    drop(clients.remove(0));
    eventually("the connection is given back", || stage.counters.open.load(Ordering::SeqCst) == 1);
    assert_eq!(clients[1].begin(), Admission::Taken);
    drop(clients);
    stage.finish(SOON);
}

#[test]
fn the_end_does_not_wait_for_a_target_that_stalls() {
    let stage = Stage::new();
    stage.fake.stalls.store(true, Ordering::SeqCst);
    let mut client = stage.client();
    client.begin();
    client.query("SELECT 1");
    eventually("the session is open", || stage.fake.open.load(Ordering::SeqCst) == 1);
    let (fake, _) = stage.finish(Duration::ZERO);
    assert_eq!(fake.played.load(Ordering::SeqCst), 0);
}
