//! What is too large for a worker's batch: its order, its pace, and what becomes of it where a sink does not take it.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::tests::{Handle, config, recorder, soon, started};
use super::*;
use crate::fuzzing::mutations::Random;

/// A sink that remembers key, number and text.
#[derive(Default, Clone)]
struct Numbers(Arc<Mutex<Vec<(u64, u64, String)>>>, u64);

impl Sink for Numbers {
    fn name(&self) -> &str {
        "numbers"
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        let message = |index| {
            let (key, json) = batch.get(index).unwrap();
            (key, batch.numbered(index).unwrap().seq, String::from_utf8(json.to_vec()).unwrap())
        };
        self.0.lock().unwrap().extend((from..batch.len()).map(message));
        self.1 = batch.position(batch.len() - 1);
        Ok(batch.len() - from)
    }

    fn delivered_through(&self) -> u64 {
        self.1
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn flush(&mut self, _deadline: Instant) -> Result<(), SinkError> {
        Ok(())
    }
}

fn holding(messages: usize) -> Arc<Holding> {
    Arc::new(Holding::new(messages, 1 << 20, std::env::temp_dir()))
}

fn write(text: &str) -> impl FnOnce(&mut Vec<u8>) -> Result<(), std::convert::Infallible> {
    |out| {
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

fn hold(held: &mut Held, key: u64, text: &str) {
    assert!(held.push(key, Label::default(), write(text)).is_ok());
}

fn publish(line: &mut Line, key: u64, text: &str) {
    assert!(line.publish(key, Label::default(), write(text)).is_ok());
}

/// A line that has sent a transaction of so many messages, `0`, `1` and so on, on the disk for the greater part.
fn line_with_large(ingest: &Ingest, messages: usize) -> Line {
    let (mut line, mut held) = (Line::new(ingest.clone()), Held::new(holding(10)));
    (0..messages).for_each(|number| hold(&mut held, 1, &number.to_string()));
    line.release(&mut held, Rewrite::NONE);
    assert!(held.is_empty());
    line
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

/// What the sink got of connection 1: the rest does not begin with a digit.
fn of_first(handle: &Handle) -> Vec<String> {
    handle.texts().into_iter().filter(|text| text.starts_with(|first: char| first.is_ascii_digit())).collect()
}

#[test]
fn what_follows_a_large_transaction_waits_behind_it_and_others_do_not() {
    for backpressure in [Backpressure::Block, Backpressure::Drop] {
        let (sink, handle) = recorder("one");
        let mut pipeline = started(vec![sink], config(400, backpressure));
        let ingest = pipeline.ingest().unwrap();
        let closed = handle.gate.lock().unwrap();
        let mut line = line_with_large(&ingest, 3000);
        (3000..3010).for_each(|number| publish(&mut line, 1, &number.to_string()));
        // There is room in the queue for somebody else.
        let mut other = Line::new(ingest.clone());
        (0..20).for_each(|_| publish(&mut other, 2, "other"));
        drop(closed);
        handle.wait_for(3030);
        let others = handle.texts().iter().rposition(|text| text == "other").unwrap();
        assert!(others < 3000, "{others}");
        assert_eq!(of_first(&handle), numbers(3010), "{backpressure}");
        // What comes now needs no lane any more.
        publish(&mut line, 1, "3010");
        handle.wait_for(3031);
        assert!(pipeline.shutdown(soon()).is_complete());
        assert_eq!(of_first(&handle), numbers(3011));
    }
}

#[test]
fn with_block_the_client_waits_while_its_transaction_goes_out() {
    let (sink, handle) = recorder("one");
    let pipeline = started(vec![sink], config(100, Backpressure::Block));
    let ingest = pipeline.ingest().unwrap();
    let closed = handle.gate.lock().unwrap();
    let line = line_with_large(&ingest, 1000);
    assert!(line.is_full() && !ingest.is_full());
    let gate = thread::spawn({
        let gate = line.gate();
        move || tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(gate.wait())
    });
    drop(closed);
    gate.join().unwrap();
    assert!(!line.is_full());
    handle.wait_for(1000);
}

#[test]
fn with_drop_a_sink_that_takes_nothing_loses_it_and_the_other_nothing() {
    let ((stuck, stuck_handle), (other, handle)) = (recorder("stuck"), recorder("other"));
    let mut pipeline = started(vec![stuck, other], config(100, Backpressure::Drop));
    let ingest = pipeline.ingest().unwrap();
    let closed = stuck_handle.gate.lock().unwrap();
    let line = line_with_large(&ingest, 1000);
    assert!(!line.is_full(), "no client waits");
    handle.wait_for(1000);
    drop(closed);
    let report = pipeline.shutdown(soon());
    let counters = pipeline.counters();
    let lost = counters.sinks()[0].lost(LossReason::QueueFull);
    assert!(lost > 0 && stuck_handle.texts().len() as u64 + lost == 1000, "{report:?}");
    assert_eq!((handle.texts(), report.sinks[1].lost), (numbers(1000), 0));
}

#[test]
fn what_is_not_sent_by_the_deadline_is_counted() {
    let (sink, handle) = recorder("one");
    let mut pipeline = started(vec![sink], config(100, Backpressure::Block));
    let ingest = pipeline.ingest().unwrap();
    let closed = handle.gate.lock().unwrap();
    let mut line = line_with_large(&ingest, 1000);
    publish(&mut line, 1, "1000");
    let report = pipeline.shutdown(Instant::now() + Duration::from_millis(50));
    drop(closed);
    assert_eq!((report.sinks[0].delivered + report.lost(), report.is_complete()), (1001, false), "{report:?}");
    // Whatever comes now is counted too.
    let before = pipeline.counters().lost_total();
    publish(&mut line, 1, "1001");
    let mut held = Held::new(holding(1000));
    (0..100).for_each(|_| hold(&mut held, 1, "late"));
    line.release(&mut held, Rewrite::NONE);
    assert_eq!(pipeline.counters().lost_total(), before + 101);
}

#[test]
fn there_is_room_for_every_message_that_the_sink_takes_alone() {
    for backpressure in [Backpressure::Block, Backpressure::Drop] {
        let (sink, handle) = recorder("one");
        let bounds = QueueConfig { max_messages: 3, max_bytes: 10, backpressure, ..QueueConfig::default() };
        let mut pipeline = started(vec![sink], bounds);
        let (mut line, mut held) = (Line::new(pipeline.ingest().unwrap()), Held::new(holding(2)));
        let long = "x".repeat(100);
        (0..50).for_each(|_| hold(&mut held, 1, &long));
        line.release(&mut held, Rewrite::NONE);
        handle.wait_for(50);
        assert!(pipeline.shutdown(soon()).is_complete());
    }
}

/// What a connection did in the test, as the sink should see it.
#[derive(Default)]
struct Model {
    sent: Vec<String>,
    held: Vec<String>,
}

fn marked(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'?');
    out.extend_from_slice(text);
}

#[test]
fn each_connection_keeps_its_order_and_its_numbers_have_no_gaps() {
    for seed in 1..=12 {
        let mut random = Random::new(seed);
        let sink = Numbers::default();
        let mut pipeline = started(vec![Box::new(sink.clone())], config(20 + random.below(200), Backpressure::Block));
        let ingests = [pipeline.ingest().unwrap(), pipeline.ingest().unwrap()];
        let holding = holding(random.below(200));
        let mut sessions: Vec<_> = (0..4)
            .map(|index| (Line::new(ingests[index % 2].clone()), Held::new(Arc::clone(&holding)), Model::default()))
            .collect();
        let mut prepared: Vec<(usize, SharedLine, Held, Vec<String>)> = Vec::new();
        for number in 0..6000 {
            let index = random.below(4);
            let (line, held, model) = &mut sessions[index];
            let text = number.to_string();
            match random.below(400) {
                0..=150 => {
                    publish(line, index as u64, &text);
                    model.sent.push(text);
                }
                151..=380 => {
                    hold(held, index as u64, &text);
                    model.held.push(text);
                }
                381..=390 => {
                    let first = random.below(model.held.len() + 1);
                    line.release(held, Rewrite { first: first as u64, with: marked });
                    let held = model.held.drain(..).enumerate();
                    model.sent.extend(held.map(|(at, text)| if at < first { format!("?{text}") } else { text }));
                }
                391..=393 => {
                    let keep = random.below(model.held.len() + 1);
                    held.truncate(keep as u64).1.unwrap();
                    model.held.truncate(keep);
                }
                394..=396 => {
                    let taken = std::mem::replace(held, Held::new(Arc::clone(&holding)));
                    prepared.push((index, line.share(&taken), taken, std::mem::take(&mut model.held)));
                }
                _ if prepared.is_empty() => {}
                _ => {
                    let (of, line, mut held, texts) = prepared.swap_remove(random.below(prepared.len()));
                    line.release(&mut held, Rewrite::NONE);
                    sessions[of].2.sent.extend(texts);
                }
            }
        }
        assert!(pipeline.shutdown(soon()).is_complete());
        let seen = sink.0.lock().unwrap();
        for (index, (_, _, model)) in sessions.iter().enumerate() {
            let of_this = seen.iter().filter(|(key, ..)| *key == index as u64);
            let (seqs, texts): (Vec<u64>, Vec<&str>) = of_this.map(|(_, seq, text)| (*seq, text.as_str())).unzip();
            assert_eq!(texts, model.sent, "seed {seed}");
            assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "seed {seed}");
        }
    }
}
