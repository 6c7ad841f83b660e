//! What messages show of statements whose values are hidden.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::message::{MessageOptions, MessageWriter};
use crate::mysql::charset::Charset;
use crate::mysql::wire::{ErrPacket, OkPacket, StatusFlags, Value};
use crate::rules::redaction::Redactor;
use crate::session::{BatchPart, Now, Outcome, Reading, SessionFacts, Statement, StatementParams};

const KEYS: [&str; 4] = ["password", "passwd", "secret", "token"];

fn mask() -> Redactor {
    Redactor::new(&KEYS.map(str::to_owned), "***")
}

fn ok(info: &[u8]) -> Outcome<'_> {
    Outcome::Ok(OkPacket::new(1, 0, StatusFlags::AUTOCOMMIT, 0, info))
}

/// The message of a statement, as its reader gets it.
fn message(redactor: &Redactor, sql: &str, params: StatementParams<'_>, outcome: Outcome<'_>) -> Json {
    let session = SessionFacts { status: Some(StatusFlags::AUTOCOMMIT), ..SessionFacts::default() };
    let statement = Statement {
        session: &session,
        sql: Some(sql.as_bytes()),
        truncated: false,
        reading: Reading { text: Charset::Utf8mb4, params: Charset::Utf8mb4, ..Reading::default() },
        params,
        started: Now::default(),
        duration_ns: 1,
        outcome,
        batch_part: BatchPart::Last,
        was_executed: true,
        command: 1,
    };
    let options = MessageOptions { redactor: redactor.clone(), max_param_length: 4, ..MessageOptions::default() };
    let writer = MessageWriter::new(Arc::new(options), "db:3306".into(), "client".into());
    let redactions = writer.redactions(&statement);
    let message = writer.message(&statement, &redactions, 1);
    let mut json = Vec::new();
    message.write_json(&mut json).unwrap();
    assert_eq!(String::from_utf8(json.clone()).unwrap(), serde_json::to_string(&message).unwrap());
    serde_json::from_slice(&json).unwrap()
}

fn sql(redactor: &Redactor, sql: &str) -> String {
    message(redactor, sql, StatementParams::None, ok(b""))["sql"].as_str().unwrap().to_owned()
}

#[test]
fn literals() {
    for (given, shown) in [
        ("SELECT 1, 'x'", "SELECT 1, 'x'"),
        ("UPDATE u SET password = 'hunter2'", "UPDATE u SET password = '***'"),
        ("ALTER USER u IDENTIFIED BY 'hunter2'", "ALTER USER u IDENTIFIED BY '***'"),
        ("SET @my_Token := X'68'", "SET @my_Token := '***'"),
    ] {
        assert_eq!(sql(&mask(), given), shown);
    }
    // Secrets of accounts are hidden without any names to look for.
    let none = Redactor::default();
    assert_eq!(sql(&none, "ALTER USER u IDENTIFIED BY 'hunter2'"), "ALTER USER u IDENTIFIED BY '***'");
    assert_eq!(sql(&none, "UPDATE u SET password = 'hunter2'"), "UPDATE u SET password = 'hunter2'");
}

#[test]
fn the_same_value_has_one_pseudonym() {
    let hash = mask().with_pseudonyms(b"0123456789abcdef");
    let pseudonym = hash.pseudonym(b"4711").unwrap().to_string();
    assert_eq!(sql(&hash, "UPDATE u SET token = '4711'"), format!("UPDATE u SET token = '{pseudonym}'"));
    assert_eq!(sql(&hash, "UPDATE u SET token = 4711"), format!("UPDATE u SET token = '{pseudonym}'"));
    for value in
        [Value::Int(4711), Value::UInt(4711), Value::Text(b"4711"), Value::Bytes(b"4711"), Value::Double(4711.0)]
    {
        let values = [value, Value::Null];
        let message =
            message(&hash, "INSERT INTO u (token, passwd) VALUES (?, ?)", StatementParams::Row(&values), ok(b""));
        assert_eq!(message["queryParams"], serde_json::json!([pseudonym, null]), "{value:?}");
    }
}

#[test]
fn parameters_that_are_hidden_are_not_cut() {
    let wide = Redactor::new(&["token".into()], "hidden!");
    let values = [Value::Text(b"longer than four")];
    let shown = |sql: &str| message(&wide, sql, StatementParams::Row(&values), ok(b""))["queryParams"][0].clone();
    assert_eq!(
        (shown("SELECT ?").as_str(), shown("UPDATE u SET token = ?").as_str()),
        (Some("long..."), Some("hidden!"))
    );
}

#[test]
fn answers() {
    let packet =
        ErrPacket { code: 1062, sql_state: Some(b"23000"), message: b"Duplicate entry 'hunter2' for key 'u.k'" };
    let shown = |sql: &str, outcome| {
        let message = message(&mask(), sql, StatementParams::None, outcome);
        [&message["errorMessage"], &message["serverInfo"]].map(|text| text.as_str().map(str::to_owned))
    };
    let error = |sql: &str| shown(sql, Outcome::Error(packet))[0].clone().unwrap();
    assert_eq!(error("INSERT INTO u (password) VALUES ('hunter2')"), "ERROR 1062 (23000): Duplicate entry '***'");
    assert_eq!(
        error("INSERT INTO u (k) VALUES ('hunter2')"),
        "ERROR 1062 (23000): Duplicate entry 'hunter2' for key 'u.k'"
    );
    let info = |sql: &str, info: &'static [u8]| shown(sql, ok(info))[1].clone().unwrap();
    assert_eq!(
        info("UPDATE u SET password = 'hunter2'", b"Rows matched: 1  Changed: 1  Warnings: 0"),
        "Rows matched: 1  Changed: 1  Warnings: 0"
    );
    assert_eq!(info("UPDATE u SET password = 'hunter2'", b"to hunter2"), "***");
    assert_eq!(info("UPDATE u SET name = 'hunter2'", b"to hunter2"), "to hunter2");
}

#[test]
fn what_the_server_could_not_read_either() {
    let refused = |code, sql: &str| {
        let packet = ErrPacket { code, sql_state: Some(b"42000"), message: b"near" };
        message(&mask(), sql, StatementParams::None, Outcome::Error(packet))["sql"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        refused(1064, "SET PASSWORD FOR u = PASSWORD('x') 'hunter2', 5"),
        "SET PASSWORD FOR u = PASSWORD('***') '***', '***'"
    );
    assert_eq!(refused(1064, "SELEC 'x'"), "SELEC 'x'");
}
