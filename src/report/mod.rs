//! What two executions of the same commands differ in, and the report of it.
//!
//! ```text
//!   pairing     two recordings side by side       collector   executions in, a report out
//!   classify    what one execution differs in     class       kinds of differences; outcome: in words
//!   settle      reports added up; what a baseline explains
//!   fail_on     which differences are too many    summary     a report on the terminal
//!   write       a report's folder                 page        the page in it
//!   model       report.json                       explain     whose plans are asked for
//!   histogram, series, lateness, statement, sample            what it is made of
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
pub(crate) use classify::TimeLimits;
pub(crate) use collector::{Collector, CollectorOptions, SessionFailure};
pub(crate) use execution::{Execution, Lateness};
pub(crate) use fail_on::FailOn;
pub(crate) use histogram::Histogram;
pub(crate) use model::{Explained, Facts, Report, Side};
pub(crate) use pairing::{Paired, Readable, pair};
