use super::*;

fn pieces(sql: &str) -> Vec<&str> {
    StatementPieces::new(sql.as_bytes(), Lexis::default()).map(|range| &sql[range]).collect()
}

#[test]
fn first_keywords() {
    for (sql, keyword) in [
        ("SELECT 1", "SELECT"),
        ("  /* lead */ -- line\n # other\n(select 1)", "select"),
        ("/*!40101 SET NAMES utf8 */", "SET"),
        ("/*M!100100 set x=1 */", "set"),
        ("", ""),
        ("-- only a comment", ""),
        (";", ""),
    ] {
        assert_eq!(first_keyword(sql.as_bytes()), keyword.as_bytes(), "{sql}");
    }
}

#[test]
fn use_statements() {
    for (sql, name) in [
        ("USE shop", Some("shop")),
        ("use `a``b`;", Some("a`b")),
        ("/* leading comment */ USE golden_a", Some("golden_a")),
        ("USE shop -- now", Some("shop")),
        ("SELECT 1", None),
        ("USE", None),
        ("USER x", None),
    ] {
        assert_eq!(use_database(sql.as_bytes()).as_deref(), name.map(str::as_bytes), "{sql}");
    }
}

#[test]
fn pieces_part_at_semicolons_only() {
    assert_eq!(
        pieces("SELECT 1; SELECT ';' ; ;/* ; */ SELECT `;`;\n"),
        ["SELECT 1", "SELECT ';'", "/* ; */ SELECT `;`"]
    );
    assert_eq!(pieces(r"SELECT 'it''s \'; '; SELECT 2"), [r"SELECT 'it''s \'; '", "SELECT 2"]);
    assert_eq!(pieces("SELECT 1 -- ;\n; SELECT 2"), ["SELECT 1 -- ;", "SELECT 2"]);
    assert_eq!(pieces(" ;; "), [] as [&str; 0]);
    // Comments are text, and one alone is a statement with an answer of its own.
    assert_eq!(pieces("SELECT 1 /* a */; SELECT 2 /* e;f */ "), ["SELECT 1 /* a */", "SELECT 2 /* e;f */"]);
    assert_eq!(pieces("SELECT 1; -- done"), ["SELECT 1", "-- done"]);
    let lexis = Lexis { backslash_escapes: false, ..Lexis::default() };
    assert_eq!(StatementPieces::new(br"SELECT '\'; SELECT 2", lexis).count(), 2);
    // In gbk the backslash is the second byte of a character.
    let gbk = b"INSERT INTO t VALUES ('\xd5\x5c'); SELECT 2";
    assert_eq!(StatementPieces::new(gbk, Lexis { double_byte: true, ..Lexis::default() }).count(), 2);
    assert_eq!(StatementPieces::new(gbk, Lexis::default()).count(), 1);
}

#[test]
fn stored_programs_stay_whole() {
    let body = "CREATE PROCEDURE p(IN a INT) BEGIN IF a > 1 THEN SELECT 1; ELSE SELECT CASE a WHEN 1 THEN 2 END; END IF; \
                CASE a WHEN 1 THEN SELECT 3; END CASE; WHILE a > 0 DO SET a = a - 1; END WHILE; END";
    let sql = format!("{body}; CALL p(1)");
    assert_eq!(pieces(&sql), [body, "CALL p(1)"]);
    let js = "CREATE FUNCTION f() RETURNS INT LANGUAGE JAVASCRIPT AS $$ return 1; $$";
    assert_eq!(pieces(&format!("{js}; SELECT 1")), [js, "SELECT 1"]);
    // BEGIN of a transaction is a statement.
    assert_eq!(pieces("BEGIN; SELECT 1; COMMIT"), ["BEGIN", "SELECT 1", "COMMIT"]);
    assert_eq!(
        pieces("BEGIN NOT ATOMIC SELECT 1; SELECT 2; END; SELECT 3"),
        ["BEGIN NOT ATOMIC SELECT 1; SELECT 2; END", "SELECT 3"]
    );
}

#[test]
fn set_statements() {
    use SessionSetting::*;
    let zone = |value: &str| TimeZone(Some(value.to_owned()));
    for (sql, settings) in [
        ("SET time_zone = '+02:00'", vec![zone("+02:00")]),
        (
            "set NAMES utf8mb4 COLLATE utf8mb4_bin, @@session.time_zone := \"SYSTEM\"",
            vec![ClientCharset(Some("utf8mb4".into())), zone("SYSTEM")],
        ),
        ("SET CHARACTER SET 'gbk'", vec![ClientCharset(Some("gbk".into()))]),
        ("SET GLOBAL time_zone = '+02:00'", vec![]),
        ("SET GLOBAL max_connections = 5, time_zone = '+02:00'", vec![]),
        ("SET GLOBAL max_connections = 5, SESSION time_zone = 'UTC'", vec![zone("UTC")]),
        ("SET time_zone = DEFAULT", vec![TimeZone(None)]),
        ("SET time_zone = @old", vec![TimeZone(None)]),
        ("SET time_zone = ?", vec![TimeZone(None)]),
        ("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", vec![Isolation(Some(IsolationLevel::Serializable))]),
        (
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY",
            vec![Isolation(Some(IsolationLevel::ReadCommitted))],
        ),
        ("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", vec![]),
        ("SET transaction_isolation = 'READ-UNCOMMITTED'", vec![Isolation(Some(IsolationLevel::ReadUncommitted))]),
        ("SET @@transaction_isolation = 'READ-UNCOMMITTED'", vec![]),
        ("SET @@SESSION.tx_isolation = 2", vec![Isolation(Some(IsolationLevel::RepeatableRead))]),
        ("SET @x = (SELECT 1, time_zone), time_zone='UTC'", vec![zone("UTC")]),
        ("UPDATE t SET time_zone = 'UTC'", vec![]),
    ] {
        assert_eq!(variables_set(sql.as_bytes()), settings, "{sql}");
    }
}

#[test]
fn selected_variables() {
    let sql = b"/* mysql-connector-j */SELECT  @@session.auto_increment_increment AS a, IF(@@x, 1, 2), @@time_zone AS time_zone, \
                @@global.time_zone, @@transaction_isolation iso FROM dual";
    let names: Vec<_> = variables_selected(sql)
        .into_iter()
        .map(|(column, name)| (column, String::from_utf8_lossy(name).into_owned()))
        .collect();
    assert_eq!(names, [(2, "time_zone".into()), (4, "transaction_isolation".into())]);
    assert_eq!(variables_selected(b"SELECT time_zone FROM t"), []);
    assert_eq!(variables_selected(b"SELECT @@time_zone + 1"), []);
}

#[test]
fn torn_text_is_harmless() {
    for sql in
        ["'", "\"\\", "`a", "/*", "/*!", "--", "$$", "CREATE FUNCTION $", "SET", "SET a", "SET ,", "SELECT @@", "use `"]
    {
        let _ = (pieces(sql), first_keyword(sql.as_bytes()), use_database(sql.as_bytes()));
        let _ = (variables_set(sql.as_bytes()), variables_selected(sql.as_bytes()));
    }
}
