use crate::binlog::output::fixture::{Body, INT, Image, VARCHAR, context, int, table, varchar};
use crate::binlog::output::text::*;
use crate::binlog::value::column::Storage;

fn form(color: ColorChoice, width: Option<usize>) -> Text {
    let options = TextOptions { color, fit_terminal: false, transactions: true };
    Text { zone: TimeZone::UTC, width, ..Text::new(options) }
}

fn shown(form: &mut Text, body: &Body, table: &Table) -> String {
    let mut batch = Batch::new();
    let context = RowContext { gtid: Some("24bc7850-2c16-11e6-a073-0242ac110002:42".into()), ..context() };
    form.rows(&body.event(table), table, &context, &mut batch).unwrap();
    String::from_utf8(batch.lines(0..batch.len()).to_vec()).unwrap()
}

fn plain(body: &Body, table: &Table) -> String {
    shown(&mut form(ColorChoice::Never, None), body, table)
}

const BLOB: Storage = Storage::Blob { length_bytes: 2, compressed: false };

/// A table with bytes in the last column.
fn orders() -> Table {
    let columns = [("id", INT, false), ("status", VARCHAR, true), ("note", VARCHAR, true), ("seal", BLOB, true)];
    let mut orders = table("shop", "orders", &columns, &[0]);
    orders.columns[3].charset = None;
    orders
}

fn order(status: &str, note: Option<&str>, seal: &[u8]) -> Image {
    vec![int(7), varchar(status), note.and_then(varchar), varchar_bytes(seal)]
}

fn varchar_bytes(bytes: &[u8]) -> Option<Vec<u8>> {
    Some([&(bytes.len() as u16).to_le_bytes(), bytes].concat())
}

#[test]
fn the_three_kinds() {
    let insert = Body::full(RowKind::Insert, &[order("new", None, &[0xca, 0xfe])]);
    let expected = "\
2016-06-10 17:50:29  insert  shop.orders  id=7  24bc7850-2c16-11e6-a073-0242ac110002:42
    id: 7
    status: 'new'
    note: NULL
    seal: 0xcafe
";
    assert_eq!(plain(&insert, &orders()), expected);
    let update = Body::full(RowKind::Update, &[order("new", None, &[1]), order("paid", Some("NULL"), &[1])]);
    let expected = "\
2016-06-10 17:50:29  update  shop.orders  id=7  24bc7850-2c16-11e6-a073-0242ac110002:42
    status: 'new' => 'paid'
    note: NULL => 'NULL'
";
    assert_eq!(plain(&update, &orders()), expected);
    let delete = Body::full(RowKind::Delete, &[order("it's", Some(""), &[])]);
    let expected = "\
2016-06-10 17:50:29  delete  shop.orders  id=7  24bc7850-2c16-11e6-a073-0242ac110002:42
    id: 7
    status: 'it''s'
    note: ''
    seal: 0x
";
    assert_eq!(plain(&delete, &orders()), expected);
}

#[test]
fn a_row_is_one_message() {
    let insert = Body::full(RowKind::Insert, &[order("a", None, &[]), order("b", None, &[])]);
    let mut batch = Batch::new();
    let table = orders();
    assert_eq!(form(ColorChoice::Never, None).rows(&insert.event(&table), &table, &context(), &mut batch), Ok(2));
    assert_eq!(batch.len(), 2);
    // Without a GTID the place in the log.
    let first = String::from_utf8_lossy(batch.get(0).unwrap().1).into_owned();
    assert!(first.lines().next().unwrap().ends_with("  id=7  mysql-bin.000003:484"), "{first}");
}

