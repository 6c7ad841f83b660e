//! What the fuzz targets in `fuzz/` do with arbitrary bytes: the binlog's ([`crate::binlog::fuzzing`]) and, here, those of the proxy's
//! observer, captured packets, recordings and the spool. None of it may panic, hang, or allocate by a length that no bytes back.
//!
//! Not part of the library: it is there under `cfg(fuzzing)`, which cargo-fuzz sets, and in the library's own tests, which run the same
//! functions over `tests/data/fuzz` and over mutations of it.

#[cfg(test)]
pub(crate) mod mutations;
mod recording;
mod session;
mod spool;
#[cfg(test)]
mod tests;
mod wire;

pub use crate::binlog::fuzzing::{ddl, event, gtid, json, rows};
pub use crate::decode::fuzzing::capture;
pub use recording::recording;
pub use session::session;
pub use spool::spool;
pub use wire::wire;

/// A text that must be one JSON value.
pub(crate) fn assert_json(text: &[u8], what: &str) {
    let text = std::str::from_utf8(text).unwrap_or_else(|error| panic!("{what}: {error}"));
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        panic!("{what}: {error}: {text:.1000}");
    }
}
