//! Rows for people at a terminal: a line for each row, and below it what changed.
//!
//! ```text
//! 2026-11-21 14:03:07.120  update  shop.orders  id=7  3e11fa47-71ca-11e1-9e33-c80aa9429562:42
//!     status: 'new' => 'paid'
//!     note: NULL => 'NULL'
//! ```

#[cfg(test)]
mod tests;
mod value;

use std::io::IsTerminal;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::binlog::event::rows::{Row, RowKind, RowsEvent};
use crate::binlog::output::context::{Definition, LoggedStatement, RowContext, TransactionEdge};
use crate::binlog::output::form::{FormFactory, RowForm};
use crate::binlog::table::schema::Table;
use crate::binlog::value::Value;
use crate::deliver::Batch;
use crate::mysql::wire::Malformed;
use crate::pretty::ColorChoice;
use crate::pretty::{Line, Palette, Style, highlight};
use value::Shown;

const KIND_WIDTH: usize = "update".len();
const INDENT: usize = 4;
/// So many characters of a value are shown where there is no terminal that is narrower.
const LONGEST_VALUE: usize = 120;
/// However narrow the terminal is.
const SHORTEST_VALUE: usize = 24;
/// Columns for ` => ` and for the number of bytes left out.
const BESIDE_VALUE: usize = 28;

/// How rows are shown to people.
#[derive(Debug, Clone, Copy)]
pub struct TextOptions {
    /// Whether to colour. `Auto` looks at standard output: rows that go elsewhere want `Never`.
    pub color: ColorChoice,
    /// Whether lines end at the width of the terminal that standard output is, if it is one.
    pub fit_terminal: bool,
    /// A line where each transaction begins and one where it ends.
    pub transactions: bool,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { color: ColorChoice::Auto, fit_terminal: true, transactions: false }
    }
}

/// The form for people.
#[derive(Debug)]
pub struct Text {
    palette: Palette,
    zone: TimeZone,
    fit_terminal: bool,
    transactions: bool,
    /// The terminal's width, if there is one.
    width: Option<usize>,
    shown: Shown,
}

impl Text {
    /// The form; times are in the system's time zone.
    pub fn new(options: TextOptions) -> Self {
        Self {
            palette: Palette::choose(options.color, std::io::stdout().is_terminal()),
            zone: TimeZone::system(),
            fit_terminal: options.fit_terminal,
            transactions: options.transactions,
            width: None,
            shown: Shown::default(),
        }
    }

    /// Makes such forms.
    pub fn factory(options: TextOptions) -> FormFactory {
        Arc::new(move || Box::new(Self::new(options)))
    }

    /// Looks at the terminal's width, which may have changed.
    fn look_at_terminal(&mut self) {
        if self.fit_terminal {
            self.width = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
        }
    }

    /// `2026-11-21 14:03:07.120`, without the fraction where the log does not have it.
    fn time(&self, context: &RowContext) -> String {
        let (time, format) = match context.commit_timestamp_us {
            Some(microseconds) => (microseconds / 1000, "%F %T%.3f"),
            None => (context.timestamp_ms, "%F %T"),
        };
        let time = i64::try_from(time).ok().and_then(|time| jiff::Timestamp::from_millisecond(time).ok());
        time.map_or_else(String::new, |time| time.to_zoned(self.zone.clone()).strftime(format).to_string())
    }

