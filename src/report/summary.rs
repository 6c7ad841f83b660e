//! A report in a few lines, for the terminal.

use std::fmt::Write as _;

use super::histogram::Histogram;
use super::model::{Difference, DigestTotals, Report, Side};
use super::outcome::counted;
use crate::pretty::{Palette, Style};

/// How many differences, and how many patterns that became slower.
const MOST_LINES: usize = 8;
/// Changes below this share of the total time are not worth a line.
const LEAST_IMPACT: f64 = 0.001;

impl Report {
    /// The report for the terminal: what matters most, each in a line that fits `width`.
    pub(crate) fn summary(&self, palette: Palette, width: usize) -> String {
        let mut summary = Summary { text: String::new(), palette, width: width.max(40) };
        summary.line("Recorded", &[(Style::Plain, &side(&self.facts.expected))]);
        summary.line("Target", &[(Style::Plain, &side(&self.facts.observed))]);
        self.say_statements(&mut summary);
        self.say_differences(&mut summary);
        self.say_times(&mut summary);
        self.say_rest(&mut summary);
        summary.text
    }

    fn say_statements(&self, summary: &mut Summary) {
        let outcomes: u64 =
            self.classes.iter().filter(|(class, _)| class.is_outcome()).map(|(_, total)| total.excess()).sum();
        let compared = format!(
            "{} of {}; {}",
            counted(self.statements, "statement"),
            counted(self.sessions, "session"),
            if self.statements == 0 { "" } else { "answered differently: " }
        );
        let (style, beyond) = (
            if outcomes > 0 { Style::Error } else { Style::Brisk },
            if self.baseline.is_some() { " beyond the baseline" } else { "" },
        );
        let count = format!("{outcomes}{beyond}");
        let parts = [(Style::Plain, compared.trim_end_matches("; ")), (style, &count)];
        summary.line("Compared", if self.statements == 0 { &parts[..1] } else { &parts });
    }

    fn say_differences(&self, summary: &mut Summary) {
        for (class, total) in &self.classes {
            let noise = if total.noise > 0 { format!(" ({} as in the baseline)", total.noise) } else { String::new() };
            let style = if class.is_outcome() && total.excess() > 0 { Style::Error } else { Style::Plain };
            summary.line("", &[(style, &format!("{:>9} {class}{noise}", total.count))]);
        }
        let shown: Vec<_> = self
            .differences
            .iter()
            .filter(|difference| difference.class.is_outcome() && difference.excess() > 0)
            .collect();
        for (place, difference) in shown.iter().take(MOST_LINES).enumerate() {
            let head = if place == 0 { "Different" } else { "" };
            summary.line(head, &[(Style::Plain, &self.difference(difference))]);
        }
        summary.more(shown.len());
    }

    fn difference(&self, difference: &Difference) -> String {
        let Difference { class, expected, observed, digest, example, .. } = difference;
        let pattern = self.digests.iter().find(|totals| Some(&totals.digest) == digest.as_ref());
        let pattern = pattern.map_or(example.sql.as_str(), |totals| totals.pattern.as_str());
        format!("{:>9} {class}: {expected} -> {observed}  {}", difference.excess(), one_line(pattern))
    }

    fn say_times(&self, summary: &mut Summary) {
        if self.latency.expected.count() == 0 {
            return;
        }
        for (head, name, share) in [("Time", "p50", 0.5), ("", "p95", 0.95), ("", "p99", 0.99)] {
            let of = |histogram: &Histogram| histogram.quantile(share);
            let (before, now) = (of(&self.latency.expected), of(&self.latency.observed));
            let text = format!("{name} {:>9} -> {:>9}  ", duration(before), duration(now));
            summary.line(head, &[(Style::Plain, &text), ratio(now, before)]);
        }
        let slower: Vec<_> = self.digests.iter().filter(|digest| digest.impact > LEAST_IMPACT).collect();
        for (place, digest) in slower.iter().take(MOST_LINES).enumerate() {
            summary.line(if place == 0 { "Slower" } else { "" }, &[(Style::Plain, &slower_line(digest))]);
        }
        summary.more(slower.len());
    }

    fn say_rest(&self, summary: &mut Summary) {
        for (head, counts) in [("Skipped", &self.skipped), ("No compare", &self.not_compared)] {
            for (place, (reason, count)) in counts.iter().enumerate() {
                summary.line(if place == 0 { head } else { "" }, &[(Style::Plain, &format!("{count:>9} {reason}"))]);
            }
        }
        if let Some(lateness) = self.lateness.as_ref().filter(|lateness| !lateness.trusted) {
            let text = format!(
                "do not trust them: the player itself began {} of {} more than 1 ms too late",
                lateness.late_by_player,
                counted(lateness.scheduled, "statement")
            );
            summary.line("Timings", &[(Style::Error, &text)]);
        }
        for (place, note) in self.notes.iter().enumerate() {
            summary.line(if place == 0 { "Note" } else { "" }, &[(Style::Slowish, note)]);
        }
    }
}

