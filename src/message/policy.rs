//! Which statements become messages.

use crate::mysql::sql::{Effects, StatementSummary};
use crate::session::Statement;

/// `INTERCEPTOR_CAPTURE_*` and `DEBUGQUERYINTERCEPTOR_STATEMENTLOGGING`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapturePolicy {
    /// False: no messages at all.
    pub enabled: bool,
    /// SELECTs and everything else. Otherwise statements that change data, and what the next two add.
    pub all: bool,
    /// DDL too.
    pub ddl: bool,
    /// CALL too.
    pub callproc: bool,
}

impl Default for CapturePolicy {
    fn default() -> Self {
        Self { enabled: true, all: true, ddl: false, callproc: true }
    }
}

impl CapturePolicy {
    /// Whether a statement becomes a message. Rather one too many than one too few: what is not known is wanted.
    pub fn wants(&self, statement: &Statement<'_>) -> bool {
        if self.all || !self.enabled || statement.observation_lost {
            return self.enabled;
        }
        let Some(sql) = statement.sql else { return true };
        let session = statement.session;
        let summary = StatementSummary::of_text(sql, session.lexis(), &|name| session.named.summary(name));
        statement.truncated
            || summary.effects.intersects(Effects::ROWS | Effects::UNKNOWN)
            || (self.ddl && summary.effects.contains(Effects::DEFINITIONS))
            || (self.callproc && summary.effects.contains(Effects::CALLS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::sql::Flavor;
    use crate::session::{BatchPart, SessionFacts, StatementParams};

    fn wants(policy: CapturePolicy, sql: Option<&str>) -> bool {
        let session = SessionFacts { flavor: Some(Flavor::MariaDb), ..SessionFacts::default() };
        policy.wants(&Statement {
            session: &session,
            sql: sql.map(str::as_bytes),
            truncated: false,
            params: StatementParams::None,
            started_epoch_ms: 1,
            duration_ns: 1,
            update_count: 0,
            info: None,
            error: None,
            batch_part: BatchPart::Last,
            observation_lost: false,
        })
    }

    #[test]
    fn what_is_wanted() {
        let some = CapturePolicy { all: false, ..CapturePolicy::default() };
        for sql in [
            "UPDATE t SET a = 1",
            "CALL p()",
            "/* x */ insert into t values (1)",
            "SELECT 1; DELETE FROM t",
            "EXECUTE nobody_knows",
            "SET STATEMENT max_statement_time=1 FOR DELETE FROM t",
            "BEGIN NOT ATOMIC DELETE FROM t; END",
            // Whether this is a string or a name, only the mode tells.
            "SELECT \"a\\\"; DELETE FROM t; SELECT \" \"",
        ] {
            assert!(wants(some, Some(sql)), "{sql}");
        }
        for sql in
            ["SELECT 1", "CREATE TABLE t (a INT)", "BEGIN", "COMMIT; SELECT 1", "-- nothing", "SET @a = 'DELETE'"]
        {
            assert!(!wants(some, Some(sql)), "{sql}");
        }
        assert!(wants(some, None), "a text that was never seen");
        assert!(wants(CapturePolicy { ddl: true, ..some }, Some("CREATE TABLE t (a INT)")));
        assert!(!wants(CapturePolicy { callproc: false, ..some }, Some("CALL p()")));
        assert!(wants(CapturePolicy::default(), Some("SELECT 1")));
        assert!(!wants(CapturePolicy { enabled: false, ..CapturePolicy::default() }, Some("SELECT 1")));
    }
}
