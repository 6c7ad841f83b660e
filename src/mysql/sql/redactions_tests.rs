//! What is redacted of statements, and what is not.

use super::*;

const SESSION: Lexis = Lexis {
    flavor: Some(Flavor::MySql),
    version: Some(90_704),
    ansi_quotes: Some(false),
    backslash_escapes: Some(true),
    charset: ClientCharset::Plain,
};

fn keys() -> Keys {
    Keys::new(["password", "passwd", "secret", "token"])
}

/// The text with `#` for each literal that is not shown, and `!` for each such parameter's placeholder.
fn shown_in(sql: &str, lexis: Lexis) -> String {
    let redactions = Redactions::of(sql.as_bytes(), false, lexis, &keys());
    let mut spans: Vec<_> = redactions.literals.iter().cloned().map(|span| (span, "#")).collect();
    let placeholders: Vec<_> = Tokens::new(sql.as_bytes(), lexis).filter(|token| &sql[token.range()] == "?").collect();
    for (index, token) in placeholders.iter().enumerate() {
        if redactions.params.contains(index) {
            spans.push((token.range(), "!"));
        }
    }
    spans.sort_by_key(|(span, _)| span.start);
    let (mut shown, mut from) = (String::new(), 0);
    for (span, mark) in spans {
        shown += &sql[from..span.start];
        shown += mark;
        from = span.end;
    }
    shown + &sql[from..]
}

fn shown(sql: &str) -> String {
    shown_in(sql, SESSION)
}

#[test]
fn unnamed_columns_hide_everything() {
    for (sql, wanted) in [
        ("INSERT INTO t VALUES (1, 'a', ?)", "INSERT INTO t VALUES (#, #, !)"),
        ("replace `db`.t PARTITION (p0) values (-1), (x'00')", "replace `db`.t PARTITION (p0) values (#), (#)"),
        ("INSERT t SELECT 'a', 2 FROM u", "INSERT t SELECT #, # FROM u"),
        ("INSERT INTO t (SELECT 'a')", "INSERT INTO t (SELECT #)"),
        ("INSERT INTO t () VALUES ()", "INSERT INTO t () VALUES ()"),
        (
            "CREATE PROCEDURE p() BEGIN INSERT INTO t VALUES ('a'); END",
            "CREATE PROCEDURE p() BEGIN INSERT INTO t VALUES (#); END",
        ),
        ("PREPARE s FROM 'INSERT INTO t VALUES (1)'", "PREPARE s FROM #"),
    ] {
        assert_eq!(shown(sql), wanted);
    }
    for sql in [
        "INSERT INTO t (a, b) VALUES (1, 'a', ?)",
        "INSERT INTO t SET a = 'b'",
        "SELECT INSERT('abc', 1, 2, 'x'), REPLACE('a', 'b', 'c')",
        "CREATE OR REPLACE VIEW v AS SELECT 'a'",
        "LOAD DATA INFILE 'f' REPLACE INTO TABLE t FIELDS TERMINATED BY ','",
        "GRANT INSERT, SELECT ON t TO 'u'@'h'",
        "PREPARE s FROM 'INSERT INTO t (a) VALUES (1)'",
    ] {
        assert_eq!(shown(sql), sql);
    }
}

#[test]
fn literals_are_whole() {
    for (sql, wanted) in [
        ("UPDATE t SET password = _utf8mb4 'a' 'b'", "UPDATE t SET password = #"),
        ("UPDATE t SET password = N'a' /* x */ \"b\", token = X'00'", "UPDATE t SET password = #, token = #"),
        ("UPDATE t SET token = -5, secret = 3-2", "UPDATE t SET token = #, secret = #-#"),
        ("SELECT '$.pass\\word'", "SELECT #"),
        ("UPDATE t SET password = 'torn", "UPDATE t SET password = #"),
    ] {
        assert_eq!(shown(sql), wanted);
    }
}