    /// A line's first two cells.
    fn start<'a>(&self, out: &'a mut Vec<u8>, time: &str, kind: &str, style: Style) -> Line<'a> {
        let mut line = Line::new(out, self.palette, self.width);
        line.text(Style::Dim, time);
        line.gap();
        line.cell(style, kind, KIND_WIDTH);
        line.gap();
        line
    }

    /// How many characters of a value are shown in a line with a name and this many values.
    fn room(&self, name: &str, values: usize) -> usize {
        let Some(width) = self.width else { return LONGEST_VALUE };
        let taken = INDENT + name.chars().count() + values * BESIDE_VALUE;
        (width.saturating_sub(taken) / values.max(1)).max(SHORTEST_VALUE)
    }

    fn row(
        &mut self,
        out: &mut Vec<u8>,
        header: &Header<'_>,
        table: &Table,
        row: Row<'_, '_>,
    ) -> Result<(), Malformed> {
        let (kind, style) = match header.kind {
            RowKind::Insert => ("insert", Style::Reads),
            RowKind::Update => ("update", Style::Changes),
            RowKind::Delete => ("delete", Style::Destroys),
        };
        let mut line = self.start(out, header.time, kind, style);
        line.text(Style::Database, &table.map.database);
        line.text(Style::Plain, ".");
        line.text(Style::Plain, &table.map.table);
        line.gap();
        for (place, index) in table.primary_key.iter().enumerate() {
            let Some(column) = table.columns.get(*index) else { continue };
            if place > 0 {
                line.text(Style::Dim, ", ");
            }
            line.text(Style::Dim, &column.name);
            line.text(Style::Dim, "=");
            self.shown.write(&mut line, column, &row.latest(*index), None, None, LONGEST_VALUE)?;
        }
        if !table.primary_key.is_empty() {
            line.gap();
        }
        line.text_from_its_end(Style::Dim, header.place);
        match (row.before, row.after) {
            (Some(before), Some(after)) => self.changes(out, table, before, after),
            (Some(image), None) | (None, Some(image)) => self.image(out, table, image),
            (None, None) => Ok(()),
        }
    }

    fn image(&mut self, out: &mut Vec<u8>, table: &Table, image: &[Value<'_>]) -> Result<(), Malformed> {
        for (column, value) in table.columns.iter().zip(image) {
            if *value == Value::Absent {
                continue;
            }
            let room = self.room(&column.name, 1);
            let mut line = named(out, self.palette, &column.name);
            self.shown.write(&mut line, column, value, None, None, room)?;
        }
        Ok(())
    }

    fn changes(
        &mut self,
        out: &mut Vec<u8>,
        table: &Table,
        before: &[Value<'_>],
        after: &[Value<'_>],
    ) -> Result<(), Malformed> {
        let mut changed = false;
        for (column, (before, after)) in table.columns.iter().zip(before.iter().zip(after)) {
            // What the after image does not have is as it was.
            if before == after || *after == Value::Absent {
                continue;
            }
            changed = true;
            let room = self.room(&column.name, 2);
            let mut line = named(out, self.palette, &column.name);
            if *before == Value::Absent {
                line.text(Style::Dim, "(not in the log)");
            } else {
                self.shown.write(&mut line, column, before, None, Some(Style::Error), room)?;
            }
            line.text(Style::Dim, " => ");
            self.shown.write(&mut line, column, after, Some(before), Some(Style::Literal), room)?;
        }
        if !changed {
            let mut line = Line::new(out_of_line(out), self.palette, None);
            line.spaces(INDENT);
            line.text(Style::Dim, "(no column changed)");
        }
        Ok(())
    }
}

/// What the rows of an event have in common.
struct Header<'a> {
    kind: RowKind,
    time: &'a str,
    /// The GTID, or the place in the log.
    place: &'a str,
}

/// Ends the line before.
fn out_of_line(out: &mut Vec<u8>) -> &mut Vec<u8> {
    out.push(b'\n');
    out
}

/// A further line, up to the column's value.
fn named<'a>(out: &'a mut Vec<u8>, palette: Palette, name: &str) -> Line<'a> {
    let mut line = Line::new(out_of_line(out), palette, None);
    line.spaces(INDENT);
    line.text(Style::Plain, name);
    line.text(Style::Dim, ": ");
    line
}

fn place(context: &RowContext) -> String {
    match &context.gtid {
        Some(gtid) => gtid.to_string(),
        None => format!("{}:{}", context.file, context.offset),
    }
}

impl Text {
    fn statement_line(&mut self, kind: &str, database: &str, sql: &str, context: &RowContext, out: &mut Batch) {
        self.look_at_terminal();
        let time = self.time(context);
        // Writing to memory does not fail.
        let _ = out.push_with(u64::from(context.thread_id.unwrap_or_default()), |out| {
            let mut line = self.start(out, &time, kind, Style::Defines);
            line.text(Style::Database, if database.is_empty() { "-" } else { database });
            line.gap();
            line.leave_at_least(SHORTEST_VALUE);
            highlight(sql, &mut line);
            Ok::<(), ()>(())
        });
    }
}

impl RowForm for Text {
    fn rows(
        &mut self,
        rows: &RowsEvent<'_>,
        table: &Table,
        context: &RowContext,
        out: &mut Batch,
    ) -> Result<u64, Malformed> {
        self.look_at_terminal();
        let (time, place) = (self.time(context), place(context));
        let header = Header { kind: rows.kind, time: &time, place: &place };
        let thread = u64::from(context.thread_id.unwrap_or_default());
        let mut count = 0;
        let mut rows = rows.rows();
        while let Some(row) = rows.next()? {
            out.push_with(thread, |out| self.row(out, &header, table, row))?;
            count += 1;
        }
        Ok(count)
    }

    fn definition(&mut self, definition: Definition<'_>, context: &RowContext, out: &mut Batch) {
        self.statement_line("ddl", definition.database, definition.sql, context, out);
    }

    fn statement(&mut self, statement: LoggedStatement<'_>, context: &RowContext, out: &mut Batch) {
        // Of the same width as the others.
        let kind = if statement.is_rolled_back { "undone" } else { "text" };
        self.statement_line(kind, statement.database, statement.sql, context, out);
    }

    fn transaction(&mut self, edge: TransactionEdge, context: &RowContext, out: &mut Batch) {
        if !self.transactions {
            return;
        }
        self.look_at_terminal();
        let (time, place) = (self.time(context), place(context));
        let _ = out.push_with(u64::from(context.thread_id.unwrap_or_default()), |out| {
            let kind = if edge == TransactionEdge::Begin { "begin" } else { "commit" };
            let mut line = self.start(out, &time, kind, Style::Transaction);
            if let TransactionEdge::End { rows } = edge {
                line.text(Style::Plain, &if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") });
                line.gap();
            }
            line.text(Style::Dim, &place);
            Ok::<(), ()>(())
        });
    }
}
