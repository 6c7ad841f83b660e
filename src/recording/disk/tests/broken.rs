//! Files that someone has changed: an error or what was written, never a panic.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::*;
use crate::fuzzing::mutations::mutate;
use crate::recording::disk::batch::ReadBatch;
use crate::recording::disk::checked::check_with_any_checksum;
use crate::recording::disk::message::{self, Head, PREFIX};
use crate::recording::disk::samples::about;

/// The files of a small recording.
fn seed(key: Option<Key>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let options = WriterOptions { key, ..WriterOptions::default() };
    let mut writer = RecordingWriter::create(folder.path(), &about(), options).unwrap();
    for (index, record) in records(&mut Random::new(4), 60).iter().enumerate() {
        writer.write(record).unwrap();
        if index % 20 == 19 {
            writer.flush().unwrap();
        }
    }
    writer.finish().unwrap();
    fs::read(&files(folder.path())[0]).unwrap()
}

fn expect_no_panic(what: &str, number: usize, data: &[u8], target: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(target)).is_err() {
        let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("{what}: mutation {number}: {hex}");
    }
}

#[test]
fn mutated_files_do_not_panic() {
    for (name, key) in [("plain", None), ("sealed", Some(Key::of(8)))] {
        let seed = seed(key.clone());
        let mut random = Random::new(0x5eed);
        let folder = tempfile::tempdir().unwrap();
        let ending = if key.is_some() { "arrows.sealed" } else { "arrows" };
        let path = folder.path().join(format!("00000001.{ending}"));
        for number in 0..250 {
            let mut data = seed.clone();
            mutate(&mut data, &seed, &mut random);
            fs::write(&path, &data).unwrap();
            expect_no_panic(name, number, &data, || {
                if let Ok(recording) = Recording::open(folder.path(), key.as_ref()) {
                    recording.records().for_each(drop);
                    if let Ok(timeline) = recording.timeline(1_000_000, u64::MAX) {
                        timeline.for_each(drop);
                    }
                }
            });
        }
    }
}

/// The metadata and bodies of a file's messages.
fn messages(file: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut messages = Vec::new();
    let mut rest = file;
    loop {
        let (prefix, after) = rest.split_first_chunk::<PREFIX>().unwrap();
        let length = message::metadata_length(*prefix).unwrap();
        if length == 0 {
            return messages;
        }
        let (metadata, after) = after.split_at(length);
        let (body, _) = message::read_head(metadata).unwrap();
        let (body, after) = after.split_at(body as usize);
        messages.push((metadata.to_vec(), body.to_vec()));
        rest = after;
    }
}

/// The checksums keep nearly all changes away from what reads columns: here they are not looked at, as if whoever made the changes had put
/// them right.
#[test]
fn mutated_messages_with_right_checksums_do_not_panic() {
    let messages = messages(&seed(None));
    let schema = match message::read_head(&messages[0].0).unwrap().1 {
        Head::Schema(schema) => Arc::new(*schema),
        _ => panic!("no schema"),
    };
    let mut random = Random::new(0x5eed);
    let (mut good, mut bad) = (0, 0);
    for number in 0..3000 {
        let chosen = random.below(9);
        let mut changed = messages.clone();
        let other = messages[random.below(messages.len())].clone();
        let (metadata, body) = &mut changed[chosen];
        // Metadata is what lengths and offsets are in.
        if random.below(3) > 0 {
            mutate(metadata, &other.0, &mut random);
        } else {
            mutate(body, &other.1, &mut random);
        }
        let data = [&changed[chosen].0[..], &changed[chosen].1].concat();
        expect_no_panic("messages", number, &data, || {
            if chosen == 0 {
                drop(message::read_head(&changed[0].0));
                return;
            }
            let mut dictionaries = HashMap::new();
            // One batch is enough.
            for (metadata, body) in &changed[1..9] {
                let Ok(checked) = check_with_any_checksum(metadata, body.clone(), &schema) else { return };
                if checked.dictionary(&mut dictionaries).is_ok() {
                    continue;
                }
                let batch = checked.batch(&dictionaries).and_then(ReadBatch::new);
                let Ok(mut batch) = batch else {
                    bad += 1;
                    continue;
                };
                drop(batch.starts(true));
                let mut row = 0;
                while let Ok(Some(_)) = batch.read(&mut row) {}
                good += 1;
            }
        });
    }
    assert!(good > 500 && bad > 100, "{good} good, {bad} bad");
}
