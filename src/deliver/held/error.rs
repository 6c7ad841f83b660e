//! What the disk does not do for held messages.

use crate::segment::SegmentError;

/// The disk does not take what is held back, or does not give it back.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DiskError(#[from] SegmentError);

/// Messages that the disk did not give back.
#[derive(Debug)]
pub struct Unreadable {
    /// How many.
    pub messages: u64,
    /// Why.
    pub error: DiskError,
}
