//! What is known of a statement by its text: worked out once for each text.

use crate::mysql::sql::{Digest, Lexis, Nature, StatementKind, StatementSummary, TextMemo, normalized};
use crate::mysql::wire::Command;
use crate::recording::RecordedCommand;

/// How many bytes of a text are shown.
const LONGEST_SHOWN: usize = 4096;

/// What a text tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StatementFacts {
    pub(super) digest: Digest,
    pub(super) nature: Nature,
    pub(super) kind: StatementKind,
}

/// The texts that came lately.
#[derive(Debug, Clone, Default)]
pub(super) struct Statements {
    known: TextMemo<StatementFacts>,
}

impl Statements {
    /// What the command's text tells; of a command without text, what its name tells.
    pub(super) fn facts(&mut self, command: &RecordedCommand, lexis: Lexis) -> StatementFacts {
        let Some(sql) = command.sql.as_deref() else {
            let nature = Nature::empty();
            let digest = Digest::of(command_name(command.command).as_bytes(), Lexis::default());
            return StatementFacts { digest, nature, kind: StatementKind::Other };
        };
        self.known.get_or_find(sql, lexis, || StatementFacts {
            digest: Digest::of(sql, lexis),
            nature: Nature::of(sql, lexis),
            kind: StatementSummary::of_text(sql, lexis, &|_| None).kind,
        })
    }
}

/// The text that the digest stands for, as long as it is shown.
pub(super) fn pattern(command: &RecordedCommand, lexis: Lexis) -> String {
    match command.sql.as_deref() {
        Some(sql) => shown(&normalized(sql, lexis)).0,
        None => command_name(command.command),
    }
}

/// A text as it is shown, and whether that is not all of it.
pub(super) fn shown(text: &[u8]) -> (String, bool) {
    let front = text.get(..LONGEST_SHOWN).unwrap_or(text);
    (String::from_utf8_lossy(front).into_owned(), front.len() < text.len())
}

/// A command by the protocol's name.
fn command_name(command: Command) -> String {
    let mut name = "COM".to_owned();
    for letter in format!("{command:?}").chars() {
        if letter.is_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::query;

    #[test]
    fn commands_without_text_have_the_protocols_name() {
        assert_eq!(command_name(Command::InitDb), "COM_INIT_DB");
        assert_eq!(command_name(Command::ResetConnection), "COM_RESET_CONNECTION");
    }

    #[test]
    fn what_differs_in_values_only_is_the_same_pattern() {
        let mut statements = Statements::default();
        let one = statements.facts(&query("SELECT a FROM t WHERE b = 1"), Lexis::default());
        let other = statements.facts(&query("select a from t where b = 2"), Lexis::default());
        assert_eq!((one.digest, one.kind), (other.digest, StatementKind::Select));
        // How a text is read is part of what is remembered.
        let text = query("SELECT \"NOW()\", 'a\\' , NOW() -- '");
        let escaped = Lexis { backslash_escapes: Some(true), ..Lexis::default() };
        let plain = Lexis { backslash_escapes: Some(false), ..Lexis::default() };
        assert_ne!(statements.facts(&text, escaped).nature, statements.facts(&text, plain).nature);
    }

    #[test]
    fn long_texts_are_shown_by_their_front() {
        let (text, is_cut) = shown(&[b'x'; LONGEST_SHOWN + 1]);
        assert!(is_cut && text.len() == LONGEST_SHOWN);
        assert_eq!(shown(b"a\xff"), ("a\u{fffd}".to_owned(), false));
    }
}
