//! The table of digests, in each form.

use std::cmp::Reverse;
use std::io::{self, IsTerminal};

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde_json::json;

use super::config::{TopConfig, TopSort};
use super::stat::{Group, Stat, Stats, Sum};
use crate::inspect::output::{Form, OutputConfig, csv_line};
use crate::inspect::table::milliseconds;
use crate::pretty::{Line, Palette, Style, highlight};

/// How the table is shown.
pub(super) struct Page {
    config: TopConfig,
    form: Form,
    palette: Palette,
    zone: TimeZone,
}

/// A column of numbers: which aggregate, of what, how wide it is for people, and its value.
struct Column {
    aggregate: &'static str,
    of: &'static str,
    width: usize,
    value: fn(&Stat, &Sum) -> String,
}

const COLUMNS: [Column; 9] = [
    Column { aggregate: "count", of: "statements", width: 11, value: |stat, _| stat.count.to_string() },
    Column { aggregate: "total", of: "duration, s", width: 12, value: |stat, _| seconds(stat.durations.sum_ns()) },
    Column { aggregate: "share", of: "total, %", width: 9, value: |stat, sum| format!("{:.1}", share(stat, sum)) },
    Column { aggregate: "p50", of: "duration, ms", width: 13, value: |stat, _| quantile(stat, 0.5) },
    Column { aggregate: "p95", of: "duration, ms", width: 13, value: |stat, _| quantile(stat, 0.95) },
    Column { aggregate: "p99", of: "duration, ms", width: 13, value: |stat, _| quantile(stat, 0.99) },
    Column { aggregate: "max", of: "duration, ms", width: 13, value: |stat, _| milliseconds(stat.durations.max_ns()) },
    Column { aggregate: "sum", of: "rows", width: 12, value: |stat, _| stat.rows.to_string() },
    Column { aggregate: "count", of: "errors", width: 10, value: |stat, _| stat.errors.to_string() },
];

/// The columns of the rank in front.
const RANK: usize = 4;

/// The columns that a terminal of this width has room for: a line that it wrapped would make the page longer than the screen.
fn shown(width: Option<usize>) -> Vec<&'static Column> {
    let mut shown: Vec<&Column> = COLUMNS.iter().collect();
    for least in ["p50", "max", "share", "p99", "sum", "p95", "total"] {
        let wide = RANK + shown.iter().map(|column| column.width).sum::<usize>();
        if width.is_none_or(|width| wide <= width) {
            break;
        }
        shown.retain(|column| column.aggregate != least);
    }
    shown
}

/// What else a line of CSV has.
const OTHERS: [&str; 9] = [
    "digest",
    "kind",
    "first seen",
    "last seen",
    "example",
    "duration of the example, ms",
    "user of the example",
    "client of the example",
    "database of the example",
];

fn seconds(ns: u64) -> String {
    format!("{}.{:03}", ns / 1_000_000_000, ns / 1_000_000 % 1000)
}

fn quantile(stat: &Stat, share: f64) -> String {
    // The middle of a bucket may lie beyond the longest that was in it.
    milliseconds(stat.durations.quantile(share).min(stat.durations.max_ns()))
}

/// In percent.
fn share(stat: &Stat, sum: &Sum) -> f64 {
    if sum.duration_ns == 0 { 0.0 } else { stat.durations.sum_ns() as f64 * 100.0 / sum.duration_ns as f64 }
}

impl Group {
    fn name(&self) -> String {
        match self {
            Self::Digest(digest) => digest.to_string(),
            Self::NoText => "(no text)".to_owned(),
            Self::Others => "(others)".to_owned(),
        }
    }
}

impl Page {
    pub(super) fn new(config: &TopConfig, output: &OutputConfig) -> Self {
        let palette = Palette::choose(output.color, io::stdout().is_terminal());
        Self { config: config.clone(), form: output.form, palette, zone: TimeZone::system() }
    }

    pub(super) fn is_for_people(&self) -> bool {
        matches!(self.form, Form::Pretty | Form::Table)
    }

