//! Faults that are planted in what was written, each of which is found as what it is, and nothing else.

use std::sync::Arc;

use super::*;
use crate::audit::key::tests::PRIVATE;
use crate::audit::{
    Claim, Closed, Event, Heads, Lost, Marker, Opened, Scribe, SessionClaims, Signer, SpoolFullness, Started, Totals,
};

const INSTANCE: Instance = Instance([5; 16]);
const SESSIONS: u64 = 4;

/// A small generator: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

#[derive(Debug, Clone)]
struct Sent {
    id: MessageId,
    link: Link,
    message: Vec<u8>,
}

/// What a process has written to a sink.
#[derive(Debug, Clone)]
struct Written {
    records: Vec<Vec<u8>>,
    messages: Vec<Sent>,
}

fn signer() -> Arc<Signer> {
    Arc::new(Signer::from_pem(PRIVATE).unwrap())
}

/// Several sessions in turn, a marker after every few messages, some messages dropped if `drops`.
fn written(random: &mut Random, drops: bool, ends: bool) -> Written {
    let (mut scribe, mut heads) = (Scribe::new(INSTANCE, Some(signer())), Heads::default());
    let (mut records, mut messages) = (Vec::new(), Vec::new());
    let mut tell = |event: &Event| {
        let mut line = Vec::new();
        scribe.write(event, 1_700_000_000_000 + records.len() as u64, &mut line).unwrap();
        records.push(line);
    };
    tell(&started());
    for session in 1..=SESSIONS {
        tell(&Event::SessionOpened(opened(session)));
    }
    let mut next = vec![1_u64; SESSIONS as usize + 1];
    let mut since = BTreeMap::new();
    for round in 1..=200 {
        let session = random.below(SESSIONS as usize) as u64 + 1;
        let seq = next[session as usize];
        next[session as usize] += 1;
        let claims =
            since.entry(session).or_insert(SessionClaims { of: None, session, delivered: vec![], lost: vec![] });
        if drops && random.below(10) == 0 {
            claims.lost.push(Lost { first: seq, last: seq, reason: "queue_full".to_owned() });
        } else {
            let id = MessageId { instance: INSTANCE, session, seq };
            let message = format!("{{\"session\":{session},\"round\":{round}}}").into_bytes();
            let link = Link::of(heads.before(&id).unwrap_or_default(), &id, &message);
            heads.set(&id, link.hash);
            match claims.delivered.last_mut() {
                Some(claim) if claim.last + 1 == seq => (claim.last, claim.head) = (seq, link.hash),
                _ => claims.delivered.push(Claim { first: seq, last: seq, head: link.hash }),
            }
            messages.push(Sent { id, link, message });
        }
        if round % 20 == 0 {
            let sessions = std::mem::take(&mut since).into_values().collect();
            tell(&Event::Marker(Marker { marker: round / 20, sessions, ..Marker::default() }));
        }
    }
    for session in 1..=SESSIONS {
        let messages = next[session as usize] - 1;
        tell(&Event::SessionClosed(Closed { session, statements: messages, messages }));
    }
    if ends {
        tell(&Event::InstanceStopped(Totals::default()));
    }
    Written { records, messages }
}

fn started() -> Event {
    Event::InstanceStarted(Started {
        proxy: "p".to_owned(),
        version: "0".to_owned(),
        sink: "s".to_owned(),
        markers_ms: 1,
        public_key: None,
    })
}

fn opened(session: u64) -> Opened {
    Opened {
        session,
        connection_id: None,
        user: Some("u".to_owned()),
        database: None,
        address: "192.0.2.1:5".to_owned(),
        attributes: BTreeMap::new(),
        tls: None,
    }
}

fn verified_with(written: &Written, key: Option<PublicKey>, retention: Retention) -> Report {
    let mut verification = Verification::new("test".to_owned(), key, retention);
    written.records.iter().for_each(|line| verification.record(line));
    for Sent { id, link, message } in &written.messages {
        verification.message(&Seen { id: *id, link: *link, message, place: 0 });
    }
    verification.finish()
}

