use proptest::prelude::*;

use super::super::unhex;
use super::*;

/// Bodies of events that a MySQL 9.7.4 wrote; what is expected of them is what its `mysqlbinlog` prints.
const ROWS: &str = "00abda21a4e5a911f1beca02fc0000000102000000000000000201000000000000\
    00020000000000000032ae68c5c86006fc160150620100";
const DDL: &str = "01abda21a4e5a911f1beca02fc000000010100000000000000020000000000000000\
    0100000000000000206e68c5c86006e550620100";
const REPLICATED: &str = "001111111122223333444455555555555509000000000000000200000000000000000100000000000000\
    f947f6e6c8608640e2a50731af05fc220150620180a4380100";
const ANONYMOUS: &str = "00000000000000000000000000000000000000000000000000020000000000000000\
    01000000000000006c03f8e6c86006fc190150620100";
const TAGGED: &str = "027800000002ad0269034291029503a50222c503f902290304f103000000020404060a6d7974616708040a100c7f\
    e5b268c5c860061075041283120b";
const TAGGED_LARGEST: &str = "02700000000222222222444466668888aaaaaaaaaaaa04fffcffffffffffffff06047a7a08040a240c7f\
    d59b69c5c860061061041283120b";
const TAGGED_REPLICATED: &str = "027a0000000222222222444466668888aaaaaaaaaaaa041006047a7a08000a040c7f\
    8b5348e8c860060e7f40e2a50731af051071041283120b1423c509";

const A: &str = "11111111-2222-3333-4444-555555555555";
const B: &str = "abda21a4-e5a9-11f1-beca-02fc00000001";

fn parse(event_type: u8, body: &str) -> GtidEvent {
    GtidEvent::parse(event_type, &unhex(body)).unwrap()
}

fn expected(gtid: String, logical: [i64; 2], timestamps: [u64; 2], length: u64, original_version: u32) -> GtidEvent {
    GtidEvent {
        gtid: Some(gtid.parse().unwrap()),
        flags: 0,
        last_committed: Some(logical[0]),
        sequence_number: Some(logical[1]),
        immediate_commit_timestamp: Some(timestamps[0]),
        original_commit_timestamp: Some(timestamps[1]),
        transaction_length: Some(length),
        immediate_server_version: Some(90_704),
        original_server_version: Some(original_version),
        commit_group_ticket: None,
    }
}

#[test]
fn untagged_events() {
    let time = 1_795_265_281_961_522;
    assert_eq!(parse(33, ROWS), expected(format!("{B}:2"), [1, 2], [time, time], 278, 90_704));
    let ddl = parse(33, DDL);
    assert_eq!(ddl.gtid.unwrap().to_string(), format!("{B}:1"));
    assert_eq!((ddl.may_have_sbr(), ddl.transaction_length), (true, Some(229)));
    let times = [1_795_265_844_889_593, 1_600_000_000_123_456];
    assert_eq!(parse(33, REPLICATED), expected(format!("{A}:9"), [0, 1], times, 290, 80_036));
    let time = 1_795_265_845_003_116;
    let anonymous = GtidEvent { gtid: None, ..expected(format!("{A}:9"), [0, 1], [time, time], 281, 90_704) };
    assert_eq!(parse(34, ANONYMOUS), anonymous);
}

#[test]
fn tagged_events() {
    let time = 1_795_265_281_962_725;
    assert_eq!(parse(42, TAGGED), expected(format!("{B}:mytag:1"), [1, 4], [time, time], 285, 90_704));
    let time = 1_795_265_282_022_357;
    let largest = expected(format!("{A}:zz:9223372036854775806"), [1, 9], [time, time], 280, 90_704);
    assert_eq!(parse(42, TAGGED_LARGEST), largest);
    let times = [1_795_265_867_043_723, 1_600_000_000_123_456];
    assert_eq!(parse(42, TAGGED_REPLICATED), expected(format!("{A}:zz:4"), [0, 1], times, 284, 80_036));
}

