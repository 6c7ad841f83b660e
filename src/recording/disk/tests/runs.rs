//! Recorders that go on in the folder of an earlier run, whatever became of that.

use std::collections::BTreeMap;

use super::*;
use crate::recording::RecordingAbout;
use crate::recording::SessionId;
use crate::recording::disk::samples::STARTED_MS;

fn about_at(started_ms: u64) -> RecordingAbout {
    RecordingAbout { started_ms, ..about() }
}

/// One run: its records, which are written, and then an end of this kind: a good one, a kill, a kill that tears the last file.
fn run(dir: &Path, random: &mut Random, started_ms: u64, key: Option<&Key>, ending: usize) -> u32 {
    let options = WriterOptions { rotate_bytes: 20_000, key: key.cloned(), ..WriterOptions::default() };
    let mut about = about_at(started_ms);
    let mut writer = RecordingWriter::resume(dir, &mut about, options).unwrap();
    let count = [0, 5, 400][random.below(3)];
    for mut record in records(random, count) {
        record.session = SessionId(u64::from(about.recorder) << 32 | record.session.0);
        record.started.monotonic_ns += writer.begins_at_ns();
        writer.write(&record).unwrap();
        if random.below(40) == 0 {
            writer.flush().unwrap();
        }
    }
    if ending == 0 {
        writer.finish().unwrap();
        return about.recorder;
    }
    drop(writer);
    if ending == 2 {
        let last = files(dir).pop().unwrap();
        let whole = fs::read(&last).unwrap();
        fs::write(&last, &whole[..whole.len() - random.below(whole.len().min(3000))]).unwrap();
    }
    about.recorder
}

#[test]
fn a_recording_goes_on_whatever_became_of_the_run_before() {
    for seed in 1..=120 {
        let mut random = Random::new(seed);
        let key = (seed % 2 == 0).then(|| Key::of(3));
        let folder = tempfile::tempdir().unwrap();
        // Sessions that the next run does not end: their writer was told that it was done.
        let mut left_open = Vec::new();
        let runs = 2 + random.below(3);
        for number in 0..runs {
            // The wall clock may be set back.
            let started_ms = STARTED_MS + [number as u64 * 10_000, 0][random.below(2)];
            // What a tear takes away, the ends of earlier sessions included, only a later run makes good.
            let ending = if number + 1 == runs { 0 } else { random.below(3) };
            let recorder = run(folder.path(), &mut random, started_ms, key.as_ref(), ending);
            if ending == 0 {
                left_open.push(u64::from(recorder));
            }
        }
        let recording = Recording::open(folder.path(), key.as_ref()).unwrap();
        let found: Vec<_> =
            recording.records().map(|record| record.unwrap_or_else(|it| panic!("{seed}: {it}"))).collect();
        let mut sessions: BTreeMap<SessionId, Vec<&Record>> = BTreeMap::new();
        for record in &found {
            sessions.entry(record.session).or_default().push(record);
        }
        for (session, records) in sessions {
            assert!(records.iter().map(|it| it.number).eq(0..records.len() as u64), "{seed}: {records:?}");
            let last = records.last().unwrap();
            // Samples have commands of sessions that were refused, too, which no recorder has: those are not open.
            let begun = records.iter().rev().find_map(|record| match &record.event {
                Event::Begin(begin) => Some(begin.refused.is_none()),
                _ => None,
            });
            let is_over = begun != Some(true) || matches!(last.event, Event::End(_) | Event::Lost(_));
            assert!(is_over || left_open.contains(&(session.0 >> 32)), "{seed}: {last:?}");
        }
        let in_order: Vec<_> = recording.timeline(0, u64::MAX).unwrap().map(Result::unwrap).collect();
        assert_eq!(in_order, sorted(&found), "{seed}");
        // Runs do not overlap.
        let runs: Vec<_> = in_order.iter().map(|record| record.session.0 >> 32).collect();
        assert!(runs.is_sorted(), "{seed}: {runs:?}");
    }
}

#[test]
fn what_was_made_from_something_else_does_not_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let resume = |mut about: RecordingAbout, options: WriterOptions| {
        RecordingWriter::resume(folder.path(), &mut about, options).map(drop).map_err(|error| error.to_string())
    };
    resume(about(), WriterOptions::default()).unwrap();
    let other = RecordingAbout { server: Some("other:3306".to_owned()), ..about() };
    assert!(resume(other, WriterOptions::default()).unwrap_err().contains("something else (proxy, server db:3306)"));
    let encrypted = WriterOptions { key: Some(Key::of(1)), ..WriterOptions::default() };
    assert!(resume(about(), encrypted).unwrap_err().contains("not encrypted"));
    resume(about(), WriterOptions::default()).unwrap();
    // A folder has no more than its largest size, whoever wrote what is there.
    let full = WriterOptions { max_bytes: Some(10), ..WriterOptions::default() };
    assert!(resume(about(), full).unwrap_err().contains("largest size"));
}
