//! Files that are torn, damaged, missing, encrypted, or something else; folders that are used; disks that are full.

use std::fs::{self, File};

use super::*;
use crate::recording::disk::samples::{about, begin, query, record};

/// A session with this many commands, a few in each batch.
fn write(dir: &Path, commands: u64, options: WriterOptions) -> Vec<Record> {
    let mut writer = RecordingWriter::create(dir, &about(), options).unwrap();
    let mut records = vec![record(1, 0, 0, begin())];
    for number in 1..=commands {
        let sql = format!("SELECT {number}, '{}'", "x".repeat(number as usize % 50));
        records.push(record(1, number, number * 1000, Event::Command(Box::new(query(&sql)))));
    }
    for (index, record) in records.iter().enumerate() {
        writer.write(record).unwrap();
        if index % 10 == 9 {
            writer.flush().unwrap();
        }
    }
    writer.finish().unwrap();
    records
}

fn said(dir: &Path, key: Option<&Key>) -> String {
    let recording = match Recording::open(dir, key) {
        Ok(recording) => recording,
        Err(error) => return error.to_string(),
    };
    match recording.records().find_map(Result::err) {
        Some(error) => error.to_string(),
        None => panic!("it was read"),
    }
}

#[test]
fn a_torn_file_is_read_up_to_its_last_whole_batch() {
    for key in [None, Some(Key::of(5))] {
        let folder = tempfile::tempdir().unwrap();
        let records = write(folder.path(), 40, WriterOptions { key: key.clone(), ..WriterOptions::default() });
        let file = files(folder.path()).remove(0);
        let whole = fs::read(&file).unwrap();
        let mut lengths = std::collections::BTreeSet::new();
        // A step that is no multiple of how messages are aligned.
        for length in (0..whole.len()).step_by(61).chain(whole.len() - 12..whole.len()) {
            fs::write(&file, &whole[..length]).unwrap();
            let Ok(recording) = Recording::open(folder.path(), key.as_ref()) else {
                assert!(said(folder.path(), key.as_ref()).contains("nothing was recorded"), "{length}");
                continue;
            };
            let mut reading = recording.records();
            let found: Vec<_> = reading.by_ref().map(Result::unwrap).collect();
            assert!(found.iter().eq(&records[..found.len()]), "{length}");
            lengths.insert(found.len());
            let in_order: Vec<_> = recording.timeline(0, u64::MAX).unwrap().map(Result::unwrap).collect();
            assert_eq!(in_order, found);
            match reading.ending().unwrap() {
                // Only what says that it is the end is gone.
                RecordingEnd::Complete => panic!("{length} of {}", whole.len()),
                RecordingEnd::Open { left_out } => assert!(left_out < length as u64),
            }
        }
        // Batch by batch.
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [0, 10, 20, 30, 40, 41]);
    }
}

#[test]
fn what_a_machine_that_went_down_left_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let records = write(folder.path(), 40, WriterOptions::default());
    let file = files(folder.path()).remove(0);
    let whole = fs::read(&file).unwrap();
    for zeros in [500, 1000, 2000] {
        let mut torn = whole.clone();
        let start = torn.len() - zeros;
        torn[start..].fill(0);
        fs::write(&file, &torn).unwrap();
        let (found, ending) = read(folder.path(), None);
        assert!(found.iter().eq(&records[..found.len()]) && found.len() < 41 && found.len() > 10, "{}", found.len());
        assert!(matches!(ending, RecordingEnd::Open { left_out } if left_out > 0), "{ending:?}");
    }
}

#[test]
fn a_changed_byte_is_noticed() {
    for key in [None, Some(Key::of(5))] {
        let folder = tempfile::tempdir().unwrap();
        let options = WriterOptions { rotate_bytes: 10_000, key: key.clone(), ..WriterOptions::default() };
        let records = write(folder.path(), 60, options);
        let first = files(folder.path()).remove(0);
        let whole = fs::read(&first).unwrap();
        let (mut refused, mut harmless) = (0, 0);
        for at in (0..whole.len()).step_by(43) {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            fs::write(&first, &changed).unwrap();
            let recording = Recording::open(folder.path(), key.as_ref());
            let found: Result<Vec<_>, _> = recording.and_then(|recording| recording.records().collect());
            match found {
                Ok(found) => {
                    // Padding, names in the schema's own metadata.
                    assert_eq!(found, records, "byte {at}");
                    harmless += 1;
                }
                Err(error) => {
                    assert!(error.to_string().contains("00000001.arrows"), "{error}");
                    refused += 1;
                }
            }
        }
        assert!(refused > 10 * harmless, "{refused} refused, {harmless} harmless");
    }
}