#[test]
fn nothing_drives_the_terminal() {
    let evil = "\x1b]0;owned\x07\r\n\u{9b}31m\u{202e}";
    let columns = [("id\x1b[2J", INT, false), ("v", VARCHAR, true)];
    let evil_table = table("d\x1b[1m", "t\n", &columns, &[0]);
    let body = Body::full(RowKind::Insert, &[vec![int(1), varchar(evil)]]);
    let text = plain(&body, &evil_table);
    assert!(text.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')), "{text:?}");
    assert_eq!(text.lines().count(), 3, "{text}");
    let mut batch = Batch::new();
    let definition = Definition { database: evil, table: None, sql: "CREATE TABLE `\x1b[2J` (id INT)" };
    form(ColorChoice::Never, None).definition(definition, &context(), &mut batch);
    let text = String::from_utf8(batch.lines(0..1).to_vec()).unwrap();
    assert!(text.trim_end().chars().all(|c| !c.is_control()), "{text:?}");
}

#[test]
fn long_values_are_cut_and_the_rest_is_counted() {
    let long = "é".repeat(150);
    let body = Body::full(RowKind::Insert, &[order(&long, None, &[0xab; 100])]);
    let text = plain(&body, &orders());
    assert!(text.contains(&format!("status: '{}'… (60 bytes more)\n", "é".repeat(120))), "{text}");
    assert!(text.contains(&format!("seal: 0x{}… (40 bytes more)\n", "ab".repeat(60))), "{text}");
    // On a terminal they fit its width.
    let text = shown(&mut form(ColorChoice::Never, Some(80)), &body, &orders());
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    // Of a GTID its end says most.
    let first = text.lines().next().unwrap();
    assert!(first.contains("  …") && first.ends_with(":42"), "{text}");
}

#[test]
fn colours_are_there_only_where_they_are_wanted() {
    let update = Body::full(RowKind::Update, &[order("new", None, &[1]), order("paid", None, &[1])]);
    let text = shown(&mut form(ColorChoice::Always, None), &update, &orders());
    assert!(text.contains("\x1b[1;33mupdate\x1b[0m"), "{text:?}");
    assert!(text.contains("\x1b[31m'new'\x1b[0m\x1b[2m => \x1b[0m\x1b[32m'paid'\x1b[0m\n"), "{text:?}");
    assert!(!plain(&update, &orders()).contains('\x1b'));
}

#[test]
fn minimal_images_and_no_change() {
    let simple = table("d", "t", &[("id", INT, false), ("v", INT, true), ("w", INT, true)], &[0]);
    let body = Body::new(RowKind::Update, 3, (0b001, 0b010), &[vec![int(1)], vec![int(2)]]);
    assert!(plain(&body, &simple).ends_with(":42\n    v: (not in the log) => 2\n"));
    let same = vec![int(1), int(2), int(3)];
    let body = Body::full(RowKind::Update, &[same.clone(), same]);
    assert!(plain(&body, &simple).ends_with(":42\n    (no column changed)\n"));
}

#[test]
fn definitions_and_transactions_are_a_line_each() {
    let mut batch = Batch::new();
    let mut form = form(ColorChoice::Never, None);
    let context = RowContext { commit_timestamp_us: Some(1_465_581_029_123_456), ..context() };
    form.transaction(TransactionEdge::Begin, &context, &mut batch);
    form.definition(
        Definition { database: "shop", table: Some("t"), sql: "ALTER TABLE t\n  ADD v INT" },
        &context,
        &mut batch,
    );
    form.definition(Definition { database: "", table: None, sql: "CREATE DATABASE d" }, &context, &mut batch);
    form.transaction(TransactionEdge::End { rows: 3 }, &context, &mut batch);
    let expected = "\
2016-06-10 17:50:29.123  begin   mysql-bin.000003:484
2016-06-10 17:50:29.123  ddl     shop  ALTER TABLE t ADD v INT
2016-06-10 17:50:29.123  ddl     -  CREATE DATABASE d
2016-06-10 17:50:29.123  commit  3 rows  mysql-bin.000003:484
";
    assert_eq!(String::from_utf8_lossy(batch.lines(0..4)), expected);
}

#[test]
fn binary_has_its_zeros() {
    let binary = Storage::Fixed { max_bytes: 4 };
    let mut binary = table("d", "t", &[("b", binary, true)], &[]);
    binary.columns[0].charset = None;
    let body = Body::full(RowKind::Insert, &[vec![Some(vec![1, 0xaa])]]);
    assert!(plain(&body, &binary).ends_with("    b: 0xaa000000\n"));
}
