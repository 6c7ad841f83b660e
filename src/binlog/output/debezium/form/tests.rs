use serde_json::{Value as Json, json};

use super::*;
use crate::binlog::event::rows::RowKind;
use crate::binlog::event::table_map::TableMap;
use crate::binlog::output::debezium::options::{BigintUnsigned, DecimalHandling};
use crate::binlog::output::fixture::{Body, INT, VARCHAR, context, int, table, varchar};
use crate::binlog::output::routing::Routing;
use crate::binlog::value::Value;
use crate::binlog::value::column::Storage;
use crate::mysql::value::decimal::Decimal;
use crate::mysql::value::temporal::{Date, DateTime, Time, Timestamp};
use crate::mysql::wire::Reader;
use crate::rules::redaction::Redactor;

/// 2016-06-10 17:50:29.523437158.
const NOW: Nanoseconds = 1_465_581_029_523_437_158;

/// The documentation's table (mysql.adoc, "Change event keys").
fn customers() -> Table {
    let columns =
        [("id", INT, false), ("first_name", VARCHAR, false), ("last_name", VARCHAR, false), ("email", VARCHAR, false)];
    table("inventory", "customers", &columns, &[0])
}

fn customer(id: i32, first_name: &str) -> Vec<Option<Vec<u8>>> {
    vec![int(id), varchar(first_name), varchar("Kretchmar"), varchar("annek@noanswer.org")]
}

fn options() -> DebeziumOptions {
    DebeziumOptions { name: "mysql-server-1".into(), ..DebeziumOptions::default() }
}

fn form(options: DebeziumOptions) -> Debezium {
    Debezium { now: || NOW, ..Debezium::new(options) }
}

fn messages(batch: &Batch) -> Vec<Json> {
    batch.iter().map(|(_, message)| serde_json::from_slice(message).unwrap()).collect()
}

fn events(options: DebeziumOptions, body: &Body, table: &Table, context: &RowContext) -> Vec<Json> {
    let mut batch = Batch::new();
    let rows = form(options).rows(&body.event(table), table, context, &mut batch).unwrap();
    assert!(rows >= 1);
    messages(&batch)
}

/// Checks an event against an example of the documentation: all its fields, and no others but those that the examples lack.
fn assert_documented(event: &Json, name: &str) {
    const BEYOND_THE_EXAMPLES: [&str; 6] = ["transaction", "sequence", "ts_us", "ts_ns", "version", "snapshot"];
    let all: Json = serde_json::from_str(include_str!("../../../../../tests/data/forms/debezium.json")).unwrap();
    let without = |object: &Json| {
        let mut fields = object.as_object().unwrap().clone();
        fields.remove("source");
        fields.retain(|name, _| !BEYOND_THE_EXAMPLES.contains(&name.as_str()));
        fields
    };
    assert_eq!(without(event), without(&all[name]));
    assert_eq!(without(&event["source"]), without(&all[name]["source"]));
    // It is a word in the connector's schema; the examples are older.
    assert_eq!(event["source"]["snapshot"], "false");
    assert_eq!(event["source"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&event["transaction"], &event["source"]["sequence"]), (&Json::Null, &Json::Null));
    for times in [event, &event["source"]] {
        assert_eq!(times["ts_us"].as_u64().unwrap() / 1000, times["ts_ms"]);
        assert_eq!(times["ts_ns"].as_u64().unwrap() / 1000, times["ts_us"]);
    }
}

