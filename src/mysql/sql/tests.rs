use super::*;
use crate::mysql::charset::Charset;

const MYSQL: Lexis = Lexis {
    flavor: Some(Flavor::MySql),
    version: Some(90_704),
    ansi_quotes: Some(false),
    backslash_escapes: Some(true),
    charset: ClientCharset::Plain,
};
const MARIADB: Lexis = Lexis { flavor: Some(Flavor::MariaDb), version: Some(110_809), ..MYSQL };

fn pieces_of(sql: &[u8], lexis: Lexis) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(piece) = next_statement(sql, from, lexis) {
        let doubt = if piece.is_certain { "" } else { "?" };
        pieces.push(format!("{doubt}{}", String::from_utf8_lossy(&sql[piece.range])));
        from = piece.next;
    }
    pieces
}

fn pieces(sql: &str) -> Vec<String> {
    pieces_of(sql.as_bytes(), MYSQL)
}

/// Statements that each server executes as one.
fn stays_whole(lexis: Lexis, statements: &[&str]) {
    for sql in statements {
        let text = format!("{sql}; SELECT 2");
        assert_eq!(pieces_of(text.as_bytes(), lexis), [*sql, "SELECT 2"], "{lexis:?}");
        assert_eq!(pieces_of(sql.as_bytes(), lexis), [*sql]);
    }
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
        assert_eq!(first_keyword(sql.as_bytes(), MARIADB), keyword.as_bytes(), "{sql}");
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
        assert_eq!(use_database(sql.as_bytes(), MYSQL).as_deref(), name.map(str::as_bytes), "{sql}");
    }
}

#[test]
fn versions() {
    for (text, number) in [
        ("9.7.4-2", Some(90_704)),
        ("5.5.5-10.11.19-MariaDB-0+deb12u1-log", Some(101_119)),
        ("11.8.9-MariaDB-0+deb13u1 from Debian-log", Some(110_809)),
        ("8.0", None),
        ("", None),
    ] {
        assert_eq!(version_number(text), number, "{text}");
    }
}

#[test]
fn pieces_part_at_semicolons_only() {
    assert_eq!(pieces("SELECT 1; SELECT ';' ;/* ; */ SELECT `;`;\n"), ["SELECT 1", "SELECT ';'", "/* ; */ SELECT `;`"]);
    assert_eq!(pieces(r"SELECT 'it''s \'; '; SELECT 2"), [r"SELECT 'it''s \'; '", "SELECT 2"]);
    assert_eq!(pieces("SELECT 1 -- ;\n; SELECT 2"), ["SELECT 1 -- ;", "SELECT 2"]);
    assert_eq!(pieces("SELECT 1 --; SELECT 2"), ["SELECT 1 --", "SELECT 2"]);
    assert_eq!(pieces(" ;; "), [] as [&str; 0]);
    assert_eq!(pieces("SELECT 1;; ; "), ["SELECT 1"]);
    // Comments are text, and one alone is a statement with an answer of its own.
    assert_eq!(pieces("SELECT 1 /* a */; SELECT 2 /* e;f */ "), ["SELECT 1 /* a */", "SELECT 2 /* e;f */"]);
    assert_eq!(pieces("SELECT 1; -- done"), ["SELECT 1", "-- done"]);
    // Nothing before a semicolon is an error, and nothing after it is executed.
    assert_eq!(pieces("SELECT 1;; SELECT 2; SELECT 3"), ["SELECT 1", "; SELECT 2; SELECT 3"]);
    assert_eq!(pieces("SELECT 1; /* a */; SELECT 2"), ["SELECT 1", "/* a */; SELECT 2"]);
    assert_eq!(pieces("XA BEGIN 'x'; SELECT 1; XA END 'x'"), ["XA BEGIN 'x'", "SELECT 1", "XA END 'x'"]);
    assert_eq!(pieces("BEGIN; SELECT 1; COMMIT"), ["BEGIN", "SELECT 1", "COMMIT"]);
    assert_eq!(pieces("BEGIN WORK; SELECT 1 AS end; COMMIT"), ["BEGIN WORK", "SELECT 1 AS end", "COMMIT"]);
}

