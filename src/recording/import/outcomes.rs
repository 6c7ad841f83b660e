//! What a message tells of parameters and outcomes.

use bytes::Bytes;

use super::slow::has_one_result_set;
use crate::mysql::sql::StatementKind;
use crate::mysql::wire::StatusFlags;
use crate::recording::{Param, ParamValue, RecordedAnswer, RecordedError, RecordedResult};

/// MYSQL_TYPE_VAR_STRING
const STRING: u16 = 0xfd;
/// What our own redaction shows unless told otherwise.
const REDACTED: &str = "***";

/// A value as a string parameter; `None` if the message has not all of it.
pub(super) fn param(value: Option<String>) -> Option<Param> {
    let value = match value {
        None => ParamValue::Null,
        Some(text) => {
            let is_count = |rest: &str| rest.strip_suffix('>').is_some_and(|digits| digits.parse::<u64>().is_ok());
            let is_absent = text.strip_prefix("<bytes:").is_some_and(is_count);
            if is_absent || text == REDACTED || text.ends_with("...") {
                return None;
            }
            ParamValue::Given(Bytes::from(text))
        }
    };
    Some(Param { column_type: STRING, value })
}

/// A message's own words on the outcome.
pub(super) struct Told {
    pub(super) error: Option<String>,
    pub(super) update_count: Option<u64>,
    pub(super) status: Option<u16>,
}

/// What is certain of the outcome.
pub(super) fn results(kind: StatementKind, text: &[u8], told: &Told) -> Vec<RecordedResult> {
    let answer = match (&told.error, told.update_count) {
        (Some(error), _) => match server_error(error) {
            Some(error) => RecordedAnswer::Error(error),
            None => RecordedAnswer::Unknown(error.clone()),
        },
        // Of a batch only the last message has it.
        (None, None) => return Vec::new(),
        (None, Some(count)) => match kind {
            StatementKind::Show => RecordedAnswer::Rows { count, checksum: None },
            StatementKind::Select if has_one_result_set(text) => RecordedAnswer::Rows { count, checksum: None },
            StatementKind::Insert
            | StatementKind::Update
            | StatementKind::Delete
            | StatementKind::Replace
            | StatementKind::Load => RecordedAnswer::Ok { affected_rows: count, last_insert_id: 0 },
            _ => return Vec::new(),
        },
    };
    let status = told.status.map(StatusFlags::from_bits_retain).filter(|_| told.error.is_none());
    vec![RecordedResult { answer, status, warnings: None }]
}

/// `ERROR 1064 (42000): You have an error ..`
fn server_error(text: &str) -> Option<RecordedError> {
    let (code, rest) = text.strip_prefix("ERROR ")?.split_once(' ')?;
    let (state, message) = match rest.strip_prefix('(').and_then(|rest| rest.split_once("): ")) {
        Some((state, message)) => (Some(state.to_owned()), message),
        None => (None, rest.trim_start_matches([':', ' '])),
    };
    Some(RecordedError { code: code.trim_end_matches(':').parse().ok()?, state, message: message.to_owned() })
}
