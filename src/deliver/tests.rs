//! The pipeline with sinks of the tests' own.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::deliver::batch::batch_of;
use crate::deliver::queue::lock;
use crate::deliver::*;

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

pub(super) struct Handle {
    seen: Arc<Mutex<Vec<(Instant, String)>>>,
    pub(super) gate: Arc<Mutex<()>>,
    failures: Sender<SinkError>,
}

pub(super) fn recorder(name: &'static str) -> (Box<dyn Sink>, Handle) {
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
    pub(super) fn texts(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(_, text)| text.clone()).collect()
    }

    pub(super) fn wait_for(&self, messages: usize) {
        let deadline = soon();
        while self.seen.lock().unwrap().len() < messages {
            assert!(Instant::now() < deadline, "only {} of {messages} messages came", self.texts().len());
            thread::sleep(Duration::from_micros(200));
        }
    }
}

pub(super) fn config(max_messages: usize, backpressure: Backpressure) -> QueueConfig {
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

/// A pipeline for workers.
pub(super) fn started(sinks: Vec<Box<dyn Sink>>, config: QueueConfig) -> Pipeline {
    Pipeline::start(sinks.into_iter().map(|sink| (0, sink)).collect(), &config).unwrap()
}

/// A pipeline for a reader.
fn pushed_to(sinks: Vec<(usize, Box<dyn Sink>)>, max_bytes: usize) -> Pipeline {
    Pipeline::start(sinks, &QueueConfig { max_messages: usize::MAX, max_bytes, ..QueueConfig::default() }).unwrap()
}

/// Only a failure takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn soon() -> Instant {
    Instant::now() + PATIENCE
}

#[test]
fn every_sink_gets_every_message_in_order() {
    let (first, one) = recorder("one");
    let (second, two) = recorder("two");
    let mut pipeline = started(vec![first, second], config(100_000, Backpressure::Block));
    let ingest = pipeline.ingest().unwrap();
    for number in 0..50_000 {
        append(&ingest, &number.to_string());
    }
    let report = pipeline.shutdown(soon());
    assert_eq!(report.lost(), 0);
    assert!(report.sinks.iter().all(|sink| sink.finished && sink.delivered == 50_000));
    let expected: Vec<_> = (0..50_000).map(|number| number.to_string()).collect();
    assert!(one.texts() == expected && two.texts() == expected);
}

#[test]
fn workers_do_not_lose_wake_ups() {
    let (sink, handle) = recorder("one");
    let pipeline = started(vec![sink], config(1000, Backpressure::Block));
    let ingest = pipeline.ingest().unwrap();
    for number in 0..200 {
        // Meets the dispatcher in each of its states: idle, about to be, and between two rounds.
        thread::sleep(Duration::from_micros(number * 61));
        append(&ingest, "x");
        // An idle dispatcher sleeps until it is woken: one lost wake-up and this never comes.
        handle.wait_for(number as usize + 1);
    }
}

#[test]
fn with_drop_a_stalled_sink_loses_exactly_what_does_not_fit_and_the_other_nothing() {
    let (first, stalled) = recorder("stalled");
    let (second, other) = recorder("other");
    let mut pipeline = started(vec![first, second], config(10, Backpressure::Drop));
    let ingest = pipeline.ingest().unwrap();
    let stop = stalled.gate.lock().unwrap();
    for number in 0..50 {
        append(&ingest, &number.to_string());
        other.wait_for(number + 1);
    }
    assert!(!ingest.is_full());
    drop(stop);
    stalled.wait_for(10);
    let report = pipeline.shutdown(soon());
    assert_eq!(stalled.texts(), (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!((report.sinks[0].delivered, report.sinks[0].lost), (10, 40));
    assert_eq!((report.sinks[1].delivered, report.sinks[1].lost), (50, 0));
}

#[test]
fn with_block_a_stalled_sink_fills_the_ingest_and_loses_nothing() {
    let (sink, handle) = recorder("one");
    let mut pipeline = started(vec![sink], config(10, Backpressure::Block));
    let ingest = pipeline.ingest().unwrap();
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
            thread::sleep(Duration::from_millis(1));
        }
    }
    drop(stop);
    let late = space(PATIENCE);
    assert!(late.is_ok(), "nobody told of the space");
    let report = pipeline.shutdown(soon());
    assert_eq!(report.lost(), 0);
    assert_eq!(handle.texts().len(), appended);
}

