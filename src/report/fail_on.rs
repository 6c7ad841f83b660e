//! Which differences make a comparison fail: `--fail-on`.

use std::fmt;
use std::str::FromStr;

use super::class::DifferenceClass;
use super::histogram::Histogram;
use super::model::Report;

/// A condition that a report must not fulfil.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum FailOn {
    /// Differences of this class, of all that are an outcome if there is none; more than this many.
    Class {
        /// The class; `None` is any outcome.
        class: Option<DifferenceClass>,
        /// How many there may be.
        allowed: Allowed,
    },
    /// Times that became longer by more than this factor.
    Slower {
        /// Which of the times.
        of: Percentile,
        /// By pattern, instead of all commands together.
        of_each_pattern: bool,
        /// By how much they may.
        factor: f64,
    },
    /// Timings that are not to be trusted.
    Untrusted,
}

/// How many differences there may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Allowed {
    /// This many.
    Count(u64),
    /// This share of the compared commands, in percent.
    Percent(f64),
}

/// Which of a distribution's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Percentile {
    /// The mean.
    Mean,
    /// The median.
    P50,
    /// 95 of 100 are not longer.
    P95,
    /// 99 of 100 are not longer.
    P99,
}

/// With fewer executions a pattern's percentiles are chance.
const FEWEST_EXECUTIONS: u64 = 20;

/// What is allowed, for whoever wrote something else.
const EXPECTED: &str = "expected error, rows, affected, session, order, nature, warnings, time or any, each perhaps with >COUNT or >PERCENT% \
    (such as error>10 or rows>0.1%); p50, p95, p99 or mean with >FACTORx (such as p99>1.2x), after `pattern-` for each pattern of \
    statements by itself; or untrusted";

impl FromStr for FailOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (name, bound) = match text.split_once('>') {
            Some((name, bound)) => (name.trim(), Some(bound.trim())),
            None => (text, None),
        };
        let (of_each_pattern, measure) = match name.strip_prefix("pattern-") {
            Some(measure) => (true, measure),
            None => (false, name),
        };
        if let Ok(of) = measure.parse() {
            let factor = bound.and_then(|bound| bound.strip_suffix('x')).and_then(number);
            let factor = factor.filter(|factor| *factor >= 1.0);
            let factor = factor.ok_or_else(|| format!("{text}: expected a factor from 1 on, such as {name}>1.2x"))?;
            return Ok(Self::Slower { of, of_each_pattern, factor });
        }
        if name == "untrusted" && bound.is_none() {
            return Ok(Self::Untrusted);
        }
        let class = match name {
            "any" => None,
            name => Some(name.parse().map_err(|_| format!("{text:?}: {EXPECTED}"))?),
        };
        let allowed = bound.map_or(Some(Allowed::Count(0)), allowed);
        let allowed =
            allowed.ok_or_else(|| format!("{text}: expected a number or a percentage, such as {name}>0.1%"))?;
        Ok(Self::Class { class, allowed })
    }
}

fn allowed(text: &str) -> Option<Allowed> {
    match text.strip_suffix('%') {
        Some(percent) => number(percent).filter(|percent| *percent <= 100.0).map(Allowed::Percent),
        None => text.parse().ok().map(Allowed::Count),
    }
}

/// A number that is not negative, without an exponent.
fn number(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| is_plain)
}

impl fmt::Display for FailOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class { class, allowed } => {
                f.write_str(class.map_or("any", Into::into))?;
                match allowed {
                    Allowed::Count(0) => Ok(()),
                    Allowed::Count(count) => write!(f, ">{count}"),
                    Allowed::Percent(percent) => write!(f, ">{percent}%"),
                }
            }
            Self::Slower { of, of_each_pattern, factor } => {
                write!(f, "{}{of}>{factor}x", if *of_each_pattern { "pattern-" } else { "" })
            }
            Self::Untrusted => f.write_str("untrusted"),
        }
    }
}

impl Report {
    /// A line for each condition that the report fulfils.
    pub(crate) fn violations(&self, conditions: &[FailOn]) -> Vec<String> {
        conditions.iter().filter_map(|condition| Some(format!("{condition}: {}", self.violation(condition)?))).collect()
    }

    fn violation(&self, condition: &FailOn) -> Option<String> {
        match *condition {
            FailOn::Class { class, allowed } => self.too_many(class, allowed),
            FailOn::Slower { of, of_each_pattern: false, factor } => {
                let baseline = self.baseline.as_ref().map(|baseline| &baseline.latency);
                slower(of, &self.latency.expected, baseline, &self.latency.observed, factor)
            }
            FailOn::Slower { of, of_each_pattern: true, factor } => self.slower_patterns(of, factor),
            FailOn::Untrusted => {
                let lateness = self.lateness.as_ref().filter(|lateness| !lateness.trusted)?;
                let (late, all) = (lateness.late_by_player, lateness.scheduled);
                Some(format!("the player itself was late for {late} of {all} statements"))
            }
        }
    }

