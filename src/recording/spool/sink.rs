//! One session's way into a recording.

use std::sync::Arc;

use super::queue::Queue;
use crate::recording::Record;
use crate::recording::sink::{Admission, RecordSink};

/// Takes a session's records for a recording. Cheap to make, and never waits.
#[derive(Debug)]
pub struct SpoolSink(pub(super) Arc<Queue>);

impl RecordSink for SpoolSink {
    fn record(&mut self, record: Record) -> Admission {
        self.0.push(record)
    }

    fn has_room(&self) -> bool {
        self.0.has_room()
    }
}
