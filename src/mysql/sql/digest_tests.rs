use proptest::prelude::*;

use super::{ClientCharset, Digest, Digester, Flavor, Lexis, normalized};

const MYSQL: Lexis = Lexis {
    flavor: Some(Flavor::MySql),
    version: Some(90_704),
    ansi_quotes: Some(false),
    backslash_escapes: Some(true),
    charset: ClientCharset::Plain,
};

fn shown(sql: &str) -> String {
    String::from_utf8(normalized(sql.as_bytes(), MYSQL)).unwrap()
}

#[test]
fn statements_in_one_spelling() {
    for (sql, text) in [
        ("SELECT 1;", "select ?"),
        ("select 'a', N'b', x'00', 0x00, .5, 1e3, NULL", "select ?, ..."),
        ("SELECT - - 1, a-1, a - -1, -a FROM t", "select ? , a - ? , a - ? , - a from t"),
        (
            "SELECT a->'$.x', a ->> '$.y', a<>1, a != 1, a<=-1 FROM t",
            "select a -> ? , a ->> ? , a != ? , a != ? , a <= ? from t",
        ),
        (
            "SELECT * FROM `T` WHERE `A b` IN (1) AND b in(1,-2,NULL)",
            "select * from t where `a b` in (...) and b in (...)",
        ),
        ("INSERT INTO t VALUES (1), (NULL)", "insert into t values (?) /* , ... */"),
        ("INSERT INTO t VALUES (1, 'x'), (?, 2), (3, 4)", "insert into t values (...) /* , ... */"),
        ("INSERT INTO t VALUES (1, f(2)), (3, 4)", "insert into t values ( ? , f (?) ) , (...)"),
        ("SELECT a IS NULL, a IS NOT NULL, NULL FROM t", "select a is null , a is not null , ? from t"),
        (
            "SELECT _latin1'x', DATE '2020-01-01', a AS 'x' FROM db . t",
            "select _charset ? , date ? , a as ? from db . t",
        ),
        ("SET @a := 1, @@SESSION.sql_mode = ''", "set @? := ? , @@session.sql_mode = ?"),
        ("CREATE USER 'u'@'h' IDENTIFIED BY 'secret'", "create user ? @? identified by ?"),
        ("/*! SELECT */ /* x */ 1 -- y\n /*!99999 , 2 */ # z", "select ?"),
        ("UPDATE t SET a=1;; DELETE FROM t;", "update t set a = ? ; delete from t"),
        ("SELECT 'open", "select ?"),
        ("", ""),
        (" ; -- nothing", ""),
    ] {
        assert_eq!(shown(sql), text, "{sql}");
    }
}

#[test]
fn the_digest_is_the_front_of_the_texts_sha_256() {
    // printf 'select ?' | sha256sum
    assert_eq!(Digest::of(b"SELECT 1", MYSQL).to_string(), "e1c71d1661ae46e09b7aaec1c390957f");
    // sha256sum < /dev/null
    assert_eq!(Digest::of(b"", MYSQL).to_string(), "e3b0c44298fc1c149afbf4c8996fb924");
}

#[test]
fn the_vectors_in_the_documentation_hold() {
    let document = include_str!("../../../docs/digest.md");
    let rows: Vec<_> = document.lines().filter(|line| line.starts_with("| `` ")).collect();
    assert!(rows.len() >= 6);
    for row in rows {
        let cells: Vec<_> = row.split(" | ").map(|cell| cell.trim_matches(['|', '`', ' '])).collect();
        let [sql, text, digest] = cells[..] else { panic!("{row}") };
        assert_eq!(shown(sql), text);
        assert_eq!(Digest::of(sql.as_bytes(), MYSQL).to_string(), digest, "{sql}");
    }
}

#[test]
fn what_the_settings_say_is_heeded() {
    let text = |sql: &[u8], lexis| String::from_utf8_lossy(&normalized(sql, lexis)).into_owned();
    let ansi = Lexis { ansi_quotes: Some(true), ..MYSQL };
    assert_eq!(text(b"SELECT \"a\"", MYSQL), "select ?");
    assert_eq!(text(b"SELECT \"a\"", ansi), "select a");
    let raw = Lexis { backslash_escapes: Some(false), ..MYSQL };
    assert_eq!(text(br"SELECT 'a\', b", raw), "select ? , b");
    assert_eq!(text(br"SELECT 'a\', b", MYSQL), "select ?");
    // The second byte of a character looks like a backslash or a letter.
    let sjis = Lexis { charset: ClientCharset::Sjis, ..MYSQL };
    assert_eq!(text(b"SELECT '\x95\x5c', b", sjis), "select ? , b");
    assert_eq!(normalized(b"SELECT `\x95\x41`", sjis), b"select \x95\x41");
}

fn in_pieces(sql: &[u8], piece: usize, lexis: Lexis) -> Digest {
    let mut digester = Digester::new(lexis);
    sql.chunks(piece.max(1)).for_each(|piece| digester.update(piece));
    digester.finish()
}

