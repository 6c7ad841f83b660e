//! The tables of docs/metrics.md.

use std::fmt::Write as _;

use super::metric::Metric;
use super::page::PAGE_METRICS;
use super::process::PROCESS_METRICS;

/// A table of metrics; with each comes its key in the log line, if it has one.
pub(crate) fn table_of(metrics: &[(Metric, Option<&'static str>)]) -> String {
    let has_keys = metrics.iter().any(|(_, key)| key.is_some());
    let mut text = String::from(if has_keys {
        "| metric | type | labels | meaning | in the log |\n|---|---|---|---|---|\n"
    } else {
        "| metric | type | labels | meaning |\n|---|---|---|---|\n"
    });
    let mut previous: Option<&Metric> = None;
    for (metric, key) in metrics {
        let key = key.map_or(String::new(), |key| format!("`{key}`"));
        // The rows of one metric follow each other.
        if previous == Some(metric) {
            let end = text.len() - " |\n".len();
            text.insert_str(end, &format!(", {key}"));
            continue;
        }
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = write!(text, "| `{}` | {} | {} | {} |", metric.name, metric.kind, labels.join(", "), metric.help);
        text.push_str(&if has_keys { format!(" {key} |\n") } else { "\n".to_owned() });
        previous = Some(metric);
    }
    text
}

/// What a table shows: each metric, with the key of the log line that has its number.
pub(crate) type Rows = Vec<(Metric, Option<&'static str>)>;

/// `text` with the tables of these sections in place of what stands between `<!-- metrics NAME -->` and `<!-- end -->`; those of the page and the
/// process are added.
pub(crate) fn document(text: &str, mut sections: Vec<(&str, Rows)>) -> String {
    let ours = PAGE_METRICS.iter().chain(PROCESS_METRICS).map(|metric| (*metric, None));
    sections.push(("process", ours.collect()));
    let mut written = text.to_owned();
    for (name, metrics) in sections {
        let (begin, end) = (format!("<!-- metrics {name} -->\n"), "<!-- end -->");
        let (before, rest) = written.split_once(&begin).unwrap_or_else(|| panic!("there is no {begin}"));
        let (_, after) = rest.split_once(end).unwrap_or_else(|| panic!("{begin} has no {end}"));
        written = format!("{before}{begin}{}{end}{after}", table_of(&metrics));
    }
    written
}
