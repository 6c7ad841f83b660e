use proptest::prelude::*;

use super::super::{MariaDbGtidSet, unhex};
use super::*;

/// Bodies of events that a MariaDB 10.11 wrote, and the GTIDs that its `SHOW BINLOG EVENTS` prints.
const DDL: &str = "01000000000000000000000029000000000000";
const LARGEST: &str = "feffffffffffffffffffffff0c000000000000";
const XA_PREPARE: &str = "0500000000000000000000004c030000000101616201ff";
const XA_ROLLBACK: &str = "0800000000000000000000008d01000000010063";
const START_ALTER: &str = "09000000000000000000000029020000000000";
const COMMIT_ALTER: &str = "0a000000000000000000000029040900000000000000";
const GROUP_COMMIT: &str = "0100000000000000000000000e4f00000000000000";
const LIST: &str = "04000000000000000700000001000000000000000000000008000000020000000000000003000000\
    090000000100000000000000ffffffff09000000feffffffffffffff";

#[test]
fn gtid_events() {
    type Flags = MariaDbGtidFlags;
    let bodies = [DDL, LARGEST, XA_PREPARE, XA_ROLLBACK, START_ALTER, COMMIT_ALTER, GROUP_COMMIT].map(unhex);
    let [ddl, largest, prepare, rollback, start, commit, group] =
        bodies.each_ref().map(|body| MariaDbGtidEvent::parse(9, body).unwrap());

    assert_eq!(
        (ddl.gtid.to_string(), ddl.flags),
        ("0-9-1".into(), Flags::DDL | Flags::STANDALONE | Flags::ALLOW_PARALLEL)
    );
    assert_eq!((ddl.commit_id, ddl.xid, ddl.extra_flags), (None, None, MariaDbExtraFlags::empty()));
    assert_eq!(largest.gtid.to_string(), "4294967295-9-18446744073709551614");
    assert_eq!(largest.flags, Flags::TRANSACTIONAL | Flags::ALLOW_PARALLEL);

    // XA START X'61',X'62',3 with a second engine
    assert_eq!(prepare.xid, Some(Xid { format_id: 3, gtrid: b"a", bqual: b"b" }));
    assert_eq!(prepare.flags, Flags::TRANSACTIONAL | Flags::ALLOW_PARALLEL | Flags::PREPARED_XA);
    assert_eq!((prepare.extra_flags, prepare.extra_engines), (MariaDbExtraFlags::MULTI_ENGINE, Some(255)));
    // XA ROLLBACK X'63',X'',1: the body ends with the name
    assert_eq!(rollback.xid, Some(Xid { format_id: 1, gtrid: b"c", bqual: b"" }));
    assert!(rollback.flags.contains(Flags::COMPLETED_XA) && rollback.extra_flags.is_empty());

    assert_eq!((start.extra_flags, start.start_alter_sequence), (MariaDbExtraFlags::START_ALTER, None));
    assert_eq!((commit.extra_flags, commit.start_alter_sequence), (MariaDbExtraFlags::COMMIT_ALTER, Some(9)));
    assert_eq!((group.gtid.sequence, group.commit_id), (1, Some(0x4f)));
}

#[test]
fn everything_at_once() {
    let mut body = unhex("0100000000000000000000004e0700000000000000010000000202616263641f020900000000000000");
    body.extend(77_u32.to_le_bytes());
    let event = MariaDbGtidEvent::parse(1, &body).unwrap();
    assert_eq!(event.xid, Some(Xid { format_id: 1, gtrid: b"ab", bqual: b"cd" }));
    assert_eq!((event.commit_id, event.extra_engines), (Some(7), Some(2)));
    assert_eq!((event.start_alter_sequence, event.thread_id), (Some(9), Some(77)));
    for length in 0..body.len() {
        // The name may be the last that a server sends.
        assert_eq!(MariaDbGtidEvent::parse(1, &body[..length]).is_ok(), length == 31, "{length} bytes");
    }
}

#[test]
fn lists() {
    let body = unhex(LIST);
    let list = parse_gtid_list(&body).unwrap();
    let texts: Vec<String> = list.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["0-7-1", "0-8-2", "3-9-1", "4294967295-9-18446744073709551614"]);
    // @@gtid_binlog_pos at that point
    let position: MariaDbGtidSet = list.into_iter().collect();
    assert_eq!(position.to_string(), "0-8-2,3-9-1,4294967295-9-18446744073709551614");
    assert_eq!(parse_gtid_list(&unhex("000000000000")), Ok(Vec::new()));
    for length in 0..body.len() {
        assert!(parse_gtid_list(&body[..length]).is_err(), "{length} bytes");
    }
    // Flags beside the count, and a count that is not to be believed.
    assert_eq!(parse_gtid_list(&unhex("00000010")), Ok(Vec::new()));
    assert!(parse_gtid_list(&unhex("ffffff0f")).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_an_event_or_an_error(bytes: Vec<u8>, flags: u8, extra: u8) {
        let _ = (MariaDbGtidEvent::parse(1, &bytes), parse_gtid_list(&bytes));
        let with_flags = [&[0; 12][..], &[flags], &bytes].concat();
        let _ = MariaDbGtidEvent::parse(1, &with_flags);
        let _ = MariaDbGtidEvent::parse(1, &[&[0; 13][..], &[extra], &bytes].concat());
        let _ = parse_gtid_list(&[&[flags, 0, 0, extra][..], &bytes].concat());
    }
}
