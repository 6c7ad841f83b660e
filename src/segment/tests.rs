//! Random actions on a real file and on a simple model of it, side by side; every way a file can be torn; faults by hand.

use std::fs;

use super::*;
use crate::fuzzing::mutations::Random;

const NO_LIMIT: u64 = u64::MAX;

fn open(path: &Path) -> Opened {
    Segment::open(path, FileMode::default(), NO_LIMIT).unwrap()
}

fn read(segment: &Segment, record: usize) -> Vec<u8> {
    let mut bytes = b"of before".to_vec();
    segment.read(record, &mut bytes).unwrap();
    bytes
}

fn all(segment: &Segment) -> Vec<Vec<u8>> {
    (0..segment.len()).map(|record| read(segment, record)).collect()
}

/// What a segment is: its records, those of them that a crash leaves, and its bound.
#[derive(Debug, Default)]
struct Model {
    records: Vec<Vec<u8>>,
    synced: usize,
}

impl Model {
    fn bytes(&self) -> u64 {
        let records = self.records.iter().map(|record| RECORD_HEADER + record.len()).sum::<usize>();
        (HEADER + records) as u64
    }
}

/// Mostly short, some empty, and some that look like what stands in the file itself.
fn payload(random: &mut Random, file: &[u8]) -> Vec<u8> {
    match random.below(8) {
        0 => Vec::new(),
        1 => vec![random.next() as u8; random.below(5000)],
        2 if !file.is_empty() => file[random.below(file.len())..].to_vec(),
        _ => (0..random.below(40)).map(|_| random.next() as u8).collect(),
    }
}

#[test]
fn it_behaves_as_its_model() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 1..=60 {
        let mut random = Random::new(seed);
        let path = folder.path().join(format!("{seed}.segment"));
        let limit = 2000 + random.below(60_000) as u64;
        let reopen = || Segment::open(&path, FileMode::default(), limit).unwrap();
        let (mut segment, mut model) = (Some(reopen().segment), Model::default());
        // There may be zeros after its last record.
        let mut has_room = false;
        for _ in 0..200 {
            let current = segment.as_mut().unwrap();
            match random.below(12) {
                0..=5 => {
                    let bytes = payload(&mut random, &fs::read(&path).unwrap());
                    let (left, right) = bytes.split_at(random.below(bytes.len() + 1));
                    let fits = model.bytes() + (RECORD_HEADER + bytes.len()) as u64 <= limit;
                    match current.append(&[left, right]) {
                        Ok(number) => {
                            assert!(fits && number == model.records.len(), "seed {seed}");
                            model.records.push(bytes);
                        }
                        Err(error) => assert!(error.is_full() && !fits, "seed {seed}: {error}"),
                    }
                }
                6 => {
                    let record = random.below(model.records.len() + 3);
                    current.truncate(record);
                    has_room &= record >= model.records.len();
                    model.records.truncate(record);
                    model.synced = model.synced.min(model.records.len());
                }
                7 => {
                    current.sync().unwrap();
                    model.synced = model.records.len();
                }
                8 => {
                    // A clean restart.
                    drop(segment.take());
                    let opened = reopen();
                    assert_eq!(opened.cut_off, 0, "seed {seed}");
                    segment = Some(opened.segment);
                    has_room = false;
                }
                9 => {
                    current.reserve(1 + random.below(20_000) as u64).unwrap();
                    has_room = true;
                }
                10 => {
                    // Killed: another opens what is there.
                    let killed = fs::read(&path).unwrap();
                    drop(segment.take());
                    fs::write(&path, &killed).unwrap();
                    let opened = reopen();
                    assert_eq!(opened.cut_off, 0, "seed {seed}");
                    segment = Some(opened.segment);
                    has_room = false;
                }
                _ => {
                    // The machine goes down: of what was not synced a part is on the disk, torn, or followed by something else.
                    let durable = Model { records: model.records[..model.synced].to_vec(), synced: 0 }.bytes();
                    drop(segment.take());
                    has_room = false;
                    let mut bytes = fs::read(&path).unwrap();
                    let kept = durable as usize + random.below(bytes.len() - durable as usize + 1);
                    bytes.truncate(kept);
                    match random.below(3) {
                        0 => bytes.extend(vec![0; random.below(100)]),
                        1 => bytes.extend((0..random.below(100)).map(|_| random.next() as u8)),
                        _ => {}
                    }
                    fs::write(&path, &bytes).unwrap();
                    let opened = reopen();
                    let left = opened.segment.len();
                    assert!(left >= model.synced && left <= model.records.len(), "seed {seed}");
                    model.records.truncate(left);
                    assert_eq!(opened.cut_off, torn_bytes(&bytes, model.bytes() as usize), "seed {seed}");
                    segment = Some(opened.segment);
                }
            }
            let current = segment.as_ref().unwrap();
            assert_eq!((current.len(), current.bytes()), (model.records.len(), model.bytes()), "seed {seed}");
            assert!(all(current) == model.records, "seed {seed}");
            let bytes = fs::read(&path).unwrap();
            let room = &bytes[model.bytes() as usize..];
            assert!(room.iter().all(|byte| *byte == 0) && (has_room || room.is_empty()), "seed {seed}");
            let (mut reader, mut record, mut found) = (SegmentReader::open(&path).unwrap().unwrap(), Vec::new(), 0);
            while reader.next(&mut record).unwrap() {
                assert!(record == model.records[found], "seed {seed}");
                found += 1;
            }
            assert_eq!((found, reader.bytes_left()), (model.records.len(), 0), "seed {seed}");
        }
    }
}

