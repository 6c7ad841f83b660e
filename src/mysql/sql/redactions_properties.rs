//! Secrets planted where a name with a key says so never remain, in any spelling, in any front of a statement, in any way to read it.

use proptest::prelude::*;

use super::sites::Sites;
use super::*;

const SECRET: &str = "hunter2";

fn keys() -> Keys {
    Keys::new(["password", "token"])
}

/// Statements with a secret's literal at `{s}` and others at `{o}`; `{k}` is a name with a key, `{n}` one without.
const STATEMENTS: [&str; 52] = [
    "INSERT INTO {n}{ }({n}, {k}) VALUES ({o}, {s}), ({o}, {s})",
    "INSERT INTO {n} (t.{k}, {n}) VALUES ({s}, {o}) ON DUPLICATE KEY UPDATE {n} = {o}, {k} = {s}",
    "REPLACE INTO {n} PARTITION (p0) ({n}, {k}) VALUE ({o}, CONCAT({s}, {o}))",
    "INSERT INTO {n} VALUES ({s}, {o})",
    "INSERT INTO {n} SELECT {s}, {o}",
    "INSERT INTO {n} ({n}, {k}) SELECT {o}, {s} UNION SELECT {o}, {s}",
    "INSERT INTO {n} ({n}, {k}) SELECT * FROM (SELECT {o}, {s}) AS d",
    "INSERT IGNORE INTO {n} SET {n} = {o}, {k} ={ }{s}",
    "INSERT INTO {n} ({k}) VALUES ROW({s}) AS new ON DUPLICATE KEY UPDATE {n} = {o}",
    "INSERT INTO {n} ({n}, {k}) VALUES ({o}, {s}) RETURNING {n}",
    "UPDATE {n} SET {n} = {o}, {k}{ }={ }{s} WHERE {n} = {o}",
    "UPDATE {n} SET {n} = {o} WHERE {k} = {s} LIMIT 1",
    "UPDATE {n} AS a JOIN {n} AS b ON a.{k} = {s} SET a.{n} = {o}",
    "DELETE FROM {n} WHERE {n} = {o} OR {k} ={ }{s}",
    "DELETE FROM {n} WHERE {k} IN ({s}, {s}) AND {n} IN ({o})",
    "SELECT * FROM {n} WHERE {s} = {k} AND {n} = {o}",
    "SELECT * FROM {n} WHERE {k} LIKE {s} OR {k} <=> {s} OR {k} <> {s}",
    "SELECT * FROM {n} WHERE {k} BETWEEN {s} AND {s} AND {n} < {o}",
    "SELECT * FROM {n} WHERE ({n}, {k}) = ({o}, {s})",
    "SELECT * FROM {n} WHERE ({n}, {k}) IN (({o}, {s}), ({o}, {s}))",
    "SELECT * FROM {n} WHERE {k} = SHA2({s}, 256)",
    "SELECT * FROM {n} WHERE LOWER({k}) ={ }{s}",
    "SELECT * FROM {n} WHERE CASE {n} WHEN {o} THEN {k} ELSE {o} END = {s}",
    "SELECT CASE WHEN {k} = {s} THEN {s} END FROM {n}",
    "SELECT {o} AS {n}, {s} AS {k}",
    "SELECT {o}, {s}{ }{k}",
    "SELECT {s} AS {k} UNION ALL SELECT {s}",
    "SELECT {s} UNION SELECT {k} FROM {n}",
    "SELECT (SELECT {s}) AS {k} FROM {n} WHERE {n} = {o}",
    "SELECT {k} FROM (SELECT {s} AS {k}) AS d WHERE {n} = {o}",
    "SELECT p AS {k} FROM (SELECT {s} AS p) AS d",
    "WITH c ({n}, {k}) AS (SELECT {o}, {s}) SELECT * FROM c",
    "WITH c AS (SELECT {s} AS {k}) SELECT {n} FROM c WHERE {n} = {o}",
    "WITH c (p) AS (SELECT {k} FROM {n}) SELECT * FROM c WHERE p = {s}",
    "SELECT {k} AS p FROM {n} HAVING p = {s}",
    "SELECT * FROM (SELECT {k} AS p FROM {n}) d WHERE d.p = {s} AND {n} = {o}",
    "SELECT {s}, {o} INTO @{k}, @a",
    "SELECT @{k} := {s}",
    "SELECT {n} FROM {n} WHERE (@{k} := {s} OR {s}) AND {n} = {o}",
    "SELECT {n} FROM {n} GROUP BY {n} ORDER BY {k} = {s}, {n} = {o}",
    "SELECT {n} FROM {n} WHERE EXISTS (SELECT 1 FROM {n} WHERE {k} = {s})",
    "SELECT {n} FROM {n} WHERE {k} = ANY (SELECT {s})",
    "SELECT JSON_SET({n}, '$.password', {s}), JSON_OBJECT('token',{ }{s})",
    "SELECT {n} FROM {n} WHERE {n}->>'$.password' = {s} AND {n} = {o}",
    "SELECT {n} FROM {n} WHERE JSON_VALUE({n}, '$.token') = {s}",
    "SET @a = {o}, @{k}{ }={ }{s}",
    "SET @{k} := CONCAT({s}, {o})",
    "CALL set_password({o}, {s})",
    "CREATE TABLE {n} ({n} INT, {k} VARCHAR(20) DEFAULT{ }{s} COMMENT 'x')",
    "LOAD DATA INFILE 'f' INTO TABLE {n} ({n}, @x) SET {k} = CONCAT(@x, {s})",
    "HANDLER {n} READ {k} = ({s})",
    "CREATE PROCEDURE p() BEGIN SELECT {o}; UPDATE {n} SET {k} = {s}; END",
];

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(texts)
}

