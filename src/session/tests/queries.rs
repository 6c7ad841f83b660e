//! COM_QUERY: outcomes, several results, files, session state.

use super::*;
use crate::mysql::charset::Charset;
use crate::mysql::sql::IsolationLevel;

#[test]
fn outcomes_in_both_dialects() {
    for capabilities in [CLASSIC, MODERN] {
        let mut script = Script::new(capabilities);
        script.query("UPDATE t SET a = 1").ok(3, "Rows matched: 3  Changed: 3  Warnings: 0", AUTOCOMMIT);
        script.query("SELECT a FROM t").rows(&["1", "2"], AUTOCOMMIT);
        script.query("SELECT a FROM empty").rows(&[], AUTOCOMMIT);
        script.query("DO 1").ok(0, "", AUTOCOMMIT);
        script.query("SELEC").err(1064, "You have an error");
        let info = Some("Rows matched: 3  Changed: 3  Warnings: 0");
        assert_eq!(
            statements(&script),
            [
                Seen::sql("UPDATE t SET a = 1", 3, info),
                Seen::sql("SELECT a FROM t", 2, None),
                Seen::sql("SELECT a FROM empty", 0, None),
                Seen::sql("DO 1", 0, Some("")),
                Seen::failed("SELEC", "ERROR 1064 (42000): You have an error"),
            ]
        );
    }
}

#[test]
fn duration_runs_from_the_first_byte_of_the_command_to_the_last_of_its_response() {
    let mut script = Script::new(MODERN);
    script.query("SELECT 1").rows(&["1"], AUTOCOMMIT);
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    // Command, count, definition, row, end: four steps of 1 µs.
    assert_eq!(player.seen[0].duration_ns, 4_000);
    assert_eq!(player.seen[0].execution_count, 1);
}

#[test]
fn an_error_among_rows() {
    let mut script = Script::new(MODERN);
    script
        .query("SELECT slow")
        .server(&[1])
        .definitions(1)
        .server(b"\x01x")
        .err(1317, "Query execution was interrupted");
    assert_eq!(
        statements(&script),
        [Seen::failed("SELECT slow", "ERROR 1317 (42000): Query execution was interrupted")]
    );
}

#[test]
fn a_null_and_an_empty_value_are_rows() {
    for capabilities in [CLASSIC, MODERN] {
        let mut script = Script::new(capabilities);
        script.query("SELECT NULL").server(&[1]).definitions(1).server(&[0xfb]).server(&[0]).rows_end(AUTOCOMMIT);
        assert_eq!(statements(&script), [Seen::sql("SELECT NULL", 2, None)]);
    }
}

#[test]
fn each_statement_of_several_has_its_own_outcome() {
    for capabilities in [CLASSIC, MODERN] {
        let mut script = Script::new(capabilities);
        script.query("SELECT ';'; UPDATE t SET a = 1 ;CALL p(); SELEC; SELECT 4");
        script.rows(&["1"], AUTOCOMMIT | MORE).ok(2, "", AUTOCOMMIT | MORE);
        script.rows(&["1", "2", "3"], AUTOCOMMIT | MORE).rows(&["x"], AUTOCOMMIT | MORE).ok(0, "", AUTOCOMMIT | MORE);
        script.err(1064, "You have an error");
        assert_eq!(
            statements(&script),
            [
                Seen::sql("SELECT ';'", 1, None),
                Seen::sql("UPDATE t SET a = 1", 2, Some("")),
                Seen::sql("CALL p()", 3, None),
                Seen::failed("SELEC", "ERROR 1064 (42000): You have an error"),
            ]
        );
    }
}

