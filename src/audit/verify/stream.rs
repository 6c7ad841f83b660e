//! One instance's marker stream: nothing of it is missing, and nothing was changed.

use std::collections::BTreeMap;

use super::report::{Finding, Kind, Report};
use super::runs::Run;
use super::seen::Retention;
use crate::audit::event::{Claim, Event, Lost, SessionClaims};
use crate::audit::hash::Instance;
use crate::audit::key::PublicKey;
use crate::audit::record::Record;

/// What was read of an instance's stream.
#[derive(Debug, Default)]
pub(super) struct StreamProof {
    /// By number.
    records: BTreeMap<u64, Read>,
    /// Numbers that were read twice, with different content.
    conflicts: Vec<u64>,
}

#[derive(Debug)]
struct Read {
    record: Record,
    /// Its hash is that of its content.
    is_sound: bool,
    /// Its signature is that of the key; `None` without a key.
    is_verified: Option<bool>,
}

/// What a stream claims.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) sessions: BTreeMap<u64, SessionClaim>,
    /// Whether records are missing, or not trusted: then messages may be there that nobody claims.
    pub(super) has_holes: bool,
    /// The instance has stopped in order.
    pub(super) has_ended: bool,
    /// It has read a binlog: messages of a session are in all partitions of their topic, and what it has not delivered is read again.
    pub(super) is_of_binlog: bool,
}

/// What it claims of one session.
#[derive(Debug, Default)]
pub(super) struct SessionClaim {
    /// By their last message, with the time of the marker. Processes that sent the same messages of a spool each have claims of them.
    pub(super) delivered: BTreeMap<u64, Vec<(Claim, u64)>>,
    pub(super) lost: Vec<Lost>,
    /// Its beginning was told.
    pub(super) is_opened: bool,
    /// How many messages it had when it was closed.
    pub(super) messages: Option<u64>,
}

impl StreamProof {
    pub(super) fn add(&mut self, record: Record, is_sound: bool, key: Option<&PublicKey>) {
        let is_verified = key.map(|key| is_sound && record.is_signed_by(key));
        let n = record.n;
        let read = Read { record, is_sound, is_verified };
        match self.records.get(&n) {
            None => {
                self.records.insert(n, read);
            }
            // Sent again.
            Some(known) if known.record.hash == read.record.hash && read.is_sound => {}
            Some(known) => {
                self.conflicts.push(n);
                // Whichever can be trusted counts.
                let is_better = (read.is_sound, read.is_verified) > (known.is_sound, known.is_verified);
                if is_better {
                    self.records.insert(n, read);
                }
            }
        }
    }

    pub(super) fn has_signed(&self) -> bool {
        self.records.values().any(|read| read.record.signature.is_some())
    }

    pub(super) fn has_verified(&self) -> bool {
        self.records.values().any(|read| read.is_verified == Some(true))
    }

    /// What it says of a binlog that was read; `checks`: only what is signed by the key counts.
    pub(super) fn run(&self, checks: bool) -> Run {
        let mut run = Run { begun: self.records.values().next().map_or(0, |read| read.record.time), ..Run::default() };
        let is_trusted = |read: &&Read| read.is_sound && (!checks || read.is_verified == Some(true));
        for read in self.records.values().filter(is_trusted) {
            match &read.record.event {
                Event::InstanceStarted(started) => {
                    let name = started.proxy.rsplit_once('@').map_or(started.proxy.as_str(), |(name, _)| name);
                    run.name = Some(name.to_owned());
                }
                Event::StreamOpened(opened) => run.opened.push(opened.clone()),
                Event::StreamClosed(closed) => run.closed = Some(closed.position.clone()),
                Event::Marker(marker) if marker.position.is_some() => run.delivered.clone_from(&marker.position),
                _ => {}
            }
        }
        run
    }

    /// The last message of each session that a marker has.
    pub(super) fn covered(&self, own: Instance) -> impl Iterator<Item = ((Instance, u64), u64)> {
        let markers = self.records.values().filter_map(|read| match &read.record.event {
            Event::Marker(marker) => Some(marker),
            _ => None,
        });
        let sessions = markers.flat_map(|marker| &marker.sessions);
        let last = |claims: &SessionClaims| claims.delivered.last().map_or(0, |claim| claim.last);
        sessions.map(move |claims| ((claims.of.unwrap_or(own), claims.session), last(claims)))
    }

