//! What a statement's text tells, as the proxy would say.

use crate::mysql::sql::{Analyses, Digest, Flavor, Lexis, StatementKind, version_number};
use crate::mysql::wire::StatusFlags;
use crate::stored::{Fields, Message};

/// What is known of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) digest: Digest,
    pub(crate) kind: StatementKind,
}

/// Finds out about statements.
#[derive(Debug, Default)]
pub(crate) struct FactFinder {
    analyses: Analyses,
    /// The last version that was seen, and what it says.
    version: (String, Lexis),
}

impl FactFinder {
    /// What is known of a message's statement; `None` if it has no text.
    pub(crate) fn of(&mut self, message: &Message<'_>, fields: &Fields<'_>) -> Option<Facts> {
        let sql = fields.sql?.decode();
        let lexis = self.lexis(fields);
        let analysis = self.analyses.of(sql.as_bytes(), message.is_cut, lexis);
        Some(Facts { digest: message.digest.unwrap_or(analysis.digest), kind: analysis.summary.kind })
    }

    /// How the text is read: what the message tells of its session. MySQL's status does not tell `ANSI_QUOTES`.
    pub(crate) fn lexis(&mut self, fields: &Fields<'_>) -> Lexis {
        let version = fields.server_version.map_or("", |version| version.raw());
        if version != self.version.0 {
            let is_mariadb = version.contains("MariaDB");
            let flavor = (!version.is_empty()).then_some(if is_mariadb { Flavor::MariaDb } else { Flavor::MySql });
            let lexis = Lexis { flavor, version: version_number(version), ..Lexis::default() };
            self.version = (version.to_owned(), lexis);
        }
        let lexis = self.version.1;
        let status = fields.server_flags.and_then(|bits| u16::try_from(bits).ok()).map(StatusFlags::from_bits_retain);
        let status = status.unwrap_or_default();
        let said = (lexis.flavor == Some(Flavor::MariaDb)).then(|| status.contains(StatusFlags::ANSI_QUOTES));
        Lexis {
            ansi_quotes: said,
            backslash_escapes: Some(!status.contains(StatusFlags::NO_BACKSLASH_ESCAPES)),
            ..lexis
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_messages_facts_are_those_of_its_session() {
        let mut finder = FactFinder::default();
        let mut of = |json: &str| {
            let fields = Fields::parse(json.as_bytes()).unwrap();
            finder.of(&Message::line(json.as_bytes()), &fields)
        };
        let plain = of(
            r#"{"timestamp":1,"serverVersion":"9.7.4","serverFlags":2,"iFlags":9,"sql":"SELECT \"a\\\"b\" FROM t"}"#,
        );
        let lexis = Lexis {
            flavor: Some(Flavor::MySql),
            version: Some(90_704),
            backslash_escapes: Some(true),
            ..Lexis::default()
        };
        let digest = Digest::of(br#"SELECT "a\"b" FROM t"#, lexis);
        assert_eq!(plain, Some(Facts { digest, kind: StatementKind::Select }));
        let quoted = of(
            r#"{"timestamp":1,"serverVersion":"11.8.2-MariaDB","serverFlags":32770,"iFlags":9,"sql":"INSERT INTO \"t\" VALUES (1)"}"#,
        );
        let plain = of(
            r#"{"timestamp":1,"serverVersion":"11.8.2-MariaDB","serverFlags":2,"iFlags":9,"sql":"INSERT INTO t VALUES (2)"}"#,
        );
        assert_eq!(quoted, plain);
        assert_eq!(of(r#"{"timestamp":1,"iFlags":9,"sql":null}"#), None);
    }
}