#[test]
fn chunks_that_are_moved_doubled_or_left_out_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::of(9);
    write(folder.path(), 40, WriterOptions { key: Some(key.clone()), ..WriterOptions::default() });
    let file = files(folder.path()).remove(0);
    let whole = fs::read(&file).unwrap();
    assert!(!whole.windows(6).any(|part| part == b"SELECT" || part == b"ARROW1"), "it can be read without the key");
    let mut chunks = Vec::new();
    let mut at = sealed::HEADER;
    while at < whole.len() {
        let length = u32::from_le_bytes(whole[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        let end = at + sealed::LENGTH + length as usize + sealed::TAG;
        chunks.push(&whole[at..end]);
        at = end;
    }
    let count = chunks.len();
    assert!(count > 6);
    let wrong = [
        [&chunks[..2], &chunks[3..]].concat(),
        [&chunks[..3], &chunks[2..]].concat(),
        [&chunks[..2], &[chunks[3], chunks[2]], &chunks[4..]].concat(),
        [&chunks[..], &chunks[count - 1..]].concat(),
    ];
    for (number, chunks) in wrong.iter().enumerate() {
        fs::write(&file, [&whole[..sealed::HEADER], &chunks.concat()].concat()).unwrap();
        assert!(said(folder.path(), Some(&key)).contains("damaged"), "{number}");
    }
}

#[test]
fn each_mistake_is_named_with_its_file_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("r");
    assert!(said(&dir, None).contains("cannot look into the folder"));
    fs::create_dir(&dir).unwrap();
    assert!(said(&dir, None).contains("there is no recording here"));
    let key = Key::of(1);
    write(&dir, 60, WriterOptions { rotate_bytes: 4000, key: Some(key.clone()), ..WriterOptions::default() });
    assert!(said(&dir, None).contains("00000001.arrows.sealed: the recording is encrypted: give its key file"));
    assert!(said(&dir, Some(&Key::of(2))).contains("another key"));
    fs::remove_file(dir.join("00000002.arrows.sealed")).unwrap();
    assert!(said(&dir, Some(&key)).contains("00000002.arrows.sealed: this file is missing"));
    // The later ones are a recording of their own: it begins with the session as it was.
    let files_before = files(&dir).len();
    fs::remove_file(dir.join("00000001.arrows.sealed")).unwrap();
    let (found, ending) = read(&dir, Some(&key));
    assert_eq!(ending, RecordingEnd::Complete);
    assert!(files_before > 2 && found.len() > 10 && found[1].number == found[0].number + 1, "{:?}", found[0]);
    assert!(
        matches!(&found[0].event, Event::Begin(begin) if begin.began_before && begin.user.as_deref() == Some("app"))
    );

    let plain = folder.path().join("plain");
    write(&plain, 5, WriterOptions::default());
    assert!(said(&plain, Some(&key)).contains("is not encrypted"));
    let file = files(&plain).remove(0);
    fs::write(&file, "This is a text, and no recording at all.").unwrap();
    assert!(said(&plain, None).contains("00000001.arrows: this is no recording of mysql-interceptor"));
    fs::write(&file, "").unwrap();
    assert!(said(&plain, None).contains("nothing was recorded"));
}

