//! The messages of one session against what markers claim of it.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use super::report::{Finding, Kind, Report, Span};
use super::rows::{RowText, Rows};
use super::seen::{Retention, Seen, topic_of};
use super::stream::{Claims, SessionClaim};
use crate::audit::event::Claim;
use crate::audit::hash::{Hash, Link, MessageId};

/// Of messages that are not what was sent, so much content is kept to see whether it is another message's.
const KEPT: usize = 1_000;

/// So many of a message's places in chains are known. Each process that sends it again begins a chain of its own.
const LINKS: usize = 16;

/// What was read of a session.
#[derive(Debug, Default)]
pub(super) struct SessionProof {
    /// By number. A message takes about a hundred bytes here.
    seen: BTreeMap<u64, Link>,
    /// Other places in chains of those that were sent again, by another process that had them from the spool.
    again: BTreeMap<u64, Vec<Link>>,
    /// Those whose content does not have the hash that they say.
    edited: BTreeMap<u64, Option<Vec<u8>>>,
    swapped: BTreeSet<u64>,
    conflicts: BTreeSet<u64>,
    /// Those that are known to have been there.
    gone: BTreeSet<u64>,
    redelivered: u64,
    /// The rows of messages that no marker covers.
    rows: BTreeMap<u64, RowText>,
    /// The first number that was read at each place.
    first: BTreeMap<u32, u64>,
    /// The last number that was read at each place.
    last: BTreeMap<u32, u64>,
}

impl SessionProof {
    /// Adds a message; true if its content has the hash that it says.
    pub(super) fn add(&mut self, seen: &Seen<'_>) -> bool {
        let seq = seen.id.seq;
        let is_sound = Link::of(seen.link.previous, &seen.id, seen.message).hash == seen.link.hash;
        match self.seen.get(&seq) {
            None => {
                self.note_order(seen.place, seq);
                self.seen.insert(seq, seen.link);
                if !is_sound {
                    let kept = (self.edited.len() < KEPT).then(|| seen.message.to_vec());
                    self.edited.insert(seq, kept);
                }
            }
            Some(known) => {
                // The same content, even if what was sent before it was not yet known to be refused.
                let is_same = Link::of(known.previous, &seen.id, seen.message).hash == known.hash;
                if is_same {
                    self.redelivered += 1;
                    if is_sound && seen.link != *known {
                        let links = self.again.entry(seq).or_default();
                        if links.len() < LINKS && !links.contains(&seen.link) {
                            links.push(seen.link);
                        }
                    }
                } else {
                    self.conflicts.insert(seq);
                    // Whichever has its own hash may be the one that markers know.
                    if is_sound && self.edited.remove(&seq).is_some() {
                        self.seen.insert(seq, seen.link);
                    }
                }
            }
        }
        is_sound
    }

    /// No marker covers this message, which is about this row.
    pub(super) fn uncovered(&mut self, seq: u64, row: RowText) {
        self.rows.insert(seq, row);
    }

    /// Within a partition messages are in the order of their numbers, but for what is there again.
    fn note_order(&mut self, place: u32, seq: u64) {
        let first = self.first.entry(place).or_insert(seq);
        *first = seq.min(*first);
        let last = self.last.entry(place).or_default();
        if seq < *last {
            self.swapped.insert(seq);
        }
        *last = seq.max(*last);
    }

    pub(super) fn missing(&mut self, seq: u64) {
        self.gone.insert(seq);
    }

    pub(super) fn moved(&mut self, seq: u64, link: &Link) {
        self.seen.entry(seq).or_insert(*link);
        self.swapped.insert(seq);
    }

    pub(super) fn edited(&mut self, seq: u64, link: &Link) {
        self.seen.entry(seq).or_insert(*link);
        self.edited.insert(seq, None);
    }

    /// Contents that have changed places are no edits.
    fn find_swapped(&mut self, of: &Span) {
        let contents: Vec<_> = self.edited.iter().filter_map(|(seq, kept)| Some((*seq, kept.clone()?))).collect();
        for (seq, _) in &contents {
            let Some(link) = self.seen.get(seq) else { continue };
            let id = MessageId { instance: of.instance, session: of.session, seq: *seq };
            let fits = |content: &Vec<u8>| Link::of(link.previous, &id, content).hash == link.hash;
            if contents.iter().any(|(other, content)| other != seq && fits(content)) {
                self.edited.remove(seq);
                self.swapped.insert(*seq);
            }
        }
    }

