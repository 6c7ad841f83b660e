//! What a comparison is measured by, and where its report goes: the same for whoever compares.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::report::{FailOn, TimeLimits};
use crate::settings::{ConfigError, Origins, duration};

/// The report of a comparison.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Report")]
pub(in crate::cli) struct ReportArgs {
    /// Write report.json, diffs.ndjson and report.html into this folder
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) report: Option<PathBuf>,

    /// Report of a second run of the old version: differences that it has as well do not count
    ///
    /// The folder of a report. Of each kind of difference, only what exceeds the baseline by more than chance counts, and times are held
    /// against the baseline's where those are longer than the recorded ones (docs/report.md).
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) baseline: Option<PathBuf>,

    /// Exit with code 3 if this is true; repeatable, comma-separated
    ///
    /// error, rows, affected, session, order, nature, warnings, time, or any (of the first five); more than some of them: error>10,
    /// rows>0.1%. p50, p95, p99 or mean of all statements against the recorded ones: p99>1.2x; of each pattern of statements with at
    /// least 20 executions: pattern-p99>2x. untrusted: the player was late.
    #[arg(long, value_name = "CONDITION", value_delimiter = ',')]
    pub(in crate::cli) fail_on: Vec<FailOn>,

    /// A statement is slower or faster from this factor on
    #[arg(long, value_name = "FACTOR", default_value = "2", value_parser = factor)]
    pub(in crate::cli) time_factor: f64,

    /// ... and by at least this much
    #[arg(long, value_name = "DURATION", default_value = "10ms", value_parser = duration)]
    pub(in crate::cli) time_floor: Duration,
}

impl ReportArgs {
    /// What counts as slower or faster.
    pub(in crate::cli) fn time_limits(&self) -> TimeLimits {
        let floor_ns = u64::try_from(self.time_floor.as_nanos()).unwrap_or(u64::MAX);
        TimeLimits { factor: self.time_factor, floor_ns }
    }

    /// Whether the baseline is a report, before anything is begun.
    pub(in crate::cli) fn baseline(
        &self,
        origins: &Origins,
    ) -> Result<Option<Box<crate::report::Report>>, ConfigError> {
        let Some(folder) = &self.baseline else { return Ok(None) };
        match crate::report::Report::read(folder) {
            Ok(report) => Ok(Some(Box::new(report))),
            Err(error) => Err(ConfigError::Refused { origin: origins.of("baseline"), message: error.to_string() }),
        }
    }
}

fn factor(text: &str) -> Result<f64, String> {
    let factor: Option<f64> = text.trim().parse().ok();
    factor
        .filter(|factor| *factor >= 1.0 && factor.is_finite())
        .ok_or_else(|| "expected a number from 1 on, such as 1.5".to_owned())
}
