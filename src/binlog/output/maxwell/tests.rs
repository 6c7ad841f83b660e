use serde_json::{Value as Json, json};

use crate::binlog::output::fixture::{Body, INT, Image, VARCHAR, context, int, table, varchar};
use crate::binlog::output::maxwell::*;
use crate::binlog::value::column::Storage;
use crate::mysql::value::decimal::Decimal;
use crate::mysql::value::temporal::{Date, DateTime};
use crate::mysql::wire::Reader;

fn documented() -> Json {
    serde_json::from_str(include_str!("../../../../tests/data/forms/maxwell.json")).unwrap()
}

/// The documentation's table (dataformat.md).
fn e() -> Table {
    let timestamp = Storage::Timestamp { fraction_digits: 6 };
    let columns =
        [("id", INT, false), ("m", Storage::Double, true), ("c", timestamp, true), ("comment", VARCHAR, true)];
    table("test", "e", &columns, &[0])
}

/// A row of it; the time is in seconds since 1970 and microseconds.
fn row(m: f64, (seconds, microseconds): (u32, u32)) -> Image {
    let mut packed = seconds.to_be_bytes().to_vec();
    packed.extend(&microseconds.to_be_bytes()[1..]);
    vec![int(1), Some(m.to_le_bytes().to_vec()), Some(packed), varchar("I am a creature of light.")]
}

/// 2016-10-21 05:33:37.523 and 05:33:54.631, in UTC.
const INSERTED: (u32, u32) = (1_477_028_017, 523_000);
const UPDATED: (u32, u32) = (1_477_028_034, 631_000);

fn messages(options: MaxwellOptions, body: &Body, table: &Table, context: &RowContext) -> Vec<Json> {
    let mut batch = Batch::new();
    Maxwell::new(options).rows(&body.event(table), table, context, &mut batch).unwrap();
    batch.iter().map(|(_, message)| serde_json::from_slice(message).unwrap()).collect()
}

fn default(body: &Body, table: &Table, context: &RowContext) -> Vec<Json> {
    messages(MaxwellOptions::default(), body, table, context)
}

#[test]
fn the_messages_of_the_documentation() {
    let at = |seconds: u64| RowContext {
        timestamp_ms: seconds * 1000,
        xid: Some(23396),
        file: "master.000006".into(),
        offset: 800_911,
        server_id: 23042,
        thread_id: Some(108),
        ..context()
    };
    let body = Body::full(RowKind::Insert, &[row(4.2341, INSERTED)]);
    assert_eq!(default(&body, &e(), &at(1_477_053_217)), [documented()["insert"].clone()]);
    // The rest of the fields is the same in all of them.
    let common = |mut message: Json, documented: &Json| {
        message.as_object_mut().unwrap().retain(|name, _| documented.get(name).is_some() || name == "old");
        message
    };
    let body = Body::full(RowKind::Update, &[row(4.2341, INSERTED), row(5.444, UPDATED)]);
    let [update] = <[Json; 1]>::try_from(default(&body, &e(), &at(1_477_053_234))).unwrap();
    assert_eq!(common(update, &documented()["update"]), documented()["update"]);
    let body = Body::full(RowKind::Delete, &[row(5.444, UPDATED)]);
    let [delete] = <[Json; 1]>::try_from(default(&body, &e(), &at(1_477_053_234))).unwrap();
    assert_eq!(common(delete, &documented()["delete"]), documented()["delete"]);
}

#[test]
fn only_the_last_row_of_a_transaction_commits() {
    let simple = table("d", "t", &[("id", INT, false)], &[0]);
    let body = Body::full(RowKind::Insert, &[vec![int(1)], vec![int(2)]]);
    let edges = |context: &RowContext| -> Vec<(Json, Json)> {
        let found = default(&body, &simple, context);
        found.iter().map(|message| (message["xoffset"].clone(), message["commit"].clone())).collect()
    };
    let null = Json::Null;
    let first = RowContext { ends_transaction: false, ..context() };
    assert_eq!(edges(&first), [(json!(0), null.clone()), (json!(1), null.clone())]);
    let second = RowContext { first_row: 2, ..context() };
    assert_eq!(edges(&second), [(json!(2), null.clone()), (null, json!(true))]);
}

#[test]
fn fields_that_may_be_left_out() {
    let simple = table("d", "t", &[("id", INT, false), ("v", VARCHAR, true)], &[0]);
    let body = Body::full(RowKind::Insert, &[vec![int(1), None]]);
    let all = MaxwellOptions {
        gtid: true,
        primary_key: true,
        primary_key_columns: true,
        query: true,
        ..MaxwellOptions::default()
    };
    let context = RowContext { gtid: Some("0-1-42".into()), query: Some("INSERT ...".into()), ..context() };
    let [message] = <[Json; 1]>::try_from(messages(all, &body, &simple, &context)).unwrap();
    assert_eq!((&message["gtid"], &message["query"]), (&json!("0-1-42"), &json!("INSERT ...")));
    assert_eq!((&message["primary_key"], &message["primary_key_columns"]), (&json!([1]), &json!(["id"])));
    assert_eq!(message["data"], json!({"id": 1, "v": null}));
    let none = MaxwellOptions {
        position: false,
        xoffset: false,
        server_id: false,
        thread_id: false,
        ..MaxwellOptions::default()
    };
    let anonymous = RowContext { xid: None, ..context };
    let [message] = <[Json; 1]>::try_from(messages(none, &body, &simple, &anonymous)).unwrap();
    let names: Vec<_> = message.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["commit", "data", "database", "table", "ts", "type"]);
}