fn verified(written: &Written) -> Report {
    verified_with(written, Some(signer().public_key()), Retention::default())
}

fn kinds(report: &Report) -> Vec<(Kind, Option<(u64, u64)>)> {
    report.findings.iter().map(|finding| (finding.kind, finding.span.map(|span| (span.session, span.first)))).collect()
}

fn at(sent: &Sent) -> Option<(u64, u64)> {
    Some((sent.id.session, sent.id.seq))
}

/// Plants a fault in many streams: what is found is what the planter says.
fn each(plant: impl Fn(&mut Written, &mut Random) -> Vec<(Kind, Option<(u64, u64)>)>) {
    for seed in 1..=50 {
        let mut random = Random(seed * 7919);
        let mut written = written(&mut random, false, true);
        let expected = plant(&mut written, &mut random);
        let report = verified(&written);
        assert_eq!(kinds(&report), expected, "seed {seed}: {report:#?}");
        assert!(!report.complete || expected.is_empty());
    }
}

fn edited(sent: &mut Sent) {
    let at = sent.message.iter().position(u8::is_ascii_digit).unwrap();
    sent.message[at] ^= 1;
}

#[test]
fn what_is_whole_is_complete() {
    each(|_, _| Vec::new());
    let report = verified(&written(&mut Random(1), false, true));
    assert_eq!((report.messages, report.proven, report.sessions, report.markers), (200, 200, 4, 10));
}

#[test]
fn a_message_that_was_edited() {
    each(|written, random| {
        let place = random.below(written.messages.len());
        edited(&mut written.messages[place]);
        vec![(Kind::Edited, at(&written.messages[place]))]
    });
}

#[test]
fn a_message_that_was_edited_with_its_hash() {
    each(|written, random| {
        let place = random.below(written.messages.len());
        let sent = &mut written.messages[place];
        edited(sent);
        sent.link = Link::of(sent.link.previous, &sent.id, &sent.message);
        vec![(Kind::Edited, at(sent))]
    });
}

#[test]
fn a_chain_that_was_written_again() {
    // From the edited message on, all of the session's: the marker after it knows better.
    each(|written, random| {
        let place = random.below(written.messages.len());
        let session = written.messages[place].id.session;
        edited(&mut written.messages[place]);
        let mut previous = written.messages[place].link.previous;
        for sent in written.messages[place..].iter_mut().filter(|sent| sent.id.session == session) {
            sent.link = Link::of(previous, &sent.id, &sent.message);
            previous = sent.link.hash;
        }
        let report = verified(written);
        assert!(report.is_damaged() && kinds(&report).iter().all(|(kind, _)| *kind == Kind::Edited));
        kinds(&report)
    });
}

#[test]
fn a_message_that_was_removed() {
    each(|written, random| {
        let place = random.below(written.messages.len());
        let removed = written.messages.remove(place);
        vec![(Kind::Removed, at(&removed))]
    });
}

#[test]
fn messages_whose_contents_have_changed_places() {
    each(|written, random| {
        let session = random.below(SESSIONS as usize) as u64 + 1;
        let of: Vec<_> = (0..200).filter(|place| written.messages[*place].id.session == session).collect();
        let first = random.below(of.len() - 1);
        let (one, other) = (of[first], of[first + 1]);
        let content = written.messages[one].message.clone();
        written.messages[one].message = std::mem::replace(&mut written.messages[other].message, content);
        vec![(Kind::Swapped, at(&written.messages[one]))]
    });
}

#[test]
fn messages_that_have_changed_places() {
    each(|written, random| {
        let session = random.below(SESSIONS as usize) as u64 + 1;
        let of: Vec<_> = (0..200).filter(|place| written.messages[*place].id.session == session).collect();
        let first = random.below(of.len() - 1);
        let late = at(&written.messages[of[first]]);
        written.messages.swap(of[first], of[first + 1]);
        vec![(Kind::Swapped, late)]
    });
}

