use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::unhex;
use super::*;

const A: &str = "11111111-2222-3333-4444-555555555555";
const B: &str = "abda21a4-e5a9-11f1-beca-02fc00000001";

/// `PREVIOUS_GTIDS_LOG_EVENT` of a MySQL 9.7.4, and what `SHOW BINLOG EVENTS` and `mysqlbinlog` make of it.
const CAPTURED: &str = concat!(
    "0105000000000001",
    "111111112222333344445555555555550002000000000000000500000000000000060000000000000007000000000000000800000000000000",
    "11111111222233334444555555555555047a7a0100000000000000feffffffffffff7fffffffffffffff7f",
    "abda21a4e5a911f1beca02fc000000010001000000000000000100000000000000",
    "0400000000000000",
    "abda21a4e5a911f1beca02fc000000010a6d79746167010000000000000001000000000000000300000000000000",
    "abda21a4e5a911f1beca02fc000000013e6f746865725f7461675f746861745f69735f33325f62797465735f6c6f6e5f",
    "010000000000000001000000000000000200000000000000",
);
const CAPTURED_TEXT: &str = "11111111-2222-3333-4444-555555555555:5:7:zz:9223372036854775806,\n\
    abda21a4-e5a9-11f1-beca-02fc00000001:1-3:mytag:1-2:other_tag_that_is_32_bytes_lon_:1";

fn encoded(set: &GtidSet) -> Vec<u8> {
    let mut out = Vec::new();
    set.encode(&mut out);
    out
}

#[test]
fn the_tagged_form_is_the_servers() {
    let body = unhex(CAPTURED);
    let set = GtidSet::decode(&body).unwrap();
    assert_eq!(set.to_string(), CAPTURED_TEXT);
    assert_eq!(encoded(&CAPTURED_TEXT.parse().unwrap()), body);
    assert!(set.contains(&format!("{A}:zz:9223372036854775806").parse().unwrap()));
    assert!(!set.contains(&format!("{A}:9223372036854775806").parse().unwrap()));
}

/// The sources of both: `…5555:5:7` and `…0001:1-2`.
const SOURCES_UNTAGGED: [&str; 2] = [
    "1111111122223333444455555555555502000000000000000500000000000000060000000000000007000000000000000800000000000000",
    "abda21a4e5a911f1beca02fc00000001010000000000000001000000000000000300000000000000",
];

#[test]
fn the_form_without_tags_is_used_where_there_are_none() {
    let empty = unhex("0000000000000000");
    assert_eq!(GtidSet::decode(&empty), Ok(GtidSet::new()));
    assert_eq!(encoded(&GtidSet::new()), empty);
    // Written by a 9.7.4 that had not seen a tag since its start, and by the same that had: it then uses the tagged form
    // for sets without tags too.
    let body = unhex(&["0200000000000000", SOURCES_UNTAGGED[0], SOURCES_UNTAGGED[1]].concat());
    let with_empty_tags = SOURCES_UNTAGGED.map(|source| [&source[..32], "00", &source[32..]].concat()).concat();
    let set = GtidSet::decode(&body).unwrap();
    assert_eq!(set.to_string(), format!("{A}:5:7,\n{B}:1-2"));
    assert_eq!(encoded(&set), body);
    assert_eq!(GtidSet::decode(&unhex(&["0102000000000001", &with_empty_tags].concat())), Ok(set));
}

#[test]
fn malformed_sets() {
    let body = unhex(CAPTURED);
    for length in 0..body.len() {
        assert!(GtidSet::decode(&body[..length]).is_err(), "{length} bytes");
    }
    assert!(GtidSet::decode(&[&body[..], &[0]].concat()).is_err());
    // A format from the future, and counts that nothing follows.
    assert!(GtidSet::decode(&unhex("0000000000000002")).is_err());
    assert!(GtidSet::decode(&unhex("ffffffffffffff00")).is_err());
    let intervals = |text: &str| GtidSet::decode(&[unhex("0100000000000000"), vec![7; 16], unhex(text)].concat());
    assert!(intervals("ffffffffffffffff").is_err());
    assert!(intervals("010000000000000001000000000000000200000000000000").is_ok());
    assert!(intervals("010000000000000000000000000000000200000000000000").is_err(), "starts at 0");
    assert!(intervals("010000000000000002000000000000000200000000000000").is_err(), "empty");
    assert!(intervals("01000000000000000100000000000000ffffffffffffff7f").is_ok());
    assert!(intervals("010000000000000001000000000000000000000000000080").is_err(), "too large");
}

