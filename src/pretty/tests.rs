use crate::pretty::ColorChoice;
use crate::pretty::line::columns_of;
use crate::pretty::*;

const MESSAGE: &str = r#"{"timestamp":1795239646980,"serverHost":"db:3306","serverVersion":"9.7.4","user":"app","client":"web-1","dbName":"shop","stmtDbName":"shop","debug":"d","connectionId":42,"totalPoolCount":1,"executionCount":1,"serverFlags":2,"clientFlags":3842565,"iFlags":9,"defaultTZ":"UTC","serverTZ":null,"isolationLvl":null,"durationNs":1240000,"updateCount":3,"sql":"SELECT name\n  FROM users\tWHERE id = ? AND note = 'a  b'","queryParams":["7",null],"errorMessage":null,"serverInfo":null}"#;

fn pretty(color: ColorChoice, width: Option<usize>) -> Pretty {
    Pretty { zone: TimeZone::UTC, width, ..Pretty::new(Palette::choose(color, false), &[], Timestamp::now()) }
}

fn render(pretty: &mut Pretty, json: &str) -> String {
    let mut out = Vec::new();
    pretty.render(json.as_bytes(), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_statement_is_one_aligned_line() {
    assert_eq!(
        render(&mut pretty(ColorChoice::Never, None), MESSAGE),
        "05:40:46.980  #42   app@web-1   shop   1.24 ms     3 rows  SELECT name FROM users WHERE id = ? AND note = 'a  b'  [7, NULL]\n"
    );
}

/// What is rendered, without colours.
fn lines(pretty: &mut Pretty, json: &str) -> Vec<String> {
    let out = render(pretty, json);
    let plain = |line: &str| -> String {
        let parts = line.split('\x1b');
        parts
            .map(|part| part.split_once('m').filter(|_| part.starts_with('[')).map_or(part, |(_, text)| text))
            .collect()
    };
    out.lines().map(plain).collect()
}

#[test]
fn messages_of_another_day_have_its_date_above_them() {
    let mut pretty = pretty(ColorChoice::Never, Some(132));
    let found = [lines(&mut pretty, MESSAGE), lines(&mut pretty, MESSAGE)].concat();
    assert_eq!(found.len(), 3);
    assert_eq!(found[0], "── Saturday, 21 November 2026, UTC ──");
    let now = MESSAGE.replace("1795239646980", &Timestamp::now().as_millisecond().to_string());
    assert_eq!(lines(&mut self::pretty(ColorChoice::Never, Some(132)), &now).len(), 1);
}

#[test]
fn on_a_narrow_terminal_columns_shrink_and_the_statement_goes_on() {
    // The first line is the date.
    let at = |width: usize| lines(&mut pretty(ColorChoice::Always, Some(width)), MESSAGE).split_off(1);
    assert_eq!(
        at(80),
        [
            "05:40:46 #42  app shop 1.24 ms     3 SELECT name FROM users WHERE id = ? AND",
            "                                     note = 'a  b'  [7, NULL]",
        ]
    );
    assert_eq!(
        at(132),
        [
            "05:40:46.980  #42   app@web-1   shop   1.24 ms     3 rows  SELECT name FROM users WHERE id = ? AND note = 'a  b'  [7, NULL]"
        ]
    );
    // Where hardly anything is left, the statement has lines of its own.
    assert_eq!(at(50)[1..], ["    SELECT name FROM users WHERE id = ? AND note =", "    'a  b'  [7, NULL]"]);
    for width in 1..200 {
        let found = at(width);
        assert!(width < 45 || found.iter().all(|line| columns_of(line) <= width), "{width}: {found:#?}");
    }
}

#[test]
fn a_long_statement_is_cut_off_after_some_lines() {
    let json = MESSAGE.replace("SELECT name", &format!("SELECT {}", "abcdefgh, ".repeat(1000)));
    let found = lines(&mut pretty(ColorChoice::Never, Some(80)), &json).split_off(1);
    assert_eq!(found.len(), MOST_LINES);
    assert!(found.iter().all(|line| columns_of(line) <= 80) && found[MOST_LINES - 1].ends_with('…'), "{found:#?}");
    let word = MESSAGE.replace("SELECT name", &"x".repeat(10_000));
    let found = lines(&mut pretty(ColorChoice::Never, Some(80)), &word).split_off(1);
    assert_eq!((found.len(), columns_of(&found[1]), columns_of(&found[MOST_LINES - 1])), (MOST_LINES, 80, 80));
}

#[test]
fn columns_are_chosen() {
    let chosen = [PrettyColumn::Duration, PrettyColumn::Sql, PrettyColumn::Time];
    let mut pretty = Pretty {
        zone: TimeZone::UTC,
        ..Pretty::new(Palette::choose(ColorChoice::Never, false), &chosen, Timestamp::now())
    };
    let sql = "SELECT name FROM users WHERE id = ? AND note = 'a  b'  [7, NULL]";
    assert_eq!(render(&mut pretty, MESSAGE), format!("05:40:46.980   1.24 ms  {sql}\n"));
    let mut pretty = Pretty::new(Palette::choose(ColorChoice::Never, false), &[PrettyColumn::Sql], Timestamp::now());
    assert_eq!(render(&mut pretty, MESSAGE), format!("{sql}\n"));
}

#[test]
fn messages_of_rows_are_shown_as_rows() {
    let native = r#"{"type":"update","database":"shop","table":"orders","before":{"id":7,"state":"new","note":null,"doc":{"b":1,"a":[true]}},"after":{"id":7,"state":"paid","note":"null","doc":{"b":1,"a":[true]}},"primaryKey":{"id":7},"timestamp":1795239646980,"gtid":"fae6:4","position":{"file":"b.1","offset":17},"serverId":1,"threadId":13,"xid":17,"rowIndex":0,"query":"UPDATE x"}"#;
    let shown = |json: &str| lines(&mut pretty(ColorChoice::Always, None), json);
    assert_eq!(
        shown(native),
        [
            "2026-11-21 05:40:46.980  update  shop.orders  id=7  fae6:4",
            "    state: 'new' => 'paid'",
            "    note: NULL => 'null'"
        ]
    );
    let debezium = r#"{"schema":{},"payload":{"before":null,"after":{"id":1,"doc":"{}"},"source":{"ts_ms":1795239646000,"db":"shop","table":"t","gtid":null,"file":"b.1","pos":4},"op":"c","ts_ms":1}}"#;
    assert_eq!(shown(debezium), ["2026-11-21 05:40:46  insert  shop.t  b.1:4", "    id: 1", "    doc: '{}'"]);
    let maxwell = r#"{"database":"shop","table":"t","type":"update","ts":1795239646,"xid":7,"commit":true,"data":{"id":1,"a":2},"old":{"a":1}}"#;
    assert_eq!(shown(maxwell), ["2026-11-21 05:40:46  update  shop.t  ", "    a: 1 => 2"]);
    let deleted = maxwell.replace("update", "delete").replace(r#","old":{"a":1}"#, "");
    assert_eq!(shown(&deleted), ["2026-11-21 05:40:46  delete  shop.t  ", "    id: 1", "    a: 2"]);
    let ddl = r#"{"type":"ddl","database":"shop","sql":"CREATE TABLE t (a INT)","timestamp":1795239646000,"gtid":"0-1-2","position":{"file":"b.1","offset":4}}"#;
    assert_eq!(shown(ddl), ["2026-11-21 05:40:46  ddl     shop  CREATE TABLE t (a INT)"]);
    let end = r#"{"status":"END","id":"fae6:4","ts_ms":1795239646000,"event_count":2,"data_collections":[]}"#;
    assert_eq!(shown(end), ["2026-11-21 05:40:46  commit    2 rows  fae6:4"]);
    // What only looks like one is shown as it is.
    for other in [r#"{"type":"circle"}"#, r#"{"op":7}"#, r#"{"status":{}}"#, "[1]", "7", "null"] {
        assert_eq!(shown(other), [other]);
    }
}

#[test]
fn a_row_on_a_narrow_terminal_keeps_the_end_of_its_gtid() {
    let row = r#"{"type":"insert","database":"shop","table":"orders","before":null,"after":{"id":7},"primaryKey":{"id":7},"timestamp":1795239646980,"gtid":"fae69024-e5ad-11f1-9014-02fc00000001:4711","position":{"file":"b.1","offset":17}}"#;
    let found = lines(&mut pretty(ColorChoice::Never, Some(80)), row);
    assert!(found[0].ends_with(":4711") && found[0].contains("  …") && columns_of(&found[0]) <= 80, "{found:?}");
}

#[test]
fn nothing_in_a_message_reaches_the_terminal_as_a_command() {
    let json = r#"{"timestamp":0,"user":"a\u001b[2Jb","client":"\u0007","stmtDbName":"\u009b","connectionId":1,"sql":"SELECT '\u001b]0;x\u0007' /* \u202e */ -- \u007f\n;","queryParams":["\u001b[31m"],"errorMessage":"\u001bc\r\n"}"#;
    let out = render(&mut pretty(ColorChoice::Never, None), json);
    assert!(!out.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{out:?}");
    assert_eq!(out.lines().count(), 2);
}

#[test]
fn colours_close_what_they_open() {
    let out = render(&mut pretty(ColorChoice::Always, None), MESSAGE);
    assert!(out.contains("\x1b[1;32mSELECT\x1b[0m"));
    assert!(out.contains("\x1b[34mFROM\x1b[0m"));
    assert!(out.contains("\x1b[32m'a  b'\x1b[0m"));
    assert_eq!(out.matches("\x1b[0m").count() * 2, out.matches("\x1b[").count());
}

#[test]
fn an_error_has_a_line_of_its_own() {
    let json = r#"{"connectionId":7,"user":"u","durationNs":310000,"updateCount":0,"sql":"SELEC 1","errorMessage":"ERROR 1064 (42000): You have\nan error"}"#;
    let out = render(&mut pretty(ColorChoice::Never, None), json);
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].find("SELEC"), Some(lines[1].find("ERROR").unwrap() + 1), "the µ has two bytes\n{out}");
    assert!(lines[1].ends_with("ERROR 1064 (42000): You have an error"));
}

#[test]
fn what_is_not_a_message_is_shown_harmlessly() {
    assert_eq!(render(&mut pretty(ColorChoice::Never, None), "not \x1b json"), "not \\u{1b} json\n");
}

#[test]
fn quotes_and_comments_are_tokens() {
    for sql in
        ["'it''s \\' one'", "\"a\\\"b\"", "`a``b`", "'open", "/* open", "-- rest", "#", "a-b/c", "1.5e3", "é", "-", "/"]
    {
        let mut out = Vec::new();
        let mut line = Line::new(&mut out, Palette::choose(ColorChoice::Never, false), None);
        highlight(sql, &mut line);
        assert_eq!(String::from_utf8(out).unwrap(), sql);
    }
}