fn blank() -> impl Strategy<Value = &'static str> {
    one_of(&[
        " ",
        "\n\t",
        "/**/",
        " /* it's ' */ ",
        " -- it's\n ",
        " # \"\n",
        " /*!50000 */ ",
        " /*!99999 'x' */ ",
        " /*+ MAX(1) */ ",
    ])
}

prop_compose! {
    fn planted()(
        statement in one_of(&STATEMENTS),
        blank in blank(),
        secret in one_of(&["'{}'", "\"{}\"", "N'{}'", "_utf8mb4 '{}'", "_binary'{}'", "'a''{}'", "'a\\'{}'", "'a' '{}'", "('{}')", "'\\\\{}'", "'{}\u{e9}'"]),
        other in one_of(&["1", "'x'", "-2.5", "NULL", "0x41", "'it''s'", "?", "\"a\\\"b\"", "''"]),
        key in one_of(&["password", "`user password`", "Api_TOKEN", "`to\u{212a}en`", "`a``password`"]),
        name in one_of(&["id", "`a b`", "n\u{e9}", "`it's`", "`x``y`", "$a"]),
        wrapped in 0..6,
        upper in any::<bool>(),
    ) -> String {
        let key_of_variable = if key.contains('K') || key.contains('\u{212a}') { "token" } else { "x_password" };
        let sql = statement
            .replace("@{k}", &format!("@{key_of_variable}"))
            .replace("{s}", &secret.replace("{}", SECRET))
            .replace("{o}", other)
            .replace("{k}", key)
            .replace("{n}", name)
            .replace("{ }", blank);
        let sql = if upper { sql.replace(" FROM ", " from ").replace("VALUES", "Values") } else { sql };
        match wrapped {
            0 => format!("PREPARE s FROM '{}'", sql.replace('\\', "\\\\").replace('\'', "''")),
            1 => format!("EXECUTE IMMEDIATE \"{}\"", sql.replace('\\', "\\\\").replace('"', "\\\"")),
            2 => format!("SET @s = '{}'", sql.replace('\\', "\\\\").replace('\'', "\\'")),
            3 => format!("SELECT 1; {sql}; SELECT 'y'"),
            _ => sql,
        }
    }
}

fn readings() -> impl Strategy<Value = Lexis> {
    let charsets = prop::sample::select(vec![
        ClientCharset::Plain,
        ClientCharset::Gbk,
        ClientCharset::Sjis,
        ClientCharset::SpaceA0,
    ]);
    let flavors = prop::sample::select(vec![Some(Flavor::MySql), Some(Flavor::MariaDb), None]);
    let versions = prop::sample::select(vec![Some(90_704), Some(101_119), None]);
    (charsets, flavors, versions, prop::sample::select(vec![Some(false), None])).prop_map(
        |(charset, flavor, version, ansi_quotes)| Lexis {
            flavor,
            version,
            ansi_quotes,
            backslash_escapes: Some(true),
            charset,
        },
    )
}

fn applied(sql: &[u8], redactions: &Redactions) -> Vec<u8> {
    let (mut shown, mut from) = (Vec::new(), 0);
    for span in &redactions.literals {
        shown.extend_from_slice(&sql[from..span.start]);
        shown.extend_from_slice(b"'***'");
        from = span.end;
    }
    shown.extend_from_slice(&sql[from..]);
    shown
}