#[test]
fn names_that_look_like_keywords() {
    for sql in [
        "create index i on event (begin)",
        "create table event (id int, begin datetime)",
        "create table t (procedure_ int, `procedure` int, begin int, `end` int)",
        "create view v as select case when 1 then begin else 2 end as end from procedure_",
        "create definer=`event`@`begin` view v as select 1 as begin",
        "create table function.t (begin int)",
        "alter table event add begin int",
        "drop procedure begin",
        "select begin from event",
        "insert into trigger_ (begin) values (1)",
        "create temporary table `trigger` (begin int)",
        "create user event@begin",
        "alter event e rename to do",
        "alter event e comment 'do begin'",
        "create function f returns string soname 'begin'",
        "alter procedure p comment 'begin'",
        "create spatial reference system 1 name 'begin' definition 'x'",
    ] {
        stays_whole(MYSQL, &[sql]);
        stays_whole(MARIADB, &[sql]);
    }
}

#[test]
fn stored_programs_stay_whole() {
    let both = [
        "CREATE PROCEDURE p(IN a INT) BEGIN IF a > 1 THEN SELECT 1; ELSE SELECT CASE a WHEN 1 THEN 2 END; END IF; \
         CASE a WHEN 1 THEN SELECT 3; END CASE; WHILE a > 0 DO SET a = a - 1; END WHILE; END",
        "alter event e do begin delete from t1; delete from t2; end",
        "alter definer = 'a'@'%' event db.do on schedule every if(1, 2, 3) day do begin delete from t; end",
        "create event if not exists do on schedule at now() + interval case 1 when 1 then 2 end day comment 'do' do \
         if 1 then delete from t; end if",
        "create event e on schedule every 1 day do delete from t",
        "create definer=current_user() procedure begin() begin declare end int; set end = 1; begin end; end",
        "create procedure p(begin int, end int) l: loop leave l; end loop l",
        "create procedure p() comment 'begin' language sql not deterministic contains sql sql security invoker select if(1, 2, 3)",
        "create procedure p() select case 1 when 1 then 2 end",
        "create procedure p() insert into t values (1)",
        "create procedure p() case case 1 when 1 then 2 end when 2 then select 1; else begin end; end case",
        "create procedure p() repeat select 1; until case 1 when 1 then 1 end end repeat",
        "create procedure p() begin declare exit handler for not found, sqlstate value '02000', 1062 begin select 1; end; \
         declare continue handler for sqlexception set @x = 1; declare c cursor for select 1; `end`: begin end; end",
        "create function f(a int) returns varchar(10) character set utf8mb4 collate utf8mb4_bin deterministic \
         begin if (a) then return 'x'; end if; return if(a, 1, 2); end",
        "create function f() returns set('a', 'begin') return 'a'",
        "create function f() returns set('a') begin return 'a'; end",
        "create function db.f() returns int return 1",
        "create aggregate function f returns integer soname 'x.so'",
        "create trigger tr before insert on `for` for each row follows begin begin set new.a = 1; set new.b = 2; end",
        "create trigger db.tr after update on db.t for each row set @a = case 1 when 1 then 2 end",
        "create procedure p() begin if 1 then begin if 2 then select 1; end if; end; elseif 2 then select 2; else select 3; \
         end if; end",
        "create procedure p() begin select t.begin, t.end, @end, t .case from t; select 'x' as end; end",
        "create procedure p() begin start transaction; commit; xa begin 'x'; end",
    ];
    stays_whole(MYSQL, &both);
    stays_whole(MARIADB, &both);
    stays_whole(
        MYSQL,
        &[
            "CREATE FUNCTION f() RETURNS INT LANGUAGE JAVASCRIPT AS $$ return 1; $$",
            "create library l language javascript as $a_1$ x; $$; $a_1$",
            "create procedure p() language javascript using (l as begin, m) as 'x;'",
        ],
    );
    // On other servers it is a name.
    assert_eq!(pieces_of(b"select $$a; select $$b", MARIADB), ["select $$a", "select $$b"]);
    assert_eq!(pieces("select a$$; select b$$, $c"), ["select a$$", "select b$$, $c"]);
}