    /// What is shown now; on a terminal of `height` lines, as much as it has room for.
    pub(super) fn render(&self, stats: &Stats, height: Option<usize>) -> io::Result<Vec<u8>> {
        let mut all: Vec<_> = stats.all().iter().collect();
        all.sort_by_cached_key(|(group, stat)| (Reverse(self.key(stat)), Reverse(stat.count), group.name()));
        all.truncate(self.config.count);
        let mut out = Vec::new();
        match self.form {
            Form::Json => {
                for (index, (group, stat)) in all.iter().enumerate() {
                    let object = self.object(index + 1, group, stat, &stats.sum);
                    out.extend_from_slice(object.to_string().as_bytes());
                    out.push(b'\n');
                }
            }
            Form::Csv => {
                let window = self.window(&stats.sum);
                let heads = COLUMNS.iter().map(|column| format!("{} of {}, {window}", column.aggregate, column.of));
                let others = OTHERS.iter().map(|name| format!("{name}, {window}"));
                csv_line(&mut out, heads.chain(others))?;
                for (group, stat) in all {
                    csv_line(&mut out, self.values(group, stat, &stats.sum))?;
                }
            }
            Form::Pretty | Form::Table => self.table(&all, stats, height, &mut out),
        }
        Ok(out)
    }

    fn key(&self, stat: &Stat) -> u64 {
        match self.config.sort {
            TopSort::Total => stat.durations.sum_ns(),
            TopSort::Count => stat.count,
            TopSort::P50 => stat.durations.quantile(0.5),
            TopSort::P95 => stat.durations.quantile(0.95),
            TopSort::P99 => stat.durations.quantile(0.99),
            TopSort::Max => stat.durations.max_ns(),
            TopSort::Rows => stat.rows,
            TopSort::Errors => stat.errors,
            TopSort::Last => stat.last_ms,
        }
    }

    fn time(&self, ms: u64) -> Option<Zoned> {
        let time = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
        Some(time.to_zoned(self.zone.clone()))
    }

    /// `12:00:00-12:10:00`, with dates where they are not of one day.
    fn window(&self, sum: &Sum) -> String {
        let window = sum.window_ms.and_then(|(first, last)| Some((self.time(first)?, self.time(last)?)));
        match window {
            None => "no time".to_owned(),
            Some((first, last)) if first.date() == last.date() => {
                format!("{}-{}", first.strftime("%T"), last.strftime("%T"))
            }
            Some((first, last)) => format!("{}-{}", first.strftime("%F %T"), last.strftime("%F %T")),
        }
    }

    fn iso(ms: u64) -> String {
        let time = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        time.map(|time| format!("{time:.3}")).unwrap_or_default()
    }

    fn values(&self, group: &Group, stat: &Stat, sum: &Sum) -> Vec<String> {
        let mut values: Vec<_> = COLUMNS.iter().map(|column| (column.value)(stat, sum)).collect();
        let example = &stat.example;
        values.extend([
            group.name(),
            stat.kind.to_string(),
            Self::iso(stat.first_ms),
            Self::iso(stat.last_ms),
            example.sql.clone(),
            milliseconds(example.duration_ns),
            example.user.clone().unwrap_or_default(),
            example.client.clone().unwrap_or_default(),
            example.database.clone().unwrap_or_default(),
        ]);
        values
    }

    fn object(&self, rank: usize, group: &Group, stat: &Stat, sum: &Sum) -> serde_json::Value {
        let (durations, example) = (&stat.durations, &stat.example);
        let quantile = |share| durations.quantile(share).min(durations.max_ns());
        let window = sum.window_ms.map(|(first, last)| json!({"from": Self::iso(first), "to": Self::iso(last)}));
        json!({
            "rank": rank,
            "digest": group.name(),
            "kind": stat.kind.to_string(),
            "window": window,
            "count": stat.count,
            "errors": stat.errors,
            "rows": stat.rows,
            "durationTotalNs": durations.sum_ns(),
            "durationShare": share(stat, sum) / 100.0,
            "durationMeanNs": durations.mean_ns(),
            "durationP50Ns": quantile(0.5),
            "durationP95Ns": quantile(0.95),
            "durationP99Ns": quantile(0.99),
            "durationMaxNs": durations.max_ns(),
            "firstSeen": Self::iso(stat.first_ms),
            "lastSeen": Self::iso(stat.last_ms),
            "example": {
                "sql": example.sql,
                "isCut": example.is_cut,
                "timestamp": example.timestamp,
                "durationNs": example.duration_ns,
                "user": example.user,
                "client": example.client,
                "database": example.database,
                "connectionId": example.connection_id,
                "errorMessage": example.error,
            },
        })
    }

