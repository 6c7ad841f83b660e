//! What a message says of itself beside its fields, whose set is a contract.

use crate::mysql::sql::{Digest, StatementKind};

/// For sinks that have a place for it: Kafka puts it into record headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Label {
    /// What the message is about.
    pub kind: MessageKind,
    /// The digest of the statement's text; `None` where there is none or only its front is known, and where no sink asks
    /// for labels ([`Ingest::reads_labels`]).
    ///
    /// [`Ingest::reads_labels`]: crate::deliver::Ingest::reads_labels
    pub digest: Option<Digest>,
}

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// A statement.
    Statement(StatementKind),
    /// Nothing is known of the session's statements from here on.
    ObservationLost,
}

impl Default for MessageKind {
    fn default() -> Self {
        Self::Statement(StatementKind::default())
    }
}

impl MessageKind {
    /// In one word, for example `insert`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Statement(kind) => kind.into(),
            Self::ObservationLost => "observation-lost",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_a_word() {
        assert_eq!(MessageKind::Statement(StatementKind::Insert).as_str(), "insert");
        assert_eq!(MessageKind::default().as_str(), "other");
        assert_eq!(MessageKind::ObservationLost.as_str(), "observation-lost");
    }
}