    /// The topics of its messages, of a process that reads a binlog.
    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        self.records.values().filter_map(|read| match &read.record.event {
            Event::TopicOpened(opened) => Some(opened.topic.as_str()),
            _ => None,
        })
    }

    /// Whether it is of a process that reads a binlog.
    pub(super) fn is_of_binlog(&self) -> bool {
        self.run(false).is_known()
    }

    /// Checks the stream, and says what it claims of itself, and of others whose messages it has found in a spool.
    pub(super) fn finish(
        self,
        instance: Instance,
        checks: bool,
        retention: &Retention,
        report: &mut Report,
    ) -> BTreeMap<Instance, Claims> {
        let (mut claims, mut of_others) = (Claims::default(), BTreeMap::new());
        let told = |kind, n: u64, text: &str| Finding::new(kind, format!("instance {instance} record {n}: {text}"));
        for n in &self.conflicts {
            report.add(told(Kind::MarkerEdited, *n, "there twice, with different content"));
        }
        self.check_beginning(instance, retention, report, &mut claims);
        let mut bad = self.unsound(checks, report, &told);
        self.check_links(&mut bad, report, &told);
        let mut before = None;
        for (n, read) in &self.records {
            if let Some(before) = before
                && *n != before + 1
            {
                let missing = if *n == before + 2 {
                    format!("instance {instance} record {}", before + 1)
                } else {
                    format!("instance {instance} records {}-{}", before + 1, n - 1)
                };
                report.add(Finding::new(Kind::MarkerMissing, missing));
                claims.has_holes = true;
            }
            before = Some(*n);
            if bad.contains(n) {
                claims.has_holes = true;
            } else {
                claims.take(read, &mut of_others, report);
            }
        }
        let totals = self.records.values().rev().find_map(|read| match &read.record.event {
            Event::Marker(marker) => Some(&marker.totals),
            Event::InstanceStopped(totals) => Some(totals),
            _ => None,
        });
        if let Some(lost) = totals.map(|totals| totals.events_lost).filter(|lost| *lost > 0) {
            report.add(Finding::new(Kind::EventsLost, format!("instance {instance}: {lost} events of sessions")));
        }
        of_others.entry(instance).or_default().merge(claims);
        of_others
    }

    fn check_beginning(&self, instance: Instance, retention: &Retention, report: &mut Report, claims: &mut Claims) {
        match self.records.keys().next() {
            Some(1) => {}
            None => claims.has_holes = true,
            Some(_) if retention.is_part => claims.has_holes = true,
            Some(first) => {
                claims.has_holes = true;
                let text = format!("instance {instance}: the first {} records of its marker stream", first - 1);
                let kind = if retention.records { Kind::Expired } else { Kind::MarkerMissing };
                report.add(Finding::new(kind, text));
            }
        }
    }

    /// Records that are not what was written, as their own hash or their signature says.
    fn unsound(&self, checks: bool, report: &mut Report, told: &dyn Fn(Kind, u64, &str) -> Finding) -> Vec<u64> {
        let mut bad = Vec::new();
        for (n, read) in &self.records {
            if !read.is_sound {
                report.add(told(Kind::MarkerEdited, *n, "its hash is not that of its content"));
                bad.push(*n);
            } else if checks && read.record.event.is_signed() && read.is_verified != Some(true) {
                let finding = match read.record.signature {
                    None => told(Kind::Unsigned, *n, "no signature"),
                    Some(_) => told(Kind::MarkerEdited, *n, "its signature is not that of its content"),
                };
                report.add(finding);
                bad.push(*n);
            }
        }
        bad
    }

    /// What a record says of the one before, from the last to the first: the last is signed.
    fn check_links(&self, bad: &mut Vec<u64>, report: &mut Report, told: &dyn Fn(Kind, u64, &str) -> Finding) {
        for (n, read) in self.records.iter().rev() {
            let Some(before) = n.checked_sub(1).and_then(|before| self.records.get(&before)) else { continue };
            let is_known = bad.contains(n) || bad.contains(&(n - 1));
            if !is_known && read.record.previous != before.record.hash {
                report.add(told(Kind::MarkerEdited, n - 1, "the next record knows it otherwise"));
                bad.push(n - 1);
            }
        }
    }
}

impl Claims {
    /// Adds what another stream says of the same instance.
    pub(super) fn merge(&mut self, other: Self) {
        self.has_holes |= other.has_holes;
        self.has_ended |= other.has_ended;
        self.is_of_binlog |= other.is_of_binlog;
        for (session, claim) in other.sessions {
            let known = self.sessions.entry(session).or_default();
            for (last, claims) in claim.delivered {
                known.delivered.entry(last).or_default().extend(claims);
            }
            known.lost.extend(claim.lost);
            known.is_opened |= claim.is_opened;
            known.messages = known.messages.max(claim.messages);
        }
    }

    fn take(&mut self, read: &Read, of_others: &mut BTreeMap<Instance, Self>, report: &mut Report) {
        match &read.record.event {
            Event::SessionOpened(opened) => {
                report.sessions += 1;
                self.sessions.entry(opened.session).or_default().is_opened = true;
            }
            Event::SessionDenied(_) => report.denied += 1,
            Event::SightLost(lost) => {
                let instance = read.record.instance;
                let text = format!("instance {instance} session {} of {}: {}", lost.session, lost.address, lost.reason);
                report.add(Finding::new(Kind::SightLost, text));
            }
            Event::SessionClosed(closed) => {
                let session = self.sessions.entry(closed.session).or_default();
                session.messages = Some(session.messages.unwrap_or(0).max(closed.messages));
            }
            Event::Marker(marker) => {
                report.markers += 1;
                self.is_of_binlog |= marker.position.is_some();
                for claims in &marker.sessions {
                    let whose = match claims.of {
                        Some(other) => of_others.entry(other).or_default(),
                        None => &mut *self,
                    };
                    let session = whose.sessions.entry(claims.session).or_default();
                    let time = read.record.time;
                    for claim in &claims.delivered {
                        session.delivered.entry(claim.last).or_default().push((*claim, time));
                    }
                    session.lost.extend(claims.lost.iter().cloned());
                }
            }
            Event::SpoolFull(fullness) => report.spool_full(read.record.instance, fullness, None),
            Event::SpoolHasRoom(fullness) => {
                report.spool_full(read.record.instance, fullness, Some(read.record.time));
            }
            Event::InstanceStopped(_) => self.has_ended = true,
            Event::StreamOpened(_) => self.is_of_binlog = true,
            Event::TopicOpened(_) => report.sessions += 1,
            Event::InstanceStarted(_) | Event::UserChanged(_) | Event::FileFinished(_) | Event::StreamClosed(_) => {}
        }
    }
}