#[test]
fn compound_statements_of_mariadb_stay_whole() {
    let statements = [
        "BEGIN NOT ATOMIC SELECT 1; SELECT 2; END",
        "if 1 then select 1; select 2; end if",
        "IF (1) THEN begin not atomic if 2 then select 1; end if; end; ELSE SELECT 2; END IF",
        "for i in 1..10 do select i; end for",
        "for rec in (select a from t) do select rec.a; end for",
        "for i in reverse 1 .. 10 do for j in 1..i do select j; end for; end for",
        "case 1 when 1 then select 1; else select 2; end case",
        "while @a do set @a = 0; end while",
        "loop select 1; end loop",
        "repeat select 1; until 1 end repeat",
        "/* x */ set statement max_statement_time=1, x=substring('a' from 1 for 1) for begin not atomic select 1; end",
        "set statement x=1 for create procedure p() begin select 1; end",
        "set statement x=1 for set statement y=2 for if 1 then select 1; end if",
        // ORACLE mode.
        "begin select 1; select 2; end",
        "declare x int; y int := 1; cursor c is select 1; begin x := 1; <<l>> loop exit l when x; end loop l; end",
        "begin null; exception when others then select 1; when no_data_found or x then select 2; end",
        "if 1 then select 1; elsif 2 then select 3; end if",
        "for i in 1..2 loop select i; end loop",
        "while 1 loop null; end loop",
        "create or replace procedure p as x int; begin if x = 1 then null; end if; end",
        "create procedure p(a in out int) is begin null; end p",
        "create function f(a int) return varchar2(10) as x t1.a%type; begin return x; end",
        "create trigger tr before insert on t for each row declare x int; begin :new.a := 1; end",
        "create or replace package pk as function f1 return int; procedure q1(a int); end",
        "create package body pk as v int := 1; function f1 return int as begin return 1; end; procedure q1(a int) is x int; \
         begin null; end q1; begin v := 1; end",
        "create package body if not exists db.pk comment 'x' sql security invoker procedure p() begin select 1; end; \
         function f() returns int return 1; end",
        "create procedure p as exit handler for not found begin null; end; begin null; end",
    ];
    stays_whole(MARIADB, &statements);
    // On MySQL these are errors, at the first word.
    assert_eq!(pieces("if 1 then select 1; end if"), ["if 1 then select 1", "end if"]);
    assert_eq!(pieces_of(b"set statement = 1; select 1", MARIADB), ["set statement = 1", "select 1"]);
}

