//! What a server's answer repeats of a statement.
//!
//! Errors quote values (`Duplicate entry 'x' for key 'k'`), pieces of the text (`near '..'`, of which the server cuts the end), and whole
//! expressions, in whatever language `lc_messages` says. SIGNAL has texts of its own. Rather too much is hidden: all from the first
//! quote on.

use crate::mysql::charset::Charset;
use crate::mysql::wire::ErrPacket;
use crate::rules::redaction::Redactor;

/// The error without what may be a value that is not shown; `None`: it is shown as it is. `may_echo`: its statement has such a value.
pub(in crate::message) fn redacted_error(
    error: &ErrPacket<'_>,
    charset: Charset,
    may_echo: bool,
    redactor: &Redactor,
) -> Option<String> {
    let message = redacted_words(error, &error.text(charset), may_echo, redactor)?;
    let head = ErrPacket { message: b"", ..*error }.shown_in(charset);
    Some(format!("{head}{message}"))
}

/// The words of an error without what may be a value that is not shown; `None`: they are shown as they are.
pub(crate) fn redacted_words(error: &ErrPacket<'_>, text: &str, may_echo: bool, redactor: &Redactor) -> Option<String> {
    if !may_echo && !may_tell(text, redactor) {
        return None;
    }
    let mask = redactor.mask();
    Some(match text.find(QUOTES) {
        _ if is_of_the_user(error) => mask.to_owned(),
        Some(quote) => format!("{}'{mask}'{}", text.get(..quote).unwrap_or_default(), place(text)),
        None => text.to_owned(),
    })
}

/// What servers quote with, in all their languages.
const QUOTES: [char; 12] = ['\'', '"', '`', '´', '‘', '’', '‚', '“', '”', '„', '«', '»'];

/// Whether the error names what is not shown, or repeats more of the text than its own statement.
fn may_tell(text: &str, redactor: &Redactor) -> bool {
    let quotes_others = || text.split_once(QUOTES).is_some_and(|(_, quoted)| quoted.contains(';'));
    redactor.has_keys() && (redactor.names(text) || quotes_others())
}

/// Whether the words are a program's: SIGNAL's default, the class of errors it is for, and numbers that no server has.
fn is_of_the_user(error: &ErrPacket<'_>) -> bool {
    const ER_SIGNAL_EXCEPTION: u16 = 1644;
    const BEYOND: u16 = 10_000;
    let is_class_45 = error.sql_state.is_some_and(|state| state.starts_with(b"45"));
    is_class_45 || error.code == ER_SIGNAL_EXCEPTION || error.code >= BEYOND
}

/// ` at line 3` and ` at row 3`, with which many errors end.
fn place(text: &str) -> &str {
    let digits = text.bytes().rev().take_while(u8::is_ascii_digit).count();
    let front = text.get(..text.len() - digits).unwrap_or_default();
    let place = ["' at line ", "' at row "].into_iter().find(|place| front.ends_with(place));
    match place.filter(|_| digits > 0) {
        Some(place) => text.get(front.len() - place.len() + 1..).unwrap_or_default(),
        None => "",
    }
}

/// The info without what may be a value that is not shown; `None`: it is shown as it is. The servers write numbers alone, with words in
/// front of them.
pub(in crate::message) fn redacted_info<'a>(info: &[u8], redactor: &'a Redactor) -> Option<&'a str> {
    let is_number = |part: &&[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let is_words = |part: &[u8]| part.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b' ' || *byte >= 0x80);
    let mut parts = info.split(|byte| *byte == b':');
    let words = parts.next().unwrap_or_default();
    // ` 1  Changed`
    let mut is_known = is_words(words);
    let mut has_numbers = false;
    for part in parts {
        let part = part.trim_ascii_start();
        let digits = part.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = part.split_at_checked(digits).unwrap_or_default();
        is_known &= is_number(&number) && is_words(rest) && (rest.is_empty() || rest.starts_with(b" "));
        has_numbers = true;
    }
    let is_fixed = matches!(info, b"" | b"Statement prepared");
    if is_fixed || (is_known && has_numbers) { None } else { Some(redactor.mask()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: u16, message: &str, may_echo: bool) -> Option<String> {
        let redactor = Redactor::new(&["password".into(), "token".into()], "***");
        let sql_state = Some(if code == 1644 { &b"45000"[..] } else { b"42000" });
        redacted_error(
            &ErrPacket { code, sql_state, message: message.as_bytes() },
            Charset::Utf8mb4,
            may_echo,
            &redactor,
        )
    }

    #[test]
    fn values_in_errors() {
        for (message, shown) in [
            (
                "You have an error in your SQL syntax; check the manual for the right syntax to use near 'x' at line 1",
                "You have an error in your SQL syntax; check the manual for the right syntax to use near '***' at line 1",
            ),
            ("Duplicate entry 'x' for key 'users.uq'", "Duplicate entry '***'"),
            ("Incorrect string value: '\\xE9' for column 'a' at row 12", "Incorrect string value: '***' at row 12"),
            ("Truncated incorrect DOUBLE value: 'x y", "Truncated incorrect DOUBLE value: '***'"),
            ("BIGINT value is out of range in '(1 - `t`.`a`)'", "BIGINT value is out of range in '***'"),
            ("Deadlock found when trying to get lock", "Deadlock found when trying to get lock"),
            ("Doppelter Eintrag „x” für Schlüssel 1", "Doppelter Eintrag '***'"),
            ("a 'x 1", "a '***'"),
            ("near 'x at line 1", "near '***'"),
        ] {
            assert_eq!(error(1064, message, true).unwrap(), format!("ERROR 1064 (42000): {shown}"));
            assert_eq!(error(1064, message, false), None, "{message}");
        }
    }

    #[test]
    fn words_of_programs() {
        assert_eq!(error(1644, "weak: x", true).unwrap(), "ERROR 1644 (45000): ***");
        assert_eq!(error(30_001, "weak: x", true).unwrap(), "ERROR 30001 (42000): ***");
        assert_eq!(error(1644, "weak: x", false), None);
    }

    #[test]
    fn errors_that_name_what_is_not_shown() {
        assert_eq!(
            error(1062, "Duplicate entry 'x' for key 'users.Token'", false).unwrap(),
            "ERROR 1062 (42000): Duplicate entry '***'"
        );
        assert!(error(1064, "near 'x; INSERT INTO t VALUES (1)' at line 1", false).is_some());
    }

    #[test]
    fn infos() {
        let redactor = Redactor::default();
        for info in [
            "",
            "Rows matched: 1  Changed: 1  Warnings: 0",
            "Records: 2  Duplicates: 0  Warnings: 0",
            "Statement prepared",
            "Zeilen: 3",
        ] {
            assert_eq!(redacted_info(info.as_bytes(), &redactor), None, "{info}");
        }
        for info in ["hunter2", "Rows matched: x", "Rows matched: 1x", "Rows: 1 a'b", "x", "a: 1: b", "a:"] {
            assert_eq!(redacted_info(info.as_bytes(), &redactor), Some("***"), "{info}");
        }
    }
}
