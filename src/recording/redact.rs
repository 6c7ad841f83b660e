//! Records without what is not to be shown.
//!
//! Passwords in account statements are never recorded. The rest goes by the rule of messages ([`crate::message`]): literals and parameters of what
//! has a redact key in its name, and what errors repeat of them. What stands in their place is a string, so that the statement can be replayed;
//! a pseudonym is the same one for the same value.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::model::{Param, ParamValue, RecordedAnswer, RecordedCommand, RecordedError};
use crate::message::{ER_PARSE_ERROR, hidden_literals_of, instead_of, redacted_bytes, redacted_words};
use crate::mysql::charset::Charset;
use crate::mysql::sql::{Analyses, Keys, Lexis, Redactions, may_have_secrets};
use crate::mysql::wire::{ColumnType, Command, ErrPacket};
use crate::rules::plain;
use crate::rules::redaction::Redactor;
use crate::session::Reading;

/// Among how many caches of texts sessions are shared out: those on other threads seldom wait for each other.
const CACHES: usize = 8;

/// Whose values are not recorded. Each session has a clone; many clones share what is known of texts.
#[derive(Debug, Default)]
pub struct Redaction {
    redactor: Redactor,
    /// What is known of texts; `None`: only passwords are hidden, and of those that have none it is told at a glance.
    caches: Option<Arc<Caches>>,
    /// Which of them this clone asks.
    cache: usize,
}

#[derive(Debug)]
struct Caches {
    each: [Mutex<Analyses>; CACHES],
    /// How many clones there have been.
    clones: AtomicUsize,
}

impl Clone for Redaction {
    fn clone(&self) -> Self {
        let clones = self.caches.as_ref().map_or(0, |caches| caches.clones.fetch_add(1, Ordering::Relaxed));
        Self { redactor: self.redactor.clone(), caches: self.caches.clone(), cache: clones % CACHES }
    }
}

impl Redaction {
    /// By this rule, and passwords in any case.
    pub fn new(redactor: Redactor) -> Self {
        let each = std::array::from_fn(|_| Mutex::new(Analyses::new(redactor.keys().clone())));
        let caches = Caches { each, clones: AtomicUsize::new(0) };
        Self { redactor, caches: Some(Arc::new(caches)), cache: 0 }
    }

    /// What is known of texts.
    fn analyses(&self) -> Option<&Mutex<Analyses>> {
        self.caches.as_ref()?.each.get(self.cache)
    }

    /// Whether more than passwords is hidden.
    pub fn hides_names(&self) -> bool {
        self.redactor.has_keys()
    }

    /// What of a text is not to be shown; `None`: nothing.
    fn redactions(&self, sql: Option<&[u8]>, truncated: bool, lexis: Lexis) -> Option<Redactions> {
        match (sql, self.analyses()) {
            (Some(sql), Some(analyses)) => {
                let mut analyses = analyses.lock().unwrap_or_else(PoisonError::into_inner);
                let redactions = &analyses.of(sql, truncated, lexis).redactions;
                (!redactions.is_empty() || redactions.mentions_secret).then(|| redactions.clone())
            }
            (Some(sql), None) if !may_have_secrets(sql) => None,
            (Some(sql), None) => Some(Redactions::of(sql, truncated, lexis, &Keys::none())),
            (None, Some(_)) => Some(Redactions::of_unknown(self.redactor.keys())),
            (None, None) => None,
        }
    }