#[test]
fn a_message_that_is_there_again_and_one_that_only_claims_to_be() {
    each(|written, random| {
        let again = written.messages[random.below(200)].clone();
        written.messages.push(again);
        assert_eq!(verified(written).redelivered, 1);
        Vec::new()
    });
    for has_hash in [false, true] {
        each(|written, random| {
            let mut again = written.messages[random.below(200)].clone();
            edited(&mut again);
            if has_hash {
                again.link = Link::of(again.link.previous, &again.id, &again.message);
            }
            written.messages.push(again.clone());
            vec![(Kind::Conflict, at(&again))]
        });
    }
}

/// A process is killed after half of the messages, of which markers cover the first 80; another one has those from `from` on from its spool, sends
/// them (again), and begins new chains and new markers for that.
fn sent_on(whole: &Written, from: usize) -> Written {
    let mut written = whole.clone();
    let is_lost = |line: &[u8]| {
        let line = std::str::from_utf8(line).unwrap();
        let is_late = (5..=10).any(|marker| line.contains(&format!("\"marker\":{marker},")));
        is_late || line.contains("session_closed") || line.contains("instance_stopped")
    };
    written.records.retain(|line| !is_lost(line));
    let again = written.messages.split_off(100);
    let again = [&written.messages[from..], &again].concat();
    let (mut scribe, mut heads) = (Scribe::new(Instance([6; 16]), Some(signer())), Heads::default());
    let mut sessions: BTreeMap<u64, SessionClaims> = BTreeMap::new();
    for Sent { id, message, .. } in again {
        let link = Link::of(heads.before(&id).unwrap_or_default(), &id, &message);
        heads.set(&id, link.hash);
        let new = SessionClaims { of: Some(INSTANCE), session: id.session, delivered: vec![], lost: vec![] };
        let claims = sessions.entry(id.session).or_insert(new);
        match claims.delivered.last_mut() {
            Some(claim) => (claim.last, claim.head) = (id.seq, link.hash),
            None => claims.delivered.push(Claim { first: id.seq, last: id.seq, head: link.hash }),
        }
        written.messages.push(Sent { id, link, message });
    }
    let marker = Marker { marker: 1, sessions: sessions.into_values().collect(), ..Marker::default() };
    for event in [started(), Event::Marker(marker), Event::InstanceStopped(Totals::default())] {
        let mut line = Vec::new();
        scribe.write(&event, 1_700_000_001_000, &mut line).unwrap();
        written.records.push(line);
    }
    written
}

#[test]
fn what_a_killed_process_left_in_its_spool_is_proven_by_the_next_one() {
    for seed in 1..=50 {
        let mut random = Random(seed * 7919);
        let whole = written(&mut random, false, true);
        let from = random.below(81);
        let report = verified(&sent_on(&whole, from));
        assert_eq!(kinds(&report), [], "seed {seed} from {from}: {report:#?}");
        assert_eq!((report.redelivered, report.proven), (100 - from as u64, 200), "seed {seed} from {from}");
        // An edit in any of it is found nevertheless.
        let mut damaged = sent_on(&whole, from);
        let place = random.below(damaged.messages.len());
        edited(&mut damaged.messages[place]);
        let sent = at(&damaged.messages[place]);
        let report = verified(&damaged);
        assert!(
            report.is_damaged() && kinds(&report).iter().all(|(_, place)| *place == sent),
            "seed {seed}: {report:#?}"
        );
    }
}

