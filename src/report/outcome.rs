//! Outcomes in words: as exact as an example is, and as general as what is counted together.

use crate::recording::{RecordedAnswer, RecordedCommand, RecordedError};

/// The outcome of a command, exactly.
pub(super) fn exactly(command: &RecordedCommand) -> String {
    const MOST: usize = 5;
    match command.results.as_slice() {
        [] => "no answer".to_owned(),
        [only] => answer(&only.answer),
        several => {
            let mut texts: Vec<_> = several.iter().take(MOST).map(|result| answer(&result.answer)).collect();
            if several.len() > MOST {
                texts.push(format!("{} more", several.len() - MOST));
            }
            texts.join("; ")
        }
    }
}

fn answer(answer: &RecordedAnswer) -> String {
    match answer {
        RecordedAnswer::Ok { affected_rows, last_insert_id: 0 } => counted(*affected_rows, "affected row"),
        RecordedAnswer::Ok { affected_rows, last_insert_id } => {
            format!("{}, first key {last_insert_id}", counted(*affected_rows, "affected row"))
        }
        RecordedAnswer::Rows { count, checksum: None } => counted(*count, "row"),
        RecordedAnswer::Rows { count, checksum: Some(checksum) } => {
            format!("{}, checksum {:016x}", counted(*count, "row"), checksum.unordered)
        }
        RecordedAnswer::Prepared { params, .. } => format!("prepared, {}", counted((*params).into(), "parameter")),
        RecordedAnswer::Packet => "answered".to_owned(),
        RecordedAnswer::Error(error) => format!("{}: {}", code(error), error.message),
        RecordedAnswer::Unknown(reason) => format!("unknown: {reason}"),
    }
}

/// An error without its text, which differs between servers.
pub(super) fn code(error: &RecordedError) -> String {
    match &error.state {
        Some(state) => format!("error {} ({state})", error.code),
        None => format!("error {}", error.code),
    }
}

/// `1 row`, `2 rows`
pub(super) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
