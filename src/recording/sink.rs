//! Where a session's records go.

use super::model::Record;

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It was taken.
    Taken,
    /// There is no room for it now: the session's recording has a gap here.
    Full,
    /// No record is taken any more.
    Closed,
}

/// Takes the records of a session as they come.
pub trait RecordSink {
    /// Takes another record, or refuses it. It must not wait: whoever calls forwards a client's bytes.
    fn record(&mut self, record: Record) -> Admission;

    /// Whether it is worth while to make a record: asked before each command.
    fn has_room(&self) -> bool {
        true
    }
}

impl<F: FnMut(Record)> RecordSink for F {
    fn record(&mut self, record: Record) -> Admission {
        self(record);
        Admission::Taken
    }
}
