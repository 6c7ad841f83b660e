//! A spool, and the manifests of its segments.

use std::path::Path;

use super::error::VerifyError;
use crate::audit::verify::{Report, SpoolProof};
use crate::audit::{Instance, MessageId, PublicKey};
use crate::deliver::{Part, each_part};

/// Verifies a spool, also while its process writes to it.
pub(super) fn verify(folder: &Path, key: Option<PublicKey>) -> Result<Report, VerifyError> {
    let mut proof = SpoolProof::new(format!("spool:{}", folder.display()), key);
    let mut instance = Instance([0; 16]);
    each_part(folder, &mut |part| match part {
        Part::Segment { name, first, run } => {
            instance = Instance::of(run);
            proof.segment(name, first);
        }
        Part::Delivered => proof.delivered(),
        Part::Messages { first, bytes, batch } => {
            let messages = (0..batch.len()).filter_map(|index| batch.routed(index)).map(|message| {
                let numbered = message.numbered.filter(|numbered| numbered.session > 0);
                let id = numbered.map(|numbered| MessageId { instance, session: numbered.session, seq: numbered.seq });
                (id, message.value)
            });
            proof.messages(first, bytes, messages);
        }
        Part::Manifest(line) => proof.manifest(line),
        Part::Unreadable { bytes, is_last } => proof.unreadable(bytes, is_last),
    })?;
    Ok(proof.finish())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::audit::key_tests::PRIVATE;
    use crate::audit::verify::Kind;
    use crate::audit::{Event, Hash, Manifest, Scribe, Signer};
    use crate::deliver::{AuditConfig, Batch, Fsync, Label, Seq, Spool, SpoolConfig, SpoolFull, SpoolMode};
    use crate::files::FileMode;
    use crate::fuzzing::mutations::Random;
    use crate::segment::{Segment, SegmentReader};

    /// Breaks something in a segment.
    type Plant = &'static dyn Fn(&Path, &mut Random);

    const SESSIONS: u64 = 4;
    const MESSAGES: u64 = 400;

    fn key() -> Option<PublicKey> {
        Some(Signer::from_pem(PRIVATE).unwrap().public_key())
    }

    fn spool(folder: &Path, signed: bool) -> Spool {
        let run = "web-1@2026-01-31T12:00:00.000Z".to_owned();
        let signer = signed.then(|| Arc::new(Signer::from_pem(PRIVATE).unwrap()));
        let interval = Duration::from_secs(3600);
        let audit = AuditConfig { instance: Instance::of(&run), proxy: run.clone(), interval, signer };
        let config = SpoolConfig {
            folder: folder.to_owned(),
            mode: SpoolMode::Async,
            full: SpoolFull::Block,
            max_bytes: 1 << 20,
            fsync: Fsync::Never,
            file_mode: FileMode::default(),
            run,
            audit: Some(audit),
        };
        Spool::open(config, &["a".to_owned()]).unwrap()
    }

    /// Several segments, each with manifests.
    fn filled(folder: &Path, signed: bool, seed: u64) {
        let spool = spool(folder, signed);
        let mut random = Random::new(seed);
        let mut seqs: Vec<_> = (0..=SESSIONS).map(Seq::of).collect();
        let mut number = 0;
        while number < MESSAGES {
            let mut batch = Batch::new();
            for _ in 0..=random.below(4) {
                number += 1;
                let session = 1 + random.below(SESSIONS as usize);
                let text = format!("{{\"n\":\"{number:08}\",\"sql\":\"{}\"}}", "x".repeat(1600));
                let write = |out: &mut Vec<u8>| {
                    out.extend_from_slice(text.as_bytes());
                    Ok::<(), ()>(())
                };
                batch.push_numbered(7, &mut seqs[session], Label::default(), write).unwrap();
            }
            spool.append(&mut batch);
        }
        spool.finish(&[0]);
    }

    fn segments(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
        paths.sort();
        paths
    }

    /// Somebody writes a segment again, with checksums that are right.
    fn rewrite(path: &Path, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let mut reader = SegmentReader::open(path).unwrap().unwrap();
        let (mut records, mut buffer) = (Vec::new(), Vec::new());
        while reader.next(&mut buffer).unwrap() {
            records.push(buffer.clone());
        }
        change(&mut records);
        fs::remove_file(path).unwrap();
        let mut segment = Segment::open(path, FileMode::default(), u64::MAX).unwrap().segment;
        for record in &records {
            segment.append(&[record]).unwrap();
        }
    }

    fn is_manifest(record: &[u8]) -> bool {
        record[8..12] == [0; 4]
    }

    /// Where the number of the first message of a record stands.
    fn number_at(record: &[u8]) -> usize {
        memchr::memmem::find(record, b"{\"n\":\"").unwrap() + 6
    }

    fn kinds(folder: &Path, key: Option<PublicKey>) -> Vec<Kind> {
        let mut kinds: Vec<_> = verify(folder, key).unwrap().findings.iter().map(|finding| finding.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    #[test]
    fn what_waits_is_proven_by_manifests() {
        for (signed, key) in [(true, key()), (true, None), (false, None)] {
            let folder = tempfile::tempdir().unwrap();
            filled(folder.path(), signed, 1);
            assert!(segments(folder.path()).len() > 3);
            let report = verify(folder.path(), key).unwrap();
            assert!(report.complete, "{:?}", report.findings);
            assert!(report.messages >= MESSAGES && report.proven == report.messages && report.markers > 3);
            assert_eq!((report.instances, report.sessions), (1, SESSIONS));
        }
    }

    #[test]
    fn what_comes_after_the_last_manifest_is_unproven() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), true, 2);
        let last = segments(folder.path()).pop().unwrap();
        rewrite(&last, |records| {
            // As a killed process leaves it.
            assert!(is_manifest(&records.pop().unwrap()));
        });
        let mut bytes = fs::read(&last).unwrap();
        bytes.extend_from_slice(&[9; 11]);
        fs::write(&last, bytes).unwrap();
        let report = verify(folder.path(), key()).unwrap();
        assert!(report.is_complete_so_far() && !report.complete, "{:?}", report.findings);
        assert!(report.unproven > 0 && report.unproven + report.proven == report.messages);
    }

    #[test]
    fn the_oldest_segments_are_delivered_and_not_missed() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), true, 3);
        fs::remove_file(&segments(folder.path())[0]).unwrap();
        let report = verify(folder.path(), key()).unwrap();
        assert!(report.complete, "{:?}", report.findings);
    }

    #[test]
    fn each_planted_fault_is_found_as_what_it_is() {
        for seed in 0..25 {
            let mut random = Random::new(seed);
            let planted: [(&str, Plant, &[Kind]); 7] = [
                (
                    "a message is edited",
                    &|path, random| {
                        rewrite(path, |records| {
                            let place = 1 + random.below(records.len() - 2);
                            let record = &mut records[place];
                            let at = number_at(record);
                            record[at] = b'9';
                        });
                    },
                    &[Kind::Manifest, Kind::Unproven],
                ),
                (
                    "two messages change places",
                    &|path, random| {
                        rewrite(path, |records| {
                            let first = 1 + random.below(records.len() - 3);
                            let second = first + 1;
                            let (one, other) = (number_at(&records[first]), number_at(&records[second]));
                            for digit in 0..8 {
                                let (from, to) = (records[first][one + digit], records[second][other + digit]);
                                (records[first][one + digit], records[second][other + digit]) = (to, from);
                            }
                        });
                    },
                    &[Kind::Manifest, Kind::Unproven],
                ),
                (
                    "a record is taken away",
                    &|path, random| {
                        rewrite(path, |records| drop(records.remove(1 + random.below(records.len() - 3))));
                    },
                    &[Kind::Removed, Kind::Unproven],
                ),
                (
                    "a record is there twice",
                    &|path, random| {
                        rewrite(path, |records| {
                            let place = 1 + random.below(records.len() - 2);
                            records.insert(place, records[place].clone());
                        });
                    },
                    &[Kind::Added, Kind::Unproven],
                ),
                (
                    "a segment is taken away",
                    &|path, _| fs::remove_file(path).unwrap(),
                    &[Kind::Removed, Kind::MarkerMissing],
                ),
                (
                    "a manifest is changed",
                    &|path, _| {
                        rewrite(path, |records| {
                            let record = records.last_mut().unwrap();
                            let at = memchr::memmem::find(record, b"\"messages\":").unwrap() + 11;
                            record[at] = b'7';
                        });
                    },
                    &[Kind::MarkerEdited, Kind::MarkerMissing, Kind::Unproven],
                ),
                (
                    "a segment is cut",
                    &|path, _| {
                        let bytes = fs::read(path).unwrap();
                        fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
                    },
                    &[Kind::Edited, Kind::MarkerMissing, Kind::Unproven],
                ),
            ];
            for (what, plant, expected) in planted {
                let folder = tempfile::tempdir().unwrap();
                filled(folder.path(), true, seed);
                let paths = segments(folder.path());
                // Neither the first nor the last.
                plant(&paths[1 + random.below(paths.len() - 2)], &mut random);
                let found = kinds(folder.path(), key());
                let are_expected =
                    !found.is_empty() && expected.iter().any(|kind| kind.is_damage() && found.contains(kind));
                assert!(are_expected, "seed {seed}: {what}: {found:?}");
                assert!(found.iter().all(|kind| expected.contains(kind)), "seed {seed}: {what}: {found:?}");
            }
        }
    }

    #[test]
    fn a_segment_whose_beginning_is_damaged_is_told() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), true, 6);
        for (path, expected) in segments(folder.path()).into_iter().rev().zip([Kind::Unproven, Kind::Edited]) {
            let whole = fs::read(&path).unwrap();
            let mut bytes = whole.clone();
            bytes[60] ^= 1;
            fs::write(&path, bytes).unwrap();
            assert!(kinds(folder.path(), key()).contains(&expected), "{}", path.display());
            fs::write(&path, whole).unwrap();
        }
    }

    #[test]
    fn numbers_at_the_end_of_their_range_are_numbers() {
        let instance = Instance([1; 16]);
        let id = |seq| Some(MessageId { instance, session: 1, seq });
        let mut proof = SpoolProof::new("spool:x".to_owned(), None);
        proof.segment("spool-1.seg", 1);
        let messages =
            [(id(1), &b"{}"[..]), (id(u64::MAX), b"{}"), (id(1), b"{}"), (id(u64::MAX), b"[]"), (None, b"{}")];
        proof.messages(1, b"record", messages.into_iter());
        let mut line = Vec::new();
        let file = "spool-1.seg".to_owned();
        let manifest = Manifest { file, from: 1, to: u64::MAX, messages: u64::MAX, sha256: Hash::default() };
        Scribe::new(instance, None).write(&Event::FileFinished(manifest), 0, &mut line).unwrap();
        proof.manifest(&line);
        proof.manifest(&line);
        let report = proof.finish();
        // One without a name is there as well.
        assert_eq!((report.messages, report.redelivered, report.unaudited, report.proven), (3, 1, 0, 0));
        let kinds: Vec<_> = report.findings.iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, [Kind::Conflict, Kind::Manifest, Kind::MarkerMissing, Kind::Unproven, Kind::Removed]);
    }

    #[test]
    fn another_key_and_no_signature_are_told() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), false, 5);
        assert_eq!(kinds(folder.path(), key()), [Kind::Unsigned, Kind::Unproven]);
        assert!(verify(&folder.path().join("nothing"), None).is_err());
    }
}
