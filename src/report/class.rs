//! What kinds of differences there are.

use serde::{Deserialize, Serialize};

/// In what an execution differs from the recorded one. Each difference has exactly one class: the first of these that fits.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum DifferenceClass {
    /// The session could not go on, or its command's outcome is not known: the connection was lost, the login failed.
    Session,
    /// An error where there was none, none where there was one, or another error.
    Error,
    /// Another number of rows, or other rows.
    Rows,
    /// Another number of affected rows.
    Affected,
    /// The same rows in another order, where an ORDER BY should decide it.
    Order,
    /// Rows, affected rows or keys that differ by nature: the statement does not determine them.
    Nature,
    /// Another number of warnings.
    Warnings,
    /// The same outcome, but slower or faster by more than is allowed.
    Time,
}

impl DifferenceClass {
    /// Whether it says that the target did something else, and not only that it had to or took another time.
    pub(crate) fn is_outcome(self) -> bool {
        matches!(self, Self::Session | Self::Error | Self::Rows | Self::Affected | Self::Order)
    }
}
