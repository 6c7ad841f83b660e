//! The columns in front of a statement, as wide as the terminal allows.

use std::time::Duration;

use jiff::Zoned;

use crate::pretty::PrettyColumn;
use crate::pretty::line::{Line, columns_of};
use crate::pretty::palette::Style;
use crate::pretty::shown::Shown;

/// How much room the columns have.
#[derive(Debug, Clone, Copy)]
struct Layout {
    milliseconds: bool,
    /// The client's host after the user.
    client: bool,
    who: usize,
    database: usize,
    /// `12` in place of `12 rows`.
    short_rows: bool,
    gap: usize,
}

/// From roomy to narrow.
const LAYOUTS: [Layout; 4] = [
    Layout { milliseconds: true, client: true, who: 28, database: 16, short_rows: false, gap: 2 },
    Layout { milliseconds: true, client: true, who: 20, database: 12, short_rows: false, gap: 2 },
    Layout { milliseconds: false, client: false, who: 12, database: 10, short_rows: true, gap: 2 },
    Layout { milliseconds: false, client: false, who: 8, database: 8, short_rows: true, gap: 1 },
];

const CONNECTION: usize = 12;

/// The columns that are shown, with the width of what was in them so far.
#[derive(Debug)]
pub(crate) struct Columns {
    shown: Vec<PrettyColumn>,
    connection: usize,
    who: usize,
    user: usize,
    database: usize,
}

impl Columns {
    pub(crate) fn new(chosen: &[PrettyColumn]) -> Self {
        use PrettyColumn::{Connection, Database, Duration, Rows, Time, User};
        let all = [Time, Connection, User, Database, Duration, Rows];
        let shown = all.into_iter().filter(|column| chosen.is_empty() || chosen.contains(column)).collect();
        Self { shown, connection: 4, who: 10, user: 3, database: 4 }
    }

    /// Writes the cells of a message, each with a gap after it.
    pub(crate) fn write(
        &mut self,
        message: &Shown<'_>,
        time: Option<&Zoned>,
        width: Option<usize>,
        line: &mut Line<'_>,
    ) {
        let connection = message.connection_id.map_or_else(|| "#?".to_owned(), |id| format!("#{id}"));
        let (who, user) = who(message);
        let database = message.stmt_db_name.as_deref().or(message.db_name.as_deref()).unwrap_or("-");
        self.connection = self.connection.max(columns_of(&connection));
        self.who = self.who.max(columns_of(&who));
        self.user = self.user.max(columns_of(user));
        self.database = self.database.max(columns_of(database));
        let layout = self.layout(width);
        for column in &self.shown {
            let width = self.width_of(*column, layout);
            match column {
                PrettyColumn::Time => {
                    let format = if layout.milliseconds { "%H:%M:%S%.3f" } else { "%H:%M:%S" };
                    let time = time.map(|time| time.strftime(format).to_string());
                    line.cell(Style::Dim, &time.unwrap_or_default(), width);
                }
                PrettyColumn::Connection => {
                    line.cell(Style::connection(message.connection_id.unwrap_or_default()), &connection, width);
                }
                PrettyColumn::User => line.cell(Style::Plain, if layout.client { &who } else { user }, width),
                PrettyColumn::Database => line.cell(Style::Database, database, width),
                PrettyColumn::Duration => match message.duration_ns.map(Duration::from_nanos) {
                    Some(duration) => line.cell_right(duration_style(duration), &human_duration(duration), width),
                    None => line.cell_right(Style::Dim, "-", width),
                },
                PrettyColumn::Rows => match (&message.error_message, message.update_count) {
                    (Some(_), _) => line.cell_right(Style::Error, "error", width),
                    (None, Some(rows)) => {
                        line.cell_right(rows_style(rows), &human_rows(rows, layout.short_rows), width);
                    }
                    (None, None) => line.cell_right(Style::Dim, "-", width),
                },
                PrettyColumn::Sql => continue,
            }
            line.spaces(layout.gap);
        }
    }

    /// The roomiest layout that leaves half of the terminal to the statement, or else the narrowest.
    fn layout(&self, width: Option<usize>) -> Layout {
        let [roomy, .., narrow] = LAYOUTS;
        let Some(width) = width else { return roomy };
        let fits = |layout: &Layout| {
            let columns: usize = self.shown.iter().map(|column| self.width_of(*column, *layout) + layout.gap).sum();
            columns <= width / 2
        };
        LAYOUTS.into_iter().find(fits).unwrap_or(narrow)
    }

    fn width_of(&self, column: PrettyColumn, layout: Layout) -> usize {
        match column {
            PrettyColumn::Time if layout.milliseconds => 12,
            PrettyColumn::Time => 8,
            PrettyColumn::Connection => self.connection.min(CONNECTION),
            PrettyColumn::User if layout.client => self.who.min(layout.who),
            PrettyColumn::User => self.user.min(layout.who),
            PrettyColumn::Database => self.database.min(layout.database),
            PrettyColumn::Duration if layout.short_rows => 7,
            PrettyColumn::Duration => 8,
            PrettyColumn::Rows if layout.short_rows => 5,
            PrettyColumn::Rows => 9,
            PrettyColumn::Sql => 0,
        }
    }
}

/// The user with and without the client's host.
fn who<'a>(message: &'a Shown<'_>) -> (String, &'a str) {
    let user = message.user.as_deref().filter(|user| !user.is_empty()).unwrap_or("?");
    match message.client.as_deref() {
        Some(client) => (format!("{user}@{client}"), user),
        None => (user.to_owned(), user),
    }
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

/// `1 row`, `3 rows`, `12k rows`; or the number alone.
fn human_rows(rows: i64, short: bool) -> String {
    let count = match rows {
        0..10_000 => rows.to_string(),
        10_000..1_000_000 => format!("{}k", rows / 1000),
        1_000_000.. => format!("{}M", rows / 1_000_000),
        _ => return "-".to_owned(),
    };
    match (short, rows) {
        (true, _) => count,
        (false, 1) => "1 row".to_owned(),
        (false, _) => format!("{count} rows"),
    }
}

fn rows_style(rows: i64) -> Style {
    if rows > 0 { Style::Plain } else { Style::Dim }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(human_rows(1, false), "1 row");
        assert_eq!(human_rows(12_500, false), "12k rows");
        assert_eq!(human_rows(12_500, true), "12k");
    }
}
