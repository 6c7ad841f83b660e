//! Messages for people: one line per statement, aligned and coloured; on a narrow terminal columns shrink and the statement goes on in
//! further lines. Messages of rows are shown too, with what changed.
//!
//! ```text
//! 14:03:07.120  #42  app@web-1     shop       1.24 ms    3 rows  SELECT name FROM users WHERE id = ?  [7]
//! 14:03:07.131  #42  app@web-1     shop        310 µs     error  SELEC 1
//!                                                               ERROR 1064 (42000): You have an error in your SQL syntax
//! ```

pub(crate) mod bar;
mod columns;
mod config;
mod keywords;
mod line;
mod members;
mod palette;
mod row;
mod shown;
mod sql;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use columns::Columns;
pub use config::{ColorChoice, PrettyColumn};
pub(crate) use line::Line;
pub(crate) use palette::{Palette, Style};
use shown::Shown;
pub(crate) use sql::highlight;

/// Renders messages. Columns grow with their contents up to a limit, so that neighbouring lines stay aligned.
#[derive(Debug)]
pub(crate) struct Pretty {
    palette: Palette,
    zone: TimeZone,
    /// The terminal's width, if there is one.
    width: Option<usize>,
    day: Option<Date>,
    columns: Columns,
}

/// A terminal narrower than the columns still shows this much of the statement.
const LEAST_SQL: usize = 24;
/// Where the statement begins if it has a line of its own.
const NARROW_INDENT: usize = 4;
/// A statement or an error takes at most this many lines: what is longer can be looked up in JSON.
const MOST_LINES: usize = 6;

impl Pretty {
    /// With these columns, or all if none is named. Messages of the day of `now` need no date.
    pub(crate) fn new(palette: Palette, columns: &[PrettyColumn], now: Timestamp) -> Self {
        let zone = TimeZone::system();
        let day = Some(now.to_zoned(zone.clone()).date());
        Self { palette, zone, width: None, day, columns: Columns::new(columns) }
    }

    /// Looks at the terminal's width, which may have changed.
    pub(crate) fn start_batch(&mut self) {
        self.width = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    }

    /// Appends a message's lines to `out`. What is not a message is shown as it is, harmless to the terminal.
    pub(crate) fn render(&mut self, json: &[u8], out: &mut Vec<u8>) {
        match serde_json::from_slice::<Shown<'_>>(json) {
            Ok(shown) if shown.is_statement() => self.render_message(&shown, out),
            _ if self.render_row(json, out) => {}
            _ => {
                let mut line = Line::new(out, self.palette, None);
                line.text(Style::Dim, &String::from_utf8_lossy(json));
                line.end();
            }
        }
    }

    fn render_message(&mut self, message: &Shown<'_>, out: &mut Vec<u8>) {
        let time = message.timestamp.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        let time = time.map(|time| time.to_zoned(self.zone.clone()));
        if let Some(time) = &time {
            self.announce_day(time, out);
        }
        let mut line = Line::new(out, self.palette, self.width);
        self.columns.write(message, time.as_ref(), self.width, &mut line);
        let mut indent = line.column();
        if self.width.is_some_and(|width| indent + LEAST_SQL > width) {
            indent = NARROW_INDENT;
            line.end();
            line = Line::new(out, self.palette, self.width);
            line.spaces(indent);
        }
        line.wrap_here(MOST_LINES - 1);
        match &message.sql {
            Some(sql) => highlight(sql, &mut line),
            None => line.text(Style::Dim, "(no SQL)"),
        }
        if let Some(params) = message.query_params.as_deref().filter(|params| !params.is_empty()) {
            params_text(params, &mut line);
        }
        line.end();

        if let Some(error) = &message.error_message {
            let mut line = Line::new(out, self.palette, self.width);
            line.spaces(indent);
            line.wrap_here(MOST_LINES - 1);
            for (place, word) in error.split_whitespace().enumerate() {
                if place > 0 && !line.wrap_before(word, 1) {
                    line.text(Style::Error, " ");
                }
                line.text(Style::Error, word);
            }
            line.end();
        }
    }

    /// On a terminal, a line with the date above its first message.
    fn announce_day(&mut self, time: &Zoned, out: &mut Vec<u8>) {
        if self.width.is_none() || self.day == Some(time.date()) {
            return;
        }
        self.day = Some(time.date());
        let mut line = Line::new(out, self.palette, self.width);
        line.text(Style::Dim, &time.strftime("── %A, %d %B %Y, %Z ──").to_string());
        line.end();
    }
}

fn params_text(params: &[Option<String>], line: &mut Line<'_>) {
    for (index, param) in params.iter().enumerate() {
        if line.is_full() {
            return;
        }
        let param = param.as_deref().unwrap_or("NULL");
        let (before, gap) = if index == 0 { ("[", "  ") } else { ("", " ") };
        if index > 0 {
            line.text(Style::Dim, ",");
        }
        if !line.wrap_before(param, gap.len() + 2) {
            line.text(Style::Dim, gap);
        }
        line.text(Style::Dim, before);
        line.text(Style::Dim, param);
    }
    line.text(Style::Dim, "]");
}

#[cfg(test)]
mod tests;