#[test]
fn the_key_of_the_documentation() {
    let keyed = table("test_tb", "test_tbl", &[("ID", INT, false), ("Part2", VARCHAR, false)], &[0, 1]);
    let body = Body::full(RowKind::Delete, &[vec![int(4), varchar("hello")]]);
    let options = MaxwellOptions { routing: Routing::to("rows".parse().unwrap()), ..MaxwellOptions::default() };
    let mut batch = Batch::new();
    Maxwell::new(options).rows(&body.event(&keyed), &keyed, &context(), &mut batch).unwrap();
    let key: Json = serde_json::from_slice(batch.routed(0).unwrap().key).unwrap();
    assert_eq!(key, documented()["key"]);
}

#[test]
fn minimal_images() {
    let simple = table("d", "t", &[("id", INT, false), ("v", INT, true), ("w", INT, true)], &[0]);
    let body = Body::new(RowKind::Update, 3, (0b001, 0b010), &[vec![int(1)], vec![int(2)]]);
    let [message] = <[Json; 1]>::try_from(default(&body, &simple, &context())).unwrap();
    assert_eq!(message["data"], json!({"id": 1, "v": 2}));
    assert_eq!(message.get("old"), None);
}

#[test]
fn values() {
    let value = |storage, members: &[&str], value: &Value<'_>| -> Json {
        let mut table = table("d", "t", &[("v", storage, true)], &[]);
        table.columns[0].members = members.iter().map(|name| (*name).to_owned()).collect();
        table.columns[0].charset = None;
        let mut out = Vec::new();
        maxwell_value(&mut out, &table.columns[0], value, None).unwrap();
        serde_json::from_slice(&out).unwrap()
    };
    let set = Storage::Set { bytes: 1 };
    let members = ["a_val", "b_val", "c_val"];
    assert_eq!(value(set, &members, &Value::Set(0b110)), documented()["sets"]);
    assert_eq!(value(set, &members, &Value::Set(0)), json!([]));
    assert_eq!(value(set, &[], &Value::Set(0b110)), json!(6));
    let zero = DateTime {
        date: Date { year: 0, month: 0, day: 0 },
        hours: 0,
        minutes: 0,
        seconds: 0,
        microseconds: 0,
        fraction_digits: 0,
    };
    assert_eq!(value(Storage::DateTimeOld, &[], &Value::DateTime(zero)), json!("0000-00-00 00:00:00"));
    let blob = Storage::Blob { length_bytes: 1, compressed: false };
    assert_eq!(value(blob, &[], &Value::Bytes(b"\x00\xff")), json!("AP8="));
    assert_eq!(value(Storage::Bit { bits: 9 }, &[], &Value::Bit(257)), json!(257));
    let document = [0, 1, 0, 14, 0, 11, 0, 1, 0, 12, 12, 0, b'a', 1, b'b'];
    assert_eq!(value(Storage::Json { length_bytes: 4 }, &[], &Value::Json(&document)), json!({"a": "b"}));
    let geometry = Storage::Geometry { length_bytes: 4 };
    let mut point = vec![0, 0, 0, 0, 1, 1, 0, 0, 0];
    point.extend(1.0_f64.to_le_bytes());
    point.extend(2.5_f64.to_le_bytes());
    assert_eq!(value(geometry, &[], &Value::Geometry(&point)), json!("POINT (1 2.5)"));
    assert_eq!(value(geometry, &[], &Value::Geometry(&[1, 2, 3, 4, 5])), json!("AQIDBAU="));
}

#[test]
fn decimals_are_numbers_with_all_their_digits() {
    let stored = [0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2];
    let decimal = Decimal::read(&mut Reader::new(&stored, "decimal"), 14, 4).unwrap();
    let table = table("d", "t", &[("v", Storage::Decimal { precision: 14, scale: 4 }, true)], &[]);
    let mut out = Vec::new();
    maxwell_value(&mut out, &table.columns[0], &Value::Decimal(decimal), None).unwrap();
    assert_eq!(out, b"1234567890.1234");
}

#[test]
fn definitions_only_where_they_are_asked_for() {
    let definition = Definition { database: "test", table: Some("e"), sql: "drop table e" };
    let mut batch = Batch::new();
    Maxwell::new(MaxwellOptions::default()).definition(definition, &context(), &mut batch);
    assert!(batch.is_empty());
    let options = MaxwellOptions { ddl: true, ..MaxwellOptions::default() };
    Maxwell::new(options).definition(definition, &context(), &mut batch);
    let message: Json = serde_json::from_slice(batch.get(0).unwrap().1).unwrap();
    let expected = json!({"type": "ddl", "database": "test", "ts": 1_465_581_029_000_u64, "sql": "drop table e",
        "position": "mysql-bin.000003:484"});
    assert_eq!(message, expected);
}
