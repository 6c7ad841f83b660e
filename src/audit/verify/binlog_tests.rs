//! Runs of a reader of binlogs, the second of which goes on at a checkpoint of the first, which was killed.

use super::*;
use crate::audit::Hash;
use crate::audit::{
    Begins, Claim, Event, Heads, Marker, Scribe, SessionClaims, Started, StreamClosed, StreamOpened, StreamPosition,
    Totals,
};

const ROWS: u64 = 40;

struct Sent {
    id: MessageId,
    link: Link,
    message: Vec<u8>,
    place: u32,
}

/// What one run has written: rows `from..to`, of which markers cover those before `marked`.
struct Run {
    records: Vec<Vec<u8>>,
    messages: Vec<Sent>,
}

fn at(offset: u64) -> StreamPosition {
    StreamPosition { file: "binlog.000001".to_owned(), offset, ..StreamPosition::default() }
}

/// Row `n` of the binlog, which is its `n`th event.
fn row(n: u64) -> Vec<u8> {
    let position = format!(r#"{{"file":"binlog.000001","offset":{n}}}"#);
    format!(r#"{{"type":"insert","after":{{"v":{n}}},"gtid":null,"position":{position},"rowIndex":0}}"#).into_bytes()
}

fn run(number: u8, begins: Begins, from: u64, marked: u64, to: u64) -> Run {
    let instance = Instance([number; 16]);
    let (mut scribe, mut heads) = (Scribe::new(instance, None), Heads::default());
    let (mut records, mut messages) = (Vec::new(), Vec::new());
    let mut tell = |event: &Event| {
        let mut line = Vec::new();
        scribe.write(event, u64::from(number) * 1_000, &mut line).unwrap();
        records.push(line);
    };
    let (proxy, version, sink) = (format!("a@{number}"), "0".to_owned(), "s".to_owned());
    tell(&Event::InstanceStarted(Started { proxy, version, sink, markers_ms: 1, public_key: None }));
    tell(&Event::StreamOpened(StreamOpened { begins, position: at(from) }));
    for n in from..to {
        let id = MessageId { instance, session: 1, seq: n - from + 1 };
        let message = row(n);
        let link = Link::of(heads.before(&id).unwrap_or_default(), &id, &message);
        heads.set(&id, link.hash);
        // Keys spread the rows of a topic over its partitions.
        messages.push(Sent { id, link, message, place: u32::try_from(n % 3).unwrap() });
        if n + 1 == marked {
            let claim = Claim { first: 1, last: id.seq, head: link.hash };
            let sessions = vec![SessionClaims { of: None, session: 1, delivered: vec![claim], lost: vec![] }];
            tell(&Event::Marker(Marker { marker: 1, position: Some(at(marked)), sessions, totals: Totals::default() }));
        }
    }
    if marked == to {
        tell(&Event::StreamClosed(StreamClosed { position: at(to) }));
        tell(&Event::InstanceStopped(Totals::default()));
    }
    Run { records, messages }
}

fn relate(position: &StreamPosition, other: &StreamPosition) -> Relation {
    match position.offset.cmp(&other.offset) {
        std::cmp::Ordering::Less => Relation::Before,
        std::cmp::Ordering::Equal => Relation::Same,
        std::cmp::Ordering::Greater => Relation::After,
    }
}

/// The first is killed when it has delivered 30 rows, of which markers cover 20; the second goes on after `from`.
fn two_runs(from: u64) -> [Run; 2] {
    [run(1, Begins::Asked, 0, 20, 30), run(2, Begins::Checkpoint, from, ROWS, ROWS)]
}

fn verified(runs: &[Run], retention: Retention) -> Report {
    let mut verification = Verification::new("test".to_owned(), None, retention).related_by(relate);
    runs.iter().flat_map(|run| &run.records).for_each(|line| verification.record(line));
    for Sent { id, link, message, place } in runs.iter().flat_map(|run| &run.messages) {
        verification.message(&Seen { id: *id, link: *link, message, place: *place });
    }
    verification.finish()
}

fn kinds(report: &Report) -> Vec<(Kind, Option<u64>)> {
    report.findings.iter().map(|finding| (finding.kind, finding.span.map(|span| span.first))).collect()
}

#[test]
fn what_a_killed_run_has_delivered_after_its_last_marker_is_proven_by_the_next_one() {
    for from in [20, 15, 0] {
        let report = verified(&two_runs(from), Retention::default());
        assert!(report.complete, "{report:#?}");
        assert_eq!((report.messages, report.read_again, report.streams), (70 - from, 30 - from, 2));
        assert_eq!((report.seamless, report.overlapping), (u64::from(from == 20), u64::from(from != 20)));
    }
}

#[test]
fn rows_that_no_run_has_are_a_gap() {
    let report = verified(&two_runs(25), Retention::default());
    assert_eq!(kinds(&report), [(Kind::Gap, None), (Kind::Unproven, Some(21))], "{report:#?}");
    assert_eq!(report.unproven, 5);
}

#[test]
fn a_row_that_is_not_the_same_in_another_run_is_a_conflict() {
    let [first, mut second] = two_runs(15);
    let mut previous = Hash::default();
    // With its hashes, and without a marker that would know better.
    for sent in &mut second.messages {
        if sent.id.seq == 3 {
            sent.message = String::from_utf8(row(17)).unwrap().replace("\"v\":17", "\"v\":71").into_bytes();
        }
        sent.link = Link::of(previous, &sent.id, &sent.message);
        previous = sent.link.hash;
    }
    second.records.truncate(2);
    let report = verified(&[first, second], Retention::default());
    assert!(kinds(&report).contains(&(Kind::Conflict, Some(3))), "{report:#?}");
    assert!(kinds(&report).iter().all(|(kind, _)| matches!(kind, Kind::Conflict | Kind::Unproven)), "{report:#?}");
}

#[test]
fn what_the_next_run_does_not_confirm_stays_unproven() {
    let [mut first, second] = two_runs(20);
    let sent = &mut first.messages[27];
    sent.message = row(99);
    sent.link = Link::of(sent.link.previous, &sent.id, &sent.message);
    let report = verified(&[first, second], Retention::default());
    assert_eq!(kinds(&report), [(Kind::Unproven, Some(28))], "{report:#?}");
}

#[test]
fn a_row_that_was_removed_or_edited() {
    for place in 0..20 {
        let [mut first, second] = two_runs(20);
        let gone = first.messages.remove(place);
        let report = verified(&[first, second], Retention::default());
        assert_eq!(kinds(&report), [(Kind::Removed, Some(gone.id.seq))], "{report:#?}");
        let [mut first, second] = two_runs(20);
        first.messages[place].message = row(77);
        let report = verified(&[first, second], Retention::default());
        assert_eq!(kinds(&report), [(Kind::Edited, Some(place as u64 + 1))], "{report:#?}");
    }
}

#[test]
fn a_partition_whose_beginning_is_gone_explains_only_its_own_rows() {
    let with_first = |sent: &Sent| sent.place != 1 || sent.id.seq > 8;
    let retention = || Retention { messages: BTreeMap::from([(1, 0)]), ..Retention::default() };
    let [mut first, second] = two_runs(20);
    first.messages.retain(with_first);
    let report = verified(&[first, second], retention());
    assert!(report.complete, "{report:#?}");
    assert_eq!(report.expired, 3);
    // A row of another partition is younger than those.
    let [mut first, second] = two_runs(20);
    first.messages.retain(with_first);
    first.messages.retain(|sent| sent.id.seq != 15);
    let report = verified(&[first, second], retention());
    assert_eq!(kinds(&report).iter().filter(|(kind, _)| *kind == Kind::Removed).count(), 1, "{report:#?}");
}
