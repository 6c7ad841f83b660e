//! What was read of one sink, held against what its marker stream says.
//!
//! ```text
//!   seen        what was read
//!   report      findings, and the verdict
//!   session     the messages of one session against the claims of markers
//!   runs        readers of binlogs: whether each run goes on where the one before has ended
//!   rows        rows that more than one of them has delivered
//!   stream      one instance's marker stream: its numbers, its chain, its signatures
//!   spool       what waits in a spool against the manifests of its segments
//!   alignment   lines of a file against the hashes that its sidecar has
//! ```

mod alignment;
#[cfg(test)]
mod binlog_tests;
mod report;
mod rows;
mod runs;
mod seen;
mod session;
mod spool;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(crate) use alignment::{Expected, align};
pub(crate) use report::{Finding, Kind, Report, Span};
use rows::{Met, RowText, Rows};
pub(crate) use runs::{Relate, Relation};
pub(crate) use seen::{Retention, Seen, place};
use session::SessionProof;
pub(crate) use spool::SpoolProof;
use stream::{Claims, StreamProof};

use super::hash::{Instance, Link, MessageId};
use super::key::PublicKey;
use super::record::Record;

/// Verifies one sink: first all of its marker stream is to be given, then its messages.
#[derive(Debug)]
pub(crate) struct Verification {
    source: String,
    key: Option<PublicKey>,
    instances: BTreeMap<Instance, Proof>,
    findings: Vec<Finding>,
    suspected: Vec<Finding>,
    /// Messages that say nothing of instance and session.
    unaudited: u64,
    /// The rows of messages of processes that were killed before they could say that they have written them.
    left: Vec<RowText>,
    retention: Retention,
    /// Where positions of binlogs are, seen from each other.
    relate: Relate,
    /// With more than one run of a reader of binlogs; known when the first message comes.
    binlog: Option<Option<Binlog>>,
}

/// What is held against each other between runs.
#[derive(Debug, Default)]
struct Binlog {
    rows: Rows,
    /// The last message of each session that a marker has.
    covered: HashMap<(Instance, u64), u64>,
    read_again: u64,
}

#[derive(Debug, Default)]
struct Proof {
    stream: StreamProof,
    sessions: BTreeMap<u64, SessionProof>,
}

impl Verification {
    pub(crate) fn new(source: String, key: Option<PublicKey>, retention: Retention) -> Self {
        Self {
            source,
            key,
            instances: BTreeMap::new(),
            findings: Vec::new(),
            suspected: Vec::new(),
            unaudited: 0,
            left: Vec::new(),
            retention,
            relate: |_, _| Relation::Unknown,
            binlog: None,
        }
    }

    /// What the source has forgotten, where that is known only when the marker stream was read.
    pub(crate) fn forgets(&mut self, retention: Retention) {
        self.retention = retention;
    }

    /// Positions of binlogs are where `relate` says.
    pub(crate) fn related_by(self, relate: Relate) -> Self {
        Self { relate, ..self }
    }

    /// A line of the marker stream.
    pub(crate) fn record(&mut self, line: &[u8]) {
        let (record, sound) = Record::parse(line);
        match record {
            None => self.findings.push(Finding::new(Kind::MarkerEdited, "a line that is no record".to_owned())),
            Some(record) => {
                let proof = self.instances.entry(record.instance).or_default();
                proof.stream.add(record, sound.is_ok(), self.key.as_ref());
            }
        }
    }

    /// A message.
    pub(crate) fn message(&mut self, seen: &Seen<'_>) {
        let proof = self.instances.entry(seen.id.instance).or_default();
        let is_sound = proof.sessions.entry(seen.id.session).or_default().add(seen);
        if is_sound {
            self.compare_with_other_runs(seen);
        }
    }

    /// A row that another run has delivered, too, is the same there.
    fn compare_with_other_runs(&mut self, seen: &Seen<'_>) {
        let instances = &self.instances;
        let Some(binlog) = self.binlog.get_or_insert_with(|| Binlog::of(instances)) else { return };
        let MessageId { instance, session, seq } = seen.id;
        let Some(row) = RowText::of(seen.message) else { return };
        let is_covered = binlog.covered.get(&(instance, session)).is_some_and(|last| seq <= *last);
        match binlog.rows.add(&row, instance, is_covered) {
            Met::New => {}
            Met::Again => binlog.read_again += 1,
            Met::Otherwise(other) => {
                let span = Span { instance, session, first: seq, last: seq };
                let text = format!("the same row as one of instance {other}, with other content");
                self.findings.push(Finding::of(Kind::Conflict, span, &text));
            }
        }
        if !is_covered && let Some(proof) = self.instances.get_mut(&instance) {
            proof.sessions.entry(session).or_default().uncovered(seq, row);
        }
    }

