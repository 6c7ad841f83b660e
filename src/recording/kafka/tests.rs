//! Records as messages, and a player's share of them.

use proptest::prelude::*;

use super::progress::{Done, Unfinished, Zero};
use super::share::{Share, Turn};
use super::wire::{decode, encode};
use crate::mysql::wire::{CapabilityFlags, Command, StatusFlags};
use crate::recording::{
    Event, Param, ParamValue, PreparedBefore, QueryAttribute, Record, RecordedAnswer, RecordedCommand, RecordedError,
    RecordedResult, RecordingAbout, RecordingSource, SessionBegin, SessionClose, SessionId, SessionSettings,
    UserChange,
};
use crate::session::{Now, RowChecksum};

fn about() -> RecordingAbout {
    RecordingAbout::new(RecordingSource::Proxy, 7, 1_000)
}

fn bytes() -> impl Strategy<Value = bytes::Bytes> {
    prop::collection::vec(any::<u8>(), 0..20).prop_map(Into::into)
}

fn param() -> impl Strategy<Value = Param> {
    let value = prop_oneof![
        Just(ParamValue::Null),
        bytes().prop_map(ParamValue::Given),
        Just(ParamValue::LongData),
        Just(ParamValue::Default),
        Just(ParamValue::Ignore),
    ];
    (any::<u16>(), value).prop_map(|(column_type, value)| Param { column_type, value })
}

fn result() -> impl Strategy<Value = RecordedResult> {
    let error = (any::<u16>(), prop::option::of("[0-9A-Z]{5}"), ".*")
        .prop_map(|(code, state, message)| RecordedAnswer::Error(RecordedError { code, state, message }));
    let checksum = (any::<u64>(), any::<u64>()).prop_map(|(ordered, unordered)| RowChecksum { ordered, unordered });
    let answer = prop_oneof![
        (any::<u64>(), any::<u64>())
            .prop_map(|(affected_rows, last_insert_id)| RecordedAnswer::Ok { affected_rows, last_insert_id }),
        (any::<u64>(), prop::option::of(checksum))
            .prop_map(|(count, checksum)| RecordedAnswer::Rows { count, checksum }),
        (any::<u16>(), any::<u16>()).prop_map(|(params, columns)| RecordedAnswer::Prepared { params, columns }),
        Just(RecordedAnswer::Packet),
        error,
        ".*".prop_map(RecordedAnswer::Unknown),
    ];
    (answer, prop::option::of(any::<u16>()), prop::option::of(any::<u16>())).prop_map(|(answer, status, warnings)| {
        RecordedResult { answer, status: status.map(StatusFlags::from_bits_retain), warnings }
    })
}

fn command() -> impl Strategy<Value = RecordedCommand> {
    let texts =
        (any::<u8>(), prop::option::of(bytes()), prop::option::of(bytes()), prop::collection::vec(bytes(), 0..3));
    let params = (prop::collection::vec(param(), 0..4), prop::collection::vec((bytes(), param()), 0..3), any::<u32>());
    let flags = (any::<bool>(), any::<bool>(), prop::option::of(any::<u32>()), prop::option::of(any::<u64>()));
    let user = prop::option::of(("[a-z]{0,3}", prop::option::of("[a-z]{1,3}"), prop::option::of(any::<u16>())));
    (texts, params, flags, user, prop::collection::vec(result(), 0..3)).prop_map(
        |(
            (byte, sql, argument, files),
            (params, attributes, param_rows),
            (truncated, undecodable, statement, duration_ns),
            user,
            results,
        )| {
            RecordedCommand {
                command: Command::from_byte(byte),
                sql: sql.map(|sql| sql.as_ref().into()),
                truncated,
                statement,
                params,
                attributes: attributes.into_iter().map(|(name, param)| QueryAttribute { name, param }).collect(),
                param_rows,
                undecodable,
                argument,
                change_user: user.map(|(user, database, collation)| Box::new(UserChange { user, database, collation })),
                files,
                duration_ns,
                results,
            }
        },
    )
}

