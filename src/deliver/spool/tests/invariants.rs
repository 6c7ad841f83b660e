//! What always holds.

use std::fs;

use super::*;

#[test]
fn positions_go_on_and_are_never_used_twice() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 64 << 10);
    let spool = open(&config, &["a"]);
    append(&spool, &["1", "2"]);
    spool.finish(&[2]);
    drop(spool);
    // All of it was delivered, and somebody has removed the files but for the cursors.
    for first in folder::segments(folder.path()).unwrap() {
        fs::remove_file(folder::segment(folder.path(), first)).unwrap();
    }
    let spool = open(&config, &["a"]);
    append(&spool, &["3"]);
    assert_eq!((spool.last(), spool.delivered_at_start()), (3, &[2][..]));
}

#[test]
fn what_is_delivered_goes_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&config(folder.path(), 64 << 10), &["a", "b"]);
    let long = "x".repeat(1000);
    for _ in 0..20 {
        assert_eq!(append(&spool, &[&long]), Appended::Taken);
    }
    let before = folder::segments(folder.path()).unwrap();
    assert!(before.len() > 3, "{before:?}");
    spool.delivered(&[20, 7]);
    let left = folder::segments(folder.path()).unwrap();
    assert!(left.len() < before.len() && left[0] <= 8, "{left:?}");
    assert_eq!(all_from(folder.path(), 8).len(), 13);
    spool.delivered(&[20, 20]);
    assert_eq!(folder::segments(folder.path()).unwrap().len(), 1, "the one that grows");
}

#[test]
fn a_full_one_has_room_for_what_was_let_in_and_again_when_it_is_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&config(folder.path(), 16 << 10), &["a"]);
    let mut count = 0;
    while !spool.is_full() {
        assert_eq!(append(&spool, &[&"x".repeat(500)]), Appended::Taken);
        count += 1;
    }
    assert!((15..30).contains(&count), "{count}");
    assert_eq!(append(&spool, &["under way"]), Appended::Taken);
    spool.delivered(&[count / 2]);
    assert!(!spool.is_full() && spool.counts().times_full == 1);
    assert_eq!(all_from(folder.path(), count / 2 + 1).len() as u64, count - count / 2 + 1);
}

#[test]
fn with_drop_nothing_more_gets_in() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&SpoolConfig { full: SpoolFull::Drop, ..config(folder.path(), 16 << 10) }, &["a"]);
    while append(&spool, &[&"x".repeat(500)]) == Appended::Taken {}
    assert!(spool.is_full());
    assert_eq!(append(&spool, &["y"]), Appended::Dropped);
}

#[test]
fn markers_are_told_when_it_is_full_and_what_that_has_meant() {
    for full in [SpoolFull::Block, SpoolFull::Drop, SpoolFull::Error] {
        let folder = tempfile::tempdir().unwrap();
        let spool = open(&SpoolConfig { full, ..config(folder.path(), 16 << 10) }, &["a"]);
        assert_eq!(spool.take_events(false), []);
        while !spool.is_full() {
            append(&spool, &[&"x".repeat(500)]);
        }
        let [(since, Event::SpoolFull(first))] = &spool.take_events(false)[..] else { panic!("{full}") };
        let began = SpoolFullness { policy: full.to_string(), since: *since, ..SpoolFullness::default() };
        assert_eq!(first, &began);
        let mut known = 0;
        spool.count_held(&mut known);
        spool.count_held(&mut known);
        spool.count_refused();
        let dropped = u64::from(append(&spool, &["y", "z"]) == Appended::Dropped) * 2;
        assert_eq!(dropped > 0, full == SpoolFull::Drop);
        let meant = SpoolFullness { held: 1, dropped, refused: 1, ..began };
        spool.delivered(&[spool.last()]);
        let [(_, Event::SpoolHasRoom(last))] = &spool.take_events(false)[..] else { panic!("{full}") };
        assert_eq!(last, &meant);
        // It has room, which nobody has to be told at the end, nor again what was told.
        assert_eq!(spool.take_events(true), []);
        while !spool.is_full() {
            append(&spool, &[&"x".repeat(500)]);
        }
        spool.count_held(&mut known);
        let [Event::SpoolFull(_), Event::SpoolFull(at_the_end)] =
            &spool.take_events(true).into_iter().map(|(_, event)| event).collect::<Vec<_>>()[..]
        else {
            panic!("{full}")
        };
        assert_eq!((at_the_end.held, at_the_end.dropped, at_the_end.refused), (1, 0, 0));
    }
}

