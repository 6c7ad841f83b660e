//! What is counted of connections.

/// Of all connections together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TcpCounters {
    /// Connections that were looked at.
    pub(crate) connections: u64,
    /// Those that had begun before the capture.
    pub(crate) begun_before: u64,
    /// Segments of connections between other ports.
    pub(crate) other_segments: u64,
    /// Segments that had to wait for others.
    pub(crate) reordered_segments: u64,
    /// Bytes that came again.
    pub(crate) repeated_bytes: u64,
    /// Places where bytes are missing, told as gaps.
    pub(crate) gaps: u64,
    /// Bytes that the capture has not seen.
    pub(crate) lost_bytes: u64,
    /// Bytes that it has cut off (snaplen).
    pub(crate) cut_bytes: u64,
    /// Segments whose numbers do not belong to their connection.
    pub(crate) strange_segments: u64,
    /// Connections given up because there were too many.
    pub(crate) forgotten: u64,
}