    fn too_many(&self, class: Option<DifferenceClass>, allowed: Allowed) -> Option<String> {
        let counts = |of: &DifferenceClass| class.map_or_else(|| of.is_outcome(), |class| class == *of);
        let count: u64 = self.classes.iter().filter(|(of, _)| counts(of)).map(|(_, total)| total.excess()).sum();
        let is_too_many = match allowed {
            Allowed::Count(most) => count > most,
            Allowed::Percent(percent) => count as f64 * 100.0 > self.statements as f64 * percent,
        };
        let above = if self.baseline.is_some() { " above the baseline" } else { "" };
        is_too_many.then(|| format!("{count} of {} statements{above}", self.statements))
    }

    fn slower_patterns(&self, of: Percentile, factor: f64) -> Option<String> {
        let often = self.digests.iter().filter(|digest| digest.latency.observed.count() >= FEWEST_EXECUTIONS);
        let mut slow = often.filter_map(|digest| {
            let (expected, observed) = (&digest.latency.expected, &digest.latency.observed);
            let text = slower(of, expected, digest.baseline.as_ref(), observed, factor)?;
            Some(format!("{text} for {}", digest.pattern.chars().take(60).collect::<String>()))
        });
        let first = slow.next()?;
        Some(match slow.count() {
            0 => first,
            more => format!("{first}, and {more} more"),
        })
    }
}

fn slower(
    of: Percentile,
    expected: &Histogram,
    baseline: Option<&Histogram>,
    observed: &Histogram,
    factor: f64,
) -> Option<String> {
    let value = |histogram: &Histogram| match of {
        Percentile::Mean => histogram.mean_ns(),
        Percentile::P50 => histogram.quantile(0.5),
        Percentile::P95 => histogram.quantile(0.95),
        Percentile::P99 => histogram.quantile(0.99),
    };
    let before = value(expected).max(baseline.map_or(0, value));
    let now = value(observed);
    let milliseconds = |ns: u64| ns as f64 / 1e6;
    (before > 0 && now as f64 > before as f64 * factor).then(|| {
        let ratio = now as f64 / before as f64;
        format!("{:.3} ms instead of {:.3} ms ({ratio:.2}x)", milliseconds(now), milliseconds(before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::collector::{Collector, CollectorOptions};
    use crate::report::fixture::{answered, error, execution, rows};
    use crate::report::model::Facts;

    fn parsed(text: &str) -> FailOn {
        text.parse().unwrap()
    }

    #[test]
    fn conditions_are_shown_as_they_are_written() {
        for text in ["error", "rows>10", "affected>0.5%", "any", "session", "p99>1.2x", "pattern-mean>2x", "untrusted"]
        {
            assert_eq!(parsed(text).to_string(), text);
        }
        assert_eq!(parsed(" p99 > 1.20x ").to_string(), "p99>1.2x");
    }

    #[test]
    fn what_is_no_condition_is_refused_with_what_is() {
        for (text, said) in [
            ("", "expected error, rows"),
            ("errors", "expected error, rows"),
            ("p99", "such as p99>1.2x"),
            ("p99>1.2", "such as p99>1.2x"),
            ("p99>0.9x", "from 1 on"),
            ("p99>infx", "from 1 on"),
            ("p99>NaNx", "from 1 on"),
            ("p90>2x", "expected error, rows"),
            ("rows>-1", "such as rows>0.1%"),
            ("rows>101%", "such as rows>0.1%"),
            ("untrusted>3", "expected error, rows"),
        ] {
            let error = text.parse::<FailOn>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_report_fulfils_what_is_true_of_it() {
        let mut collector = Collector::new(CollectorOptions::default());
        for number in 0..200 {
            let expected = answered("SELECT a FROM t", [rows(&["1"])]);
            let mut observed = answered("SELECT a FROM t", [if number < 10 { error(1) } else { rows(&["1"]) }]);
            observed.duration_ns = Some(if number % 10 == 9 { 3_000_000 } else { 1_000_000 });
            collector.add(&execution(number, &expected, &observed));
        }
        let report = collector.finish(Facts::default());
        let violates = |text: &str| !report.violations(&[parsed(text)]).is_empty();
        for text in ["error", "any", "error>9", "error>4.9%", "p99>2.9x", "p95>2x", "mean>1.1x", "pattern-p95>2x"] {
            assert!(violates(text), "{text}");
        }
        for text in ["rows", "error>10", "error>5%", "p50>1x", "p99>3.1x", "untrusted", "time", "nature"] {
            assert!(!violates(text), "{text}");
        }
        let said = report.violations(&[parsed("rows"), parsed("error"), parsed("pattern-p99>2x")]);
        assert_eq!(said[0], "error: 10 of 200 statements");
        assert!(said[1].starts_with("pattern-p99>2x: 2.9") && said[1].ends_with("for select a from t"), "{said:?}");
    }
}
