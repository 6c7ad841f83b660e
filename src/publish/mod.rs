//! A session's statements as messages, on their way into delivery: filtered, redacted, held until their transaction ends.

mod audit;
mod counters;
mod desk;
mod prepared;
mod publisher;
mod publishing;
mod time_zone;
mod transaction;

pub(crate) use desk::Desk;
pub(crate) use publisher::Publisher;
pub use publishing::BufferConfig;
pub(crate) use publishing::{Peers, Publishing};
pub(crate) use time_zone::local_time_zone;
