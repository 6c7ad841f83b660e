//! TCP connections, put together again from what was captured of them. Sans-IO: segments and times in, bytes in their order out.
//!
//! Each direction is in the order of its sequence numbers. Between the directions the acknowledgments give the order: a segment that
//! acknowledges bytes of the other side comes after them, in whatever order the two were captured. So a request is always there before
//! its answer.
//!
//! Of bytes that came twice the first ones count. What is missing is waited for; it is told as a gap when its receiver has acknowledged
//! it and it does not come within a second (or 500 segments) of the connection: then the capture has lost it. Without acknowledgment the
//! sender may still send it again: that is waited for up to a minute, or until more waits than is kept.
//!
//! Where a connection begins its SYNs say; they may be captured after its first bytes, which wait for them for a tenth of a second.

mod connection;
mod counters;
mod early;
mod half;
mod key;
mod streams;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use counters::TcpCounters;
pub(super) use streams::{Ending, Opening, Streams};
pub(super) use table::Connections;
pub(crate) use table::{Limits, Servers};