fn begin() -> impl Strategy<Value = SessionBegin> {
    let text = || prop::option::of(".{0,5}");
    (any::<[bool; 3]>(), text(), text(), text(), prop::option::of(any::<u64>()), bytes(), any::<u16>()).prop_map(
        |([began_before, in_transaction, autocommit], user, database, zone, capabilities, sql, collation)| {
            SessionBegin {
                began_before,
                in_transaction,
                user,
                database,
                capabilities: capabilities.map(CapabilityFlags::from_bits_retain),
                attributes: vec![("_pid".to_owned(), "7".to_owned())],
                settings: SessionSettings {
                    time_zone: zone,
                    login_collation: Some(collation),
                    autocommit: Some(autocommit),
                    ..SessionSettings::default()
                },
                prepared: vec![PreparedBefore { id: 5, sql }],
                refused: autocommit.then(|| RecordedError { code: 1045, state: None, message: "no".to_owned() }),
                ..SessionBegin::default()
            }
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        begin().prop_map(|begin| Event::Begin(Box::new(begin))),
        command().prop_map(|command| Event::Command(Box::new(command))),
        ".*".prop_map(Event::Lost),
        Just(Event::End(SessionClose::Quit)),
        Just(Event::End(SessionClose::Closed)),
        Just(Event::End(SessionClose::RecordingEnded)),
    ]
}

proptest! {
    #[test]
    fn a_record_is_read_as_it_was_written(event in event(), session in any::<u64>(), number in any::<u64>(), ns in any::<u64>()) {
        let started = Now { monotonic_ns: ns, epoch_ms: ns / 7 };
        let record = Record { session: SessionId(session), number, started, event };
        let mut message = Vec::new();
        encode(&record, &about(), &mut message).unwrap();
        let (read, recording) = decode(&message).unwrap();
        prop_assert_eq!(recording.is_some(), matches!(read.event, Event::Begin(_)));
        prop_assert_eq!(read, record);
    }

    #[test]
    fn other_messages_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        prop_assert!(decode(&bytes).is_err());
    }
}

