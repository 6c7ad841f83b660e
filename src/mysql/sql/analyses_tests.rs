//! What is remembered is what would be found out again.

use proptest::prelude::*;

use super::sites::Shape;
use super::*;

fn keys() -> Keys {
    Keys::new(["password", "token"])
}

fn lexis(choice: u8) -> Lexis {
    Lexis {
        flavor: [None, Some(Flavor::MySql), Some(Flavor::MariaDb)][usize::from(choice % 3)],
        version: [None, Some(90_704), Some(101_119)][usize::from(choice / 3 % 3)],
        ansi_quotes: [None, Some(false), Some(true)][usize::from(choice / 9 % 3)],
        backslash_escapes: [None, Some(true), Some(false)][usize::from(choice / 27 % 3)],
        charset: [ClientCharset::Plain, ClientCharset::Gbk, ClientCharset::SpaceA0][usize::from(choice / 81 % 3)],
    }
}

/// Statements with literals at `#`.
fn statement() -> impl Strategy<Value = String> {
    let templates = prop::sample::select(vec![
        "SELECT a FROM t WHERE id = # AND token = #",
        "INSERT INTO t (a, password) VALUES (#, #), (-#, ?)",
        "INSERT INTO t VALUES (#, #)",
        "UPDATE t SET a = _utf8mb4 #, `token` = - # WHERE b IN (#, #) -- x",
        "SELECT # AS \"password\", # # FROM t LIMIT #",
        "SELECT JSON_SET(d, #, #), token FROM t",
        "CALL p(#, @token)",
        "SET @password = #",
        "SELECT PASSWORD(#), x /*!50000 , # */ FROM t",
        "PREPARE s FROM #",
        "SELECT ?, a FROM t WHERE password = ?",
        "SELECT #; SELECT # AS token",
    ]);
    let literal = prop::sample::select(vec![
        "'x'",
        "'it''s'",
        "\"y\"",
        "'a\\'b'",
        "1",
        "2.5e3",
        "0x41",
        "x'00'",
        "N'z'",
        "'$.password'",
        "'a' 'b'",
        "'\u{e9}'",
        "'torn",
        "''",
        "?",
        "'INSERT INTO t VALUES (1)'",
    ]);
    (templates, prop::collection::vec(literal, 6)).prop_map(|(template, literals)| {
        let mut literals = literals.into_iter();
        template.split('#').enumerate().fold(String::new(), |text, (index, part)| {
            if index == 0 { part.to_owned() } else { text + literals.next().unwrap_or("1") + part }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn a_known_text_is_told_of_as_a_new_one(texts in prop::collection::vec((statement(), any::<u8>(), any::<bool>()), 1..12)) {
        let mut analyses = Analyses::new(keys());
        for (sql, choice, is_torn) in texts.iter().chain(&texts) {
            let wanted = Analysis::with_keys(sql.as_bytes(), *is_torn, lexis(*choice), &keys());
            prop_assert_eq!(analyses.of(sql.as_bytes(), *is_torn, lexis(*choice)), &wanted, "{}", sql);
        }
    }

    #[test]
    fn statements_of_one_shape_have_one_digest(one in statement(), other in statement(), choice in any::<u8>()) {
        let lexis = lexis(choice);
        let (mut first, mut second) = (Shape::default(), Shape::default());
        let are_whole = first.read(one.as_bytes(), lexis, &keys()) && second.read(other.as_bytes(), lexis, &keys());
        if are_whole && first.bytes == second.bytes {
            let (one, other) = (one.as_bytes(), other.as_bytes());
            prop_assert_eq!(Digest::of(one, lexis), Digest::of(other, lexis));
            let summary = |sql| StatementSummary::of_text(sql, lexis, &|_| None);
            prop_assert_eq!(summary(one), summary(other));
        }
    }
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut analyses = Analyses::new(keys());
    for number in 0..4_000 {
        let sql = format!("SELECT a{number} FROM t{} WHERE token = 5", "x".repeat(number % 1000 * 10));
        assert_eq!(analyses.of(sql.as_bytes(), false, Lexis::default()).redactions.literals.len(), 1);
    }
    assert!(analyses.byte_len() <= 4 << 20, "{}", analyses.byte_len());
}
