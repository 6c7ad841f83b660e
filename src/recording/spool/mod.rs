//! From sessions to where a recording is written: one bounded queue, and one thread that empties it.
//!
//! Whoever has a session's bytes to forward never waits here. A record for which there is no room is refused, so that its session's recording
//! has a gap that it tells of. When writing fails the recording is over: that is said once, counted, and of no concern to the sessions.

mod counts;
mod disk;
mod queue;
mod sink;
mod store;
mod switch;
#[cfg(test)]
mod tests;
mod writing;

pub use counts::RecordingCounts;
pub use sink::SpoolSink;
pub use store::{RecordStore, StoreError};
pub use switch::{ActiveRecording, RecordingSwitch, SpoolOptions};
