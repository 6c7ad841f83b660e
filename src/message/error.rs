//! `errorMessage`: what went wrong, as the mysql client prints it.

use serde::{Serialize, Serializer};

use crate::session::ErrorText;

/// Formatted while it is written.
#[derive(Debug)]
pub(super) enum ErrorMessage<'a> {
    /// Of a statement.
    Statement(ErrorText<'a>),
    /// Why statements are not seen any more.
    ObservationLost(&'a str),
}

impl Serialize for ErrorMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Statement(error) => serializer.collect_str(error),
            Self::ObservationLost(reason) => serializer.serialize_str(reason),
        }
    }
}