fn shows_secret(sql: &[u8], is_torn: bool, lexis: Lexis) -> bool {
    let shown = applied(sql, &Redactions::of(sql, is_torn, lexis, &keys()));
    memchr::memmem::find(&shown, &SECRET.as_bytes()[..4]).is_some()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn a_planted_secret_never_remains(sql in planted(), lexis in readings()) {
        prop_assert!(!shows_secret(sql.as_bytes(), false, lexis), "{sql}");
    }

    #[test]
    fn nor_in_what_is_torn(sql in planted(), lexis in readings(), cut in 0.0..1.0) {
        let end = (sql.len() as f64 * cut) as usize;
        prop_assert!(!shows_secret(&sql.as_bytes()[..end], true, lexis), "{}", String::from_utf8_lossy(&sql.as_bytes()[..end]));
    }

    #[test]
    fn a_placeholder_is_what_a_literal_is(sql in planted(), lexis in readings()) {
        // In place of each secret a placeholder; all of what is one there is none of the others.
        let prepared = ["'hunter2'", "\"hunter2\"", "N'hunter2'"].iter().fold(sql.clone(), |sql, secret| sql.replace(secret, "?"));
        let sites = Sites::of(prepared.as_bytes(), lexis, &keys());
        let count = sites.sites.iter().filter(|site| prepared.get(site.span.clone()) == Some("?")).count();
        let params = Redactions::of(prepared.as_bytes(), false, lexis, &keys()).params;
        // Some spellings have the secret in the midst of a literal.
        let is_whole = !["\\'hunter2", "''hunter2", "' 'hunter2"].iter().any(|part| sql.contains(part));
        if is_whole && prepared != sql && !prepared.contains("hunter2") && !prepared.starts_with("PREPARE") && count > 0 {
            prop_assert!((0..count).any(|index| params.contains(index)), "{prepared}");
        }
    }

    #[test]
    fn spans_are_in_the_text(sql in "[a-z'\"`\\\\;@=()*/!?,.0-9 -]{0,80}(password|insert into t values|token)[a-z'\"`\\\\;@=()*/!?,.0-9 -]{0,80}", lexis in readings(), is_torn in any::<bool>()) {
        let mut end = 0;
        for span in Redactions::of(sql.as_bytes(), is_torn, lexis, &keys()).literals {
            prop_assert!(end <= span.start && span.start < span.end && span.end <= sql.len());
            end = span.end;
        }
    }

    #[test]
    fn the_parser_never_shows_what_no_unit_has(sql in planted(), lexis in readings()) {
        // What the tokens alone hide is everything: the parser may only take from it.
        let all = Redactions::of(sql.as_bytes(), true, lexis, &keys());
        let some = Redactions::of(sql.as_bytes(), false, lexis, &keys());
        for span in &some.literals {
            let is_hidden = all.literals.iter().any(|whole| whole.start <= span.start && span.end <= whole.end);
            prop_assert!(is_hidden || sql.contains("VALUE"), "{sql} {span:?}");
        }
    }
}

/// Texts that are there to make a parser work: each ends, and within a worker's stack.
#[test]
fn hostile_texts_end() {
    let repeated = |front: &str, middle: &str, end: &str, count: usize| {
        format!("SELECT password, {}{}{}", front.repeat(count), middle, end.repeat(count))
    };
    let mut texts = Vec::new();
    for count in [10, 20, 24, 100, 1_000, 20_000] {
        texts.extend([
            repeated("(", "1", ")", count),
            repeated("(SELECT ", "1", ")", count),
            repeated("CASE WHEN ", "1", " THEN 1 END", count),
            repeated("NOT ", "1", "", count),
            repeated("- ", "1", "", count),
            repeated("1 AND ", "1", "", count),
            repeated("1 + ", "1", "", count),
            repeated("f(", "1", ")", count),
            repeated("1 IN (", "1", ")", count),
            format!("SELECT password FROM {}t{}", "(".repeat(count), ")".repeat(count)),
            format!("SELECT password FROM {}SELECT 1{}", "(".repeat(count), ")".repeat(count)),
            format!("SELECT password FROM t{}", " JOIN t".repeat(count)),
            format!("SELECT password FROM {}t{}", "(t JOIN ".repeat(count), ")".repeat(count)),
            format!("SELECT password {}", "UNION SELECT 1 ".repeat(count)),
            format!("SELECT password{}", ".a".repeat(count)),
            format!("SELECT password, a{}", "->'$'".repeat(count)),
            format!("SELECT password, a{}", " COLLATE b".repeat(count)),
            format!("SELECT password, a{}", "[1]".repeat(count)),
            format!("SELECT password, {{{}", "{".repeat(count)),
            format!("WITH a AS ({}1", "WITH a AS (SELECT password ".repeat(count)),
            format!("SET password = {}1", "INTERVAL ".repeat(count)),
            format!("CREATE TABLE password (a {}", "ARRAY<".repeat(count)),
            format!("SELECT password, CAST(a AS {}", "STRUCT<a ".repeat(count)),
            format!("EXPLAIN {}SELECT password", "EXPLAIN ".repeat(count)),
        ]);
    }
    // As large as a worker's.
    let worker = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        for sql in texts {
            Redactions::of(sql.as_bytes(), false, Lexis::default(), &keys());
        }
    });
    worker.expect("a thread").join().expect("no text overflows the stack");
}