    /// Takes out of a command, which is complete, what is not to be shown.
    pub(super) fn apply(&self, command: &mut RecordedCommand, reading: Reading) {
        let redactions = self.redactions(command.sql.as_deref(), command.truncated, reading.lexis);
        if let Some(redactions) = &redactions {
            let is_unread = command.error().is_some_and(|error| error.code == ER_PARSE_ERROR);
            if let Some(sql) = &command.sql {
                let literals = hidden_literals_of(sql, is_unread, reading.lexis, redactions);
                if !literals.is_empty() {
                    let text = redacted_bytes(sql, command.truncated, &literals, reading, &self.redactor);
                    command.sql = Some(text.into());
                }
            }
            self.hide_params(command, redactions, reading.params);
            if redactions.mentions_secret && !command.files.is_empty() {
                // Which of a file's columns is meant only the table knows.
                command.files.clear();
                command.truncated = true;
            }
        }
        self.hide_attributes(command, reading.params);
        let may_echo = redactions.is_some_and(|redactions| redactions.mentions_secret);
        for result in &mut command.results {
            if let RecordedAnswer::Error(error) = &mut result.answer {
                self.hide_in_error(error, may_echo);
            }
        }
    }

    /// A text that was prepared before the recording began.
    pub(super) fn text(&self, sql: Bytes, reading: Reading) -> Bytes {
        match self.redactions(Some(&sql), false, reading.lexis) {
            Some(redactions) if !redactions.literals.is_empty() => {
                redacted_bytes(&sql, false, &redactions.literals, reading, &self.redactor).into()
            }
            _ => sql,
        }
    }

    fn hide_params(&self, command: &mut RecordedCommand, redactions: &Redactions, charset: Charset) {
        if command.command == Command::StmtSendLongData {
            return self.hide_long_data(command, redactions);
        }
        let rows = usize::try_from(command.param_rows).unwrap_or(1).max(1);
        let columns = command.params.len() / rows;
        for (index, param) in command.params.iter_mut().enumerate() {
            if redactions.params.contains(index.checked_rem(columns).unwrap_or(index)) {
                self.hide(param, charset);
            }
        }
    }

    /// A part of a parameter: nothing is known of the whole.
    fn hide_long_data(&self, command: &mut RecordedCommand, redactions: &Redactions) {
        let Some((number, _)) = command.argument.as_deref().and_then(|argument| argument.split_first_chunk::<2>())
        else {
            return;
        };
        if redactions.params.contains(u16::from_le_bytes(*number).into()) {
            command.argument = Some([&number[..], self.redactor.mask().as_bytes()].concat().into());
        }
    }

    fn hide_attributes(&self, command: &mut RecordedCommand, charset: Charset) {
        for attribute in &mut command.attributes {
            if self.redactor.keys().match_name(&attribute.name) {
                self.hide(&mut attribute.param, charset);
            }
        }
    }

    /// What stands in place of a value is a string, whatever its type was.
    fn hide(&self, param: &mut Param, charset: Charset) {
        let ParamValue::Given(value) = &param.value else { return };
        let plain = plain_text(value, param.column_type, charset);
        let hidden = instead_of(Some(&plain), &self.redactor);
        *param = Param { column_type: ColumnType::VarString.byte().into(), value: ParamValue::Given(hidden.into()) };
    }

    fn hide_in_error(&self, error: &mut RecordedError, may_echo: bool) {
        let packet = ErrPacket { code: error.code, sql_state: error.state.as_deref().map(str::as_bytes), message: b"" };
        if let Some(message) = redacted_words(&packet, &error.message, may_echo, &self.redactor) {
            error.message = message;
        }
    }
}

/// The one text that a value has, of which its pseudonym is made (see [`plain`]).
fn plain_text(value: &[u8], column_type: u16, charset: Charset) -> Vec<u8> {
    let text = std::str::from_utf8(value).unwrap_or_default();
    match u8::try_from(column_type & 0xff).ok().and_then(ColumnType::from_byte) {
        Some(ColumnType::Float) => text.parse::<f32>().map_or_else(|_| value.to_vec(), plain::of_float),
        Some(ColumnType::Double) => text.parse::<f64>().map_or_else(|_| value.to_vec(), plain::of_float),
        Some(binary) if binary.is_binary() => plain::of_text(value).into_owned(),
        _ => match charset.to_valid_utf8(value, false) {
            Some(valid) => plain::of_text(valid.as_bytes()).into_owned(),
            None => plain::of_text(value).into_owned(),
        },
    }
}
