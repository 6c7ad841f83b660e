//! Random actions on a spool and a simple model of it, side by side; its invariants; what once went wrong.

mod invariants;
mod known_errors;
mod model;

use std::path::Path;

use super::*;
use crate::audit::SpoolFullness;
use crate::deliver::label::Label;
use crate::deliver::seq::Seq;
use crate::files::FileMode;

fn config(folder: &Path, max_bytes: u64) -> SpoolConfig {
    SpoolConfig {
        folder: folder.to_owned(),
        mode: SpoolMode::Async,
        full: SpoolFull::Block,
        max_bytes,
        fsync: Fsync::Never,
        file_mode: FileMode::default(),
        run: "web-1@2026-01-31T12:00:00.000Z".to_owned(),
        audit: None,
    }
}

fn open(config: &SpoolConfig, sinks: &[&str]) -> Spool {
    let sinks: Vec<_> = sinks.iter().map(|sink| (*sink).to_owned()).collect();
    Spool::open(config.clone(), &sinks).unwrap()
}

/// A batch of messages of connection 7.
fn batch(messages: &[Vec<u8>]) -> Batch {
    let (mut batch, mut seq) = (Batch::new(), Seq::default());
    for message in messages {
        let write = |out: &mut Vec<u8>| {
            out.extend_from_slice(message);
            Ok::<(), ()>(())
        };
        batch.push_numbered(7, &mut seq, Label::default(), write).unwrap();
    }
    batch
}

fn append(spool: &Spool, messages: &[&str]) -> Appended {
    spool.append(&mut batch(&messages.iter().map(|message| message.as_bytes().to_vec()).collect::<Vec<_>>()))
}

/// What is in a spool from a position on; panics where something is missing.
fn all_from(folder: &Path, next: u64) -> Vec<(u64, Vec<u8>)> {
    let mut found: Vec<(u64, Vec<u8>)> = Vec::new();
    for message in SpoolReader::at(folder, next) {
        let message = message.unwrap();
        assert!(found.last().is_none_or(|(last, _)| last + 1 == message.position), "{}", message.position);
        found.push((message.position, message.json));
    }
    found
}

fn texts(folder: &Path) -> Vec<String> {
    let texts = SpoolReader::open(folder).unwrap().map(|message| String::from_utf8(message.unwrap().json).unwrap());
    texts.collect()
}

/// The newest segment.
fn newest(folder: &Path) -> std::path::PathBuf {
    folder::segment(folder, *folder::segments(folder).unwrap().last().unwrap())
}
