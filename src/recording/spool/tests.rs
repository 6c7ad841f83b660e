//! A recording that is written, that is not, and what its sessions notice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::recording::sink::{Admission, RecordSink};
use crate::recording::{Event, Record, RecordedCommand, RecordingAbout, RecordingSource, SessionClose, SessionId};
use crate::session::Now;

/// Keeps what it is given, and fails when it is told to.
#[derive(Debug, Clone, Default)]
struct Memory {
    records: Arc<Mutex<Vec<Record>>>,
    is_held_up: Arc<AtomicBool>,
    fails: Arc<AtomicBool>,
}

impl Memory {
    fn records(&self) -> Vec<Record> {
        self.records.lock().unwrap().clone()
    }
}

impl RecordStore for Memory {
    fn write(&mut self, record: &Record) -> Result<(), StoreError> {
        while self.is_held_up.load(Ordering::SeqCst) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        if self.fails.load(Ordering::SeqCst) {
            return Err("No space left on device".into());
        }
        self.records.lock().unwrap().push(record.clone());
        Ok(())
    }

    fn flush_due(&mut self, _: Now) -> Result<(), StoreError> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<String, StoreError> {
        Ok(format!("{} records", self.records().len()))
    }
}

fn about() -> RecordingAbout {
    RecordingAbout::new(RecordingSource::Proxy, 7, 1_795_000_000_000)
}

fn record(number: u64, event: Event) -> Record {
    Record { session: SessionId(7 << 32), number, started: Now { monotonic_ns: u64::MAX, epoch_ms: 5 }, event }
}

fn sink(switch: &RecordingSwitch) -> SpoolSink {
    let active = switch.active().unwrap();
    SpoolSink(Arc::clone(&active.queue))
}

#[test]
fn records_are_written_and_open_sessions_end_with_the_recording() {
    let (switch, memory) = (RecordingSwitch::default(), Memory::default());
    assert!(switch.active().is_none() && switch.turn_off().is_none());
    let before = switch.position();
    switch.turn_on(Box::new(memory.clone()), &about(), SpoolOptions::default()).unwrap();
    assert_ne!(switch.position(), before);
    let mut sink = sink(&switch);
    assert_eq!(sink.record(record(0, Event::Begin(Box::default()))), Admission::Taken);
    assert_eq!(switch.turn_off().unwrap().unwrap(), "2 records");
    assert_eq!(sink.record(record(1, Event::End(SessionClose::Quit))), Admission::Closed);
    let ends: Vec<_> = memory.records().into_iter().map(|record| (record.number, record.event)).collect();
    assert_eq!(ends[1], (1, Event::End(SessionClose::RecordingEnded)));
    let counts = switch.counts();
    assert_eq!((counts.recorded_sessions, counts.recorded_commands, counts.queued_bytes), (1, 0, 0));
}

#[test]
fn a_session_that_ends_when_the_program_does_was_cut_off() {
    let (switch, memory) = (RecordingSwitch::default(), Memory::default());
    switch.turn_on(Box::new(memory.clone()), &about(), SpoolOptions::default()).unwrap();
    let mut sink = sink(&switch);
    sink.record(record(0, Event::End(SessionClose::Closed)));
    switch.ends_soon();
    sink.record(record(1, Event::End(SessionClose::Quit)));
    sink.record(record(2, Event::End(SessionClose::Closed)));
    switch.turn_off().unwrap().unwrap();
    let ends: Vec<_> = memory.records().into_iter().map(|record| record.event).collect();
    let expected = [SessionClose::Closed, SessionClose::Quit, SessionClose::RecordingEnded];
    assert_eq!(ends, expected.map(Event::End));
}

#[test]
fn what_does_not_fit_is_refused_and_counted_and_nobody_waits() {
    let (switch, memory) = (RecordingSwitch::default(), Memory::default());
    memory.is_held_up.store(true, Ordering::SeqCst);
    let queue_bytes = 64 * 1024;
    let options = SpoolOptions { queue_bytes, ..SpoolOptions::default() };
    switch.turn_on(Box::new(memory.clone()), &about(), options).unwrap();
    let mut sink = sink(&switch);
    let command = || Event::Command(Box::new(RecordedCommand { sql: Some(vec![b'x'; 1000].into()), ..ping() }));
    let mut taken = 0;
    while sink.record(record(taken, command())) == Admission::Taken {
        taken += 1;
    }
    assert!(sink.has_room() || taken > 10, "{taken}");
    let counts = switch.counts();
    assert!(counts.refused == 1 && counts.queued_bytes <= queue_bytes as u64, "{counts:?}");
    memory.is_held_up.store(false, Ordering::SeqCst);
    switch.turn_off().unwrap().unwrap();
    assert_eq!(switch.counts().recorded_commands, taken);
    assert_eq!(switch.counts().queued_bytes, 0);
}

#[test]
fn a_full_disk_ends_the_recording_and_nothing_else() {
    let (switch, memory) = (RecordingSwitch::default(), Memory::default());
    switch.turn_on(Box::new(memory.clone()), &about(), SpoolOptions::default()).unwrap();
    memory.fails.store(true, Ordering::SeqCst);
    let mut sink = sink(&switch);
    assert_eq!(sink.record(record(0, Event::Begin(Box::default()))), Admission::Taken);
    let mut number = 1;
    while sink.record(record(number, Event::Lost(String::new()))) != Admission::Closed {
        number += 1;
        std::thread::yield_now();
    }
    assert!(sink.has_room(), "who asks learns that nothing is taken");
    assert!(switch.turn_off().unwrap().unwrap_err().to_string().contains("No space left"));
    let counts = switch.counts();
    assert_eq!((counts.stopped, counts.queued_bytes), (1, 0));
    assert!(counts.unwritten >= 1 && counts.unwritten <= number, "{counts:?} of {number}");
}

fn ping() -> RecordedCommand {
    RecordedCommand::new(crate::mysql::wire::Command::Ping)
}