#[test]
fn the_events_of_the_documentation() {
    let table = customers();
    let event = |kind, images: &[Vec<Option<Vec<u8>>>], now: fn() -> Nanoseconds, context: RowContext| {
        let mut batch = Batch::new();
        let mut form = Debezium { now, ..Debezium::new(options()) };
        form.rows(&Body::full(kind, images).event(&table), &table, &context, &mut batch).unwrap();
        <[Json; 1]>::try_from(messages(&batch)).unwrap()[0].clone()
    };
    let at = |milliseconds: u64, sql: &str| RowContext {
        commit_timestamp_us: Some(milliseconds * 1000),
        query: Some(sql.into()),
        ..context()
    };
    let sql = "INSERT INTO customers (first_name, last_name, email) VALUES ('Anne', 'Kretchmar', 'annek@noanswer.org')";
    let insert = RowContext { offset: 154, server_id: 0, ..at(0, sql) };
    let (anne, anne_marie) = (customer(1004, "Anne"), customer(1004, "Anne Marie"));
    let found = event(RowKind::Insert, std::slice::from_ref(&anne), || 1_465_491_411_815_000_000, insert);
    assert_documented(&found, "create");
    let update = at(1_465_581_029_100, "UPDATE customers SET first_name='Anne Marie' WHERE id=1004");
    let found = event(RowKind::Update, &[anne, anne_marie.clone()], || 1_465_581_029_523_437_158, update);
    assert_documented(&found, "update");
    let delete = RowContext { offset: 805, ..at(1_465_581_902_300, "DELETE FROM customers WHERE id=1004") };
    let found = event(RowKind::Delete, &[anne_marie], || 1_465_581_902_461_842_000, delete);
    assert_documented(&found, "delete");
}

#[test]
fn rows_are_numbered_within_their_event() {
    let body = Body::full(RowKind::Insert, &[customer(1, "a"), customer(2, "b")]);
    let found = events(options(), &body, &customers(), &context());
    assert_eq!(found.iter().map(|event| event["source"]["row"].clone()).collect::<Vec<_>>(), [json!(0), json!(1)]);
}

