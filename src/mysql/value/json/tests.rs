//! Documents and diffs that a MySQL server wrote, and damaged ones. Where they come from: `tests/data/json/README.md`.

use proptest::prelude::*;
use serde::Deserialize;

use crate::mysql::value::json::diff::{JsonDiff, JsonDiffOperation, JsonDiffs};
use crate::mysql::value::json::document::WHAT;
use crate::mysql::value::json::*;
use crate::mysql::wire::Malformed;

const DOCUMENTS: &str = include_str!("../../../../tests/data/json/documents.txt");
const DIFFS: &str = include_str!("../../../../tests/data/json/diffs.txt");

/// What `█` stands for in the files, so that they stay small with documents of the large format.
const RUN: usize = 70_000;

fn bytes(hex: &str) -> Vec<u8> {
    let hex = hex.replace('█', &"70".repeat(RUN));
    assert_eq!(hex.len() % 2, 0);
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Documents, and what the server says they are.
fn documents(lines: &str) -> impl Iterator<Item = (Vec<u8>, String)> {
    let fields = lines.lines().map(|line| line.split_once('\t').unwrap());
    fields.map(|(hex, text)| (bytes(hex), text.replace('█', &"p".repeat(RUN))))
}

/// Documents, diffs to them, and what the server says they are then.
fn diffs(lines: &str) -> impl Iterator<Item = (Vec<u8>, Vec<u8>, &str)> {
    lines.lines().map(|line| {
        let mut fields = line.splitn(3, '\t');
        let mut field = || fields.next().unwrap();
        (bytes(field()), bytes(field()), field())
    })
}

fn json(document: &[u8]) -> Result<String, Malformed> {
    let mut out = b"> ".to_vec();
    let result = write_json(document, &mut out);
    assert_eq!(out.len() == 2, result.is_err(), "nothing is appended if and only if there is an error");
    result.map(|()| String::from_utf8(out.split_off(2)).unwrap())
}

fn applied(before: &[u8], diffs: &[u8]) -> Result<String, Malformed> {
    let mut out = b"> ".to_vec();
    let result = apply_diffs(before, diffs, &mut out);
    assert_eq!(out.len() == 2, result.is_err(), "nothing is appended if and only if there is an error");
    result.map(|()| String::from_utf8(out.split_off(2)).unwrap())
}

fn listed(diffs: &[u8]) -> Result<String, Malformed> {
    let mut out = b"> ".to_vec();
    let result = write_diffs(diffs, &mut out);
    assert_eq!(out.len() == 2, result.is_err(), "nothing is appended if and only if there is an error");
    result.map(|()| String::from_utf8(out.split_off(2)).unwrap())
}

#[test]
fn documents_of_a_server() {
    for (document, text) in documents(DOCUMENTS) {
        assert_eq!(json(&document).as_ref(), Ok(&text));
    }
}

#[test]
fn diffs_of_a_server() {
    for (before, diffs, after) in diffs(DIFFS) {
        assert_eq!(applied(&before, &diffs).as_deref(), Ok(after));
        let list: Vec<serde_json::Value> = serde_json::from_str(&listed(&diffs).unwrap()).expect("JSON");
        assert_eq!(list.len(), JsonDiffs::new(&diffs).count());
    }
}

/// `count` places that all say the same, in an array of the small format.
fn array_of_one(kind: u8, place: u16, count: u16, rest: &[u8]) -> Vec<u8> {
    let length = 4 + 3 * usize::from(count) + rest.len();
    let mut array = [count.to_le_bytes(), u16::try_from(length).unwrap().to_le_bytes()].concat();
    for _ in 0..count {
        array.push(kind);
        array.extend_from_slice(&place.to_le_bytes());
    }
    array.extend_from_slice(rest);
    array
}

fn in_document(kind: u8, value: Vec<u8>) -> Vec<u8> {
    [vec![kind], value].concat()
}

#[test]
fn no_bytes_are_null() {
    assert_eq!(json(b"").as_deref(), Ok("null"));
}

#[test]
fn what_is_not_utf_8_is_replaced() {
    assert_eq!(json(b"\x0c\x04a\xff\n\xc3").as_deref(), Ok("\"a\u{fffd}\\n\u{fffd}\""));
}

#[test]
fn doubles_that_json_has_not() {
    for value in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        assert_eq!(json(&[&[0x0b], &value.to_le_bytes()[..]].concat()).as_deref(), Ok("null"));
    }
}