/// How many bytes there are from `end` to the last that is not zero.
fn torn_bytes(bytes: &[u8], end: usize) -> u64 {
    let torn = &bytes[end..];
    torn.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

/// A small segment with a name: its path, its bytes and its records.
fn small(folder: &Path) -> (PathBuf, Vec<u8>, Vec<Vec<u8>>) {
    let path = folder.join("small.segment");
    let mut segment = open(&path).segment;
    for record in ["one", "", "three and more", "4"] {
        segment.append(&[record.as_bytes()]).unwrap();
    }
    let records = all(&segment);
    drop(segment);
    (path.clone(), fs::read(&path).unwrap(), records)
}

#[test]
fn torn_at_any_byte_it_ends_with_its_last_whole_record() {
    let folder = tempfile::tempdir().unwrap();
    let (path, bytes, records) = small(folder.path());
    let mut ends = vec![HEADER];
    ends.extend(records.iter().scan(HEADER, |end, record| {
        *end += RECORD_HEADER + record.len();
        Some(*end)
    }));
    for size in 0..=bytes.len() {
        fs::write(&path, &bytes[..size]).unwrap();
        let Opened { mut segment, cut_off } = open(&path);
        let whole = ends.iter().filter(|end| **end <= size).count().saturating_sub(1);
        let expected_cut = if size < HEADER { size as u64 } else { torn_bytes(&bytes[..size], ends[whole]) };
        assert_eq!((all(&segment), cut_off), (records[..whole].to_vec(), expected_cut), "{size}");
        // It goes on from there.
        assert_eq!(segment.append(&[b"next"]).unwrap(), whole);
        drop(segment);
        assert_eq!(all(&open(&path).segment).last().unwrap(), b"next", "{size}");
    }
}

#[test]
fn a_flipped_bit_is_never_read_as_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let (path, bytes, records) = small(folder.path());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).unwrap();
        match Segment::open(&path, FileMode::default(), NO_LIMIT) {
            Ok(Opened { segment, cut_off }) => {
                assert!(bit / 8 >= HEADER && cut_off > 0, "{bit}");
                let left = all(&segment);
                assert!(left.len() < records.len() && left == records[..left.len()], "{bit}");
            }
            // Nothing is cut off where the whole file would be.
            Err(_) => assert!(bit / 8 < HEADER && fs::read(&path).unwrap() == flipped, "{bit}"),
        }
    }
}

#[test]
fn records_without_a_name_are_read_back_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut segment = Segment::without_name(folder.path()).unwrap();
    assert_eq!(segment.append(&[b"one", b"", b"two"]).unwrap(), 0);
    assert_eq!(segment.append(&[]).unwrap(), 1);
    assert_eq!(segment.append(&[&[7; 300_000]]).unwrap(), 2);
    assert_eq!(all(&segment), [b"onetwo".to_vec(), Vec::new(), vec![7; 300_000]]);
    assert!(segment.read(3, &mut Vec::new()).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn forgotten_records_are_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut segment = Segment::without_name(folder.path()).unwrap();
    for byte in 0..5 {
        segment.append(&[&[byte; 10]]).unwrap();
    }
    segment.truncate(9);
    segment.truncate(2);
    assert!(segment.read(2, &mut Vec::new()).is_err());
    assert_eq!(segment.append(&[b"shorter"]).unwrap(), 2);
    assert_eq!(all(&segment), [vec![0; 10], vec![1; 10], b"shorter".to_vec()]);
}

#[test]
fn damage_after_opening_is_found_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut segment = Segment::without_name(folder.path()).unwrap();
    segment.append(&[b"one"]).unwrap();
    segment.append(&[b"two"]).unwrap();
    segment.file.write_all_at(b"x", (HEADER + RECORD_HEADER) as u64).unwrap();
    let error = segment.read(0, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("damaged at offset 24"), "{error}");
    segment.file.write_all_at(&[200], segment.starts[1]).unwrap();
    assert!(segment.read(1, &mut Vec::new()).unwrap_err().to_string().contains("damaged"));
    segment.file.set_len(3).unwrap();
    assert!(segment.read(0, &mut Vec::new()).is_err());
}

#[test]
fn one_owner_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.segment");
    let first = open(&path);
    let error = Segment::open(&path, FileMode::default(), NO_LIMIT).unwrap_err().to_string();
    assert!(error.contains("another process"), "{error}");
    drop(first);
    open(&path);
}

#[test]
fn files_that_are_not_ours_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.segment");
    let mut newer = open(&path).segment.header.bytes();
    newer[8] = 2;
    for (content, reason) in [
        (b"{}\n".to_vec(), "not a segment file"),
        (vec![b'x'; 100], "not a segment file"),
        (newer.to_vec(), "of version 2; this program knows version 1"),
    ] {
        fs::write(&path, &content).unwrap();
        let error = Segment::open(&path, FileMode::default(), NO_LIMIT).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn after_a_failed_append_the_segment_is_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.segment");
    let mut segment = open(&path).segment;
    segment.append(&[b"one"]).unwrap();
    let disk = std::mem::replace(&mut segment.file, File::options().read(true).write(true).open("/dev/full").unwrap());
    assert!(segment.append(&[b"two"]).unwrap_err().to_string().contains("could not be written"));
    // Half of it had been written.
    segment.file = disk;
    segment.file.write_all_at(&[5; 100], segment.end).unwrap();
    assert_eq!(segment.append(&[b"three"]).unwrap(), 1);
    drop(segment);
    let opened = open(&path);
    assert_eq!((all(&opened.segment), opened.cut_off), (vec![b"one".to_vec(), b"three".to_vec()], 0));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let error = Segment::without_name(Path::new("/nowhere/at/all")).unwrap_err().to_string();
    assert!(error.contains("/nowhere/at/all"), "{error}");
}
