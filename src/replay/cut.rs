//! Why a transaction is not played from its beginning.

/// Why a transaction's beginning was not played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, strum::Display)]
pub(super) enum Cut {
    /// It began before the recording.
    #[strum(serialize = "in a transaction that began before the recording")]
    BeforeRecording,
    /// It began before what is played of the recording.
    #[strum(serialize = "in a transaction that began before --from")]
    BeforeFrom,
    /// Commands of it are missing in the recording.
    #[strum(serialize = "in a transaction of which the recording lacks a part")]
    Gap,
    /// The connection to the target was lost in it.
    #[strum(serialize = "in a transaction in which the connection to the target was lost")]
    Lost,
}