#[test]
fn a_bad_document_is_an_error() {
    let bad: &[&[u8]] = &[
        b"\x04\x03",                               // no such literal
        b"\x0d",                                   // no such type
        b"\x0a\x01\x02\x03",                       // half an integer
        b"\x0c\x05abc",                            // a string past the end
        b"\x0c\x80\x80\x80\x80\x80\x01",           // a length of more than 5 bytes
        b"\x0c\xff\xff\xff\xff\x7f",               // a length of more than 32 bits
        b"\x0f\x0c\x07\0\0\0\0\0\0\0",             // half a DATETIME
        b"\x0f\x0c\x08\xff\xff\xff\0\0\0\0\0",     // 16777215 microseconds
        b"\x0f\xf6\x02\x01\x02",                   // a DECIMAL(1,2)
        b"\x0f\xf6\x02\x05\x00",                   // a DECIMAL without digits
        b"\x0f\xf6\x04\x01\x00\x81\x00",           // a DECIMAL with too many
        b"\x02\x01\0\x05\0\x04\x01\0",             // longer than its length
        b"\x02\x01\0\x08\0\x04\x01\0",             // shorter than its length
        b"\x02\x01\0\x07\0\x0c\x04\0",             // a value within the table
        b"\x02\x01\0\x07\0\x0c\x08\0",             // a value past the end
        b"\x00\x01\0\x0b\0\x0a\0\x01\0\x04\x01\0", // a key within the table
        b"\x00\x01\0\x0b\0\x0b\0\x01\0\x04\x01\0", // a key past the end
        b"\x03\xff\xff\xff\xff\xff\xff\xff\xff",   // four thousand million members
    ];
    for document in bad {
        assert_eq!(json(document), Err(Malformed(WHAT)), "{document:02x?}");
    }
}

#[test]
fn bytes_are_not_used_twice() {
    let text = [&[100][..], &[b'x'; 100]].concat();
    let once = in_document(0x02, array_of_one(0x0c, 7, 1, &text));
    assert_eq!(json(&once).map(|text| text.len()), Ok(104));
    let often = in_document(0x02, array_of_one(0x0c, 304, 100, &text));
    assert_eq!(json(&often), Err(Malformed(WHAT)));
    // Arrays of ten times the same array: 10^20 values in 700 bytes.
    let mut array = array_of_one(0x04, 1, 10, b"");
    for _ in 0..20 {
        array = array_of_one(0x02, 34, 10, &array);
    }
    let document = in_document(0x02, array);
    assert!(document.len() < 800);
    assert_eq!(json(&document), Err(Malformed(WHAT)));
    // Nor may each of many diffs take such an array apart again.
    let removals: Vec<u8> = (0..10).flat_map(|_| b"\x02\x09$[9][0][0]".to_vec()).collect();
    let removals = removals.repeat(10);
    assert!(applied(&document, &removals).is_err());
}

