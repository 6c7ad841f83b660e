//! What makes a statement give the same in every replay: its time, its generated keys, its random numbers.

use crate::mysql::sql::{Kind, Lexis, StatementKind, StatementSummary, Tokens, first_keyword};
use crate::recording::{RecordedAnswer, RecordedCommand};
use crate::session::Now;

/// Functions of the time that `SET timestamp` rules, and those that others take for columns without a value.
const TIME_WORDS: [&str; 11] = [
    "now",
    "current_timestamp",
    "current_date",
    "current_time",
    "curdate",
    "curtime",
    "localtime",
    "localtimestamp",
    "unix_timestamp",
    "utc_timestamp",
    "utc_date",
];

/// What the recorded session has set itself, and is therefore not ours to set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct OwnSettings {
    timestamp: bool,
}

impl OwnSettings {
    /// Takes in a text that is about to run.
    pub(super) fn apply(&mut self, sql: &[u8], lexis: Lexis) {
        if !first_keyword(sql, lexis).eq_ignore_ascii_case(b"set") {
            return;
        }
        let mut tokens = Tokens::new(sql, lexis);
        while let Some(token) = tokens.next() {
            let text = tokens.text(&token).to_ascii_lowercase();
            let name = text.strip_prefix(b"@@session.").or_else(|| text.strip_prefix(b"@@")).unwrap_or(&text);
            if matches!(token.kind, Kind::Word | Kind::Name | Kind::Variable) && name == b"timestamp" {
                let value = tokens.nth(1);
                self.timestamp = !value.is_some_and(|value| {
                    let text = tokens.text(&value);
                    text.eq_ignore_ascii_case(b"default") || text == b"0"
                });
            }
        }
    }
}

/// The statement to run before this one, if it needs one.
pub(super) fn prelude(
    sql: &[u8],
    command: &RecordedCommand,
    recorded: Now,
    own: OwnSettings,
    seed: u64,
    lexis: Lexis,
) -> Option<String> {
    let summary = StatementSummary::of_text(sql, lexis, &|_| None);
    let mut settings = Vec::new();
    if !own.timestamp && recorded.epoch_ms > 0 && depends_on_time(sql, &summary, lexis) {
        settings.push(format!("timestamp = {}.{:03}", recorded.epoch_ms / 1000, recorded.epoch_ms % 1000));
    }
    if let Some(id) = generated_id(command).filter(|_| generates_ids(&summary)) {
        settings.push(format!("insert_id = {id}"));
    }
    if mentions(sql, lexis, &["rand"]) {
        // 30 bits: what the servers take.
        let (one, two) = (seed & 0x3fff_ffff, (seed >> 30) & 0x3fff_ffff);
        settings.push(format!("rand_seed1 = {one}, rand_seed2 = {two}"));
    }
    (!settings.is_empty()).then(|| format!("SET {}", settings.join(", ")))
}

/// Whether a function of the time is mentioned, or columns may take it by default.
fn depends_on_time(sql: &[u8], summary: &StatementSummary, lexis: Lexis) -> bool {
    let may_write = !summary.effects.is_empty();
    may_write || mentions(sql, lexis, &TIME_WORDS)
}

fn generates_ids(summary: &StatementSummary) -> bool {
    matches!(summary.kind, StatementKind::Insert | StatementKind::Replace | StatementKind::Load)
}

/// The first AUTO_INCREMENT value that the recorded statement generated.
fn generated_id(command: &RecordedCommand) -> Option<u64> {
    command.results.iter().find_map(|result| match result.answer {
        RecordedAnswer::Ok { last_insert_id, .. } if last_insert_id > 0 => Some(last_insert_id),
        _ => None,
    })
}

/// Whether one of these words stands in the text, outside of strings and comments.
fn mentions(sql: &[u8], lexis: Lexis, words: &[&str]) -> bool {
    let mut tokens = Tokens::new(sql, lexis);
    while let Some(token) = tokens.next() {
        if token.kind == Kind::Word && tokens.is_any(&token, words) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::wire::Command;
    use crate::recording::RecordedResult;

    const RECORDED: Now = Now { monotonic_ns: 0, epoch_ms: 1_700_000_000_042 };

    fn before(sql: &str, last_insert_id: u64) -> Option<String> {
        let answer = RecordedAnswer::Ok { affected_rows: 1, last_insert_id };
        let mut command = RecordedCommand::new(Command::Query);
        command.results = vec![RecordedResult { answer, status: None, warnings: None }];
        prelude(sql.as_bytes(), &command, RECORDED, OwnSettings::default(), 7 << 30 | 5, Lexis::default())
    }

    #[test]
    fn only_statements_that_need_it_get_something() {
        let time = "timestamp = 1700000000.042";
        for (sql, id, expected) in [
            ("SELECT 1", 0, None),
            ("SELECT 'now()', `rand` FROM t /* rand() */", 0, None),
            ("SELECT NOW()", 0, Some(format!("SET {time}"))),
            ("SELECT current_date", 9, Some(format!("SET {time}"))),
            ("UPDATE t SET a = 1", 9, Some(format!("SET {time}"))),
            ("INSERT INTO t VALUES (1)", 0, Some(format!("SET {time}"))),
            ("INSERT INTO t (a) VALUES (1)", 9, Some(format!("SET {time}, insert_id = 9"))),
            ("REPLACE t VALUES (NULL)", 9, Some(format!("SET {time}, insert_id = 9"))),
            ("SELECT rand()", 0, Some("SET rand_seed1 = 5, rand_seed2 = 7".into())),
            ("SET @a = 1", 0, None),
            ("BEGIN", 0, None),
        ] {
            assert_eq!(before(sql, id), expected, "{sql}");
        }
    }

    #[test]
    fn what_the_session_sets_itself_stays() {
        let mut own = OwnSettings::default();
        let mut after = |sql: &str| {
            own.apply(sql.as_bytes(), Lexis::default());
            own.timestamp
        };
        assert!(!after("SELECT timestamp FROM t"));
        assert!(after("SET @a = 1, timestamp = 12345"));
        assert!(after("SET time_zone = 'UTC'"));
        assert!(!after("SET timestamp = DEFAULT"));
        assert!(after("SET @@session.timestamp := 5"));
        assert!(!after("SET @@timestamp=0"));
        let command = RecordedCommand::new(Command::Query);
        let own = OwnSettings { timestamp: true };
        assert_eq!(prelude(b"SELECT NOW()", &command, RECORDED, own, 0, Lexis::default()), None);
    }
}
