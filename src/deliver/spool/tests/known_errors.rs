//! What goes wrong with disks and machines, and what becomes of it.

use std::fs;

use super::*;
use crate::segment::faults;

/// A spool with two complete segments and one message in the last.
fn three_segments(folder: &Path) -> Vec<u64> {
    let spool = open(&config(folder, 64 << 10), &["a"]);
    while folder::segments(folder).unwrap().len() < 3 {
        append(&spool, &[&"x".repeat(600)]);
    }
    folder::segments(folder).unwrap()
}

#[test]
fn a_torn_tail_is_cut_off_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 64 << 10);
    append(&open(&config, &["a"]), &["whole"]);
    let path = newest(folder.path());
    let whole = fs::read(&path).unwrap();
    for torn in 1..20 {
        fs::write(&path, [&whole[..], &vec![3; torn]].concat()).unwrap();
        let spool = open(&config, &["a"]);
        assert_eq!((spool.last(), texts(folder.path())), (1, vec!["whole".to_owned()]));
        drop(spool);
        assert_eq!(fs::read(&path).unwrap(), whole);
        // What the restart has begun.
        fs::remove_file(newest(folder.path())).unwrap();
        assert!(path.exists());
    }
}

#[test]
fn a_hole_in_the_middle_is_counted_and_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let firsts = three_segments(folder.path());
    let path = folder::segment(folder.path(), firsts[1]);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0);
    fs::write(&path, bytes).unwrap();
    let mut reader = SpoolReader::at(folder.path(), 1);
    let (mut read, mut missing) = (0, 0);
    loop {
        let mut batch = Batch::new();
        match reader.read(&mut batch, 10, 1 << 20).unwrap() {
            Found::Messages => read += batch.len() as u64,
            Found::Missing { messages, bytes } => {
                assert!(bytes > 0);
                missing += messages;
            }
            Found::Nothing => break,
        }
    }
    assert!(missing > 0 && read + missing == reader.next_position() - 1, "{read} + {missing}");
    assert!(read > firsts[1], "what comes after the hole is there");
}

#[test]
fn a_segment_that_is_gone_is_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let firsts = three_segments(folder.path());
    fs::remove_file(folder::segment(folder.path(), firsts[1])).unwrap();
    let mut reader = SpoolReader::at(folder.path(), firsts[1]);
    let found = reader.read(&mut Batch::new(), 10, 1 << 20).unwrap();
    assert_eq!(found, Found::Missing { messages: firsts[2] - firsts[1], bytes: 0 });
}

#[test]
fn killed_between_two_segments() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 64 << 10);
    append(&open(&config, &["a"]), &["1", "2"]);
    // The next segment's file is there, and nothing is in it; or half a header.
    for content in [&b""[..], b"MYSQL", &[0; 30]] {
        fs::write(folder::segment(folder.path(), 3), content).unwrap();
        let spool = open(&config, &["a"]);
        assert_eq!((spool.last(), texts(folder.path()).len()), (2, 2));
        drop(spool);
    }
}

#[test]
fn cursors_that_cannot_be_read_mean_that_everything_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 64 << 10);
    let spool = open(&config, &["a"]);
    append(&spool, &["1", "2"]);
    spool.finish(&[2]);
    drop(spool);
    for content in [&b""[..], &[0; 40], b"{\"spool\":1,"] {
        fs::write(folder::cursors(folder.path()), content).unwrap();
        let spool = open(&config, &["a"]);
        assert_eq!((spool.last(), spool.delivered_at_start()), (2, &[0][..]));
    }
}

#[test]
fn a_disk_that_is_full_at_the_start_is_refused_unless_something_waits() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 64 << 10);
    faults::set_room(Some(100));
    let error = Spool::open(config.clone(), &["a".to_owned()]).unwrap_err();
    assert!(error.is_full(), "{error}");
    assert!(folder::segments(folder.path()).unwrap().is_empty());
    faults::set_room(None);
    append(&open(&config, &["a"]), &["waits"]);
    faults::set_room(Some(100));
    let spool = open(&config, &["a"]);
    assert!(spool.is_full());
    assert_eq!(append(&spool, &["x"]), Appended::Refused);
    assert_eq!(texts(folder.path()), ["waits"]);
    faults::set_room(None);
    spool.delivered(&[1]);
    assert!(!spool.is_full());
    assert_eq!(append(&spool, &["x"]), Appended::Taken);
}

#[test]
fn a_write_that_is_short_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&config(folder.path(), 64 << 10), &["a"]);
    append(&spool, &["1"]);
    faults::set_room(Some(20));
    assert_eq!(append(&spool, &["does not fit"]), Appended::Refused);
    assert_eq!(texts(folder.path()), ["1"]);
    faults::set_room(None);
    assert_eq!(append(&spool, &["2"]), Appended::Taken);
    assert_eq!(texts(folder.path()), ["1", "2"]);
}

#[test]
fn a_sink_that_keeps_up_gets_everything_from_memory() {
    use crate::deliver::tests::{recorder, soon};
    use crate::deliver::{Label, Line, Pipeline, QueueConfig};

    const MESSAGES: usize = 300_000;
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    append(&open(&config(other.path(), 64 << 20), &["a"]), &["on the disk"; MESSAGES]);
    let config = SpoolConfig { mode: SpoolMode::Reply, ..config(folder.path(), 64 << 20) };
    let (sink, handle) = recorder("a");
    let spool = open(&config, &["a"]);
    // Whoever reads the file finds other messages than those that are appended.
    fs::rename(newest(other.path()), newest(folder.path())).unwrap();
    let mut pipeline = Pipeline::start_spooled(vec![sink], &QueueConfig::default(), spool).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let mut line = Line::new(pipeline.ingest().unwrap());
            scope.spawn(move || {
                for _ in 0..MESSAGES / 2 {
                    let Ok(()) = line.publish(7, Label::default(), |out| {
                        out.extend_from_slice(b"in memory");
                        Ok::<(), std::convert::Infallible>(())
                    });
                    assert!(line.settle().is_none());
                }
            });
        }
    });
    handle.wait_for(MESSAGES);
    pipeline.shutdown(soon());
    let from_the_disk = handle.texts().iter().filter(|text| *text != "in memory").count();
    assert_eq!(from_the_disk, 0, "of {MESSAGES}");
}
