//! What waits in a spool, held against the manifests of its segments.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Finding, Kind, Report, Span};
use crate::audit::event::Event;
use crate::audit::hash::{FileHash, Hash, Instance, MessageId};
use crate::audit::key::PublicKey;
use crate::audit::record::Record;

/// Verifies one spool, whose parts are to be given in their order.
#[derive(Debug)]
pub(crate) struct SpoolProof {
    report: Report,
    key: Option<PublicKey>,
    /// The position of the next message; `None`: what comes next may have any.
    next: Option<u64>,
    segment: SegmentProof,
    instances: BTreeMap<Instance, Chain>,
    /// For each message of a session the beginning of its hash. A message takes about forty bytes here.
    sessions: BTreeMap<(Instance, u64), BTreeMap<u64, [u8; 8]>>,
    /// Numbers that are not there, though some before and after them are.
    gaps: Vec<Span>,
}

/// What was read of a segment.
#[derive(Debug, Default)]
struct SegmentProof {
    name: String,
    first: u64,
    hash: FileHash,
    messages: u64,
    /// Of these, those that a manifest has.
    proven: u64,
    is_damaged: bool,
}

/// An instance's manifests.
#[derive(Debug)]
struct Chain {
    n: u64,
    hash: Hash,
}

impl SpoolProof {
    pub(crate) fn new(source: String, key: Option<PublicKey>) -> Self {
        let report = Report::new(source, Vec::new(), 0, key.is_some());
        let (instances, sessions) = (BTreeMap::new(), BTreeMap::new());
        Self { report, key, next: None, segment: SegmentProof::default(), instances, sessions, gaps: Vec::new() }
    }

    /// A segment begins.
    pub(crate) fn segment(&mut self, name: &str, first: u64) {
        self.end_segment();
        self.expect(first);
        self.segment = SegmentProof { name: name.to_owned(), first, ..SegmentProof::default() };
    }

    /// A segment was delivered, and removed, while the spool was read.
    pub(crate) fn delivered(&mut self) {
        self.end_segment();
        self.next = None;
    }

    /// A record of messages, of which the first has this position.
    pub(crate) fn messages<'a>(
        &mut self,
        first: u64,
        bytes: &[u8],
        messages: impl Iterator<Item = (Option<MessageId>, &'a [u8])>,
    ) {
        self.expect(first);
        self.segment.hash.add_bytes(bytes);
        let mut count = 0;
        for (id, message) in messages {
            count += 1;
            match id {
                Some(id) => self.message(&id, message),
                // It has no name, and is covered by its segment's manifest all the same.
                None => self.report.messages += 1,
            }
        }
        self.segment.messages += count;
        self.next = Some(first.saturating_add(count));
    }

    /// Nothing is missing before this position.
    fn expect(&mut self, position: u64) {
        if let Some(next) = self.next.replace(position)
            && next != position
        {
            let text = match position.checked_sub(next) {
                Some(missing) => format!("{missing} messages at positions {next} to {}", position - 1),
                None => format!("positions {position} to {} come twice", next - 1),
            };
            self.report.add(Finding::new(if position > next { Kind::Removed } else { Kind::Added }, text));
            self.segment.is_damaged = true;
        }
    }

    fn message(&mut self, id: &MessageId, message: &[u8]) {
        let MessageId { instance, session, seq } = *id;
        let mut hash = [0; 8];
        hash.iter_mut().zip(Hash::of(message).0).for_each(|(to, from)| *to = from);
        let span = Span { instance, session, first: seq, last: seq };
        let seen = self.sessions.entry((instance, session)).or_default();
        if let Some(known) = seen.get(&seq) {
            if *known == hash {
                self.report.redelivered += 1;
            } else {
                self.report.add(Finding::of(Kind::Conflict, span, ""));
            }
            return;
        }
        self.report.messages += 1;
        if let Some((last, _)) = seen.last_key_value() {
            if seq < *last {
                self.report.add(Finding::of(Kind::Swapped, span, ""));
            } else if seq - last > 1 {
                self.gaps.push(Span { first: last + 1, last: seq - 1, ..span });
            }
        }
        seen.insert(seq, hash);
    }

