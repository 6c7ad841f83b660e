//! Metrics: what the rooms count, for Prometheus and for the log alike, and the page that serves it (`--metrics`).
//!
//! ```text
//!   table       what a room counts: one list, of which both its log line and its metrics are made
//!   server      HTTP on a thread of its own: /metrics, /healthz, /readyz        ready  what /readyz asks
//!   watch       what is begun later
//!   page        everybody's readings as text
//!   reading     values under their names                                        process  what the system knows of this process
//!   striped, durations     counters that cost a thread next to nothing
//!   metric      a name, a type, a meaning
//! ```

#[cfg(test)]
mod document;
mod durations;
mod metric;
mod page;
mod process;
mod reading;
mod ready;
mod server;
mod striped;
mod table;
mod watch;

#[cfg(test)]
pub(crate) use document::document;
pub(crate) use durations::{Durations, DurationsTotal};
pub(crate) use metric::{Kind, Metric};
pub(crate) use reading::{Readings, Source};
pub(crate) use ready::{Check, Verdict};
pub(crate) use server::{Bound, MetricsError};
pub(crate) use striped::{Stripe, Striped};
pub(crate) use table::{Named, Read, Row, table};
pub use watch::Watch;
