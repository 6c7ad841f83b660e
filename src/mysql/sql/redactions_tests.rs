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
        ("SELECT JSON_VALUE(d, '$.pass\\word'), 'x'", "SELECT JSON_VALUE(d, #), 'x'"),
        ("UPDATE t SET password = 'torn", "UPDATE t SET password = #"),
    ] {
        assert_eq!(shown(sql), wanted);
    }
}

#[test]
fn what_belongs_to_harmless_names_is_shown() {
    for sql in [
        "INSERT INTO u (id, password, b) VALUES (1, #, 'x'), (2, #, 'y')",
        "INSERT INTO u (id, password) VALUES (1, #) ON DUPLICATE KEY UPDATE b = 'x', password = #",
        "INSERT IGNORE INTO db.u PARTITION (p0) (`id`, `Password`) VALUE (1, SHA2(#, #)), ROW(DEFAULT, !)",
        "REPLACE INTO u SET a = 'b', u.token = #",
        "INSERT INTO u (a, token) SELECT 'x', # FROM v WHERE c = 'y' UNION ALL SELECT 'z', #",
        "INSERT INTO u (a, b) SELECT 1, token FROM v",
        "UPDATE u JOIN v ON u.a = v.b AND v.c = 'x' SET a = 'y', u.secret = ! WHERE token = # AND id = 5 ORDER BY id LIMIT 3",
        "DELETE FROM tokens WHERE id = 5 OR token IN (#, #) LIMIT ?",
        "SELECT * FROM u WHERE id = 5 AND (password = # OR # = passwd) AND NOT name LIKE 'x%'",
        "SELECT * FROM u WHERE (id, password) = (#, #) AND a BETWEEN 1 AND 2 AND token BETWEEN # AND #",
        "SELECT * FROM u WHERE LOWER(token) = # AND password = SHA2(#, #) AND a <=> 1 AND token <> !",
        "SELECT 'x' AS a, # AS password, # passwd, 1",
        "SELECT 'x', # UNION SELECT a, password FROM u WHERE b = 'y'",
        "SELECT CASE WHEN password = # THEN # ELSE # END, CASE a WHEN 1 THEN 2 END",
        "SELECT password AS p, a FROM u WHERE a = 1 HAVING p = # AND a = 2",
        "SELECT * FROM (SELECT password AS p FROM u WHERE a = 1) d WHERE d.p = # AND b = 3",
        "WITH c (p, q) AS (SELECT password, a FROM u WHERE a = 1) SELECT * FROM c WHERE p = # AND q = #",
        "SELECT a FROM u WHERE b = 1 AND EXISTS (SELECT 1 FROM v WHERE token = # AND c = 2)",
        "SELECT @password := #, @x := 'y'",
        "SET @password = #, @x = 'y'",
        "SET @x := 'y', @token := #",
        "SET GLOBAL validate_password.length = #",
        "CALL reset_password(#, !)",
        "EXPLAIN SELECT a FROM u WHERE token = # AND id = 5",
        "SELECT JSON_SET(doc, #, #), JSON_OBJECT('a', 1) FROM u",
        "SELECT * FROM u WHERE doc->># = # AND a = 'y'",
        "SELECT * FROM posts WHERE body LIKE '%password%' AND id = 5",
        "INSERT INTO posts (id, body) VALUES (1, 'my password is not here')",
        "CREATE TABLE u (a INT DEFAULT '1' COMMENT 'x', password VARCHAR(64) DEFAULT # COMMENT #) COMMENT='x'",
        "CREATE TABLE u (a ENUM('x', 'y') NOT NULL, b DECIMAL(10, 2), token CHAR(20) CHARACTER SET utf8mb4, KEY k (token)) ENGINE=InnoDB",
        "ALTER TABLE u ADD COLUMN b VARCHAR(10) DEFAULT 'x', ADD COLUMN token VARCHAR(20) DEFAULT #",
        "CREATE VIEW v AS SELECT 'x' AS a, password FROM u WHERE b = 1 AND token = #",
        "SELECT * FROM u LEFT JOIN v ON u.a = 'x' AND v.token = # WHERE u.b IN (1, 2, 3) GROUP BY a + 1 LIMIT 1, 2",
    ] {
        // `~` keeps the number of what `#` stands for.
        let mut number = 0;
        let plain: String = sql
            .chars()
            .map(|character| match character {
                '#' => {
                    number += 1;
                    if sql.contains("LIKE '%password%'") { "#".to_owned() } else { literal(sql, number) }
                }
                '!' => "?".to_owned(),
                other => other.to_string(),
            })
            .collect();
        assert_eq!(shown(&plain), sql, "{plain}");
    }
}

/// A literal for the place with this number: where a path or a length is needed, one that fits.
fn literal(sql: &str, number: usize) -> String {
    match (sql, number) {
        (sql, 1) if sql.contains("->>#") || sql.contains("JSON_SET") => "'$.password'".to_owned(),
        (_, number) if number % 3 == 0 => format!("{number}"),
        _ => format!("'s{number}'"),
    }
}

#[test]
fn what_cannot_be_parsed_hides_too_much() {
    for (sql, wanted) in [
        ("HANDLER u READ password_index = ('x')", "HANDLER u READ password_index = (#)"),
        (
            "LOAD DATA INFILE 'f' INTO TABLE u (a, @p) SET password = SHA2(@p, 'salt')",
            "LOAD DATA INFILE # INTO TABLE u (a, @p) SET password = SHA2(@p, #)",
        ),
        ("SELECT 'x', 1 INTO @password, @b", "SELECT #, # INTO @password, @b"),
        ("SELECT a 'password', 'x' FROM u", "SELECT a #, 'x' FROM u"),
    ] {
        assert_eq!(shown(sql), wanted);
    }
}

#[test]
fn an_apostrophe_is_no_secret() {
    for sql in [
        "SET @name = 'O\'\'Brien'",
        "SET @name = \"it's\"",
        "CREATE TABLE t (a INT COMMENT 'the owner\'\'s id') COMMENT 'O\\'Brien'",
        "PREPARE s FROM 'SELECT \'\'x\'\' FROM t WHERE a = \\'b'",
        "SELECT 1 /*!99999 , ; */, '$$\\\\\\''",
        "DO $$a'b$$",
        "DO 1 /*!999999 '`\"\"\\\\--\" ; */",
    ] {
        assert_eq!(shown(sql), sql);
    }
}

#[test]
fn without_keys_nothing_is_hidden_by_name() {
    let lexis = Lexis { ansi_quotes: None, ..Lexis::default() };
    for sql in ["select 1 as \"a\\\"; do 2; select 3 as \" \"; do 4", "INSERT INTO t VALUES (1, 'password')"] {
        for is_torn in [false, true] {
            let redactions = Redactions::of(sql.as_bytes(), is_torn, lexis, &Keys::default());
            assert!(redactions.literals.is_empty(), "{sql}: {redactions:?}");
        }
    }
}
