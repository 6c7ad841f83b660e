//! A file of messages, those that were rotated before it, and the sidecars of all of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::VerifyError;
use crate::audit::verify::{Expected, Kind, Report, Retention, Seen, Verification, align};
use crate::audit::{Event, FileHash, Hash, Instance, Link, Manifest, MessageId, PublicKey, Record};
use crate::binlog::relation;
use crate::deliver::RotatedName;
use crate::stored::Input;

/// A file and its sidecar.
struct Pair {
    file: PathBuf,
    sidecar: PathBuf,
}

/// A line of a sidecar that is no record.
#[derive(Debug, Deserialize)]
struct Written {
    instance: Instance,
    session: u64,
    seq: u64,
    offset: u64,
    previous: Hash,
    hash: Hash,
}

/// Verifies the file and what was rotated of it.
pub(super) fn verify(path: &Path, key: Option<PublicKey>) -> Result<Report, VerifyError> {
    let pairs = pairs(path);
    let mut sidecars = Vec::new();
    for pair in &pairs {
        sidecars.push(Sidecar::read(&pair.sidecar)?);
    }
    if sidecars.iter().all(|sidecar| sidecar.records.is_empty()) {
        return Err(VerifyError::NoMarkers(path.display().to_string()));
    }
    let retention = retention(sidecars.iter().flat_map(|sidecar| &sidecar.records));
    let verification = Verification::new(format!("ndjson:{}", path.display()), key, retention);
    let mut verification = verification.related_by(relation);
    for line in sidecars.iter().flat_map(|sidecar| &sidecar.records) {
        verification.record(line);
    }
    for (pair, sidecar) in pairs.iter().zip(&sidecars) {
        sidecar.check_manifests(&pair.sidecar, &mut verification);
        compare(pair, sidecar, &mut verification)?;
    }
    Ok(verification.finish())
}

/// The files that there are, the oldest first.
fn pairs(path: &Path) -> Vec<Pair> {
    let with = |path: &Path, suffix: &str| {
        let mut name = OsString::from(path.as_os_str());
        name.push(suffix);
        PathBuf::from(name)
    };
    let rotated = RotatedName::all_that_were(path);
    let rotated = rotated.into_iter().map(|name| Pair { file: name.existing(path), sidecar: name.sidecar(path) });
    rotated.chain([Pair { file: path.to_owned(), sidecar: with(path, ".audit") }]).collect()
}

/// What is not there any more was removed with the files that had it.
fn retention<'a>(lines: impl Iterator<Item = &'a Vec<u8>> + Clone) -> Retention {
    let records = || lines.clone().filter_map(|line| Record::parse(line).0);
    let mut retention = Retention { records: has_no_beginning(lines.clone()), ..Retention::default() };
    if retention.records {
        let marker = records().find(|record| matches!(record.event, Event::Marker(_)));
        retention.messages.insert(0, marker.map_or(0, |marker| marker.time));
    }
    retention
}

/// Whether the first records of an instance are not there.
pub(super) fn has_no_beginning<'a>(lines: impl Iterator<Item = &'a Vec<u8>>) -> bool {
    let mut firsts = BTreeMap::new();
    for record in lines.filter_map(|line| Record::parse(line).0) {
        firsts.entry(record.instance).or_insert(record.n);
    }
    firsts.values().any(|first| *first > 1)
}

/// What is in a sidecar.
#[derive(Debug, Default)]
struct Sidecar {
    records: Vec<Vec<u8>>,
    written: Vec<(u64, Expected)>,
    /// How many of these there were when each process started.
    starts: Vec<usize>,
    /// Manifests, each with what the lines before it say of the same part.
    manifests: Vec<(Instance, Manifest, u64, Hash)>,
}