#[test]
fn a_failing_sink_is_offered_the_same_messages_again() {
    let (sink, handle) = recorder("one");
    handle.failures.send(SinkError::BufferFull).unwrap();
    let mut pipeline = started(vec![sink], config(10, Backpressure::Block));
    append(&pipeline.ingest().unwrap(), "a");
    handle.wait_for(1);
    let counters = pipeline.counters();
    let report = pipeline.shutdown(soon());
    assert_eq!((report.sinks[0].delivered, report.lost()), (1, 0));
    assert_eq!(counters.sinks()[0].failures(), 1);
}

#[test]
fn an_ended_sink_counts_what_it_misses_and_blocks_nobody() {
    let (first, ended) = recorder("ended");
    let (second, other) = recorder("other");
    ended.failures.send(SinkError::Closed { target: "x".to_owned() }).unwrap();
    let mut pipeline = started(vec![first, second], config(10, Backpressure::Block));
    let ingest = pipeline.ingest().unwrap();
    for number in 0..100 {
        append(&ingest, "x");
        other.wait_for(number + 1);
    }
    let report = pipeline.shutdown(soon());
    assert_eq!((report.sinks[0].delivered, report.sinks[0].lost), (0, 100));
    assert_eq!((report.sinks[1].delivered, report.sinks[1].lost), (100, 0));
}

#[test]
fn a_sink_that_is_stuck_does_not_hold_up_the_end() {
    let (sink, handle) = recorder("stuck");
    let mut pipeline = started(vec![sink], config(10, Backpressure::Block));
    let ingest = pipeline.ingest().unwrap();
    let _stop = handle.gate.lock().unwrap();
    for _ in 0..30 {
        append(&ingest, "x");
    }
    // It would never return.
    let report = pipeline.shutdown(Instant::now() + Duration::from_millis(100));
    assert_eq!((report.sinks[0].delivered, report.sinks[0].lost, report.sinks[0].finished), (0, 30, false));
    append(&ingest, "after the end");
    assert!(!ingest.is_full());
}

#[test]
fn with_drop_the_ingest_itself_is_bounded() {
    let (sink, handle) = recorder("one");
    let mut pipeline = started(vec![sink], config(10, Backpressure::Drop));
    let ingest = pipeline.ingest().unwrap();
    // One append, so that the dispatcher cannot come in between.
    ingest.append(|batch| {
        for _ in 0..25 {
            batch.push_with(1, |_| Ok::<(), ()>(())).unwrap();
        }
    });
    let report = pipeline.shutdown(soon());
    let sink = &report.sinks[0];
    assert_eq!(sink.delivered + sink.lost, 25);
    assert!(handle.texts().len() <= 10);
}

#[derive(Default)]
struct Slow {
    taken: Arc<Mutex<Vec<u8>>>,
    delivered: u64,
}

impl Sink for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        thread::sleep(Duration::from_millis(2));
        lock(&self.taken).extend_from_slice(batch.lines(from..from + 1));
        self.delivered = batch.position(from);
        Ok(1)
    }

    fn delivered_through(&self) -> u64 {
        self.delivered
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn flush(&mut self, _: Instant) -> Result<(), SinkError> {
        Ok(())
    }
}

#[test]
fn a_slow_sink_holds_the_producer_up_and_gets_everything_in_order() {
    let sink = Slow::default();
    let taken = Arc::clone(&sink.taken);
    let mut pipeline = pushed_to(vec![(0, Box::new(sink))], 8);
    let mut expected = Vec::new();
    for number in 10..40 {
        let text = number.to_string();
        expected.extend_from_slice(format!("{text}\n").as_bytes());
        pipeline.push(0, batch_of(&[(1, &text)]), &CancellationToken::new()).unwrap();
        assert!(pipeline.positions()[0] <= 4 || pipeline.has_delivered(&[pipeline.positions()[0] - 4]));
    }
    let report = pipeline.shutdown(Instant::now() + Duration::from_secs(60));
    assert_eq!((report.sinks[0].delivered, report.lost(), report.sinks[0].finished), (30, 0, true));
    assert_eq!(*lock(&taken), expected);
}

