//! Rows of synthetic events through form and sink, read back from the files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::parquet::file::reader::{FileReader, SerializedFileReader};

use crate::binlog::checkpoint::{Checkpoint, CheckpointFile};
use crate::binlog::event::event_type::EventType;
use crate::binlog::event::rows::{RowsHeader, RowsType};
use crate::binlog::event::table_map::{MappedColumn, TableMap};
use crate::binlog::output::context::RowContext;
use crate::binlog::output::form::RowForm;
use crate::binlog::output::json_value::ValueOptions;
use crate::binlog::output::parquet::config::{Compression, Layout, ParquetConfig};
use crate::binlog::output::parquet::open;
use crate::binlog::table::schema::Table;
use crate::binlog::value::column::Storage;
use crate::deliver::{Batch, Sink, SinkError};

const UTF8MB4: u16 = 255;

fn column(name: &str, storage: Storage) -> MappedColumn {
    MappedColumn {
        type_code: 0,
        storage,
        nullable: true,
        unsigned: Some(false),
        collation: Some(if storage.is_character(false) { UTF8MB4 } else { 63 }),
        name: Some(name.to_owned()),
        members: None,
        visible: None,
        geometry_type: None,
    }
}

fn table_of(id: u64, name: &str, columns: Vec<MappedColumn>) -> Table {
    let map = TableMap {
        table_id: id,
        database: "shop".into(),
        table: name.into(),
        columns,
        primary_key: Some(vec![0]),
        ..TableMap::default()
    };
    Table::resolve(&Arc::new(map), None)
}

/// `id INT, name VARCHAR(40)`
fn users(id: u64, name: &str) -> Table {
    let columns = vec![
        column("id", Storage::Integer { bytes: 4 }),
        column("name", Storage::Variable { max_bytes: 160, compressed: false }),
    ];
    table_of(id, name, columns)
}

fn user(id: i32, name: &str) -> Vec<u8> {
    let mut row = vec![0];
    row.extend(id.to_le_bytes());
    row.push(u8::try_from(name.len()).unwrap());
    row.extend(name.as_bytes());
    row
}

fn context(file: &str, offset: u64) -> RowContext {
    RowContext {
        timestamp_ms: 1_795_260_000_000,
        commit_timestamp_us: None,
        server_id: 7,
        file: file.into(),
        offset,
        next_position: u32::try_from(offset).unwrap() + 100,
        gtid: Some("0-7-1".into()),
        thread_id: None,
        xid: None,
        query: None,
        first_row: 0,
        ends_transaction: true,
    }
}

struct Feed {
    sink: Box<dyn Sink>,
    form: Box<dyn RowForm>,
    /// The last position.
    last: u64,
}

impl Feed {
    fn new(config: ParquetConfig) -> Self {
        let (sink, factory) = open(config, ValueOptions::default()).unwrap();
        Self { sink, form: factory(), last: 0 }
    }

    /// The messages of one event; each image has the columns whose bits are set.
    fn messages(&mut self, table: &Table, kind: EventType, bits: &[u8], images: &[u8], context: &RowContext) -> Batch {
        let mut batch = Batch::new();
        self.add(table, kind, bits, images, context, &mut batch);
        self.numbered(batch)
    }

    /// Adds the messages of one event to a batch.
    fn add(
        &mut self,
        table: &Table,
        kind: EventType,
        bits: &[u8],
        images: &[u8],
        context: &RowContext,
        batch: &mut Batch,
    ) {
        let mut body = vec![1, 0, 0, 0, 0, 0, 1, 0, 2, 0, table.columns.len() as u8];
        body.extend_from_slice(bits);
        body.extend_from_slice(images);
        let rows_type = RowsType::of(kind).unwrap();
        let header = RowsHeader::parse(&body, 10, rows_type).unwrap();
        let rows = header.with_table(&table.map, rows_type, header.rows).unwrap();
        self.form.rows(&rows, table, context, batch).unwrap();
    }

    fn numbered(&mut self, mut batch: Batch) -> Batch {
        batch.set_position(self.last + 1);
        self.last += batch.len() as u64;
        batch
    }

    fn insert(&mut self, table: &Table, rows: &[Vec<u8>], context: &RowContext) {
        let batch = self.messages(table, EventType::WriteRows, &[0xff], &rows.concat(), context);
        assert_eq!(self.sink.write(&batch, 0).unwrap(), rows.len());
    }

