//! The `iFlags` bitmap.

use bitflags::bitflags;
use serde::{Serialize, Serializer};

use crate::mysql::value::digits::integer;

bitflags! {
    /// Which program made the message, and which fields it could not fill.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct InterceptorFlags: u32 {
        /// Version marker, always set.
        const IVER8 = 1;
        /// Made by this proxy.
        const PROXY = 8;
        /// Whether the statement's transaction was committed could not be known (with buffering until commit).
        const OUTCOME_UNKNOWN = 1 << 19;
        /// Not a statement: from here on those of this connection are not seen. `errorMessage` says why.
        const ERROR_OBSERVATION_LOST = 1 << 20;
        /// No `connectionId`.
        const ERROR_CONNECTION_ID = 1 << 21;
        /// Parameters of a batch could not be recorded.
        const ERROR_PREPROCESS_BATCHED_ARGS = 1 << 22;
        /// Parameters could not be turned into `queryParams`.
        const ERROR_POSTPROCESS_BATCHED_ARGS = 1 << 23;
        /// No `defaultTZ`.
        const ERROR_DEFAULT_TZ = 1 << 24;
        /// No `serverTZ`.
        const ERROR_SERVER_TZ = 1 << 25;
        /// No `isolationLvl`.
        const ERROR_ISOLATION = 1 << 26;
        /// No `clientFlags`.
        const ERROR_CLIENT_FLAGS = 1 << 27;
        /// No `serverFlags`.
        const ERROR_SERVER_FLAGS = 1 << 28;
        /// No `serverVersion`.
        const ERROR_SERVER_VERSION = 1 << 29;
        /// No `serverHost`.
        const ERROR_SERVER_HOST = 1 << 30;
        /// `serverInfo` could not be read.
        const ERROR_SERVER_INFO = 1 << 31;
    }
}

impl Serialize for InterceptorFlags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.bits())
    }
}

/// What stands in front of the flags in a message. It can stand nowhere else: in a string the quotes have backslashes.
const FIELD: &[u8] = b",\"iFlags\":";

/// Appends a message, given as JSON, with [`InterceptorFlags::OUTCOME_UNKNOWN`] set. All else is as it was.
pub fn mark_outcome_unknown(json: &[u8], out: &mut Vec<u8>) {
    let at = memchr::memmem::find(json, FIELD).map(|at| at + FIELD.len());
    let Some((front, rest)) = at.and_then(|at| json.split_at_checked(at)) else {
        return out.extend_from_slice(json);
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = rest.split_at(digits);
    let flags: u32 = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or_default();
    out.extend_from_slice(front);
    integer(out, flags | InterceptorFlags::OUTCOME_UNKNOWN.bits());
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(json: &str) -> String {
        let mut out = Vec::new();
        mark_outcome_unknown(json.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_the_flag_is_new() {
        for (before, after) in [
            (r#"{"debug":"x","iFlags":9,"sql":"a"}"#, r#"{"debug":"x","iFlags":524297,"sql":"a"}"#),
            (r#"{"debug":"x","iFlags":524297,"sql":"a"}"#, r#"{"debug":"x","iFlags":524297,"sql":"a"}"#),
            // Text that looks like the field.
            (r#"{"debug":",\"iFlags\":7","iFlags":100663305}"#, r#"{"debug":",\"iFlags\":7","iFlags":101187593}"#),
            (r#"{"iFlags":4294967295}"#, r#"{"iFlags":4294967295}"#),
            ("no message", "no message"),
        ] {
            assert_eq!(marked(before), after);
        }
    }
}
