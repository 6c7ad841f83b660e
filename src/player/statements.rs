//! Prepared statements: the recorded server's ids, and those of the target.

use std::collections::BTreeMap;

use super::error::Unplayable;
use crate::recording::{RecordedAnswer, RecordedCommand};

/// The id by which MariaDB's clients name the statement that was prepared last.
const LAST: u32 = u32::MAX;

/// A statement of the recorded session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prepared {
    /// As the target has it.
    Here {
        /// The target's id.
        id: u32,
        /// How many parameters it has.
        params: u16,
    },
    /// The target executes such statements, but prepares none of them (MySQL: `BEGIN`).
    AsText,
    /// The target refused to prepare it.
    Refused,
}

/// ER_UNSUPPORTED_PS: "This command is not supported in the prepared statement protocol yet".
const UNSUPPORTED_PS: u16 = 1295;

/// What a PREPARE did here.
pub(super) fn prepared_by(observed: &RecordedCommand) -> Prepared {
    let params = observed.results.iter().find_map(|result| match result.answer {
        RecordedAnswer::Prepared { params, .. } => Some(params),
        _ => None,
    });
    match (observed.statement, params) {
        (Some(id), Some(params)) => Prepared::Here { id, params },
        _ if observed.error().is_some_and(|error| error.code == UNSUPPORTED_PS) => Prepared::AsText,
        _ => Prepared::Refused,
    }
}

/// A session's prepared statements by their recorded ids.
#[derive(Debug, Default)]
pub(super) struct Statements {
    open: BTreeMap<u32, Prepared>,
    /// The recorded id of the one prepared last.
    last: Option<u32>,
}

impl Statements {
    /// A statement was prepared here that the recorded server knew by this id. What had the id before is returned if it is open here.
    pub(super) fn insert(&mut self, recorded: u32, prepared: Prepared) -> Option<u32> {
        self.last = Some(recorded);
        match self.open.insert(recorded, prepared)? {
            Prepared::Here { id, .. } => Some(id),
            Prepared::AsText | Prepared::Refused => None,
        }
    }

    /// Whether the target does not know it, and takes its text instead.
    pub(super) fn is_text(&self, recorded: u32) -> bool {
        self.open.get(&self.resolved(recorded)) == Some(&Prepared::AsText)
    }

    /// The target's id of a recorded statement and its number of parameters; `Ok(None)` if it was never prepared here.
    pub(super) fn get(&self, recorded: u32) -> Result<Option<(u32, u16)>, Unplayable> {
        match self.open.get(&self.resolved(recorded)) {
            Some(Prepared::Here { id, params }) => Ok(Some((*id, *params))),
            Some(Prepared::AsText | Prepared::Refused) => Err(Unplayable::NotPrepared),
            None => Ok(None),
        }
    }

    /// The recorded session closed it.
    pub(super) fn remove(&mut self, recorded: u32) {
        self.open.remove(&self.resolved(recorded));
    }

    /// The session began again.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn resolved(&self, recorded: u32) -> u32 {
        self.last.filter(|_| recorded == LAST).unwrap_or(recorded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_recorded_server() {
        let mut statements = Statements::default();
        assert_eq!(statements.get(LAST), Ok(None));
        assert_eq!(statements.insert(5, Prepared::Here { id: 1, params: 2 }), None);
        assert_eq!(statements.insert(6, Prepared::Refused), None);
        assert_eq!(statements.get(5), Ok(Some((1, 2))));
        assert_eq!(statements.get(6), Err(Unplayable::NotPrepared));
        assert_eq!(statements.get(LAST), Err(Unplayable::NotPrepared));
        assert_eq!(statements.get(7), Ok(None));
        // An id that is used again without a close between: a part of the recording is missing.
        assert_eq!(statements.insert(5, Prepared::Here { id: 9, params: 0 }), Some(1));
        assert_eq!(statements.get(LAST), Ok(Some((9, 0))));
        assert_eq!(statements.insert(8, Prepared::AsText), None);
        assert!(statements.is_text(8) && !statements.is_text(6) && !statements.is_text(7));
        assert_eq!(statements.get(8), Err(Unplayable::NotPrepared), "where it needs an id");
        statements.remove(5);
        assert_eq!(statements.get(5), Ok(None));
        statements.clear();
        assert_eq!(statements.get(6), Ok(None));
    }
}
