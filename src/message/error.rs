//! `errorMessage`: what went wrong, as the mysql client prints it.

use serde::{Serialize, Serializer};

use crate::mysql::charset::Charset;
use crate::session::ErrorText;

/// Formatted while it is written.
#[derive(Debug)]
pub(super) enum ErrorMessage<'a> {
    /// Of a statement; the character set is that of the server's words.
    Statement(ErrorText<'a>, Charset),
    /// Why statements are not seen any more.
    ObservationLost(&'a str),
}

impl Serialize for ErrorMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Statement(ErrorText::Server(error), charset) => serializer.serialize_str(&error.shown_in(*charset)),
            Self::Statement(ErrorText::Ours(text), _) => serializer.serialize_str(text),
            Self::ObservationLost(reason) => serializer.serialize_str(reason),
        }
    }
}
