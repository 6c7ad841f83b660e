//! A record as a line for people.

use std::fmt::Write as _;

use crate::recording::{Event, Param, ParamValue, Record, RecordedAnswer, RecordedCommand, SessionBegin};

/// Of a text or a value, at most this many characters are shown.
const MAX_TEXT: usize = 200;
const MAX_VALUE: usize = 40;

/// Writes lines.
#[derive(Debug, Default)]
pub(super) struct Lines;

impl Lines {
    /// Time from the beginning, session and number, what it is.
    pub(super) fn of(&mut self, record: &Record) -> String {
        let ns = record.started.monotonic_ns;
        let mut line =
            format!("{:>6}.{:06} {} {:>6}  ", ns / 1_000_000_000, ns / 1000 % 1_000_000, record.session, record.number);
        match &record.event {
            Event::Begin(begin) => begins(begin, &mut line),
            Event::Command(command) => commands(command, &mut line),
            Event::Lost(reason) => line += &format!("LOST   {}", shown(reason.as_bytes(), MAX_TEXT)),
            Event::End(close) => line += &format!("END    {close:?}"),
        }
        line
    }
}

fn begins(begin: &SessionBegin, line: &mut String) {
    let text =
        |text: &Option<String>| text.as_ref().map_or_else(|| "?".to_owned(), |text| shown(text.as_bytes(), MAX_VALUE));
    *line += &format!("BEGIN  {} from {} in {}", text(&begin.user), text(&begin.client), text(&begin.database));
    if begin.began_before {
        *line += &format!(", had begun before, {} prepared", begin.prepared.len());
    }
    if let Some(error) = &begin.refused {
        *line += &format!(", refused: {} {}", error.code, shown(error.message.as_bytes(), MAX_TEXT));
    }
}

fn commands(command: &RecordedCommand, line: &mut String) {
    let _ = match command.duration_ns {
        Some(ns) => write!(line, "{:>9.3} ms  ", ns as f64 / 1e6),
        None => write!(line, "{:>12}  ", ""),
    };
    let name = command.command.name();
    *line += match name.strip_prefix("COM_") {
        Some(name) => name,
        None => &name,
    };
    if let Some(statement) = command.statement {
        *line += &format!(" #{statement}");
    }
    match (&command.sql, &command.argument) {
        (Some(sql), _) => *line += &format!(" {}", shown(sql, MAX_TEXT)),
        (None, Some(argument)) => *line += &format!(" {}", shown(argument, MAX_VALUE)),
        (None, None) => {}
    }
    if !command.params.is_empty() {
        let values: Vec<_> = command.params.iter().take(20).map(value).collect();
        let more = if command.params.len() > values.len() { ", ..." } else { "" };
        *line += &format!("  [{}{more}]", values.join(", "));
    }
    if command.truncated {
        *line += "  (truncated)";
    }
    for result in &command.results {
        *line += " -> ";
        *line += &answer(&result.answer);
    }
}

fn value(param: &Param) -> String {
    match &param.value {
        ParamValue::Null => "NULL".to_owned(),
        ParamValue::Given(bytes) => shown(bytes, MAX_VALUE),
        ParamValue::LongData => "(long data)".to_owned(),
        ParamValue::Default => "DEFAULT".to_owned(),
        ParamValue::Ignore => "(ignored)".to_owned(),
    }
}

fn answer(answer: &RecordedAnswer) -> String {
    match answer {
        RecordedAnswer::Ok { affected_rows, .. } => format!("ok, {affected_rows} affected"),
        RecordedAnswer::Rows { count, .. } => format!("{count} rows"),
        RecordedAnswer::Prepared { params, columns } => format!("prepared, {params} parameters, {columns} columns"),
        RecordedAnswer::Packet => "answered".to_owned(),
        RecordedAnswer::Error(error) => {
            format!("error {}: {}", error.code, shown(error.message.as_bytes(), MAX_TEXT))
        }
        RecordedAnswer::Unknown(reason) => format!("unknown: {}", shown(reason.as_bytes(), MAX_TEXT)),
    }
}

/// Bytes on a terminal: nothing in them is a command to it, and they stay on one line.
fn shown(bytes: &[u8], longest: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == longest {
            shown += "...";
            break;
        }
        match c {
            '\n' | '\r' | '\t' => shown.push(' '),
            c if c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                shown.push('\u{fffd}');
            }
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::disk::samples::{query, record};

    #[test]
    fn a_line_is_a_line() {
        let command = query("SELECT 1,\n\x1b[31m 'red'");
        let line = Lines.of(&record(7, 3, 1_500_002_000, Event::Command(Box::new(command))));
        let expected =
            "     1.500002 0000000000000007      3      0.001 ms  QUERY SELECT 1, \u{fffd}[31m 'red' -> ok, 1 affected";
        assert_eq!(line, expected);
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(shown("ä".repeat(50).as_bytes(), 40), format!("{}...", "ä".repeat(40)));
        assert_eq!(shown(b"\xff\x00", 40), "\u{fffd}\u{fffd}");
    }
}