    fn table(&self, all: &[&(Group, Stat)], stats: &Stats, height: Option<usize>, out: &mut Vec<u8>) {
        let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        let sum = &stats.sum;
        let zone = sum.window_ms.and_then(|(first, _)| self.time(first));
        let zone = zone.map(|time| time.strftime("%F, %Z").to_string()).unwrap_or_default();
        let mut line = Line::new(out, self.palette, width);
        let title = format!(
            "{} statements, {} digests, {} s; {} of them by {}; times of {zone}",
            sum.count,
            stats.all().len(),
            seconds(sum.duration_ns),
            all.len(),
            self.config.sort
        );
        line.text(Style::Plain, &title);
        line.end();
        let columns = shown(width);
        self.heads(sum, &columns, width, out);
        // Of a head, and of each digest at least.
        const HEAD: usize = 4;
        const EACH: usize = 3;
        let most = height.map_or(usize::MAX, |height| height.saturating_sub(HEAD + 1) / EACH);
        for (index, (group, stat)) in all.iter().take(most).enumerate() {
            self.entry(index + 1, group, stat, (sum, &columns, width), out);
        }
    }

    /// Which aggregate, of what, and of which time.
    fn heads(&self, sum: &Sum, columns: &[&Column], width: Option<usize>, out: &mut Vec<u8>) {
        for of in [false, true] {
            let mut line = Line::new(out, self.palette, width);
            line.spaces(RANK);
            for column in columns {
                let head = if of { column.of.to_owned() } else { format!("{} of", column.aggregate) };
                line.cell_right(Style::Dim, &head, column.width);
            }
            line.end();
        }
        let wide = columns.iter().map(|column| column.width).sum::<usize>();
        let window = format!(" {} ", self.window(sum));
        let bar = wide.saturating_sub(window.len() + 3) / 2;
        let mut line = Line::new(out, self.palette, width);
        line.spaces(5);
        line.text(Style::Dim, &format!("├{}{window}{}┤", "─".repeat(bar), "─".repeat(bar)));
        line.end();
    }

    fn entry(
        &self,
        rank: usize,
        group: &Group,
        stat: &Stat,
        (sum, columns, width): (&Sum, &[&Column], Option<usize>),
        out: &mut Vec<u8>,
    ) {
        let mut line = Line::new(out, self.palette, width);
        line.cell_right(Style::Dim, &rank.to_string(), RANK);
        for column in columns {
            let style = if column.of == "errors" && stat.errors > 0 { Style::Error } else { Style::Plain };
            line.cell_right(style, &(column.value)(stat, sum), column.width);
        }
        line.end();
        let mut line = Line::new(out, self.palette, width);
        line.spaces(5);
        line.text(Style::Name, &group.name());
        let time = |ms| self.time(ms).map(|time| time.strftime("%T%.3f").to_string()).unwrap_or_default();
        line.text(Style::Dim, &format!("  {}  first {}, last {}", stat.kind, time(stat.first_ms), time(stat.last_ms)));
        let example = &stat.example;
        let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "?".to_owned());
        line.text(
            Style::Dim,
            &format!(
                "; the longest, by {}@{} in {}:",
                name(&example.user),
                name(&example.client),
                example.database.as_deref().unwrap_or("no database")
            ),
        );
        line.end();
        let mut line = Line::new(out, self.palette, width);
        line.spaces(5);
        if example.sql.is_empty() {
            line.text(Style::Dim, "(no SQL)");
        } else {
            highlight(&example.sql, &mut line);
        }
        line.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(columns: &[&Column]) -> usize {
        RANK + columns.iter().map(|column| column.width).sum::<usize>()
    }

    #[test]
    fn heads_stand_apart() {
        for column in &COLUMNS {
            let head = format!("{} of", column.aggregate).len().max(column.of.len());
            assert!(head < column.width, "{} of {} is as wide as its column", column.aggregate, column.of);
        }
    }

    #[test]
    fn a_narrow_terminal_has_the_columns_that_fit_in_their_order() {
        assert_eq!(shown(None).len(), COLUMNS.len());
        for width in 40..150 {
            let columns = shown(Some(width));
            assert!(wide(&columns) <= width, "{width}");
            let mut all = COLUMNS.iter().map(|column| (column.aggregate, column.of));
            let are_in_order =
                columns.iter().all(|kept| all.by_ref().any(|column| column == (kept.aggregate, kept.of)));
            assert!(are_in_order, "{width}");
            // How many there are, and what failed, is always there.
            assert_eq!(columns.iter().filter(|column| column.aggregate == "count").count(), 2);
        }
    }
}
