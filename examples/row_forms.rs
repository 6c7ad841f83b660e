//! Prints the rows of a binlog file in one of the forms: `row_forms FORM FILE`.

use std::error::Error;
use std::sync::Arc;

use mysql_interceptor::binlog::{
    Debezium, DebeziumOptions, Decoder, Definition, Event, Geometry, Maxwell, MaxwellOptions, Native, RowContext,
    RowForm, Table, Text, TextOptions, TransactionEdge, ValueOptions,
};
use mysql_interceptor::sink::Batch;

fn main() -> Result<(), Box<dyn Error>> {
    let [_, form, path] = <[String; 3]>::try_from(std::env::args().collect::<Vec<_>>()).map_err(|_| "FORM FILE")?;
    let bytes = std::fs::read(&path)?;
    let start: usize = std::env::var("START").ok().and_then(|start| start.parse().ok()).unwrap_or(0);
    let mut events = Vec::new();
    let mut at = 4;
    while let Some(header) = bytes.get(at..at + 19) {
        let length = u32::from_le_bytes([header[9], header[10], header[11], header[12]]) as usize;
        if at >= start || header[4] == 15 {
            events.push((at, &bytes[at..(at + length).min(bytes.len())]));
        }
        at += length;
    }
    // First the transactions' numbers, and their last rows.
    let (mut decoder, mut ends, mut xids) = (Decoder::default(), Vec::new(), Vec::new());
    let (mut count, mut first) = (0_usize, 0);
    for (_, event) in &events {
        decoder.decode(event, &mut |_, event| {
            match event {
                Event::Rows(_) => {
                    ends.push(false);
                    xids.push(None);
                    count += 1;
                }
                Event::Xid(xid) => {
                    if let Some(last) = ends.last_mut() {
                        *last = true;
                    }
                    xids[first..].fill(Some(xid));
                    first = count;
                }
                _ => {}
            }
            Ok(())
        })?;
    }
    let mut form: Box<dyn RowForm> = match form.as_str() {
        "debezium" => {
            Box::new(Debezium::new(DebeziumOptions { name: "shop".into(), transactions: false, ..Default::default() }))
        }
        "debezium-schema" => {
            Box::new(Debezium::new(DebeziumOptions { name: "shop".into(), with_schema: true, ..Default::default() }))
        }
        "maxwell" => Box::new(Maxwell::new(MaxwellOptions::default())),
        "geojson" => Box::new(Native::new(ValueOptions { geometry: Geometry::GeoJson, ..Default::default() })),
        "text" => Box::new(Text::new(TextOptions { transactions: true, ..Default::default() })),
        _ => Box::new(Native::new(ValueOptions::default())),
    };
    let mut decoder = Decoder::default();
    let (mut gtid, mut thread, mut query, mut number, mut first_row) = (None, None, None, 0, 0);
    let file: Arc<str> = path.rsplit('/').next().unwrap_or(&path).into();
    for (offset, event) in &events {
        let mut batch = Batch::new();
        decoder.decode(event, &mut |header, event| {
            let context =
                |gtid: &Option<Arc<str>>, thread: Option<u32>, query: &Option<Arc<str>>, first_row: u64| RowContext {
                    timestamp_ms: u64::from(header.timestamp) * 1000,
                    commit_timestamp_us: None,
                    server_id: header.server_id,
                    file: Arc::clone(&file),
                    offset: *offset as u64,
                    next_position: header.next_position,
                    gtid: gtid.clone(),
                    thread_id: thread,
                    xid: None,
                    query: query.clone(),
                    first_row,
                    ends_transaction: false,
                };
            match event {
                Event::Gtid(_) | Event::MariaDbGtid(_) => {
                    gtid = event.gtid().map(|gtid| gtid.to_string().into());
                    first_row = 0;
                    query = None;
                }
                Event::Query(statement) => {
                    thread = Some(statement.thread_id);
                    let sql = String::from_utf8_lossy(&statement.sql);
                    let database = String::from_utf8_lossy(statement.database);
                    if sql == "BEGIN" {
                        form.transaction(TransactionEdge::Begin, &context(&gtid, thread, &query, 0), &mut batch);
                    } else {
                        form.definition(
                            Definition { database: &database, sql: &sql },
                            &context(&gtid, thread, &query, 0),
                            &mut batch,
                        );
                    }
                }
                Event::RowsQuery(text) => query = Some(String::from_utf8_lossy(text).into()),
                Event::Xid(_) => form.transaction(
                    TransactionEdge::End { rows: first_row },
                    &context(&gtid, thread, &query, 0),
                    &mut batch,
                ),
                Event::Rows(rows) => {
                    let table = Table::resolve(&rows.table, None);
                    let context = RowContext {
                        xid: xids[number],
                        ends_transaction: ends[number],
                        ..context(&gtid, thread, &query, first_row)
                    };
                    number += 1;
                    first_row += form.rows(&rows, &table, &context, &mut batch)?;
                }
                _ => {}
            }
            Ok(())
        })?;
        print!("{}", String::from_utf8_lossy(batch.lines(0..batch.len())));
    }
    Ok(())
}