    /// A manifest of what the segment has before it.
    pub(crate) fn manifest(&mut self, line: &[u8]) {
        let name = &self.segment.name;
        let (Some(record), sound) = Record::parse(line) else {
            return self.report.add(Finding::new(Kind::MarkerEdited, format!("{name}: a manifest that is no record")));
        };
        let Record { n, instance, previous, .. } = record;
        if sound.is_err() {
            return self
                .report
                .add(Finding::new(Kind::MarkerEdited, format!("{name}: manifest {n} of instance {instance}")));
        }
        if let Some(chain) = self.instances.get(&instance)
            && (chain.n.checked_add(1) != Some(n) || chain.hash != previous)
        {
            let text = format!("{name}: between manifests {} and {n} of instance {instance}", chain.n);
            self.report.add(Finding::new(Kind::MarkerMissing, text));
        }
        self.instances.insert(instance, Chain { n, hash: record.hash });
        self.report.markers += 1;
        if let Some(key) = &self.key
            && !record.is_signed_by(key)
        {
            let kind = if record.signature.is_some() { Kind::WrongKey } else { Kind::Unsigned };
            return self.report.add(Finding::new(kind, format!("{name}: manifest {n} of instance {instance}")));
        }
        let Event::FileFinished(manifest) = record.event else {
            return self.report.add(Finding::new(Kind::Added, format!("{name}: a record that is no manifest")));
        };
        let SegmentProof { first, messages, .. } = self.segment;
        let is_as_written = manifest.file == *name
            && (manifest.from, manifest.messages, manifest.sha256) == (first, messages, self.segment.hash.hash());
        if is_as_written {
            self.segment.proven = messages;
        } else if !std::mem::replace(&mut self.segment.is_damaged, true) {
            let text = format!(
                "{name}: instance {instance} has written {} messages to it before manifest {n}, and it has {messages}, or others",
                manifest.messages
            );
            self.report.add(Finding::new(Kind::Manifest, text));
        }
    }

    /// Bytes that are no record, at the end of a segment. `is_last`: of the one that may grow.
    pub(crate) fn unreadable(&mut self, bytes: u64, is_last: bool) {
        let name = &self.segment.name;
        let (kind, text) = match is_last {
            // What a process was writing when it was killed: no client was told of that.
            true => (
                Kind::Unproven,
                format!("{name}: {bytes} bytes at its end that are no whole message: torn, or damaged"),
            ),
            false => (Kind::Edited, format!("{name}: {bytes} bytes that are no messages")),
        };
        self.report.add(Finding::new(kind, text));
    }

    fn end_segment(&mut self) {
        let SegmentProof { name, messages, proven, .. } = std::mem::take(&mut self.segment);
        self.report.proven += proven;
        let unproven = messages - proven;
        if unproven > 0 {
            self.report.unproven += unproven;
            self.report.add(Finding::new(Kind::Unproven, format!("{name}: {unproven} messages that no manifest has")));
        }
    }

    /// The verdict.
    pub(crate) fn finish(mut self) -> Report {
        self.end_segment();
        let instances: BTreeSet<_> = self.sessions.keys().map(|(instance, _)| *instance).collect();
        self.report.instances = instances.len() as u64;
        self.report.sessions = self.sessions.len() as u64;
        // Where nothing was taken away, they never were in the spool.
        let (kind, text) = match self.report.is_damaged() {
            true => (Kind::Removed, ""),
            false => (Kind::Dropped, "before they came to the spool"),
        };
        self.gaps.into_iter().for_each(|span| self.report.add(Finding::of(kind, span, text)));
        self.report
    }
}
