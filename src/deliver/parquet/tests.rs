//! When a file ends, and what is delivered then.

use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::deliver::batch::{Batch, batch_of};
use crate::deliver::{Fsync, Sink, SinkError};
use crate::files::FileMode;

fn config(dir: &Path) -> StatementParquetConfig {
    StatementParquetConfig {
        dir: dir.to_owned(),
        compression: ParquetCompression::Zstd,
        roll_bytes: 0,
        roll_age: Duration::ZERO,
        mode: FileMode::default(),
        fsync: Fsync::Never,
        proxy: "p@1".to_owned(),
    }
}

fn messages(count: usize) -> Batch {
    let json: Vec<_> =
        (0..count).map(|n| format!("{{\"timestamp\":{n},\"iFlags\":9,\"sql\":\"SELECT {n}\"}}")).collect();
    batch_of(&json.iter().map(|json| (7, json.as_str())).collect::<Vec<_>>())
}

/// The files that readers see, and others.
fn files(dir: &Path) -> (usize, usize) {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let (whole, others): (Vec<_>, Vec<_>) = names.partition(|name| !name.starts_with('.'));
    (whole.len(), others.iter().filter(|name| !name.ends_with(".lock")).count())
}

#[test]
fn a_message_is_delivered_when_its_file_has_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("lake");
    let mut sink = StatementParquetSink::open(&config(&dir)).unwrap();
    let batch = messages(10);
    assert_eq!(sink.write(&batch, 0).unwrap(), 10);
    sink.tick().unwrap();
    assert_eq!((sink.delivered_through(), files(&dir)), (0, (0, 1)));
    sink.flush(Instant::now()).unwrap();
    assert_eq!((sink.delivered_through(), files(&dir)), (batch.position(9), (1, 0)));
    // Nobody else may write there.
    let error = StatementParquetSink::open(&config(&dir)).err().unwrap();
    assert!(error.to_string().contains("another process writes to it"), "{error}");
    // Killed: what is left has a hidden name, and goes at the next start.
    sink.write(&messages(5), 0).unwrap();
    drop(sink);
    assert_eq!(files(&dir), (1, 1));
    drop(StatementParquetSink::open(&config(&dir)).unwrap());
    assert_eq!(files(&dir), (1, 0));
}

#[test]
fn a_file_ends_with_its_size_and_with_its_age() {
    let dir = tempfile::tempdir().unwrap();
    let mut sink =
        StatementParquetSink::open(&StatementParquetConfig { roll_bytes: 20_000, ..config(dir.path()) }).unwrap();
    for _ in 0..20 {
        let batch = messages(2000);
        assert_eq!(sink.write(&batch, 0).unwrap(), 2000);
    }
    assert!(files(dir.path()).0 > 2 && sink.delivered_through() > 0, "{:?}", files(dir.path()));
    drop(sink);
    let dir = tempfile::tempdir().unwrap();
    let aged = StatementParquetConfig { roll_age: Duration::from_millis(20), ..config(dir.path()) };
    let mut sink = StatementParquetSink::open(&aged).unwrap();
    let batch = messages(3);
    sink.write(&batch, 0).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    sink.tick().unwrap();
    assert_eq!((sink.delivered_through(), files(dir.path())), (batch.position(2), (1, 0)));
}

#[test]
fn what_is_in_the_way_is_tried_again_and_nothing_is_lost() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, away) = (parent.path().join("lake"), parent.path().join("away"));
    let mut sink = StatementParquetSink::open(&config(&dir)).unwrap();
    std::fs::rename(&dir, &away).unwrap();
    let batch = messages(4);
    assert!(matches!(sink.write(&batch, 0), Err(SinkError::Io { .. })));
    std::fs::rename(&away, &dir).unwrap();
    assert_eq!(sink.write(&batch, 0).unwrap(), 4);
    sink.flush(Instant::now()).unwrap();
    assert_eq!((sink.delivered_through(), files(&dir)), (batch.position(3), (1, 0)));
}
