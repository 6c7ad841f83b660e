//! The hub with sinks of its own.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::deliver::*;
use crate::deliver::{Backpressure, QueueConfig};

/// A sink that a test can stop and that remembers what it got.
struct Recorder {
    name: &'static str,
    seen: Arc<Mutex<Vec<(Instant, String)>>>,
    /// While locked the sink is stuck in `write`.
    gate: Arc<Mutex<()>>,
    /// What the next writes answer.
    failures: Receiver<SinkError>,
    delivered: u64,
}

struct Handle {
    seen: Arc<Mutex<Vec<(Instant, String)>>>,
    gate: Arc<Mutex<()>>,
    failures: Sender<SinkError>,
}

fn recorder(name: &'static str) -> (Box<dyn Sink>, Handle) {
    let (sender, failures) = mpsc::channel();
    let handle = Handle { seen: Arc::default(), gate: Arc::default(), failures: sender };
    let (seen, gate) = (Arc::clone(&handle.seen), Arc::clone(&handle.gate));
    (Box::new(Recorder { name, seen, gate, failures, delivered: 0 }), handle)
}

impl Sink for Recorder {
    fn name(&self) -> &str {
        self.name
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        let _open = self.gate.lock().unwrap();
        if let Ok(failure) = self.failures.try_recv() {
            return Err(failure);
        }
        let mut seen = self.seen.lock().unwrap();
        seen.extend(
            batch.iter().skip(from).map(|(_, json)| (Instant::now(), String::from_utf8(json.to_vec()).unwrap())),
        );
        self.delivered = batch.position(batch.len() - 1);
        Ok(batch.len() - from)
    }

    fn delivered_through(&self) -> u64 {
        self.delivered
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn flush(&mut self, _deadline: Instant) -> Result<(), SinkError> {
        Ok(())
    }
}

impl Handle {
    fn texts(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(_, text)| text.clone()).collect()
    }

