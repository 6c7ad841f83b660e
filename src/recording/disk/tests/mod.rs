//! Recordings that are written and read again, whole and torn.

mod broken;
mod mistakes;
mod runs;
mod states;
mod sysbench;

use std::fs;
use std::path::{Path, PathBuf};

use crate::recording::disk::samples::{about, begin, query, record, records};

use super::*;
use crate::fuzzing::mutations::Random;
use crate::recording::{Event, Record, SessionClose};

fn read(dir: &Path, key: Option<&Key>) -> (Vec<Record>, RecordingEnd) {
    let recording = Recording::open(dir, key).unwrap();
    let mut found = recording.records();
    let records = found.by_ref().map(Result::unwrap).collect();
    (records, found.ending().unwrap())
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = names.filter(|path| path.to_string_lossy().contains(".arrows")).collect();
    files.sort();
    files
}

#[test]
fn what_is_read_is_what_was_written() {
    for (seed, key) in [(1, None), (2, Some(Key::of(3)))] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("recording");
        let records = records(&mut Random::new(seed), 3000);
        let options = WriterOptions { rotate_bytes: 50_000, key: key.clone(), ..WriterOptions::default() };
        let mut writer = RecordingWriter::create(&dir, &about(), options).unwrap();
        for (index, record) in records.iter().enumerate() {
            writer.write(record).unwrap();
            if index % 100 == 99 {
                writer.flush().unwrap();
            }
        }
        let written = writer.finish().unwrap();
        assert_eq!(written.records, 3000);
        assert_eq!(written.files, files(&dir).len() as u64);
        assert!(written.files > 3, "{written:?}");
        let (found, ending) = read(&dir, key.as_ref());
        assert_eq!(ending, RecordingEnd::Complete);
        assert_eq!(found.len(), records.len());
        for (found, written) in found.iter().zip(&records) {
            assert_eq!(found, written);
        }
        assert_eq!(*Recording::open(&dir, key.as_ref()).unwrap().about(), about());
        let bytes: u64 = files(&dir).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert_eq!(bytes, written.bytes);
    }
}

/// What a timeline should be.
fn sorted(records: &[Record]) -> Vec<Record> {
    let mut sorted = records.to_vec();
    sorted.sort_by_key(|record| (record.started.monotonic_ns, record.session, record.number));
    sorted
}

fn timeline(dir: &Path, from_ns: u64, to_ns: u64, memory: usize) -> Vec<Record> {
    let recording = Recording::open(dir, None).unwrap();
    let timeline = Timeline::new(&recording, from_ns, to_ns, memory).unwrap();
    timeline.map(Result::unwrap).collect()
}

/// Sessions of which some have statements that take long, so that they lie in the files far after what started with them.
fn with_stragglers(random: &mut Random) -> Vec<Record> {
    let (sessions, commands) = (2 + random.below(6) as u64, 20 + random.below(80) as u64);
    let slowest = [2, 50, 5000][random.below(3)] * 1_000_000;
    let mut complete = Vec::new();
    for session in 0..sessions {
        let mut now = random.next() % 100_000_000;
        complete.push((now, record(session, 0, now, begin())));
        for number in 1..commands {
            let started = now;
            now += if random.below(30) == 0 { random.next() % slowest } else { random.next() % 1_000_000 };
            complete.push((now, record(session, number, started, Event::Command(Box::new(query("SELECT 1"))))));
            // Clocks are not always that fine.
            now += [0, 0, 500_000][random.below(3)];
        }
    }
    complete.sort_by_key(|(complete, record)| (*complete, record.session, record.number));
    complete.into_iter().map(|(_, record)| record).collect()
}

#[test]
fn a_timeline_is_what_sorting_gives_however_little_memory_there_is() {
    for seed in 1..=10 {
        let mut random = Random::new(seed);
        let folder = tempfile::tempdir().unwrap();
        let records = with_stragglers(&mut random);
        let options = WriterOptions { rotate_bytes: 12_000, ..WriterOptions::default() };
        let mut writer = RecordingWriter::create(folder.path(), &about(), options).unwrap();
        for record in &records {
            writer.write(record).unwrap();
            if random.below(20) == 0 {
                writer.flush().unwrap();
            }
        }
        writer.finish().unwrap();
        let sorted = sorted(&records);
        for memory in [0, 20_000, usize::MAX] {
            let found = timeline(folder.path(), 0, u64::MAX, memory);
            assert_eq!(found.len(), sorted.len(), "seed {seed}, memory {memory}");
            for (found, expected) in found.iter().zip(&sorted) {
                assert_eq!(found, expected, "seed {seed}, memory {memory}");
            }
        }
        let last = sorted.last().unwrap().started.monotonic_ns;
        let from = random.next() % last;
        let to = from + random.next() % (last - from + 1);
        let part = timeline(folder.path(), from, to, 20_000);
        let expected: Vec<_> = sorted.iter().filter(|it| (from..to).contains(&it.started.monotonic_ns)).collect();
        let (states, part) = part.split_at(part.len() - expected.len());
        assert!(part.iter().eq(expected), "seed {seed}");
        let open_then = sorted.iter().filter(|it| it.number == 0 && it.started.monotonic_ns < from);
        let mut open_then: Vec<_> = open_then.map(|it| it.session).collect();
        open_then.sort();
        assert_eq!(states.iter().map(|it| it.session).collect::<Vec<_>>(), open_then, "seed {seed}");
        for state in states {
            let Event::Begin(begin) = &state.event else { panic!("{state:?}") };
            assert!(begin.began_before && begin.user.as_deref() == Some("app"), "{state:?}");
        }
    }
}