#[test]
fn sinks_are_known_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 64 << 10);
    let spool = open(&config, &["a", "b"]);
    append(&spool, &["1", "2", "3"]);
    spool.finish(&[3, 1]);
    drop(spool);
    // A new one gets what any of them has yet to get: a topic that is renamed in an outage loses nothing.
    let spool = open(&config, &["c", "a"]);
    assert_eq!(spool.delivered_at_start(), [1, 3]);
    spool.finish(&[3, 3]);
    drop(spool);
    assert_eq!(open(&config, &["b"]).delivered_at_start(), [3], "forgotten when it was left out");
}

#[test]
fn each_message_is_of_the_process_that_saw_it() {
    let folder = tempfile::tempdir().unwrap();
    for run in ["a@1", "a@2"] {
        let config = SpoolConfig { run: run.to_owned(), ..config(folder.path(), 64 << 10) };
        append(&open(&config, &["x"]), &["m", "n"]);
    }
    let runs: Vec<_> =
        SpoolReader::open(folder.path()).unwrap().map(|message| message.unwrap().run.to_string()).collect();
    assert_eq!(runs, ["a@1", "a@1", "a@2", "a@2"]);
    let mut all = Batch::new();
    assert_eq!(SpoolReader::at(folder.path(), 1).read(&mut all, 100, 1 << 20).unwrap(), Found::Messages);
    assert_eq!((all.len(), all.routed(1).unwrap().origin.unwrap().as_ref()), (2, "a@1"), "a batch is of one process");
}

#[test]
fn a_reader_goes_on_where_it_was_and_sees_what_is_appended_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&config(folder.path(), 640 << 10), &["a"]);
    let mut reader = SpoolReader::open(folder.path()).unwrap();
    assert!(reader.next().is_none());
    for number in 0..300 {
        let text = format!("{number:0500}");
        append(&spool, &[&text]);
        assert_eq!(reader.next().unwrap().unwrap().json, text.as_bytes());
        assert!(reader.next().is_none());
    }
    assert!(folder::segments(folder.path()).unwrap().len() > 3);
}

#[test]
fn one_process_at_a_time_and_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 64 << 10);
    let first = open(&config, &["a"]);
    let error = Spool::open(config.clone(), &["a".to_owned()]).unwrap_err().to_string();
    assert!(error.contains(&format!("(process {})", std::process::id())), "{error}");
    drop(first);
    open(&config, &["a"]);
}

#[test]
fn other_versions_and_other_files_are_refused_and_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 64 << 10);
    append(&open(&config, &["a"]), &["1"]);
    let path = newest(folder.path());
    let ours = fs::read(&path).unwrap();
    let mut newer = ours.clone();
    newer[8] = 9;
    let said = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = Spool::open(config.clone(), &["a".to_owned()]).unwrap_err().to_string();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        error
    };
    assert!(said(&newer).contains("of version 9; this program knows version 1"));
    assert!(said(b"something else, and longer than a header").contains("not a segment file"));
    // The segment is ours, and what is in it is of a later version.
    fs::remove_file(&path).unwrap();
    let mut segment = crate::segment::Segment::open(&path, FileMode::default(), u64::MAX).unwrap().segment;
    segment.append(&[br#"{"spool":2,"first":1,"run":"x","more":true}"#]).unwrap();
    drop(segment);
    let later = fs::read(&path).unwrap();
    assert!(said(&later).contains("a spool of version 2; this program knows version 1"));
    fs::write(&path, ours).unwrap();
    fs::write(folder::cursors(folder.path()), br#"{"spool":7,"delivered":{}}"#).unwrap();
    assert!(Spool::open(config, &["a".to_owned()]).unwrap_err().to_string().contains("of version 7"));
}

#[test]
fn with_always_a_reply_waits_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&SpoolConfig { fsync: Fsync::Always, ..config(folder.path(), 64 << 10) }, &["a"]);
    append(&spool, &["1"]);
    let end = Instant::now() + Duration::from_secs(10);
    while !spool.covers(1) {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(1));
    }
    let never = open(&config(tempfile::tempdir().unwrap().path(), 64 << 10), &["a"]);
    append(&never, &["1"]);
    assert!(never.covers(1));
}
