//! `errorMessage`: what went wrong, as the mysql client prints it.

use serde::{Serialize, Serializer};

use super::redaction::redacted_error;
use crate::mysql::charset::Charset;
use crate::rules::redaction::Redactor;
use crate::session::ErrorText;

/// Formatted while it is written.
#[derive(Debug)]
pub(super) enum ErrorMessage<'a> {
    /// Of a statement; the character set is that of the server's words.
    Statement(ErrorText<'a>, Charset),
    /// The same, without what is not shown.
    Redacted(String),
    /// Why statements are not seen any more.
    ObservationLost(&'a str),
}

impl<'a> ErrorMessage<'a> {
    /// Of a statement's error; `may_echo`: the statement has a value that is not shown.
    pub(super) fn of(error: ErrorText<'a>, charset: Charset, may_echo: bool, redactor: &Redactor) -> Self {
        let redacted = match &error {
            ErrorText::Server(packet) => redacted_error(packet, charset, may_echo, redactor),
            ErrorText::Ours(_) => None,
        };
        redacted.map_or(Self::Statement(error, charset), Self::Redacted)
    }
}

impl Serialize for ErrorMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Statement(ErrorText::Server(error), charset) => serializer.serialize_str(&error.shown_in(*charset)),
            Self::Statement(ErrorText::Ours(text), _) => serializer.serialize_str(text),
            Self::Redacted(text) => serializer.serialize_str(text),
            Self::ObservationLost(reason) => serializer.serialize_str(reason),
        }
    }
}
