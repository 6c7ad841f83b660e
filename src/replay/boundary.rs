//! Transactions are played from their beginnings, or not at all.

use crate::recording::RecordedCommand;

/// Whether a session's commands may be played: not in the middle of a transaction whose beginning was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Boundary {
    /// The transaction that is open was played from its beginning, or none is.
    #[default]
    Passed,
    /// A transaction is open whose beginning was not played, for this reason.
    Awaited(Cut),
}

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

impl Boundary {
    /// From here on: `in_transaction` if one is open.
    pub(super) fn cut(in_transaction: bool, why: Cut) -> Self {
        if in_transaction { Self::Awaited(why) } else { Self::Passed }
    }

    /// Why commands are not played now.
    pub(super) fn awaited(self) -> Option<Cut> {
        match self {
            Self::Passed => None,
            Self::Awaited(why) => Some(why),
        }
    }

    /// A command was passed over. Its recorded answer tells whether the transaction goes on; where it does not, nothing changes.
    pub(super) fn passed_over(&mut self, command: &RecordedCommand) {
        if command.in_transaction() == Some(false) {
            *self = Self::Passed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::wire::StatusFlags;
    use crate::replay::samples;

    #[test]
    fn commands_are_passed_over_up_to_the_transactions_end() {
        let mut boundary = Boundary::cut(true, Cut::BeforeRecording);
        let answered = |status| samples::answered("SELECT 1", status);
        for command in [answered(Some(StatusFlags::IN_TRANS)), answered(None)] {
            assert_eq!(boundary.awaited(), Some(Cut::BeforeRecording));
            boundary.passed_over(&command);
        }
        assert_eq!(boundary.awaited(), Some(Cut::BeforeRecording));
        boundary.passed_over(&answered(Some(StatusFlags::empty())));
        assert_eq!(boundary, Boundary::Passed);
        assert_eq!(Boundary::cut(false, Cut::Lost), Boundary::Passed);
    }
}
