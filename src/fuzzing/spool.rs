//! The spool over arbitrary bytes: as a segment's file, and as the records of a whole one.

use std::fs;
use std::path::Path;

use crate::deliver::{Batch, Found, Fsync, Spool, SpoolConfig, SpoolFull, SpoolMode, SpoolReader};
use crate::files::FileMode;
use crate::segment::Segment;

const FIRST: &str = "spool-00000000000000000001.seg";

/// The first byte says which of both. What is read comes with ascending positions, and a spool that opens takes a message and gives it back.
pub fn spool(data: &[u8]) {
    let Some((how, data)) = data.split_first() else { return };
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
    let path = folder.path().join(FIRST);
    let written =
        if *how & 1 == 0 { fs::write(&path, data).map_err(|error| error.to_string()) } else { records(&path, data) };
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    read(folder.path());
    let config = SpoolConfig {
        folder: folder.path().to_owned(),
        mode: SpoolMode::Async,
        full: SpoolFull::Block,
        max_bytes: SpoolConfig::LEAST_BYTES,
        fsync: Fsync::Never,
        file_mode: FileMode::default(),
        run: "fuzz@now".to_owned(),
        audit: None,
    };
    let Ok(spool) = Spool::open(config, &["sink".to_owned()]) else { return };
    let mut batch = Batch::new();
    let pushed = batch.push_with(1, |out| {
        out.extend_from_slice(b"of now");
        Ok::<(), ()>(())
    });
    assert!(pushed.is_ok());
    let _ = spool.append(&mut batch);
    drop(spool);
    read(folder.path());
}

/// A whole segment: each record has a length (2 bytes) in front.
fn records(path: &Path, mut data: &[u8]) -> Result<(), String> {
    let mut segment = Segment::open(path, FileMode::default(), u64::MAX).map_err(|error| error.to_string())?.segment;
    while let Some((length, rest)) = data.split_first_chunk() {
        let (record, rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
        segment.append(&[record]).map_err(|error| error.to_string())?;
        data = rest;
    }
    Ok(())
}

fn read(folder: &Path) {
    let Ok(mut reader) = SpoolReader::open(folder) else { return };
    let mut next = 0;
    loop {
        let mut batch = Batch::new();
        match reader.read(&mut batch, 100, 1 << 20) {
            Ok(Found::Messages) => {
                assert!(!batch.is_empty() && batch.position(0) >= next, "{} comes after {next}", batch.position(0));
                next = batch.position(batch.len());
            }
            Ok(Found::Missing { messages, .. }) => assert!(messages > 0),
            Ok(Found::Nothing) | Err(_) => return,
        }
    }
}
