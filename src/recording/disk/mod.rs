//! Recordings on disk: a folder of Arrow IPC streams, one after the other, which other programs can read (`docs/recordings.md`).
//!
//! A [`RecordingWriter`] writes one, a [`Recording`] reads it: in the order in which its records were complete
//! ([`Recording::records`]), or in the order in which they started
//! ([`Recording::timeline`]).

mod batch;
mod checked;
mod earlier;
mod error;
mod facts;
mod file;
mod folder;
mod input;
mod key;
mod layout;
mod message;
mod output;
mod recording;
mod rows;
mod schema;
mod sealed;
mod sessions;
mod timeline;
mod writer;

pub use error::RecordingError;
pub use key::Key;
pub use recording::{Recording, RecordingEnd, Records};
pub use timeline::Timeline;
pub use writer::{RecordingWriter, WhenFull, WriterOptions, Written};
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