#[test]
fn records_that_are_missing_changed_or_unsigned() {
    let is_marker = |line: &Vec<u8>| memchr::memmem::find(line, b"\"event\":\"marker\"").is_some();
    let markers = |written: &Written| (0..written.records.len()).filter(|n| is_marker(&written.records[*n])).collect();
    each(|written, random| {
        let markers: Vec<usize> = markers(written);
        // The last ones would leave messages unproven, which is said too.
        written.records.remove(markers[random.below(5)]);
        vec![(Kind::MarkerMissing, None)]
    });
    each(|written, random| {
        let markers: Vec<usize> = markers(written);
        let line = &mut written.records[markers[random.below(5)]];
        let text = String::from_utf8(line.clone()).unwrap().replacen("\"delivered\":0", "\"delivered\":1", 1);
        *line = text.into_bytes();
        vec![(Kind::MarkerEdited, None)]
    });
    each(|written, random| {
        // An event, which is not signed itself, with its hash.
        let n = 1 + random.below(SESSIONS as usize);
        let mut scribe = Scribe::new(INSTANCE, None);
        let mut line = Vec::new();
        for record in 1..=n + 1 {
            line.clear();
            let session = if record == n + 1 { 77 } else { record as u64 };
            scribe.write(&Event::SessionOpened(opened(session)), 1, &mut line).unwrap();
        }
        written.records[n] = line;
        let report = verified(written);
        assert!(report.is_damaged());
        kinds(&report)
    });
    each(|written, random| {
        let markers: Vec<usize> = markers(written);
        let line = &mut written.records[markers[random.below(5)]];
        let cut = memchr::memmem::rfind(line, b",\"signature\"").unwrap();
        line.truncate(cut);
        line.push(b'}');
        vec![(Kind::Unsigned, None)]
    });
}

#[test]
fn another_key() {
    let other = PublicKey::from_pem(
        b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n-----END PUBLIC KEY-----\n",
    );
    let report = verified_with(&written(&mut Random(3), false, true), other.ok(), Retention::default());
    assert_eq!(kinds(&report), [(Kind::WrongKey, None)]);
}

#[test]
fn what_was_dropped_is_named_with_its_reason() {
    let written = written(&mut Random(5), true, true);
    let report = verified(&written);
    assert!(report.findings.iter().all(|finding| finding.kind == Kind::Dropped));
    assert_eq!(report.dropped, BTreeMap::from([("queue_full".to_owned(), 200 - report.messages)]));
    assert!(!report.complete && report.messages < 200 && report.proven == report.messages);
}