    /// Reading could go on here.
    fn boundary(&mut self) {
        let mut batch = Batch::new();
        self.form.checkpoint(&Checkpoint::default(), &mut batch);
        let batch = self.numbered(batch);
        assert_eq!(self.sink.write(&batch, 0).unwrap(), 1);
    }

    fn flush(&mut self) {
        self.sink.flush(Instant::now() + Duration::from_secs(60)).unwrap();
    }
}

fn config(dir: &Path, layout: Layout) -> ParquetConfig {
    ParquetConfig { layout, ..ParquetConfig::new(dir.to_owned()) }
}

/// Every file below the directory, by its path in it.
fn files(dir: &Path) -> Vec<String> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, out) } else { out.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(dir, &mut found);
    found.retain(|path| !path.ends_with(".mysql-interceptor.lock"));
    let mut names: Vec<String> =
        found.iter().map(|path| path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Each row: its columns' values as text.
fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(|row| {
        let row = row.unwrap();
        row.get_column_iter().map(|(name, value)| (name.clone(), value.to_string())).collect()
    });
    rows.collect()
}

fn ids(path: &Path) -> Vec<String> {
    rows(path).iter().map(|row| row["after_values"].clone()).collect()
}

/// `message schema { ... }` without its first and last line.
fn schema_of(path: &Path) -> Vec<String> {
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let mut text = Vec::new();
    ::parquet::schema::printer::print_schema(&mut text, reader.metadata().file_metadata().schema());
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.trim().lines().collect();
    lines[1..lines.len() - 1].iter().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn events_have_nine_columns() {
    let dir = tempfile::tempdir().unwrap();
    let mut feed = Feed::new(config(dir.path(), Layout::Events));
    let table = users(1, "users");
    feed.insert(&table, &[user(1, "a"), user(-2, "\"ü\"")], &context("binlog.000002", 1234));
    let batch = feed.messages(&table, EventType::UpdateRows, &[0xff, 0xff], &[user(1, "a"), user(1, "b")].concat(), &{
        RowContext { next_position: 0, first_row: 5, ..context("binlog.000002", 2000) }
    });
    assert_eq!(feed.sink.write(&batch, 0).unwrap(), 1);
    let batch = feed.messages(&table, EventType::DeleteRows, &[0xff], &user(1, "b"), &context("binlog.000002", 3000));
    assert_eq!(feed.sink.write(&batch, 0).unwrap(), 1);
    // Nothing is acknowledged before the file is whole, and until then it does not have its name.
    assert_eq!(feed.sink.delivered_through(), 0);
    assert_eq!(files(dir.path()), [".binlog.000002-0000001234.parquet.part"]);
    feed.flush();
    assert_eq!(feed.sink.delivered_through(), 4);
    assert_eq!(files(dir.path()), ["binlog.000002-0000001234.parquet"]);

    let path = dir.path().join("binlog.000002-0000001234.parquet");
    let expected = [
        "REQUIRED INT64 timestamp;",
        "REQUIRED INT32 server_id;",
        "REQUIRED INT64 log_pos;",
        "REQUIRED INT64 event_row_index;",
        "OPTIONAL BYTE_ARRAY database (STRING);",
        "OPTIONAL BYTE_ARRAY table_name (STRING);",
        "REQUIRED BYTE_ARRAY dml_type (STRING);",
        "OPTIONAL BYTE_ARRAY before_values (JSON);",
        "OPTIONAL BYTE_ARRAY after_values (JSON);",
    ];
    assert_eq!(schema_of(&path), expected);
    let rows = rows(&path);
    let shown = |row: &BTreeMap<String, String>| {
        ["log_pos", "event_row_index", "dml_type", "before_values", "after_values"]
            .map(|name| row[name].clone())
            .join(" ")
    };
    let shown: Vec<String> = rows.iter().map(shown).collect();
    assert_eq!(shown[0], r#"1334 0 "insert" null "{"id":1,"name":"a"}""#);
    assert_eq!(shown[1], r#"1334 1 "insert" null "{"id":-2,"name":"\"ü\""}""#);
    // In a compressed transaction events have no place: the transaction's, and the row's number in it.
    assert_eq!(shown[2], r#"2000 5 "update" "{"id":1,"name":"a"}" "{"id":1,"name":"b"}""#);
    assert_eq!(shown[3], r#"3100 0 "delete" "{"id":1,"name":"b"}" null"#);
    assert_eq!((rows[0]["timestamp"].as_str(), rows[0]["server_id"].as_str()), ("1795260000000", "7"));
    assert_eq!((rows[0]["database"].as_str(), rows[0]["table_name"].as_str()), ("\"shop\"", "\"users\""));
}

#[test]
fn a_table_has_columns_of_its_types() {
    let dir = tempfile::tempdir().unwrap();
    let mut feed = Feed::new(config(dir.path(), Layout::Tables));
    let mut kind = column("kind", Storage::Enum { bytes: 1 });
    kind.members = Some(vec![b"small".to_vec(), b"large".to_vec()]);
    let mut count = column("count", Storage::Integer { bytes: 3 });
    count.unsigned = Some(true);
    let mut raw = column("raw", Storage::Fixed { max_bytes: 4 });
    raw.collation = Some(63);
    let columns = vec![
        column("id", Storage::Integer { bytes: 8 }),
        count,
        column("price", Storage::Decimal { precision: 4, scale: 2 }),
        column("huge", Storage::Decimal { precision: 40, scale: 0 }),
        column("born", Storage::Date),
        column("at", Storage::DateTime { fraction_digits: 0 }),
        column("seen", Storage::Timestamp { fraction_digits: 0 }),
        column("span", Storage::Time { fraction_digits: 0 }),
        kind,
        raw,
        column("place", Storage::Vector { length_bytes: 4 }),
        column("__OP", Storage::Year),
    ];
    let table = table_of(1, "a/b", columns);
    let row = |born: [u8; 3], seen: u32, op: u8| {
        let mut row = vec![0, 0];
        row.extend((-5_i64).to_le_bytes());
        row.extend([0xff, 0xff, 0xff]);
        row.extend([0x80 | 12, 34]); // 12.34
        row.extend([0x80, 7].iter().chain(&[0; 16])); // 7 * 10^36
        row.extend(born);
        let packed = 1_u64 << 39 | (2025 * 13 + 5) << 22 | 21 << 17 | 12 << 12 | 34 << 6 | 56;
        row.extend(&packed.to_be_bytes()[3..]); // 2025-05-21 12:34:56
        row.extend(seen.to_be_bytes());
        row.extend([0x4b, 0x91, 0x05]); // -838:59:59
        row.push(2);
        row.extend([2, 1, 2]);
        row.extend([8, 0, 0, 0].into_iter().chain(0.5_f32.to_le_bytes()).chain((-2_f32).to_le_bytes()));
        row.push(op);
        row
    };
    // 2024-02-29 and 2024-00-10.
    let date = |year: u32, month: u32, day: u32| (year << 9 | month << 5 | day).to_le_bytes()[..3].try_into().unwrap();
    let images = [(2024, 2, 29, 1, 124), (2024, 0, 10, 0, 0), (0, 1, 1, 1, 0)]
        .map(|(year, month, day, seen, op)| row(date(year, month, day), seen, op))
        .concat();
    let batch = feed.messages(&table, EventType::WriteRows, &[0xff, 0xff], &images, &context("binlog.000002", 1234));
    assert_eq!(feed.sink.write(&batch, 0).unwrap(), 3);
    feed.flush();
    assert_eq!(files(dir.path()), ["shop/a%2Fb/binlog.000002-0000001234.parquet"]);
    let path = dir.path().join("shop/a%2Fb/binlog.000002-0000001234.parquet");
    let schema = schema_of(&path);
    let own: Vec<&str> = schema[6..schema.len() - 3].iter().map(String::as_str).collect();
    let expected = [
        "OPTIONAL INT64 id;",
        "OPTIONAL INT32 count (INTEGER(32,false));",
        "OPTIONAL INT32 price (DECIMAL(4,2));",
        "OPTIONAL FIXED_LEN_BYTE_ARRAY (17) huge (DECIMAL(40,0));",
        "OPTIONAL INT32 born (DATE);",
        "OPTIONAL INT64 at (TIMESTAMP(MICROS,false));",
        "OPTIONAL INT64 seen (TIMESTAMP(MICROS,true));",
        "OPTIONAL INT64 span;",
        "OPTIONAL BYTE_ARRAY kind (STRING);",
        "OPTIONAL BYTE_ARRAY raw;",
        "OPTIONAL group place (LIST) {",
        "REPEATED group list {",
        "REQUIRED FLOAT element;",
        "}",
        "}",
        "OPTIONAL INT32 __OP_ (INTEGER(16,false));",
    ];
    assert_eq!(own, expected);
    let rows = rows(&path);
    for (name, value) in [
        ("__op", "\"insert\""),
        ("__gtid", "\"0-7-1\""),
        ("__file", "\"binlog.000002\""),
        ("__offset", "1234"),
        ("__row_index", "0"),
        ("id", "-5"),
        ("count", "16777215"),
        ("price", "12.34"),
        ("huge", "7000000000000000000000000000000000000"),
        ("born", "2024-02-29"),
        ("at", "2025-05-21 12:34:56"),
        ("seen", "1970-01-01 00:00:01"),
        ("span", "-3020399000000"),
        ("kind", "\"large\""),
        ("raw", "[1, 2, 0, 0]"),
        ("place", "[0.5, -2E0]"),
        ("__OP_", "2024"),
        ("__before", "null"),
        ("__absent", "null"),
        ("__invalid", "null"),
    ] {
        assert!(rows[0][name].starts_with(value), "{name}: {}", rows[0][name]);
    }
    assert_eq!((rows[1]["born"].as_str(), rows[1]["seen"].as_str(), rows[1]["__OP_"].as_str()), ("null", "null", "0"));
    assert_eq!(rows[1]["__invalid"], r#""{"born":"2024-00-10","seen":"0000-00-00 00:00:00"}""#);
    assert_eq!((rows[2]["born"].as_str(), rows[2]["__invalid"].as_str()), ("null", r#""{"born":"0000-01-01"}""#));
}

#[test]
fn what_an_image_leaves_out_is_taken_from_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut feed = Feed::new(config(dir.path(), Layout::Tables));
    let mut columns = users(1, "users").map.columns.clone();
    columns.push(column("size", Storage::Integer { bytes: 1 }));
    let table = table_of(1, "users", columns);
    // The key alone before, `name` alone after.
    let images = [vec![0], 9_i32.to_le_bytes().to_vec(), vec![0, 1, b'x']].concat();
    let batch = feed.messages(&table, EventType::UpdateRows, &[0b001, 0b010], &images, &context("b.1", 4));
    assert_eq!(feed.sink.write(&batch, 0).unwrap(), 1);
    feed.flush();
    let row = &rows(&dir.path().join("shop/users/b.1-0000000004.parquet"))[0];
    let of = |name: &str| row[name].as_str();
    assert_eq!((of("id"), of("name"), of("size")), ("9", "\"x\"", "null"));
    assert_eq!((of("__before"), of("__absent")), (r#""{"id":9}""#, r#""["size"]""#));
}

#[test]
fn a_table_that_changes_goes_on_in_a_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut feed = Feed::new(config(dir.path(), Layout::Tables));
    let old = users(1, "users");
    let mut columns = old.map.columns.clone();
    columns.push(column("size", Storage::Integer { bytes: 1 }));
    let new = table_of(2, "users", columns);
    feed.insert(&old, &[user(1, "a")], &context("b.1", 100));
    feed.insert(&new, &[[user(2, "b"), vec![3]].concat()], &context("b.1", 200));
    feed.insert(&new, &[[user(3, "c"), vec![4]].concat()], &context("b.1", 300));
    feed.flush();
    let names = ["shop/users/b.1-0000000100.parquet", "shop/users/b.1-0000000200.parquet"];
    assert_eq!(files(dir.path()), names);
    let sizes = |name: &str| -> Vec<Option<String>> {
        rows(&dir.path().join(name)).iter().map(|row| row.get("size").cloned()).collect()
    };
    assert_eq!(sizes(names[0]), [None]);
    assert_eq!(sizes(names[1]), [Some("3".to_owned()), Some("4".to_owned())]);
    assert_eq!(feed.sink.delivered_through(), 3);
}

#[test]
fn rows_of_several_tables_are_acknowledged_together() {
    let dir = tempfile::tempdir().unwrap();
    let mut feed = Feed::new(ParquetConfig { roll_bytes: 1024, ..config(dir.path(), Layout::Tables) });
    let (small, large) = (users(1, "small"), users(2, "large"));
    feed.insert(&small, &[user(1, "a")], &context("b.1", 100));
    for number in 0..60_u64 {
        let name = format!("{:0100}", number * 7_919_797_979);
        feed.insert(&large, &[user(1, &name)], &context("b.1", 200 + number));
    }
    // Files of the large table are whole; but a row before all of theirs is not.
    assert!(files(dir.path()).iter().filter(|name| name.starts_with("shop/large/b")).count() > 1);
    assert_eq!(feed.sink.delivered_through(), 0);
    feed.flush();
    assert_eq!(feed.sink.delivered_through(), 61);
}

/// Rows in transactions of two events of two rows each.
fn fill(feed: &mut Feed, from: u64, to: u64) {
    let table = users(1, "users");
    for transaction in from..to {
        for event in 0..2_u64 {
            let offset = transaction * 1000 + event * 500;
            let first_row = event * 2;
            let context = RowContext { first_row, ends_transaction: event == 1, ..context("b.1", offset) };
            let name = |row: u64| format!("{:0100}", (offset + row).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let number = i32::try_from(offset).unwrap();
            feed.insert(&table, &[user(number, &name(1)), user(number + 1, &name(2))], &context);
        }
    }
}

#[test]
fn files_end_with_transactions_and_come_out_the_same_again() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let rolling = |dir: &Path| ParquetConfig { roll_bytes: 2048, ..config(dir, Layout::Events) };
    let mut feed = Feed::new(rolling(first.path()));
    fill(&mut feed, 1, 100);
    let whole: Vec<String> = files(first.path()).into_iter().filter(|name| !name.starts_with('.')).collect();
    assert!(whole.len() > 3, "{whole:?}");
    let mut in_whole = 0;
    for name in &whole {
        let rows = rows(&first.path().join(name));
        assert_eq!(rows.len() % 4, 0);
        in_whole += rows.len() as u64;
    }
    assert_eq!(feed.sink.delivered_through(), in_whole);
    // It is killed, and what was acknowledged is not read again.
    drop(feed);
    let mut feed = Feed::new(rolling(first.path()));
    fill(&mut feed, 1 + in_whole / 4, 120);
    feed.flush();
    // The same without being killed.
    let mut feed = Feed::new(rolling(second.path()));
    fill(&mut feed, 1, 120);
    feed.flush();
    assert_eq!(files(first.path()), files(second.path()));
    for name in files(first.path()) {
        assert!(fs::read(first.path().join(&name)).unwrap() == fs::read(second.path().join(&name)).unwrap(), "{name}");
    }
}

#[test]
fn a_file_ends_with_its_binlog_file_or_its_age() {
    let dir = tempfile::tempdir().unwrap();
    let table = users(1, "users");
    let mut feed = Feed::new(config(dir.path(), Layout::Events));
    feed.insert(&table, &[user(1, "a")], &context("b.1", 100));
    feed.insert(&table, &[user(2, "a")], &context("b.2", 100));
    assert_eq!(files(dir.path()), [".b.2-0000000100.parquet.part", "b.1-0000000100.parquet"]);
    assert_eq!(feed.sink.delivered_through(), 1);
    drop(feed);
    let (dir, aged) = (tempfile::tempdir().unwrap(), Duration::from_nanos(1));
    let mut feed = Feed::new(ParquetConfig { roll_age: aged, ..config(dir.path(), Layout::Events) });
    feed.insert(&table, &[user(1, "a")], &context("b.1", 100));
    feed.sink.tick().unwrap();
    assert_eq!((files(dir.path()), feed.sink.delivered_through()), (vec!["b.1-0000000100.parquet".to_owned()], 1));
}

#[test]
fn a_directory_that_is_away_costs_no_row() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, away) = (parent.path().join("dir"), parent.path().join("away"));
    fs::create_dir(&dir).unwrap();
    let mut feed = Feed::new(config(&dir, Layout::Events));
    let table = users(1, "users");
    fs::rename(&dir, &away).unwrap();
    let row = user(1, "a");
    let batch = feed.messages(&table, EventType::WriteRows, &[0xff], &row, &context("b.1", 100));
    assert!(matches!(feed.sink.write(&batch, 0), Err(SinkError::Io { .. })));
    fs::rename(&away, &dir).unwrap();
    assert_eq!(feed.sink.write(&batch, 0).unwrap(), 1);
    // It cannot get its name: it is tried again, and nothing more is taken meanwhile.
    fs::create_dir(dir.join("b.1-0000000100.parquet")).unwrap();
    let flushed = feed.sink.flush(Instant::now());
    assert!(matches!(flushed, Err(SinkError::Undelivered { messages: 1, .. })), "{flushed:?}");
    assert!(feed.sink.write(&batch, 0).is_err());
    fs::remove_dir(dir.join("b.1-0000000100.parquet")).unwrap();
    feed.sink.tick().unwrap();
    assert_eq!(feed.sink.delivered_through(), 1);
    assert_eq!(ids(&dir.join("b.1-0000000100.parquet")), [r#""{"id":1,"name":"a"}""#]);
}

#[test]
fn a_batch_goes_on_where_the_disk_stopped_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut feed = Feed::new(config(dir.path(), Layout::Tables));
    let (users_table, orders) = (users(1, "users"), users(2, "orders"));
    fs::create_dir(dir.path().join("shop")).unwrap();
    fs::write(dir.path().join("shop/orders"), "in the way").unwrap();
    let mut batch = Batch::new();
    for (table, ids) in [(&users_table, 1..4), (&orders, 10..13), (&users_table, 20..22)] {
        let images: Vec<Vec<u8>> = ids.map(|id| user(id, "x")).collect();
        feed.add(table, EventType::WriteRows, &[0xff], &images.concat(), &context("b.1", 100), &mut batch);
    }
    let batch = feed.numbered(batch);
    assert_eq!(batch.len(), 8);
    assert_eq!(feed.sink.write(&batch, 0).unwrap(), 3);
    assert!(matches!(feed.sink.write(&batch, 3), Err(SinkError::Io { .. })));
    fs::remove_file(dir.path().join("shop/orders")).unwrap();
    assert_eq!(feed.sink.write(&batch, 3).unwrap(), 5);
    feed.flush();
    assert_eq!(feed.sink.delivered_through(), 8);
    let ids = |name: &str| -> Vec<String> {
        let path = dir.path().join(format!("shop/{name}/b.1-0000000100.parquet"));
        rows(&path).iter().map(|row| row["id"].clone()).collect()
    };
    assert_eq!(ids("users"), ["1", "2", "3", "20", "21"]);
    assert_eq!(ids("orders"), ["10", "11", "12"]);
}

#[test]
fn a_file_that_is_taken_away_ends_the_sink() {
    let dir = tempfile::tempdir().unwrap();
    let mut feed = Feed::new(config(dir.path(), Layout::Events));
    let table = users(1, "users");
    feed.insert(&table, &[user(1, "a")], &context("b.1", 100));
    fs::remove_file(dir.path().join(".b.1-0000000100.parquet.part")).unwrap();
    let flushed = feed.sink.flush(Instant::now());
    assert!(matches!(flushed, Err(SinkError::Undelivered { messages: 1, .. })), "{flushed:?}");
    assert!(matches!(feed.sink.tick(), Err(SinkError::Ended { .. })));
    assert_eq!(feed.sink.delivered_through(), 0);
}

#[test]
fn unfinished_files_of_an_earlier_run_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("shop/users")).unwrap();
    for name in [".a-1.parquet.part", "shop/users/.a-1.parquet.part", "a-1.parquet", "shop/users/.other"] {
        fs::write(dir.path().join(name), b"x").unwrap();
    }
    drop(Feed::new(config(dir.path(), Layout::Tables)));
    assert_eq!(files(dir.path()), ["a-1.parquet", "shop/users/.other"]);
    assert!(open(config(&dir.path().join("missing/deeper"), Layout::Events), ValueOptions::default()).is_err());
}

/// The directory of a sink with checkpoints, and where they are.
fn staged(dir: &Path) -> ParquetConfig {
    ParquetConfig { checkpoint: Some(dir.join("checkpoint")), ..config(&dir.join("lake"), Layout::Tables) }
}

fn save(config: &ParquetConfig, run: &str, messages: u64) {
    let mut file = CheckpointFile::new(config.checkpoint.clone().unwrap(), config.mode);
    file.save(&Checkpoint { staged: [(run.to_owned(), messages)].into(), ..Checkpoint::default() }).unwrap();
}

#[test]
fn with_checkpoints_files_show_when_one_covers_them() {
    let dir = tempfile::tempdir().unwrap();
    let config = ParquetConfig { roll_bytes: 1024, ..staged(dir.path()) };
    let mut feed = Feed::new(config.clone());
    let shown =
        || -> Vec<String> { files(&config.dir).into_iter().filter(|name| !name.contains("/.")).collect::<Vec<_>>() };
    let (small, large) = (users(1, "small"), users(2, "large"));
    feed.insert(&small, &[user(1, "a")], &context("b.1", 100));
    feed.boundary();
    let long = |number: u64| format!("{:0100}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut number = 0;
    // Whole files wait until there are enough of them that the open ones end too.
    while feed.sink.delivered_through() == 0 {
        number += 1;
        feed.insert(&large, &[user(1, &long(number))], &context("b.1", 200 + number));
        feed.boundary();
        assert!(number < 1000);
    }
    let covered = 2 + 2 * number;
    assert_eq!(feed.sink.delivered_through(), covered);
    let whole = files(&config.dir);
    assert!(whole.len() > 3 && whole.iter().all(|name| name.ends_with(".whole")), "{whole:?}");
    let staged = feed.sink.staged().unwrap();
    // A checkpoint before the last row of the last file does not cover it.
    staged.publish(covered - 2).unwrap();
    assert_eq!(shown().len(), whole.len() - 1);
    staged.publish(covered).unwrap();
    assert_eq!((shown().len(), files(&config.dir).len()), (whole.len(), whole.len()));
    let all: usize = shown().iter().map(|name| rows(&config.dir.join(name)).len()).sum();
    assert_eq!(all as u64, number + 1);
    // Stopped inside a transaction: its file is whole, but nothing of it is acknowledged.
    feed.insert(&large, &[user(1, "x")], &context("b.1", 900));
    feed.flush();
    assert_eq!((feed.sink.delivered_through(), files(&config.dir).len()), (covered, whole.len() + 1));
}

#[test]
fn at_the_start_the_checkpoint_says_what_becomes_of_whole_files() {
    let kept = ["shop/users/b.1-0000000100.parquet"];
    for (messages, run, expected) in [(2, None, &kept[..]), (9, None, &kept), (1, None, &[]), (2, Some("other"), &[])] {
        let dir = tempfile::tempdir().unwrap();
        let config = staged(dir.path());
        let mut feed = Feed::new(config.clone());
        feed.insert(&users(1, "users"), &[user(1, "a"), user(2, "b")], &context("b.1", 100));
        feed.boundary();
        feed.flush();
        assert_eq!(feed.sink.delivered_through(), 3);
        let number = feed.sink.staged().unwrap().run().unwrap().to_owned();
        // Killed before or after the checkpoint is saved.
        drop(feed);
        save(&config, run.unwrap_or(&number), messages);
        // Without a checkpoint it is not known, and they stay as they are.
        drop(Feed::new(ParquetConfig { checkpoint: None, ..config.clone() }));
        assert!(files(&config.dir)[0].ends_with(".whole"));
        drop(Feed::new(config.clone()));
        assert_eq!(files(&config.dir), expected, "{messages} of {run:?}");
    }
}

#[test]
fn a_directory_is_for_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let feed = Feed::new(config(dir.path(), Layout::Events));
    let staged = feed.sink.staged();
    let again =
        || open(config(dir.path(), Layout::Events), ValueOptions::default()).err().map(|error| error.to_string());
    assert!(again().unwrap().contains("another process"));
    drop(feed);
    // What waits may still be shown.
    assert!(again().unwrap().contains("another process"));
    drop(staged);
    assert_eq!(again(), None);
}

#[test]
fn files_have_the_rights_that_were_asked_for() {
    use std::os::unix::fs::PermissionsExt;
    let rights = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let dir = tempfile::tempdir().unwrap();
    let mut feed =
        Feed::new(ParquetConfig { mode: "0660".parse().unwrap(), ..config(&dir.path().join("lake"), Layout::Tables) });
    feed.insert(&users(1, "users"), &[user(1, "Ada")], &context("binlog.000001", 4));
    feed.flush();
    let found = files(dir.path());
    assert_eq!(found.iter().map(|name| rights(&dir.path().join(name))).collect::<Vec<_>>(), [0o660]);
    // Who may not read the files may not look for them either.
    assert_eq!(rights(&dir.path().join("lake/shop/users")) & 0o007, 0);
}

#[test]
fn every_compression_can_be_read() {
    for compression in [Compression::Zstd, Compression::Gzip, Compression::None] {
        let dir = tempfile::tempdir().unwrap();
        let mut feed = Feed::new(ParquetConfig { compression, ..config(dir.path(), Layout::Events) });
        // More than a batch, less than a row group.
        let table = users(1, "users");
        let many: Vec<Vec<u8>> = (0..30_000).map(|number| user(number, "x")).collect();
        feed.insert(&table, &many, &context("b.1", 100));
        feed.flush();
        let path = dir.path().join("b.1-0000000100.parquet");
        let ids = ids(&path);
        assert_eq!((ids.len(), ids[29_999].as_str()), (30_000, r#""{"id":29999,"name":"x"}""#));
        let reader = SerializedFileReader::new(fs::File::open(&path).unwrap()).unwrap();
        assert_eq!(reader.metadata().num_row_groups(), 1);
        assert_eq!(reader.metadata().row_group(0).column(8).compression(), compression.codec());
    }
}

/// `BINLOG_FILE=... PARQUET_DIR=... [PARQUET_LAYOUT=tables] cargo test --release a_real_binlog -- --ignored --nocapture`
#[test]
#[ignore = "reads the binlog that BINLOG_FILE names, and says how fast"]
fn a_real_binlog() {
    use crate::binlog::event::content::Event;
    use crate::binlog::event::decoder::Decoder;
    use crate::binlog::event::error::DecodeError;
    use crate::deliver::{Pipeline, QueueConfig};
    let data = fs::read(std::env::var("BINLOG_FILE").unwrap()).unwrap();
    let dir = PathBuf::from(std::env::var("PARQUET_DIR").unwrap());
    let layout = if std::env::var("PARQUET_LAYOUT").is_ok_and(|name| name == "tables") {
        Layout::Tables
    } else {
        Layout::Events
    };
    let (sink, factory) = open(config(&dir, layout), ValueOptions::default()).unwrap();
    let queue = QueueConfig { max_messages: usize::MAX, max_bytes: 16 << 20, ..QueueConfig::default() };
    let mut pipeline = Pipeline::start(vec![(0, sink)], &queue).unwrap();
    let mut form = factory();
    let (mut decoder, mut at, mut count, started) = (Decoder::default(), 4, 0, Instant::now());
    let (mut batch, stop) = (Batch::new(), tokio_util::sync::CancellationToken::new());
    let mut tables: std::collections::HashMap<u64, Table> = std::collections::HashMap::new();
    while at < data.len() {
        let length = u32::from_le_bytes(data[at + 9..at + 13].try_into().unwrap()) as usize;
        let mut first_row = 0;
        decoder
            .decode(&data[at..at + length], &mut |header, event| {
                if let Event::Rows(rows) = event {
                    let known = tables.entry(rows.table.table_id);
                    let table = known.or_insert_with(|| Table::resolve(&rows.table, None));
                    let mut context = context("binlog.000001", at as u64);
                    (context.next_position, context.first_row) = (header.next_position, first_row);
                    let added = form.rows(&rows, table, &context, &mut batch)?;
                    first_row += added;
                    count += added;
                    if batch.byte_len() >= 1 << 20 {
                        pipeline
                            .push(0, std::mem::take(&mut batch), &stop)
                            .map_err(|error| DecodeError::Consumer(error.into()))?;
                    }
                }
                Ok(())
            })
            .unwrap();
        at += length;
    }
    pipeline.push(0, batch, &stop).unwrap();
    let formed = started.elapsed();
    let report = pipeline.shutdown(Instant::now() + Duration::from_secs(60));
    let seconds = started.elapsed().as_secs_f64();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().to_owned();
    println!(
        "{count} rows in {seconds:.3} s ({formed:?} to the last push): {:.0} rows/s; {peak}",
        count as f64 / seconds
    );
    assert_eq!((report.lost(), report.sinks[0].delivered), (0, count));
}
