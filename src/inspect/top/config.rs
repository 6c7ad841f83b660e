//! Which digests are shown.

/// Which of them are shown.
#[derive(Debug, Clone)]
pub(crate) struct TopConfig {
    /// How many.
    pub(crate) count: usize,
    pub(crate) sort: TopSort,
}

/// What they are sorted by, the largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum TopSort {
    /// All durations together
    #[default]
    Total,
    /// How many there were
    Count,
    /// The duration that half of them did not exceed
    P50,
    /// The duration that 95 % of them did not exceed
    P95,
    /// The duration that 99 % of them did not exceed
    P99,
    /// The longest duration
    Max,
    /// Rows returned or changed
    Rows,
    /// How many failed
    Errors,
    /// When the last one began
    Last,
}