#[test]
fn a_full_spool_is_told_and_is_no_fault() {
    let (mut scribe, mut records) = (Scribe::new(INSTANCE, Some(signer())), Vec::new());
    let full = |since, held| SpoolFullness { policy: "block".to_owned(), since, held, ..SpoolFullness::default() };
    let (first, second) = (1_700_000_000_000, 1_700_000_009_000);
    for (time, event) in [
        (first, started()),
        (first, Event::SpoolFull(full(first, 0))),
        (first + 1_500, Event::SpoolHasRoom(full(first, 12))),
        (second, Event::SpoolFull(full(second, 0))),
        // The end of the process.
        (second + 700, Event::SpoolFull(full(second, 3))),
        (second + 701, Event::InstanceStopped(Totals::default())),
    ] {
        let mut line = Vec::new();
        scribe.write(&event, time, &mut line).unwrap();
        records.push(line);
    }
    let report = verified(&Written { records, messages: Vec::new() });
    assert!(report.complete && report.findings.is_empty(), "{report:#?}");
    let told: Vec<_> = report.spool_full.iter().map(ToString::to_string).collect();
    let [one, other] = &told[..] else { panic!("{told:?}") };
    assert!(one.ends_with(
        " from 2023-11-14T22:13:20Z to 2023-11-14T22:13:21.5Z: 12 requests waited, 0 messages dropped, 0 requests refused (--spool-full=block)"
    ), "{one}");
    assert!(other.contains(" from 2023-11-14T22:13:29Z, with no record of its end: 3 requests waited"), "{other}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["spoolFull"][0]["until"], first + 1_500);
    assert_eq!((json["spoolFull"][0]["held"].as_u64(), json["spoolFull"][1]["until"].as_u64()), (Some(12), None));
}

#[test]
fn what_no_marker_covers_is_unproven_and_what_retention_removed_is_expired() {
    let mut late = written(&mut Random(9), false, false);
    // The process was killed after its eighth marker.
    let markers: Vec<_> = (0..late.records.len())
        .filter(|n| memchr::memmem::find(&late.records[*n], b"\"event\":\"marker\"").is_some())
        .collect();
    late.records.truncate(markers[7] + 1);
    let report = verified(&late);
    assert_eq!((report.unproven, report.proven), (40, 160));
    assert!(report.is_complete_so_far() && !report.complete);
    // The first hundred messages are gone, and the first records.
    let mut early = written(&mut Random(9), false, true);
    early.messages.drain(..100);
    early.records.drain(..3);
    let retention = Retention { messages: BTreeMap::from([(0, u64::MAX)]), records: true, is_part: false };
    let report = verified_with(&early, Some(signer().public_key()), retention);
    assert_eq!((report.expired, report.messages, report.complete), (100, 100, true), "{report:#?}");
    // Without retention that is another matter.
    assert_eq!(verified(&early).findings.iter().filter(|finding| finding.kind == Kind::Removed).count(), 4);
}

#[test]
fn lines_of_a_file_are_found_where_they_are() {
    let written = written(&mut Random(11), false, true);
    let expected: Vec<_> = written.messages.iter().map(|sent| Expected { id: sent.id, link: sent.link }).collect();
    let whole: Vec<&[u8]> = written.messages.iter().map(|sent| sent.message.as_slice()).collect();
    assert_eq!(align(&expected, &[], &|at| at, &whole).matched.len(), 200);
    for seed in 1..=50 {
        let place = Random(seed * 104_729).below(199);
        let mut lines = whole.clone();
        lines.remove(place);
        assert_eq!(align(&expected, &[], &|at| at, &lines).removed, [place]);
        let mut lines = whole.clone();
        lines.insert(place, b"{}");
        assert_eq!(align(&expected, &[], &|at| at, &lines).added, [place]);
        let mut lines = whole.clone();
        lines[place] = b"{}";
        assert_eq!(align(&expected, &[], &|at| at, &lines).edited, [(place, place)]);
        let mut lines = whole.clone();
        lines.swap(place, place + 1);
        let alignment = align(&expected, &[], &|at| at, &lines);
        assert_eq!((alignment.moved, alignment.added.len(), alignment.removed.len()), (vec![place + 1], 0, 0));
        // Far apart.
        let other = (place + 100) % 200;
        let mut lines = whole.clone();
        lines.swap(place, other);
        let mut alignment = align(&expected, &[], &|at| at, &lines);
        alignment.moved.sort_unstable();
        assert_eq!(alignment.moved, [place.min(other), place.max(other)]);
    }
}

#[test]
fn what_a_killed_process_has_written_without_saying_so_is_no_edit() {
    let written = written(&mut Random(11), false, true);
    let expected: Vec<_> = written.messages.iter().map(|sent| Expected { id: sent.id, link: sent.link }).collect();
    let whole: Vec<&[u8]> = written.messages.iter().map(|sent| sent.message.as_slice()).collect();
    // More than are looked for ahead.
    let left: Vec<Vec<u8>> = (0..300).map(|n| format!("left {n}").into_bytes()).collect();
    let left = left.iter().map(Vec::as_slice);
    let lines: Vec<&[u8]> =
        whole[..70].iter().copied().chain(left.clone()).chain(whole[70..].iter().copied()).collect();
    let alignment = align(&expected, &[0, 70], &|at| at + 250, &lines);
    assert_eq!((alignment.matched.len(), alignment.left.len()), (200, 300), "{alignment:?}");
    assert!(alignment.added.is_empty() && alignment.edited.is_empty() && alignment.moved.is_empty());
    // Also where its successor's first line is gone.
    let lines: Vec<&[u8]> = whole[..70].iter().copied().chain(left).chain(whole[71..].iter().copied()).collect();
    let alignment = align(&expected, &[0, 70], &|at| at + 250, &lines);
    assert_eq!((alignment.matched.len(), alignment.left.len(), alignment.edited.len()), (199, 299, 1));
}
