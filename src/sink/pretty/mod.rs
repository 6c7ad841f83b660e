//! Messages for people: one line per statement, aligned and coloured.
//!
//! ```text
//! 14:03:07.120  #42  app@web-1     shop       1.24 ms    3 rows  SELECT name FROM users WHERE id = ?  [7]
//! 14:03:07.131  #42  app@web-1     shop        310 µs     error  SELEC 1
//!                                                               ERROR 1064 (42000): You have an error in your SQL syntax
//! ```

mod keywords;
mod line;
mod palette;
mod sql;

use std::borrow::Cow;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::Deserialize;

pub(crate) use line::Line;
use line::columns_of;
pub(crate) use palette::{Palette, Style};
pub(crate) use sql::highlight;

/// What is shown of a message. Fields that are missing or `null` are left blank.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    timestamp: Option<i64>,
    #[serde(borrow)]
    user: Option<Cow<'a, str>>,
    #[serde(borrow)]
    client: Option<Cow<'a, str>>,
    #[serde(borrow)]
    db_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    stmt_db_name: Option<Cow<'a, str>>,
    connection_id: Option<u64>,
    duration_ns: Option<u64>,
    update_count: Option<i64>,
    #[serde(borrow)]
    sql: Option<Cow<'a, str>>,
    query_params: Option<Vec<Option<String>>>,
    #[serde(borrow)]
    error_message: Option<Cow<'a, str>>,
}

/// Renders messages. Columns grow with their contents up to a limit, so that neighbouring lines stay aligned.
#[derive(Debug)]
pub(crate) struct Pretty {
    palette: Palette,
    zone: TimeZone,
    /// The terminal's width, if there is one.
    width: Option<usize>,
    day: Option<Date>,
    connection: Column,
    who: Column,
    database: Column,
}

/// A column that is as wide as its widest cell so far.
#[derive(Debug)]
struct Column {
    width: usize,
    limit: usize,
}

const TIME_WIDTH: usize = 12;
const DURATION_WIDTH: usize = 8;
const ROWS_WIDTH: usize = 9;
const GAP: &str = "  ";
/// A terminal narrower than the columns still shows so much of the statement.
const LEAST_SQL: usize = 24;

impl Pretty {
    pub(crate) fn new(palette: Palette) -> Self {
        Self {
            palette,
            zone: TimeZone::system(),
            width: None,
            day: None,
            connection: Column { width: 4, limit: 12 },
            who: Column { width: 10, limit: 28 },
            database: Column { width: 4, limit: 16 },
        }
    }

    /// Looks at the terminal's width, which may have changed.
    pub(crate) fn start_batch(&mut self) {
        self.width = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    }

