//! Where a recording is written.

use crate::recording::Record;
use crate::session::Now;

/// Why a recording cannot be written any further.
pub type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// Writes a recording's records. The first error is its end.
pub trait RecordStore: Send {
    /// When its first record may start, in nanoseconds from the recording's beginning: later where it goes on with one that is there already.
    fn begins_at_ns(&self) -> u64 {
        0
    }

    /// Takes another record; the records of a session come in their order.
    fn write(&mut self, record: &Record) -> Result<(), StoreError>;

    /// Called several times a second: whatever has waited long enough is written out. `now` is in the recording's clock.
    fn flush_due(&mut self, now: Now) -> Result<(), StoreError>;

    /// Writes out the rest. Returns what there is to say of the whole.
    fn finish(self: Box<Self>) -> Result<String, StoreError>;
}
