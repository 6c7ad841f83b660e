//! What two executions of the same commands differ in, and the report of it.
//!
//! ```text
//!   pairing       two recordings side by side
//!   write         a report's folder             summary    a report on the terminal        page   a report in a browser
//!   collector     executions in, a report out   fail_on    which differences are too many
//!   settle        reports added up; noise       classify   what one execution differs in
//!   model         report.json                   class      kinds of differences
//!   histogram, series, lateness, statement, outcome        what it is made of
//! ```

mod class;
mod classify;
mod collector;
mod execution;
mod explain;
mod fail_on;
#[cfg(test)]
mod fixture;
mod histogram;
mod lateness;
mod model;
mod outcome;
mod page;
mod pairing;
mod sample;
mod series;
mod settle;
mod statement;
mod summary;
mod write;

pub(crate) use class::DifferenceClass;
pub(crate) use classify::{Finding, TimeLimits};
pub(crate) use collector::{Collector, CollectorOptions, SessionFailure};
pub(crate) use execution::{Execution, Lateness};
pub(crate) use fail_on::FailOn;
pub(crate) use model::{Explained, Facts, Report, Side};
pub(crate) use pairing::{Paired, Readable, pair};
pub(crate) use write::ReportError;
