use std::time::Instant;

use super::*;
use crate::audit::{Hash, Marker, Record};

fn name(session: u64, seq: u64) -> MessageId {
    MessageId { instance: config().instance, session, seq }
}

fn config() -> AuditConfig {
    AuditConfig {
        instance: Instance([3; 16]),
        proxy: "web-1@2026-01-31T12:00:00.000Z".to_owned(),
        interval: Duration::from_secs(10),
        signer: None,
    }
}

fn events(batch: &Batch) -> Vec<Event> {
    batch.iter().map(|(_, line)| Record::parse(line).0.unwrap().event).collect()
}

#[test]
fn a_marker_has_what_was_delivered_and_what_was_lost_since_the_last() {
    let start = Instant::now();
    let mut stream = MarkerStream::new(&config(), "kafka", start);
    let ledger = Arc::clone(stream.ledger());
    let mut head = Hash::default();
    let mut link = |seq| {
        let id = MessageId { instance: Instance([3; 16]), session: 1, seq };
        let link = Link::of(head, &id, b"{}");
        head = link.hash;
        link
    };
    for seq in [1, 2, 5] {
        ledger.entries().delivered(&name(1, seq), &link(seq));
    }
    for seq in [3, 4] {
        ledger.entries().lost(&name(1, seq), LossReason::QueueFull);
    }
    // One that is not in order of the chain begins another run.
    ledger.entries().delivered(&name(1, 6), &Link { previous: Hash([9; 32]), hash: Hash([8; 32]) });
    let mut out = Batch::new();
    stream.tick(start, &mut out);
    assert!(matches!(events(&out)[..], [Event::InstanceStarted(_)]));
    out.clear();
    stream.tick(start + Duration::from_secs(10), &mut out);
    let [Event::Marker(Marker { marker: 1, position: None, sessions, totals })] = &events(&out)[..] else {
        panic!("{out:?}")
    };
    let runs: Vec<_> = sessions[0].delivered.iter().map(|run| (run.first, run.last)).collect();
    assert_eq!((runs, sessions[0].lost.len(), totals.delivered), (vec![(1, 2), (5, 5), (6, 6)], 1, 4));
    assert_eq!(sessions[0].lost[0], Lost { first: 3, last: 4, reason: "queue_full".to_owned() });
    out.clear();
    stream.finish(&mut out);
    assert!(
        matches!(&events(&out)[..], [Event::Marker(marker), Event::InstanceStopped(_)] if marker.sessions.is_empty())
    );
}

#[test]
fn a_marker_of_many_sessions_is_several_records() {
    let start = Instant::now();
    let mut stream = MarkerStream::new(&config(), "kafka", start);
    for session in 1..=2_500 {
        stream.ledger().entries().delivered(&name(session, 1), &Link::default());
    }
    let mut out = Batch::new();
    stream.tick(start + Duration::from_secs(10), &mut out);
    let sessions: Vec<_> = events(&out)
        .iter()
        .filter_map(|event| if let Event::Marker(marker) = event { Some(marker.sessions.len()) } else { None })
        .collect();
    assert_eq!(sessions, [1_000, 1_000, 500]);
    assert!(out.iter().all(|(_, line)| line.len() < 500_000));
}

#[test]
fn events_beyond_the_bound_are_counted() {
    let witness = Witness::new(vec![Arc::new(Ledger::new(&config()))]);
    let closed = Event::SessionClosed(crate::audit::Closed { session: 1, statements: 0, messages: 0 });
    for _ in 0..WAITING_EVENTS + 3 {
        witness.tell(0, &closed);
    }
    let state = lock(&witness.ledgers[0].state);
    assert_eq!((state.events.len(), state.counts.events_lost), (WAITING_EVENTS, 3));
    assert_eq!(state.counts.closed, WAITING_EVENTS as u64 + 3);
}

#[test]
fn what_an_earlier_process_has_left_in_the_spool_is_its_own() {
    let identity = Identity::of(&AuditConfig { proxy: "now".to_owned(), instance: Instance::of("now"), ..config() });
    let numbered = Numbered { session: 1, seq: 2, label: crate::deliver::Label::default() };
    let name = |origin: Option<&str>| identity.name(&numbered, origin.map(Arc::from).as_ref());
    assert_eq!(name(None), name(Some("now")));
    assert_eq!(name(Some("before")).unwrap().instance, Instance::of("before"));
    assert_eq!(identity.name(&Numbered { session: 0, ..numbered }, None), None);
}

/// Takes nothing, and has a marker stream.
struct Audited {
    inner: Box<dyn crate::deliver::Sink>,
    ledger: Arc<Ledger>,
}