    /// Says what is wrong.
    pub(super) fn finish(
        mut self,
        of: Span,
        claimed: Option<&SessionClaim>,
        claims: &Claims,
        rows: &Rows,
        retention: &Retention,
        report: &mut Report,
    ) {
        let nothing = SessionClaim::default();
        let claimed = claimed.unwrap_or(&nothing);
        self.find_swapped(&of);
        report.messages += self.seen.len() as u64;
        report.redelivered += self.redelivered;
        let mut found = Found::default();
        self.walk(claimed, claims, retention, &mut found);
        report.proven += found.proven;
        // A later run has read the row again, and says the same of it.
        let is_proven_elsewhere = |seq: &u64| self.rows.get(seq).is_some_and(|row| rows.has_proven(row));
        found.unproven.retain(|seq| !is_proven_elsewhere(seq));
        let at = |seq: &u64| Span { first: *seq, last: *seq, ..of };
        for seq in &self.conflicts {
            report.add(Finding::of(Kind::Conflict, at(seq), "there again, with other content"));
        }
        for seq in self.edited.keys() {
            report.add(Finding::of(Kind::Edited, at(seq), "its content does not have its hash"));
        }
        for seq in &found.rewritten {
            report.add(Finding::of(
                Kind::Edited,
                at(seq),
                "its hash is not the one that comes after it, or in its marker",
            ));
        }
        spans(&self.swapped, of).for_each(|span| report.add(Finding::of(Kind::Swapped, span, "not in its place")));
        spans(&found.removed, of).for_each(|span| report.add(Finding::of(Kind::Removed, span, "it was delivered")));
        spans(&found.expired, of).for_each(|span| report.add(Finding::of(Kind::Expired, span, "")));
        spans(&found.unproven, of).for_each(|span| report.add(Finding::of(Kind::Unproven, span, "")));
        for (first, last, reason) in found.dropped {
            report.add(Finding::of(Kind::Dropped, Span { first, last, ..of }, &reason));
        }
    }

    /// From the last message to the first: each message's hash depends on all before it, and markers have the last ones.
    ///
    /// A message that was sent again has a place in the chain of each process that sent it: any of them may be the one that is depended on.
    fn walk(&self, claimed: &SessionClaim, claims: &Claims, retention: &Retention, found: &mut Found) {
        let mut expected: Vec<Hash> = Vec::new();
        let mut claim: Vec<&(Claim, u64)> = Vec::new();
        for seq in (1..=self.last_known(claimed)).rev() {
            claim.retain(|(claim, _)| claim.first <= seq);
            if let Some(end_here) = claimed.delivered.get(&seq) {
                claim.extend(end_here);
                expected = end_here.iter().map(|(claim, _)| claim.head).collect();
            }
            let covered_at = claim.first().map(|(_, time)| *time);
            let Some(first) = self.seen.get(&seq) else {
                self.absent(seq, covered_at, claimed, claims, retention, found);
                if covered_at.is_some() || self.gone.contains(&seq) {
                    expected.clear();
                }
                continue;
            };
            let mut links = iter::once(first).chain(self.again.get(&seq).into_iter().flatten());
            let link = links.find(|link| expected.contains(&link.hash));
            let is_edited = self.edited.contains_key(&seq);
            if link.is_none() && (covered_at.is_none() || !expected.is_empty()) {
                if covered_at.is_none() {
                    // What comes after it, and is proven, would depend on it.
                    found.unproven.insert(seq);
                } else if !is_edited && !self.conflicts.contains(&seq) {
                    found.rewritten.push(seq);
                }
                expected.clear();
                continue;
            }
            found.proven += u64::from(!is_edited);
            let is_authentic = link.is_some() || !is_edited;
            let previous = link.unwrap_or(first).previous;
            expected.clear();
            // Zero where a chain begins: nothing before it is told by it.
            if is_authentic && previous != Hash::default() {
                expected.push(previous);
            }
        }
        found.rewritten.reverse();
        found.dropped.reverse();
    }

    fn last_known(&self, claimed: &SessionClaim) -> u64 {
        let seen = self.seen.keys().next_back().copied();
        let gone = self.gone.last().copied();
        let delivered = claimed.delivered.keys().next_back().copied();
        let lost = claimed.lost.iter().map(|lost| lost.last).max();
        [seen, gone, delivered, lost, claimed.messages].into_iter().flatten().max().unwrap_or(0)
    }