#[test]
fn each_sink_takes_its_form() {
    let sinks = [Slow::default(), Slow::default(), Slow::default()];
    let taken = [0, 1, 2].map(|index: usize| Arc::clone(&sinks[index].taken));
    let forms = [0, 1, 0];
    let sinks = forms.into_iter().zip(sinks).map(|(form, sink)| (form, Box::new(sink) as Box<dyn Sink>));
    let mut pipeline = pushed_to(sinks.collect(), 1 << 20);
    pipeline.push(0, batch_of(&[(1, "a"), (1, "b")]), &CancellationToken::new()).unwrap();
    pipeline.push(1, batch_of(&[(1, "c")]), &CancellationToken::new()).unwrap();
    assert_eq!(pipeline.positions(), [2, 1]);
    pipeline.shutdown(Instant::now() + Duration::from_secs(60));
    assert!(pipeline.has_delivered(&[2, 1]) && !pipeline.has_delivered(&[2, 2]));
    assert_eq!(taken.map(|taken| lock(&taken).clone()), [&b"a\nb\n"[..], b"c\n", b"a\nb\n"]);
}

/// A sink whose reader goes away after the first message.
#[derive(Default)]
struct Closing {
    taken: u64,
}

impl Sink for Closing {
    fn name(&self) -> &str {
        "closing"
    }

    fn write(&mut self, batch: &Batch, _: usize) -> Result<usize, SinkError> {
        if self.taken > 0 {
            return Err(SinkError::Closed { target: "reader".into() });
        }
        self.taken = batch.position(0);
        Ok(1)
    }

    fn delivered_through(&self) -> u64 {
        self.taken
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn flush(&mut self, _: Instant) -> Result<(), SinkError> {
        Ok(())
    }
}

#[test]
fn what_a_sink_that_ended_did_not_take_is_not_delivered() {
    let mut pipeline = pushed_to(vec![(0, Box::new(Closing::default()))], 1 << 20);
    let pushed = pipeline.push(0, batch_of(&[(1, "a"), (1, "b"), (1, "c")]), &CancellationToken::new());
    assert_eq!(pushed, Ok(()));
    let report = pipeline.shutdown(Instant::now() + Duration::from_secs(60));
    assert_eq!((report.sinks[0].delivered, report.lost()), (1, 2));
    assert!(pipeline.has_delivered(&[1]) && !pipeline.has_delivered(&[2]));
}

/// As a full pipe that nobody reads.
struct Stuck {
    entered: Sender<()>,
    release: Receiver<()>,
}

impl Sink for Stuck {
    fn name(&self) -> &str {
        "stuck"
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        let _ = self.entered.send(());
        // Until the test is over.
        let _ = self.release.recv();
        Ok(batch.len() - from)
    }

    fn delivered_through(&self) -> u64 {
        0
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn flush(&mut self, _: Instant) -> Result<(), SinkError> {
        Ok(())
    }
}

#[test]
fn what_a_sink_that_is_stuck_has_in_its_hands_is_lost() {
    let ((entered, is_stuck), (_over, release)) = (mpsc::channel(), mpsc::channel());
    let mut pipeline = pushed_to(vec![(0, Box::new(Stuck { entered, release }))], 1 << 20);
    pipeline.push(0, batch_of(&[(1, "a"), (1, "b"), (1, "c")]), &CancellationToken::new()).unwrap();
    is_stuck.recv().unwrap();
    pipeline.push(0, batch_of(&[(1, "d")]), &CancellationToken::new()).unwrap();
    let report = pipeline.shutdown(Instant::now());
    assert_eq!((report.sinks[0].delivered, report.lost(), report.sinks[0].finished), (0, 4, false));
}

#[test]
fn a_producer_that_is_told_to_stop_does_not_wait() {
    let sink = Slow::default();
    let taken = Arc::clone(&sink.taken);
    let pipeline = pushed_to(vec![(0, Box::new(sink))], 1);
    // The sink cannot take anything.
    let _held = lock(&taken);
    let stop = CancellationToken::new();
    stop.cancel();
    let results = [(); 2].map(|()| pipeline.push(0, batch_of(&[(1, "a"), (1, "b")]), &stop));
    assert_eq!(results, [Ok(()), Err(PushError::Stopped)]);
}

/// A sink that learns later what became of messages: of all it took, those up to `delivered`.
struct Later {
    taken: Arc<Mutex<Vec<u64>>>,
    delivered: Arc<Mutex<u64>>,
    /// At the end, what is not delivered comes again.
    holds_back: bool,
}

impl Sink for Later {
    fn name(&self) -> &str {
        "later"
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        lock(&self.taken).extend((from..batch.len()).map(|index| batch.position(index)));
        Ok(batch.len() - from)
    }