#[test]
fn older_servers_send_less() {
    let body = unhex(REPLICATED);
    let cut = |length: usize| GtidEvent::parse(33, &body[..length]).unwrap();
    let of_5_6 = cut(25);
    assert_eq!((of_5_6.gtid.unwrap().sequence(), of_5_6.sequence_number), (9, None));
    let of_5_7 = cut(42);
    assert_eq!((of_5_7.sequence_number, of_5_7.immediate_commit_timestamp), (Some(1), None));
    let of_8_0_1 = cut(56);
    assert_eq!((of_8_0_1.original_commit_timestamp, of_8_0_1.transaction_length), (Some(1_600_000_000_123_456), None));
    let of_8_0_2 = cut(59);
    assert_eq!((of_8_0_2.transaction_length, of_8_0_2.immediate_server_version), (Some(290), None));
    // Between two fields only.
    for length in (0..25).chain(26..42).chain(43..56).chain(57..59).chain(60..67) {
        assert!(GtidEvent::parse(33, &body[..length]).is_err(), "{length} bytes");
    }
    // Another kind of logical time, from before 5.7.5.
    let mut old = body[..42].to_vec();
    old[25] = 1;
    assert_eq!(GtidEvent::parse(33, &old).unwrap().sequence_number, None);
    let ticket = GtidEvent::parse(33, &[&body[..], &[7, 0, 0, 0, 0, 0, 0, 0]].concat()).unwrap();
    assert_eq!(ticket.commit_group_ticket, Some(7));
}

#[test]
fn type_and_number_have_to_fit() {
    assert!(GtidEvent::parse(33, &unhex(ANONYMOUS)).is_err());
    assert!(GtidEvent::parse(34, &unhex(ROWS)).is_err());
    assert!(GtidEvent::parse(42, &unhex(ROWS)).is_err());
    assert!(GtidEvent::parse(35, &unhex(ROWS)).is_err());
    assert!((0..=255).filter(|event_type| GtidEvent::is_type(*event_type)).eq([33, 34, 42]));
}

#[test]
fn tagged_events_of_a_later_server() {
    let body = unhex(TAGGED);
    for length in 0..body.len() {
        assert!(GtidEvent::parse(42, &body[..length]).is_err(), "{length} bytes");
    }
    let patched = |at: usize, byte: u8, more: &[u8]| {
        let mut body = [&body[..], more].concat();
        body[at] = byte;
        GtidEvent::parse(42, &body)
    };
    let size = |more: usize| ((60 + more) << 1) as u8;
    let plain = parse(42, TAGGED);
    // Field 12 and its value; then field 11, which would be a ticket, out of order.
    assert_eq!(patched(1, size(3), &[12 << 1, 0xaa, 0xbb]), Ok(plain));
    assert_eq!(patched(1, size(2), &[11 << 1, 5 << 1]), Ok(GtidEvent { commit_group_ticket: Some(5), ..plain }));
    assert!(patched(1, size(2), &[7 << 1, 5 << 1]).is_err());
    assert!(patched(2, 12 << 1, &[]).is_err(), "a field that must not be ignored");
    assert!(patched(0, 2 << 1, &[]).is_err(), "a version from the future");
    assert!(patched(1, 0, &[]).is_err(), "a size that ends before the size");
    // What is after the message is not part of it.
    assert_eq!(patched(1, size(0), &[11 << 1, 5 << 1]), Ok(plain));
}

proptest! {
    #[test]
    fn any_bytes_are_an_event_or_an_error(bytes: Vec<u8>, at in 0_usize..80, byte: u8, which in 0_usize..7) {
        for event_type in [33, 34, 42] {
            let _ = GtidEvent::parse(event_type, &bytes);
        }
        let captured = [ROWS, DDL, REPLICATED, ANONYMOUS, TAGGED, TAGGED_LARGEST, TAGGED_REPLICATED];
        let mut damaged = unhex(captured[which]);
        let at = at % damaged.len();
        damaged[at] = byte;
        for event_type in [33, 34, 42] {
            let _ = GtidEvent::parse(event_type, &damaged);
        }
    }
}