/// Every line was tried on MySQL 9.7.4 with `SELECT GTID_SUBTRACT(text, '')`.
#[test]
fn text_as_the_server_takes_it() {
    let same = |text: &str| text.parse::<GtidSet>().map(|set| set.to_string());
    for (text, printed) in [
        (":5-3", ""),
        (":5-0", ""),
        ("", ""),
        (":tag", ""),
        (":1,,", ":1"),
        (":9223372036854775806", ":9223372036854775806"),
        (":1:tag", ":1"),
        (":3:2:1", ":1-3"),
        (&format!(" :1 : 3 - 5 : tag : 7 : 9,{B}:2"), ":1-5:tag:7:9"),
        (":Tag:1:tag:2:3-4:8", ":tag:1-4:8"),
    ] {
        let expected = if printed.is_empty() { String::new() } else { format!("{B}{printed}") };
        assert_eq!(same(&format!("{B}{text}")), Ok(expected), "{text}");
    }
    assert_eq!(same(&format!(",,{},\n{A}:1", B.to_uppercase() + ":2-3")), Ok(format!("{A}:1,\n{B}:2-3")));
    for bad in [
        ":0x10",
        ":1tag:2",
        ":9223372036854775807",
        ":1-9223372036854775807",
        ":",
        ":1:",
        ":0",
        ":+1",
        ":1 2",
        "::1",
        ":1;2",
        ":1 abda21a4-e5a9-11f1-beca-02fc00000001:2",
        ":1-",
        ":-1",
        // Taken by the server, as 10 by this one and as 8 by older ones.
        ":010",
    ] {
        assert!(same(&format!("{B}{bad}")).is_err(), "{bad}");
    }
    assert!(same(&format!("+{B}:1")).is_err());
    assert_eq!(same(&format!("{B}:1;2")).unwrap_err().to_string(), "expected ':' or ',' at character 39");
}

#[test]
fn many_intervals_in_the_worst_order_are_no_matter() {
    let mut text = B.to_owned();
    // So many that the test would not end if each had to be made room for.
    for number in (1..1_000_000).rev() {
        text += &format!(":{}", number * 2);
    }
    let set: GtidSet = text.parse().unwrap();
    assert_eq!(GtidSet::decode(&encoded(&set)), Ok(set));
}

type Model = BTreeSet<(u8, u8, u64)>;

fn gtid(&(uuid, tag, number): &(u8, u8, u64)) -> Gtid {
    let tag = [Tag::EMPTY, Tag::new(b"a").unwrap(), Tag::new(b"ab").unwrap()][usize::from(tag)];
    Gtid::new(Uuid([uuid; 16]), tag, number).unwrap()
}

fn set_of(model: &[(u8, u8, u64)]) -> GtidSet {
    let mut set = GtidSet::new();
    model.iter().for_each(|one| set.add(&gtid(one)));
    set
}

fn gtids() -> impl Strategy<Value = Vec<(u8, u8, u64)>> {
    prop::collection::vec((0_u8..3, 0_u8..3, 1_u64..9), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn as_a_plain_set_has_it(left in gtids(), right in gtids()) {
        let (a, b) = (set_of(&left), set_of(&right));
        let (x, y): (Model, Model) = (left.iter().copied().collect(), right.iter().copied().collect());
        let check = |set: &GtidSet, model: &Model| {
            let model: Vec<_> = model.iter().copied().collect();
            // Equality is that of the contents, so a set that was computed differently must not differ.
            assert_eq!(set, &set_of(&model));
            assert_eq!(set.is_empty(), model.is_empty());
        };
        check(&a, &x);
        prop_assert_eq!(a.is_subset_of(&b), x.is_subset(&y));
        for one in &right {
            prop_assert_eq!(a.contains(&gtid(one)), x.contains(one));
        }
        let mut union = a.clone();
        union.union(&b);
        check(&union, &(&x | &y));
        prop_assert!(a.is_subset_of(&union) && b.is_subset_of(&union));
        let mut difference = a.clone();
        difference.subtract(&b);
        check(&difference, &(&x - &y));
        prop_assert!(difference.is_subset_of(&a));
    }

    #[test]
    fn text_and_bytes_round_trip(gtids in gtids()) {
        let set = set_of(&gtids);
        prop_assert_eq!(&set.to_string().parse::<GtidSet>().unwrap(), &set);
        prop_assert_eq!(&set.to_string().to_uppercase().replace(':', " : ").parse::<GtidSet>().unwrap(), &set);
        prop_assert_eq!(GtidSet::decode(&encoded(&set)), Ok(set));
    }

    #[test]
    fn any_text_is_a_set_or_an_error(text in "\\PC*", tail in "[:,0-9a-z \n-]{0,30}") {
        let _ = text.parse::<GtidSet>();
        if let Ok(set) = format!("{B}{tail}").parse::<GtidSet>() {
            prop_assert_eq!(set.to_string().parse::<GtidSet>(), Ok(set));
        }
    }

    #[test]
    fn any_bytes_are_a_set_or_an_error(bytes: Vec<u8>, at in 0_usize..260, byte: u8) {
        let _ = GtidSet::decode(&bytes);
        let mut damaged = unhex(CAPTURED);
        let at = at % damaged.len();
        damaged[at] = byte;
        if let Ok(set) = GtidSet::decode(&damaged) {
            prop_assert_eq!(GtidSet::decode(&encoded(&set)), Ok(set));
        }
    }
}