    /// A message is not there.
    fn absent(
        &self,
        seq: u64,
        covered_at: Option<u64>,
        claimed: &SessionClaim,
        claims: &Claims,
        retention: &Retention,
        found: &mut Found,
    ) {
        let lost = claimed.lost.iter().find(|lost| (lost.first..=lost.last).contains(&seq));
        match (covered_at, lost) {
            // What says that it has been there goes with it, where it is retention.
            _ if self.gone.contains(&seq) => {
                found.removed.insert(seq);
            }
            (Some(time), _) if self.may_have_expired(seq, time, claims, retention) => {
                found.expired.insert(seq);
            }
            (Some(_), _) => {
                found.removed.insert(seq);
            }
            (None, Some(lost)) => found.drop(seq, &lost.reason),
            // It is elsewhere.
            (None, None) if retention.is_part => {}
            // The marker that covered it was removed with it, or before.
            (None, None) if retention.records && claims.has_holes && self.is_before_all(seq, claimed) => {
                found.expired.insert(seq);
            }
            // Whoever could say what became of it is not there, or has not got to it.
            (None, None)
                if claims.has_holes
                    || (claims.is_of_binlog || !claims.has_ended) && self.is_after_claims(seq, claimed) =>
            {
                // Without having been seen, and without a claim, it is nothing yet.
                if claimed.messages.is_some_and(|messages| seq <= messages) {
                    found.unproven.insert(seq);
                }
            }
            (None, None) => found.drop(seq, "not delivered, see the totals of the last marker"),
        }
    }

    fn is_after_claims(&self, seq: u64, claimed: &SessionClaim) -> bool {
        claimed.delivered.keys().next_back().is_none_or(|last| seq > *last)
    }

    /// Whether nothing is known of the session up to this message: neither its beginning nor one before.
    fn is_before_all(&self, seq: u64, claimed: &SessionClaim) -> bool {
        if claimed.is_opened {
            return false;
        }
        let seen = self.seen.keys().next().copied();
        let delivered = claimed.delivered.values().flatten().map(|(claim, _)| claim.first).min();
        [seen, delivered].into_iter().flatten().min().is_none_or(|first| seq < first)
    }

    /// Whether retention explains that a message is gone: nothing of its session is left before it, and what is left of its partition is
    /// younger than the marker that covers it.
    fn may_have_expired(&self, seq: u64, covered_at: u64, claims: &Claims, retention: &Retention) -> bool {
        if claims.is_of_binlog {
            return self.may_have_expired_somewhere(seq, covered_at, retention);
        }
        if self.seen.keys().next().is_some_and(|first| *first < seq) {
            return false;
        }
        let oldest = match self.last.keys().next() {
            Some(place) => retention.messages.get(place),
            None => retention.messages.values().max(),
        };
        // What was delivered just before the marker may be a little older than it.
        oldest.is_some_and(|oldest| self.last.keys().next().is_some() || covered_at <= *oldest)
    }
}

impl SessionProof {
    /// The same for a session whose messages are in all partitions of a topic: one of these begins after the message, as far as it is known.
    fn may_have_expired_somewhere(&self, seq: u64, covered_at: u64, retention: &Retention) -> bool {
        let is_of_its_topic =
            |place: u32| self.first.keys().next().is_none_or(|known| topic_of(*known) == topic_of(place));
        let mut forgetful = retention.messages.iter().filter(|(place, _)| is_of_its_topic(**place));
        forgetful.any(|(place, oldest)| match self.first.get(place) {
            Some(first) => seq < *first,
            None => covered_at <= *oldest,
        })
    }
}

/// What is wrong with a session.
#[derive(Debug, Default)]
struct Found {
    proven: u64,
    rewritten: Vec<u64>,
    removed: BTreeSet<u64>,
    expired: BTreeSet<u64>,
    unproven: BTreeSet<u64>,
    /// From the last to the first.
    dropped: Vec<(u64, u64, String)>,
}

impl Found {
    fn drop(&mut self, seq: u64, reason: &str) {
        match self.dropped.last_mut() {
            Some((first, _, known)) if *first == seq + 1 && known == reason => *first = seq,
            _ => self.dropped.push((seq, seq, reason.to_owned())),
        }
    }
}

/// Numbers without gaps between them.
fn spans(numbers: &BTreeSet<u64>, of: Span) -> impl Iterator<Item = Span> {
    let mut spans: Vec<Span> = Vec::new();
    for seq in numbers {
        match spans.last_mut() {
            Some(span) if span.last + 1 == *seq => span.last = *seq,
            _ => spans.push(Span { first: *seq, last: *seq, ..of }),
        }
    }
    spans.into_iter()
}