#[test]
fn a_newer_version_is_named() {
    let error = decode(br#"{"v":9,"what":"ever"}"#).unwrap_err().to_string();
    assert!(error.contains("version is 9") && error.contains("newer mysql-interceptor"), "{error}");
    assert!(decode(br#"{"sql":"SELECT 1"}"#).is_err());
}

/// A record of session `id` at `ms`.
fn record(id: u64, number: u64, ms: u64, event: Event) -> Record {
    Record {
        session: SessionId(id),
        number,
        started: Now { monotonic_ns: ms * 1_000_000, epoch_ms: 1_000 + ms },
        event,
    }
}

fn begins(id: u64, ms: u64) -> Record {
    record(id, 0, ms, Event::Begin(Box::default()))
}

fn writes(id: u64, number: u64, ms: u64) -> Record {
    let sql: &[u8] = b"INSERT INTO t VALUES (1)";
    let answer = RecordedAnswer::Ok { affected_rows: 1, last_insert_id: 0 };
    let status = Some(StatusFlags::AUTOCOMMIT);
    let results = vec![RecordedResult { answer, status, warnings: None }];
    let command = RecordedCommand { sql: Some(sql.into()), results, ..RecordedCommand::new(Command::Query) };
    record(id, number, ms, Event::Command(Box::new(command)))
}

fn ends(id: u64, number: u64, ms: u64) -> Record {
    record(id, number, ms, Event::End(SessionClose::Quit))
}

/// One partition with two sessions that overlap, and one after them.
fn topic() -> Vec<Record> {
    vec![
        begins(1, 0),
        begins(2, 1),
        writes(1, 1, 2),
        writes(2, 1, 3),
        ends(2, 2, 4),
        begins(3, 5),
        writes(1, 2, 6),
        writes(3, 1, 7),
        ends(3, 2, 8),
        ends(1, 3, 9),
    ]
}

fn share(before: Done) -> Share {
    let mut share = Share { zero: Some(Zero { recorded_ns: 1_000_000_000, start_ms: 0 }), ..Share::default() };
    let from = usize::try_from(before.offset()).unwrap();
    share.assign(0, before, 10);
    for (offset, record) in topic().into_iter().enumerate().skip(from) {
        share.push(0, offset as i64, record, Some(about()));
    }
    share
}

/// Hands everything out; sessions that end are over on the target at once.
fn play(share: &mut Share, up_to: usize) -> Vec<(u64, u64)> {
    let mut played = Vec::new();
    while played.len() < up_to
        && let Turn::Record(record) = share.next(false)
    {
        played.push((record.session.0, record.number));
        let token = share.token(record.session).unwrap();
        share.began(record.session);
        if matches!(record.event, Event::End(_)) {
            share.ended(record.session, &token);
        }
    }
    played
}

/// Wherever a player is killed: the next one plays every session that is not over from its beginning, and no other.
#[test]
fn the_next_player_begins_again_what_is_not_over_and_nothing_else() {
    for killed_after in 0..=10 {
        let mut first = share(Done::default());
        let played = play(&mut first, killed_after);
        let done = first.parts[&0].done();
        let metadata = done.to_metadata(None);
        let (taken, _) = Done::from_metadata(done.offset(), &metadata);
        let mut second = share(taken);
        let again = play(&mut second, usize::MAX);
        let lengths = [(1, 4), (2, 3), (3, 3)];
        for (session, length) in lengths {
            let of = |played: &[(u64, u64)]| played.iter().filter(|(id, _)| *id == session).count();
            let (before, after) = (of(&played), of(&again));
            if before == length {
                assert_eq!(after, 0, "session {session} was over after {killed_after}");
            } else {
                assert_eq!(after, length, "session {session} was not over after {killed_after}");
            }
        }
        let interrupted = lengths.iter().filter(|(session, length)| {
            let before = played.iter().filter(|(id, _)| id == session).count();
            before > 0 && before < *length
        });
        assert_eq!(second.counts.begun_again as usize, interrupted.count(), "after {killed_after}");
        assert!(second.is_done());
        assert_eq!(second.parts[&0].done(), Done { next: 10, unfinished: Vec::new() });
    }
}

#[test]
fn writes_that_may_have_been_committed_are_counted() {
    let mut first = share(Done::default());
    play(&mut first, 4);
    let mut second = share(first.parts[&0].done());
    play(&mut second, usize::MAX);
    assert_eq!((second.counts.begun_again, second.counts.maybe_committed), (2, 2));
}

#[test]
fn a_partition_that_goes_takes_its_sessions_along() {
    let mut share = share(Done::default());
    play(&mut share, 3);
    let token = share.token(SessionId(1)).unwrap();
    let done = share.revoke(0).unwrap();
    assert_eq!(done.unfinished, [Unfinished { begin: 0, has_begun: true }, Unfinished { begin: 1, has_begun: true }]);
    assert!(token.is_cancelled());
    assert_eq!((share.closing.len(), share.counts.given_up), (2, 2));
    share.ended(SessionId(1), &token);
    assert_eq!(share.closing.len(), 1);
    assert_eq!(share.next(true), Turn::Nothing);
}

#[test]
fn records_that_come_twice_are_dropped_and_those_that_do_not_come_are_counted() {
    let mut share = Share { zero: Some(Zero { recorded_ns: 1_000_000_000, start_ms: 0 }), ..Share::default() };
    share.assign(0, Done::default(), 6);
    let all = [writes(9, 4, 0), begins(1, 1), writes(1, 1, 2), writes(1, 1, 2), writes(1, 4, 3), writes(1, 5, 4)];
    for (offset, record) in all.into_iter().enumerate() {
        share.push(0, offset as i64, record, Some(about()));
    }
    assert_eq!(play(&mut share, usize::MAX), [(1, 0), (1, 1), (1, 4), (1, 5)]);
    assert_eq!((share.counts.repeated, share.counts.missing, share.counts.without_beginning), (1, 2, 1));
    // It has no end in the topic.
    assert!(!share.is_done());
    let end = share.missing_end().unwrap();
    assert_eq!((end.number, end.event), (6, Event::End(SessionClose::RecordingEnded)));
    assert!(share.missing_end().is_none());
}

#[test]
fn the_earliest_of_all_partitions_comes_first() {
    let mut share = Share { zero: Some(Zero { recorded_ns: 1_000_000_000, start_ms: 0 }), ..Share::default() };
    share.assign(0, Done::default(), 2);
    share.assign(1, Done::default(), 1);
    share.push(0, 0, begins(1, 5), Some(about()));
    share.push(0, 1, ends(1, 1, 9), None);
    assert_eq!(share.next(false), Turn::Nothing);
    share.push(1, 0, begins(2, 7), Some(about()));
    assert_eq!(play(&mut share, usize::MAX), [(1, 0), (2, 0), (1, 1)]);
}