#[test]
fn durations_of_several_statements_do_not_overlap() {
    let mut script = Script::new(MODERN);
    script.query("DO 1; DO 2").ok(0, "", AUTOCOMMIT | MORE).ok(0, "", AUTOCOMMIT);
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    assert_eq!(player.seen.iter().map(|seen| seen.duration_ns).collect::<Vec<_>>(), [1_000, 1_000]);
    assert_eq!(player.seen.iter().map(|seen| seen.execution_count).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_call_is_one_statement() {
    let mut script = Script::new(MODERN);
    script
        .query("CALL p(1, 2)")
        .rows(&["3"], AUTOCOMMIT | MORE)
        .rows(&["x", "y"], AUTOCOMMIT | MORE)
        .ok(0, "", AUTOCOMMIT);
    script.query("CALL nothing()").ok(5, "", AUTOCOMMIT);
    assert_eq!(statements(&script), [Seen::sql("CALL p(1, 2)", 1, None), Seen::sql("CALL nothing()", 5, Some(""))]);
}

#[test]
fn use_and_session_track_move_the_database() {
    let mut script = Script::new(CLASSIC);
    script.query("/* x */ USE `other`").ok(0, "", AUTOCOMMIT);
    script.query("USE missing").err(1049, "Unknown database 'missing'");
    script.request(b"\x02third").ok(0, "", AUTOCOMMIT);
    script.query("DO 1").ok(0, "", AUTOCOMMIT);
    let databases: Vec<_> = statements(&script).into_iter().map(|seen| seen.database.unwrap()).collect();
    assert_eq!(databases, ["other", "other", "third"]);

    let mut script = Script::new(MODERN);
    // The procedure's own USE shows in the OK packet alone.
    script.query("CALL moves()").server(b"\0\0\0\x02\x40\0\0\0\x07\x01\x05\x04back");
    assert_eq!(statements(&script)[0].database.as_deref(), Some("back"));
}

#[test]
fn time_zone_and_isolation_follow_what_passes() {
    let mut script = Script::new(MODERN);
    script.query("SELECT 1, @@session.time_zone AS tz, @@transaction_isolation, @@character_set_client");
    script.server(&[4]).definitions(4).server(b"\x011\x06SYSTEM\x0fREPEATABLE-READ\x03gbk").rows_end(AUTOCOMMIT);
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    assert_eq!(player.observer.facts().time_zone.as_deref(), Some("SYSTEM"));
    assert_eq!(player.observer.facts().isolation, Some(IsolationLevel::RepeatableRead));
    assert_eq!(player.observer.facts().client_charset, Some(Charset::Gbk));

    script.query("SET time_zone = '+02:00'").ok(0, "", AUTOCOMMIT);
    script.query("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE").err(1568, "not now");
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    assert_eq!(player.observer.facts().time_zone.as_deref(), Some("+02:00"));
    assert_eq!(player.observer.facts().isolation, Some(IsolationLevel::RepeatableRead));

    script.request(&[0x1f]).ok(0, "", AUTOCOMMIT);
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    assert_eq!(player.observer.facts().time_zone, None);
    assert_eq!(player.observer.facts().current_database.as_deref(), Some("shop"));
}

#[test]
fn a_local_file_is_not_a_request() {
    let mut script = Script::new(MODERN);
    script.query("LOAD DATA LOCAL INFILE 'f' INTO TABLE t").server(b"\xfbf");
    script.client(b"\x03SELECT 1\n").client(b"1\t2\n").client(b"").ok(2, "Records: 2", AUTOCOMMIT);
    script.query("DO 1").ok(0, "", AUTOCOMMIT);
    // Refused by the client at once.
    script.query("LOAD DATA LOCAL INFILE 'g' INTO TABLE t").server(b"\xfbg").client(b"").ok(0, "", AUTOCOMMIT);
    assert_eq!(
        statements(&script),
        [
            Seen::sql("LOAD DATA LOCAL INFILE 'f' INTO TABLE t", 2, Some("Records: 2")),
            Seen::sql("DO 1", 0, Some("")),
            Seen::sql("LOAD DATA LOCAL INFILE 'g' INTO TABLE t", 0, Some("")),
        ]
    );
}

#[test]
fn a_file_whose_packets_wrap_the_sequence_is_still_a_file() {
    let mut script = Script::new(MODERN);
    script.query("LOAD DATA LOCAL INFILE 'f' INTO TABLE t").server(b"\xfbf");
    for _ in 0..600 {
        script.client(b"\x01");
    }
    script.client(b"").ok(9, "", AUTOCOMMIT);
    assert_eq!(statements(&script).len(), 1);
}

#[test]
fn progress_reports_are_no_errors() {
    let mut script = Script::new(CLASSIC);
    script
        .query("ALTER TABLE t ENGINE = Aria")
        .server(b"\xff\xff\xff\x01\x01\x02\0\0\0\x05stage")
        .ok(0, "", AUTOCOMMIT);
    assert_eq!(statements(&script), [Seen::sql("ALTER TABLE t ENGINE = Aria", 0, Some(""))]);
}

#[test]
fn results_without_definitions() {
    let optional = CapabilityFlags::OPTIONAL_RESULTSET_METADATA.bits();
    let mut script = Script::new(MODERN | optional);
    script.query("SELECT 1").server(&[1, 0]).server(b"\x011").rows_end(AUTOCOMMIT);
    script.query("SELECT 2").server(&[1, 1]).definitions(1).server(b"\x011").rows_end(AUTOCOMMIT);
    assert_eq!(statements(&script), [Seen::sql("SELECT 1", 1, None), Seen::sql("SELECT 2", 1, None)]);

    let cache = CapabilityFlags::MARIADB_CACHE_METADATA.bits();
    let mut script = Script::new((CLASSIC & !1) | cache);
    script.query("SELECT 1").server(&[1, 0]).eof(AUTOCOMMIT).server(b"\x011").rows_end(AUTOCOMMIT);
    assert_eq!(statements(&script), [Seen::sql("SELECT 1", 1, None)]);
}

#[test]
fn query_attributes_are_not_text() {
    let mut script = Script::new(MODERN | CapabilityFlags::QUERY_ATTRIBUTES.bits());
    script.request(b"\x03\x00\x01SELECT 1").rows(&["1"], AUTOCOMMIT);
    script.request(b"\x03\x01\x01\x00\x01\xfe\x00\x05trace\x02idSELECT 2").rows(&["2"], AUTOCOMMIT);
    assert_eq!(statements(&script), [Seen::sql("SELECT 1", 1, None), Seen::sql("SELECT 2", 1, None)]);
}

#[test]
fn a_text_beyond_the_limit_is_cut_and_said_so() {
    let mut script = Script::new(MODERN);
    script.query("SELECT 'long'").rows(&["1"], AUTOCOMMIT);
    let mut player = Player::with(ObserverConfig { max_statement_bytes: 6, ..ObserverConfig::default() });
    player.play(&script.said, 5);
    assert_eq!(player.seen[0].sql.as_deref(), Some("SELECT"));
    assert!(player.seen[0].truncated);
}

#[test]
fn a_comment_behind_the_last_statement_has_an_answer_of_its_own() {
    let mut script = Script::new(MODERN);
    script.query("UPDATE t SET a = 1; -- done").ok(3, "Rows matched: 3", AUTOCOMMIT | MORE).ok(0, "", AUTOCOMMIT);
    assert_eq!(
        statements(&script),
        [Seen::sql("UPDATE t SET a = 1", 3, Some("Rows matched: 3")), Seen::sql("-- done", 0, Some(""))]
    );
}

/// MariaDB's greeting leaves out the oldest capability.
const MARIADB: u64 = MODERN & !CapabilityFlags::LONG_PASSWORD.bits();

#[test]
fn more_results_than_statements_name_the_whole_text() {
    let mut script = Script::new(MODERN);
    script.query("DO 1; DO 2").ok(1, "", AUTOCOMMIT | MORE).ok(2, "", AUTOCOMMIT | MORE).ok(3, "", AUTOCOMMIT);
    script.query("DO 3").ok(0, "", AUTOCOMMIT);
    assert_eq!(
        statements(&script),
        [Seen::sql("DO 1", 1, Some("")), Seen::sql("DO 1; DO 2", 3, Some("")), Seen::sql("DO 3", 0, Some(""))]
    );
}

#[test]
fn fewer_results_than_statements_name_the_whole_text() {
    let mut script = Script::new(MODERN);
    script.query("DO 1; DO 2; DO 3").ok(1, "", AUTOCOMMIT | MORE).ok(2, "", AUTOCOMMIT);
    assert_eq!(statements(&script), [Seen::sql("DO 1", 1, Some("")), Seen::sql("DO 1; DO 2; DO 3", 2, Some(""))]);
}

#[test]
fn an_anonymous_block_brings_several_results() {
    let mut script = Script::new(MARIADB);
    script.query("BEGIN NOT ATOMIC SELECT 1; SELECT 2; END; DO 3");
    script.rows(&["1"], AUTOCOMMIT | MORE).rows(&["2"], AUTOCOMMIT | MORE).ok(0, "", AUTOCOMMIT | MORE);
    script.ok(0, "", AUTOCOMMIT);
    assert_eq!(
        statements(&script),
        [Seen::sql("BEGIN NOT ATOMIC SELECT 1; SELECT 2; END", 1, None), Seen::sql("DO 3", 0, Some(""))]
    );
}

#[test]
fn without_multi_statements_a_text_is_one() {
    let mut script = Script::new(MARIADB & !CapabilityFlags::MULTI_STATEMENTS.bits());
    script.query("if 1 then select 1; select 2; end if");
    script.rows(&["1"], AUTOCOMMIT | MORE).rows(&["2"], AUTOCOMMIT | MORE).ok(0, "", AUTOCOMMIT);
    script.query("select 1; select 2").err(1064, "syntax");
    assert_eq!(
        statements(&script),
        [Seen::sql("if 1 then select 1; select 2; end if", 1, None), {
            Seen { error: Some("ERROR 1064 (42000): syntax".into()), ..Seen::sql("select 1; select 2", 0, None) }
        }]
    );
}

#[test]
fn what_execute_runs_tells_its_results() {
    let mut script = Script::new(MODERN);
    let sql = "prepare S from 'call p3()'; execute s; select 7; select 8";
    script.query(sql).ok(0, "", AUTOCOMMIT | MORE);
    script.rows(&["1"], AUTOCOMMIT | MORE).rows(&["2"], AUTOCOMMIT | MORE).ok(0, "", AUTOCOMMIT | MORE);
    script.rows(&["7"], AUTOCOMMIT | MORE).rows(&["8"], AUTOCOMMIT);
    // The procedure may have prepared something else under that name.
    script
        .query("execute s; select 9")
        .rows(&["1"], AUTOCOMMIT | MORE)
        .ok(0, "", AUTOCOMMIT | MORE)
        .rows(&["9"], AUTOCOMMIT);
    script.query("prepare s from 'select 1'").ok(0, "", AUTOCOMMIT);
    script.query("execute s; select 9").rows(&["1"], AUTOCOMMIT | MORE).rows(&["9"], AUTOCOMMIT);
    script.query("deallocate prepare s").ok(0, "", AUTOCOMMIT);
    script
        .query("do 1; execute s; select 9")
        .ok(0, "", AUTOCOMMIT | MORE)
        .ok(5, "", AUTOCOMMIT | MORE)
        .rows(&["9"], AUTOCOMMIT);
    let seen = statements(&script);
    let texts: Vec<_> = seen.iter().filter_map(|seen| seen.sql.as_deref()).collect();
    assert_eq!(
        texts,
        [
            "prepare S from 'call p3()'",
            "execute s",
            "select 7",
            "select 8",
            "execute s; select 9",
            "prepare s from 'select 1'",
            "execute s",
            "select 9",
            "deallocate prepare s",
            "do 1",
            "execute s",
            "select 9",
        ]
    );
}

#[test]
fn a_statement_changes_how_the_next_is_read() {
    let mut script = Script::new(MODERN);
    script.query("set sql_mode='ANSI_QUOTES'; select \"a\\\"; do 2");
    script.ok(0, "", AUTOCOMMIT | MORE).rows(&["1"], AUTOCOMMIT | MORE).ok(0, "", AUTOCOMMIT);
    let texts: Vec<_> = statements(&script).into_iter().filter_map(|seen| seen.sql).collect();
    assert_eq!(texts, ["set sql_mode='ANSI_QUOTES'", "select \"a\\\"", "do 2"]);

    const NO_BACKSLASH_ESCAPES: u16 = 0x200;
    let mut script = Script::new(MODERN);
    script.query("set sql_mode='NO_BACKSLASH_ESCAPES'; select '\\'; do 2");
    script.ok(0, "", AUTOCOMMIT | MORE | NO_BACKSLASH_ESCAPES).rows(&["1"], AUTOCOMMIT | MORE).ok(0, "", AUTOCOMMIT);
    assert_eq!(statements(&script).len(), 3);
}

#[test]
fn a_text_whose_statements_cannot_be_told_apart_is_one() {
    // Whether this is a string or a name, only the mode tells, and nobody has said it.
    let sql = "do 1; select \"a\\\"; do 2; select \" \"; do 3";
    let mut script = Script::new(MODERN);
    script.query(sql).ok(0, "", AUTOCOMMIT | MORE).rows(&["1"], AUTOCOMMIT | MORE).ok(0, "", AUTOCOMMIT);
    assert_eq!(
        statements(&script),
        [Seen::sql("do 1", 0, Some("")), Seen::sql("select \"a\\\"; do 2; select \" \"; do 3", 1, None)]
    );
}

#[test]
fn attributes_that_cannot_be_understood_hide_the_text_alone() {
    let mut script = Script::new(MODERN | CapabilityFlags::QUERY_ATTRIBUTES.bits());
    // A NULL bitmap that is longer than the packet: no server runs it.
    script.request(b"\x03\xfd\xff\xff\xff\x01\x00SELECT 2").rows(&["2"], AUTOCOMMIT);
    // A type that does not exist is a string.
    script.request(b"\x03\x01\x01\x00\x01\x63\x00\x05trace\x02idDO 2").ok(0, "", AUTOCOMMIT);
    script.request(b"\x03\x00\x01DO 1").ok(0, "", AUTOCOMMIT);
    let seen = statements(&script);
    assert_eq!((seen[0].sql.as_deref(), seen[0].count), (None, 1));
    assert_eq!(seen[1..], [Seen::sql("DO 2", 0, Some("")), Seen::sql("DO 1", 0, Some(""))]);
}

#[test]
fn set_option_switches_multi_statements() {
    let mut script = Script::new(CLASSIC & !CapabilityFlags::MULTI_STATEMENTS.bits());
    script.query("SELEC; DO 1").err(1064, "You have an error");
    script.request(&[0x1b, 0, 0]).eof(AUTOCOMMIT);
    script.query("SELEC; DO 1").err(1064, "You have an error");
    let texts: Vec<_> = statements(&script).into_iter().map(|seen| seen.sql.unwrap()).collect();
    assert_eq!(texts, ["SELEC; DO 1", "SELEC"]);
}

#[test]
fn a_database_that_is_dropped_is_no_longer_the_current_one() {
    for drop in ["DROP DATABASE shop", "drop schema if exists `shop`;", "CREATE OR REPLACE DATABASE shop"] {
        let mut script = Script::new(MODERN);
        script.query("DROP DATABASE other").ok(0, "", AUTOCOMMIT).query(drop).ok(0, "", AUTOCOMMIT);
        script.query("DO 1").ok(0, "", AUTOCOMMIT).query("USE Information_Schema").ok(0, "", AUTOCOMMIT);
        let databases: Vec<_> = statements(&script).into_iter().map(|seen| seen.database).collect();
        assert_eq!(databases, [Some("shop".into()), None, None, Some("information_schema".into())], "{drop}");
    }
    // One that fails drops nothing.
    let mut script = Script::new(MODERN);
    script.query("DROP DATABASE shop").err(1010, "Error dropping database");
    assert_eq!(statements(&script)[0].database.as_deref(), Some("shop"));
}

#[test]
fn a_text_that_is_cut_after_a_blank_is_cut_all_the_same() {
    let mut script = Script::new(MODERN);
    script.query("SELECT 1; SELECT 22").rows(&["1"], AUTOCOMMIT | MORE).rows(&["22"], AUTOCOMMIT);
    let max_statement_bytes = "SELECT 1; SELECT ".len();
    let mut player = Player::with(ObserverConfig { max_statement_bytes, ..ObserverConfig::default() });
    player.play(&script.said, usize::MAX);
    let seen: Vec<_> = player.seen.iter().map(|seen| (seen.sql.as_deref(), seen.truncated)).collect();
    assert_eq!(seen, [(Some("SELECT 1"), false), (Some("SELECT"), true)]);
}
