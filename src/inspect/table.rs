//! Statements in a table: a line each, under column heads.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::pretty::{Line, Palette, Style, highlight};
use crate::stored::Fields;

/// Names and widths of the columns before the statement.
const COLUMNS: [(&str, usize); 7] = [
    ("TIME", 23),
    ("CONNECTION", 10),
    ("USER", 16),
    ("CLIENT", 16),
    ("DATABASE", 16),
    ("DURATION ms", 12),
    ("ROWS", 10),
];

/// Writes the table.
#[derive(Debug)]
pub(super) struct Table {
    palette: Palette,
    zone: TimeZone,
    has_head: bool,
}

impl Table {
    pub(super) fn new(palette: Palette) -> Self {
        Self { palette, zone: TimeZone::system(), has_head: false }
    }

    /// Appends a statement's line, and the heads above the first.
    pub(super) fn write(&mut self, fields: &Fields<'_>, out: &mut Vec<u8>) {
        // Cut where the terminal ends; a file has all of it.
        let width = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
        if !std::mem::replace(&mut self.has_head, true) {
            self.head(out, width);
        }
        let text = |text: Option<crate::stored::Text<'_>>| text.map(|text| text.decode().into_owned());
        let time = fields.timestamp.and_then(|ms| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok());
        let time = time.map(|time| time.to_zoned(self.zone.clone()).strftime("%F %T%.3f").to_string());
        let database = text(fields.stmt_db_name).or_else(|| text(fields.db_name));
        let duration = fields.duration_ns.map(milliseconds);
        let rows = match (&fields.error_message, fields.update_count) {
            (Some(_), _) => Some("error".to_owned()),
            (None, rows) => rows.map(|rows| rows.to_string()),
        };
        let connection = fields.connection_id.map(|id| id.to_string());
        let mut line = Line::new(out, self.palette, width);
        let cells = [time, connection, text(fields.user), text(fields.client), database, duration, rows];
        for (index, (cell, (_, width))) in cells.iter().zip(COLUMNS).enumerate() {
            let cell = cell.as_deref().unwrap_or("-");
            let style = if cell == "error" && index == 6 { Style::Error } else { Style::Plain };
            if matches!(index, 1 | 5 | 6) {
                line.cell_right(style, cell, width);
            } else {
                line.cell(style, cell, width);
            }
            line.gap();
        }
        match fields.sql {
            Some(sql) => highlight(&sql.decode(), &mut line),
            None => line.text(Style::Dim, "(no SQL)"),
        }
        if let Some(error) = fields.error_message {
            line.text(Style::Error, "  ");
            line.text(Style::Error, &error.decode());
        }
        line.end();
    }

    fn head(&self, out: &mut Vec<u8>, width: Option<usize>) {
        let mut line = Line::new(out, self.palette, width);
        for (index, (name, width)) in COLUMNS.into_iter().enumerate() {
            let style = Style::Dim;
            if matches!(index, 1 | 5 | 6) {
                line.cell_right(style, name, width);
            } else {
                line.cell(style, name, width);
            }
            line.gap();
        }
        line.text(Style::Dim, "STATEMENT");
        line.end();
    }
}

/// Nanoseconds as milliseconds.
pub(super) fn milliseconds(ns: u64) -> String {
    format!("{}.{:03}", ns / 1_000_000, ns / 1000 % 1000)
}