impl Sidecar {
    /// One that is not there is empty.
    fn read(path: &Path) -> Result<Self, VerifyError> {
        let mut sidecar = Self::default();
        let bytes = match content(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(sidecar),
            bytes => bytes.map_err(|source| VerifyError::Read { name: path.display().to_string(), source })?,
        };
        // What a process writes is after its start, or after the part before, whosesoever messages they are: it may have them from the spool of
        // one that was killed.
        let mut part: (u64, FileHash) = Default::default();
        for line in whole_lines(&bytes) {
            let Ok(written) = serde_json::from_slice::<Written>(line) else {
                match Record::parse(line).0 {
                    Some(Record { event: Event::InstanceStarted(_), .. }) => {
                        part = Default::default();
                        sidecar.starts.push(sidecar.written.len());
                    }
                    Some(Record { event: Event::FileFinished(manifest), instance, .. }) => {
                        let (messages, hash) = std::mem::take(&mut part);
                        sidecar.manifests.push((instance, manifest, messages, hash.hash()));
                    }
                    _ => {}
                }
                sidecar.records.push(line.to_vec());
                continue;
            };
            let Written { instance, session, seq, offset, previous, hash } = written;
            part.0 += 1;
            part.1.add(&hash);
            let id = MessageId { instance, session, seq };
            sidecar.written.push((offset, Expected { id, link: Link { previous, hash } }));
        }
        Ok(sidecar)
    }

    /// What was written of the messages is what the manifests say.
    fn check_manifests(&self, path: &Path, verification: &mut Verification) {
        for (instance, manifest, messages, hash) in &self.manifests {
            if (manifest.messages, manifest.sha256) != (*messages, *hash) {
                let text = format!(
                    "{}: instance {instance} has written {} messages to {}, and {messages} are in the sidecar, or others",
                    path.display(),
                    manifest.messages,
                    manifest.file
                );
                verification.suspected(Kind::Manifest, text);
            }
        }
    }
}

/// What a crash has left of a last line is none.
pub(super) fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"))
}

pub(super) fn content(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    Input::File(path.to_owned()).open()?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Compares the lines of a file with what its sidecar has of them.
fn compare(pair: &Pair, sidecar: &Sidecar, verification: &mut Verification) -> Result<(), VerifyError> {
    let bytes = match content(&pair.file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            sidecar.written.iter().for_each(|(_, expected)| verification.missing(&expected.id));
            return Ok(());
        }
        bytes => bytes.map_err(|source| VerifyError::Read { name: pair.file.display().to_string(), source })?,
    };
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    // After the last newline: nothing, or what a crash has left.
    lines.pop();
    // What was there before anybody wrote markers.
    let begins = sidecar.written.first().map_or(u64::MAX, |(offset, _)| *offset);
    let mut at = 0;
    let before = lines.iter().take_while(|line| {
        at += line.len() as u64 + 1;
        at <= begins
    });
    let before = before.count();
    let bytes_before: u64 = lines.iter().take(before).map(|line| line.len() as u64 + 1).sum();
    verification.unaudited(before as u64);
    lines.drain(..before);
    let expected: Vec<_> = sidecar.written.iter().map(|(_, expected)| *expected).collect();
    let mut at = bytes_before;
    let mut begins = Vec::with_capacity(lines.len());
    for line in &lines {
        begins.push(at);
        at += line.len() as u64 + 1;
    }
    let place = |at: usize| {
        let offset = sidecar.written.get(at).map_or(u64::MAX, |(offset, _)| *offset);
        begins.partition_point(|begin| *begin < offset)
    };
    let alignment = align(&expected, &sidecar.starts, &place, &lines);
    for (at, line) in &alignment.matched {
        if let (Some(Expected { id, link }), Some(line)) = (expected.get(*at), lines.get(*line)) {
            verification.message(&Seen { id: *id, link: *link, message: line, place: 0 });
        }
    }
    let of = |at: &usize| expected.get(*at);
    alignment.moved.iter().filter_map(of).for_each(|moved| verification.moved(&moved.id, &moved.link));
    alignment
        .edited
        .iter()
        .filter_map(|(at, _)| of(at))
        .for_each(|edited| verification.edited(&edited.id, &edited.link));
    alignment.removed.iter().filter_map(of).for_each(|removed| verification.missing(&removed.id));
    for line in alignment.added {
        verification.found(Kind::Added, format!("{}: line {} is nobody's", pair.file.display(), before + line + 1));
    }
    // A process that was killed has written no more of them.
    alignment.left.iter().filter_map(|line| lines.get(*line)).for_each(|line| verification.left(line));
    Ok(())
}