/// Both events of an update that changes the key count.
#[test]
fn events_are_numbered_within_their_transaction() {
    let mut form = form(DebeziumOptions { transactions: true, ..options() });
    let (table, context) = (customers(), context());
    let other =
        Table { map: TableMap { table: "others".into(), ..TableMap::clone(&table.map) }.into(), ..table.clone() };
    let insert = Body::full(RowKind::Insert, &[customer(1, "a"), customer(2, "b")]);
    let update = Body::full(RowKind::Update, &[customer(2, "b"), customer(3, "b"), customer(1, "a"), customer(1, "c")]);
    let mut batch = Batch::new();
    for _ in 0..2 {
        batch.clear();
        form.transaction(TransactionEdge::Begin, &context, &mut batch);
        for (body, table) in [(&insert, &table), (&insert, &other), (&update, &table)] {
            form.rows(&body.event(table), table, &context, &mut batch).unwrap();
        }
        form.transaction(TransactionEdge::End { rows: 6 }, &context, &mut batch);
    }
    let found = messages(&batch);
    let shown = |event: &Json| {
        let order = &event["transaction"];
        format!("{} {} {}", event["op"].as_str().unwrap(), order["total_order"], order["data_collection_order"])
    };
    let [begin, events @ .., end] = found.as_slice() else { panic!() };
    let events: Vec<_> = events.iter().map(shown).collect();
    assert_eq!(events, ["c 1 1", "c 2 2", "c 3 1", "c 4 2", "d 5 3", "c 6 4", "u 7 5"]);
    assert_eq!((&begin["event_count"], &begin["data_collections"]), (&Json::Null, &Json::Null));
    assert_eq!(end["event_count"], 7);
    let collection = |name: &str, count: u64| json!({"data_collection": name, "event_count": count});
    assert_eq!(
        end["data_collections"],
        json!([collection("inventory.customers", 5), collection("inventory.others", 2)])
    );

    // What was before in another thread, of which an earlier run may have known more.
    let earlier = TableEvents { database: "inventory".into(), table: "customers".into(), events: 5 };
    for (rows, tables, expected) in [(4, vec![earlier], ["c 6 6", "c 7 7"]), (4, vec![], ["c 5 1", "c 6 2"])] {
        batch.clear();
        form.continues(rows, &tables);
        form.rows(&insert.event(&table), &table, &context, &mut batch).unwrap();
        assert_eq!(messages(&batch).iter().map(shown).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_changed_key_is_a_delete_and_a_create() {
    let table = customers();
    let body = Body::full(RowKind::Update, &[customer(1004, "Anne"), customer(1005, "Anne")]);
    let mut batch = Batch::new();
    let routed = DebeziumOptions { routing: Routing::to("rows".parse().unwrap()), ..options() };
    assert_eq!(form(routed.clone()).rows(&body.event(&table), &table, &context(), &mut batch), Ok(1));
    // The old key's tombstone stands between them.
    let tombstone = batch.routed(1).unwrap();
    assert_eq!(
        (tombstone.key, tombstone.value, tombstone.topic),
        (&br#"{"id":1004}"#[..], &b""[..], batch.routed(0).unwrap().topic)
    );
    batch.clear();
    let without = DebeziumOptions { tombstones: false, ..routed };
    assert_eq!(form(without).rows(&body.event(&table), &table, &context(), &mut batch), Ok(1));
    let found = messages(&batch);
    assert_eq!(
        (&found[0]["op"], &found[0]["before"]["id"], &found[0]["after"]),
        (&json!("d"), &json!(1004), &Json::Null)
    );
    assert_eq!(
        (&found[1]["op"], &found[1]["before"], &found[1]["after"]["id"]),
        (&json!("c"), &Json::Null, &json!(1005))
    );
    assert_eq!(batch.routed(0).map(|message| message.key.to_vec()), Some(br#"{"id":1004}"#.to_vec()));
    assert_eq!(batch.routed(1).map(|message| message.key.to_vec()), Some(br#"{"id":1005}"#.to_vec()));
}

#[test]
fn topics_and_keys() {
    let body = Body::full(RowKind::Insert, &[customer(7, "a")]);
    let routed = DebeziumOptions { routing: Routing::to("shop.{database}.{table}".parse().unwrap()), ..options() };
    let table = customers();
    let mut batch = Batch::new();
    form(routed.clone()).rows(&body.event(&table), &table, &context(), &mut batch).unwrap();
    let message = batch.routed(0).unwrap();
    assert_eq!(message.topic.map(AsRef::as_ref), Some("shop.inventory.customers"));
    assert_eq!(message.key, br#"{"id":7}"#);

    // Without a primary key there is no key.
    let keyless = Table { primary_key: Vec::new(), ..table };
    batch.clear();
    form(routed).rows(&body.event(&keyless), &keyless, &context(), &mut batch).unwrap();
    assert_eq!(batch.routed(0).unwrap().key, b"");
}

#[test]
fn times_and_names_of_the_server() {
    let body = Body::full(RowKind::Insert, &[customer(7, "a")]);
    let exact = RowContext {
        commit_timestamp_us: Some(1_465_581_029_100_200),
        gtid: Some("24bc7850-2c16-11e6-a073-0242ac110002:42".into()),
        ..context()
    };
    let source = events(options(), &body, &customers(), &exact)[0]["source"].clone();
    assert_eq!(source["ts_ms"], 1_465_581_029_100_u64);
    assert_eq!(source["ts_us"], 1_465_581_029_100_200_u64);
    assert_eq!(source["ts_ns"], 1_465_581_029_100_200_000_u64);
    assert_eq!(
        (&source["connector"], &source["gtid"]),
        (&json!("mysql"), &json!("24bc7850-2c16-11e6-a073-0242ac110002:42"))
    );
    let mariadb = RowContext { gtid: Some("0-1-42".into()), thread_id: None, ..context() };
    let source = events(options(), &body, &customers(), &mariadb)[0]["source"].clone();
    assert_eq!((&source["connector"], &source["thread"]), (&json!("mariadb"), &Json::Null));
}

#[test]
fn definitions_and_transactions() {
    let mut batch = Batch::new();
    let mut form = form(DebeziumOptions { transactions: true, ..options() });
    let sql = "ALTER TABLE customers ADD middle_name varchar(255) AFTER first_name";
    let context = RowContext { gtid: Some("24bc7850-2c16-11e6-a073-0242ac110002:10".into()), ..context() };
    form.definition(Definition { database: "inventory", table: Some("customers"), sql }, &context, &mut batch);
    form.transaction(TransactionEdge::Begin, &context, &mut batch);
    form.transaction(TransactionEdge::End { rows: 0 }, &context, &mut batch);
    let [ddl, begin, end] = <[Json; 3]>::try_from(messages(&batch)).unwrap();
    assert_eq!(
        (&ddl["databaseName"], &ddl["ddl"], &ddl["source"]["pos"]),
        (&json!("inventory"), &json!(sql), &json!(484))
    );
    assert_eq!((&ddl["source"]["table"], &ddl["tableChanges"]), (&json!("customers"), &json!([])));
    assert_eq!((&ddl["ts_ms"], &ddl["ts_us"]), (&json!(NOW / 1_000_000), &Json::Null));
    let id = "24bc7850-2c16-11e6-a073-0242ac110002:10";
    let edge = |status: &str, rows: Json, tables: Json| json!({"status": status, "id": id, "ts_ms": 1_465_581_029_000_u64, "event_count": rows, "data_collections": tables});
    assert_eq!([begin, end], [edge("BEGIN", Json::Null, Json::Null), edge("END", json!(0), json!([]))]);
}

#[test]
fn columns_that_are_not_in_the_image() {
    let blob = Storage::Blob { length_bytes: 2, compressed: false };
    let table = table("d", "t", &[("id", INT, false), ("v", INT, true), ("text", blob, true)], &[0]);
    // The before image has the key only, the after image the second column only.
    let body = Body::new(RowKind::Update, 3, (0b001, 0b010), &[vec![int(1)], vec![int(2)]]);
    let found = events(options(), &body, &table, &context());
    assert_eq!(found[0]["before"], json!({"id": 1, "text": "__debezium_unavailable_value"}));
    assert_eq!(found[0]["after"], json!({"v": 2, "text": "__debezium_unavailable_value"}));
    assert_eq!(found[0]["op"], "u");
    // Bytes as bytes.
    let mut binary = table;
    binary.columns[2].charset = None;
    let found = events(options(), &body, &binary, &context());
    assert_eq!(found[0]["after"]["text"], "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==");
}

/// A value in a column of that storage, which may be NULL or not.
fn value(options: &DebeziumOptions, storage: Storage, nullable: bool, value: &Value<'_>) -> Json {
    let mut table = table("d", "t", &[("v", storage, nullable)], &[]);
    table.columns[0].charset = None;
    table.columns[0].unsigned = options.bigint_unsigned == BigintUnsigned::Precise;
    let mut out = Vec::new();
    Values::new(options.decimal, options.bigint_unsigned)
        .write(&mut out, &table.columns[0], &table.map.columns[0], value, None)
        .unwrap();
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn numbers() {
    let decimal = Storage::Decimal { precision: 14, scale: 4 };
    let stored = [0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2];
    let number = Value::Decimal(Decimal::read(&mut Reader::new(&stored, "decimal"), 14, 4).unwrap());
    let with = |decimal| DebeziumOptions { decimal, ..options() };
    // 12345678901234 is 0x0b3a73ce2ff2.
    assert_eq!(value(&options(), decimal, true, &number), json!("Czpzzi/y"));
    assert_eq!(value(&with(DecimalHandling::String), decimal, true, &number), json!("1234567890.1234"));
    assert_eq!(value(&with(DecimalHandling::Double), decimal, true, &number), json!(1_234_567_890.123_4));

    let bigint = Storage::Integer { bytes: 8 };
    let largest = Value::read(bigint, &mut Reader::new(&[0xff; 8], "integer")).unwrap();
    assert_eq!(value(&options(), bigint, true, &largest), json!(-1));
    let precise = DebeziumOptions { bigint_unsigned: BigintUnsigned::Precise, ..options() };
    assert_eq!(value(&precise, bigint, true, &largest), json!("AP//////////"));

    assert_eq!(value(&options(), Storage::Bit { bits: 1 }, true, &Value::Bit(1)), json!(true));
    // Little-endian, all bytes of the column.
    assert_eq!(value(&options(), Storage::Bit { bits: 20 }, true, &Value::Bit(0x01_02)), json!("AgEA"));
}

#[test]
fn dates_and_times() {
    let date = |year, month, day| Date { year, month, day };
    let show = |storage, nullable, shown: Value<'_>| value(&options(), storage, nullable, &shown);
    assert_eq!(show(Storage::Date, true, Value::Date(date(2018, 6, 20))), json!(17702));
    assert_eq!(show(Storage::Date, true, Value::Date(date(0, 0, 0))), Json::Null);
    assert_eq!(show(Storage::Date, false, Value::Date(date(2018, 0, 1))), json!(0));

    // The documentation's example: 2018-06-20 06:37:03 (mysql.adoc, "Temporal values").
    let date_time = |date, microseconds, fraction_digits| DateTime {
        date,
        hours: 6,
        minutes: 37,
        seconds: 3,
        microseconds,
        fraction_digits,
    };
    let datetime = |fraction_digits| Storage::DateTime { fraction_digits };
    let with = |digits, shown: DateTime| show(datetime(digits), true, Value::DateTime(shown));
    assert_eq!(with(0, date_time(date(2018, 6, 20), 0, 0)), json!(1_529_476_623_000_u64));
    assert_eq!(with(3, date_time(date(2018, 6, 20), 123_000, 3)), json!(1_529_476_623_123_u64));
    assert_eq!(with(4, date_time(date(2018, 6, 20), 123_400, 4)), json!(1_529_476_623_123_400_u64));
    assert_eq!(with(6, date_time(date(1969, 12, 31), 1, 6)), json!(-62_576_999_999_i64));
    assert_eq!(with(0, date_time(date(0, 0, 0), 0, 0)), Json::Null);
    assert_eq!(show(datetime(0), false, Value::DateTime(date_time(date(0, 0, 0), 0, 0))), json!(0));

    let time = Time { negative: true, hours: 838, minutes: 59, seconds: 59, microseconds: 0, fraction_digits: 0 };
    assert_eq!(show(Storage::Time { fraction_digits: 0 }, true, Value::Time(time)), json!(-3_020_399_000_000_i64));

    let timestamp = |seconds, microseconds, fraction_digits| {
        let storage = Storage::Timestamp { fraction_digits };
        show(storage, true, Value::Timestamp(Timestamp { seconds, microseconds, fraction_digits }))
    };
    assert_eq!(timestamp(1_529_501_823, 0, 0), json!("2018-06-20T13:37:03Z"));
    assert_eq!(timestamp(1_529_501_823, 120_000, 3), json!("2018-06-20T13:37:03.120Z"));
    assert_eq!(timestamp(0, 0, 2), Json::Null);
    let zero = Value::Timestamp(Timestamp { seconds: 0, microseconds: 0, fraction_digits: 2 });
    assert_eq!(show(Storage::Timestamp { fraction_digits: 2 }, false, zero), json!("1970-01-01T00:00:00Z"));
    assert_eq!(show(Storage::Year, true, Value::Year(2018)), json!(2018));
}

#[test]
fn documents_geometries_and_vectors() {
    let document = Storage::Json { length_bytes: 4 };
    let show = |storage, nullable, shown: Value<'_>| value(&options(), storage, nullable, &shown);
    // {"a": "b"}, in the server's binary form.
    let stored = [0, 1, 0, 14, 0, 11, 0, 1, 0, 12, 12, 0, b'a', 1, b'b'];
    assert_eq!(show(document, true, Value::Json(&stored)), json!(r#"{"a":"b"}"#));
    assert_eq!(show(document, true, Value::Json(&[])), Json::Null);
    assert_eq!(show(document, false, Value::Json(&[])), json!("{}"));
    assert_eq!(show(document, true, Value::JsonDiff(&[1])), json!("__debezium_unavailable_value"));

    let mut point = vec![0xe6, 0x10, 0, 0, 1, 1, 0, 0, 0];
    point.extend(1.0_f64.to_le_bytes());
    point.extend((-2.5_f64).to_le_bytes());
    let geometry = Storage::Geometry { length_bytes: 4 };
    let shown = show(geometry, true, Value::Geometry(&point));
    assert_eq!(shown, json!({"wkb": "AQEAAAAAAAAAAADwPwAAAAAAAATA", "srid": 4326}));
    // A POINT column has its coordinates too, and no SRID is null.
    point[..2].fill(0);
    let mapped = MappedColumnOfPoint::new(geometry);
    let mut out = Vec::new();
    let mut values = Values::new(DecimalHandling::Precise, BigintUnsigned::Long);
    values.write(&mut out, &mapped.0.columns[0], &mapped.1, &Value::Geometry(&point), None).unwrap();
    let shown: Json = serde_json::from_slice(&out).unwrap();
    assert_eq!(shown, json!({"x": 1.0, "y": -2.5, "wkb": "AQEAAAAAAAAAAADwPwAAAAAAAATA", "srid": null}));

    let vector = [1.0_f32.to_le_bytes(), (-0.5_f32).to_le_bytes()].concat();
    assert_eq!(show(Storage::Vector { length_bytes: 4 }, true, Value::Vector(&vector)), json!([1.0, -0.5]));
}

/// A table of one column, and that column's map as one of a POINT.
struct MappedColumnOfPoint(Table, crate::binlog::event::table_map::MappedColumn);

impl MappedColumnOfPoint {
    fn new(storage: Storage) -> Self {
        let table = table("d", "t", &[("v", storage, true)], &[]);
        let mut mapped = table.map.columns[0].clone();
        mapped.geometry_type = Some(crate::binlog::output::debezium::schema::GEOMETRY_POINT);
        Self(table, mapped)
    }
}

#[test]
fn schemas_are_those_of_the_documentation() {
    let table = customers();
    let body = Body::full(RowKind::Insert, &[customer(1004, "Anne")]);
    let with = DebeziumOptions { with_schema: true, routing: Routing::to("rows".parse().unwrap()), ..options() };
    let mut batch = Batch::new();
    form(with).rows(&body.event(&table), &table, &context(), &mut batch).unwrap();
    let message = batch.routed(0).unwrap();
    let event: Json = serde_json::from_slice(message.value).unwrap();
    assert_eq!(event["payload"]["after"]["id"], 1004);
    let documented: Json = serde_json::from_str(include_str!("../../../../../tests/data/forms/debezium.json")).unwrap();
    assert_eq!(event["schema"], documented["schema"]);
    let key: Json = serde_json::from_slice(message.key).unwrap();
    assert_eq!(key, documented["key"]);
}

/// A text says that it is hidden; anything else is null, and the schema allows that.
#[test]
fn redacted_values_keep_the_type_of_their_schema() {
    let columns = [("id", INT, false), ("secret_text", VARCHAR, false), ("secret_number", INT, false)];
    let mask = Redactor::new(&["secret".into()], "***");
    let hash = mask.clone().with_pseudonyms(b"0123456789abcdef");
    let pseudonym = hash.pseudonym(b"x").unwrap().to_string();
    for (redactor, shown) in [(mask, "***"), (hash, pseudonym.as_str())] {
        check_redacted(&columns, redactor, shown);
    }
}

fn check_redacted(columns: &[(&str, Storage, bool)], redactor: Redactor, shown: &str) {
    let mut table = table("d", "t", columns, &[0]);
    table.columns[1].charset = Some(crate::mysql::charset::Charset::Utf8mb4);
    table.hide(&crate::rules::columns::ColumnRules { redactor, ..Default::default() });
    let body = Body::full(RowKind::Insert, &[vec![int(1), varchar("x"), int(7)]]);
    let (mut stored, table) = (Vec::new(), Arc::new(table));
    let rows = body.event(&table).store(&mut stored);
    let mut batch = Batch::new();
    let with = DebeziumOptions { with_schema: true, ..options() };
    assert_eq!(
        form(with).rows(&rows.event(&table.map, table.hidden.as_ref(), &stored), &table, &context(), &mut batch),
        Ok(1)
    );
    let found = messages(&batch);
    assert_eq!(found[0]["payload"]["after"], json!({"id": 1, "secret_text": shown, "secret_number": null}));
    let fields = &found[0]["schema"]["fields"][1]["fields"];
    assert_eq!(fields[1], json!({"type": "string", "optional": false, "field": "secret_text"}));
    assert_eq!(fields[2], json!({"type": "int32", "optional": true, "field": "secret_number"}));
}

#[test]
fn messages_that_are_not_about_rows_have_schemas_too() {
    let with = DebeziumOptions {
        with_schema: true,
        transactions: true,
        routing: Routing::to("rows".parse().unwrap()),
        ..options()
    };
    let (mut form, mut batch) = (form(with), Batch::new());
    let definition = Definition { database: "d", table: None, sql: "CREATE DATABASE d" };
    form.definition(definition, &context(), &mut batch);
    form.transaction(TransactionEdge::Begin, &context(), &mut batch);
    for (index, value, key) in [
        (0, "io.debezium.connector.mysql.SchemaChangeValue", "io.debezium.connector.mysql.SchemaChangeKey"),
        (
            1,
            "io.debezium.connector.common.TransactionMetadataValue",
            "io.debezium.connector.common.TransactionMetadataKey",
        ),
    ] {
        let message = batch.routed(index).unwrap();
        for (part, name) in [(message.value, value), (message.key, key)] {
            let part: Json = serde_json::from_slice(part).unwrap();
            assert_eq!((&part["schema"]["name"], &part["schema"]["version"]), (&json!(name), &json!(1)));
            let fields = part["schema"]["fields"].as_array().unwrap();
            let mut names: Vec<_> = fields.iter().map(|field| field["field"].as_str().unwrap()).collect();
            names.sort_unstable();
            assert_eq!(names, part["payload"].as_object().unwrap().keys().collect::<Vec<_>>());
        }
    }
}

#[test]
fn every_storage_has_a_schema_of_its_values() {
    let decimal = Storage::Decimal { precision: 10, scale: 2 };
    let cases: [(Storage, bool, Json); 12] = [
        (Storage::Integer { bytes: 1 }, false, json!({"type": "int16"})),
        (Storage::Integer { bytes: 2 }, true, json!({"type": "int32"})),
        (Storage::Integer { bytes: 4 }, true, json!({"type": "int64"})),
        (Storage::Float, false, json!({"type": "float"})),
        (
            decimal,
            false,
            json!({"type": "bytes", "name": "org.apache.kafka.connect.data.Decimal", "version": 1,
            "parameters": {"scale": "2", "connect.decimal.precision": "10"}}),
        ),
        (Storage::Date, false, json!({"type": "int32", "name": "io.debezium.time.Date", "version": 1})),
        (
            Storage::DateTime { fraction_digits: 3 },
            false,
            json!({"type": "int64", "name": "io.debezium.time.Timestamp", "version": 1}),
        ),
        (
            Storage::DateTime { fraction_digits: 4 },
            false,
            json!({"type": "int64", "name": "io.debezium.time.MicroTimestamp", "version": 1}),
        ),
        (
            Storage::Timestamp { fraction_digits: 6 },
            false,
            json!({"type": "string", "name": "io.debezium.time.ZonedTimestamp", "version": 1}),
        ),
        (
            Storage::Bit { bits: 9 },
            false,
            json!({"type": "bytes", "name": "io.debezium.data.Bits", "version": 1, "parameters": {"length": "9"}}),
        ),
        (
            Storage::Vector { length_bytes: 4 },
            false,
            json!({"type": "array", "items": {"type": "float", "optional": false},
            "name": "io.debezium.data.FloatVector", "version": 1}),
        ),
        (
            Storage::Json { length_bytes: 4 },
            false,
            json!({"type": "string", "name": "io.debezium.data.Json", "version": 1}),
        ),
    ];
    for (storage, unsigned, mut expected) in cases {
        let mut table = table("d", "t", &[("v", storage, true)], &[0]);
        table.columns[0].unsigned = unsigned;
        let mut schemas = Schemas::default();
        schemas.prepare(&table, &options(), Connector::MySql);
        let key: Json = serde_json::from_slice(schemas.of(&table).unwrap().key()).unwrap();
        expected["optional"] = json!(true);
        expected["field"] = json!("v");
        assert_eq!(key["fields"][0], expected);
    }
}