#[test]
fn quotes_by_mode() {
    let sql = br#"select "a\"; select 2"#;
    assert_eq!(pieces_of(sql, MYSQL).len(), 1);
    assert_eq!(pieces_of(sql, Lexis { ansi_quotes: Some(true), ..MYSQL }).len(), 2);
    let no_escapes = Lexis { backslash_escapes: Some(false), ..MYSQL };
    assert_eq!(pieces_of(br"SELECT '\'; SELECT 2", no_escapes).len(), 2);
    let unknown = Lexis { ansi_quotes: None, ..MYSQL };
    // The text itself tells the mode.
    assert_eq!(pieces_of(sql, unknown), [r#"select "a\""#, "select 2"]);
    assert_eq!(pieces_of(br#"select "a\"b"; select 2"#, unknown), [r#"select "a\"b""#, "select 2"]);
    assert_eq!(pieces_of(br#"select "a\nb", "c"; select 2"#, unknown), [r#"select "a\nb", "c""#, "select 2"]);
    // Or does not.
    assert_eq!(pieces_of(br#"select "a\", "; select ","; select 2"#, unknown)[0], r#"?select "a\", ""#);
    let neither = Lexis { ansi_quotes: None, ..no_escapes };
    assert_eq!(pieces_of(br#"select "a\", ";", "b"; select 2"#, neither).len(), 2);
}

#[test]
fn characters_of_two_bytes() {
    let in_charset = |sql: &[u8], charset| pieces_of(sql, Lexis { charset, ..MYSQL }).len();
    // The second byte is a backslash.
    let ends_in_backslash = b"INSERT INTO t VALUES ('\xd5\x5c'); SELECT 2";
    for charset in [ClientCharset::Gbk, ClientCharset::Gb18030, ClientCharset::Big5] {
        assert_eq!(in_charset(ends_in_backslash, charset), 2, "{charset:?}");
    }
    // In sjis and cp932 this byte is a character of its own: half-width katakana.
    assert_eq!(in_charset(ends_in_backslash, ClientCharset::Sjis), 1);
    assert_eq!(in_charset(b"INSERT INTO t VALUES ('\x83\x5c'); SELECT 2", ClientCharset::Sjis), 2);
    assert_eq!(in_charset(b"INSERT INTO t VALUES ('\xb1'); SELECT 2", ClientCharset::Sjis), 2);
    assert_eq!(in_charset(b"INSERT INTO t VALUES ('\xa0'); SELECT 2", ClientCharset::Big5), 2);
    // A lead byte without a trail byte.
    assert_eq!(in_charset(b"INSERT INTO t VALUES ('\x81'); SELECT 2", ClientCharset::Gbk), 2);
    assert_eq!(in_charset(b"SELECT `\x81\x60`; SELECT 2", ClientCharset::Gbk), 2);
    assert_eq!(in_charset(b"SELECT \x81\x5b; SELECT 2", ClientCharset::Gbk), 2);
    assert_eq!(in_charset(b"SELECT '\x81\x30\x81\x30'; SELECT 2", ClientCharset::Gb18030), 2);
    assert_eq!(in_charset(ends_in_backslash, ClientCharset::Plain), 1);
    let unknown = Lexis { charset: ClientCharset::Unknown, ..MYSQL };
    assert_eq!(pieces_of(b"SELECT '\xd5\x5c', ''; SELECT 2", unknown).len(), 2);
    assert!(pieces_of(b"SELECT '\xd5\x5c', '; SELECT ', '; SELECT 2", unknown)[0].starts_with('?'));
}

#[test]
fn white_space_above_ascii() {
    let of = |name: &str| Lexis { charset: ClientCharset::of(Charset::from_name(name)), ..MYSQL };
    let sql = b"\xa0delete\xa0from t; \xa0select\xa02;\xa0";
    assert_eq!(pieces_of(sql, of("latin1")).len(), 2);
    assert_eq!(first_keyword(b"delete\xa0from t", of("latin1")), b"delete");
    assert_eq!(first_keyword(b"delete\xfffrom t", of("cp866")), b"delete");
    assert_eq!(first_keyword(b"delete\xa0from t", of("utf8mb4")), b"delete\xa0from");
    let rows = StatementSummary::of_text(b"select 1;\xa0delete\xa0from t", of("latin1"), &|_| None);
    assert_eq!(rows.effects, Effects::ROWS);
}

#[test]
fn comments_by_version() {
    // What each server answered with is in `integration/test_sql_texts.py`.
    for (sql, mysql, mariadb) in [
        ("a /*!80000 b */ c", "a b c", "a c"),
        ("a /*!080000 b */ c", "a b c", "a c"),
        ("a /*!0907041 b */ c", "a 41 b c", "a c"),
        ("a /*!99999 b */ c", "a c", "a c"),
        ("a /*!999999 b */ c", "a c", "a c"),
        ("a /*! b */ c", "a b c", "a b c"),
        ("a /*!1 b */ c", "a 1 b c", "a 1 b c"),
        ("a /*M! b */ c", "a c", "a b c"),
        ("a /*M!100100 b */ c", "a c", "a b c"),
        ("a /*M!999999 b */ c", "a c", "a c"),
        ("a /*!50701 b */ c", "a b c", "a c"),
        ("a /*M!50701 b */ c", "a c", "a b c"),
        ("a /*!100100 b */ c", "a c", "a b c"),
        ("a /*!40000 b /* x */ b2 */ c", "a b b2 c", "a b b2 c"),
        ("a /*!99999 b /* x */ b2 */ c", "a c", "a c"),
    ] {
        let words = |lexis| {
            let tokens = Tokens::new(sql.as_bytes(), lexis);
            tokens.map(|token| &sql[token.range()]).collect::<Vec<_>>().join(" ")
        };
        assert_eq!((words(MYSQL).as_str(), words(MARIADB).as_str()), (mysql, mariadb), "{sql}");
    }
    let logged = Tokens::new(b"/*!999999 a */", Lexis::logged(None)).count();
    assert_eq!(logged, 1);
    // A statement's end is the end of its comment too.
    assert_eq!(pieces("SELECT 1 /*! ; SELECT 2 */"), ["SELECT 1 /*!", "SELECT 2 */"]);
}

#[test]
fn tokens_of_every_kind() {
    use Kind::*;
    let sql = "a.b `c`.case 1 1.5 .5 1e5 0x1F 0b1 x'1F' N'q' _utf8'q' @v @@a.b @'h' 1a 1..2 := ( ) , ; t1.5a";
    let kinds: Vec<_> = Tokens::new(sql.as_bytes(), MARIADB).map(|token| token.kind).collect();
    let expected = [
        Word, Dot, Name, Name, Dot, Name, Number, Number, Number, Number, Binary, Binary, Binary, Text, Word, Text,
        Variable, Variable, Variable, Word, Number, Other, Number, Other, Open, Close, Comma, Semicolon, Word, Dot,
        Name,
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn what_statements_do() {
    let (rows, definitions, calls, unknown) = (Effects::ROWS, Effects::DEFINITIONS, Effects::CALLS, Effects::UNKNOWN);
    use ResultCount::{One, Several, Unknown};
    let nothing = Effects::empty();
    let named = |name: &[u8]| {
        let kind = StatementKind::Call;
        (name == b"s").then_some(StatementSummary { kind, effects: Effects::CALLS, results: Several })
    };
    for (sql, effects, results) in [
        ("/* x */ insert into t values (1)", rows, One),
        ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", rows, One),
        ("LOAD XML INFILE 'x' INTO TABLE t", rows, One),
        ("LOAD INDEX INTO CACHE t", nothing, One),
        ("TRUNCATE t", definitions, One),
        ("OPTIMIZE TABLE t", definitions, One),
        ("call p()", calls, Several),
        ("(SELECT 1)", nothing, One),
        ("VALUES ROW(1)", nothing, One),
        ("TABLE t", nothing, One),
        ("SELECT 1 INTO OUTFILE 'x'", nothing, One),
        ("HANDLER t READ FIRST", nothing, One),
        ("DO f()", rows, One),
        ("BINLOG 'x'", rows, One),
        ("WITH c AS (SELECT 1 AS a) SELECT * FROM c", nothing, One),
        ("WITH c AS (SELECT 1 AS a) (SELECT * FROM c)", nothing, One),
        ("WITH c AS (SELECT 1 AS a) DELETE FROM t WHERE a IN (SELECT a FROM c)", rows, One),
        ("WITH RECURSIVE c (a) AS (SELECT 1), d AS (SELECT 2) UPDATE t, c SET t.a = c.a", rows, One),
        ("EXPLAIN DELETE FROM t", nothing, One),
        ("DESC t", nothing, One),
        ("EXPLAIN ANALYZE FORMAT=TREE DELETE t FROM t JOIN u", rows, One),
        ("EXPLAIN ANALYZE SELECT 1", nothing, One),
        ("ANALYZE DELETE FROM t", rows, One),
        ("ANALYZE FORMAT=JSON UPDATE t SET a = 1", rows, One),
        ("ANALYZE TABLE t", definitions, One),
        ("SET STATEMENT max_statement_time=1 FOR DELETE FROM t", rows, One),
        ("SET STATEMENT max_statement_time=1 FOR CALL p()", calls, Several),
        ("SET @a = 1", nothing, One),
        ("EXECUTE s", calls, Several),
        ("EXECUTE t USING @a", unknown, Unknown),
        ("EXECUTE IMMEDIATE 'DELETE FROM t'", rows, One),
        ("EXECUTE IMMEDIATE 'SELECT ?' USING 1", nothing, One),
        ("EXECUTE IMMEDIATE CONCAT('DELETE', ' FROM t')", unknown, Unknown),
        ("EXECUTE IMMEDIATE @a", unknown, Unknown),
        ("BEGIN", nothing, One),
        ("BEGIN NOT ATOMIC DELETE FROM t; END", rows | definitions, Several),
        ("IF 1 THEN SELECT 1; END IF", rows | definitions, Several),
        ("FOR i IN 1..2 DO DELETE FROM t; END FOR", rows | definitions, Several),
        ("", nothing, One),
    ] {
        let summary = StatementSummary::of(sql.as_bytes(), MARIADB, &named);
        assert_eq!((summary.effects, summary.results), (effects, results), "{sql}");
    }
    let all = StatementSummary::of_text(b"SELECT 1; DELETE FROM t; DROP TABLE t", MYSQL, &named);
    assert_eq!(all.effects, rows | definitions);
    assert_eq!(StatementSummary::of(b"IF 1 THEN SELECT 1; END IF", MYSQL, &named).effects, unknown);
}

#[test]
fn statements_with_names() {
    use NamedCommand::*;
    for (sql, command) in [
        ("PREPARE S FROM 'call p3()'", Some(Prepare(b"s".to_vec(), Some(b"call p3()".into())))),
        ("prepare `S` from \"select 'it''s'\"", Some(Prepare(b"s".to_vec(), Some(b"select 'it''s'".into())))),
        ("PREPARE s FROM @x", Some(Prepare(b"s".to_vec(), None))),
        ("PREPARE s FROM CONCAT('a', 'b')", Some(Prepare(b"s".to_vec(), None))),
        ("EXECUTE s USING @a", Some(Execute(b"s".to_vec()))),
        ("EXECUTE IMMEDIATE 'set names gbk'", Some(Immediate(Some(b"set names gbk".into())))),
        ("DROP PREPARE s", Some(Deallocate(b"s".to_vec()))),
        ("SET STATEMENT x=1 FOR DEALLOCATE PREPARE s", Some(Deallocate(b"s".to_vec()))),
        ("DROP TABLE s", None),
        ("SELECT 1", None),
    ] {
        assert_eq!(named_command(sql.as_bytes(), MARIADB), command, "{sql}");
    }
}

#[test]
fn set_statements() {
    use SessionSetting::*;
    let both = |charset| vec![ClientCharset(charset), ResultsCharset(charset)];
    let mode = |text: &str, ansi_quotes, no_backslash_escapes| {
        let mode = super::SqlMode { ansi_quotes, no_backslash_escapes };
        SqlMode(Some(SqlModeValue { mode, text: text.to_owned() }))
    };
    let zone = |value: &str| TimeZone(Some(value.to_owned()));
    for (sql, settings) in [
        ("SET time_zone = '+02:00'", vec![zone("+02:00")]),
        (
            "set NAMES utf8mb4 COLLATE utf8mb4_bin, @@session.time_zone := \"SYSTEM\"",
            [both(Some(Charset::Utf8mb4)), vec![zone("SYSTEM")]].concat(),
        ),
        ("SET CHARACTER SET 'gbk'", both(Some(Charset::Gbk))),
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
        (
            "SET SESSION TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE",
            vec![Isolation(Some(IsolationLevel::Serializable))],
        ),
        ("SET TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE", vec![]),
        ("SET GLOBAL TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE", vec![]),
        ("/*!999999 set time_zone='+01:00' */", vec![]),
        ("/*!40000 set time_zone='+01:00' */", vec![zone("+01:00")]),
        ("set statement time_zone='+01:00', sql_mode='ANSI' for select 1", vec![]),
        ("set statement max_statement_time=1 for set time_zone='+01:00'", vec![zone("+01:00")]),
        ("SET NAMES DEFAULT", both(None)),
        ("SET NAMES 'cp932'", both(Some(Charset::Cp932))),
        ("SET character_set_client = @x", vec![ClientCharset(None)]),
        ("SET character_set_client = 28", vec![ClientCharset(Some(Charset::Gbk))]),
        ("SET character_set_results = NULL", vec![ResultsCharset(Some(Charset::Binary))]),
        ("SET @@session.character_set_results = 'UTF16LE'", vec![ResultsCharset(Some(Charset::Utf16le))]),
        ("SET names klingon", both(None)),
        ("SET GLOBAL character_set_results = utf16", vec![]),
        ("SET sql_mode = ''", vec![mode("", false, false)]),
        (
            "SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'",
            vec![mode("NO_BACKSLASH_ESCAPES,ANSI_QUOTES", true, true)],
        ),
        ("SET @@sql_mode := ansi", vec![mode("ansi", true, false)]),
        ("SET sql_mode = 1048576", vec![mode("1048576", false, true)]),
        ("SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')", vec![SqlMode(None)]),
    ] {
        assert_eq!(variables_set(sql.as_bytes(), MARIADB), settings, "{sql}");
    }
}

#[test]
fn selected_variables() {
    let sql = b"/* mysql-connector-j */SELECT  @@session.auto_increment_increment AS a, IF(@@x, 1, 2), @@time_zone AS time_zone, \
                @@global.time_zone, @@transaction_isolation iso FROM dual";
    let names: Vec<_> = variables_selected(sql, MYSQL)
        .into_iter()
        .map(|(column, name)| (column, String::from_utf8_lossy(name).into_owned()))
        .collect();
    assert_eq!(names, [(2, "time_zone".into()), (4, "transaction_isolation".into())]);
    assert_eq!(variables_selected(b"SELECT time_zone FROM t", MYSQL), []);
    assert_eq!(variables_selected(b"SELECT @@time_zone + 1", MYSQL), []);
}

#[test]
fn torn_text_is_harmless() {
    for sql in
        ["'", "\"\\", "`a", "/*", "/*!", "--", "$$", "CREATE FUNCTION $", "SET", "SET a", "SET ,", "SELECT @@", "use `"]
    {
        let _ = (
            pieces(sql),
            pieces_of(sql.as_bytes(), Lexis::default()),
            mask_secrets(sql.as_bytes(), MYSQL),
            first_keyword(sql.as_bytes(), MARIADB),
            use_database(sql.as_bytes(), MYSQL),
        );
        let _ = (variables_set(sql.as_bytes(), MARIADB), variables_selected(sql.as_bytes(), MYSQL));
    }
}

#[test]
fn what_statements_are() {
    let named = |name: &[u8]| (name == b"s").then(|| StatementSummary::of(b"DELETE FROM t", MARIADB, &|_| None));
    for (sql, kind) in [
        ("(SELECT 1)", "select"),
        ("WITH c AS (SELECT 1 AS a) SELECT * FROM c", "select"),
        ("WITH c AS (SELECT 1 AS a) DELETE FROM t", "delete"),
        ("REPLACE INTO t VALUES (1)", "replace"),
        ("LOAD DATA INFILE 'x' INTO TABLE t", "load"),
        ("LOAD INDEX INTO CACHE t", "admin"),
        ("CREATE OR REPLACE USER u", "account"),
        ("DROP ROLE r", "account"),
        ("CREATE OR REPLACE VIEW user AS SELECT 1", "ddl"),
        ("SET PASSWORD = 'x'", "account"),
        ("SET DEFAULT ROLE r TO u", "account"),
        ("SET role = 1", "set"),
        ("SET NAMES latin1", "set"),
        ("START TRANSACTION READ ONLY", "begin"),
        ("START REPLICA", "admin"),
        ("BEGIN WORK", "begin"),
        ("BEGIN NOT ATOMIC DELETE FROM t; END", "block"),
        ("ROLLBACK WORK TO SAVEPOINT a", "savepoint"),
        ("ROLLBACK AND CHAIN", "rollback"),
        ("RELEASE SAVEPOINT a", "savepoint"),
        ("XA END 'x'", "xa"),
        ("EXPLAIN SELECT 1", "show"),
        ("EXPLAIN ANALYZE SELECT 1", "select"),
        ("ANALYZE DELETE FROM t", "delete"),
        ("ANALYZE TABLE t", "admin"),
        ("EXECUTE s", "delete"),
        ("EXECUTE t", "prepare"),
        ("SET STATEMENT max_statement_time=1 FOR UPDATE t SET a = 1", "update"),
        ("frobnicate", "other"),
        ("", "other"),
    ] {
        assert_eq!(StatementSummary::of(sql.as_bytes(), MARIADB, &named).kind.to_string(), kind, "{sql}");
    }
    let kind = |sql: &[u8]| StatementSummary::of_text(sql, MYSQL, &named).kind.to_string();
    assert_eq!(
        (kind(b"DELETE FROM t; DELETE FROM u"), kind(b"DELETE FROM t; SELECT 1")),
        ("delete".into(), "block".into())
    );
}