    fn delivered_through(&self) -> u64 {
        *lock(&self.delivered)
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn flush(&mut self, _: Instant) -> Result<(), SinkError> {
        match self.holds_back {
            true => Ok(()),
            false => Err(SinkError::Undelivered { messages: 0, reason: "nobody answers".into() }),
        }
    }
}

#[test]
fn what_is_beyond_the_delivered_prefix_at_the_end_is_lost_or_held_back() {
    for holds_back in [false, true] {
        let (taken, delivered): (Arc<Mutex<Vec<u64>>>, Arc<Mutex<u64>>) = Default::default();
        let sink = Later { taken: Arc::clone(&taken), delivered: Arc::clone(&delivered), holds_back };
        let mut pipeline = pushed_to(vec![(0, Box::new(sink))], 1 << 20);
        for _ in 0..3 {
            pipeline.push(0, batch_of(&[(1, "a"), (1, "b")]), &CancellationToken::new()).unwrap();
        }
        let deadline = soon();
        while lock(&taken).len() < 6 {
            assert!(Instant::now() < deadline);
            thread::sleep(Duration::from_micros(200));
        }
        assert_eq!(*lock(&taken), [1, 2, 3, 4, 5, 6]);
        assert!(!pipeline.has_delivered(&[1]));
        *lock(&delivered) = 4;
        let report = pipeline.shutdown(soon());
        let sink = &report.sinks[0];
        let expected = if holds_back { (4, 0, 2) } else { (4, 2, 0) };
        assert_eq!((sink.delivered, sink.lost, sink.held_back), expected);
        assert_eq!(report.is_complete(), holds_back);
        assert!(pipeline.has_delivered(&[4]) && !pipeline.has_delivered(&[5]));
    }
}

#[test]
fn what_is_dropped_leaves_its_positions_unused() {
    let (taken, delivered): (Arc<Mutex<Vec<u64>>>, Arc<Mutex<u64>>) = Default::default();
    let sink = Later { taken: Arc::clone(&taken), delivered: Arc::clone(&delivered), holds_back: false };
    let (stalled, handle) = recorder("stalled");
    let mut pipeline = started(vec![stalled, Box::new(sink)], config(10, Backpressure::Drop));
    let ingest = pipeline.ingest().unwrap();
    let stop = handle.gate.lock().unwrap();
    let wait = |messages| {
        let deadline = soon();
        while lock(&taken).len() < messages {
            assert!(Instant::now() < deadline);
            thread::sleep(Duration::from_micros(200));
        }
    };
    for number in 1..=15 {
        append(&ingest, "x");
        wait(number);
    }
    drop(stop);
    handle.wait_for(10);
    append(&ingest, "after the gap");
    wait(16);
    *lock(&delivered) = 16;
    let report = pipeline.shutdown(soon());
    assert_eq!(*lock(&taken), (1..=16).collect::<Vec<u64>>());
    let counters = pipeline.counters();
    let stalled = &counters.sinks()[0];
    // Five were dropped; the sink is done with everything through the last position all the same.
    assert_eq!((stalled.delivered(), stalled.lost(LossReason::QueueFull), stalled.delivered_through()), (11, 5, 16));
    assert_eq!((report.sinks[1].delivered, report.sinks[1].lost), (16, 0));
}
