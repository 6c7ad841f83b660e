//! What observing costs: a point select's bytes to its JSON message, text protocol and prepared.
//!
//! `cargo bench --bench observer` prints nanoseconds a statement; under `valgrind --tool=callgrind` the same program
//! counts instructions, which do not depend on what else the machine does.

use std::sync::Arc;
use std::time::Instant;

use mysql_interceptor::deliver::Batch;
use mysql_interceptor::message::{MessageOptions, MessageWriter};
use mysql_interceptor::session::{Now, Observer, ObserverConfig, Statement};

/// `PROTOCOL_41 | CONNECT_WITH_DB | SECURE_CONNECTION | PLUGIN_AUTH | DEPRECATE_EOF | LONG_PASSWORD | TRANSACTIONS`.
const CAPABILITIES: u32 = 1 | 1 << 3 | 1 << 9 | 1 << 13 | 1 << 15 | 1 << 19 | 1 << 24;

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short packet").to_le_bytes();
    [&length[..3], &[sequence], payload].concat()
}

fn login(observer: &mut Observer) {
    let [lower0, lower1, upper0, upper1] = CAPABILITIES.to_le_bytes();
    let mut greeting = b"\x0a9.7.4\0\x08\0\0\x0012345678\0".to_vec();
    greeting.extend([lower0, lower1, 0xff, 2, 0, upper0, upper1, 21]);
    greeting.extend([0; 10]);
    greeting.extend(b"abcdefghijkl\0caching_sha2_password\0");
    let mut response = CAPABILITIES.to_le_bytes().to_vec();
    response.extend([0, 0, 0, 1, 45]);
    response.extend([0; 23]);
    response.extend(b"sbtest\0\x03\x01\x02\x03sbtest\0caching_sha2_password\0");
    let now = Now::default();
    let mut nothing = |_: &Statement<'_>| {};
    observer.server_bytes(&packet(0, &greeting), now, &mut nothing);
    observer.client_bytes(&packet(1, &response), now, &mut nothing);
    observer.server_bytes(&packet(2, &[0, 0, 0, 2, 0, 0, 0]), now, &mut nothing);
}

/// The response to a select of one row of one CHAR(120).
fn result(row: &[u8]) -> Vec<u8> {
    [
        packet(1, &[1]),
        packet(2, b"\x03def\x06sbtest\x07sbtest1\x07sbtest1\x01c\x01c\x0c\xff\x00\xe0\x01\0\0\xfe\x01\0\0\0\0"),
        packet(3, row),
        packet(4, &[0xfe, 0, 0, 2, 0, 0, 0]),
    ]
    .concat()
}

struct Bench {
    observer: Observer,
    writer: MessageWriter,
    batch: Batch,
}

impl Bench {
    fn new() -> Self {
        let options = MessageOptions {
            debug: "unknown-service".to_owned(),
            default_tz: Some("UTC".to_owned()),
            ..MessageOptions::default()
        };
        let mut observer = Observer::new(ObserverConfig::default());
        login(&mut observer);
        let writer = MessageWriter::new(Arc::new(options), "127.0.0.1:3306".into(), "host".into());
        Self { observer, writer, batch: Batch::default() }
    }

    fn exchange(&mut self, request: &[u8], response: &[u8], now: Now) {
        let Self { observer, writer, batch } = self;
        let mut emit = |statement: &Statement<'_>| {
            if writer.wants(statement) {
                let redactions = writer.redactions(statement);
                let message = writer.message(statement, &redactions, 16);
                batch.push_with(8, |buffer| message.write_json(buffer)).expect("JSON into memory");
            }
        };
        observer.client_bytes(request, now, &mut emit);
        observer.server_bytes(response, Now { monotonic_ns: now.monotonic_ns + 500_000, ..now }, &mut emit);
    }

    fn run(&mut self, name: &str, count: u64, request: &[u8], response: &[u8]) {
        let started = Instant::now();
        let mut bytes = 0;
        for index in 0..count {
            self.exchange(request, response, Now { monotonic_ns: index * 1_000_000, epoch_ms: 1_795_000_000_000 });
            if self.batch.len() == 500 {
                bytes += self.batch.byte_len();
                self.batch.clear();
            }
        }
        let took = started.elapsed().as_nanos() as f64 / count as f64;
        println!("{name}: {took:.0} ns a statement, {} bytes a message", bytes as u64 / count.max(1));
    }
}

fn main() {
    let count = std::env::var("STATEMENTS").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let text = "x".repeat(119);
    let text_row = [&[119][..], text.as_bytes()].concat();
    let binary_row = [&[0, 0, 119][..], text.as_bytes()].concat();
    let query = packet(0, b"\x03SELECT c FROM sbtest1 WHERE id=24987");
    Bench::new().run("text protocol", count, &query, &result(&text_row));

    let mut prepared = Bench::new();
    let definition = b"\x03def\0\0\0\x01?\0\x0c\x3f\0\0\0\0\0\x08\x80\0\0\0\0";
    prepared.exchange(
        &packet(0, b"\x16SELECT c FROM sbtest1 WHERE id=?"),
        &[packet(1, &[0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]), packet(2, definition), packet(3, definition)].concat(),
        Now::default(),
    );
    let execute = [&[0x17, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 8, 0][..], &24_987u64.to_le_bytes()].concat();
    prepared.run("prepared", count, &packet(0, &execute), &result(&binary_row));
}