#[test]
fn a_hundred_levels_and_no_more() {
    let nested = |levels: usize| {
        let mut array = array_of_one(0x04, 1, 1, b"");
        for _ in 1..levels {
            array = array_of_one(0x02, 7, 1, &array);
        }
        in_document(0x02, array)
    };
    let text = |levels: usize| format!("{}true{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(json(&nested(100)), Ok(text(100)));
    assert_eq!(json(&nested(101)), Err(Malformed("binary JSON document: too deep")));
    assert!(json(&nested(5_000)).is_err());
    // A value's levels count together with those around it.
    let replace = |levels: usize| {
        let value = nested(levels);
        [b"\0\x07$[0][0]\xfc", &(value.len() as u16).to_le_bytes()[..], &value].concat()
    };
    assert_eq!(applied(&nested(2), &replace(98)), Ok(text(100)));
    assert_eq!(applied(&nested(2), &replace(99)), Err(Malformed("binary JSON document: too deep")));
}

#[test]
fn diffs_as_a_list() {
    let diffs = b"\x00\x03$.a\x02\x04\x01\x01\x05$.\"k\"\x03\x05\x07\x00\x02\x07$[last]";
    assert_eq!(
        listed(diffs).as_deref(),
        Ok(concat!(
            r#"[{"op":"replace","path":"$.a","value":true},{"op":"insert","path":"$.\"k\"","value":7},"#,
            r#"{"op":"remove","path":"$[last]"}]"#
        ))
    );
    assert_eq!(listed(b"").as_deref(), Ok("[]"));
    let last = JsonDiffs::new(diffs).last().unwrap().unwrap();
    assert_eq!(last, JsonDiff { operation: JsonDiffOperation::Remove, path: b"$[last]", value: None });
    for bad in
        [&b"\x03\x01$"[..], b"\x00\x03$.", b"\x00\x03$.a", b"\x00\x03$.a\x02\x04", b"\x02\xfb", b"\x00\x03$.a\x01\x04"]
    {
        assert!(listed(bad).is_err(), "{bad:02x?}");
    }
    // After an error the rest would be read at a wrong place.
    assert_eq!(JsonDiffs::new(b"\x07\x02\x01$").count(), 1);
}

#[test]
fn diffs_that_do_not_fit_are_rejected() {
    let object = b"\x00\x01\x00\x0c\x00\x0b\x00\x01\x00\x04\x01\x00a"; // {"a": true}
    let array = b"\x02\x01\x00\x07\x00\x04\x01\x00"; // [true]
    assert_eq!(applied(object, b"").as_deref(), Ok("{\"a\":true}"));
    assert_eq!(applied(object, b"\x01\x03$.b\x02\x04\x00").as_deref(), Ok("{\"a\":true,\"b\":null}"));
    assert_eq!(applied(array, b"\x01\x04$[0]\x02\x04\x00").as_deref(), Ok("[null,true]"));
    assert_eq!(applied(array, b"\x01\x04$[9]\x02\x04\x00").as_deref(), Ok("[true,null]"));
    assert_eq!(applied(array, b"\x01\x09$[last-9]\x02\x04\x00").as_deref(), Ok("[null,true]"));
    let rejected: [(&[u8], &[u8]); 11] = [
        (object, b"\x00\x01$\x02\x04\x00"),     // the root
        (object, b"\x00\x03$.b\x02\x04\x00"),   // no such member
        (object, b"\x01\x03$.a\x02\x04\x00"),   // there already
        (object, b"\x02\x03$.b"),               // no such member
        (object, b"\x00\x04$[0]\x02\x04\x00"),  // not an array
        (object, b"\x01\x05$.a.b\x02\x04\x00"), // a member of a scalar
        (array, b"\x00\x04$[1]\x02\x04\x00"),   // no such element
        (array, b"\x02\x04$[1]"),               // no such element
        (array, b"\x02\x09$[last-1]"),          // no such element
        (array, b"\x00\x03$.a\x02\x04\x00"),    // not an object
        (b"", b"\x01\x03$.a\x02\x04\x00"),      // not an object
    ];
    for (before, diffs) in rejected {
        assert_eq!(applied(before, diffs), Err(Malformed("JSON diff: does not fit the document")), "{diffs:02x?}");
    }
}

#[test]
fn keys_out_of_order_are_found() {
    // {"b": true, "a": false}, which no server writes.
    let object = b"\x00\x02\x00\x14\x00\x12\x00\x01\x00\x13\x00\x01\x00\x04\x01\x00\x04\x02\x00ba";
    assert_eq!(json(object).as_deref(), Ok("{\"b\":true,\"a\":false}"));
    assert_eq!(applied(object, b"\x00\x03$.b\x02\x04\x00").as_deref(), Ok("{\"a\":false,\"b\":null}"));
}

/// Whatever they are given, the functions neither panic nor append what is not JSON.
fn survives(document: &[u8], diffs: &[u8]) -> Result<(), TestCaseError> {
    for text in [json(document), listed(diffs), applied(document, diffs), applied(document, document)].iter().flatten()
    {
        prop_assert!(text.len() <= 16 * (document.len() + diffs.len()) + 64, "much text from little");
        let mut reader = serde_json::Deserializer::from_str(text);
        prop_assert!(serde::de::IgnoredAny::deserialize(&mut reader).is_ok(), "{}", text);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes(document in prop::collection::vec(any::<u8>(), 0..200), diffs in prop::collection::vec(any::<u8>(), 0..60)) {
        survives(&document, &diffs)?;
    }

    #[test]
    fn any_members(
        kind in 0_u8..4,
        count in 0_u8..12,
        body in prop::collection::vec(prop_oneof![0_u8..16, 0_u8..160, any::<u8>()], 160),
    ) {
        let large = kind & 1 == 1;
        let head: &[u8] = if large { &[kind, count, 0, 0, 0, 160, 0, 0, 0] } else { &[kind, count, 0, 160, 0] };
        survives(&[head, &body].concat(), b"\x02\x04$[0]")?;
    }

    #[test]
    fn damaged_documents_and_diffs(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let lines: Vec<&str> = DIFFS.lines().collect();
        let (mut document, mut changes, _) = diffs(which.get::<&str>(&lines)).next().unwrap();
        for (place, byte, in_document) in &damage {
            let bytes = if *in_document { &mut document } else { &mut changes };
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        survives(&document, &changes)?;
        document.truncate(cut.index(document.len()));
        survives(&document, &changes)?;

        let lines: Vec<&str> = DOCUMENTS.lines().filter(|line| line.len() < 5_000).collect();
        let (mut document, _) = documents(which.get::<&str>(&lines)).next().unwrap();
        for (place, byte, _) in &damage {
            let place = place.index(document.len());
            document[place] = *byte;
        }
        survives(&document, &changes)?;
    }
}