    fn wait_for(&self, messages: usize) {
        let deadline = soon();
        while self.seen.lock().unwrap().len() < messages {
            assert!(Instant::now() < deadline, "only {} of {messages} messages came", self.texts().len());
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn config(max_messages: usize, backpressure: Backpressure) -> QueueConfig {
    QueueConfig { max_messages, backpressure, ..QueueConfig::default() }
}

fn append(ingest: &Ingest, text: &str) {
    let result = ingest.append(|batch| {
        batch.push_with(1, |out| {
            out.extend_from_slice(text.as_bytes());
            Ok::<(), std::convert::Infallible>(())
        })
    });
    assert!(result.is_ok());
}

/// Only a failure takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

#[test]
fn every_sink_gets_every_message_in_order() {
    let (first, one) = recorder("one");
    let (second, two) = recorder("two");
    let hub = Hub::start(vec![first, second], config(100_000, Backpressure::Block)).unwrap();
    let ingest = hub.ingest();
    for number in 0..50_000 {
        append(&ingest, &number.to_string());
    }
    let report = hub.shutdown(soon());
    assert_eq!(report.lost(), 0);
    assert!(report.sinks.iter().all(|sink| sink.finished && sink.delivered == 50_000));
    let expected: Vec<_> = (0..50_000).map(|number| number.to_string()).collect();
    assert!(one.texts() == expected && two.texts() == expected);
}

#[test]
fn workers_do_not_lose_wake_ups() {
    let (sink, handle) = recorder("one");
    let hub = Hub::start(vec![sink], config(1000, Backpressure::Block)).unwrap();
    let ingest = hub.ingest();
    for number in 0..200 {
        // Meets the dispatcher in each of its states: idle, about to be, and between two rounds.
        std::thread::sleep(Duration::from_micros(number * 61));
        append(&ingest, "x");
        // An idle dispatcher sleeps until it is woken: one lost wake-up and this never comes.
        handle.wait_for(number as usize + 1);
    }
}

#[test]
fn with_drop_a_stalled_sink_loses_exactly_what_does_not_fit_and_the_other_nothing() {
    let (first, stalled) = recorder("stalled");
    let (second, other) = recorder("other");
    let hub = Hub::start(vec![first, second], config(10, Backpressure::Drop)).unwrap();
    let ingest = hub.ingest();
    let stop = stalled.gate.lock().unwrap();
    for number in 0..50 {
        append(&ingest, &number.to_string());
        other.wait_for(number + 1);
    }
    assert!(!ingest.is_full());
    drop(stop);
    stalled.wait_for(10);
    let report = hub.shutdown(soon());
    assert_eq!(stalled.texts(), (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!((report.sinks[0].delivered, report.sinks[0].lost), (10, 40));
    assert_eq!((report.sinks[1].delivered, report.sinks[1].lost), (50, 0));
}

#[test]
fn with_block_a_stalled_sink_fills_the_ingest_and_loses_nothing() {
    let (sink, handle) = recorder("one");
    let hub = Hub::start(vec![sink], config(10, Backpressure::Block)).unwrap();
    let ingest = hub.ingest();
    let stop = handle.gate.lock().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let space = |patience| runtime.block_on(async { tokio::time::timeout(patience, ingest.wait_for_space()).await });
    let mut appended = 0;
    let deadline = soon();
    // Full for good, and not only until the dispatcher has carried the first messages on.
    while space(Duration::from_millis(50)).is_ok() {
        while !ingest.is_full() {
            assert!(Instant::now() < deadline);
            append(&ingest, &appended.to_string());
            appended += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    drop(stop);
    let late = space(PATIENCE);
    assert!(late.is_ok(), "nobody told of the space");
    let report = hub.shutdown(soon());
    assert_eq!(report.lost(), 0);
    assert_eq!(handle.texts().len(), appended);
}

#[test]
fn a_failing_sink_is_offered_the_same_messages_again() {
    let (sink, handle) = recorder("one");
    handle.failures.send(SinkError::BufferFull).unwrap();
    let hub = Hub::start(vec![sink], config(10, Backpressure::Block)).unwrap();
    append(&hub.ingest(), "a");
    handle.wait_for(1);
    let counters = hub.counters();
    let report = hub.shutdown(soon());
    assert_eq!((report.sinks[0].delivered, report.lost()), (1, 0));
    assert_eq!(counters.sinks()[0].failures(), 1);
}

#[test]
fn an_ended_sink_counts_what_it_misses_and_blocks_nobody() {
    let (first, ended) = recorder("ended");
    let (second, other) = recorder("other");
    ended.failures.send(SinkError::Closed { target: "x".to_owned() }).unwrap();
    let hub = Hub::start(vec![first, second], config(10, Backpressure::Block)).unwrap();
    let ingest = hub.ingest();
    for number in 0..100 {
        append(&ingest, "x");
        other.wait_for(number + 1);
    }
    let report = hub.shutdown(soon());
    assert_eq!((report.sinks[0].delivered, report.sinks[0].lost), (0, 100));
    assert_eq!((report.sinks[1].delivered, report.sinks[1].lost), (100, 0));
}

#[test]
fn a_sink_that_is_stuck_does_not_hold_up_the_end() {
    let (sink, handle) = recorder("stuck");
    let hub = Hub::start(vec![sink], config(10, Backpressure::Block)).unwrap();
    let ingest = hub.ingest();
    let _stop = handle.gate.lock().unwrap();
    for _ in 0..30 {
        append(&ingest, "x");
    }
    // It would never return.
    let report = hub.shutdown(Instant::now() + Duration::from_millis(100));
    assert_eq!((report.sinks[0].delivered, report.sinks[0].lost, report.sinks[0].finished), (0, 30, false));
    append(&ingest, "after the end");
    assert!(!ingest.is_full());
}

#[test]
fn with_drop_the_ingest_itself_is_bounded() {
    let (sink, handle) = recorder("one");
    let hub = Hub::start(vec![sink], config(10, Backpressure::Drop)).unwrap();
    let ingest = hub.ingest();
    // One append, so that the dispatcher cannot come in between.
    ingest.append(|batch| {
        for _ in 0..25 {
            batch.push_with(1, |_| Ok::<(), ()>(())).unwrap();
        }
    });
    let report = hub.shutdown(soon());
    let sink = &report.sinks[0];
    assert_eq!(sink.delivered + sink.lost, 25);
    assert!(handle.texts().len() <= 10);
}
