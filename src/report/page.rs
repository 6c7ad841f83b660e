//! `report.html`: the report as one page that needs nothing else.
//!
//! The report stands in it as JSON, and a script draws it. What comes from a recording is hostile input: it is data to the script, which
//! makes nothing but text of it, and the page's policy lets no other script run and nothing be loaded.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde::Serialize;

use super::class::DifferenceClass;
use super::model::{DigestTotals, Report};

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

/// How many patterns a page has: `report.json` has them all.
const MOST_DIGESTS: usize = 1_000;

/// A report, and what a page leaves out of it.
#[derive(Serialize)]
struct Content<'r> {
    #[serde(flatten)]
    report: &'r Report,
    digests_left_out: usize,
}

impl Report {
    /// Writes the page.
    pub(super) fn write_page(&self, out: &mut dyn Write) -> io::Result<()> {
        let left_out = self.digests.len().saturating_sub(MOST_DIGESTS);
        let shortened = (left_out > 0).then(|| Self { digests: self.weightiest_digests(), ..self.clone() });
        let content = Content { report: shortened.as_ref().unwrap_or(self), digests_left_out: left_out };
        let script_hash = format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, SCRIPT.as_bytes())));
        let title = format!("mysql-interceptor: {} and {}", self.facts.expected.name, self.facts.observed.name);
        let mut rest = PAGE;
        while let Some((text, tail)) = rest.split_once("{{") {
            let (name, tail) = tail.split_once("}}").unwrap_or((tail, ""));
            out.write_all(text.as_bytes())?;
            match name {
                "STYLE" => out.write_all(STYLE.as_bytes())?,
                "SCRIPT" => out.write_all(SCRIPT.as_bytes())?,
                "SCRIPT_HASH" => out.write_all(script_hash.as_bytes())?,
                "TITLE" => out.write_all(escaped(&title).as_bytes())?,
                // Nothing in it can end the element that it stands in.
                _ => out.write_all(serde_json::to_string(&content)?.replace('<', "\\u003c").as_bytes())?,
            }
            rest = tail;
        }
        out.write_all(rest.as_bytes())
    }

    /// Those that differ first, then those with the largest impact, in the report's order.
    fn weightiest_digests(&self) -> Vec<DigestTotals> {
        let differing = |digest: &DigestTotals| -> u64 {
            digest
                .classes
                .iter()
                .filter(|(class, _)| DifferenceClass::is_outcome(**class))
                .map(|(_, count)| count)
                .sum()
        };
        let mut places: Vec<_> = self.digests.iter().enumerate().collect();
        places.sort_by(|(_, a), (_, b)| {
            differing(b)
                .cmp(&differing(a))
                .then(b.impact.abs().total_cmp(&a.impact.abs()))
                .then(a.digest.cmp(&b.digest))
        });
        places.truncate(MOST_DIGESTS);
        places.sort_by_key(|(place, _)| *place);
        places.into_iter().map(|(_, digest)| digest.clone()).collect()
    }
}

/// Text as HTML has it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::collector::{Collector, CollectorOptions};
    use crate::report::fixture::{answered, error, execution, rows};
    use crate::report::model::{Facts, Side};

    fn page(report: &Report) -> String {
        let mut page = Vec::new();
        report.write_page(&mut page).unwrap();
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn hostile_text_stays_text() {
        let hostile = "SELECT '</script><script>alert(1)</script><!-- {{SCRIPT}} ]]>'";
        let mut collector = Collector::new(CollectorOptions::default());
        collector.add(&execution(1, &answered(hostile, [rows(&["1"])]), &answered(hostile, [error(1064)])));
        collector.note(hostile);
        let expected = Side { name: "</title><script>alert(2)</script>".into(), ..Side::default() };
        let report = collector.finish(Facts { expected, ..Facts::default() });
        let page = page(&report);
        assert_eq!((page.matches("<script").count(), page.matches("</script").count()), (2, 2));
        assert!(!page.contains("alert(1)</") && page.contains("&lt;/title&gt;&lt;script&gt;alert(2)"));
        let json = page.split_once("id=\"report\">").unwrap().1.split_once("</script>").unwrap().0;
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["digests"][0]["sample"], hostile);
    }

    #[test]
    fn the_policy_names_the_script_that_is_there() {
        let page = page(&Collector::new(CollectorOptions::default()).finish(Facts::default()));
        let script = page.rsplit_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
        let hash = STANDARD.encode(digest(&SHA256, script.as_bytes()));
        assert!(page.contains(&format!("script-src 'sha256-{hash}'")));
        assert!(!page.contains("{{") && !page.contains("http://") || page.matches("http://").count() == 1);
    }

    #[test]
    fn a_page_has_the_patterns_that_matter() {
        let mut collector = Collector::new(CollectorOptions::default());
        for number in 0..1_200 {
            let sql = format!("SELECT a{number}");
            let answer = if number == 700 { error(1) } else { rows(&["1"]) };
            let mut observed = answered(&sql, [answer]);
            observed.duration_ns = Some(2_000_000 + number);
            collector.add(&execution(number, &answered(&sql, [rows(&["1"])]), &observed));
        }
        let report = collector.finish(Facts::default());
        let page = page(&report);
        assert!(
            page.contains("\"digests_left_out\":200") && page.contains("SELECT a1199") && page.contains("SELECT a700")
        );
        assert!(!page.contains("\"SELECT a10\""));
    }
}
