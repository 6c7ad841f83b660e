//! What is not played because of what it would do, as reports call it.

use crate::mysql::sql::{Safety, StatementKind};
use crate::mysql::wire::Command;
use crate::player::{Judged, Permits};
use crate::recording::RecordedCommand;

/// What was refused, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    safety: Safety,
    kind: Option<StatementKind>,
    command: Command,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let option = if self.safety == Safety::Admin { "--allow-admin" } else { "--allow-writes" };
        match self.kind {
            Some(kind) => write!(f, "{kind} (refused without {option})"),
            None => write!(f, "{:?} (refused without {option})", self.command),
        }
    }
}

/// Whether a command may be played; what it is refused as, if not.
pub(super) fn refused(permits: Permits, judged: Judged, command: &RecordedCommand) -> Option<Refusal> {
    let refusal = Refusal { safety: judged.safety, kind: judged.kind, command: command.command };
    (!permits.allow(judged.safety)).then_some(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::sql::Lexis;
    use crate::player::Judge;
    use crate::replay::samples;

    fn refusals(permits: Permits, commands: &[RecordedCommand]) -> Vec<Option<String>> {
        let mut judge = Judge::new(Lexis::default());
        let refused = |command| refused(permits, judge.judge(command), command).map(|refusal| refusal.to_string());
        commands.iter().map(refused).collect()
    }

    #[test]
    fn writes_and_administration_are_refused_unless_allowed() {
        let commands =
            ["SELECT 1", "SET @a = 1", "INSERT INTO t VALUES (1)", "SHUTDOWN", "SELECT f(1)"].map(samples::query);
        let write = |kind: &str| Some(format!("{kind} (refused without --allow-writes)"));
        let admin = Some("admin (refused without --allow-admin)".to_owned());
        assert_eq!(
            refusals(Permits::default(), &commands),
            [None, None, write("insert"), admin.clone(), write("select")]
        );
        assert_eq!(refusals(Permits { writes: true, admin: false }, &commands), [None, None, None, admin, None]);
        assert_eq!(refusals(Permits { writes: true, admin: true }, &commands), [const { None }; 5]);
        let shutdown = RecordedCommand { command: Command::Shutdown, sql: None, ..samples::query("") };
        let found = refusals(Permits::default(), &[shutdown]);
        assert_eq!(found[0].as_deref(), Some("Shutdown (refused without --allow-admin)"));
    }
}
