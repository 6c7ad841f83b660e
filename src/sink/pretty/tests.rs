use super::*;
use crate::config::ColorChoice;

const MESSAGE: &str = r#"{"timestamp":1795239646980,"serverHost":"db:3306","serverVersion":"9.7.4","user":"app","client":"web-1","dbName":"shop","stmtDbName":"shop","debug":"d","connectionId":42,"totalPoolCount":1,"executionCount":1,"serverFlags":2,"clientFlags":3842565,"iFlags":9,"defaultTZ":"UTC","serverTZ":null,"isolationLvl":null,"durationNs":1240000,"updateCount":3,"sql":"SELECT name\n  FROM users\tWHERE id = ? AND note = 'a  b'","queryParams":["7",null],"errorMessage":null,"serverInfo":null}"#;

fn pretty(color: ColorChoice, width: Option<usize>) -> Pretty {
    Pretty { zone: TimeZone::UTC, width, ..Pretty::new(Palette::choose(color, false)) }
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

#[test]
fn a_line_ends_at_the_terminals_edge() {
    let mut pretty = pretty(ColorChoice::Always, Some(90));
    let out = render(&mut pretty, MESSAGE);
    let line = out.lines().last().unwrap();
    let plain: String = line
        .split('\x1b')
        .map(|part| part.split_once('m').filter(|_| part.starts_with('[')).map_or(part, |(_, text)| text))
        .collect();
    assert_eq!(columns_of(&plain), 90, "{plain}");
    assert!(plain.ends_with('…'));
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
fn durations_and_rows_read_well() {
    for (nanos, text) in [
        (0, "0 µs"),
        (310_000, "310 µs"),
        (999_600, "1.00 ms"),
        (12_400_000, "12.4 ms"),
        (999_700_000, "1.00 s"),
        (12_345_000_000, "12.3 s"),
        (200_000_000_000, "3m 20s"),
        (9_000_000_000_000, "2h 30m"),
    ] {
        assert_eq!(human_duration(Duration::from_nanos(nanos)), text);
    }
    assert_eq!(human_rows(1), "1 row");
    assert_eq!(human_rows(12_500), "12k rows");
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
