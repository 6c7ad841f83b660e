//! Byte streams captured from real clients and servers, in the observer: the statements must be the ones that were sent,
//! however the bytes are cut.
//!
//! `tests/captured/NAME.bin` was made with `integration/harness/capture.py`; `NAME.txt` holds the expected statements, one
//! a line: rows or affected rows, text, parameters, error. After a new capture `UPDATE_CAPTURED=1 cargo test --test
//! captured` writes the `.txt` for a person to check.

use std::path::Path;

use mysql_interceptor::session::{Now, Observer, ObserverConfig, Statement};

/// The records of a capture: whether the client sent it, and the bytes.
fn records(path: &Path) -> Vec<(bool, Vec<u8>)> {
    let bytes = std::fs::read(path).expect("a capture");
    let mut rest = bytes.as_slice();
    let mut records = Vec::new();
    while let Some((&[who, a, b, c, d], tail)) = rest.split_first_chunk::<5>() {
        let (data, tail) = tail.split_at(u32::from_le_bytes([a, b, c, d]) as usize);
        records.push((who == b'C', data.to_vec()));
        rest = tail;
    }
    records
}

fn line(statement: &Statement<'_>) -> String {
    let mut line =
        format!("{}\t{}", statement.outcome.update_count(), String::from_utf8_lossy(statement.sql.unwrap_or(b"?")));
    if !statement.params.is_none() {
        let params = statement.params.to_strings().expect("parameters that can be decoded");
        let params: Vec<_> = params.into_iter().map(|param| param.unwrap_or_else(|| "NULL".into())).collect();
        line += &format!("\t[{}]", params.join(", "));
    }
    if let Some(error) = statement.outcome.error() {
        line += &format!("\t{error}");
    }
    line.replace('\n', "\\n")
}

/// Plays a capture in pieces of at most `chunk` bytes.
fn play(records: &[(bool, Vec<u8>)], chunk: usize) -> (Vec<String>, Observer) {
    let mut observer = Observer::new(ObserverConfig::default());
    let mut lines = Vec::new();
    let mut emit = |statement: &Statement<'_>| lines.push(line(statement));
    let now = Now::default();
    for (from_client, bytes) in records {
        for piece in bytes.chunks(chunk) {
            if *from_client {
                observer.client_bytes(piece, now, &mut emit);
            } else {
                observer.server_bytes(piece, now, &mut emit);
            }
        }
    }
    observer.close(now, &mut emit);
    (lines, observer)
}

fn check(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captured");
    let records = records(&folder.join(name).with_extension("bin"));
    let (lines, observer) = play(&records, usize::MAX);
    assert_eq!(observer.out_of_sight(), None);
    let expected = folder.join(name).with_extension("txt");
    if std::env::var_os("UPDATE_CAPTURED").is_some() {
        std::fs::write(&expected, lines.join("\n") + "\n").expect("a writable checkout");
    }
    let expected = std::fs::read_to_string(&expected).expect("the expected statements");
    assert_eq!(lines, expected.lines().collect::<Vec<_>>());
    for chunk in (1..64).chain([1000, 1448]) {
        let (pieces, observer) = play(&records, chunk);
        assert_eq!((pieces, observer.out_of_sight()), (lines.clone(), None), "pieces of {chunk} bytes");
    }
}

#[test]
fn mysql_command_line() {
    check("mysql_cli");
}

#[test]
fn mariadb_command_line() {
    check("mariadb_cli");
}

#[test]
fn connector_python_with_prepared_cursors() {
    check("connector_python_prepared");
}

#[test]
fn node_mysql2_with_execute_and_a_refused_change_user() {
    check("node_mysql2");
}

#[test]
fn connector_python_with_change_user_and_reset() {
    check("connector_python_change_user");
}