    /// The topics that messages of readers of binlogs are in.
    pub(crate) fn topics(&self) -> BTreeSet<String> {
        self.instances.values().flat_map(|proof| proof.stream.topics()).map(str::to_owned).collect()
    }

    /// A message of which only its link is left: it has been there.
    pub(crate) fn missing(&mut self, id: &MessageId) {
        let proof = self.instances.entry(id.instance).or_default();
        proof.sessions.entry(id.session).or_default().missing(id.seq);
    }

    /// A message whose content is in another message's place.
    pub(crate) fn moved(&mut self, id: &MessageId, link: &Link) {
        let proof = self.instances.entry(id.instance).or_default();
        proof.sessions.entry(id.session).or_default().moved(id.seq, link);
    }

    /// A message whose content was changed.
    pub(crate) fn edited(&mut self, id: &MessageId, link: &Link) {
        let proof = self.instances.entry(id.instance).or_default();
        proof.sessions.entry(id.session).or_default().edited(id.seq, link);
    }

    /// A message that a process has written which was killed before it could say so.
    pub(crate) fn left(&mut self, message: &[u8]) {
        match RowText::of(message) {
            Some(row) => self.left.push(row),
            None => self.unaudited += 1,
        }
    }

    /// Messages that say nothing of instance and session: of a process without markers, or of somebody else.
    pub(crate) fn unaudited(&mut self, messages: u64) {
        self.unaudited += messages;
    }

    /// Something that the reader of the source has found.
    pub(crate) fn found(&mut self, kind: Kind, text: String) {
        self.findings.push(Finding::new(kind, text));
    }

    /// Something that is wrong, unless something else explains it.
    pub(crate) fn suspected(&mut self, kind: Kind, text: String) {
        self.suspected.push(Finding::new(kind, text));
    }

    /// The verdict.
    pub(crate) fn finish(self) -> Report {
        let Self { source, key, instances, findings, suspected, unaudited, left, retention, relate, binlog } = self;
        let mut binlog = binlog.flatten().unwrap_or_default();
        // A later run has read these rows again.
        let (again, unknown): (Vec<_>, Vec<_>) = left.into_iter().partition(|row| binlog.rows.has_proven(row));
        binlog.read_again += again.len() as u64;
        let unaudited = unaudited + unknown.len() as u64;
        let mut report = Report::new(source, findings, unaudited, key.is_some());
        let signed = instances.values().any(|proof| proof.stream.has_signed());
        let fits = instances.values().any(|proof| proof.stream.has_verified());
        let wrong_key = key.is_some() && signed && !fits;
        if wrong_key {
            report.add(Finding::new(Kind::WrongKey, "no signature is of this key".to_owned()));
        }
        let checks_signatures = key.is_some() && !wrong_key;
        report.read_again = binlog.read_again;
        let runs = instances.iter().map(|(instance, proof)| (*instance, proof.stream.run(checks_signatures)));
        runs::join(runs.filter(|(_, run)| run.is_known()).collect(), relate, &mut report);
        let (mut claims, mut sessions) = (BTreeMap::<Instance, Claims>::new(), BTreeMap::new());
        for (instance, proof) in instances {
            report.instances += 1;
            let told = proof.stream.finish(instance, checks_signatures, &retention, &mut report);
            for (of, told) in told {
                claims.entry(of).or_default().merge(told);
            }
            sessions.insert(instance, proof.sessions);
        }
        for (instance, claims) in &claims {
            let mut sessions = sessions.remove(instance).unwrap_or_default();
            for session in claims.sessions.keys() {
                sessions.entry(*session).or_default();
            }
            for (session, proof) in sessions {
                let span = Span { instance: *instance, session, first: 0, last: 0 };
                proof.finish(span, claims.sessions.get(&session), claims, &binlog.rows, &retention, &mut report);
            }
        }
        if !report.is_damaged() {
            suspected.into_iter().for_each(|finding| report.add(finding));
        }
        report
    }
}

impl Binlog {
    /// With more than one run.
    fn of(instances: &BTreeMap<Instance, Proof>) -> Option<Self> {
        let runs = instances.values().filter(|proof| proof.stream.is_of_binlog()).take(2);
        if runs.count() < 2 {
            return None;
        }
        let mut binlog = Self::default();
        for (session, last) in instances.iter().flat_map(|(instance, proof)| proof.stream.covered(*instance)) {
            let known = binlog.covered.entry(session).or_default();
            *known = last.max(*known);
        }
        Some(binlog)
    }
}
