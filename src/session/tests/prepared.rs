//! Prepared statements, cursors, bulk execution.

use super::*;

impl Script {
    /// A statement of id 7 with this many parameters and columns.
    fn prepare(&mut self, sql: &str, params: u8, columns: u8) -> &mut Self {
        self.request(&[b"\x16", sql.as_bytes()].concat());
        self.prepare_ok(params, columns)
    }

    fn prepare_ok(&mut self, params: u8, columns: u8) -> &mut Self {
        self.server(&[0, 7, 0, 0, 0, columns, 0, params, 0, 0, 0, 0]);
        self.definitions(params.into()).definitions(columns.into())
    }

    /// Executes statement 7 with one BIGINT, types bound or not.
    fn execute(&mut self, cursor: u8, value: u64, bind: bool) -> &mut Self {
        let types: &[u8] = if bind { &[1, 8, 0] } else { &[0] };
        let body = [&[0x17, 7, 0, 0, 0, cursor, 1, 0, 0, 0, 0][..], types, &value.to_le_bytes()].concat();
        self.request(&body)
    }

    fn binary_rows(&mut self, count: usize, status: u16) -> &mut Self {
        for _ in 0..count {
            self.server(&[0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        }
        self.rows_end(status)
    }
}

#[test]
fn text_and_values() {
    for capabilities in [CLASSIC, MODERN] {
        let mut script = Script::new(capabilities);
        script.prepare("SELECT a FROM t WHERE a > ?", 1, 1);
        script.execute(0, 41, true).server(&[1]).definitions(1).binary_rows(2, AUTOCOMMIT);
        // The types bound last are used again.
        script.execute(0, 42, false).server(&[1]).definitions(1).binary_rows(0, AUTOCOMMIT);
        script.request(&[0x1a, 7, 0, 0, 0]).ok(0, "", AUTOCOMMIT);
        script.request(&[0x19, 7, 0, 0, 0]);
        let sql = "SELECT a FROM t WHERE a > ?";
        assert_eq!(
            statements(&script),
            [Seen::sql(sql, 2, None).params(&["41"]), Seen::sql(sql, 0, None).params(&["42"])]
        );
    }
}

#[test]
fn a_failed_prepare_is_told() {
    let mut script = Script::new(MODERN);
    script.request(b"\x16SELEC ?").err(1064, "You have an error");
    assert_eq!(statements(&script), [Seen::failed("SELEC ?", "ERROR 1064 (42000): You have an error")]);
}

#[test]
fn long_data_has_no_value_in_the_execution() {
    let mut script = Script::new(MODERN);
    script.prepare("INSERT INTO t VALUES (?, ?)", 2, 0);
    script.request(b"\x18\x07\0\0\0\0\0hello ").request(b"\x18\x07\0\0\0\0\0world");
    let body = [&[0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 253, 0, 8, 0][..], &5u64.to_le_bytes()].concat();
    script.request(&body).ok(1, "", AUTOCOMMIT);
    // It is gone with the execution.
    let body = [&[0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 253, 0, 8, 0, 2][..], b"hi", &6u64.to_le_bytes()].concat();
    script.request(&body).ok(1, "", AUTOCOMMIT);
    let sql = "INSERT INTO t VALUES (?, ?)";
    assert_eq!(
        statements(&script),
        [Seen::sql(sql, 1, Some("")).params(&["hello world", "5"]), Seen::sql(sql, 1, Some("")).params(&["hi", "6"])]
    );
}

#[test]
fn a_cursor_is_one_statement_with_all_its_rows() {
    const CURSOR: u16 = 0x40;
    const LAST: u16 = 0x80;
    for capabilities in [CLASSIC, MODERN] {
        let mut script = Script::new(capabilities);
        script.prepare("SELECT a FROM t WHERE a > ?", 1, 1);
        script.execute(1, 1, true).server(&[1]);
        if capabilities == CLASSIC {
            // The EOF after the definitions says that a cursor is open, and is the response's last packet.
            script.server(b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0").eof(AUTOCOMMIT | CURSOR);
        } else {
            script.definitions(1).rows_end(AUTOCOMMIT | CURSOR);
        }
        script.request(&[0x1c, 7, 0, 0, 0, 2, 0, 0, 0]).binary_rows(2, AUTOCOMMIT | CURSOR);
        script.query("DO 1").ok(0, "", AUTOCOMMIT);
        script.request(&[0x1c, 7, 0, 0, 0, 2, 0, 0, 0]).binary_rows(1, AUTOCOMMIT | CURSOR | LAST);
        let sql = "SELECT a FROM t WHERE a > ?";
        assert_eq!(
            statements(&script),
            [Seen::sql("DO 1", 0, Some("")), Seen::sql(sql, 3, None).params(&["1"])],
            "{capabilities:x}"
        );
    }
}

/// As MySQL 9.7 answers: a statement whose first execution had a cursor has no rows any more without one (see `PerhapsOk`).
#[test]
fn an_ok_may_stand_in_place_of_rows_after_a_cursor() {
    let sql = "SELECT a FROM t WHERE a > ?";
    for capabilities in [CLASSIC, MODERN] {
        let mut script = Script::new(capabilities);
        script.prepare(sql, 1, 1).execute(1, 1, true).server(&[1]);
        script.server(b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0").rows_end(AUTOCOMMIT | 0x40);
        for _ in 0..2 {
            script.execute(0, 1, true).server(&[1]);
            script.server(b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0").ok(0, "", AUTOCOMMIT);
        }
        script.query("DO 1").ok(0, "", AUTOCOMMIT);
        let of_cursor = Seen::sql(sql, 0, None).params(&["1"]);
        let expected = [of_cursor.clone(), of_cursor.clone(), of_cursor, Seen::sql("DO 1", 0, Some(""))];
        assert_eq!(statements(&script), expected, "{capabilities:x}");
        // It is complete although nothing follows but the end.
        script.said.truncate(script.said.len() - 2);
        let mut player = Player::new();
        player.play(&script.said, usize::MAX);
        assert!(!player.observer.is_busy());
        player.close();
        let seen: Vec<_> = player.seen.iter().map(|seen| (seen.count, seen.error.is_some())).collect();
        assert_eq!(seen, [(0, false); 3], "{capabilities:x}");
    }
}

/// A row of five TINYINTs 0, 2, 0, 0, 0 is, byte for byte, an OK.
#[test]
fn a_row_may_look_like_an_ok() {
    let sql = "SELECT a, b, c, d, e FROM t WHERE a > ?";
    const ROW: [u8; 7] = [0, 0, 0, 2, 0, 0, 0];
    for (rows, pipelined, capabilities) in
        [(1, false, MODERN), (3, false, MODERN), (1, true, MODERN), (2, true, MODERN), (2, false, CLASSIC)]
    {
        let mut script = Script::new(capabilities);
        script.prepare(sql, 1, 5).execute(1, 1, true).server(&[5]);
        for _ in 0..5 {
            script.server(b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0");
        }
        script.rows_end(AUTOCOMMIT | 0x40);
        script.execute(0, 1, true).server(&[5]).definitions(5);
        for _ in 0..rows {
            script.server(&ROW);
        }
        script.rows_end(AUTOCOMMIT);
        script.query("DO 1").ok(0, "", AUTOCOMMIT);
        if pipelined {
            // The request is on its way when the rows come.
            let at = script.said.len() - 2;
            let request = script.said.remove(at);
            script.said.insert(at - rows - 1, request);
        }
        let expected = [Seen::sql(sql, 0, None).params(&["1"]), Seen::sql(sql, rows as u64, None).params(&["1"])];
        assert_eq!(statements(&script)[..2], expected, "{rows} {pipelined}");
        assert_eq!(statements(&script)[2], Seen::sql("DO 1", 0, Some("")));
    }
}

#[test]
fn a_cursor_closed_early_is_told_then() {
    let mut script = Script::new(MODERN);
    script.prepare("SELECT a FROM t WHERE a > ?", 1, 1);
    script.execute(1, 1, true).server(&[1]).definitions(1).rows_end(AUTOCOMMIT | 0x40);
    script.request(&[0x1c, 7, 0, 0, 0, 2, 0, 0, 0]).binary_rows(2, AUTOCOMMIT | 0x40);
    script.request(&[0x19, 7, 0, 0, 0]);
    assert_eq!(statements(&script), [Seen::sql("SELECT a FROM t WHERE a > ?", 2, None).params(&["1"])]);
}

#[test]
fn out_parameters_come_as_a_result() {
    let mut script = Script::new(MODERN | CapabilityFlags::PS_MULTI_RESULTS.bits());
    script.prepare("CALL p(?)", 1, 0);
    script.execute(0, 1, true).server(&[1]).definitions(1).binary_rows(2, AUTOCOMMIT | MORE);
    script.server(&[1]).definitions(1).binary_rows(1, AUTOCOMMIT | MORE | 0x1000).ok(0, "", AUTOCOMMIT);
    assert_eq!(statements(&script), [Seen::sql("CALL p(?)", 2, None).params(&["1"])]);
}

#[test]
fn an_unknown_statement_is_the_servers_to_refuse() {
    let mut script = Script::new(MODERN);
    script.execute(0, 1, true).err(1243, "Unknown prepared statement handler");
    let seen = statements(&script);
    assert_eq!((seen[0].sql.as_deref(), seen.len()), (None, 1));
}

/// In both dialects, with the flags that MySQL sends (at the definitions' EOF alone) and those of MariaDB (at the closing one too).
#[test]
fn out_parameters_of_the_classic_dialect() {
    const OUT: u16 = 0x1000;
    for closing in [AUTOCOMMIT, AUTOCOMMIT | OUT, AUTOCOMMIT | OUT | MORE] {
        for results_before in [0, 2] {
            let mut script = Script::new(CLASSIC | CapabilityFlags::PS_MULTI_RESULTS.bits());
            script.prepare("CALL p(?)", 1, 0).execute(0, 1, true);
            for _ in 0..results_before {
                script.server(&[1]).definitions(1).binary_rows(2, AUTOCOMMIT | MORE);
            }
            script.server(&[1]).server(b"\x03def\0\0\0\x01a\0\x0c").eof(AUTOCOMMIT | OUT | MORE);
            script.server(&[0, 0, 1, 0, 0, 0, 0, 0, 0, 0]).eof(closing).ok(0, "", AUTOCOMMIT);
            script.query("SELECT 2").rows(&["2"], AUTOCOMMIT);
            let rows = if results_before > 0 { 2 } else { 1 };
            assert_eq!(
                statements(&script),
                [Seen::sql("CALL p(?)", rows, None).params(&["1"]), Seen::sql("SELECT 2", 1, None)]
            );
        }
    }
}

/// A session with MariaDB, which knows the statement prepared last as 0xffffffff.
fn mariadb() -> Script {
    Script::new(MODERN & !CapabilityFlags::LONG_PASSWORD.bits() | CapabilityFlags::MARIADB_STMT_BULK_OPERATIONS.bits())
}

const LAST: [u8; 4] = [0xff; 4];

/// A request about the statement prepared last.
fn of_last(command: u8, rest: &[u8]) -> Vec<u8> {
    [&[command][..], &LAST, rest].concat()
}

fn execute_last(value: u64) -> Vec<u8> {
    of_last(0x17, &[&[0, 1, 0, 0, 0, 0, 1, 8, 0][..], &value.to_le_bytes()].concat())
}

#[test]
fn mariadb_executes_what_it_has_just_asked_to_prepare() {
    let mut script = mariadb();
    script.request(b"\x16INSERT INTO t VALUES (?)").request(&execute_last(9));
    script.prepare_ok(1, 0).ok(1, "", AUTOCOMMIT);
    assert_eq!(statements(&script), [Seen::sql("INSERT INTO t VALUES (?)", 1, Some("")).params(&["9"])]);
}

#[test]
fn the_statement_prepared_last_is_the_same_to_every_command() {
    let long_data = |text: &[u8]| of_last(0x18, &[&[0, 0], text].concat());
    let with_long_data = of_last(0x17, &[0, 1, 0, 0, 0, 0, 1, 253, 0]);
    let sql = "INSERT INTO t VALUES (?)";
    // All in one flight, and each after its answer.
    let mut script = mariadb();
    script.request(b"\x16INSERT INTO t VALUES (?)").request(&long_data(b"str")).request(&long_data(b"eam"));
    script.request(&with_long_data).request(&execute_last(4));
    script.prepare_ok(1, 0).ok(1, "", AUTOCOMMIT).ok(1, "", AUTOCOMMIT);
    // Reset: the long data is gone. Closed: there is no such statement any more.
    script.request(&long_data(b"gone")).request(&of_last(0x1a, &[])).ok(0, "", AUTOCOMMIT);
    script.request(&execute_last(5)).ok(1, "", AUTOCOMMIT);
    script.request(&of_last(0x19, &[])).request(&execute_last(6)).err(1243, "Unknown prepared statement handler");
    script.query("DO 1").ok(0, "", AUTOCOMMIT);
    assert_eq!(
        statements(&script),
        [
            Seen::sql(sql, 1, Some("")).params(&["stream"]),
            Seen::sql(sql, 1, Some("")).params(&["4"]),
            Seen::sql(sql, 1, Some("")).params(&["5"]),
            Seen::sql("DO 1", 0, Some("")),
        ]
    );
}

#[test]
fn a_cursor_of_the_statement_prepared_last_is_fetched_by_that_name() {
    let mut script = mariadb();
    script
        .request(b"\x16SELECT a FROM t")
        .request(&of_last(0x17, &[1, 1, 0, 0, 0]))
        .request(&of_last(0x1c, &[2, 0, 0, 0]));
    script.prepare_ok(0, 1).server(&[1]).definitions(1).rows_end(AUTOCOMMIT | 0x40);
    script.binary_rows(2, AUTOCOMMIT | 0xc0);
    assert_eq!(statements(&script), [Seen::sql("SELECT a FROM t", 2, None)]);
}

#[test]
fn mysql_has_no_statement_prepared_last() {
    let mut script = Script::new(MODERN);
    script.prepare("INSERT INTO t VALUES (?)", 1, 0);
    script.request(&of_last(0x19, &[])).request(&of_last(0x18, b"\0\0hello"));
    script.request(&execute_last(1)).err(1243, "Unknown prepared statement handler");
    script.execute(0, 7, true).ok(1, "", AUTOCOMMIT);
    let seen = statements(&script);
    assert_eq!((seen[0].sql.as_deref(), seen[0].error.is_some()), (None, true));
    assert_eq!(seen[1], Seen::sql("INSERT INTO t VALUES (?)", 1, Some("")).params(&["7"]));
}

#[test]
fn a_failed_prepare_takes_the_execution_behind_it_along() {
    let mut script = mariadb();
    script.prepare("DELETE FROM t WHERE id = ?", 1, 0);
    script.request(b"\x16SELEC ?").request(&of_last(0x18, b"\0\0lost")).request(&execute_last(9));
    script.err(1064, "You have an error").err(1243, "Unknown prepared statement handler");
    // A bulk execution right after its prepare is of that statement, not of the one before.
    script.request(b"\x16INSERT INTO t VALUES (?)").request(&of_last(0xfa, &[128, 0, 1, 0, 0, 5]));
    script.prepare_ok(1, 0).ok(1, "", AUTOCOMMIT);
    // Too many statements: nothing was begun, and the one before is still the last.
    script.request(b"\x16DO 5").request(&execute_last(6));
    script.err(1461, "Can't create more than max_prepared_stmt_count statements").ok(1, "", AUTOCOMMIT);
    let sql = "INSERT INTO t VALUES (?)";
    assert_eq!(
        statements(&script),
        [
            Seen::failed("SELEC ?", "ERROR 1064 (42000): You have an error"),
            Seen::sql(sql, 1, Some("")).params(&["5"]),
            Seen::failed("DO 5", "ERROR 1461 (42000): Can't create more than max_prepared_stmt_count statements"),
            Seen::sql(sql, 1, Some("")).params(&["6"]),
        ]
    );
}

#[test]
fn an_execution_whose_prepare_was_never_answered_has_its_text() {
    let mut script = mariadb();
    script.request(b"\x16INSERT INTO t VALUES (?)").request(&execute_last(9));
    let mut player = Player::new();
    player.play(&script.said, usize::MAX);
    player.close();
    let [seen] = &player.seen[..] else { panic!("{:?}", player.seen) };
    assert_eq!(
        (seen.sql.as_deref(), seen.error.as_deref()),
        (Some("INSERT INTO t VALUES (?)"), Some("connection lost"))
    );
    assert_eq!(seen.params, Some(vec![Some("undecodable".into())]));
}

/// Ids are guessed easily: a client may use one in the flight that makes it.
#[test]
fn what_a_request_means_is_decided_when_its_turn_comes() {
    let mut script = Script::new(MODERN);
    script.prepare("SELECT 'old', ?", 1, 0);
    script.request(&[0x1f]).request(b"\x16INSERT INTO t VALUES (?)");
    script.request(b"\x18\x07\0\0\0\0\0long").request(&[0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 253, 0]);
    script.request(&[0x19, 7, 0, 0, 0]).request(&[0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0]);
    script.ok(0, "", AUTOCOMMIT).prepare_ok(1, 0).ok(1, "", AUTOCOMMIT).err(1243, "Unknown prepared statement handler");
    let seen = statements(&script);
    assert_eq!(seen[0], Seen::sql("INSERT INTO t VALUES (?)", 1, Some("")).params(&["long"]));
    assert_eq!((seen.len(), seen[1].sql.as_deref()), (2, None));
}

#[test]
fn all_nulls_need_no_types() {
    let mut script = Script::new(MODERN);
    script.prepare("INSERT INTO t VALUES (?, ?)", 2, 0);
    script.request(&[0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0b11, 0]).ok(1, "", AUTOCOMMIT);
    script.request(&[0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0b01, 0, 1]).err(1210, "Incorrect arguments");
    let seen = statements(&script);
    assert_eq!(seen[0].params, Some(vec![None, None]));
    assert_eq!(seen[1].params, Some(vec![Some("undecodable".into())]));
}

#[test]
fn each_parameter_set_of_a_bulk_execution_is_a_message() {
    let mut script = Script::new(MODERN);
    script.prepare("INSERT INTO t VALUES (?)", 1, 0);
    script.request(&[0xfa, 7, 0, 0, 0, 128, 0, 1, 0, 0, 5, 1, 0, 6]).ok(3, "Records: 3", AUTOCOMMIT);
    // Types bound before.
    script.request(&[0xfa, 7, 0, 0, 0, 0, 0, 0, 7]).ok(1, "", AUTOCOMMIT);
    let sql = "INSERT INTO t VALUES (?)";
    let mut expected = vec![Seen::sql(sql, 3, Some("Records: 3")); 3];
    expected[0].params = Some(vec![Some("5".into())]);
    expected[1].params = Some(vec![None]);
    expected[2].params = Some(vec![Some("6".into())]);
    (expected[0].earlier, expected[1].earlier) = (true, true);
    expected.push(Seen::sql(sql, 1, Some("")).params(&["7"]));
    assert_eq!(statements(&script), expected);
}

#[test]
fn parameters_that_cannot_be_understood_cost_only_themselves() {
    let mut script = Script::new(MODERN);
    script.prepare("SELECT ?", 1, 1);
    // A number of which a part is missing.
    script.request(&[0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 8, 0, 1]).err(1210, "Incorrect arguments");
    script.query("DO 1").ok(0, "", AUTOCOMMIT);
    let seen = statements(&script);
    assert_eq!(seen[0].params, Some(vec![Some("undecodable".into())]));
    assert_eq!(seen[1], Seen::sql("DO 1", 0, Some("")));
}

#[test]
fn a_cursor_inside_a_procedure_is_none_of_the_clients() {
    const CURSOR: u16 = 0x40;
    // The server leaves SERVER_STATUS_CURSOR_EXISTS set once a procedure opened a cursor of its own.
    let mut script = Script::new(CLASSIC);
    script.query("CALL p()").server(&[1]).server(b"\x03def\0\0\0\x01a\0\x0c").eof(AUTOCOMMIT | CURSOR | MORE);
    script.server(b"\x01x").eof(AUTOCOMMIT | CURSOR | MORE).ok(0, "", AUTOCOMMIT | CURSOR);
    assert_eq!(statements(&script), [Seen::sql("CALL p()", 1, None)]);

    for cursor in [0, 1] {
        let mut script = Script::new(MODERN);
        script.prepare("CALL p(?)", 1, 0);
        script.execute(cursor, 1, true).server(&[1]).definitions(1).binary_rows(2, AUTOCOMMIT | CURSOR | MORE);
        script.ok(0, "", AUTOCOMMIT | CURSOR);
        script.query("DO 1").ok(0, "", AUTOCOMMIT);
        assert_eq!(
            statements(&script),
            [Seen::sql("CALL p(?)", 2, None).params(&["1"]), Seen::sql("DO 1", 0, Some(""))]
        );
    }
}

#[test]
fn a_statement_closed_before_its_cursor_opened_is_told() {
    let mut script = Script::new(MODERN);
    script.prepare("SELECT a FROM t WHERE a > ?", 1, 1);
    script.execute(1, 1, true).request(&[0x19, 7, 0, 0, 0]);
    script.server(&[1]).definitions(1).rows_end(AUTOCOMMIT | 0x40);
    assert_eq!(statements(&script), [Seen::sql("SELECT a FROM t WHERE a > ?", 0, None).params(&["1"])]);
}

#[test]
fn a_bulk_execution_without_rows_is_told() {
    let mut script = Script::new(MODERN);
    script.request(&[0xfa, 9, 0, 0, 0, 128, 0, 1]).err(1243, "Unknown prepared statement handler");
    let seen = statements(&script);
    assert_eq!((seen.len(), seen[0].sql.as_deref()), (1, None));
}

#[test]
fn a_prepare_response_without_definitions_keeps_its_eofs() {
    let optional = CapabilityFlags::OPTIONAL_RESULTSET_METADATA.bits();
    for (params, columns, eofs) in [(0, 0, 0), (1, 0, 1), (0, 1, 1), (1, 1, 2)] {
        let mut script = Script::new(CLASSIC | optional);
        script.request(b"\x16SELECT 1").server(&[0, 7, 0, 0, 0, columns, 0, params, 0, 0, 0, 0, 0]);
        for _ in 0..eofs {
            script.eof(AUTOCOMMIT);
        }
        script.query("DO 1").ok(0, "", AUTOCOMMIT);
        assert_eq!(statements(&script).len(), 1, "{params} parameters, {columns} columns");
    }
}
