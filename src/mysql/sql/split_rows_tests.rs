use super::*;
use crate::mysql::charset::Charset;

const MYSQL: Lexis = Lexis {
    flavor: Some(Flavor::MySql),
    version: Some(90_704),
    ansi_quotes: Some(false),
    backslash_escapes: Some(true),
    charset: ClientCharset::Plain,
};

fn show(literal: &Literal<'_>) -> String {
    match literal {
        Literal::Null => "NULL".into(),
        Literal::Number(text) | Literal::Text(text) => text.to_string(),
        Literal::Float(value) => value.to_string(),
        Literal::Bytes(bytes) => format!("<bytes:{}>", bytes.len()),
        Literal::Placeholder => "?".into(),
    }
}

/// Each row's statement and values.
fn split(sql: &[u8]) -> Vec<(String, Vec<String>)> {
    let Some(rows) = InsertRows::of(sql, MYSQL) else { return Vec::new() };
    let shown = rows.rows(MYSQL, Charset::Utf8mb4).map(|row| {
        let statement = String::from_utf8(rows.statement(&row)).unwrap();
        (statement, row.values.iter().map(|value| show(&value.literal)).collect())
    });
    shown.collect()
}

/// Statement and values.
type Row = (&'static str, &'static [&'static str]);

#[test]
fn a_row_is_a_statement() {
    let cases: &[(&str, &[Row])] = &[
        (
            "INSERT INTO t (a, b) VALUES (1, 'x'),(2,'y')",
            &[("INSERT INTO t (a, b) VALUES (?, ?)", &["1", "x"]), ("INSERT INTO t (a, b) VALUES (?,?)", &["2", "y"])],
        ),
        (
            "replace low_priority into `d`.t partition (p0) values row(1),\n row('a''b\\n') on duplicate key update a = 'z'",
            &[
                (
                    "replace low_priority into `d`.t partition (p0) values row(?) on duplicate key update a = 'z'",
                    &["1"],
                ),
                (
                    "replace low_priority into `d`.t partition (p0) values row(?) on duplicate key update a = 'z'",
                    &["a'b\n"],
                ),
            ],
        ),
        (
            "/* c */ insert value value (null, true, DEFAULT), (NULLIF(1, NULL), -1, now()) -- end",
            &[
                ("/* c */ insert value value (?, ?, DEFAULT) -- end", &["NULL", "1"]),
                ("/* c */ insert value value (NULLIF(1, NULL), ?, now()) -- end", &["-1"]),
            ],
        ),
        ("insert t() values (), ()", &[("insert t() values ()", &[]), ("insert t() values ()", &[])]),
        (
            "insert t values (?, 'a' 'b'), /* , */ (x'4142', _latin1'\\0')",
            &[("insert t values (?, ?)", &["?", "ab"]), ("insert t values (?, ?)", &["<bytes:2>", "\0"])],
        ),
        (
            "insert t values (f('a', ?), 'x' collate utf8mb4_bin, 1 + 2), (?, time '1:0', -1)",
            &[
                ("insert t values (f('a', ?), 'x' collate utf8mb4_bin, 1 + 2)", &["?"]),
                ("insert t values (?, ?, ?)", &["?", "1:0", "-1"]),
            ],
        ),
        (
            "insert t values (0x414, 007, 1.50, .5, 1e3, - 2), (date'2026-01-31', N'é', _binary'é', b'1', 5.)",
            &[
                ("insert t values (?, ?, ?, ?, ?, ?)", &["<bytes:2>", "7", "1.50", "0.5", "1000", "-2"]),
                ("insert t values (?, ?, ?, ?, ?)", &["2026-01-31", "é", "<bytes:2>", "<bytes:1>", "5"]),
            ],
        ),
    ];
    for (sql, rows) in cases {
        let expected: Vec<(String, Vec<String>)> = rows
            .iter()
            .map(|(sql, values)| ((*sql).to_owned(), values.iter().map(|value| (*value).to_owned()).collect()))
            .collect();
        assert_eq!(split(sql.as_bytes()), expected, "{sql}");
    }
}

#[test]
fn what_is_not_several_rows_for_certain_stays_whole() {
    for sql in [
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t SELECT 1, 2",
        "INSERT INTO t SET a = 1",
        "INSERT INTO t (a) VALUES (1), (2",
        "INSERT INTO t VALUES (1), ('2",
        "INSERT INTO t VALUES (1), 2",
        "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2), (3)",
        "INSERT INTO t VALUES (1), (2); INSERT INTO t VALUES (3)",
        "SELECT * FROM (VALUES ROW(1), ROW(2)) t",
        "EXPLAIN INSERT INTO t VALUES (1), (2)",
        "UPDATE t SET a = 1",
        "",
    ] {
        assert!(InsertRows::of(sql.as_bytes(), MYSQL).is_none(), "{sql}");
    }
    // Where strings end depends on the mode, and both ways are plausible.
    let unknown = Lexis { backslash_escapes: None, ..MYSQL };
    assert!(InsertRows::of(b"INSERT INTO t VALUES ('a\\', ', '), (1), (' \\', '')", unknown).is_none());
}

#[test]
fn strings_are_in_their_own_character_set() {
    let sql = b"insert t values ('\x93\xfa', _latin1'\xe9'), ('\x83\x5c', _utf8mb4'\xe9')";
    let lexis = Lexis { charset: ClientCharset::Sjis, ..MYSQL };
    let rows = InsertRows::of(sql, lexis).unwrap();
    let shown: Vec<Vec<String>> = rows
        .rows(lexis, Charset::Sjis)
        .map(|row| row.values.iter().map(|value| show(&value.literal)).collect())
        .collect();
    assert_eq!(shown, [["日", "é"], ["ソ", "<bytes:1>"]]);
}

#[test]
fn placeholders_around_the_rows() {
    let sql =
        b"SET STATEMENT max_statement_time = ? FOR INSERT t VALUES (?), (?) ON DUPLICATE KEY UPDATE a = ?, b = '?'";
    let lexis = Lexis { flavor: Some(Flavor::MariaDb), ..MYSQL };
    assert_eq!(InsertRows::of(sql, lexis).unwrap().placeholders_around(lexis), (1, 1));
}
