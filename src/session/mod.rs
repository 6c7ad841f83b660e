//! The sans-IO observer of one connection: both directions' bytes and a clock in, statements out.
//!
//! The observer only listens. It is deterministic, holds no socket and asks for no time; it never panics, whatever the
//! bytes are, and its memory follows the statement under way. When it cannot follow any more it says so once
//! ([`Observer::out_of_sight`]) and ignores the rest: whoever forwards the bytes need not care.

mod ending;
mod exchange;
mod facts;
mod named;
mod observer;
mod prepared;
mod queue;
mod request;
mod requests;
mod response;
mod results;
mod sight;
mod statement;
#[cfg(test)]
mod tests;
mod texts;

pub use facts::SessionFacts;
pub use observer::{Emit, Observer, ObserverConfig, Phase};
pub use sight::{OutOfSight, SightLoss};
pub use statement::{BatchPart, Statement, StatementParams};

/// The moment at which bytes were seen, in two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic, in nanoseconds from any fixed start.
    pub monotonic_ns: u64,
    /// Wall clock, in milliseconds since 1970-01-01 UTC.
    pub epoch_ms: u64,
}
