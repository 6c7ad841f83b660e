//! What an event means for whoever reads the stream.

/// What an event meant for the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing special.
    Going,
    /// A transaction has ended: reading can begin here again.
    Boundary,
}