fn slower_line(digest: &DigestTotals) -> String {
    let (before, now) = (digest.latency.expected.mean_ns(), digest.latency.observed.mean_ns());
    format!(
        "{:>+8.1}% mean {} -> {}, {}  {}",
        digest.impact * 100.0,
        duration(before),
        duration(now),
        counted(digest.count, "execution"),
        one_line(&digest.pattern)
    )
}

fn side(side: &Side) -> String {
    let version = side.server_version.as_ref().map(|version| format!(", {version}")).unwrap_or_default();
    let time = side.duration_ns.map(|ns| format!(", {}", duration(ns))).unwrap_or_default();
    format!("{}{version}{time}", side.name)
}

fn ratio(now: u64, before: u64) -> (Style, &'static str) {
    let ratio = now as f64 / before.max(1) as f64;
    match ratio {
        _ if before == 0 => (Style::Dim, ""),
        ratio if ratio >= 1.2 => (Style::Error, "slower"),
        ratio if ratio <= 1.0 / 1.2 => (Style::Brisk, "faster"),
        _ => (Style::Dim, "about the same"),
    }
}

/// A duration with three digits and its unit.
pub(super) fn duration(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    let places = if value >= 99.95 { 0 } else { usize::from(value < 9.995) + 1 };
    format!("{value:.places$} {unit}")
}

/// A text without line breaks and control characters.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

struct Summary {
    text: String,
    palette: Palette,
    width: usize,
}

impl Summary {
    /// A line, cut where the terminal ends.
    fn line(&mut self, head: &str, parts: &[(Style, &str)]) {
        let mut room = self.width.saturating_sub(12);
        let (on, dim, off) = self.palette.brackets(Style::Dim);
        let end = if dim.is_empty() { "" } else { "m" };
        // Writing to a string does not fail.
        let _ = write!(self.text, "{on}{dim}{end}{head:<11}{off} ");
        for (style, text) in parts {
            let is_cut = text.chars().count() > room;
            let shown: String = text.chars().take(if is_cut { room.saturating_sub(3) } else { room }).collect();
            room = room.saturating_sub(text.chars().count());
            let (on, sgr, off) = self.palette.brackets(*style);
            let end = if sgr.is_empty() { "" } else { "m" };
            let _ =
                write!(self.text, "{on}{sgr}{end}{shown}{}{off}", if is_cut && !shown.is_empty() { "..." } else { "" });
        }
        self.text.truncate(self.text.trim_end().len());
        self.text.push('\n');
    }

    fn more(&mut self, count: usize) {
        if let Some(rest) = count.checked_sub(MOST_LINES).filter(|rest| *rest > 0) {
            self.line("", &[(Style::Dim, &format!("{:>9} more in the report", rest))]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pretty::ColorChoice;
    use crate::report::collector::{Collector, CollectorOptions};
    use crate::report::fixture::{answered, error, execution, rows};
    use crate::report::model::Facts;

    fn summary(color: ColorChoice) -> String {
        let mut collector = Collector::new(CollectorOptions::default());
        for number in 0..100 {
            let sql = "SELECT a FROM t\nWHERE b = 1";
            let mut observed = answered(sql, [if number < 3 { error(1146) } else { rows(&["1"]) }]);
            observed.duration_ns = Some(2_000_000);
            collector.add(&execution(number, &answered(sql, [rows(&["1"])]), &observed));
        }
        collector.session_began();
        collector.skipped("changes data", 5);
        let expected = Side { name: "app.rec".into(), server_version: Some("9.7.0".into()), ..Side::default() };
        let observed = Side { name: "db2".into(), duration_ns: Some(12_300_000_000), ..Side::default() };
        collector.finish(Facts { expected, observed, ..Facts::default() }).summary(Palette::choose(color, false), 80)
    }

    #[test]
    fn what_matters_is_said_in_lines_that_fit() {
        let text = summary(ColorChoice::Never);
        let expected = "\
Recorded    app.rec, 9.7.0
Target      db2, 12.3 s
Compared    100 statements of 1 session; answered differently: 3
                    3 error
Different           3 error: success -> error 1146 (HY000)  select a from t w...
Time        p50   1.01 ms ->   2.02 ms  slower
            p95   1.01 ms ->   2.02 ms  slower
            p99   1.01 ms ->   2.02 ms  slower
Slower         +97.0% mean 1.00 ms -> 2.00 ms, 100 executions  select a from ...
Skipped             5 changes data
";
        assert_eq!(text, expected, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn colour_is_only_there_when_it_is_wanted() {
        assert!(!summary(ColorChoice::Auto).contains('\u{1b}'));
        assert!(summary(ColorChoice::Always).contains("\u{1b}[31m3\u{1b}[0m"));
    }

    #[test]
    fn durations_have_three_digits() {
        let shown: Vec<_> = [7, 1_500, 12_345, 999_960, 1_234_567, 99_960_000, 59_000_000_000].map(duration).into();
        assert_eq!(shown, ["7 ns", "1.50 us", "12.3 us", "1000 us", "1.23 ms", "100 ms", "59.0 s"]);
    }
}