#[test]
fn a_newer_version_is_refused_by_its_number() {
    let newer = arrow_schema::Schema::new_with_metadata(
        vec![arrow_schema::Field::new("event", arrow_schema::DataType::Utf8, false)],
        std::collections::HashMap::from([("mysql_interceptor.recording.version".to_owned(), "2".to_owned())]),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("00000001.arrows");
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(File::create(&path).unwrap(), &newer).unwrap();
    writer.finish().unwrap();
    let said = said(folder.path(), None);
    assert!(said.contains("version is 2, and this program knows versions up to 1: use a newer"), "{said}");
}

#[test]
fn a_recording_has_a_folder_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let refused =
        |dir: &Path| RecordingWriter::create(dir, &about(), WriterOptions::default()).unwrap_err().to_string();
    let writer = RecordingWriter::create(folder.path(), &about(), WriterOptions::default()).unwrap();
    assert!(refused(folder.path()).contains("another process is recording"));
    // While it is written, it can be read.
    assert_eq!(read(folder.path(), None), (vec![], RecordingEnd::Open { left_out: 0 }));
    drop(writer);
    assert!(refused(folder.path()).contains("already holds a recording"));
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("notes.txt"), "").unwrap();
    assert!(refused(other.path()).contains("notes.txt"));
}

#[test]
fn a_recording_that_is_full_stops_or_forgets_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let options = WriterOptions { rotate_bytes: 20_000, max_bytes: Some(120_000), ..WriterOptions::default() };
    let fill = |dir: &Path, options: WriterOptions| {
        let mut writer = RecordingWriter::create(dir, &about(), options).unwrap();
        writer.write(&record(1, 0, 0, begin())).unwrap();
        for number in 1..150 {
            let command = query(&format!("SELECT {number}"));
            writer.write(&record(1, number, number * 1000, Event::Command(Box::new(command)))).unwrap();
            writer.flush()?;
        }
        writer.finish()
    };
    let stopped = folder.path().join("stop");
    let error = fill(&stopped, options.clone()).unwrap_err();
    assert!(error.is_full() && error.to_string().contains("120000 bytes"), "{error}");
    let (found, ending) = read(&stopped, None);
    assert!(found.len() > 3 && found[0].number == 0 && ending == (RecordingEnd::Open { left_out: 0 }));
    let bytes = |dir: &Path| files(dir).iter().map(|file| fs::metadata(file).unwrap().len()).sum::<u64>();
    assert!(bytes(&stopped) <= 120_000);

    let rolling = folder.path().join("rolling");
    let written = fill(&rolling, WriterOptions { when_full: WhenFull::RemoveOldest, ..options }).unwrap();
    assert!(written.removed_files > 0 && written.files - written.removed_files == files(&rolling).len() as u64);
    assert!(bytes(&rolling) <= 121_000, "{}", bytes(&rolling));
    let recording = Recording::open(&rolling, None).unwrap();
    assert_eq!(recording.removed_files(), written.removed_files);
    let (found, _) = read(&rolling, None);
    assert_eq!(found.last().unwrap().number, 149);
    assert!(matches!(&found[0].event, Event::Begin(begin) if begin.began_before));
    assert!(found.windows(2).skip(1).all(|pair| pair[1].number == pair[0].number + 1));
}

#[test]
fn a_full_disk_is_an_error_and_the_files_are_good_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("r");
    let mut writer = RecordingWriter::create(&dir, &about(), WriterOptions::default()).unwrap();
    writer.write(&record(1, 0, 0, begin())).unwrap();
    writer.flush().unwrap();
    // As large as a file may be: what is written after it is refused in the middle of a message.
    writer.limit_file(fs::metadata(&files(&dir)[0]).unwrap().len() + 100);
    writer.write(&record(1, 1, 1, Event::Command(Box::new(query("SELECT 1"))))).unwrap();
    let error = writer.flush().unwrap_err();
    assert!(error.is_full() && error.to_string().contains("00000001.arrows: cannot write"), "{error}");
    drop(writer);
    let (found, ending) = read(&dir, None);
    assert_eq!((found.len(), ending), (1, RecordingEnd::Open { left_out: 100 }));
}

#[test]
fn a_record_never_starts_before_its_predecessor_in_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = RecordingWriter::create(folder.path(), &about(), WriterOptions::default()).unwrap();
    let command = || Event::Command(Box::new(query("SELECT 1")));
    for record in [record(1, 0, 50, begin()), record(1, 1, 40, command()), record(1, 2, 60, command())] {
        writer.write(&record).unwrap();
    }
    writer.finish().unwrap();
    let (found, _) = read(folder.path(), None);
    assert_eq!(found.iter().map(|it| it.started.monotonic_ns).collect::<Vec<_>>(), [50, 50, 60]);
}