    /// Appends a message's lines to `out`. What is not a message is shown as it is, harmless to the terminal.
    pub(crate) fn render(&mut self, json: &[u8], out: &mut Vec<u8>) {
        match serde_json::from_slice::<Shown<'_>>(json) {
            Ok(shown) => self.render_message(&shown, out),
            Err(_) => {
                let mut line = Line::new(out, self.palette, None);
                line.text(Style::Dim, &String::from_utf8_lossy(json));
                line.end();
            }
        }
    }

    fn render_message(&mut self, message: &Shown<'_>, out: &mut Vec<u8>) {
        let connection = message.connection_id.map_or_else(|| "#?".to_owned(), |id| format!("#{id}"));
        let who = who(message);
        let database = message.stmt_db_name.as_deref().or(message.db_name.as_deref()).unwrap_or("-");
        self.connection.fit(&connection);
        self.who.fit(&who);
        self.database.fit(database);
        let time = message.timestamp.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        let time = time.map(|time| time.to_zoned(self.zone.clone()));
        if let Some(time) = &time {
            self.announce_day(time, out);
        }

        let mut line = Line::new(out, self.palette, self.width);
        match &time {
            Some(time) => line.cell(Style::Dim, &time.strftime("%H:%M:%S%.3f").to_string(), TIME_WIDTH),
            None => line.cell(Style::Dim, "", TIME_WIDTH),
        }
        line.gap();
        line.cell(Style::connection(message.connection_id.unwrap_or_default()), &connection, self.connection.width);
        line.gap();
        line.cell(Style::Plain, &who, self.who.width);
        line.gap();
        line.cell(Style::Database, database, self.database.width);
        line.gap();
        match message.duration_ns {
            Some(nanos) => {
                let duration = Duration::from_nanos(nanos);
                line.cell_right(duration_style(duration), &human_duration(duration), DURATION_WIDTH);
            }
            None => line.cell_right(Style::Dim, "-", DURATION_WIDTH),
        }
        line.gap();
        match (&message.error_message, message.update_count) {
            (Some(_), _) => line.cell_right(Style::Error, "error", ROWS_WIDTH),
            (None, Some(rows)) => line.cell_right(rows_style(rows), &human_rows(rows), ROWS_WIDTH),
            (None, None) => line.cell_right(Style::Dim, "-", ROWS_WIDTH),
        }
        line.gap();
        let indent = line.column();
        line.leave_at_least(LEAST_SQL);
        match &message.sql {
            Some(sql) => highlight(sql, &mut line),
            None => line.text(Style::Dim, "(no SQL)"),
        }
        if let Some(params) = message.query_params.as_deref().filter(|params| !params.is_empty()) {
            line.text(Style::Dim, GAP);
            params_text(params, &mut line);
        }
        line.end();

        if let Some(error) = &message.error_message {
            let indent = if self.width.is_none_or(|width| indent + LEAST_SQL <= width) { indent } else { 4 };
            let mut line = Line::new(out, self.palette, None);
            line.spaces(indent);
            line.text(Style::Error, &error.split_whitespace().collect::<Vec<_>>().join(" "));
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

impl Column {
    fn fit(&mut self, text: &str) {
        self.width = self.width.max(columns_of(text).min(self.limit));
    }
}

fn who(message: &Shown<'_>) -> String {
    let user = message.user.as_deref().filter(|user| !user.is_empty()).unwrap_or("?");
    match message.client.as_deref() {
        Some(client) => format!("{user}@{client}"),
        None => user.to_owned(),
    }
}

fn params_text(params: &[Option<String>], line: &mut Line<'_>) {
    line.text(Style::Dim, "[");
    for (index, param) in params.iter().enumerate() {
        if line.is_full() {
            return;
        }
        if index > 0 {
            line.text(Style::Dim, ", ");
        }
        line.text(Style::Dim, param.as_deref().unwrap_or("NULL"));
    }
    line.text(Style::Dim, "]");
}

/// Three significant digits and a unit: `310 µs`, `1.24 ms`, `12.4 s`, `3m 20s`.
fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (value, unit) = match seconds {
        _ if seconds < 0.000_999_5 => (seconds * 1e6, "µs"),
        _ if seconds < 0.999_5 => (seconds * 1e3, "ms"),
        _ if seconds < 119.5 => (seconds, "s"),
        _ => {
            let whole = duration.as_secs();
            return if whole < 7200 {
                format!("{}m {:02}s", whole / 60, whole % 60)
            } else {
                format!("{}h {:02}m", whole / 3600, whole / 60 % 60)
            };
        }
    };
    let decimals = match value {
        _ if value < 9.995 && unit != "µs" => 2,
        _ if value < 99.95 && unit != "µs" => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

fn duration_style(duration: Duration) -> Style {
    match duration.as_millis() {
        0 => Style::Quick,
        1..10 => Style::Brisk,
        10..100 => Style::Slowish,
        100..1000 => Style::Slow,
        _ => Style::VerySlow,
    }
}

/// `1 row`, `3 rows`, `12.5k rows`.
fn human_rows(rows: i64) -> String {
    match rows {
        1 => "1 row".to_owned(),
        0..10_000 => format!("{rows} rows"),
        10_000..1_000_000 => format!("{}k rows", rows / 1000),
        1_000_000.. => format!("{}M rows", rows / 1_000_000),
        _ => "-".to_owned(),
    }
}

fn rows_style(rows: i64) -> Style {
    if rows > 0 { Style::Plain } else { Style::Dim }
}

#[cfg(test)]
mod tests;