/// Large statements, in which something is cut at every kind of place, have the digest of a small one that is spelled the same.
#[test]
fn large_statements_are_digested_as_they_pass() {
    let long = "x".repeat(200_000);
    let doubled = "''".repeat(70_000);
    let escaped = r"\\\'".repeat(40_000);
    let stars = "*/ /* ".repeat(20_000);
    for shift in [0, 1, 2, 3, 61, 62, 63, 64, 65] {
        let blank = " ".repeat(shift);
        for (small, large) in [
            ("select 'x', b".to_owned(), format!("{blank}select '{long}', b")),
            ("select 'x', b".to_owned(), format!("{blank}select '{doubled}', b")),
            ("select 'x', b".to_owned(), format!("{blank}select '{escaped}', b")),
            ("select 'x', b".to_owned(), format!("{blank}select /*{long}*/ 'x' -- {long}\n, b")),
            ("select 'x', b".to_owned(), format!("{blank}select /*!99999 /* {long} */ {long} */ 'x', b")),
            ("select 'x', b".to_owned(), format!("{blank}select $tag${long}$tag$, b")),
            ("select 'x', b".to_owned(), format!("{blank}select {}'x', b", "/*! */".repeat(30_000))),
            ("select 'x', b".to_owned(), format!("{blank}select /*! {} */ 'x', b", "/* - */".repeat(30_000))),
            ("select 'x', b".to_owned(), format!("{blank}select{} 'x', b", " -- x\n".repeat(30_000))),
            ("select 'x', b".to_owned(), format!("{blank}select{}'x', b", " ".repeat(200_000))),
            (
                "select 1 from t where a in (1)".to_owned(),
                format!("{blank}select 1 from t where a in ({}1)", "1,-23,".repeat(50_000)),
            ),
            (
                "insert into t values (1,2)".to_owned() + ",(1,2)",
                format!("{blank}insert into t values (1,2){}", ",(1, 'it''s')".repeat(30_000)),
            ),
            (
                format!("select {}1.5", "t.a+".repeat(3)),
                format!("{blank}select t.{}a+t.{}a+t.a+1.5", " ".repeat(70_000), "/* */".repeat(20_000)),
            ),
            (format!("select 'x' '{stars}'"), format!("{blank}select '{stars}' '{stars}'")),
        ] {
            assert_eq!(
                Digest::of(large.as_bytes(), MYSQL),
                Digest::of(small.as_bytes(), MYSQL),
                "{}: {}",
                small,
                String::from_utf8_lossy(&normalized(large.as_bytes(), MYSQL)).chars().take(300).collect::<String>()
            );
            assert_eq!(in_pieces(large.as_bytes(), 4093, MYSQL), Digest::of(small.as_bytes(), MYSQL), "{small}");
        }
    }
}

/// What is large is no different: windows change nothing, wherever they part a text.
#[test]
fn windows_part_a_text_anywhere() {
    let unit = r#" select `a``b`, "x\"y", 'it''s', N'n', x'ff', @a, @@session.b, t.c, 1.5e-3, /* c */ -- d
        # e
        /*!50000 f */ /*!99999 g */ /*M!100 h */ $$i$$ $j$k$j$ <= -> ->> := ! ;"#;
    let text = unit.repeat(500);
    assert!(text.len() > 64 * 1024);
    for shift in 0..unit.len() {
        let padded = format!("{}{text}", " ".repeat(shift));
        let whole = normalized(padded.as_bytes(), MYSQL);
        let mut wanted = normalized(unit.as_bytes(), MYSQL);
        let one = wanted.clone();
        for _ in 1..500 {
            wanted.extend_from_slice(b" ; ");
            wanted.extend_from_slice(&one);
        }
        assert!(whole == wanted, "shifted by {shift}");
    }
}

proptest! {
    #[test]
    fn no_text_is_too_odd(sql in prop::collection::vec(any::<u8>(), 0..200), piece in 1_usize..20, settings in 0_usize..27) {
        let known = |number: usize| [None, Some(true), Some(false)][number % 3];
        let charset = [ClientCharset::Plain, ClientCharset::Gbk, ClientCharset::Unknown][settings / 9];
        let lexis = Lexis { ansi_quotes: known(settings), backslash_escapes: known(settings / 3), charset, ..MYSQL };
        prop_assert_eq!(in_pieces(&sql, piece, lexis), Digest::of(&sql, lexis));
    }

    /// A text in the one spelling is in it already, but for what it says of values.
    #[test]
    fn spelling_does_not_matter(words in prop::collection::vec(0_usize..16, 1..40), gaps in prop::collection::vec(0_usize..5, 40)) {
        const WORDS: [&str; 16] =
            ["select", "t", "in", "(", ")", ",", "1", "'x'", "-", "a", "null", "is", "not", "<=", "values", "`q r`"];
        const GAPS: [&str; 5] = [" ", "\n\t", " /* x */ ", " -- y\n", " # z '\n"];
        let plain: Vec<_> = words.iter().map(|word| WORDS[*word]).collect();
        let odd: String = words
            .iter()
            .zip(&gaps)
            .map(|(word, gap)| format!("{}{}", WORDS[*word].to_uppercase().replace("'X'", "'y; z'"), GAPS[*gap]))
            .collect();
        prop_assert_eq!(shown(&plain.join(" ")), shown(&odd));
    }
}