impl crate::deliver::Sink for Audited {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, crate::deliver::SinkError> {
        self.inner.write(batch, from)
    }

    fn delivered_through(&self) -> u64 {
        self.inner.delivered_through()
    }

    fn tick(&mut self) -> Result<(), crate::deliver::SinkError> {
        self.inner.tick()
    }

    fn flush(&mut self, deadline: Instant) -> Result<(), crate::deliver::SinkError> {
        self.inner.flush(deadline)
    }

    fn ledger(&self) -> Option<Arc<Ledger>> {
        Some(Arc::clone(&self.ledger))
    }
}

#[test]
fn what_a_shutdown_loses_on_its_way_to_a_full_queue_is_told_once() {
    use crate::deliver::tests::{config as queues, recorder, soon, started};
    use crate::deliver::{Backpressure, Label, Line};

    let (inner, handle) = recorder("stuck");
    let ledger = Arc::new(Ledger::new(&config()));
    let mut pipeline =
        started(vec![Box::new(Audited { inner, ledger: Arc::clone(&ledger) })], queues(10, Backpressure::Block));
    let mut line = Line::new(pipeline.ingest().unwrap());
    let _stop = handle.gate.lock().unwrap();
    let deadline = soon();
    // Until the dispatcher itself has some that find no room.
    while !line.is_full() {
        assert!(Instant::now() < deadline);
        let Ok(()) = line.publish(7, Label::default(), |out| {
            out.extend_from_slice(b"{}");
            Ok::<(), std::convert::Infallible>(())
        });
        std::thread::sleep(Duration::from_millis(1));
    }
    pipeline.shutdown(Instant::now() + Duration::from_millis(100));
    let state = lock(&ledger.state);
    let lost: Vec<_> = state.sessions.values().flat_map(|account| &account.lost).collect();
    assert!(!lost.is_empty(), "all of it found room");
    assert!(lost.windows(2).all(|pair| pair[0].1 < pair[1].0), "told more than once: {lost:?}");
}

fn position(offset: u64) -> Arc<StreamPosition> {
    Arc::new(StreamPosition { file: "binlog.000001".to_owned(), offset, ..StreamPosition::default() })
}

#[test]
fn a_marker_has_the_last_position_up_to_which_everything_is_delivered() {
    let start = Instant::now();
    let mut stream = MarkerStream::new(&config(), "kafka", start);
    let ledger = Arc::clone(stream.ledger());
    // Two messages, then one; nothing of interest before the third boundary.
    for (number, through) in [(1, 2), (2, 3), (3, 3)] {
        ledger.boundary(number, through, &position(number * 100));
    }
    let mut marked = |after: u64| {
        let mut out = Batch::new();
        stream.tick(start + Duration::from_secs(after), &mut out);
        let Some(Event::Marker(marker)) = events(&out).pop() else { panic!("{out:?}") };
        let covered = ledger.covered();
        stream.confirm();
        (marker.position.map(|position| position.offset), covered, ledger.covered())
    };
    ledger.delivered_through(1);
    assert_eq!(marked(10), (None, 0, 0));
    ledger.delivered_through(2);
    // It counts when the marker itself is delivered.
    assert_eq!(marked(20), (Some(100), 0, 1));
    ledger.delivered_through(3);
    assert_eq!(marked(30), (Some(300), 1, 3));
    assert_eq!(marked(40), (Some(300), 3, 3));
}

#[test]
fn what_is_not_committed_is_in_no_marker() {
    let start = Instant::now();
    let mut stream = MarkerStream::new(&config(), "kafka", start);
    let ledger = Arc::clone(stream.ledger());
    ledger.await_commits();
    let mut claims = |after: u64| {
        let mut out = Batch::new();
        stream.tick(start + Duration::from_secs(after), &mut out);
        let Some(Event::Marker(marker)) = events(&out).pop() else { panic!("{out:?}") };
        let delivered = marker.sessions.iter().flat_map(|session| &session.delivered);
        (delivered.map(|run| (run.first, run.last)).collect::<Vec<_>>(), marker.totals.delivered)
    };
    let deliver = |seq| ledger.entries().delivered(&name(1, seq), &Link::default());
    deliver(1);
    deliver(2);
    assert_eq!(claims(10), (vec![], 0));
    ledger.commit();
    deliver(3);
    assert_eq!(claims(20), (vec![(1, 2)], 2));
    ledger.commit();
    deliver(4);
    ledger.commit();
    // One run, although there were two commits.
    assert_eq!(claims(30), (vec![(3, 4)], 4));
}
