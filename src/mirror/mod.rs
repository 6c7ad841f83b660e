//! Live sessions on a second server, as they happen.
//!
//! The threads that forward give each session's records to a [`MirroredSession`], which never waits: there is room in a bounded queue, or the
//! session is dropped and may come back later. A thread of its own takes them out and does them on the second server, one connection a
//! session, and compares.
//!
//! ```text
//!   switch      on and off while sessions are open
//!   running     the thread, its end, its reports
//!   sink        a session on the side of those who forward       session     the same on the second server
//!   line        the queue between both                           gate        what is executed there
//!   hub         what all sessions share                          comparison  what was answered differently
//!   budget      bytes that may wait                              server      the second server
//!   disk        where sessions wait that fall behind            drops       those that are given up
//!   connections, counters, config
//! ```

mod budget;
mod comparison;
mod config;
mod connections;
mod counters;
mod disk;
mod drops;
mod gate;
mod hub;
mod line;
mod running;
mod server;
mod session;
mod sink;
mod switch;
#[cfg(test)]
mod tests;

pub use config::{Lag, MirrorConfig, ReportConfig};
#[cfg(test)]
pub(crate) use counters::metrics;
pub use sink::MirroredSession;
pub use switch::MirrorSwitch;
